"""The fence: a writing transaction belongs under the leases that are held around it.

A process that was stopped for longer than its lease lasts still believes that it holds
it. So each of its writing transactions looks, with the write lock in hand: nobody can
take the lease before that transaction has ended, for to take it is to write.
"""

from __future__ import annotations

from contextvars import ContextVar
from dataclasses import dataclass
from typing import Final

from sqlalchemy import Connection, Engine, text

from gitops.errors import LeaseLostError
from service.store.transactions import reading

#: Seconds, on the clock of the database itself.
NOW: Final = "extract(epoch FROM clock_timestamp())"
_STANDS: Final = text(
    "SELECT count(*) FROM leases WHERE name = :name AND holder = :holder"  # noqa: S608
    f" AND epoch = :epoch AND expires_at > {NOW}"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Lease:
    """A lease that was taken.

    Attributes:
        engine: whose database it is in.
        name: what is leased.
        holder: unique to this taking.
        epoch: 1, 2, 3 ...; each taking has a greater one.
    """

    engine: Engine
    name: str
    holder: str
    epoch: int

    def key(self) -> dict[str, str | int]:
        """Return what identifies it, for a statement."""
        return {"name": self.name, "holder": self.holder, "epoch": self.epoch}


#: The leases that this thread holds. Another thread that writes is not fenced.
HELD: ContextVar[tuple[Lease, ...]] = ContextVar("held_leases", default=())


def check_fence(connection: Connection) -> None:
    """See that every lease that is held around a transaction still stands.

    Raises:
        LeaseLostError: one does not.
    """
    for lease in HELD.get():
        if lease.engine is connection.engine:
            _check(connection, lease)


def check_leases(engine: Engine) -> None:
    """See that every lease that this thread holds still stands.

    Raises:
        LeaseLostError: one does not.
    """
    if HELD.get():
        with reading(engine) as connection:
            check_fence(connection)


def _check(connection: Connection, lease: Lease) -> None:
    if not connection.execute(_STANDS, lease.key()).scalar_one():
        raise LeaseLostError(
            f"{lease.name} is no longer ours to write: the lease ran out",
            hint="this process was held up for too long, another one may have gone on; "
            "try again",
        )
