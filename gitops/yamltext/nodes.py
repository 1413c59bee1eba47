"""What a YAML text is made of: nodes that know their bytes. Values only, no parsing."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, TypeAlias

Path: TypeAlias = tuple[str | int, ...]


class Style(StrEnum):
    """How a scalar is written; the values are YAML's own indicators."""

    PLAIN = ""
    SINGLE = "'"
    DOUBLE = '"'
    LITERAL = "|"
    FOLDED = ">"

    @property
    def is_block(self) -> bool:
        """Whether it spans lines of its own below the key."""
        return self in (Style.LITERAL, Style.FOLDED)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a text may cost us before we refuse it (R9).

    Attributes:
        size: bytes of the whole text.
        depth: levels of nesting.
        nodes: scalars and collections, aliases counted as what they stand for.
        aliases: uses of anchors.
        documents: documents of the text.
        odd_breaks: U+0085, U+2028 and U+2029 are allowed. YAML 1.1 and 1.2 disagree
            on whether they end a line, so files that we edit may not hold them.
    """

    size: int
    depth: int
    nodes: int
    aliases: int
    documents: int
    odd_breaks: bool = False


FILE_LIMITS: Final = Limits(
    size=2**20, depth=64, nodes=200_000, aliases=64, documents=1
)
STREAM_LIMITS: Final = Limits(
    size=2**24,
    depth=128,
    nodes=500_000,
    aliases=64,
    documents=20_000,
    odd_breaks=True,
)


@dataclass(slots=True, kw_only=True)
class Scalar:
    """One scalar. Not frozen: a fleet has a million of them, and frozen costs 4x.

    Attributes:
        value: its text after YAML's unquoting; never resolved to another type.
        style: how it is written.
        tag: the explicit core tag such as ``str``; empty when there is none.
        start: first byte of the value itself, after any anchor and tag.
        end: first byte after it; for a block scalar the end of its last line of
            text, without the line break.
        line: 1-based.
        column: 1-based, in characters.
        anchor: the anchor's name; empty when there is none.
    """

    value: str
    style: Style
    tag: str
    start: int
    end: int
    line: int
    column: int
    anchor: str = ""

    @property
    def is_empty(self) -> bool:
        """Whether nothing is written at all: ``key:``, which readers take as null."""
        return self.start == self.end


@dataclass(slots=True, kw_only=True)
class Alias:
    """A place where an anchored node is used again.

    Attributes:
        target: the node it stands for.
        start: byte of the ``*``.
        end: first byte after its name.
        line: 1-based.
        column: 1-based, in characters.
    """

    target: Scalar | Mapping | Sequence
    start: int
    end: int
    line: int
    column: int


@dataclass(slots=True, kw_only=True)
class Mapping:
    """Keys and values in the order of the text; no key appears twice.

    Attributes:
        items: pairs of key and value.
        flow: written with braces.
        start: first byte, after any anchor and tag.
        end: first byte after the closing brace; meaningless for a block mapping.
        line: 1-based.
        column: 1-based, in characters.
        anchor: the anchor's name; empty when there is none.
    """

    items: tuple[tuple[Scalar, Node], ...]
    flow: bool
    start: int
    end: int
    line: int
    column: int
    anchor: str = ""

    def get(self, key: str) -> Node | None:
        """Return the value of a key as written (an Alias stays one), or None."""
        return next((value for name, value in self.items if name.value == key), None)


@dataclass(slots=True, kw_only=True)
class Sequence:
    """Items in the order of the text.

    Attributes:
        items: the nodes.
        flow: written with brackets.
        start: first byte, after any anchor and tag.
        end: first byte after the closing bracket; meaningless for a block sequence.
        line: 1-based.
        column: 1-based, in characters.
        anchor: the anchor's name; empty when there is none.
    """

    items: tuple[Node, ...]
    flow: bool
    start: int
    end: int
    line: int
    column: int
    anchor: str = ""


Collection: TypeAlias = Mapping | Sequence
Node: TypeAlias = Scalar | Alias | Mapping | Sequence


def resolved(node: Node) -> Scalar | Mapping | Sequence:
    """Return the node itself, or what an alias stands for."""
    return node.target if isinstance(node, Alias) else node


def walk(node: Node) -> Iterator[Scalar | Alias]:
    """Yield every scalar (keys too) and alias in the order of the text."""
    match node:
        case Mapping(items=items):
            for key, value in items:
                yield key
                yield from walk(value)
        case Sequence(items=entries):
            for entry in entries:
                yield from walk(entry)
        case leaf:
            yield leaf
