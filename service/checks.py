"""Check files of this machine: a repository needs no forge for that, nor a database."""

from __future__ import annotations

from pathlib import Path

from gitops import branch_name, target
from gitops.errors import TreeError, UnknownNameError
from gitops.git import BareRepository, use_git
from gitops.model import Finding, Tree
from gitops.schemas import load_schemas
from gitops.tree import read_work_tree
from gitops.workflow import Progress, check_path, check_repository
from gitops.workflow.place import silent
from service.repository import around, forge_folder, renderer_of
from service.settings import Settings


def check_fleet(
    settings: Settings,
    repo: str,
    ref: str,
    *,
    only: tuple[str, str] | None = None,
    progress: Progress = silent,
) -> tuple[Finding, ...]:
    """Check a work tree as it is, or one branch of an embedded repository.

    Raises:
        TreeError: there is no repository.
        UnknownNameError: no such branch, stack or environment.
    """
    return check_repository(
        files_of(settings, repo, ref),
        renderer_of(settings),
        load_schemas(settings.kubernetes),
        only=None if only is None else target(*only),
        progress=progress,
    )


def check_any(settings: Settings, path: Path) -> tuple[Finding, ...]:
    """Check any kustomization or manifests.

    The Git work tree around it bounds what a kustomization may reach; without one,
    the current directory does.

    Raises:
        UnknownNameError: there is nothing at the path.
    """
    here = path.absolute()
    if not here.exists():
        raise UnknownNameError(f"{path}: no such file or folder")
    root = around(here)
    if root is None:
        current = Path.cwd()
        folder = here if here.is_dir() else here.parent
        root = current if here.is_relative_to(current) else folder
    relative = here.relative_to(root).as_posix()
    return check_path(
        read_work_tree(root),
        "" if relative == "." else relative,
        renderer_of(settings),
        load_schemas(settings.kubernetes),
    )


def files_of(settings: Settings, repo: str, ref: str = "") -> Tree:
    """Read the files that `--repo` and `--ref` name.

    Raises:
        TreeError: there is no repository.
        UnknownNameError: no such branch.
    """
    embedded = forge_folder(settings) / f"{repo}.git"
    root = around(Path(repo))
    if not ref and root is not None:
        return read_work_tree(root)
    if "/" in repo or not embedded.is_dir():
        if root is None:
            raise TreeError(
                f"{repo}: is not in a Git work tree, and no repository has that name",
                hint="go to a generated repository, or name one with --repo",
            )
        embedded = root / ".git"
    use_git(settings.search_path)
    repository = BareRepository(embedded)
    branch = branch_name(ref) if ref else repository.default_branch()
    tip = repository.tip(branch)
    if tip is None:
        raise UnknownNameError(f"there is no branch {branch}", hint="see `git branch`")
    return repository.read_tree(tip)
