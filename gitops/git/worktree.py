"""A person's checkout: looked at, made by `init`, moved forward when that is safe.

It belongs to the person. Nothing here throws away a change, runs a hook or a filter of
it, or writes through it into another place. "Left alone" is a value with a reason.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import Final, TypeAlias

from gitops import layout
from gitops.errors import GitError, InputError
from gitops.git.command import Answer, SafeGit, SafeRepository
from gitops.git.objects import Identity, commit_object, pack
from gitops.git.remote import Remote, check_url
from gitops.git.walls import REMOTE_LIMITS, Walls
from gitops.model import BranchName, CommitId

_REFSPEC: Final = "+refs/heads/*:refs/remotes/origin/*"
_FILTER_KEYS: Final = ("clean", "smudge", "process")
_FETCH: Final = (
    "--upload-pack=git-upload-pack",  # remote.<address>.uploadpack names any program
    "--no-tags",
    "--no-write-fetch-head",
    "--no-auto-maintenance",
)
_MERGE: Final = (
    "--ff-only",
    "--quiet",
    "--no-stat",
    "--no-autostash",
    "--no-verify",
    "--no-verify-signatures",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class FastForwarded:
    """The checkout has moved forward."""

    before: CommitId
    after: CommitId


@dataclass(frozen=True, slots=True)
class UpToDate:
    """The checkout holds the remote's branch already."""


@dataclass(frozen=True, slots=True)
class LeftAlone:
    """The checkout was not touched; the reason is a sentence for its owner."""

    reason: str


Forwarding: TypeAlias = FastForwarded | UpToDate | LeftAlone


