"""What the outside said of each target, and since when it has said so."""

from __future__ import annotations

from datetime import datetime
from typing import Final

from sqlalchemy import Engine, Row, delete, insert, select

from gitops.model import Health, Observation, Sighting, Target
from service.store.database import read_rows
from service.store.tables import observations
from service.store.targets import key, of, target_of, told
from service.store.transactions import changing, reading, retried

_VERSION: Final = 200


class Observations:
    """The last observation of each target by each source."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    @retried
    def record(
        self,
        repository: str,
        target: Target,
        source: str,
        sighting: Sighting,
        *,
        at: datetime,
    ) -> Observation:
        """Store a sighting; `since` stays while health and version stay.

        Args:
            repository: its name.
            target: of what.
            source: the health source's name.
            sighting: what it said.
            at: aware UTC; when it said so.
        """
        version = told(sighting.version, _VERSION)
        here = of(observations, repository, target) & (observations.c.source == source)
        with changing(self._engine) as connection:
            row = connection.execute(select(observations).where(here)).one_or_none()
            before = None if row is None else _observation(row)
            lasts = before is not None and (before.health, before.version) == (
                sighting.health,
                version,
            )
            seen = Observation(
                target=target,
                source=source,
                health=sighting.health,
                version=version,
                detail=told(sighting.detail),
                since=before.since if before is not None and lasts else at,
                at=at,
            )
            connection.execute(delete(observations).where(here))
            connection.execute(
                insert(observations).values(
                    **key(repository, target),
                    source=source,
                    health=seen.health.value,
                    version=seen.version,
                    detail=seen.detail,
                    since=seen.since.isoformat(),
                    at=seen.at.isoformat(),
                )
            )
        return seen

    def all(self, repository: str) -> tuple[Observation, ...]:
        """Return every observation of a repository, by environment and stack."""
        query = (
            select(observations)
            .where(observations.c.repository == repository)
            .order_by(
                observations.c.environment, observations.c.stack, observations.c.source
            )
        )
        with reading(self._engine) as connection:
            return tuple(_observation(row) for row in connection.execute(query))

    def health(self, repository: str) -> dict[Target, Health]:
        """Return how each target is: the worst that any of its sources says."""
        found: dict[Target, Health] = {}
        for observation in self.all(repository):
            before = found.get(observation.target, Health.HEALTHY)
            found[observation.target] = min(
                before, observation.health, key=_WORST_FIRST.index
            )
        return found


_WORST_FIRST: Final = (
    Health.UNHEALTHY,
    Health.UNKNOWN,
    Health.PROGRESSING,
    Health.HEALTHY,
)


def _observation(row: Row[tuple[object, ...]]) -> Observation:
    with read_rows():
        return Observation(
            target=target_of(row),
            source=row.source,
            health=Health(row.health),
            version=row.version,
            detail=row.detail,
            since=datetime.fromisoformat(row.since),
            at=datetime.fromisoformat(row.at),
        )
