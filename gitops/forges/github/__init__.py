"""GitHub and GitHub Enterprise: a token, or a GitHub App.

dialect    which calls, in which order
graphql    automatic merges, which REST lacks       pure
merging    what a refused merge means               pure
reading    JSON as our nouns                        pure
app        login of a GitHub App
address    where the API of a repository is         pure
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from typing import Final

from gitops.forges.github.address import Home, home_of
from gitops.forges.github.app import RIGHTS, AppLogin, Signature
from gitops.forges.github.dialect import CAPABILITIES, GitHub
from gitops.forges.github.graphql import API as GRAPHQL
from gitops.forges.http import Authority, HttpForge, Line, RateGate, Token
from gitops.web import Allowed, Web

__all__ = [
    "CAPABILITIES",
    "RIGHTS",
    "WRITE_GAP_S",
    "AppLogin",
    "GitHub",
    "git_username",
    "github_app",
    "github_forge",
]

git_username: Final = "x-access-token"
"""Goes with a token for git over HTTPS; the name is not looked at, only the token."""

WRITE_GAP_S: Final = 1.0
"""Seconds between two writes, as GitHub's rules for its API ask; for the RateGate."""

_HEADERS: Final = {
    # The second form is what GitHub's own description promises for every answer.
    "Accept": "application/vnd.github+json, application/json",
    "X-GitHub-Api-Version": "2022-11-28",
}


def github_forge(
    address: str,
    *,
    web: Web,
    allowed: Allowed,
    credential: Callable[[], str] | AppLogin,
    gate: RateGate,
    api: str = "",
) -> HttpForge:
    """Make the forge of one repository.

    Args:
        address: of the repository's page, or of its clone over HTTPS.
        web: the one HTTP client.
        allowed: what it may reach; the API's own host beside it, where that follows
            from the address (api.github.com).
        credential: returns the token as it is now; or the login of an App.
        gate: shared by all that use one account; see WRITE_GAP_S.
        api: root of the REST API; derived from the address when empty.

    Raises:
        InputError: the address names no repository.
    """
    home = home_of(address, api)
    if isinstance(credential, AppLogin):
        authority: Authority = credential
        dialect = GitHub(home.owner, home.name, login=credential.login)
    else:
        authority = _token(credential)
        dialect = GitHub(home.owner, home.name)
    line = _line(home, dialect, web, allowed, authority, gate)
    return HttpForge(dialect, line)


def github_app(
    address: str,
    *,
    app: str,
    key: Callable[[], str],
    now: Callable[[], datetime],
    web: Web,
    allowed: Allowed,
    gate: RateGate,
    api: str = "",
) -> AppLogin:
    """Make the login of a GitHub App for one repository; nothing is asked for yet.

    Args:
        address: as for `github_forge`.
        app: the App's id or client id.
        key: returns its private key, PEM.
        now: the clock; aware UTC.
        web: the one HTTP client.
        allowed: as for `github_forge`.
        gate: as for `github_forge`.
        api: as for `github_forge`.

    Raises:
        InputError: the address names no repository.
    """
    home = home_of(address, api)
    dialect = GitHub(home.owner, home.name)
    signature = Signature(app=app, key=key, now=now)
    line = _line(home, dialect, web, allowed, signature, gate)
    return AppLogin(line, owner=home.owner, name=home.name, now=now)


def _token(read: Callable[[], str]) -> Token:
    return Token(read=lambda: {"Authorization": f"Bearer {read()}"})


def _line(
    home: Home,
    dialect: GitHub,
    web: Web,
    allowed: Allowed,
    authority: Authority,
    gate: RateGate,
) -> Line:
    return Line(
        roots={"": home.rest, GRAPHQL: home.graphql},
        web=web,
        allowed=replace(allowed, named=allowed.named | home.implied_hosts),
        authority=authority,
        gate=gate,
        words=dialect.words,
        base_headers=_HEADERS,
    )
