"""Conflict markers: where they stand, and which files still have them. Pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Final

from gitops.model import Tree

CONFLICT: Final = "upgrade-conflict"
"""The rule of a finding that a person resolves by pushing to the branch."""

# git's own: seven signs, then a label or nothing more on the line.
_OPENING = re.compile(rb"^<{7}(?: [^\r\n]*)?\r?$", re.MULTILINE)
_CLOSING = re.compile(rb"^>{7}(?: [^\r\n]*)?\r?$", re.MULTILINE)


def first_marker(text: bytes) -> int:
    """Return the 1-based line of the first marker; 0 when there is none."""
    found = _OPENING.search(text)
    return text.count(b"\n", 0, found.start()) + 1 if found else 0


def unresolved(tree: Tree, paths: Iterable[str]) -> tuple[str, ...]:
    """Name the files that hold conflict markers, sorted.

    Args:
        tree: whose files.
        paths: where to look; a path at which there is no plain file is resolved.
    """
    plain = sorted(
        path for path in set(paths) if path in tree and tree.entries[path].mode.is_plain
    )
    tree.prefetch(plain)
    return tuple(path for path in plain if _has_markers(tree.read(path)))


def _has_markers(text: bytes) -> bool:
    """Whether either marker is there: half a resolution is none."""
    return bool(_OPENING.search(text) or _CLOSING.search(text))


def in_full(ours: bytes, theirs: bytes, *, labels: tuple[str, str]) -> bytes:
    """Write two texts as one conflict, where no merge can tell them apart."""
    return (
        f"<<<<<<< {labels[0]}\n".encode()
        + _ended(ours)
        + b"=======\n"
        + _ended(theirs)
        + f">>>>>>> {labels[1]}\n".encode()
    )


def _ended(text: bytes) -> bytes:
    return text if not text or text.endswith(b"\n") else text + b"\n"
