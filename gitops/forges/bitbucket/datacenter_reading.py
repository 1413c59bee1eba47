"""The JSON of Bitbucket Data Center as our nouns. Pure.

Promises: a state, a commit or a time that makes no sense is an error, never a guess.
People are named by their user name. What a field means is said in Atlassian's API
document (9.2).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Final

from gitops.errors import ForgeUnavailableError, WebError
from gitops.forges.http import Call, Remark, Reply
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

HEADS: Final = "refs/heads/"

_COMMIT: Final = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?", re.ASCII)
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_MAX_MS: Final = 253_402_300_799_999  # the end of the year 9999
_STATES: Final = {
    "OPEN": PullRequestState.OPEN,
    "MERGED": PullRequestState.MERGED,
    "DECLINED": PullRequestState.CLOSED,
}
_CHECKS: Final = {
    "SUCCESSFUL": CheckState.PASSED,
    "FAILED": CheckState.FAILED,
    "CANCELLED": CheckState.FAILED,
}
_ENDINGS: Final = frozenset({"MERGED", "DECLINED"})


def rows(reply: Reply) -> tuple[Json, ...]:
    """Return the items of one page."""
    return items_at(reply.json(), "values")


def following(call: Call, reply: Reply) -> Call | None:
    """Return the call of the next page; None after the last.

    Raises:
        ForgeUnavailableError: it says neither that this is the last, nor where the
            next begins.
    """
    body = reply.json()
    if flag_at(body, "isLastPage"):
        return None
    start = mapping_at(body).get("nextPageStart")
    if not isinstance(start, int) or isinstance(start, bool) or start < 1:
        raise ForgeUnavailableError(
            f"{reply.place.host}: its list does not say how it goes on"
        )
    query = tuple(pair for pair in call.query if pair[0] != "start")
    return replace(call, query=(*query, ("start", str(start))))


def _errors(reply: Reply) -> tuple[Json, ...]:
    try:
        return items_at(reply.json(), "errors")
    except WebError:  # a page for people, or nothing at all
        return ()


def words(reply: Reply) -> str:
    """Return what an error answer says: its messages, and who vetoed."""
    found: list[str] = []
    for error in _errors(reply):
        if isinstance(error, dict):
            found += [_plain(error.get("message")), *_vetoes(error)]
    return "; ".join(text for text in dict.fromkeys(found) if text)


def _plain(value: Json) -> str:
    return value if isinstance(value, str) else ""


def _vetoes(item: Json) -> Iterator[str]:
    """Yield what merge checks say."""
    for veto in items_at(item, "vetoes"):
        yield text_at(veto, "summaryMessage")


def fault(reply: Reply) -> str:
    """Return the class of the first error, without its package; or nothing."""
    names = [text_at(error, "exceptionName") for error in _errors(reply)]
    return names[0].rpartition(".")[2] if names else ""


def is_conflicted(reply: Reply) -> bool:
    """Whether a refusal of a merge is about a conflict."""
    return any(flag_at(error, "conflicted") for error in _errors(reply))


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


def moment(item: Json, field: str) -> datetime:
    """Read a time in milliseconds since 1970.

    Raises:
        ForgeUnavailableError: it is none.
    """
    found = number_at(item, field)
    if not 0 < found <= _MAX_MS:
        raise ForgeUnavailableError("the forge gives a time that is none")
    return _EPOCH + timedelta(milliseconds=found)


def person(item: Json, *path: str) -> str:
    """Return somebody's user name; empty of an account that is deleted."""
    return text_at(item, *path, "name")


def branch(item: Json, end: str) -> BranchName:
    """Return a branch of a pull request; empty where it is a tag."""
    name = text_at(item, end, "id")
    return BranchName(name.removeprefix(HEADS) if name.startswith(HEADS) else "")


def repository(item: Json, end: str) -> tuple[str, str]:
    """Return the project's key and the repository's slug, in lower case."""
    key = text_at(item, end, "repository", "project", "key")
    return key.lower(), text_at(item, end, "repository", "slug").lower()


