"""Scalars as values: which text means which type, and how a text must be quoted.

Two families of readers disagree about plain scalars (``on``, ``0o17``, ``1_000``).
Reading follows Kubernetes; writing plain text is allowed only where no reader known
to us would take it for anything but that very string (R10).
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, TypeAlias, assert_never

from gitops.errors import YamlError
from gitops.model import Json
from gitops.yamltext.nodes import (
    Alias,
    Mapping,
    Node,
    Path,
    Scalar,
    Sequence,
    Style,
    resolved,
)
from gitops.yamltext.reader import compose, compose_stream

Position: TypeAlias = tuple[int, int]

# What sigs.k8s.io/yaml takes for something else than a string (measured through
# kustomize v5.8.1: an unquoted newTag of each of these fails the build or is lost).
_NULLS: Final = frozenset({"", "~", "null", "Null", "NULL"})
_TRUE_WORDS: Final = ("y", "yes", "on", "true")
_FALSE_WORDS: Final = ("n", "no", "off", "false")
_BOOLS: Final = {
    form: truth
    for words, truth in ((_TRUE_WORDS, True), (_FALSE_WORDS, False))
    for word in words
    for form in (word, word.capitalize(), word.upper())
}
_INFINITE = re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)", re.ASCII)
_INTEGER = re.compile(
    r"(?P<sign>[-+]?)(?:0b(?P<bin>[01]+)|0x(?P<hex>[0-9a-fA-F]+)|0o?(?P<oct>[0-7]+)"
    r"|(?P<dec>0|[1-9][0-9]*))",
    re.ASCII | re.IGNORECASE,
)
_FLOAT = re.compile(r"[-+]?(?:\.[0-9]+|[0-9]+(?:\.[0-9]*)?)(?:[eE][-+]?[0-9]+)?")
_BASES: Final = {"bin": 2, "oct": 8, "dec": 10, "hex": 16}
_DIGITS_MAX: Final = 400  # beyond it no reader keeps a number; Python stops at 4,300

# What may stand without quotes: a shape without indicators, and no shape that any
# reader (YAML 1.1, 1.2, old libyaml bindings) takes for a number, word, date or time.
_PLAIN_SHAPE = re.compile(r"[A-Za-z0-9_](?:[A-Za-z0-9._/@:-]*[A-Za-z0-9._/@-])?")
_NUMBER_SHAPE = re.compile(
    r"[0-9_]*\.?[0-9_]*(?:e[-+]?[0-9_]*)?"  # 11.10, 1e3, 1_000, 5., _
    r"|0x[0-9a-f_.p+-]*|0o?[0-9_]*|0b[01_]*"  # bases, hexadecimal floats
    r"|[0-9_]+(?::[0-9_.]+)+"  # 22:30
    r"|[0-9]{1,4}-[0-9]{1,2}-[0-9]{1,2}(?:t.*)?",  # 2024-01-01T00:00:00Z
    re.ASCII | re.IGNORECASE,
)
_WORDS: Final = frozenset(
    {*_TRUE_WORDS, *_FALSE_WORDS, "null", "nan", "inf", "infinity"}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Document:
    """One document of a stream.

    Attributes:
        data: plain data with Kubernetes' types.
        line: 1-based line of its first value.
    """

    data: Json
    line: int


def parse(text: bytes, path: str) -> Json:
    """Read one document with every scalar as text: the caller decides the types.

    Raises:
        YamlError: see compose.
    """
    return text_data(compose(text, path))


def parse_typed(text: bytes, path: str) -> Json:
    """Read one document with the types that Kubernetes would see.

    Raises:
        YamlError: see compose; also a number that JSON does not have.
    """
    return typed_data(compose(text, path), path)


def parse_documents(text: bytes, path: str) -> tuple[Document, ...]:
    """Read rendered output or a file of manifests; empty documents are left out.

    Raises:
        YamlError: see compose_stream.
    """
    roots = compose_stream(text, path)
    found = (Document(data=typed_data(r, path), line=r.line) for r in roots)
    return tuple(document for document in found if document.data is not None)


def positions(text: bytes, path: str) -> dict[Path, Position]:
    """Return line and column (1-based, in characters) of every key and item.

    The path of a mapping's value leads to its key, that of a sequence's item to the
    item, and ``()`` to the document.

    Raises:
        YamlError: see compose.
    """
    return dict(_positions(compose(text, path), ()))


def _positions(node: Node, path: Path) -> Iterator[tuple[Path, Position]]:
    if not path:
        yield path, (node.line, node.column)
    match resolved(node):
        case Mapping(items=items):
            for key, value in items:
                yield (*path, key.value), (key.line, key.column)
                yield from _positions(value, (*path, key.value))
        case Sequence(items=entries):
            for index, entry in enumerate(entries):
                yield (*path, index), (entry.line, entry.column)
                yield from _positions(entry, (*path, index))
        case Scalar():
            pass


def text_data(node: Node) -> Json:
    """Turn nodes into plain data, every scalar as text; nothing is "" ."""
    match node:
        case Scalar(value=value):
            return value
        case Mapping(items=items):
            return {key.value: text_data(value) for key, value in items}
        case Sequence(items=entries):
            return [text_data(entry) for entry in entries]
        case Alias(target=target):
            return text_data(target)
        case _:
            assert_never(node)


def typed_data(node: Node, path: str) -> Json:
    """Turn nodes into plain data with Kubernetes' types.

    Raises:
        YamlError: a number that JSON does not have (``.inf``), or a tag that lies.
    """
    match node:
        case Scalar():
            return typed_scalar(node, path)
        case Mapping(items=items):
            return {key.value: typed_data(value, path) for key, value in items}
        case Sequence(items=entries):
            return [typed_data(entry, path) for entry in entries]
        case Alias(target=target):
            return typed_data(target, path)
        case _:
            assert_never(node)


def typed_scalar(scalar: Scalar, path: str) -> bool | int | float | str | None:
    """Return what Kubernetes reads: a plain scalar may be no string.

    Raises:
        YamlError: a number that JSON does not have, or a tag that lies.
    """
    tag = scalar.tag
    if tag == "str" or (not tag and scalar.style is not Style.PLAIN):
        return scalar.value
    try:
        found = resolve(scalar.value)
    except ValueError as error:
        raise YamlError(
            f"{scalar.value[:40]} is no number that JSON has",
            path=path,
            line=scalar.line,
            column=scalar.column,
            hint="quote it if it is a text",
        ) from error
    if tag == "float" and type(found) is int:
        return float(found)
    if tag and _TAG_TYPES.get(tag) is not type(found):
        raise YamlError(
            f"{scalar.value[:40]!a} does not fit its tag !!{tag}",
            path=path,
            line=scalar.line,
            column=scalar.column,
            hint="remove the tag",
        )
    return found


_TAG_TYPES: Final = {"int": int, "float": float, "bool": bool, "null": type(None)}


def resolve(plain: str) -> bool | int | float | str | None:
    """Return what an unquoted scalar means to Kubernetes.

    Raises:
        ValueError: infinity or not-a-number, which JSON does not have.
    """
    if plain in _NULLS:
        return None
    if plain in _BOOLS:
        return _BOOLS[plain]
    if plain[0] not in "0123456789+-.":
        return plain
    if _INFINITE.fullmatch(plain):
        raise ValueError(plain)
    return _number(plain.replace("_", ""), plain)


def _number(digits: str, plain: str) -> int | float | str:
    if len(digits) > _DIGITS_MAX:
        return plain
    found = _INTEGER.fullmatch(digits)
    if found and found.lastgroup:
        value = int(found[found.lastgroup], _BASES[found.lastgroup])
        return -value if found["sign"] == "-" else value
    if _FLOAT.fullmatch(digits):
        number = float(digits)
        return plain if math.isinf(number) else number
    return plain


def reads_as_text(scalar: Scalar) -> bool:
    """Whether Kubernetes reads the scalar as the very text it shows."""
    if scalar.style is not Style.PLAIN or scalar.tag:
        return scalar.tag in ("", "str")
    try:
        return isinstance(resolve(scalar.value), str)
    except ValueError:
        return False


def is_plain_safe(value: str, *, flow: bool = False) -> bool:
    """Whether every reader takes the value, written without quotes, for this string.

    Args:
        value: the text.
        flow: it stands between braces or brackets, where a colon is read differently.
    """
    return (
        _PLAIN_SHAPE.fullmatch(value) is not None
        and not (flow and ":" in value)
        and _NUMBER_SHAPE.fullmatch(value) is None
        and value.lower().strip(".") not in _WORDS
    )


def scalar_text(value: str, *, like: Style, flow: bool = False) -> str:
    """Write a string as YAML, in the quoting of its predecessor where that is safe.

    Args:
        value: the text; any Unicode but lone surrogates.
        like: the style of the scalar that it replaces. A block style becomes double
            quotes, because a block cannot stand in every place.
        flow: it stands between braces or brackets.
    """
    if like is Style.PLAIN and is_plain_safe(value, flow=flow):
        return value
    if like is Style.SINGLE and value.isprintable():
        return "'" + value.replace("'", "''") + "'"
    return _double_quoted(value)


def _double_quoted(value: str) -> str:
    """JSON's string form is a YAML double-quoted scalar.

    Only what JSON writes as a pair of surrogates needs YAML's own eight-digit escape.
    """
    if value.isprintable():
        return json.dumps(value, ensure_ascii=False)
    return "".join(
        f"\\U{ord(char):08x}" if ord(char) > 0xFFFF else json.dumps(char)[1:-1]
        for char in value
    ).join('""')
