"""Bring a generated file up to date that a person has edited, line by line. Pure.

The usual three-way rule: of the generated text before and after, and the person's
text, what only one side changed is taken; where both changed, there is no answer.
"""

from __future__ import annotations

from difflib import SequenceMatcher


def merged(base: bytes, ours: bytes, theirs: bytes) -> bytes | None:
    """Carry the difference between base and theirs over to ours.

    Args:
        base: the file as it was generated.
        ours: the file as it is, with a person's edits.
        theirs: the file as it would be generated now.

    Returns:
        The merged text; None where both changed the same lines, or neighbours.
    """
    if ours in (base, theirs):
        return theirs
    old, here, new = (text.splitlines(keepends=True) for text in (base, ours, theirs))
    edits = _edits(old, new)
    hands = _edits(old, here)
    if any(_touch(edit, hand) for edit in edits for hand in hands):
        return None
    lines, at = [], 0
    for start, end, replacement in sorted(edits + hands):
        lines += old[at:start] + replacement
        at = end
    return b"".join(lines + old[at:])


_Edit = tuple[int, int, list[bytes]]


def _edits(old: list[bytes], new: list[bytes]) -> list[_Edit]:
    """List which lines of the old text become which new ones."""
    matcher = SequenceMatcher(a=old, b=new, autojunk=False)
    return [
        (start, end, new[first:last])
        for tag, start, end, first, last in matcher.get_opcodes()
        if tag != "equal"
    ]


def _touch(one: _Edit, other: _Edit) -> bool:
    """Whether two edits have a line in common, or stand side by side."""
    return one[0] <= other[1] and other[0] <= one[1]
