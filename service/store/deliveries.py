"""Webhooks that were taken: a delivery that comes once more is told from a new one.

Kept for 30 days. What stands here of a delivery are hashes: nothing that a forge, or
somebody in its name, has written.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import Connection, Engine, delete, func, insert, select

from service.clock import Clock
from service.store.database import read_rows
from service.store.tables import deliveries
from service.store.transactions import changing, reading, retried

KEPT: Final = timedelta(days=30)


class Deliveries:
    """Deliveries by repository and key."""

    def __init__(self, engine: Engine, clock: Clock) -> None:
        self._engine = engine
        self._clock = clock

    @retried
    def take(self, known_by: Mapping[str, Collection[str]]) -> tuple[str, ...]:
        """Note a delivery, and forget those of more than 30 days ago.

        Args:
            known_by: repository -> what it is known by there, each 64 characters at
                most; it is a repeated one where any of them is known.

        Returns:
            The repositories to which it is new; only there it is noted.
        """
        now = self._clock()
        with changing(self._engine) as connection:
            connection.execute(
                delete(deliveries).where(deliveries.c.at < (now - KEPT).isoformat())
            )
            new = tuple(
                name
                for name, keys in known_by.items()
                if not _is_known(connection, name, keys)
            )
            if new:
                connection.execute(
                    insert(deliveries),
                    [
                        {"repository": name, "key": key, "at": now.isoformat()}
                        for name in new
                        for key in known_by[name]
                    ],
                )
        return new

    def last(self, repository: str) -> datetime | None:
        """Return when the newest delivery came; None for none within 30 days."""
        query = select(func.max(deliveries.c.at)).where(
            deliveries.c.repository == repository
        )
        with reading(self._engine) as connection:
            at = connection.execute(query).scalar_one()
        with read_rows():
            return None if at is None else datetime.fromisoformat(at)


def _is_known(connection: Connection, repository: str, keys: Collection[str]) -> bool:
    query = select(deliveries.c.key).where(
        deliveries.c.repository == repository, deliveries.c.key.in_(keys)
    )
    return connection.execute(query.limit(1)).first() is not None
