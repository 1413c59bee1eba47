"""API tokens: 256 random bits, shown once, kept as SHA-256 (R15)."""

from __future__ import annotations

import hashlib
import hmac
import secrets
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from sqlalchemy import Engine, Row, insert, select, update

from gitops.errors import StoreError, UnknownNameError
from service.clock import Clock
from service.store.database import read_rows
from service.store.tables import tokens
from service.store.targets import moment
from service.store.transactions import at_leisure, changing, reading, retried

_PREFIX: Final = "dgo_"
_NOTED_EACH: Final = timedelta(minutes=1)


class Role(StrEnum):
    """What a token may do; each role may also do what the ones before it may."""

    VIEWER = "viewer"
    OPERATOR = "operator"
    APPROVER = "approver"
    RELEASER = "releaser"
    ADMIN = "admin"


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """A token without its secret.

    Attributes:
        id: public, part of the secret's text.
        name: given by the person who made it.
        role: what it may do.
        stack: the one stack it is good for; empty for all.
        environment: the one environment it is good for; empty for all.
        created_at: aware UTC.
        expires_at: aware UTC; None for never.
        revoked: whether it was taken back.
        last_used_at: aware UTC; to the minute or so; None for never.
    """

    id: str
    name: str
    role: Role
    stack: str
    environment: str
    created_at: datetime
    expires_at: datetime | None
    revoked: bool
    last_used_at: datetime | None = None


class Tokens:
    """Make, list, revoke and recognise tokens."""

    def __init__(self, engine: Engine, clock: Clock) -> None:
        self._engine = engine
        self._clock = clock

    @retried
    def create(
        self,
        *,
        role: Role,
        name: str,
        stack: str = "",
        environment: str = "",
        expires_at: datetime | None = None,
    ) -> tuple[str, Token]:
        """Make a token; the text is returned once and is not kept."""
        identity = secrets.token_hex(4)
        secret = f"{_PREFIX}{identity}_{secrets.token_urlsafe(32)}"
        now = self._clock()
        with changing(self._engine) as connection:
            connection.execute(
                insert(tokens).values(
                    id=identity,
                    name=name,
                    role=role.value,
                    stack=stack,
                    environment=environment,
                    hash=_hash(secret),
                    created_at=now.isoformat(),
                    expires_at=expires_at.isoformat() if expires_at else None,
                    revoked=False,
                )
            )
        made = Token(
            id=identity,
            name=name,
            role=role,
            stack=stack,
            environment=environment,
            created_at=now,
            expires_at=expires_at,
            revoked=False,
        )
        return secret, made

    def list(self) -> tuple[Token, ...]:
        """Return every token, oldest first."""
        query = select(tokens).order_by(tokens.c.created_at, tokens.c.id)
        with reading(self._engine) as connection:
            return tuple(_token(row) for row in connection.execute(query))

    @retried
    def revoke(self, identity: str) -> None:
        """Take a token back; twice is once.

        Raises:
            UnknownNameError: no such token.
        """
        with changing(self._engine) as connection:
            result = connection.execute(
                update(tokens).where(tokens.c.id == identity).values(revoked=True)
            )
        if result.rowcount == 0:
            raise UnknownNameError(
                f"there is no token {identity[:40]!a}", hint="see `token list`"
            )

    def recognise(self, secret: str) -> Token | None:
        """Return the valid token of this text; None for wrong, expired, revoked."""
        wanted = _hash(secret)
        with reading(self._engine) as connection:
            row = connection.execute(
                select(tokens).where(tokens.c.hash == wanted)
            ).one_or_none()
        if row is None or not hmac.compare_digest(row.hash.encode(), wanted.encode()):
            return None
        token, now = _token(row), self._clock()
        if token.revoked or (token.expires_at is not None and token.expires_at <= now):
            return None
        self._note_use(token, now)
        return token

    def _note_use(self, token: Token, now: datetime) -> None:
        """Store that a token was used, at most once a minute, and if nothing waits."""
        if token.last_used_at is not None and now - token.last_used_at < _NOTED_EACH:
            return
        used = update(tokens).where(tokens.c.id == token.id)
        with suppress(StoreError):  # who only reads must not fail for that
            at_leisure(self._engine, used.values(last_used_at=now.isoformat()))


def _hash(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()


def _token(row: Row[tuple[object, ...]]) -> Token:
    with read_rows():
        return Token(
            id=row.id,
            name=row.name,
            role=Role(row.role),
            stack=row.stack,
            environment=row.environment,
            created_at=datetime.fromisoformat(row.created_at),
            expires_at=moment(row.expires_at),
            revoked=row.revoked,
            last_used_at=moment(row.last_used_at),
        )
