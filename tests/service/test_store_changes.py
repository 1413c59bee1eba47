"""Changes by the page, the trail, answers, cursors, tokens; and what is no text."""

from __future__ import annotations

import threading
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from gitops.errors import InputError, UnknownNameError
from gitops.intents import IntentDraft
from gitops.layout import target
from gitops.model import (
    Arrival,
    BaseScope,
    BranchName,
    Change,
    ChangeKey,
    CommitId,
    EnvironmentName,
    EnvironmentScope,
    GroupScope,
    Intent,
    IntentId,
    IntentState,
    Plan,
    PlanKind,
    Provenance,
    Revision,
    Scope,
    SetConfig,
    SetRevision,
    StackName,
    StackScope,
    TargetScope,
)
from service.store import (
    Role,
    Store,
    broken_at,
)
from tests.support.databases import NOON, Clock, execute, opened

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


# Changes, by the page


def change(store: Store, number: int, scope: Scope, *changes: Change) -> Intent:
    return store.intents.record(
        IntentDraft(
            key=ChangeKey(f"key-{number}"),
            repository=FLEET,
            plan=Plan(
                kind=PlanKind.BUMP,
                scope=scope,
                changes=changes,
                provenance=Provenance(requested_by="ada"),
            ),
            branch=BranchName("b"),
            created_at=after(number),
        )
    )


@pytest.fixture
def changes(store: Store) -> list[Intent]:
    staging, shop = EnvironmentName("staging"), StackName("shop")
    told = SetConfig(target=BLOG, key="K", value='"stack": "shop", : "production"')
    return [
        change(store, 0, TargetScope(target=SHOP)),
        change(store, 1, TargetScope(target=BLOG), told),
        change(
            store,
            2,
            GroupScope(environment=staging, group="all"),
            *(SetRevision(target=t, revision=revision("12")) for t in (SHOP, BLOG)),
        ),
        change(store, 3, StackScope(stack=shop)),
        change(store, 4, EnvironmentScope(environment=EnvironmentName("production"))),
        change(store, 5, BaseScope()),
        change(store, 6, TargetScope(target=target("shop", "production"))),
    ]


@pytest.mark.parametrize(
    ("stack", "environment", "numbers"),
    [
        (None, None, [6, 5, 4, 3, 2, 1, 0]),
        ("shop", None, [6, 3, 2, 0]),
        ("blog", None, [2, 1]),
        (None, "staging", [2, 1, 0]),
        (None, "production", [6, 4]),
        ("shop", "staging", [2, 0]),
        ("shop", "production", [6]),
        ("sho", None, []),
        ("%", None, []),
    ],
)
def test_changes_are_found_by_what_they_name(
    store: Store,
    changes: list[Intent],
    stack: str | None,
    environment: str | None,
    numbers: list[int],
) -> None:
    found = store.intents.page(
        FLEET,
        stack=None if stack is None else StackName(stack),
        environment=None if environment is None else EnvironmentName(environment),
        limit=50,
    )
    assert [changes.index(intent) for intent in found] == numbers


def test_pages_follow_each_other_newest_first(
    store: Store, changes: list[Intent]
) -> None:
    pages: list[list[int]] = []
    last: IntentId | None = None
    while page := store.intents.page(FLEET, after=last, limit=3):
        pages.append([changes.index(intent) for intent in page])
        last = page[-1].id
    assert pages == [[6, 5, 4], [3, 2, 1], [0]]
    staging = EnvironmentName("staging")
    rest = store.intents.page(FLEET, environment=staging, after=changes[2].id, limit=1)
    assert [intent.id for intent in rest] == [changes[1].id]
    assert store.intents.page("other", limit=3) == ()


def test_changes_are_found_by_state_and_by_id(
    store: Store, changes: list[Intent]
) -> None:
    store.intents.advance(changes[3].id, IntentState.FAILED, error="no\0room")
    (failed,) = store.intents.page(FLEET, state=IntentState.FAILED, limit=9)
    assert failed == store.intents.get(changes[3].id)
    assert failed.error == "no\N{REPLACEMENT CHARACTER}room"
    with pytest.raises(UnknownNameError, match="nope"):
        store.intents.get(IntentId("nope"))
    with pytest.raises(UnknownNameError, match="nope"):
        store.intents.page(FLEET, after=IntentId("nope"), limit=9)


# The trail


def append(store: Store, number: int = 0) -> None:
    store.audit.append(by="ada", action="merged", repository="r", details={"n": number})


def test_the_trail_can_be_read_on_from_a_number(store: Store) -> None:
    assert store.audit.last() == 0
    assert store.audit.after(0, 10) == ()
    for number in range(5):
        append(store, number)
    assert [e.number for e in store.audit.after(0, 2)] == [1, 2]
    assert [e.number for e in store.audit.after(2, 10)] == [3, 4, 5]
    assert store.audit.after(5, 10) == ()
    assert store.audit.last() == 5


