"""Bitbucket Cloud's API, version 2.0: which calls, in which order.

Source: Atlassian's API document, and recorded answers for what it leaves out;
docs/forges/bitbucket.md tells both.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import replace
from typing import Final

from gitops.errors import (
    ForgeConflictError,
    ForgeError,
    ForgeNotFoundError,
    ForgeUnavailableError,
)
from gitops.forges import Capabilities, NotMerged, PullRequestDraft, Status
from gitops.forges.bitbucket import cloud_reading as reading
from gitops.forges.bitbucket.merging import Answered, answered
from gitops.forges.http import FINE, Call, Remark, Reply, Talk, collect, get, one_line
from gitops.model import (
    BranchName,
    Check,
    CheckState,
    CommitId,
    Json,
    PullRequest,
    PullRequestState,
)
from gitops.web.fields import number_at, text_at

CLOUD_CAPABILITIES: Final = Capabilities(
    kind="bitbucket",
    body_limit=32_768,  # not stated for Cloud; Data Center's
    title_limit=255,  # not stated for Cloud; Data Center's
    reviewers=True,
    statuses=True,
)
_PULLS_PAGE: Final = 50  # the most that is given of pull requests
_PAGE: Final = 100
_KEY_MAX: Final = 40  # of a status's key
_ALL: Final = ("OPEN", "MERGED", "DECLINED", "SUPERSEDED")
_STATES: Final = {
    CheckState.PENDING: "INPROGRESS",
    CheckState.PASSED: "SUCCESSFUL",
    CheckState.FAILED: "FAILED",
}
_REFUSABLE: Final = FINE | {400}
_MERGE: Final = FINE | {400, 409}
_ENDED: Final = frozenset({Answered.TAKEN, Answered.CLOSED})
_ENDS: Final = frozenset({"source", "destination"})
_NO_CHANGES: Final = "no changes"


class Cloud:
    """One repository.

    Args:
        workspace: its workspace's id, as its address has it.
        name: of the repository, as its address has it.
    """

    def __init__(self, workspace: str, name: str) -> None:
        self._repository = ("repositories", workspace, name)
        self._pulls = (*self._repository, "pullrequests")
        self._branches = (*self._repository, "refs", "branches")
        self._page = f"https://bitbucket.org/{workspace}/{name}"

    @property
    def capabilities(self) -> Capabilities:
        """What Cloud can do."""
        return CLOUD_CAPABILITIES

    def words(self, reply: Reply) -> str:
        """Return what an error answer says, in one line."""
        return one_line(reading.words(reply))

    def whoami(self) -> Talk[str]:
        """Return our uuid."""
        reply = yield get("user")
        found = reading.person(reply.json())
        if not found:
            raise ForgeUnavailableError("the forge does not say who we are")
        return found

    def tip(self, branch: BranchName) -> Talk[CommitId | None]:
        """Return where a branch is."""
        try:
            reply = yield get(*self._branches, branch, missing=f"branch {branch}")
        except ForgeNotFoundError:
            yield get(*self._repository)  # 404 is also said of one hidden from us
            return None
        return reading.commit(text_at(reply.json(), "target", "hash"))

    # --- reading ---

    def pulls(
        self, *, branch: BranchName | None, only_open: bool
    ) -> Talk[tuple[PullRequest, ...]]:
        """Return those of every page.

        Heads are whole; only ended ones of a list of all may show a beginning of
        theirs, for each would be a call.
        """
        items = yield from self._listed(branch, ("OPEN",) if only_open else _ALL)
        shown = [
            reading.pull_request(item)
            for item in items
            if not reading.is_headless(item)
        ]
        tips = (yield from self._tips()) if shown else {}
        found: dict[int, PullRequest] = {}
        for one in shown:
            is_needed = branch is not None or one.state is PullRequestState.OPEN
            head = yield from self._head(one, tips, ask=is_needed)
            found[one.number] = replace(one, head=head)
        return tuple(found[number] for number in sorted(found))

    def _listed(
        self, branch: BranchName | None, states: tuple[str, ...]
    ) -> Talk[tuple[Json, ...]]:
        query = [("state", state) for state in states]
        if branch is not None:
            quoted = branch.replace("\\", "\\\\").replace('"', '\\"')
            query.append(("q", f'source.branch.name="{quoted}"'))
        query += [("sort", "created_on"), ("pagelen", str(_PULLS_PAGE))]
        call = Call(method="GET", path=self._pulls, query=tuple(query))
        return (yield from collect(call, reading.rows, reading.following))

    def _tips(self) -> Talk[Mapping[str, CommitId]]:
        """Return where every branch is: whole ids, where pull requests show none."""
        call = get(*self._branches, pagelen=_PAGE)
        items = yield from collect(call, reading.rows, reading.following)
        return {
            text_at(item, "name"): reading.commit(text_at(item, "target", "hash"))
            for item in items
        }

    def _head(
        self, shown: PullRequest, tips: Mapping[str, CommitId], *, ask: bool
    ) -> Talk[CommitId]:
        tip = tips.get(shown.branch)
        if tip is not None and tip.startswith(shown.head) and not shown.from_fork:
            return tip
        return (yield from self._whole(shown.head)) if ask else shown.head

    def _whole(self, found: CommitId) -> Talk[CommitId]:
        """Find a commit by its beginning; of a fork's it may be all that we get."""
        if reading.is_whole(found):
            return found
        try:
            reply = yield get(
                *self._repository, "commit", found, missing=f"commit {found}"
            )
        except ForgeNotFoundError:
            return found
        return reading.commit(text_at(reply.json(), "hash"))

    def pull(self, number: int) -> Talk[PullRequest]:
        """Return one, with everything around it."""
        item = yield from self._item(number)
        shown = reading.pull_request(item)
        head = yield from self._whole(shown.head)
        merge = shown.merge_commit
        if merge is not None:
            merge = yield from self._whole(merge)
        activity = yield from self._values(*self._pull(number), "activity", size=50)
        remarks = yield from self.remarks(number)
        checks = yield from self._checks(head)
        return replace(
            shown,
            head=head,
            merge_commit=merge,
            approvals=reading.approvals(item, activity, head),
            comments=tuple(one.comment for one in remarks),
            checks=checks,
            mergeability=reading.mergeability(item),
        )

    def _pull(self, number: int) -> tuple[str, ...]:
        return (*self._pulls, str(number))

    def _item(self, number: int) -> Talk[Json]:
        """Return one as it is sent; a 404 counts only beside a repository we see."""
        try:
            reply = yield get(*self._pull(number), missing=f"pull request #{number}")
        except ForgeNotFoundError:
            yield get(*self._repository)
            raise
        return reply.json()

    def _values(self, *path: str, size: int = _PAGE) -> Talk[tuple[Json, ...]]:
        call = get(*path, pagelen=size)
        return (yield from collect(call, reading.rows, reading.following))

    def _checks(self, head: CommitId) -> Talk[tuple[Check, ...]]:
        items = yield from self._values(*self._repository, "commit", head, "statuses")
        found = {text_at(item, "key"): reading.check(item) for item in items}
        return tuple(sorted(found.values(), key=lambda check: check.name))

    # --- opening and updating ---

    def create(self, draft: PullRequestDraft) -> Talk[int]:
        """Open one; where one is open already, Cloud changes its texts instead."""
        if draft.branch == draft.base:
            raise ForgeConflictError(f"{draft.branch} cannot be merged into itself")
        reply = yield Call(
            method="POST",
            path=self._pulls,
            body={
                "title": draft.title,
                "description": draft.body,
                "source": {"branch": {"name": draft.branch}},
                "destination": {"branch": {"name": draft.base}},
                "close_source_branch": False,
            },
            accepts=_REFUSABLE,
        )
        if reply.status == 400:
            raise self._not_created(reply)
        number = number_at(reply.json(), "id")
        if number < 1:
            raise ForgeUnavailableError(
                "the forge opened a pull request without a number", sent=True
            )
        return number

    def _not_created(self, reply: Reply) -> ForgeError:
        said = self.words(reply)
        about_branches = reading.fields_of(reply) & _ENDS
        if about_branches or _NO_CHANGES in said.lower():
            return ForgeConflictError(f"no pull request was opened: {said}")
        return ForgeError(f"no pull request was opened: {said}")

    def edit(self, number: int, draft: PullRequestDraft) -> Talk[None]:
        """Replace title and body; reviewers that are not sent along would be lost."""
        item = yield from self._item(number)
        people = reading.reviewers(item)
        yield self._put(number, draft.title, people, {"description": draft.body})

    def _put(
        self,
        number: int,
        title: str,
        people: tuple[str, ...],
        more: Mapping[str, Json],
        accepts: frozenset[int] = FINE,
    ) -> Call:
        asked: list[Json] = [{"uuid": one} for one in people]
        return Call(
            method="PUT",
            path=self._pull(number),
            body={"title": title, "reviewers": asked, **more},
            missing=f"pull request #{number}",
            accepts=accepts,
        )

    def ask_review(self, number: int, people: tuple[str, ...]) -> Talk[None]:
        """Ask each person beside those who are; whom Cloud refuses is left out."""
        item = yield from self._item(number)
        asked, title = reading.reviewers(item), text_at(item, "title")
        for one in dict.fromkeys(people):
            if one in asked:
                continue
            more = (*asked, one)
            reply = yield self._put(number, title, more, {}, accepts=_REFUSABLE)
            if reply.status != 400:
                asked = more

    def label(self, number: int, labels: tuple[str, ...]) -> Talk[None]:
        """Do nothing: Cloud has no labels on pull requests."""
        del number, labels
        yield from ()

    # --- people ---

    def remarks(self, number: int) -> Talk[tuple[Remark, ...]]:
        """Return the comments that are there for all to see."""
        call = get(
            *self._pull(number),
            "comments",
            missing=f"pull request #{number}",
            pagelen=_PAGE,
        )
        items = yield from collect(call, reading.rows, reading.following)
        found = [reading.remark(item) for item in items if reading.is_said(item)]
        return tuple(sorted(found, key=lambda one: int(one.id)))

    def say(self, number: int, text: str) -> Talk[None]:
        """Add a comment."""
        yield Call(
            method="POST",
            path=(*self._pull(number), "comments"),
            body={"content": {"raw": text}},
            missing=f"pull request #{number}",
        )

    def rewrite(self, number: int, remark: Remark, text: str) -> Talk[None]:
        """Replace the text of a comment."""
        yield Call(
            method="PUT",
            path=(*self._pull(number), "comments", remark.id),
            body={"content": {"raw": text}},
            missing=f"comment {remark.id} of pull request #{number}",
        )

    # --- ending ---

    def merge(self, shown: PullRequest, *, message: str) -> Talk[NotMerged | None]:
        """Ask for a merge commit.

        Cloud merges whatever the head is by then: no call of its API names a commit.
        So the head is looked at right before, which leaves a moment.
        """
        item = yield from self._item(shown.number)
        now = reading.pull_request(item)
        if not shown.head.startswith(now.head):
            raise ForgeConflictError(
                f"pull request #{shown.number} is at {now.head[:12]}, not "
                f"{shown.head[:12]}"
            )
        reply = yield Call(
            method="POST",
            path=(*self._pull(shown.number), "merge"),
            body={
                "type": "pullrequest_merge_parameters",
                "message": message,
                "merge_strategy": "merge_commit",
                "close_source_branch": False,
            },
            accepts=_MERGE,
            missing=f"pull request #{shown.number}",
        )
        if reply.status == 202:
            reply = yield from self._task(reply)
        return self._merged(shown, reply)

    def _task(self, reply: Reply) -> Talk[Reply]:
        """Look once at a merge that takes longer; whoever asked looks again later."""
        where = reply.location
        if where is None:
            return reply
        return (yield Call(method="GET", page=where, accepts=_MERGE))

    def _merged(self, shown: PullRequest, reply: Reply) -> NotMerged | None:
        said = self.words(reply)
        match answered(reply, said):
            case Answered.TAKEN:
                return None
            case Answered.CONFLICT:
                return NotMerged(
                    reason=f"{shown.base} and {shown.branch} conflict: {said}",
                    needs_regeneration=True,
                )
            case Answered.REFS_MOVED:
                return NotMerged(reason=said or "a branch moved while it was merged")
            case Answered.CLOSED:
                raise ForgeConflictError(f"pull request #{shown.number}: {said}")
            case Answered.RULE:
                return NotMerged(reason=said or "the forge's own rules")

    def merge_later(self, shown: PullRequest) -> Talk[NotMerged | None]:
        """Say that Cloud's API cannot be asked for it."""
        del shown
        yield from ()
        return NotMerged(reason="Bitbucket Cloud cannot be asked to merge by itself")

    def close(self, number: int) -> Talk[None]:
        """Decline it; nobody can open it again."""
        reply = yield Call(
            method="POST",
            path=(*self._pull(number), "decline"),
            accepts=_REFUSABLE,
            missing=f"pull request #{number}",
        )
        if answered(reply, self.words(reply)) not in _ENDED:
            raise ForgeError(f"pull request #{number}: {self.words(reply)}")

    def remove_branch(self, branch: BranchName, *, head: CommitId) -> Talk[None]:
        """Delete a branch; there is no way to name the commit that it must be at."""
        del head
        try:
            yield Call(
                method="DELETE",
                path=(*self._branches, branch),
                missing=f"branch {branch}",
            )
        except ForgeNotFoundError:
            return

    def report(self, commit: CommitId, status: Status) -> Talk[None]:
        """Give a commit a status, and say of which branch, so that it shows there."""
        items = yield from self._listed(None, ("OPEN",))
        opened = [reading.pull_request(item) for item in items]
        body: dict[str, Json] = {
            "key": _key(status.name),
            "name": status.name,
            "state": _STATES[status.state],
            "description": status.description,
            "url": status.url or f"{self._page}/commits/{commit}",
        }
        ours = [one for one in opened if commit.startswith(one.head)]
        if ours:
            body["refname"] = ours[0].branch
        yield Call(
            method="POST",
            path=(*self._repository, "commit", commit, "statuses", "build"),
            body=body,
        )


def _key(name: str) -> str:
    """Return a status's key: its name, or a digest of one that is too long."""
    if len(name) <= _KEY_MAX:
        return name
    return hashlib.sha256(name.encode()).hexdigest()[:_KEY_MAX]
