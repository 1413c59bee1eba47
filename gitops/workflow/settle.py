"""Catch up with the world: what was merged, closed, or interrupted since last time."""

from __future__ import annotations

import logging
from datetime import datetime

from gitops.composition import compose, says_broken
from gitops.errors import ForgeNotFoundError, GitopsError
from gitops.model import BranchName, IntentState, Proposed, PullRequestState, Unchanged
from gitops.workflow.examine import examine
from gitops.workflow.place import Workplace, World
from gitops.workflow.publish import publish, withdraw

logger = logging.getLogger(__name__)

_FINAL = {
    PullRequestState.MERGED: IntentState.MERGED,
    PullRequestState.CLOSED: IntentState.CLOSED,
}


def settle(place: Workplace) -> None:
    """End the intents whose pull request was merged or closed.

    A pull request that the forge does not show is not taken as closed: an answer of
    "not found" may mean lost rights.
    """
    for intent in place.log.live(place.name):
        if intent.pull_request is None:
            continue
        try:
            shown = place.forge.read(intent.pull_request)
        except ForgeNotFoundError:
            logger.warning(
                "pull request not found", extra={"pull_request": intent.pull_request}
            )
            continue
        ended = _FINAL.get(shown.state)
        # Numbers begin again where the forge's own records were lost.
        if ended is not None and shown.branch == intent.branch:
            place.log.advance(intent.id, ended)


def resume(place: Workplace, world: World, *, now: datetime) -> None:
    """Finish what an interrupted run began.

    What can no longer be done is given up; what may be tried again later stays, and
    keeps nothing else from being done.
    """
    interrupted = dict.fromkeys(
        intent.branch
        for intent in place.log.live(place.name)
        if intent.state is not IntentState.PR_OPEN
    )
    for branch in interrupted:
        try:
            regenerate(place, world, branch, now=now)
        except GitopsError as error:
            logger.warning(
                "an interrupted change cannot be finished",
                extra={"branch": branch, "error": error.message},
            )
            if not error.retryable:
                give_up(place, branch, error)


def give_up(place: Workplace, branch: BranchName, error: GitopsError) -> None:
    """End the wishes that cannot be fulfilled, and keep those that already are.

    A pull request that is open stands as it was before the attempt.
    """
    for intent in place.live_on(branch):
        is_open = intent.pull_request is not None
        state = IntentState.PR_OPEN if is_open else IntentState.FAILED
        place.log.advance(intent.id, state, error=error.message)


def regenerate(
    place: Workplace, world: World, branch: BranchName, *, now: datetime
) -> Proposed | Unchanged:
    """Make a branch anew from its live intents: never a rebase of text.

    Intents of which the base branch says everything already end as SUPERSEDED, and
    their pull request is closed: it has nothing left to say.
    """
    intents = place.live_on(branch)
    plans = tuple(intent.plan for intent in intents)
    examined = examine(place, world, compose(plans), known_broken=says_broken(plans))
    if not examined.edits:
        told = f"{place.base} says so already"
        withdraw(place, branch, why=f"Closed: {told}, at {world.commit}.", now=now)
        for intent in intents:
            place.log.advance(intent.id, IntentState.SUPERSEDED)
        return Unchanged(reason=told)
    return publish(place, world, intents, examined, now=now)
