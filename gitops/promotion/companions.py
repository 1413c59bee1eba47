"""PLAN, what travels with a revision: other images of the overlay. Pure.

An extension image is of use to the Directus that it was tried with, so the fleet may
name ``images:`` entries that follow a promotion (`carryImages`). Tag and digest travel;
name and registry are each overlay's own.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from gitops.model import Finding, Fleet, Overlay, Revision, SetImage, Severity, Tree
from gitops.overlay import image_named, revision_of
from gitops.versions import Step, step, version_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Companion:
    """One other image that the fleet says travels.

    Attributes:
        name: of its entry, as kustomize looks for it.
        left: what it is in the source; None where there is no such entry.
        entered: the same in the target.
    """

    name: str
    left: Revision | None
    entered: Revision | None

    @property
    def wanted(self) -> Revision | None:
        """What the target runs after it; None when nothing can travel."""
        if self.left is None or self.entered is None:
            return None
        return replace(self.entered, tag=self.left.tag, digest=self.left.digest)


def companions(
    source_tree: Tree, tree: Tree, fleet: Fleet, left: Overlay, entered: Overlay
) -> tuple[Companion, ...]:
    """Return the images that travel beside a stack's own, in the fleet's order.

    Raises:
        YamlError: an entry of theirs does not say what runs.
    """
    own = fleet.image_of(entered.target.stack)
    found = (
        Companion(
            name=name,
            left=_runs(source_tree, fleet, left, name),
            entered=_runs(tree, fleet, entered, name),
        )
        for name in fleet.carried_images_of(entered.target.stack)
    )
    # The stack's own image travels anyway.
    return tuple(c for c in found if c.entered is None or c.entered.image != own)


def _runs(tree: Tree, fleet: Fleet, overlay: Overlay, name: str) -> Revision | None:
    entry = image_named(tree, fleet, overlay.target, name)
    return None if entry is None else revision_of(entry, overlay.path)


def image_changes(found: Sequence[Companion], entered: Overlay) -> tuple[SetImage, ...]:
    """Return what is wanted of the other images, also where it is so already."""
    return tuple(
        SetImage(target=entered.target, name=companion.name, revision=revision)
        for companion in found
        if (revision := companion.wanted) is not None
    )


def companion_findings(
    found: Sequence[Companion], left: Overlay, entered: Overlay
) -> Iterator[Finding]:
    """Tell what a reviewer must know of the other images."""
    source, target = left.target.environment, entered.target.environment
    for companion in found:
        if companion.left is None or companion.entered is None:
            where = source if companion.left is None else target
            yield Finding(
                rule="carry-missing",
                severity=Severity.INFO,
                path=entered.path,
                message=f"image {companion.name} travels with promotions, but has no "
                f"images: entry in {where}; {target} stays as it is",
            )
            continue
        tags = companion.entered.tag, companion.left.tag
        if step(*tags) is Step.DOWNGRADE:
            yield Finding(
                rule="carry-older",
                severity=Severity.WARNING,
                path=entered.path,
                message=f"image {companion.name} goes back: {target} has {tags[0]}, "
                f"{source} has {tags[1]}",
                hint="see whether the older one fits, or set it in the source first",
            )
        if companion.left.digest is None and version_of(tags[1]) is None:
            yield Finding(
                rule="floating-tag",
                severity=Severity.WARNING,
                path=entered.path,
                message=f"{tags[1]} of image {companion.name} may name another image "
                f"in {target} than it did in {source}",
                hint="name a full version or a digest in the source first",
            )
