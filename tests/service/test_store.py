"""The store keeps what was said, across processes and releases."""

from __future__ import annotations

import threading
from contextlib import closing
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from gitops.errors import StoreError, UnknownNameError
from gitops.intents import IntentDraft, change_key
from gitops.layout import target
from gitops.model import (
    BaseScope,
    BranchName,
    Change,
    CommitId,
    EnvironmentName,
    EnvironmentScope,
    Finding,
    GroupScope,
    IntentId,
    IntentState,
    Mode,
    Plan,
    PlanKind,
    Provenance,
    RemoveFile,
    Revision,
    Scope,
    SetConfig,
    SetRevision,
    Severity,
    StackName,
    StackScope,
    TargetScope,
    UnsetConfig,
    WriteFile,
)
from service.store import Role, Store, broken_at
from service.store.audit import Entry
from tests.support.databases import NOON, Clock, execute

SHOP = target("shop", "staging")
REPOSITORY = "fleet"
BRANCH = BranchName("directus-gitops/staging/shop")


def plan(
    *changes: Change, scope: Scope | None = None, kind: PlanKind = PlanKind.BUMP
) -> Plan:
    return Plan(
        kind=kind,
        scope=scope or TargetScope(target=SHOP),
        changes=changes,
        provenance=Provenance(
            requested_by="ada",
            source_environment=EnvironmentName("development"),
            source_commit=CommitId("a" * 40),
            reason="because",
        ),
        findings=(
            Finding(rule="r", severity=Severity.INFO, path="p", line=3, message="m"),
        ),
    )


def bump(tag: str = "12.4.1") -> Plan:
    revision = Revision(image="directus/directus", tag=tag)
    return plan(SetRevision(target=SHOP, revision=revision))


def draft(wanted: Plan, at: datetime = NOON) -> IntentDraft:
    return IntentDraft(
        key=change_key(REPOSITORY, BranchName("main"), wanted),
        repository=REPOSITORY,
        plan=wanted,
        branch=BRANCH,
        created_at=at,
    )


EVERY_CHANGE = (
    SetRevision(
        target=SHOP,
        revision=Revision(image="i", tag="1", digest="sha256:" + "0" * 64),
    ),
    SetConfig(target=SHOP, key="K", value="vä\u2028l"),
    UnsetConfig(target=SHOP, key="K"),
    WriteFile(path="a/b", content=b"\x00\xff", mode=Mode.EXECUTABLE),
    RemoveFile(path="a/c"),
)


@pytest.mark.parametrize(
    "scope",
    [
        TargetScope(target=SHOP),
        GroupScope(environment=EnvironmentName("staging"), group="all"),
        StackScope(stack=StackName("shop")),
        EnvironmentScope(environment=EnvironmentName("qa")),
        BaseScope(),
    ],
    ids=lambda scope: type(scope).__name__,
)
def test_a_stored_plan_reads_back_equal(store: Store, scope: Scope) -> None:
    wanted = plan(*EVERY_CHANGE, scope=scope)
    stored = store.intents.record(draft(wanted))
    assert stored.plan == wanted
    assert store.intents.live(REPOSITORY) == (stored,)


def test_the_same_request_twice_is_one_intent_while_it_lives(store: Store) -> None:
    first = store.intents.record(draft(bump()))
    later = store.intents.record(draft(bump(), NOON + timedelta(hours=1)))
    assert later == first
    store.intents.advance(first.id, IntentState.CLOSED)
    again = store.intents.record(draft(bump()))
    assert again.id != first.id
    assert [intent.id for intent in store.intents.all(REPOSITORY)] == [
        first.id,
        again.id,
    ]


def test_two_threads_that_ask_the_same_get_one_intent(store: Store) -> None:
    found: list[IntentId] = []

    def ask() -> None:
        found.append(store.intents.record(draft(bump())).id)

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 8
    assert len(set(found)) == 1


def test_advancing_keeps_what_is_not_given(store: Store) -> None:
    intent = store.intents.record(draft(bump()))
    commit = CommitId("b" * 40)
    store.intents.advance(intent.id, IntentState.COMMITTED, commit=commit)
    done = store.intents.advance(intent.id, IntentState.PR_OPEN, pull_request=7)
    assert (done.commit, done.pull_request) == (commit, 7)
    store.intents.advance(intent.id, IntentState.FAILED, error="no room")
    assert store.intents.live(REPOSITORY) == ()
    assert store.intents.all(REPOSITORY)[0].error == "no room"


def test_advancing_an_unknown_intent_is_an_error(store: Store) -> None:
    with pytest.raises(StoreError, match="no intent nope"):
        store.intents.advance(IntentId("nope"), IntentState.CLOSED)


