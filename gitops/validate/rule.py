"""What a rule is, and what one breach of it is, before it has a file and a line."""

from __future__ import annotations

from dataclasses import dataclass

from gitops.model import Manifest, Severity
from gitops.schemas import Place

SHOWN_LENGTH = 80


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One rule of the house, as docs/rules.md prints it.

    Attributes:
        name: stable kebab-case name; scripts rely on it.
        severity: an error stops a commit, the others are told.
        why: what goes wrong otherwise.
        fix: what to do; the hint of a finding that has none of its own.
    """

    name: str
    severity: Severity
    why: str
    fix: str


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Item:
    """One object of the set that is checked, and where it is written.

    Attributes:
        manifest: the object; its line counts within the text.
        path: the file, or the overlay that was rendered.
        text: the whole text that holds it.
        document: 1-based line at which its YAML document begins; 0 when unknown.
        prefix: the object's own place in that document: () but for lists.
    """

    manifest: Manifest
    path: str
    text: bytes
    document: int = 0
    prefix: Place = ()

    @property
    def title(self) -> str:
        """Name the object for people."""
        if not self.manifest.kind:
            return "document"
        return f"{shown(self.manifest.kind)} {shown(self.manifest.name) or 'unnamed'}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One breach of one rule by one object.

    Attributes:
        rule: the rule.
        item: the object.
        at: the place inside the object, which may not exist (a missing field).
        message: the problem and its values; the place is put in front.
        hint: what to do, where the rule's own fix is too general.
    """

    rule: Rule
    item: Item
    at: Place
    message: str
    hint: str = ""


def shown(text: str) -> str:
    """Write a foreign value for people: one line of ASCII, bounded."""
    if text.isascii() and text.isprintable() and len(text) <= SHOWN_LENGTH:
        return text
    return ascii(text[:SHOWN_LENGTH])[1:-1] + (
        "..." if len(text) > SHOWN_LENGTH else ""
    )
