"""One generated file seen from three sides, and what becomes of it. Pure.

    old      as the older release generated it; known by its blob id
    ours     as it stands in the repository, with the edits of people
    theirs   as the newer release generates it

Sides are told apart by blob ids, so the bytes of the old text are asked for only where
all three differ. Merging itself is in ``settling``.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum, auto

from gitops.model import BlobId, Mode, blob_id

_BLOB = re.compile(r"[0-9a-f]{40}", re.ASCII)
_LONE_LF = re.compile(rb"(?<!\r)\n")


@dataclass(frozen=True, slots=True, kw_only=True)
class File:
    """A file as it stands."""

    content: bytes
    mode: Mode = Mode.FILE


class Verdict(Enum):
    """What becomes of a file."""

    KEEP = auto()
    TAKE = auto()
    STAY_OUT = auto()
    STAY_IN = auto()
    MERGE = auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class Sides:
    """One file.

    Attributes:
        path: where the result goes.
        old: blob of the text that both sides come from; None when there is none.
        ours: None when it is not there.
        theirs: None when it goes.
    """

    path: str
    old: BlobId | None
    ours: File | None
    theirs: bytes | None

    @property
    def has_crlf(self) -> bool:
        """Whether people gave every line of the file another end.

        Then no line is like it was, and a merge would be one conflict of the whole
        file: so line ends are left out of the comparison, and ours stay.
        """
        return (
            self.ours is not None
            and b"\r\n" in self.ours.content
            and _LONE_LF.search(self.ours.content) is None
            and (self.theirs is None or b"\r" not in self.theirs)
        )

    @property
    def our_text(self) -> bytes | None:
        """Our bytes, with LF where only the line ends were changed as a whole."""
        if self.ours is None:
            return None
        content = self.ours.content
        return content.replace(b"\r\n", b"\n") if self.has_crlf else content

    @property
    def verdict(self) -> Verdict:
        """What to do, by ids alone."""
        ours, theirs = _id(self.our_text), _id(self.theirs)
        if theirs in (ours, self.old):
            return Verdict.KEEP
        if ours == self.old:
            return Verdict.TAKE
        if ours is None:
            return Verdict.STAY_OUT
        return Verdict.STAY_IN if theirs is None else Verdict.MERGE


def compared(
    folder: str,
    *,
    old: Mapping[str, BlobId],
    ours: Mapping[str, File],
    theirs: Mapping[str, bytes],
) -> tuple[Sides, ...]:
    """Put the three sides of each file of a folder together.

    Args:
        folder: where the results go.
        old: path below the folder -> blob.
        ours: path below the folder -> file.
        theirs: path below the folder -> content.

    Returns:
        Sorted by path.
    """
    return tuple(
        Sides(
            path=f"{folder}/{name}",
            old=old.get(name),
            ours=ours.get(name),
            theirs=theirs.get(name),
        )
        for name in sorted(old.keys() | ours.keys() | theirs.keys())
    )


def ancestors_wanted(sides: Iterable[Sides]) -> tuple[BlobId, ...]:
    """Name the old texts without which files cannot be merged."""
    wanted = (s.old for s in sides if s.verdict is Verdict.MERGE)
    return tuple(dict.fromkeys(b for b in wanted if b and _BLOB.fullmatch(b)))


def _id(content: bytes | None) -> BlobId | None:
    return None if content is None else blob_id(content)
