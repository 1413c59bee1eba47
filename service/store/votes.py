"""What people said through us about one head of a pull request."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import Engine, insert, select

from gitops.model import CommitId
from service.store.database import read_rows
from service.store.tables import votes
from service.store.transactions import changing, reading, retried


class VoteKind(StrEnum):
    """An approval says that the change is right; a go, that it may happen now."""

    APPROVAL = "approval"
    GO = "go"


@dataclass(frozen=True, slots=True, kw_only=True)
class Vote:
    """One person's word on one head commit."""

    kind: VoteKind
    head: CommitId
    by: str
    at: datetime


class Votes:
    """Votes by repository and number of the pull request."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    @retried
    def record(self, repository: str, number: int, vote: Vote) -> None:
        """Store a vote; the same one twice is once."""
        values = {
            "repository": repository,
            "number": number,
            "head": vote.head,
            "kind": vote.kind.value,
            "by": vote.by,
        }
        same = [votes.c[name] == value for name, value in values.items()]
        with changing(self._engine) as connection:
            known = connection.execute(select(votes.c.at).where(*same)).one_or_none()
            if known is None:
                connection.execute(
                    insert(votes).values(**values, at=vote.at.isoformat())
                )

    def of(self, repository: str, number: int) -> tuple[Vote, ...]:
        """Return the votes on a pull request, of any head, oldest first."""
        query = (
            select(votes)
            .where(votes.c.repository == repository, votes.c.number == number)
            .order_by(votes.c.at, votes.c.kind, votes.c.by)
        )
        with reading(self._engine) as connection, read_rows():
            return tuple(
                Vote(
                    kind=VoteKind(row.kind),
                    head=CommitId(row.head),
                    by=row.by,
                    at=datetime.fromisoformat(row.at),
                )
                for row in connection.execute(query)
            )
