"""Edit, render, validate: what a set of changes would do; nothing is written."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from gitops.edit import edit
from gitops.errors import GitopsError, ManifestError, PlanError, RenderError
from gitops.layout import FLEET_FILE, overlay_folders, overlay_path
from gitops.model import (
    Change,
    Difference,
    FileEdit,
    Finding,
    Fleet,
    Manifests,
    SetImage,
    SetRevision,
    Severity,
    Tree,
)
from gitops.reach import Memory, prefetch, reached
from gitops.validate import check_manifests, check_tree, scan_secrets
from gitops.workflow.check import finding_of
from gitops.workflow.place import Workplace, World, fleet_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """Two trees, rendered where they differ.

    Attributes:
        before: the overlays that a differing file reaches, as they were; without those
            that no longer build, of which there is no difference to show.
        after: the same overlays, and new ones, as they are.
        findings: what the rules say of the second tree's overlays.
        new: those of them that the first tree does not have.
        unbuilt: why overlays of the second tree do not build.
    """

    before: Mapping[str, Manifests]
    after: Mapping[str, Manifests]
    findings: tuple[Finding, ...]
    new: tuple[Finding, ...]
    unbuilt: tuple[GitopsError, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Examination:
    """What a set of changes does.

    Attributes:
        edits: file by file; empty when the base branch says it all already.
        differences: every planned scalar that changes.
        before: rendered overlays that the edits reach, as they are.
        after: the same overlays, and new ones, as they would be.
        findings: what the rules say of the result.
    """

    edits: tuple[FileEdit, ...]
    differences: tuple[Difference, ...] = ()
    before: Mapping[str, Manifests]
    after: Mapping[str, Manifests]
    findings: tuple[Finding, ...] = ()


def examine(
    place: Workplace,
    world: World,
    changes: Sequence[Change],
    *,
    known_broken: bool = False,
) -> Examination:
    """Work out what the changes do, and refuse what would break a rule.

    Args:
        place: where.
        world: the base branch.
        changes: what is wanted.
        known_broken: the plan itself says that the result does not build (an
            upgrade with conflicts): tell it as findings instead of refusing.

    Raises:
        RenderError: an overlay would not build.
        ManifestError: the result breaks a rule that the base does not break already.
        PlanError: the rendered image is not the one wanted.
    """
    edits = edit(world.tree, world.fleet, changes)
    if not edits:
        return Examination(edits=(), before={}, after={})
    _refuse(scan_secrets(edits))
    tree = world.tree.with_edits(edits)
    compared = compare(place, world.tree, tree, {e.path for e in edits})
    if not known_broken:
        if compared.unbuilt:
            raise compared.unbuilt[0]
        _refuse(compared.new)
        _check_images(world.fleet, changes, compared.after)
    return Examination(
        edits=edits,
        differences=tuple(d for e in edits for d in e.differences),
        before=compared.before,
        after=compared.after,
        findings=compared.findings,
    )


def compare(
    place: Workplace, before: Tree, after: Tree, paths: Collection[str]
) -> Comparison:
    """Render and check the overlays that the differing files reach.

    Args:
        place: where.
        before: one tree.
        after: the other.
        paths: the files in which they differ.
    """
    old_fleet = fleet_of(before)
    new_fleet = fleet_of(after) if FLEET_FILE in paths else old_fleet
    rendered_before, _ = _render(place, before, old_fleet, paths)
    rendered_after, unbuilt = _render(
        place, after, new_fleet, paths, built=rendered_before.keys()
    )
    place.progress("check", 0, 1)
    known = findings_in(place, before, old_fleet, rendered_before)
    found = findings_in(place, after, new_fleet, rendered_after)
    place.progress("check", 1, 1)
    errors = tuple(dict.fromkeys(unbuilt.values()))
    return Comparison(
        before={f: m for f, m in rendered_before.items() if f not in unbuilt},
        after=rendered_after,
        findings=(*(finding_of(error, "does-not-build") for error in errors), *found),
        new=new_findings(known, found),
        unbuilt=errors,
    )


def differing(before: Tree, after: Tree) -> frozenset[str]:
    """Return the paths that are not the same in both trees."""
    paths = before.entries.keys() | after.entries.keys()
    return frozenset(
        path for path in paths if before.entries.get(path) != after.entries.get(path)
    )


def _render(
    place: Workplace,
    tree: Tree,
    fleet: Fleet,
    edited: Collection[str],
    *,
    built: Collection[str] = (),
) -> tuple[dict[str, Manifests], dict[str, GitopsError]]:
    """Render the overlays that reach an edited path; failures are returned.

    A broken overlay that no edit lies in neither blocks the change nor hides it,
    unless it was built before: then it is the change that breaks it.
    """
    chosen, failed = touched(tree, fleet, edited, built=built)
    rendered, unbuilt = render(place, tree, list(chosen))
    return rendered, failed | unbuilt


def touched(
    tree: Tree,
    fleet: Fleet,
    edited: Collection[str],
    *,
    built: Collection[str] = (),
) -> tuple[dict[str, frozenset[str]], dict[str, GitopsError]]:
    """Find the overlays that reach an edited path; nothing is rendered.

    Args:
        tree: the files.
        fleet: where overlays are.
        edited: paths.
        built: overlays that must still be readable.

    Returns:
        Folder -> the files that it is made of; and why others of the edited ones, or
        of the built ones, cannot be read.
    """
    memory = Memory()
    folders = overlay_folders(tree, fleet.overlay_pattern)
    prefetch(tree, folders)
    chosen: dict[str, frozenset[str]] = {}
    failed: dict[str, GitopsError] = {}
    for folder in folders:
        try:
            files = frozenset(reached(tree, folder, memory=memory))
        except RenderError as error:
            if folder in built or any(p.startswith(f"{folder}/") for p in edited):
                failed[folder] = error
        else:
            if not files.isdisjoint(edited):
                chosen[folder] = files
    return chosen, failed


def render(
    place: Workplace, tree: Tree, folders: Sequence[str]
) -> tuple[dict[str, Manifests], dict[str, GitopsError]]:
    """Render overlays; those that do not build are returned with the reason."""
    results = place.renderer.attempt(
        tree,
        folders,
        progress=lambda done, total: place.progress("render", done, total),
    )
    failed = {f: r for f, r in results.items() if isinstance(r, RenderError)}
    rendered = {f: r for f, r in results.items() if not isinstance(r, RenderError)}
    return rendered, dict(failed)


def _key(finding: Finding) -> tuple[str, str, str]:
    """Return what makes two findings the same; a line may move."""
    return (finding.rule, finding.path, finding.message)


def new_findings(
    known: Sequence[Finding], found: Sequence[Finding]
) -> tuple[Finding, ...]:
    """Return what was not there before; a line may have moved."""
    keys = {_key(finding) for finding in known}
    return tuple(finding for finding in found if _key(finding) not in keys)


def findings_in(
    place: Workplace, tree: Tree, fleet: Fleet, rendered: Mapping[str, Manifests]
) -> tuple[Finding, ...]:
    """Check rendered overlays, and the files in their folders."""
    in_manifests = [
        finding
        for folder in sorted(rendered)
        for finding in check_manifests(rendered[folder], place.schemas)
    ]
    in_files = [
        finding
        for finding in check_tree(tree, fleet)
        if finding.path.rpartition("/")[0] in rendered
    ]
    return (*in_files, *in_manifests)


def _refuse(findings: Sequence[Finding]) -> None:
    errors = tuple(f for f in findings if f.severity is Severity.ERROR)
    if errors:
        first = errors[0]
        more = f" (and {len(errors) - 1} more)" if len(errors) > 1 else ""
        raise ManifestError(
            f"{first.path}: {first.message}{more}",
            findings=errors,
            hint=first.hint or "nothing was committed",
        )


def _check_images(
    fleet: Fleet, changes: Sequence[Change], after: Mapping[str, Manifests]
) -> None:
    """Check the rendered image, not only the file: another transformer may win."""
    for change in changes:
        if not isinstance(change, SetRevision | SetImage):
            continue
        folder = overlay_path(fleet.overlay_pattern, change.target)
        rendered = after.get(folder)
        if rendered is None:
            continue
        images, wanted = _images(rendered.text), str(change.revision).encode()
        is_meant = isinstance(change, SetRevision) or any(
            _is_of(image, change.revision.image.encode()) for image in images
        )
        # An entry for an image that nothing runs says nothing wrong.
        if is_meant and wanted not in images:
            raise PlanError(
                f"{folder}: the rendered image is not {wanted.decode()}",
                hint="a patch or another images: entry overrides it; "
                "see `directus-gitops render`",
            )


def _images(text: bytes) -> frozenset[bytes]:
    lines = (line.strip().removeprefix(b"- ") for line in text.splitlines())
    return frozenset(
        line.partition(b":")[2].strip().strip(b"\"'")
        for line in lines
        if line.startswith(b"image:")
    )


def _is_of(reference: bytes, image: bytes) -> bool:
    return reference == image or reference.startswith((image + b":", image + b"@"))
