"""Schedules in cron's notation, read on the wall clock of a time zone. Pure.

Promises the standard meaning (R14): five fields; 0 and 7 are Sunday; when day of month
and day of week are both restricted, either may match. A wall time that a clock change
skips fires in the first minute after the gap; one that comes twice fires once, the
first time. It never reads the clock: every question carries its own moment.

cronsim decides which wall times match; this module alone knows about zones.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta
from difflib import get_close_matches
from functools import cache, lru_cache
from importlib import resources
from itertools import takewhile
from typing import Final
from zoneinfo import ZoneInfo

from cronsim import CronSim, CronSimError

from gitops.errors import InputError

_FIELDS: Final = 5
_MAX_LENGTH: Final = 100
_CHARACTERS = re.compile(r"[0-9A-Za-z*,/#\- ]*", re.ASCII)
_HINT: Final = "minute, hour, day of month, month, day of week: '0 9 * * 1-5'"
_SECOND: Final = timedelta(seconds=1)
_MINUTE: Final = timedelta(minutes=1)
_HOUR: Final = timedelta(hours=1)
_DAY: Final = timedelta(days=1)
_INSTANT: Final = timedelta(microseconds=1)
# Any moment does: whether an expression ever fires does not depend on it, because
# cronsim searches fifty years, more than the calendar's longest gap.
_START: Final = datetime(2024, 1, 1)  # noqa: DTZ001  a wall time, of no zone


@dataclass(frozen=True, slots=True, kw_only=True)
class Cron:
    """When something happens: an expression that fires, and its zone.

    Attributes:
        expression: five fields, as written.
        timezone: IANA name.
    """

    expression: str
    timezone: str


def parse_cron(expression: str, timezone: str) -> Cron:
    """Accept a schedule.

    Raises:
        InputError: not five fields of cron, an expression that never fires, or a
            time zone that is not in the IANA database.
    """
    check_timezone(timezone)
    return Cron(expression=check_expression(expression), timezone=timezone)


def check_expression(expression: str) -> str:
    """Accept an expression of five fields that fires at least once in fifty years.

    Raises:
        InputError: it is not, or it never fires (`0 0 31 2 *`).
    """
    shown = f"schedule {expression[:_MAX_LENGTH]!a}"
    fields = expression.split()
    if len(expression) > _MAX_LENGTH or not _CHARACTERS.fullmatch(expression):
        raise InputError(f"{shown} is not a cron expression", hint=_HINT)
    if len(fields) != _FIELDS:
        raise InputError(
            f"{shown} has {len(fields)} fields; a schedule has {_FIELDS}", hint=_HINT
        )
    problem = _problem(fields)
    if problem and not (
        _problem([*fields[:3], "*", fields[4]])
        or _problem([*fields[:2], "*", *fields[3:]])
    ):
        # Day and month can each be read, so it is their combination that is wrong.
        problem = "it never fires: no year has such a day"
    if problem:
        raise InputError(f"{shown}: {problem}", hint=_HINT)
    return expression


def _problem(fields: list[str]) -> str:
    """Return what is wrong with five fields; empty when they fire."""
    try:
        next(CronSim(" ".join(fields), _START))
    except StopIteration:
        return "it never fires"
    except (CronSimError, ValueError) as error:
        return f"{error}".lower()
    return ""


@cache
def timezones() -> frozenset[str]:
    """Return the IANA names that are accepted: the same on every machine."""
    listed = resources.files("tzdata").joinpath("zones").read_text("ascii")
    return frozenset(listed.split())


def check_timezone(name: str) -> str:
    """Accept a time zone.

    Raises:
        InputError: not a name of the IANA database.
    """
    if name not in timezones():
        near = get_close_matches(name, sorted(timezones()), n=1)
        raise InputError(
            f"{name[:80]!a} is not a time zone",
            hint=f"did you mean {near[0]}?"
            if near
            else "use a name of the IANA database, such as Europe/Berlin or UTC",
        )
    return name


# --- occurrences ---


def occurrences(cron: Cron, after: datetime) -> Iterator[datetime]:
    """Yield the moments at which a schedule fires, in order, in UTC.

    Args:
        cron: a schedule that parse_cron accepted.
        after: aware; only later moments are yielded.
    """
    zone = ZoneInfo(cron.timezone)
    last = after
    # Moments never run backwards as wall time grows, so nothing before this is needed.
    for wall in CronSim(cron.expression, after.astimezone(zone).replace(tzinfo=None)):
        at = _moment(wall, zone)
        if at > last:
            last = at
            yield at


def _moment(wall: datetime, zone: ZoneInfo) -> datetime:
    """Return when a clock shows a wall time first, or first shows a later one."""
    at = wall.replace(tzinfo=zone, fold=0).astimezone(UTC)
    is_shown = at.astimezone(zone).replace(tzinfo=None, fold=0) == wall
    return at if is_shown else _end_of_gap(wall, zone)


def _end_of_gap(wall: datetime, zone: ZoneInfo) -> datetime:
    """Return the first minute after the gap that a wall time falls into.

    Read by the offset from after the change, such a time is before the change; read by
    the one from before, it is not (PEP 495). Apia once skipped a day, so it is searched
    by halves.
    """
    before, after = (
        wall.replace(tzinfo=zone, fold=fold).astimezone(UTC) for fold in (1, 0)
    )
    changed = after.astimezone(zone).utcoffset()
    while after - before > _MINUTE:
        middle = before + (after - before) // _MINUTE // 2 * _MINUTE
        if middle.astimezone(zone).utcoffset() == changed:
            after = middle
        else:
            before = middle
    return after


def next_occurrence(cron: Cron, after: datetime) -> datetime | None:
    """Return the first moment after another one; None when there is none."""
    return next(occurrences(cron, after), None)


def is_occurrence(cron: Cron, at: datetime) -> bool:
    """Whether a schedule fires in the minute of a moment."""
    minute = at.astimezone(UTC).replace(second=0, microsecond=0)
    return next_occurrence(cron, minute - _SECOND) == minute


def last_occurrence(cron: Cron, after: datetime, until: datetime) -> datetime | None:
    """Return the last moment after `after` and not after `until`; None for none."""
    span = _HOUR
    while True:
        start = max(after, until - span)
        last = deque(takewhile(_not_after(until), occurrences(cron, start)), maxlen=1)
        if last or start == after:
            return last[0] if last else None
        span *= 4


def count_occurrences(cron: Cron, after: datetime, until: datetime) -> int:
    """Count the moments after `after` and not after `until`.

    Years of every minute are counted at once: only days that are not whole, or have a
    clock change, are walked; of all others it is known how often they fire.
    """
    zone = ZoneInfo(cron.timezone)
    found, at = 0, after
    while at < until:
        begin, end = _day_of(at, zone)
        is_whole = begin == at + _INSTANT and end <= until + _INSTANT
        if is_whole and _is_plain(begin, end, zone):
            found += _fires_on(cron.expression, begin.astimezone(zone).date())
        else:
            last = min(end - _INSTANT, until)
            found += sum(1 for _ in takewhile(_not_after(last), occurrences(cron, at)))
        at = end - _INSTANT
    return found


def _not_after(last: datetime) -> Callable[[datetime], bool]:
    return lambda at: at <= last


def _day_of(at: datetime, zone: ZoneInfo) -> tuple[datetime, datetime]:
    """Return when the day of the moment after `at` begins and ends, in UTC."""
    today = (at + _INSTANT).astimezone(zone).date()
    begin = _moment(datetime.combine(today, time()), zone)
    end = _moment(datetime.combine(today + _DAY, time()), zone)
    return begin, end


def _is_plain(begin: datetime, end: datetime, zone: ZoneInfo) -> bool:
    """Whether a day has 24 hours and no clock change, at its first minute neither."""
    before, after = ((at - _MINUTE).astimezone(zone).utcoffset() for at in (begin, end))
    return end - begin == _DAY and before == after


@lru_cache(maxsize=64)
def _fields(expression: str) -> CronSim:
    return CronSim(expression, _START)


def _fires_on(expression: str, day: date) -> int:
    fields = _fields(expression)
    matches = day.month in fields.months and fields.match_day(day)
    return len(fields.hours) * len(fields.minutes) if matches else 0


def spell_time(at: datetime, timezone: str = "UTC") -> str:
    """Write a moment for people: absolute, to the minute, with its zone."""
    local = at.astimezone(ZoneInfo(timezone))
    zone = "" if timezone == "UTC" else f" ({timezone})"
    return f"{local:%Y-%m-%d %H:%M %Z}{zone}"
