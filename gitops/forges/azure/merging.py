"""Merging at Azure DevOps: now, or by itself; and why it did not.

Completing is asked for and done a moment later: an answer of 200 may show the pull
request as active still. What was refused is told by many codes, so Azure DevOps is
asked what it thinks of the pull request now.
"""

from __future__ import annotations

from typing import Final

from gitops.errors import ForgeConflictError, ForgeDeniedError
from gitops.forges import NotMerged
from gitops.forges.azure import reading
from gitops.forges.azure.calls import read, write
from gitops.forges.azure.reading import named
from gitops.forges.http import FINE, Reply, Talk, one_line
from gitops.model import Json, Mergeability, PullRequest, PullRequestState
from gitops.web.fields import text_at

_REFUSED: Final = frozenset({400, 403, 409})


def merge(
    one: tuple[str, ...], shown: PullRequest, *, message: str
) -> Talk[NotMerged | None]:
    """Ask for a merge commit of the shown head; see Dialect.merge.

    Args:
        one: path of the pull request.
        shown: what is merged.
        message: of the merge commit.
    """
    reply = yield from _changed(
        one,
        {
            "status": "completed",
            "lastMergeSourceCommit": {"commitId": shown.head},
            "completionOptions": _options(mergeCommitMessage=message),
        },
        shown,
    )
    if reply.status in _REFUSED:
        return (yield from _why(one, shown, reply))
    return _outcome(reply.json(), shown.number)


def merge_later(
    one: tuple[str, ...], shown: PullRequest, *, by: str
) -> Talk[NotMerged | None]:
    """Ask for auto-complete; see Dialect.merge_later.

    Args:
        one: path of the pull request.
        shown: what is merged.
        by: id of who asks.
    """
    body: Json = {"autoCompleteSetBy": {"id": by}, "completionOptions": _options()}
    reply = yield from _changed(one, body, shown)
    if reply.status in _REFUSED:
        return (yield from _why(one, shown, reply))
    return None


def _options(**more: str) -> Json:
    return {"mergeStrategy": "noFastForward", "deleteSourceBranch": False, **more}


def _changed(one: tuple[str, ...], body: Json, shown: PullRequest) -> Talk[Reply]:
    missing = named(shown.number)
    reply = yield write(
        "PATCH", *one, body=body, accepts=FINE | _REFUSED, missing=missing
    )
    is_policy = "Policy" in reading.kind_of_error(reply)
    if reply.status == 403 and not is_policy:
        raise ForgeDeniedError(
            f"we may not complete {named(shown.number)}: "
            f"{one_line(reading.words(reply))}",
            hint="check the rights of the repository's credential",
        )
    return reply


def _why(
    one: tuple[str, ...], shown: PullRequest, refused: Reply
) -> Talk[NotMerged | None]:
    """Look why a merge was refused; nothing to say where it is merged by now.

    Raises:
        ForgeConflictError: it is closed, or its head is another one.
    """
    reply = yield read(*one, missing=named(shown.number))
    item = reply.json()
    match reading.state_of(item):
        case PullRequestState.MERGED:
            return None
        case PullRequestState.CLOSED:
            raise ForgeConflictError(f"{named(shown.number)} is closed")
        case PullRequestState.OPEN:
            pass
    said = one_line(reading.words(refused)) or "the forge does not complete it now"
    if reading.head_of(item) != shown.head:
        raise ForgeConflictError(f"{named(shown.number)} is at another head: {said}")
    is_conflict = reading.mergeability_of(item) is Mergeability.CONFLICT
    return NotMerged(reason=said, needs_regeneration=is_conflict)


def _outcome(item: Json, number: int) -> NotMerged | None:
    """Read what became of a merge that was taken.

    Raises:
        ForgeConflictError: somebody abandoned it.
    """
    state = reading.state_of(item)
    if state is PullRequestState.CLOSED:
        raise ForgeConflictError(f"{named(number)} is closed")
    if state is PullRequestState.MERGED:
        return None
    match reading.mergeability_of(item):
        case Mergeability.CONFLICT:
            return NotMerged(
                reason="it conflicts with its base", needs_regeneration=True
            )
        case Mergeability.BLOCKED:
            said = one_line(text_at(item, "mergeFailureMessage"))
            return NotMerged(reason=said or "a policy does not let it be completed")
        case Mergeability.READY | Mergeability.UNKNOWN:
            return None
