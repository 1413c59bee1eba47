from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import takewhile

import pytest
from hypothesis import given, settings, strategies as st

from gitops.cron import Cron, occurrences
from gitops.model import Arrival, CommitId, PromotionRule
from gitops.promotion import Gate, is_frozen, opening_gates
from gitops.promotion.windows import first_run, lets_pass
from tests.support.fleets import DEVELOPMENT, at, fleet, revision

MONDAY = datetime(2026, 11, 23, 14, 30, tzinfo=UTC)


def rule(gates: str) -> PromotionRule:
    text = f"promotions:\n  - {{from: development, to: staging, {gates}}}\n"
    return fleet(text).promotions[0]


def gate(
    gates: str, *, now: datetime = MONDAY, merged_at: datetime | None = None
) -> Gate:
    (only,) = opening_gates(rule(gates), now=now, merged_at=merged_at)
    return only


def test_gates_that_are_not_asked_for_are_left_out() -> None:
    assert opening_gates(rule("merge: review"), now=MONDAY, merged_at=None) == ()


def test_gates_come_in_a_fixed_order() -> None:
    all_of_them = rule(
        'health: argocd, soak: 1h, windows: [{allow: "0 9 * * *", for: 1h}],'
        ' schedule: "0 9 * * *"'
    )
    found = opening_gates(all_of_them, now=MONDAY, merged_at=None)
    assert [g.name for g in found] == ["schedule", "window", "soak", "health"]


# --- schedule ---


def test_a_schedule_is_open_in_its_minute_only() -> None:
    at_nine = datetime(2026, 11, 23, 8, 0, 30, tzinfo=UTC)
    scheduled = 'schedule: "0 9 * * 1-5", timezone: Europe/Berlin'
    assert gate(scheduled, now=at_nine).is_open
    later = gate(scheduled, now=at_nine + timedelta(minutes=1))
    assert not later.is_open
    assert later.opens_at == datetime(2026, 11, 24, 8, 0, tzinfo=UTC)


# --- windows ---

WORK = 'windows: [{allow: "0 9 * * 1-5", for: 8h}]'


def test_an_allow_window_is_open_from_its_start_for_its_length() -> None:
    day = datetime(2026, 11, 23, tzinfo=UTC)
    for hour, expected in [(8.99, False), (9, True), (16.99, True), (17, False)]:
        now = day + timedelta(hours=hour)
        assert gate(WORK, now=now).is_open is expected, hour


def test_a_closed_window_says_when_the_next_one_opens() -> None:
    friday_evening = datetime(2026, 11, 27, 18, 0, tzinfo=UTC)
    found = gate(WORK, now=friday_evening)
    assert found.opens_at == datetime(2026, 11, 30, 9, 0, tzinfo=UTC)
    assert found.reason == "no window is open; next: 2026-11-30 09:00 UTC"


def test_any_of_several_allow_windows_suffices() -> None:
    two = 'windows: [{allow: "0 9 * * *", for: 1h}, {allow: "0 14 * * *", for: 1h}]'
    assert gate(two).is_open


def test_without_allow_windows_only_a_freeze_closes() -> None:
    freeze = 'windows: [{deny: "0 0 20 12 *", for: 14d}]'
    assert gate(freeze).is_open
    found = gate(freeze, now=datetime(2026, 12, 24, tzinfo=UTC))
    assert not found.is_open
    assert found.opens_at == datetime(2027, 1, 3, tzinfo=UTC)
    assert found.reason == "a freeze holds; next: 2027-01-03 00:00 UTC"


def test_a_freeze_wins_and_the_next_opening_is_an_allowed_one() -> None:
    both = 'windows: [{allow: "0 9 * * 1-5", for: 8h}, {deny: "0 0 23 11 *", for: 60h}]'
    found = gate(both)
    assert not found.is_open
    assert found.opens_at == datetime(2026, 11, 25, 12, 0, tzinfo=UTC)


def test_freezes_that_follow_each_other_are_one() -> None:
    two = 'windows: [{deny: "0 0 23 11 *", for: 24h}, {deny: "0 0 24 11 *", for: 24h}]'
    assert gate(two).opens_at == datetime(2026, 11, 25, tzinfo=UTC)


def test_a_window_is_read_in_its_own_zone() -> None:
    berlin = 'windows: [{allow: "30 15 * * *", for: 1m, timezone: Europe/Berlin}]'
    assert gate(berlin).is_open


@pytest.mark.parametrize(
    "windows",
    [
        '{deny: "* * * * *", for: 1h}',
        '{deny: "0 0 * * *", for: 25h}',
        '{allow: "0 9 * * *", for: 1h}, {deny: "0 0 * * *", for: 25h}',
    ],
)
def test_windows_that_never_let_pass_say_so(windows: str) -> None:
    found = gate(f"windows: [{windows}]")
    assert (found.is_open, found.opens_at) == (False, None)
    assert "none opens within 366 days" in found.reason


# --- freezes at a merge ---

FREEZE = 'windows: [{allow: "0 9 * * *", for: 1h}, {deny: "0 0 23 11 *", for: 60h}]'


def test_a_freeze_closes_a_merge_until_its_end() -> None:
    found = is_frozen(rule(FREEZE), MONDAY)
    assert found is not None
    assert (found.name, found.is_open) == ("freeze", False)
    assert found.opens_at == datetime(2026, 11, 25, 12, 0, tzinfo=UTC)
    assert found.reason == "a freeze of staging holds until 2026-11-25 12:00 UTC"


