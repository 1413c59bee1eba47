from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import islice
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, strategies as st

from gitops.cron import (
    check_expression,
    check_timezone,
    is_occurrence,
    next_occurrence,
    occurrences,
    parse_cron,
    spell_time,
    timezones,
)
from gitops.errors import InputError


def local_times(expression: str, zone: str, start: str, count: int) -> list[str]:
    cron = parse_cron(expression, zone)
    after = datetime.fromisoformat(start).replace(tzinfo=ZoneInfo(zone))
    found = islice(occurrences(cron, after), count)
    return [f"{at.astimezone(ZoneInfo(zone)):%Y-%m-%dT%H:%M%z}" for at in found]


# --- meaning ---


@pytest.mark.parametrize("sunday", ["0", "7", "SUN"])
def test_zero_and_seven_are_sunday(sunday: str) -> None:
    found = local_times(f"0 9 * * {sunday}", "UTC", "2026-11-23", 2)
    assert found == ["2026-11-29T09:00+0000", "2026-12-06T09:00+0000"]


def test_one_to_five_are_the_days_of_work() -> None:
    cron = parse_cron("0 9 * * 1-5", "UTC")
    days = islice(occurrences(cron, datetime(2026, 11, 23, tzinfo=UTC)), 10)
    assert {at.isoweekday() for at in days} == {1, 2, 3, 4, 5}


def test_either_day_field_may_match_when_both_are_restricted() -> None:
    found = local_times("0 0 13 * 5", "UTC", "2026-11-05T12:00", 3)
    assert found == [
        "2026-11-06T00:00+0000",
        "2026-11-13T00:00+0000",
        "2026-11-20T00:00+0000",
    ]


def test_a_leap_day_is_found_years_ahead() -> None:
    cron = parse_cron("0 0 29 2 *", "UTC")
    at = next_occurrence(cron, datetime(2097, 1, 1, tzinfo=UTC))
    assert at == datetime(2104, 2, 29, tzinfo=UTC)  # 2100 is no leap year


# --- clock changes ---


def test_a_wall_time_that_is_skipped_fires_after_the_gap() -> None:
    found = local_times("30 2 * * *", "Europe/Berlin", "2026-03-29T00:00", 2)
    assert found == ["2026-03-29T03:00+0200", "2026-03-30T02:30+0200"]


def test_several_skipped_times_fire_once_together() -> None:
    found = local_times("*/20 2-3 * * *", "Europe/Berlin", "2026-03-29T00:00", 3)
    assert found == [
        "2026-03-29T03:00+0200",
        "2026-03-29T03:20+0200",
        "2026-03-29T03:40+0200",
    ]


def test_a_wall_time_that_comes_twice_fires_the_first_time_only() -> None:
    found = local_times("30 2 * * *", "Europe/Berlin", "2026-10-25T00:00", 2)
    assert found == ["2026-10-25T02:30+0200", "2026-10-26T02:30+0100"]


def test_asked_inside_the_repeated_hour_the_next_is_after_it() -> None:
    cron = parse_cron("*/30 * * * *", "Europe/Berlin")
    second_time = datetime(2026, 10, 25, 1, 10, tzinfo=UTC)  # 02:10 again
    assert next_occurrence(cron, second_time) == datetime(
        2026, 10, 25, 2, 0, tzinfo=UTC
    )


def test_a_change_of_half_an_hour_is_no_special_case() -> None:
    found = local_times("15 2 * * *", "Australia/Lord_Howe", "2026-10-04T00:00", 2)
    assert found == ["2026-10-04T02:30+1100", "2026-10-05T02:15+1100"]


@pytest.mark.parametrize("expression", ["0 9 30 12 *", "* * 30 12 *", "59 23 30 12 *"])
def test_a_day_that_a_zone_skipped_fires_in_its_first_minute_after(
    expression: str,
) -> None:
    found = local_times(expression, "Pacific/Apia", "2011-12-29T00:00", 1)
    assert found == ["2011-12-31T00:00+1400"]


def walked(
    minutes: set[int], hours: set[int], zone: str, start: datetime
) -> list[datetime]:
    """Walk a day and a half minute by minute: an oracle that knows no cron."""
    info, found, seen = ZoneInfo(zone), [], set()
    before = start.astimezone(info).replace(tzinfo=None)
    for step in range(1, 36 * 60):
        at = start + timedelta(minutes=step)
        wall = at.astimezone(info).replace(tzinfo=None)
        skipped = before + timedelta(minutes=1)
        due = False
        while skipped <= wall:
            due = due or (
                skipped.minute in minutes
                and skipped.hour in hours
                and skipped not in seen
            )
            seen.add(skipped)
            skipped += timedelta(minutes=1)
        before = max(before, wall)
        if due:
            found.append(at)
    return found


