"""Addresses of repositories: which ones we accept, and which one protocol each needs.

Rule R7: an address is data, never an option, a program or a secret. Nothing here opens
a connection.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Final, TypeAlias
from urllib.parse import quote, unquote

from gitops.errors import InputError
from gitops.git.keys import ReadText
from gitops.git.walls import REMOTE_LIMITS
from gitops.process import Limits
from gitops.web import Allowed, Resolve, host_name, look_up, place_of

_HOST: Final = r"[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?(?::[0-9]{1,5})?"
_USER: Final = r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}"
_PATH: Final = r"[A-Za-z0-9_~](?:[A-Za-z0-9._~/+-]|%20){0,1023}"
_FORMS: Final = {
    "https": re.compile(rf"https://{_HOST}/{_PATH}", re.ASCII),
    "ssh": re.compile(rf"ssh://(?:{_USER}@)?{_HOST}/{_PATH}", re.ASCII),
}
_SCP_FORM: Final = re.compile(rf"{_USER}@[A-Za-z0-9][A-Za-z0-9.-]*:{_PATH}", re.ASCII)
_SSH_HOST: Final = re.compile(
    r"ssh://(?:[^@/]*@)?(?P<host>[^:/]+)(?::(?P<port>[0-9]+))?/", re.ASCII
)
_SCP_HOST: Final = re.compile(r"(?:[^@/:]*@)?(?P<host>[^:/]+)(?P<port>):", re.ASCII)
_SSH_PORT: Final = 22
_NOTHING: Final = Allowed()


@dataclass(frozen=True, slots=True, kw_only=True)
class Credential:
    """A name and a secret for one remote.

    Attributes:
        username: as the forge wants it; many take any word beside a token.
        secret: reaches git by its environment only.
    """

    username: str
    secret: str = field(repr=False)

    @property
    def encoded(self) -> str:
        """As HTTP's Basic scheme sends it (RFC 7617)."""
        return base64.b64encode(f"{self.username}:{self.secret}".encode()).decode()


ReadCredential: TypeAlias = Callable[[], Credential]
"""Gives the credential of now, asked for each call of git: tokens live an hour."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SshAccess:
    """How a host lets us in over SSH, and how we know that it is the one.

    Attributes:
        key: reads the private key, without a passphrase.
        known_hosts: reads lines as of ssh's known_hosts; no other host is believed.
    """

    key: ReadText = field(repr=False)
    known_hosts: ReadText = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Remote:
    """A checked address, and all that is needed to reach it.

    Attributes:
        url: as check_url returns it.
        credential: for https; a function where it changes.
        ssh: for ssh.
        allowed: which addresses its host may have (R11), and the authorities that
            are believed; nothing, without it. Folders need none.
        limits: of each call.
        scratch: where keys are kept during a call; None for the system's folder of
            temporary files.
        resolve: looks names up.
    """

    url: str
    credential: Credential | ReadCredential | None = field(default=None, repr=False)
    ssh: SshAccess | None = None
    allowed: Allowed = _NOTHING
    limits: Limits = REMOTE_LIMITS
    scratch: Path | None = field(default=None, repr=False)
    resolve: Resolve = field(default=look_up, repr=False)

    @property
    def protocol(self) -> str:
        """The one transport that reaches it."""
        scheme, separator, _ = self.url.partition("://")
        return scheme if separator else "ssh"

    @property
    def name(self) -> str:
        """What people call it: the last part of its path."""
        return PurePosixPath(re.split(r"[:/]", self.url)[-1]).name or self.url

    @property
    def host(self) -> tuple[str, int]:
        """The host, in lower case, and the port; ("", 0) for a folder.

        Raises:
            InputError: a host that systems read in more than one way.
        """
        match self.protocol:
            case "file":
                return "", 0
            case "ssh":
                found = _SSH_HOST.match(self.url) or _SCP_HOST.match(self.url)
                port = int((found and found["port"]) or _SSH_PORT)
                return host_name(found["host"] if found else ""), port
            case _:
                place = place_of(self.url)
                return place.host, place.port


def check_url(url: str, *, allow_file: bool) -> str:
    """Accept the address of a repository.

    Accepted are `https://host/path`, `ssh://user@host/path` and `user@host:path`, and
    where allowed an absolute path or `file:///path`, which becomes a file URL. Nothing
    else: no other transport, no password, no option, no `$`, no percent
    escape but that of a space.

    Args:
        url: as a person or a file gives it.
        allow_file: whether it may be a folder of this machine; only for one that the
            operator typed, or that of the embedded forge.

    Raises:
        InputError: any other form.
    """
    if any(form.fullmatch(url) for form in _FORMS.values()) or _SCP_FORM.fullmatch(url):
        if ".." not in url and "//" not in url.partition("://")[2]:
            return url
    elif allow_file and url.startswith(("/", "file:///")):
        return _file_url(url)
    raise InputError(
        f"{_shown(url)} is not an address that we use",
        hint="use https://host/path or ssh://user@host/path, without a password",
    )


def _file_url(url: str) -> str:
    path = unquote(url.removeprefix("file://")) if url.startswith("file:") else url
    if not path.isprintable() or ".." in Path(path).parts or path.startswith("//"):
        raise InputError(
            f"{_shown(url)} is not an address that we use",
            hint="use the absolute path of a repository, without '..'",
        )
    return "file://" + quote(path)


def path_of(url: str) -> Path | None:
    """Return the folder that a checked file URL names; None for other URLs."""
    if not url.startswith("file://"):
        return None
    return Path(unquote(url.removeprefix("file://")))


def _shown(url: str) -> str:
    """Show a refused address without what may be a password in it."""
    plain = re.split(r"[?#]", url, maxsplit=1)[0]
    return ascii(re.sub(r"(^|://).*@", r"\1***@", plain)[:80])
