"""What the repository remembers of its making: .directus-gitops/generated.json. Pure.

Promise: stable text. It names each generated file with the blob that was written, which
Git keeps: the common ancestor when a later release brings its own version of the file.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from gitops.errors import InputError, PlanError, TreeError
from gitops.layout import GENERATED_FILE
from gitops.model import BlobId, Tree, blob_id
from gitops.scaffold.options import Choices, read_choices, write_choices


@dataclass(frozen=True, slots=True, kw_only=True)
class Generated:
    """The record.

    Attributes:
        release: of this program, when it wrote the files.
        choices: what they were made from.
        files: path -> blob as generated; hand edits do not change it.
    """

    release: str
    choices: Choices
    files: Mapping[str, BlobId]


def record_of(release: str, choices: Choices, files: Mapping[str, bytes]) -> Generated:
    """Describe files that are about to be written."""
    blobs = {path: blob_id(files[path]) for path in sorted(files)}
    return Generated(release=release, choices=choices, files=blobs)


def write_generated(record: Generated) -> bytes:
    """Write the record as JSON, keys sorted."""
    data = {
        "release": record.release,
        "options": write_choices(record.choices),
        "files": dict(record.files),
    }
    return (json.dumps(data, indent=2, sort_keys=True) + "\n").encode()


def read_generated(tree: Tree) -> Generated:
    """Read the record of a repository.

    Raises:
        PlanError: there is none: the repository was not generated.
        TreeError: it is not what write_generated writes.
    """
    if GENERATED_FILE not in tree:
        raise PlanError(
            f"{GENERATED_FILE} is not there, so it is not known how the overlays of "
            "this repository are made",
            hint="only a repository made by `directus-gitops init` has it",
        )
    try:
        data = json.loads(tree.read(GENERATED_FILE))
        return Generated(
            release=_text(data["release"]),
            choices=read_choices(_texts(data["options"])),
            files={p: BlobId(b) for p, b in _texts(data["files"]).items()},
        )
    except InputError as error:
        raise TreeError(
            f"{GENERATED_FILE}: {error.message}", hint=error.hint
        ) from error
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise TreeError(
            f"{GENERATED_FILE}: not the record that `init` writes",
            hint="restore it from the history of the repository",
        ) from error


def _text(value: object) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value


def _texts(value: object) -> dict[str, str]:
    if not isinstance(value, dict):
        raise TypeError
    return {_text(key): _text(item) for key, item in value.items()}