@given(
    st.sets(st.integers(0, 59), min_size=1, max_size=3),
    st.sets(st.integers(0, 4), min_size=1, max_size=3),
    st.sampled_from(
        [
            ("Europe/Berlin", "2026-03-28T12:00"),
            ("Europe/Berlin", "2026-10-24T12:00"),
            ("America/New_York", "2026-03-07T12:00"),
            ("America/New_York", "2026-10-31T12:00"),
            ("Australia/Lord_Howe", "2026-04-04T12:00"),
            ("Australia/Lord_Howe", "2026-10-03T12:00"),
            ("Asia/Kolkata", "2026-10-24T12:00"),
        ]
    ),
)
def test_around_clock_changes_it_agrees_with_walking_the_minutes(
    minutes: set[int], hours: set[int], place: tuple[str, str]
) -> None:
    zone, day = place
    start = datetime.fromisoformat(day).replace(tzinfo=ZoneInfo(zone)).astimezone(UTC)
    expected = walked(minutes, hours, zone, start)
    fields = [",".join(str(n) for n in sorted(numbers)) for numbers in (minutes, hours)]
    cron = parse_cron(f"{fields[0]} {fields[1]} * * *", zone)
    end = start + timedelta(hours=36)
    found = [at for at in islice(occurrences(cron, start), 100) if at < end]
    assert found == expected


# --- questions ---


def test_the_whole_scheduled_minute_is_an_occurrence() -> None:
    cron = parse_cron("0 9 * * *", "UTC")
    assert is_occurrence(cron, datetime(2026, 11, 23, 9, 0, 0, tzinfo=UTC))
    assert is_occurrence(cron, datetime(2026, 11, 23, 9, 0, 59, 999, tzinfo=UTC))
    assert not is_occurrence(cron, datetime(2026, 11, 23, 9, 1, tzinfo=UTC))
    assert not is_occurrence(cron, datetime(2026, 11, 23, 8, 59, 59, tzinfo=UTC))


def test_the_next_occurrence_is_never_the_moment_itself() -> None:
    cron = parse_cron("0 9 * * *", "UTC")
    at = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
    assert next_occurrence(cron, at) == at + timedelta(days=1)


def test_a_moment_is_spelt_absolutely_with_its_zone() -> None:
    at = datetime(2026, 11, 25, 8, 0, tzinfo=UTC)
    assert spell_time(at) == "2026-11-25 08:00 UTC"
    assert spell_time(at, "Europe/Berlin") == "2026-11-25 09:00 CET (Europe/Berlin)"


# --- what is refused ---


@pytest.mark.parametrize(
    "text",
    [
        "0 0 31 2 *",
        "0 0 30 2 *",
        "0 0 31 4,6,9,11 *",
        "0 0 30-31 2 */7",
        "0 0 */29 2 1#5",
    ],
)
def test_an_expression_that_never_fires_is_refused_as_such(text: str) -> None:
    with pytest.raises(InputError, match="never fires"):
        check_expression(text)


def test_a_day_that_never_is_may_stand_beside_a_weekday() -> None:
    assert check_expression("0 0 31 2 1") == "0 0 31 2 1"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "0 fields"),
        ("0 9 * *", "4 fields"),
        ("0 0 9 * * 1", "6 fields"),
        ("@daily", "not a cron"),
        ("0 9 * * 1\n", "not a cron"),
        ("60 9 * * *", "bad minute"),
        ("0 24 * * *", "bad hour"),
        ("0 9 32 * *", "bad day-of-month"),
        ("0 9 * 13 *", "bad month"),
        ("0 9 * * 8", "bad day-of-week"),
        ("0 9 * * 5-0", "bad day-of-week"),
        ("*/0 9 * * *", "bad minute"),
        ("٣ 9 * * *", "not a cron"),
        ("9" * 5000 + " * * * *", "not a cron"),
    ],
    ids=lambda value: value[:20].encode("unicode_escape").decode(),
)
def test_what_is_no_expression_is_refused(text: str, problem: str) -> None:
    with pytest.raises(InputError, match=problem):
        check_expression(text)


@given(st.text(alphabet="0123456789*/,-#LWMON ", max_size=30))
def test_any_text_is_an_expression_or_refused(text: str) -> None:
    try:
        cron = parse_cron(text, "UTC")
    except InputError:
        return
    assert next_occurrence(cron, datetime(2026, 1, 1, tzinfo=UTC)) is not None


def test_time_zones_are_names_of_the_iana_database() -> None:
    assert {"UTC", "Europe/Berlin", "Asia/Kolkata"} <= timezones()
    assert check_timezone("Europe/Berlin") == "Europe/Berlin"


@pytest.mark.parametrize(
    "name",
    ["", "Europe", "europe/berlin", "/etc/passwd", "../UTC", "localtime", "CET+1"],
)
def test_what_is_no_time_zone_is_refused(name: str) -> None:
    with pytest.raises(InputError, match="is not a time zone"):
        check_timezone(name)


def test_a_misspelt_time_zone_is_corrected_in_the_hint() -> None:
    with pytest.raises(InputError) as caught:
        parse_cron("0 9 * * *", "Europe/Berln")
    assert caught.value.hint == "did you mean Europe/Berlin?"
