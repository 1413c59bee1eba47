"""Tend the living pull requests: keep what they show true, end what has no more to say.

Promise: called again on the same world it does nothing. A branch is made anew from its
intents when a commit on the base branch touches what its overlays are made of, because
then a merge would give something else than people looked at; any other commit leaves
it, and the approvals of its head, alone. What a person has pushed to is left alone.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

from gitops.composition import covered
from gitops.errors import GitError, GitopsError, RenderError
from gitops.layout import overlay_path
from gitops.model import (
    BranchName,
    CommitId,
    GroupScope,
    Intent,
    IntentState,
    Proposed,
    RemoveFile,
    TargetScope,
    Tree,
    Unchanged,
    WriteFile,
)
from gitops.reach import reached
from gitops.workflow.examine import differing
from gitops.workflow.place import Workplace, World
from gitops.workflow.publish import withdraw
from gitops.workflow.settle import Tended, regenerate, set_back


def tend(place: Workplace, world: World, *, now: datetime) -> Iterator[Tended]:
    """Look at every branch with an open pull request, and do what has to be done.

    It is done one by one, as the answers are asked for: who tells of each before he
    asks for the next loses least when he is killed.

    Args:
        place: where.
        world: the base branch as it is now.
        now: aware UTC.

    Yields:
        The branches that were touched, or could not be.
    """
    live = place.log.live(place.name)
    branches = dict.fromkeys(
        intent.branch for intent in live if intent.state is IntentState.PR_OPEN
    )
    for branch in branches:
        try:
            result = _tend(place, world, branch, live, now=now)
        except GitopsError as error:
            set_back(place, branch, error)
            yield Tended(branch=branch, result=error)
        else:
            if result is not None:
                yield Tended(branch=branch, result=result)


def _tend(
    place: Workplace,
    world: World,
    branch: BranchName,
    live: Sequence[Intent],
    *,
    now: datetime,
) -> Proposed | Unchanged | None:
    intents = tuple(intent for intent in live if intent.branch == branch)
    group = _group_of(intents, live)
    if group is not None:
        told = f"Closed: pull request #{group.pull_request} carries it now."
        closed = withdraw(place, branch, why=told, now=now)
        for intent in intents:
            place.log.advance(intent.id, IntentState.SUPERSEDED)
        return Unchanged(reason=f"taken into {group.branch}", pull_request=closed)
    head = next((i.commit for i in reversed(intents) if i.commit is not None), None)
    if head is None or not _is_touched(place, world, intents, head):
        return None
    return regenerate(place, world, branch, now=now)


# --- whether a group has taken it ---


def _group_of(intents: Sequence[Intent], live: Sequence[Intent]) -> Intent | None:
    """Return the open group that wants all that these want, and was asked later."""
    if not all(isinstance(intent.plan.scope, TargetScope) for intent in intents):
        return None
    groups: dict[BranchName, list[Intent]] = {}
    for intent in live:
        if isinstance(intent.plan.scope, GroupScope) and intent.pull_request:
            groups.setdefault(intent.branch, []).append(intent)
    for members in groups.values():
        plans = [member.plan for member in members]
        is_later = members[-1].created_at > intents[-1].created_at
        if is_later and covered([intent.plan for intent in intents], plans):
            return members[-1]
    return None


# --- whether the base branch has moved under it ---


def _is_touched(
    place: Workplace, world: World, intents: Sequence[Intent], head: CommitId
) -> bool:
    start = _made_from(place, head)
    if start == world.commit:
        return False
    before = place.mirror.read_tree(start)
    changed = differing(before, world.tree)
    if not changed:
        return False
    return not changed.isdisjoint(_made_of(world, intents, before, head, place))


def _made_from(place: Workplace, head: CommitId) -> CommitId:
    """Return the base branch commit on which one of our commits was made."""
    line = place.mirror.history(head, limit=1)
    if not line or not line[0].parents:
        raise GitError(f"{head[:12]} was made from nothing")
    return line[0].parents[0]


def _made_of(
    world: World,
    intents: Sequence[Intent],
    before: Tree,
    head: CommitId,
    place: Workplace,
) -> frozenset[str]:
    """Return the files that decide what the pull request shows and does."""
    edited = differing(before, place.mirror.read_tree(head))
    folders = dict.fromkeys(_folders(world, intents))
    if not folders:  # shared files: whatever they reach
        return edited | frozenset(world.tree.entries)
    found = set(edited)
    for folder in folders:
        for tree in (before, world.tree):
            try:
                found |= set(reached(tree, folder))
            except RenderError:
                # It does not build as it is: only its own files can tell.
                found |= {p for p in tree.entries if p.startswith(f"{folder}/")}
    return frozenset(found)


def _folders(world: World, intents: Sequence[Intent]) -> Iterator[str]:
    """Yield the overlays that are changed; none where a change is about files."""
    changes = [change for intent in intents for change in intent.plan.changes]
    if any(isinstance(change, (WriteFile, RemoveFile)) for change in changes):
        return
    for change in changes:
        if not isinstance(change, (WriteFile, RemoveFile)):
            yield overlay_path(world.fleet.overlay_pattern, change.target)
