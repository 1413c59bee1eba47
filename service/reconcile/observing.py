"""What the health sources say, stored with its since, and what it makes of arrivals."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import TypeAlias

from gitops.model import (
    CommitId,
    EnvironmentName,
    Fleet,
    Overlay,
    Sighting,
    Target,
)
from gitops.promotion import NO_HEALTH, fared
from gitops.web import Web
from service.observe import observe
from service.reconcile.ground import Ground
from service.settings import Settings

Seen: TypeAlias = tuple[Target, str, Sighting]
Observer: TypeAlias = Callable[[str, Sequence[Overlay], CommitId], Iterable[Seen]]
"""Asks the health sources of a repository, given by its name, about overlays at a base
branch commit; what does not answer is Health.UNKNOWN, never an error."""


def nobody(_repository: str, _overlays: Sequence[Overlay], _at: CommitId) -> list[Seen]:
    """Observe nothing: no health source is set up."""
    return []


def observer_of(settings: Settings, web: Web) -> Observer:
    """Return the observer that asks what the operator has set up.

    Args:
        settings: with the health sources of each repository.
        web: the client for them all.
    """

    def ask(
        repository: str, overlays: Sequence[Overlay], commit: CommitId
    ) -> Iterator[Seen]:
        sources = settings.repository(repository).health
        return observe(sources, overlays, web=web, commit=commit)

    return ask


def store_sightings(ground: Ground, seen: Iterable[Seen]) -> None:
    """Store what was seen, and move the soak clocks of what is present.

    Only the sources that the rules name for an environment move its clocks.
    """
    present = {
        arrival.target: arrival
        for arrival in ground.store.arrivals.all(ground.name)
        if arrival.left_at is None
    }
    named = _named(ground.world.fleet)
    for target, source, sighting in seen:
        observation = ground.store.observations.record(
            ground.name, target, source, sighting, at=ground.now
        )
        before = present.get(target)
        if before is None or source not in named.get(target.environment, ()):
            continue
        after = fared(before, observation)
        if after != before:
            present[target] = after
            ground.store.arrivals.replace(ground.name, after)


def _named(fleet: Fleet) -> dict[EnvironmentName, set[str]]:
    """Return the health sources that matter for each environment."""
    named: dict[EnvironmentName, set[str]] = {}
    for rule in fleet.promotions:
        if rule.health != NO_HEALTH:
            named.setdefault(rule.source, set()).add(rule.health)
            named.setdefault(rule.target, set()).add(rule.health)
    return named
