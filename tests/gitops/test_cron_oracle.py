"""Schedules against an oracle that knows neither cronsim nor gitops.cron.

The oracle walks every minute of UTC, asks zoneinfo what the clocks on the wall show,
and matches with a matcher of its own. The stated rule is one sentence to it: a wall
time fires in the first minute at which the clocks show it or a later one. So a time
that a change skips fires right after the gap, and one that comes twice the first time.
"""

from __future__ import annotations

import random
from bisect import bisect_right
from calendar import monthrange
from collections.abc import Iterator
from datetime import UTC, date, datetime, timedelta
from functools import cache
from itertools import takewhile
from zoneinfo import ZoneInfo

import pytest

from gitops.cron import count_occurrences, occurrences, parse_cron
from gitops.model import Missed
from gitops.promotion import Due, due

START = datetime(2024, 1, 1, tzinfo=UTC)  # a leap year is among the three
END = datetime(2027, 1, 1, tzinfo=UTC)
FIRST, LAST = int(START.timestamp()) // 60, int(END.timestamp()) // 60
MINUTE = timedelta(minutes=1)
DAY_MINUTES = 24 * 60

ZONES = [
    "Europe/Berlin",
    "Australia/Lord_Howe",  # changes by half an hour
    pytest.param("America/New_York", marks=pytest.mark.gate),
    # Is off by half an hour, and never changes.
    pytest.param("Asia/Kolkata", marks=pytest.mark.gate),
    # Has summer time all year, but for Ramadan.
    pytest.param("Africa/Casablanca", marks=pytest.mark.gate),
    pytest.param("UTC", marks=pytest.mark.gate),
]
EXPRESSIONS = [
    "*/30 * * * *",
    "* 2 * * *",
    "30 2 * * *",
    "0 0 * * *",
    "59 23 * * *",
    "5/20 1-3 * * *",
    "0 9 * * 1-5",
    "0 9 * * 0",
    "0 9 * * 7",
    "15 */6 1,15 * *",
    "0 0 13 * 5",
    "0 0 */10 * 1",
    "30 1 29 2 *",
    "0 12 L * *",
    "0 12 LW * *",
    "0 9 * * 1#2,3#5",
    "45 1 L * 0L",
    "10,40 0-4/2 * JAN-MAR,OCT,NOV SUN,wed",
    "0 2 1-7 3,10,11 0",
    "*/7 22-23 28-31 */3 5-7",
]


# --- the matcher ---

MONTHS = [
    *("JAN", "FEB", "MAR", "APR", "MAY", "JUN"),
    *("JUL", "AUG", "SEP", "OCT", "NOV", "DEC"),
]
DAYS = ["SUN", "MON", "TUE", "WED", "THU", "FRI", "SAT"]


def number(text: str) -> int:
    if text in MONTHS:
        return MONTHS.index(text) + 1
    return DAYS.index(text) if text in DAYS else int(text)


def numbers(term: str, low: int, high: int) -> range:
    """Read `*`, `a`, `a-b`, each with or without `/step`; `a/step` has no end."""
    span, _, step = term.partition("/")
    begin, _, end = span.partition("-")
    if span == "*":
        return range(low, high + 1, int(step or 1))
    if end:
        return range(number(begin), number(end) + 1, int(step or 1))
    return range(number(begin), (high if step else number(begin)) + 1, int(step or 1))


def matches(field: str, value: int, low: int, high: int) -> bool:
    return any(value in numbers(term, low, high) for term in field.split(","))


def last_day(day: date) -> int:
    return monthrange(day.year, day.month)[1]


def day_of_month_matches(term: str, day: date) -> bool:
    if term == "L":
        return day.day == last_day(day)
    if term == "LW":
        end = day.replace(day=last_day(day))
        while end.isoweekday() > 5:
            end -= timedelta(days=1)
        return day == end
    return day.day in numbers(term, 1, 31)


def day_of_week_matches(term: str, day: date) -> bool:
    weekday = day.isoweekday() % 7
    if "#" in term:
        which, nth = term.split("#")
        return weekday == number(which) % 7 and (day.day - 1) // 7 + 1 == int(nth)
    if term.endswith("L"):
        return weekday == number(term[:-1]) % 7 and day.day + 7 > last_day(day)
    return weekday in {found % 7 for found in numbers(term, 0, 7)}


def day_matches(expression: str, day: date) -> bool:
    _, _, month_days, months, weekdays = expression.upper().split()
    if not matches(months, day.month, 1, 12):
        return False
    by_month = any(day_of_month_matches(term, day) for term in month_days.split(","))
    by_week = any(day_of_week_matches(term, day) for term in weekdays.split(","))
    if month_days.startswith("*") or weekdays.startswith("*"):
        return by_month and by_week
    return by_month or by_week


