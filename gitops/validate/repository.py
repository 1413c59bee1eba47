"""Rules about the repository as a whole: what no single overlay can tell."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Sequence
from typing import Final

from gitops.errors import TreeError
from gitops.layout import (
    AGENTS_FOLDER,
    BASE_FOLDER,
    FLEET_FILE,
    GENERATED_FILE,
    KUSTOMIZATION_FILES,
    checked_path,
    overlay_folders,
    target_at,
)
from gitops.model import Finding, Fleet, Severity, Tree
from gitops.reach import Memory
from gitops.tokenshapes import token_shape
from gitops.validate.files import NOT_A_FILE
from gitops.validate.overlays import (
    kustomization_findings,
    namespace_of,
    overlay_findings,
    settings_findings,
)
from gitops.validate.placing import finding, ordered
from gitops.validate.rule import Rule, shown
from gitops.validate.secrets import SECRET_FILE
from gitops.yamltext import positions

SHARED_NAMESPACE: Final = Rule(
    name="shared-namespace",
    severity=Severity.WARNING,
    why="Two overlays that render into one namespace overwrite each other's objects "
    "when they reach the same cluster.",
    fix="give each overlay a namespace of its own: <stack>-<environment>",
)
UNKNOWN_ENVIRONMENT: Final = Rule(
    name="unknown-environment",
    severity=Severity.WARNING,
    why="gitops.yaml does not name the environment of this overlay, so nothing is ever "
    "proposed for it.",
    fix="add the environment to gitops.yaml, or remove the overlay",
)
UNKNOWN_STACK: Final = Rule(
    name="unknown-stack",
    severity=Severity.WARNING,
    why="gitops.yaml overrides a stack that has no overlay; a misspelt name changes "
    "nothing in silence.",
    fix="correct the name, or remove the override",
)
GENERATED: Final = Rule(
    name="generated-file",
    severity=Severity.WARNING,
    why="Without a readable record of what was generated, an upgrade cannot tell your "
    "changes from the release's.",
    fix="restore the file from Git's history",
)

RULES: Final = (SHARED_NAMESPACE, UNKNOWN_ENVIRONMENT, UNKNOWN_STACK, GENERATED)

_SECRET_NAMES: Final = frozenset({".env", "secret.env", "secrets.env"})
_KEY_FILES: Final = (".pem", ".key")


def check_tree(
    tree: Tree, fleet: Fleet, *, folders: Collection[str] | None = None
) -> tuple[Finding, ...]:
    """Check the files of a repository without rendering them.

    Args:
        tree: the files.
        fleet: what gitops.yaml says.
        folders: the overlays to look at, and what they read; None for all of them
            and the repository as a whole.

    Returns:
        Findings in the order of files and lines.
    """
    overlays = overlay_folders(tree, fleet.overlay_pattern)
    chosen = [f for f in overlays if folders is None or f in folders]
    tree.prefetch(f"{f}/{name}" for f in chosen for name in KUSTOMIZATION_FILES)
    memory = Memory()
    found: set[Finding] = set()
    read: set[str] = set()
    for folder in chosen:
        findings, files = overlay_findings(tree, fleet, folder, memory)
        found.update(findings)
        read |= files
    for path in read:
        if path.rpartition("/")[2] in KUSTOMIZATION_FILES:
            found.update(kustomization_findings(tree, path))
        elif path.endswith(".env"):
            found.update(settings_findings(tree, path))
    found.update(_namespaces(tree, chosen))
    if folders is None:
        found.update(_pointers(tree, fleet))
        found.update(_secret_files(tree, overlays))
        found.update(_strangers(tree, fleet, overlays))
        found.update(_generated(tree))
    return ordered(found)


def _namespaces(tree: Tree, folders: Sequence[str]) -> Iterator[Finding]:
    first: dict[str, str] = {}
    for folder in folders:
        namespace, path, line = namespace_of(tree, folder)
        if namespace and first.setdefault(namespace, folder) != folder:
            message = f"namespace {shown(namespace)} is also that of {first[namespace]}"
            yield finding(SHARED_NAMESPACE, path, line, message)


def _pointers(tree: Tree, fleet: Fleet) -> Iterator[Finding]:
    overlays = fleet.overlay_pattern.partition("{")[0]
    roots = (overlays, f"{BASE_FOLDER}/", f"{AGENTS_FOLDER}/")
    for path, entry in tree.entries.items():
        if not entry.mode.is_plain and path.startswith(roots):
            yield finding(NOT_A_FILE, path, 0, f"is a {entry.mode.name.lower()}")


def _secret_files(tree: Tree, overlays: Sequence[str]) -> Iterator[Finding]:
    roots = tuple(f"{folder}/" for folder in (*overlays, BASE_FOLDER))
    for path, entry in tree.entries.items():
        name = path.rpartition("/")[2]
        if not path.startswith(roots) or not entry.mode.is_plain:
            continue
        if name in _SECRET_NAMES or name.startswith(".env."):
            yield finding(SECRET_FILE, path, 0, "files of this name hold secrets")
        elif name.endswith(_KEY_FILES):
            shape = token_shape(tree.read(path).decode("utf-8", "replace"))
            if shape is not None:
                yield finding(SECRET_FILE, path, 0, f"holds {shape}")


def _strangers(tree: Tree, fleet: Fleet, overlays: Sequence[str]) -> Iterator[Finding]:
    targets = {f: target_at(fleet.overlay_pattern, f) for f in overlays}
    for folder, target in targets.items():
        if target and fleet.environment(target.environment) is None:
            path = next(
                f"{folder}/{n}" for n in KUSTOMIZATION_FILES if f"{folder}/{n}" in tree
            )
            message = f"{FLEET_FILE} names no environment {target.environment}"
            yield finding(UNKNOWN_ENVIRONMENT, path, 0, message)
    stacks = {target.stack for target in targets.values() if target}
    unknown = [stack for stack in fleet.stacks if stack not in stacks]
    for stack in unknown:
        message = f"no overlay of a stack {shown(stack)}"
        line = _line(tree, ("stacks", stack))
        yield finding(UNKNOWN_STACK, FLEET_FILE, line, message)


def _line(tree: Tree, place: tuple[str, ...]) -> int:
    try:
        known = positions(tree.read(FLEET_FILE), FLEET_FILE)
    except TreeError:
        return 0
    return known.get(place, (0, 0))[0]


def _generated(tree: Tree) -> Iterator[Finding]:
    """The record may name files that are gone: removing one is the owner's right."""
    if GENERATED_FILE not in tree:
        return
    try:
        record = json.loads(tree.read(GENERATED_FILE))
        files = record["files"]
        for path in files:
            checked_path(path)
    except TreeError as error:
        yield finding(GENERATED, GENERATED_FILE, 0, error.message)
    except (ValueError, RecursionError, KeyError, TypeError, AttributeError):
        yield finding(GENERATED, GENERATED_FILE, 0, "is not the record of a release")
