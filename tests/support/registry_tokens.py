"""A server that hands out tokens as the distribution project describes, signed.

docker-registry checks the signature against the certificate that it is given, so a
token of ours is judged by a foreign program.
"""

from __future__ import annotations

import base64
import secrets
import shutil
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import jwt
import pytest

from tests.support.registry_double import basic
from tests.support.servers import Request, reply, serve

ISSUER = "tests"
SERVICE = "registry.test"


@dataclass
class Realm:
    """A token server.

    Attributes:
        key: PEM of the private key.
        chain: the certificate as `x5c` has it.
        login: for whom tokens are.
    """

    key: str
    chain: str
    login: tuple[str, str]
    url: str = ""
    requests: list[Request] = field(default_factory=list)

    def __call__(self, request: Request) -> bytes:
        self.requests.append(request)
        if request.headers.get("authorization") != basic(*self.login):
            return reply({"details": "no"}, status=401)
        query = parse_qs(urlsplit(request.target).query)
        kind, name, rights = query["scope"][0].split(":")
        return reply({"token": self.token(kind, name, rights.split(","))})

    def token(self, kind: str, name: str, rights: list[str]) -> str:
        """Sign a token with these rights."""
        now = int(time.time())
        claims = {
            "iss": ISSUER,
            "sub": self.login[0],
            "aud": SERVICE,
            "exp": now + 300,
            "nbf": now - 10,
            "iat": now,
            "jti": secrets.token_hex(8),
            "access": [{"type": kind, "name": name, "actions": rights}],
        }
        headers = {"x5c": [self.chain]}
        return jwt.encode(claims, self.key, algorithm="RS256", headers=headers)


def certificate(folder: Path) -> tuple[Path, Path]:
    """Make a key and a certificate for it, or skip with a reason."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("no openssl to make a certificate with")
    key, cert = folder / "realm.key", folder / "realm.crt"
    wanted = "req -x509 -newkey rsa:2048 -nodes -subj /CN=realm -days 2"
    name = "subjectAltName=IP:127.0.0.1"
    command = [openssl, *wanted.split(), "-addext", name]
    command += ["-keyout", str(key), "-out", str(cert)]
    subprocess.run(command, check=True, capture_output=True)
    return key, cert


@contextmanager
def realm(key: Path, cert: Path, login: tuple[str, str]) -> Iterator[Realm]:
    """Run a token server."""
    lines = cert.read_text().splitlines()
    chain = "".join(line for line in lines if not line.startswith("-"))
    assert base64.b64decode(chain)
    found = Realm(key.read_text(), chain, login)
    with serve(found) as server:
        found.url = f"{server.url}/token"
        yield found
