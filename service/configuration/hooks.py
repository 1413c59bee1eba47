"""The keys that prove that a webhook comes from a forge, read when they are used."""

from __future__ import annotations

import base64
import binascii
from typing import Final

from gitops.errors import InputError
from service.configuration.nouns import Credential, ForgeKind

WEBHOOK_FORGES: Final = tuple(
    kind for kind in ForgeKind if kind is not ForgeKind.EMBEDDED
)
"""Forges that send webhooks; the embedded one is in this process."""

_SIGNING: Final = "whsec_"
_SHORTEST: Final = 16  # bytes of a key; a shorter one can be guessed


def plain_key(credential: Credential) -> bytes:
    """Read the secret of a hook.

    Raises:
        InputError: see Credential.reveal.
    """
    return credential.reveal().get_secret_value().encode()


def signing_key(credential: Credential) -> bytes:
    """Read the key of a signing token: what follows `whsec_`, in base64.

    Source: the Standard Webhooks specification, which GitLab follows.

    Raises:
        InputError: see Credential.reveal; or it is no such token.
    """
    text = credential.reveal().get_secret_value()
    try:
        if text.startswith(_SIGNING):
            encoded = text.removeprefix(_SIGNING).rstrip("=")
            padded = encoded + "=" * (-len(encoded) % 4)
            key = base64.b64decode(padded, validate=True)
            if len(key) >= _SHORTEST:
                return key
    except binascii.Error:
        pass
    raise InputError(
        f"{credential.source.place}: is no signing token",
        hint="GitLab shows it once, when it is made: whsec_ and a key in base64",
    ) from None
