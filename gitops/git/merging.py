"""What a merge would hold: written as a tree, on no branch, by our rules alone.

A repository's own configuration and info/attributes can name programs that merge
files. So git works in an empty repository that shares only the objects.
"""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

from gitops.errors import GitError
from gitops.git.command import SafeGit
from gitops.git.walls import LOCAL_LIMITS, Walls
from gitops.model import CommitId
from gitops.process import Limits


@dataclass(frozen=True, slots=True, kw_only=True)
class MergedTree:
    """The tree that a merge gives.

    Attributes:
        id: of the tree object; it holds markers where there are conflicts.
        conflicts: the files that both sides have changed, sorted.
    """

    id: str
    conflicts: tuple[str, ...]


def merged_tree(
    git_dir: Path,
    one: CommitId,
    other: CommitId,
    *,
    limits: Limits = LOCAL_LIMITS,
    more: tuple[str, ...] = (),
) -> MergedTree:
    """Merge two commits' trees; the objects are added to a repository's.

    Args:
        git_dir: of the repository.
        one: a commit that is there, as the caller has checked.
        other: another, with an ancestor in common.
        limits: what git may use.
        more: words before git's subcommand.

    Raises:
        GitError: git fails, or uses more than it may.
    """
    with tempfile.TemporaryDirectory(prefix="merge-") as folder:
        empty = Path(folder)
        (empty / "HEAD").write_text("ref: refs/heads/none\n")
        (empty / "refs").mkdir()
        variables = {"GIT_OBJECT_DIRECTORY": str(git_dir / "objects")}
        walls = Walls(git_dir=empty, variables=variables, limits=limits, more=more)
        words = ("--write-tree", "-z", "--name-only", "--no-messages")
        answer = SafeGit(walls=walls).ask("merge-tree", *words, one, other)
    if answer.code not in (0, 1):
        raise GitError(f"{git_dir.name}: git merge-tree: {answer.words}")
    tree, *names = answer.stdout.decode("utf-8", "backslashreplace").split("\0")
    found = {name for name in names if name} if answer.code == 1 else set()
    return MergedTree(id=tree, conflicts=tuple(sorted(found)))
