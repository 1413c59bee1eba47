"""Make a new repository: a bare origin in the data folder, a work tree for the user.

Everything is checked before the first file is written. The origin appears last, by a
rename, so a crash leaves a folder that the user can delete and nothing else.
"""

from __future__ import annotations

import os
import re
import shutil
from contextlib import AbstractContextManager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Final

from gitops.errors import InputError, ManifestError, TreeError
from gitops.git import BareRepository, LeftAlone, WorkTree, use_git
from gitops.model import (
    BranchName,
    CommitId,
    Plan,
    Severity,
    Tree,
    WriteFile,
    tree_of,
)
from gitops.scaffold import Options, plan_init
from gitops.schemas import load_schemas
from gitops.tree import read_work_tree
from gitops.workflow import Progress, check_repository
from gitops.workflow.place import silent
from service.clock import utc_now
from service.locks import exclusive
from service.origins import around, forge_folder
from service.repository import IDENTITY, renderer_of
from service.settings import Settings

RELEASE: Final = version("directus-gitops")
BRANCH: Final = BranchName("main")
_LONGEST_NAME: Final = 60
_MESSAGE: Final = f"Generate the repository\n\nBy directus-gitops {RELEASE}.\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class Created:
    """A repository that was made, or with a dry run would be."""

    name: str
    commit: CommitId | None
    files: tuple[str, ...]


def plan_of(options: Options, *, requested_by: str) -> Plan:
    """Return the plan of a new repository by this release."""
    return plan_init(options, requested_by=requested_by, release=RELEASE)


def create_repository(
    settings: Settings,
    folder: Path,
    plan: Plan,
    *,
    dry_run: bool = False,
    progress: Progress = silent,
) -> Created:
    """Check a planned repository, write it, and give it an origin.

    Args:
        settings: for the data folder and the tools.
        folder: of the work tree; must be new or empty.
        plan: of new files only.
        dry_run: check, and stop before the first write.
        progress: told how many overlays are checked.

    Raises:
        InputError: the folder holds something.
        ManifestError: the result breaks a rule.
        ToolError: git or kustomize is missing.
    """
    use_git(settings.search_path)
    target = Path(os.path.normpath(folder.absolute()))
    _check_empty(target)
    tree = tree_of_plan(plan)
    found = check_repository(
        tree,
        renderer_of(settings),
        load_schemas(settings.kubernetes),
        progress=progress,
    )
    errors = tuple(f for f in found if f.severity is Severity.ERROR)
    if errors:
        raise ManifestError(
            f"{errors[0].path}: {errors[0].message}",
            findings=errors,
            hint=errors[0].hint,
        )
    files = tuple(sorted(tree.entries))
    with _forge_lock(settings):
        name = _free_name(settings, target.name)
        if dry_run:
            return Created(name=name, commit=None, files=files)
        commit = _write(target, tree, _MESSAGE)
        _make_origin(forge_folder(settings) / f"{name}.git", target, BRANCH)
    return Created(name=name, commit=commit, files=files)


def add_repository(settings: Settings, folder: Path) -> Created:
    """Give a work tree that has no origin one of the embedded forge.

    Args:
        settings: for the data folder.
        folder: the work tree, or a folder in it; its current branch becomes the base.

    Raises:
        TreeError: there is no work tree, or nothing is committed on a branch.
        InputError: it has an origin already.
    """
    use_git(settings.search_path)
    root = around(folder)
    if root is None:
        raise TreeError(
            f"{folder}: is not in a Git work tree",
            hint="make a repository with `directus-gitops init DIR`",
        )
    work_tree = WorkTree(root)
    branch, head = work_tree.current_branch(), work_tree.head()
    if branch is None or head is None:
        raise TreeError(
            f"{folder}: nothing is committed on a branch there",
            hint="check out the branch that pull requests go to, and commit",
        )
    if work_tree.origin_url():
        raise InputError(
            f"{folder}: has an origin already; it is left as it is",
            hint="`git remote remove origin` first, if the embedded forge shall be it",
        )
    with _forge_lock(settings):
        name = _free_name(settings, root.name)
        _make_origin(forge_folder(settings) / f"{name}.git", root, branch)
    files = tuple(sorted(read_work_tree(root).entries))
    return Created(name=name, commit=head, files=files)


def _forge_lock(settings: Settings) -> AbstractContextManager[None]:
    """Keep two new repositories from taking one name."""
    lock = settings.data / "locks" / "forge"
    return exclusive(lock, wait=settings.lock_wait_s, what="the forge")


def _check_empty(folder: Path) -> None:
    if not str(folder).isprintable():
        raise InputError(
            f"{folder.name!a}: holds characters that cannot be printed",
            hint="name a folder that people can type",
        )
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise InputError(
            f"{folder.name}: is not an empty folder; nothing was written",
            hint="name a new folder, or empty this one",
        )


def tree_of_plan(plan: Plan) -> Tree:
    """Return the files of a plan that makes a new repository."""
    return tree_of(
        {c.path: c.content for c in plan.changes if isinstance(c, WriteFile)}
    )


def _free_name(settings: Settings, wanted: str) -> str:
    """Return a name for the origin that no other repository has."""
    plain = re.sub(r"[^a-z0-9]+", "-", wanted.lower()).strip("-")[:_LONGEST_NAME]
    base = plain or "fleet"
    names = (base, *(f"{base}-{number}" for number in range(2, 10_000)))
    folder = forge_folder(settings)
    return next(
        name
        for name in names  # also where only the pull requests are left
        if not any((folder / f"{name}{end}").exists() for end in (".git", ".db"))
    )


def _write(folder: Path, tree: Tree, message: str) -> CommitId:
    work_tree = WorkTree.init(folder, BRANCH)
    for path in tree.entries:
        file = folder / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(tree.read(path))
    return work_tree.add_all_and_commit(message, author=IDENTITY, at=utc_now())


def _make_origin(origin: Path, folder: Path, branch: BranchName) -> None:
    fresh = origin.with_name(f".{origin.name}.new")
    shutil.rmtree(fresh, ignore_errors=True)
    BareRepository.create(fresh, branch).take_branch(folder, branch)
    WorkTree(folder).set_origin(str(origin))
    fresh.rename(origin)


def follow(work_tree: WorkTree, branch: BranchName) -> str:
    """Bring a checkout along after a merge, if it is clean and only behind.

    Returns:
        A sentence when it was left as it is; empty when it is up to date.
    """
    result = work_tree.fast_forward(branch)
    if isinstance(result, LeftAlone):
        return f"Your work tree was left as it is: {result.reason}."
    return ""
