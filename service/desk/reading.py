"""Look: where stacks stand, what was asked, what is proposed, what comes next.

Answers come from Git, the forge and the store; looking changes nothing.
"""

from __future__ import annotations

import hashlib
import json
from collections import defaultdict
from dataclasses import dataclass
from datetime import datetime
from itertools import islice
from typing import Final

from gitops.cron import Cron, occurrences
from gitops.errors import UnknownNameError
from gitops.model import (
    EnvironmentName,
    Health,
    Hold,
    Intent,
    IntentId,
    IntentState,
    Observation,
    Overlay,
    Pin,
    PromotionRule,
    PullRequest,
    StackName,
    Target,
)
from gitops.overlay import read_overlay
from gitops.promotion import Expectation, forecast
from gitops.workflow import Inspection, inspect_pull_request, look, survey
from service.desk.ground import Ground
from service.reconcile import ways
from service.store import LastPass, Occurrence

_SHOWN: Final = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Station:
    """One stack in one environment, with all that is known of it.

    Attributes:
        overlay: what its files say.
        pull_request: number of the open one that changes it; None without one.
        hold: the first hold that stops it; None without one.
        pin: None without one.
        health: the worst that any source says; unknown where none does.
        observations: by source.
    """

    overlay: Overlay
    pull_request: int | None
    hold: Hold | None
    pin: Pin | None
    health: Health
    observations: tuple[Observation, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scheduled:
    """A promotion rule and its occurrences.

    Attributes:
        name: `source->target`.
        rule: as gitops.yaml says it.
        coming: aware UTC; the next ones, empty for a rule without schedule.
        last: the newest one that was dealt with; None before the first.
        missed: how many passed without anybody to see them.
    """

    name: str
    rule: PromotionRule
    coming: tuple[datetime, ...]
    last: Occurrence | None
    missed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class RepositoryState:
    """A repository and how it is.

    Attributes:
        name: its name.
        is_default: whether requests that name none mean it.
        is_paused: whether the pause switch is on.
        last: how the last pass ended; None before the first.
    """

    name: str
    is_default: bool
    is_paused: bool
    last: LastPass | None


def etag_of(overlay: Overlay) -> str:
    """Return what changes whenever revision or configuration of a target do."""
    revision = overlay.revision
    said = [revision.image, revision.tag, revision.digest, dict(overlay.config)]
    text = json.dumps(said, sort_keys=True)
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]


class Reading(Ground):
    """Questions."""

    def repositories(self) -> tuple[RepositoryState, ...]:
        """Return every repository and how it is."""
        names = self.names()
        chosen = self._settings.default_repository
        return tuple(
            RepositoryState(
                name=name,
                is_default=name == chosen or names == (name,),
                is_paused=self._store.holds.is_paused(name),
                last=self._store.passes.last(name),
            )
            for name in names
        )

    def stations(self, repository: str) -> tuple[Station, ...]:
        """Return where every stack stands, by environment and stack."""
        place = self._open(repository)
        pins = {pin.target: pin for pin in self._store.pins.all(repository)}
        seen: defaultdict[Target, list[Observation]] = defaultdict(list)
        for observation in self._store.observations.all(repository):
            seen[observation.target].append(observation)
        health = self._store.observations.health(repository)
        standings = survey(place, look(place), self._store.holds.holds(repository))
        return tuple(
            Station(
                overlay=standing.overlay,
                pull_request=standing.pull_request,
                hold=standing.hold,
                pin=pins.get(standing.overlay.target),
                health=health.get(standing.overlay.target, Health.UNKNOWN),
                observations=tuple(seen.get(standing.overlay.target, ())),
            )
            for standing in standings
        )

    def overlay(self, repository: str, target: Target) -> Overlay:
        """Return what the files of one target say on the base branch.

        Raises:
            UnknownNameError: no such repository, environment, or stack there.
        """
        world = look(self._open(repository))
        return read_overlay(world.tree, world.fleet, target)

    def change(self, repository: str, identity: IntentId) -> Intent:
        """Return one change.

        Raises:
            UnknownNameError: there is none of that id here.
        """
        self._check(repository)
        found = self._store.intents.get(identity)
        if found.repository != repository:
            raise UnknownNameError(f"there is no change {identity[:40]!a}")
        return found

    def changes(
        self,
        repository: str,
        *,
        state: IntentState | None = None,
        stack: StackName | None = None,
        environment: EnvironmentName | None = None,
        after: IntentId | None = None,
        limit: int,
    ) -> tuple[Intent, ...]:
        """Return changes, newest first; see Intents.page."""
        self._check(repository)
        return self._store.intents.page(
            repository,
            state=state,
            stack=stack,
            environment=environment,
            after=after,
            limit=limit,
        )

    def pull_requests(self, repository: str) -> tuple[PullRequest, ...]:
        """Return every pull request in every state, oldest first."""
        return self._open(repository).forge.list_all()

    def pull_request(self, repository: str, number: int) -> PullRequest:
        """Return one pull request.

        Raises:
            ForgeNotFoundError: there is none of that number.
        """
        return self._open(repository).forge.read(number)

    def inspection(self, repository: str, shown: PullRequest) -> Inspection:
        """Render what a pull request changes."""
        return inspect_pull_request(self._open(repository), shown)

    def schedules(self, repository: str) -> tuple[Scheduled, ...]:
        """Return the promotion rules with their occurrences, in the file's order."""
        self._check(repository)
        _, fleet = self._read_base(repository)
        now = self._clock()
        missed = {
            w.schedule: w.missed for w in self._store.schedules.watches(repository)
        }
        last = {o.schedule: o for o in self._store.schedules.occurrences(repository)}
        return tuple(
            Scheduled(
                name=name,
                rule=rule,
                coming=_coming(rule, now),
                last=last.get(name),
                missed=missed.get(name, 0),
            )
            for rule in fleet.promotions
            for name in [f"{rule.source}->{rule.target}"]
        )

    def forecast(self, repository: str, *, days: int) -> tuple[Expectation, ...]:
        """Tell why each promotion waits, until when, and what schedules will open.

        Args:
            repository: its name.
            days: how far to look, 1 or more.
        """
        place, now = self._open(repository), self._clock()
        found = ways(place, self._store, look(place), now)
        return forecast(found, now=now, days=days)


def _coming(rule: PromotionRule, now: datetime) -> tuple[datetime, ...]:
    if rule.schedule is None:
        return ()
    cron = Cron(expression=rule.schedule, timezone=rule.timezone)
    return tuple(islice(occurrences(cron, now), _SHOWN))
