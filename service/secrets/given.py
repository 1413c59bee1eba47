"""Values that people bring, as text from a pipe: lines or one JSON object.

It must not quote what it read: a value in the place of a name is still a value.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator
from typing import Final

from gitops.errors import InputError

MOST_BYTES: Final = 1 << 20
_FORMS: Final = "one KEY=VALUE a line, or one JSON object of texts; see docs/secrets.md"


def read_given(content: bytes, allowed: Collection[str]) -> dict[str, str]:
    """Read values by name.

    Lines: `KEY=VALUE`, the value as it stands to the end of the line, without quotes or
    escapes; empty lines and lines that begin with `#` are left out. JSON: one object.

    Args:
        content: what standard input held; may be empty.
        allowed: the names that there may be.

    Raises:
        InputError: too long, no text, in neither form, a name that is not allowed, or
            one given twice.
    """
    if len(content) > MOST_BYTES:
        raise InputError(f"standard input holds more than {MOST_BYTES} bytes")
    try:
        text = content.decode()
    except UnicodeDecodeError:
        # Not chained: that error carries the bytes.
        raise InputError("standard input is no UTF-8 text", hint=_FORMS) from None
    pairs = _fields(text) if text.lstrip().startswith("{") else _lines(text)
    given: dict[str, str] = {}
    for place, name, value in pairs:
        if name not in allowed:
            raise InputError(
                f"standard input, {place}: not a key that is asked for",
                hint=f"these are: {', '.join(sorted(allowed)) or 'none'}",
            )
        if name in given:
            raise InputError(f"standard input, {place}: {name} is given twice")
        given[name] = value
    return given


def _lines(text: str) -> Iterator[tuple[str, str, str]]:
    for number, line in enumerate(text.split("\n"), start=1):
        if not line.strip() or line.startswith("#"):
            continue
        name, equals, value = line.partition("=")
        if not equals:
            raise InputError(
                f"standard input, line {number}: is not KEY=VALUE", hint=_FORMS
            )
        yield f"line {number}", name, value.removesuffix("\r")


def _fields(text: str) -> Iterator[tuple[str, str, str]]:
    try:
        pairs = json.loads(text, object_pairs_hook=_Pairs)
    except (ValueError, RecursionError):
        # Not chained: that error carries the text.
        raise InputError("standard input is no JSON object", hint=_FORMS) from None
    for number, (name, value) in enumerate(pairs, start=1):
        if not isinstance(value, str):
            raise InputError(
                f"standard input, field {number}: its value is no text", hint=_FORMS
            )
        yield f"field {number}", name, value


class _Pairs(list[tuple[str, object]]):
    """The fields of a JSON object as they stand: one given twice is seen."""