def test_every_push_is_remembered_once(store: Store) -> None:
    commits = [CommitId(letter * 40) for letter in "aba"]
    for commit in commits:
        store.intents.record_push(REPOSITORY, BRANCH, commit)
    assert store.intents.pushed(REPOSITORY, BRANCH) == set(commits)
    assert store.intents.pushed("other", BRANCH) == frozenset()


def test_what_was_said_survives_a_restart(
    address: str, tmp_path: Path, clock: Clock
) -> None:
    first = Store(address, tmp_path, clock)
    intent = first.intents.record(draft(bump()))
    first.close()
    second = Store(address, tmp_path, clock)
    assert second.intents.live(REPOSITORY) == (intent,)
    second.close()


def test_a_damaged_database_is_a_clear_error(tmp_path: Path, clock: Clock) -> None:
    (tmp_path / "service.db").write_bytes(b"this is not a database" * 100)
    with pytest.raises(StoreError, match="not a database") as caught:
        Store("", tmp_path, clock)
    assert "--data" in caught.value.hint


def test_a_damaged_plan_is_a_clear_error(store: Store, address: str) -> None:
    store.intents.record(draft(bump()))
    execute(address, """UPDATE intents SET plan = '{"kind": "bump"}'""")
    with pytest.raises(StoreError, match="cannot be read"):
        store.intents.live(REPOSITORY)


def test_holds_are_placed_replaced_and_released(store: Store) -> None:
    stack, environment = StackName("shop"), EnvironmentName("staging")
    for reason in ("first", "second"):
        store.holds.hold(
            REPOSITORY, stack=stack, environment=None, reason=reason, by="ada"
        )
    store.holds.hold(
        REPOSITORY, stack=stack, environment=environment, reason="", by="bo"
    )
    held = store.holds.holds(REPOSITORY)
    assert [(h.stack, h.environment, h.reason, h.at) for h in held] == [
        (stack, None, "second", NOON),
        (stack, environment, "", NOON),
    ]
    assert store.holds.release(REPOSITORY, stack=stack, environment=None)
    assert not store.holds.release(REPOSITORY, stack=stack, environment=None)
    assert len(store.holds.holds(REPOSITORY)) == 1
    assert store.holds.holds("other") == ()


def test_the_pause_switch_is_idempotent(store: Store) -> None:
    assert not store.holds.is_paused(REPOSITORY)
    assert store.holds.pause(REPOSITORY, by="ada")
    assert not store.holds.pause(REPOSITORY, by="bo")
    assert store.holds.is_paused(REPOSITORY)
    assert not store.holds.is_paused("other")
    assert store.holds.resume(REPOSITORY)
    assert not store.holds.resume(REPOSITORY)


def test_a_token_is_known_by_its_text_only_while_it_is_valid(
    store: Store, clock: Clock
) -> None:
    secret, token = store.tokens.create(
        role=Role.OPERATOR, name="ci", expires_at=NOON + timedelta(days=1)
    )
    assert store.tokens.recognise(secret) == token
    assert store.tokens.recognise(secret + "x") is None
    assert store.tokens.recognise("пароль") is None
    clock.now += timedelta(days=1)
    assert store.tokens.recognise(secret) is None


def test_a_revoked_token_is_refused_at_once(store: Store) -> None:
    secret, token = store.tokens.create(role=Role.ADMIN, name="x")
    store.tokens.revoke(token.id)
    assert store.tokens.recognise(secret) is None
    assert store.tokens.list() == (replace(token, revoked=True),)
    with pytest.raises(UnknownNameError):
        store.tokens.revoke("nope")


def test_the_text_of_a_token_is_nowhere_in_the_data_folder(
    tmp_path: Path, clock: Clock
) -> None:
    with closing(Store("", tmp_path, clock)) as store:
        secret, token = store.tokens.create(role=Role.VIEWER, name="x")
    kept = b"".join(p.read_bytes() for p in tmp_path.rglob("*") if p.is_file())
    assert token.id.encode() in kept
    assert secret.encode() not in kept
    # The random part may hold underscores of its own: it begins after the identity.
    _, _, random = secret.partition(f"{token.id}_")
    assert len(random) > 40
    assert random.encode() not in kept


def test_the_audit_trail_shows_any_tampering(store: Store) -> None:
    for number in range(3):
        store.audit.append(
            by="ada", action="merged", repository=REPOSITORY, details={"n": number}
        )
    entries = store.audit.entries()
    assert broken_at(entries) is None
    changed: list[tuple[Entry, ...]] = [
        (entries[0], replace(entries[1], by="eve"), entries[2]),
        (entries[0], replace(entries[1], details='{"n": 9}'), entries[2]),
    ]
    assert [broken_at(trail) for trail in changed] == [2, 2]
    assert broken_at((entries[0], entries[2])) == 2
    assert broken_at(entries[1:]) == 1
