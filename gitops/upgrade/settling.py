"""What becomes of a generated file: taken, kept, merged, or shown as a conflict. Pure.

Promise: what people wrote is never lost in silence. What only one side changed is
taken; where both did, the texts are merged, and where that fails, both are shown with
markers and the finding is an error.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias, assert_never

from gitops.model import Finding, Severity
from gitops.upgrade.conflicts import CONFLICT, first_marker, in_full
from gitops.upgrade.sides import Sides, Verdict

KEPT: Final = "upgrade-kept"
LEFT_OUT: Final = "upgrade-left-out"


@dataclass(frozen=True, slots=True, kw_only=True)
class Names:
    """What people call the three sides; each is one line of printable text."""

    ours: str
    old: str
    theirs: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Combined:
    """Two texts merged line by line; conflicted: it holds markers."""

    text: bytes
    is_conflicted: bool


Merge: TypeAlias = Callable[[bytes, bytes, bytes], Combined]
"""Merges old, ours and theirs, in this order."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settled:
    """What became of a file.

    Attributes:
        sides: what it was made from.
        content: None when it is not, or no longer, there.
        finding: what a reviewer must know; None when there is nothing to tell.
    """

    sides: Sides
    content: bytes | None
    finding: Finding | None = None


def settled(
    sides: Iterable[Sides],
    *,
    ancestors: Mapping[str, bytes],
    merge: Merge,
    names: Names,
) -> tuple[Settled, ...]:
    """Decide what becomes of files.

    Args:
        sides: see compared.
        ancestors: bytes of the blobs that ancestors_wanted names; those that are
            not here have been lost.
        merge: merges three texts.
        names: of the sides, for people.
    """
    return tuple(_settled(one, ancestors, merge, names) for one in sides)


def _settled(
    sides: Sides, ancestors: Mapping[str, bytes], merge: Merge, names: Names
) -> Settled:
    ours = None if sides.ours is None else sides.ours.content
    match sides.verdict:
        case Verdict.KEEP:
            return Settled(sides=sides, content=ours)
        case Verdict.TAKE:
            return Settled(sides=sides, content=_with_our_ends(sides, sides.theirs))
        case Verdict.STAY_OUT:
            return Settled(sides=sides, content=None, finding=_left_out(sides, names))
        case Verdict.STAY_IN:
            return Settled(sides=sides, content=ours, finding=_kept(sides, names))
        case Verdict.MERGE:
            old = ancestors.get(sides.old) if sides.old else None
            return _merged(sides, old, merge, names)
        case verdict:
            assert_never(verdict)


def _merged(sides: Sides, old: bytes | None, merge: Merge, names: Names) -> Settled:
    ours, theirs = sides.our_text or b"", sides.theirs or b""
    if any(b"\0" in text for text in (old or b"", ours, theirs)):
        content = sides.ours.content if sides.ours else None
        return Settled(sides=sides, content=content, finding=_not_text(sides, names))
    result = merge(old or b"", ours, theirs)
    text = result.text
    if old is None and not result.is_conflicted:
        # One of them is empty. Without an ancestor nobody knows which is meant.
        text = in_full(ours, theirs, labels=(names.ours, names.theirs))
    elif not result.is_conflicted:
        return Settled(sides=sides, content=_with_our_ends(sides, text))
    return Settled(
        sides=sides,
        content=_with_our_ends(sides, text),
        finding=_conflict(sides, names, text, has_ancestor=old is not None),
    )


def _with_our_ends(sides: Sides, text: bytes | None) -> bytes | None:
    if text is None or not sides.has_crlf:
        return text
    return text.replace(b"\n", b"\r\n")


# --- what people are told ---


def _conflict(
    sides: Sides, names: Names, text: bytes, *, has_ancestor: bool
) -> Finding:
    if has_ancestor:
        what = f"was edited here, and {names.theirs} has the same lines otherwise"
    elif sides.old is None:
        what = f"is here already, and {names.theirs} brings it with other content"
    else:
        what = (
            f"was edited here and changed in {names.theirs}; the text that both come "
            f"from ({names.old}) is no longer in the history"
        )
    return Finding(
        rule=CONFLICT,
        severity=Severity.ERROR,
        path=sides.path,
        line=first_marker(text),
        message=what,
        hint="resolve it on the branch of the pull request and push; until then it "
        "cannot be merged",
    )


def _left_out(sides: Sides, names: Names) -> Finding:
    return Finding(
        rule=LEFT_OUT,
        severity=Severity.WARNING,
        path=sides.path,
        message=f"was removed here and changed in {names.theirs}; it stays removed",
        hint="nothing to do, unless you miss it",
    )


def _kept(sides: Sides, names: Names) -> Finding:
    return Finding(
        rule=KEPT,
        severity=Severity.WARNING,
        path=sides.path,
        message=f"was edited here and is no longer in {names.theirs}; it is kept",
        hint="it is yours now; remove it when nothing refers to it",
    )


def _not_text(sides: Sides, names: Names) -> Finding:
    return Finding(
        rule=KEPT,
        severity=Severity.WARNING,
        path=sides.path,
        message=f"was changed here and in {names.theirs}, and is not text; yours is "
        "kept",
        hint="compare the two by hand",
    )
