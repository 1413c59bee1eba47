"""A schema is the old one or the new one, whatever happens, and of one release."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeAlias

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, Inspector, create_engine, inspect

from gitops.errors import StoreError
from gitops.model import CommitId
from service.store import Role, Store, Vote, VoteKind, tables
from service.store.tables import HEAD, metadata
from tests.support.databases import execute, opened

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
MIGRATIONS = Path(tables.__file__).parent / "migrations"
Shape: TypeAlias = set[tuple[object, ...]]


def clock() -> datetime:
    return NOON


@pytest.fixture(params=["sqlite", "postgresql"])
def empty(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of a database that nobody has used yet."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/service.db"
    return str(request.getfixturevalue("empty_postgresql"))


@pytest.fixture
def old(empty: str) -> str:
    """The address of a database as release 0.1 left it, with a token in it."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    with opened(empty) as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0001")
    execute(
        empty,
        "INSERT INTO tokens (id, name, role, stack, environment, hash, created_at,"
        " revoked) VALUES ('0a', 'ci', 'viewer', '', '', 'x', '2026-01-01T00:00:00"
        "+00:00', false)",
    )
    return empty


def version(address: str) -> object:
    return execute(address, "SELECT version_num FROM alembic_version")[0][0]


def shape(connection: Connection) -> Shape:
    """Return every column, key and index of a database."""
    inspector = inspect(connection)
    return {
        row for name in inspector.get_table_names() for row in _table(inspector, name)
    }


def _table(inspector: Inspector, name: str) -> Iterator[tuple[object, ...]]:
    if name == "alembic_version":
        return
    for column in inspector.get_columns(name):
        kind = str(column["type"]).partition(" COLLATE")[0]
        yield name, column["name"], kind, column["nullable"], str(column["default"])
    yield name, *inspector.get_pk_constraint(name)["constrained_columns"]
    for index in inspector.get_indexes(name):
        where = sorted(index.get("dialect_options", {}))
        yield name, index["name"], *index["column_names"], index["unique"], *where
    for unique in inspector.get_unique_constraints(name):
        yield name, unique["name"], *unique["column_names"]


def test_the_migrations_make_the_tables_that_the_code_knows(
    empty: str, tmp_path: Path
) -> None:
    Store(empty, tmp_path, clock).close()
    with opened(empty) as connection:
        made = shape(connection)
        metadata.drop_all(connection)
        metadata.create_all(connection)
        known = shape(connection)
    assert len(known) > 100
    assert made == known


def test_an_upgrade_keeps_what_an_older_release_wrote(old: str, tmp_path: Path) -> None:
    with closing(Store(old, tmp_path, clock)) as store:
        assert [(t.id, t.role) for t in store.tokens.list()] == [("0a", Role.VIEWER)]
    assert version(old) == HEAD


def test_an_upgrade_that_fails_in_its_middle_leaves_the_old_schema(
    old: str, tmp_path: Path
) -> None:
    # A table that is in the way of one of the last steps.
    execute(old, "CREATE TABLE leases (mine integer)")
    with opened(old) as connection:
        before = shape(connection)
    with pytest.raises(StoreError, match="cannot be opened"):
        Store(old, tmp_path, clock)
    with opened(old) as connection:
        assert shape(connection) == before
    assert version(old) == "0001"
    execute(old, "DROP TABLE leases")
    Store(old, tmp_path, clock).close()
    assert version(old) == HEAD


KILLED = """
import os, signal, sys
from pathlib import Path
from sqlalchemy import Engine, event
from service.clock import utc_now
from service.store import Store

left = int(sys.argv[3])

@event.listens_for(Engine, "before_cursor_execute")
def count(connection, cursor, statement, *rest):
    global left
    if statement.lstrip().startswith(("CREATE", "ALTER", "UPDATE", "INSERT")):
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

Store(sys.argv[1], Path(sys.argv[2]), utc_now).close()
"""


