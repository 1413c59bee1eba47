"""When windows and freezes let something pass. Pure.

Promises the moments themselves, not only yes or no: whoever waits learns until when. A
deny window that is open closes, whatever else is open; without allow windows every
other moment passes.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Final

from gitops.cron import Cron, next_occurrence
from gitops.model import PromotionRule, Window

HORIZON: Final = timedelta(days=366)
"""How far ahead an opening is looked for."""

_MAX_EVENTS: Final = 1000
_DAY: Final = timedelta(days=1)
_INSTANT: Final = timedelta(microseconds=1)


def lets_pass(windows: tuple[Window, ...], at: datetime) -> bool:
    """Whether a moment is inside of an allow window, if any, and of no deny window."""
    allowing = [window for window in windows if window.allow]
    if is_denied(windows, at):
        return False
    return not allowing or any(_occurrence_of(window, at) for window in allowing)


def is_denied(windows: tuple[Window, ...], at: datetime) -> bool:
    """Whether a deny window is open at a moment."""
    return any(_occurrence_of(window, at) for window in windows if not window.allow)


@lru_cache(maxsize=512)
def next_opening(windows: tuple[Window, ...], now: datetime) -> datetime | None:
    """Return the first moment after `now` at which closed windows let pass.

    None when there is none within the horizon.
    """
    at = now
    for _ in range(_MAX_EVENTS):
        events = list(_events(windows, at))
        if not events or min(events) > now + HORIZON:
            return None
        at = min(events)
        if lets_pass(windows, at):
            return at
    return None


def first_run(rule: PromotionRule, start: datetime) -> datetime | None:
    """Return the first occurrence of a rule's schedule that its windows let pass.

    Args:
        rule: with or without schedule and windows.
        start: aware; the first moment that counts.

    Returns:
        UTC; None without a schedule, or where none comes within the horizon.
    """
    # Many stacks share a rule: where no run comes for long, one search a day is enough.
    midnight = start.replace(hour=0, minute=0, second=0, microsecond=0)
    found = _first_run(rule, midnight)
    if found is None or found >= start:
        return found
    return _first_run(rule, start)


@lru_cache(maxsize=1024)
def _first_run(rule: PromotionRule, start: datetime) -> datetime | None:
    if rule.schedule is None:
        return None
    cron = Cron(expression=rule.schedule, timezone=rule.timezone)
    earliest: datetime | None = start
    while earliest is not None and earliest <= start + HORIZON + _DAY:
        run = next_occurrence(cron, earliest - _INSTANT)
        if run is None or lets_pass(rule.windows, run):
            return run
        earliest = next_opening(rule.windows, run)
    return None


def _occurrence_of(window: Window, at: datetime) -> datetime | None:
    """Return the oldest start whose window is still open at a moment."""
    length = timedelta(seconds=window.duration_s)
    start = next_occurrence(_cron(window), at - length)
    return start if start is not None and start <= at else None


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
