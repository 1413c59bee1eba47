"""Where a value stands in a text: the bytes of the value, and of the line it has.

It finds and measures; it changes nothing. A place whose bytes belong to something
else as well (an anchor used elsewhere, a line with two keys, a comment that would go
along) is refused, because no splice there could be exact.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from gitops.errors import YamlError
from gitops.yamltext.nodes import (
    Alias,
    Mapping,
    Node,
    Path,
    Scalar,
    Sequence,
    resolved,
    walk,
)
from gitops.yamltext.reader import compose

_FIRST_OF_ITEM = re.compile(rb"[ ]*(?:-[ ]+)+")
_END_OF_LINE = re.compile(rb"[ \t]*(?P<comment>#[^\r\n]*)?(?P<newline>\r\n|\n|\r|\Z)")
_NEWLINE = re.compile(rb"\r\n|\n|\r")
_COMMENT = re.compile(rb"(?:^|(?<=\s))#[^\r\n]*", re.MULTILINE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """A text with its nodes.

    Attributes:
        text: the file.
        path: its name, for errors.
        root: its one document.
        shared: ids of the nodes that an alias uses again.
    """

    text: bytes
    path: str
    root: Node
    shared: frozenset[int]

    @classmethod
    def read(cls, text: bytes, path: str) -> Source:
        """Compose a text.

        Raises:
            YamlError: see compose.
        """
        root = compose(text, path)
        leaves = walk(root) if b"*" in text else ()
        shared = {id(leaf.target) for leaf in leaves if isinstance(leaf, Alias)}
        return cls(text=text, path=path, root=root, shared=frozenset(shared))

    def comments(self) -> tuple[bytes, ...]:
        """Return every comment in order: what follows a # outside of all scalars."""
        outside = bytearray(self.text)
        for leaf in walk(self.root):
            start = leaf.start
            if isinstance(leaf, Scalar) and leaf.style.is_block:
                start += len(block_header(self.text, leaf))
            outside[start : leaf.end] = b"\n" * (leaf.end - start)
        return tuple(found.strip() for found in _COMMENT.findall(outside))

    def newline(self) -> bytes:
        """Return the line break that the file uses first, or LF."""
        found = _NEWLINE.search(self.text)
        return found[0] if found else b"\n"


