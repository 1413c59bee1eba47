"""PostgreSQL fails in ways of its own: nothing is done twice, and nothing is told."""

from __future__ import annotations

import os
import signal
import traceback
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from pathlib import Path

import pytest

from gitops.errors import InputError, StoreError
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
from service.settings import Settings
from service.store import Store, broken_at
from service.store.transactions import reading
from tests.support.cutting import Line
from tests.support.databases import NOON, Clock, execute
from tests.support.postgres import Server

COMMIT = b"COMMIT\0"  # not the READ COMMITTED that each transaction begins with
DRAFT = IntentDraft(
    key=ChangeKey("k"),
    repository="fleet",
    plan=Plan(
        kind=PlanKind.BUMP,
        scope=TargetScope(target=target("shop", "staging")),
        changes=(),
        provenance=Provenance(requested_by="ada"),
    ),
    branch=BranchName("b"),
    created_at=NOON,
)


@pytest.fixture
def line(postgres: Server) -> Iterator[Line]:
    with Line(postgres.port) as opened:
        yield opened


@pytest.fixture
def store(
    postgres: Server, postgresql: str, line: Line, tmp_path: Path, clock: Clock
) -> Iterator[Store]:
    """A store at the end of a line that can be cut."""
    database = postgresql.rpartition("/")[2]
    address = postgres.address(database, port=line.port)
    with closing(Store(address, tmp_path, clock)) as opened:
        yield opened


def append(store: Store) -> None:
    store.audit.append(by="ada", action="merged", repository="fleet", details={})


def is_whole(store: Store, entries: int) -> bool:
    trail = store.audit.entries()
    return len(trail) == entries and broken_at(trail) is None


@pytest.mark.parametrize(
    ("word", "heard"),
    [
        (b"pg_advisory_xact_lock", False),
        (b"INSERT INTO audit", False),
        (b"INSERT INTO audit", True),
        (b"READ COMMITTED", False),
        (COMMIT, False),
        (COMMIT, True),
    ],
)
def test_a_line_that_is_cut_makes_no_write_lost_or_doubled(
    store: Store, line: Line, word: bytes, heard: bool
) -> None:
    append(store)
    line.cut_at(word, heard=heard)
    append(store)
    assert line.fired == 1
    assert is_whole(store, 2)


def test_what_a_write_returns_is_right_after_a_commit_that_was_looked_up(
    store: Store, line: Line
) -> None:
    line.cut_at(COMMIT, heard=True)
    intent = store.intents.record(DRAFT)
    assert line.fired == 1
    assert store.intents.live("fleet") == (intent,)
    line.cut_at(COMMIT, heard=True)
    assert store.holds.pause("fleet", by="ada")
    assert line.fired == 2
    assert not store.holds.pause("fleet", by="ada")


def test_a_commit_that_cannot_be_looked_up_is_told_as_unknown(
    store: Store, line: Line, postgresql: str
) -> None:
    line.cut_at(COMMIT, heard=True, for_good=True)
    with pytest.raises(StoreError, match="is not known") as caught:
        append(store)
    assert line.fired == 1
    assert "before you ask again" in caught.value.hint
    assert execute(postgresql, "SELECT number FROM audit") == [(1,)]


def test_a_server_that_recovers_from_a_crash_loses_nothing(
    store: Store, postgresql: str
) -> None:
    append(store)
    with reading(store._engine) as connection:
        backend = connection.exec_driver_sql("SELECT pg_backend_pid()").scalar_one()
    os.kill(backend, signal.SIGKILL)  # the server then ends all others, and recovers
    append(store)
    assert is_whole(store, 2)


def refusing(code: str, times: int) -> str:
    """Return statements that let the next inserts of a pause fail.

    A sequence counts on when a transaction is rolled back.
    """
    return (
        "CREATE SEQUENCE tries;"
        "CREATE FUNCTION refuse() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN"
        f" IF nextval('tries') <= {times} THEN"
        f" RAISE EXCEPTION 'made to fail' USING ERRCODE = '{code}'; END IF;"
        " RETURN NEW; END $$;"
        "CREATE TRIGGER refuse BEFORE INSERT ON pauses FOR EACH ROW"
        " EXECUTE FUNCTION refuse();"
    )


