"""Read a delivery's body: raw bytes, bounded in size, in time, and all together.

Nothing is read past the bound, and a client that goes on sending is cut off. Many slow
clients cost what they have sent so far and no more.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final

from fastapi import Request
from starlette.requests import ClientDisconnect

from service.problems import Refused

LIMIT: Final = 2 * 1024 * 1024  # of bytes; events that matter here have far fewer
DEADLINE_S: Final = 10.0  # forges have given up by then
AT_ONCE: Final = 16 * LIMIT
CUT: Final = {"Connection": "close"}
"""Header of an answer that is given before the whole body has come."""


class Reader:
    """Reads bodies; one for the whole application, used in its event loop only.

    Args:
        deadline_s: seconds until a body must be there.
        at_once: bytes of all bodies that are held at one time.
    """

    def __init__(
        self, *, deadline_s: float = DEADLINE_S, at_once: int = AT_ONCE
    ) -> None:
        self._deadline_s = deadline_s
        self._at_once = at_once
        self._held = 0

    @asynccontextmanager
    async def body(self, request: Request) -> AsyncIterator[bytes]:
        """Read a body; what it takes counts until the end of the context.

        Raises:
            Refused: 413 as soon as it is known to be too large; 408 when it did not
                come in time; 503 when there is too much at once; 400 when the client
                has gone.
        """
        said = request.headers.get("content-length", "")
        if said.isdecimal() and (len(said) > len(str(LIMIT)) or int(said) > LIMIT):
            raise _too_large()
        read = bytearray()
        try:
            await self._fill(read, request)
            yield bytes(read)
        finally:
            self._held -= len(read)

    async def _fill(self, read: bytearray, request: Request) -> None:
        try:
            async with asyncio.timeout(self._deadline_s):
                async for part in request.stream():
                    self._check(len(read), len(part))
                    self._held += len(part)
                    read += part
        except TimeoutError:
            raise Refused(
                408, "the body did not come in time", code="too_slow", headers=CUT
            ) from None
        except ClientDisconnect:
            raise Refused(400, "the body has not come to its end") from None

    def _check(self, size: int, more: int) -> None:
        if size + more > LIMIT:
            raise _too_large()
        if self._held + more > self._at_once:
            raise Refused(
                503,
                "too many deliveries at once",
                hint="send it again as Retry-After says",
                headers={"Retry-After": "5", **CUT},
            )


def _too_large() -> Refused:
    return Refused(413, f"the body is larger than {LIMIT} bytes", headers=CUT)
