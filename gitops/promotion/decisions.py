"""DECIDE: whether a stack goes on from one environment to the next now. Pure.

One way is one stack on one promotion rule, with all that decides about it. The answer
is to promote an arrival, to wait for one, or that there is nothing to do; each gate
says why and, where it can be told, until when. It looks at values and a given moment;
never at a clock, a network or a file.

Every arrival of the source has its own soak, so builds that come often starve nobody:
the newest one that is ready goes; while none is, the one that is ready first is waited
for, and newer ones queue behind it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, TypeAlias

from gitops.fleet import NO_HEALTH
from gitops.model import (
    Arrival,
    Hold,
    Observation,
    Pin,
    PromotionRule,
    Revision,
    Target,
)
from gitops.promotion.gates import (
    Gate,
    health_gate,
    hold_gate,
    pause_gate,
    pin_gate,
    schedule_gate,
    soak_clock,
    soak_gate,
    window_gate,
)
from gitops.promotion.windows import first_run
from gitops.versions import Step, step, version_of

_INSTANT: Final = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """One stack on one promotion rule, with all that decides.

    Attributes:
        rule: the edge.
        target: what changes.
        present: what the target runs, as the base branch says.
        arrivals: of the same stack in the rule's source, newest first; the first one
            is the present one.
        observation: the last one of the source by the rule's health source.
        holds: of the repository; those of other targets do not matter.
        pin: of the target.
        refused: revisions whose pull request for this target a person closed.
        paused: whether the pause switch is on.
    """

    rule: PromotionRule
    target: Target
    present: Revision
    arrivals: tuple[Arrival, ...]
    observation: Observation | None = None
    holds: tuple[Hold, ...] = ()
    pin: Pin | None = None
    refused: frozenset[Revision] = frozenset()
    paused: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Promote:
    """Open it now.

    Attributes:
        arrival: what is carried; it may have left the source by now.
        gates: all of them, open.
    """

    arrival: Arrival
    gates: tuple[Gate, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Wait:
    """Something is there to be carried, but not now.

    Attributes:
        arrival: what would be carried; another one may be ready by then.
        gates: all of them; at least one is closed.
        earliest: the first moment at which all of them can be open together: a run of
            the schedule, inside of a window, after the soak. It is assumed that health
            stays as it is and that nobody acts. None when a gate does not tell (a
            pause, a hold, a pin, no schedule, a health that does not let pass), or
            when no run comes within 366 days.
    """

    arrival: Arrival
    gates: tuple[Gate, ...]
    earliest: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Rest:
    """There is nothing to carry.

    Attributes:
        reason: why, for people.
    """

    reason: str


Decision: TypeAlias = Promote | Wait | Rest


def decide(way: Way, *, now: datetime, occurrence: datetime | None) -> Decision:
    """Decide about one way.

    Args:
        way: with all that matters.
        now: aware; windows, soak and health are judged at this moment.
        occurrence: the run of the schedule that is being dealt with; None when there
            is none, so that the schedule's gate is closed.
    """
    arrivals = candidates(way)
    if not arrivals:
        return Rest(reason=_why_none(way))
    choices = [_Choice.of(way, arrival, now) for arrival in arrivals]
    chosen = _choose(choices, now)
    gates = _present(
        pause_gate(paused=way.paused),
        hold_gate(way.target, way.holds),
        pin_gate(way.target, way.pin),
        schedule_gate(way.rule, now, occurrence),
        window_gate(way.rule, now),
        *chosen.gates,
    )
    if all(gate.is_open for gate in gates):
        return Promote(arrival=chosen.arrival, gates=gates)
    people = gates[:3]
    ready = chosen.ready_at if all(gate.is_open for gate in people) else None
    return Wait(
        arrival=chosen.arrival,
        gates=gates,
        earliest=first_run(way.rule, max(ready, now + _INSTANT)) if ready else None,
    )


def _present(*gates: Gate | None) -> tuple[Gate, ...]:
    return tuple(gate for gate in gates if gate is not None)


# --- which one ---


@dataclass(frozen=True, slots=True, kw_only=True)
class _Choice:
    """A candidate, its own gates, and when they are open; None for nobody knows."""

    arrival: Arrival
    gates: tuple[Gate, ...]
    ready_at: datetime | None

    @classmethod
    def of(cls, way: Way, arrival: Arrival, now: datetime) -> _Choice:
        soak = soak_gate(way.rule, now, soak_clock(way.rule, arrival))
        health = health_gate(way.rule, now, arrival, way.observation)
        ready: datetime | None = now
        if soak is not None and not soak.is_open:
            ready = soak.opens_at
        if health is not None and not health.is_open:
            ready = None
        return cls(arrival=arrival, gates=_present(soak, health), ready_at=ready)


def _choose(choices: list[_Choice], now: datetime) -> _Choice:
    """Choose the newest that is ready, else the one that is ready first.

    Only the newest of all can be one of which nobody knows.
    """
    known = [(choice.ready_at, choice) for choice in choices if choice.ready_at]
    if not known:
        return choices[0]
    soonest = min(ready for ready, _ in known)
    return next(choice for ready, choice in known if ready <= max(soonest, now))


def candidates(way: Way) -> tuple[Arrival, ...]:
    """Return what may be carried, newest first, whether it is ready or not.

    That is what came to the source after what the target runs, is another revision, no
    way back, was not refused, did not fail there (left while not healthy, so that its
    soak never ends) and was not withdrawn (the source went back from it). A refusal
    holds for everything older too: no means no until something newer comes.
    """
    if not way.arrivals or way.arrivals[0].left_at is not None:
        return ()
    oldest = _oldest(way.arrivals)
    names = [_named(arrival.revision) for arrival in way.arrivals]
    stops = {_named(way.present), *map(_named, way.refused)}
    end = next((at for at, name in enumerate(names) if name in stops), len(names))
    withdrawn = _withdrawn(way.arrivals[:end], oldest)
    since = names.index(_named(way.present)) if _named(way.present) in oldest else None
    return tuple(
        arrival
        for at, arrival in enumerate(way.arrivals[:end])
        if at not in withdrawn and not _has_failed(way, arrival)
        if not _goes_back(way.present, arrival, oldest, since)
    )


_Name: TypeAlias = tuple[str, str | None]


def _named(revision: Revision) -> _Name:
    """Return what of a revision travels: its image is the target's own."""
    return revision.tag, revision.digest


