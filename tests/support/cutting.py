"""A line to a server that is cut at a chosen word, before or after the server heard it.

A fault that never fires proves nothing: `fired` says whether it did.
"""

from __future__ import annotations

import socket
from contextlib import suppress
from dataclasses import dataclass, field
from threading import Lock, Thread

_CHUNK = 65536


@dataclass
class Line:
    """A proxy on the loopback.

    Attributes:
        to: the server's port.
        fired: how often the line was cut.
    """

    to: int
    fired: int = 0
    _word: bytes = b""
    _heard: bool = False
    _dead_after: bool = False
    _dead: bool = False
    _over: bool = False
    _lock: Lock = field(default_factory=Lock)
    _listening: socket.socket = field(default_factory=socket.socket)
    _threads: list[Thread] = field(default_factory=list)
    _sockets: list[socket.socket] = field(default_factory=list)

    def __enter__(self) -> Line:
        self._listening.bind(("127.0.0.1", 0))
        self._listening.listen()
        self._start(self._accept)
        return self

    def __exit__(self, *_: object) -> None:
        self._dead = self._over = True
        # A close alone would not wake the thread that waits in accept.
        with suppress(OSError):
            socket.create_connection(("127.0.0.1", self.port)).close()
        self._listening.close()
        for end in self._sockets:
            _close(end)
        for thread in self._threads:
            thread.join()

    @property
    def port(self) -> int:
        """Where to connect to."""
        return int(self._listening.getsockname()[1])

    def cut_at(self, word: bytes, *, heard: bool, for_good: bool = False) -> None:
        """Cut the line when the client says a word.

        Args:
            word: part of what the client sends.
            heard: whether the server gets it, and answers; the answer is lost.
            for_good: no connection after that one.
        """
        with self._lock:
            self._word, self._heard, self._dead_after = word, heard, for_good

    def _start(self, work: object, *arguments: object) -> None:
        thread = Thread(target=work, args=arguments, daemon=True)  # type: ignore[arg-type]
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while True:
            client, _ = self._listening.accept()
            if self._dead:
                _close(client)
                if self._over:
                    return
                continue
            server = socket.create_connection(("127.0.0.1", self.to))
            self._sockets += [client, server]
            self._start(self._pump, client, server)

    def _pump(self, client: socket.socket, server: socket.socket) -> None:
        back = Thread(target=_copy, args=(server, client), daemon=True)
        back.start()
        while data := _receive(client):
            if self._is_the_moment(data):
                if self._heard:
                    _close(client)  # nobody will get the answer
                    _send(server, data)
                    _wait_for_end(server, back)
                break
            _send(server, data)
        _close(client)
        _close(server)
        back.join()

    def _is_the_moment(self, data: bytes) -> bool:
        with self._lock:
            if not self._word or self._word not in data:
                return False
            self._word = b""
            self.fired += 1
            self._dead = self._dead_after
            return True


def _copy(source: socket.socket, to: socket.socket) -> None:
    while data := _receive(source):
        _send(to, data)
    _close(to)


def _wait_for_end(server: socket.socket, back: Thread) -> None:
    with suppress(OSError):
        server.shutdown(socket.SHUT_WR)
    back.join()


def _receive(end: socket.socket) -> bytes:
    try:
        return end.recv(_CHUNK)
    except OSError:
        return b""


def _send(end: socket.socket, data: bytes) -> None:
    with suppress(OSError):
        end.sendall(data)


def _close(end: socket.socket) -> None:
    with suppress(OSError):
        end.shutdown(socket.SHUT_RDWR)
    end.close()
