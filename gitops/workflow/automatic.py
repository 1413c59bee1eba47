"""Merge without a person what a rule lets the service merge.

Only promotions, only under rules that say so, never a step between majors, only at the
commit that we made for them, and only through the same gates as everybody: votes,
holds, pins, freezes, the pause switch.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TypeAlias

from gitops.forges import Merged, NotMerged
from gitops.merging import merges_by_itself
from gitops.model import Hold, Intent, IntentState, Pin, PullRequest
from gitops.workflow.finish import Held, merge
from gitops.workflow.place import Workplace, World

Votes: TypeAlias = Callable[[PullRequest], tuple[Collection[str], Collection[str]]]
"""Who approved, and who said go, elsewhere than on the forge, by pull request."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """What came of one pull request that may merge by itself."""

    pull_request: PullRequest
    result: Merged | NotMerged | Held


def merge_automatically(
    place: Workplace,
    world: World,
    *,
    now: datetime,
    holds: Sequence[Hold],
    paused: bool,
    votes: Votes,
    pins: Sequence[Pin] = (),
) -> Iterator[Attempt]:
    """Merge every pull request that may merge by itself and whose gates are open.

    They are merged one by one, as the answers are asked for.

    Args:
        place: where.
        world: the base branch, whose rules hold.
        now: aware UTC.
        holds: of the repository.
        paused: whether the pause switch is on.
        votes: gives the votes on the present head of a pull request.
        pins: of the repository.
    """
    by_number: dict[int, list[Intent]] = {}
    for intent in place.log.live(place.name):
        if intent.state is IntentState.PR_OPEN and intent.pull_request is not None:
            by_number.setdefault(intent.pull_request, []).append(intent)
    for number, intents in sorted(by_number.items()):
        if not merges_by_itself(world.tree, world.fleet, intents):
            continue
        shown = place.forge.read(number)
        if any(intent.commit != shown.head for intent in intents):
            continue  # a person has pushed to it: a person merges it
        approvals, goes = votes(shown)
        result = merge(
            place,
            number,
            by=place.identity.name,
            now=now,
            holds=holds,
            pins=pins,
            head=shown.head,
            paused=paused,
            approvals=approvals,
            goes=goes,
        )
        yield Attempt(pull_request=shown, result=result)
