"""TELL, the pull request's body: what a reviewer needs to decide in a minute.

Promise: within the limit for any input, by leaving out step by step (differences,
then objects, then lines, then all but counts), and never failing; every fence closed;
exactly one marker, on a line of its own, wherever it fits.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Final
from urllib.parse import quote

from gitops.review.bundles import Bundle, bundled
from gitops.review.sections import (
    Detail,
    Telling,
    bundle_block,
    bundle_line,
    sections,
)
from gitops.review.text import size

MARKER_START: Final = "<!-- directus-gitops:"
_KEYS_IN_MARKER: Final = 4
_ALL: Final = 1_000_000
_STEPS: Final = (
    Detail(shown=0, objects=_ALL, lines=_ALL),
    Detail(shown=0, objects=200, lines=100),
    Detail(shown=0, objects=40, lines=40),
    Detail(shown=0, objects=0, lines=12),
    Detail(shown=0, objects=0, lines=4),
    Detail(shown=0, objects=0, lines=1),
    Detail(shown=0, objects=0, lines=0),
)


def body_of(telling: Telling, *, limit: int) -> str:
    """Write the body.

    Args:
        telling: what to tell.
        limit: bytes of UTF-8 at most, so that every forge's way of counting fits.
    """
    bundles = bundled(telling.diffs)
    full = _with_differences(telling, bundles, limit)
    if full is not None:
        return full
    for step in _STEPS[1:]:
        text = _body(telling, bundles, step)
        if size(text) <= limit:
            return text
    marker = _marker(telling)
    if size(marker) <= limit:
        return marker
    return "Too long to show here."[: max(limit, 0)]


def _with_differences(
    telling: Telling, bundles: Sequence[Bundle], limit: int
) -> str | None:
    """Show as many differences as fit beside everything else; None if nothing fits."""
    room = limit - size(_body(telling, bundles, _STEPS[0]))
    if room < 0:
        return None
    shown = 0
    for bundle in bundles:
        room -= size(bundle_block(bundle)) - size(bundle_line(bundle))
        if room < 0:
            break
        shown += 1
    return _body(telling, bundles, replace(_STEPS[0], shown=shown))


def _body(telling: Telling, bundles: Sequence[Bundle], detail: Detail) -> str:
    return sections(telling, bundles, detail) + "\n" + _marker(telling)


# --- marker ---


def _marker(telling: Telling) -> str:
    """Write the hidden line by which a later pass knows its own pull request."""
    if telling.head is not None:
        repository = _attribute(telling.repository)
        return f"{MARKER_START} v1 repository={repository} review={telling.head} -->\n"
    keys = sorted(str(intent.key) for intent in telling.intents)
    if len(keys) > _KEYS_IN_MARKER:
        joined = hashlib.sha256("\n".join(keys).encode()).hexdigest()
        keys = [f"{len(keys)}x{joined}"]
    fields = (
        "v1",
        f"repository={_attribute(telling.repository)}",
        f"branch={_attribute(telling.branch)}",
        f"changes={','.join(_attribute(key) for key in keys)}",
    )
    return f"{MARKER_START} {' '.join(fields)} -->\n"


def _attribute(text: str) -> str:
    encoded = quote(text.encode("utf-8", "replace"), safe="/._-")
    return re.sub(r"--|(?<=gh)-", "%2D", encoded, flags=re.IGNORECASE)
