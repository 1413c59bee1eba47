"""A look past the service at what a database holds, of either kind."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime

from sqlalchemy import Connection, create_engine, text

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


class Clock:
    """A clock that stands still until it is set."""

    def __init__(self) -> None:
        self.now = NOON

    def __call__(self) -> datetime:
        return self.now


@contextmanager
def opened(address: str) -> Iterator[Connection]:
    """Give a plain connection; what was done is committed at the end."""
    engine = create_engine(address.replace("postgresql://", "postgresql+psycopg://"))
    try:
        with engine.begin() as connection:
            yield connection
    finally:
        engine.dispose()


def execute(address: str, statement: str) -> list[tuple[object, ...]]:
    """Execute one statement; return its rows."""
    with opened(address) as connection:
        done = connection.execute(text(statement))
        return [tuple(row) for row in done] if done.returns_rows else []
