"""GitHub's API: REST, version 2022-11-28, and GraphQL for automatic merges.

Which calls, in which order. Source: GitHub's own OpenAPI description; where it says
less than the server does, docs/forges/github.md names the source.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Final

from gitops.errors import (
    ForgeConflictError,
    ForgeDeniedError,
    ForgeUnavailableError,
    WebError,
)
from gitops.forges import Capabilities, NotMerged, PullRequestDraft, Status
from gitops.forges.github import graphql, reading
from gitops.forges.github.merging import is_vague, looked_at, refusal
from gitops.forges.http import (
    FINE,
    Call,
    Remark,
    Reply,
    Talk,
    by_link,
    collect,
    get,
    one_line,
)
from gitops.model import (
    BranchName,
    Check,
    CheckState,
    CommitId,
    Json,
    PullRequest,
    PullRequestState,
)
from gitops.web.fields import items_at, mapping_at, text_at

CAPABILITIES: Final = Capabilities(
    kind="github",
    body_limit=65_536,  # both as its own refusals say; no page states them
    title_limit=256,
    auto_merge=True,
    labels=True,
    reviewers=True,
    statuses=True,
    review_refs="refs/pull/{number}/head",
)

_PAGE: Final = 100
_DESCRIPTION_MAX: Final = 140  # of a status; stated by GitHub's refusal
_METHOD_NOT_ALLOWED: Final = 405
_NOT_FOUND: Final = 404
_GONE: Final = 410
_UNPROCESSABLE: Final = 422
_GONE_REF: Final = "reference does not exist"
_STATES: Final = {
    CheckState.PENDING: "pending",
    CheckState.PASSED: "success",
    CheckState.FAILED: "failure",
}
UNREADABLE: Final = "check runs (our credential may not read them)"


class GitHub:
    """One repository on GitHub.

    Args:
        owner: of the repository.
        name: of the repository.
        login: returns the login of a GitHub App, which may not ask who it is; None
            where the credential belongs to a person.
    """

    def __init__(
        self, owner: str, name: str, *, login: Callable[[], str] | None = None
    ) -> None:
        self._owner = owner
        self._repository = ("repos", owner, name)
        self._login = login

    @property
    def capabilities(self) -> Capabilities:
        """What GitHub can do."""
        return CAPABILITIES

    def words(self, reply: Reply) -> str:
        """Return what an error answer says, in one line."""
        try:
            return one_line(reading.words(reply.json()))
        except WebError:
            return ""

    def whoami(self) -> Talk[str]:
        """Return the login that the credential acts as."""
        if self._login is not None:
            return self._login()
        login = text_at((yield get("user")).json(), "login")
        if not login:
            raise ForgeUnavailableError("the forge does not say who we are")
        return login

    def tip(self, branch: BranchName) -> Talk[CommitId | None]:
        """Return where a branch is; None only where the repository itself was seen."""
        call = get(*self._repository, "git", "ref", f"heads/{branch}")
        reply = yield replace(call, accepts=FINE | {_NOT_FOUND})
        if reply.status == _NOT_FOUND:
            yield get(*self._repository)
            return None
        return reading.commit_at(reply.json(), "object", "sha")

    # --- reading ---

    def pulls(
        self, *, branch: BranchName | None, only_open: bool
    ) -> Talk[tuple[PullRequest, ...]]:
        """Return pull requests of every page, oldest first; forks are marked."""
        state = "open" if only_open else "all"
        head = {} if branch is None else {"head": f"{self._owner}:{branch}"}
        order = {"sort": "created", "direction": "asc"}
        call = get(*self._repository, "pulls", state=state, **order, **head)
        found = yield from self._every(call)
        shown = (reading.pull_request(item) for item in found)
        return tuple(sorted(shown, key=lambda one: one.number))

    def pull(self, number: int) -> Talk[PullRequest]:
        """Return one, with approvals, comments, checks and mergeability."""
        item = yield from self._shown(number)
        shown = reading.pull_request(item)
        reviews = yield from self._reviews(number)
        said = yield from self.remarks(number)
        checks = yield from self._checks(shown.head)
        if shown.state is PullRequestState.CLOSED:
            shown = replace(shown, closed_by=(yield from self._closer(number)))
        return replace(
            shown,
            approvals=reading.approvals(reviews),
            comments=tuple(remark.comment for remark in said),
            checks=checks,
        )

    def _closer(self, number: int) -> Talk[str]:
        """Return who closed one; only its issue says it, and issues may be off."""
        call = get(*self._repository, "issues", str(number))
        issue = yield replace(call, accepts=FINE | {_NOT_FOUND, _GONE})
        return reading.login_at(issue.json(), "closed_by")

    def _shown(self, number: int) -> Talk[Json]:
        return (yield self._get(number, "pulls", str(number))).json()

    def _reviews(self, number: int) -> Talk[tuple[Json, ...]]:
        call = self._get(number, "pulls", str(number), "reviews")
        return (yield from self._every(call))

    def _checks(self, head: CommitId) -> Talk[tuple[Check, ...]]:
        """Read both kinds that GitHub has: check runs, and the statuses of a commit.

        A fine-grained token cannot be given the right to read check runs of a private
        repository; what cannot be read is shown as a check that has not passed.
        """
        commit = (*self._repository, "commits", head)
        statuses = yield from self._every(get(*commit, "status"), "statuses")
        try:
            runs = yield from self._every(get(*commit, "check-runs"), "check_runs")
        except ForgeDeniedError:
            unread = Check(name=UNREADABLE, state=CheckState.PENDING)
            return (unread, *map(reading.status, statuses))
        return (*map(reading.check_run, runs), *map(reading.status, statuses))

    def remarks(self, number: int) -> Talk[tuple[Remark, ...]]:
        """Return the comments of one, oldest first, every page."""
        call = self._get(number, "issues", str(number), "comments")
        found = yield from self._every(call)
        return tuple(reading.remark(item) for item in found)

    def _get(self, number: int, *path: str) -> Call:
        missing = f"pull request #{number}"
        return get(*self._repository, *path, missing=missing)

    def _every(self, call: Call, *path: str) -> Talk[tuple[Json, ...]]:
        """Read every page; the items are the answer itself, or at a path in it."""

        def items(reply: Reply) -> tuple[Json, ...]:
            body = reply.json()
            held = mapping_at(body).get(path[0]) if path else body
            if held is None:  # GitHub sends no null for a list; so it is not one
                raise ForgeUnavailableError(f"{reply.place.host}: shows no list")
            return items_at({"items": held}, "items")

        paged = replace(call, query=(*call.query, ("per_page", str(_PAGE))))
        return (yield from collect(paged, items, by_link))

    # --- opening and updating ---

    def create(self, draft: PullRequestDraft) -> Talk[int]:
        """Open one and return its number."""
        reply = yield self._write(
            "POST",
            "pulls",
            body={
                "title": draft.title,
                "body": draft.body,
                "head": draft.branch,
                "base": draft.base,
            },
        )
        return reading.number_of(reply.json())

    def edit(self, number: int, draft: PullRequestDraft) -> Talk[None]:
        """Replace title and body."""
        body: Json = {"title": draft.title, "body": draft.body}
        yield self._write("PATCH", "pulls", str(number), body=body, number=number)

    def label(self, number: int, labels: tuple[str, ...]) -> Talk[None]:
        """Add labels to those that it has; GitHub makes those that it does not know."""
        body: Json = {"labels": list(labels)}
        yield self._write(
            "POST", "issues", str(number), "labels", body=body, number=number
        )

    def ask_review(self, number: int, people: tuple[str, ...]) -> Talk[None]:
        """Ask people, and teams written `organization/team`, to review.

        Nobody is asked twice, nor who has looked at this head already, nor its author.
        GitHub refuses all when it refuses one, so then each is asked alone.
        """
        left = yield from self._unasked(number, people)
        if not left:
            return
        reply = yield self._asking(number, left)
        if reply.status == _UNPROCESSABLE and len(left) > 1:
            for person in left:
                yield self._asking(number, (person,))

    def _unasked(self, number: int, people: tuple[str, ...]) -> Talk[tuple[str, ...]]:
        item = yield from self._shown(number)
        asked = {reading.login_at(item, "user").lower()}
        for one in items_at(item, "requested_reviewers"):
            asked.add(text_at(one, "login").lower())
        for one in items_at(item, "requested_teams"):
            asked.add(f"/{text_at(one, 'slug')}".lower())
        left = [p for p in people if p.lower()[max(p.find("/"), 0) :] not in asked]
        if left:
            reviews = yield from self._reviews(number)
            head = reading.commit_at(item, "head", "sha")
            looked = reading.reviewers_of(reviews, head)
            left = [person for person in left if person.lower() not in looked]
        return tuple(left)

    def _asking(self, number: int, people: tuple[str, ...]) -> Call:
        body: dict[str, Json] = {}
        persons = [person for person in people if "/" not in person]
        teams = [person.rpartition("/")[2] for person in people if "/" in person]
        if persons:
            body["reviewers"] = list(persons)
        if teams:
            body["team_reviewers"] = list(teams)
        call = self._write(
            "POST",
            "pulls",
            str(number),
            "requested_reviewers",
            body=body,
            number=number,
        )
        return replace(call, accepts=FINE | {_UNPROCESSABLE})

    # --- people ---

    def say(self, number: int, text: str) -> Talk[None]:
        """Add a comment."""
        yield self._write(
            "POST",
            "issues",
            str(number),
            "comments",
            body={"body": text},
            number=number,
        )

    def rewrite(self, number: int, remark: Remark, text: str) -> Talk[None]:
        """Replace the text of a comment."""
        yield self._write(
            "PATCH",
            "issues",
            "comments",
            remark.id,
            body={"body": text},
            number=number,
        )

    def report(self, commit: CommitId, status: Status) -> Talk[None]:
        """Give a commit a status."""
        body: dict[str, Json] = {
            "context": status.name,
            "state": _STATES[status.state],
            "description": one_line(status.description)[:_DESCRIPTION_MAX],
        }
        if status.url:
            body["target_url"] = status.url
        yield self._write("POST", "statuses", commit, body=body)

    # --- ending ---

    def merge(self, shown: PullRequest, *, message: str) -> Talk[NotMerged | None]:
        """Ask for a merge commit of the shown head, and no other."""
        title, _, rest = message.partition("\n")
        call = self._write(
            "PUT",
            "pulls",
            str(shown.number),
            "merge",
            body={
                "merge_method": "merge",
                "sha": shown.head,
                "commit_title": title,
                "commit_message": rest.strip(),
            },
            number=shown.number,
        )
        reply = yield replace(call, accepts=FINE | {_METHOD_NOT_ALLOWED})
        if reply.status != _METHOD_NOT_ALLOWED:
            return None
        words = self.words(reply)
        if not is_vague(words):
            return refusal(words)
        item = yield from self._shown(shown.number)
        return looked_at(reading.pull_request(item), words)

    def merge_later(self, shown: PullRequest) -> Talk[NotMerged | None]:
        """Ask GitHub to merge this head by itself; merge where nothing is left to wait.

        Its REST API has no such call. GitHub does not take a pull request whose rules
        are all fulfilled ("clean status"): that one is merged the plain way.
        """
        item = yield from self._shown(shown.number)
        if mapping_at(item, "auto_merge"):
            return None
        pull = text_at(item, "node_id")
        if not pull:
            raise ForgeUnavailableError(
                f"the forge shows pull request #{shown.number} without its node id"
            )
        variables = {"pull": pull, "head": shown.head}
        reply = yield graphql.asked(graphql.MERGE_LATER, variables)
        words = graphql.refused(reply)
        if not words:
            return None
        if graphql.is_clean(words):
            message = f"Merge pull request #{shown.number} from {shown.branch}"
            return (yield from self.merge(shown, message=message))
        return NotMerged(reason=words)

    def close(self, number: int) -> Talk[None]:
        """Close without merging."""
        body: Json = {"state": "closed"}
        yield self._write("PATCH", "pulls", str(number), body=body, number=number)

    def remove_branch(self, branch: BranchName, *, head: CommitId) -> Talk[None]:
        """Delete a branch that was just seen at this commit; one that is gone is fine.

        The head is not sent: this call of GitHub's takes none.
        """
        del head
        call = self._write("DELETE", "git", "refs", f"heads/{branch}")
        reply = yield replace(call, accepts=FINE | {_UNPROCESSABLE})
        words = self.words(reply) if reply.status == _UNPROCESSABLE else ""
        if words and _GONE_REF not in words.lower():
            raise ForgeConflictError(f"branch {branch} cannot be deleted: {words}")

    def _write(
        self, method: str, *path: str, body: Json = None, number: int = 0
    ) -> Call:
        return Call(
            method=method,
            path=(*self._repository, *path),
            body=body,
            missing=f"pull request #{number}" if number else "",
        )
