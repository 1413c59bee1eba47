"""Ask the application as a client on the network would, in this process."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from typing import Any, TypeAlias

import httpx
from fastapi import FastAPI
from fastapi.routing import iter_route_contexts

Headers: TypeAlias = Mapping[str, str] | Mapping[bytes, bytes]
NO_HEADERS: Headers = {}


def ask(
    app: FastAPI,
    path: str,
    *,
    method: str = "GET",
    headers: Headers = NO_HEADERS,
    content: bytes = b"",
) -> httpx.Response:
    """Send one request; a bug in the application is an answer too, not an exception."""

    async def send() -> httpx.Response:
        async with _client(app) as client:
            return await client.request(method, path, headers=headers, content=content)

    return asyncio.run(send())


def ask_at_once(
    app: FastAPI, path: str, *, times: int, headers: Headers = NO_HEADERS
) -> list[httpx.Response]:
    """Send the same request many times, all before the first answer."""

    async def send() -> list[httpx.Response]:
        async with _client(app) as client:
            requests = [client.get(path, headers=headers) for _ in range(times)]
            return await asyncio.gather(*requests)

    return asyncio.run(send())


def _client(app: FastAPI) -> httpx.AsyncClient:
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    return httpx.AsyncClient(transport=transport, base_url="http://service.example")


def routes_of(app: FastAPI) -> Iterator[tuple[str, str, Any]]:
    """Yield method, path and endpoint of every route, whichever router brought it."""
    for context in iter_route_contexts(app.routes):
        assert context.path is not None, context
        for method in sorted(context.methods or ()):
            yield method, context.path, context.endpoint