def pull_request(item: Json) -> PullRequest:
    """Read one as a list shows it.

    Raises:
        ForgeUnavailableError: it has no number, branch or head, or a state or time
            that makes no sense.
    """
    number, base = number_at(item, "id"), branch(item, "toRef")
    head_of = branch(item, "fromRef") or BranchName(text_at(item, "fromRef", "id"))
    if number < 1 or not head_of or not base:
        raise ForgeUnavailableError(
            "the forge shows a pull request without a number or a branch"
        )
    state = _STATES.get(text_at(item, "state"))
    if state is None:
        raise ForgeUnavailableError(
            f"the forge gives a state that is none: {text_at(item, 'state')[:40]!a}"
        )
    merged = text_at(item, "properties", "mergeCommit", "id")
    is_merged = state is PullRequestState.MERGED
    pages = items_at(item, "links", "self")
    return PullRequest(
        number=number,
        url=(text_at(pages[0], "href") or None) if pages else None,
        title=text_at(item, "title"),
        body=text_at(item, "description"),
        branch=head_of,
        base=base,
        head=commit(text_at(item, "fromRef", "latestCommit")),
        state=state,
        author=person(item, "author", "user"),
        created_at=moment(item, "createdDate"),
        merge_commit=commit(merged) if is_merged and merged else None,
        from_fork=repository(item, "fromRef") != repository(item, "toRef"),
        is_draft=flag_at(item, "draft"),
    )


def version(item: Json) -> int:
    """Return the version that a change has to name."""
    return number_at(item, "version")


def reviewers(item: Json) -> tuple[str, ...]:
    """Return who is asked to review it."""
    return tuple(person(one, "user") for one in items_at(item, "reviewers"))


def approvals(item: Json, activity: Sequence[Json]) -> tuple[Approval, ...]:
    """Return the approvals that stand, each with the commit that was looked at.

    Args:
        item: the pull request.
        activity: its log, newest first, which says when.
    """
    given: dict[str, Json] = {}
    for entry in activity:
        if text_at(entry, "action") == "APPROVED":
            given.setdefault(person(entry, "user"), entry)
    found: list[Approval] = []
    for one in (*items_at(item, "reviewers"), *items_at(item, "participants")):
        by, head = person(one, "user"), text_at(one, "lastReviewedCommit")
        is_approved = text_at(one, "status") == "APPROVED"
        if is_approved and by and head:
            when = given.get(by)
            at = moment(item, "updatedDate") if when is None else _created(when)
            found.append(Approval(by=by, head=commit(head), at=at))
    return tuple(sorted(found, key=lambda one: (one.at, one.by)))


def _created(entry: Json) -> datetime:
    return moment(entry, "createdDate")


def ending(activity: Iterable[Json]) -> tuple[str, CommitId | None]:
    """Return who merged or declined it last, and the merge commit if it says."""
    for entry in activity:
        if text_at(entry, "action") in _ENDINGS:
            merge = text_at(entry, "commit", "id")
            return person(entry, "user"), commit(merge) if merge else None
    return "", None


def remarks(activity: Iterable[Json]) -> tuple[Remark, ...]:
    """Return the comments of a log and the answers to them, oldest first."""
    found: dict[int, Remark] = {}
    for entry in activity:
        if text_at(entry, "action") == "COMMENTED":
            for one in _thread(entry):
                found.setdefault(int(one.id), one)
    return tuple(found[number] for number in sorted(found))


def _thread(entry: Json) -> Iterator[Remark]:
    waiting: list[Json] = [mapping_at(entry, "comment")]
    while waiting:
        item = waiting.pop()
        if not flag_at(item, "pending"):
            yield remark(item)
        waiting += items_at(item, "comments")


def remark(item: Json) -> Remark:
    """Read a comment.

    Raises:
        ForgeUnavailableError: it has no id.
    """
    number = number_at(item, "id")
    if number < 1:
        raise ForgeUnavailableError("the forge shows a comment without an id")
    said = Comment(
        by=person(item, "author"), at=_created(item), text=text_at(item, "text")
    )
    return Remark(id=str(number), comment=said)


def mergeability(item: Json) -> Mergeability:
    """Say what it says of merging now."""
    if flag_at(item, "conflicted"):
        return Mergeability.CONFLICT
    if flag_at(item, "canMerge"):
        return Mergeability.READY
    return Mergeability.BLOCKED if any(_vetoes(item)) else Mergeability.UNKNOWN


def check(item: Json) -> Check:
    """Read the status of a build."""
    return Check(
        name=text_at(item, "name") or text_at(item, "key"),
        state=_CHECKS.get(text_at(item, "state"), CheckState.PENDING),
        url=text_at(item, "url"),
    )
