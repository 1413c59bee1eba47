"""Open the database and bring its schema up to date.

SQLite by default: WAL, foreign keys, and every transaction that will write takes the
write lock at its start, so two processes wait for each other instead of failing.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Final

from sqlalchemy import Connection, Engine, create_engine, event, inspect, text
from sqlalchemy.exc import SQLAlchemyError

from gitops.errors import StoreError
from service.locks import exclusive

HEAD: Final = "0001"
_MIGRATIONS: Final = Path(__file__).parent / "migrations"
_BUSY_S: Final = 30


def open_database(address: str, data: Path) -> Engine:
    """Return an engine whose database has the newest schema.

    Args:
        address: SQLAlchemy address; empty means SQLite in the data folder.
        data: the data folder; made when missing, readable by its owner only.

    Raises:
        StoreError: it cannot be opened, or a newer release has written it.
    """
    try:
        data.mkdir(parents=True, exist_ok=True, mode=0o700)
        engine = _engine(address or f"sqlite:///{data / 'service.db'}")
        with exclusive(data / "locks" / "schema", wait=_BUSY_S, what="the database"):
            _upgrade(engine)
    except (SQLAlchemyError, OSError) as error:
        reason = str(getattr(error, "orig", None) or error).splitlines()[0]
        raise StoreError(
            f"the database cannot be opened: {reason}",
            hint="check --data (or DIRECTUS_GITOPS_DATA) and its rights",
        ) from error
    return engine


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
    connection.exec_driver_sql("BEGIN IMMEDIATE")


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
    with engine.connect() as connection:
        if not inspect(connection).has_table("alembic_version"):
            return None
        found = connection.execute(text("SELECT version_num FROM alembic_version"))
        return found.scalar_one_or_none()
