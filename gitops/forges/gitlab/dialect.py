"""GitLab's REST API, version 4: which calls, in which order.

Source: GitLab's REST API documentation and OpenAPI document (19.5), and its source for
what they leave out; docs/forges/gitlab.md tells both.
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
from gitops.forges.gitlab import merging, reading
from gitops.forges.gitlab.reading import named
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
    Approval,
    BranchName,
    Check,
    CheckState,
    CommitId,
    Json,
    PullRequest,
    PullRequestState,
)
from gitops.web.fields import items_at, mapping_at, number_at, text_at, texts_at

CAPABILITIES: Final = Capabilities(
    kind="gitlab",
    body_limit=1_048_576,
    title_limit=255,
    auto_merge=True,
    labels=True,
    reviewers=True,
    statuses=True,
    review_refs="refs/merge-requests/{number}/head",
)
_PAGE: Final = 100  # the most that GitLab gives
_TEXT_MAX: Final = 255  # of a status's description and address
_STATES: Final = {
    CheckState.PENDING: "pending",
    CheckState.PASSED: "success",
    CheckState.FAILED: "failed",
}
_SAME_STATE: Final = "Cannot transition status via"


class GitLab:
    """One project.

    Args:
        project: its path with all groups, `group/subgroup/name`.
    """

    def __init__(self, project: str) -> None:
        self._project = ("projects", project)
        self._pulls = (*self._project, "merge_requests")

    @property
    def capabilities(self) -> Capabilities:
        """What GitLab can do."""
        return CAPABILITIES

    def words(self, reply: Reply) -> str:
        """Return what an error answer says, in one line."""
        return one_line(reading.words(reply))

    def whoami(self) -> Talk[str]:
        """Return our user name; a project's token has a user of its own."""
        reply = yield get("user")
        login = text_at(reply.json(), "username")
        if not login:
            raise ForgeUnavailableError("the forge does not say who we are")
        return login

    def tip(self, branch: BranchName) -> Talk[CommitId | None]:
        """Return where a branch is."""
        reply = yield Call(
            method="GET",
            path=(*self._project, "repository", "branches", branch),
            accepts=FINE | {404},
        )
        if reply.status == 404:
            # 404 is also said of a project that is hidden from us: can we see others?
            yield get(*self._project, "repository", "branches", per_page=1)
            return None
        return reading.commit(text_at(reply.json(), "commit", "id"))

    # --- reading ---

    def pulls(
        self, *, branch: BranchName | None, only_open: bool
    ) -> Talk[tuple[PullRequest, ...]]:
        """Return merge requests of every page, oldest first.

        One without a head is left out: nothing was ever pushed to it.
        """
        found: dict[int, PullRequest] = {}
        for state in ("opened", "locked") if only_open else ("all",):
            for item in (yield from self._listed(state, branch)):
                head = yield from self._head(item)
                if head is not None:
                    shown = reading.pull_request(item, head)
                    found[shown.number] = shown
        return tuple(shown for _, shown in sorted(found.items()))

    def _listed(self, state: str, branch: BranchName | None) -> Talk[tuple[Json, ...]]:
        query = [
            ("state", state),
            ("order_by", "created_at"),
            ("sort", "asc"),
            ("per_page", str(_PAGE)),
        ]
        if branch is not None:
            query.append(("source_branch", branch))
        call = Call(method="GET", path=self._pulls, query=tuple(query))
        return (yield from collect(call, reading.rows, following))

    def _head(self, item: Json) -> Talk[CommitId | None]:
        """Return a head; GitLab shows none until it has prepared a new merge request.

        Until then it is where its branch is.
        """
        head = reading.head_of(item)
        is_open = reading.state_of(item) is PullRequestState.OPEN
        if head is None and is_open and not reading.is_of_fork(item):
            branch = BranchName(text_at(item, "source_branch"))
            head = yield from self.tip(branch)
        return head

    def _item(self, number: int) -> Talk[Json]:
        reply = yield get(*self._pulls, str(number), missing=named(number))
        return reply.json()

    def pull(self, number: int) -> Talk[PullRequest]:
        """Return one, with approvals, comments, checks and mergeability."""
        item = yield from self._item(number)
        head = yield from self._head(item)
        if head is None:
            raise ForgeUnavailableError(f"{named(number)} has no head")
        shown = reading.pull_request(item, head)
        notes = yield from self._notes(number)
        remarks = (reading.remark(note) for note in notes)
        shown = replace(
            shown,
            comments=tuple(one.comment for one in remarks if one is not None),
            approvals=(yield from self._approvals(number, notes)),
        )
        if shown.state is not PullRequestState.OPEN:
            return shown
        return replace(shown, checks=(yield from self._checks(item, head)))

    def _approvals(
        self, number: int, notes: tuple[Json, ...]
    ) -> Talk[tuple[Approval, ...]]:
        missing = named(number)
        reply = yield get(*self._pulls, str(number), "approvals", missing=missing)
        given = reply.json()
        if not items_at(given, "approved_by"):
            return ()
        call = get(
            *self._pulls, str(number), "versions", missing=missing, per_page=_PAGE
        )
        versions = yield from collect(call, reading.rows, following)
        return reading.approvals(given, versions, notes)

    def _checks(self, item: Json, head: CommitId) -> Talk[tuple[Check, ...]]:
        """Return jobs and statuses of the head, and its pipeline as a whole."""
        call = Call(
            method="GET",
            path=(*self._project, "repository", "commits", head, "statuses"),
            query=(("per_page", str(_PAGE)),),
            accepts=FINE | {404},  # not in this repository yet
        )
        found = yield from collect(call, _known_rows, following)
        checks = [reading.check(status) for status in found]
        pipeline = mapping_at(item, "head_pipeline")
        if pipeline and (yield from self._is_of(pipeline, head)):
            checks += reading.pipeline(pipeline)
        return tuple(sorted(checks, key=lambda one: one.name))

    def _is_of(self, pipeline: Json, head: CommitId) -> Talk[bool]:
        """Whether a pipeline is about a head: of it, or of its trial merge.

        A pipeline of merged results runs on a commit whose parent the head is; one of
        an older head says nothing about this one.
        """
        built = text_at(pipeline, "sha")
        if built == head:
            return True
        if not text_at(pipeline, "ref").startswith("refs/merge-requests/"):
            return False
        reply = yield Call(
            method="GET",
            path=(*self._project, "repository", "commits", built),
            accepts=FINE | {404},
        )
        known = reply.status != 404
        return known and head in texts_at(reply.json(), "parent_ids")

    # --- opening and updating ---

    def create(self, draft: PullRequestDraft) -> Talk[int]:
        """Open one and return its number.

        GitLab would open one without commits, and into a branch that is not there; so
        both are looked at before.
        """
        reply = yield Call(
            method="GET",
            path=(*self._project, "repository", "merge_base"),
            query=(("refs[]", draft.base), ("refs[]", draft.branch)),
            accepts=FINE | {400, 404},
        )
        if reply.status == 400:
            raise ForgeConflictError(
                f"there is no branch {draft.base}, or no {draft.branch}, to compare"
            )
        if reply.status != 404 and text_at(reply.json(), "id") == draft.head:
            raise ForgeConflictError(
                f"{draft.base} holds everything that {draft.branch} holds"
            )
        reply = yield Call(
            method="POST",
            path=self._pulls,
            body={
                "source_branch": draft.branch,
                "target_branch": draft.base,
                "title": draft.title,
                "description": draft.body,
            },
            accepts=FINE | {400},
        )
        if reply.status == 400:
            raise ForgeConflictError(f"the forge opens none: {self.words(reply)}")
        return reading.number_of(reply.json())

    def edit(self, number: int, draft: PullRequestDraft) -> Talk[None]:
        """Replace title and body; GitLab does so in any state."""
        item = yield from self._change(
            number, {"title": draft.title, "description": draft.body}
        )
        if reading.state_of(item) is not PullRequestState.OPEN:
            raise ForgeConflictError(f"{named(number)} is not open")

    def _change(self, number: int, body: Json) -> Talk[Json]:
        reply = yield Call(
            method="PUT",
            path=(*self._pulls, str(number)),
            body=body,
            missing=named(number),
        )
        return reply.json()

    def label(self, number: int, labels: tuple[str, ...]) -> Talk[None]:
        """Add labels; unknown ones are made."""
        yield from self._change(number, {"add_labels": list(labels)})

    def ask_review(self, number: int, people: tuple[str, ...]) -> Talk[None]:
        """Ask people to review; without a licence GitLab takes only the first."""
        item = yield from self._item(number)
        asked = {number_at(one, "id") for one in items_at(item, "reviewers")}
        wanted = set(asked)
        for login in people:
            reply = yield get("users", username=login)
            wanted |= {number_at(one, "id") for one in reading.rows(reply)}
        if wanted != asked:
            more = [*sorted(asked), *sorted(wanted - asked)]
            yield from self._change(number, {"reviewer_ids": more})

    # --- comments ---

    def _notes(self, number: int) -> Talk[tuple[Json, ...]]:
        call = get(
            *self._pulls,
            str(number),
            "notes",
            missing=named(number),
            order_by="created_at",
            sort="asc",
            per_page=_PAGE,
        )
        return (yield from collect(call, reading.rows, following))

    def remarks(self, number: int) -> Talk[tuple[Remark, ...]]:
        """Return the comments of people, oldest first."""
        notes = yield from self._notes(number)
        found = (reading.remark(note) for note in notes)
        return tuple(one for one in found if one is not None)

    def say(self, number: int, text: str) -> Talk[None]:
        """Add a comment."""
        yield Call(
            method="POST",
            path=(*self._pulls, str(number), "notes"),
            body={"body": text},
            missing=named(number),
        )

    def rewrite(self, number: int, remark: Remark, text: str) -> Talk[None]:
        """Replace the text of a comment."""
        yield Call(
            method="PUT",
            path=(*self._pulls, str(number), "notes", remark.id),
            body={"body": text},
            missing=f"{named(number)} or its comment",
        )

    # --- ending ---

    def merge(self, shown: PullRequest, *, message: str) -> Talk[NotMerged | None]:
        """Ask for a merge of the shown head, by the project's own method."""
        return merging.merge(self._pulls, shown, message=message)

    def merge_later(self, shown: PullRequest) -> Talk[NotMerged | None]:
        """Ask for auto-merge."""
        return merging.merge_later(self._pulls, shown)

    def close(self, number: int) -> Talk[None]:
        """Close without merging."""
        yield from self._change(number, {"state_event": "close"})

    def remove_branch(self, branch: BranchName, *, head: CommitId) -> Talk[None]:
        """Delete a branch; GitLab knows no condition on where it is."""
        del head
        reply = yield Call(
            method="DELETE",
            path=(*self._project, "repository", "branches", branch),
            accepts=FINE | {400, 404, 405},
        )
        if reply.status in (400, 405):
            raise ForgeDeniedError(
                f"the forge keeps branch {branch}: {self.words(reply)}",
                hint="is it protected?",
            )

    def report(self, commit: CommitId, status: Status) -> Talk[None]:
        """Give a commit a status; the same one once more changes nothing.

        Raises:
            ForgeError: GitLab does not take it.
        """
        body = {
            "name": status.name,
            "state": _STATES[status.state],
            "description": status.description[:_TEXT_MAX],
        }
        if status.url and len(status.url) <= _TEXT_MAX:
            body["target_url"] = status.url
        reply = yield Call(
            method="POST",
            path=(*self._project, "statuses", commit),
            body=body,
            accepts=FINE | {400},
        )
        if reply.status == 400 and _SAME_STATE not in self.words(reply):
            raise ForgeError(f"the forge takes no status: {self.words(reply)}")


def _known_rows(reply: Reply) -> tuple[Json, ...]:
    return () if reply.status == 404 else reading.rows(reply)


def following(call: Call, reply: Reply) -> Call | None:
    """Return the next page: by its number, else by the address that GitLab gives."""
    number = reply.headers.get("x-next-page", "").strip()
    if not (number.isascii() and number.isdecimal()):
        return by_link(call, reply)
    kept = (pair for pair in call.query if pair[0] != "page")
    return replace(call, query=(*kept, ("page", number)))
