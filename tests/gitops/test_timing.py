from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import takewhile

import pytest
from hypothesis import given, settings, strategies as st

from gitops.cron import Cron, count_occurrences, last_occurrence, occurrences
from gitops.model import Missed
from gitops.promotion import Due, due

NINE = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)  # a Monday
MINUTE = timedelta(minutes=1)
DAY = timedelta(days=1)
DAILY = Cron(expression="0 9 * * *", timezone="UTC")
EVERY_MINUTE = Cron(expression="* * * * *", timezone="Europe/Berlin")


def looked(
    *, late: timedelta, since: datetime = NINE - MINUTE, policy: Missed = Missed.SKIP
) -> Due:
    return due(DAILY, seen_until=since, now=NINE + late, missed_policy=policy)


def test_an_occurrence_is_due_in_its_grace_time() -> None:
    for late in (timedelta(0), MINUTE, 10 * MINUTE):
        expected = Due(due=NINE, missed=0, last_missed=None, seen_until=NINE + late)
        assert looked(late=late) == expected


def test_one_that_is_seen_later_was_missed() -> None:
    late = 10 * MINUTE + timedelta(microseconds=1)
    assert looked(late=late) == Due(
        due=None, missed=1, last_missed=NINE, seen_until=NINE + late
    )


def test_it_is_due_once_only() -> None:
    first = looked(late=MINUTE)
    again = looked(late=2 * MINUTE, since=first.seen_until)
    assert (again.due, again.missed) == (None, 0)


def test_run_once_catches_up_within_a_day_and_not_after_it() -> None:
    found = looked(late=DAY - MINUTE, policy=Missed.RUN_ONCE)
    assert (found.due, found.missed) == (NINE, 0)
    weekly = Cron(expression="0 9 * * 1", timezone="UTC")
    late = due(
        weekly,
        seen_until=NINE - MINUTE,
        now=NINE + DAY + MINUTE,
        missed_policy=Missed.RUN_ONCE,
    )
    assert (late.due, late.missed, late.last_missed) == (None, 1, NINE)


def test_of_many_that_passed_one_is_due_and_the_others_were_missed() -> None:
    week_before = NINE - 7 * DAY - MINUTE
    found = looked(late=5 * MINUTE, since=week_before)
    assert (found.due, found.missed, found.last_missed) == (NINE, 7, NINE - DAY)
    late = looked(late=60 * MINUTE, since=week_before)
    assert (late.due, late.missed, late.last_missed) == (None, 8, NINE)
    caught = looked(late=60 * MINUTE, since=week_before, policy=Missed.RUN_ONCE)
    assert (caught.due, caught.missed, caught.last_missed) == (NINE, 7, NINE - DAY)


def test_between_two_occurrences_nothing_is_due() -> None:
    since, now = NINE + MINUTE, NINE + 60 * MINUTE
    found = due(DAILY, seen_until=since, now=now, missed_policy=Missed.RUN_ONCE)
    assert found == Due(due=None, missed=0, last_missed=None, seen_until=now)


@pytest.mark.parametrize("back", [timedelta(0), MINUTE, 40 * DAY])
def test_a_clock_that_runs_backwards_repeats_nothing(back: timedelta) -> None:
    found = due(
        DAILY,
        seen_until=NINE,
        now=NINE - back,
        missed_policy=Missed.RUN_ONCE,
    )
    assert found == Due(due=None, missed=0, last_missed=None, seen_until=NINE)


def test_ten_years_of_every_minute_are_counted_not_walked() -> None:
    since = datetime(2026, 1, 1, tzinfo=UTC)
    now = datetime(2036, 1, 1, tzinfo=UTC)
    found = due(EVERY_MINUTE, seen_until=since, now=now, missed_policy=Missed.SKIP)
    # Each autumn an hour of wall time comes twice, and fires once.
    repeated = 10 * 60
    assert found.due == now
    assert found.missed == (now - since) // MINUTE - repeated - 1


# --- counting, against the walk ---

ZONES = [
    *("UTC", "Europe/Berlin", "Australia/Lord_Howe", "Africa/Cairo"),
    *("Pacific/Apia", "America/Santiago", "Atlantic/Azores"),
]
FIRST = datetime(2011, 1, 1, tzinfo=UTC)
APIA_SKIPS = datetime(2011, 12, 25, tzinfo=UTC)  # the whole 30th; Cairo: at midnight
EXPRESSIONS = [
    *("* * * * *", "30 2 * * *", "*/20 23,0,1 * * *", "0 0 * * *", "59 23 30 12 *"),
    *("0 9 13 * 5", "0 12 L * *", "15 */6 * * 1#1", "0 0 29 2 *"),
]


@settings(deadline=None)
@given(
    zone=st.sampled_from(ZONES),
    expression=st.sampled_from(EXPRESSIONS),
    start=st.sampled_from([APIA_SKIPS, NINE + 117 * DAY])
    | st.timedeltas(timedelta(0), 17 * 365 * DAY).map(lambda later: FIRST + later),
    length=st.timedeltas(timedelta(0), timedelta(days=9)),
)
def test_counting_and_the_last_one_agree_with_the_walk(
    zone: str, expression: str, start: datetime, length: timedelta
) -> None:
    cron = Cron(expression=expression, timezone=zone)
    after, until = start, start + length
    walked = list(takewhile(lambda at: at <= until, occurrences(cron, after)))
    assert count_occurrences(cron, after, until) == len(walked)
    assert last_occurrence(cron, after, until) == (walked[-1] if walked else None)


@pytest.mark.parametrize("zone", ZONES)
def test_a_year_is_counted_as_it_is_walked(zone: str) -> None:
    cron = Cron(expression="*/30 * * * *", timezone=zone)
    after = datetime(2011, 7, 1, 3, 17, 5, tzinfo=UTC)
    until = after + timedelta(days=365)
    walked = sum(1 for _ in takewhile(lambda at: at <= until, occurrences(cron, after)))
    assert count_occurrences(cron, after, until) == walked
