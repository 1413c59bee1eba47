"""Log in as a GitHub App: its key -> a token of one hour for this repository only.

    key --signs--> JWT --finds--> installation --gives--> token (narrowed)

Promises: the token is for one repository and for no more rights than we need and the
installation has; it is renewed before it ends and when it is refused; nothing is
assumed of its form or length (since 2026 it may be a JWT of its own). The key is read
when it is used, so it may be rotated, and is kept nowhere.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Final

import jwt

from gitops.errors import ForgeDeniedError, ForgeUnavailableError
from gitops.forges.http import Call, Line, Talk, get, moment
from gitops.model import Json
from gitops.web.fields import mapping_at, number_at, text_at

RIGHTS: Final[Mapping[str, str]] = {
    "contents": "write",
    "pull_requests": "write",
    "statuses": "write",
    "checks": "read",
    "metadata": "read",
}
"""What we need of an installation; without the first two nothing can be proposed."""

_NEEDED: Final = ("contents", "pull_requests")
_ORDER: Final = ("read", "write", "admin")
_BACKDATED: Final = timedelta(seconds=60)  # its clock may be behind ours
_LIVES: Final = timedelta(seconds=540)  # GitHub takes no more than 600
_EARLY: Final = timedelta(minutes=5)  # longer than any push takes
_NOT_FOUND: Final = 404
_KEY_HINT: Final = "the credential of a GitHub App is its private key, in PEM form"


@dataclass(frozen=True, slots=True, kw_only=True)
class Signature:
    """Proves that we are the App itself; good for looking its installation up.

    Attributes:
        app: its id or client id.
        key: returns its private key, PEM.
        now: the clock; aware UTC.
    """

    app: str
    key: Callable[[], str] = field(repr=False)
    now: Callable[[], datetime]

    def headers(self) -> Mapping[str, str]:
        """Sign a token for the next minutes.

        Raises:
            ForgeDeniedError: the key is none.
        """
        at = self.now()
        claims = {
            "iss": self.app,
            "iat": int((at - _BACKDATED).timestamp()),
            "exp": int((at + _LIVES).timestamp()),
        }
        try:
            token = jwt.encode(claims, self.key(), algorithm="RS256")
        except (jwt.PyJWTError, ValueError, TypeError):
            # Its own words may hold parts of what it was given.
            raise ForgeDeniedError(
                "the private key of the GitHub App cannot be read", hint=_KEY_HINT
            ) from None
        return _bearer(token)

    def renew(self) -> bool:
        """Return False: another signature of the same key proves nothing more."""
        return False


@dataclass(frozen=True, slots=True)
class _Held:
    token: str
    until: datetime


class AppLogin:
    """The credential of an App's installation on one repository; an `Authority`.

    It may be used by many threads; of those that need a new token one asks for it.

    Args:
        line: whose authority is the App's `Signature`.
        owner: of the repository.
        name: of the repository.
        now: the clock; aware UTC.
    """

    def __init__(
        self, line: Line, *, owner: str, name: str, now: Callable[[], datetime]
    ) -> None:
        self._line = line
        self._repository = (owner, name)
        self._now = now
        self._lock = threading.Lock()
        self._held: _Held | None = None
        self._slug = ""

    def token(self) -> str:
        """Return the present token; git over HTTPS takes the same one.

        Raises:
            ForgeDeniedError: the App is not installed there, lacks rights, or its key
                is not accepted.
            ForgeUnavailableError: GitHub did not give one now.
        """
        with self._lock:
            held = self._held
            if held is None or self._now() >= held.until - _EARLY:
                held = self._held = self._renewed(held)
            return held.token

    def headers(self) -> Mapping[str, str]:
        """Return the headers of the present token."""
        return _bearer(self.token())

    def renew(self) -> bool:
        """Forget the token that was refused; the next one is asked for when needed."""
        with self._lock:
            self._held = None
        return True

    def login(self) -> str:
        """Return the login that GitHub shows for what the App does."""
        with self._lock:
            if not self._slug:
                self._held = self._renewed(None)
            return f"{self._slug}[bot]"

    def _renewed(self, held: _Held | None) -> _Held:
        try:
            return self._line.hold(self._asked())
        except ForgeUnavailableError:
            if held is not None and self._now() < held.until:
                return held  # it still lives; the next call tries again
            raise

    def _asked(self) -> Talk[_Held]:
        owner, name = self._repository
        looking = get("repos", owner, name, "installation")
        reply = yield replace(looking, accepts=frozenset({200, _NOT_FOUND}))
        if reply.status == _NOT_FOUND:
            raise ForgeDeniedError(
                f"the GitHub App is not installed on {owner}/{name}",
                hint="install it there, or give it that repository",
            )
        found = reply.json()
        number, self._slug = number_at(found, "id"), text_at(found, "app_slug")
        if not number:
            raise ForgeUnavailableError("the forge shows an installation without an id")
        asking = Call(
            method="POST",
            path=("app", "installations", str(number), "access_tokens"),
            body={"repositories": [name], "permissions": narrowed(found)},
            is_read=True,  # it changes no repository; one token more is harmless
        )
        given = (yield asking).json()
        token = text_at(given, "token")
        if not token:
            raise ForgeUnavailableError("the forge gives a token that is empty")
        return _Held(token=token, until=moment(text_at(given, "expires_at")))


def narrowed(installation: Json) -> dict[str, Json]:
    """Return the rights to ask for: what we need, as far as the installation has it.

    Raises:
        ForgeDeniedError: it lacks what nothing goes without.
    """
    granted = mapping_at(installation, "permissions")
    rights: dict[str, Json] = {}
    for name, wanted in RIGHTS.items():
        level = granted.get(name)
        if level in _ORDER:
            rights[name] = min(wanted, str(level), key=_ORDER.index)
    lacking = [name for name in _NEEDED if rights.get(name) != "write"]
    if lacking:
        raise ForgeDeniedError(
            f"the installation of the GitHub App lacks: {', '.join(lacking)} (write)",
            hint="grant it in the App's settings, and accept it in the installation",
        )
    return rights


def _bearer(token: str) -> Mapping[str, str]:
    return {"Authorization": f"Bearer {token}"}
