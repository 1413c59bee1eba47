"""TELL, an object as lines of YAML, made to be compared by people.

Promise: plain data in, one form out, whatever kustomize's own layout was; reading the
lines back gives the same data (long values excepted: they are shortened, with a hash
that still differs when they do). It writes text for eyes, never a file.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from gitops.model import Json
from gitops.review.text import is_visible, visible

_LONG: Final = 1000
_SHOWN_OF_LONG: Final = 120

# Plain scalars that every YAML reader takes for the same string.
_PLAIN: Final = re.compile(
    r"[A-Za-z_/][A-Za-z0-9_./@%+=,()*-]*(:[A-Za-z0-9_./@%+=,()*-]+)*"
    r"( [A-Za-z0-9_./@%+=,()*-]+)*"
)
_QUANTITY: Final = re.compile(r"[0-9]+(m|Ki|Mi|Gi|Ti|s|h|d|%)")
_NOT_STRINGS: Final = frozenset(
    {"true", "false", "yes", "no", "on", "off", "null", "y", "n"}
)


def manifest_lines(value: Json) -> list[str]:
    """Write an object as lines, without line ends."""
    return list(_lines(value))


def scalar(value: Json) -> str:
    """Write one value on one line; a list of scalars in flow form."""
    match value:
        case str():
            return _string(value)
        case Mapping():
            return "{}" if not value else json.dumps(value, sort_keys=True)
        case Sequence():
            return "[" + ", ".join(scalar(item) for item in value) + "]"
        case _:
            return json.dumps(value)


def _lines(value: Json) -> Iterator[str]:
    match value:
        case str():
            yield from _string_lines(value)
        case Mapping() if value:
            for key in sorted(value):
                yield from _entry(_string(key), value[key])
        case Sequence() if value:
            for item in value:
                yield from _item(item)
        case _:
            yield scalar(value)


def _entry(key: str, value: Json) -> Iterator[str]:
    lines = list(_lines(value))
    if isinstance(value, Mapping) and value:
        yield f"{key}:"
        yield from (f"  {line}" for line in lines)
    elif isinstance(value, Sequence) and not isinstance(value, str) and value:
        yield f"{key}:"
        yield from lines  # kustomize does not indent lists below a key
    else:
        yield f"{key}: {lines[0]}"
        yield from (f"  {line}" if line else "" for line in lines[1:])


def _item(value: Json) -> Iterator[str]:
    lines = list(_lines(value))
    yield f"- {lines[0]}"
    yield from (f"  {line}" if line else "" for line in lines[1:])


def _string_lines(value: str) -> Iterator[str]:
    """Write a string; several lines become a literal block, for readable diffs."""
    lines = value.split("\n")
    blockable = (
        len(lines) > 1
        and lines[0] != ""
        and not value.startswith((" ", "\t"))
        and all(is_visible(line) for line in lines)
    )
    if not blockable:
        yield _string(value)
        return
    if lines[-1] != "":
        yield "|-"
    elif len(lines) == 2 or lines[-2] != "":
        yield "|"
        lines.pop()
    else:
        yield "|+"
        lines.pop()
    yield from lines


def _string(value: str) -> str:
    if len(value) > _LONG:
        digest = hashlib.sha256(value.encode("utf-8", "surrogatepass")).hexdigest()
        short = visible(value[:_SHOWN_OF_LONG])
        text = f"{short}… ({len(value)} characters, sha256 {digest[:16]})"
        return json.dumps(text, ensure_ascii=False)
    is_plain = (
        _PLAIN.fullmatch(value) and value.lower() not in _NOT_STRINGS
    ) or _QUANTITY.fullmatch(value)
    if is_plain:
        return value
    # JSON escapes C0; the other unseen characters get the same form, which is YAML too.
    return visible(json.dumps(value, ensure_ascii=False))
