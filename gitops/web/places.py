"""The text of a URL -> where it leads. Pure.

Promises that our reading is the only one: what two parsers might read differently (user
parts, backslashes, blanks, controls, fragments, odd numbers) is refused, never mended.
No error here shows any of the text: a query or a path may hold a credential.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Final
from urllib.parse import urljoin

from gitops.errors import InputError
from gitops.web.addresses import host_name

_URL: Final = re.compile(
    r"(?P<scheme>[A-Za-z][A-Za-z0-9+.-]*)://(?P<authority>[^/?#]*)"
    r"(?P<path>/[^?#]*)?(?P<query>\?[^#]*)?",
    re.ASCII,
)
_AUTHORITY: Final = re.compile(
    r"(?P<host>\[[0-9A-Fa-f:.]+\]|[^:\[\]]+)(?::(?P<port>[0-9]{1,5}))?", re.ASCII
)
_UNSAFE: Final = re.compile(r"[^\x21-\x7e]|[\\<>\"^`{|}]")
_PORTS: Final = {"http": 80, "https": 443}
_MAX_PORT: Final = 65_535
_MAX_URL: Final = 4096
_EXAMPLE: Final = "write an address such as https://git.example.com"


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a URL leads.

    Attributes:
        scheme: http or https.
        host: as `host_name` returns it.
        port: given, or the scheme's own.
        path: beginning with a slash.
        query: with its question mark; empty when there is none.
    """

    scheme: str
    host: str
    port: int
    path: str = field(repr=False)
    query: str = field(repr=False)

    @property
    def origin(self) -> tuple[str, str, int]:
        """What two places share that one credential may be shown to."""
        return self.scheme, self.host, self.port

    @property
    def authority(self) -> str:
        """Host and port as a Host header has them."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == _PORTS[self.scheme] else f"{host}:{self.port}"

    @property
    def url(self) -> str:
        """The whole, written our way."""
        return f"{self.scheme}://{self.authority}{self.path}{self.query}"


def place_of(url: str) -> Place:
    """Read an http or https URL.

    Raises:
        InputError: it is none, or it could be read in more than one way. The message
            shows nothing of it.
    """
    if len(url) > _MAX_URL or _UNSAFE.search(url):
        raise InputError(
            "is too long, or holds a character that has to be written as %XX",
            hint=_EXAMPLE,
        )
    found = _URL.fullmatch(url)
    if found is None:
        raise InputError("is not an address", hint=_EXAMPLE)
    scheme = found["scheme"].lower()
    if scheme not in _PORTS:
        raise InputError("is neither http nor https", hint=_EXAMPLE)
    if "@" in found["authority"]:
        raise InputError(
            "holds a user or a password before @", hint="name it as a credential"
        )
    authority = _AUTHORITY.fullmatch(found["authority"])
    port = _port(authority["port"], scheme) if authority else 0
    if authority is None or not 0 < port <= _MAX_PORT:
        raise InputError("has no host, or no port that can be", hint=_EXAMPLE)
    return Place(
        scheme=scheme,
        host=_host(authority["host"]),
        port=port,
        path=found["path"] or "/",
        query=found["query"] or "",
    )


def _port(text: str | None, scheme: str) -> int:
    return _PORTS[scheme] if text is None else int(text)


def _host(text: str) -> str:
    try:
        return host_name(text)
    except InputError as error:
        raise InputError(
            f"its host {error.message}", hint=f"{error.hint}; or {_EXAMPLE}"
        ) from None


def same_origin(here: Place, target: str) -> Place | None:
    """Read where a server points to (R11); None unless it is the server itself.

    Args:
        here: the place that answered.
        target: the text of a `Location`, or of a link of `Link`; may be relative.
    """
    if _UNSAFE.search(target):
        return None
    try:
        there = place_of(urljoin(here.url, target).partition("#")[0])
    except (InputError, ValueError):
        return None
    return there if there.origin == here.origin else None
