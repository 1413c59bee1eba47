"""Bitbucket: Cloud (bitbucket.org) and Data Center, two APIs with one name.

cloud         Cloud's API 2.0: calls            cloud_reading         its JSON
datacenter    Data Center's REST API: calls     datacenter_reading    its JSON
merging       what Cloud's answer to a merge means
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping
from typing import Final

from gitops.errors import InputError
from gitops.forges.bitbucket.cloud import CLOUD_CAPABILITIES, Cloud
from gitops.forges.bitbucket.datacenter import DATACENTER_CAPABILITIES, DataCenter
from gitops.forges.http import HttpForge, Line, RateGate, Token
from gitops.web import Allowed, Web, place_of

__all__ = [
    "CAPABILITIES",
    "CLOUD_CAPABILITIES",
    "DATACENTER_CAPABILITIES",
    "Cloud",
    "DataCenter",
    "bitbucket_datacenter_forge",
    "bitbucket_forge",
    "datacenter_git_username",
    "git_credential",
    "git_username",
]

CAPABILITIES: Final = CLOUD_CAPABILITIES

git_username: Final = "x-bitbucket-api-token-auth"
"""Goes with an API token for git over HTTPS to Cloud; see `git_credential`."""

datacenter_git_username: Final = "x-token-auth"
"""Goes with an HTTP access token for git over HTTPS to Data Center."""

_ACCESS_USER: Final = "x-token-auth"
_CLOUD_PAGES: Final = "bitbucket.org"
_CLOUD_API: Final = "https://api.bitbucket.org/2.0"


def git_credential(secret: str) -> tuple[str, str]:
    """Return user name and password for git over HTTPS to Cloud.

    Args:
        secret: `email:token` for an API token, else an access token.
    """
    _, separator, token = secret.partition(":")
    return (git_username, token) if separator else (_ACCESS_USER, secret)


def bitbucket_forge(
    address: str,
    *,
    web: Web,
    allowed: Allowed,
    credential: Callable[[], str],
    gate: RateGate,
    api: str = "",
) -> HttpForge:
    """Make the forge of one repository on Bitbucket Cloud.

    Args:
        address: `https://bitbucket.org/workspace/repository`.
        web: the one HTTP client.
        allowed: what it may reach; the API is on another host than the pages.
        credential: returns `email:token` for an API token, or an access token of a
            repository, project or workspace, as it is now.
        gate: shared by all that use one account.
        api: root of the API; derived from the address when empty.

    Raises:
        InputError: the address names no repository of Bitbucket Cloud.
    """
    place = place_of(address)
    parts = place.path.strip("/").removesuffix(".git").split("/")
    if len(parts) != 2 or not all(parts) or (place.host != _CLOUD_PAGES and not api):
        raise InputError(
            "the address names no repository of Bitbucket Cloud",
            hint="write https://bitbucket.org/workspace/repository; for a server of "
            "your own the forge is bitbucket-datacenter",
        )
    dialect = Cloud(*parts)
    line = Line(
        roots={"": api.rstrip("/") or _CLOUD_API},
        web=web,
        allowed=allowed,
        authority=Token(read=lambda: _cloud_headers(credential())),
        gate=gate,
        words=dialect.words,
        base_headers={},
    )
    return HttpForge(dialect, line)


def _cloud_headers(secret: str) -> Mapping[str, str]:
    if ":" in secret:
        pair = base64.b64encode(secret.encode()).decode()
        return {"Authorization": f"Basic {pair}"}
    return {"Authorization": f"Bearer {secret}"}


def bitbucket_datacenter_forge(
    address: str,
    *,
    web: Web,
    allowed: Allowed,
    credential: Callable[[], str],
    gate: RateGate,
    api: str = "",
) -> HttpForge:
    """Make the forge of one repository on Bitbucket Data Center.

    Args:
        address: of the repository's pages (`https://HOST/projects/KEY/repos/NAME`,
            `https://HOST/users/USER/repos/NAME`), or of its clone over HTTPS
            (`https://HOST/scm/KEY/NAME.git`); a server below a path is understood.
        web: the one HTTP client.
        allowed: what it may reach.
        credential: returns an HTTP access token as it is now.
        gate: shared by all that use one account.
        api: root of the API (`.../rest`); derived from the address when empty.

    Raises:
        InputError: the address names no repository.
    """
    place = place_of(address)
    below, project, name = _datacenter_path(place.path)
    site = f"{place.scheme}://{place.authority}{below}"
    dialect = DataCenter(project, name, site=site)
    line = Line(
        roots={"": api.rstrip("/") or f"{site}/rest"},
        web=web,
        allowed=allowed,
        authority=Token(read=lambda: {"Authorization": f"Bearer {credential()}"}),
        gate=gate,
        words=dialect.words,
        base_headers={"X-Atlassian-Token": "no-check"},  # no browser, so no XSRF
    )
    return HttpForge(dialect, line)


def _datacenter_path(path: str) -> tuple[str, str, str]:
    """Take an address apart: what is before the repository, project, and name.

    Raises:
        InputError: it names no repository.
    """
    parts = path.strip("/").split("/")
    match parts:
        case [*below, "scm", project, name] if project and name:
            name = name.removesuffix(".git")
        case [*below, "projects", project, "repos", name] if project and name:
            pass
        case [*below, "users", user, "repos", name] if user and name:
            project = f"~{user}"
        case _:
            raise InputError(
                "the address names no repository of Bitbucket Data Center",
                hint="write one such as https://git.example.com/scm/key/repository.git",
            )
    return "".join(f"/{part}" for part in below), project, name
