"""What a delivery is known by, so that the same one is told when it comes again. Pure.

An id that a signature covers is enough. An id that none covers can be written anew by
whoever sends a body once more that somebody else has signed: there the body counts too.
What is stored are hashes, which are short whatever a header holds.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from typing import Final

from service.configuration import ForgeKind
from service.webhooks.payload import notification_of
from service.webhooks.signatures import Headers, Standard, value_of

# GitLab's X-Gitlab-Event-UUID is none: events that one webhook leads to share it.
_NAMES: Final[dict[ForgeKind, tuple[bytes, ...]]] = {
    ForgeKind.GITHUB: (b"x-github-delivery",),
    ForgeKind.GITLAB: (b"webhook-id", b"idempotency-key"),
    ForgeKind.GITEA: (b"x-gitea-delivery",),
    ForgeKind.FORGEJO: (b"x-forgejo-delivery", b"x-gitea-delivery"),
    ForgeKind.BITBUCKET: (b"x-request-uuid", b"x-request-id"),
    ForgeKind.BITBUCKET_DATACENTER: (b"x-request-id",),
    ForgeKind.AZURE: (),
    ForgeKind.EMBEDDED: (),
}
_ID: Final = re.compile(rb"[\x21-\x7e]{1,200}")


def keys_of(
    forge: ForgeKind, headers: Headers, body: bytes, *, signed: Standard | None
) -> tuple[str, ...]:
    """Return what a delivery is known by: it is a repeated one if any is known.

    Args:
        forge: whose delivery.
        headers: of the delivery.
        body: its bytes.
        signed: the headers that its signature covers; None if it covers none.

    Returns:
        SHA-256 in hex, one or two.
    """
    if signed is not None:
        return (_hash(forge, b"id", signed.id),)
    ids = (_hash(forge, b"id", found) for found in _ids(forge, headers, body))
    return (_hash(forge, b"body", body), *ids)


def _ids(forge: ForgeKind, headers: Headers, body: bytes) -> Iterator[bytes]:
    if forge is ForgeKind.AZURE:
        if found := notification_of(body):
            yield found.encode("utf-8", "surrogatepass")
        return
    for name in _NAMES[forge]:
        value = value_of(headers, name)
        if value is not None and _ID.fullmatch(value):
            yield value
            return


def _hash(forge: ForgeKind, kind: bytes, value: bytes) -> str:
    return hashlib.sha256(b"\0".join((forge.encode(), kind, value))).hexdigest()
