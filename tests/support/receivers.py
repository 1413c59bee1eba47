"""A server on loopback that takes what is posted, and answers as it is told."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TypeAlias


@dataclass(frozen=True, slots=True, kw_only=True)
class Received:
    """One request."""

    path: str
    headers: dict[str, str]
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What is answered."""

    status: int = 200
    headers: dict[str, str] = field(default_factory=dict)
    wait: threading.Event | None = None


Answering: TypeAlias = Callable[[Received, int], Reply]
"""Given a request and how many came before it."""


class Receiver:
    """The server; `requests` grows while it runs."""

    def __init__(self, address: str) -> None:
        self.address = address
        self.requests: list[Received] = []
        self.answering: Answering = lambda _request, _number: Reply()
        self.lock = threading.Lock()

    def take(self, request: Received) -> Reply:
        with self.lock:
            number = len(self.requests)
            self.requests.append(request)
        return self.answering(request, number)


@contextmanager
def receiving() -> Iterator[Receiver]:
    """Run a receiver on a free port of loopback."""

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers.get("content-length", "0")))
            headers = {name.lower(): value for name, value in self.headers.items()}
            reply = receiver.take(Received(path=self.path, headers=headers, body=body))
            if reply.wait is not None:
                reply.wait.wait(30)
            try:
                self.send_response(reply.status)
                for name, value in {"Content-Length": "0", **reply.headers}.items():
                    self.send_header(name, value)
                self.end_headers()
            except OSError:  # whoever asked has gone
                self.close_connection = True

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Say nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = False
    receiver = Receiver(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    try:
        yield receiver
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
