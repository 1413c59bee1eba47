"""What was seen of pull requests that people opened themselves, and what was said.

Losing it costs a second look at each of them: the same comment, in the same place.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import Engine, Row, delete, insert, select, update

from gitops.model import CommitId
from service.store.database import read_rows
from service.store.tables import reviews
from service.store.transactions import changing, reading, retried


class ReviewOutcome(StrEnum):
    """How looking at one head ended."""

    PASSED = "passed"
    FAILED = "failed"
    REFUSED = "refused"  # whatever the base branch: the head itself is too much
    DEFERRED = "deferred"  # it could not be looked at; it is tried again
    SKIPPED = "skipped"  # nothing of it is fetched: the settings do not say so


@dataclass(frozen=True, slots=True, kw_only=True)
class PeopleReview:
    """What is known of one pull request.

    Attributes:
        number: of the pull request.
        head: the commit that was looked at.
        base: the newest commit of the base branch that it was looked at with.
        digest: of all that was seen; empty where nothing was.
        outcome: see ReviewOutcome.
        findings: how many.
        verdict: one line: what the status says, or why it was deferred.
        has_told: a comment of ours is, or may be, on it.
        tries: how often it was deferred in a row.
        at: when; aware UTC.
    """

    number: int
    head: CommitId
    base: CommitId
    digest: str
    outcome: ReviewOutcome
    findings: int
    verdict: str
    has_told: bool
    tries: int
    at: datetime


class PeopleReviews:
    """One row a pull request."""

    def __init__(self, engine: Engine) -> None:
        self._engine = engine

    def all(self, repository: str) -> tuple[PeopleReview, ...]:
        """Return what is known of a repository's pull requests, by number."""
        query = (
            select(reviews)
            .where(reviews.c.repository == repository)
            .order_by(reviews.c.number)
        )
        with reading(self._engine) as connection, read_rows():
            return tuple(_review(row) for row in connection.execute(query))

    def of(self, repository: str, number: int) -> PeopleReview | None:
        """Return what is known of one; None when nothing is."""
        query = select(reviews).where(
            reviews.c.repository == repository, reviews.c.number == number
        )
        with reading(self._engine) as connection, read_rows():
            row = connection.execute(query).first()
            return None if row is None else _review(row)

    @retried
    def record(self, repository: str, review: PeopleReview) -> None:
        """Store what is known of one; what was known before gives way."""
        with changing(self._engine) as connection:
            connection.execute(
                delete(reviews).where(
                    reviews.c.repository == repository,
                    reviews.c.number == review.number,
                )
            )
            connection.execute(
                insert(reviews).values(
                    repository=repository,
                    number=review.number,
                    head=review.head,
                    base=review.base,
                    digest=review.digest,
                    outcome=review.outcome.value,
                    findings=review.findings,
                    verdict=review.verdict,
                    has_told=review.has_told,
                    tries=review.tries,
                    at=review.at.isoformat(),
                )
            )

    @retried
    def rebase(self, repository: str, number: int, base: CommitId) -> None:
        """Note that a newer base branch shows nothing else."""
        with changing(self._engine) as connection:
            connection.execute(
                update(reviews)
                .where(reviews.c.repository == repository, reviews.c.number == number)
                .values(base=base)
            )

    @retried
    def forget(self, repository: str, numbers: Collection[int]) -> None:
        """Drop what is known of pull requests that are no longer open."""
        with changing(self._engine) as connection:
            connection.execute(
                delete(reviews).where(
                    reviews.c.repository == repository,
                    reviews.c.number.in_(tuple(numbers)),
                )
            )


def _review(row: Row[tuple[object, ...]]) -> PeopleReview:
    return PeopleReview(
        number=row.number,
        head=CommitId(row.head),
        base=CommitId(row.base),
        digest=row.digest,
        outcome=ReviewOutcome(row.outcome),
        findings=row.findings,
        verdict=row.verdict,
        has_told=row.has_told,
        tries=row.tries,
        at=datetime.fromisoformat(row.at),
    )