def block_header(text: bytes, block: Scalar) -> bytes:
    """Return the first line of a block scalar: its indicators and any comment."""
    return _NEWLINE.split(text[block.start : block.end], maxsplit=1)[0]


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """One value of a mapping or sequence, found by its path.

    Attributes:
        source: the text.
        at: the path.
        chain: the nodes from the root to the value; none is shared with another
            place, and only the last may be an alias.
    """

    source: Source
    at: Path
    chain: tuple[Node, ...]

    @classmethod
    def find(cls, source: Source, at: Path) -> Place:
        """Find the scalar at a path.

        Raises:
            YamlError: there is none, or it is shared with another place.
        """
        found = [source.root]
        for step in at:
            child = _child(found[-1], step)
            if child is None:
                is_alias = isinstance(found[-1], Alias)
                problem = "it is part of an alias" if is_alias else "it is not there"
                raise _refused(source, at, problem, found[-1])
            found.append(child)
        for node in found:
            if id(node) in source.shared:
                problem = "an alias uses the same value elsewhere"
                raise _refused(source, at, problem, node)
        if not isinstance(resolved(found[-1]), Scalar):
            raise _refused(source, at, "it is not a single text", found[-1])
        return cls(source=source, at=at, chain=tuple(found))

    @property
    def value(self) -> Node:
        """The scalar, or the alias that stands for one."""
        return self.chain[-1]

    @property
    def in_flow(self) -> bool:
        """Whether it stands between braces or brackets."""
        return any(
            isinstance(node, Mapping | Sequence) and node.flow for node in self.chain
        )

    @property
    def lead(self) -> str:
        """What a new value needs before it: a space right after a colon, else nothing.

        Raises:
            YamlError: nothing is written there, and it is not clear where it could be.
        """
        if not isinstance(self.value, Scalar) or not self.value.is_empty:
            return ""
        written = self.source.text[: self.value.start]
        if not written.rstrip(b" ").endswith(b":"):
            raise self.refused("it has no value")
        return " " if written.endswith(b":") else ""

    def refused(self, problem: str) -> YamlError:
        """Make the error for a place that cannot be edited exactly."""
        return _refused(self.source, self.at, problem, self.value)

    def item(self) -> tuple[Mapping, int]:
        """Return the mapping that holds the value, and the value's index in it.

        Raises:
            YamlError: the value is no key's.
        """
        parent = self.chain[-2] if len(self.chain) > 1 else None
        if not isinstance(parent, Mapping):
            raise self.refused("it is no key's value")
        keys = [key.value for key, _ in parent.items]
        return parent, keys.index(str(self.at[-1]))

    def rest_of_line(self) -> re.Match[bytes]:
        """Return comment and line break after the value.

        Raises:
            YamlError: something else follows in the line.
        """
        found = _END_OF_LINE.match(self.source.text, self.value.end)
        if found is None:
            raise self.refused("something else is in its line")
        return found

    def item_span(self) -> tuple[int, int]:
        """Return the bytes that go when the key goes; a comment in its line stays.

        Raises:
            YamlError: it is the only key, shares its line with something else, or a
                comment would go with it.
        """
        parent, index = self.item()
        if len(parent.items) == 1:
            raise self.refused("it is the only key there")
        spans = self._flow_spans if parent.flow else self._block_spans
        text, value = self.source.text, self.value
        for start, end in spans(parent, index):
            if b"#" not in text[start : value.start] + text[value.end : end]:
                return start, end
        raise self.refused("a comment would go with it")

    def _flow_spans(self, parent: Mapping, index: int) -> Iterator[tuple[int, int]]:
        """Yield the item with the comma before it, or else with the one after it."""
        if index > 0:
            yield parent.items[index - 1][1].end, self.value.end
        if index + 1 < len(parent.items):
            yield parent.items[index][0].start, parent.items[index + 1][0].start

    def _block_spans(self, parent: Mapping, index: int) -> Iterator[tuple[int, int]]:
        text, key = self.source.text, parent.items[index][0]
        line_start = max(text.rfind(b, 0, key.start) for b in (b"\n", b"\r")) + 1
        lead, tail = text[line_start : key.start], self.rest_of_line()
        if _FIRST_OF_ITEM.fullmatch(lead) and index + 1 < len(parent.items):
            yield key.start, parent.items[index + 1][0].start
        elif lead.strip(b" "):
            raise self.refused("something else is in its line")
        elif tail["comment"]:
            yield key.start, tail.start("comment")
        elif tail["newline"]:
            yield line_start, tail.end()
        else:
            yield line_start - len(_line_break_before(text, line_start)), tail.end()


def without(text: bytes, spans: list[tuple[int, int]]) -> bytes:
    """Return the text without some spans, which may touch but not overlap."""
    kept, at = [], 0
    for start, end in sorted(spans):
        kept.append(text[at:start])
        at = end
    return b"".join([*kept, text[at:]])


def _child(node: Node, step: str | int) -> Node | None:
    if isinstance(node, Mapping) and isinstance(step, str):
        return node.get(step)
    if isinstance(node, Sequence) and isinstance(step, int):
        return node.items[step] if 0 <= step < len(node.items) else None
    return None


def _line_break_before(text: bytes, at: int) -> bytes:
    return b"\r\n" if text.endswith(b"\r\n", 0, at) else text[max(at - 1, 0) : at]


def _refused(source: Source, at: Path, problem: str, node: Node) -> YamlError:
    place = ".".join(str(part) for part in at)
    return YamlError(
        f"{place} cannot be edited: {problem}",
        path=source.path,
        line=node.line,
        column=node.column,
        hint="edit this place by hand",
    )
