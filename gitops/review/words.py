"""TELL, what differs in plain words: a phrase for each thing that changes.

Promise: every object that differs has at least one phrase; the same phrase in many
overlays is said once. It never shows what `masking` hides, because it never sees it.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby
from typing import Final

from gitops.model import Difference
from gitops.review.fields import FieldChange, FieldPath, has_below, path_text
from gitops.review.masking import shown_value
from gitops.review.objects import ObjectChange, ObjectDiff
from gitops.review.text import Phrase, Quote, kind_word
from gitops.review.topics import Topic, bare, host_rule, image_container, topic_of

_PHRASES_PER_OBJECT: Final = 40
_OVERLAYS_NAMED: Final = 4
_DETAILS_NAMED: Final = 4
_OBJECTS_NAMED: Final = 5
_HOST_KINDS: Final = frozenset({"Ingress"})


def overlay_phrases(diffs: Sequence[ObjectDiff]) -> tuple[Phrase, ...]:
    """Say what differs, overlays with the same phrase together.

    Args:
        diffs: as diff_manifests returns them, sorted by overlay.
    """
    said: dict[Phrase, list[str]] = {}
    for overlay, group in groupby(diffs, key=lambda diff: diff.overlay):
        for phrase in _phrases_of_overlay(tuple(group)):
            said.setdefault(phrase, []).append(overlay)
    names_matter = len({diff.overlay for diff in diffs}) > 1
    return tuple(
        (*phrase, *_where(overlays)) if names_matter else phrase
        for phrase, overlays in said.items()
    )


def difference_phrases(differences: Iterable[Difference]) -> tuple[Phrase, ...]:
    """Say which fields of which files change."""
    return tuple(
        (
            Quote(item.path),
            " ",
            Quote(item.field),
            *_change_of(
                _shown(item.field, item.before), _shown(item.field, item.after)
            ),
        )
        for item in sorted(differences, key=lambda item: (item.path, item.field))
    )


def object_label(diff: ObjectDiff) -> Phrase:
    """Name an object: kind and name."""
    return kind_word(diff.kind), " ", Quote(diff.name)


def _where(overlays: Sequence[str]) -> Phrase:
    named = overlays[:_OVERLAYS_NAMED]
    parts: list[str | Quote] = [" in "]
    if len(overlays) > len(named):
        parts.append(f"{len(overlays)} overlays, among them ")
    for index, overlay in enumerate(named):
        parts += [", "] if index else []
        parts.append(Quote(overlay))
    return tuple(parts)


def _phrases_of_overlay(diffs: Sequence[ObjectDiff]) -> Iterator[Phrase]:
    kinds = {diff.change for diff in diffs}
    if len(diffs) > _OBJECTS_NAMED and kinds in (
        {ObjectChange.ADDED},
        {ObjectChange.REMOVED},
    ):
        yield _all_of(diffs)
        return
    yield from _image_phrases(diffs)
    for diff in diffs:
        yield from _object_phrases(diff)
    yield from _reference_phrases(diffs)


def _all_of(diffs: Sequence[ObjectDiff]) -> Phrase:
    counted = sorted(Counter(diff.kind for diff in diffs).items())
    parts: list[str | Quote] = [f"{len(diffs)} objects {diffs[0].change.value}: "]
    for index, (kind, count) in enumerate(counted):
        parts += [", "] if index else []
        parts += [f"{count} ", kind_word(kind)]
    return tuple(parts)


# --- images: told once for all containers that run them ---


def _image_phrases(diffs: Sequence[ObjectDiff]) -> Iterator[Phrase]:
    moved: dict[tuple[str, str], list[ObjectDiff]] = {}
    for diff in diffs:
        for before, after in _image_moves(diff):
            users = moved.setdefault((before, after), [])
            if diff not in users:
                users.append(diff)
    for (before, after), users in moved.items():
        parts: list[str | Quote] = [*_image_change(before, after), " ("]
        for index, diff in enumerate(users):
            parts += [", "] if index else []
            parts += object_label(diff)
        yield (*parts, ")")


def _image_moves(diff: ObjectDiff) -> Iterator[tuple[str, str]]:
    for change in diff.changes:
        is_image = image_container(change.path) is not None
        if is_image and change.before is not None and change.after is not None:
            yield change.before, change.after


def _image_change(before: str, after: str) -> Phrase:
    (old_name, old_rest), (new_name, new_rest) = _split(before), _split(after)
    if old_name == new_name and old_rest and new_rest:
        return "version of image ", Quote(new_name), ": ", *_arrow(old_rest, new_rest)
    return "image: ", *_arrow(before, after)


def _split(image: str) -> tuple[str, str]:
    """Split a reference into repository and the rest (tag, digest or both)."""
    name, at, digest = image.partition("@")
    head, slash, last = name.rpartition("/")
    last, _, tag = last.partition(":")
    return head + slash + last, tag + at + digest


# --- one object ---


def _object_phrases(diff: ObjectDiff) -> Iterator[Phrase]:
    label = object_label(diff)
    if diff.change is not ObjectChange.CHANGED:
        yield (*label, f" {diff.change.value}")
        return
    told = tuple(_changed_phrases(diff))
    for phrase in told[:_PHRASES_PER_OBJECT]:
        yield (*label, ": ", *phrase)
    if len(told) > _PHRASES_PER_OBJECT:
        yield (*label, f": {len(told) - _PHRASES_PER_OBJECT} more changes")
    if not diff.changes and diff.lines:
        yield (*label, ": only the order or the type of values changes")
    if not diff.lines and diff.renamed is not None:
        old, new = diff.renamed
        yield (*label, ": name ", *_arrow(old, new))


def _changed_phrases(diff: ObjectDiff) -> Iterator[Phrase]:
    hosts = _hosts_moved(diff)
    if hosts is not None:
        yield hosts
    changes = [change for change in diff.changes if not _told_above(diff, change)]
    by_topic: dict[FieldPath, tuple[Topic, list[FieldChange]]] = {}
    for change in changes:
        topic = _topic(diff, change.path)
        by_topic.setdefault(topic.prefix, (topic, []))[1].append(change)
    for topic, members in by_topic.values():
        yield (*topic.label, *_topic_change(diff, topic, members))


def _told_above(diff: ObjectDiff, change: FieldChange) -> bool:
    """Whether images or hosts have told a change already."""
    if diff.kind in _HOST_KINDS and _rule_moved(diff, change.path):
        return True
    is_both = change.before is not None and change.after is not None
    return is_both and image_container(change.path) is not None


def _topic(diff: ObjectDiff, path: FieldPath) -> Topic:
    """Return a field's topic; a container that comes or goes is one topic."""
    topic = topic_of(diff.kind, path)
    for depth in range(2, len(path)):
        if path[depth - 1] not in ("containers", "initContainers"):
            continue
        prefix = path[: depth + 1]
        if has_below(diff.before, prefix) and has_below(diff.after, prefix):
            break
        what = "container " if path[depth - 1] == "containers" else "init container "
        return Topic(prefix=prefix, label=(what, Quote(bare(path[depth]))))
    return topic


