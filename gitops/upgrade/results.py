"""What follows from settled files: changes, findings, and the next ancestors. Pure."""

from __future__ import annotations

from collections.abc import Iterable

from gitops.model import (
    BlobId,
    Change,
    Finding,
    Mode,
    RemoveFile,
    Tree,
    WriteFile,
    blob_id,
)
from gitops.upgrade.settling import Settled


def changes_of(tree: Tree, results: Iterable[Settled]) -> tuple[Change, ...]:
    """Return what must change in a tree, in the order of the paths."""
    found: list[Change] = []
    for result in results:
        path, entry = result.sides.path, tree.entries.get(result.sides.path)
        if result.content is None:
            if entry is not None:
                found.append(RemoveFile(path=path))
        elif entry is None or entry.blob != blob_id(result.content):
            ours = result.sides.ours
            mode = ours.mode if ours is not None else Mode.FILE
            found.append(WriteFile(path=path, content=result.content, mode=mode))
    return tuple(found)


def ids_of(results: Iterable[Settled]) -> dict[str, BlobId]:
    """Return path -> blob as the newer release has it: the next common ancestors."""
    return {
        result.sides.path: blob_id(result.sides.theirs)
        for result in results
        if result.sides.theirs is not None
    }


def pristine_texts(results: Iterable[Settled]) -> dict[BlobId, bytes]:
    """Return the new texts that are the next ancestors and stand nowhere as they are.

    The repository must keep them, or the next upgrade could merge nothing.
    """
    return {
        blob_id(theirs): theirs
        for result in results
        for theirs in [result.sides.theirs]
        if theirs is not None
        and result.content not in (None, theirs)
        and result.sides.old != blob_id(theirs)
    }


def findings_of(results: Iterable[Settled]) -> tuple[Finding, ...]:
    """Return what is to be told, in the order of the files."""
    return tuple(r.finding for r in results if r.finding is not None)
