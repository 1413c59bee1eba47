"""Does a delivery come from who holds the secret? Headers and raw bytes in, yes or no.

Pure, and in two steps, so that a body is read only where a header could prove it:
`claim_of` reads the header by the forge's exact grammar, `is_proved` compares it with
what each key gives. Nothing is parsed but the header, and no difference of texts is
looked for in an order that tells how far it was right. The path says which forge it is;
the headers never do: Gitea and Forgejo send GitHub's and each other's too.

Sources: GitHub, "Validating webhook deliveries"; Gitea and Forgejo, webhook headers;
GitLab, "Webhooks" and the Standard Webhooks specification 1.0; Atlassian, "Secure
webhooks"; Microsoft, "Service hooks: webhooks".
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final, TypeAlias

from service.configuration import ForgeKind

Headers: TypeAlias = Sequence[tuple[bytes, bytes]]
"""Names in lower case and values, as they came; one name may be there twice."""

TOLERANCE: Final = timedelta(minutes=5)
AZURE_HEADER: Final = b"x-directus-gitops-secret"

_HEX: Final = rb"([0-9a-f]{64})"
_PREFIXED: Final = re.compile(rb"sha256=" + _HEX)
_BARE: Final = re.compile(_HEX)
_TOKEN: Final = re.compile(rb"[\x21-\x7e]{1,4096}")
_BASIC: Final = re.compile(rb"[Bb]asic ([A-Za-z0-9+/]{1,4096}={0,2})")
# Without a dot, which parts id and time and body from each other.
_ID: Final = re.compile(rb"[A-Za-z0-9_-]{1,200}")
_TIME: Final = re.compile(rb"[1-9][0-9]{0,10}")
_SIGNATURES: Final = re.compile(rb"v[0-9]{1,3}[a-z]?,[A-Za-z0-9+/]{1,200}={0,2}")
_MOST_SIGNATURES: Final = 8
_V1: Final = b"v1,"


@dataclass(frozen=True, slots=True, kw_only=True)
class Standard:
    """What the headers of Standard Webhooks say.

    Attributes:
        id: of the delivery.
        timestamp: seconds since 1970, as it was written.
        signatures: in base64, those of version 1.
    """

    id: bytes
    timestamp: bytes
    signatures: tuple[bytes, ...]

    def is_fresh(self, now: datetime) -> bool:
        """Whether it was sent within the tolerance, before or after now."""
        apart = abs(int(self.timestamp) - now.timestamp())
        return apart <= TOLERANCE.total_seconds()


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """What a delivery says to prove itself; at least one of these.

    Attributes:
        digests: HMACs of the body in hex; all must be right.
        values: the secret itself, in one header or two; all must be right.
        standard: a signature over id, time and body; None without one.
    """

    digests: tuple[bytes, ...] = ()
    values: tuple[bytes, ...] = ()
    standard: Standard | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Keys:
    """What one repository's deliveries are proved with; never empty texts."""

    plain: tuple[bytes, ...] = ()
    signing: tuple[bytes, ...] = ()


class _MalformedError(Exception):
    """A header is there, and is not what the forge would send."""


def claim_of(forge: ForgeKind, headers: Headers) -> Claim | None:
    """Read what a delivery says to prove itself.

    Returns:
        None where it says nothing, or anything of it is not exactly in form: empty,
        of another algorithm, in capitals, there twice.
    """
    try:
        claim = _read(forge, headers)
    except _MalformedError:
        return None
    return claim if claim.digests or claim.values or claim.standard else None


def is_proved(claim: Claim, body: bytes, keys: Keys, *, now: datetime) -> bool:
    """Whether any of the keys gives what the claim says; every one of them is tried.

    Where a repository has a signing token, a signature is asked for if there is one,
    and the secret beside it does not count.
    """
    if claim.standard is not None and keys.signing:
        return _signs(claim.standard, body, keys.signing, now)
    found = False
    for key in keys.plain:
        if claim.digests:
            right = hmac.new(key, body, hashlib.sha256).hexdigest().encode()
            found |= _all_equal(right, claim.digests)
        elif claim.values:
            found |= _all_equal(key, claim.values)
    return found


