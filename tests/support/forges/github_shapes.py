"""The shapes of GitHub's answers: every field that its own description asks for."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime
from typing import Final

from gitops.model import Check, CheckState, Json

DOCS: Final = "https://docs.github.com/rest"
SITE: Final = "https://github.test"

_PERSON_URLS: Final = (
    "avatar events followers following gists html organizations received_events repos "
    "starred subscriptions"
)
_REPOSITORY_URLS: Final = (
    "archive assignees blobs branches clone collaborators comments commits compare "
    "contents contributors deployments downloads events forks git git_commits git_refs "
    "git_tags hooks issue_comment issue_events issues keys labels languages merges "
    "milestones notifications pulls releases ssh stargazers statuses subscribers "
    "subscription svn tags teams trees"
)
_PULL_URLS: Final = (
    "comments commits diff issue patch review_comment review_comments statuses"
)
_COUNTS: Final = "forks open_issues stargazers watchers network subscribers"
_FLAGS: Final = "fork private archived disabled"
_HAS: Final = "downloads issues projects wiki pages discussions"
_WORDS: Final = {
    CheckState.PENDING: "pending",
    CheckState.PASSED: "success",
    CheckState.FAILED: "failure",
}


def time(at: datetime) -> str:
    """Write a moment as GitHub does."""
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")


def error(status: int, message: str, *errors: Json) -> dict[str, Json]:
    """Write an error; with parts it is one of validation."""
    more: dict[str, Json] = {"errors": list(errors)} if errors else {}
    return {
        "message": message,
        **more,
        "documentation_url": DOCS,
        "status": str(status),
    }


def wrong(resource: str, code: str, *, field: str = "", message: str = "") -> Json:
    """Write one part of an error of validation."""
    found: dict[str, Json] = {"resource": resource, "code": code}
    if field:
        found["field"] = field
    if message:
        found["message"] = message
    return found


def person(login: str, number: int) -> dict[str, Json]:
    """Write somebody, as GitHub does wherever it names one."""
    return {
        "login": login,
        "id": number,
        "node_id": f"U_{number}",
        "gravatar_id": "",
        "type": "User",
        "site_admin": False,
        "url": f"{SITE}/users/{login}",
        **{f"{name}_url": f"{SITE}/{name}/{login}" for name in _PERSON_URLS.split()},
    }


def account(login: str, number: int) -> dict[str, Json]:
    """Write somebody, as GitHub does where one asks for an account."""
    unknown = "bio blog company email hireable location name"
    counts = "followers following public_gists public_repos"
    return {
        **person(login, number),
        **dict.fromkeys(unknown.split()),
        **dict.fromkeys(counts.split(), 0),
        "user_view_type": "public",
        "created_at": "2026-11-23T12:00:00Z",
        "updated_at": "2026-11-23T12:00:00Z",
    }


def repository(full_name: str, owner: dict[str, Json], *, number: int = 77) -> Json:
    """Write a repository."""
    where = f"{SITE}/{full_name}"
    return {
        "id": number,
        "node_id": f"R_{number}",
        "name": full_name.partition("/")[2],
        "full_name": full_name,
        "owner": owner,
        "description": "",
        "url": where,
        "html_url": where,
        **{f"{name}_url": f"{where}/{name}" for name in _REPOSITORY_URLS.split()},
        "mirror_url": None,
        "default_branch": "main",
        **{f"{name}_count": 0 for name in _COUNTS.split()},
        "forks": 0,
        "open_issues": 0,
        "watchers": 0,
        "size": 1,
        **dict.fromkeys(_FLAGS.split(), False),
        **{f"has_{name}": True for name in _HAS.split()},
        "homepage": None,
        "language": None,
        "license": None,
        "pushed_at": "2026-11-23T12:00:00Z",
        "created_at": "2026-11-23T12:00:00Z",
        "updated_at": "2026-11-23T12:00:00Z",
    }


def pull_urls(full_name: str, number: int) -> dict[str, Json]:
    """Write the addresses of a pull request."""
    page = f"{SITE}/{full_name}/pull/{number}"
    names = "comments commits html issue review_comment review_comments self statuses"
    return {
        "url": f"{SITE}/api/repos/{full_name}/pulls/{number}",
        "html_url": page,
        **{f"{name}_url": f"{page}/{name}" for name in _PULL_URLS.split()},
        "_links": {name: {"href": f"{page}/{name}"} for name in names.split()},
    }


def label(name: str) -> Json:
    """Write a label."""
    return {
        "id": 5,
        "node_id": "LA_5",
        "url": f"{SITE}/labels/5",
        "name": name,
        "description": "",
        "color": "ededed",
        "default": False,
    }


def check_run(check: Check, sha: str) -> Json:
    """Write what an app says of a commit."""
    done = check.state is not CheckState.PENDING
    return {
        "id": 8,
        "node_id": "CR_8",
        "head_sha": sha,
        "external_id": "",
        "name": check.name,
        "url": f"{SITE}/check-runs/8",
        "html_url": check.url or None,
        "details_url": None,
        "status": "completed" if done else "in_progress",
        "conclusion": _WORDS[check.state] if done else None,
        "started_at": "2026-11-23T12:00:00Z",
        "completed_at": "2026-11-23T12:01:00Z" if done else None,
        "check_suite": {"id": 9},
        "output": {
            "title": None,
            "summary": None,
            "text": None,
            "annotations_count": 0,
            "annotations_url": f"{SITE}/check-runs/8/annotations",
        },
        "app": None,
        "pull_requests": [],
    }


def status(name: str, state: CheckState, description: str, url: str) -> dict[str, Json]:
    """Write what anybody says of a commit."""
    return {
        "id": 6,
        "node_id": "SC_6",
        "url": f"{SITE}/statuses/6",
        "avatar_url": None,
        "state": _WORDS[state],
        "context": name,
        "description": description or None,
        "target_url": url or None,
        "created_at": "2026-11-23T12:00:00Z",
        "updated_at": "2026-11-23T12:00:00Z",
    }


def combined(sha: str, statuses: Sequence[Json], where: Json, total: int) -> Json:
    """Write the statuses of a commit."""
    return {
        "state": "pending",
        "sha": sha,
        "total_count": total,
        "statuses": list(statuses),
        "repository": where,
        "commit_url": f"{SITE}/commits/{sha}",
        "url": f"{SITE}/commits/{sha}/status",
    }


def installation(number: int, slug: str, rights: dict[str, Json]) -> Json:
    """Write the installation of an App."""
    return {
        "id": number,
        "app_id": 1,
        "app_slug": slug,
        "target_id": 1,
        "target_type": "Organization",
        "account": person("team", 50),
        "single_file_name": None,
        "repository_selection": "selected",
        "access_tokens_url": f"{SITE}/app/installations/{number}/access_tokens",
        "html_url": f"{SITE}/installations/{number}",
        "repositories_url": f"{SITE}/installation/repositories",
        "events": [],
        "permissions": rights,
        "created_at": "2026-11-23T12:00:00Z",
        "updated_at": "2026-11-23T12:00:00Z",
        "suspended_by": None,
        "suspended_at": None,
    }
