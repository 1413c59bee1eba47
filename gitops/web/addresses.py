"""Which addresses may be reached: the deny table, and what an operator allows. Pure.

Promises (R11): what is not allowed is denied. A public address may be reached only
under a name that the operator wrote down; any other address only where the operator
lists its network or its name. Some addresses are never reached, whatever is listed:
those that hand out a machine's own credentials, and those that mean another address.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from ipaddress import (
    IPv4Address,
    IPv4Network,
    IPv6Address,
    IPv6Network,
    ip_address,
    ip_network,
)
from typing import Final, TypeAlias

from gitops.errors import InputError

Address: TypeAlias = IPv4Address | IPv6Address
Network: TypeAlias = IPv4Network | IPv6Network

_NEVER: Final = tuple(
    (ip_network(network), why)
    for network, why in (
        ("0.0.0.0/8", "no address of a server"),
        ("169.254.0.0/16", "link-local: where clouds hand out credentials"),
        ("100.100.100.200/32", "a cloud's metadata"),
        ("168.63.129.16/32", "a cloud's metadata"),
        ("192.0.0.192/32", "a cloud's metadata"),
        ("192.88.99.0/24", "a relay to IPv6"),
        ("224.0.0.0/4", "multicast"),
        ("240.0.0.0/4", "reserved"),
        ("::/128", "no address of a server"),
        ("::/96", "an IPv4 address written as IPv6"),
        ("::ffff:0:0/96", "an IPv4 address written as IPv6"),
        ("::ffff:0:0:0/96", "an IPv4 address written as IPv6"),
        ("64:ff9b::/96", "an IPv4 address behind NAT64"),
        ("64:ff9b:1::/48", "an IPv4 address behind NAT64"),
        ("2001::/32", "an IPv4 address behind Teredo"),
        ("2002::/16", "an IPv4 address behind 6to4"),
        ("fd00:ec2::/32", "a cloud's metadata"),
        ("fd20:ce::/32", "a cloud's metadata"),
        ("fe80::/10", "link-local"),
        ("fec0::/10", "site-local"),
        ("ff00::/8", "multicast"),
    )
)
_LOOPBACK: Final = (ip_network("127.0.0.0/8"), ip_network("::1/128"))
_PRIVATE: Final = tuple(
    ip_network(network)
    for network in (
        "10.0.0.0/8",
        "100.64.0.0/10",
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.168.0.0/16",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "100::/64",
        "2001:2::/48",
        "2001:10::/28",
        "2001:db8::/32",
        "3fff::/20",
        "5f00::/16",
        "fc00::/7",
    )
)
_LABEL: Final = r"[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
_NAME: Final = re.compile(rf"(?:{_LABEL}\.)*{_LABEL}\.?", re.ASCII)
_NUMBER: Final = re.compile(r"0[xX][0-9a-fA-F]*|[0-9]+", re.ASCII)
_MAX_NAME: Final = 253
_WILDCARD: Final = "*."


@dataclass(frozen=True, slots=True, kw_only=True)
class Allowed:
    """What one request may reach.

    Attributes:
        named: host names (lower case) written down by the operator as the address of
            a service; they may be reached at public addresses.
        hosts: host names that are trusted wherever they lead, private and loopback
            addresses included; `*.example.com` means every name below it.
        networks: addresses that may be reached under any name.
        authorities: PEM text of the only certificate authorities that are believed;
            empty for the public ones.
    """

    named: frozenset[str] = frozenset()
    hosts: frozenset[str] = frozenset()
    networks: tuple[Network, ...] = ()
    authorities: str = ""


def host_name(text: str) -> str:
    """Accept a host: a name, or an address in its one usual form; in lower case.

    Other ways to write an IPv4 address (`127.1`, `2130706433`, `0x7f.1`), which
    systems read as one, are refused.

    Raises:
        InputError: it is neither.
    """
    bare = text[1:-1] if text.startswith("[") and text.endswith("]") else text
    if (address := _address(bare)) is not None:
        return str(address)
    last = text.rstrip(".").rpartition(".")[2]
    if not _NAME.fullmatch(text) or len(text) > _MAX_NAME or _NUMBER.fullmatch(last):
        raise InputError(
            "is no host name and no address",
            hint="write a name such as git.example.com, 10.0.0.7 or [fd00::7]",
        )
    return text.lower().rstrip(".")


def host_pattern(text: str) -> str:
    """Accept a host name, or `*.` and a name of two parts or more.

    Raises:
        InputError: it is neither.
    """
    if not text.startswith(_WILDCARD):
        return host_name(text)
    rest = host_name(text.removeprefix(_WILDCARD))
    if "." not in rest or _address(rest) is not None:
        raise InputError(
            "stands for too many names", hint="name a domain: *.svc.cluster.local"
        )
    return _WILDCARD + rest


def network(text: str) -> Network | None:
    """Read an address or a CIDR; None when the text is neither.

    Raises:
        InputError: a CIDR whose address is not the first of its network.
    """
    try:
        return ip_network(text)
    except ValueError:
        pass
    try:
        whole = ip_network(text, strict=False)
    except ValueError:
        return None
    raise InputError("is not the first address of its network", hint=f"write {whole}")


def is_address(host: str) -> bool:
    """Whether a host is an address, and so needs no looking up."""
    return _address(host) is not None


def refusal(host: str, address: str, allowed: Allowed) -> str:
    """Say why an address must not be reached; empty when it may.

    Args:
        host: what the address was asked for, as `host_name` returns it.
        address: one of the addresses that the name has now.
        allowed: by the operator.
    """
    found = _address(address)
    if found is None:
        return "not an address"
    is_loopback = any(found in net for net in _LOOPBACK)
    for never, why in _NEVER:
        if found in never and not is_loopback:  # ::1 is in ::/96
            return why
    if _is_trusted(host, allowed) or any(found in net for net in allowed.networks):
        return ""
    if is_loopback:
        return "loopback"
    if any(found in net for net in _PRIVATE) or not found.is_global:
        return "a private network"
    return "" if host in allowed.named else "a host that nobody named"


def _is_trusted(host: str, allowed: Allowed) -> bool:
    if host in allowed.hosts:
        return True
    _, *parents = host.split(".")
    return any(
        f"{_WILDCARD}{'.'.join(parents[n:])}" in allowed.hosts
        for n in range(len(parents))
    )


def _address(text: str) -> Address | None:
    try:
        return None if "%" in text else ip_address(text)
    except ValueError:
        return None
