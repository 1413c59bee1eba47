"""Private keys as text: what each is, and which we cannot use.

No error here shows any of the text.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable
from typing import Final, TypeAlias, TypeVar

from gitops.errors import CredentialError, InputError

ReadText: TypeAlias = Callable[[], str]
"""Reads a text when it is used, since keys are rotated; raises InputError."""

T = TypeVar("T")

_PEM: Final = re.compile(
    r"-----BEGIN ([A-Z0-9 ]{0,24}PRIVATE KEY)-----\s(.*?)-----END \1-----", re.DOTALL
)
_PGP: Final = re.compile(
    r"-----BEGIN PGP PRIVATE KEY BLOCK-----\s.*-----END PGP PRIVATE KEY BLOCK-----",
    re.DOTALL,
)
_OPENSSH: Final = b"openssh-key-v1\0"  # PROTOCOL.key of OpenSSH
_OPEN: Final = b"\0\0\0\4none"
_HARDWARE: Final = b"sk-"


def usable(read: Callable[[], T]) -> T:
    """Read what the operator named.

    Raises:
        CredentialError: it is not there, or not what it should be.
    """
    try:
        return read()
    except InputError as error:
        raise CredentialError(error.message, hint=error.hint) from None


def ssh_key(text: str) -> str:
    """Accept a private key for ssh, with line ends as ssh needs them.

    Raises:
        CredentialError: it is none, is protected by a passphrase, or is in a token
            that a person has to touch.
    """
    found = _PEM.search(text.replace("\r\n", "\n"))
    if found is None:
        raise CredentialError(
            "the key for SSH is not a private key",
            hint="give the private part, which begins with "
            "-----BEGIN OPENSSH PRIVATE KEY-----",
        )
    if _is_protected(found[1], found[2]):
        raise passphrase_needed("SSH")
    if _HARDWARE in _decoded(found[2])[:200]:
        raise CredentialError(
            "the key for SSH is in a security token, which a person has to touch",
            hint="make a key for the service alone: ssh-keygen -t ed25519 -N ''",
        )
    return found[0] + "\n"


def openpgp_key(text: str) -> str:
    """Accept an exported OpenPGP secret key in ASCII armour.

    Raises:
        CredentialError: it is none. Whether it is protected, only gpg can tell.
    """
    found = _PGP.search(text.replace("\r\n", "\n"))
    if found is None:
        raise CredentialError(
            "the key for OpenPGP is not an exported secret key",
            hint="export it: gpg --armor --export-secret-keys KEY",
        )
    return found[0] + "\n"


def passphrase_needed(kind: str) -> CredentialError:
    """Make the error of a key that nobody is there to unlock."""
    return CredentialError(
        f"the key for {kind} is protected by a passphrase",
        hint="make a key without one for the service alone; who may read its file "
        "is what protects it",
    )


def _is_protected(kind: str, body: str) -> bool:
    if "ENCRYPTED" in kind or "ENCRYPTED" in body:  # PKCS#8, and the older PEM
        return True
    content = _decoded(body)
    is_openssh = content.startswith(_OPENSSH)
    return is_openssh and not content[len(_OPENSSH) :].startswith(_OPEN)


def _decoded(body: str) -> bytes:
    try:
        return base64.b64decode("".join(body.split()))
    except (binascii.Error, ValueError):
        return b""
