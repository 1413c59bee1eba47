"""Reading of data whose shape nobody has promised.

A manifest may hold anything anywhere; the schema rule tells so. All other rules read
through these functions, which answer with something empty instead of failing.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from gitops.model import Json
from gitops.schemas import Place

_NOTHING: Mapping[str, Json] = {}


def mapping(value: Json) -> Mapping[str, Json]:
    """Return the mapping, or an empty one."""
    return value if isinstance(value, Mapping) else _NOTHING


def items(value: Json) -> Sequence[Json]:
    """Return the list, or an empty one; text is no list."""
    return value if isinstance(value, list | tuple) else ()


def mappings(value: Json) -> Iterator[tuple[int, Mapping[str, Json]]]:
    """Yield the mappings in a list with their index; the rest is left out."""
    for index, entry in enumerate(items(value)):
        if isinstance(entry, Mapping):
            yield index, entry


def text(value: Json) -> str:
    """Return the text, or an empty one."""
    return value if isinstance(value, str) else ""


def number(value: Json) -> int | None:
    """Return the whole number, or None; true and false are no numbers."""
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def texts(value: Json) -> dict[str, str]:
    """Return the mapping's entries that have text as value."""
    return {key: v for key, v in mapping(value).items() if isinstance(v, str)}


def at(value: Json, place: Place) -> Json:
    """Follow a place; None where it leads nowhere."""
    for part in place:
        if isinstance(part, str):
            value = mapping(value).get(part)
        else:
            entries = items(value)
            value = entries[part] if part < len(entries) else None
    return value


def leaves(value: Json) -> Iterator[tuple[Place, Json]]:
    """Yield every scalar with its place, in document order."""
    stack: list[tuple[Place, Json]] = [((), value)]
    while stack:
        place, inner = stack.pop()
        if isinstance(inner, str):
            yield place, inner
        elif isinstance(inner, Mapping):
            stack += [((*place, key), v) for key, v in reversed([*inner.items()])]
        elif isinstance(inner, list | tuple):
            last = len(inner) - 1
            stack += [((*place, last - i), v) for i, v in enumerate(reversed(inner))]
        else:
            yield place, inner
