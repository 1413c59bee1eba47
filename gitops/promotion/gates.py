"""When a promotion may be opened, gate by gate. Pure.

A gate is open or closed, with a reason and, where it can be told, the moment at which
it opens. Gates that guard the merge are gitops.merging's. Moments are absolute and
carry their zone, so that the same gate reads the same in every pass.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from gitops.cron import Cron, is_occurrence, next_occurrence, spell_time
from gitops.fleet import NO_HEALTH
from gitops.model import (
    Arrival,
    Finding,
    Health,
    Hold,
    Observation,
    Pin,
    PromotionRule,
    Severity,
    Target,
)
from gitops.promotion.faring import runs_another
from gitops.promotion.guards import holds_on, spell_hold
from gitops.promotion.windows import HORIZON, is_denied, lets_pass, next_opening

FRESH: Final = timedelta(minutes=15)
"""How old an observation may be and still say how something is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """A named condition on a promotion.

    Attributes:
        name: pause, hold, pin, schedule, window, soak, health; freeze at a merge.
        is_open: whether it lets the promotion pass.
        reason: why it is open or closed, for people.
        opens_at: when a closed gate opens; None when that cannot be told.
    """

    name: str
    is_open: bool
    reason: str
    opens_at: datetime | None = None


def opening_gates(
    rule: PromotionRule,
    *,
    now: datetime,
    merged_at: datetime | None,
    arrival: Arrival | None = None,
    observation: Observation | None = None,
    occurrence: datetime | None = None,
) -> tuple[Gate, ...]:
    """Return the gates that guard the opening, in a fixed order.

    Gates that the rule does not ask for are left out. Without observations, health
    and a soak that waits for it are closed: unknown is not healthy.

    Args:
        rule: the edge.
        now: aware; the moment that is judged.
        merged_at: when the revision came to the source's base branch; None when that
            is not known.
        arrival: of the revision in the source, and how it fared; None when that is
            not known.
        observation: the last one of the source by the rule's health source; None when
            there is none.
        occurrence: the run of the schedule that asks; None where a person does.
    """
    return tuple(
        gate
        for gate in (
            _schedule(rule, now, occurrence),
            window_gate(rule, now),
            soak_gate(rule, now, _clock(rule, merged_at, arrival)),
            health_gate(rule, now, arrival, observation),
        )
        if gate is not None
    )


def _clock(
    rule: PromotionRule, merged_at: datetime | None, arrival: Arrival | None
) -> datetime | None:
    if arrival is not None:
        return soak_clock(rule, arrival)
    return merged_at if rule.health == NO_HEALTH else None


_CLOSED_GATE: Final = "gate-"


def closed_gate_findings(gates: tuple[Gate, ...], *, path: str) -> tuple[Finding, ...]:
    """Tell a reviewer which gates were closed when a person opened it anyway."""
    return tuple(
        Finding(
            rule=f"{_CLOSED_GATE}{gate.name}",
            severity=Severity.WARNING,
            path=path,
            message=gate.reason,
            hint="opened by request; wait with the merge if the gate matters",
        )
        for gate in gates
        if not gate.is_open
    )


def tells_closed_gate(finding: Finding) -> bool:
    """Whether a finding tells of a gate that was closed when a person opened it."""
    return finding.rule.startswith(_CLOSED_GATE)


def _told(name: str, *, closed: str, is_open: str) -> Gate:
    return Gate(name=name, is_open=not closed, reason=closed or is_open)


# --- what people say ---


def pause_gate(*, paused: bool) -> Gate:
    """Judge the pause switch; nobody can tell when a person ends it."""
    return _told(
        "pause", closed="the repository is paused" * paused, is_open="not paused"
    )


def hold_gate(target: Target, holds: Sequence[Hold]) -> Gate:
    """Judge the holds that a target falls under."""
    found = "; ".join(spell_hold(target, hold) for hold in holds_on(target, holds))
    return _told("hold", closed=found, is_open=f"nobody holds {target}")


def pin_gate(target: Target, pin: Pin | None) -> Gate:
    """Judge a target's pin."""
    if pin is None:
        return _told("pin", closed="", is_open=f"{target} is not pinned")
    why = f": {pin.reason}" if pin.reason else ""
    since = spell_time(pin.at)
    stays = f"{target} stays at {pin.revision.tag} by {pin.by} since {since}{why}"
    return _told("pin", closed=stays, is_open="")


# --- schedule and windows ---


def schedule_gate(
    rule: PromotionRule, now: datetime, occurrence: datetime | None
) -> Gate:
    """Judge the schedule of what is opened without a person.

    Args:
        rule: with or without a schedule.
        now: aware.
        occurrence: the one that is being dealt with; None for none.
    """
    if occurrence is not None:
        at = spell_time(occurrence, rule.timezone)
        return Gate(name="schedule", is_open=True, reason=f"it is the run of {at}")
    if rule.schedule is None:
        return Gate(
            name="schedule",
            is_open=False,
            reason="by request only: the promotion has no schedule",
        )
    return _before_the_next(rule.schedule, rule.timezone, now)


def _schedule(
    rule: PromotionRule, now: datetime, occurrence: datetime | None
) -> Gate | None:
    if rule.schedule is None:
        return None
    if occurrence is not None:
        return schedule_gate(rule, now, occurrence)
    cron = Cron(expression=rule.schedule, timezone=rule.timezone)
    if is_occurrence(cron, now):
        return Gate(name="schedule", is_open=True, reason="it is the scheduled minute")
    return _before_the_next(rule.schedule, rule.timezone, now)


