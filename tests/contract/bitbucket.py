"""Bitbucket's adapters before fakes, and who judges the fakes."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

from gitops.forges.bitbucket import bitbucket_datacenter_forge, bitbucket_forge
from gitops.forges.http import HttpForge, RateGate
from gitops.web import Allowed, Web
from tests.contract.openapi import Checked
from tests.contract.slices import BITBUCKET_CLOUD, BITBUCKET_DATACENTER
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


def _mended(part: Any) -> Any:
    """Leave out what is write-only, and call a body of any type JSON."""
    if isinstance(part, list):
        return [_mended(item) for item in part]
    if not isinstance(part, dict):
        return part
    return {
        "application/json" if k == "*/*" else k: _mended(v)
        for k, v in part.items()
        if k != "writeOnly"
    }


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


def datacenter_judge() -> Watcher:
    """Judge by Data Center's description.

    It calls `links` write-only, which every real answer has; names no type for some
    bodies, which are JSON; and does not know that null is sent.
    """
    spec = _mended(BITBUCKET_DATACENTER.read())
    return Checked(spec, also=_REFUSALS, drop_nulls=True)


def datacenter_of(root: str, web: Web, gate: RateGate, token: str = TOKEN) -> HttpForge:
    """Make Data Center's adapter for a fake that runs at an address."""
    return bitbucket_datacenter_forge(
        "https://bitbucket.test/scm/team/fleet.git",
        web=web,
        allowed=_HERE,
        credential=lambda: token,
        gate=gate,
        api=f"{root}/rest",
    )
