"""Gitea's and Forgejo's adapters before a fake, and who judges the fake."""

from __future__ import annotations

from gitops.forges.gitea import forgejo_forge, gitea_forge
from gitops.forges.http import HttpForge, RateGate
from gitops.web import Allowed, Web
from tests.contract.openapi import Checked
from tests.contract.slices import FORGEJO
from tests.support.forges.state import TOKEN
from tests.support.forges.wire import Asked, Told, Watcher

_HERE = Allowed(hosts=frozenset({"127.0.0.1"}))
_REFUSALS = frozenset({401, 403, 404, 405, 409, 412, 422})


def judge() -> Watcher:
    """Judge by Forgejo's description; it knows neither null nor a planned merge."""
    checked = Checked(FORGEJO.read(), also=_REFUSALS, drop_nulls=True)

    def look(asked: Asked, told: Told) -> None:
        is_planned = asked.path.endswith("/merge") and told.status == 201
        checked(asked, Told(status=200) if is_planned else told)

    return look


def gitea_of(root: str, web: Web, gate: RateGate, token: str = TOKEN) -> HttpForge:
    """Make Gitea's adapter for a fake that runs at an address."""
    return gitea_forge(
        "https://gitea.test/team/fleet.git",
        web=web,
        allowed=_HERE,
        credential=lambda: token,
        gate=gate,
        api=f"{root}/api/v1",
    )


def forgejo_of(root: str, web: Web, gate: RateGate, token: str = TOKEN) -> HttpForge:
    """Make Forgejo's adapter for a fake that runs at an address."""
    return forgejo_forge(
        "https://forgejo.test/team/fleet",
        web=web,
        allowed=_HERE,
        credential=lambda: token,
        gate=gate,
        api=f"{root}/api/v1",
    )