def _topic_change(
    diff: ObjectDiff, topic: Topic, members: Sequence[FieldChange]
) -> Phrase:
    was, will = (
        has_below(diff.before, topic.prefix),
        has_below(diff.after, topic.prefix),
    )
    depth = len(topic.prefix)
    telling = [member for member in members if member.path[depth:] != ("name",)]
    if len(telling) == 1 and telling[0].path[depth:] in ((), ("value",)):
        return _change_of(telling[0].before, telling[0].after)
    if not was or not will:
        return (" added",) if will else (" removed",)
    return ": ", *_details(members, depth)


def _details(members: Sequence[FieldChange], depth: int) -> Phrase:
    parts: list[str | Quote] = []
    for index, member in enumerate(members[:_DETAILS_NAMED]):
        parts += [", "] if index else []
        parts.append(Quote(path_text(member.path[depth:])))
        parts += _change_of(member.before, member.after)
    if len(members) > _DETAILS_NAMED:
        parts.append(f", and {len(members) - _DETAILS_NAMED} more")
    return tuple(parts)


def _change_of(before: str | None, after: str | None) -> Phrase:
    match before, after:
        case None, None:
            return ()
        case None, str(new):
            return (" added",) if _is_long(new) else (" added: ", Quote(new))
        case str(old), None:
            return (" removed",) if _is_long(old) else (" removed, was ", Quote(old))
        case str(old), str(new):
            return " ", *_arrow(old, new)
        case _:  # pragma: no cover - mypy cannot see that the four cases are all
            return ()


def _arrow(before: str, after: str) -> Phrase:
    if _is_long(before) or _is_long(after):
        old, new = _lines(before), _lines(after)
        return (f"changed ({old} -> {new} lines)",)
    return Quote(before), " -> ", Quote(after)


def _is_long(value: str) -> bool:
    return "\n" in value or len(value) > 150


def _lines(value: str) -> int:
    return len(value.splitlines())


def _shown(field: str, value: str | None) -> str | None:
    return None if value is None else shown_value(field, value)


# --- hosts ---


def _hosts_moved(diff: ObjectDiff) -> Phrase | None:
    if diff.kind not in _HOST_KINDS:
        return None
    before, after = _hosts(diff.before), _hosts(diff.after)
    if before == after:
        return None
    return "hosts", *_change_of(", ".join(before) or None, ", ".join(after) or None)


def _hosts(fields: Iterable[FieldPath]) -> tuple[str, ...]:
    rules = {rule for path in fields if (rule := host_rule(path)) is not None}
    return tuple(sorted(bare(rule[-1]) for rule in rules))


def _rule_moved(diff: ObjectDiff, path: FieldPath) -> bool:
    rule = host_rule(path)
    if rule is None:
        return False
    return not (has_below(diff.before, rule) and has_below(diff.after, rule))


# --- references ---


def _reference_phrases(diffs: Sequence[ObjectDiff]) -> Iterator[Phrase]:
    """Say once how many objects follow a generated object's new name."""
    for diff in diffs:
        if diff.renamed is None:
            continue
        followers = sum(diff.renamed[0] in other.follows for other in diffs)
        if followers:
            noun = "object refers" if followers == 1 else "objects refer"
            yield (
                *object_label(diff),
                f": {followers} {noun} to its new content hash;"
                " pods that read it restart",
            )
