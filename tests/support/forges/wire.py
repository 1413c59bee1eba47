"""The HTTP side of a fake forge: routes, credentials, and faults that a test orders."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.utils import formatdate
from enum import StrEnum
from typing import Final, TypeAlias
from urllib.parse import parse_qsl, unquote, urlsplit

from gitops.model import Json
from tests.support.servers import Request, ResetError, Server, reply, serve

_TEXT: Final = {"Content-Type": "text/html; charset=utf-8"}
_JSON: Final = {"Content-Type": "application/json; charset=utf-8"}


@dataclass(frozen=True, kw_only=True)
class Asked:
    """One request, taken apart.

    Attributes:
        method: in capitals.
        path: below the root, still quoted, with its leading slash.
        parts: what the route's pattern caught, unquoted.
        query: by name; the last one of a name wins.
        pairs: the whole query, in order.
        body: JSON, or None.
        headers: by lower-case name.
        root: scheme, host and port of this server.
    """

    method: str
    path: str
    parts: tuple[str, ...]
    query: Mapping[str, str]
    body: Json
    headers: Mapping[str, str]
    root: str
    pairs: tuple[tuple[str, str], ...] = ()

    def field(self, name: str) -> Json:
        """Return a field of the body; None when it is not there."""
        return self.body.get(name) if isinstance(self.body, dict) else None

    def text(self, name: str) -> str:
        """Return a text of the body; empty when it is none."""
        found = self.field(name)
        return found if isinstance(found, str) else ""


@dataclass(frozen=True, kw_only=True)
class Told:
    """One answer."""

    status: int = 200
    body: Json | str | bytes = None
    headers: Mapping[str, str] = field(default_factory=dict)

    def raw(self) -> bytes:
        """Write it as it goes over the wire."""
        kind = _TEXT if isinstance(self.body, str | bytes) else _JSON
        content = b"" if self.body is None else self.body
        date = {"Date": formatdate(usegmt=True)}
        return reply(
            content, status=self.status, headers={**kind, **date, **self.headers}
        )


Handler: TypeAlias = Callable[[Asked], Told]


class FaultKind(StrEnum):
    """What may go wrong between us and a forge."""

    RESET_BEFORE = "reset before"  # nothing was done
    RESET_AFTER = "reset after"  # it was done, and nobody told
    ERROR_500 = "500"
    ERROR_502_AFTER = "502 after"  # done, and the proxy says no
    ERROR_503 = "503"
    LIMIT_429 = "429"
    LIMIT_429_AFTER = "429 with Retry-After"
    SECONDARY_403 = "403 secondary limit"
    DENIED_401 = "401"
    DENIED_403 = "403"
    NOT_FOUND_404 = "404"
    TRUNCATED = "truncated JSON"
    HTML = "HTML for JSON"
    SIGN_IN_203 = "203 sign-in page"
    EMPTY_LIST = "empty list"  # of a reader who lost rights: only where a list is due
    ENDLESS = "endless body"


@dataclass
class Fault:
    """One fault, ordered by a test.

    Attributes:
        kind: what happens.
        method: of the requests it happens to.
        path: searched in their path.
        skip: how many of them pass unharmed before.
        times: how often; then all is well.
        fired: how often it did.
    """

    kind: FaultKind
    method: str = ".*"
    path: str = ""
    skip: int = 0
    times: int = 1
    fired: int = 0

    def hits(self, method: str, path: str) -> bool:
        """Whether it happens to a request now; counts those that it lets pass."""
        meant = re.fullmatch(self.method, method) and re.search(self.path, path)
        if not meant or self.fired >= self.times:
            return False
        self.skip -= 1
        return self.skip < 0


Watcher: TypeAlias = Callable[[Asked, Told], None]
"""Looks at each exchange that no fault touched; raises on what must not be."""


class Wire:
    """Routes over loopback.

    Args:
        root: path before every route, such as /api/v1.
        check: looks at the credential; what it returns is the answer, None lets in.
        missing: answers what no route is for.
    """

    def __init__(
        self,
        *,
        root: str = "",
        check: Callable[[Asked], Told | None],
        missing: Told,
    ) -> None:
        self.root = root
        self.faults: list[Fault] = []
        self.seen: list[Asked] = []
        self.watchers: list[Watcher] = []
        self.wrong: list[str] = []
        self._check = check
        self._missing = missing
        self._routes: list[tuple[str, re.Pattern[str], Handler]] = []

    def on(self, method: str, pattern: str) -> Callable[[Handler], Handler]:
        """Answer a method and a path below the root, a `{}` for each part."""
        ready = re.compile(re.escape(pattern).replace(r"\{\}", "([^/]+)"))

        def keep(handler: Handler) -> Handler:
            self._routes.append((method, ready, handler))
            return handler

        return keep

    @contextmanager
    def serving(self) -> Iterator[Server]:
        """Run it while the body runs; then nothing that a watcher saw may be wrong."""
        with serve(self._script) as server:
            self._server = server
            yield server
        assert not self.wrong, "\n".join(self.wrong)

    def _script(self, request: Request) -> bytes | Iterator[bytes]:
        asked, handler = self._asked(request)
        self.seen.append(asked)
        fault = next((f for f in self.faults if f.hits(asked.method, asked.path)), None)
        if fault is not None:
            fault.fired += 1
            return _faulty(fault.kind, asked, lambda: self._told(asked, handler))
        told = self._told(asked, handler)
        for watcher in self.watchers:
            try:
                watcher(asked, told)
            except Exception as error:  # noqa: BLE001 - told when the server stops
                self.wrong.append(f"{asked.method} {asked.path}: {error!r:.2000}")
        return told.raw()

    def _told(self, asked: Asked, handler: Handler | None) -> Told:
        refused = self._check(asked)
        if refused is not None:
            return refused
        return self._missing if handler is None else handler(asked)

    def _asked(self, request: Request) -> tuple[Asked, Handler | None]:
        target = urlsplit(request.target)
        path = target.path.removeprefix(self.root)
        found: Handler | None = None
        parts: tuple[str, ...] = ()
        for method, pattern, handler in self._routes:
            match = pattern.fullmatch(path)
            if method == request.method and match is not None:
                found, parts = handler, tuple(unquote(p) for p in match.groups())
                break
        pairs = tuple(parse_qsl(target.query, keep_blank_values=True))
        asked = Asked(
            method=request.method,
            path=path,
            parts=parts,
            query=dict(pairs),
            body=json.loads(request.body) if request.body else None,
            headers=request.headers,
            root=self._server.url,
            pairs=pairs,
        )
        return asked, found


def _faulty(
    kind: FaultKind, asked: Asked, act: Callable[[], Told]
) -> bytes | Iterator[bytes]:
    match kind:
        case FaultKind.RESET_BEFORE:
            raise ResetError
        case FaultKind.RESET_AFTER:
            act()
            raise ResetError
        case FaultKind.ERROR_502_AFTER:
            act()
            return Told(status=502, body="<html>Bad gateway</html>").raw()
        case FaultKind.TRUNCATED:
            whole = act().raw()
            head, _, body = whole.partition(b"\r\n\r\n")
            return _truncated(head, body[: len(body) // 2])
        case FaultKind.HTML:
            act()
            return Told(status=200, body="<html>hello</html>").raw()
        case FaultKind.ENDLESS:
            return _endless()
        case FaultKind.EMPTY_LIST:
            return Told(body=[]).raw()
        case _:
            return _REFUSALS[kind].raw()


_REFUSALS: Final[Mapping[FaultKind, Told]] = {
    FaultKind.ERROR_500: Told(status=500, body={"message": "Server Error"}),
    FaultKind.ERROR_503: Told(status=503, body="<html>Unavailable</html>"),
    FaultKind.LIMIT_429: Told(status=429, body={"message": "Too many requests"}),
    FaultKind.LIMIT_429_AFTER: Told(
        status=429, body={"message": "Too many requests"}, headers={"Retry-After": "1"}
    ),
    FaultKind.SECONDARY_403: Told(
        status=403,
        body={"message": "You have exceeded a secondary rate limit."},
        headers={"Retry-After": "1"},
    ),
    FaultKind.DENIED_401: Told(status=401, body={"message": "Bad credentials"}),
    FaultKind.DENIED_403: Told(status=403, body={"message": "Forbidden"}),
    FaultKind.NOT_FOUND_404: Told(status=404, body={"message": "Not Found"}),
    FaultKind.SIGN_IN_203: Told(status=203, body="<html>Sign in</html>"),
}


def _truncated(head: bytes, body: bytes) -> bytes:
    """An answer whose length is right and whose JSON is not whole."""
    lines = [
        line
        for line in head.split(b"\r\n")
        if not line.lower().startswith(b"content-length")
    ]
    length = f"Content-Length: {len(body)}".encode()
    return b"\r\n".join([*lines, length]) + b"\r\n\r\n" + body


def _endless() -> Iterator[bytes]:
    yield b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n["
    while True:
        yield b" " * 65536
