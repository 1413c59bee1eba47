"""What every bare repository of ours can do: read trees and history, write commits.

Objects are read and written by plumbing, so no attribute, filter, work tree or index
has a say in any byte. A new commit belongs to no branch until somebody moves one.
"""

from __future__ import annotations

import re
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from gitops import layout
from gitops.errors import GitError, InputError
from gitops.git.blobs import BlobReader, LazyBlobs
from gitops.git.command import Answer, SafeRepository
from gitops.git.objects import (
    GitObject,
    Identity,
    TreeWriter,
    commit_object,
    entries_of,
    pack,
)
from gitops.git.signers import Signer
from gitops.git.signing import sign
from gitops.git.walls import Walls
from gitops.model import BranchName, CommitId, FileEdit, Tree

_COMMIT: Final = re.compile(r"[0-9a-f]{40}", re.ASCII)
_FEW_OBJECTS: Final = 100  # as receive-pack: fewer are stored loose, more as a pack
_CONFLICTS: Final = range(1, 128)  # exit codes of merge-file: how many


@dataclass(frozen=True, slots=True, kw_only=True)
class LoggedCommit:
    """One commit of a history.

    Attributes:
        id: the commit.
        author: the author's name, as written.
        at: when it was committed, aware UTC.
        subject: the first paragraph of its message, in one line.
        parents: their ids, in order.
    """

    id: CommitId
    author: str
    at: datetime
    subject: str
    parents: tuple[CommitId, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class MergedFile:
    """A three-way merge of one file; `conflicted` means that it holds markers."""

    content: bytes
    conflicted: bool


def checked_commit(commit: str) -> CommitId:
    """Accept a full commit id.

    Raises:
        InputError: anything else, such as a name, a range or an option.
    """
    if not _COMMIT.fullmatch(commit):
        raise InputError(f"{commit[:80]!a} is not a commit id")
    return CommitId(commit)


def prefix_blocked(branch: str, other: str) -> GitError:
    """Return the error of a branch that cannot be beside another: `a` and `a/b`."""
    return GitError(
        f"prefix blocked: there cannot be a branch {branch} beside the branch {other}",
        hint=f"rename or delete {other}, or choose another branch prefix",
    )


class Repository(ABC):
    """A bare repository at a known place.

    Args:
        path: its folder.
        namespace: where its branches are, "refs/heads/" or a remote's.
    """

    def __init__(self, path: Path, *, namespace: str) -> None:
        self._path = path
        self._namespace = namespace
        self._git = SafeRepository(Walls(git_dir=path))
        self._blobs = BlobReader(self._ask, self._mend)

    # --- asking git ---

    @abstractmethod
    def _mend(self, words: str) -> None:
        """Make a damaged repository whole again.

        Args:
            words: git's, about the damage.

        Raises:
            GitError: that cannot be done here, or has just been done without effect.
        """

    def _ask(
        self,
        command: str,
        *words: str,
        stdin: bytes = b"",
        accept: Sequence[int] = (0,),
    ) -> Answer:
        """Run a local git command; once more where a damage could be mended.

        Raises:
            GitError: its exit code is not one of the accepted.
        """
        while True:
            answer = self._git.ask(command, *words, stdin=stdin)
            # git only warns of a broken ref, and goes on as if there were none
            is_fine = answer.code in accept and "broken ref" not in answer.words
            if is_fine:
                return answer
            if not answer.shows_damage:
                raise GitError(f"git {command}: {answer.words}")
            self._mend(answer.words)

    # --- branches ---

    def branches(self, folder: str = "") -> dict[BranchName, CommitId]:
        """Return the branches, or those below a folder, with their tips; sorted."""
        prefix = self._namespace + (f"{layout.branch_name(folder)}/" if folder else "")
        return self._refs(prefix)

    def tip(self, branch: BranchName) -> CommitId | None:
        """Return where a branch is; None when there is no such branch."""
        name = layout.branch_name(branch)
        return self._refs(self._namespace + name).get(name)

    def _refs(self, pattern: str) -> dict[BranchName, CommitId]:
        answer = self._ask(
            "for-each-ref", "--format=%(objectname) %(refname)", "--", pattern
        )
        found: dict[BranchName, CommitId] = {}
        for line in answer.stdout.decode("utf-8", "backslashreplace").splitlines():
            commit, _, ref = line.partition(" ")
            found[BranchName(ref.removeprefix(self._namespace))] = CommitId(commit)
        return found

    # --- reading ---

    def read_tree(self, commit: CommitId) -> Tree:
        """Return the files of a commit; their bytes are read when asked for.

        Raises:
            GitError: there is no such commit here.
        """
        listing = self._list(commit, "-r")
        entries = entries_of(listing)
        return Tree(
            commit=commit, entries=entries, blobs=LazyBlobs(self._blobs, entries)
        )

    def _list(self, commit: CommitId, *flags: str) -> bytes:
        self._check_here(commit)
        words = ("-z", "--full-tree", *flags, "--end-of-options", commit)
        return self._ask("ls-tree", *words).stdout

    def _check_here(self, *commits: CommitId) -> None:
        """Refuse ids of commits that are not here.

        Raises:
            GitError: one of them is not; a branch that shows it is a damage instead.
            InputError: one of them is no commit id.
        """
        missing = self._missing(commits)
        if missing and not missing.isdisjoint(self.branches().values()):
            self._mend("commits of branches are missing")
            missing = self._missing(commits)
        if missing:
            raise GitError(
                f"commit {min(missing)[:12]} is not in the repository",
                hint="it may have been removed by a forced push; look again",
            )

    def _missing(self, commits: Sequence[CommitId]) -> set[CommitId]:
        stdin = "".join(f"{checked_commit(commit)}\n" for commit in commits).encode()
        answer = self._ask("cat-file", "--batch-check=%(objecttype)", stdin=stdin)
        kinds = answer.stdout.splitlines()
        pairs = zip(commits, kinds, strict=True)
        return {commit for commit, kind in pairs if kind != b"commit"}

    def read_blobs(self, blobs: Sequence[str]) -> dict[str, bytes]:
        """Return the bytes of objects, read by two processes.

        Args:
            blobs: object ids, or `commit:path`.

        Returns:
            What is there; names of other things than blobs are left out, and those of
            blobs over 1 MiB.
        """
        return self._blobs.read_small(blobs)

    def blob_at(self, commit: CommitId, path: str) -> bytes | None:
        """Return what git stores at a path; None when there is no file.

        Raises:
            GitError: there is no such commit here.
        """
        return self.blobs_at([(commit, path)])[0]

    def blobs_at(
        self, places: Sequence[tuple[CommitId, str]]
    ) -> tuple[bytes | None, ...]:
        """Return what git stores at many places; nothing for what is too large.

        Raises:
            GitError: one of the commits is not here.
            TreeError: one of the paths is none.
        """
        if not places:
            return ()
        self._check_here(*dict.fromkeys(commit for commit, _ in places))
        names = [f"{commit}:{layout.checked_path(path)}" for commit, path in places]
        found = self.read_blobs(names)
        return tuple(found.get(name) for name in names)

    def history(
        self,
        start: CommitId | BranchName,
        paths: Sequence[str] = (),
        *,
        limit: int | None = None,
        first_parent: bool = False,
    ) -> tuple[LoggedCommit, ...]:
        """Return the commits that lead to a commit or branch, newest first.

        Args:
            start: a commit id, or the name of a branch.
            paths: only those that changed one of these files or folders.
            limit: how many at most.
            first_parent: follow the branch itself, not what was merged into it.

        Raises:
            GitError: there is no such commit or branch here.
        """
        words = [f"--format={_LOG_FORMAT}", "-z", "--no-show-signature"]
        words += ["--no-notes", "--no-decorate", "--no-mailmap"]
        words += [f"--max-count={limit}"] if limit is not None else []
        words += ["--first-parent", "--diff-merges=off"] if first_parent else []
        checked = [layout.checked_path(path) for path in paths]
        commit = self._resolved(start)
        answer = self._ask("log", *words, "--end-of-options", commit, "--", *checked)
        return tuple(_parse_log(answer.stdout))

    def _resolved(self, start: CommitId | BranchName) -> CommitId:
        if _COMMIT.fullmatch(start):
            self._check_here(CommitId(start))
            return CommitId(start)
        tip = self.tip(BranchName(start))
        if tip is None:
            raise GitError(f"there is no branch {start}")
        return tip

    def first_parent(self, commit: CommitId) -> CommitId | None:
        """Return the commit that a branch was at before; None for a first commit.

        Raises:
            GitError: there is no such commit here.
        """
        logged = self.history(checked_commit(commit), limit=1)
        return next(iter(logged[0].parents), None)

    def is_ancestor(self, ancestor: CommitId, commit: CommitId) -> bool:
        """Whether a commit is contained in another one's history, or is that one."""
        self._check_here(ancestor, commit)
        words = ("--is-ancestor", "--end-of-options", ancestor, commit)
        return self._ask("merge-base", *words, accept=(0, 1)).code == 0

    def merge_base(
        self, one: CommitId | BranchName, other: CommitId | BranchName
    ) -> CommitId | None:
        """Return the newest common ancestor; None for unrelated histories.

        Raises:
            GitError: there is no such commit or branch here.
        """
        pair = (self._resolved(one), self._resolved(other))
        answer = self._ask("merge-base", "--end-of-options", *pair, accept=(0, 1))
        return CommitId(answer.stdout.decode().strip()) if answer.code == 0 else None

    # --- writing ---

    def commit(
        self,
        *,
        tree_of: CommitId | None,
        edits: Sequence[FileEdit],
        parents: tuple[CommitId, ...],
        message: str,
        author: Identity,
        at: datetime,
        signer: Signer | None = None,
    ) -> CommitId:
        """Write a commit that no branch shows yet; the same arguments, the same id.

        Args:
            tree_of: whose files the edits change; None for no files.
            edits: what happens to them.
            parents: of the new commit.
            message: subject, body and trailers.
            author: also the committer.
            at: aware, in whole seconds; author's and committer's date.
            signer: signs it; None leaves it unsigned.

        Raises:
            GitError: a commit is not here, or the disk refuses.
            CredentialError: it cannot be signed.
            InputError: git cannot hold the message, the name or the date.
            ToolError: the program that signs is not there.
            TreeError: an edit would write over or through something that is no file.
        """
        if parents:
            self._check_here(*parents)
        listing = b"" if tree_of is None else self._list(tree_of, "-r", "-t")
        tree, objects = TreeWriter(listing, edits).write()
        commit = commit_object(tree, parents, message, author, at)
        if signer is not None:
            self._store(objects)
            objects, commit = (), sign(commit, signer, git_dir=self._path)
        self._store([*objects, commit])
        return CommitId(commit.id)

    def _store(self, objects: Sequence[GitObject]) -> None:
        """Write objects by one process, checked, the ones that others need first."""
        if len(objects) <= _FEW_OBJECTS:
            self._ask("unpack-objects", "-q", "--strict", stdin=pack(objects))
        else:
            self._ask("index-pack", "--stdin", "--strict", stdin=pack(objects))

    # --- merging files ---

    def merge_file(
        self, base: bytes, ours: bytes, theirs: bytes, *, labels: tuple[str, str, str]
    ) -> MergedFile:
        """Merge two descendants of one file.

        Args:
            base: the common ancestor.
            ours: what stands.
            theirs: what comes.
            labels: of ours, base and theirs, for the conflict markers.

        Raises:
            GitError: one of them is no text.
        """
        if not all(label.isprintable() for label in labels):
            raise InputError("a label of a conflict marker is one line of text")
        with tempfile.TemporaryDirectory(prefix="merge-") as folder:
            names = []
            for name, content in (("ours", ours), ("base", base), ("theirs", theirs)):
                place = Path(folder) / name
                place.write_bytes(content)
                names.append(str(place))
            words = [word for label in labels for word in ("-L", label)]
            answer = self._git.ask("merge-file", "-p", *words, "--", *names)
        if answer.code != 0 and answer.code not in _CONFLICTS:
            raise GitError(f"the file cannot be merged: {answer.words}")
        return MergedFile(content=answer.stdout, conflicted=answer.code != 0)


# --- git's answers ---

_LOG_FORMAT: Final = "%H%n%an%n%ct%n%P%n%s"


def _parse_log(output: bytes) -> Iterator[LoggedCommit]:
    for record in output.decode("utf-8", "backslashreplace").split("\0"):
        if record:
            commit, author, seconds, parents, subject = record.split("\n", 4)
            yield LoggedCommit(
                id=CommitId(commit),
                author=author,
                at=datetime.fromtimestamp(int(seconds), UTC),
                subject=subject.strip(),
                parents=tuple(CommitId(parent) for parent in parents.split()),
            )
