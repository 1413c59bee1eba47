"""GitLab's JSON as our nouns. Pure.

Promises: a state, an id or a time that makes no sense is an error, never a guess. What
a field means is said in GitLab's REST API documentation (merge requests, approvals,
notes, commit statuses, pipelines).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from datetime import datetime
from typing import Final

from gitops.errors import ForgeUnavailableError, WebError
from gitops.forges.http import Remark, Reply, moment
from gitops.model import (
    Approval,
    BranchName,
    Check,
    CheckState,
    Comment,
    CommitId,
    Json,
    Mergeability,
    PullRequest,
    PullRequestState,
)
from gitops.web.fields import (
    flag_at,
    items_at,
    mapping_at,
    number_at,
    text_at,
    texts_at,
)

_COMMIT: Final = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?", re.ASCII)
_STATES: Final = {
    "opened": PullRequestState.OPEN,
    "locked": PullRequestState.OPEN,  # while its merge runs
    "merged": PullRequestState.MERGED,
    "closed": PullRequestState.CLOSED,
}
_CONFLICTS: Final = frozenset({"conflict", "need_rebase"})
_UNDECIDED: Final = frozenset(
    (
        "",
        "checking",
        "unchecked",
        "preparing",
        "approvals_syncing",
        "cannot_be_merged_recheck",  # of merge_status: it is looked at again
    )
)
_DONE: Final = frozenset({"success", "skipped"})
_BROKEN: Final = frozenset({"failed", "canceled", "canceling"})
_APPROVED: Final = "approved this merge request"
_UNAPPROVED: Final = "unapproved this merge request"


def named(number: int) -> str:
    """Name a merge request in our errors, as those of every forge are named."""
    return f"pull request #{number}"


def rows(reply: Reply) -> tuple[Json, ...]:
    """Return the items of an answer that is a list."""
    return items_at({"list": reply.json()}, "list")


def words(reply: Reply) -> str:
    """Return what an error answer says: `message` or `error`, in all their shapes."""
    try:
        body = mapping_at(reply.json())
    except WebError:  # a page for people, or nothing at all
        return ""
    said = (body.get(key) for key in ("message", "error", "error_description"))
    return "; ".join(text for part in said for text in _texts(part))


def _texts(value: Json) -> Iterable[str]:
    """Yield the texts of a text, a list of texts, or a mapping of fields to texts."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for key, part in value.items():
            yield from (f"{key} {text}" for text in _texts(part))
    elif isinstance(value, list):
        for part in value:
            yield from _texts(part)


def head_of(item: Json) -> CommitId | None:
    """Return the head of a merge request; None while GitLab has not looked at it yet.

    Raises:
        ForgeUnavailableError: it is no commit.
    """
    found = text_at(item, "sha")
    return commit(found) if found else None


def commit(text: str) -> CommitId:
    """Accept a commit's id.

    Raises:
        ForgeUnavailableError: it is none.
    """
    if not _COMMIT.fullmatch(text):
        raise ForgeUnavailableError(
            f"the forge gives a commit that is none: {text[:70]!a}"
        )
    return CommitId(text)


def number_of(item: Json) -> int:
    """Return the number within its project (`iid`).

    Raises:
        ForgeUnavailableError: there is none.
    """
    number = number_at(item, "iid")
    if number < 1:
        raise ForgeUnavailableError("the forge shows a merge request without a number")
    return number


def state_of(item: Json) -> PullRequestState:
    """Return whether a merge request is open, merged or closed.

    Raises:
        ForgeUnavailableError: GitLab says something else.
    """
    said = text_at(item, "state")
    if said not in _STATES:
        raise ForgeUnavailableError(f"the forge names a state {said[:40]!a}")
    return _STATES[said]


def is_of_fork(item: Json) -> bool:
    """Whether the head is of another project, or of one that is gone."""
    return number_at(item, "source_project_id") != number_at(item, "target_project_id")


def pull_request(item: Json, head: CommitId) -> PullRequest:
    """Read a merge request, as lists and single answers have it."""
    state = state_of(item)
    return PullRequest(
        number=number_of(item),
        url=text_at(item, "web_url") or None,
        title=text_at(item, "title"),
        body=text_at(item, "description"),
        branch=BranchName(text_at(item, "source_branch")),
        base=BranchName(text_at(item, "target_branch")),
        head=head,
        state=state,
        author=text_at(item, "author", "username"),
        created_at=moment(text_at(item, "created_at")),
        merge_commit=_merge_commit(item, head, state),
        closed_by=_closed_by(item, state),
        from_fork=is_of_fork(item),
        is_draft=flag_at(item, "draft") or flag_at(item, "work_in_progress"),
        labels=tuple(sorted(texts_at(item, "labels"))),
        mergeability=mergeability_of(item),
        merges_later=state is PullRequestState.OPEN
        and flag_at(item, "merge_when_pipeline_succeeds"),
    )


