"""How one server is reached: its address, what it may see, how long it may take.

Every request of this package goes out here, through gitops.web.Web. Promise: what goes
wrong on the wire is told as a RegistryError, and a login is read when it is used.
"""

from __future__ import annotations

import time
from base64 import b64encode
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Final

from gitops.errors import (
    RegistryError,
    RegistryUnavailableError,
    WebError,
    WebUnavailableError,
)
from gitops.web import Allowed, Answer, Place, Web, place_of

_LEAST_S: Final = 0.001


@dataclass(frozen=True, slots=True, kw_only=True)
class Login:
    """What a registry knows us by.

    Attributes:
        username: may be empty, where only a token counts.
        secret: a password or a token.
    """

    username: str
    secret: str = field(repr=False)

    @property
    def basic(self) -> str:
        """The value of an Authorization header (RFC 7617)."""
        pair = f"{self.username}:{self.secret}".encode()
        return f"Basic {b64encode(pair).decode('ascii')}"

    @property
    def bearer(self) -> str:
        """The same, where only the secret counts (RFC 6750)."""
        return f"Bearer {self.secret}"


def nobody() -> Login | None:
    """Return no login: ask as anybody may."""
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """One server, as the operator describes it.

    Attributes:
        url: its address, without a slash at its end.
        allowed: what may be reached; its own host is added.
        login: reads what it may see; may raise InputError.
        realms: hosts that may see it too, because they hand out its tokens.
    """

    url: str
    allowed: Allowed = field(default_factory=Allowed)
    login: Callable[[], Login | None] = nobody
    realms: frozenset[str] = frozenset()

    @property
    def place(self) -> Place:
        """Where it is."""
        return place_of(self.url)


@dataclass(frozen=True, slots=True, kw_only=True)
class Talk:
    """Requests that have to be over together.

    Attributes:
        web: the client.
        access: the server.
        ends_at: monotonic.
    """

    web: Web
    access: Access
    ends_at: float

    def send(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str],
        allowed: Allowed,
        cap_bytes: int,
        hide_path: bool = False,
    ) -> Answer:
        """Send one request; see gitops.web.Web.send.

        Raises:
            RegistryUnavailableError: no answer.
            RegistryError: it may not be reached, or the answer breaks a limit.
        """
        try:
            return self.web.send(
                method,
                url,
                allowed=allowed,
                headers=headers,
                deadline_s=max(self.ends_at - time.monotonic(), _LEAST_S),
                cap_bytes=cap_bytes,
                hide_path=hide_path,
            )
        except WebUnavailableError as error:
            raise RegistryUnavailableError(error.message, hint=error.hint) from None
        except WebError as error:
            raise RegistryError(error.message, hint=error.hint) from None


def talk(web: Web, access: Access, deadline_s: float) -> Talk:
    """Begin to talk to a server, for so many seconds."""
    return Talk(web=web, access=access, ends_at=time.monotonic() + deadline_s)