def test_a_merge_waits_for_no_allow_window() -> None:
    assert is_frozen(rule(FREEZE), MONDAY - timedelta(days=1)) is None
    assert is_frozen(rule("merge: review"), MONDAY) is None


def test_a_freeze_without_an_end_says_so() -> None:
    found = is_frozen(rule('windows: [{deny: "* * * * *", for: 1h}]'), MONDAY)
    assert found is not None
    assert found.opens_at is None
    assert "without a known end" in found.reason


# --- the first run inside of a window ---


def test_a_run_inside_of_a_window_is_found_from_any_start() -> None:
    friday = datetime(2026, 11, 27, 8, 15, 30, tzinfo=UTC)
    in_work = rule(f'schedule: "0,30 8-16 * * *", {WORK}')
    assert first_run(in_work, friday) == friday.replace(hour=9, minute=0, second=0)
    evening = friday.replace(hour=16, minute=30, second=1)
    assert first_run(in_work, evening) == datetime(2026, 11, 30, 9, 0, tzinfo=UTC)
    on_time = datetime(2026, 11, 30, 9, 30, tzinfo=UTC)
    assert first_run(in_work, on_time) == on_time


def test_without_a_schedule_there_is_no_run() -> None:
    assert first_run(rule(WORK), MONDAY) is None


@settings(deadline=None)
@given(
    cron=st.sampled_from(["*/25 * * * *", "30 8-10 * * *", "0 9 * * 3", "0 3 25 * *"]),
    windows=st.sampled_from(
        [
            "[]",
            '[{allow: "0 9 * * 1-3", for: 90m}]',
            '[{deny: "15 8 * * *", for: 46m}, {deny: "0 0 24 * *", for: 30h}]',
            '[{allow: "0 2 * * *", for: 8h}, {deny: "20 8 * * *", for: 45m}]',
        ]
    ),
    start=st.datetimes(
        datetime(2026, 3, 20),  # noqa: DTZ001  hypothesis adds the zone
        datetime(2026, 4, 5),  # noqa: DTZ001
        timezones=st.just(UTC),
    ),
)
def test_the_first_run_is_the_one_that_trying_every_run_finds(
    cron: str, windows: str, start: datetime
) -> None:
    zoned = rule(f'schedule: "{cron}", timezone: Europe/Berlin, windows: {windows}')
    every = Cron(expression=cron, timezone="Europe/Berlin")
    end = start + timedelta(days=40)
    tried = takewhile(
        lambda at: at < end, occurrences(every, start - timedelta(microseconds=1))
    )
    wanted = next((at for at in tried if lets_pass(zoned.windows, at)), None)
    found = first_run(zoned, start)
    assert found == wanted or (wanted is None and (found is None or found >= end))


# --- soak and health ---


def test_a_soak_without_health_counts_from_the_merge() -> None:
    merged = datetime(2026, 11, 23, 8, 0, tzinfo=UTC)
    closed = gate("soak: 24h", merged_at=merged)
    assert closed.opens_at == merged + timedelta(hours=24)
    assert closed.reason == (
        "a soak of 24h in development since 2026-11-23 08:00 UTC "
        "ends 2026-11-24 08:00 UTC"
    )
    assert gate("soak: 24h", now=merged + timedelta(hours=24), merged_at=merged).is_open


def test_an_unknown_merge_keeps_the_soak_closed() -> None:
    found = gate("soak: 7d")
    assert (found.is_open, found.opens_at) == (False, None)
    assert "7d" in found.reason


def test_without_observations_health_and_its_soak_are_closed() -> None:
    found = opening_gates(
        rule("soak: 90m, health: argocd"), now=MONDAY, merged_at=MONDAY - timedelta(9)
    )
    assert [(g.name, g.is_open) for g in found] == [("soak", False), ("health", False)]
    assert "90m" in found[0].reason
    assert "argocd" in found[1].reason


def test_with_what_was_seen_of_the_source_the_soak_is_judged_by_it() -> None:
    came = Arrival(
        target=at(DEVELOPMENT),
        revision=revision("12.4.1"),
        commit=CommitId("c" * 40),
        at=MONDAY - timedelta(hours=9),
        healthy_since=MONDAY - timedelta(hours=2),
    )
    (soak,) = opening_gates(
        rule("soak: 90m"), now=MONDAY, merged_at=MONDAY, arrival=came
    )
    assert soak.is_open  # nine hours there, whatever the merge's own time
    for length, expected in (("2h", True), ("3h", False)):
        soak, health = opening_gates(
            rule(f"soak: {length}, health: argocd"),
            now=MONDAY,
            merged_at=None,
            arrival=came,
        )
        assert (soak.is_open, health.is_open) == (expected, False)


@pytest.mark.parametrize("hours", [None, 2])
def test_what_has_left_is_judged_by_how_it_was_then(hours: int | None) -> None:
    gone = Arrival(
        target=at(DEVELOPMENT),
        revision=revision("12.4.1"),
        commit=CommitId("c" * 40),
        at=MONDAY - timedelta(hours=9),
        left_at=MONDAY - timedelta(hours=1),
        healthy_since=None if hours is None else MONDAY - timedelta(hours=hours),
    )
    (health,) = opening_gates(
        rule("health: argocd"), now=MONDAY, merged_at=None, arrival=gone
    )
    assert health.is_open is (hours is not None)
    assert "when it left development at 2026-11-23 13:30 UTC" in health.reason


@pytest.mark.parametrize("length", ["45s", "90m", "24h", "36h", "2d", "14d"])
def test_lengths_are_spelt_as_in_the_file(length: str) -> None:
    assert f"a soak of {length} " in gate(f"soak: {length}").reason
