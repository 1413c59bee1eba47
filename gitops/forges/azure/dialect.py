"""Azure DevOps' REST API, version 7.1: which calls, in which order.

Source: Microsoft's description of the API (git, 7.1) and its documentation;
docs/forges/azure.md tells where servers say something else.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from gitops.errors import (
    ForgeConflictError,
    ForgeDeniedError,
    ForgeError,
    ForgeUnavailableError,
)
from gitops.forges import Capabilities, NotMerged, PullRequestDraft, Status
from gitops.forges.azure import checks, identities, merging, reading
from gitops.forges.azure.calls import PAGE, by_count, by_token, read, write
from gitops.forges.azure.reading import HEADS, NOTHING, named
from gitops.forges.http import FINE, Remark, Reply, Talk, collect, one_line
from gitops.model import (
    BranchName,
    CheckState,
    CommitId,
    Json,
    PullRequest,
    PullRequestState,
)
from gitops.web.fields import flag_at, items_at, text_at

CAPABILITIES: Final = Capabilities(
    kind="azure",
    body_limit=4000,
    title_limit=255,
    auto_merge=True,
    labels=True,
    reviewers=True,
    statuses=True,
)

_STATES: Final = {
    CheckState.PENDING: "pending",
    CheckState.PASSED: "succeeded",
    CheckState.FAILED: "failed",
}
_GONE: Final = frozenset({"succeeded", "succeededNonExistentRef"})
_MOVED: Final = "staleOldObjectId"
_NO_BRANCH: Final = "TF401398"


class AzureDevOps:
    """One repository.

    Args:
        project: its name or id.
        repository: its name or id.
        page: address of its pages.
    """

    def __init__(self, project: str, repository: str, page: str) -> None:
        self._git = (project, "_apis", "git", "repositories", repository)
        self._page = page

    @property
    def capabilities(self) -> Capabilities:
        """What Azure DevOps can do."""
        return CAPABILITIES

    def words(self, reply: Reply) -> str:
        """Return what an error answer says, in one line."""
        return one_line(reading.words(reply))

    # --- who we are ---

    def whoami(self) -> Talk[str]:
        """Return our name as pull requests and comments show it."""
        return identities.whoami(self._git)

    # --- reading ---

    def tip(self, branch: BranchName) -> Talk[CommitId | None]:
        """Return where a branch is; the filter of refs is a beginning of names."""
        call = read(*self._git, "refs", filter=f"heads/{branch}")
        for ref in (yield from collect(call, reading.rows, by_token)):
            if text_at(ref, "name") == f"{HEADS}{branch}":
                return reading.commit(text_at(ref, "objectId"))
        return None

    def pulls(
        self, *, branch: BranchName | None, only_open: bool
    ) -> Talk[tuple[PullRequest, ...]]:
        """Return pull requests of every page, oldest first.

        Azure DevOps gives only the beginning of their bodies in lists.
        """
        query = {"searchCriteria.status": "active" if only_open else "all"}
        if branch is not None:
            query["searchCriteria.sourceRefName"] = f"{HEADS}{branch}"
        call = read(*self._git, "pullrequests", **query, **{"$top": str(PAGE)})
        found: dict[int, PullRequest] = {}
        for item in (yield from collect(call, reading.rows, by_count)):
            head = yield from self._head(item)
            if head is not None:
                shown = reading.pull_request(item, head, self._page)
                found[shown.number] = shown
        return tuple(shown for _, shown in sorted(found.items()))

    def _head(self, item: Json) -> Talk[CommitId | None]:
        """Return a head; before its first trial merge it is where its branch is."""
        head = reading.head_of(item)
        is_open = reading.state_of(item) is PullRequestState.OPEN
        if head is None and is_open and not reading.is_of_fork(item):
            head = yield from self.tip(reading.branch_of(item, "sourceRefName"))
        return head

    def _item(self, number: int) -> Talk[Json]:
        reply = yield read(
            *self._git, "pullrequests", str(number), missing=named(number)
        )
        return reply.json()

    def pull(self, number: int) -> Talk[PullRequest]:
        """Return one, with approvals, comments, checks and mergeability."""
        item = yield from self._item(number)
        head = yield from self._head(item)
        if head is None:
            raise ForgeUnavailableError(f"{named(number)} has no head")
        threads = yield from self._threads(number)
        iterations: tuple[Json, ...] = ()
        if any(items_at(item, "reviewers")):
            reply = yield read(
                *self._git,
                "pullRequests",
                str(number),
                "iterations",
                missing=named(number),
            )
            iterations = reading.rows(reply)
        shown = replace(
            reading.pull_request(item, head, self._page),
            comments=tuple(one.comment for one in reading.remarks(threads)),
            approvals=reading.approvals(item, threads, iterations),
        )
        if shown.state is not PullRequestState.OPEN:
            return shown
        return (yield from checks.checked(self._git, shown, item))

    def _threads(self, number: int) -> Talk[tuple[Json, ...]]:
        reply = yield read(
            *self._git, "pullRequests", str(number), "threads", missing=named(number)
        )
        return reading.rows(reply)

    # --- opening and updating ---

    def create(self, draft: PullRequestDraft) -> Talk[int]:
        """Open one and return its number; nothing is opened for nothing."""
        yield from self._check_news(draft)
        reply = yield write(
            "POST",
            *self._git,
            "pullrequests",
            body={
                "sourceRefName": f"{HEADS}{draft.branch}",
                "targetRefName": f"{HEADS}{draft.base}",
                "title": draft.title,
                "description": draft.body,
            },
            accepts=FINE | {400, 404},
        )
        if reply.status == 404 and _NO_BRANCH not in self.words(reply):
            raise ForgeDeniedError(
                f"the repository is not there, or we may not see it: "
                f"{self.words(reply)}"
            )
        if reply.status in (400, 404):
            raise ForgeConflictError(f"the forge opens none: {self.words(reply)}")
        return reading.number_of(reply.json())

    def _check_news(self, draft: PullRequestDraft) -> Talk[None]:
        base = yield from self.tip(draft.base)
        if base is None or draft.base == draft.branch:
            raise ForgeConflictError(f"there is no other branch {draft.base}")
        reply = yield read(
            *self._git, "commits", draft.head, "mergebases", otherCommitId=base
        )
        shared = {text_at(one, "commitId") for one in reading.rows(reply)}
        if draft.head in shared:
            raise ForgeConflictError(
                f"{draft.base} holds everything that {draft.branch} holds"
            )

    def edit(self, number: int, draft: PullRequestDraft) -> Talk[None]:
        """Replace title and body."""
        yield write(
            "PATCH",
            *self._git,
            "pullrequests",
            str(number),
            body={"title": draft.title, "description": draft.body},
            missing=named(number),
        )

    def label(self, number: int, labels: tuple[str, ...]) -> Talk[None]:
        """Add the labels that it does not have."""
        reply = yield read(
            *self._git, "pullRequests", str(number), "labels", missing=named(number)
        )
        present = {text_at(one, "name").casefold() for one in reading.rows(reply)}
        for name in labels:
            if name.casefold() not in present:
                yield write(
                    "POST",
                    *self._git,
                    "pullRequests",
                    str(number),
                    "labels",
                    body={"name": name},
                    missing=named(number),
                )

    def ask_review(self, number: int, people: tuple[str, ...]) -> Talk[None]:
        """Ask people who are not asked yet: asking again would take their vote back."""
        item = yield from self._item(number)
        asked = {text_at(one, "id").lower() for one in items_at(item, "reviewers")}
        for name in people:
            person = yield from identities.person(name)
            if person and person.lower() not in asked:
                asked.add(person.lower())
                yield write(
                    "PUT",
                    *self._git,
                    "pullRequests",
                    str(number),
                    "reviewers",
                    person,
                    body={"vote": 0},
                    accepts=FINE | {400, 404},
                )

    # --- comments ---

    def remarks(self, number: int) -> Talk[tuple[Remark, ...]]:
        """Return the comments of people, oldest first."""
        return reading.remarks((yield from self._threads(number)))

    def say(self, number: int, text: str) -> Talk[None]:
        """Add a comment, as a closed thread: an open one may be waited for."""
        comment: Json = {"parentCommentId": 0, "content": text, "commentType": "text"}
        yield write(
            "POST",
            *self._git,
            "pullRequests",
            str(number),
            "threads",
            body={"comments": [comment], "status": "closed"},
            missing=named(number),
        )

    def rewrite(self, number: int, remark: Remark, text: str) -> Talk[None]:
        """Replace the text of a comment."""
        thread, _, comment = remark.id.partition("/")
        yield write(
            "PATCH",
            *self._git,
            "pullRequests",
            str(number),
            "threads",
            thread,
            "comments",
            comment,
            body={"content": text},
            missing=f"{named(number)} or its comment",
        )

    # --- ending ---

    def merge(self, shown: PullRequest, *, message: str) -> Talk[NotMerged | None]:
        """Ask for a merge commit of the shown head; it may be made a moment later."""
        return merging.merge(
            (*self._git, "pullrequests", str(shown.number)), shown, message=message
        )

    def merge_later(self, shown: PullRequest) -> Talk[NotMerged | None]:
        """Ask for auto-complete, in our name."""
        us = yield from identities.us()
        one = (*self._git, "pullrequests", str(shown.number))
        return (yield from merging.merge_later(one, shown, by=text_at(us, "id")))

    def close(self, number: int) -> Talk[None]:
        """Close without merging."""
        yield write(
            "PATCH",
            *self._git,
            "pullrequests",
            str(number),
            body={"status": "abandoned"},
            missing=named(number),
        )

    def remove_branch(self, branch: BranchName, *, head: CommitId) -> Talk[None]:
        """Delete a branch at a commit; a refusal is an answer of 200, too.

        Raises:
            ForgeConflictError: it is elsewhere by now.
            ForgeDeniedError: it is kept.
        """
        update = {
            "name": f"{HEADS}{branch}",
            "oldObjectId": head,
            "newObjectId": NOTHING,
        }
        reply = yield write("POST", *self._git, "refs", body=[update])
        for result in reading.rows(reply):
            said = text_at(result, "updateStatus")
            if flag_at(result, "success") or said in _GONE:
                return
            if said == _MOVED:
                raise ForgeConflictError(f"branch {branch} is not at {head[:12]}")
            raise ForgeDeniedError(
                f"the forge keeps branch {branch}: {one_line(said)}",
                hint="is it locked, or does a policy keep it?",
            )
        raise ForgeError("the forge does not say what became of the branch")

    def report(self, commit: CommitId, status: Status) -> Talk[None]:
        """Give a commit a status."""
        body: dict[str, Json] = {
            "state": _STATES[status.state],
            "description": status.description,
            "context": {"name": status.name},
        }
        if status.url:
            body["targetUrl"] = status.url
        yield write("POST", *self._git, "commits", commit, "statuses", body=body)
