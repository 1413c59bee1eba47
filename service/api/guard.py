"""What stands before every route: who, how often, what for, and once only.

Denied by default: a route says who may call it with `needs`, and one that does not
cannot be made. The order is: the token, the role, the scope, the body; whoever may not
ask learns nothing of how he asked.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from enum import StrEnum
from typing import Annotated, Any, Final, TypeVar
from urllib.parse import urlsplit

from fastapi import Depends, Request, Response
from fastapi.routing import APIRoute
from starlette.concurrency import run_in_threadpool

from service.api.body import check_media_type, read_body, read_json
from service.api.once import answer_once
from service.auth import bearer, covers, is_scoped, may, touches
from service.desk import Asker, Desk
from service.problems import Refused
from service.settings import Settings
from service.store import Role, Token

SAFE: Final = frozenset({"GET", "HEAD"})
SIGNED: Final = frozenset({"/api/v1/webhooks/{forge}"})
"""Paths of the API that ask for a signature instead of a token (service.webhooks)."""

_PERMISSION: Final = "__permission__"
_Handler = Callable[[Request], Coroutine[Any, Any, Response]]
_Endpoint = TypeVar("_Endpoint", bound=Callable[..., Any])


class Reach(StrEnum):
    """What a token of one stack or environment may do with a route."""

    SEEN = "seen"  # it sees its own part; the route leaves out the rest
    COVERED = "covered"  # it must cover all that the path names
    WHOLE = "whole"  # it may not


@dataclass(frozen=True, slots=True, kw_only=True)
class Permission:
    """Who may call a route."""

    role: Role
    reach: Reach


def needs(role: Role, reach: Reach) -> Callable[[_Endpoint], _Endpoint]:
    """Say who may call a route."""

    def mark(endpoint: _Endpoint) -> _Endpoint:
        setattr(endpoint, _PERMISSION, Permission(role=role, reach=reach))
        return endpoint

    return mark


def permission_of(endpoint: object) -> Permission:
    """Return who may call a route.

    Raises:
        TypeError: nobody said so.
    """
    found = getattr(endpoint, _PERMISSION, None)
    if not isinstance(found, Permission):
        raise TypeError(f"{endpoint!r}: say who may call it, with @needs")
    return found


class Guarded(APIRoute):
    """A route of the API behind its guard."""

    def get_route_handler(self) -> _Handler:
        """Return the route's handler with the guard before it."""
        inner = super().get_route_handler()
        permission = permission_of(self.endpoint)

        async def guarded(request: Request) -> Response:
            token = await run_in_threadpool(bearer, request)
            request.state.token = token
            _check_permission(request, token, permission)
            if request.method in SAFE:
                return await inner(request)
            _check_origin(request)
            body = await read_body(request)
            check_media_type(request, body)
            asked = _Read(request.scope, body)
            return await answer_once(asked, token, body, lambda: inner(asked))

        return guarded


class _Read(Request):
    """A request whose body has been read and parsed."""

    def __init__(self, scope: Any, body: bytes) -> None:
        super().__init__(scope)
        self._body = body
        self._json = read_json(body) if body else None

    async def stream(self) -> Any:
        yield self._body


def _check_permission(request: Request, token: Token, needed: Permission) -> None:
    if not may(token, needed.role):
        raise Refused(
            403,
            f"this needs a token with the role {needed.role}",
            hint=f"this one is {token.role}",
        )
    stack = request.path_params.get("stack")
    environment = request.path_params.get("environment")
    allowed = {
        Reach.SEEN: touches(token, stack, environment),
        Reach.COVERED: covers(token, stack, environment),
        Reach.WHOLE: not is_scoped(token),
    }
    if not allowed[needed.reach]:
        raise out_of_reach()


def out_of_reach() -> Refused:
    """Return the refusal of what a token is not for, whether it is there or not."""
    return Refused(403, "this token is for another stack or environment only")


def _check_origin(request: Request) -> None:
    """Refuse what a page of another site made a browser send."""
    origin = request.headers.get("origin")
    if origin is None:
        return
    settings: Settings = request.app.state.settings
    own = {request.headers.get("host"), urlsplit(settings.public_url).netloc}
    if urlsplit(origin).netloc not in own - {None, ""}:
        raise Refused(403, "a page of another site may not ask this")


# --- what routes take ---


def _token(request: Request) -> Token:
    token: Token = request.state.token
    return token


def _desk(request: Request) -> Desk:
    desk: Desk = request.app.state.desk
    return desk


def repository_of(request: Request) -> str:
    """Return the repository that a request is about.

    Raises:
        PlanError: it names none, and there are several.
        UnknownNameError: there is none at all.
    """
    named = request.path_params.get("repository")
    return str(named) if named is not None else _desk(request).default()


def asker_of(token: Token, reason: str = "") -> Asker:
    """Return who asks: a token's name, or its id where it has none."""
    return Asker(by=token.name or token.id, reason=reason)


def wake(request: Request, repository: str) -> None:
    """Say that there is something to do, where anybody listens."""
    clockwork = request.app.state.clockwork
    if clockwork is not None:
        clockwork.wake(repository)


Caller = Annotated[Token, Depends(_token)]
TheDesk = Annotated[Desk, Depends(_desk)]
Repository = Annotated[str, Depends(repository_of)]
