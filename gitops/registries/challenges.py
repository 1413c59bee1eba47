"""What a registry asks to see, and who may be shown the credentials. Pure.

Rules: RFC 9110 section 11 for the header; the distribution project's token
authentication for what it holds. A server can name any realm, so a realm is believed
only where the operator named it, or where it is of the registry's own domain: whoever
has the domain above a host can move that host, and whoever has a host can name those
below it, so neither learns more than they could take.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from dataclasses import dataclass
from typing import Final, TypeAlias

from gitops.errors import InputError, RegistryDeniedError
from gitops.web import Place, place_of

_WORD: Final = r"[A-Za-z0-9!#$%&'*+.^_`|~-]+"
_VALUE: Final = rf"{_WORD}|\"(?:[^\"\\]|\\.)*\""
_PARAMETER: Final = re.compile(
    rf"\s*,?\s*(?P<name>{_WORD})\s*=\s*(?P<value>{_VALUE})\s*(?=,|$)", re.ASCII
)
_SCHEME: Final = re.compile(r"\s*,?\s*(?P<scheme>[A-Za-z]+)(?=\s|$|,)", re.ASCII)
_ESCAPED: Final = re.compile(r"\\(.)")
_MAX_HEADER: Final = 4096
_MIN_DOMAIN: Final = 2  # labels: example.com, never com


@dataclass(frozen=True, slots=True, kw_only=True)
class BasicChallenge:
    """It asks for a user and a password with each request."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BearerChallenge:
    """It asks for a token.

    Attributes:
        realm: the address that hands tokens out, as the registry says it.
        service: what the token is for; may be empty.
    """

    realm: str
    service: str


Challenge: TypeAlias = BasicChallenge | BearerChallenge


def challenge_of(header: str) -> Challenge | None:
    """Read WWW-Authenticate; None where it asks for nothing that we can show.

    Of several challenges a Bearer one goes first.
    """
    found = _challenges(header[:_MAX_HEADER])
    bearer = found.get("bearer")
    if bearer is not None and bearer.get("realm"):
        return BearerChallenge(realm=bearer["realm"], service=bearer.get("service", ""))
    return BasicChallenge() if "basic" in found else None


def _challenges(header: str) -> dict[str, dict[str, str]]:
    """Return scheme -> its parameters, all names in lower case."""
    found: dict[str, dict[str, str]] = {}
    current: dict[str, str] | None = None
    at = 0
    while at < len(header):
        if current is not None and (one := _PARAMETER.match(header, at)):
            current.setdefault(one["name"].lower(), _bare(one["value"]))
        elif one := _SCHEME.match(header, at):
            current = found.setdefault(one["scheme"].lower(), {})
        else:
            break  # what follows cannot be told apart
        at = one.end()
    return found


def _bare(value: str) -> str:
    if not value.startswith('"'):
        return value
    return _ESCAPED.sub(r"\1", value[1:-1])


def trusted_realm(realm: str, registry: Place, named: Collection[str]) -> Place:
    """Accept the address of a realm that may see the registry's credentials.

    Args:
        realm: as the registry said it.
        registry: where it is.
        named: hosts that the operator trusts with them.

    Raises:
        RegistryDeniedError: it is no address, less protected than the registry, or of
            a host that nobody trusts. The message shows nothing but a host.
    """
    try:
        there = place_of(realm)
    except InputError:
        raise RegistryDeniedError(
            f"{registry.host}: names a place for tokens that is no address"
        ) from None
    if not _is_trusted(there.host, registry.host, named):
        raise RegistryDeniedError(
            f"{registry.host}: wants its credentials shown to {there.host}",
            hint="if that is right, name the host in `realms` of the registry",
        )
    if there.scheme != "https" and registry.scheme == "https":
        raise RegistryDeniedError(
            f"{registry.host}: wants its credentials sent to {there.host} without TLS"
        )
    return there


def _is_trusted(host: str, registry: str, named: Collection[str]) -> bool:
    return (
        host == registry
        or host in named
        or _is_below(host, registry)
        or _is_below(registry, host)
    )


def _is_below(host: str, domain: str) -> bool:
    labels = domain.split(".")
    is_name = not labels[-1].isdigit() and ":" not in domain
    return is_name and len(labels) >= _MIN_DOMAIN and host.endswith(f".{domain}")
