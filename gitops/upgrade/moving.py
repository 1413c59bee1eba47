"""From one base to another: which environments are where, and how they move. Pure.

Promise: of a kustomization file exactly the references change that lead into the one
base, in the spelling they had, which is proved. Every other byte stays.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TypeAlias

from gitops.errors import PlanError
from gitops.layout import KUSTOMIZATION_FILES, joined, overlay_path
from gitops.model import EnvironmentName, Fleet, Target, Tree
from gitops.overlay import list_targets
from gitops.reach import Memory, prefetch, reached
from gitops.yamltext import (
    Alias,
    Mapping as YamlMapping,
    Path,
    Replace,
    Scalar,
    Sequence as YamlSequence,
    Source,
    prove,
    resolved,
    splice,
)

# The fields of a kustomization that may lead to a folder outside of its own.
_LEADING = ("resources", "bases", "components")

Reads: TypeAlias = Mapping[Target, frozenset[str]]
"""Overlay -> the files that its build reads."""


def reads_of(tree: Tree, fleet: Fleet) -> Reads:
    """List what each overlay of the fleet reads, in the order of the fleet.

    Raises:
        RenderError: an overlay names something that is not there, or is unsafe.
    """
    memory = Memory()
    targets = list_targets(tree, fleet)
    folders = {t: overlay_path(fleet.overlay_pattern, t) for t in targets}
    prefetch(tree, folders.values())
    return {
        target: frozenset(reached(tree, folder, memory=memory))
        for target, folder in folders.items()
    }


def environments_on(reads: Reads, base: str) -> tuple[EnvironmentName, ...]:
    """Name the environments of which an overlay reads a base, in the fleet's order."""
    return tuple(
        dict.fromkeys(
            target.environment
            for target, files in reads.items()
            if any(_is_below(path, base) for path in files)
        )
    )


def moved(
    tree: Tree,
    reads: Reads,
    environments: tuple[EnvironmentName, ...],
    *,
    old: str,
    new: str,
) -> dict[str, bytes]:
    """Lead the overlays of some environments from one base to another.

    Args:
        tree: the files.
        reads: see reads_of.
        environments: those that move.
        old: folder of the base that they read.
        new: folder of the one that they will read.

    Returns:
        path of a kustomization file -> its new text.

    Raises:
        PlanError: a file leads other environments to the old base as well.
        YamlError: a reference stands where no exact edit can reach it.
    """
    moving = _files(reads, environments)
    staying = frozenset().union(
        *(f for t, f in reads.items() if t.environment not in environments)
    )
    found: dict[str, bytes] = {}
    for path in sorted(moving):
        outside = not _is_below(path, old) and not _is_below(path, new)
        if outside and path.rpartition("/")[2] in KUSTOMIZATION_FILES:
            text = _led_elsewhere(tree, path, old=old, new=new)
            if text is not None and path in staying:
                raise PlanError(
                    f"{path}: leads {' and '.join(environments)} to {old}/, and other "
                    "environments as well, so they cannot move one by one",
                    hint="give each environment a file of its own, or upgrade "
                    "without --staged",
                )
            if text is not None:
                found[path] = text
    return found


def check_moved(
    reads: Reads, environments: tuple[EnvironmentName, ...], *, old: str
) -> None:
    """Refuse a move after which an overlay still reads the old base.

    Raises:
        PlanError: naming one of the files that it still reads.
    """
    left = [p for p in _files(reads, environments) if _is_below(p, old)]
    if left:
        raise PlanError(
            f"{' and '.join(environments)}: would still read {min(left)}; a reference "
            "to it cannot be moved",
            hint="refer to the base only under resources: and components:, and from "
            "inside the base by relative paths that do not leave it",
        )


def _files(reads: Reads, environments: tuple[EnvironmentName, ...]) -> frozenset[str]:
    return frozenset().union(
        *(files for t, files in reads.items() if t.environment in environments)
    )


def _led_elsewhere(tree: Tree, path: str, *, old: str, new: str) -> bytes | None:
    """Return the new text of a kustomization file; None where nothing leads there."""
    source = Source.read(tree.read(path), path)
    found = tuple(_references(source, path.rpartition("/")[0], old, new))
    if not found:
        return None
    edits = tuple(Replace(path=r.path, value=r.value) for r in found)
    text, at = b"", 0
    for reference in sorted(found, key=lambda r: r.leaf.start):
        start, end = reference.leaf.start, reference.leaf.end
        written, before = source.text[start:end], reference.leaf.value.encode()
        if reference.is_alias or before not in written:
            return splice(source, edits)  # it refuses an alias, and undoes escapes
        text += source.text[at:start]
        text += written.replace(before, reference.value.encode(), 1)
        at = end
    after = text + source.text[at:]
    prove(source, Source.read(after, path), edits)
    return after


@dataclass(frozen=True, slots=True, kw_only=True)
class _Reference:
    """A reference into a base.

    Attributes:
        path: in the file.
        leaf: where it is written.
        is_alias: it is written elsewhere, and may be used by others.
        value: as it must become.
    """

    path: Path
    leaf: Scalar
    is_alias: bool
    value: str


def _references(
    source: Source, folder: str, old: str, new: str
) -> Iterator[_Reference]:
    """Find the references that lead into a base."""
    for field, found in _lists(source):
        for index, item in enumerate(found.items):
            leaf = resolved(item)
            if not isinstance(leaf, Scalar):
                continue  # no build gets here: kustomize takes texts only
            value = _redirected(folder, leaf.value, old, new)
            if value is not None:
                yield _Reference(
                    path=(field, index),
                    leaf=leaf,
                    is_alias=isinstance(item, Alias),
                    value=value,
                )


def _lists(source: Source) -> Iterator[tuple[str, YamlSequence]]:
    root = resolved(source.root)
    for key, value in root.items if isinstance(root, YamlMapping) else ():
        found = resolved(value)
        if key.value in _LEADING and isinstance(found, YamlSequence):
            yield key.value, found


def _redirected(folder: str, value: str, old: str, new: str) -> str | None:
    """Put another base into a reference; None when it leads elsewhere."""
    parts = value.split("/")
    ways = [joined(folder, "/".join(parts[: n + 1])) for n in range(len(parts))]
    if ways[-1] != old and not _is_below(ways[-1], old):
        return None
    # The last place where the way comes to the base itself is the one that names it.
    at = max(n for n, way in enumerate(ways) if way == old and parts[n] == old)
    return "/".join([*parts[:at], new, *parts[at + 1 :]])


def _is_below(path: str, folder: str) -> bool:
    return path.startswith(f"{folder}/")
