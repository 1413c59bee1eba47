"""How the last pass over each repository ended, and what was written outside."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import Engine, delete, func, insert, select

from gitops.model import CommitId
from service.store.database import read_rows
from service.store.tables import passes, writes
from service.store.targets import moment, told, written
from service.store.transactions import changing, reading, retried


class PassState(StrEnum):
    """Whether the last pass did its work."""

    OK = "ok"
    DEGRADED = "degraded"


@dataclass(frozen=True, slots=True, kw_only=True)
class LastPass:
    """The end of the last pass over a repository.

    Attributes:
        repository: its name.
        state: see PassState.
        problem: what went wrong, for people; empty when nothing did.
        commit: the base branch commit that it read; None when it read none.
        failures: how many passes in a row have failed with the same problem.
        at: aware UTC; when it ended.
        worked_at: aware UTC; when one last did its work; None for never.
    """

    repository: str
    state: PassState
    problem: str
    commit: CommitId | None
    failures: int
    at: datetime
    worked_at: datetime | None


class Passes:
    """The last pass by repository; writes by repository and time."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    @retried
    def ended(
        self,
        repository: str,
        *,
        at: datetime,
        commit: CommitId | None = None,
        problem: str = "",
    ) -> LastPass:
        """Store how a pass ended.

        Args:
            repository: its name.
            at: aware UTC.
            commit: the base branch commit that it read.
            problem: what went wrong; empty when nothing did.
        """
        problem = told(problem)
        mine = passes.c.repository == repository
        with changing(self._engine) as connection:
            row = connection.execute(select(passes).where(mine)).one_or_none()
            again = row is not None and problem != "" and row.problem == problem
            known = None if row is None else moment(row.worked_at)
            now = LastPass(
                repository=repository,
                state=PassState.DEGRADED if problem else PassState.OK,
                problem=problem,
                commit=commit,
                failures=(row.failures + 1 if row is not None and again else 1)
                if problem
                else 0,
                at=at,
                worked_at=known if problem else at,
            )
            connection.execute(delete(passes).where(mine))
            connection.execute(
                insert(passes).values(
                    repository=repository,
                    state=now.state.value,
                    problem=now.problem,
                    commit=now.commit,
                    failures=now.failures,
                    at=now.at.isoformat(),
                    worked_at=written(now.worked_at),
                )
            )
        return now

    def last(self, repository: str) -> LastPass | None:
        """Return how the last pass ended; None before the first."""
        query = select(passes).where(passes.c.repository == repository)
        with reading(self._engine) as connection, read_rows():
            row = connection.execute(query).one_or_none()
            if row is None:
                return None
            return LastPass(
                repository=row.repository,
                state=PassState(row.state),
                problem=row.problem,
                commit=None if row.commit is None else CommitId(row.commit),
                failures=row.failures,
                at=datetime.fromisoformat(row.at),
                worked_at=moment(row.worked_at),
            )

    @retried
    def count_write(self, repository: str, *, at: datetime, since: datetime) -> int:
        """Record one effect on the outside; return how many there were since.

        Args:
            repository: its name.
            at: aware UTC; of this one.
            since: aware UTC; older ones are forgotten.
        """
        mine = writes.c.repository == repository
        with changing(self._engine) as connection:
            connection.execute(
                delete(writes).where(mine, writes.c.at < since.isoformat())
            )
            connection.execute(
                insert(writes).values(repository=repository, at=at.isoformat())
            )
            counted = connection.execute(
                select(func.count()).select_from(writes).where(mine)
            )
            return int(counted.scalar_one())

    def writes_since(self, repository: str, since: datetime) -> int:
        """Return how many effects on the outside there were."""
        query = (
            select(func.count())
            .select_from(writes)
            .where(writes.c.repository == repository)
            .where(writes.c.at >= since.isoformat())
        )
        with reading(self._engine) as connection:
            return int(connection.execute(query).scalar_one())