def minutes_of_day(expression: str) -> list[int]:
    minute, hour, *_ = expression.split()
    return [
        at
        for at in range(DAY_MINUTES)
        if matches(minute, at % 60, 0, 59) and matches(hour, at // 60, 0, 23)
    ]


# --- the walk ---


@cache
def first_shown(zone: str) -> tuple[int, list[int]]:
    """Walk every minute: when is each wall minute, or a later one, first shown?

    Returns:
        The first wall minute after the start, counted from year 1, and for it and each
        that follows the minute of UTC, counted from 1970.
    """
    info = ZoneInfo(zone)
    found: list[int] = []
    top = begin = None
    for utc in range(FIRST, LAST + 1):
        local = datetime.fromtimestamp(utc * 60, info)
        wall = (local.toordinal() * 24 + local.hour) * 60 + local.minute
        if top is None:
            top, begin = wall, wall + 1
        elif wall > top:
            found += [utc] * (wall - top)  # more than one: a gap
            top = wall
    assert begin is not None
    return begin, found


@cache
def expected(expression: str, zone: str) -> list[int]:
    """Return the minutes of UTC at which a schedule fires, in order."""
    begin, shown = first_shown(zone)
    wanted = minutes_of_day(expression)
    found: set[int] = set()
    for day in range(begin // DAY_MINUTES, (begin + len(shown)) // DAY_MINUTES + 1):
        if day_matches(expression, date.fromordinal(day)):
            places = (day * DAY_MINUTES + minute - begin for minute in wanted)
            found |= {shown[place] for place in places if 0 <= place < len(shown)}
    return sorted(found)


# --- no difference ---


@pytest.mark.parametrize("zone", ZONES)
def test_three_years_of_twenty_schedules_are_those_of_the_walk(zone: str) -> None:
    differences: dict[str, list[int]] = {}
    for expression in EXPRESSIONS:
        wanted = expected(expression, zone)
        cron = parse_cron(expression, zone)
        until_end = takewhile(lambda at: at <= END, occurrences(cron, START))
        found = [int(at.timestamp()) // 60 for at in until_end]
        assert len(wanted) >= 1, expression
        if found != wanted:
            differences[expression] = sorted({*found} ^ {*wanted})
        assert count_occurrences(cron, START, END) == len(wanted)
    assert differences == {}


# --- missed runs ---

GRACE, CATCH_UP = 10, 24 * 60


def looks(seed: str) -> Iterator[int]:
    """Yield when somebody looks, in minutes: mostly often, at times after weeks."""
    chance = random.Random(seed)  # noqa: S311  no secret: the same looks each time
    now = FIRST
    while True:
        if chance.random() < 0.8:
            now += chance.randint(1, 90)
        else:
            now += chance.randint(60, 60 * 24 * 60)
        if now > LAST:
            return
        yield now


def fate(fired: list[int], seen: int, now: int, policy: Missed) -> Due:
    """Say by the list of the walk alone what is due and what was missed."""
    new = fired[bisect_right(fired, seen) : bisect_right(fired, now)]
    patience = CATCH_UP if policy is Missed.RUN_ONCE else GRACE
    is_due = bool(new) and now - new[-1] <= patience
    missed = new[:-1] if is_due else new
    return Due(
        due=moment(new[-1]) if is_due else None,
        missed=len(missed),
        last_missed=moment(missed[-1]) if missed else None,
        seen_until=moment(now),
    )


def moment(minute: int) -> datetime:
    return datetime.fromtimestamp(minute * 60, UTC)


@pytest.mark.parametrize("policy", Missed)
@pytest.mark.parametrize("zone", ZONES)
def test_what_is_due_and_missed_is_what_the_walk_says(
    zone: str, policy: Missed
) -> None:
    handled = 0
    for expression in EXPRESSIONS:
        fired = expected(expression, zone)
        cron = parse_cron(expression, zone)
        seen, dealt, missed = FIRST, 0, 0
        for now in looks(f"{zone} {expression} {policy}"):
            found = due(
                cron, seen_until=moment(seen), now=moment(now), missed_policy=policy
            )
            assert found == fate(fired, seen, now, policy), (expression, moment(now))
            seen, missed = now, missed + found.missed
            dealt += found.due is not None
        # Each occurrence is dealt with once, or missed once.
        assert dealt + missed == bisect_right(fired, seen)
        handled += dealt
    assert handled > 20
