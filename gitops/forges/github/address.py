"""The address of a repository -> where its API is. Pure.

github.com       https://api.github.com         https://api.github.com/graphql
NAME.ghe.com     https://api.NAME.ghe.com       https://api.NAME.ghe.com/graphql
Enterprise       https://HOST/api/v3            https://HOST/api/graphql
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from gitops.errors import InputError
from gitops.web import place_of

_NAME: Final = re.compile(r"[A-Za-z0-9_.-]{1,100}", re.ASCII)
_REST: Final = "/api/v3"
_RESIDENT: Final = ".ghe.com"  # Enterprise Cloud with data residency


@dataclass(frozen=True, slots=True, kw_only=True)
class Home:
    """Where a repository and its API are.

    Attributes:
        owner: of the repository.
        name: of the repository.
        rest: root of the REST API.
        graphql: address of the GraphQL API.
        implied_hosts: of the API, where it follows from the address that the operator
            wrote; empty where the host is the same, or was written itself.
    """

    owner: str
    name: str
    rest: str
    graphql: str
    implied_hosts: frozenset[str] = frozenset()


def home_of(address: str, api: str = "") -> Home:
    """Read the address of a repository.

    Args:
        address: of its page, or of its clone over HTTPS.
        api: root of the REST API, where it is not the usual one.

    Raises:
        InputError: it names no repository; nothing of it is shown.
    """
    place = place_of(address)
    parts = place.path.strip("/").removesuffix(".git").split("/")
    fits = len(parts) == 2 and all(  # owner and name
        _NAME.fullmatch(part) and part not in (".", "..") for part in parts
    )
    if not fits:
        raise InputError(
            "the address names no repository of GitHub",
            hint="write one such as https://github.com/owner/repository",
        )
    owner, name = parts
    implied: frozenset[str] = frozenset()
    rest = api.rstrip("/")
    if not rest and (place.host == "github.com" or place.host.endswith(_RESIDENT)):
        host = f"api.{place.host}"
        rest, implied = f"https://{host}", frozenset({host})
    rest = rest or f"{place.scheme}://{place.authority}{_REST}"
    return Home(
        owner=owner,
        name=name,
        rest=rest,
        graphql=f"{rest.removesuffix('/v3')}/graphql",
        implied_hosts=implied,
    )