def test_many_who_write_the_trail_leave_no_gap(
    store: Store, address: str, tmp_path: Path, clock: Clock
) -> None:
    def ten(writer: Store) -> None:
        for number in range(10):
            append(writer, number)

    stores = [Store(address, tmp_path / str(n), clock) for n in range(3)]
    writers = [threading.Thread(target=ten, args=(s,)) for s in (*stores, store)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    for opened_store in stores:
        opened_store.close()
    entries = store.audit.entries()
    assert [entry.number for entry in entries] == list(range(1, 41))
    assert broken_at(entries) is None


# Answers, cursors


def test_the_first_answer_stands_for_a_day(store: Store, clock: Clock) -> None:
    assert store.answers.find("t1", "k") is None
    first = store.answers.keep("t1", "k", "hash", 202, '{"id": "1"}', NOON)
    again = store.answers.keep("t1", "k", "other", 500, "late", after(1))
    assert again == first == store.answers.find("t1", "k")
    assert (first.request, first.status, first.body) == ("hash", 202, '{"id": "1"}')
    assert store.answers.find("t2", "k") is None
    clock.now = NOON + timedelta(hours=24)
    assert store.answers.find("t1", "k") == first
    clock.now += timedelta(seconds=1)
    assert store.answers.find("t1", "k") is None


def test_answers_of_more_than_a_day_ago_are_removed(store: Store, address: str) -> None:
    store.answers.keep("t1", "old", "hash", 202, "", NOON)
    day = timedelta(hours=24, seconds=1)
    renewed = store.answers.keep("t1", "old", "hash2", 200, "", NOON + day)
    assert renewed.request == "hash2"
    store.answers.keep("t1", "new", "hash", 200, "", NOON + 2 * day)
    assert execute(address, "SELECT key FROM answers") == [("new",)]


def test_a_cursor_moves_forward_and_counts_failures(store: Store, clock: Clock) -> None:
    cursors = store.cursors
    assert cursors.position("slack") == 0
    assert [cursors.failed("slack") for _ in range(3)] == [1, 2, 3]
    cursors.advance("slack", 7)
    assert cursors.failed("slack") == 1
    cursors.advance("slack", 5)
    assert cursors.position("slack") == 7
    cursors.advance("mail", 1)
    clock.now = after(5)
    cursors.advance("slack", 8)
    found = [(c.name, c.position, c.failures, c.at) for c in cursors.all()]
    assert found == [("mail", 1, 0, NOON), ("slack", 8, 0, after(5))]


# Tokens


def test_the_use_of_a_token_is_noted_once_a_minute(store: Store, clock: Clock) -> None:
    secret, token = store.tokens.create(role=Role.VIEWER, name="ci")

    def used_at(minutes: float) -> datetime | None:
        clock.now = NOON + timedelta(minutes=minutes)
        assert store.tokens.recognise(secret)
        return store.tokens.list()[0].last_used_at

    assert store.tokens.list()[0].last_used_at is None
    assert used_at(0) == NOON
    assert used_at(0.9) == NOON
    assert used_at(1) == after(1)
    assert used_at(1.5) == after(1)
    store.tokens.revoke(token.id)
    clock.now = after(9)
    assert store.tokens.recognise(secret) is None
    assert store.tokens.list()[0].last_used_at == after(1)


def test_a_reader_with_a_token_waits_for_no_writer(
    store: Store, address: str, clock: Clock
) -> None:
    secret, token = store.tokens.create(role=Role.VIEWER, name="ci")
    with opened(address) as writer:
        writer.exec_driver_sql("UPDATE tokens SET name = 'held'")
        assert store.tokens.recognise(secret) == token
    assert store.tokens.list()[0].last_used_at is None
    # The next use is noted, and what really writes still waits as before.
    assert store.tokens.recognise(secret)
    assert store.tokens.list()[0].last_used_at == NOON
    append(store)


# What cannot be stored


@pytest.mark.parametrize("text", ["a\0b", "a\udc80b"], ids=["NUL", "half"])
def test_text_that_a_database_could_not_give_back_is_refused(
    store: Store, text: str
) -> None:
    with pytest.raises(InputError, match="cannot be stored"):
        store.holds.hold(FLEET, stack=None, environment=None, reason=text, by="ada")
    with pytest.raises(InputError, match="cannot be stored"):
        store.intents.get(IntentId(text))
    assert store.holds.holds(FLEET) == ()
    store.holds.hold(FLEET, stack=None, environment=None, reason="fine", by="ada")
    assert len(store.holds.holds(FLEET)) == 1
