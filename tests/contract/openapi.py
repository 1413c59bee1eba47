"""A forge's own description of its API, as the judge of a fake and of its adapter.

    spec = sliced(whole, {"/repos/{owner}/{repo}/pulls": ("get", "post")})
    wire.watchers.append(Checked(spec, prefix="/api/v4", also={401}))

`Checked` is a watcher of `tests.support.forges.wire.Wire`: each exchange that no fault
touched is held to the description by openapi-core (path, method, parameters, body, and
the answer's status and body), and two things that OpenAPI lets pass are refused here: a
key of a request's body, and a parameter of a query, that the description does not name.
What breaks it is an AssertionError, told when the server stops. It needs OpenAPI 3.0 or
3.1; Swagger 2.0 has to be converted first.

`sliced` cuts a whole description down to some operations and what they refer to, in a
stable order, so a slice that is kept as a file can be compared with a whole one.
"""

from __future__ import annotations

import json
import re
from collections.abc import Collection, Iterator, Mapping
from typing import Any, Final, TypeAlias
from urllib.parse import unquote

from openapi_core import Config, OpenAPI
from openapi_core.testing import MockRequest, MockResponse

from gitops.model import Json
from tests.support.forges.wire import Asked, Told

Spec: TypeAlias = Mapping[str, Any]

_HOST: Final = "http://forge.test"
_DEPTH: Final = 12


def sliced(whole: Spec, operations: Mapping[str, Collection[str]]) -> dict[str, Any]:
    """Cut a description down to some operations, without examples.

    Args:
        whole: OpenAPI 3.
        operations: methods in small letters, by path as the description writes it.

    Raises:
        KeyError: it has no such path or method.
    """
    paths: dict[str, Any] = {}
    for path, methods in sorted(operations.items()):
        item = whole["paths"][path]
        kept = {name: item[name] for name in ("parameters",) if name in item}
        paths[path] = kept | {method: item[method] for method in sorted(methods)}
    found: dict[str, Any] = {
        "openapi": whole["openapi"],
        "info": {"title": "slice", "version": str(whole["info"]["version"])},
        "paths": _plain(paths),
    }
    components: dict[str, dict[str, Any]] = {}
    waiting = list(_references(found["paths"]))
    while waiting:
        _, kind, last = waiting.pop().removeprefix("#/").split("/", 2)
        name = _unescaped(last)
        if name not in components.setdefault(kind, {}):
            part = _plain(whole["components"][kind][name])
            components[kind][name] = part
            waiting += _references(part)
    ordered = {kind: dict(sorted(components[kind].items())) for kind in components}
    return found | {"components": dict(sorted(ordered.items()))}


