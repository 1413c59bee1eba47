"""Bitbucket's adapters before fakes, and who judges the fakes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

from gitops.forges.bitbucket import bitbucket_forge
from gitops.forges.http import HttpForge, RateGate
from gitops.web import Allowed, Web
from tests.contract.openapi import Checked
from tests.contract.slices import BITBUCKET_CLOUD
from tests.support.forges.state import TOKEN
from tests.support.forges.wire import Asked, Told, Watcher

_HERE: Final = Allowed(hosts=frozenset({"127.0.0.1"}))
_REFUSALS: Final = frozenset({400, 401, 403, 404, 409})
_EVERYWHERE: Final = frozenset({"q", "sort", "pagelen", "page", "fields"})


def cloud_judge() -> Watcher:
    """Judge by Cloud's description.

    It says of filters and pages in prose what every list takes, and wants a `type` of
    bodies that the real one does not ask for; it does not know that null is sent for
    what is not there.
    """
    checked = Checked(
        _without_types(BITBUCKET_CLOUD.read()), also=_REFUSALS, drop_nulls=True
    )

    def look(asked: Asked, told: Told) -> None:
        query = {k: v for k, v in asked.query.items() if k not in _EVERYWHERE}
        checked(replace(asked, query=query), told)

    return look


def _without_types(part: Any) -> Any:
    """Ask for no `type`, and tell nothing apart by it."""
    if isinstance(part, list):
        return [_without_types(item) for item in part]
    if not isinstance(part, dict):
        return part
    found = {k: _without_types(v) for k, v in part.items() if k != "discriminator"}
    if isinstance(found.get("required"), list):
        found["required"] = [name for name in found["required"] if name != "type"]
        if not found["required"]:
            del found["required"]
    return found


def cloud_of(
    root: str, web: Web, gate: RateGate, token: str = f"bot@example.com:{TOKEN}"
) -> HttpForge:
    """Make Cloud's adapter for a fake that runs at an address."""
    return bitbucket_forge(
        "https://bitbucket.org/team/fleet.git",
        web=web,
        allowed=_HERE,
        credential=lambda: token,
        gate=gate,
        api=f"{root}/2.0",
    )
