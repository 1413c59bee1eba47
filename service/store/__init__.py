"""The database: what was asked, seen and done; never what Git or a forge knows.

    intents holds pins votes       what people and programs asked for
    arrivals observations          what came where, and how it fares there
    schedules passes reviews       what the service itself has dealt with
    tokens audit                   who may, and who did
    answers cursors                what programs were told already
    deliveries                     what forges told us already
    signatures                     what we have signed

Losing it loses requests that were not yet proposed, and what was only seen: soak
clocks begin anew.
"""

from __future__ import annotations

from pathlib import Path

from service.clock import Clock
from service.store.answers import Answer, Answers
from service.store.arrivals import Arrivals
from service.store.audit import Audit, Entry, broken_at
from service.store.cursors import Cursor, Cursors
from service.store.database import open_database
from service.store.deliveries import Deliveries
from service.store.fence import check_leases
from service.store.holds import Holds
from service.store.intents import Intents
from service.store.leases import TTL_S, Leases
from service.store.observations import Observations
from service.store.passes import LastPass, Passes, PassState
from service.store.pins import Pins
from service.store.reviews import PeopleReview, PeopleReviews, ReviewOutcome
from service.store.schedules import Occurrence, OccurrenceState, Schedules, Watch
from service.store.signatures import Signatures
from service.store.tokens import Role, Token, Tokens
from service.store.votes import Vote, VoteKind, Votes

__all__ = [
    "Answer",
    "Cursor",
    "Entry",
    "LastPass",
    "Occurrence",
    "OccurrenceState",
    "PassState",
    "PeopleReview",
    "ReviewOutcome",
    "Role",
    "Store",
    "Token",
    "Vote",
    "VoteKind",
    "Watch",
    "broken_at",
]


class Store:
    """One open database with its parts.

    Args:
        address: SQLAlchemy address; empty means SQLite in the data folder.
        data: the data folder.
        clock: the source of `now` for the rows' times.
        lease_s: seconds until a lease ends that nobody renews.

    Attributes:
        leases: None with SQLite: it is for one machine, where the kernel's locks are
            the better ones.

    Raises:
        StoreError: it cannot be opened.
    """

    def __init__(
        self, address: str, data: Path, clock: Clock, *, lease_s: float = TTL_S
    ) -> None:
        self._engine = open_database(address, data)
        shared = self._engine.dialect.name != "sqlite"
        self.leases = Leases(self._engine, ttl_s=lease_s) if shared else None
        self.intents = Intents(self._engine, clock)
        self.holds = Holds(self._engine, clock)
        self.tokens = Tokens(self._engine, clock)
        self.audit = Audit(self._engine, clock)
        self.arrivals = Arrivals(self._engine)
        self.observations = Observations(self._engine)
        self.pins = Pins(self._engine)
        self.votes = Votes(self._engine)
        self.schedules = Schedules(self._engine)
        self.passes = Passes(self._engine)
        self.answers = Answers(self._engine, clock)
        self.reviews = PeopleReviews(self._engine)
        self.cursors = Cursors(self._engine, clock)
        self.deliveries = Deliveries(self._engine, clock)
        self.signatures = Signatures(self._engine, clock)

    def check_leases(self) -> None:
        """See, before a write outside, that we may still write.

        Raises:
            LeaseLostError: a lease that is held around this has run out.
        """
        check_leases(self._engine)

    def close(self) -> None:
        """Close every connection."""
        self._engine.dispose()
