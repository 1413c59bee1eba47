"""PLAN a promotion: carry a revision, and what goes with it, to the next. Pure.

The source is what the base branch says, never an open pull request. Closed opening
gates are findings, because a person or program asked; holds, the pause switch and the
downgrade guard refuse.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import datetime

from gitops.catalogue import risks
from gitops.errors import PlanError, UnknownNameError
from gitops.fleet import predecessors, sources_of
from gitops.model import (
    Arrival,
    Change,
    EnvironmentName,
    Finding,
    Fleet,
    GroupScope,
    Hold,
    Observation,
    Overlay,
    Pin,
    Plan,
    PlanKind,
    PromotionRule,
    Provenance,
    Revision,
    Scope,
    SetConfig,
    SetRevision,
    Severity,
    StackName,
    Target,
    TargetScope,
    Tree,
)
from gitops.overlay import read_overlay
from gitops.promotion.companions import (
    Companion,
    companion_findings,
    companions,
    image_changes,
)
from gitops.promotion.gates import Gate, closed_gate_findings, opening_gates
from gitops.promotion.guards import (
    check_environment,
    refuse_held,
    refuse_paused,
    refuse_pinned,
)
from gitops.secretnames import is_secret
from gitops.tokenshapes import token_shape
from gitops.versions import Step, step, version_of


def plan_promotion(
    tree: Tree,
    fleet: Fleet,
    stack: StackName,
    *,
    to: EnvironmentName,
    requested_by: str,
    now: datetime,
    source: EnvironmentName | None = None,
    reason: str = "",
    merged_at: datetime | None = None,
    holds: Sequence[Hold] = (),
    pin: Pin | None = None,
    paused: bool = False,
    source_tree: Tree | None = None,
    arrival: Arrival | None = None,
    observation: Observation | None = None,
    occurrence: datetime | None = None,
) -> Plan:
    """Plan to carry a stack's revision from one environment to another.

    Tag and digest travel, and the keys and other images that the fleet says travel
    (`carry`, `carryImages`). One that the source does not have is left alone in the
    target, and told of. Where the
    rule of the way has a group, the plan joins the group's pull request.

    Args:
        tree: the base branch.
        fleet: its rules.
        stack: which stack.
        to: the environment that changes.
        requested_by: who asked.
        now: aware; gates are judged at this moment.
        source: the environment that the revision leaves; needed where `to` follows
            several.
        reason: the asker's words.
        merged_at: when the revision came to the source; None when not known.
        holds: of the repository.
        pin: of the target.
        paused: whether the pause switch is on.
        source_tree: the base branch as it was when the source had what is carried:
            revision and values are read there. None for as it is now.
        arrival: of what is carried, and how it fared; None when it is not known.
        observation: the last one of the source by the way's health source.
        occurrence: the run of the schedule that asks; None where a person does.

    Returns:
        A plan; without changes when the target has all of it already.

    Raises:
        UnknownNameError: no such environment, or no such stack in one of them.
        HeldError: a hold, a pin or the pause switch forbids it.
        PlanError: no source, or several, or not one that `to` follows; a downgrade;
            or a value that must not travel.
        TreeError: an overlay cannot be read.
    """
    refuse_paused(paused=paused)
    check_environment(fleet, to)
    origin = _source(fleet, to, source)
    target = Target(environment=to, stack=stack)
    refuse_held(target, holds)
    refuse_pinned(target, pin)
    there = Target(environment=origin, stack=stack)
    left = read_overlay(source_tree or tree, fleet, there)
    entered = read_overlay(tree, fleet, target)
    _refuse_downgrade(left, entered)
    others = companions(source_tree or tree, tree, fleet, left, entered)
    wanted = _changes(left, entered, fleet.carry_of(stack), others)
    rule = _rule(fleet, origin, to)
    findings: tuple[Finding, ...] = ()
    if wanted:
        gates: tuple[Gate, ...] = ()
        if rule is not None:
            gates = opening_gates(
                rule,
                now=now,
                merged_at=merged_at,
                arrival=arrival,
                observation=observation,
                occurrence=occurrence,
            )
        findings = (
            *_of_revision(left, entered),
            *_left_source(tree, fleet, left, entered),
            *closed_gate_findings(gates, path=entered.path),
            *_missing(left, entered, fleet.carry_of(stack)),
            *companion_findings(others, left, entered),
        )
    return Plan(
        kind=PlanKind.PROMOTE,
        scope=_scope(rule, target),
        changes=wanted,
        provenance=Provenance(
            requested_by=requested_by,
            source_environment=origin,
            source_commit=(source_tree or tree).commit,
            reason=reason,
        ),
        findings=findings,
    )


def _scope(rule: PromotionRule | None, target: Target) -> Scope:
    if rule is None or not rule.group:
        return TargetScope(target=target)
    return GroupScope(environment=target.environment, group=rule.group)


def _source(
    fleet: Fleet, to: EnvironmentName, asked: EnvironmentName | None
) -> EnvironmentName:
    """Choose where the revision comes from."""
    possible = sources_of(fleet, to)
    if asked is not None:
        check_environment(fleet, asked)
        if asked not in possible:
            raise PlanError(
                f"{to} does not follow {asked}",
                hint=f"it follows: {', '.join(possible) or 'none'}; a promotion rule "
                "in gitops.yaml can add a way",
            )
        return asked
    first = predecessors(fleet, to) or possible
    if not first:
        raise PlanError(
            f"{to} follows no environment, so nothing can be promoted to it",
            hint=f"bump it, or name what it follows in gitops.yaml: "
            f"{{name: {to}, after: [...]}}",
        )
    if len(first) > 1:
        raise PlanError(
            f"{to} follows several environments: {', '.join(first)}",
            hint="name one of them with --from",
        )
    return first[0]


def _refuse_downgrade(left: Overlay, entered: Overlay) -> None:
    if step(entered.revision.tag, left.revision.tag) is Step.DOWNGRADE:
        raise PlanError(
            f"{entered.target} runs {entered.revision.tag}; "
            f"{left.target.environment} has the older {left.revision.tag}",
            hint="a promotion never goes back; use `directus-gitops rollback`",
        )


def _changes(
    left: Overlay,
    entered: Overlay,
    carried: Sequence[str],
    others: Sequence[Companion],
) -> tuple[Change, ...]:
    """Return all that is wanted, or nothing where the target has all of it.

    What the target has already stays in: of several requests for one pull request
    the newest value wins, so each must name every value it stands for.
    """
    revision = Revision(
        image=entered.revision.image,
        tag=left.revision.tag,
        digest=left.revision.digest,
    )
    values = {key: left.config[key] for key in carried if key in left.config}
    satisfied = (
        entered.revision == revision
        and all(entered.config.get(key) == value for key, value in values.items())
        and all(other.wanted in (None, other.entered) for other in others)
    )
    if satisfied:
        return ()
    for key, value in values.items():
        if is_secret(key, value) or token_shape(value):
            raise PlanError(
                f"{left.path}/config.env: the value of {key} looks like a credential",
                hint="take the key out of `carry`, and keep the value in a Secret",
            )
    return (
        SetRevision(target=entered.target, revision=revision),
        *image_changes(others, entered),
        *(
            SetConfig(target=entered.target, key=key, value=value)
            for key, value in values.items()
        ),
    )


def _of_revision(left: Overlay, entered: Overlay) -> Iterator[Finding]:
    yield from risks(entered.revision.tag, left.revision.tag, path=entered.path)
    if left.revision.digest is None and version_of(left.revision.tag) is None:
        yield Finding(
            rule="floating-tag",
            severity=Severity.WARNING,
            path=entered.path,
            message=f"{left.revision.tag} may name another image in "
            f"{entered.target.environment} than it did in {left.target.environment}",
            hint=f"bump {left.target} to a full version or a digest first",
        )


def _left_source(
    tree: Tree, fleet: Fleet, left: Overlay, entered: Overlay
) -> Iterator[Finding]:
    """Tell that the source has something else by now."""
    source = left.target
    try:
        present = read_overlay(tree, fleet, source).revision
    except UnknownNameError:
        has = f"{source.stack} is no longer there"
    else:
        if present == left.revision:
            return
        has = f"it has {_spelt(present)} now"
    yield Finding(
        rule="left-source",
        severity=Severity.INFO,
        path=entered.path,
        message=f"{_spelt(left.revision)} has left {source.environment}; {has}",
        hint="it had its time there, and what is newer follows when it is ready",
    )


def _spelt(revision: Revision) -> str:
    return revision.tag + (f"@{revision.digest}" if revision.digest else "")


def _rule(
    fleet: Fleet, source: EnvironmentName, to: EnvironmentName
) -> PromotionRule | None:
    ways = (r for r in fleet.promotions if (r.source, r.target) == (source, to))
    return next(ways, None)


def _missing(
    left: Overlay, entered: Overlay, carried: Sequence[str]
) -> Iterator[Finding]:
    for key in carried:
        if key not in left.config:
            here = "keeps its value" if key in entered.config else "has none either"
            yield Finding(
                rule="carry-missing",
                severity=Severity.INFO,
                path=entered.path,
                message=f"{key} travels with promotions, but is not set in "
                f"{left.target.environment}; {entered.target.environment} {here}",
            )
