"""PLAN a bump: another revision for one stack, or for all of an environment. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from gitops.catalogue import risks
from gitops.errors import InputError, PlanError
from gitops.fleet import BUMP_GROUP
from gitops.model import (
    Change,
    EnvironmentName,
    Finding,
    Fleet,
    GroupScope,
    Hold,
    Overlay,
    Pin,
    Plan,
    PlanKind,
    Provenance,
    Revision,
    SetRevision,
    Severity,
    StackName,
    Target,
    TargetScope,
    Tree,
)
from gitops.overlay import list_overlays, read_overlay
from gitops.promotion.existence import Prove, unproved, with_proof
from gitops.promotion.guards import (
    check_environment,
    holds_on,
    refuse_held,
    refuse_paused,
    refuse_pinned,
    stopped_findings,
)
from gitops.versions import Step, check_digest, parse_reference, step

GROUP: Final = BUMP_GROUP
"""The group whose pull request carries a bump of several stacks."""


def plan_bump(
    tree: Tree,
    fleet: Fleet,
    target: Target,
    version: str,
    *,
    requested_by: str,
    reason: str = "",
    digest: str | None = None,
    allow_downgrade: bool = False,
    holds: Sequence[Hold] = (),
    pin: Pin | None = None,
    paused: bool = False,
    proofs: Prove = unproved,
) -> Plan:
    """Plan another revision for one stack in one environment.

    Args:
        tree: the base branch.
        fleet: its rules.
        target: what changes.
        version: `x.y.z` with an optional suffix, or `x.y.z@sha256:...`.
        requested_by: who asked.
        reason: their words.
        digest: of the image; None when it is not known.
        allow_downgrade: let an older version pass; the finding stays.
        holds: of the repository.
        pin: of the target.
        paused: whether the pause switch is on.
        proofs: tells what a registry says of a revision.

    Returns:
        A plan; without changes when the revision is there already.

    Raises:
        InputError: the version or the digest is not acceptable, or there is no such
            image.
        UnknownNameError: no such environment, or no such stack there.
        HeldError: a hold, a pin or the pause switch forbids it.
        PlanError: it would be a downgrade.
        TreeError: the overlay cannot be read.
    """
    tag, known = _wanted(version, digest)
    refuse_paused(paused=paused)
    refuse_held(target, holds)
    refuse_pinned(target, pin)
    overlay = read_overlay(tree, fleet, target)
    wanted = Revision(image=overlay.revision.image, tag=tag, digest=known)
    if not allow_downgrade:
        _refuse_downgrade(overlay, tag)
    change, findings = _revise(overlay, wanted, proofs)
    return Plan(
        kind=PlanKind.BUMP,
        scope=TargetScope(target=target),
        changes=change,
        provenance=Provenance(
            requested_by=requested_by, source_commit=tree.commit, reason=reason
        ),
        findings=findings,
    )


def plan_bumps(
    tree: Tree,
    fleet: Fleet,
    environment: EnvironmentName,
    version: str,
    stacks: Sequence[StackName] | None = None,
    *,
    requested_by: str,
    reason: str = "",
    digest: str | None = None,
    allow_downgrade: bool = False,
    holds: Sequence[Hold] = (),
    pins: Sequence[Pin] = (),
    paused: bool = False,
    proofs: Prove = unproved,
) -> Plan:
    """Plan another revision for several stacks of one environment.

    A stack that is named must be able to move, else the whole plan is refused. With
    all stacks (None), those that are held, pinned or newer already are left out and
    told of.

    Args:
        tree: the base branch.
        fleet: its rules.
        environment: where.
        version: as for plan_bump.
        stacks: which; None means every stack of the environment.
        requested_by: who asked.
        reason: their words.
        digest: as for plan_bump; the stacks must then share one image.
        allow_downgrade: as for plan_bump.
        holds: of the repository.
        pins: of the repository.
        paused: whether the pause switch is on.
        proofs: as for plan_bump.

    Raises:
        InputError: as for plan_bump, or a digest for several images.
        UnknownNameError: no such environment, or no such stack there.
        HeldError: the pause switch, a hold on the environment, or a hold or pin on a
            named stack.
        PlanError: it would be a downgrade of a named stack.
        TreeError: an overlay cannot be read.
    """
    tag, known = _wanted(version, digest)
    refuse_paused(paused=paused)
    check_environment(fleet, environment)
    _refuse_held_environment(environment, holds)
    overlays = _overlays(tree, fleet, environment, stacks)
    if known is not None:
        _refuse_images(overlays)
    pinned = {pin.target: pin for pin in pins}
    changes: list[Change] = []
    findings: list[Finding] = []
    for overlay in overlays:
        pin = pinned.get(overlay.target)
        held = stopped_findings(overlay.target, holds, pin, overlay.path)
        downgrade = not allow_downgrade and _is_downgrade(overlay, tag)
        if stacks is not None:
            refuse_held(overlay.target, holds)
            refuse_pinned(overlay.target, pin)
            if downgrade:
                _refuse_downgrade(overlay, tag)
        elif held or downgrade:
            findings += held or (_newer_already(overlay, tag),)
            continue
        wanted = Revision(image=overlay.revision.image, tag=tag, digest=known)
        change, told = _revise(overlay, wanted, proofs)
        changes += change
        findings += told
    return Plan(
        kind=PlanKind.BUMP,
        scope=GroupScope(environment=environment, group=GROUP),
        changes=tuple(changes),
        provenance=Provenance(
            requested_by=requested_by, source_commit=tree.commit, reason=reason
        ),
        findings=tuple(findings),
    )


def _overlays(
    tree: Tree,
    fleet: Fleet,
    environment: EnvironmentName,
    stacks: Sequence[StackName] | None,
) -> tuple[Overlay, ...]:
    if stacks is None:
        return list_overlays(tree, fleet, environment=environment)
    return tuple(
        read_overlay(tree, fleet, Target(environment=environment, stack=stack))
        for stack in dict.fromkeys(stacks)
    )


def _wanted(version: str, digest: str | None) -> tuple[str, str | None]:
    parsed, inline = parse_reference(version)
    given = check_digest(digest) if digest is not None else None
    if inline and given and inline != given:
        raise InputError(
            f"two digests are given for {parsed}: {inline} and {given}",
            hint="give one",
        )
    return parsed.tag, inline or given


def _refuse_held_environment(
    environment: EnvironmentName, holds: Sequence[Hold]
) -> None:
    wide = [hold for hold in holds if hold.stack is None]
    # Whatever stack it is: these holds do not ask for one.
    anyone = Target(environment=environment, stack=StackName("every stack"))
    refuse_held(anyone, holds_on(anyone, wide))


def _refuse_images(overlays: Sequence[Overlay]) -> None:
    images = sorted({overlay.revision.image for overlay in overlays})
    if len(images) > 1:
        raise InputError(
            f"one digest cannot fit {len(images)} images: {', '.join(images)}",
            hint="bump without a digest, or one stack at a time",
        )


def _is_downgrade(overlay: Overlay, tag: str) -> bool:
    return step(overlay.revision.tag, tag) is Step.DOWNGRADE


def _refuse_downgrade(overlay: Overlay, tag: str) -> None:
    if _is_downgrade(overlay, tag):
        raise PlanError(
            f"{overlay.target} runs {overlay.revision.tag}; {tag} is older, and a "
            "database does not go back with its image",
            hint="`directus-gitops rollback` looks at what would be lost",
        )


def _newer_already(overlay: Overlay, tag: str) -> Finding:
    return Finding(
        rule="newer-already",
        severity=Severity.INFO,
        path=overlay.path,
        message=f"{overlay.target} runs {overlay.revision.tag}, newer than {tag}; "
        "it is left as it is",
    )


def _revise(
    overlay: Overlay, wanted: Revision, proofs: Prove
) -> tuple[tuple[Change, ...], tuple[Finding, ...]]:
    """Return the change of one overlay and what a reviewer must know of it."""
    present = overlay.revision
    if present == wanted:
        return (), ()
    wanted, proved = with_proof(present, wanted, proofs(wanted), path=overlay.path)
    if present == wanted:
        return (), ()
    findings = [*risks(present.tag, wanted.tag, path=overlay.path), *proved]
    if present.digest and not wanted.digest:
        findings.append(
            Finding(
                rule="digest-unpinned",
                severity=Severity.WARNING,
                path=overlay.path,
                message=f"{overlay.target} was pinned to {present.digest}; no digest "
                f"is given for {wanted.tag}",
                hint=f"bump to {wanted.tag}@sha256:... to keep it pinned",
            )
        )
    return (SetRevision(target=overlay.target, revision=wanted),), tuple(findings)