class Checked:
    """Holds each exchange of a fake to a description; a watcher of its wire.

    Args:
        spec: OpenAPI 3, whole or a slice.
        prefix: of the description's paths, where the wire's root holds it already
            (GitLab writes `/api/v4/projects`; its fake has the root `/api/v4`).
        also: statuses that any call may be answered with, though the description does
            not say so for each; their bodies are not looked at.
        ignored: beginnings of paths that are no part of it (`/graphql`).
        drop_nulls: read a null of an answer as a field that is missing: Forgejo's own
            description does not know that it sends null for empty lists.
    """

    def __init__(
        self,
        spec: Spec,
        *,
        prefix: str = "",
        also: Collection[int] = (),
        ignored: tuple[str, ...] = (),
        drop_nulls: bool = False,
    ) -> None:
        self._spec = {**spec, "servers": [{"url": _HOST}]}
        config = Config(spec_validator_cls=None)
        self._openapi = OpenAPI.from_dict(self._spec, config=config)
        self._prefix = prefix
        self._also = frozenset(also)
        self._ignored = ignored
        self._drop_nulls = drop_nulls
        self._patterns = sorted(
            ((_pattern(path), path) for path in spec["paths"]),
            key=lambda one: (one[1].count("{"), one[1]),
        )
        self.count = 0

    def __call__(self, asked: Asked, told: Told) -> None:
        """Judge one exchange.

        Raises:
            AssertionError: it breaks the description.
        """
        if asked.path.startswith(self._ignored or ("\0",)):
            return
        self.count += 1
        path = self._prefix + asked.path
        template = self._template(path)
        operation = self._spec["paths"].get(template, {}).get(asked.method.lower())
        assert operation, f"{asked.method} {path} is not described"
        problems = list(self._unknown(template, operation, asked))
        problems += self._request_errors(path, asked)
        if told.status not in self._also:
            problems += self._response_errors(path, asked, told)
        assert not problems, "; ".join(problems)

    def _template(self, path: str) -> str:
        found = (one for pattern, one in self._patterns if pattern.fullmatch(path))
        return next(found, "")

    # --- by openapi-core ---

    def _request(self, path: str, asked: Asked) -> MockRequest:
        values = _pattern(self._template(path)).fullmatch(path)
        assert values is not None
        return MockRequest(
            _HOST,
            asked.method.lower(),
            path,
            args=dict(asked.query),
            view_args={name: unquote(v) for name, v in values.groupdict().items()},
            headers=dict(asked.headers),
            data=None if asked.body is None else json.dumps(asked.body).encode(),
            content_type=_kind(asked.headers.get("content-type", "application/json")),
        )

    def _request_errors(self, path: str, asked: Asked) -> Iterator[str]:
        request = self._request(path, asked)
        for error in self._openapi.iter_request_errors(request):
            yield f"request: {_told(error)}"

    def _response_errors(self, path: str, asked: Asked, told: Told) -> Iterator[str]:
        body: Json | str | bytes = told.body
        if self._drop_nulls and isinstance(body, dict | list):
            body = _without_nulls(body)
        raw = b"" if body is None else json.dumps(body).encode()
        if isinstance(body, str | bytes):
            raw = body.encode() if isinstance(body, str) else body
        response = MockResponse(
            raw,
            status_code=told.status,
            headers=dict(told.headers),
            content_type=_kind(told.headers.get("Content-Type", "application/json")),
        )
        request = self._request(path, asked)
        for error in self._openapi.iter_response_errors(request, response):
            yield f"answer {told.status}: {_told(error)}"

    # --- what OpenAPI lets pass ---

    def _unknown(self, template: str, operation: Spec, asked: Asked) -> Iterator[str]:
        shared = self._spec["paths"][template].get("parameters", [])
        given = [self._resolved(p) for p in (*shared, *operation.get("parameters", []))]
        named = {p["name"].removesuffix("[]") for p in given if p["in"] == "query"}
        for name in asked.query:
            if name.removesuffix("[]") not in named:
                yield f"request: the query has no {name}"
        body = self._resolved(operation.get("requestBody", {}))
        schemas = [kind.get("schema", {}) for kind in body.get("content", {}).values()]
        if asked.body is not None and not schemas:
            yield "request: a body that the description does not know"
        if schemas:
            yield from self._unknown_keys({"anyOf": schemas}, asked.body, "body", 0)

    def _unknown_keys(
        self, schema: Spec, value: Json, place: str, depth: int
    ) -> Iterator[str]:
        if depth > _DEPTH:
            return
        if isinstance(value, list):
            items = [part["items"] for part in self._parts(schema) if "items" in part]
            for number, item in enumerate(value if items else []):
                inner = {"anyOf": items}
                yield from self._unknown_keys(
                    inner, item, f"{place}[{number}]", depth + 1
                )
        if isinstance(value, dict):
            yield from self._unknown_fields(schema, value, place, depth)

    def _unknown_fields(
        self, schema: Spec, value: Mapping[str, Json], place: str, depth: int
    ) -> Iterator[str]:
        parts = list(self._parts(schema))
        objects = [part for part in parts if "properties" in part]
        is_free = not objects or any(part.get("additionalProperties") for part in parts)
        for name, field in value.items():
            known = [o["properties"][name] for o in objects if name in o["properties"]]
            if not known and not is_free:
                yield f"request: {place} has no {name}"
            if known:
                inner = {"anyOf": known}
                yield from self._unknown_keys(
                    inner, field, f"{place}.{name}", depth + 1
                )

    def _parts(self, schema: Spec, depth: int = 0) -> Iterator[Spec]:
        """Yield a schema and all that it is put together from."""
        plain = self._resolved(schema)
        yield plain
        if depth < _DEPTH:
            for word in ("allOf", "anyOf", "oneOf"):
                for part in plain.get(word, ()):
                    yield from self._parts(part, depth + 1)

    def _resolved(self, part: Spec) -> Spec:
        while "$ref" in part:
            found: Any = self._spec
            for step in part["$ref"].removeprefix("#/").split("/"):
                found = found[_unescaped(step)]
            part = found
        return part


def _pattern(path: str) -> re.Pattern[str]:
    pieces = re.split(r"\{([^}]+)\}", path)
    for number in range(1, len(pieces), 2):
        name = re.sub(r"\W", "_", pieces[number])
        pieces[number] = f"(?P<{name}>[^/]+)"
    pieces[::2] = [re.escape(piece) for piece in pieces[::2]]
    return re.compile("".join(pieces))


def _kind(header: str) -> str:
    return header.partition(";")[0].strip()


def _told(error: Exception) -> str:
    cause = error.__cause__
    inner = getattr(cause, "schema_errors", None) or [cause or error]
    lines = [
        f"{'.'.join(str(p) for p in getattr(one, 'absolute_path', ()))} "
        f"{getattr(one, 'message', one)!s:.300}"
        for one in list(inner)[:5]
    ]
    return f"{type(error).__name__}: {'; '.join(lines)}"


def _references(part: Any) -> Iterator[str]:
    if isinstance(part, Mapping):
        for name, value in part.items():
            if name == "$ref" and isinstance(value, str):
                yield value
            elif name != "discriminator":
                yield from _references(value)
    elif isinstance(part, list):
        for item in part:
            yield from _references(item)


def _plain(part: Any, *, names: bool = False) -> Any:
    """Leave out examples, prose and vendors' extensions; not fields of such names."""
    if isinstance(part, list):
        return [_plain(item) for item in part]
    if not isinstance(part, Mapping):
        return part
    return {
        name: _plain(value, names=name == "properties" and not names)
        for name, value in part.items()
        if names or not (name in _PROSE or name.startswith("x-"))
    }


_PROSE: Final = frozenset(
    ("description", "summary", "example", "examples", "externalDocs", "tags", "title")
)


def _unescaped(step: str) -> str:
    return unquote(step).replace("~1", "/").replace("~0", "~")


def _without_nulls(value: Json) -> Json:
    if isinstance(value, dict):
        return {k: _without_nulls(v) for k, v in value.items() if v is not None}
    if isinstance(value, list):
        return [_without_nulls(item) for item in value]
    return value
