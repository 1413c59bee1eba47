"""What ran where, read from the base branch's own history."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from gitops.errors import GitopsError
from gitops.layout import overlay_path
from gitops.model import CommitId, Revision, Target
from gitops.overlay import read_overlay
from gitops.workflow.place import Workplace, World


@dataclass(frozen=True, slots=True, kw_only=True)
class PastRevision:
    """A revision, and the base branch commit that brought it.

    Attributes:
        target: where.
        revision: what.
        commit: the first-parent commit of the base branch.
        at: aware UTC.
        author: who made the commit.
        subject: its first line.
    """

    target: Target
    revision: Revision
    commit: CommitId
    at: datetime
    author: str
    subject: str


def revisions_of(
    place: Workplace, world: World, target: Target
) -> tuple[PastRevision, ...]:
    """Return the revisions of a target, newest first; the first is the present one.

    Commits that leave the revision as it was, and states that cannot be read, are
    left out.
    """
    folder = overlay_path(world.fleet.overlay_pattern, target)
    found: list[PastRevision] = []
    for logged in reversed(place.mirror.history(world.commit, [folder])):
        tree = place.mirror.read_tree(logged.id)
        try:
            revision = read_overlay(tree, world.fleet, target).revision
        except GitopsError:
            continue
        if not found or found[-1].revision != revision:
            found.append(
                PastRevision(
                    target=target,
                    revision=revision,
                    commit=logged.id,
                    at=logged.at,
                    author=logged.author,
                    subject=logged.subject,
                )
            )
    return tuple(reversed(found))
