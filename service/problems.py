"""What goes wrong over HTTP, told as problem documents (RFC 9457).

Place, problem and hint; never a secret, never a path of this machine. Every error has
one status, and it is said here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http import HTTPStatus
from typing import Final

from fastapi import HTTPException
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from pydantic import BaseModel, ConfigDict, Field
from starlette.exceptions import HTTPException as HttpError

from gitops.errors import (
    ForgeConflictError,
    ForgeDeniedError,
    ForgeError,
    ForgeNotFoundError,
    ForgeUnavailableError,
    GitError,
    GitopsError,
    HumanOwnedError,
    InputError,
    ManifestError,
    PlanError,
    RegistryDeniedError,
    RegistryError,
    RegistryUnavailableError,
    RenderError,
    StaleError,
    StoreError,
    ToolError,
    TreeError,
    UnknownNameError,
)

MEDIA_TYPE: Final = "application/problem+json"
_TYPE: Final = "urn:directus-gitops:problem:"
_RETRY_S: Final = 5
_STATUS: Final[Mapping[type[GitopsError], int]] = {
    UnknownNameError: 404,
    ForgeNotFoundError: 404,
    InputError: 422,
    TreeError: 422,
    StaleError: 412,
    PlanError: 409,
    RenderError: 409,
    ManifestError: 409,
    HumanOwnedError: 409,
    ForgeConflictError: 409,
    ForgeDeniedError: 502,
    ForgeUnavailableError: 503,
    ForgeError: 502,
    RegistryDeniedError: 502,
    RegistryUnavailableError: 503,
    RegistryError: 502,
    GitError: 503,
    ToolError: 503,
    StoreError: 503,
}
_CODES: Final[Mapping[int, str]] = {
    400: "bad_request",
    401: "unauthorized",
    403: "forbidden",
    404: "not_found",
    405: "method_not_allowed",
    409: "conflict",
    413: "too_large",
    415: "unsupported_media_type",
    422: "input",
    429: "too_many_requests",
    503: "unavailable",
}


class Problem(BaseModel):
    """An error: what is wrong, where, and what to do."""

    model_config = ConfigDict(extra="forbid")

    type: str = Field(
        description="A name of the kind of problem.", examples=[f"{_TYPE}held"]
    )
    title: str = Field(description="The status in words.", examples=["Conflict"])
    status: int = Field(description="The HTTP status.", examples=[409])
    code: str = Field(description="Stable, for programs.", examples=["held"])
    detail: str = Field(
        description="Place, problem and values, for people.",
        examples=["shop in production is held by ada since 2026-03-01 12:00 UTC"],
    )
    hint: str = Field(
        description="What to do; empty when there is nothing to do.",
        examples=["`directus-gitops release shop production` ends it"],
    )
    field: str | None = Field(
        default=None,
        description="The part of the request that is wrong, where it is one.",
        examples=["body.version"],
    )


class Refused(HTTPException):
    """A request that is refused before or beside the library's own errors."""

    def __init__(
        self,
        status: int,
        detail: str,
        *,
        code: str = "",
        hint: str = "",
        field: str | None = None,
        headers: dict[str, str] | None = None,
    ) -> None:
        super().__init__(status, detail, headers=headers)
        self.code = code or _CODES.get(status, "http")
        self.hint = hint
        self.field = field


def respond(
    status: int,
    code: str,
    detail: str,
    *,
    hint: str = "",
    field: str | None = None,
    headers: Mapping[str, str] | None = None,
) -> JSONResponse:
    """Make the document."""
    problem = Problem(
        type=f"{_TYPE}{code}",
        title=HTTPStatus(status).phrase,
        status=status,
        code=code,
        detail=_writable(detail),
        hint=_writable(hint),
        field=field,
    )
    return JSONResponse(
        problem.model_dump(exclude_none=True),
        status_code=status,
        media_type=MEDIA_TYPE,
        headers=headers,
    )


def of_error(error: GitopsError) -> JSONResponse:
    """Tell a known error of the library."""
    status = next((_STATUS[c] for c in type(error).__mro__ if c in _STATUS), 500)
    if status == 500 and error.retryable:
        status = 503
    headers = {"Retry-After": str(_wait_of(error))} if status == 503 else {}
    return respond(status, error.code, error.message, hint=error.hint, headers=headers)


def _wait_of(error: GitopsError) -> int:
    if isinstance(error, ForgeUnavailableError) and error.retry_after is not None:
        return max(1, round(error.retry_after))
    return _RETRY_S


def of_http(error: HttpError) -> JSONResponse:
    """Tell what the framework, or one of us, refused."""
    if isinstance(error, Refused):
        code, hint, field = error.code, error.hint, error.field
    else:
        code, hint, field = _CODES.get(error.status_code, "http"), "", None
    return respond(
        error.status_code,
        code,
        str(error.detail),
        hint=hint,
        field=field,
        headers=error.headers,
    )


def of_request(error: RequestValidationError) -> JSONResponse:
    """Name the place and the problem; what was sent may be a secret, and stays out."""
    first = error.errors()[0]
    place = ".".join(str(part) for part in first["loc"])
    place = place if len(place) <= 80 and place.isprintable() else ascii(place[:80])
    problem = first["msg"].removeprefix("Value error, ")
    hint = str(first.get("ctx", {}).get("hint", ""))
    return respond(422, "input", f"{place}: {problem}", hint=hint, field=place)


@contextmanager
def naming(field: str) -> Iterator[None]:
    """Say which part of the request the library did not accept.

    Raises:
        Refused: 422 with the field; a name that is not there stays 404.
    """
    try:
        yield
    except UnknownNameError:
        raise
    except InputError as error:
        raise Refused(
            422, error.message, code=error.code, hint=error.hint, field=field
        ) from error


def _writable(text: str) -> str:
    """Return text that JSON can hold as UTF-8."""
    return text.encode("utf-8", "backslashreplace").decode()
