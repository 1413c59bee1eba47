"""How well the fleet delivers: figures from what came where, and how it fared. Pure.

Four figures, those of the DORA reports, with meanings that fit a fleet of overlays:

    lead time      from the first environment of the fleet's order to the last, for each
                   revision of each stack; from the first coming to the first coming
    deployments    revisions that came to an environment
    failed         those that were seen unhealthy after they came, or were left by a
                   rollback
    restore        from the first unhealthy sighting to the next healthy one

It only counts what it is given: without observations nothing is unhealthy, and no
figure claims otherwise. An arrival keeps its last failure only, so of two failures of
one revision the first is not counted.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from itertools import chain, pairwise
from statistics import median

from gitops.model import (
    Arrival,
    EnvironmentName,
    Intent,
    IntentState,
    PlanKind,
    Revision,
    SetRevision,
    StackName,
    Target,
)
from gitops.versions import Step, step

_DAY_S = 86_400


@dataclass(frozen=True, slots=True, kw_only=True)
class Period:
    """What is counted: from `since` on, and before `until`; both aware UTC."""

    since: datetime
    until: datetime

    def __contains__(self, moment: datetime) -> bool:
        """Whether a moment is in the period."""
        return self.since <= moment < self.until

    @property
    def days(self) -> float:
        """Its length in days."""
        return (self.until - self.since).total_seconds() / _DAY_S


@dataclass(frozen=True, slots=True, kw_only=True)
class LeadTime:
    """One revision's way through the fleet.

    Attributes:
        stack: whose.
        revision: what.
        first_at: aware UTC; when it first came to the first environment.
        last_at: aware UTC; when it first came to the last one.
    """

    stack: StackName
    revision: Revision
    first_at: datetime
    last_at: datetime

    @property
    def seconds(self) -> float:
        """How long the way took."""
        return (self.last_at - self.first_at).total_seconds()


@dataclass(frozen=True, slots=True, kw_only=True)
class Outage:
    """A time in which a target was unhealthy.

    Attributes:
        target: what was.
        since: aware UTC; the first unhealthy sighting.
        until: aware UTC; the next healthy one; None while there is none.
    """

    target: Target
    since: datetime
    until: datetime | None

    @property
    def seconds(self) -> float | None:
        """How long it took to restore; None while it lasts."""
        return None if self.until is None else (self.until - self.since).total_seconds()


@dataclass(frozen=True, slots=True, kw_only=True)
class EnvironmentFigures:
    """The figures of one environment in one period.

    Attributes:
        environment: which.
        deployments: how many revisions came.
        per_day: the same by day.
        failed: how many of them failed.
        failed_share: 0 to 1; None without deployments.
        restored: how many outages ended.
        restore_s: the median of their lengths in seconds; None without any.
        down: targets that are unhealthy at the period's end.
    """

    environment: EnvironmentName
    deployments: int
    per_day: float
    failed: int
    failed_share: float | None
    restored: int
    restore_s: float | None
    down: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """All figures of one repository in one period.

    Attributes:
        period: what was counted.
        lead_times: by when they ended; those that ended in the period.
        environments: in the fleet's order.
    """

    period: Period
    lead_times: tuple[LeadTime, ...]
    environments: tuple[EnvironmentFigures, ...]

    @property
    def lead_s(self) -> float | None:
        """The median lead time in seconds; None when nothing went all the way."""
        seconds = [lead.seconds for lead in self.lead_times]
        return median(seconds) if seconds else None


def figures(
    arrivals: Iterable[Arrival],
    intents: Iterable[Intent],
    order: Sequence[EnvironmentName],
    period: Period,
) -> Figures:
    """Return the figures of one repository.

    Args:
        arrivals: all of it, before the period too; in any order.
        intents: all of it; the merged rollbacks among them matter.
        order: the fleet's environments.
        period: what to count.
    """
    known = tuple(arrivals)
    failed = failed_changes(known, intents)
    down_times = outages(known)
    return Figures(
        period=period,
        lead_times=tuple(
            lead for lead in lead_times(known, order) if lead.last_at in period
        ),
        environments=tuple(
            _environment_figures(name, known, failed, down_times, period)
            for name in order
        ),
    )


def _environment_figures(
    name: EnvironmentName,
    arrivals: Sequence[Arrival],
    failed: Sequence[Arrival],
    down_times: Sequence[Outage],
    period: Period,
) -> EnvironmentFigures:
    came = sum(a.target.environment == name and a.at in period for a in arrivals)
    bad = sum(a.target.environment == name and a.at in period for a in failed)
    here = [outage for outage in down_times if outage.target.environment == name]
    ended = [
        outage.seconds
        for outage in here
        if outage.seconds is not None and outage.until and outage.until in period
    ]
    return EnvironmentFigures(
        environment=name,
        deployments=came,
        per_day=came / period.days,
        failed=bad,
        failed_share=bad / came if came else None,
        restored=len(ended),
        restore_s=median(ended) if ended else None,
        down=sum(_lasts(outage, period.until) for outage in here),
    )


def _lasts(outage: Outage, moment: datetime) -> bool:
    return outage.since < moment and (outage.until is None or outage.until >= moment)


def lead_times(
    arrivals: Iterable[Arrival], order: Sequence[EnvironmentName]
) -> tuple[LeadTime, ...]:
    """Return the way of each revision that went from the first environment to the last.

    What came to the last one first, or never was in the first one, took another way
    and is left out. An unknown digest is no known one: a revision whose digest became
    known on the way counts from there.
    """
    if len(order) < 2:
        return ()
    began: dict[tuple[StackName, Revision], datetime] = {}
    ended: dict[tuple[StackName, Revision], datetime] = {}
    for arrival in sorted(arrivals, key=lambda a: a.at):
        what = (arrival.target.stack, arrival.revision)
        if arrival.target.environment == order[0]:
            began.setdefault(what, arrival.at)
        if arrival.target.environment == order[-1]:
            ended.setdefault(what, arrival.at)
    ways = (
        LeadTime(
            stack=stack,
            revision=revision,
            first_at=began[stack, revision],
            last_at=at,
        )
        for (stack, revision), at in ended.items()
        if (stack, revision) in began and began[stack, revision] <= at
    )
    return tuple(sorted(ways, key=lambda w: (w.last_at, w.stack, str(w.revision))))


def failed_changes(
    arrivals: Iterable[Arrival], intents: Iterable[Intent]
) -> tuple[Arrival, ...]:
    """Return the arrivals that were seen unhealthy, or were left by a rollback.

    A rollback is a merged one of ours, or a step to a lower version, whoever made it.
    """
    asked = tuple(_rollbacks(intents))
    failed: list[Arrival] = []
    for line in _lines(arrivals):
        followed: Iterator[tuple[Arrival, Arrival | None]] = chain(
            pairwise(line), [(line[-1], None)]
        )
        failed += [
            arrival
            for arrival, after in followed
            if arrival.unhealthy_since is not None
            or (after is not None and _goes_back(arrival, after, line, asked))
        ]
    return tuple(sorted(failed, key=lambda a: (a.at, a.target)))


def outages(arrivals: Iterable[Arrival]) -> tuple[Outage, ...]:
    """Return when targets were unhealthy; an outage may outlive a revision."""
    found: list[Outage] = []
    for line in _lines(arrivals):
        since: datetime | None = None
        for at, is_healthy in _turns(line):
            if not is_healthy:
                since = since or at
            elif since is not None:
                found.append(Outage(target=line[0].target, since=since, until=at))
                since = None
        if since is not None:
            found.append(Outage(target=line[0].target, since=since, until=None))
    return tuple(sorted(found, key=lambda o: (o.since, o.target)))


def _lines(arrivals: Iterable[Arrival]) -> Iterator[list[Arrival]]:
    """Yield the arrivals of each target, oldest first."""
    by_target: dict[Target, list[Arrival]] = {}
    for arrival in sorted(arrivals, key=lambda a: a.at):
        by_target.setdefault(arrival.target, []).append(arrival)
    yield from by_target.values()


def _turns(line: Iterable[Arrival]) -> list[tuple[datetime, bool]]:
    """Return when a target turned healthy (True) or unhealthy, oldest first."""
    seen = (
        (at, is_healthy)
        for arrival in line
        for at, is_healthy in (
            (arrival.first_healthy_at, True),
            (arrival.unhealthy_since, False),
            (arrival.healthy_since, True),
        )
    )
    turns = [(at, is_healthy) for at, is_healthy in seen if at is not None]
    return sorted(turns, key=lambda turn: turn[0])


def _rollbacks(intents: Iterable[Intent]) -> Iterator[tuple[SetRevision, datetime]]:
    for intent in intents:
        if intent.state is IntentState.MERGED and intent.plan.kind is PlanKind.ROLLBACK:
            for change in intent.plan.changes:
                if isinstance(change, SetRevision):
                    yield change, intent.created_at


def _goes_back(
    before: Arrival,
    after: Arrival,
    line: Sequence[Arrival],
    asked: Iterable[tuple[SetRevision, datetime]],
) -> bool:
    """Whether an arrival undoes the one before it."""
    if step(before.revision.tag, after.revision.tag) is Step.DOWNGRADE:
        return True
    return any(
        (wanted.target, wanted.revision) == (after.target, after.revision)
        and after is _first_since(line, wanted.revision, since)
        for wanted, since in asked
    )


def _first_since(
    line: Iterable[Arrival], revision: Revision, since: datetime
) -> Arrival | None:
    """Return what a request brought: the first arrival of its revision after it."""
    return next((a for a in line if a.revision == revision and a.at >= since), None)
