"""TELL, an object as a flat set of fields, so that two can be compared by meaning.

Promise: items of a list are known by what names them (a container by its name, a rule
by its host), not by their place, so that one inserted item is one difference.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Final, TypeAlias

from gitops.model import Json
from gitops.review.manifest_text import scalar

FieldPath: TypeAlias = tuple[str, ...]


class Fields(dict[FieldPath, str]):
    """A flat object: path -> value as text. Made once, and never changed."""

    @cached_property
    def prefixes(self) -> frozenset[FieldPath]:
        """Every path at or below which there is a field."""
        return frozenset(
            path[:length] for path in self for length in range(len(path) + 1)
        )


_IDENTITIES: Final = (
    "name",
    "metadata",  # its name: claim templates
    "host",
    "mountPath",
    "containerPort",
    "port",
    "secretKey",
    "key",
    "topologyKey",
    "type",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldChange:
    """One field that differs; None where it does not exist.

    Attributes:
        path: keys from the top; items of lists as ``[name]``.
        before: its value as text, secrets hidden.
        after: its value as text, secrets hidden.
    """

    path: FieldPath
    before: str | None
    after: str | None


def fields_of(value: Json) -> Fields:
    """Flatten an object: path -> value as text."""
    return Fields(_walk((), value))


def field_changes(before: Fields, after: Fields) -> tuple[FieldChange, ...]:
    """Return the fields that differ, sorted by path."""
    paths = sorted(before.keys() | after.keys())
    return tuple(
        FieldChange(path=path, before=before.get(path), after=after.get(path))
        for path in paths
        if before.get(path) != after.get(path)
        and not _only_emptied(path, before, after)
        and not _only_emptied(path, after, before)
    )


def _only_emptied(path: FieldPath, empty: Fields, full: Fields) -> bool:
    """Whether a path is an empty container here, and told by what it holds there."""
    is_empty = empty.get(path) in ("{}", "[]") and path not in full
    return is_empty and has_below(full, path)


def has_below(fields: Fields, prefix: FieldPath) -> bool:
    """Whether there is any field at or below a path."""
    return prefix in fields.prefixes


def path_text(path: FieldPath) -> str:
    """Write a path for people: ``spec.containers[directus].image``."""
    text = ""
    for part in path:
        text += part if part.startswith("[") or not text else f".{part}"
    return text


def _walk(path: FieldPath, value: Json) -> Iterator[tuple[FieldPath, str]]:
    match value:
        case str():
            yield path, value  # "1" and 1 read the same here; the lines tell them apart
        case Mapping() if value:
            for key, item in value.items():
                yield from _walk((*path, key), item)
        case Sequence() if value and not all(_is_scalar(item) for item in value):
            for name, item in zip(_item_names(value), value, strict=True):
                yield from _walk((*path, f"[{name}]"), item)
        case _:
            yield path, scalar(value)


def _is_scalar(value: Json) -> bool:
    return isinstance(value, str) or not isinstance(value, Mapping | Sequence)


def _item_names(items: Sequence[Json]) -> list[str]:
    for identity in _IDENTITIES:
        names = [name for item in items if (name := _name_by(item, identity))]
        if len(names) == len(items) == len(set(names)):
            return names
    return [str(index) for index in range(len(items))]


def _name_by(item: Json, identity: str) -> str:
    if not isinstance(item, Mapping):
        return ""
    if identity == "metadata":
        metadata = item.get(identity)
        return _name_by(metadata, "name")
    value = item.get(identity)
    return str(value) if isinstance(value, str | int) else ""