def _before_the_next(schedule: str, timezone: str, now: datetime) -> Gate:
    at = next_occurrence(Cron(expression=schedule, timezone=timezone), now)
    return Gate(
        name="schedule",
        is_open=False,
        reason=f"outside of the schedule {schedule!r}{_next(at, timezone)}",
        opens_at=at,
    )


def _next(at: datetime | None, timezone: str) -> str:
    return f"; next: {spell_time(at, timezone)}" if at else ""


def window_gate(rule: PromotionRule, now: datetime) -> Gate | None:
    """Judge the windows of a rule; None when it has none."""
    if not rule.windows:
        return None
    if lets_pass(rule.windows, now):
        return Gate(name="window", is_open=True, reason="a window is open")
    at = next_opening(rule.windows, now)
    what = "a freeze holds" if is_denied(rule.windows, now) else "no window is open"
    when = _next(at, rule.timezone) or f"; none opens within {HORIZON.days} days"
    return Gate(name="window", is_open=False, reason=f"{what}{when}", opens_at=at)


def is_frozen(rule: PromotionRule, now: datetime) -> Gate | None:
    """Return the closed gate of a freeze, for the moment of a merge.

    Only deny windows count: what was opened in its window may be merged after it.

    Args:
        rule: the edge that the change came by.
        now: aware.

    Returns:
        A closed gate with the end of the freeze; None when none holds.
    """
    denying = tuple(window for window in rule.windows if not window.allow)
    if not is_denied(denying, now):
        return None
    at = next_opening(denying, now)
    until = f"until {spell_time(at, rule.timezone)}" if at else "without a known end"
    reason = f"a freeze of {rule.target} holds {until}"
    return Gate(name="freeze", is_open=False, reason=reason, opens_at=at)


# --- soak and health ---


def soak_clock(rule: PromotionRule, arrival: Arrival) -> datetime | None:
    """Return since when a revision's soak counts; None when it does not count yet.

    With a health source that is the first sighting of an unbroken row of healthy ones;
    what left while healthy keeps it. Without one it is the arrival itself.
    """
    return arrival.at if rule.health == NO_HEALTH else arrival.healthy_since


def soak_gate(
    rule: PromotionRule, now: datetime, clock: datetime | None
) -> Gate | None:
    """Judge a soak; None when the rule asks for none.

    Args:
        rule: the edge.
        now: aware.
        clock: as soak_clock gives it.
    """
    if not rule.soak_s:
        return None
    by_health = rule.health != NO_HEALTH
    told = f"a soak of {_spell(rule.soak_s)} in {rule.source}"
    if clock is None:
        why = (
            f" begins when {rule.health} sees it healthy there; it has not yet"
            if by_health
            else ": since when the revision is there is not known"
        )
        return Gate(name="soak", is_open=False, reason=f"{told}{why}")
    over = clock + timedelta(seconds=rule.soak_s)
    told += f" since {spell_time(clock, rule.timezone)}"
    if now >= over:
        return Gate(name="soak", is_open=True, reason=f"{told} is over")
    return Gate(
        name="soak",
        is_open=False,
        reason=f"{told} ends {spell_time(over, rule.timezone)}",
        opens_at=over,
    )


def _spell(seconds: int) -> str:
    """Write a duration as gitops.yaml does: 90m, 24h, 7d."""
    for length, unit in ((86_400, "d"), (3600, "h"), (60, "m")):
        # A day is written as 24h, as people do.
        if seconds % length == 0 and seconds > (length if unit == "d" else 0):
            return f"{seconds // length}{unit}"
    return f"{seconds}s"


def health_gate(
    rule: PromotionRule,
    now: datetime,
    arrival: Arrival | None,
    observation: Observation | None,
) -> Gate | None:
    """Judge how a revision fares in the source; None when the rule asks for none.

    Args:
        rule: the edge.
        now: aware.
        arrival: of the revision; one that has left is judged by its kept clock. None
            when it is not known.
        observation: the last one of the source; None when there is none.
    """
    if rule.health == NO_HEALTH:
        return None
    if arrival is not None and arrival.left_at is not None:
        at = spell_time(arrival.left_at, rule.timezone)
        how = "healthy" if arrival.healthy_since is not None else "not healthy"
        return Gate(
            name="health",
            is_open=arrival.healthy_since is not None,
            reason=f"it was {how} when it left {rule.source} at {at}",
        )
    seen = f"the health of {rule.source} by {rule.health}"
    if observation is None:
        return _told("health", closed=f"{seen} is not known", is_open="")
    since = spell_time(observation.since, rule.timezone)
    return _told(
        "health",
        closed=_unfit(rule, now, arrival, observation, seen),
        is_open=f"{rule.source} is healthy by {rule.health} since {since}",
    )


def _unfit(
    rule: PromotionRule,
    now: datetime,
    arrival: Arrival | None,
    observation: Observation,
    seen: str,
) -> str:
    """Return why an observation does not speak for a revision; empty when it does."""
    last = spell_time(observation.at, rule.timezone)
    if now - observation.at > FRESH:
        return f"{seen} is not known since {last}: nothing newer was seen"
    if arrival is not None and observation.at < arrival.at:
        return f"{seen} was last seen {last}, before {arrival.revision.tag} came"
    if arrival is not None and runs_another(observation.version, arrival.revision):
        return (
            f"{rule.health} sees {observation.version} in {rule.source}, not yet "
            f"{arrival.revision.tag}"
        )
    if observation.health is not Health.HEALTHY:
        since = spell_time(observation.since, rule.timezone)
        why = f": {observation.detail}" if observation.detail else ""
        return f"{seen} is {observation.health} since {since}{why}"
    return ""
