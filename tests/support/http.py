"""Ask the application as a client on the network would, in this process."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from typing import Any, TypeAlias

import httpx
from fastapi import FastAPI

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
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(
            transport=transport, base_url="http://service.example"
        ) as client:
            return await client.request(method, path, headers=headers, content=content)

    return asyncio.run(send())


def routes_of(app: FastAPI) -> Iterator[tuple[str, str]]:
    """Yield method and path of every route, whichever router brought it."""
    for route in app.routes:
        yield from _below(route)


def _below(route: Any) -> Iterator[tuple[str, str]]:
    if hasattr(route, "effective_candidates"):  # FastAPI's included routers
        for inner in route.effective_candidates():
            yield from _below(inner)
        return
    for method in sorted(route.methods):
        yield method, route.path
