"""Git's own `git http-backend` behind TLS on loopback, with Basic authentication."""

from __future__ import annotations

import base64
import os
import shutil
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TypeAlias
from urllib.parse import urlsplit

import pytest

NAME = "git.example.com"
Refusal: TypeAlias = Callable[["Handler"], bool]
"""Answers a request in another way; whether it did."""


@dataclass(kw_only=True)
class GitSite:
    """What the server serves, and what it saw.

    Attributes:
        root: folder of the bare repositories.
        logins: user names with their passwords; empty lets everybody in.
        before: asked first; see Refusal.
        seen: method, path and Authorization header of each request.
    """

    root: Path
    logins: dict[str, str] = field(default_factory=dict)
    before: Refusal = lambda _: False
    seen: list[tuple[str, str, str]] = field(default_factory=list)
    port: int = 0

    @property
    def url(self) -> str:
        """Its address by number."""
        return f"https://127.0.0.1:{self.port}"

    @property
    def named(self) -> str:
        """Its address by a name that only tests resolve."""
        return f"https://{NAME}:{self.port}"


def make_certificate(folder: Path) -> Path:
    """Make a certificate for 127.0.0.1 and a name; nobody else believes it."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("no openssl to make a certificate with")
    folder.mkdir(parents=True, exist_ok=True)
    wanted = (
        "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 "
        f"-subj /CN={NAME} -addext subjectAltName=DNS:{NAME},IP:127.0.0.1 "
        "-keyout key.pem -out cert.pem"
    )
    subprocess.run(
        [openssl, *wanted.split()], cwd=folder, check=True, capture_output=True
    )
    return folder


class Handler(BaseHTTPRequestHandler):
    """One request, handed to git as CGI (RFC 3875)."""

    protocol_version = "HTTP/1.1"
    server: _Server

    def do_GET(self) -> None:
        self._attend()

    def do_POST(self) -> None:
        self._attend()

    def _attend(self) -> None:
        site = self.server.site
        body = self._body()
        login = self.headers.get("Authorization", "")
        site.seen.append((self.command, self.path, login))
        if site.before(self):
            return
        if site.logins and not self._is_known(login):
            self.answer(401, b"", ("WWW-Authenticate", 'Basic realm="git"'))
            return
        self._serve(body)

    def _body(self) -> bytes:
        if self.headers.get("Transfer-Encoding", "") != "chunked":
            return self.rfile.read(int(self.headers.get("Content-Length", 0)))
        parts = []
        while size := int(self.rfile.readline(), 16):
            parts.append(self.rfile.read(size))
            self.rfile.readline()
        self.rfile.readline()
        return b"".join(parts)

    def _is_known(self, login: str) -> bool:
        kind, _, pair = login.partition(" ")
        name, _, password = base64.b64decode(pair).decode().partition(":")
        return kind == "Basic" and self.server.site.logins.get(name) == password

    def answer(self, status: int, body: bytes, *headers: tuple[str, str]) -> None:
        """Send a whole answer."""
        self.send_response(status)
        for name, value in headers:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def _serve(self, body: bytes) -> None:
        target = urlsplit(self.path)
        variables = {
            "PATH": os.environ["PATH"],
            "GIT_PROJECT_ROOT": str(self.server.site.root),
            "GIT_HTTP_EXPORT_ALL": "1",
            "GIT_CONFIG_NOSYSTEM": "1",
            "GIT_CONFIG_GLOBAL": "/dev/null",
            "GIT_CONFIG_COUNT": "1",
            "GIT_CONFIG_KEY_0": "http.receivepack",
            "GIT_CONFIG_VALUE_0": "true",
            "PATH_INFO": target.path,
            "QUERY_STRING": target.query,
            "REQUEST_METHOD": self.command,
            "CONTENT_TYPE": self.headers.get("Content-Type", ""),
            "HTTP_CONTENT_ENCODING": self.headers.get("Content-Encoding", ""),
            "GIT_PROTOCOL": self.headers.get("Git-Protocol", ""),
            "CONTENT_LENGTH": str(len(body)),
            "REMOTE_USER": "bot",
            "REMOTE_ADDR": "127.0.0.1",
        }
        done = subprocess.run(
            ["git", "http-backend"],
            input=body,
            env=variables,
            capture_output=True,
            check=False,
        )
        head, _, content = done.stdout.partition(b"\r\n\r\n")
        status, headers = 200, []
        for line in head.decode().split("\r\n"):
            name, _, value = line.partition(": ")
            if name == "Status":
                status = int(value.split()[0])
            else:
                headers.append((name, value))
        self.answer(status, content, *headers)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


class _Server(ThreadingHTTPServer):
    daemon_threads = False

    def __init__(self, site: GitSite, tls: ssl.SSLContext) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.site = site
        self.tls = tls

    def finish_request(self, request: object, client_address: object) -> None:
        # in the connection's own thread: a slow handshake holds up nobody else
        try:
            with self.tls.wrap_socket(request, server_side=True) as secured:  # type: ignore[arg-type]
                Handler(secured, client_address, self)
        except OSError:  # a client that goes away, or does not believe us
            return


@contextmanager
def served(site: GitSite, certificate: Path) -> Iterator[GitSite]:
    """Serve while the body runs."""
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(certificate / "cert.pem", certificate / "key.pem")
    with _Server(site, tls) as server:
        site.port = server.server_port
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield site
        finally:
            server.shutdown()
            thread.join()
