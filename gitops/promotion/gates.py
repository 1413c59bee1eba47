"""When a promotion may be opened: schedule, window, soak and health. Pure.

A gate is open or closed, with a reason and, where it can be told, the moment at which
it opens. Gates that guard the merge are gitops.merging's. Moments are absolute and
carry their zone, so that the same gate reads the same in every pass.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from gitops.cron import Cron, is_occurrence, next_occurrence, spell_time
from gitops.model import Finding, PromotionRule, Severity, Window

NO_HEALTH: Final = "none"
"""The health source of a rule that asks for none."""

_HORIZON: Final = timedelta(days=366)
_MAX_EVENTS: Final = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Gate:
    """A named condition on a promotion.

    Attributes:
        name: schedule, window, soak or health.
        is_open: whether it lets the promotion pass.
        reason: why it is open or closed, for people.
        opens_at: when a closed gate opens; None when that cannot be told.
    """

    name: str
    is_open: bool
    reason: str
    opens_at: datetime | None = None


def opening_gates(
    rule: PromotionRule, *, now: datetime, merged_at: datetime | None
) -> tuple[Gate, ...]:
    """Return the gates that guard the opening, in a fixed order.

    Gates that the rule does not ask for are left out. Without observations, health
    and a soak that waits for it are closed: unknown is not healthy.

    Args:
        rule: the edge.
        now: aware; the moment that is judged.
        merged_at: when the revision came to the source's base branch; None when that
            is not known.
    """
    return tuple(
        gate
        for gate in (
            _schedule(rule, now),
            _window(rule, now),
            _soak(rule, now, merged_at),
            _health(rule),
        )
        if gate is not None
    )


def closed_gate_findings(gates: tuple[Gate, ...], *, path: str) -> tuple[Finding, ...]:
    """Tell a reviewer which gates were closed when a person opened it anyway."""
    return tuple(
        Finding(
            rule=f"gate-{gate.name}",
            severity=Severity.WARNING,
            path=path,
            message=gate.reason,
            hint="opened by request; wait with the merge if the gate matters",
        )
        for gate in gates
        if not gate.is_open
    )


def _schedule(rule: PromotionRule, now: datetime) -> Gate | None:
    if rule.schedule is None:
        return None
    cron = Cron(expression=rule.schedule, timezone=rule.timezone)
    if is_occurrence(cron, now):
        return Gate(name="schedule", is_open=True, reason="it is the scheduled minute")
    at = next_occurrence(cron, now)
    return Gate(
        name="schedule",
        is_open=False,
        reason=f"outside of the schedule {rule.schedule!r}{_next(at, rule.timezone)}",
        opens_at=at,
    )


def _next(at: datetime | None, timezone: str) -> str:
    return f"; next: {spell_time(at, timezone)}" if at else ""


# --- windows ---


def _window(rule: PromotionRule, now: datetime) -> Gate | None:
    if not rule.windows:
        return None
    if _lets_pass(rule.windows, now):
        return Gate(name="window", is_open=True, reason="a window is open")
    at = _next_opening(rule.windows, now)
    frozen = [w for w in rule.windows if not w.allow and _occurrence_of(w, now)]
    what = "a freeze holds" if frozen else "no window is open"
    when = _next(at, rule.timezone) or f"; none opens within {_HORIZON.days} days"
    return Gate(name="window", is_open=False, reason=f"{what}{when}", opens_at=at)


def _lets_pass(windows: tuple[Window, ...], at: datetime) -> bool:
    allowing = [window for window in windows if window.allow]
    if any(_occurrence_of(window, at) for window in windows if not window.allow):
        return False
    return not allowing or any(_occurrence_of(window, at) for window in allowing)


def _occurrence_of(window: Window, at: datetime) -> datetime | None:
    """Return the oldest start whose window is still open at a moment."""
    length = timedelta(seconds=window.duration_s)
    start = next_occurrence(_cron(window), at - length)
    return start if start is not None and start <= at else None


def _next_opening(windows: tuple[Window, ...], now: datetime) -> datetime | None:
    """Return the first moment at which the windows let pass; None within a year."""
    at = now
    for _ in range(_MAX_EVENTS):
        events = list(_events(windows, at))
        if not events or min(events) > now + _HORIZON:
            return None
        at = min(events)
        if _lets_pass(windows, at):
            return at
    return None


def _events(windows: tuple[Window, ...], at: datetime) -> Iterator[datetime]:
    """Yield the moments after `at` at which something may open."""
    for window in windows:
        if window.allow:
            start = next_occurrence(_cron(window), at)
            if start is not None:
                yield start
        elif (held := _occurrence_of(window, at)) is not None:
            yield held + timedelta(seconds=window.duration_s)


def _cron(window: Window) -> Cron:
    return Cron(expression=window.schedule, timezone=window.timezone)


# --- soak and health ---


def _soak(
    rule: PromotionRule, now: datetime, merged_at: datetime | None
) -> Gate | None:
    if not rule.soak_s:
        return None
    length = _spell(rule.soak_s)
    if rule.health != NO_HEALTH:
        return Gate(
            name="soak",
            is_open=False,
            reason=f"a soak of {length} needs observations of {rule.source} by "
            f"{rule.health}; there are none",
        )
    if merged_at is None:
        return Gate(
            name="soak",
            is_open=False,
            reason=f"a soak of {length} in {rule.source}: since when the revision is "
            "there is not known",
        )
    over = merged_at + timedelta(seconds=rule.soak_s)
    told = (
        f"a soak of {length} in {rule.source} since "
        f"{spell_time(merged_at, rule.timezone)}"
    )
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


def _health(rule: PromotionRule) -> Gate | None:
    if rule.health == NO_HEALTH:
        return None
    return Gate(
        name="health",
        is_open=False,
        reason=f"the health of {rule.source} by {rule.health} is not known",
    )
