"""What people do with a pull request: approve, merge, close, adopt."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from gitops.errors import ForgeConflictError
from gitops.forges import Merged, NotMerged
from gitops.merging import closed_merge_gates
from gitops.model import (
    CommitId,
    Hold,
    Intent,
    Pin,
    Proposed,
    PullRequest,
    PullRequestState,
    Unchanged,
)
from gitops.upgrade import unresolved
from gitops.workflow.examine import differing
from gitops.workflow.place import Workplace, World, look
from gitops.workflow.settle import regenerate, settle


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """Not merged: these merging gates are closed."""

    reasons: tuple[str, ...]


def approve(
    place: Workplace,
    number: int,
    *,
    by: str,
    now: datetime,
    head: CommitId | None = None,
) -> PullRequest:
    """Approve the current head of a pull request.

    Args:
        place: where.
        number: of the pull request.
        by: who approves.
        now: aware UTC.
        head: what they looked at; None for whatever it is now.

    Raises:
        ForgeConflictError: it is not open, its head is another, or the approver has
            opened it or asked for what is behind it.
    """
    shown = place.forge.read(number)
    _check_head(shown, head)
    if any(
        intent.plan.provenance.requested_by == by
        for intent in place.log.of_pull_request(place.name, number)
    ):
        raise ForgeConflictError(
            f"pull request #{number} was asked for by {by}, who cannot approve it",
            hint="somebody else has to look at it",
        )
    place.guard()
    return place.forge.approve(number, head=shown.head, by=by, now=now)


def merge(
    place: Workplace,
    number: int,
    *,
    by: str,
    now: datetime,
    holds: Sequence[Hold] = (),
    paused: bool = False,
    override: str = "",
    approvals: Collection[str] = (),
    goes: Collection[str] = (),
    pins: Sequence[Pin] = (),
    head: CommitId | None = None,
) -> Merged | NotMerged | Held:
    """Merge a pull request at its recorded head, if its merging gates are open.

    A conflict with the base branch means that the branch is made anew from its
    intents, and that people look at it again: approvals of the old head lapse.

    Args:
        place: where.
        number: of the pull request.
        by: who merges.
        now: aware UTC.
        holds: of the repository.
        paused: whether the pause switch is on.
        override: a reason to merge against closed gates; the caller records it.
        approvals: who has approved the present head elsewhere than on the forge.
        goes: the releasers who said go to the present head.
        pins: of the repository.
        head: what the votes are about, and what the merger looked at; None for
            whatever it is now.

    Raises:
        ForgeConflictError: it is closed, or its head moved.
    """
    shown = place.forge.read(number)
    if shown.state is PullRequestState.MERGED:
        settle(place)
        return Merged(pull_request=shown)
    _check_head(shown, head)
    intents = _intents_of(place, shown)
    world = look(place)
    reasons = closed_merge_gates(
        world.fleet,
        (*intents, *_past_of(place, shown, intents)),
        shown,
        holds=holds,
        pins=pins,
        paused=paused,
        conflicts=_conflicts(place, world, shown),
        approvals=approvals,
        goes=goes,
        now=now,
    )
    if reasons and not override:
        return Held(reasons=reasons)
    place.guard()
    result = place.forge.merge(number, head=shown.head, by=by, now=now)
    settle(place)
    if isinstance(result, NotMerged) and result.needs_regeneration and intents:
        regenerate(place, world, shown.branch, now=now)
        return NotMerged(
            reason=f"{place.base} had moved; the branch was made anew on it: "
            "look at the new difference and merge again"
        )
    return result


def close(place: Workplace, number: int, *, by: str, now: datetime) -> PullRequest:
    """Close a pull request without merging; its intents end as closed.

    Raises:
        ForgeConflictError: it is merged.
    """
    place.guard()
    closed = place.forge.close(number, by=by, now=now)
    settle(place)
    return closed


def adopt(place: Workplace, number: int, *, now: datetime) -> Proposed | Unchanged:
    """Take a branch over from the person who pushed to it, and make it anew.

    The person's commits stay reachable by their ids on the forge, but are no longer
    on the branch.

    Raises:
        ForgeConflictError: the pull request is not open, or no intent of ours is
            behind it.
    """
    shown = place.forge.read(number)
    if shown.state is not PullRequestState.OPEN:
        raise ForgeConflictError(f"pull request #{number} is {shown.state.value}")
    if not _intents_of(place, shown):
        raise ForgeConflictError(
            f"pull request #{number} was not made by directus-gitops",
            hint="only its own pull requests can be made anew",
        )
    world = look(place)
    tip = place.mirror.remote_tip(shown.branch)
    if tip is not None:
        place.log.record_push(place.name, shown.branch, tip)
    return regenerate(place, world, shown.branch, now=now)


def _conflicts(place: Workplace, world: World, shown: PullRequest) -> tuple[str, ...]:
    """Name the files with conflict markers that a merge would bring in.

    The head counts, not what was planned: a person may have resolved them there.
    """
    if shown.state is not PullRequestState.OPEN:
        return ()
    head = place.mirror.read_tree(shown.head)
    return unresolved(head, differing(world.tree, head))


def _intents_of(place: Workplace, shown: PullRequest) -> tuple[Intent, ...]:
    return tuple(
        intent
        for intent in place.live_on(shown.branch)
        if intent.pull_request in (None, shown.number)
    )


def _past_of(
    place: Workplace, shown: PullRequest, live: Sequence[Intent]
) -> tuple[Intent, ...]:
    """Return the ended intents that a head still stands for.

    A newer wish ends an older one at once, but the head shows the older one until the
    branch is made anew; and where a person has pushed, it never will be. So what the
    head was made for counts, and where no live intent made it, all that ever was
    behind the pull request.
    """
    is_known = any(intent.commit == shown.head for intent in live)
    known = {intent.id for intent in live}
    return tuple(
        intent
        for intent in place.log.of_pull_request(place.name, shown.number)
        if intent.branch == shown.branch
        and intent.id not in known
        and (intent.commit == shown.head or not is_known)
    )


def _check_head(shown: PullRequest, head: CommitId | None) -> None:
    """Refuse a pull request that is not as somebody looked at it.

    Raises:
        ForgeConflictError: its head is another by now.
    """
    if head is not None and shown.head != head:
        raise moved(shown, head)


def moved(shown: PullRequest, head: CommitId) -> ForgeConflictError:
    """Return the refusal of a pull request that is at another head by now."""
    return ForgeConflictError(
        f"pull request #{shown.number} is at {shown.head[:12]} now, not at {head[:12]}",
        hint="look at it again",
    )
