"""TELL, what the makers of a release say of it: hostile text, shown as a block.

Promise (docs/reliability.md R17): it is inside a fence that nothing in it can end, no
line of it begins a command, what cannot be seen is spelled out, and it is folded.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from gitops.model import IMAGE_EXISTS, IMAGE_UNCHECKED, Plan, ReleaseNotes, SetRevision
from gitops.review.masking import redacted
from gitops.review.text import cut, element, fenced, visible

_LINES: Final = 60
_WIDTH: Final = 300
_INDENT: Final = "  "  # so that no line begins with what a forge takes for a command


def notes_section(plans: Sequence[Plan]) -> str:
    """Show the notes of the releases that are brought; empty without any."""
    found = dict.fromkeys(note for plan in plans for note in plan.notes if note.text)
    blocks = [_block(note) for note in sorted(found, key=lambda note: note.version)]
    return "### Release notes\n\n" + "".join(blocks) if blocks else ""


def _block(note: ReleaseNotes) -> str:
    title = redacted(note.title) if note.title else f"Version {note.version}"
    lines = redacted(note.text).split("\n")
    shown = [f"{_INDENT}{cut(visible(line), _WIDTH)}" for line in lines[:_LINES]]
    if len(lines) > _LINES:
        shown.append(f"{_INDENT}{len(lines) - _LINES} more lines")
    block = fenced("\n".join(shown), "text")
    return f"<details><summary>{element(title)}</summary>\n\n{block}\n</details>\n\n"


def is_existence_told(plans: Sequence[Plan]) -> bool:
    """Whether findings say of every image that is brought if a registry has it."""
    return all(_is_told(plan) for plan in plans)


def _is_told(plan: Plan) -> bool:
    brought = {c.target for c in plan.changes if isinstance(c, SetRevision)}
    told = {
        finding.path
        for finding in plan.findings
        if finding.rule in (IMAGE_EXISTS, IMAGE_UNCHECKED)
    }
    return len(told) >= len(brought)
