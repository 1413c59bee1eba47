"""Look at a database without changing it: what it is, and whether we may write."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from sqlalchemy import URL, Connection, Engine, inspect, text
from sqlalchemy.exc import SQLAlchemyError

from gitops.errors import StoreError
from service.clock import Clock
from service.store.engines import address_of, make_engine
from service.store.tables import HEAD
from service.store.transactions import UPGRADES, changing, reading, reason

_VERSION: Final = {
    "sqlite": "SELECT sqlite_version()",
    "postgresql": "SHOW server_version",
}
_SAME: Final = "UPDATE alembic_version SET version_num = version_num"


@dataclass(frozen=True, slots=True, kw_only=True)
class DatabaseFacts:
    """What a database is.

    Attributes:
        kind: sqlite or postgresql.
        version: of the program that keeps it.
        schema: of its tables; None when there are none yet.
        wanted: the schema that this release writes.
        refusal: why it cannot be written; empty when it can.
        now: aware UTC; its clock. SQLite has none of its own.
    """

    kind: str
    version: str
    schema: str | None
    wanted: str
    refusal: str
    now: datetime


def look_at(address: str, data: Path, clock: Clock) -> DatabaseFacts | None:
    """Return what a database is; None for a SQLite that is not there yet.

    Nothing is made and no schema is upgraded.

    Args:
        address: see engines.address_of; empty means SQLite in the data folder.
        data: the data folder.
        clock: the time where the database has none.

    Raises:
        StoreError: it cannot be reached.
    """
    file = data / "service.db"
    if not address and not file.exists():
        return None
    url = (
        address_of(address)
        if address
        else URL.create(
            "sqlite", database=f"file:{file}?mode=rw", query={"uri": "true"}
        )
    )
    try:
        engine = make_engine(url)
    except ImportError as error:
        raise StoreError(
            f"the database's driver {error.name} is not installed",
            hint="install directus-gitops[postgresql]",
        ) from None
    try:
        with reading(engine) as connection:
            schema = _schema(connection)
            version = connection.execute(text(_VERSION[url.get_backend_name()]))
            return DatabaseFacts(
                kind=url.get_backend_name(),
                version=str(version.scalar_one()).split(" ")[0],
                schema=schema,
                wanted=HEAD,
                now=_now(connection, clock),
                refusal="" if schema is None else _refusal(engine),
            )
    except SQLAlchemyError as error:
        raise StoreError(
            f"the database does not answer: {reason(error)}",
            hint="check DIRECTUS_GITOPS_DATABASE: is it right, and does it answer?"
            if address
            else "check --data (or DIRECTUS_GITOPS_DATA) and its rights",
        ) from error
    finally:
        engine.dispose()


def _schema(connection: Connection) -> str | None:
    if not inspect(connection).has_table("alembic_version"):
        return None
    found = connection.execute(text("SELECT version_num FROM alembic_version"))
    return found.scalar_one_or_none()


def _now(connection: Connection, clock: Clock) -> datetime:
    if connection.dialect.name == "sqlite":
        return clock()
    found: datetime = connection.execute(text("SELECT clock_timestamp()")).scalar_one()
    return found.astimezone(UTC)


def _refusal(engine: Engine) -> str:
    """Write what is there already; return why that cannot be done."""
    try:
        with changing(engine, UPGRADES) as connection:
            connection.execute(text(_SAME))
    except SQLAlchemyError as error:
        return reason(error)
    return ""
