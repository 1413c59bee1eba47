"""Wire the program together; the only place that knows all its parts."""

from __future__ import annotations

import asyncio
import logging
from http import HTTPStatus
from typing import Final

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.routing import iter_route_contexts
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gitops.errors import GitopsError, UnknownNameError
from service import api, fetch, metrics, pages, problems
from service.auth import Limits, is_scoped
from service.clock import Clock, utc_now
from service.desk import Desk
from service.events import Broadcaster
from service.forges import Forges
from service.meter import Meter
from service.registries import Registries
from service.settings import Settings
from service.store import Store
from service.webhooks import Receiver, router as webhooks

logger = logging.getLogger(__name__)

_HEADERS: Final = {
    "Content-Security-Policy": "default-src 'self'; frame-ancestors 'none'; "
    "object-src 'none'; base-uri 'none'; form-action 'self'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}


def create_app(
    settings: Settings,
    store: Store,
    *,
    clock: Clock = utc_now,
    clockwork: api.Alarm | None = None,
    meter: Meter | None = None,
    forges: Forges | None = None,
    registries: Registries | None = None,
) -> FastAPI:
    """Return the application over an open store.

    Args:
        settings: of this installation.
        store: the open database.
        clock: the source of `now`.
        clockwork: told when there is something to do; None where nobody is.
        meter: what /metrics shows; None for one of its own.
        forges: the connections of this process; None where only the embedded forge is
            meant.
        registries: asked if images exist; None where nobody is.
    """
    app = FastAPI(
        title="directus-gitops",
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,  # it would lead to whatever host the request names
    )
    app.state.settings = settings
    app.state.store = store
    meter = meter or Meter()
    app.state.meter = meter
    app.state.standing = metrics.Standing(store, meter, clock)
    app.state.forges = forges or Forges(clock=clock)
    app.state.desk = Desk(
        settings,
        store,
        clock,
        meter=meter,
        forges=app.state.forges,
        registries=registries,
    )
    app.state.clock = clock
    app.state.clockwork = clockwork
    app.state.limits = Limits(settings)
    app.state.receiver = Receiver(settings, store, clock)
    app.state.events = Broadcaster(store, most=settings.event_streams)
    app.state.fetches = asyncio.Semaphore(fetch.AT_ONCE)
    api.include(app)
    app.include_router(webhooks, prefix=api.PREFIX)
    app.include_router(fetch.router)
    app.include_router(pages.router)
    app.include_router(metrics.router)
    app.add_exception_handler(GitopsError, _known_error)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(RequestValidationError, _bad_request)
    app.add_exception_handler(Exception, _bug)
    app.add_middleware(_WithHeaders)
    app.add_middleware(metrics.CountRequests, meter=meter)
    return app


class _WithHeaders:
    """Put the headers of every answer on it; streams pass through untouched."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        await self._app(scope, receive, send_with_headers)


def _known_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, GitopsError)  # noqa: S101  # registered for it
    token = getattr(request.state, "token", None)
    if isinstance(error, UnknownNameError) and token and is_scoped(token):
        error.hint = ""  # it lists what there is, of others too
    return problems.of_error(error)


def _http_error(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101  # registered for it
    if error.status_code == HTTPStatus.METHOD_NOT_ALLOWED:
        error.headers = {"Allow": ", ".join(_methods(request))}
    return problems.of_http(error)


def _methods(request: Request) -> list[str]:
    """Return the methods of a path; each route only knows its own."""
    path = request.url.path
    found: set[str] = set()
    for context in iter_route_contexts(request.app.routes):
        if context.path_regex.match(path):
            found |= context.methods or set()
    return sorted(found)


def _bad_request(_request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)  # noqa: S101  # registered for it
    return problems.of_request(error)


def _bug(request: Request, error: Exception) -> Response:
    logger.error("bug", exc_info=error, extra={"path": request.url.path})
    detail = "an error in directus-gitops itself; see its log"
    # This answer is made outside of _WithHeaders.
    return problems.respond(500, "bug", detail, headers=_HEADERS)
