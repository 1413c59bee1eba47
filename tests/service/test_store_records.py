"""What came where, how it fares, what was dealt with, said and answered."""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime, timedelta

import pytest
from sqlalchemy import insert

from gitops.errors import StoreError
from gitops.layout import target
from gitops.model import (
    Arrival,
    CommitId,
    Health,
    Pin,
    Revision,
    Sighting,
)
from service.store import (
    OccurrenceState,
    PassState,
    Store,
    Vote,
    VoteKind,
    Watch,
)
from service.store.tables import occurrences
from tests.support.databases import NOON, execute, opened

SHOP = target("shop", "staging")
BLOG = target("blog", "staging")
FLEET = "fleet"


def after(minutes: int) -> datetime:
    return NOON + timedelta(minutes=minutes)


def commit(letter: str) -> CommitId:
    return CommitId(letter * 40)


def revision(tag: str) -> Revision:
    return Revision(image="directus/directus", tag=tag)


def arrival(tag: str, letter: str, minutes: int) -> Arrival:
    return Arrival(
        target=SHOP, revision=revision(tag), commit=commit(letter), at=after(minutes)
    )


# Arrivals


def test_an_arrival_ends_the_one_before_it_and_comes_once(store: Store) -> None:
    old, new = arrival("12.4.0", "a", 0), arrival("12.4.1", "b", 5)
    for seen in (old, new, new, old):
        store.arrivals.record(FLEET, seen)
    assert store.arrivals.of_target(FLEET, SHOP) == (
        new,
        replace(old, left_at=after(5)),
    )
    assert store.arrivals.of_target(FLEET, BLOG) == ()
    assert store.arrivals.all("other") == ()


def test_how_an_arrival_fares_is_kept_and_its_coming_stays(store: Store) -> None:
    came = arrival("12.4.1", "a", 0)
    store.arrivals.record(FLEET, came)
    fared = replace(
        came, healthy_since=after(1), first_healthy_at=after(1), unhealthy_at=after(2)
    )
    store.arrivals.replace(FLEET, fared)
    assert store.arrivals.all(FLEET) == (fared,)
    # The same commit again is no new arrival, and does not begin the soak anew.
    store.arrivals.record(FLEET, came)
    assert store.arrivals.all(FLEET) == (fared,)


def test_the_same_revision_may_come_again_by_another_commit(store: Store) -> None:
    for number, letter in enumerate("abc"):
        store.arrivals.record(FLEET, arrival(f"12.{number % 2}", letter, number))
    tags = [seen.revision.tag for seen in store.arrivals.of_target(FLEET, SHOP)]
    assert tags == ["12.0", "12.1", "12.0"]


# Observations


def test_since_stays_while_health_and_version_stay(store: Store) -> None:
    def see(health: Health, version: str, minutes: int) -> tuple[datetime, datetime]:
        seen = store.observations.record(
            FLEET,
            SHOP,
            "agent",
            Sighting(health=health, version=version, detail=f"at {minutes}"),
            at=after(minutes),
        )
        return seen.since, seen.at

    assert see(Health.HEALTHY, "12.4.1", 0) == (after(0), after(0))
    assert see(Health.HEALTHY, "12.4.1", 3) == (after(0), after(3))
    assert see(Health.HEALTHY, "12.4.2", 5) == (after(5), after(5))
    assert see(Health.UNHEALTHY, "12.4.2", 7) == (after(7), after(7))
    assert see(Health.HEALTHY, "12.4.2", 9) == (after(9), after(9))
    (last,) = store.observations.all(FLEET)
    assert (last.since, last.at, last.detail) == (after(9), after(9), "at 9")


def test_sources_do_not_speak_for_each_other(store: Store) -> None:
    for source, health in (("argo", Health.HEALTHY), ("url", Health.UNKNOWN)):
        store.observations.record(FLEET, SHOP, source, Sighting(health=health), at=NOON)
    found = [(seen.source, seen.health) for seen in store.observations.all(FLEET)]
    assert found == [("argo", Health.HEALTHY), ("url", Health.UNKNOWN)]


def test_whatever_a_server_says_can_be_stored(store: Store) -> None:
    hostile = Sighting(
        health=Health.UNHEALTHY, version="9\0" * 500, detail="a\0b\udc80c" + "x" * 9999
    )
    store.observations.record(FLEET, SHOP, "agent", hostile, at=NOON)
    seen = store.observations.record(FLEET, SHOP, "agent", hostile, at=after(1))
    assert seen.since == NOON
    assert store.observations.all(FLEET) == (seen,)
    assert len(seen.version) == 200
    assert seen.detail.startswith("a\N{REPLACEMENT CHARACTER}b?cxx")


# Pins, votes


def test_a_target_has_one_pin_at_most(store: Store) -> None:
    def pin(tag: str) -> Pin:
        return Pin(
            target=SHOP, revision=revision(tag), reason="rollback", by="ada", at=NOON
        )

    store.pins.place(FLEET, pin("12.4.0"))
    store.pins.place(FLEET, pin("12.4.1"))
    assert store.pins.all(FLEET) == (pin("12.4.1"),)
    assert not store.pins.release(FLEET, BLOG)
    assert store.pins.release(FLEET, SHOP)
    assert not store.pins.release(FLEET, SHOP)
    assert store.pins.all(FLEET) == ()


