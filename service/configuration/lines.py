"""On which line of a TOML file a key stands. Pure.

The parser tells no places, so this looks for what people write: a table's head, and a
key at the beginning of a line. Where that could be wrong it tells nothing.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final, TypeAlias

Loc: TypeAlias = tuple[str | int, ...]
"""A field: `("repository", 0, "health", 1, "url")`."""

_TABLE: Final = re.compile(r"\s*\[{1,2}\s*([A-Za-z0-9_.-]+)\s*\]{1,2}\s*(?:#.*)?")
_KEY: Final = re.compile(r"\s*([A-Za-z0-9_-]+)\s*=")


def key_lines(text: bytes) -> dict[Loc, int]:
    """Find the line of each key that stands on a line of its own, as people write it.

    With texts of several lines in the file, no line can be told, and none is.
    """
    try:
        content = text.decode()
    except UnicodeDecodeError:
        return {}
    if '"""' in content or "'''" in content:
        return {}
    return dict(_placed(content.splitlines()))


def _placed(lines: list[str]) -> Iterator[tuple[Loc, int]]:
    table: Loc = ()
    counts: dict[Loc, int] = {}
    for number, line in enumerate(lines, start=1):
        if found := _TABLE.fullmatch(line):
            table = _table(found[1].split("."), line.lstrip().startswith("[["), counts)
            yield table, number
        elif found := _KEY.match(line):
            yield (*table, found[1]), number


def _table(names: list[str], is_list: bool, counts: dict[Loc, int]) -> Loc:
    loc: Loc = ()
    for depth, name in enumerate(names, start=1):
        loc = (*loc, name)
        if is_list and depth == len(names):
            counts[loc] = counts.get(loc, -1) + 1
        if loc in counts:
            loc = (*loc, counts[loc])
    return loc
