"""Calls of Azure DevOps' API: each names the version that it is written for. Pure.

Lists go on in three ways: by counting with `$skip`, by counting with `skip`, and by a
token in a header. A server may give fewer than it was asked for, so where it is counted
only a page without anything is the last.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from gitops.forges.azure import reading
from gitops.forges.http import FINE, Call, Reply
from gitops.model import Json

PREVIEW: Final = "7.1-preview.1"
"""Of what Microsoft never declared finished."""

PAGE: Final = 100
_VERSION: Final = "7.1"


def read(*path: str, missing: str = "", **query: str) -> Call:
    """Make a call that reads."""
    pairs = (*query.items(), ("api-version", _VERSION))
    return Call(method="GET", path=path, query=pairs, missing=missing)


def write(
    method: str,
    *path: str,
    body: Json,
    missing: str = "",
    accepts: frozenset[int] = FINE,
) -> Call:
    """Make a call that changes something."""
    return Call(
        method=method,
        path=path,
        query=(("api-version", _VERSION),),
        body=body,
        accepts=accepts,
        missing=missing,
    )


def by_count(call: Call, reply: Reply) -> Call | None:
    """Return the call of the next page, counted by `$skip`."""
    return _after(call, reply, "$skip")


def by_plain_count(call: Call, reply: Reply) -> Call | None:
    """Return the call of the next page, counted by `skip`."""
    return _after(call, reply, "skip")


def _after(call: Call, reply: Reply, skip: str) -> Call | None:
    count = len(reading.rows(reply))
    if not count:
        return None
    gone = next((int(value) for name, value in call.query if name == skip), 0)
    kept = (pair for pair in call.query if pair[0] != skip)
    return replace(call, query=(*kept, (skip, str(gone + count))))


def by_token(call: Call, reply: Reply) -> Call | None:
    """Return the call of the next page, where a header has a token for it."""
    token = reply.headers.get("x-ms-continuationtoken", "").strip()
    if not token:
        return None
    kept = (pair for pair in call.query if pair[0] != "continuationToken")
    return replace(call, query=(*kept, ("continuationToken", token)))
