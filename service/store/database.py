"""Open the database and bring its schema up to date."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from sqlalchemy import URL, Connection, Engine, inspect, text
from sqlalchemy.exc import SQLAlchemyError

from gitops.errors import StoreError
from service.folders import prepare, private_file
from service.locks import exclusive
from service.store.engines import BUSY_S, address_of, make_engine, tell_errors
from service.store.tables import HEAD
from service.store.transactions import UPGRADES, changing, reading, reason

_MIGRATIONS: Final = Path(__file__).parent / "migrations"


def open_database(address: str, data: Path) -> Engine:
    """Return an engine whose database has the newest schema.

    Args:
        address: see engines.address_of; empty means SQLite in the data folder.
        data: the data folder; made when missing, readable by its owner only.

    Raises:
        StoreError: it cannot be opened, or a newer release has written it.
    """
    url = address_of(address) if address else None
    try:
        prepare(data)
        engine = make_engine(url or _default(data))
    except ImportError as error:
        raise StoreError(
            f"the database cannot be opened: its driver {error.name} is not installed",
            hint="install directus-gitops[postgresql]",
        ) from None
    except OSError as error:
        raise _not_opened(error, _FOLDER_HINT) from error
    try:
        with exclusive(data / "locks" / "schema", wait=BUSY_S, what="the database"):
            _upgrade(engine)
    except SQLAlchemyError as error:
        engine.dispose()
        raise _not_opened(error, _SERVER_HINT if address else _FOLDER_HINT) from error
    except BaseException:
        engine.dispose()
        raise
    # From here on: while it is opened there are better hints, see above.
    tell_errors(engine)
    return engine


_FOLDER_HINT: Final = "check --data (or DIRECTUS_GITOPS_DATA) and its rights"
_SERVER_HINT: Final = "check DIRECTUS_GITOPS_DATABASE: is it right, and does it answer?"


def _not_opened(error: Exception, hint: str) -> StoreError:
    if isinstance(error, OSError) and error.strerror:
        problem = f"{error.strerror}: {Path(str(error.filename)).name}"
    else:
        problem = reason(error)
    return StoreError(f"the database cannot be opened: {problem}", hint=hint)


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


def _default(data: Path) -> URL:
    file = data / "service.db"
    private_file(file)  # SQLite gives its other files the mode of this one
    return URL.create("sqlite", database=str(file))


def _upgrade(engine: Engine) -> None:
    """Migrate, all or nothing; of several who start at once one does it."""
    with reading(engine) as connection:
        if _current(connection) == HEAD:
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
    with changing(engine, UPGRADES) as connection:
        current = _current(connection)
        if current is not None and current not in known:
            raise StoreError(
                f"the database has schema {current}, which this release does not know",
                hint="use the newer release that wrote it; there is no way back",
            )
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


def _current(connection: Connection) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        return None
    found = connection.execute(text("SELECT version_num FROM alembic_version"))
    return found.scalar_one_or_none()
