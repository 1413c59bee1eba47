"""The bytes of a tree's files, read by as few processes as the reader allows.

What a packed object unpacks to is not to be seen from outside: 300 kB become 300 MB.
So sizes are asked first, and what is too large for any file of ours is never read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Final, Protocol

from gitops.errors import GitError, TreeError
from gitops.git.command import Answer
from gitops.model import BlobId, Entry, Mode

MAX_BLOB: Final = 1 << 20  # bytes; rule R9 refuses larger files anyway
MAX_AHEAD: Final = 128 << 20  # bytes that are read before somebody needs them


class _Ask(Protocol):
    def __call__(self, command: str, *words: str, stdin: bytes = b"") -> Answer: ...


class BlobReader:
    """Reads objects by `git cat-file`.

    Args:
        ask: runs a git command of the repository.
        mend: see Repository; told that blobs are missing.
    """

    def __init__(self, ask: _Ask, mend: Callable[[str], None]) -> None:
        self._ask = ask
        self._mend = mend

    def read_small(self, names: Sequence[str]) -> dict[str, bytes]:
        """Return the bytes of objects; what is no blob, or too large, is left out."""
        found = self._sizes(names)
        small = [name for name in names if found.get(name, MAX_BLOB + 1) <= MAX_BLOB]
        return self.read(small)

    def sizes(self, blobs: Sequence[BlobId]) -> dict[BlobId, int]:
        """Return the sizes of blobs that a tree of the repository lists.

        Raises:
            GitError: one of them is missing, and cannot be fetched again.
        """
        found = self._sizes(blobs)
        if len(found) < len(blobs):
            self._mend("blobs of a commit are missing")
            found = self._sizes(blobs)
        if len(found) < len(blobs):
            raise _missing()
        return {blob: found[blob] for blob in blobs}

    def _sizes(self, names: Sequence[str]) -> dict[str, int]:
        answer = self._ask("cat-file", "--batch-check", stdin=_lines(names))
        return dict(_parse_sizes(names, answer.stdout))

    def read(self, names: Sequence[str]) -> dict[str, bytes]:
        """Return the bytes of blobs whose sizes were asked for.

        Raises:
            GitError: one of them has vanished since.
        """
        answer = self._ask("cat-file", "--batch", stdin=_lines(names))
        found = dict(_parse_contents(names, answer.stdout))
        if len(found) < len(set(names)):
            raise _missing()
        return found


def _missing() -> GitError:
    return GitError("files of a commit are missing in the repository")


def _lines(names: Sequence[str]) -> bytes:
    return "".join(f"{name}\n" for name in names).encode()


class LazyBlobs(Mapping[BlobId, bytes]):
    """The blobs of a listing: read from git when asked for, then kept.

    Args:
        reader: where they are.
        entries: the listing.
    """

    def __init__(self, reader: BlobReader, entries: Mapping[str, Entry]) -> None:
        self._reader = reader
        self._paths = {
            entry.blob: path
            for path, entry in entries.items()
            if entry.mode is not Mode.SUBMODULE
        }
        self._too_large: set[BlobId] = set()
        self._read: dict[BlobId, bytes] = {}

    def load(self, blobs: Iterable[BlobId]) -> None:
        """Read many blobs by two processes; those already read cost nothing.

        Blobs that are too large are left out, and so are those that are many too many
        to be held in memory before somebody needs them.

        Raises:
            KeyError: one of them is not in the listing.
            GitError: one of them is not in the repository.
        """
        wanted = dict.fromkeys(
            blob
            for blob in blobs
            if blob not in self._read and blob not in self._too_large
        )
        for blob in wanted:
            if blob not in self._paths:
                raise KeyError(blob)
        if wanted:
            chosen = self._chosen(self._reader.sizes(list(wanted)))
            self._read.update(
                (BlobId(name), found)
                for name, found in self._reader.read(chosen).items()
            )

    def _chosen(self, sizes: Mapping[BlobId, int]) -> list[BlobId]:
        self._too_large |= {blob for blob, size in sizes.items() if size > MAX_BLOB}
        chosen: list[BlobId] = []
        room = MAX_AHEAD
        for blob, size in sizes.items():
            if blob not in self._too_large and (not chosen or size <= room):
                chosen.append(blob)
                room -= size
        return chosen

    def __getitem__(self, key: BlobId) -> bytes:
        """Return the bytes of a blob; many are better loaded together.

        Raises:
            TreeError: it is too large to be read.
        """
        self.load((key,))
        if key in self._too_large:
            raise TreeError(
                f"{self._paths[key]}: is larger than {MAX_BLOB} bytes",
                hint="no file that a cluster is set up from is",
            )
        return self._read[key]

    def __contains__(self, key: object) -> bool:
        """Whether the listing holds the blob; nothing is read."""
        return key in self._paths

    def __iter__(self) -> Iterator[BlobId]:
        return iter(self._paths)

    def __len__(self) -> int:
        return len(self._paths)


def _parse_sizes(names: Sequence[str], output: bytes) -> Iterator[tuple[str, int]]:
    """Read `cat-file --batch-check`: a line for each name; blobs only."""
    for name, line in zip(names, output.splitlines(), strict=True):
        words = line.split(b" ")
        if len(words) == 3 and words[1] == b"blob":
            yield name, int(words[2])


def _parse_contents(names: Sequence[str], output: bytes) -> Iterator[tuple[str, bytes]]:
    """Read `cat-file --batch`: a header line for each name, then maybe content."""
    at = 0
    for name in names:
        end = output.index(b"\n", at)
        header = output[at:end]
        at = end + 1
        if header.endswith((b" missing", b" ambiguous")):
            continue
        _, kind, size = header.rsplit(b" ", 2)
        if kind == b"blob":
            yield name, output[at : at + int(size)]
        at += int(size) + 1
