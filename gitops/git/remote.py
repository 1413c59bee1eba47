"""Addresses of repositories: which ones we accept, and which one protocol each needs.

Rule R7 and threat T-G1: an address is data, never an option, a program or a secret.
Nothing here opens a connection.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Final
from urllib.parse import quote, unquote

from gitops.errors import InputError

_HOST: Final = r"[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?(?::[0-9]{1,5})?"
_USER: Final = r"[A-Za-z0-9_][A-Za-z0-9_.-]{0,63}"
_PATH: Final = r"[A-Za-z0-9_~](?:[A-Za-z0-9._~/+-]|%20){0,1023}"
_FORMS: Final = {
    "https": re.compile(rf"https://{_HOST}/{_PATH}", re.ASCII),
    "ssh": re.compile(rf"ssh://(?:{_USER}@)?{_HOST}/{_PATH}", re.ASCII),
}
_SCP_FORM: Final = re.compile(rf"{_USER}@[A-Za-z0-9][A-Za-z0-9.-]*:{_PATH}", re.ASCII)
AUTHORIZATION: Final = "DIRECTUS_GITOPS_AUTHORIZATION"


@dataclass(frozen=True, slots=True, kw_only=True)
class Credential:
    """A name and a secret for one remote.

    Attributes:
        username: as the forge wants it; many take any word beside a token.
        secret: reaches git by its environment only.
    """

    username: str
    secret: str = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Remote:
    """A checked address.

    Attributes:
        url: as check_url returns it.
        credential: for https only; ssh has its agent, files need none.
    """

    url: str
    credential: Credential | None = None

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
    def words(self) -> tuple[str, ...]:
        """Words before git's subcommand; they name a variable, never a secret."""
        if self.credential is None:
            return ()
        return (f"--config-env=http.extraHeader={AUTHORIZATION}",)

    @property
    def variables(self) -> Mapping[str, str]:
        """Variables of git's environment."""
        if self.credential is None:
            return {}
        return {AUTHORIZATION: f"Authorization: Basic {self._encoded}"}

    @property
    def hidden(self) -> tuple[str, ...]:
        """Values that no message may show."""
        if self.credential is None:
            return ()
        return (self.credential.secret, self._encoded)

    @property
    def _encoded(self) -> str:
        credential = self.credential or Credential(username="", secret="")
        pair = f"{credential.username}:{credential.secret}"
        return base64.b64encode(pair.encode()).decode()


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


_HINTS: Final = (
    ("dubious ownership", "the folder belongs to another user; run as its owner"),
    ("Authentication failed", "check the credential of the repository"),
    ("could not read Username", "the repository needs a credential"),
    ("Permission denied", "check the key or the rights of the repository"),
    ("Host key verification failed", "add the host's key to known_hosts first"),
    ("Could not resolve host", "check the address and the name service"),
    ("hook declined", "a rule of the remote refuses this; ask its owner"),
    ("protected branch", "a rule of the remote refuses this; ask its owner"),
    ("fsck error", "the repository holds an object that git itself finds unsafe"),
    ("redirect", "use the address that the remote redirects to"),
)


def hint_for(words: str) -> str:
    """Return what to do about a remote that did not do what we asked."""
    for sign, hint in _HINTS:
        if sign in words:
            return hint
    return "check that the address is right, and that the repository is there and whole"