def upgrade_killed_at(address: str, data: Path, step: int) -> int:
    done = subprocess.run(
        [sys.executable, "-c", KILLED, address, str(data), str(step)],
        env={"PATH": os.environ["PATH"]},
        capture_output=True,
        check=False,
    )
    assert done.returncode in (0, -signal.SIGKILL), done.stderr
    return done.returncode


@pytest.mark.parametrize("step", [1, 2, 9, 14])
def test_an_upgrade_that_is_killed_leaves_the_old_schema_and_can_be_made_again(
    old: str, tmp_path: Path, step: int
) -> None:
    assert upgrade_killed_at(old, tmp_path, step) == -signal.SIGKILL
    assert version(old) == "0001"
    with opened(old) as connection:
        assert "arrivals" not in inspect(connection).get_table_names()
    with closing(Store(old, tmp_path, clock)) as store:
        assert [token.id for token in store.tokens.list()] == ["0a"]


STARTS = """
import sys
from pathlib import Path
from service.clock import utc_now
from service.store import Store

sys.stdin.read()
Store(sys.argv[1], Path(sys.argv[2]), utc_now).close()
"""


def test_replicas_that_start_at_once_upgrade_once(empty: str, tmp_path: Path) -> None:
    # Each has a data folder of its own: no lock file is between them.
    replicas = [
        subprocess.Popen(
            [sys.executable, "-c", STARTS, empty, str(tmp_path / str(number))],
            env={"PATH": os.environ["PATH"]},
            stdin=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        for number in range(4)
    ]
    for replica in replicas:
        assert replica.stdin is not None
        replica.stdin.close()
    failures = []
    for replica in replicas:
        assert replica.stderr is not None
        with replica.stderr as stderr:
            failures.append(stderr.read().decode())
        replica.wait()
    assert failures == [""] * 4
    assert version(empty) == HEAD


def test_a_database_of_a_newer_release_is_refused(empty: str, tmp_path: Path) -> None:
    Store(empty, tmp_path, clock).close()
    execute(empty, "UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(StoreError, match="9999, which this release does not know"):
        Store(empty, tmp_path, clock)
    assert version(empty) == "9999"


WRITES: dict[str, Callable[[Store], object]] = {
    "audit": lambda s: s.audit.append(by="a", action="b", repository="c", details={}),
    "pause": lambda s: s.holds.pause("fleet", by="ada"),
}


@pytest.mark.parametrize("write", WRITES)
def test_a_process_of_an_older_release_writes_no_more_after_an_upgrade(
    empty: str, tmp_path: Path, write: str
) -> None:
    with closing(Store(empty, tmp_path, clock)) as store:
        WRITES[write](store)
        execute(empty, "UPDATE alembic_version SET version_num = '9999'")
        with pytest.raises(StoreError, match="has schema 9999") as caught:
            WRITES[write](store)
        assert "newer release" in caught.value.hint


def test_both_databases_sort_alike(address: str, tmp_path: Path) -> None:
    with closing(Store(address, tmp_path, clock)) as store:
        head = CommitId("a" * 40)
        for by in ("ada", "Zoe", "bo-b", "bob"):
            vote = Vote(kind=VoteKind.GO, head=head, by=by, at=NOON)
            store.votes.record("fleet", 1, vote)
        found = [vote.by for vote in store.votes.of("fleet", 1)]
    assert found == ["Zoe", "ada", "bo-b", "bob"]
    # On PostgreSQL that is our doing: by itself it would sort as a dictionary.
    if address.startswith("postgresql"):
        by_itself = execute(address, "SELECT 'ada' < 'Zoe'")
        assert by_itself == [(True,)]


def test_the_sort_order_is_set_for_every_text(
    postgresql: str,
) -> None:
    engine = create_engine(postgresql.replace("postgresql:", "postgresql+psycopg:"))
    with engine.connect() as connection:
        wrong = connection.exec_driver_sql(
            "SELECT table_name, column_name FROM information_schema.columns"
            " WHERE table_schema = 'public' AND data_type IN ('text',"
            " 'character varying') AND collation_name IS DISTINCT FROM 'C'"
            " AND table_name <> 'alembic_version'"
        ).all()
    engine.dispose()
    assert wrong == []
