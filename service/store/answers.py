"""What was answered to a request with an idempotency key, for a day.

A program that heard no answer asks again with the same key and gets the first answer;
nothing happens twice. Whether it is the same request, its hash says.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from sqlalchemy import Engine, Row, and_, delete, insert, select, update

from service.clock import Clock
from service.store.database import read_rows
from service.store.tables import answers
from service.store.transactions import changing, reading, retried

KEPT: Final = timedelta(hours=24)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """One answer that was given.

    Attributes:
        request: the hash of the request that it answers.
        status: HTTP status.
        body: as it was sent.
        at: aware UTC; when.
    """

    request: str
    status: int
    body: str
    at: datetime


class Answers:
    """Answers by token and key."""

    def __init__(self, engine: Engine, clock: Clock) -> None:
        self._engine = engine
        self._clock = clock

    def find(self, token: str, key: str) -> Answer | None:
        """Return what was answered within the last day; None for nothing."""
        same = and_(answers.c.token == token, answers.c.key == key)
        fresh = answers.c.at >= (self._clock() - KEPT).isoformat()
        with reading(self._engine) as connection:
            found = connection.execute(select(answers).where(same, fresh))
            row = found.one_or_none()
        return None if row is None else _answer(row)

    @retried
    def keep(
        self,
        token: str,
        key: str,
        request_hash: str,
        status: int,
        body: str,
        at: datetime,
    ) -> Answer:
        """Store an answer, forget those of more than a day ago.

        Returns:
            The answer that stands: the first one, if there was one already.
        """
        same = and_(answers.c.token == token, answers.c.key == key)
        with changing(self._engine) as connection:
            connection.execute(
                delete(answers).where(answers.c.at < (at - KEPT).isoformat())
            )
            row = connection.execute(select(answers).where(same)).one_or_none()
            if row is None:
                connection.execute(
                    insert(answers).values(
                        token=token,
                        key=key,
                        request=request_hash,
                        status=status,
                        body=body,
                        at=at.isoformat(),
                    )
                )
                row = connection.execute(select(answers).where(same)).one()
            return _answer(row)

    @retried
    def settle(self, token: str, key: str, *, status: int, body: str) -> None:
        """Replace what was kept for a key, such as its reservation."""
        same = and_(answers.c.token == token, answers.c.key == key)
        with changing(self._engine) as connection:
            connection.execute(
                update(answers).where(same).values(status=status, body=body)
            )

    @retried
    def drop(self, token: str, key: str, *, body: str) -> None:
        """Forget what was kept for a key, if it is still this."""
        mine = and_(
            answers.c.token == token, answers.c.key == key, answers.c.body == body
        )
        with changing(self._engine) as connection:
            connection.execute(delete(answers).where(mine))


def _answer(row: Row[tuple[object, ...]]) -> Answer:
    with read_rows():
        return Answer(
            request=row.request,
            status=row.status,
            body=row.body,
            at=datetime.fromisoformat(row.at),
        )
