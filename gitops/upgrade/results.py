"""What follows from settled files: changes, findings, and the next ancestors. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TypeAlias

from gitops.model import (
    NO_FILE,
    BlobId,
    Entry,
    Finding,
    Mode,
    RemoveFile,
    Tree,
    WriteFile,
    blob_id,
)
from gitops.upgrade.settling import Settled
from gitops.upgrade.sides import File

FileChange: TypeAlias = WriteFile | RemoveFile


def changes_of(tree: Tree, results: Iterable[Settled]) -> tuple[FileChange, ...]:
    """Return what must change in a tree, each change bound to what stands there now."""
    files: dict[str, File | None] = {}
    for result in results:
        ours, content = result.sides.ours, result.content
        mode = Mode.FILE if ours is None else ours.mode
        files[result.sides.path] = (
            None if content is None else File(content=content, mode=mode)
        )
    return wanted(tree, files)


def wanted(tree: Tree, files: Mapping[str, File | None]) -> tuple[FileChange, ...]:
    """Want these files, and None where there must be none; in their order.

    What is so already is left out. A change gives way to whatever came to its file
    after the tree that it was planned from.
    """
    found: list[FileChange] = []
    for path, file in files.items():
        entry = tree.entries.get(path)
        standing = NO_FILE if entry is None else entry.blob
        if file is None:
            if entry is not None:
                found.append(RemoveFile(path=path, replaces=standing))
        elif entry != Entry(file.mode, blob_id(file.content)):
            found.append(
                WriteFile(
                    path=path, content=file.content, mode=file.mode, replaces=standing
                )
            )
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
