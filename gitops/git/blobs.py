"""The bytes of a tree's files, read by as few processes as the reader allows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence

from gitops.model import BlobId, Entry, Mode


class LazyBlobs(Mapping[BlobId, bytes]):
    """The blobs of a listing: read from git when asked for, then kept.

    Args:
        read: reads blobs of the repository, many at once.
        entries: the listing.
    """

    def __init__(
        self,
        read: Callable[[Sequence[BlobId]], Mapping[BlobId, bytes]],
        entries: Mapping[str, Entry],
    ) -> None:
        self._read_many = read
        self._known = dict.fromkeys(
            entry.blob for entry in entries.values() if entry.mode is not Mode.SUBMODULE
        )
        self._read: dict[BlobId, bytes] = {}

    def load(self, blobs: Iterable[BlobId]) -> None:
        """Read many blobs by one process; those already read cost nothing.

        Raises:
            KeyError: one of them is not in the listing.
            GitError: one of them is not in the repository.
        """
        wanted = dict.fromkeys(blob for blob in blobs if blob not in self._read)
        for blob in wanted:
            if blob not in self._known:
                raise KeyError(blob)
        if wanted:
            self._read.update(self._read_many(list(wanted)))

    def __getitem__(self, key: BlobId) -> bytes:
        """Return the bytes of a blob; many are better loaded together."""
        self.load((key,))
        return self._read[key]

    def __contains__(self, key: object) -> bool:
        """Whether the listing holds the blob; nothing is read."""
        return key in self._known

    def __iter__(self) -> Iterator[BlobId]:
        return iter(self._known)

    def __len__(self) -> int:
        return len(self._known)


def parse_batch(names: Sequence[str], output: bytes) -> Iterator[tuple[str, bytes]]:
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
