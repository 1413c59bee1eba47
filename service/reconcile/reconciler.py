"""The order of one pass, for every repository; a sick one never stops the others."""

from __future__ import annotations

import logging
from collections.abc import Collection
from dataclasses import dataclass, replace
from typing import Final

from gitops.errors import BusyError, GitopsError
from gitops.model import CommitId, PullRequest
from gitops.overlay import read_overlays
from gitops.promotion import Wait, decide
from gitops.workflow import (
    Workplace,
    look,
    merge_automatically,
    resuming,
    settling,
    tend,
)
from service.clock import Clock, monotonic_s
from service.forges import Forges
from service.meter import Meter, Passed
from service.origins import locate, repository_names
from service.reconcile import telling
from service.reconcile.arriving import record_arrivals
from service.reconcile.attending import attend
from service.reconcile.ground import Ground
from service.reconcile.observing import (
    Observer,
    Seen,
    nobody,
    store_sightings,
)
from service.reconcile.releases import Found, Updater, no_updates
from service.reconcile.restoring import roll_back_failed
from service.reconcile.scheduling import run_schedules
from service.reconcile.updating import accept_updates
from service.reconcile.ways import ways
from service.repository import open_workplace, writing
from service.settings import Settings
from service.store import PassState, Store, VoteKind

logger = logging.getLogger(__name__)

_SHOWN: Final = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class PassReport:
    """How one pass over one repository ended.

    Attributes:
        repository: its name.
        commit: the base branch commit that it read; None when it read none.
        problem: what went wrong; empty when nothing did.
        failures: how many passes in a row ended with this problem.
        effects: what it did, a line each, as the audit trail has it.
        again: whether there is more to do at once: a merge has moved the base branch.
        elsewhere: another process was at work on it; nothing was done here.
    """

    repository: str
    commit: CommitId | None
    problem: str = ""
    failures: int = 0
    effects: tuple[str, ...] = ()
    again: bool = False
    elsewhere: bool = False


