"""Holds and the pause switch: what people say to stop the machine."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import Connection, Delete, Engine, delete, insert, select

from gitops.model import EnvironmentName, Hold, StackName
from service.clock import Clock
from service.store.database import read_rows
from service.store.tables import holds, pauses
from service.store.transactions import changing, reading, retried


class Holds:
    """Holds by repository; a stack or environment of None means every one."""

    def __init__(self, engine: Engine, clock: Clock) -> None:
        self._engine = engine
        self._clock = clock

    @retried
    def hold(
        self,
        repository: str,
        *,
        stack: StackName | None,
        environment: EnvironmentName | None,
        reason: str,
        by: str,
    ) -> Hold:
        """Place a hold; one that is there already is replaced."""
        placed = Hold(
            stack=stack, environment=environment, reason=reason, by=by, at=self._clock()
        )
        with changing(self._engine) as connection:
            connection.execute(_delete(repository, stack, environment))
            connection.execute(
                insert(holds).values(
                    repository=repository,
                    stack=stack or "",
                    environment=environment or "",
                    reason=reason,
                    by=by,
                    at=placed.at.isoformat(),
                )
            )
        return placed

    @retried
    def release(
        self,
        repository: str,
        *,
        stack: StackName | None,
        environment: EnvironmentName | None,
    ) -> bool:
        """Remove exactly that hold; False when there was none."""
        with changing(self._engine) as connection:
            result = connection.execute(_delete(repository, stack, environment))
        return result.rowcount > 0

    def holds(self, repository: str) -> tuple[Hold, ...]:
        """Return the holds of a repository, by stack and environment."""
        query = (
            select(holds)
            .where(holds.c.repository == repository)
            .order_by(holds.c.stack, holds.c.environment)
        )
        with reading(self._engine) as connection, read_rows():
            return tuple(
                Hold(
                    stack=StackName(row.stack) if row.stack else None,
                    environment=(
                        EnvironmentName(row.environment) if row.environment else None
                    ),
                    reason=row.reason,
                    by=row.by,
                    at=datetime.fromisoformat(row.at),
                )
                for row in connection.execute(query)
            )

    @retried
    def pause(self, repository: str, *, by: str) -> bool:
        """Stop every outside write; False when it was paused already."""
        with changing(self._engine) as connection:
            if _is_paused(connection, repository):
                return False
            connection.execute(
                insert(pauses).values(
                    repository=repository, by=by, at=self._clock().isoformat()
                )
            )
            return True

    @retried
    def resume(self, repository: str) -> bool:
        """Go on; False when it was not paused."""
        with changing(self._engine) as connection:
            result = connection.execute(
                delete(pauses).where(pauses.c.repository == repository)
            )
        return result.rowcount > 0

    def is_paused(self, repository: str) -> bool:
        """Whether the pause switch is on."""
        with reading(self._engine) as connection:
            return _is_paused(connection, repository)


def _is_paused(connection: Connection, repository: str) -> bool:
    query = select(pauses.c.by).where(pauses.c.repository == repository)
    return connection.execute(query).one_or_none() is not None


def _delete(
    repository: str, stack: StackName | None, environment: EnvironmentName | None
) -> Delete:
    return (
        delete(holds)
        .where(holds.c.repository == repository)
        .where(holds.c.stack == (stack or ""))
        .where(holds.c.environment == (environment or ""))
    )
