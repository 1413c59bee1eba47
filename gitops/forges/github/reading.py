"""GitHub's JSON -> our nouns. Pure.

What must be there and is not is an error; what may be missing is empty. A person whose
account is gone is shown by GitHub as null, and on its pages as `ghost`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from gitops.errors import ForgeUnavailableError
from gitops.forges.http import Remark, moment
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
from gitops.web.fields import flag_at, items_at, mapping_at, number_at, text_at

GHOST: Final = "ghost"

_MERGEABLE: Final = {
    "clean": Mergeability.READY,
    "unstable": Mergeability.READY,  # a check failed that no rule asks for
    "has_hooks": Mergeability.READY,  # Enterprise Server: it has pre-receive hooks
    "blocked": Mergeability.BLOCKED,
    "behind": Mergeability.BLOCKED,
    "draft": Mergeability.BLOCKED,
    "dirty": Mergeability.CONFLICT,
}
_PASSED: Final = frozenset({"success", "neutral", "skipped"})  # as its own rules count
_STATUSES: Final = {
    "success": CheckState.PASSED,
    "failure": CheckState.FAILED,
    "error": CheckState.FAILED,
}
_OPINIONS: Final = frozenset({"APPROVED", "CHANGES_REQUESTED", "DISMISSED"})


def login_at(value: Json, *path: str) -> str:
    """Return the login of a person; that of a deleted one is GHOST."""
    return text_at(value, *path, "login") or GHOST


def number_of(item: Json) -> int:
    """Return the number of a pull request.

    Raises:
        ForgeUnavailableError: it has none.
    """
    number = number_at(item, "number")
    if number < 1:
        raise ForgeUnavailableError("the forge shows a pull request without a number")
    return number


def pull_request(item: Json) -> PullRequest:
    """Read a pull request, of a list or by its number.

    Raises:
        ForgeUnavailableError: it has no number, head or base.
    """
    number = number_of(item)
    branch, base = text_at(item, "head", "ref"), text_at(item, "base", "ref")
    if not branch or not base:
        raise ForgeUnavailableError(
            f"the forge shows pull request #{number} without its branches"
        )
    state = _state(item)
    merged = text_at(item, "merge_commit_sha")
    is_merged = state is PullRequestState.MERGED
    return PullRequest(
        number=number,
        url=text_at(item, "html_url") or None,
        title=text_at(item, "title"),
        body=text_at(item, "body"),
        branch=BranchName(branch),
        base=BranchName(base),
        head=commit_at(item, "head", "sha"),
        state=state,
        author=login_at(item, "user"),
        created_at=moment(text_at(item, "created_at")),
        merge_commit=CommitId(merged) if is_merged and merged else None,
        closed_by=login_at(item, "merged_by") if is_merged else "",
        from_fork=_is_from_fork(item),
        is_draft=flag_at(item, "draft"),
        labels=tuple(sorted(text_at(one, "name") for one in items_at(item, "labels"))),
        mergeability=_mergeability(item, state),
        merges_later=bool(mapping_at(item, "auto_merge")),
    )


def commit_at(item: Json, *path: str) -> CommitId:
    """Return the commit at a path.

    Raises:
        ForgeUnavailableError: there is none.
    """
    found = text_at(item, *path)
    if not found:
        raise ForgeUnavailableError("the forge shows something without its commit")
    return CommitId(found)


def _state(item: Json) -> PullRequestState:
    if text_at(item, "merged_at"):
        return PullRequestState.MERGED
    is_open = text_at(item, "state") == "open"
    return PullRequestState.OPEN if is_open else PullRequestState.CLOSED


def _is_from_fork(item: Json) -> bool:
    """Whether the head is elsewhere; the repository of a deleted fork is null."""
    head = text_at(item, "head", "repo", "full_name").lower()
    return not head or head != text_at(item, "base", "repo", "full_name").lower()


def _mergeability(item: Json, state: PullRequestState) -> Mergeability:
    """Read what GitHub says of merging; null means that it is still finding out."""
    mergeable = mapping_at(item).get("mergeable")
    if state is not PullRequestState.OPEN or mergeable is None:
        return Mergeability.UNKNOWN
    if not flag_at(item, "mergeable"):
        return Mergeability.CONFLICT
    return _MERGEABLE.get(text_at(item, "mergeable_state"), Mergeability.UNKNOWN)


def approvals(reviews: Iterable[Json]) -> tuple[Approval, ...]:
    """Return the approvals that stand: by person, the latest opinion counts.

    A later request for changes, or a dismissal, withdraws; a comment does not. An
    approval that does not say which commit it is about counts for none.

    Args:
        reviews: of one pull request, oldest first.
    """
    latest: dict[str, Json] = {}
    for review in reviews:
        if text_at(review, "state").upper() in _OPINIONS:
            by = login_at(review, "user")
            latest.pop(by, None)
            latest[by] = review
    return tuple(
        Approval(
            by=by,
            head=CommitId(text_at(review, "commit_id")),
            at=moment(text_at(review, "submitted_at")),
        )
        for by, review in latest.items()
        if text_at(review, "state").upper() == "APPROVED"
        and text_at(review, "commit_id")
        and by != GHOST
    )


def reviewers_of(reviews: Iterable[Json], head: CommitId) -> frozenset[str]:
    """Return who has said something about a commit, in small letters."""
    return frozenset(
        login_at(review, "user").lower()
        for review in reviews
        if text_at(review, "commit_id") == head
    )


def check_run(item: Json) -> Check:
    """Read what an app says of a commit."""
    conclusion = text_at(item, "conclusion")
    if text_at(item, "status") != "completed":
        state = CheckState.PENDING
    else:
        state = CheckState.PASSED if conclusion in _PASSED else CheckState.FAILED
    return Check(
        name=text_at(item, "name"),
        state=state,
        url=text_at(item, "html_url") or text_at(item, "details_url"),
    )


def status(item: Json) -> Check:
    """Read what anybody says of a commit."""
    return Check(
        name=text_at(item, "context"),
        state=_STATUSES.get(text_at(item, "state"), CheckState.PENDING),
        url=text_at(item, "target_url"),
    )


def remark(item: Json) -> Remark:
    """Read a comment.

    Raises:
        ForgeUnavailableError: it has no id.
    """
    found = number_at(item, "id")
    if not found:
        raise ForgeUnavailableError("the forge shows a comment without an id")
    said = Comment(
        by=login_at(item, "user"),
        at=moment(text_at(item, "created_at")),
        text=text_at(item, "body"),
    )
    return Remark(id=str(found), comment=said)


def words(body: Json) -> str:
    """Return what an error says: its message, and those of its parts.

    Args:
        body: `{message, errors: [{message} or {resource, field, code} or text]}`.
    """
    parts = [text_at(body, "message")]
    errors = mapping_at(body).get("errors")
    for error in errors if isinstance(errors, list) else [errors]:
        match error:
            case str():
                parts.append(error)
            case {"message": str(told)}:
                parts.append(told)
            case {"field": str(field), "code": str(code)}:
                parts.append(f"{field} {code}")
            case _:
                pass
    return ": ".join(part for part in parts if part)
