"""READ overlays: where each target's is, and what it says."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from typing import Final

from gitops import layout
from gitops.errors import GitopsError, TreeError, UnknownNameError
from gitops.model import EnvironmentName, Fleet, Overlay, Target, Tree
from gitops.overlay.images import (
    ImageEntry,
    find_image,
    image_entries,
    is_nothing,
    revision_of,
    scalar_at,
    the_only,
)
from gitops.yamltext import Mapping, Node, compose, parse_env, resolved

_NAMES_SHOWN: Final = 12


def list_targets(tree: Tree, fleet: Fleet) -> tuple[Target, ...]:
    """Return the targets that have an overlay, without reading any.

    A folder of an environment that gitops.yaml does not name is nobody's.

    Returns:
        In the order of gitops.yaml's environments, then by stack.
    """
    order = {e.name: index for index, e in enumerate(fleet.environments)}
    found: set[Target] = set()
    for path in tree.entries:
        folder, _, name = path.rpartition("/")
        if name in layout.KUSTOMIZATION_FILES:
            target = layout.target_at(fleet.overlay_pattern, folder)
            if target is not None and target.environment in order:
                found.add(target)
    return tuple(sorted(found, key=lambda t: (order[t.environment], t.stack)))


def list_overlays(
    tree: Tree, fleet: Fleet, *, environment: EnvironmentName | None = None
) -> tuple[Overlay, ...]:
    """Read every overlay, in the order of list_targets.

    Args:
        tree: where they are.
        fleet: by whose rules.
        environment: read those of this environment only.

    Raises:
        TreeError: one of them cannot be read; see read_overlay.
    """
    targets = [
        target
        for target in list_targets(tree, fleet)
        if environment in (None, target.environment)
    ]
    _prefetch(tree, fleet, targets)
    return tuple(read_overlay(tree, fleet, target) for target in targets)


def read_overlays(
    tree: Tree, fleet: Fleet
) -> tuple[tuple[Overlay, ...], tuple[GitopsError, ...]]:
    """Read every overlay that can be read, in the order of list_targets.

    For whoever has to go on although a neighbour is broken.

    Returns:
        The overlays, and why the others cannot be read.
    """
    targets = list_targets(tree, fleet)
    _prefetch(tree, fleet, targets)
    found: list[Overlay] = []
    errors: list[GitopsError] = []
    for target in targets:
        try:
            found.append(read_overlay(tree, fleet, target))
        except GitopsError as error:
            errors.append(error)
    return tuple(found), tuple(errors)


def _prefetch(tree: Tree, fleet: Fleet, targets: Sequence[Target]) -> None:
    folders = [layout.overlay_path(fleet.overlay_pattern, t) for t in targets]
    names = (*layout.KUSTOMIZATION_FILES, layout.CONFIG_FILE)
    tree.prefetch(f"{folder}/{name}" for folder in folders for name in names)


def read_overlay(tree: Tree, fleet: Fleet, target: Target) -> Overlay:
    """Read one overlay.

    Raises:
        UnknownNameError: no such environment, or no such stack there; the hint names
            those that exist.
        TreeError: a symlink or submodule on the way, or two kustomization files.
        YamlError: a file breaks the limits, there is not exactly one entry for the
            stack's image, or its tag or digest is not text that a registry can hold.
    """
    path = kustomization_path(tree, fleet, target)
    folder = path.rpartition("/")[0]
    root = compose(tree.read(path), path)
    entry = find_image(image_entries(root, path), fleet.image_of(target.stack), path)
    config = f"{folder}/{layout.CONFIG_FILE}"
    lines = parse_env(tree.read(config), config) if config in tree else ()
    return Overlay(
        target=target,
        path=folder,
        revision=revision_of(entry, path),
        namespace=_namespace(root, path),
        config={line.key: line.value for line in lines},
    )


def image_named(
    tree: Tree, fleet: Fleet, target: Target, name: str
) -> ImageEntry | None:
    """Return an overlay's ``images:`` entry by the name that kustomize looks for.

    None when there is none.

    Raises:
        UnknownNameError: see read_overlay.
        TreeError: see read_overlay.
        YamlError: the file breaks the limits, or has several such entries.
    """
    path = kustomization_path(tree, fleet, target)
    entries = image_entries(compose(tree.read(path), path), path)
    found = [entry for entry in entries if entry.name == name]
    return the_only(found, name, path) if found else None


def kustomization_path(tree: Tree, fleet: Fleet, target: Target) -> str:
    """Return the kustomization file of a target's overlay.

    Raises:
        UnknownNameError: see read_overlay.
        TreeError: a symlink or submodule on the way, or two kustomization files.
    """
    if fleet.environment(target.environment) is None:
        raise UnknownNameError(
            f"environment {target.environment} is not in {layout.FLEET_FILE}",
            hint=_known(target.environment, [e.name for e in fleet.environments]),
        )
    folder = layout.overlay_path(fleet.overlay_pattern, target)
    parts = folder.split("/")
    for count in range(1, len(parts) + 1):
        parent = "/".join(parts[:count])
        if parent in tree:
            raise TreeError(
                f"{parent}: is not a folder but a file, symlink or submodule",
                hint="keep overlays in plain folders",
            )
    path = layout.kustomization_in(tree, folder)
    if path is None:
        raise _unknown_stack(tree, fleet, target)
    return path


def _unknown_stack(tree: Tree, fleet: Fleet, target: Target) -> UnknownNameError:
    targets = list_targets(tree, fleet)
    elsewhere = [t.environment for t in targets if t.stack == target.stack]
    if elsewhere:
        return UnknownNameError(
            f"stack {target.stack} has no overlay in {target.environment}",
            hint=f"it has one in: {', '.join(elsewhere)}",
        )
    here = [t.stack for t in targets if t.environment == target.environment]
    return UnknownNameError(
        f"stack {target.stack} has no overlay in {target.environment} "
        "or any other environment",
        hint=_known(target.stack, here),
    )


def _known(asked: str, names: Sequence[str]) -> str:
    """Say which names there are, the likely one first."""
    if not names:
        return "there is none yet; run `directus-gitops init` or `add`"
    near = difflib.get_close_matches(asked, names, n=1)
    shown = ", ".join(names[:_NAMES_SHOWN])
    more = f" and {len(names) - _NAMES_SHOWN} more" if len(names) > _NAMES_SHOWN else ""
    return (f"did you mean {near[0]}? " if near else "") + f"known: {shown}{more}"


def _namespace(root: Node, path: str) -> str:
    top = resolved(root)
    found = scalar_at(top, "namespace", path) if isinstance(top, Mapping) else None
    return "" if found is None or is_nothing(found) else found.value
