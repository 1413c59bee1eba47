"""PLAN: many requests for one living pull request, one set of changes.

Pure. The newest value of a scalar wins; the order of first mention is kept, so the
same requests always give the same commit.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import assert_never

from gitops.model import (
    Change,
    Intent,
    Plan,
    PlanKind,
    RemoveFile,
    SetConfig,
    SetRevision,
    Severity,
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
        case SetConfig(target=target, key=key) | UnsetConfig(target=target, key=key):
            return ("config", target, key)
        case WriteFile(path=path) | RemoveFile(path=path):
            return ("file", path)
        case _:
            assert_never(change)
