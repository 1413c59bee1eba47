"""Which revision came to which target when, and how it fared there."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Engine, Row, insert, select, update

from gitops.model import Arrival, CommitId, Target
from service.store.database import read_rows
from service.store.tables import arrivals
from service.store.targets import (
    key,
    moment,
    of,
    revision_columns,
    revision_of,
    target_of,
    written,
)
from service.store.transactions import changing, reading, retried


class Arrivals:
    """One row for each time that another revision came to a target."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    @retried
    def record(self, repository: str, arrival: Arrival) -> None:
        """Store an arrival; the one before it has left. Twice is once."""
        here = of(arrivals, repository, arrival.target)
        with changing(self._engine) as connection:
            known = select(arrivals.c.commit).where(
                here, arrivals.c.commit == arrival.commit
            )
            if connection.execute(known).one_or_none() is not None:
                return
            connection.execute(
                update(arrivals)
                .where(here, arrivals.c.left_at.is_(None))
                .values(left_at=arrival.at.isoformat())
            )
            connection.execute(
                insert(arrivals).values(
                    **key(repository, arrival.target),
                    **revision_columns(arrival.revision),
                    commit=arrival.commit,
                    at=arrival.at.isoformat(),
                    left_at=written(arrival.left_at),
                    **_faring(arrival),
                )
            )

    @retried
    def replace(self, repository: str, arrival: Arrival) -> None:
        """Store how a known arrival fared."""
        with changing(self._engine) as connection:
            connection.execute(
                update(arrivals)
                .where(
                    of(arrivals, repository, arrival.target),
                    arrivals.c.commit == arrival.commit,
                )
                .values(left_at=written(arrival.left_at), **_faring(arrival))
            )

    def of_target(self, repository: str, target: Target) -> tuple[Arrival, ...]:
        """Return the arrivals of a target, newest first."""
        query = (
            select(arrivals)
            .where(of(arrivals, repository, target))
            .order_by(arrivals.c.sequence.desc())
        )
        with reading(self._engine) as connection:
            return tuple(_arrival(row) for row in connection.execute(query))

    def all(self, repository: str) -> tuple[Arrival, ...]:
        """Return every arrival of a repository, oldest first."""
        query = (
            select(arrivals)
            .where(arrivals.c.repository == repository)
            .order_by(arrivals.c.sequence)
        )
        with reading(self._engine) as connection:
            return tuple(_arrival(row) for row in connection.execute(query))


def _faring(arrival: Arrival) -> dict[str, object]:
    return {
        "healthy_since": written(arrival.healthy_since),
        "first_healthy_at": written(arrival.first_healthy_at),
        "unhealthy_at": written(arrival.unhealthy_at),
        "unhealthy_since": written(arrival.unhealthy_since),
    }


def _arrival(row: Row[tuple[object, ...]]) -> Arrival:
    with read_rows():
        return Arrival(
            target=target_of(row),
            revision=revision_of(row),
            commit=CommitId(row.commit),
            at=datetime.fromisoformat(row.at),
            left_at=moment(row.left_at),
            healthy_since=moment(row.healthy_since),
            first_healthy_at=moment(row.first_healthy_at),
            unhealthy_at=moment(row.unhealthy_at),
            unhealthy_since=moment(row.unhealthy_since),
        )
