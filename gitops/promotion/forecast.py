"""FORECAST: what the schedules will open in the next days, and why not earlier. Pure.

It asks gitops.promotion.decisions, so it cannot disagree with it. What it assumes is
what nobody can know: health stays as it is now, nobody acts (no bump, hold, pin, pause
or refusal comes or goes), every run is dealt with in its minute, and whatever is opened
is merged and seen one minute after its run, so that it soaks where it came to and may
go on from there. A minute, not none: a day of soak after today's run is not over at
tomorrow's, and to promise that would be a lie.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Final

from gitops.model import (
    Arrival,
    CommitId,
    Observation,
    PromotionRule,
    Revision,
    StackName,
    Target,
)
from gitops.promotion.decisions import Decision, Promote, Wait, Way, decide
from gitops.promotion.gates import health_gate

MERGED_AFTER: Final = timedelta(minutes=1)
"""How long after its run a promotion is taken to be merged."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Opening:
    """A promotion that is expected.

    Attributes:
        at: UTC; the run of the schedule that opens it.
        revision: what the target runs after it.
    """

    at: datetime
    revision: Revision


@dataclass(frozen=True, slots=True, kw_only=True)
class Expectation:
    """What is to be expected of one way.

    Attributes:
        rule: the edge.
        target: what changes.
        decision: the one of now, outside of a run: what would go, its gates, and the
            earliest moment that they can all be open; or why there is nothing.
        openings: in the order of time; after now, up to the end of the last day.
    """

    rule: PromotionRule
    target: Target
    decision: Decision
    openings: tuple[Opening, ...]


def forecast(
    ways: Sequence[Way], *, now: datetime, days: int = 7
) -> tuple[Expectation, ...]:
    """Say what is to be expected of each way, in their order.

    Args:
        ways: of one repository, their arrivals as the last observation left them.
            Several of one stack are seen together: what enters one environment may
            leave it again.
        now: aware.
        days: how far to look, 1 or more.
    """
    until = now + timedelta(days=days)
    stacks: dict[StackName, list[int]] = {}
    for place, way in enumerate(ways):
        stacks.setdefault(way.target.stack, []).append(place)
    openings: dict[int, list[Opening]] = {}
    for places in stacks.values():
        run = _Run([ways[place] for place in places], now)
        for index, opening in run.openings(until):
            openings.setdefault(places[index], []).append(opening)
    return tuple(
        Expectation(
            rule=way.rule,
            target=way.target,
            decision=decide(way, now=now, occurrence=None),
            openings=tuple(openings.get(place, ())),
        )
        for place, way in enumerate(ways)
    )


class _Run:
    """One stack's ways, as they will be: the next run of each is dealt with in turn."""

    def __init__(self, ways: Sequence[Way], now: datetime) -> None:
        self._ways = list(ways)
        # Health stays: where it lets pass now it always will, else it never will.
        self._is_fit = [_is_fit(way, now) for way in ways]
        self._next = [self._next_run(index, now) for index in range(len(ways))]

    def openings(self, until: datetime) -> Iterator[tuple[int, Opening]]:
        """Yield the openings with the place of their way, in the order of time."""
        while (at := min(filter(None, self._next), default=None)) and at <= until:
            entered: list[tuple[Target, Revision]] = []
            for index, run in enumerate(self._next):
                if run != at:
                    continue
                way = self._seen(index, at)
                decision = decide(way, now=at, occurrence=at)
                if isinstance(decision, Promote):
                    opening = _opening(way, decision.arrival, at)
                    entered.append((way.target, opening.revision))
                    self._move(way.target, opening.revision)
                    yield index, opening
            for target, revision in entered:
                self._arrive(target, revision, at + MERGED_AFTER)
            self._next = [
                self._next_run(index, at) if self._is_touched(index, at, entered) else n
                for index, n in enumerate(self._next)
            ]

    def _next_run(self, index: int, after: datetime) -> datetime | None:
        decision = decide(self._seen(index, after), now=after, occurrence=None)
        return decision.earliest if isinstance(decision, Wait) else None

    def _is_touched(
        self, index: int, at: datetime, entered: Sequence[tuple[Target, Revision]]
    ) -> bool:
        way = self._ways[index]
        mine = (way.target, _source(way))
        return self._next[index] == at or any(target in mine for target, _ in entered)

    def _seen(self, index: int, at: datetime) -> Way:
        """Return a way with its source seen a moment ago, if it is fit."""
        way = self._ways[index]
        if way.observation is None or not self._is_fit[index]:
            return way
        last = max(way.observation.at, at)
        return replace(way, observation=replace(way.observation, at=last))

    def _move(self, target: Target, revision: Revision) -> None:
        for index, way in enumerate(self._ways):
            if way.target == target:
                self._ways[index] = replace(way, present=revision)

    def _arrive(self, target: Target, revision: Revision, at: datetime) -> None:
        for index, way in enumerate(self._ways):
            if _source(way) == target:
                self._ways[index] = _with_arrival(
                    way, revision, at, is_fit=self._is_fit[index]
                )


def _is_fit(way: Way, now: datetime) -> bool:
    """Whether the health of what the source has lets pass now."""
    newest = way.arrivals[0] if way.arrivals else None
    gate = health_gate(way.rule, now, newest, way.observation)
    return gate is not None and gate.is_open


def _source(way: Way) -> Target:
    return Target(environment=way.rule.source, stack=way.target.stack)


def _opening(way: Way, arrival: Arrival, at: datetime) -> Opening:
    carried = arrival.revision
    revision = replace(way.present, tag=carried.tag, digest=carried.digest)
    return Opening(at=at, revision=revision)


def _with_arrival(way: Way, revision: Revision, at: datetime, *, is_fit: bool) -> Way:
    """Return a way after something came to its source."""
    came = Arrival(
        target=_source(way),
        revision=revision,
        commit=CommitId(""),  # no commit has brought it yet
        at=at,
        healthy_since=at if is_fit else None,
    )
    before = tuple(
        arrival if arrival.left_at else replace(arrival, left_at=at)
        for arrival in way.arrivals
    )
    return replace(
        way, arrivals=(came, *before), observation=_follows(way.observation, came)
    )


def _follows(observation: Observation | None, came: Arrival) -> Observation | None:
    """Return an observation as it is once it sees what came."""
    if observation is None or came.healthy_since is None:
        return observation
    version = came.revision.tag if observation.version else ""
    return replace(observation, version=version, at=came.at)
