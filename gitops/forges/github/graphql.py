"""GitHub's GraphQL, for the one thing that its REST API lacks: automatic merges.

A refusal comes as 200 with `errors`, each with a type and words. A document is a
constant; every value goes as a variable.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from gitops.errors import (
    ForgeConflictError,
    ForgeDeniedError,
    ForgeError,
    ForgeUnavailableError,
)
from gitops.forges.http import Call, Reply, one_line
from gitops.web.fields import items_at, text_at

API: Final = "graphql"
"""The name of its root among a line's."""

MERGE_LATER: Final = """\
mutation MergeLater($pull: ID!, $head: GitObjectID!) {
  enablePullRequestAutoMerge(
    input: {pullRequestId: $pull, expectedHeadOid: $head, mergeMethod: MERGE}
  ) {
    pullRequest { number }
  }
}
"""

_LIMITED_S: Final = 60.0  # GitHub's advice for a limit that names no time
_CLEAN: Final = re.compile(r"\bin clean status\b", re.I)
_HEAD: Final = re.compile(r"\bhead\b.*\b(modified|match|sha|oid)", re.I)
_DENIED: Final = frozenset(
    {"FORBIDDEN", "INSUFFICIENT_SCOPES", "NOT_FOUND", "UNAUTHORIZED"}
)


def asked(document: str, variables: Mapping[str, str]) -> Call:
    """Make the call of a document that changes something."""
    return Call(
        method="POST",
        api=API,
        path=(),
        body={"query": document, "variables": dict(variables)},
    )


def refused(reply: Reply) -> str:
    """Return why it was refused, in the forge's words; empty when it was done.

    Raises:
        ForgeDeniedError: we may not, or may not see it.
        ForgeUnavailableError: we ask too much, or the server failed.
        ForgeConflictError: the head is another one.
    """
    body = reply.json()
    errors = items_at(body, "errors")
    if not errors:
        return ""
    said = one_line("; ".join(text_at(error, "message") for error in errors))
    fault = _fault({text_at(error, "type").upper() for error in errors}, said)
    if fault is not None:
        raise fault
    return said or "the forge gives no reason"


def _fault(kinds: set[str], said: str) -> ForgeError | None:
    if "RATE_LIMITED" in kinds:
        return ForgeUnavailableError(
            f"{said}: it asks us to wait", retry_after=_LIMITED_S
        )
    if kinds & _DENIED:
        return ForgeDeniedError(
            said, hint="check the repository's credential and its rights"
        )
    if kinds & {"", "INTERNAL", "SERVICE_UNAVAILABLE"}:  # a fault of its own has none
        return ForgeUnavailableError(f"the forge failed: {said}", sent=True)
    return ForgeConflictError(said) if _HEAD.search(said) else None


def is_clean(words: str) -> bool:
    """Whether it says that nothing is left to wait for: it can be merged now."""
    return _CLEAN.search(words) is not None
