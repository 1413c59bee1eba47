"""Bytes to nodes, by PyYAML's event stream: the only file that imports PyYAML.

Promise (R9): a hostile text costs little and ends in a YamlError. PyYAML's loaders
are never used: they recurse (25,000 brackets end the process without an exception),
forget positions and quoting, and let the last of two equal keys win. The events do
none of that, and every limit is checked while they arrive.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any, Final, NoReturn, TypeAlias

import yaml

from gitops.errors import YamlError
from gitops.yamltext.characters import BOM, byte_offsets, decode
from gitops.yamltext.nodes import (
    FILE_LIMITS,
    STREAM_LIMITS,
    Alias,
    Collection,
    Limits,
    Mapping,
    Node,
    Scalar,
    Sequence,
    Style,
)

_CORE = "tag:yaml.org,2002:"
_CORE_TAGS = frozenset({"str", "int", "float", "bool", "null", "map", "seq"})
_PROPERTIES = re.compile(r"(?:[&!]\S*(?:\s|(?<=\s)#[^\r\n]*)*)+")

# The stubs let an event have no marks; PyYAML's parsers always set them.
_Event: TypeAlias = Any

# libyaml where PyYAML was built with it, else the slow twin in pure Python.
_LOADER: type = getattr(yaml, "CLoader", yaml.Loader)


def compose(text: bytes, path: str) -> Node:
    """Read the one document of a file that we may edit.

    Args:
        text: the file.
        path: its name, for errors.

    Raises:
        YamlError: over a limit, not UTF-8, not YAML, empty, several documents, an
            unknown tag, a merge key, a duplicate key, or an alias that does not stand
            for something finished.
    """
    documents = tuple(read_documents(text, path, FILE_LIMITS))
    if not documents:
        raise YamlError(
            "the file is empty", path=path, hint="restore its content, or remove it"
        )
    return documents[0]


def compose_stream(text: bytes, path: str) -> tuple[Node, ...]:
    """Read all documents of a rendered or multi-document text; larger limits.

    Raises:
        YamlError: as compose does, but several or no documents are fine.
    """
    return tuple(read_documents(text, path, STREAM_LIMITS))


def check(text: bytes, path: str) -> None:
    """Refuse what compose refuses, and keep nothing.

    Raises:
        YamlError: see compose.
    """
    compose(text, path)


def read_documents(
    text: bytes, path: str, limits: Limits, *, loader: type = _LOADER
) -> Iterator[Node]:
    """Yield the root of each document.

    Args:
        text: the file or the program's output.
        path: its name, for errors.
        limits: what it may cost.
        loader: PyYAML's parser; given only to try the pure one.

    Raises:
        YamlError: see compose.
    """
    decoded = decode(text, path, limits)
    skipped = len(BOM) if text.startswith(BOM) else 0
    composer = _Composer(
        path=path,
        limits=limits,
        text=decoded,
        offset=byte_offsets(decoded, skipped),
    )
    for event in _events(decoded, path, loader):
        root = composer.take(event)
        if root is not None:
            yield root


def _events(text: str, path: str, loader: type) -> Iterator[_Event]:
    """Parse lazily, and turn whatever PyYAML raises into our error."""
    try:
        yield from yaml.parse(text, Loader=loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        raise YamlError(
            f"not YAML: {error.problem or error.context}",
            path=path,
            line=mark.line + 1 if mark else 0,
            column=mark.column + 1 if mark else 0,
            hint=_hint_for(text, mark.line if mark else 0),
        ) from error
    except yaml.reader.ReaderError as error:
        raise YamlError(
            f"not YAML: {error.reason}", path=path, hint=_CORRECT_IT
        ) from error
    except Exception as error:
        # Known: ValueError from an escape beyond Unicode, RecursionError. A new
        # release may bring others, and none may become a crash of the service.
        raise YamlError(
            f"not YAML: {type(error).__name__}", path=path, hint=_CORRECT_IT
        ) from error


_CORRECT_IT: Final = "correct this line, or what leads to it"


def _hint_for(text: str, line: int) -> str:
    lines = text.splitlines()
    if line < len(lines) and lines[line].lstrip(" ").startswith("\t"):
        return "indent with spaces; YAML does not allow tabs there"
    return _CORRECT_IT


@dataclass(slots=True)
class _Open:
    """A collection whose end has not come yet."""

    event: _Event
    anchor: str
    children: list[Node] = field(default_factory=list)
    weight: int = 1


@dataclass(slots=True)
class _Composer:
    """Builds nodes from events with a stack of its own: no recursion to overflow."""

    path: str
    limits: Limits
    text: str
    offset: Callable[[int], int]
    stack: list[_Open] = field(default_factory=list)
    anchors: dict[str, tuple[Scalar | Collection, int]] = field(default_factory=dict)
    documents: int = 0
    aliases: int = 0
    total: int = 0

    def take(self, event: _Event) -> Node | None:
        """Add one event; return the root when a document is complete."""
        match event:
            case yaml.ScalarEvent():
                return self._attach(self._scalar(event), 1, event.anchor)
            case yaml.CollectionStartEvent():
                self._check_tag(event)
                self.anchors.pop(event.anchor or "", None)
                self.stack.append(_Open(event, event.anchor or ""))
                if len(self.stack) > self.limits.depth:
                    self._refuse(
                        f"nested deeper than {self.limits.depth} levels",
                        event,
                        hint="no manifest needs that many; flatten it",
                    )
            case yaml.CollectionEndEvent():
                opened = self.stack.pop()
                node = self._collection(opened, event)
                return self._attach(node, opened.weight, opened.anchor)
            case yaml.AliasEvent():
                return self._alias(event)
            case yaml.DocumentStartEvent():
                self._begin_document(event)
            case _:
                pass  # the stream's and the document's ends say nothing new
        return None

    def _begin_document(self, event: _Event) -> None:
        self.anchors.clear()
        self.documents += 1
        if self.documents > self.limits.documents:
            self._refuse(
                f"one more document begins here; at most {self.limits.documents} "
                "may be in the file",
                event,
                hint="remove the '---' or '...' before it, or give it its own file",
            )

    def _attach(
        self, node: Scalar | Collection, weight: int, anchor: str | None
    ) -> Node | None:
        if anchor:
            self.anchors[anchor] = (node, weight)
        return self._place(node, weight)

    def _place(self, node: Node, weight: int) -> Node | None:
        self.total += weight if isinstance(node, Scalar | Alias) else 1
        if self.total > self.limits.nodes:
            raise YamlError(
                f"more than {self.limits.nodes} values, aliases written out",
                path=self.path,
                line=node.line,
                hint="split the file, and use fewer aliases",
            )
        if not self.stack:
            return node
        self.stack[-1].children.append(node)
        self.stack[-1].weight += weight
        return None

    def _alias(self, event: _Event) -> Node | None:
        self.aliases += 1
        if self.aliases > self.limits.aliases:
            self._refuse(
                f"more than {self.limits.aliases} aliases",
                event,
                hint="write the values out",
            )
        found = self.anchors.get(event.anchor)
        if found is None:
            self._refuse(
                f"alias *{event.anchor[:40]} stands for nothing that is complete here",
                event,
                hint="write the value out",
            )
        target, weight = found
        mark, end = event.start_mark, event.end_mark
        alias = Alias(
            target=target,
            start=self.offset(mark.index),
            end=self.offset(end.index),
            line=mark.line + 1,
            column=mark.column + 1,
        )
        return self._place(alias, weight)

    def _scalar(self, event: _Event) -> Scalar:
        mark, end = event.start_mark, event.end_mark.index
        start = mark.index
        tag = self._check_tag(event)
        if event.anchor or event.tag:
            start = min(self._after_properties(start), end)
        style = Style(event.style or "")
        if style.is_block:
            end = start + len(self.text[start:end].rstrip(" \t\r\n"))
        if not event.value.isascii():
            self._check_unicode(event)
        return Scalar(
            value=event.value,
            style=style,
            tag=tag,
            start=self.offset(start),
            end=self.offset(end),
            line=mark.line + 1,
            column=mark.column + 1,
            anchor=event.anchor or "",
        )

    def _collection(self, opened: _Open, end: _Event) -> Collection:
        event = opened.event
        start = event.start_mark.index
        if event.anchor or event.tag:
            start = self._after_properties(start)
        span = {
            "start": self.offset(start),
            "end": self.offset(end.end_mark.index),
            "line": event.start_mark.line + 1,
            "column": event.start_mark.column + 1,
        }
        flow = bool(event.flow_style)
        if isinstance(event, yaml.SequenceStartEvent):
            items = tuple(opened.children)
            return Sequence(items=items, flow=flow, anchor=opened.anchor, **span)
        pairs = tuple(self._pairs(opened.children))
        return Mapping(items=pairs, flow=flow, anchor=opened.anchor, **span)

    def _pairs(self, children: list[Node]) -> Iterable[tuple[Scalar, Node]]:
        """Pair keys with values; refuse keys that readers treat differently."""
        seen: dict[str, int] = {}
        for key, value in zip(children[::2], children[1::2], strict=True):
            if not isinstance(key, Scalar):
                self._refuse_at(
                    "a key must be plain text", key, hint="write the key as one word"
                )
            if key.value == "<<" and key.style is Style.PLAIN:
                self._refuse_at(
                    "merge keys (<<) are not read", key, hint="write the keys out"
                )
            if key.value in seen:
                self._refuse_at(
                    f"key {key.value[:80]!a} appears twice; "
                    f"first in line {seen[key.value]}",
                    key,
                    hint="keep one of them",
                )
            seen[key.value] = key.line
            yield key, value

    def _after_properties(self, start: int) -> int:
        """Skip an anchor and a tag, which PyYAML counts as part of the value."""
        found = _PROPERTIES.match(self.text, start)
        return found.end() if found else start

    def _check_tag(self, event: _Event) -> str:
        tag: str | None = event.tag
        if tag is None:
            return ""
        name = tag.removeprefix(_CORE)
        if name == tag or name not in _CORE_TAGS:
            self._refuse(
                f"tag {tag[:80]!a} is not allowed",
                event,
                hint="only YAML's own str, int, float, bool, null, map and seq are",
            )
        return name

    def _check_unicode(self, event: _Event) -> None:
        """Refuse half a surrogate pair, which the pure parser lets through."""
        try:
            event.value.encode()
        except UnicodeEncodeError:
            self._refuse(
                "half of a surrogate pair", event, hint="write the character itself"
            )

    def _refuse(self, message: str, event: _Event, *, hint: str = "") -> NoReturn:
        mark = event.start_mark
        raise YamlError(
            message,
            path=self.path,
            line=mark.line + 1,
            column=mark.column + 1,
            hint=hint,
        )

    def _refuse_at(self, message: str, node: Node, *, hint: str = "") -> NoReturn:
        raise YamlError(
            message, path=self.path, line=node.line, column=node.column, hint=hint
        )
