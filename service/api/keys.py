"""The service as a whole: its repositories, and the tokens that open it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated

from fastapi import APIRouter, Request
from pydantic import AwareDatetime, BeforeValidator, Field

from service.api.guard import Caller, Guarded, Reach, TheDesk, asker_of, needs
from service.api.shapes import (
    NewToken,
    Repositories,
    Repository,
    Revoked,
    Tokens,
    TokenShape,
    token_fields,
)
from service.api.words import IdPath, Name, Strict, Title
from service.auth import covers, is_scoped, may
from service.problems import Refused
from service.store import Role, Store, Token

router = APIRouter(route_class=Guarded)


def _text(value: object) -> object:
    if not isinstance(value, str):
        raise ValueError("is not a time such as 2099-01-31T00:00:00Z")
    return value


Moment = Annotated[
    AwareDatetime,
    Field(strict=False),
    BeforeValidator(_text, json_schema_input_type=str),
]


class TokenWanted(Strict):
    """A token to be made."""

    role: Annotated[Role, Field(strict=False, examples=["operator"])]
    name: Title = Field(
        description="Who will hold it; shown as who asked.", examples=["ci"]
    )
    stack: Name | None = Field(
        default=None, description="Good for this stack only.", examples=["example"]
    )
    environment: Name | None = Field(
        default=None,
        description="Good for this environment only.",
        examples=["development"],
    )
    expires: Moment | None = Field(
        default=None,
        description="In UTC or with an offset; null for never.",
        examples=["2099-01-31T00:00:00Z"],
    )


@router.get("/repositories", summary="The repositories", tags=["repositories"])
@needs(Role.VIEWER, Reach.SEEN)
def list_repositories(token: Caller, desk: TheDesk) -> Repositories:
    """List the repositories with how their last pass ended.

    A token of one stack or environment is not told of a problem: it may be another's.
    """
    shown = [Repository.of(found) for found in desk.repositories()]
    if is_scoped(token):
        shown = [found.model_copy(update={"problem": ""}) for found in shown]
    return Repositories(repositories=shown)


@router.get("/tokens", summary="The tokens, without their secrets", tags=["tokens"])
@needs(Role.ADMIN, Reach.WHOLE)
def list_tokens(request: Request) -> Tokens:
    """List the tokens, oldest first."""
    store: Store = request.app.state.store
    return Tokens(tokens=[TokenShape.of(found) for found in store.tokens.list()])


@router.post("/tokens", status_code=201, summary="Make a token", tags=["tokens"])
@needs(Role.ADMIN, Reach.SEEN)
def create_token(wanted: TokenWanted, token: Caller, request: Request) -> NewToken:
    """Make a token that is no wider than yours; its secret is shown this once."""
    store: Store = request.app.state.store
    _refuse_wider(token, wanted)
    expires = None if wanted.expires is None else wanted.expires.astimezone(UTC)
    if expires is not None and expires <= _now(request):
        raise Refused(422, "body.expires: is in the past", field="body.expires")
    secret, made = store.tokens.create(
        role=wanted.role,
        name=wanted.name,
        stack=wanted.stack or "",
        environment=wanted.environment or "",
        expires_at=expires,
    )
    store.audit.append(
        by=asker_of(token).by,
        action="token created",
        repository="",
        details={
            "id": made.id,
            "name": made.name,
            "role": made.role.value,
            "stack": made.stack or None,
            "environment": made.environment or None,
        },
    )
    shown = NewToken(**token_fields(made), token=secret)
    # Whoever asks again with the same key gets all but the secret: it is not kept.
    request.state.kept = shown.model_copy(update={"token": None}).model_dump_json()
    return shown


@router.delete("/tokens/{id}", summary="Revoke a token", tags=["tokens"])
@needs(Role.ADMIN, Reach.WHOLE)
def revoke_token(
    id: IdPath,  # noqa: A002  the word of the API
    token: Caller,
    request: Request,
) -> Revoked:
    """Take a token back; twice is once."""
    store: Store = request.app.state.store
    was_good = any(t.id == id and not t.revoked for t in store.tokens.list())
    store.tokens.revoke(id)
    if was_good:
        store.audit.append(
            by=asker_of(token).by,
            action="token revoked",
            repository="",
            details={"id": id},
        )
    return Revoked(id=id)


def _refuse_wider(token: Token, wanted: TokenWanted) -> None:
    """Refuse a token that may more, elsewhere, or longer than the one that asks."""
    lasts = token.expires_at is None or (
        wanted.expires is not None and wanted.expires <= token.expires_at
    )
    if (
        not covers(token, wanted.stack, wanted.environment)
        or not may(token, wanted.role)
        or not lasts
    ):
        raise Refused(
            403,
            "a token cannot make one that is wider, or lasts longer, than itself",
        )


def _now(request: Request) -> datetime:
    now: datetime = request.app.state.clock()
    return now
