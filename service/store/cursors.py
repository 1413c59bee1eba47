"""How far along the audit trail each notification sink has been told."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Connection, Engine, Row, insert, select, update

from service.clock import Clock
from service.store.database import read_rows
from service.store.tables import cursors
from service.store.transactions import changing, reading, retried


@dataclass(frozen=True, slots=True, kw_only=True)
class Cursor:
    """One reader of the trail.

    Attributes:
        name: of the reader.
        position: the number of the last entry that it was told; 0 for none.
        failures: how often in a row telling it the next one has failed.
        at: aware UTC; of the last try.
    """

    name: str
    position: int
    failures: int
    at: datetime


class Cursors:
    """Cursors by name; each moves forward only."""

    def __init__(self, engine: Engine, clock: Clock) -> None:
        self._engine = engine
        self._clock = clock

    def position(self, name: str) -> int:
        """Return the number of the last entry that was told; 0 before the first."""
        query = select(cursors.c.position).where(cursors.c.name == name)
        with reading(self._engine) as connection:
            return connection.execute(query).scalar_one_or_none() or 0

    @retried
    def advance(self, name: str, position: int) -> None:
        """Store that everything up to a number was told; failures are over."""
        with changing(self._engine) as connection:
            known = _of(connection, name)
            if known is not None and known.position >= position:
                return
            self._set(connection, name, position=position, failures=0)

    @retried
    def failed(self, name: str) -> int:
        """Count a failure; return how many there were in a row."""
        with changing(self._engine) as connection:
            known = _of(connection, name)
            failures = 1 if known is None else known.failures + 1
            position = 0 if known is None else known.position
            self._set(connection, name, position=position, failures=failures)
        return failures

    def all(self) -> tuple[Cursor, ...]:
        """Return every cursor, by name."""
        query = select(cursors).order_by(cursors.c.name)
        with reading(self._engine) as connection:
            return tuple(_cursor(row) for row in connection.execute(query))

    def _set(
        self, connection: Connection, name: str, *, position: int, failures: int
    ) -> None:
        row = {
            "position": position,
            "failures": failures,
            "at": self._clock().isoformat(),
        }
        changed = connection.execute(
            update(cursors).where(cursors.c.name == name).values(row)
        )
        if changed.rowcount == 0:
            connection.execute(insert(cursors).values(name=name, **row))


def _of(connection: Connection, name: str) -> Cursor | None:
    query = select(cursors).where(cursors.c.name == name)
    row = connection.execute(query).one_or_none()
    return None if row is None else _cursor(row)


def _cursor(row: Row[tuple[object, ...]]) -> Cursor:
    with read_rows():
        return Cursor(
            name=row.name,
            position=row.position,
            failures=row.failures,
            at=datetime.fromisoformat(row.at),
        )
