from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, strategies as st

from gitops.model import Arrival, CommitId, Health, Observation
from gitops.promotion import fared, is_way_back, last_healthy, runs_another
from tests.support.fleets import DEVELOPMENT, DIGEST, at, revision

CAME = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)

HEALTHY, UNHEALTHY = Health.HEALTHY, Health.UNHEALTHY
PROGRESSING, UNKNOWN = Health.PROGRESSING, Health.UNKNOWN


def arrival(
    tag: str = "12.4.1",
    *,
    left_at: datetime | None = None,
    healthy_since: datetime | None = None,
    first_healthy_at: datetime | None = None,
) -> Arrival:
    return Arrival(
        target=at(DEVELOPMENT),
        revision=revision(tag),
        commit=CommitId("c" * 40),
        at=CAME,
        left_at=left_at,
        healthy_since=healthy_since,
        first_healthy_at=first_healthy_at,
    )


def seen(health: Health, minutes: float, version: str = "") -> Observation:
    """Make an observation, so many minutes after the arrival."""
    when = CAME + minutes * MINUTE
    return Observation(
        target=at(DEVELOPMENT),
        source="argocd",
        health=health,
        version=version,
        detail="",
        since=when,
        at=when,
    )


def after(*healths: Health, tag: str = "12.4.1") -> Arrival:
    """Return an arrival after one observation a minute."""
    found = arrival(tag)
    for minutes, health in enumerate(healths, start=1):
        found = fared(found, seen(health, minutes))
    return found


def minute(number: int) -> datetime:
    return CAME + number * MINUTE


# --- the soak clock ---


def test_the_clock_starts_at_the_first_healthy_sighting() -> None:
    found = after(PROGRESSING, HEALTHY, HEALTHY)
    assert (found.healthy_since, found.first_healthy_at) == (minute(2), minute(2))


@pytest.mark.parametrize("between", [PROGRESSING, UNKNOWN])
def test_what_is_no_failure_neither_starts_nor_stops_it(between: Health) -> None:
    assert after(between).healthy_since is None
    found = after(HEALTHY, between, between, HEALTHY)
    assert found.healthy_since == minute(1)
    assert found.unhealthy_at is None


def test_after_a_failure_it_starts_anew() -> None:
    sick = after(HEALTHY, UNHEALTHY, UNHEALTHY)
    assert sick.healthy_since is None
    again = after(HEALTHY, UNHEALTHY, UNHEALTHY, HEALTHY)
    assert again.healthy_since == minute(4)
    assert again.first_healthy_at == minute(1)


def test_a_failure_is_known_by_its_begin_and_its_last_sighting() -> None:
    sick = after(HEALTHY, UNHEALTHY, PROGRESSING, UNHEALTHY)
    assert (sick.unhealthy_since, sick.unhealthy_at) == (minute(2), minute(4))
    well = after(HEALTHY, UNHEALTHY, UNHEALTHY, HEALTHY)
    assert (well.unhealthy_since, well.unhealthy_at) == (minute(2), minute(3))
    second = after(UNHEALTHY, HEALTHY, UNHEALTHY)
    assert (second.unhealthy_since, second.unhealthy_at) == (minute(3), minute(3))


def test_an_observation_from_before_the_arrival_is_not_about_it() -> None:
    assert fared(arrival(), seen(HEALTHY, -0.1)) == arrival()
    assert fared(arrival(), seen(HEALTHY, 0)).healthy_since == CAME


def test_what_has_left_keeps_what_it_had() -> None:
    gone = arrival(left_at=minute(5), healthy_since=minute(1))
    assert fared(gone, seen(UNHEALTHY, 6)) == gone
    assert fared(arrival(left_at=minute(5)), seen(HEALTHY, 6)).healthy_since is None


@pytest.mark.parametrize("health", Health)
def test_what_is_seen_of_another_version_says_nothing(health: Health) -> None:
    assert fared(arrival(), seen(health, 1, "12.4.0")) == arrival()


@given(st.lists(st.sampled_from(Health), max_size=12))
def test_the_clock_is_that_of_the_last_row_without_a_failure(
    healths: list[Health],
) -> None:
    found = after(*healths)
    failures = [n for n, health in enumerate(healths) if health is UNHEALTHY]
    row = healths[failures[-1] + 1 :] if failures else healths
    first = row.index(HEALTHY) + len(healths) - len(row) + 1 if HEALTHY in row else None
    assert found.healthy_since == (None if first is None else minute(first))
    assert (found.first_healthy_at is None) == (HEALTHY not in healths)
    assert (found.unhealthy_at is None) == (not failures)
    # The same observation twice says nothing new.
    if healths:
        again = seen(healths[-1], len(healths))
        assert fared(found, again) == found


# --- which version runs ---


@pytest.mark.parametrize(
    ("version", "tag", "another"),
    [
        ("", "12.4.1", False),
        ("12.4.1", "12.4.1", False),
        ("12.4.0", "12.4.1", True),
        ("13.4.1", "12.4.1", True),
        # Directus tells its own release; the image may have a build and a variant.
        ("12.4.1", "12.4.1-acme.3", False),
        ("12.4.1", "12.4.1-dhi", False),
        ("12.4.1", "12.4.1-acme.3-dhi", False),
        ("12.4.0", "12.4.1-acme.3", True),
        # An agent tells the tag.
        ("12.4.1-acme.2", "12.4.1-acme.3", True),
        ("12.4.1-acme.3", "12.4.1-acme.3", False),
        ("12.4.1-acme.3", "12.4.1", True),
        ("12.4.1-dhi", "12.4.1", True),
        # A pre-release is not its release.
        ("12.4.1-rc.1", "12.4.1", True),
        ("12.4.1", "12.4.1-rc.1", True),
        ("12.4.1-rc.1", "12.4.1-rc.1-dhi", False),
        # Of other tags nothing is known.
        ("12.4.1", "main", False),
        ("main", "12.4.1", False),
        ("12.4", "12.4.1", False),
        ("\n<script>", "12.4.1", False),
    ],
)
def test_only_what_surely_is_another_version_contradicts(
    version: str, tag: str, another: bool
) -> None:
    assert runs_another(version, revision(tag)) is another


# --- the history of a target ---


def history(*tags: str) -> list[Arrival]:
    return [arrival(tag) for tag in tags]


def test_a_way_back_is_what_was_there_before_the_last_one() -> None:
    assert is_way_back(history("a", "b", "a"))
    assert is_way_back(history("a", "c", "b", "a"))
    for tags in ([], ["a"], ["a", "b"], ["b", "a", "a"], ["c", "b", "a"]):
        assert not is_way_back(history(*tags)), tags


def test_another_digest_of_the_same_tag_is_no_way_back() -> None:
    pinned = replace(arrival("a"), revision=revision("a", DIGEST))
    assert not is_way_back([pinned, *history("b", "a")])


def test_revisions_that_were_once_healthy_are_listed_newest_first() -> None:
    once = minute(1)
    found = [
        arrival("d"),
        replace(arrival("c", first_healthy_at=once), unhealthy_at=minute(2)),
        arrival("b"),
        arrival("a", first_healthy_at=once),
        arrival("c", first_healthy_at=once),
    ]
    assert last_healthy(found) == (revision("c"), revision("a"))
    assert last_healthy([]) == ()
