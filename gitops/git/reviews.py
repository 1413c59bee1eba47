"""Heads that people propose: fetched by number, looked at, thrown away.

A bare repository beside the mirror that borrows its objects, so that nothing of a
stranger's ever becomes part of the mirror and all of it goes with one folder. What it
takes has limits: bytes, memory, time, the length of a listing. What breaks one is
Refused with a reason in one line, for that is the proposer's doing; a GitError is not.
No branch of it is ever pushed, and no name in it is a branch's.
"""

from __future__ import annotations

import contextlib
import fcntl
import re
import shutil
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Protocol, TypeVar

from gitops.errors import GitError, MirrorError
from gitops.git.bare import Conflict
from gitops.git.command import Answer, SafeGit, SafeRepository
from gitops.git.failures import remote_failure
from gitops.git.merging import merged_tree
from gitops.git.objects import Identity, commit_object
from gitops.git.repository import Repository, checked_commit
from gitops.git.walls import Walls
from gitops.model import BlobId, BranchName, CommitId, Tree
from gitops.process import Limits, ProcessOutputError, ProcessTimeoutError

FETCHED_BYTES: Final = 64 << 20  # of one head, packed, beyond what the base has
ROOM_BYTES: Final = 512 << 20  # of all of them, until the room is emptied
_NAMESPACE: Final = "refs/reviews/"
_BASE: Final = "refs/base/tip"  # what the remote need not send again
_FETCH_LIMITS: Final = Limits(
    timeout_s=180, output_bytes=1 << 20, memory_bytes=2 << 30, cpu_s=120
)
_LOOK_LIMITS: Final = Limits(
    timeout_s=60, output_bytes=40 << 20, memory_bytes=2 << 30, cpu_s=60
)
_MORE: Final = tuple(
    word
    for setting in (
        "fetch.unpackLimit=1",  # one file, however many objects: its size is limited
        "core.bigFileThreshold=4m",  # larger blobs are never in memory as a whole
        "core.packedGitWindowSize=16m",
        "core.packedGitLimit=256m",
        "core.deltaBaseCacheLimit=32m",
        "pack.threads=1",
    )
    for word in ("-c", setting)
)
_CONFIG: Final = b"[core]\n\trepositoryformatversion = 0\n\tbare = true\n"
_HEAD: Final = b"ref: refs/heads/none\n"
_NOBODY: Final = Identity(name="nobody", email="nobody@invalid")
_NEVER: Final = datetime(2000, 1, 1, tzinfo=UTC)
_UNSAFE: Final = re.compile(r"fsck error")
_NO_MEMORY: Final = re.compile(
    r"[Oo]ut of memory|[Mm]alloc|mmap failed|Cannot allocate"
)


_T = TypeVar("_T")


