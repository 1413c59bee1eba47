"""What the promotion rules have to decide about: every stack on every rule."""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime

from gitops.model import (
    Arrival,
    EnvironmentName,
    Intent,
    IntentState,
    Observation,
    Overlay,
    Revision,
    SetRevision,
    Target,
)
from gitops.overlay import read_overlays
from gitops.promotion import Way
from gitops.workflow import Workplace, World
from service.store import Store


def ways(
    place: Workplace, store: Store, world: World, now: datetime
) -> tuple[Way, ...]:
    """Return every way of the fleet, by rule and stack.

    Args:
        place: the repository.
        store: with arrivals, observations, holds and pins.
        world: the base branch, whose rules hold.
        now: aware UTC; part of the call so that a forecast asks like a pass.
    """
    del now
    overlays, _ = read_overlays(world.tree, world.fleet)
    by_target = {overlay.target: overlay for overlay in overlays}
    arrivals: defaultdict[Target, list[Arrival]] = defaultdict(list)
    for arrival in reversed(store.arrivals.all(place.name)):
        arrivals[arrival.target].append(arrival)
    seen = {(o.target, o.source): o for o in store.observations.all(place.name)}
    refused = refusals(store.intents.all(place.name))
    holds = store.holds.holds(place.name)
    pins = {pin.target: pin for pin in store.pins.all(place.name)}
    paused = store.holds.is_paused(place.name)
    found: list[Way] = []
    for rule in world.fleet.promotions:
        for overlay in _entered(overlays, rule.target):
            source = Target(environment=rule.source, stack=overlay.target.stack)
            if source not in by_target:
                continue
            seen_there: Observation | None = seen.get((source, rule.health))
            found.append(
                Way(
                    rule=rule,
                    target=overlay.target,
                    present=overlay.revision,
                    arrivals=tuple(arrivals[source]),
                    observation=seen_there,
                    holds=holds,
                    pin=pins.get(overlay.target),
                    refused=refused.get(overlay.target, frozenset()),
                    paused=paused,
                )
            )
    return tuple(found)


def way_into(
    place: Workplace,
    store: Store,
    world: World,
    target: Target,
    source: EnvironmentName | None,
    now: datetime,
) -> Way | None:
    """Return the one way into a target; None without one, or with several.

    Args:
        place: the repository.
        store: see ways.
        world: the base branch.
        target: what changes.
        source: the environment that the revision leaves; None for any.
        now: aware UTC.
    """
    found = [
        way
        for way in ways(place, store, world, now)
        if way.target == target and source in (None, way.rule.source)
    ]
    return found[0] if len(found) == 1 else None


def _entered(overlays: tuple[Overlay, ...], environment: str) -> tuple[Overlay, ...]:
    return tuple(o for o in overlays if o.target.environment == environment)


def refusals(intents: tuple[Intent, ...]) -> dict[Target, frozenset[Revision]]:
    """Return what people have refused by closing a pull request, by target.

    A later request for the same revision takes the refusal back: a person asked.

    Args:
        intents: of a repository, oldest first.
    """
    refused: defaultdict[Target, set[Revision]] = defaultdict(set)
    for intent in intents:
        for change in intent.plan.changes:
            if not isinstance(change, SetRevision):
                continue
            if intent.state is IntentState.CLOSED:
                refused[change.target].add(change.revision)
            else:
                refused[change.target].discard(change.revision)
    return {target: frozenset(found) for target, found in refused.items() if found}
