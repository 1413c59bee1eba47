"""Open the database and bring its schema up to date.

SQLite by default: WAL, foreign keys, and every transaction that may write takes the
write lock at its start, so two processes wait for each other instead of failing. What
only reads takes none: a stranger's wrong token must not hold up a writer.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

from sqlalchemy import (
    Connection,
    Engine,
    ExceptionContext,
    create_engine,
    event,
    inspect,
    text,
)
from sqlalchemy.exc import SQLAlchemyError

from gitops.errors import StoreError
from service.folders import prepare, private_file
from service.locks import exclusive

HEAD: Final = "0002"
_MIGRATIONS: Final = Path(__file__).parent / "migrations"
_BUSY_S: Final = 30
_ONLY_READS: Final = "only_reads"


def open_database(address: str, data: Path) -> Engine:
    """Return an engine whose database has the newest schema.

    Args:
        address: SQLAlchemy address; empty means SQLite in the data folder.
        data: the data folder; made when missing, readable by its owner only.

    Raises:
        StoreError: it cannot be opened, or a newer release has written it.
    """
    try:
        prepare(data)
        engine = _engine(address or _default(data))
        with exclusive(data / "locks" / "schema", wait=_BUSY_S, what="the database"):
            _upgrade(engine)
    except ImportError as error:
        raise StoreError(
            f"the database cannot be opened: its driver {error.name} is not installed",
            hint="install it beside directus-gitops, or name another one in "
            "DIRECTUS_GITOPS_DATABASE",
        ) from None
    except (SQLAlchemyError, OSError) as error:
        raise StoreError(
            f"the database cannot be opened: {_reason(error)}",
            hint="check --data (or DIRECTUS_GITOPS_DATA) and its rights",
        ) from error
    # From here on: while it is opened there are better hints, see above.
    event.listen(engine, "handle_error", _on_error)
    return engine


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """Give a connection that only reads: it waits for no writer, and none for it."""
    with engine.connect() as connection:
        yield connection.execution_options(**{_ONLY_READS: True})


@contextmanager
def read_rows() -> Iterator[None]:
    """Turn rows into objects; what makes no sense was not written by us.

    Raises:
        StoreError: a value is none that this release writes.
    """
    try:
        yield
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise StoreError(
            f"a row of the database cannot be read: {error!r:.200}",
            hint="was it changed by hand, or written by a newer release?",
        ) from error


def _on_error(context: ExceptionContext) -> None:
    """Tell a failure of the database as one of ours."""
    if context.is_pre_ping:
        return  # SQLAlchemy opens another connection
    raise StoreError(
        f"the database failed: {_reason(context.original_exception)}",
        hint="is the disk full, the file damaged, or another process in the way?",
    ) from context.original_exception


def _reason(error: BaseException) -> str:
    """Return one line of the driver's words; no statement and no address."""
    cause = getattr(error, "orig", None) or error
    if isinstance(cause, OSError) and cause.strerror:
        return f"{cause.strerror}: {Path(str(cause.filename)).name}"
    return "".join(char for char in str(cause).partition("\n")[0] if char.isprintable())


def _default(data: Path) -> str:
    file = data / "service.db"
    private_file(file)  # SQLite gives its other files the mode of this one
    return f"sqlite:///{file}"


def _engine(address: str) -> Engine:
    if not address.startswith("sqlite"):
        return create_engine(address, pool_pre_ping=True)
    engine = create_engine(address, connect_args={"timeout": _BUSY_S})
    event.listen(engine, "connect", _on_connect)
    event.listen(engine, "begin", _on_begin)
    return engine


def _on_connect(connection: Any, _record: object) -> None:
    # pysqlite's own BEGIN comes late and would let two writers both read first.
    connection.isolation_level = None
    connection.execute("PRAGMA journal_mode = WAL")
    connection.execute("PRAGMA foreign_keys = ON")
    connection.execute("PRAGMA synchronous = FULL")


def _on_begin(connection: Connection) -> None:
    only_reads = connection.get_execution_options().get(_ONLY_READS, False)
    connection.exec_driver_sql("BEGIN" if only_reads else "BEGIN IMMEDIATE")


def _upgrade(engine: Engine) -> None:
    current = _current(engine)
    if current == HEAD:
        return
    # Imported here: every command opens the store, few of them migrate it.
    from alembic import command
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    config = Config()
    config.set_main_option("script_location", str(_MIGRATIONS))
    known = {
        script.revision
        for script in ScriptDirectory.from_config(config).walk_revisions()
    }
    if current is not None and current not in known:
        raise StoreError(
            f"the database has schema {current}, which this release does not know",
            hint="use the newer release that wrote it; there is no way back",
        )
    with engine.connect() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "head")
        connection.commit()


def _current(engine: Engine) -> str | None:
    with reading(engine) as connection:
        if not inspect(connection).has_table("alembic_version"):
            return None
        found = connection.execute(text("SELECT version_num FROM alembic_version"))
        return found.scalar_one_or_none()
