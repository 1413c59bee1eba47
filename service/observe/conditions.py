"""The conditions of a Kubernetes object's status."""

from __future__ import annotations

from collections.abc import Mapping

from gitops.model import Json
from gitops.web.fields import items_at, mapping_at, text_at


def condition(document: Json, name: str) -> Mapping[str, Json]:
    """Return a condition of a Kubernetes object's status; empty when it has none.

    Raises:
        WebError: the conditions make no sense.
    """
    for item in items_at(document, "status", "conditions"):
        if text_at(item, "type") == name:
            return mapping_at(item)
    return {}
