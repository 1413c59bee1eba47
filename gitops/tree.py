"""READ: the files of a commit or of a work tree, as a Tree.

The files are taken as they are: nothing is written, no link is followed, no ignore file
is asked. What cannot be read stays listed, and is an error only for whoever reads it.
"""

from __future__ import annotations

import errno
import hashlib
import os
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from gitops.errors import TreeError
from gitops.git import Repository
from gitops.model import BlobId, CommitId, Entry, Mode, Tree, blob_id

MAX_FILE: Final = 1 << 20  # bytes; rule R9 refuses larger ones anyway
MAX_FILES: Final = 200_000
_UNKNOWN_COMMIT: Final = BlobId("0" * 40)  # of a repository within the work tree


def read_commit(repository: Repository, commit: CommitId) -> Tree:
    """Return the files of a commit.

    Raises:
        GitError: there is no such commit.
    """
    return repository.read_tree(commit)


def read_work_tree(root: Path) -> Tree:
    """Return the files below a folder as they are now.

    Links are entries of their own and are not followed. A folder with a `.git` of its
    own is listed as a submodule and not entered; other `.git` folders are left out, and
    so are pipes, sockets and devices. A file over 1 MiB, or one that we may not read,
    is listed with an id that no commit has.

    Args:
        root: the top folder.

    Raises:
        TreeError: it is no folder, or holds more than 200,000 files.
    """
    entries: dict[str, Entry] = {}
    files: dict[BlobId, _File] = {}
    for path, found in _walk(root):
        entries[_shown(path)] = found.entry
        files.setdefault(found.entry.blob, found)
        if len(entries) > MAX_FILES:
            raise TreeError(
                f"{root.name}: more than {MAX_FILES} files",
                hint="work in a clone that holds the manifests only",
            )
    return Tree(commit=None, entries=entries, blobs=_WorkTreeBlobs(files))


@dataclass(frozen=True, slots=True)
class _File:
    """A file as the walk found it.

    Attributes:
        path: below the root.
        place: where it is.
        entry: its mode and id.
        trouble: why it cannot be read; empty when it can.
    """

    path: str
    place: Path
    entry: Entry
    trouble: str = ""


class _WorkTreeBlobs(Mapping[BlobId, bytes]):
    """The bytes of a work tree's files, read again when they are asked for."""

    def __init__(self, files: Mapping[BlobId, _File]) -> None:
        self._files = files

    def __getitem__(self, key: BlobId) -> bytes:
        file = self._files[key]
        if file.trouble:
            raise TreeError(
                f"{_shown(file.path)}: {file.trouble}",
                hint="only readable files of at most 1 MiB are read",
            )
        try:
            content = _content(file.place, file.entry.mode)
        except OSError as exc:
            raise TreeError(f"{_shown(file.path)}: {exc.strerror}") from exc
        if blob_id(content) != key:
            raise TreeError(
                f"{_shown(file.path)}: has changed while it was read",
                hint="run the command again",
            )
        return content

    def __contains__(self, key: object) -> bool:
        return key in self._files

    def __iter__(self) -> Iterator[BlobId]:
        return iter(self._files)

    def __len__(self) -> int:
        return len(self._files)


def _walk(root: Path) -> Iterator[tuple[str, _File]]:
    """Yield every file below a folder, sorted within each folder."""
    waiting = [""]
    while waiting:
        folder = waiting.pop()
        for item in _listed(root, folder):
            path = f"{folder}/{item.name}" if folder else item.name
            if item.name.lower() == ".git":
                continue
            if not item.is_dir(follow_symlinks=False):
                found = _file(path, item)
                if found is not None:
                    yield path, found
            elif os.path.lexists(f"{item.path}/.git"):
                entry = Entry(Mode.SUBMODULE, _UNKNOWN_COMMIT)
                trouble = "is a repository of its own"
                yield path, _File(path, Path(item.path), entry, trouble)
            else:
                waiting.append(path)


def _listed(root: Path, folder: str) -> list[os.DirEntry[str]]:
    try:
        with os.scandir(root / folder) as items:
            return sorted(items, key=lambda item: item.name)
    except OSError as exc:
        place = _shown(folder)[:80] or root.name
        raise TreeError(f"{place}: the folder cannot be read: {exc.strerror}") from exc


def _file(path: str, item: os.DirEntry[str]) -> _File | None:
    """Look at a file; None for a pipe, a socket or a device."""
    place = Path(item.path)
    try:
        about = item.stat(follow_symlinks=False)
        mode = _mode(about.st_mode)
        if mode is None:
            return None
        if mode is not Mode.SYMLINK and about.st_size > MAX_FILE:
            return _unread(path, place, mode, f"is larger than {MAX_FILE} bytes")
        return _File(path, place, Entry(mode, blob_id(_content(place, mode))))
    except OSError as exc:
        return _unread(path, place, Mode.FILE, exc.strerror or "cannot be read")


def _unread(path: str, place: Path, mode: Mode, trouble: str) -> _File:
    mark = hashlib.sha1(b"not read: " + os.fsencode(path), usedforsecurity=False)
    return _File(path, place, Entry(mode, BlobId(mark.hexdigest())), trouble)


def _mode(number: int) -> Mode | None:
    if stat.S_ISLNK(number):
        return Mode.SYMLINK
    if not stat.S_ISREG(number):
        return None
    return Mode.EXECUTABLE if number & stat.S_IXUSR else Mode.FILE


def _content(place: Path, mode: Mode) -> bytes:
    """Read a file that was no link and no pipe a moment ago, or a link's own text."""
    if mode is Mode.SYMLINK:
        return os.fsencode(place.readlink())
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    with os.fdopen(os.open(place, flags), "rb") as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            raise OSError(errno.EINVAL, "is no longer a file")
        content = file.read(MAX_FILE + 1)
    if len(content) > MAX_FILE:
        raise OSError(errno.EFBIG, "has grown while it was read")
    return content


def _shown(path: str) -> str:
    """Write a path as git's listings are read: bytes that are no UTF-8 are escaped."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")
