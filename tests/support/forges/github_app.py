"""A GitHub App, installed on a fake GitHub: its signatures, its tokens, their end."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final

import jwt
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from gitops.model import Json
from tests.support.forges.github import FakeGitHub, refused
from tests.support.forges.github_shapes import installation, time
from tests.support.forges.state import NOON
from tests.support.forges.wire import Asked, Told

APP: Final = "4711"
SLUG: Final = "fleet-keeper"
_LIVES: Final = timedelta(hours=1)
_MOST: Final = timedelta(minutes=10)


def new_key() -> tuple[str, str]:
    """Return a private key and its public one, PEM."""
    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    private = key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.TraditionalOpenSSL,
        serialization.NoEncryption(),
    )
    public = key.public_key().public_bytes(
        serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
    )
    return private.decode(), public.decode()


class FakeApp:
    """One App, and its installation on the fake's repository.

    Attributes:
        at: the clock, of the fake and of whoever is tested.
        publics: keys whose signatures are accepted.
        rights: that the installation was given.
        is_installed: on that repository.
        asked: the bodies of the requests for a token.
        signed: the claims of each signature that was accepted.
        issued: tokens, the newest last.
    """

    def __init__(self, fake: FakeGitHub, public: str) -> None:
        self.at = NOON
        self.publics = {public}
        self.rights: dict[str, Json] = {
            "contents": "write",
            "pull_requests": "write",
            "statuses": "write",
            "checks": "write",
            "issues": "write",
            "administration": "write",
            "metadata": "read",
        }
        self.is_installed = True
        self.asked: list[Json] = []
        self.signed: list[dict[str, Json]] = []
        self.issued: list[str] = []
        self._fake = fake
        fake.app_check = self._check
        fake.wire.on("GET", "/repos/{}/{}/installation")(self._installation)
        fake.wire.on("POST", "/app/installations/{}/access_tokens")(self._issue)

    def now(self) -> datetime:
        """Return the moment that it is."""
        return self.at

    def end(self) -> None:
        """Let every token end."""
        self._fake.state.tokens -= set(self.issued)

    def _check(self, asked: Asked) -> Told | None:
        token = asked.headers.get("authorization", "").removeprefix("Bearer ")
        for public in self.publics:
            try:
                claims = jwt.decode(
                    token,
                    public,
                    algorithms=["RS256"],
                    options={"verify_exp": False, "verify_iat": False},
                )
            except jwt.PyJWTError:
                continue
            if self._is_good(claims):
                self.signed.append(claims)
                return None
        told = "A JSON web token could not be decoded"
        return refused(401, told)

    def _is_good(self, claims: dict[str, Json]) -> bool:
        """Hold the claims to GitHub's rules, by a clock that is half a minute slow."""
        slow = (self.at - timedelta(seconds=30)).timestamp()
        issued, ends = claims["iat"], claims["exp"]
        assert isinstance(issued, int)
        assert isinstance(ends, int)
        lives = ends <= slow + _MOST.total_seconds() and ends > slow
        return claims["iss"] == APP and issued <= slow and lives

    def _installation(self, asked: Asked) -> Told:
        if not self.is_installed:
            return refused(404, "Not Found")
        return Told(body=installation(12, SLUG, self.rights))

    def _issue(self, asked: Asked) -> Told:
        self.asked.append(asked.body)
        # As since 2026: the App's id, and a JWT of GitHub's own; much over 40 long.
        payload: dict[str, Json] = {"n": len(self.asked), "pad": "x" * 600}
        form = jwt.encode(payload, "k" * 32, algorithm="HS256")
        token = f"ghs_{APP}_{form}"
        self.issued.append(token)
        self._fake.state.tokens.add(token)
        body: Json = {
            "token": token,
            "expires_at": time(self.at + _LIVES),
            "permissions": asked.field("permissions"),
            "repository_selection": "selected",
        }
        return Told(status=201, body=body)
