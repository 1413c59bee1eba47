"""Catch up with the world: what was merged, closed, or interrupted since last time."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Final

from gitops.composition import compose, overtaken, says_broken
from gitops.errors import (
    ForgeError,
    ForgeNotFoundError,
    GitopsError,
    RemoteDeniedError,
    ToolError,
    WriteForbiddenError,
)
from gitops.forges import WITHDRAWN, remark_mark
from gitops.model import (
    BranchName,
    Intent,
    IntentState,
    Proposed,
    PullRequest,
    PullRequestState,
    Unchanged,
)
from gitops.workflow.examine import examine
from gitops.workflow.place import Workplace, World
from gitops.workflow.publish import open_on, publish, withdraw

logger = logging.getLogger(__name__)

_AROUND: Final = (ForgeError, RemoteDeniedError, ToolError)
_FINAL: Final = {
    PullRequestState.MERGED: IntentState.MERGED,
    PullRequestState.CLOSED: IntentState.CLOSED,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Tended:
    """What was done about one branch, or why nothing could be.

    Attributes:
        branch: whose.
        result: what it is now; the error where it could not be tended.
    """

    branch: BranchName
    result: Proposed | Unchanged | GitopsError


def settle(place: Workplace) -> tuple[PullRequest, ...]:
    """Do all that `settling` does, and return it."""
    return tuple(settling(place))


def settling(place: Workplace) -> Iterator[PullRequest]:
    """End the intents whose pull request was merged or closed, one by one.

    A pull request that the forge does not show is not taken as closed: an answer of
    "not found" may mean lost rights.

    Yields:
        The pull requests that have ended since the last time, each before that is
        recorded: who tells of it and is killed tells of it again, never not at all.
    """
    told: set[int] = set()
    for intent in place.log.live(place.name):
        shown = _shown(place, intent)
        # Numbers begin again where the forge's own records were lost.
        if shown is None or shown.branch != intent.branch:
            continue
        final = _FINAL.get(shown.state)
        if final is None:
            continue
        if _is_withdrawn(place, shown):
            place.forge.delete_branch(shown.branch, head=shown.head)
            place.log.advance(intent.id, IntentState.SUPERSEDED)
            continue
        if shown.number not in told:
            told.add(shown.number)
            yield shown
            _tidy(place, shown)
        place.log.advance(intent.id, final, pull_request=shown.number)


def _tidy(place: Workplace, shown: PullRequest) -> None:
    """Delete our branch after its merge; one that a person has pushed to stays.

    It is a courtesy: where it is forbidden, or the forge refuses, the branch stays.
    """
    ours = place.log.pushed(place.name, shown.branch)
    if shown.state is not PullRequestState.MERGED or shown.head not in ours:
        return
    if place.forge.capabilities.merges_here:
        return  # the embedded forge has done it
    try:
        place.guard()
        place.forge.delete_branch(shown.branch, head=shown.head)
    except (ForgeError, WriteForbiddenError) as error:
        logger.warning(
            "a merged branch stays",
            extra={"branch": shown.branch, "error": error.message},
        )


def _shown(place: Workplace, intent: Intent) -> PullRequest | None:
    """Return the pull request of an intent, also of one that a killed run opened.

    That run did not record its number, but the commit before: where it has ended since,
    somebody has answered, and it must not be opened again.
    """
    if intent.pull_request is not None:
        try:
            return place.forge.read(intent.pull_request)
        except ForgeNotFoundError:
            logger.warning(
                "pull request not found", extra={"pull_request": intent.pull_request}
            )
            return None
    if intent.commit is None:
        return None
    ours = (intent.commit, place.base)
    found = place.forge.find(intent.branch)
    return next((one for one in found if (one.head, one.base) == ours), None)


def _is_withdrawn(place: Workplace, shown: PullRequest) -> bool:
    """Whether we closed it, and were killed before that was recorded: nobody's no.

    On a real forge people may act under our login; our remark says that it was us.
    """
    if shown.state is not PullRequestState.CLOSED:
        return False
    if place.forge.capabilities.merges_here:
        return shown.closed_by == place.identity.name
    us, mark = place.forge.account(), remark_mark(WITHDRAWN)
    return any(
        said.by == us and said.text.rstrip().endswith(mark) for said in shown.comments
    )


def resume(place: Workplace, world: World, *, now: datetime) -> tuple[Tended, ...]:
    """Do all that `resuming` does, and return it."""
    return tuple(resuming(place, world, now=now))


def resuming(place: Workplace, world: World, *, now: datetime) -> Iterator[Tended]:
    """Publish what was accepted, and finish what an interrupted run began, one by one.

    What can no longer be done is given up; what may be tried again later stays, and
    keeps nothing else from being done.
    """
    interrupted = dict.fromkeys(
        intent.branch
        for intent in place.log.live(place.name)
        if intent.state is not IntentState.PR_OPEN
    )
    for branch in interrupted:
        result: Proposed | Unchanged | GitopsError
        try:
            result = regenerate(place, world, branch, now=now)
        except GitopsError as error:
            logger.warning(
                "an interrupted change cannot be finished",
                extra={"branch": branch, "error": error.message},
            )
            set_back(place, branch, error)
            result = error
        yield Tended(branch=branch, result=result)


def set_back(place: Workplace, branch: BranchName, error: GitopsError) -> None:
    """Deal with wishes that could not be published now.

    What may be done later stays wanted, with the reason beside it, and so does what
    failed for the world around: rights, a tool, whatever a forge refused. Only what
    is wrong with the wish itself ends it.
    """
    if not error.retryable and not isinstance(error, _AROUND):
        _give_up(place, branch, error)
        return
    for intent in place.live_on(branch):
        if intent.error != error.message:
            place.log.advance(intent.id, intent.state, error=error.message)


def _give_up(place: Workplace, branch: BranchName, error: GitopsError) -> None:
    """End the wishes that cannot be fulfilled, and keep those that already are.

    A pull request that is open stands as it was before the attempt, and so does what
    it wants: a wish that was refused supersedes nothing.
    """
    for intent in place.live_on(branch):
        is_open = intent.pull_request is not None
        state = IntentState.PR_OPEN if is_open else IntentState.FAILED
        place.log.advance(intent.id, state, error=error.message)
    standing = open_on(place, branch)
    if standing is None:
        return
    live = {intent.key for intent in place.live_on(branch)}
    for intent in reversed(place.log.all(place.name)):
        is_shown = (intent.branch, intent.pull_request, intent.commit) == (
            branch,
            standing.number,
            standing.head,
        )
        is_gone = intent.state is IntentState.SUPERSEDED and intent.key not in live
        if is_shown and is_gone:
            live.add(intent.key)
            place.log.advance(intent.id, IntentState.PR_OPEN)


def regenerate(
    place: Workplace, world: World, branch: BranchName, *, now: datetime
) -> Proposed | Unchanged:
    """Make a branch anew from its live intents: never a rebase of text.

    Intents of which the base branch says everything already end as SUPERSEDED, and
    their pull request is closed: it has nothing left to say.
    """
    intents = _one_wish_a_place(place, branch)
    plans = tuple(intent.plan for intent in intents)
    examined = examine(place, world, compose(plans), known_broken=says_broken(plans))
    if not examined.edits:
        told = f"{place.base} says so already"
        why = f"Closed: {told}, at {world.commit}."
        closed = withdraw(place, branch, why=why, now=now)
        for intent in intents:
            place.log.advance(intent.id, IntentState.SUPERSEDED)
        return Unchanged(reason=told, pull_request=closed)
    return publish(place, world, intents, examined, now=now)


def _one_wish_a_place(place: Workplace, branch: BranchName) -> tuple[Intent, ...]:
    """Return the live intents of a branch, without those that newer ones overtook.

    Whoever records a wish ends what it overtakes; two that are recorded at the same
    moment do not see each other, and would both be told as merged.
    """
    kept: tuple[Intent, ...] = ()
    for intent in place.live_on(branch):
        gone = overtaken(kept, intent.plan)
        for older in gone:
            place.log.advance(older.id, IntentState.SUPERSEDED)
        kept = (*(older for older in kept if older not in gone), intent)
    return kept
