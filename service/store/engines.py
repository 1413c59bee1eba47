"""Connections: how SQLite and PostgreSQL are set up so that both behave alike.

SQLite: WAL, foreign keys, and every transaction that may write takes the write lock at
its start, so two processes wait for each other instead of failing. PostgreSQL: an
advisory lock does the same, and the server ends what hangs: a process that was stopped
in the middle of a transaction must not stop the others for long.
"""

from __future__ import annotations

from typing import Any, Final

from sqlalchemy import URL, Connection, Engine, create_engine, event, make_url, text
from sqlalchemy.exc import ArgumentError

from gitops.errors import InputError, StoreError
from service.store.fence import check_fence
from service.store.tables import HEAD
from service.store.transactions import (
    ACCESS,
    AT_LEISURE,
    READS,
    UNLOCKED,
    UPGRADES,
    began,
    on_commit,
    on_error,
)

BUSY_S: Final = 30
_POSTGRESQL: Final = ("postgresql+psycopg", "postgresql", "postgres")
_WRITE_LOCK: Final = int.from_bytes(b"dgitops")
_LIMITS: Final = (
    f"SET lock_timeout = '{BUSY_S}s'",
    f"SET statement_timeout = '{2 * BUSY_S}s'",
    # Longer than any transaction of ours lasts, shorter than a lease.
    "SET idle_in_transaction_session_timeout = '10s'",
)
_CONNECT_ARGS: Final = {
    "connect_timeout": 10,
    "application_name": "directus-gitops",
    "keepalives_idle": 30,
    "keepalives_interval": 10,
    "keepalives_count": 3,
    "tcp_user_timeout": 30_000,
}


def address_of(text: str) -> URL:
    """Read the address of a database.

    Args:
        text: sqlite:///FILE, or postgresql+psycopg://USER:PASSWORD@HOST/NAME; also
            postgresql:// and postgres://, which mean the same here.

    Raises:
        StoreError: it is no such address; it may hold a password and is not shown.
    """
    try:
        url = make_url(text)
    except (ArgumentError, ValueError):
        raise _unusable("cannot parse its address") from None
    if "@" in (url.host or ""):
        raise _unusable("its address has more than one @")
    if url.drivername in _POSTGRESQL:
        return _without_password_in_query(url.set(drivername=_POSTGRESQL[0]))
    if url.drivername in ("sqlite", "sqlite+pysqlite"):
        return url
    raise _unusable(f"{url.drivername[:40]!a} is no kind of database that is known")


def _unusable(problem: str) -> StoreError:
    return StoreError(
        f"the database cannot be opened: {problem}",
        hint="set DIRECTUS_GITOPS_DATABASE to postgresql+psycopg://USER:PASSWORD@"
        "HOST/NAME, with special characters as %XX, or leave it empty for SQLite",
    )


def _without_password_in_query(url: URL) -> URL:
    """Move a password to where it is hidden."""
    password = url.query.get("password")
    if not isinstance(password, str):
        return url
    return url.difference_update_query(["password"]).set(password=password)


def make_engine(url: URL) -> Engine:
    """Return an engine whose transactions are as `transactions` promises."""
    if url.drivername.startswith("sqlite"):
        engine = create_engine(url, connect_args={"timeout": BUSY_S})
        event.listen(engine, "connect", _on_sqlite)
        event.listen(engine, "begin", _begin_sqlite)
    else:
        engine = create_engine(
            url,
            pool_pre_ping=True,
            # After the lock is taken, each statement sees what those before have done.
            isolation_level="READ COMMITTED",
            connect_args=_CONNECT_ARGS,
        )
        event.listen(engine, "connect", _on_postgresql)
        event.listen(engine, "begin", _begin_postgresql)
        event.listen(engine, "commit", on_commit)
    event.listen(engine, "before_cursor_execute", _on_statement)
    return engine


def tell_errors(engine: Engine) -> None:
    """Let the engine raise our errors from now on."""
    event.listen(engine, "handle_error", on_error)


def _on_sqlite(connection: Any, _record: object) -> None:
    # pysqlite's own BEGIN comes late and would let two writers both read first.
    connection.isolation_level = None
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute("PRAGMA synchronous = FULL")


def _on_postgresql(connection: Any, _record: object) -> None:
    with connection.cursor() as cursor:
        for limit in _LIMITS:
            cursor.execute(limit)
    connection.commit()  # else the first rollback would undo them


def _begin_sqlite(connection: Connection) -> None:
    access = _access(connection)
    if access == READS:
        connection.exec_driver_sql("BEGIN")
        return
    patience_ms = 0 if access == AT_LEISURE else BUSY_S * 1000
    connection.exec_driver_sql(f"PRAGMA busy_timeout = {patience_ms}")
    connection.exec_driver_sql("BEGIN IMMEDIATE")
    _check(connection, access)


def _begin_postgresql(connection: Connection) -> None:
    began(connection, xid="")
    access = _access(connection)
    if access == READS:
        return
    xid = connection.execute(text("SELECT CAST(pg_current_xact_id() AS text)"))
    began(connection, xid=xid.scalar_one())
    if access == AT_LEISURE:
        connection.exec_driver_sql("SET LOCAL lock_timeout = '50ms'")
    elif access != UNLOCKED:
        connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_WRITE_LOCK})")
        _check(connection, access)


def _check(connection: Connection, access: str) -> None:
    """See, with the lock in hand, that this process may still write."""
    if access in (UPGRADES, UNLOCKED, AT_LEISURE):
        return
    schema = connection.execute(text("SELECT version_num FROM alembic_version"))
    if (version := schema.scalar_one_or_none()) != HEAD:
        raise StoreError(
            f"the database has schema {version}, and this process writes {HEAD}",
            hint="a newer release has upgraded it: restart this one with that release",
        )
    check_fence(connection)


def _access(connection: Connection) -> str:
    return str(connection.get_execution_options().get(ACCESS, ""))


def _on_statement(
    _connection: Connection,
    _cursor: object,
    _statement: str,
    parameters: Any,
    _context: object,
    _many: bool,
) -> None:
    """Refuse text that one of the databases could not give back."""
    rows = parameters if isinstance(parameters, list) else [parameters]
    for row in rows:
        for value in row.values() if isinstance(row, dict) else row:
            if isinstance(value, str) and not _is_text(value):
                raise InputError(
                    "a text cannot be stored: it holds a NUL character, or half a "
                    "character",
                    hint="is it text, or the content of a binary file?",
                )


def _is_text(value: str) -> bool:
    if "\0" in value:
        return False
    try:
        value.encode()
    except UnicodeEncodeError:
        return False
    return True