@pytest.mark.parametrize("code", ["40001", "40P01"])
def test_a_conflict_is_tried_again(store: Store, postgresql: str, code: str) -> None:
    execute(postgresql, refusing(code, 2))
    assert store.holds.pause("fleet", by="ada")
    assert execute(postgresql, "SELECT last_value FROM tries") == [(3,)]


@pytest.mark.parametrize(
    ("code", "tries"), [("40001", 4), ("53100", 1), ("57014", 1), ("55P03", 1)]
)
def test_what_goes_on_failing_is_told_and_nothing_is_written(
    store: Store, postgresql: str, code: str, tries: int
) -> None:
    execute(postgresql, refusing(code, 99))
    with pytest.raises(StoreError, match="made to fail") as caught:
        store.holds.pause("fleet", by="ada")
    assert caught.value.retryable
    assert caught.value.hint
    assert execute(postgresql, "SELECT last_value FROM tries") == [(tries,)]
    assert not store.holds.is_paused("fleet")


def test_a_value_that_is_too_long_is_the_callers_fault(store: Store) -> None:
    with pytest.raises(InputError, match="too long"):
        store.holds.pause("fleet", by="x" * 201)


def test_the_server_ends_what_hangs(store: Store) -> None:
    with reading(store._engine) as connection:
        limits = [
            connection.exec_driver_sql(f"SHOW {name}").scalar_one()
            for name in (
                "lock_timeout",
                "statement_timeout",
                "idle_in_transaction_session_timeout",
            )
        ]
    assert limits == ["30s", "1min", "10s"]


def test_more_at_once_than_there_are_connections_is_told(
    address: str, tmp_path: Path, clock: Clock
) -> None:
    with closing(Store(address, tmp_path, clock)) as store, ExitStack() as many:
        store._engine.pool._timeout = 0.01  # type: ignore[attr-defined]
        for _ in range(15):
            many.enter_context(reading(store._engine))
        with pytest.raises(StoreError, match="every connection is in use"):
            store.audit.entries()


SECRET = "hunter2"  # noqa: S105
ADDRESSES: dict[str, Callable[[Server], str]] = {
    "wrong password": lambda s: f"postgresql://gitops:{SECRET}@127.0.0.1:{s.port}/x",
    "postgres://": lambda s: f"postgres://gitops:{SECRET}@127.0.0.1:{s.port}/x",
    "in the query": lambda s: (
        f"postgresql+psycopg://gitops@127.0.0.1:{s.port}/x?password={SECRET}"
    ),
    "refused": lambda _: f"postgresql://gitops:{SECRET}@127.0.0.1:1/x",
    "no host": lambda _: f"postgresql://gitops:{SECRET}",
    "a slash": lambda _: f"postgresql://gitops:{SECRET}/x@localhost/x",
    "an at": lambda _: f"postgresql://gitops:a@{SECRET}@localhost/x",
    "no number": lambda _: f"postgresql://gitops:a@localhost:{SECRET}/x",
    "no option": lambda _: f"postgresql://gitops:{SECRET}@localhost/x?nosuch=1",
    "another driver": lambda _: f"postgresql+psycopg2://gitops:{SECRET}@localhost/x",
    "no folder": lambda _: f"postgresql://gitops:{SECRET}@/x?host=/nonexistent/run",
}


@pytest.mark.parametrize("address", ADDRESSES)
def test_no_failure_tells_the_password(
    postgres: Server, tmp_path: Path, clock: Clock, address: str
) -> None:
    with pytest.raises(StoreError) as caught:
        Store(ADDRESSES[address](postgres), tmp_path, clock)
    told = "".join(traceback.format_exception(caught.value))
    assert SECRET not in told
    assert caught.value.hint
    assert "/nonexistent" not in caught.value.message


def test_the_settings_and_the_store_do_not_show_the_password(
    postgresql: str, tmp_path: Path, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    password = postgresql.partition("@")[0].rpartition(":")[2]
    settings = Settings(database=postgresql, data=tmp_path)
    address = postgresql.replace(f":{password}@", "@") + f"?password={password}"
    with caplog.at_level("DEBUG"), closing(Store(address, tmp_path, clock)) as store:
        append(store)
        shown = [repr(settings), str(settings), repr(store._engine), caplog.text]
        shown += [repr(store._engine.url), str(store._engine.url)]
    assert all(password not in text for text in shown)
