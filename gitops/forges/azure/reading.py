"""Azure DevOps' JSON as our nouns. Pure.

Promises: a state, an id or a time that makes no sense is an error, never a guess; and
nobody's approval is believed of a thread that somebody else may have written.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from gitops.errors import ForgeUnavailableError, WebError
from gitops.forges.http import Remark, Reply, moment
from gitops.model import (
    Approval,
    BranchName,
    Comment,
    CommitId,
    Json,
    Mergeability,
    PullRequest,
    PullRequestState,
)
from gitops.web.fields import flag_at, items_at, mapping_at, number_at, text_at

HEADS: Final = "refs/heads/"
NOTHING: Final = "0" * 40
"""Where a branch is that is deleted, or made."""

_COMMIT: Final = re.compile(r"[0-9a-f]{40}", re.ASCII)
_STATES: Final = {
    "active": PullRequestState.OPEN,
    "completed": PullRequestState.MERGED,
    "abandoned": PullRequestState.CLOSED,
}
_MERGES: Final = {
    "succeeded": Mergeability.READY,
    "conflicts": Mergeability.CONFLICT,
    "rejectedByPolicy": Mergeability.BLOCKED,
    "failure": Mergeability.BLOCKED,
}
_VOTES: Final = frozenset({5, 10})  # approved with suggestions, approved
_SERVICE: Final = "00000002-0000-8888-8000-000000000000"  # Azure DevOps itself


def rows(reply: Reply) -> tuple[Json, ...]:
    """Return the items of an answer that is a list."""
    return items_at(reply.json(), "value")


def words(reply: Reply) -> str:
    """Return what an error answer says."""
    return _error(reply, "message")


def kind_of_error(reply: Reply) -> str:
    """Return the name that Azure DevOps has for an error (`typeKey`)."""
    return _error(reply, "typeKey")


def _error(reply: Reply, field: str) -> str:
    try:
        return text_at(reply.json(), field)
    except WebError:  # a page for people, or nothing at all
        return ""


def named(number: int) -> str:
    """Name a pull request in our errors, as those of every forge are named."""
    return f"pull request #{number}"


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
    """Return the number of a pull request.

    Raises:
        ForgeUnavailableError: there is none.
    """
    number = number_at(item, "pullRequestId")
    if number < 1:
        raise ForgeUnavailableError("the forge shows a pull request without a number")
    return number


def head_of(item: Json) -> CommitId | None:
    """Return the head; None while Azure DevOps has not looked at it yet."""
    found = text_at(item, "lastMergeSourceCommit", "commitId")
    return commit(found) if found else None


def state_of(item: Json) -> PullRequestState:
    """Return whether a pull request is open, merged or closed.

    Raises:
        ForgeUnavailableError: Azure DevOps says something else.
    """
    said = text_at(item, "status")
    if said not in _STATES:
        raise ForgeUnavailableError(f"the forge names a state {said[:40]!a}")
    return _STATES[said]


def mergeability_of(item: Json) -> Mergeability:
    """Read `mergeStatus`, which is of the trial merge alone."""
    return _MERGES.get(text_at(item, "mergeStatus"), Mergeability.UNKNOWN)


def login(identity: Json) -> str:
    """Return how we call somebody: by the name to sign in with."""
    return text_at(identity, "uniqueName") or text_at(identity, "displayName")


def is_of_fork(item: Json) -> bool:
    """Whether the head is of another repository."""
    return bool(mapping_at(item, "forkSource"))


def branch_of(item: Json, field: str) -> BranchName:
    """Return a branch without `refs/heads/`."""
    return BranchName(text_at(item, field).removeprefix(HEADS))


def pull_request(item: Json, head: CommitId, page: str) -> PullRequest:
    """Read a pull request, as lists and single answers have it.

    Args:
        item: as answered; of a list it may have only the beginning of its body.
        head: of it.
        page: address of the repository's pages.
    """
    state, number = state_of(item), number_of(item)
    is_merged = state is PullRequestState.MERGED
    made = text_at(item, "lastMergeCommit", "commitId") if is_merged else ""
    ended = state is not PullRequestState.OPEN
    return PullRequest(
        number=number,
        url=f"{page}/pullrequest/{number}",
        title=text_at(item, "title"),
        body=text_at(item, "description"),
        branch=branch_of(item, "sourceRefName"),
        base=branch_of(item, "targetRefName"),
        head=head,
        state=state,
        author=login(mapping_at(item, "createdBy")),
        created_at=moment(text_at(item, "creationDate")),
        merge_commit=commit(made) if made else None,
        closed_by=login(mapping_at(item, "closedBy")) if ended else "",
        from_fork=is_of_fork(item),
        is_draft=flag_at(item, "isDraft"),
        labels=tuple(sorted(text_at(one, "name") for one in items_at(item, "labels"))),
        mergeability=mergeability_of(item),
        merges_later=not ended and bool(text_at(item, "autoCompleteSetBy", "id")),
    )


# --- threads ---


def remarks(threads: tuple[Json, ...]) -> tuple[Remark, ...]:
    """Return what people have said, oldest first; not what Azure DevOps has."""
    found = sorted(_said(threads), key=lambda one: (one.comment.at, one.id))
    return tuple(found)


def _said(threads: tuple[Json, ...]) -> Iterator[Remark]:
    for thread in threads:
        if flag_at(thread, "isDeleted"):
            continue
        for one in items_at(thread, "comments"):
            is_text = text_at(one, "commentType") not in ("system", "codeChange")
            if is_text and not flag_at(one, "isDeleted"):
                yield Remark(
                    id=f"{number_at(thread, 'id')}/{number_at(one, 'id')}",
                    comment=Comment(
                        by=login(mapping_at(one, "author")),
                        at=moment(text_at(one, "publishedDate")),
                        text=text_at(one, "content"),
                    ),
                )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Vote:
    """That somebody has voted, as Azure DevOps notes it in a thread."""

    by: str
    value: str
    at: datetime


def approvals(
    item: Json, threads: tuple[Json, ...], iterations: tuple[Json, ...]
) -> tuple[Approval, ...]:
    """Read the votes that stand, each with the head that stood when it was given.

    A vote names no commit, and unless a policy resets it, it outlives a push. But
    Azure DevOps notes each vote in a thread, and each push as an iteration: a vote is
    of the newest iteration that was there. One without such a note is of no head.

    Args:
        item: the pull request.
        threads: all of it.
        iterations: all of it.
    """
    pushed = sorted(
        (
            moment(text_at(one, "createdDate")),
            text_at(one, "sourceRefCommit", "commitId"),
        )
        for one in iterations
    )
    noted: dict[str, _Vote] = {}
    for vote in sorted(_votes(threads), key=lambda one: one.at):
        noted[vote.by] = vote
    found: list[Approval] = []
    for reviewer in items_at(item, "reviewers"):
        value = number_at(reviewer, "vote") if _is_positive(reviewer) else 0
        last = noted.get(text_at(reviewer, "id"))
        if value not in _VOTES or last is None or last.value != str(value):
            continue
        head = next((sha for since, sha in reversed(pushed) if since <= last.at), "")
        if head:
            by = login(reviewer)
            found.append(Approval(by=by, head=commit(head), at=last.at))
    return tuple(sorted(found, key=lambda one: one.at))


def _is_positive(reviewer: Json) -> bool:
    """Whether it is one person's vote for it; a team votes by its members.

    Fields read whole numbers that are not negative; a vote may be.
    """
    vote = mapping_at(reviewer).get("vote")
    is_number = isinstance(vote, int) and not isinstance(vote, bool)
    return is_number and vote in _VOTES and not flag_at(reviewer, "isContainer")


def _votes(threads: tuple[Json, ...]) -> Iterator[_Vote]:
    """Yield the votes that threads tell of and that are not made up.

    Anybody who may comment can make a thread with these properties. But its comment
    has an author whom nobody can choose: it must be the voter, or Azure DevOps.
    """
    for thread in threads:
        said = mapping_at(thread, "properties")
        if _property(said, "CodeReviewThreadType") != "VoteUpdate":
            continue
        key = _property(said, "CodeReviewVotedByIdentity")
        by = text_at(thread, "identities", key, "id") if key else ""
        by = by or _property(said, "CodeReviewVotedByTfId")
        first = next(iter(items_at(thread, "comments")), None)
        if by and first is not None and _is_noted(first, by):
            yield _Vote(
                by=by,
                value=_property(said, "CodeReviewVoteResult"),
                at=moment(text_at(thread, "publishedDate")),
            )


def _is_noted(comment: Json, by: str) -> bool:
    author = mapping_at(comment, "author")
    trusted = text_at(author, "id") in (by, _SERVICE) or flag_at(author, "isContainer")
    return trusted and text_at(comment, "commentType") == "system"


def _property(said: Json, name: str) -> str:
    """Return one of a thread's properties; they are texts or numbers."""
    value = mapping_at(said, name).get("$value")
    return "" if value is None else str(value)[:64]