class FetchInto(Protocol):
    """Fetches from the mirror's remote into another repository."""

    def __call__(
        self, place: Path, refspec: str, *, limits: Limits, more: Sequence[str]
    ) -> Answer:
        """Return git's answer, whatever it is."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """A head that is not looked at.

    Attributes:
        reason: one line for people, without any word of the head's own.
    """

    reason: str


class ReviewRoom(Repository):
    """The heads of the pull requests of one repository.

    Args:
        path: its folder; it is made when a head is taken, and may be deleted.
        lender: the mirror's folder, which holds the base branch.
        fetch: how the remote is reached.
        fetched_bytes: what one head may weigh.
        room_bytes: what all may, before all of them are fetched anew.
    """

    def __init__(
        self,
        path: Path,
        lender: Path,
        fetch: FetchInto,
        *,
        fetched_bytes: int = FETCHED_BYTES,
        room_bytes: int = ROOM_BYTES,
    ) -> None:
        super().__init__(path, namespace=_NAMESPACE)
        self._git = SafeRepository(Walls(git_dir=path, limits=_LOOK_LIMITS, more=_MORE))
        self._lender = lender
        self._fetch = fetch
        self._room_bytes = room_bytes
        self._fetched_bytes = fetched_bytes

    # --- taking and leaving ---

    def take(self, number: int, ref: str, *, base: CommitId) -> CommitId | Refused:
        """Fetch a head under its pull request's number.

        Args:
            number: of the pull request.
            ref: its full name at the remote, made by us.
            base: the tip of the base branch, which the mirror has.

        Returns:
            The commit that the remote had there.

        Raises:
            GitError: the remote is not there, has no such ref, or the disk refuses.
        """
        name = f"{_NAMESPACE}{int(number)}"
        with self._alone():
            self._make()
            known = ("--no-deref", "--end-of-options", _BASE, checked_commit(base))
            self._ask("update-ref", *known)
            limits = replace(_FETCH_LIMITS, file_bytes=self._fetched_bytes)
            answer = self._fetch(
                self._path, f"+{ref}:{name}", limits=limits, more=_MORE
            )
            left = self._sweep()
        if answer.code != 0:
            return self._judged(number, answer, left)
        found = self.tip(BranchName(str(int(number))))
        if found is None:
            raise GitError(f"pull request #{number} has no head at the remote")
        return found

    def holds(self, number: int, head: CommitId) -> bool:
        """Whether a head is here already, under its number."""
        if not self._is_made():
            return False
        return self.tip(BranchName(str(int(number)))) == head

    def keep_only(self, numbers: Collection[int]) -> None:
        """Drop the heads of all other pull requests; the last one takes all with it."""
        with self._alone():
            if not self._is_made():
                return
            known = self.branches()
            kept = {str(number) for number in numbers}
            gone = [name for name in known if name not in kept]
            if len(gone) == len(known):
                shutil.rmtree(self._path)
            elif gone:
                lines = "".join(f"delete {_NAMESPACE}{name}\n" for name in gone)
                self._ask("update-ref", "--stdin", stdin=lines.encode())

    # --- looking ---

    def merge(self, base: CommitId, head: CommitId) -> CommitId | Conflict | Refused:
        """Write what the base branch would hold after a merge; no branch moves.

        Raises:
            GitError: one of the commits is not here.
        """
        return _within(
            "its merge takes too long or too much", lambda: self._merged(base, head)
        )

    def _merged(self, base: CommitId, head: CommitId) -> CommitId | Conflict | Refused:
        if self.merge_base(base, head) is None:
            return Refused(reason="it has no history in common with the base branch")
        made = merged_tree(self._path, base, head, limits=_LOOK_LIMITS, more=_MORE)
        if made.conflicts:
            return Conflict(paths=made.conflicts)
        merge = commit_object(made.id, (base, head), "merge\n", _NOBODY, _NEVER)
        self._store([merge])
        return CommitId(merge.id)

    def list_tree(self, commit: CommitId) -> Tree | Refused:
        """Return the files of a commit, unless there are far too many.

        Raises:
            GitError: there is no such commit here.
        """
        return _within(
            "it lists more files than are looked at", lambda: self.read_tree(commit)
        )

    def sizes(self, blobs: Sequence[BlobId]) -> Mapping[BlobId, int]:
        """Return how many bytes each of these blobs has.

        Raises:
            GitError: one of them is missing.
        """
        return self._blobs.sizes(blobs)

    # --- the folder ---

    def _judged(self, number: int, answer: Answer, left: int) -> Refused:
        """Say whose doing a failed fetch is.

        Raises:
            GitError: not the head's.
        """
        if left >= self._fetched_bytes:  # a file that was written up to its limit
            most = self._fetched_bytes >> 20
            return Refused(reason=f"its head is larger than {most} MiB, packed")
        if _NO_MEMORY.search(answer.words):
            return Refused(reason="its head takes more memory than it may")
        if _UNSAFE.search(answer.words):
            return Refused(reason="its head holds an object that git finds unsafe")
        if answer.shows_damage:
            self._mend(answer.words)
        raise remote_failure(f"pull request #{number}: git fetch", answer.words)

    def _is_made(self) -> bool:
        return (self._path / "objects" / "info" / "alternates").is_file()

    def _make(self) -> None:
        if self._is_made() and self._weight() > self._room_bytes:
            shutil.rmtree(self._path)
        if self._is_made():
            return
        shutil.rmtree(self._path, ignore_errors=True)
        self._path.mkdir(parents=True)
        words = ("--bare", "--quiet", "--template=", "--", str(self._path))
        SafeGit().init(*words)
        (self._path / "config").write_bytes(_CONFIG)
        (self._path / "HEAD").write_bytes(_HEAD)
        info = self._path / "objects" / "info"
        info.mkdir(exist_ok=True)
        (info / "alternates").write_text(f"{self._lender / 'objects'}\n")

    def _weight(self) -> int:
        packs = (self._path / "objects" / "pack").glob("*")
        return sum(file.lstat().st_size for file in packs)

    def _sweep(self) -> int:
        """Remove what a fetch leaves that was stopped; return the largest's bytes."""
        largest = 0
        for left in (self._path / "objects" / "pack").glob("tmp_*"):
            largest = max(largest, left.lstat().st_size)
            left.unlink()
        return largest

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        """Let one at a time, thread or process, write; a dead one's lock is gone."""
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            lock = self._path.with_name(f"{self._path.name}.lock")
            with lock.open("w") as file:
                fcntl.flock(file, fcntl.LOCK_EX)
                yield
        except OSError as error:
            raise GitError(
                f"the heads of pull requests cannot be kept: {error.strerror}",
                hint="is the disk full, and may this user write to the data folder?",
            ) from error

    def _mend(self, words: str) -> None:
        shutil.rmtree(self._path, ignore_errors=True)
        raise MirrorError(
            f"the heads of pull requests are damaged and are fetched again: {words}"
        )


def _within(reason: str, look: Callable[[], _T]) -> _T | Refused:
    """Turn the end at a limit into a refusal; other errors stay what they are."""
    try:
        return look()
    except GitError as error:
        cause = error.__cause__
        is_limit = isinstance(cause, ProcessOutputError | ProcessTimeoutError)
        if not (is_limit or _NO_MEMORY.search(error.message)):
            raise
        return Refused(reason=reason)
