"""The API of Gitea and Forgejo, version 1: which calls, in which order.

Source: Forgejo's API document (11.0.3), and the source of both for what it leaves out;
docs/forges/gitea.md tells it. Pages are asked for by number: a server behind a proxy
names its public address in `Link`, which need not be the one that we reach it by.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Final

from gitops.errors import (
    ForgeConflictError,
    ForgeDeniedError,
    ForgeError,
    ForgeNotFoundError,
    ForgeUnavailableError,
)
from gitops.forges import Capabilities, NotMerged, PullRequestDraft, Status
from gitops.forges.gitea import reading
from gitops.forges.gitea.merging import Answered, answered
from gitops.forges.http import FINE, Call, Remark, Reply, Talk, get, one_line
from gitops.model import (
    BranchName,
    Check,
    CheckState,
    CommitId,
    Json,
    Mergeability,
    PullRequest,
    PullRequestState,
)
from gitops.web.fields import items_at, number_at, text_at

CAPABILITIES: Final = Capabilities(
    kind="gitea",
    body_limit=65_536,  # not stated anywhere
    title_limit=255,  # of the column, in bytes; what is longer is cut without a word
    auto_merge=True,
    labels=True,
    reviewers=True,
    statuses=True,
    review_refs="refs/pull/{number}/head",
)
FORGEJO_CAPABILITIES: Final = replace(CAPABILITIES, kind="forgejo")

_PAGE: Final = 50  # MAX_RESPONSE_ITEMS of an untouched server
_MAX_PAGES: Final = 400
_COLOUR: Final = "#70c24a"
_STATES: Final = {
    CheckState.PENDING: "pending",
    CheckState.PASSED: "success",
    CheckState.FAILED: "failure",
}
_MERGE: Final = FINE | {404, 405, 409}
_NAMED_FILES: Final = 5


class Gitea:
    """One repository.

    Args:
        owner: user or organisation.
        name: of the repository.
        capabilities: of Gitea or of Forgejo.
    """

    def __init__(
        self, owner: str, name: str, *, capabilities: Capabilities = CAPABILITIES
    ) -> None:
        self._repository = ("repos", owner, name)
        self._pulls = (*self._repository, "pulls")
        self._issues = (*self._repository, "issues")
        self._capabilities = capabilities

    @property
    def capabilities(self) -> Capabilities:
        """What Gitea, or Forgejo, can do."""
        return self._capabilities

    def words(self, reply: Reply) -> str:
        """Return what an error answer says, in one line."""
        return one_line(reading.words(reply))

    def whoami(self) -> Talk[str]:
        """Return our login."""
        reply = yield get("user")
        found = reading.login(reply.json())
        if not found:
            raise ForgeUnavailableError("the forge does not say who we are")
        return found

    def tip(self, branch: BranchName) -> Talk[CommitId | None]:
        """Return where a branch is."""
        reply = yield Call(
            method="GET",
            path=(*self._repository, "branches", branch),
            accepts=FINE | {404},
        )
        if reply.status == 404:
            yield get(*self._repository)  # 404 is also said of one hidden from us
            return None
        return reading.commit(text_at(reply.json(), "commit", "id"))

    # --- reading ---

    def pulls(
        self, *, branch: BranchName | None, only_open: bool
    ) -> Talk[tuple[PullRequest, ...]]:
        """Return those of every page; there is no filter for a head branch.

        An ended one whose head is nowhere any more is left out.
        """
        state = "open" if only_open else "all"
        items = yield from self._listed(
            reading.rows, *self._pulls, state=state, sort="oldest"
        )
        found: dict[int, PullRequest] = {}
        for item in items:
            if not reading.is_headless(item):
                shown = reading.pull_request(item)
                found[shown.number] = shown
        return tuple(
            found[number]
            for number in sorted(found)
            if branch is None or found[number].branch == branch
        )

    def pull(self, number: int) -> Talk[PullRequest]:
        """Return one, with everything around it."""
        item = yield from self._item(number)
        shown = reading.pull_request(item)
        reviews = yield from self._reviews(number)
        remarks = yield from self.remarks(number)
        checks = yield from self._checks(shown.head)
        around = replace(
            shown,
            approvals=reading.approvals(reviews),
            comments=tuple(one.comment for one in remarks),
            checks=checks,
        )
        match shown.state:
            case PullRequestState.OPEN:
                how = yield from self._mergeability(item, shown)
                return replace(around, mergeability=how)
            case PullRequestState.CLOSED:
                by = yield from self._closer(number)
                return replace(around, closed_by=by)
            case PullRequestState.MERGED:
                return around

    def _item(self, number: int) -> Talk[Json]:
        """Return one as it is sent; a 404 counts only beside a repository we see."""
        reply = yield Call(
            method="GET", path=(*self._pulls, str(number)), accepts=FINE | {404}
        )
        if reply.status == 404:
            yield get(*self._repository)
            raise ForgeNotFoundError(f"there is no pull request #{number}")
        return reply.json()

    def _mergeability(self, item: Json, shown: PullRequest) -> Talk[Mergeability]:
        how = reading.mergeability(item)
        if how is Mergeability.UNKNOWN:
            clash = yield from self._clash(shown)
            return Mergeability.CONFLICT if clash else how
        return how

    def _clash(self, shown: PullRequest) -> Talk[tuple[str, ...]]:
        """Return the files that both sides changed since they parted.

        Gitea says "not mergeable" of a conflict and of what it has not looked at yet.
        Without such a file there is no conflict, so it is the latter.
        """
        theirs = yield from self._changed(shown.head, shown.base)
        if not theirs:
            return ()
        ours = yield from self._changed(shown.base, shown.head)
        return tuple(sorted(theirs & ours))

    def _changed(self, before: str, after: str) -> Talk[frozenset[str]]:
        try:
            reply = yield get(*self._repository, "compare", f"{before}...{after}")
        except ForgeError:  # a help to the reader only: nothing depends on it
            return frozenset()
        return reading.changed_files(reply.json())

    def _closer(self, number: int) -> Talk[str]:
        """Say who closed it; a timeline says no more than how long its page is."""
        events = yield from self._listed(
            reading.rows, *self._issues, str(number), "timeline", to_the_end=True
        )
        return reading.closer(events)

    def _reviews(self, number: int) -> Talk[tuple[Json, ...]]:
        return (
            yield from self._listed(reading.rows, *self._pulls, str(number), "reviews")
        )

    def _checks(self, head: CommitId) -> Talk[tuple[Check, ...]]:
        items = yield from self._listed(
            lambda reply: items_at(reply.json(), "statuses"),
            *self._repository,
            "commits",
            head,
            "status",
        )
        found = {check.name: check for check in map(reading.check, items)}
        return tuple(found[name] for name in sorted(found))

    def _listed(
        self,
        rows: Callable[[Reply], tuple[Json, ...]],
        *path: str,
        to_the_end: bool = False,
        **query: str,
    ) -> Talk[tuple[Json, ...]]:
        """Read every page.

        Args:
            rows: the items of one page.
            path: of the list.
            to_the_end: believe no count; the last page is the first empty one.
            query: beside the page.

        Raises:
            ForgeUnavailableError: the list does not end.
        """
        found: list[Json] = []
        for page in range(1, _MAX_PAGES + 1):
            reply = yield get(*path, **query, page=page, limit=_PAGE)
            items = rows(reply)
            found += items
            more = to_the_end or _goes_on(reply, len(items), len(found))
            if not items or not more:
                return tuple(found)
        raise ForgeUnavailableError(f"the list has more than {_MAX_PAGES} pages")

    # --- opening and updating ---

    def create(self, draft: PullRequestDraft) -> Talk[int]:
        """Open one.

        Gitea opens one that changes nothing, so that is looked for first.
        """
        yield from self._check_news(draft)
        reply = yield Call(
            method="POST",
            path=self._pulls,
            body={
                "head": draft.branch,
                "base": draft.base,
                "title": draft.title,
                "body": draft.body,
            },
            accepts=FINE | {404},
        )
        if reply.status == 404:
            yield get(*self._repository)
            raise ForgeConflictError(f"a branch is not there: {self.words(reply)}")
        number = number_at(reply.json(), "number")
        if number < 1:
            raise ForgeUnavailableError(
                "the forge opened a pull request without a number", sent=True
            )
        return number

    def _check_news(self, draft: PullRequestDraft) -> Talk[None]:
        if draft.branch == draft.base:
            raise ForgeConflictError(f"{draft.branch} cannot be merged into itself")
        if (yield from self.tip(draft.base)) is None:
            raise ForgeConflictError(f"there is no branch {draft.base} to merge into")
        reply = yield get(
            *self._repository, "compare", f"{draft.base}...{draft.branch}"
        )
        if not number_at(reply.json(), "total_commits", default=1):
            raise ForgeConflictError(
                f"{draft.base} holds everything that {draft.branch} holds"
            )

    def edit(self, number: int, draft: PullRequestDraft) -> Talk[None]:
        """Replace title and body."""
        yield self._patch(number, {"title": draft.title, "body": draft.body})

    def close(self, number: int) -> Talk[None]:
        """Close without merging."""
        yield self._patch(number, {"state": "closed"})

    def _patch(self, number: int, body: Json) -> Call:
        return Call(
            method="PATCH",
            path=(*self._pulls, str(number)),
            body=body,
            missing=f"pull request #{number}",
        )

    def label(self, number: int, labels: tuple[str, ...]) -> Talk[None]:
        """Add labels, by their ids: older servers know no names here."""
        item = yield from self._item(number)
        has = {text_at(one, "name") for one in items_at(item, "labels")}
        wanted = [name for name in dict.fromkeys(labels) if name not in has]
        if not wanted:
            return
        items = yield from self._listed(reading.rows, *self._repository, "labels")
        known = {text_at(one, "name"): number_at(one, "id") for one in items}
        for name in wanted:
            if name not in known:
                known[name] = yield from self._new_label(name)
        yield Call(
            method="POST",
            path=(*self._issues, str(number), "labels"),
            body={"labels": [known[name] for name in wanted]},
            missing=f"pull request #{number}",
        )

    def _new_label(self, name: str) -> Talk[int]:
        reply = yield Call(
            method="POST",
            path=(*self._repository, "labels"),
            body={"name": name, "color": _COLOUR},
        )
        return number_at(reply.json(), "id")

    def ask_review(self, number: int, people: tuple[str, ...]) -> Talk[None]:
        """Ask each person alone, so that nobody is left out for another one.

        Whoever is asked already, or has voted, is not asked again: that would end an
        approval.
        """
        item = yield from self._item(number)
        reviews = yield from self._reviews(number)
        done = reading.asked_to_review(item) | reading.voters(reviews)
        for login in dict.fromkeys(people):
            if login not in done:
                yield Call(
                    method="POST",
                    path=(*self._pulls, str(number), "requested_reviewers"),
                    body={"reviewers": [login]},
                    accepts=FINE | {404, 422},  # unknown; the author, no collaborator
                )

    # --- people ---

    def remarks(self, number: int) -> Talk[tuple[Remark, ...]]:
        """Return the comments; they come all at once."""
        reply = yield get(
            *self._issues, str(number), "comments", missing=f"pull request #{number}"
        )
        found = [reading.remark(item) for item in reading.rows(reply)]
        return tuple(sorted(found, key=lambda one: int(one.id)))

    def say(self, number: int, text: str) -> Talk[None]:
        """Add a comment."""
        yield Call(
            method="POST",
            path=(*self._issues, str(number), "comments"),
            body={"body": text},
            missing=f"pull request #{number}",
        )

    def rewrite(self, number: int, remark: Remark, text: str) -> Talk[None]:
        """Replace the text of a comment."""
        yield Call(
            method="PATCH",
            path=(*self._issues, "comments", remark.id),
            body={"body": text},
            missing=f"comment {remark.id} of pull request #{number}",
        )

    # --- ending ---

    def merge(self, shown: PullRequest, *, message: str) -> Talk[NotMerged | None]:
        """Ask for a merge commit of the shown head."""
        title, _, rest = message.partition("\n")
        return (
            yield from self._merged(
                shown,
                {"MergeTitleField": title.strip(), "MergeMessageField": rest.strip()},
            )
        )

    def merge_later(self, shown: PullRequest) -> Talk[NotMerged | None]:
        """Ask the forge to merge by itself.

        The head is held to only if it merges at once: what is pushed later is merged
        too, once the forge's rules allow.
        """
        return (yield from self._merged(shown, {"merge_when_checks_succeed": True}))

    def _merged(
        self, shown: PullRequest, more: dict[str, Json]
    ) -> Talk[NotMerged | None]:
        reply = yield Call(
            method="POST",
            path=(*self._pulls, str(shown.number), "merge"),
            body={"Do": "merge", "head_commit_id": shown.head, **more},
            accepts=_MERGE,
        )
        said = self.words(reply)
        match answered(reply, said):
            case Answered.TAKEN:
                return None
            case Answered.CONFLICT:
                clash = yield from self._clash(shown)
                return _conflict(shown, clash)
            case Answered.NOT_YET:
                clash = yield from self._clash(shown)
                return _conflict(shown, clash) if clash else NotMerged(reason=said)
            case Answered.HEAD_MOVED:
                raise ForgeConflictError(
                    f"pull request #{shown.number} is not at {shown.head[:12]}: {said}"
                )
            case Answered.GONE:
                yield from self._item(shown.number)
                raise ForgeConflictError(f"pull request #{shown.number} is closed")
            case Answered.DENIED:
                raise ForgeDeniedError(
                    f"pull request #{shown.number}: {said}",
                    hint="check the rights of the repository's credential",
                )
            case Answered.RULE:
                return NotMerged(reason=said)

    def remove_branch(self, branch: BranchName, *, head: CommitId) -> Talk[None]:
        """Delete a branch; there is no way to name the commit that it must be at."""
        del head
        yield Call(
            method="DELETE",
            path=(*self._repository, "branches", branch),
            accepts=FINE | {404},
        )

    def report(self, commit: CommitId, status: Status) -> Talk[None]:
        """Give a commit a status."""
        body: dict[str, Json] = {
            "context": status.name,
            "state": _STATES[status.state],
            "description": status.description,
        }
        if status.url:
            body["target_url"] = status.url
        yield Call(
            method="POST", path=(*self._repository, "statuses", commit), body=body
        )


def _goes_on(reply: Reply, here: int, so_far: int) -> bool:
    """Whether there is another page."""
    if reply.names_relation("next"):
        return True
    total = reply.headers.get("x-total-count", "")
    if total.isdecimal():
        return so_far < int(total[:18])
    return here >= _PAGE


def _conflict(shown: PullRequest, clash: tuple[str, ...]) -> NotMerged:
    files = ", ".join(clash[:_NAMED_FILES])
    where = f" in {one_line(files)}" if clash else ""
    return NotMerged(
        reason=f"{shown.base} and {shown.branch} changed the same lines{where}",
        needs_regeneration=True,
    )
