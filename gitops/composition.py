"""PLAN: many requests for one living pull request, one set of changes.

Pure. The newest value of a scalar wins; the order of first mention is kept, so the
same requests always give the same commit.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import replace
from typing import assert_never

from gitops.model import (
    Change,
    Finding,
    GroupScope,
    Intent,
    Plan,
    PlanKind,
    RemoveFile,
    SetConfig,
    SetImage,
    SetRevision,
    Severity,
    Target,
    UnsetConfig,
    WriteFile,
)


def compose(plans: Sequence[Plan]) -> tuple[Change, ...]:
    """Merge the changes of plans, oldest first, into one change a place."""
    merged: dict[Hashable, Change] = {}
    for plan in plans:
        for change in plan.changes:
            merged[_place(change)] = change
    return tuple(merged.values())


def overtaken(live: Sequence[Intent], plan: Plan) -> tuple[Intent, ...]:
    """Return the live intents of which the plan leaves nothing: all they set, it sets.

    An upgrade is planned from the base branch as a whole, so it leaves nothing of an
    earlier one. An equal request that is the newest already is not overtaken: it is
    the same one.
    """
    wanted = {_place(change) for change in plan.changes}
    covered = tuple(
        intent
        for intent in live
        if {_place(change) for change in intent.plan.changes} <= wanted
        or plan.kind is intent.plan.kind is PlanKind.UPGRADE
    )
    newest = live[-1] if live else None
    if newest is not None and newest.plan.changes == plan.changes:
        return tuple(intent for intent in covered if intent is not newest)
    return covered


def covered(wanted: Sequence[Plan], by: Sequence[Plan]) -> bool:
    """Whether other plans decide about every place that these plans are about."""
    places = {_place(change) for plan in wanted for change in plan.changes}
    return places <= {_place(change) for plan in by for change in plan.changes}


def split(plan: Plan) -> tuple[Plan, ...]:
    """Cut a plan for a group into one for each target; any other stays whole.

    Each of them keeps the group's scope, so they share its pull request; a finding
    goes with the target that it is about, and one about none with all.
    """
    if not isinstance(plan.scope, GroupScope):
        return (plan,)
    targets = tuple(dict.fromkeys(_target_of(change) for change in plan.changes))
    if len(targets) < 2 or None in targets:
        return (plan,)
    return tuple(
        replace(
            plan,
            changes=tuple(c for c in plan.changes if _target_of(c) == target),
            findings=tuple(
                finding
                for finding in plan.findings
                if _is_about(finding, target, targets)
            ),
        )
        for target in targets
    )


def _target_of(change: Change) -> Target | None:
    return None if isinstance(change, (WriteFile, RemoveFile)) else change.target


def _is_about(
    finding: Finding, target: Target | None, targets: Sequence[Target | None]
) -> bool:
    """Whether a finding's path names the target, or none of the group's."""
    parts = finding.path.split("/")
    named = [other for other in targets if other and other.stack in parts]
    return not named or target in named


def says_broken(plans: Sequence[Plan]) -> bool:
    """Whether a plan itself tells that its result is broken (an upgrade's conflict).

    Such a pull request is shown, and cannot be merged.
    """
    return any(
        finding.severity is Severity.ERROR
        for plan in plans
        for finding in plan.findings
    )


def _place(change: Change) -> Hashable:
    """Return what a change is about: two changes of one place exclude each other."""
    match change:
        case SetRevision(target=target):
            return ("revision", target)
        case SetImage(target=target, name=name):
            return ("image", target, name)
        case SetConfig(target=target, key=key) | UnsetConfig(target=target, key=key):
            return ("config", target, key)
        case WriteFile(path=path) | RemoveFile(path=path):
            return ("file", path)
        case _:
            assert_never(change)
