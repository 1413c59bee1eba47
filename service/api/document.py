"""The OpenAPI document: what FastAPI knows, and what the guard adds to every route.

One place says which errors there are, what they look like, which header makes a
request safe to repeat, and which role a route needs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from http import HTTPStatus
from typing import Any, Final

from fastapi import FastAPI
from fastapi.openapi.utils import get_openapi
from fastapi.routing import APIRoute, iter_route_contexts

from service.api.guard import SAFE, SIGNED, Permission, Reach, permission_of
from service.problems import MEDIA_TYPE, Problem

VERSION: Final = "1"
_SCHEME: Final = "bearer"
_REF: Final = {"$ref": "#/components/schemas/Problem"}
_METHODS: Final = frozenset({"get", "put", "post", "delete", "patch"})
_DESCRIPTION: Final = """\
Every request carries a token: `Authorization: Bearer dgo_...`. A token of one stack or
environment sees and changes only that. Errors are problem documents
(`application/problem+json`, RFC 9457). A request that changes something may carry an
`Idempotency-Key`: asked again with the same key it gets the same answer, and nothing
happens twice. All that is under `/api/v1` and about one repository is there once more
under `/api/v1/repositories/{repository}`.
"""
_TAGS: Final = (
    ("stacks", "Where stacks stand, and requests to change them."),
    ("changes", "What was asked for, and how far it is."),
    ("pull requests", "What is proposed, and what people say about it."),
    ("holds", "Holds, pins and the pause switch."),
    ("schedules", "When promotions are due."),
    ("audit", "Who did what."),
    ("repositories", "The repositories of this service."),
    ("tokens", "Tokens for programs and people."),
    ("webhooks", "Forges say that something happened."),
    ("health", "Whether the service is alive and can work."),
)
_ALWAYS: Final[Mapping[int, str]] = {
    401: "No token, or one that is wrong, expired or revoked",
    403: "The token's role or scope does not allow it",
    404: "There is no such thing",
    409: "It cannot be done as things are: held, paused, a downgrade, a conflict",
    422: "A part of the request is not acceptable; `field` names it",
    429: "Too many requests in a minute; see Retry-After",
    502: "The forge refused",
    503: "Not now; see Retry-After",
}
_CHANGING: Final[Mapping[int, str]] = {
    413: "The body is larger than 1 MiB",
    415: "The body is not declared as JSON",
}
_ASK_FOR_A_TOKEN: Final = frozenset({"/metrics"})  # although it is not of the API
_CONDITIONAL: Final = {412: "It has changed since you looked at it"}
_KEY: Final[dict[str, Any]] = {
    "name": "Idempotency-Key",
    "in": "header",
    "required": False,
    "description": "Makes it safe to ask again: one effect, one answer, for a day.",
    "schema": {
        "type": "string",
        "minLength": 1,
        "maxLength": 200,
        "pattern": "^[!-~]+$",
        "examples": ["7f9c2ba4-e88f"],
    },
}
_REACHES: Final[Mapping[Reach, str]] = {
    Reach.SEEN: "A token of one stack or environment reaches its own part.",
    Reach.COVERED: "A token of one stack or environment must cover all that the path "
    "names.",
    Reach.WHOLE: "Not with a token of one stack or environment.",
}


def name_operation(route: APIRoute) -> str:
    """Return an operation's id: what it is called here, once for each place."""
    where = "_in_repository" if "{repository}" in route.path else ""
    return f"{route.name}{where}"


def describe(app: FastAPI) -> None:
    """Let an application tell its document, made once."""

    def document() -> dict[str, Any]:
        if app.openapi_schema is None:
            app.openapi_schema = _document(app)
        return app.openapi_schema

    app.openapi = document  # type: ignore[method-assign]  # FastAPI's own way


def _document(app: FastAPI) -> dict[str, Any]:
    made = get_openapi(
        title=app.title,
        version=VERSION,
        description=_DESCRIPTION,
        routes=app.routes,
        tags=[{"name": name, "description": text} for name, text in _TAGS],
    )
    schemas = made["components"]["schemas"]
    schemas["Problem"] = Problem.model_json_schema()
    permissions = dict(_permissions(app))
    for path, operations in made["paths"].items():
        for method, operation in operations.items():
            permission = permissions.get((path, method))
            if method in _METHODS and permission is not None:
                _add(operation, method, permission)
            elif path in _ASK_FOR_A_TOKEN:
                _add_errors(operation, {401, 403, 429})
    made["components"]["responses"] = {
        _name(status): {
            "description": text,
            "content": {MEDIA_TYPE: {"schema": _REF}},
        }
        for status, text in sorted({**_ALWAYS, **_CHANGING, **_CONDITIONAL}.items())
    }
    for unused in ("HTTPValidationError", "ValidationError"):
        schemas.pop(unused, None)
    made["components"]["securitySchemes"] = {
        _SCHEME: {"type": "http", "scheme": "bearer"}
    }
    return made


def _add_errors(operation: dict[str, Any], errors: set[int]) -> None:
    for status in sorted(errors):
        reference = f"#/components/responses/{_name(status)}"
        operation["responses"][str(status)] = {"$ref": reference}


def _name(status: int) -> str:
    return HTTPStatus(status).phrase.title().replace(" ", "").replace("-", "")


def _permissions(app: FastAPI) -> Iterator[tuple[tuple[str, str], Permission]]:
    for context in iter_route_contexts(app.routes):
        endpoint, path = context.endpoint, context.path_format
        if path is None or not path.startswith("/api/") or path in SIGNED:
            continue
        for method in context.methods or ():
            yield (path, method.lower()), permission_of(endpoint)


def _add(operation: dict[str, Any], method: str, permission: Permission) -> None:
    """Add to an operation what the guard does."""
    changes = method.upper() not in SAFE
    errors = set(_ALWAYS) | (set(_CHANGING) if changes else set())
    if any(p["name"].lower() == "if-match" for p in operation.get("parameters", [])):
        errors |= set(_CONDITIONAL)
    _add_errors(operation, errors)
    if changes:
        operation.setdefault("parameters", []).append(_KEY)
    operation["security"] = [{_SCHEME: []}]
    operation["x-role"] = permission.role.value
    said = operation.get("description", "")
    operation["description"] = (
        f"{said}\n\nRole: {permission.role}. {_REACHES[permission.reach]}".strip()
    )
