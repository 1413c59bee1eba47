"""Files: the entries and bytes of one commit, and what happens to them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol, runtime_checkable

from gitops.errors import TreeError
from gitops.model.names import BlobId, CommitId


class Mode(StrEnum):
    """Git's file modes, as `git ls-tree` prints them."""

    FILE = "100644"
    EXECUTABLE = "100755"
    SYMLINK = "120000"
    SUBMODULE = "160000"

    @property
    def is_plain(self) -> bool:
        """Whether the entry is bytes of this repository, not a pointer elsewhere."""
        return self in (Mode.FILE, Mode.EXECUTABLE)


@dataclass(frozen=True, slots=True)
class Entry:
    """One file of a tree: how git stores it."""

    mode: Mode
    blob: BlobId


def blob_id(content: bytes) -> BlobId:
    """Name content as git does (SHA-1 object format)."""
    header = b"blob %d\0" % len(content)
    return BlobId(hashlib.sha1(header + content, usedforsecurity=False).hexdigest())


@dataclass(frozen=True, slots=True, kw_only=True)
class FileEdit:
    """What happens to one file.

    Attributes:
        path: the file.
        before: its bytes, or None when it is new.
        after: its bytes, or None when it goes.
        mode: the mode after the edit.
        differences: the planned scalars that changed; empty for whole files.
    """

    path: str
    before: bytes | None
    after: bytes | None
    mode: Mode = Mode.FILE
    differences: tuple[Difference, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One scalar that an edit changes.

    Attributes:
        path: the file.
        field: where in the file, for people: ``images[directus/directus].newTag``.
        before: the value as text, or None when the field is new.
        after: the value as text, or None when the field goes.
    """

    path: str
    field: str
    before: str | None
    after: str | None


@runtime_checkable
class Loadable(Protocol):
    """Blobs that come from a program: one call for many is far cheaper."""

    def load(self, blobs: Iterable[BlobId], /) -> None:
        """Read these now; later reads of them ask nobody."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Tree:
    """The files of one commit (or of a work tree), as data.

    Attributes:
        commit: where they come from; None for a work tree or a made-up tree.
        entries: path -> mode and blob. Directories are implied.
        blobs: blob -> bytes. It may be a lazy mapping that reads git on demand.
    """

    commit: CommitId | None
    entries: Mapping[str, Entry]
    blobs: Mapping[BlobId, bytes]

    def __contains__(self, path: object) -> bool:
        """Whether there is an entry (of any mode) at the path."""
        return path in self.entries

    def read(self, path: str) -> bytes:
        """Return the bytes of a plain file.

        Raises:
            TreeError: no such file, or it is a symlink or a submodule.
        """
        entry = self.entries.get(path)
        if entry is None:
            raise TreeError(f"{path}: no such file in the repository")
        if not entry.mode.is_plain:
            kind = "symlink" if entry.mode is Mode.SYMLINK else "submodule"
            raise TreeError(
                f"{path}: is a {kind}; only plain files are read",
                hint="replace it by the file itself",
            )
        return self.blobs[entry.blob]

    def prefetch(self, paths: Iterable[str]) -> None:
        """Load the bytes of many plain files at once, where reading one is dear."""
        if isinstance(self.blobs, Loadable):
            found = (self.entries.get(path) for path in paths)
            self.blobs.load([e.blob for e in found if e and e.mode.is_plain])

    def paths_under(self, folder: str) -> Iterator[str]:
        """Yield the paths below a folder ("" for all), sorted."""
        prefix = f"{folder.rstrip('/')}/" if folder else ""
        return (path for path in sorted(self.entries) if path.startswith(prefix))

    def with_edits(self, edits: Sequence[FileEdit]) -> Tree:
        """Return the tree as it is after the edits; this one stays as it is."""
        entries = dict(self.entries)
        added: dict[BlobId, bytes] = {}
        for edit in edits:
            if edit.after is None:
                entries.pop(edit.path, None)
                continue
            blob = blob_id(edit.after)
            added[blob] = edit.after
            entries[edit.path] = Entry(edit.mode, blob)
        return Tree(commit=None, entries=entries, blobs=_Overlaid(added, self.blobs))


@dataclass(frozen=True, slots=True)
class _Overlaid(Mapping[BlobId, bytes]):
    """New blobs over (possibly lazy) old ones."""

    over: Mapping[BlobId, bytes]
    under: Mapping[BlobId, bytes]

    def __getitem__(self, key: BlobId) -> bytes:
        return self.over[key] if key in self.over else self.under[key]

    def __iter__(self) -> Iterator[BlobId]:
        yield from self.over
        yield from (key for key in self.under if key not in self.over)

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def load(self, blobs: Iterable[BlobId], /) -> None:
        if isinstance(self.under, Loadable):
            self.under.load([blob for blob in blobs if blob not in self.over])


def tree_of(files: Mapping[str, bytes], *, commit: CommitId | None = None) -> Tree:
    """Make a tree from path -> bytes; every file is a plain file."""
    blobs = {blob_id(content): content for content in files.values()}
    entries = {path: Entry(Mode.FILE, blob_id(files[path])) for path in files}
    return Tree(commit=commit, entries=entries, blobs=blobs)
