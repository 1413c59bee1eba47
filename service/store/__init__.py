"""The database: intents, pushes, holds, the pause switch, tokens, the audit trail.

Nothing else lives here. What is on the forge and in Git is asked there, so losing
this database loses requests that were not yet proposed, and nothing more.
"""

from __future__ import annotations

from pathlib import Path

from service.clock import Clock
from service.store.audit import Audit, broken_at
from service.store.database import open_database
from service.store.holds import Holds
from service.store.intents import Intents
from service.store.tokens import Role, Token, Tokens

__all__ = ["Role", "Store", "Token", "broken_at"]


class Store:
    """One open database with its parts.

    Args:
        address: SQLAlchemy address; empty means SQLite in the data folder.
        data: the data folder.
        clock: the source of `now` for the rows' times.

    Raises:
        StoreError: it cannot be opened.
    """

    def __init__(self, address: str, data: Path, clock: Clock) -> None:
        self._engine = open_database(address, data)
        self.intents = Intents(self._engine, clock)
        self.holds = Holds(self._engine, clock)
        self.tokens = Tokens(self._engine, clock)
        self.audit = Audit(self._engine, clock)

    def close(self) -> None:
        """Close every connection."""
        self._engine.dispose()
