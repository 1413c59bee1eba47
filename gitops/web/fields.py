"""What a hostile document says: fields with the type that they must have, or an error.

A field that is missing is what the APIs of Kubernetes mean by leaving it out: empty, or
zero. One of another type is nonsense, and so is the whole answer then.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from gitops.errors import WebError
from gitops.model import Json

_MAX_NUMBER: Final = 1 << 53
_NOTHING: Final[Mapping[str, Json]] = {}


def mapping_at(value: Json, *path: str) -> Mapping[str, Json]:
    """Return the mapping at a path; an empty one where there is none.

    Raises:
        WebError: something else is there, or on the way.
    """
    found = _mapping(value, ())
    for depth, key in enumerate(path, start=1):
        found = _mapping(found.get(key), path[:depth])
    return found


def _mapping(value: Json, path: tuple[str, ...]) -> Mapping[str, Json]:
    if value is None:
        return _NOTHING
    if not isinstance(value, Mapping):
        raise _nonsense("a mapping", path)
    return value


def text_at(value: Json, *path: str) -> str:
    """Return the text at a path; empty where there is none.

    Raises:
        WebError: something else is there.
    """
    found = mapping_at(value, *path[:-1]).get(path[-1])
    if found is None:
        return ""
    if not isinstance(found, str):
        raise _nonsense("a text", path)
    return found


def number_at(value: Json, *path: str, default: int = 0) -> int:
    """Return the whole number at a path, not negative; a default where there is none.

    Raises:
        WebError: something else is there.
    """
    found = mapping_at(value, *path[:-1]).get(path[-1])
    if found is None:
        return default
    good = isinstance(found, int) and not isinstance(found, bool)
    if not good or not -1 <= found <= _MAX_NUMBER:  # type: ignore[operator]
        raise _nonsense("a number", path)
    return max(int(found), 0)  # type: ignore[arg-type]  # just looked


def flag_at(value: Json, *path: str) -> bool:
    """Return the truth value at a path; False where there is none.

    Raises:
        WebError: something else is there.
    """
    found = mapping_at(value, *path[:-1]).get(path[-1])
    if found is not None and not isinstance(found, bool):
        raise _nonsense("true or false", path)
    return bool(found)


def items_at(value: Json, *path: str) -> tuple[Json, ...]:
    """Return the list at a path; an empty one where there is none.

    Raises:
        WebError: something else is there.
    """
    found = mapping_at(value, *path[:-1]).get(path[-1])
    if found is None:
        return ()
    if not isinstance(found, list):
        raise _nonsense("a list", path)
    return tuple(found)


def texts_at(value: Json, *path: str) -> Iterator[str]:
    """Yield the texts of a list.

    Raises:
        WebError: it is no list, or one of its items is no text.
    """
    for item in items_at(value, *path):
        if not isinstance(item, str):
            raise _nonsense("a list of texts", path)
        yield item


def _nonsense(wanted: str, path: tuple[str, ...]) -> WebError:
    place = ".".join(path) or "its answer"
    return WebError(f"the answer makes no sense: {place} is not {wanted}")
