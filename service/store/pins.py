"""Targets that stay where they are, whatever a schedule says."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Engine, delete, insert, select

from gitops.model import Pin, Target
from service.store.database import read_rows
from service.store.tables import pins
from service.store.targets import (
    key,
    of,
    revision_columns,
    revision_of,
    target_of,
)
from service.store.transactions import changing, reading, retried


class Pins:
    """At most one pin a target."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    @retried
    def place(self, repository: str, pin: Pin) -> None:
        """Pin a target; an earlier pin gives way."""
        with changing(self._engine) as connection:
            connection.execute(delete(pins).where(of(pins, repository, pin.target)))
            connection.execute(
                insert(pins).values(
                    **key(repository, pin.target),
                    **revision_columns(pin.revision),
                    reason=pin.reason,
                    by=pin.by,
                    at=pin.at.isoformat(),
                )
            )

    @retried
    def release(self, repository: str, target: Target) -> bool:
        """End a pin; False when there was none."""
        with changing(self._engine) as connection:
            ended = connection.execute(delete(pins).where(of(pins, repository, target)))
        return ended.rowcount > 0

    def on(self, repository: str, target: Target) -> Pin | None:
        """Return the pin of a target; None without one."""
        return next((p for p in self.all(repository) if p.target == target), None)

    def all(self, repository: str) -> tuple[Pin, ...]:
        """Return the pins of a repository, by environment and stack."""
        query = (
            select(pins)
            .where(pins.c.repository == repository)
            .order_by(pins.c.environment, pins.c.stack)
        )
        with reading(self._engine) as connection, read_rows():
            return tuple(
                Pin(
                    target=target_of(row),
                    revision=revision_of(row),
                    reason=row.reason,
                    by=row.by,
                    at=datetime.fromisoformat(row.at),
                )
                for row in connection.execute(query)
            )
