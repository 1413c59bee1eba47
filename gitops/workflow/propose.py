"""Propose a change: one intent, one commit on a branch, one living pull request.

`propose` goes the whole way at once, for somebody who waits. `accept` only records what
is wanted, for somebody who does not: the next pass publishes it.
"""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import TypeAlias

from gitops.composition import compose, overtaken, says_broken, split
from gitops.errors import GitopsError
from gitops.intents import IntentDraft, change_key
from gitops.layout import branch_of
from gitops.model import (
    Intent,
    IntentId,
    IntentState,
    Outcome,
    Plan,
    Preview,
    Unchanged,
)
from gitops.workflow.examine import examine
from gitops.workflow.place import Workplace, World, look
from gitops.workflow.publish import (
    all_findings,
    check_branch,
    publish,
    review_of,
)
from gitops.workflow.settle import resume, set_back, settle

Planner: TypeAlias = Callable[[World], Plan]


def propose(
    place: Workplace, planner: Planner, *, now: datetime, dry_run: bool = False
) -> Outcome:
    """Read, plan, edit, render, validate, commit, push, open or update.

    Args:
        place: where.
        planner: makes the plan from what the base branch says.
        now: aware UTC, whole seconds; the date of the commit.
        dry_run: stop before the first write; the answer is a Preview.

    Raises:
        GitopsError: the change was refused, or a step failed. Before the intent is
            recorded nothing has happened. After it, the next call goes on with what
            may be tried again; what was refused is over.
    """
    if not dry_run:
        settle(place)
    world = look(place)
    if not dry_run:
        resume(place, world, now=now)
    plan = planner(world)
    if not plan.changes:
        told = "; ".join(finding.message for finding in plan.findings)
        return Unchanged(reason=told or f"{place.base} says so already")
    branch = branch_of(place.prefix, plan.scope)
    live = place.live_on(branch)
    gone = overtaken(live, plan)
    kept = tuple(intent for intent in live if intent not in gone)
    plans = (*(i.plan for i in kept if i.plan.changes != plan.changes), plan)
    examined = examine(place, world, compose(plans), known_broken=says_broken(plans))
    if not examined.edits:
        return Unchanged(reason=f"{place.base} says so already")
    check_branch(place, branch)
    draft = IntentDraft(
        key=change_key(place.name, place.base, plan),
        repository=place.name,
        plan=plan,
        branch=branch,
        created_at=now,
    )
    if dry_run:
        intents = (*(i for i in kept if i.key != draft.key), _imagined(draft))
        return Preview(
            differences=examined.differences,
            review=review_of(place, world, intents, examined),
            findings=all_findings(intents, examined),
        )
    place.log.record(draft, supersedes=tuple(intent.id for intent in gone))
    try:
        return publish(place, world, place.live_on(branch), examined, now=now)
    except GitopsError as error:
        set_back(place, branch, error)
        raise


def accept(
    place: Workplace, planner: Planner, *, now: datetime
) -> tuple[Intent, ...] | Unchanged:
    """Read, plan and record; nothing is rendered, committed or pushed.

    It needs no lock: recording is one transaction, and looks for an equal request.

    Args:
        place: where.
        planner: makes the plan from what the base branch says.
        now: aware UTC, whole seconds; the date of the commit to come.

    Returns:
        The intents, PLANNED or further: one for each target that a plan for a group
        changes, else one. Unchanged when there is nothing to want.

    Raises:
        GitopsError: the change was refused; nothing is recorded.
    """
    plan = planner(look(place))
    if not plan.changes:
        told = "; ".join(finding.message for finding in plan.findings)
        return Unchanged(reason=told or f"{place.base} says so already")
    return record(place, plan, now=now)


def record(place: Workplace, plan: Plan, *, now: datetime) -> tuple[Intent, ...]:
    """Record what a plan wants: one intent for each target of a group, else one.

    Args:
        place: where.
        plan: with changes.
        now: aware UTC, whole seconds; the date of the commit to come.
    """
    return tuple(_record(place, part, now=now) for part in split(plan))


def _record(place: Workplace, plan: Plan, *, now: datetime) -> Intent:
    branch = branch_of(place.prefix, plan.scope)
    gone = overtaken(place.live_on(branch), plan)
    draft = IntentDraft(
        key=change_key(place.name, place.base, plan),
        repository=place.name,
        plan=plan,
        branch=branch,
        created_at=now,
    )
    return place.log.record(draft, supersedes=tuple(intent.id for intent in gone))


def _imagined(draft: IntentDraft) -> Intent:
    """Return the intent that a draft would become."""
    return Intent(
        id=IntentId("dry-run"),
        key=draft.key,
        repository=draft.repository,
        plan=draft.plan,
        branch=draft.branch,
        created_at=draft.created_at,
        state=IntentState.PLANNED,
    )
