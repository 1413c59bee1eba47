"""A database that is damaged, full, locked or elsewhere is told, never a traceback."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from gitops.errors import StoreError
from gitops.intents import IntentDraft
from gitops.layout import target
from gitops.model import (
    BranchName,
    ChangeKey,
    Plan,
    PlanKind,
    Provenance,
    TargetScope,
)
from service.locks import exclusive
from service.store import Role, Store
from tests.support.databases import execute

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
DRAFT = IntentDraft(
    key=ChangeKey("k"),
    repository="fleet",
    plan=Plan(
        kind=PlanKind.BUMP,
        scope=TargetScope(target=target("shop", "staging")),
        changes=(),
        provenance=Provenance(requested_by="ada"),
    ),
    branch=BranchName("directus-gitops/staging/shop"),
    created_at=NOON,
)
USES: dict[str, Callable[[Store], object]] = {
    "intents": lambda store: store.intents.live("fleet"),
    "record": lambda store: store.intents.record(DRAFT),
    "holds": lambda store: store.holds.holds("fleet"),
    "tokens": lambda store: store.tokens.list(),
    "audit": lambda store: store.audit.entries(),
}


def clock() -> datetime:
    return NOON


@pytest.fixture
def filled(address: str, tmp_path: Path) -> Iterator[Store]:
    """A store with a row in every table."""
    store = Store(address, tmp_path, clock)
    store.intents.record(DRAFT)
    store.holds.hold("fleet", stack=None, environment=None, reason="r", by="ada")
    store.tokens.create(role=Role.VIEWER, name="agent")
    store.audit.append(by="ada", action="a", repository="fleet", details={})
    yield store
    store.close()


def fill(store: Store) -> None:
    for number in range(1000):
        repository = str(number)
        store.audit.append(by="ada", action="a" * 60, repository=repository, details={})


def told(use: Callable[[Store], object], store: Store) -> StoreError:
    with pytest.raises(StoreError) as caught:
        use(store)
    error = caught.value
    assert error.hint
    assert error.message.isprintable()
    return error


@pytest.mark.parametrize("table", ["intents", "holds", "tokens", "audit"])
def test_a_table_that_is_gone_is_told(filled: Store, address: str, table: str) -> None:
    execute(address, f"DROP TABLE {table}")
    message = told(USES[table], filled).message
    assert f"no such table: {table}" in message or f'"{table}" does not' in message


@pytest.mark.parametrize(
    ("use", "statement"),
    [
        ("intents", "UPDATE intents SET plan = '{'"),
        ("intents", "UPDATE intents SET plan = '[]'"),
        ("intents", "UPDATE intents SET created_at = 'noon'"),
        ("holds", "UPDATE holds SET at = 'noon'"),
        ("tokens", "UPDATE tokens SET role = 'king'"),
        ("tokens", "UPDATE tokens SET created_at = 'noon'"),
    ],
)
def test_a_row_that_makes_no_sense_is_told(
    filled: Store, address: str, use: str, statement: str
) -> None:
    execute(address, statement)
    assert "cannot be read" in told(USES[use], filled).message


def test_a_database_that_is_replaced_by_garbage_is_told(tmp_path: Path) -> None:
    Store("", tmp_path, clock).close()
    for file in tmp_path.glob("service.db*"):
        file.write_bytes(b"garbage" * 1000)
    error = told(lambda _: Store("", tmp_path, clock), None)  # type: ignore[arg-type]
    assert "not a database" in error.message


def test_a_full_disk_is_told_and_nothing_is_half_written(
    tmp_path: Path,
) -> None:
    store = Store("", tmp_path, clock)
    try:
        with store._engine.connect() as connection:
            pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
            connection.exec_driver_sql(f"PRAGMA max_page_count = {pages}")
        with pytest.raises(StoreError, match="full"):
            fill(store)
        assert [e.number for e in store.audit.entries()] == list(
            range(1, len(store.audit.entries()) + 1)
        )
    finally:
        store.close()


@pytest.mark.parametrize(
    ("address", "problem"),
    [
        ("nonsense", "parse"),
        ("nosuch://u:hunter2@localhost/x", "nosuch"),
        ("mssql+pymssql://u:hunter2@localhost/x", "no kind of database"),
        ("sqlite:////nonexistent/folder/x.db", "unable to open"),
    ],
)
def test_an_address_of_no_database_is_told_without_its_password(
    tmp_path: Path, address: str, problem: str
) -> None:
    with pytest.raises(StoreError, match=problem) as caught:
        Store(address, tmp_path, clock)
    assert "hunter2" not in caught.value.message + caught.value.hint


@pytest.mark.parametrize("place", ["a file", "a file/below", "a" * 300])
def test_a_data_folder_that_cannot_be_is_told(tmp_path: Path, place: str) -> None:
    (tmp_path / "a file").write_text("")
    with pytest.raises(StoreError, match="cannot be opened") as caught:
        Store("", tmp_path / place, clock)
    assert "Errno" not in caught.value.message


def test_a_lock_that_is_a_folder_is_told(tmp_path: Path) -> None:
    (tmp_path / "locks" / "repository-fleet").mkdir(parents=True)
    lock = tmp_path / "locks" / "repository-fleet"
    with (
        pytest.raises(StoreError, match="cannot be locked"),
        exclusive(lock, wait=0, what="repository fleet"),
    ):
        raise AssertionError("not locked")
