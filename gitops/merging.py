"""PLAN: which merging gates of a pull request are closed, and why.

Pure. A gate guards opening or merging; this page knows the merging ones: the pause
switch, holds, pins, freezes, approvals of the current head by other people, a
releaser's go, checks of the head, conflict markers in it, and a change that says itself
that it is broken.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from datetime import datetime
from typing import Final

from gitops.model import (
    Change,
    CheckState,
    EnvironmentName,
    Finding,
    Fleet,
    GroupScope,
    Hold,
    Intent,
    MergePolicy,
    Pin,
    Plan,
    PlanKind,
    PromotionRule,
    PullRequest,
    RemoveFile,
    SetRevision,
    Severity,
    StackName,
    TargetScope,
    Tree,
    WriteFile,
)
from gitops.overlay import read_overlay
from gitops.promotion import is_frozen, spell_pin, tells_closed_gate
from gitops.upgrade import CONFLICT
from gitops.versions import Step, step

# A rollback is how people get out of trouble: a hold does not stop it.
_EXEMPT_FROM_HOLDS: Final = frozenset({PlanKind.ROLLBACK})
_NAMED: Final = 3
_CHECKS: Final = {
    CheckState.FAILED: "checks have failed",
    CheckState.PENDING: "checks have not ended yet",
}


def closed_merge_gates(
    fleet: Fleet,
    intents: Sequence[Intent],
    pull_request: PullRequest,
    *,
    holds: Sequence[Hold],
    paused: bool,
    now: datetime,
    conflicts: Sequence[str] = (),
    approvals: Collection[str] = (),
    goes: Collection[str] = (),
    pins: Sequence[Pin] = (),
) -> tuple[str, ...]:
    """Return the reasons why a pull request may not be merged now; empty: it may.

    Args:
        fleet: the rules, as the base branch says them.
        intents: what stands behind the pull request; empty for a person's own.
        pull_request: with its approvals.
        holds: of the repository.
        paused: whether the pause switch is on.
        now: aware; freezes are judged at this moment.
        conflicts: files that hold conflict markers at the head, as it is now.
        approvals: who has approved the head elsewhere than on the forge.
        goes: the releasers who said go to the head.
        pins: of the repository; a rollback passes them, as it passes holds.
    """
    reasons: list[str] = []
    if paused:
        reasons.append("the repository is paused; `directus-gitops resume` ends it")
    if conflicts:
        named = ", ".join(conflicts[:_NAMED]) + (", ..." if conflicts[_NAMED:] else "")
        reasons.append(f"it has conflicts that a person must resolve first: {named}")
    if any(_is_lasting(f) for intent in intents for f in intent.plan.findings):
        reasons.append("it says itself that it is broken: see its findings")
    reasons += (_told(hold) for hold in holds if _stops(hold, intents))
    reasons += (spell_pin(pin) for pin in pins if _overrides(pin, intents))
    reasons += _frozen(fleet, intents, now)
    reasons += _missing_votes(fleet, intents, pull_request, approvals, goes)
    reasons += _unmet_checks(pull_request)
    return tuple(reasons)


def _unmet_checks(pull_request: PullRequest) -> Iterator[str]:
    """Tell what builds, and the author, say against the present head."""
    if pull_request.is_draft:
        yield "it is a draft: its author says that it is not ready"
    for state, told in _CHECKS.items():
        names = [c.name for c in pull_request.checks if c.state is state]
        if names:
            more = ", ..." if names[_NAMED:] else ""
            yield f"{told}: {', '.join(names[:_NAMED])}{more}"


def _missing_votes(
    fleet: Fleet,
    intents: Sequence[Intent],
    pull_request: PullRequest,
    approvals: Collection[str],
    goes: Collection[str],
) -> Iterator[str]:
    """Tell which votes are missing; nobody approves what they asked for."""
    head = pull_request.head
    given = {a.by for a in pull_request.approvals if a.head == head} | {*approvals}
    asked = {intent.plan.provenance.requested_by for intent in intents}
    given -= asked | {pull_request.author}
    rules = [rule for intent in intents for rule in _rules(fleet, intent)]
    needed = max((rule.approvals for rule in rules), default=0)
    if len(given) < needed:
        yield f"{len(given)} of {needed} approvals of {head[:12]}"
    go = max((rule.go for rule in rules), default=0)
    if len({*goes}) < go:
        yield f"{len({*goes})} of {go} releases (go) of {head[:12]} by a releaser"


def _frozen(fleet: Fleet, intents: Sequence[Intent], now: datetime) -> Iterator[str]:
    """Tell of freezes; an intent that rolls back passes them, as it passes holds."""
    rules = dict.fromkeys(r for intent in intents for r in _rules(fleet, intent))
    for rule in rules:
        frozen = is_frozen(rule, now)
        if frozen is not None:
            yield frozen.reason


def merges_by_itself(tree: Tree, fleet: Fleet, intents: Sequence[Intent]) -> bool:
    """Whether the rules let the service merge a pull request without a person.

    Every intent behind it must be a promotion under a rule that says so, opened with
    its gates open, and no step between majors: those migrate data and change
    behaviour, so somebody must look. So must somebody where a person opened it against
    closed gates: they are told to a reviewer, and there must be one.

    Args:
        tree: the base branch.
        fleet: its rules.
        intents: the live intents of the pull request.
    """
    return bool(intents) and all(
        _is_automatic(fleet, intent)
        and not any(tells_closed_gate(found) for found in intent.plan.findings)
        and not any(_is_major(tree, fleet, change) for change in intent.plan.changes)
        for intent in intents
    )


def _is_automatic(fleet: Fleet, intent: Intent) -> bool:
    rules = _rules(fleet, intent)
    return bool(rules) and all(rule.merge is MergePolicy.AUTOMATIC for rule in rules)


def _is_major(tree: Tree, fleet: Fleet, change: Change) -> bool:
    """Whether a change of revision is a big step, or one that nobody can size."""
    if not isinstance(change, SetRevision):
        return False
    present = read_overlay(tree, fleet, change.target).revision
    if present == change.revision:
        return False
    return step(present.tag, change.revision.tag) in (Step.MAJOR, Step.UNKNOWN)


def _is_lasting(finding: Finding) -> bool:
    """Whether a planned error holds whatever is pushed; a conflict can be resolved."""
    return finding.severity is Severity.ERROR and finding.rule != CONFLICT


def _stops(hold: Hold, intents: Sequence[Intent]) -> bool:
    return any(
        intent.plan.kind not in _EXEMPT_FROM_HOLDS and _touches(hold, intent.plan)
        for intent in intents
    )


def _overrides(pin: Pin, intents: Sequence[Intent]) -> bool:
    """Whether another revision would come to a target that is to stay at one."""
    return any(
        isinstance(change, SetRevision)
        and change.target == pin.target
        and change.revision != pin.revision
        for intent in intents
        if intent.plan.kind not in _EXEMPT_FROM_HOLDS
        for change in intent.plan.changes
    )


def _touches(hold: Hold, plan: Plan) -> bool:
    """Whether a hold is about anything that a plan changes."""
    places: list[tuple[StackName | None, EnvironmentName | None]] = [
        (change.target.stack, change.target.environment)
        for change in plan.changes
        if not isinstance(change, (WriteFile, RemoveFile))
    ]
    match plan.scope:
        case TargetScope(target=target):
            places.append((target.stack, target.environment))
        case GroupScope(environment=environment):
            places.append((None, environment))
        case _:
            places.append((None, None))
    return any(
        hold.stack in (None, stack) and hold.environment in (None, environment)
        for stack, environment in places
    )


def _told(hold: Hold) -> str:
    what = " in ".join(name for name in (hold.stack, hold.environment) if name)
    why = f": {hold.reason}" if hold.reason else ""
    since = f"{hold.at:%Y-%m-%d %H:%M %Z}"
    return f"{what or 'everything'} is held by {hold.by} since {since}{why}"


def _rules(fleet: Fleet, intent: Intent) -> tuple[PromotionRule, ...]:
    """Return the promotion rules that an intent falls under."""
    plan = intent.plan
    match plan.scope:
        case TargetScope(target=target):
            entered = target.environment
        case GroupScope(environment=environment):
            entered = environment
        case _:
            return ()
    if plan.kind is not PlanKind.PROMOTE:
        return ()
    return tuple(
        rule
        for rule in fleet.promotions
        if (rule.source, rule.target) == (plan.provenance.source_environment, entered)
    )