class WorkTree:
    """A checkout.

    Args:
        root: its top folder, the one that holds `.git`.

    Raises:
        GitError: the folder is not the top of a checkout.
    """

    def __init__(self, root: Path) -> None:
        self.root = root.resolve()
        if not (self.root / ".git").exists():
            raise GitError(
                f"{root.name or root} is not a git checkout",
                hint="run `directus-gitops init` there, or give another --repo",
            )
        self._git = SafeRepository(Walls(cwd=self.root, work_tree=self.root))
        self._git = SafeRepository(self._walls_without_filters())

    @classmethod
    def containing(cls, folder: Path) -> WorkTree | None:
        """Return the checkout that a folder is in; None when it is in none."""
        for candidate in (folder.resolve(), *folder.resolve().parents):
            if (candidate / ".git").exists():
                return cls(candidate)
        return None

    @classmethod
    def init(cls, root: Path, branch: BranchName) -> WorkTree:
        """Make a checkout of a folder; one that is there stays as it is.

        Args:
            root: the folder; it is made where it is not there.
            branch: the first branch.
        """
        if not (root / ".git").exists():
            root.mkdir(parents=True, exist_ok=True)
            first = f"--initial-branch={layout.branch_name(branch)}"
            SafeGit().init(first, "--quiet", "--template=", "--", str(root.resolve()))
        return cls(root)

    # --- looking ---

    def origin_url(self) -> str | None:
        """Return the address of `origin` as configured, unchecked; None without one."""
        answer = self._git.ask("config", "--local", "--get", "remote.origin.url")
        url = answer.stdout.decode("utf-8", "backslashreplace").removesuffix("\n")
        return url if answer.code == 0 and url else None

    def current_branch(self) -> BranchName | None:
        """Return the branch that is checked out; None for a detached HEAD."""
        answer = self._git.ask("symbolic-ref", "--quiet", "HEAD")
        ref = answer.stdout.decode("utf-8", "backslashreplace").strip()
        prefix = "refs/heads/"
        return BranchName(ref.removeprefix(prefix)) if ref.startswith(prefix) else None

    def head(self) -> CommitId | None:
        """Return the commit that is checked out; None before the first one."""
        words = ("--verify", "--quiet", "--end-of-options", "HEAD^{commit}")
        answer = self._git.ask("rev-parse", *words)
        return CommitId(answer.stdout.decode().strip()) if answer.code == 0 else None

    def is_clean(self) -> bool:
        """Whether no tracked file differs from the commit; new files do not count.

        Raises:
            GitError: git cannot read the checkout.
        """
        words = ("--porcelain", "-z", "--untracked-files=no", "--ignore-submodules=all")
        return not self._ask("status", *words).stdout

    # --- making ---

    def set_origin(self, url: str) -> None:
        """Set the address of `origin`.

        Raises:
            InputError: the address is none that we use.
        """
        check_url(url, allow_file=True)
        self._ask("config", "--local", "remote.origin.url", url)
        self._ask("config", "--local", "remote.origin.fetch", _REFSPEC)

    def add_all_and_commit(
        self, message: str, *, author: Identity, at: datetime
    ) -> CommitId:
        """Commit every file as it is, byte for byte; ignored files stay out.

        Nothing to commit is no error: the commit that is checked out is returned.

        Args:
            message: of the commit.
            author: also the committer.
            at: aware, in whole seconds.

        Raises:
            GitError: git refuses, or there is no file at all.
        """
        self._stage_all()
        tree = self._ask("write-tree").stdout.decode().strip()
        head = self.head()
        if head is not None and tree == self._tree_of(head):
            return head
        commit = commit_object(tree, (head,) if head else (), message, author, at)
        self._ask("unpack-objects", "-q", "--strict", stdin=pack([commit]))
        words = ("-m", "commit", "--end-of-options", "HEAD", commit.id)
        self._ask("update-ref", *words, head or "0" * 40)
        return CommitId(commit.id)

    def _stage_all(self) -> None:
        """Write files as blobs without filters, and the index without a work tree."""
        listed = self._list("--cached", "--others", "--exclude-standard")
        files = [path for path in listed if self._is_plain(path)]
        stdin = "".join(f"{path}\n" for path in files).encode(
            "utf-8", "surrogateescape"
        )
        words = ("-w", "--no-filters", "--stdin-paths")
        blobs = self._ask("hash-object", *words, stdin=stdin).stdout.decode().split()
        lines = [
            f"{self._mode(path)} {blob}\t{path}"
            for path, blob in zip(files, blobs, strict=True)
        ]
        lines += [f"0 {'0' * 40}\t{path}" for path in self._list("--deleted")]
        stdin = "".join(f"{line}\0" for line in lines).encode(
            "utf-8", "surrogateescape"
        )
        self._ask(
            "update-index", "-z", "--add", "--remove", "--index-info", stdin=stdin
        )
        self._git.ask("update-index", "-q", "--refresh")

    def _list(self, *flags: str) -> list[str]:
        output = self._ask("ls-files", "-z", *flags).stdout
        paths = output.decode("utf-8", "surrogateescape").split("\0")
        bad = next((path for path in paths if "\n" in path), None)
        if bad is not None:
            raise GitError(f"{bad[:80]!a}: a file name of more than one line")
        return sorted({path for path in paths if path})

    def _is_plain(self, path: str) -> bool:
        place = self.root / path
        return place.is_file() and not place.is_symlink()

    def _mode(self, path: str) -> str:
        return "100755" if (self.root / path).stat().st_mode & 0o100 else "100644"

    def _tree_of(self, commit: CommitId) -> str:
        words = ("--verify", "--end-of-options", f"{commit}^{{tree}}")
        return self._ask("rev-parse", *words).stdout.decode().strip()

    # --- moving forward ---

    def fast_forward(self, branch: BranchName) -> Forwarding:
        """Bring the checkout to the remote's branch when that loses nothing.

        Only a checkout of this branch that is clean and merely behind is moved.

        Args:
            branch: the base branch.

        Raises:
            InputError: the branch's name is not safe to use.
        """
        name = layout.branch_name(branch)
        try:
            before = self._ready(name)
            if isinstance(before, LeftAlone):
                return before
            after = self._fetched(name)
            if isinstance(after, LeftAlone):
                return after
            return self._forward(before, after)
        except GitError as error:
            return LeftAlone(f"git could not look at it: {error.message}")

    def _ready(self, branch: BranchName) -> CommitId | LeftAlone:
        current, head = self.current_branch(), self.head()
        if current != branch:
            where = f"on the branch {current}" if current else "on no branch"
            return LeftAlone(f"it is {where}, not on {branch}")
        if head is None:
            return LeftAlone("it has no commit yet")
        if not self.is_clean():
            return LeftAlone("it has changes that are not committed")
        return head

    def _fetched(self, branch: BranchName) -> CommitId | LeftAlone:
        """Fetch the branch from origin, and return where it is."""
        url = self.origin_url()
        if url is None:
            return LeftAlone("it has no origin")
        try:
            remote = Remote(url=check_url(url, allow_file=True))
        except InputError:
            return LeftAlone("the address of its origin is none that we use")
        ref = f"refs/remotes/origin/{branch}"
        refspec = f"+refs/heads/{branch}:{ref}"
        answer = self._ask_remote(
            remote, *_FETCH, "--end-of-options", remote.url, refspec
        )
        if answer.code != 0:
            return LeftAlone(f"its origin could not be fetched: {answer.words}")
        found = self._ask("rev-parse", "--verify", "--end-of-options", ref)
        return CommitId(found.stdout.decode().strip())

    def _ask_remote(self, remote: Remote, *words: str) -> Answer:
        walls = Walls(
            cwd=self.root,
            work_tree=self.root,
            protocol=remote.protocol,
            limits=REMOTE_LIMITS,
            variables=self._git.walls.variables,
        )
        return SafeGit(walls=walls).ask("fetch", *words)

    def _forward(self, before: CommitId, after: CommitId) -> Forwarding:
        if self._contains(before, after):
            return UpToDate()
        if not self._contains(after, before):
            return LeftAlone("it has commits of its own; merge or rebase it yourself")
        answer = self._git.ask("merge", *_MERGE, "--end-of-options", after)
        if answer.code != 0:
            return LeftAlone(f"git refused to move it forward: {answer.words}")
        return FastForwarded(before=before, after=after)

    def _contains(self, commit: CommitId, ancestor: CommitId) -> bool:
        words = ("merge-base", "--is-ancestor", "--end-of-options", ancestor, commit)
        return self._git.ask(*words).code == 0

    # --- asking git ---

    def _ask(self, command: str, *words: str, stdin: bytes = b"") -> Answer:
        answer = self._git.ask(command, *words, stdin=stdin)
        if answer.code != 0:
            raise GitError(f"{self.root.name}: git {command}: {answer.words}")
        return answer

    def _walls_without_filters(self) -> Walls:
        """Blank the programs that the checkout's configuration names as filters."""
        words = ("--name-only", "-z", "--get-regexp", r"^filter\.")
        output = self._git.ask("config", *words).stdout.decode("utf-8", "replace")
        names = {key.rpartition(".")[0] for key in output.split("\0") if key}
        return replace(self._git.walls, variables=_blanked(sorted(names)))


def _blanked(names: Sequence[str]) -> dict[str, str]:
    """Return the variables that blank every program of some filters.

    Not as words of the command: there a name with "=" in it would end early.
    """
    settings = [(f"{name}.{key}", "") for name in names for key in _FILTER_KEYS]
    settings += [(f"{name}.required", "false") for name in names]
    variables = {"GIT_CONFIG_COUNT": str(len(settings))}
    for number, (key, value) in enumerate(settings):
        variables |= {
            f"GIT_CONFIG_KEY_{number}": key,
            f"GIT_CONFIG_VALUE_{number}": value,
        }
    return variables
