"""GitHub's REST API, and the one GraphQL mutation that we use, over a fake's state.

Faithful in what adapters stumble over: its refusals and their bodies, lists in small
pages, reviews that are told one after another, mergeability that comes a moment later.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from urllib.parse import urlencode

from gitops.errors import ForgeConflictError, GitError
from gitops.forges import Merged, Status
from gitops.git import Conflict
from gitops.model import (
    BranchName,
    CheckState,
    CommitId,
    Json,
    PullRequest,
    PullRequestState,
)
from tests.support.forges import github_shapes as shapes
from tests.support.forges.github_shapes import error, time, wrong
from tests.support.forges.state import BOT, NOON, PERSON, ForgeState, Note
from tests.support.forges.wire import Asked, Told, Wire

_PULL: Final = "/repos/{}/{}/pulls/{}"
_ISSUE: Final = "/repos/{}/{}/issues/{}"
_BODY_MAX: Final = 65_536
_TITLE_MAX: Final = 256
_CHECKS: Final = {
    "pending": CheckState.PENDING,
    "success": CheckState.PASSED,
    "failure": CheckState.FAILED,
    "error": CheckState.FAILED,
}
_TRY_AGAIN: Final = "{} branch was modified. Review and try the merge again."
_NOT_FOUND: Final = Told(status=404, body=error(404, "Not Found"))


@dataclass(frozen=True, kw_only=True)
class Opinion:
    """One review."""

    by: str
    state: str
    head: CommitId | None
    at: datetime


def refused(status: int, message: str, *errors: Json) -> Told:
    """Write an error as GitHub does."""
    return Told(status=status, body=error(status, message, *errors))


def invalid(*errors: Json) -> Told:
    """Write an error of validation as GitHub does."""
    return refused(422, "Validation Failed", *errors)


def is_of_apps(asked: Asked) -> bool:
    """Whether a call is one that only an App may make, as itself."""
    return asked.path.startswith("/app/") or asked.path.endswith("/installation")


class FakeGitHub:
    """One GitHub with one repository.

    Attributes:
        state: what it keeps.
        wire: its routes and faults.
        page: the most items that one page has.
        bases_moved: merges that are refused since somebody else just merged.
        allows_auto_merge: the repository's own setting.
        reads_checks: whether the credential may read check runs.
        teams: slugs that may be asked to review.
        opinions: reviews beside the approvals of the state, by number.
        link_root: where `Link` leads, when not to this server.
        app_check: looks at the credential of the calls that only an App may make.
        messages: title and text of each merge that was asked for.
    """

    def __init__(self, state: ForgeState) -> None:
        self.state = state
        self.page = 3
        self.bases_moved = 0
        self.allows_auto_merge = True
        self.reads_checks = True
        self.teams = {"reviewers"}
        self.opinions: dict[int, list[Opinion]] = {}
        self.link_root = ""
        self.app_check: Callable[[Asked], Told | None] | None = None
        self.messages: list[tuple[str, str]] = []
        self._texts: dict[int, tuple[str, str]] = {}
        self._asked_teams: dict[int, set[str]] = {}
        self.wire = Wire(check=self.refusal, missing=_NOT_FOUND)
        self._routes()

    @property
    def full_name(self) -> str:
        """Owner and name."""
        return f"{self.state.owner}/{self.state.name}"

    # --- who may ---

    def refusal(self, asked: Asked) -> Told | None:
        """Say why somebody may not ask; None lets in."""
        if self.app_check is not None and is_of_apps(asked):
            return self.app_check(asked)
        token = asked.headers.get("authorization", "").partition(" ")[2]
        if token not in self.state.tokens:
            return refused(401, "Bad credentials")
        if asked.path.startswith("/repos/"):
            named = "/".join(asked.path.split("/")[2:4])
            if named != self.full_name:
                return _NOT_FOUND
        if asked.method != "GET" and not self.state.may_write:
            return refused(403, "Resource not accessible by personal access token")
        return None

    def _routes(self) -> None:
        on = self.wire.on
        on("GET", "/user")(lambda asked: Told(body=shapes.account(BOT, 1)))
        on("GET", "/repos/{}/{}")(lambda asked: Told(body=self._repository()))
        on("GET", "/repos/{}/{}/git/ref/{}")(self._ref)
        on("DELETE", "/repos/{}/{}/git/refs/{}")(self._unref)
        on("GET", "/repos/{}/{}/commits/{}/status")(self._statuses)
        on("GET", "/repos/{}/{}/commits/{}/check-runs")(self._check_runs)
        on("POST", "/repos/{}/{}/statuses/{}")(self._report)
        on("GET", "/repos/{}/{}/pulls")(self._list)
        on("POST", "/repos/{}/{}/pulls")(self._create)
        on("GET", _PULL)(self._with(lambda asked, one: Told(body=self._body(one))))
        on("PATCH", _PULL)(self._with(self._change))
        on("PUT", f"{_PULL}/merge")(self._with(self._merge))
        on("GET", f"{_PULL}/reviews")(self._with(self._reviews))
        on("POST", f"{_PULL}/requested_reviewers")(self._with(self._ask))
        on("PATCH", "/repos/{}/{}/issues/comments/{}")(self._rewrite)
        on("GET", _ISSUE)(self._with(self._issue))
        on("GET", f"{_ISSUE}/comments")(self._with(self._comments))
        on("POST", f"{_ISSUE}/comments")(self._with(self._say))
        on("POST", f"{_ISSUE}/labels")(self._with(self._label))
        on("POST", "/graphql")(self._graphql)

    def _with(
        self, handler: Callable[[Asked, PullRequest], Told]
    ) -> Callable[[Asked], Told]:
        def handle(asked: Asked) -> Told:
            shown = self.state.find(int(asked.parts[2]))
            return _NOT_FOUND if shown is None else handler(asked, shown)

        return handle

    # --- people, branches, commits ---

    def _person(self, login: str) -> dict[str, Json]:
        return shapes.person(login, self.state.people.get(login, 99))

    def _repository(self, owner: str = "") -> Json:
        who = owner or self.state.owner
        return shapes.repository(f"{who}/{self.state.name}", self._person(who))

    def _ref(self, asked: Asked) -> Told:
        name = asked.parts[2]
        tip = self.state.tip(name.removeprefix("heads/"))
        if tip is None:
            return _NOT_FOUND
        where = f"{shapes.SITE}/{name}"
        body: Json = {
            "ref": f"refs/{name}",
            "node_id": "REF_1",
            "url": where,
            "object": {"type": "commit", "sha": tip, "url": where},
        }
        return Told(body=body)

    def _unref(self, asked: Asked) -> Told:
        name = BranchName(asked.parts[2].removeprefix("heads/"))
        tip = self.state.tip(name)
        if tip is None:
            return refused(422, "Reference does not exist")
        if name == "main":
            return refused(422, "Cannot delete this protected branch")
        self.state.writes["deleted"] += 1
        self.state.repository.delete_branch(name, expected=tip)
        return Told(status=204)

    def _has(self, sha: str) -> bool:
        try:
            return bool(self.state.repository.history(CommitId(sha), limit=1))
        except GitError:
            return False

    def _statuses(self, asked: Asked) -> Told:
        sha = asked.parts[2]
        said: list[Json] = [
            shapes.status(one.name, one.state, one.description, one.url)
            for one in self.state.statuses.get(CommitId(sha), {}).values()
        ]
        if not self._has(sha):
            return _NOT_FOUND
        return self._page(
            asked,
            said,
            lambda page: shapes.combined(sha, page, self._repository(), len(said)),
        )

    def _check_runs(self, asked: Asked) -> Told:
        if not self.reads_checks:
            return refused(403, "Resource not accessible by personal access token")
        sha = asked.parts[2]
        runs = [
            shapes.check_run(check, sha)
            for check in self.state.builds.get(CommitId(sha), {}).values()
        ]
        return self._page(
            asked,
            runs,
            lambda page: {"total_count": len(runs), "check_runs": list(page)},
        )

    def _report(self, asked: Asked) -> Told:
        sha, word = asked.parts[2], asked.text("state")
        if not self._has(sha):
            return refused(422, f"No commit found for SHA: {sha}")
        if len(asked.text("description")) > 140:
            told = "description is too long (maximum is 140 characters)"
            return invalid(wrong("Status", "custom", message=told))
        self.state.writes["reported"] += 1
        said = Status(
            name=asked.text("context") or "default",
            state=_CHECKS[word],
            description=asked.text("description"),
            url=asked.text("target_url"),
        )
        self.state.statuses.setdefault(CommitId(sha), {})[said.name] = said
        body = shapes.status(said.name, said.state, said.description, said.url)
        return Told(status=201, body={**body, "creator": self._person(BOT)})

    # --- pull requests ---

    def _list(self, asked: Asked) -> Told:
        state, head = asked.query.get("state", "open"), asked.query.get("head")
        found: list[Json] = [
            self._plain(shown)
            for shown in self.state.all()
            if (state == "all" or (state == "open") is _is_open(shown))
            and (head is None or head == f"{self._owner_of(shown)}:{shown.branch}")
        ]
        if asked.query.get("direction", "desc") == "desc":
            found.reverse()
        return self._page(asked, found)

    def _owner_of(self, shown: PullRequest) -> str:
        return "eve" if shown.number in self.state.from_forks else self.state.owner

    def _create(self, asked: Asked) -> Told:
        head, base = asked.text("head"), asked.text("base")
        for field, name in (("head", head), ("base", base)):
            if self.state.tip(name) is None:
                return invalid(wrong("PullRequest", "invalid", field=field))
        if too_long := self._too_long(asked):
            return too_long
        for shown in self.state.all():
            if _is_open(shown) and (shown.branch, shown.base) == (head, base):
                told = (
                    "A pull request already exists for "
                    f"{self.state.owner}:{shown.branch}."
                )
                return invalid(wrong("PullRequest", "custom", message=told))
        try:
            made = self.state.create(head=head, base=base, title="title", body="")
        except ForgeConflictError:
            told = f"No commits between {base} and {head}"
            return invalid(wrong("PullRequest", "custom", message=told))
        self._texts[made.number] = (asked.text("title"), asked.text("body"))
        return Told(status=201, body=self._body(made))

    def _too_long(self, asked: Asked) -> Told | None:
        limits = (("title", _TITLE_MAX), ("body", _BODY_MAX))
        for field, most in limits:
            if len(asked.text(field)) > most:
                told = f"{field} is too long (maximum is {most} characters)"
                part = wrong("Issue", "custom", field=field, message=told)
                return invalid(part)
        return None

    def _plain(self, shown: PullRequest) -> dict[str, Json]:
        """Write one as lists show it."""
        number, owner = shown.number, self._owner_of(shown)
        title, body = self._texts.get(number, (shown.title, shown.body))
        is_merged = shown.state is PullRequestState.MERGED
        ended = None if _is_open(shown) else time(shown.created_at)
        names = sorted(self.state.labels.get(number, set()))
        asked = sorted(self.state.reviewers.get(number, set()))
        later: Json = {
            "enabled_by": self._person(BOT),
            "merge_method": "merge",
            "commit_title": "",
            "commit_message": "",
        }
        return {
            **shapes.pull_urls(self.full_name, number),
            "id": 1000 + number,
            "node_id": f"PR_{number}",
            "number": number,
            "state": "open" if _is_open(shown) else "closed",
            "locked": False,
            "title": title,
            "body": body or None,
            "user": self._person(shown.author),
            "labels": [shapes.label(name) for name in names],
            "milestone": None,
            "assignee": None,
            "created_at": time(shown.created_at),
            "updated_at": time(shown.created_at),
            "closed_at": ended,
            "merged_at": ended if is_merged else None,
            "merge_commit_sha": shown.merge_commit if is_merged else shown.head,
            "draft": number in self.state.drafts,
            "author_association": "MEMBER",
            "auto_merge": later if number in self.state.merges_later else None,
            "requested_reviewers": [self._person(login) for login in asked],
            "requested_teams": [
                _team(slug) for slug in sorted(self._asked_teams.get(number, set()))
            ],
            "head": self._end(shown.branch, shown.head, owner),
            "base": self._end(shown.base, shown.head, self.state.owner),
        }

    def _end(self, ref: str, sha: str, owner: str) -> Json:
        return {
            "label": f"{owner}:{ref}",
            "ref": ref,
            "sha": sha,
            "user": self._person(owner),
            "repo": self._repository(owner),
        }

    def _body(self, shown: PullRequest) -> Json:
        """Write one as it is shown by its number."""
        mergeable, word = self._mergeability(shown)
        counts = "additions changed_files comments commits deletions review_comments"
        is_merged = shown.state is PullRequestState.MERGED
        return {
            **self._plain(shown),
            **dict.fromkeys(counts.split(), 1),
            "merged": is_merged,
            "merged_by": self._person(shown.closed_by) if is_merged else None,
            "mergeable": mergeable,
            "mergeable_state": word,
            "maintainer_can_modify": False,
        }

    def _mergeability(self, shown: PullRequest) -> tuple[bool | None, str]:
        if not _is_open(shown):
            return None, "unknown"
        if self.state.undecided:
            self.state.undecided -= 1
            return None, "unknown"
        if self._conflicts(shown):
            return False, "dirty"
        if shown.number in self.state.drafts:
            return True, "draft"
        return True, "blocked" if self.state.blocked else "clean"

    def _conflicts(self, shown: PullRequest) -> bool:
        tip = self.state.tip(shown.base)
        if tip is None:
            return False
        made = self.state.repository.merge_commit(
            tip, shown.head, "trial", PERSON, NOON
        )
        return isinstance(made, Conflict)

    def _change(self, asked: Asked, shown: PullRequest) -> Told:
        number = shown.number
        if too_long := self._too_long(asked):
            return too_long
        if asked.text("state") == "closed" and _is_open(shown):
            self.state.writes["closed"] += 1
            self.state.forge.close(number, by=BOT, now=self.state.now())
        old = self._texts.get(number, (shown.title, shown.body))
        new = (asked.field("title"), asked.field("body"))
        title, body = (
            given if isinstance(given, str) else was
            for given, was in zip(new, old, strict=True)
        )
        if new != (None, None):
            self.state.writes["edited"] += 1
            self._texts[number] = (title, body)
        return Told(body=self._body(self.state.forge.read(number)))

    # --- people's words ---

    def review(self, number: int, *, by: str, state: str, head: bool = True) -> None:
        """Somebody reviews the present head."""
        sha = self.state.forge.read(number).head if head else None
        given = Opinion(by=by, state=state, head=sha, at=self.state.now())
        self.opinions.setdefault(number, []).append(given)

    def _reviews(self, asked: Asked, shown: PullRequest) -> Told:
        given = [
            Opinion(by=one.by, state="APPROVED", head=one.head, at=one.at)
            for one in self.state.approvals_of(shown.number)
        ]
        given += self.opinions.get(shown.number, [])
        page = f"{shapes.SITE}/{self.full_name}/pull/{shown.number}"
        link: Json = {"href": page}
        bodies: list[Json] = [
            {
                "id": 80 + n,
                "node_id": f"PRR_{n}",
                "user": self._person(one.by) if one.by else None,
                "body": "",
                "state": one.state,
                "html_url": page,
                "pull_request_url": page,
                "_links": {"html": link, "pull_request": link},
                "submitted_at": time(one.at),
                "commit_id": one.head,
                "author_association": "MEMBER",
            }
            for n, one in enumerate(sorted(given, key=lambda one: one.at))
        ]
        return self._page(asked, bodies)

    def _ask(self, asked: Asked, shown: PullRequest) -> Told:
        people = _texts_of(asked.field("reviewers"))
        teams = _texts_of(asked.field("team_reviewers"))
        if shown.author in people:
            told = "Review cannot be requested from pull request author."
            return refused(422, told)
        if not (people <= self.state.collaborators and teams <= self.teams):
            return refused(
                422,
                "Reviews may only be requested from collaborators. One or more of the "
                "users or teams you specified is not a collaborator of the "
                f"{self.full_name} repository.",
            )
        self.state.writes["asked"] += 1
        self.state.reviewers.setdefault(shown.number, set()).update(people)
        self._asked_teams.setdefault(shown.number, set()).update(teams)
        return Told(status=201, body=self._plain(shown))

    def _label(self, asked: Asked, shown: PullRequest) -> Told:
        self.state.writes["labelled"] += 1
        kept = self.state.labels.setdefault(shown.number, set())
        kept.update(_texts_of(asked.field("labels")))
        return Told(body=[shapes.label(name) for name in sorted(kept)])

    def _issue(self, asked: Asked, shown: PullRequest) -> Told:
        plain = self._plain(shown)
        is_closed = shown.state is not PullRequestState.OPEN
        names = "events labels repository"
        kept = "node_id number state locked title user milestone assignee closed_at"
        body: Json = {
            **{name: plain[name] for name in kept.split()},
            **{name: plain[name] for name in ("id", "created_at", "updated_at")},
            **{name: plain[name] for name in ("url", "html_url", "comments_url")},
            **{f"{name}_url": f"{shapes.SITE}/{name}" for name in names.split()},
            "labels": [],
            "comments": 0,
            "closed_by": self._person(shown.closed_by) if is_closed else None,
        }
        return Told(body=body)

    def _comments(self, asked: Asked, shown: PullRequest) -> Told:
        notes = self.state.notes_of(shown.number)
        return self._page(asked, [self._note(note) for note in notes])

    def _note(self, note: Note) -> Json:
        where = f"{shapes.SITE}/comments/{note.id}"
        return {
            "id": note.id,
            "node_id": f"IC_{note.id}",
            "url": where,
            "html_url": where,
            "issue_url": where,
            "user": self._person(note.comment.by),
            "body": note.comment.text,
            "author_association": "MEMBER",
            "created_at": time(note.comment.at),
            "updated_at": time(note.comment.at),
        }

    def _say(self, asked: Asked, shown: PullRequest) -> Told:
        note = self.state.say(shown.number, asked.text("body"))
        return Told(status=201, body=self._note(note))

    def _rewrite(self, asked: Asked) -> Told:
        note = self.state.rewrite(int(asked.parts[2]), asked.text("body"))
        return _NOT_FOUND if note is None else Told(body=self._note(note))

    # --- merging ---

    def _merge(self, asked: Asked, shown: PullRequest) -> Told:
        if shown.state is PullRequestState.CLOSED or self._mergeability(shown)[1] in (
            "dirty",
            "draft",
            "unknown",
        ):
            return refused(405, "Pull Request is not mergeable")
        if self.bases_moved:
            self.bases_moved -= 1
            return refused(405, _TRY_AGAIN.format("Base"))
        if self.state.blocked:
            return refused(405, self.state.blocked)
        if asked.text("sha") != shown.head:
            return refused(409, _TRY_AGAIN.format("Head"))
        self.messages.append((asked.text("commit_title"), asked.text("commit_message")))
        self.state.writes["merged"] += 1
        done = self.state.forge.merge(
            shown.number, head=shown.head, by=BOT, now=self.state.now()
        )
        assert isinstance(done, Merged)
        body: Json = {
            "sha": done.pull_request.merge_commit,
            "merged": True,
            "message": "Pull Request successfully merged",
        }
        return Told(body=body)

    def _graphql(self, asked: Asked) -> Told:
        variables = asked.field("variables")
        assert "enablePullRequestAutoMerge(" in asked.text("query")
        assert isinstance(variables, dict)
        shown = self.state.find(int(str(variables["pull"]).removeprefix("PR_")))
        if shown is None:
            told = f"Could not resolve to a node with the global id of '{variables}'"
            return _unprocessed(told, kind="NOT_FOUND")
        why = self._not_later(shown, str(variables["head"]))
        if why:
            return _unprocessed(why)
        self.state.writes["scheduled"] += 1
        self.state.merges_later.add(shown.number)
        done: Json = {"pullRequest": {"number": shown.number}}
        return Told(body={"data": {"enablePullRequestAutoMerge": done}})

    def _not_later(self, shown: PullRequest, head: str) -> str:
        if not self.allows_auto_merge:
            return "Pull request Auto merge is not allowed for this repository"
        if shown.head != head:
            return _TRY_AGAIN.format("Head")
        word = self._mergeability(shown)[1]
        return f"Pull request is in {word} status" if word != "blocked" else ""

    # --- pages ---

    def _page(
        self,
        asked: Asked,
        items: Sequence[Json],
        whole: Callable[[Sequence[Json]], Json] = list,
    ) -> Told:
        number = int(asked.query.get("page", "1"))
        size = min(int(asked.query.get("per_page", "30")), self.page)
        shown = items[(number - 1) * size : number * size]
        if number * size >= len(items):
            return Told(body=whole(shown))
        query = urlencode({**asked.query, "page": number + 1})
        root = self.link_root or asked.root
        link = f'<{root}{asked.path}?{query}>; rel="next"'
        return Told(body=whole(shown), headers={"Link": link})


def _is_open(shown: PullRequest) -> bool:
    return shown.state is PullRequestState.OPEN


def _texts_of(value: Json) -> set[str]:
    return {str(item) for item in value} if isinstance(value, list) else set()


def _team(slug: str) -> Json:
    where = f"{shapes.SITE}/teams/{slug}"
    return {
        "id": 3,
        "node_id": "T_3",
        "name": slug,
        "slug": slug,
        "description": "",
        "permission": "push",
        "url": where,
        "html_url": where,
        "members_url": where,
        "repositories_url": where,
        "parent": None,
        "type": "organization",
        "organization_id": 50,
    }


def _unprocessed(message: str, *, kind: str = "UNPROCESSABLE") -> Told:
    name = "enablePullRequestAutoMerge"
    fault: Json = {
        "type": kind,
        "path": [name],
        "locations": [{"line": 2, "column": 3}],
        "message": message,
    }
    return Told(body={"data": {name: None}, "errors": [fault]})
