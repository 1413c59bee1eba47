"""The service as a whole, as documents: repositories, the trail, tokens."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any

from pydantic import Field

from service import store
from service.api.shapes.common import Listed, Shape
from service.desk import RepositoryState


class Repository(Shape):
    """A repository and how it is."""

    name: str = Field(examples=["fleet"])
    is_default: bool = Field(description="Meant where a request names none.")
    paused: bool
    state: str = Field(
        examples=["ok"], description="Of the last pass: ok, degraded or unknown."
    )
    problem: str
    commit: str | None = Field(description="Of the base branch, as last read.")
    at: datetime | None = Field(description="When the last pass ended.")
    worked_at: datetime | None = Field(description="When one last did its work.")

    @classmethod
    def of(cls, found: RepositoryState) -> Repository:
        """Shape a repository."""
        last = found.last
        return cls(
            name=found.name,
            is_default=found.is_default,
            paused=found.is_paused,
            state="unknown" if last is None else last.state.value,
            problem="" if last is None else last.problem,
            commit=None if last is None else last.commit,
            at=None if last is None else last.at,
            worked_at=None if last is None else last.worked_at,
        )


class Repositories(Shape):
    """Every repository."""

    repositories: list[Repository]


class AuditEntry(Shape):
    """One effect on the world, and its place in the chain of hashes."""

    number: int
    at: str
    by: str
    action: str = Field(examples=["pull request merged"])
    repository: str
    details: dict[str, Any]
    previous: str
    hash: str

    @classmethod
    def of(cls, entry: store.Entry) -> AuditEntry:
        """Shape an entry."""
        return cls(
            number=entry.number,
            at=entry.at,
            by=entry.by,
            action=entry.action,
            repository=entry.repository,
            details=json.loads(entry.details),
            previous=entry.previous,
            hash=entry.hash,
        )


class Trail(Listed):
    """The audit trail, oldest first."""

    entries: list[AuditEntry]


class TokenShape(Shape):
    """A token without its secret."""

    id: str = Field(examples=["9f2c11aa"])
    name: str = Field(examples=["ci"])
    role: store.Role
    stack: str | None
    environment: str | None
    created: datetime
    expires: datetime | None
    revoked: bool

    @classmethod
    def of(cls, found: store.Token) -> TokenShape:
        """Shape a token."""
        return cls(**token_fields(found))


def token_fields(found: store.Token) -> dict[str, Any]:
    """Return the fields of a token, for a shape."""
    return {
        "id": found.id,
        "name": found.name,
        "role": found.role,
        "stack": found.stack or None,
        "environment": found.environment or None,
        "created": found.created_at,
        "expires": found.expires_at,
        "revoked": found.revoked,
    }


class NewToken(TokenShape):
    """A token with its secret, this once."""

    token: str | None = Field(
        description="The secret. It is shown once and is not kept: an answer that is "
        "given again has null here.",
        examples=["dgo_9f2c11aa_..."],
    )


class Tokens(Shape):
    """Tokens, oldest first."""

    tokens: list[TokenShape]


class Revoked(Shape):
    """A token that is good for nothing any more."""

    outcome: str = Field(default="revoked", examples=["revoked"])
    id: str
