"""GitLab: gitlab.com and servers of one's own, by the REST API (version 4)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Final

from gitops.errors import InputError
from gitops.forges.gitlab.dialect import CAPABILITIES, GitLab
from gitops.forges.http import HttpForge, Line, RateGate, Token
from gitops.web import Allowed, Web, place_of

__all__ = ["CAPABILITIES", "GitLab", "git_username", "gitlab_forge"]

git_username: Final = "oauth2"
"""Goes with a token for git over HTTPS; GitLab takes any name there but none."""

_API: Final = "/api/v4"


def gitlab_forge(
    address: str,
    *,
    web: Web,
    allowed: Allowed,
    credential: Callable[[], str],
    gate: RateGate,
    api: str = "",
) -> HttpForge:
    """Make the forge of one project.

    Args:
        address: of the project's page, or of its clone over HTTPS.
        web: the one HTTP client.
        allowed: what it may reach.
        credential: returns the token as it is now.
        gate: shared by all that use one account.
        api: root of the API; derived from the address when empty. A GitLab below a
            path (`https://HOST/gitlab`) needs it.

    Raises:
        InputError: the address names no project.
    """
    place = place_of(address)
    root = api.rstrip("/") or f"{place.scheme}://{place.authority}{_API}"
    below = place_of(root).path.rstrip("/").removesuffix(_API)
    path = place.path.removeprefix(f"{below}/").strip("/").removesuffix(".git")
    if "/" not in path:
        raise InputError(
            "the address names no GitLab project",
            hint="write one such as https://gitlab.com/group/project",
        )
    dialect = GitLab(path)
    line = Line(
        roots={"": root},
        web=web,
        allowed=allowed,
        authority=Token(read=lambda: {"PRIVATE-TOKEN": credential()}),
        gate=gate,
        words=dialect.words,
        base_headers={},
    )
    return HttpForge(dialect, line)
