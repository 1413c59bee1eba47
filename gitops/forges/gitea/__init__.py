"""Gitea and Forgejo: one API (version 1), with the few differences stated.

dialect    which calls, in which order
merging    what an answer to a merge means        pure
reading    JSON as our nouns                      pure
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from gitops.errors import InputError
from gitops.forges.gitea.dialect import CAPABILITIES, FORGEJO_CAPABILITIES, Gitea
from gitops.forges.http import HttpForge, Line, RateGate, Token
from gitops.web import Allowed, Web, place_of

__all__ = [
    "CAPABILITIES",
    "FORGEJO_CAPABILITIES",
    "Gitea",
    "forgejo_forge",
    "git_username",
    "gitea_forge",
]

git_username: Final = "x-access-token"
"""Goes with a token for git over HTTPS; the server asks only that there is a name."""

_API: Final = "/api/v1"


def gitea_forge(
    address: str,
    *,
    web: Web,
    allowed: Allowed,
    credential: Callable[[], str],
    gate: RateGate,
    api: str = "",
) -> HttpForge:
    """Make the forge of one repository on Gitea.

    Args:
        address: of the repository's page, or of its clone over HTTPS; a server below
            a path is understood.
        web: the one HTTP client.
        allowed: what it may reach.
        credential: returns the token as it is now.
        gate: shared by all that use one account.
        api: root of the API; derived from the address when empty.

    Raises:
        InputError: the address names no repository.
    """
    return _forge(Gitea, address, web, allowed, credential, gate, api)


def forgejo_forge(
    address: str,
    *,
    web: Web,
    allowed: Allowed,
    credential: Callable[[], str],
    gate: RateGate,
    api: str = "",
) -> HttpForge:
    """Make the forge of one repository on Forgejo; see `gitea_forge`.

    Raises:
        InputError: the address names no repository.
    """
    return _forge(_forgejo, address, web, allowed, credential, gate, api)


def _forgejo(owner: str, name: str) -> Gitea:
    return Gitea(owner, name, capabilities=FORGEJO_CAPABILITIES)


def _forge(
    dialect_of: Callable[[str, str], Gitea],
    address: str,
    web: Web,
    allowed: Allowed,
    credential: Callable[[], str],
    gate: RateGate,
    api: str,
) -> HttpForge:
    place = place_of(address)
    parts = place.path.strip("/").removesuffix(".git").split("/")
    if len(parts) < 2 or not all(parts):
        raise InputError(
            "the address names no repository",
            hint="write one such as https://git.example.com/owner/repository",
        )
    *below, owner, name = parts
    site = "/".join([f"{place.scheme}://{place.authority}", *below])
    dialect = dialect_of(owner, name)
    line = Line(
        roots={"": api.rstrip("/") or f"{site}{_API}"},
        web=web,
        allowed=allowed,
        authority=Token(read=lambda: {"Authorization": f"token {credential()}"}),
        gate=gate,
        words=dialect.words,
        base_headers={},
    )
    return HttpForge(dialect, line)
