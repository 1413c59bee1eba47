"""A staged upgrade under way: two bases side by side, and the record of both. Pure.

.directus-gitops/staged.json is there from the step that makes base-<release>/ to the
step that puts it in the place of base/. Which environments have moved is not in it:
the overlays say that themselves.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from gitops.errors import PlanError, TreeError
from gitops.layout import BASE_FOLDER, STAGED_FILE, staged_base
from gitops.model import BlobId, Tree, blob_id, tree_of
from gitops.upgrade.sides import File


@dataclass(frozen=True, slots=True, kw_only=True)
class Stage:
    """The record.

    Attributes:
        release: whose base is beside base/.
        files: path below the new base -> blob as the release has it.
        base: path below base/ -> blob when it was last carried over.
    """

    release: str
    files: Mapping[str, BlobId]
    base: Mapping[str, BlobId]

    @property
    def folder(self) -> str:
        """Where the new base is."""
        return staged_base(self.release)


def write_stage(stage: Stage) -> bytes:
    """Write the record as JSON, keys sorted."""
    data = {
        "release": stage.release,
        "files": dict(stage.files),
        "base": dict(stage.base),
    }
    return (json.dumps(data, indent=2, sort_keys=True) + "\n").encode()


def read_stage(tree: Tree) -> Stage | None:
    """Read the record of a repository; None where no staged upgrade is under way.

    Raises:
        TreeError: it is not what write_stage writes.
        PlanError: the base that it is about is gone.
    """
    if STAGED_FILE not in tree:
        return None
    try:
        data = json.loads(tree.read(STAGED_FILE))
        stage = Stage(
            release=_text(data["release"]),
            files=_blobs(data["files"]),
            base=_blobs(data["base"]),
        )
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise TreeError(
            f"{STAGED_FILE}: not the record that `upgrade --staged` writes",
            hint="restore it from the history of the repository",
        ) from error
    if not any(tree.paths_under(stage.folder)):
        raise PlanError(
            f"{STAGED_FILE} is about {stage.folder}/, which is not there",
            hint=f"restore the folder, or remove {STAGED_FILE} to begin anew",
        )
    return stage


def files_below(tree: Tree, folder: str) -> dict[str, File]:
    """Read a folder of a tree, path below it -> file.

    Raises:
        TreeError: a symlink or submodule is in it.
    """
    paths = list(tree.paths_under(folder))
    tree.prefetch(paths)
    return {
        path[len(folder) + 1 :]: File(
            content=tree.read(path), mode=tree.entries[path].mode
        )
        for path in paths
    }


def ids_below(files: Mapping[str, BlobId], folder: str) -> dict[str, BlobId]:
    """Select from path -> blob what is below a folder; the paths become relative."""
    prefix = f"{folder}/"
    return {p[len(prefix) :]: blob for p, blob in files.items() if p.startswith(prefix)}


def ids_of_files(files: Mapping[str, File]) -> dict[str, BlobId]:
    """Return path -> blob of files."""
    return {path: blob_id(file.content) for path, file in files.items()}


def as_one_base(tree: Tree, folders: Iterable[str]) -> Tree:
    """Lay bases over each other, so that all kinds of objects of all are in base/.

    The result is for asking which kinds there are; it is no base that builds.
    """
    texts: dict[str, bytes] = {}
    for folder in folders:
        for name, file in files_below(tree, folder).items():
            path = f"{BASE_FOLDER}/{name}"
            other = texts.get(path)
            texts[path] = (
                file.content if other is None else other + b"\n---\n" + file.content
            )
    return tree_of(texts)


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value


def _blobs(value: object) -> dict[str, BlobId]:
    if not isinstance(value, dict):
        raise TypeError
    return {_text(path): BlobId(_text(blob)) for path, blob in value.items()}
