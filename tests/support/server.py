"""Serve an application on a port of loopback, as `serve` does."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn
from fastapi import FastAPI

from service.server import Server


@contextmanager
def serving(app: FastAPI) -> Iterator[str]:
    """Yield the address; the server is stopped in good order at the end."""
    config = uvicorn.Config(
        app, host="127.0.0.1", port=0, log_config=None, server_header=False
    )
    server = Server(config, at_end=app.state.events.close)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        while not server.started:
            assert thread.is_alive(), "the server did not start"
            thread.join(0.01)
        port = server.servers[0].sockets[0].getsockname()[1]
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join()
