"""The audit trail: a chain of hashes, so that a missing or changed row shows.

Each row's hash covers its content and the hash before it. Whoever exports the trail
can verify it without this program: SHA-256 over the JSON of the row's fields.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Any, Final

from sqlalchemy import Engine, Select, func, insert, select

from gitops.model import Json
from service.clock import Clock
from service.store.tables import audit
from service.store.transactions import changing, reading, retried

_FIRST: Final = "0" * 64


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One effect on the world.

    Attributes:
        number: 1, 2, 3 ... without gaps.
        at: UTC, ISO 8601.
        by: who asked.
        action: e.g. "pull request merged".
        repository: its name; empty for the service as a whole.
        details: JSON text with sorted keys.
        previous: the hash of the entry before; zeros for the first.
        hash: SHA-256 over the other fields.
    """

    number: int
    at: str
    by: str
    action: str
    repository: str
    details: str
    previous: str
    hash: str


_IN_ORDER: Final = select(*(audit.c[name] for name in Entry.__slots__)).order_by(
    audit.c.number
)


class Audit:
    """Append to the trail and read it."""

    def __init__(self, engine: Engine, clock: Clock) -> None:
        self._engine = engine
        self._clock = clock

    @retried
    def append(
        self, *, by: str, action: str, repository: str, details: Mapping[str, Json]
    ) -> Entry:
        """Add one entry at the end of the chain."""
        last = select(audit.c.number, audit.c.hash).order_by(audit.c.number.desc())
        with changing(self._engine) as connection:
            previous = connection.execute(last.limit(1)).one_or_none()
            unsealed = Entry(
                number=1 if previous is None else previous.number + 1,
                at=self._clock().isoformat(),
                by=by,
                action=action,
                repository=repository,
                details=json.dumps(details, sort_keys=True),
                previous=_FIRST if previous is None else previous.hash,
                hash="",
            )
            values = asdict(unsealed) | {"hash": digest(unsealed)}
            connection.execute(insert(audit).values(values))
        return Entry(**values)

    def entries(self) -> tuple[Entry, ...]:
        """Return the whole trail in order."""
        return self._select(_IN_ORDER)

    def after(self, number: int, limit: int) -> tuple[Entry, ...]:
        """Return the entries that follow a number, in order.

        Args:
            number: of the last entry that is known; 0 for the beginning.
            limit: how many at most.
        """
        return self._select(_IN_ORDER.where(audit.c.number > number).limit(limit))

    def has(
        self,
        *,
        action: str,
        repository: str,
        details: Mapping[str, Json],
        since: datetime,
    ) -> bool:
        """Whether the same effect was told at or after a moment (aware UTC)."""
        query = (
            select(audit.c.number)
            .where(audit.c.action == action, audit.c.repository == repository)
            .where(audit.c.details == json.dumps(details, sort_keys=True))
            .where(audit.c.at >= since.isoformat())
            .limit(1)
        )
        with reading(self._engine) as connection:
            return connection.execute(query).one_or_none() is not None

    def last(self) -> int:
        """Return the number of the newest entry; 0 before the first."""
        newest = select(func.max(audit.c.number))
        with reading(self._engine) as connection:
            return connection.execute(newest).scalar_one() or 0

    def _select(self, query: Select[Any]) -> tuple[Entry, ...]:
        with reading(self._engine) as connection:
            rows = connection.execute(query)
            return tuple(Entry(**row._mapping) for row in rows)  # noqa: SLF001


def digest(entry: Entry) -> str:
    """Return the hash that an entry must have."""
    fields = asdict(entry)
    del fields["hash"]
    text = json.dumps(fields, sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def broken_at(entries: Iterable[Entry]) -> int | None:
    """Return the number of the first entry that breaks the chain, or None."""
    previous = _FIRST
    for number, entry in enumerate(entries, start=1):
        whole = entry.number == number and entry.previous == previous
        if not whole or entry.hash != digest(entry):
            return number
        previous = entry.hash
    return None
