"""Look at any pull request, or a work tree: what it changes in the end, rendered."""

from __future__ import annotations

from dataclasses import dataclass

from gitops.errors import GitError
from gitops.model import Finding, PullRequest, Tree
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
    start = place.mirror.merge_base(place.base, shown.head)
    if shown.merge_commit is not None:
        # Once merged, the merge base with the base branch is the head itself.
        start = place.mirror.first_parent(shown.merge_commit)
    if start is None:
        raise GitError(
            f"pull request #{shown.number}: {shown.head[:12]} and {place.base} "
            "have no commit in common"
        )
    return inspect(
        place, place.mirror.read_tree(start), place.mirror.read_tree(shown.head)
    )


def inspect(place: Workplace, before: Tree, after: Tree) -> Inspection:
    """Render what differs between two trees."""
    paths = differing(before, after)
    compared = compare(place, before, after, paths)
    return Inspection(
        files=tuple(sorted(paths)),
        rendered_diff=rendered_diff(compared.before, compared.after),
        findings=compared.findings,
    )
