"""The embedded forge's own repository: bare, ours, and the original itself.

Unlike a mirror it cannot be fetched again, so a damage is told and never mended here.
Branches move only from the place where the caller saw them.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from gitops import layout
from gitops.errors import GitError, PushRejectedError
from gitops.git.command import SafeGit
from gitops.git.failures import hint_for
from gitops.git.merging import merged_tree
from gitops.git.objects import Identity, commit_object
from gitops.git.remote import check_url
from gitops.git.repository import Repository, checked_commit, prefix_blocked
from gitops.git.walls import Walls
from gitops.model import BranchName, CommitId

_NAMESPACE: Final = "refs/heads/"
_NOWHERE: Final = "0" * 40
_CONFIG: Final = """\
[core]
\trepositoryformatversion = 0
\tbare = true
[transfer]
\tfsckObjects = true
[gc]
\tautoDetach = false
\tpruneExpire = never
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Conflict:
    """Two commits that cannot be merged without a person.

    Attributes:
        paths: the files that both have changed, sorted.
    """

    paths: tuple[str, ...]


class BareRepository(Repository):
    """A bare repository whose branches are its own.

    Args:
        path: its folder; see `create` for a new one.
    """

    def __init__(self, path: Path) -> None:
        super().__init__(path.absolute(), namespace=_NAMESPACE)

    @classmethod
    def create(cls, path: Path, default_branch: BranchName) -> BareRepository:
        """Make an empty repository; one that is there stays as it is.

        Args:
            path: its folder.
            default_branch: what a clone checks out.

        Raises:
            GitError: the folder holds something else.
        """
        head = f"ref: {_NAMESPACE}{layout.branch_name(default_branch)}\n"
        if (path / "HEAD").is_file():
            return cls(path)
        if path.exists() and any(path.iterdir()):
            raise GitError(f"{path.name} holds something that is not a repository")
        path.mkdir(parents=True, exist_ok=True)
        words = ("--bare", "--quiet", "--template=", "--", str(path.absolute()))
        SafeGit().init(*words)
        (path / "config").write_text(_CONFIG)
        (path / "HEAD").write_text(head)
        return cls(path)

    def default_branch(self) -> BranchName:
        """Return the branch that a clone checks out.

        Raises:
            GitError: HEAD is on no branch.
            InputError: it is on one whose name is not safe to use.
        """
        answer = self._git.ask("symbolic-ref", "HEAD")
        if answer.shows_damage:
            self._mend(answer.words)
        ref = answer.stdout.decode("utf-8", "backslashreplace").strip()
        if answer.code != 0 or not ref.startswith(_NAMESPACE):
            raise GitError(
                f"{self._path.name}: its HEAD is on no branch",
                hint="name its default branch there: "
                "git symbolic-ref HEAD refs/heads/main",
            )
        return layout.branch_name(ref.removeprefix(_NAMESPACE))

    def update_ref(
        self, branch: BranchName, new: CommitId, *, expected: CommitId | None
    ) -> None:
        """Move a branch; nothing to do when it is there already.

        Args:
            branch: it is made when expected is None.
            new: where it goes.
            expected: where it must be now; None when it must not be there.

        Raises:
            PushRejectedError: it is somewhere else; it stays there.
            GitError: the commit is not here, or a branch's name is in the way.
        """
        self._check_here(new)
        old = checked_commit(expected) if expected else _NOWHERE
        answer = self._move(branch, new, old)
        if answer is None:
            return
        at = self.tip(branch)
        if at == new:
            return
        if at != expected:
            where = f"at {at[:12]}" if at else "gone"
            raise PushRejectedError(f"{branch} is {where}, not where we saw it")
        others = [name for name in self.branches() if _collide(name, branch)]
        raise prefix_blocked(branch, others[0]) if others else GitError(answer)

    def delete_branch(self, branch: BranchName, *, expected: CommitId) -> bool:
        """Delete a branch if it is at a commit; whether we did."""
        words = ("--no-deref", "-d", "--end-of-options", f"{_NAMESPACE}{branch}")
        if self.tip(branch) != checked_commit(expected):
            return False
        return self._git.ask("update-ref", *words, expected).code == 0

    def _move(self, branch: BranchName, new: str, old: str) -> str | None:
        """Move a branch; return git's words when it refuses."""
        name = f"{_NAMESPACE}{layout.branch_name(branch)}"
        words = ("--no-deref", "--end-of-options", name, new, old)
        answer = self._git.ask("update-ref", *words)
        return None if answer.code == 0 else f"git update-ref: {answer.words}"

    def merge_commit(
        self,
        base_tip: CommitId,
        head: CommitId,
        message: str,
        identity: Identity,
        at: datetime,
    ) -> CommitId | Conflict:
        """Write the merge of a head into a base tip; no branch moves.

        Args:
            base_tip: first parent.
            head: second parent: exactly this commit, wherever its branch is by now.
            message: of the merge commit.
            identity: who merges.
            at: aware, in whole seconds.

        Raises:
            GitError: one of the commits is not here, or they have no common ancestor.
        """
        self._check_here(base_tip, head)
        if self.merge_base(base_tip, head) is None:
            raise GitError("the two commits have no history in common")
        made = merged_tree(self._path, base_tip, head)
        if made.conflicts:
            return Conflict(paths=made.conflicts)
        merge = commit_object(made.id, (base_tip, head), message, identity, at)
        self._store([merge])
        return CommitId(merge.id)

    def take_branch(self, source: Path, branch: BranchName) -> CommitId:
        """Copy a branch and its history from another repository of this machine.

        Args:
            source: a checkout or bare repository.
            branch: the same name here; here it only ever moves forward.

        Raises:
            GitError: it has no such branch, or ours has commits that it lacks.
        """
        url = check_url(str(source.absolute()), allow_file=True)
        name = f"{_NAMESPACE}{layout.branch_name(branch)}"
        walls = Walls(git_dir=self._path, protocol="file")
        words = ("--no-tags", "--no-write-fetch-head", "--no-auto-maintenance")
        answer = SafeGit(walls=walls).ask(
            "fetch", *words, "--end-of-options", url, f"{name}:{name}"
        )
        if answer.code != 0:
            raise GitError(
                f"{source.name}: git fetch: {answer.words}", hint=hint_for(answer.words)
            )
        return self.branches()[branch]

    def _mend(self, words: str) -> None:
        raise GitError(
            f"{self._path.name} is damaged: {words}",
            hint="restore it from a backup, or push its branches again from a clone",
        )


def _collide(one: str, other: str) -> bool:
    """Whether two branches cannot be beside each other, like `a` and `a/b`."""
    return one.startswith(f"{other}/") or other.startswith(f"{one}/")
