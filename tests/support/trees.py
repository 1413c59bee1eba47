"""Trees from a mapping of path to text: the vocabulary of the suite."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from gitops.model import Tree, tree_of


def tree(files: Mapping[str, str | bytes]) -> Tree:
    """Make a Tree value."""
    return tree_of(
        {
            path: content.encode() if isinstance(content, str) else content
            for path, content in files.items()
        }
    )


def write_files(root: Path, files: Mapping[str, str | bytes]) -> None:
    """Write files below a folder."""
    for path, content in files.items():
        target = root / path
        target.parent.mkdir(parents=True, exist_ok=True)
        target.write_bytes(content.encode() if isinstance(content, str) else content)


def read_files(root: Path) -> dict[str, bytes]:
    """Read every file below a folder, path -> bytes."""
    return {
        path.relative_to(root).as_posix(): path.read_bytes()
        for path in sorted(root.rglob("*"))
        if path.is_file()
    }
