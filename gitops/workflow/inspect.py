"""Look at any pull request, or a work tree: what it changes in the end, rendered."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from gitops.errors import GitError
from gitops.model import CommitId, Finding, Manifest, Overlay, PullRequest, Tree
from gitops.review import rendered_diff
from gitops.workflow.examine import compare, differing
from gitops.workflow.place import Workplace


@dataclass(frozen=True, slots=True, kw_only=True)
class Inspection:
    """What two trees differ in.

    Attributes:
        files: the paths that differ, sorted.
        rendered_diff: of the overlays they reach; secrets masked.
        findings: what the rules say of the second tree.
    """

    files: tuple[str, ...]
    rendered_diff: str
    findings: tuple[Finding, ...]


def inspect_pull_request(place: Workplace, shown: PullRequest) -> Inspection:
    """Render what a pull request changes, against the commit it was made from.

    Raises:
        GitError: its commit is no longer to be had.
    """
    place.mirror.fetch()
    start = _start(place, shown)
    if start is None:
        raise GitError(
            f"pull request #{shown.number}: {shown.head[:12]} and {place.base} "
            "have no commit in common"
        )
    return inspect(
        place, place.mirror.read_tree(start), place.mirror.read_tree(shown.head)
    )


def _start(place: Workplace, shown: PullRequest) -> CommitId | None:
    """Return the commit that a pull request was made from; None if there is none."""
    if shown.merge_commit is not None:
        # Once merged, the merge base with the base branch is the head itself.
        line = place.mirror.history(shown.merge_commit, limit=2, first_parent=True)
        return line[1].id if len(line) > 1 else None
    tip = place.mirror.tip(place.base)
    return None if tip is None else place.mirror.merge_base(tip, shown.head)


def inspect(place: Workplace, before: Tree, after: Tree) -> Inspection:
    """Render what differs between two trees."""
    paths = differing(before, after)
    compared = compare(place, before, after, paths)
    return Inspection(
        files=tuple(sorted(paths)),
        rendered_diff=rendered_diff(compared.before, compared.after),
        findings=compared.findings,
    )


def between(place: Workplace, tree: Tree, one: Overlay, other: Overlay) -> str:
    """Return the rendered difference from one environment of a stack to another.

    Both are shown under the first one's namespace and path: otherwise every object
    would differ, and what really differs would be lost among them.
    """
    before = place.renderer.render(tree, [one.path])[one.path]
    after = place.renderer.render(tree, [other.path])[other.path]
    moved = tuple(
        _moved(manifest, other.namespace, one.namespace) for manifest in after.objects
    )
    return rendered_diff(
        {one.path: before}, {one.path: replace(after, path=one.path, objects=moved)}
    )


def _moved(manifest: Manifest, source: str, target: str) -> Manifest:
    """Return an object as if it stood in another namespace, or were that one."""
    metadata = manifest.body.get("metadata")
    if not source or not isinstance(metadata, Mapping):
        return manifest
    if manifest.kind == "Namespace" and manifest.name == source:
        body = {**manifest.body, "metadata": {**metadata, "name": target}}
        return replace(manifest, name=target, body=body)
    if manifest.namespace != source:
        return manifest
    body = {**manifest.body, "metadata": {**metadata, "namespace": target}}
    return replace(manifest, namespace=target, body=body)
