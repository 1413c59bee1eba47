"""Gitea's JSON as our nouns. Pure.

Promises: a state, a commit or a time that makes no sense is an error, never a guess;
null is an empty list, as real servers send it. What a field means is said in Forgejo's
and Gitea's API documents, and in the code that fills it (`services/convert`).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
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
from gitops.web.fields import flag_at, items_at, mapping_at, number_at, text_at

_COMMIT: Final = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?", re.ASCII)
_STATES: Final = {
    "open": PullRequestState.OPEN,
    "closed": PullRequestState.CLOSED,
}
_CHECKS: Final = {
    "success": CheckState.PASSED,
    "skipped": CheckState.PASSED,
    "failure": CheckState.FAILED,
    "error": CheckState.FAILED,
    "warning": CheckState.FAILED,  # Gitea's own gates take it for no success either
}
_APPROVED: Final = "APPROVED"
_VOTES: Final = frozenset({_APPROVED, "REQUEST_CHANGES", "REQUEST_REVIEW"})


def rows(reply: Reply) -> tuple[Json, ...]:
    """Return the items of an answer that is a list, or null."""
    return items_at({"list": reply.json()}, "list")


def words(reply: Reply) -> str:
    """Return what an error answer says: its message, and what it lists beside."""
    try:
        body = mapping_at(reply.json())
    except WebError:  # a page for people, or nothing at all
        return ""
    message = body.get("message")
    more = body.get("errors")
    parts = [message, *(more if isinstance(more, list) else ())]
    return "; ".join(part for part in parts if isinstance(part, str) and part)


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


def login(item: Json, *path: str) -> str:
    """Return somebody's login; empty of an account that is deleted."""
    return text_at(item, *path, "login")


def is_headless(item: Json) -> bool:
    """Whether a pull request has ended and its head is nowhere any more."""
    return not text_at(item, "head", "sha") and text_at(item, "state") == "closed"


def pull_request(item: Json) -> PullRequest:
    """Read one as a list shows it.

    A head branch that is gone is still named in `label`; `ref` is another one then.

    Raises:
        ForgeUnavailableError: it has no number, branch or head, or a state or time
            that makes no sense.
    """
    number = number_at(item, "number")
    branch = text_at(item, "head", "label") or text_at(item, "head", "ref")
    base = text_at(item, "base", "ref") or text_at(item, "base", "label")
    if number < 1 or not branch or not base:
        raise ForgeUnavailableError(
            "the forge shows a pull request without a number or a branch"
        )
    state = _state(item)
    merged = text_at(item, "merge_commit_sha")
    is_merged = state is PullRequestState.MERGED
    head_of, base_of = number_at(item, "head", "repo_id"), _base_repository(item)
    return PullRequest(
        number=number,
        url=text_at(item, "html_url") or None,
        title=text_at(item, "title"),
        body=text_at(item, "body"),
        branch=BranchName(branch),
        base=BranchName(base),
        head=commit(text_at(item, "head", "sha")),
        state=state,
        author=login(item, "user"),
        created_at=moment(text_at(item, "created_at")),
        merge_commit=commit(merged) if is_merged and merged else None,
        closed_by=login(item, "merged_by") if is_merged else "",
        from_fork=head_of != base_of,
        is_draft=flag_at(item, "draft"),
        labels=tuple(sorted(text_at(one, "name") for one in items_at(item, "labels"))),
    )


def _base_repository(item: Json) -> int:
    """Return the number of the repository that it is in.

    Raises:
        ForgeUnavailableError: there is none, so nothing tells a fork from it.
    """
    found = number_at(item, "base", "repo_id")
    if found < 1:
        raise ForgeUnavailableError(
            "the forge does not say which repository a pull request is in"
        )
    return found


def _state(item: Json) -> PullRequestState:
    if flag_at(item, "merged"):
        return PullRequestState.MERGED
    found = _STATES.get(text_at(item, "state"))
    if found is None:
        raise ForgeUnavailableError(
            f"the forge gives a state that is none: {text_at(item, 'state')[:40]!a}"
        )
    return found


def mergeability(item: Json) -> Mergeability:
    """Say what it says of merging; "not mergeable" alone may be "not known yet"."""
    if flag_at(item, "draft"):
        return Mergeability.BLOCKED
    if flag_at(item, "mergeable"):
        return Mergeability.READY
    return Mergeability.UNKNOWN


def asked_to_review(item: Json) -> frozenset[str]:
    """Return who is asked to review it."""
    return frozenset(login(one) for one in items_at(item, "requested_reviewers"))


def approvals(reviews: Iterable[Json]) -> tuple[Approval, ...]:
    """Return the approvals that stand.

    The last vote of each person counts; being asked again ends an earlier one. One
    that is dismissed, or of somebody whom the repository's rules do not count
    (`official`), is none.
    """
    last: dict[str, Json] = {}
    for review in sorted(reviews, key=lambda one: number_at(one, "id")):
        by = login(review, "user")
        if by and text_at(review, "state") in _VOTES:
            last.pop(by, None)
            last[by] = review
    return tuple(
        Approval(
            by=by,
            head=commit(text_at(review, "commit_id")),
            at=moment(text_at(review, "submitted_at")),
        )
        for by, review in last.items()
        if _stands(review)
    )


def _stands(review: Json) -> bool:
    return (
        text_at(review, "state") == _APPROVED
        and flag_at(review, "official")
        and not flag_at(review, "dismissed")
        and bool(text_at(review, "commit_id"))
    )


def voters(reviews: Iterable[Json]) -> frozenset[str]:
    """Return who has voted, or is asked to."""
    return frozenset(
        login(review, "user")
        for review in reviews
        if text_at(review, "state") in _VOTES
    )


def remark(item: Json) -> Remark:
    """Read a comment.

    Raises:
        ForgeUnavailableError: it has no id.
    """
    number = number_at(item, "id")
    if number < 1:
        raise ForgeUnavailableError("the forge shows a comment without an id")
    said = Comment(
        by=login(item, "user"),
        at=moment(text_at(item, "created_at")),
        text=text_at(item, "body"),
    )
    return Remark(id=str(number), comment=said)


def check(item: Json) -> Check:
    """Read a status of a commit; one that is not known yet is waited for."""
    return Check(
        name=text_at(item, "context"),
        state=_CHECKS.get(text_at(item, "status"), CheckState.PENDING),
        url=text_at(item, "target_url"),
    )


def closer(events: Iterable[Json]) -> str:
    """Return who closed it last, of its timeline."""
    closed = [login(one, "user") for one in events if text_at(one, "type") == "close"]
    return closed[-1] if closed else ""


def changed_files(comparison: Json) -> frozenset[str]:
    """Return the files that a comparison's commits change.

    Forgejo lists them of the whole, both list them of each commit.
    """
    items = [*items_at(comparison, "files")]
    for one in items_at(comparison, "commits"):
        items += items_at(one, "files")
    return frozenset(text_at(item, "filename") for item in items) - {""}
