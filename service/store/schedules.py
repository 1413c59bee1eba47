"""Occurrences of schedules: each is dealt with once, and the missed are counted (R14).

`seen_until` says up to which moment a schedule's occurrences have been dealt with; a
row of an occurrence says how. A row is written before anything is done for it, so a
crash in between is finished, not repeated.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import Engine, and_, delete, insert, select, update

from service.store.database import read_rows
from service.store.tables import occurrences, schedules
from service.store.transactions import changing, reading, retried


class OccurrenceState(StrEnum):
    """What became of one occurrence."""

    DUE = "due"
    DONE = "done"
    MISSED = "missed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Watch:
    """How far a schedule has been followed.

    Attributes:
        schedule: its name.
        expression: what it said then, zone included; another one begins anew.
        seen_until: aware UTC; occurrences until then have been dealt with.
        missed: how many passed without anybody to see them.
    """

    schedule: str
    expression: str
    seen_until: datetime
    missed: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Occurrence:
    """One occurrence that has a row."""

    schedule: str
    scheduled_for: datetime
    state: OccurrenceState
    handled_at: datetime


_KEPT = 500


class Schedules:
    """Schedules by repository and name."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def watches(self, repository: str) -> tuple[Watch, ...]:
        """Return how far each schedule has been followed, by name."""
        query = (
            select(schedules)
            .where(schedules.c.repository == repository)
            .order_by(schedules.c.schedule)
        )
        with reading(self._engine) as connection, read_rows():
            return tuple(
                Watch(
                    schedule=row.schedule,
                    expression=row.expression,
                    seen_until=datetime.fromisoformat(row.seen_until),
                    missed=row.missed,
                )
                for row in connection.execute(query)
            )

    @retried
    def follow(
        self,
        repository: str,
        watch: Watch,
        *,
        due: datetime | None,
        missed: datetime | None,
        now: datetime,
    ) -> None:
        """Store how far a schedule is followed, and what that brought, as one.

        Args:
            repository: its name.
            watch: as it is from now on.
            due: the occurrence to be dealt with; None for none.
            missed: the last one of those that were missed; None for none.
            now: aware UTC.
        """
        same = and_(
            schedules.c.repository == repository,
            schedules.c.schedule == watch.schedule,
        )
        row = {
            "expression": watch.expression,
            "seen_until": watch.seen_until.isoformat(),
            "missed": watch.missed,
        }
        with changing(self._engine) as connection:
            known = connection.execute(select(schedules.c.schedule).where(same))
            if known.one_or_none() is None:
                connection.execute(
                    insert(schedules).values(
                        repository=repository, schedule=watch.schedule, **row
                    )
                )
            else:
                connection.execute(update(schedules).where(same).values(**row))
            for at, state in (
                (missed, OccurrenceState.MISSED),
                (due, OccurrenceState.DUE),
            ):
                if at is None:
                    continue
                here = and_(
                    occurrences.c.repository == repository,
                    occurrences.c.schedule == watch.schedule,
                    occurrences.c.scheduled_for == at.isoformat(),
                )
                there = connection.execute(select(occurrences.c.state).where(here))
                if there.one_or_none() is None:
                    connection.execute(
                        insert(occurrences).values(
                            repository=repository,
                            schedule=watch.schedule,
                            scheduled_for=at.isoformat(),
                            state=state.value,
                            handled_at=now.isoformat(),
                        )
                    )

    @retried
    def done(self, repository: str, schedule: str, at: datetime, now: datetime) -> None:
        """Mark a due occurrence as dealt with; old rows go."""
        mine = and_(
            occurrences.c.repository == repository, occurrences.c.schedule == schedule
        )
        with changing(self._engine) as connection:
            connection.execute(
                update(occurrences)
                .where(mine, occurrences.c.scheduled_for == at.isoformat())
                .values(state=OccurrenceState.DONE.value, handled_at=now.isoformat())
            )
            oldest = connection.execute(
                select(occurrences.c.scheduled_for)
                .where(mine)
                .order_by(occurrences.c.scheduled_for.desc())
                .offset(_KEPT)
                .limit(1)
            ).scalar_one_or_none()
            if oldest is not None:
                connection.execute(
                    delete(occurrences).where(
                        mine, occurrences.c.scheduled_for <= oldest
                    )
                )

    def due(self, repository: str) -> tuple[Occurrence, ...]:
        """Return the occurrences that are yet to be dealt with, oldest first."""
        return self._select(repository, OccurrenceState.DUE)

    def occurrences(self, repository: str) -> tuple[Occurrence, ...]:
        """Return every occurrence that has a row, oldest first."""
        return self._select(repository, *OccurrenceState)

    def _select(
        self, repository: str, *states: OccurrenceState
    ) -> tuple[Occurrence, ...]:
        query = (
            select(occurrences)
            .where(occurrences.c.repository == repository)
            .where(occurrences.c.state.in_([state.value for state in states]))
            .order_by(occurrences.c.scheduled_for, occurrences.c.schedule)
        )
        with reading(self._engine) as connection, read_rows():
            return tuple(
                Occurrence(
                    schedule=row.schedule,
                    scheduled_for=datetime.fromisoformat(row.scheduled_for),
                    state=OccurrenceState(row.state),
                    handled_at=datetime.fromisoformat(row.handled_at),
                )
                for row in connection.execute(query)
            )
