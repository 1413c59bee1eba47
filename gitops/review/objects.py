"""TELL, which rendered objects differ between two trees, and how.

Promise: objects are matched by (API group, kind, namespace, name); a generated
ConfigMap or Secret whose name ends in a new content hash is the same object changed,
and the references that follow it are noise, told once. Secrets are hidden here, before
anything is put in words. Pure.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, TypeAlias

from gitops.model import Json, Manifest, Manifests
from gitops.review.fields import FieldChange, Fields, field_changes, fields_of
from gitops.review.line_diff import unified
from gitops.review.manifest_text import manifest_lines
from gitops.review.masking import Masker
from gitops.review.text import visible

# kustomize: ten hex digits of a SHA-256, with 0 1 3 a e written as g h k m t
# (api/hasher in its source), so that no word can come out.
_HASH: Final = re.compile(r"-[2456789bcdfghkmt]{10}\Z")
_GENERATED_KINDS: Final = frozenset({"ConfigMap", "Secret"})

_Key: TypeAlias = tuple[str, str, str, str, int]
_Renames: TypeAlias = Mapping[str, str]


class ObjectChange(StrEnum):
    """What happened to an object."""

    ADDED = "added"
    REMOVED = "removed"
    CHANGED = "changed"


@dataclass(frozen=True, slots=True, kw_only=True)
class ObjectDiff:
    """How one rendered object differs; secrets are hidden in every part of it.

    Attributes:
        overlay: the folder it is rendered from.
        api_version: as written, after if there is an after.
        kind: as written.
        namespace: empty for cluster-scoped objects or when not set.
        name: without the generator's hash where the hash changed.
        change: added, removed or changed.
        before: its fields as they were; empty when added.
        after: its fields as they will be; empty when removed.
        changes: the fields that differ, renamed references left out; empty when
            the whole object was added or removed.
        lines: unified difference; empty when only references changed.
        renamed: the full names (before, after), when the generator's hash changed.
        follows: old names of generated objects that this one refers to.
    """

    overlay: str
    api_version: str
    kind: str
    namespace: str
    name: str
    change: ObjectChange
    before: Fields
    after: Fields
    changes: tuple[FieldChange, ...]
    lines: tuple[str, ...]
    renamed: tuple[str, str] | None = None
    follows: tuple[str, ...] = ()

    @property
    def only_references(self) -> bool:
        """Whether nothing but the names of generated objects differs."""
        return self.change is ObjectChange.CHANGED and not self.lines

    @property
    def counts(self) -> tuple[int, int]:
        """Lines added and lines removed in the difference."""
        told = self.lines[2:]
        added = sum(line.startswith("+") for line in told)
        return added, sum(line.startswith("-") for line in told)


def diff_manifests(
    before: Mapping[str, Manifests], after: Mapping[str, Manifests]
) -> tuple[ObjectDiff, ...]:
    """Compare what two trees render to.

    Args:
        before: overlay folder -> its objects on the base branch.
        after: overlay folder -> its objects with the change.

    Returns:
        The objects that differ, by overlay, then kind and name; equal ones are left
        out. An overlay that only one side has is all added or all removed.
    """
    return tuple(
        diff
        for overlay in sorted(before.keys() | after.keys())
        for diff in _diff_overlay(overlay, before.get(overlay), after.get(overlay))
    )


def _diff_overlay(
    overlay: str, before: Manifests | None, after: Manifests | None
) -> list[ObjectDiff]:
    if before and after and before.text and before.text == after.text:
        return []
    old = _by_key(before.objects if before else ())
    new = _by_key(after.objects if after else ())
    pairs = list(_paired(old, new))
    renames = {
        gone.name: come.name
        for gone, come in pairs
        if gone is not None and come is not None and gone.name != come.name
    }
    diffs = [_diff_object(overlay, gone, come, renames) for gone, come in pairs]
    found = [diff for diff in diffs if diff is not None]
    return sorted(found, key=_place)


def _place(diff: ObjectDiff) -> tuple[str, ...]:
    return diff.kind, diff.namespace, diff.name, diff.api_version


def _by_key(objects: Sequence[Manifest]) -> dict[_Key, Manifest]:
    found: dict[_Key, Manifest] = {}
    for item in objects:
        group = item.api_version.rpartition("/")[0]
        ordinal = 0
        while (key := (group, item.kind, item.namespace, item.name, ordinal)) in found:
            ordinal += 1  # kustomize refuses twins; a list of files may hold them
        found[key] = item
    return found


def _paired(
    old: Mapping[_Key, Manifest], new: Mapping[_Key, Manifest]
) -> Iterator[tuple[Manifest | None, Manifest | None]]:
    for key in old.keys() & new.keys():
        yield old[key], new[key]
    come_by_stem: dict[_Key, list[_Key]] = {}
    for key in sorted(new.keys() - old.keys()):
        come_by_stem.setdefault(_stem_key(key), []).append(key)
    for key in sorted(old.keys() - new.keys()):
        twins = come_by_stem.get(_stem_key(key))
        yield old[key], new[twins.pop(0)] if twins else None
    for keys in come_by_stem.values():
        yield from ((None, new[key]) for key in keys)


def _stem_key(key: _Key) -> _Key:
    group, kind, namespace, name, ordinal = key
    if group == "" and kind in _GENERATED_KINDS:
        return group, kind, namespace, _stem(name), ordinal
    return key


def _stem(name: str) -> str:
    return _HASH.sub("", name)


def _diff_object(
    overlay: str, gone: Manifest | None, come: Manifest | None, renames: _Renames
) -> ObjectDiff | None:
    if gone is None or come is None:
        return _one_sided(overlay, gone, come)
    if gone.body == come.body:
        return None
    followed: set[str] = set()
    old_body = _followed(gone.body, renames, followed)
    is_renamed = gone.name != come.name
    masker = Masker()
    old = masker.body(old_body)
    new = masker.after().body(come.body)
    name = _stem(come.name) if is_renamed else come.name
    header = visible(f"{overlay}/{come.kind}/{name}")
    before, after = fields_of(old), fields_of(new)
    return ObjectDiff(
        overlay=overlay,
        api_version=come.api_version,
        kind=come.kind,
        namespace=come.namespace,
        name=name,
        change=ObjectChange.CHANGED,
        before=before,
        after=after,
        changes=field_changes(before, after),
        lines=unified(
            manifest_lines(old),
            manifest_lines(new),
            old=f"a/{header}",
            new=f"b/{header}",
        ),
        renamed=(gone.name, come.name) if is_renamed else None,
        follows=tuple(sorted(followed - {gone.name} if is_renamed else followed)),
    )


def _one_sided(
    overlay: str, gone: Manifest | None, come: Manifest | None
) -> ObjectDiff | None:
    item = come or gone
    if item is None:
        return None
    shown = Masker().body(item.body)
    fields, lines = fields_of(shown), manifest_lines(shown)
    header = visible(f"{overlay}/{item.kind}/{item.name}")
    is_new = come is not None
    return ObjectDiff(
        overlay=overlay,
        api_version=item.api_version,
        kind=item.kind,
        namespace=item.namespace,
        name=item.name,
        change=ObjectChange.ADDED if is_new else ObjectChange.REMOVED,
        before=Fields() if is_new else fields,
        after=fields if is_new else Fields(),
        changes=(),
        lines=unified(
            () if is_new else lines,
            lines if is_new else (),
            old="/dev/null" if is_new else f"a/{header}",
            new=f"b/{header}" if is_new else "/dev/null",
        ),
    )


def _followed(
    body: Mapping[str, Json], renames: _Renames, seen: set[str]
) -> Mapping[str, Json]:
    if not renames:
        return body
    return {key: _renamed(item, renames, seen) for key, item in body.items()}


def _renamed(value: Json, renames: _Renames, seen: set[str]) -> Json:
    """Write the new names of generated objects into a part of an old object."""
    match value:
        case str():
            if value in renames:
                seen.add(value)
                return renames[value]
            return value
        case Mapping():
            return {k: _renamed(v, renames, seen) for k, v in value.items()}
        case Sequence():
            return [_renamed(item, renames, seen) for item in value]
        case _:
            return value
