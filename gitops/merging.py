"""PLAN: which merging gates of a pull request are closed, and why.

Pure. A gate guards opening or merging; this page knows the merging ones: the pause
switch, holds, approvals of the current head by other people, conflict markers at the
head, and a change that says itself that it is broken.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from gitops.model import (
    EnvironmentName,
    Finding,
    Fleet,
    GroupScope,
    Hold,
    Intent,
    PlanKind,
    PullRequest,
    Scope,
    Severity,
    StackName,
    TargetScope,
)
from gitops.upgrade import CONFLICT

# A rollback is how people get out of trouble: a hold does not stop it.
_EXEMPT_FROM_HOLDS: Final = frozenset({PlanKind.ROLLBACK})
_NAMED: Final = 3


def closed_merge_gates(
    fleet: Fleet,
    intents: Sequence[Intent],
    pull_request: PullRequest,
    *,
    holds: Sequence[Hold],
    paused: bool,
    conflicts: Sequence[str] = (),
) -> tuple[str, ...]:
    """Return the reasons why a pull request may not be merged now; empty: it may.

    Args:
        fleet: the rules, as the base branch says them.
        intents: the live intents of the pull request; empty for a person's own.
        pull_request: with its approvals.
        holds: of the repository.
        paused: whether the pause switch is on.
        conflicts: files that hold conflict markers at the head, as it is now.
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
    given = {a.by for a in pull_request.approvals if a.head == pull_request.head}
    given.discard(pull_request.author)
    needed = max((_approvals_for(fleet, intent) for intent in intents), default=0)
    if len(given) < needed:
        reasons.append(
            f"{len(given)} of {needed} approvals of {pull_request.head[:12]}"
        )
    if any(_go_for(fleet, intent) for intent in intents):
        reasons.append("its promotion rule asks for a releaser's go")
    return tuple(reasons)


def _is_lasting(finding: Finding) -> bool:
    """Whether a planned error holds whatever is pushed; a conflict can be resolved."""
    return finding.severity is Severity.ERROR and finding.rule != CONFLICT


def _stops(hold: Hold, intents: Sequence[Intent]) -> bool:
    return any(
        intent.plan.kind not in _EXEMPT_FROM_HOLDS and _touches(hold, intent.plan.scope)
        for intent in intents
    )


def _touches(hold: Hold, scope: Scope) -> bool:
    stack: StackName | None = None
    environment: EnvironmentName | None = None
    match scope:
        case TargetScope(target=target):
            stack, environment = target.stack, target.environment
        case GroupScope(environment=name):
            environment = name
        case _:
            pass
    by_stack = hold.stack is None or hold.stack == stack
    by_environment = hold.environment is None or hold.environment == environment
    return by_stack and by_environment


def _told(hold: Hold) -> str:
    what = " in ".join(name for name in (hold.stack, hold.environment) if name)
    why = f": {hold.reason}" if hold.reason else ""
    since = f"{hold.at:%Y-%m-%d %H:%M %Z}"
    return f"{what or 'everything'} is held by {hold.by} since {since}{why}"


def _approvals_for(fleet: Fleet, intent: Intent) -> int:
    return max((rule[0] for rule in _rules(fleet, intent)), default=0)


def _go_for(fleet: Fleet, intent: Intent) -> bool:
    return any(rule[1] for rule in _rules(fleet, intent))


def _rules(fleet: Fleet, intent: Intent) -> tuple[tuple[int, int], ...]:
    """Return (approvals, go) of the promotion rules that an intent falls under."""
    scope = intent.plan.scope
    if intent.plan.kind is not PlanKind.PROMOTE or not isinstance(scope, TargetScope):
        return ()
    return tuple(
        (rule.approvals, rule.go)
        for rule in fleet.promotions
        if rule.target == scope.target.environment
        and rule.source == intent.plan.provenance.source_environment
    )
