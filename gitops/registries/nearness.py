"""Which tags somebody may have meant who named one that is not there. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from difflib import get_close_matches
from typing import Final

from gitops.versions import version_of

_MOST: Final = 3
_MAX_COMPARED: Final = 5000


def near_tags(wanted: str, tags: Iterable[str]) -> tuple[str, ...]:
    """Return a few tags: of a version its neighbours in the order, else look-alikes.

    Args:
        wanted: a tag that is not among them.
        tags: all that there are.
    """
    version = version_of(wanted)
    if version is None:
        return tuple(get_close_matches(wanted, [*tags][:_MAX_COMPARED], n=_MOST))
    found = sorted(one for one in map(version_of, tags) if one is not None)
    alike = [one for one in found if one.variant == version.variant] or found
    below = [one for one in alike if one < version][-_MOST + 1 :]
    above = [one for one in alike if version < one]
    close = [*below, *above[:1], *above[-1:]]
    return tuple(dict.fromkeys(one.tag for one in close))
