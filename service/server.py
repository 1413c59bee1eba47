"""The HTTP server: uvicorn, which ends the streams before it waits for its clients."""

from __future__ import annotations

import socket
from collections.abc import Callable

import uvicorn


class Server(uvicorn.Server):
    """A server that ends in good order although somebody follows the events.

    Args:
        config: of uvicorn.
        at_end: ends what would never end by itself; called in the loop, once no new
            connection is taken.
    """

    def __init__(self, config: uvicorn.Config, *, at_end: Callable[[], None]) -> None:
        super().__init__(config)
        self._at_end = at_end

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """End streams, then wait for the rest."""
        self._at_end()
        await super().shutdown(sockets=sockets)
