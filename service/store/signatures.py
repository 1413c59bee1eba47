"""Signatures of commits: the store's side of gitops.git.Signatures.

Some keys sign the same differently each time. What is kept here makes the commit the
same when it is made again (R2), by another replica or from a fresh copy too.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from sqlalchemy import Connection, Engine, delete, insert, select

from gitops.model import CommitId
from service.clock import Clock
from service.store.tables import signatures
from service.store.transactions import changing, reading, retried

KEPT: Final = timedelta(days=180)


class Signatures:
    """Signatures by the commit before it was signed, and by key."""

    def __init__(self, engine: Engine, clock: Clock) -> None:
        self._engine = engine
        self._clock = clock

    def find(self, commit: CommitId, key: str) -> str | None:
        """Return what a key has signed of an unsigned commit; None when it has not."""
        with reading(self._engine) as connection:
            return _of(connection, commit, key)

    @retried
    def keep(self, commit: CommitId, key: str, signature: str) -> str:
        """Keep a signature; return the one that counts: the first.

        Those of half a year ago are forgotten: a pull request that still stands then
        is signed once more when it is looked at.
        """
        now = self._clock()
        with changing(self._engine) as connection:
            known = _of(connection, commit, key)
            if known is not None:
                return known
            connection.execute(
                delete(signatures).where(signatures.c.at < (now - KEPT).isoformat())
            )
            row = {"commit": commit, "key": key, "signature": signature}
            connection.execute(insert(signatures).values(**row, at=now.isoformat()))
        return signature


def _of(connection: Connection, commit: CommitId, key: str) -> str | None:
    query = select(signatures.c.signature).where(
        signatures.c.commit == commit, signatures.c.key == key
    )
    return connection.execute(query).scalar_one_or_none()
