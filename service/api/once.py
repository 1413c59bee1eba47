"""Answer a request with an Idempotency-Key once, and give that answer again.

The key is reserved before anything happens, in the store, so that no other replica
works on it. What was refused had no effect: its key is free again.
"""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Final

from fastapi import Request, Response
from starlette.concurrency import run_in_threadpool

from service.clock import Clock
from service.problems import Refused
from service.store import Store, Token
from service.store.answers import Answer

HEADER: Final = "idempotency-key"
REPLAYED: Final = "Idempotency-Replayed"
_KEY: Final = re.compile(r"[\x21-\x7e]{1,200}", re.ASCII)
_RESERVED: Final = 0
_ABANDONED: Final = timedelta(minutes=10)  # a request that died holds its key so long


async def answer_once(
    request: Request,
    token: Token,
    body: bytes,
    run: Callable[[], Awaitable[Response]],
) -> Response:
    """Run a request, or give the answer that it had before.

    Raises:
        Refused: 422 for a key that was used for another request, or is none; 409
            while the first request with it is not yet answered.
    """
    key = request.headers.get(HEADER)
    if key is None:
        return await run()
    if not _KEY.fullmatch(key):
        raise Refused(
            422,
            "Idempotency-Key: must be 1 to 200 printable ASCII characters",
            field="header.Idempotency-Key",
        )
    store: Store = request.app.state.store
    mine = secrets.token_hex(16)
    asked = _digest(request, body)
    clock: Clock = request.app.state.clock
    found = await run_in_threadpool(_reserve, store, clock, token.id, key, asked, mine)
    if found.request != asked:
        raise Refused(
            422,
            "Idempotency-Key: was used for another request",
            hint="choose a new key for each request",
            field="header.Idempotency-Key",
        )
    if found.body != mine:
        return _again(found)
    return await _run(request, store, (token.id, key), mine, run)


def _digest(request: Request, body: bytes) -> str:
    target = f"{request.method} {request.url.path}?{request.url.query}\n"
    wanted = request.headers.get("if-match", "")
    return hashlib.sha256(target.encode() + wanted.encode() + b"\n" + body).hexdigest()


def _reserve(
    store: Store, clock: Clock, token: str, key: str, asked: str, mine: str
) -> Answer:
    now = clock()
    found = store.answers.keep(token, key, asked, _RESERVED, mine, now)
    if found.status == _RESERVED and now - found.at > _ABANDONED:
        store.answers.drop(token, key, body=found.body)
        found = store.answers.keep(token, key, asked, _RESERVED, mine, now)
    return found


def _again(found: Answer) -> Response:
    if found.status == _RESERVED:
        raise Refused(
            409,
            "the first request with this Idempotency-Key is not yet answered",
            hint="ask again in a moment",
            headers={"Retry-After": "1"},
        )
    return Response(
        found.body,
        status_code=found.status,
        media_type="application/json",
        headers={REPLAYED: "true"},
    )


async def _run(
    request: Request,
    store: Store,
    slot: tuple[str, str],
    mine: str,
    run: Callable[[], Awaitable[Response]],
) -> Response:
    kept = False
    try:
        response = await run()
        if response.status_code < 300:
            # An answer that holds a secret says what may be kept of it.
            body = getattr(request.state, "kept", bytes(response.body).decode())
            await run_in_threadpool(
                lambda: store.answers.settle(
                    *slot, status=response.status_code, body=body
                )
            )
            kept = True
        return response
    finally:
        if not kept:
            await run_in_threadpool(lambda: store.answers.drop(*slot, body=mine))