class Reconciler:
    """Passes over the repositories of one installation.

    Args:
        settings: of the installation.
        store: its memory.
        clock: the source of `now`.
        observer: asks the health sources.
        updater: asks the registries for new releases.
        meter: counts what is done.
        forges: the connections of this process; None where only the embedded forge is
            meant.
    """

    def __init__(
        self,
        settings: Settings,
        store: Store,
        clock: Clock,
        *,
        observer: Observer = nobody,
        updater: Updater = no_updates,
        meter: Meter | None = None,
        forges: Forges | None = None,
    ) -> None:
        self._settings = settings
        self._forges = forges or Forges(clock=clock)
        self._store = store
        self._clock = clock
        self._observer = observer
        self._updater = updater
        self._meter = meter or Meter.silent()

    def repositories(self) -> tuple[str, ...]:
        """Return the names of the repositories that there are now."""
        return repository_names(self._settings)

    def age_s(self, name: str) -> float | None:
        """Return the seconds since a good pass, by any process; None without one."""
        last = self._store.passes.last(name)
        if last is None or last.state is not PassState.OK:
            return None
        return (self._clock() - last.at).total_seconds()

    def pass_over(self, name: str) -> PassReport:
        """Make one pass; what fails is recorded and told, never raised.

        A bug ends the pass as well, with its trace in the log: the other repositories
        go on, and this one is tried again.
        """
        began = monotonic_s()
        report = self._attempt(name)
        outcome = Passed.DEGRADED if report.problem else Passed.WORKED
        if report.elsewhere:
            outcome = Passed.ELSEWHERE
        self._meter.pass_ended(name, outcome, seconds=monotonic_s() - began)
        return report

    def _attempt(self, name: str) -> PassReport:
        before = self._store.passes.last(name)
        try:
            report = self._pass_over(name)
        except BusyError:
            return PassReport(repository=name, commit=None, elsewhere=True)
        except GitopsError as error:
            report = PassReport(repository=name, commit=None, problem=error.message)
        except Exception:
            logger.exception("bug in a pass", extra={"repository": name})
            report = PassReport(
                repository=name,
                commit=None,
                problem="an error in directus-gitops itself; see its log",
            )
        ended = self._store.passes.ended(
            name, at=self._clock(), commit=report.commit, problem=report.problem
        )
        was_ok = before is None or before.state is PassState.OK
        if was_ok is not (ended.state is PassState.OK):
            telling.turned(self._store, ended)
        return replace(report, failures=ended.failures)

    def _pass_over(self, name: str) -> PassReport:
        located = locate(self._settings, name)
        place = open_workplace(
            self._settings,
            self._store,
            located,
            clock=self._clock,
            meter=self._meter,
            forges=self._forges,
        )
        # Asking the outside takes long, and needs nothing that others write.
        looked = self._ground(place)
        seen = tuple(self._observer(name, looked.overlays, looked.world.commit))
        found = self._updater(looked)
        with writing(self._settings, self._store, name):
            report = self._step(self._ground(place), seen, found)
        if report.again:
            return report
        # Rendering takes long, and so nobody waits for what people propose.
        reviewed = attend(self._settings, self._store, place, self._clock)
        return replace(report, effects=(*report.effects, *reviewed))

    def _ground(self, place: Workplace) -> Ground:
        world = look(place)
        overlays, unreadable = read_overlays(world.tree, world.fleet)
        return Ground(
            place=place,
            store=self._store,
            world=world,
            overlays=overlays,
            unreadable=unreadable,
            now=self._clock(),
        )

    def _step(
        self, ground: Ground, seen: tuple[Seen, ...], found: tuple[Found, ...]
    ) -> PassReport:
        place, now = ground.place, ground.now
        effects = [*telling.ended(ground, settling(place))]
        arrived = record_arrivals(ground)
        effects += telling.pinned(ground, arrived.pins)
        store_sightings(ground, seen)
        report = PassReport(
            repository=ground.name,
            commit=ground.world.commit,
            problem="; ".join(error.message for error in ground.unreadable[:_SHOWN]),
        )
        if ground.store.holds.is_paused(ground.name):
            return replace(report, effects=tuple(effects))
        effects += telling.restored(ground, roll_back_failed(ground))
        effects += telling.scheduled(ground, run_schedules(ground))
        effects += telling.updated(ground, found, accept_updates(ground, found))
        effects += telling.tended(ground, tend(place, ground.world, now=now))
        effects += telling.tended(ground, resuming(place, ground.world, now=now))
        attempts = merge_automatically(
            place,
            ground.world,
            now=now,
            holds=ground.store.holds.holds(ground.name),
            pins=ground.store.pins.all(ground.name),
            paused=False,
            votes=lambda shown: _votes(ground, shown),
        )
        merged = telling.merged(ground, attempts)
        self._look_back(ground)
        return replace(report, effects=(*effects, *merged), again=bool(merged))

    def _look_back(self, ground: Ground) -> None:
        """Give the meter what it shows: what waits, and why."""
        known = ways(ground.place, ground.store, ground.world, ground.now)
        decisions = [decide(way, now=ground.now, occurrence=None) for way in known]
        live = ground.store.intents.live(ground.name)
        self._meter.looked(
            ground.name,
            environments=[e.name for e in ground.world.fleet.environments],
            open_pull_requests=len({i.pull_request for i in live} - {None}),
            closed_gates=[
                gate.name
                for decision in decisions
                if isinstance(decision, Wait)
                for gate in decision.gates
                if not gate.is_open
            ],
        )


def _votes(
    ground: Ground, shown: PullRequest
) -> tuple[Collection[str], Collection[str]]:
    """Return who approved and who released the present head through us."""
    given = [
        vote
        for vote in ground.store.votes.of(ground.name, shown.number)
        if vote.head == shown.head
    ]
    return (
        {vote.by for vote in given if vote.kind is VoteKind.APPROVAL},
        {vote.by for vote in given if vote.kind is VoteKind.GO},
    )