def _oldest(arrivals: Sequence[Arrival]) -> dict[_Name, int]:
    """Return where each revision is for the last, so the oldest, time."""
    return {_named(arrival.revision): at for at, arrival in enumerate(arrivals)}


def _has_failed(way: Way, arrival: Arrival) -> bool:
    is_lost = arrival.left_at is not None and arrival.healthy_since is None
    return is_lost and way.rule.health != NO_HEALTH


def _goes_back(
    present: Revision, arrival: Arrival, oldest: Mapping[_Name, int], since: int | None
) -> bool:
    """Whether a revision is older than what the target runs, or may well be.

    Versions tell by themselves. Of other tags, and of digests, the history of the
    source tells; where it does not know the target's revision, only what the source
    has now is trusted to be newer.
    """
    match step(present.tag, arrival.revision.tag):
        case Step.DOWNGRADE:
            return True
        case Step.PATCH | Step.MINOR | Step.MAJOR:
            return False
        case Step.SAME | Step.UNKNOWN:
            if since is None:
                return arrival.left_at is not None
            return oldest[_named(arrival.revision)] > since


def _withdrawn(
    arrivals: Sequence[Arrival], oldest: Mapping[_Name, int]
) -> frozenset[int]:
    """Return the places, newest first, of what the source has gone back from.

    It has where something older came after it: a lower version, or a revision that was
    there before it already. An earlier stay of a revision counts as such, too: only
    the last one has a soak that matters.
    """
    found: set[int] = set()
    reach, lowest = -1, None
    for at, arrival in enumerate(arrivals):
        version = version_of(arrival.revision.tag)
        if reach >= at or (version and lowest and version.precedence > lowest):
            found.add(at)
        reach = max(reach, oldest[_named(arrival.revision)])
        if version is not None:
            lowest = min(lowest or version.precedence, version.precedence)
    return frozenset(found)


def _why_none(way: Way) -> str:
    source, here = way.rule.source, way.target
    if not way.arrivals:
        return f"nothing is known of {here.stack} in {source} yet"
    newest = way.arrivals[0]
    tag = newest.revision.tag
    if newest.left_at is not None:
        return f"{here.stack} is no longer in {source}"
    if _named(newest.revision) == _named(way.present):
        return f"{here} has what {source} has: {tag}"
    if step(way.present.tag, tag) is Step.DOWNGRADE:
        return f"{here} has {way.present.tag}, newer than {tag} in {source}"
    if _named(newest.revision) in {_named(revision) for revision in way.refused}:
        return f"the pull request of {tag} was closed; only something newer is asked"
    return f"{source} had {tag} before the {way.present.tag} that {here} has"
