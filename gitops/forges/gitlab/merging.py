"""Merging at GitLab: now, or by itself; and why it did not.

A refusal is one of three statuses that say little, so GitLab is asked what it thinks of
the merge request now. Merge, squash or fast-forward is the project's own setting.
"""

from __future__ import annotations

from typing import Final

from gitops.errors import ForgeConflictError
from gitops.forges import NotMerged
from gitops.forges.gitlab import reading
from gitops.forges.gitlab.reading import named
from gitops.forges.http import FINE, Call, Talk, get, one_line
from gitops.model import Mergeability, PullRequest, PullRequestState

_REFUSED: Final = frozenset({405, 406, 422})  # 406 is what older ones said of conflicts
_REASON: Final = "the forge does not merge it now"


def merge(
    pulls: tuple[str, ...], shown: PullRequest, *, message: str
) -> Talk[NotMerged | None]:
    """Ask for a merge of the shown head; see Dialect.merge.

    Args:
        pulls: path of the project's merge requests.
        shown: what is merged.
        message: of the merge commit, where the project makes one.
    """
    reply = yield _asked(pulls, shown, merge_commit_message=message)
    if reply.status not in _REFUSED:
        return None
    refusal, _ = yield from _why(pulls, shown.number, reading.words(reply))
    return refusal


def merge_later(pulls: tuple[str, ...], shown: PullRequest) -> Talk[NotMerged | None]:
    """Ask for auto-merge; see Dialect.merge_later.

    Where nothing has to be waited for GitLab refuses that: then its own rules allow the
    merge now, and it is asked for.
    """
    reply = yield _asked(
        pulls, shown, auto_merge=True, merge_when_pipeline_succeeds=True
    )
    if reply.status not in _REFUSED:
        return None
    refusal, mergeability = yield from _why(pulls, shown.number, reading.words(reply))
    if mergeability is not Mergeability.READY:
        return refusal
    reply = yield _asked(pulls, shown)
    if reply.status not in _REFUSED:
        return None
    refusal, _ = yield from _why(pulls, shown.number, reading.words(reply))
    return refusal


def _asked(pulls: tuple[str, ...], shown: PullRequest, **options: str | bool) -> Call:
    return Call(
        method="PUT",
        path=(*pulls, str(shown.number), "merge"),
        body={"sha": shown.head, "squash": False, **options},
        accepts=FINE | _REFUSED,
        missing=named(shown.number),
    )


def _why(
    pulls: tuple[str, ...], number: int, said: str
) -> Talk[tuple[NotMerged | None, Mergeability]]:
    """Look why a merge was refused; nothing to say where it is merged by now.

    Raises:
        ForgeConflictError: it is closed.
    """
    reply = yield get(*pulls, str(number), missing=named(number))
    item = reply.json()
    mergeability = reading.mergeability_of(item)
    state = reading.state_of(item)
    if state is PullRequestState.MERGED:
        return None, Mergeability.UNKNOWN
    if state is PullRequestState.CLOSED:
        raise ForgeConflictError(f"{named(number)} is closed")
    status = one_line(reading.status_of(item)).replace("_", " ")
    refusal = NotMerged(
        reason=f"{one_line(said) or _REASON} ({status})",
        needs_regeneration=mergeability is Mergeability.CONFLICT,
    )
    return refusal, mergeability
