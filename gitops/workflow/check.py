"""Check what is there, changing nothing: a fleet, one overlay, or any manifests.

What does not parse or does not build is a finding here, not an error: the question
was whether the files are right.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import PurePosixPath
from typing import Final

from gitops.errors import (
    GitopsError,
    PlacedError,
    RenderError,
    TreeError,
    UnknownNameError,
)
from gitops.layout import (
    KUSTOMIZATION_FILES,
    kustomization_in,
    overlay_folders,
    overlay_path,
    target_at,
)
from gitops.model import Finding, Fleet, Manifests, Severity, Target, Tree
from gitops.overlay import read_overlay
from gitops.reach import prefetch
from gitops.render import Renderer
from gitops.schemas import Schemas
from gitops.validate import (
    check_files,
    check_manifests,
    check_together,
    check_tree,
)
from gitops.workflow.place import Progress, fleet_of, silent

_MANIFESTS: Final = frozenset({".yaml", ".yml", ".json"})


def check_repository(
    tree: Tree,
    renderer: Renderer,
    schemas: Schemas,
    *,
    only: Target | None = None,
    progress: Progress = silent,
) -> tuple[Finding, ...]:
    """Check gitops.yaml, every overlay's files, and what kustomize makes of them.

    Args:
        tree: a commit or a work tree.
        renderer: builds the overlays.
        schemas: of the chosen Kubernetes version.
        only: check this target's overlay alone.
        progress: told how many overlays are done.

    Raises:
        UnknownNameError: ``only`` is no target of the fleet.
    """
    try:
        fleet = fleet_of(tree)
    except TreeError as error:
        return (finding_of(error, "unparsable"),)
    folders = (
        overlay_folders(tree, fleet.overlay_pattern)
        if only is None
        else (_folder_of(tree, fleet, only),)
    )
    found = [
        finding
        for finding in check_tree(tree, fleet)
        if only is None or _is_about(finding, folders)
    ]
    prefetch(tree, folders)
    built = renderer.attempt(
        tree, folders, progress=lambda done, total: progress("check", done, total)
    )
    for folder, result in built.items():
        found += _judged(folder, result, schemas)
    found += check_together(_by_promotion(fleet, built), schemas)
    return tuple(dict.fromkeys(found))


def check_path(
    tree: Tree, path: str, renderer: Renderer, schemas: Schemas
) -> tuple[Finding, ...]:
    """Check one kustomization, one file of manifests, or a folder of them.

    Args:
        tree: the files around the path.
        path: relative to the tree's root; "" is the root.
        renderer: builds a kustomization.
        schemas: of the chosen Kubernetes version.

    Raises:
        UnknownNameError: there is nothing to check at the path.
    """
    name = PurePosixPath(path).name
    if path in tree and name not in KUSTOMIZATION_FILES:
        return check_files(tree, [path], schemas)
    folder = path.rpartition("/")[0] if path in tree else path
    try:
        if kustomization_in(tree, folder) is not None:
            built = renderer.attempt(tree, [folder])
            return _judged(folder, built[folder], schemas)
    except TreeError as error:
        return (finding_of(error, "unparsable"),)
    files = [p for p in tree.paths_under(path) if PurePosixPath(p).suffix in _MANIFESTS]
    if not files:
        raise UnknownNameError(
            f"{path or '.'}: nothing to check: no kustomization, no manifests",
            hint="name a file, a folder with a kustomization, or STACK ENV",
        )
    return check_files(tree, files, schemas)


def _by_promotion(
    fleet: Fleet, built: Mapping[str, Manifests | RenderError]
) -> dict[Target, Manifests]:
    """Return what could be built, in the order in which versions travel."""
    known = {
        target: result
        for folder, result in built.items()
        if isinstance(result, Manifests)
        and (target := target_at(fleet.overlay_pattern, folder))
    }
    order = [environment.name for environment in fleet.environments]
    return {
        target: known[target]
        for environment in order
        for target in known
        if target.environment == environment
    }


def _folder_of(tree: Tree, fleet: Fleet, target: Target) -> str:
    try:
        return read_overlay(tree, fleet, target).path
    except UnknownNameError:
        raise
    except TreeError:
        # Broken, and that will be a finding; where it is does not depend on that.
        return overlay_path(fleet.overlay_pattern, target)


def _is_about(finding: Finding, folders: tuple[str, ...]) -> bool:
    """Whether a finding is in one of the folders, or about a folder itself."""
    return finding.path.rpartition("/")[0] in folders or any(
        f"{folder}/".startswith(f"{finding.path}/") for folder in folders
    )


def _judged(
    folder: str, built: Manifests | RenderError, schemas: Schemas
) -> tuple[Finding, ...]:
    if isinstance(built, RenderError):
        return (finding_of(built, "does-not-build", path=folder),)
    return check_manifests(built, schemas)


def finding_of(error: GitopsError, rule: str, *, path: str = "") -> Finding:
    """Tell an error as a finding, at the place that it names."""
    where, line, message = "", 0, error.message
    if isinstance(error, PlacedError):
        where, line, message = error.path, error.line, error.problem
    elif isinstance(error, RenderError):
        where, line = error.path, error.line
    return Finding(
        rule=rule,
        severity=Severity.ERROR,
        path=where or path or error.message.partition(":")[0],
        line=line,
        message=message,
        hint=error.hint,
    )
