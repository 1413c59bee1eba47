"""What ran where, read from the base branch's own history."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from gitops.errors import GitopsError
from gitops.layout import overlay_path
from gitops.model import CommitId, EnvironmentName, Revision, StackName, Target
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
    line = place.mirror.history(world.commit, [folder], first_parent=True)
    for logged in reversed(line):
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


def arrived_at(
    place: Workplace,
    world: World,
    stack: StackName,
    *,
    to: EnvironmentName,
    source: EnvironmentName | None,
) -> datetime | None:
    """Return when the source's present revision was merged there; None if unknown.

    Without a source it is the one environment that `to` follows, if it is one.
    """
    target = world.fleet.environment(to)
    sources = (source,) if source else (target.after if target else ())
    if len(sources) != 1:
        return None
    past = revisions_of(place, world, Target(stack=stack, environment=sources[0]))
    return past[0].at if past else None
