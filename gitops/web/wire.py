"""Connections to exactly the addresses that were checked, and an end to all waiting.

A name is looked up once for each request, by us; what connects here gets the addresses
and never the name, so a second answer of the name server changes nothing. The name is
still what TLS checks and what the Host header says. Connections are kept only for the
same name at the same addresses.
"""

from __future__ import annotations

import ssl
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from threading import Lock
from typing import Any, Final

import httpcore
import httpx

from gitops.errors import WebError

ROUTE: Final = "gitops.route"
"""The request extension that holds its Route."""

_CONNECT_S: Final = 5.0  # for one address, so that a dead one does not take it all
_TRIED: Final = 3
_POOLS: Final = 64
_CONTEXTS: Final = 64
_CHUNK: Final = 1 << 16

_ends_at: ContextVar[float] = ContextVar("ends_at")


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """How one request leaves.

    Attributes:
        addresses: checked, in the order of preference.
        authorities: see Allowed.
    """

    addresses: tuple[str, ...]
    authorities: str


@contextmanager
def ending(at: float) -> Iterator[None]:
    """Let everything on the wire in this thread end at a monotonic moment."""
    token = _ends_at.set(at)
    try:
        yield
    finally:
        _ends_at.reset(token)


def left_s(at_most: float | None = None) -> float:
    """Return the seconds that are left, never zero: that would mean no timeout."""
    left = max(_ends_at.get() - time.monotonic(), 0.001)
    return left if at_most is None else min(left, at_most)


class _TimedStream(httpcore.NetworkStream):
    """A connection each of whose waits ends when its request has to."""

    def __init__(self, inner: httpcore.NetworkStream) -> None:
        self._inner = inner

    def read(self, max_bytes: int, timeout: float | None = None) -> bytes:
        if _ends_at.get() <= time.monotonic():
            raise httpcore.ReadTimeout
        return self._inner.read(max_bytes, left_s(timeout))

    def write(self, buffer: bytes, timeout: float | None = None) -> None:
        for start in range(0, len(buffer), _CHUNK):
            if _ends_at.get() <= time.monotonic():
                raise httpcore.WriteTimeout
            self._inner.write(buffer[start : start + _CHUNK], left_s(timeout))

    def close(self) -> None:
        self._inner.close()

    def start_tls(
        self,
        ssl_context: ssl.SSLContext,
        server_hostname: str | None = None,
        timeout: float | None = None,
    ) -> httpcore.NetworkStream:
        stream = self._inner.start_tls(ssl_context, server_hostname, left_s(timeout))
        return _TimedStream(stream)

    def get_extra_info(self, info: str) -> Any:
        return self._inner.get_extra_info(info)


class _Fixed(httpcore.NetworkBackend):
    """Connects to the given addresses, whatever name it is asked for."""

    def __init__(self, addresses: tuple[str, ...]) -> None:
        self._addresses = addresses[:_TRIED]
        self._inner = httpcore.SyncBackend()

    def connect_tcp(
        self,
        host: str,  # noqa: ARG002  the name was looked up already
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.NetworkStream:
        failed: Exception = httpcore.ConnectError("no address")
        for address in self._addresses:
            try:
                stream = self._inner.connect_tcp(
                    address,
                    port,
                    left_s(timeout or _CONNECT_S),
                    local_address,
                    socket_options,
                )
            except (httpcore.ConnectError, httpcore.ConnectTimeout) as error:
                failed = error
            else:
                return _TimedStream(stream)
        raise failed


@dataclass(slots=True)
class _Kept:
    pool: httpcore.ConnectionPool
    users: int = 0


class Transport(httpx.BaseTransport):
    """Sends each request by its Route."""

    def __init__(self) -> None:
        self._lock = Lock()
        self._kept: dict[object, _Kept] = {}  # the least recently used first
        self._contexts: dict[str, ssl.SSLContext] = {}

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        """Send a request; raises httpcore's errors."""
        route: Route = request.extensions[ROUTE]
        url = httpcore.URL(
            scheme=request.url.raw_scheme,
            host=request.url.raw_host,
            port=request.url.port,
            target=request.url.raw_path,
        )
        key = (url.origin.scheme, url.origin.host, url.origin.port)
        kept = self._take((*key, frozenset(route.addresses), route.authorities), route)
        try:
            answer = kept.pool.handle_request(
                httpcore.Request(
                    method=request.method,
                    url=url,
                    headers=request.headers.raw,
                    content=request.stream,
                    extensions=request.extensions,
                )
            )
        except BaseException:
            self._give(kept)
            raise
        return httpx.Response(
            status_code=answer.status,
            headers=answer.headers,
            stream=_Body(answer, lambda: self._give(kept)),
        )

    def close(self) -> None:
        """Close every connection."""
        with self._lock:
            kept, self._kept = self._kept, {}
        for one in kept.values():
            one.pool.close()

    def _take(self, key: object, route: Route) -> _Kept:
        with self._lock:
            kept = self._kept.pop(key, None)
            if kept is None:
                kept = _Kept(
                    httpcore.ConnectionPool(
                        ssl_context=self._context(route.authorities),
                        network_backend=_Fixed(route.addresses),
                        max_connections=None,
                        keepalive_expiry=5.0,
                    )
                )
            self._kept[key] = kept
            kept.users += 1
            return kept

    def _give(self, kept: _Kept) -> None:
        with self._lock:
            kept.users -= 1
            spare = [key for key, one in self._kept.items() if not one.users]
            over = max(len(self._kept) - _POOLS, 0)
            closing = [self._kept.pop(key) for key in spare[:over]]
        for one in closing:
            one.pool.close()

    def _context(self, authorities: str) -> ssl.SSLContext:
        if authorities not in self._contexts:
            if len(self._contexts) >= _CONTEXTS:
                self._contexts.clear()
            self._contexts[authorities] = _new_context(authorities)
        return self._contexts[authorities]


def _new_context(authorities: str) -> ssl.SSLContext:
    if not authorities:  # certifi's, whatever this machine and its variables say
        return httpx.create_ssl_context(trust_env=False)
    try:
        return ssl.create_default_context(cadata=authorities)
    except (ssl.SSLError, ValueError):
        raise WebError(
            "the certificate authorities are not in PEM form",
            hint="the file of `ca` begins with -----BEGIN CERTIFICATE-----",
        ) from None


class _Body(httpx.SyncByteStream):
    """A body as it was sent, and what to do when it has been read."""

    def __init__(self, answer: httpcore.Response, done: Callable[[], None]) -> None:
        self._answer = answer
        self._done: Callable[[], None] | None = done

    def __iter__(self) -> Iterator[bytes]:
        return self._answer.iter_stream()

    def close(self) -> None:
        done, self._done = self._done, None
        if done is not None:
            try:
                self._answer.close()
            finally:
                done()
