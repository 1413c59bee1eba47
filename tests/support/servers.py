"""Servers on loopback that answer what a test says, well or badly."""

from __future__ import annotations

import json
import socket
import struct
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from ssl import SSLContext
from typing import TypeAlias

Script: TypeAlias = Callable[["Request"], "bytes | Iterable[bytes]"]
"""Makes the raw answer to one request; no bytes at all ends the connection."""


class ResetError(Exception):
    """Raised by a script: end the connection with a reset."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What a client sent."""

    method: str
    target: str
    headers: Mapping[str, str]
    body: bytes
    raw: bytes


class Server:
    """A server; runs between `start` and `stop`."""

    def __init__(self, script: Script, tls: SSLContext | None) -> None:
        self.requests: list[Request] = []
        self.connections = 0
        self._script = script
        self._tls = tls
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._open: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self._accepting = threading.Thread(target=self._accept)

    @property
    def url(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.port}"

    def start(self) -> None:
        self._accepting.start()

    def stop(self) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._accepting.join()
        for connection in self._open:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
            connection.close()
        for thread in self._threads:
            thread.join()

    def _accept(self) -> None:
        while True:
            try:
                connection, _ = self._listener.accept()
            except OSError:
                return
            self.connections += 1
            self._open.append(connection)
            thread = threading.Thread(target=self._attend, args=(connection,))
            self._threads.append(thread)
            thread.start()

    def _attend(self, plain: socket.socket) -> None:
        connection = plain
        try:
            if self._tls is not None:
                connection = self._tls.wrap_socket(plain, server_side=True)
            self._talk(connection)
        except ResetError:
            linger = struct.pack("ii", 1, 0)
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        except (OSError, ValueError):  # a client that goes, or speaks something else
            pass
        finally:
            connection.close()

    def _talk(self, connection: socket.socket) -> None:
        with connection.makefile("rb") as file:
            while (request := _read(file)) is not None:
                self.requests.append(request)
                answer = self._script(request)
                for chunk in [answer] if isinstance(answer, bytes) else answer:
                    if not chunk:
                        return
                    connection.sendall(chunk)


def reply(
    body: bytes | str | object = b"",
    *,
    status: int = 200,
    headers: Mapping[str, str] | None = None,
) -> bytes:
    """Write an answer; what is neither bytes nor text is written as JSON."""
    if isinstance(body, str):
        content = body.encode()
    else:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
    given = {"Content-Length": str(len(content))} | dict(headers or {})
    head = "".join(f"{name}: {value}\r\n" for name, value in given.items())
    return f"HTTP/1.1 {status} Told\r\n{head}\r\n".encode() + content


@contextmanager
def serve(script: Script, *, tls: SSLContext | None = None) -> Iterator[Server]:
    """Run a server while the body runs."""
    server = Server(script, tls)
    server.start()
    try:
        yield server
    finally:
        server.stop()


def _read(file: Iterable[bytes]) -> Request | None:
    lines: list[bytes] = []
    for line in file:
        lines.append(line)
        if line == b"\r\n":
            break
    if not lines:
        return None
    method, target, _ = lines[0].decode().split(" ")
    pairs = (line.decode().rstrip().partition(": ") for line in lines[1:-1])
    headers = {name.lower(): value for name, _, value in pairs}
    body = b""
    if length := int(headers.get("content-length", "0")):
        body = file.read(length)  # type: ignore[attr-defined]  # a socket's file
    return Request(
        method=method,
        target=target,
        headers=headers,
        body=body,
        raw=b"".join(lines) + body,
    )
