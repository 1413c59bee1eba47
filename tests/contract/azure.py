"""Azure DevOps' adapter before a fake, and who judges the fake."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any, Final

from gitops.forges.azure import azure_forge
from gitops.forges.http import HttpForge, RateGate
from gitops.web import Allowed, Web
from tests.contract.openapi import Checked, Spec
from tests.contract.slices import AZURE
from tests.support.forges.azure import ROOT
from tests.support.forges.state import TOKEN

_MORE: Final = Path(__file__).parent / "specs" / "azure-more.json"
_MADE: Final = ("pullrequests", "statuses")
_REFUSALS: Final = frozenset({203, 302, 400, 401, 403, 404, 409})


def description() -> Spec:
    """Return Microsoft's description as servers keep it.

    It says that lists are bare arrays, and that what is made is answered with 200:
    servers wrap every list in `{count, value}`, and answer 201 to some POSTs. What is
    not about git (who we are, people, policies) is written from the documentation.
    """
    found: dict[str, Any] = copy.deepcopy(AZURE.read())
    for path, methods in found["paths"].items():
        for method, operation in methods.items():
            if method == "parameters":
                continue
            responses = operation["responses"]
            for kind in responses["200"].get("content", {}).values():
                kind["schema"] = _wrapped(kind["schema"])
            if method == "post" and path.endswith(_MADE):
                responses["201"] = responses["200"]
    more: dict[str, Any] = json.loads(_MORE.read_text("utf-8"))
    found["paths"] |= more["paths"]
    return found


def _wrapped(schema: dict[str, Any]) -> dict[str, Any]:
    if schema.get("type") != "array":
        return schema
    fields = {"count": {"type": "integer"}, "value": schema}
    return {"type": "object", "required": ["value"], "properties": fields}


def judge() -> Checked:
    """Judge by Microsoft's description."""
    return Checked(description(), prefix=ROOT, also=_REFUSALS, drop_nulls=True)


def azure_of(root: str, web: Web, gate: RateGate, token: str = TOKEN) -> HttpForge:
    """Make the adapter for a fake that runs at an address."""
    return azure_forge(
        "https://dev.azure.com/org/Fleet%20Project/_git/fleet",
        web=web,
        allowed=Allowed(hosts=frozenset({"127.0.0.1"})),
        credential=lambda: token,
        gate=gate,
        api=f"{root}{ROOT}",
    )
