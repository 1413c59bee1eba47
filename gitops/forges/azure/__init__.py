"""Azure DevOps: Microsoft's own hosts, and Azure DevOps Server.

dialect    which calls, in which order
merging    completing, and what a refused one means    pure
checks     what builds and policies say
identities who we are, and who somebody is
calls      how calls and pages look                    pure
reading    JSON as our nouns                           pure
address    where the API of a repository is            pure
"""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Callable
from dataclasses import replace
from typing import Final

from gitops.forges.azure.address import Home, home_of
from gitops.forges.azure.dialect import CAPABILITIES, AzureDevOps
from gitops.forges.azure.identities import IDENTITIES
from gitops.forges.http import HttpForge, Line, RateGate, Token
from gitops.web import Allowed, Web, place_of

__all__ = ["CAPABILITIES", "AzureDevOps", "Home", "azure_forge", "git_username"]

git_username: Final = "token"
"""Goes with a token for git over HTTPS; Azure DevOps looks at the token alone."""

_ENTRA: Final = "eyJ"  # how a JSON Web Token begins; a personal one has no dots


def azure_forge(
    address: str,
    *,
    web: Web,
    allowed: Allowed,
    credential: Callable[[], str],
    gate: RateGate,
    api: str = "",
) -> HttpForge:
    """Make the forge of one repository.

    Args:
        address: of the repository's page, or of its clone over HTTPS.
        web: the one HTTP client.
        allowed: what it may reach; the host that knows people beside it, where that
            follows from the address (vssps.dev.azure.com).
        credential: returns the token as it is now: a personal access token, or one of
            Microsoft Entra.
        gate: shared by all that use one account.
        api: root of the organization's API; derived from the address when empty.

    Raises:
        InputError: the address names no repository.
    """
    home = home_of(address, api)
    dialect = AzureDevOps(home.project, home.repository, home.page)
    people = place_of(home.people).host
    line = Line(
        roots={"": home.root, IDENTITIES: home.people},
        web=web,
        allowed=replace(allowed, named=allowed.named | {people}),
        authority=Token(read=lambda: {"Authorization": _proof(credential())}),
        gate=gate,
        words=dialect.words,
        base_headers={},
    )
    return HttpForge(dialect, line)


def _proof(token: str) -> str:
    if token.startswith(_ENTRA) and token.count(".") == 2:
        return f"Bearer {token}"
    return f"Basic {b64encode(f':{token}'.encode()).decode()}"
