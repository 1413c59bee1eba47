"""Wire the program together; the only place that knows all its parts."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Final

from fastapi import FastAPI, Request, Response
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from gitops.errors import (
    ForgeNotFoundError,
    ForgeUnavailableError,
    GitopsError,
    InputError,
    PlanError,
    StoreError,
    TreeError,
    UnknownNameError,
)
from service import api, fetch, metrics, pages
from service.clock import utc_now
from service.meter import Meter
from service.settings import Settings
from service.store import Store

logger = logging.getLogger(__name__)

_HEADERS: Final = {
    "Content-Security-Policy": "default-src 'self'; frame-ancestors 'none'; "
    "object-src 'none'; base-uri 'none'; form-action 'self'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cache-Control": "no-store",
}
_STATUS: Final[dict[type[GitopsError], int]] = {
    UnknownNameError: 404,
    ForgeNotFoundError: 404,
    InputError: 422,
    TreeError: 422,
    PlanError: 409,
    ForgeUnavailableError: 503,
    StoreError: 503,
}


def create_app(settings: Settings, store: Store) -> FastAPI:
    """Return the application over an open store."""
    app = FastAPI(
        title="directus-gitops",
        docs_url=None,
        redoc_url=None,
        redirect_slashes=False,  # it would lead to whatever host the request names
    )
    app.state.settings = settings
    app.state.store = store
    app.state.meter = meter = Meter()
    app.state.standing = metrics.Standing(store, meter, utc_now)
    app.state.fetches = asyncio.Semaphore(fetch.AT_ONCE)
    app.include_router(api.router)
    app.include_router(fetch.router)
    app.include_router(pages.router)
    app.include_router(metrics.router)
    app.add_exception_handler(GitopsError, _known_error)
    app.add_exception_handler(HTTPException, _http_error)
    app.add_exception_handler(RequestValidationError, _bad_request)
    app.add_exception_handler(Exception, _bug)
    app.middleware("http")(_with_headers)
    app.add_middleware(metrics.CountRequests, meter=meter)
    return app


async def _with_headers(
    request: Request, call_next: Callable[[Request], Awaitable[Response]]
) -> Response:
    response = await call_next(request)
    for name, value in _HEADERS.items():
        response.headers.setdefault(name, value)
    return response


def _problem(
    status: int, code: str, detail: str, hint: str = "", **headers: str
) -> JSONResponse:
    return JSONResponse(
        {"status": status, "code": code, "detail": detail, "hint": hint},
        status_code=status,
        media_type="application/problem+json",
        headers=headers,
    )


def _known_error(_request: Request, error: Exception) -> Response:
    assert isinstance(error, GitopsError)  # noqa: S101  # registered for it
    status = next((_STATUS[c] for c in type(error).__mro__ if c in _STATUS), 500)
    return _problem(status, error.code, error.message, error.hint)


def _http_error(_request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)  # noqa: S101  # registered for it
    return _problem(
        error.status_code, "http", str(error.detail), **(error.headers or {})
    )


def _bad_request(_request: Request, error: Exception) -> Response:
    """Name the place and the problem; what was sent may be a secret, and stays out."""
    assert isinstance(error, RequestValidationError)  # noqa: S101  # registered for it
    first = error.errors()[0]
    place = ".".join(str(part) for part in first["loc"])
    return _problem(422, "input", f"{place[:80]}: {first['msg']}")


def _bug(request: Request, error: Exception) -> Response:
    logger.error("bug", exc_info=error, extra={"path": request.url.path})
    detail = "an error in directus-gitops itself; see its log"
    return _problem(500, "bug", detail, **_HEADERS)  # made outside of _with_headers