def _merge_commit(
    item: Json, head: CommitId, state: PullRequestState
) -> CommitId | None:
    """Return what the base got: a merge, a squash, or by fast-forward the head."""
    if state is not PullRequestState.MERGED:
        return None
    made = text_at(item, "merge_commit_sha") or text_at(item, "squash_commit_sha")
    return commit(made) if made else head


def _closed_by(item: Json, state: PullRequestState) -> str:
    if state is PullRequestState.OPEN:
        return ""
    if state is PullRequestState.CLOSED:
        return text_at(item, "closed_by", "username")
    by = text_at(item, "merge_user", "username")
    return by or text_at(item, "merged_by", "username")  # before GitLab 14.7


def mergeability_of(item: Json) -> Mergeability:
    """Read `detailed_merge_status`; older than GitLab 15.6 say less."""
    said = status_of(item)
    if said in _CONFLICTS or flag_at(item, "has_conflicts"):
        return Mergeability.CONFLICT
    if said in ("mergeable", "can_be_merged"):
        return Mergeability.READY
    return Mergeability.UNKNOWN if said in _UNDECIDED else Mergeability.BLOCKED


def status_of(item: Json) -> str:
    """Return GitLab's word for why a merge request may or may not be merged."""
    return text_at(item, "detailed_merge_status") or text_at(item, "merge_status")


def remark(note: Json) -> Remark | None:
    """Read a note; None for one that GitLab wrote itself."""
    if flag_at(note, "system"):
        return None
    return Remark(
        id=str(number_at(note, "id")),
        comment=Comment(
            by=text_at(note, "author", "username"),
            at=moment(text_at(note, "created_at")),
            text=text_at(note, "body"),
        ),
    )


def approvals(
    given: Json, versions: tuple[Json, ...], notes: tuple[Json, ...]
) -> tuple[Approval, ...]:
    """Read approvals, each with the head that stood when it was given.

    GitLab does not say which head somebody approved, and in many projects an approval
    outlives a push. But it says when, and when each head came: an approval is of the
    newest version that was there. One whose time is not known is of no head.

    Args:
        given: the answer of /approvals.
        versions: the answer of /versions.
        notes: every note; before GitLab told the time (`approved_at`), only they did.
    """
    pushed = sorted(
        (moment(text_at(one, "created_at")), text_at(one, "head_commit_sha"))
        for one in versions
    )
    found: list[Approval] = []
    for one in items_at(given, "approved_by"):
        by = text_at(one, "user", "username")
        said = text_at(one, "approved_at")
        at = moment(said) if said else _noted(by, notes)
        if at is None:
            continue
        head = next((sha for since, sha in reversed(pushed) if since <= at), "")
        if by and head:
            found.append(Approval(by=by, head=commit(head), at=at))
    return tuple(found)


def _noted(by: str, notes: tuple[Json, ...]) -> datetime | None:
    """Return when somebody's standing approval was given, as the notes tell it."""
    at: datetime | None = None
    for note in notes:
        if not flag_at(note, "system") or text_at(note, "author", "username") != by:
            continue
        match text_at(note, "body"):
            case words if words == _APPROVED:
                at = moment(text_at(note, "created_at"))
            case words if words == _UNAPPROVED:
                at = None
    return at


def check(status: Json) -> Check:
    """Read a commit status, which is what jobs are too."""
    return Check(
        name=text_at(status, "name"),
        state=check_state(
            text_at(status, "status"), may_fail=flag_at(status, "allow_failure")
        ),
        url=text_at(status, "target_url"),
    )


def pipeline(item: Json) -> tuple[Check, ...]:
    """Read a pipeline as a whole; one that only holds statuses of others is none."""
    if text_at(item, "source") == "external":
        return ()
    state = check_state(text_at(item, "status"))
    return (Check(name="pipeline", state=state, url=text_at(item, "web_url")),)


def check_state(said: str, *, may_fail: bool = False) -> CheckState:
    """Read the status of a job or a pipeline; one that may fail is never in the way."""
    if said in _DONE or (may_fail and (said in _BROKEN or said == "manual")):
        return CheckState.PASSED
    return CheckState.FAILED if said in _BROKEN else CheckState.PENDING
