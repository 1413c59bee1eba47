"""Edit, render, validate: what a set of changes would do; nothing is written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from gitops.edit import edit
from gitops.errors import GitopsError, ManifestError, PlanError, RenderError, TreeError
from gitops.layout import (
    FLEET_FILE,
    KUSTOMIZATION_FILES,
    overlay_path,
    target_at,
)
from gitops.model import (
    Change,
    Difference,
    FileEdit,
    Finding,
    Fleet,
    Manifests,
    SetRevision,
    Severity,
    Tree,
)
from gitops.reach import reached
from gitops.validate import check_manifests, check_tree, scan_secrets
from gitops.workflow.place import Workplace, World, fleet_of


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
    edited_fleet = any(e.path == FLEET_FILE for e in edits)
    fleet = fleet_of(tree) if edited_fleet else world.fleet
    paths = {e.path for e in edits}
    place.progress("render", 0, 2)
    before, _ = _render(place, world.tree, world.fleet, paths)
    place.progress("render", 1, 2)
    after, unbuilt = _render(place, tree, fleet, paths)
    place.progress("render", 2, 2)
    if unbuilt and not known_broken:
        raise unbuilt[0]
    findings = _judge(place, world, before, tree, fleet, after)
    if not known_broken:
        _refuse(findings.new)
        _check_images(fleet, changes, after)
    return Examination(
        edits=edits,
        differences=tuple(d for e in edits for d in e.differences),
        before=before,
        after=after,
        findings=(*(_unbuilt(error) for error in unbuilt), *findings.all),
    )


def _render(
    place: Workplace, tree: Tree, fleet: Fleet, edited: set[str]
) -> tuple[dict[str, Manifests], list[GitopsError]]:
    """Render the overlays that reach an edited path; failures are returned.

    An overlay that cannot be read at all is taken as reaching everything, so that a
    change can neither break it unseen nor be blocked by one it does not touch.
    """
    rendered: dict[str, Manifests] = {}
    failed: list[GitopsError] = []
    for folder in overlay_folders(tree, fleet):
        try:
            if edited.isdisjoint(reached(tree, folder)):
                continue
            rendered |= place.renderer.render(tree, [folder])
        except (RenderError, TreeError) as error:
            if any(path.startswith(f"{folder}/") for path in edited):
                failed.append(error)
    return rendered, failed


def overlay_folders(tree: Tree, fleet: Fleet) -> tuple[str, ...]:
    """Return the folders that are overlays by their path, sorted."""
    folders = {
        folder
        for path in tree.entries
        for folder, _, name in [path.rpartition("/")]
        if name in KUSTOMIZATION_FILES and target_at(fleet.overlay_pattern, folder)
    }
    return tuple(sorted(folders))


def _unbuilt(error: GitopsError) -> Finding:
    path = error.message.partition(":")[0]
    return Finding(
        rule="does-not-build",
        severity=Severity.ERROR,
        path=path,
        message=error.message,
        hint=error.hint,
    )


@dataclass(frozen=True, slots=True)
class _Judgement:
    """All findings of the result, and those that the base does not have."""

    all: tuple[Finding, ...]
    new: tuple[Finding, ...]


def _judge(
    place: Workplace,
    world: World,
    before: Mapping[str, Manifests],
    tree: Tree,
    fleet: Fleet,
    after: Mapping[str, Manifests],
) -> _Judgement:
    old = {
        (f.rule, f.path, f.message)
        for f in _findings(place, world.tree, world.fleet, before)
    }
    found = _findings(place, tree, fleet, after)
    fresh = tuple(f for f in found if (f.rule, f.path, f.message) not in old)
    return _Judgement(found, fresh)


def _findings(
    place: Workplace, tree: Tree, fleet: Fleet, rendered: Mapping[str, Manifests]
) -> tuple[Finding, ...]:
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
        if not isinstance(change, SetRevision):
            continue
        folder = overlay_path(fleet.overlay_pattern, change.target)
        rendered = after.get(folder)
        wanted = str(change.revision).encode()
        if rendered is not None and not _has_image(rendered.text, wanted):
            raise PlanError(
                f"{folder}: the rendered image is not {wanted.decode()}",
                hint="a patch or another images: entry overrides it; "
                "see `directus-gitops render`",
            )


def _has_image(text: bytes, image: bytes) -> bool:
    lines = (line.strip().removeprefix(b"- ") for line in text.splitlines())
    return any(
        line.startswith(b"image:")
        and line.partition(b":")[2].strip().strip(b"\"'") == image
        for line in lines
    )
