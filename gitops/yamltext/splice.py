"""Planned changes to new bytes, by splice; and the proof that nothing else moved.

The proof measures both texts anew: with the planned values taken out of each, they
are equal byte for byte; their comments are the same; and the data of the one, with
the plan applied, is the data of the other. So an anchor cannot carry a change
elsewhere, a quote cannot change a type, and no comment gets lost.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias, assert_never

from gitops.errors import PlanError, YamlError
from gitops.model import Json
from gitops.yamltext.nodes import Path, Scalar, Style
from gitops.yamltext.places import Place, Source, block_header, without
from gitops.yamltext.values import reads_as_text, scalar_text, text_data


@dataclass(frozen=True, slots=True, kw_only=True)
class Replace:
    """The scalar at a path gets another text."""

    path: Path
    value: str


@dataclass(frozen=True, slots=True, kw_only=True)
class InsertLine:
    """A mapping gets a new key right after another; between braces, no new line."""

    after: Path
    key: str
    value: str

    @property
    def path(self) -> Path:
        """Where the new value will be."""
        return (*self.after[:-1], self.key)


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteLine:
    """A mapping loses a key that has a scalar value; a comment in its line stays."""

    path: Path


YamlEdit: TypeAlias = Replace | InsertLine | DeleteLine


@dataclass(frozen=True, slots=True)
class _Splice:
    """Bytes that go, and bytes that come in their place."""

    start: int
    end: int
    new: bytes


def splice(source: Source, edits: Sequence[YamlEdit]) -> bytes:
    """Make all edits at once, and prove the result.

    Args:
        source: the file as it is.
        edits: at different places, each found in the file as it is.

    Raises:
        YamlError: a place is not there, or cannot be edited exactly; see Place.
        PlanError: the result is not what was planned. That would be a bug of ours.
    """
    pieces, at = [], 0
    parts = [_splice(source, edit) for edit in edits]
    for part in sorted(parts, key=lambda p: (p.start, p.end)):
        if part.start < at:
            raise YamlError("two edits at one place", path=source.path)
        pieces += [source.text[at : part.start], part.new]
        at = part.end
    after = b"".join([*pieces, source.text[at:]])
    try:
        prove(source, Source.read(after, source.path), edits)
    except YamlError as error:  # its line is one of a text that nobody will see
        raise _unproved(source, error.problem) from error
    return after


def _splice(source: Source, edit: YamlEdit) -> _Splice:
    match edit:
        case Replace():
            return _replacement(Place.find(source, edit.path), edit.value)
        case InsertLine():
            return _insertion(Place.find(source, edit.after), edit)
        case DeleteLine():
            start, end = Place.find(source, edit.path).item_span()
            return _Splice(start, end, b"")
        case _:
            assert_never(edit)


def _replacement(place: Place, value: str) -> _Splice:
    old, like = place.value, Style.PLAIN
    if isinstance(old, Scalar):
        like = old.style
        if old.tag not in ("", "str"):
            raise place.refused(f"it has the tag !!{old.tag}")
        if like.is_block and b"#" in block_header(place.source.text, old):
            raise place.refused("a comment would go with it")
    written = place.lead + scalar_text(value, like=like, flow=place.in_flow)
    return _Splice(old.start, old.end, written.encode())


def _insertion(place: Place, edit: InsertLine) -> _Splice:
    parent, index = place.item()
    key, value = parent.items[index][0], place.value
    like = value.style if isinstance(value, Scalar) else Style.PLAIN
    new_key = scalar_text(edit.key, like=key.style, flow=place.in_flow)
    new_value = scalar_text(edit.value, like=like, flow=place.in_flow)
    item = f"{new_key}: {new_value}".encode()
    if parent.flow:
        return _Splice(value.end, value.end, b", " + item)
    line = place.rest_of_line()
    item = b" " * (key.column - 1) + item
    if line["newline"]:
        return _Splice(line.end(), line.end(), item + line["newline"])
    return _Splice(line.end(), line.end(), place.source.newline() + item)


# --- the proof ---


def prove(before: Source, after: Source, edits: Sequence[YamlEdit]) -> None:
    """Refuse a result that differs in more, or in less, than the plan.

    Raises:
        PlanError: a byte outside the planned values moved, a comment is gone, the
            data is not the planned data, or a new value is not read as text.
        YamlError: a planned place cannot be found in one of the texts.
    """
    planned = text_data(before.root)
    for edit in edits:
        value = None if isinstance(edit, DeleteLine) else edit.value
        planned = _with(planned, edit.path, value)
    if text_data(after.root) != planned:
        raise _unproved(before, "the data is not the planned data")
    if before.comments() != after.comments():
        raise _unproved(before, "a comment would change")
    gone = [span for edit in edits for span in _span_before(before, edit)]
    come = [span for edit in edits for span in _span_after(before, after, edit)]
    if without(before.text, gone) != without(after.text, come):
        raise _unproved(before, "bytes outside the planned values would move")


def _span_before(before: Source, edit: YamlEdit) -> list[tuple[int, int]]:
    """Return the bytes of before that the plan gives up."""
    match edit:
        case Replace():
            value = Place.find(before, edit.path).value
            return [(value.start, value.end)]
        case InsertLine():
            return []
        case DeleteLine():
            return [Place.find(before, edit.path).item_span()]
        case _:
            assert_never(edit)


def _span_after(before: Source, after: Source, edit: YamlEdit) -> list[tuple[int, int]]:
    """Return the bytes of after that the plan brings."""
    if isinstance(edit, DeleteLine):
        return []
    place = Place.find(after, edit.path)
    value = place.value
    if not isinstance(value, Scalar) or not reads_as_text(value):
        raise _unproved(after, "a new value is not read as text")
    if isinstance(edit, InsertLine):
        return [place.item_span()]
    lead = Place.find(before, edit.path).lead
    return [(value.start - len(lead), value.end)]


def _with(data: Json | None, path: Path, value: str | None) -> Json:
    """Copy data along a path, with another leaf or (None) without it."""
    if not path:
        return value
    head, rest = path[0], path[1:]
    if isinstance(data, list) and isinstance(head, int):
        inner = _with(data[head], rest, value)
        return [*data[:head], inner, *data[head + 1 :]]
    changed = dict(data) if isinstance(data, dict) else {}
    inner = _with(changed.pop(str(head), None), rest, value)
    return changed if inner is None else {**changed, str(head): inner}


def _unproved(source: Source, problem: str) -> PlanError:
    return PlanError(
        f"{source.path}: the edit would not be exact: {problem}",
        hint="nothing was changed; edit the file by hand, and report this as a bug",
    )
