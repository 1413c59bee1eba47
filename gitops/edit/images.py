"""Set tag and digest of one ``images:`` entry, exactly."""

from __future__ import annotations

from collections.abc import Sequence

from gitops.errors import YamlError
from gitops.model import Difference
from gitops.overlay import ImageEntry, find_image, image_entries
from gitops.versions import check_digest, check_tag
from gitops.yamltext import (
    DeleteLine,
    InsertLine,
    Path,
    Replace,
    Scalar,
    Source,
    YamlEdit,
    reads_as_text,
    splice,
)


def set_image_tag(
    text: bytes, path: str, image: str | int, tag: str, digest: str | None = None
) -> tuple[bytes, tuple[Difference, ...]]:
    """Set tag and digest of one ``images:`` entry of any kustomization.

    Args:
        text: the file.
        path: its name, for errors.
        image: the image that the entry makes run (``newName``, else ``name``), or the
            entry's index from 0.
        tag: the new tag.
        digest: ``sha256:...``; None when it is unknown, which removes the old one,
            because kustomize would render it and it would win over the tag.

    Returns:
        The new text, and what changed; the same text and nothing when it is so.

    Raises:
        InputError: tag or digest outside the registry's grammar.
        YamlError: no such entry, an entry without newTag, or no exact edit there.
        PlanError: the result could not be proved.
    """
    check_tag(tag)
    if digest is not None:
        check_digest(digest)
    source = Source.read(text, path)
    entry = _entry(image_entries(source.root, path), image, path)
    if entry.tag is None or entry.has_suffix:
        raise YamlError(
            f"the images: entry for {entry.image} has "
            + ("no newTag" if entry.tag is None else "a tagSuffix"),
            path=path,
            line=entry.line,
            hint="give it the whole tag as newTag, and nothing else",
        )
    at: Path = ("images", entry.index)
    edits = [
        *_tag_edits((*at, "newTag"), entry.tag, tag),
        *_digest_edits(at, entry.digest, digest),
    ]
    if not edits:
        return text, ()
    before = {"newTag": entry.tag, "digest": entry.digest}
    return splice(source, edits), tuple(
        _difference(path, entry, edit, before[str(edit.path[-1])]) for edit in edits
    )


def _entry(entries: Sequence[ImageEntry], image: str | int, path: str) -> ImageEntry:
    if isinstance(image, str):
        return find_image(entries, image, path)
    if not 0 <= image < len(entries):
        raise YamlError(f"images: has {len(entries)} entries, none {image}", path=path)
    return entries[image]


def _tag_edits(at: Path, old: Scalar, new: str) -> list[YamlEdit]:
    """An unquoted 11.10 is not what it shows: writing 11.10 quotes it."""
    if old.value == new and reads_as_text(old):
        return []
    return [Replace(path=at, value=new)]


def _digest_edits(at: Path, old: Scalar | None, new: str | None) -> list[YamlEdit]:
    if new is None:
        return [] if old is None else [DeleteLine(path=(*at, "digest"))]
    if old is None:
        return [InsertLine(after=(*at, "newTag"), key="digest", value=new)]
    return _tag_edits((*at, "digest"), old, new)


def _difference(
    path: str, entry: ImageEntry, edit: YamlEdit, old: Scalar | None
) -> Difference:
    return Difference(
        path=path,
        field=f"images[{entry.image}].{edit.path[-1]}",
        before=None if old is None else old.value,
        after=None if isinstance(edit, DeleteLine) else edit.value,
    )
