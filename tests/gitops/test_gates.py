from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from gitops.model import PromotionRule
from gitops.promotion import Gate, opening_gates
from tests.support.fleets import fleet

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


@pytest.mark.parametrize("length", ["45s", "90m", "24h", "36h", "2d", "14d"])
def test_lengths_are_spelt_as_in_the_file(length: str) -> None:
    assert f"a soak of {length} " in gate(f"soak: {length}").reason
