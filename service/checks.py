"""Check files of this machine: a repository needs no forge for that, nor a database."""

from __future__ import annotations

import os
from pathlib import Path

from gitops import branch_name, target
from gitops.errors import UnknownNameError
from gitops.git import BareRepository, Mirror, WorkTree, use_git
from gitops.model import Finding, Tree
from gitops.schemas import load_schemas
from gitops.tree import read_work_tree
from gitops.workflow import Progress, check_path, check_repository
from gitops.workflow.place import silent
from service.forges import Forges
from service.origins import (
    around,
    embedded_origin,
    locate,
    repository_names,
    work_tree_root,
)
from service.repository import base_branch, readable, renderer_of
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
    here = Path(os.path.normpath(path.absolute()))
    if not _is_there(here):
        raise UnknownNameError(
            f"{str(path)[:200]!a}: no such file or folder",
            hint="name a file, a folder with a kustomization, or STACK ENV",
        )
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


def _is_there(place: Path) -> bool:
    try:
        return place.exists()
    except OSError:  # a name that no file can have
        return False


def files_of(settings: Settings, repo: str, ref: str = "") -> Tree:
    """Read the files that `--repo` and `--ref` name.

    Raises:
        TreeError: there is no repository.
        UnknownNameError: no such branch.
    """
    use_git(settings.search_path)
    if repo in repository_names(settings):
        located = locate(settings, repo)
        with Forges() as forges:
            return _tree_of(
                readable(settings, located, forges), ref or base_branch(located)
            )
    root = work_tree_root(settings, repo)
    if not ref:
        return read_work_tree(root)
    # The branches of the origin; without one of ours, those of the checkout.
    origin = embedded_origin(settings, WorkTree(root))
    return _tree_of(BareRepository(origin or root / ".git"), ref)


def _tree_of(repository: BareRepository | Mirror, ref: str) -> Tree:
    if isinstance(repository, Mirror):
        repository.fetch()
    branch = branch_name(ref)
    tip = repository.tip(branch)
    if tip is None:
        raise UnknownNameError(
            f"there is no branch {branch} to read", hint="see `git branch --all`"
        )
    return repository.read_tree(tip)