def test_a_vote_is_for_one_head_and_counts_once(store: Store) -> None:
    first = Vote(kind=VoteKind.APPROVAL, head=commit("a"), by="ada", at=NOON)
    go = replace(first, kind=VoteKind.GO)
    moved = replace(first, head=commit("b"), at=after(1))
    for vote in (first, first, replace(first, at=after(9)), go, moved):
        store.votes.record(FLEET, 7, vote)
    assert store.votes.of(FLEET, 7) == (first, go, moved)
    assert store.votes.of(FLEET, 8) == ()


# Schedules


def watch(minutes: int, missed: int = 0) -> Watch:
    return Watch(
        schedule="a->b",
        expression="0 9 * * *",
        seen_until=after(minutes),
        missed=missed,
    )


def test_an_occurrence_is_due_until_it_is_done_and_once(store: Store) -> None:
    for _ in range(2):
        store.schedules.follow(FLEET, watch(10), due=after(5), missed=None, now=NOON)
    (due,) = store.schedules.due(FLEET)
    assert (due.schedule, due.scheduled_for) == ("a->b", after(5))
    store.schedules.done(FLEET, "a->b", after(5), after(11))
    assert store.schedules.due(FLEET) == ()
    # To follow it once more, after a crash, does not open it again.
    store.schedules.follow(FLEET, watch(10), due=after(5), missed=None, now=after(12))
    assert store.schedules.due(FLEET) == ()
    (done,) = store.schedules.occurrences(FLEET)
    assert (done.state, done.handled_at) == (OccurrenceState.DONE, after(11))
    assert store.schedules.watches(FLEET) == (watch(10),)
    assert store.schedules.watches("other") == ()


def test_what_was_missed_is_told_apart_from_what_is_due(store: Store) -> None:
    store.schedules.follow(
        FLEET, watch(10, missed=3), due=after(9), missed=after(8), now=after(10)
    )
    states = [(o.scheduled_for, o.state) for o in store.schedules.occurrences(FLEET)]
    assert states == [
        (after(8), OccurrenceState.MISSED),
        (after(9), OccurrenceState.DUE),
    ]
    assert store.schedules.watches(FLEET)[0].missed == 3


def test_following_is_all_or_nothing(store: Store, address: str) -> None:
    # An occurrence that cannot be stored: the table is in another form.
    execute(address, "ALTER TABLE occurrences RENAME COLUMN handled_at TO at")
    with pytest.raises(StoreError):
        store.schedules.follow(FLEET, watch(10), due=after(5), missed=None, now=NOON)
    assert store.schedules.watches(FLEET) == ()


def test_old_occurrences_are_forgotten_and_new_ones_kept(
    store: Store, address: str
) -> None:
    with opened(address) as connection:
        for number in range(600):
            connection.execute(
                insert(occurrences).values(
                    repository=FLEET,
                    schedule="a->b",
                    scheduled_for=after(number).isoformat(),
                    state="done",
                    handled_at=NOON.isoformat(),
                )
            )
    store.schedules.follow(FLEET, watch(700), due=after(650), missed=None, now=NOON)
    store.schedules.done(FLEET, "a->b", after(650), after(651))
    left = store.schedules.occurrences(FLEET)
    assert len(left) == 500
    assert left[-1].scheduled_for == after(650)
    assert left[0].scheduled_for == after(101)


# Passes


def test_equal_failures_in_a_row_are_counted(store: Store) -> None:
    def failures(problem: str, minutes: int) -> int:
        ended = store.passes.ended(FLEET, at=after(minutes), problem=problem)
        return ended.failures

    assert store.passes.last(FLEET) is None
    assert [failures("no route", n) for n in range(3)] == [1, 2, 3]
    assert failures("no key", 4) == 1
    assert failures("", 5) == 0
    assert failures("no key", 6) == 1
    last = store.passes.last(FLEET)
    assert last is not None
    assert (last.state, last.worked_at) == (PassState.DEGRADED, after(5))


def test_a_pass_that_worked_says_what_it_read(store: Store) -> None:
    store.passes.ended(FLEET, at=NOON, problem="a\0b")
    ended = store.passes.ended(FLEET, at=after(1), commit=commit("a"))
    assert store.passes.last(FLEET) == ended
    assert (ended.state, ended.commit) == (PassState.OK, commit("a"))


def test_writes_outside_are_counted_within_a_time(store: Store) -> None:
    counts = [
        store.passes.count_write(FLEET, at=after(n), since=after(n - 60))
        for n in (0, 30, 59, 61, 91)
    ]
    assert counts == [1, 2, 3, 3, 3]
    assert store.passes.writes_since(FLEET, after(60)) == 2
    assert store.passes.writes_since("other", NOON) == 0
