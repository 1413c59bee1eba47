"""The JSON of Bitbucket Cloud as our nouns. Pure.

Promises: a state, a commit or a time that makes no sense is an error, never a guess.
People are named by their `uuid`: it is the one name of theirs that nobody else can
take. Cloud shows commits by their first twelve digits; whoever reads has to find out
the rest. What a field means is said in Atlassian's API document.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

from gitops.errors import ForgeUnavailableError, WebError
from gitops.forges.http import Call, Remark, Reply, moment
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
from gitops.web import same_origin
from gitops.web.fields import flag_at, items_at, mapping_at, number_at, text_at

_COMMIT: Final = re.compile(r"[0-9a-f]{7,64}", re.ASCII)
_WHOLE: Final = frozenset({40, 64})
_STATES: Final = {
    "OPEN": PullRequestState.OPEN,
    "MERGED": PullRequestState.MERGED,
    "DECLINED": PullRequestState.CLOSED,
    "SUPERSEDED": PullRequestState.CLOSED,
}
_CHECKS: Final = {
    "SUCCESSFUL": CheckState.PASSED,
    "FAILED": CheckState.FAILED,
    "STOPPED": CheckState.FAILED,
}


def rows(reply: Reply) -> tuple[Json, ...]:
    """Return the items of one page."""
    return items_at(reply.json(), "values")


def following(call: Call, reply: Reply) -> Call | None:
    """Return the call of the next page, as the answer names it (R11).

    Raises:
        ForgeUnavailableError: it is on another server.
    """
    target = text_at(reply.json(), "next")
    if not target:
        return None
    place = same_origin(reply.place, target)
    if place is None:
        raise ForgeUnavailableError(
            f"{reply.place.host}: its list goes on at another address",
            hint="is a proxy in between that does not rewrite links?",
        )
    return Call(method=call.method, page=place.url, missing=call.missing)


def words(reply: Reply) -> str:
    """Return what an error answer says: its message, or its fields and details."""
    try:
        error = mapping_at(reply.json(), "error")
    except WebError:  # a page for people, or nothing at all
        return ""
    parts = [error.get("message"), error.get("detail"), *_told(error.get("fields"))]
    texts = dict.fromkeys(part for part in parts if isinstance(part, str) and part)
    return "; ".join(texts)


def _told(fields: Json) -> list[Json]:
    """Return what is said of each field, each a text or a list of texts."""
    if not isinstance(fields, dict):
        return []
    return [
        part
        for value in fields.values()
        for part in (value if isinstance(value, list) else [value])
    ]


def fields_of(reply: Reply) -> frozenset[str]:
    """Return the names of the fields that an error is about."""
    try:
        found = mapping_at(reply.json(), "error").get("fields")
    except WebError:
        return frozenset()
    return frozenset(found) if isinstance(found, dict) else frozenset()


def commit(text: str) -> CommitId:
    """Accept a commit's id, or the beginning of one.

    Raises:
        ForgeUnavailableError: it is none.
    """
    if not _COMMIT.fullmatch(text):
        raise ForgeUnavailableError(
            f"the forge gives a commit that is none: {text[:70]!a}"
        )
    return CommitId(text)


def is_whole(found: CommitId) -> bool:
    """Whether an id is no beginning only."""
    return len(found) in _WHOLE


def person(item: Json, *path: str) -> str:
    """Return who somebody is; empty of an account that is deleted."""
    return text_at(item, *path, "uuid")


def pull_request(item: Json) -> PullRequest:
    """Read one; its commits may be beginnings only.

    Raises:
        ForgeUnavailableError: it has no number, branch or head, or a state or time
            that makes no sense.
    """
    number = number_at(item, "id")
    branch = text_at(item, "source", "branch", "name")
    base = text_at(item, "destination", "branch", "name")
    if number < 1 or not branch or not base:
        raise ForgeUnavailableError(
            "the forge shows a pull request without a number or a branch"
        )
    state = _STATES.get(text_at(item, "state"))
    if state is None:
        raise ForgeUnavailableError(
            f"the forge gives a state that is none: {text_at(item, 'state')[:40]!a}"
        )
    merged = text_at(item, "merge_commit", "hash")
    is_merged = state is PullRequestState.MERGED
    is_open = state is PullRequestState.OPEN
    return PullRequest(
        number=number,
        url=text_at(item, "links", "html", "href") or None,
        title=text_at(item, "title"),
        body=text_at(item, "description").replace("\r\n", "\n"),
        branch=BranchName(branch),
        base=BranchName(base),
        head=commit(text_at(item, "source", "commit", "hash")),
        state=state,
        author=person(item, "author"),
        created_at=moment(text_at(item, "created_on")),
        merge_commit=commit(merged) if is_merged and merged else None,
        closed_by="" if is_open else person(item, "closed_by"),
        from_fork=_repository(item, "source") != _repository(item, "destination"),
        is_draft=flag_at(item, "draft"),
    )


def is_headless(item: Json) -> bool:
    """Whether one has ended and its head is nowhere any more, as of a deleted fork."""
    is_open = text_at(item, "state") == "OPEN"
    return not is_open and not (
        text_at(item, "source", "commit", "hash")
        and text_at(item, "source", "branch", "name")
    )


def _repository(item: Json, end: str) -> str:
    return text_at(item, end, "repository", "full_name").lower()


def mergeability(item: Json) -> Mergeability:
    """Say what it says of its merge checks; of conflicts it says nothing."""
    if flag_at(item, "draft"):
        return Mergeability.BLOCKED
    if mapping_at(item).get("mergeable") is None:
        return Mergeability.UNKNOWN
    is_ready = flag_at(item, "mergeable")
    return Mergeability.READY if is_ready else Mergeability.BLOCKED


def reviewers(item: Json) -> tuple[str, ...]:
    """Return who is asked to review it; only where one is read by its number."""
    return tuple(person(one) for one in items_at(item, "reviewers"))


def approvals(
    item: Json, activity: Sequence[Json], head: CommitId
) -> tuple[Approval, ...]:
    """Return the approvals that stand, each with the head that it is about.

    Cloud does not say which head, and an approval outlives a push. Its log of what
    happened, newest first, does: it is the head of the last update before the
    approval. Where the log does not say, the approval is left out.

    Args:
        item: the pull request, with its participants.
        activity: its log, newest first.
        head: its present head, whole.
    """
    found: list[Approval] = []
    for one in items_at(item, "participants"):
        by = person(one, "user")
        if not flag_at(one, "approved") or not by:
            continue
        given = _given(activity, by)
        if given is not None:
            at, about = given
            is_now = head.startswith(about)
            found.append(Approval(by=by, head=head if is_now else about, at=moment(at)))
    return tuple(sorted(found, key=lambda one: (one.at, one.by)))


def _given(activity: Sequence[Json], by: str) -> tuple[str, CommitId] | None:
    """Find when somebody last approved, and the head that he saw."""
    at = ""
    for entry in activity:
        if not at and person(entry, "approval", "user") == by:
            at = text_at(entry, "approval", "date")
        about = text_at(entry, "update", "source", "commit", "hash")
        if at and about:
            return at, commit(about)
    return None


def remark(item: Json) -> Remark:
    """Read a comment.

    Raises:
        ForgeUnavailableError: it has no id.
    """
    number = number_at(item, "id")
    if number < 1:
        raise ForgeUnavailableError("the forge shows a comment without an id")
    said = Comment(
        by=person(item, "user"),
        at=moment(text_at(item, "created_on")),
        text=text_at(item, "content", "raw").replace("\r\n", "\n"),
    )
    return Remark(id=str(number), comment=said)


def is_said(item: Json) -> bool:
    """Whether a comment is there for all to see."""
    return not flag_at(item, "deleted") and not flag_at(item, "pending")


def check(item: Json) -> Check:
    """Read a status of a commit."""
    return Check(
        name=text_at(item, "name") or text_at(item, "key"),
        state=_CHECKS.get(text_at(item, "state"), CheckState.PENDING),
        url=text_at(item, "url"),
    )
