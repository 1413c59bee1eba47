"""TELL, which lines differ: a unified difference, in bounded time for any lines. Pure.

Promise: applied to the first lines it gives the second; it is short where that can be
found quickly. difflib alone takes minutes for a file of 20,000 lines of which every
second one differs, and whoever opens a pull request can write such a file.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Final

_CONTEXT: Final = 3
_COMPARED: Final = 4000  # lines, of both sides together, for which difflib takes 1 s


@dataclass(frozen=True, slots=True)
class _Part:
    """Lines that are the same, or that give way to others: half-open ranges."""

    is_same: bool
    old: tuple[int, int]
    new: tuple[int, int]


def unified(
    before: Sequence[str], after: Sequence[str], *, old: str, new: str
) -> tuple[str, ...]:
    """Compare two objects' lines; the first two lines name them.

    Args:
        before: lines of the object as it was; empty when it is new.
        after: lines of the object as it will be; empty when it goes.
        old: what to call the first.
        new: what to call the second.
    """
    lines = [
        line
        for hunk in _hunks(list(_parts(before, after)))
        for line in _written(hunk, before, after)
    ]
    return (f"--- {old}", f"+++ {new}", *lines) if lines else ()


# --- what differs ---


def _parts(before: Sequence[str], after: Sequence[str]) -> Iterator[_Part]:
    """Yield the parts in order: the head and the tail that both share, and between."""
    most = min(len(before), len(after))
    head = _shared(before, after, most)
    tail = _shared(before[::-1], after[::-1], most - head)
    old, new = (head, len(before) - tail), (head, len(after) - tail)
    yield _Part(True, (0, head), (0, head))
    yield from _middle(before, after, old, new)
    yield _Part(True, (old[1], len(before)), (new[1], len(after)))


def _shared(one: Sequence[str], other: Sequence[str], most: int) -> int:
    """Count the lines at the beginning that are the same."""
    pairs = zip(one[:most], other[:most], strict=True)
    return next((n for n, (a, b) in enumerate(pairs) if a != b), most)


def _middle(
    before: Sequence[str],
    after: Sequence[str],
    old: tuple[int, int],
    new: tuple[int, int],
) -> Iterator[_Part]:
    """Compare what is between: well, line by line, or as a whole."""
    olds, news = before[slice(*old)], after[slice(*new)]
    if len(olds) + len(news) <= _COMPARED:
        matcher = difflib.SequenceMatcher(None, olds, news)
        for tag, i1, i2, j1, j2 in matcher.get_opcodes():
            here = (old[0] + i1, old[0] + i2), (new[0] + j1, new[0] + j2)
            yield _Part(tag == "equal", *here)
    elif len(olds) == len(news):
        start = 0
        for is_same, run in groupby(a == b for a, b in zip(olds, news, strict=True)):
            end = start + sum(1 for _ in run)
            here = (old[0] + start, old[0] + end), (new[0] + start, new[0] + end)
            yield _Part(is_same, *here)
            start = end
    else:
        yield _Part(False, old, new)


# --- how it is written ---


def _hunks(parts: Sequence[_Part]) -> Iterator[list[_Part]]:
    """Gather what differs with a few lines around; far apart is another hunk."""
    hunk: list[_Part] = []
    for part in parts:
        if not part.is_same:
            hunk.append(part)
            continue
        (i1, i2), (j1, j2) = part.old, part.new
        if any(not known.is_same for known in hunk):
            if i2 - i1 <= 2 * _CONTEXT and part is not parts[-1]:
                hunk.append(part)
                continue
            end = min(_CONTEXT, i2 - i1)
            yield [*hunk, _Part(True, (i1, i1 + end), (j1, j1 + end))]
        start = min(_CONTEXT, i2 - i1)
        hunk = [_Part(True, (i2 - start, i2), (j2 - start, j2))]


def _written(
    hunk: Sequence[_Part], before: Sequence[str], after: Sequence[str]
) -> Iterator[str]:
    old = _range(hunk[0].old[0], hunk[-1].old[1])
    new = _range(hunk[0].new[0], hunk[-1].new[1])
    yield f"@@ -{old} +{new} @@"
    for part in hunk:
        if part.is_same:
            yield from (f" {line}" for line in before[slice(*part.old)])
        else:
            yield from (f"-{line}" for line in before[slice(*part.old)])
            yield from (f"+{line}" for line in after[slice(*part.new)])


def _range(start: int, end: int) -> str:
    """Write a range as diff does: from 1, and without its length where that is 1."""
    length = end - start
    if length == 1:
        return f"{start + 1}"
    return f"{start + 1 if length else start},{length}"