def value_of(headers: Headers, name: bytes) -> bytes | None:
    """Return a header that is there once; None for none, or for several."""
    found = [value for known, value in headers if known == name]
    return found[0] if len(found) == 1 else None


# --- the forges' forms ---


def _read(forge: ForgeKind, headers: Headers) -> Claim:
    match forge:
        case ForgeKind.GITHUB:
            return Claim(digests=_each(headers, _PREFIXED, b"x-hub-signature-256"))
        case ForgeKind.BITBUCKET | ForgeKind.BITBUCKET_DATACENTER:
            return Claim(digests=_each(headers, _PREFIXED, b"x-hub-signature"))
        case ForgeKind.GITEA:
            return Claim(digests=_each(headers, _BARE, b"x-gitea-signature"))
        case ForgeKind.FORGEJO:
            names = (b"x-forgejo-signature", b"x-gitea-signature")
            return Claim(digests=_each(headers, _BARE, *names))
        case ForgeKind.GITLAB:
            token = _one(headers, b"x-gitlab-token", _TOKEN)
            return Claim(
                values=() if token is None else (token[0],), standard=_standard(headers)
            )
        case ForgeKind.AZURE:
            own = _one(headers, AZURE_HEADER, _TOKEN)
            given = (_basic(headers), None if own is None else own[0])
            return Claim(values=tuple(value for value in given if value is not None))
        case ForgeKind.EMBEDDED:
            return Claim()


def _one(
    headers: Headers, name: bytes, form: re.Pattern[bytes]
) -> re.Match[bytes] | None:
    """Return a header; None where it is not there at all."""
    found = [value for known, value in headers if known == name]
    if not found:
        return None
    matched = form.fullmatch(found[0])
    if len(found) > 1 or matched is None:
        raise _MalformedError
    return matched


def _each(
    headers: Headers, form: re.Pattern[bytes], *names: bytes
) -> tuple[bytes, ...]:
    found = (_one(headers, name, form) for name in names)
    return tuple(matched[1] for matched in found if matched is not None)


def _basic(headers: Headers) -> bytes | None:
    """Return user:password."""
    matched = _one(headers, b"authorization", _BASIC)
    if matched is None:
        return None
    try:
        return base64.b64decode(matched[1], validate=True)
    except binascii.Error:
        raise _MalformedError from None


def _standard(headers: Headers) -> Standard | None:
    """Return what Standard Webhooks' headers say; an id alone proves nothing."""
    several = _one(headers, b"webhook-signature", re.compile(rb"[\x20-\x7e]{1,4096}"))
    if several is None:
        return None
    delivery = _one(headers, b"webhook-id", _ID)
    timestamp = _one(headers, b"webhook-timestamp", _TIME)
    signatures = several[0].split(b" ")
    if (
        delivery is None
        or timestamp is None
        or len(signatures) > _MOST_SIGNATURES
        or not all(_SIGNATURES.fullmatch(signature) for signature in signatures)
    ):
        raise _MalformedError
    return Standard(
        id=delivery[0],
        timestamp=timestamp[0],
        signatures=tuple(s.removeprefix(_V1) for s in signatures if s.startswith(_V1)),
    )


# --- comparing ---


def _signs(
    standard: Standard, body: bytes, keys: Iterable[bytes], now: datetime
) -> bool:
    signed = b".".join((standard.id, standard.timestamp, body))
    found = False
    for key in keys:
        right = base64.b64encode(hmac.digest(key, signed, "sha256"))
        for given in standard.signatures:
            found |= hmac.compare_digest(given, right)
    return found and standard.is_fresh(now)


def _all_equal(right: bytes, given: Iterable[bytes]) -> bool:
    equal = True
    for value in given:
        equal &= hmac.compare_digest(value, right)
    return equal
