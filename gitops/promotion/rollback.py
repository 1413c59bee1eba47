"""PLAN a rollback: back to a revision that ran in the same place before. Pure.

A hold does not stop it, because it is how people get out of trouble; the reviewer is
told. What stops it is the database: it has been migrated, and stays so.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from datetime import datetime
from typing import Final

from gitops.catalogue import obstacles_back, risks
from gitops.errors import InputError, PlanError
from gitops.model import (
    Change,
    Finding,
    Fleet,
    Hold,
    Overlay,
    Pin,
    Plan,
    PlanKind,
    Provenance,
    Revision,
    SetRevision,
    Severity,
    Target,
    TargetScope,
    Tree,
)
from gitops.overlay import read_overlay
from gitops.promotion.guards import held_finding, refuse_held, refuse_paused
from gitops.versions import check_digest, check_tag, step

_NAMES_SHOWN: Final = 10


def plan_rollback(
    tree: Tree,
    fleet: Fleet,
    target: Target,
    *,
    history: Sequence[Revision],
    healthy: Collection[Revision] | None = None,
    requested_by: str,
    to: str | None = None,
    accept_data_risk: bool = False,
    reason: str = "",
    holds: Sequence[Hold] = (),
    paused: bool = False,
) -> Plan:
    """Plan to go back to a revision that the base branch has had in this place.

    Args:
        tree: the base branch.
        fleet: its rules.
        target: what changes.
        history: revisions of the target, newest first; the present one may lead.
        healthy: those of them that were seen healthy there; without `to`, one of these
            is chosen. None where health is not observed.
        requested_by: who asked.
        to: `TAG` or `TAG@DIGEST`; None means the last one before the present that is
            not newer than it.
        accept_data_risk: go back although the database of the present release is
            known (or must be feared) to be of no use to the older one.
        reason: the asker's words.
        holds: of the repository; told of, and obeyed only where `to` is newer than
            what runs.
        paused: whether the pause switch is on.

    Returns:
        A plan; without changes when the revision is there already.

    Raises:
        InputError: `to` is no tag, or never ran here; the hint lists those that did.
        UnknownNameError: no such environment, or no such stack there.
        HeldError: the pause switch is on; or `to` is newer, and the target is held.
        PlanError: there is no earlier revision, or the data are at risk.
        TreeError: the overlay cannot be read.
    """
    refuse_paused(paused=paused)
    overlay = read_overlay(tree, fleet, target)
    ran = [found for found in history if found.image == overlay.revision.image]
    wanted = _named(overlay, ran, to) if to else _before(overlay, ran, healthy)
    if step(overlay.revision.tag, wanted.tag).is_up:
        refuse_held(target, holds)  # that way leads forward, not out of trouble
    obstacles = obstacles_back(overlay.revision.tag, wanted.tag)
    if wanted.tag == overlay.revision.tag:
        obstacles = ()
    if obstacles and not accept_data_risk:
        raise PlanError(
            f"{target}: {overlay.revision.tag} -> {wanted.tag} may lose data or not "
            f"start: {'; '.join(obstacles)}",
            hint="restore the database backup of that release first, then ask again "
            "with --accept-data-risk",
        )
    is_there = wanted == overlay.revision
    changes: tuple[Change, ...] = (SetRevision(target=target, revision=wanted),)
    return Plan(
        kind=PlanKind.ROLLBACK,
        scope=TargetScope(target=target),
        changes=() if is_there else changes,
        provenance=Provenance(
            requested_by=requested_by, source_commit=tree.commit, reason=reason
        ),
        findings=()
        if is_there
        else (
            *risks(overlay.revision.tag, wanted.tag, path=overlay.path),
            *_accepted(overlay, obstacles),
            *held_finding(target, holds, overlay.path),
        ),
    )


def pin_of(plan: Plan, *, now: datetime) -> Pin | None:
    """Return the pin that goes with a rollback; None when it changes nothing.

    Without it the next run of a schedule would bring back what was rolled back.

    Args:
        plan: as plan_rollback made it.
        now: aware UTC.
    """
    for change in plan.changes:
        if isinstance(change, SetRevision):
            why = plan.provenance.reason
            return Pin(
                target=change.target,
                revision=change.revision,
                reason=f"rolled back: {why}" if why else "rolled back",
                by=plan.provenance.requested_by,
                at=now,
            )
    return None


def _named(overlay: Overlay, ran: Sequence[Revision], to: str) -> Revision:
    tag, at, digest = to.partition("@")
    check_tag(tag)
    if at:
        check_digest(digest)
    for revision in (overlay.revision, *ran):
        if revision.tag == tag and (not at or revision.digest == digest):
            return revision
    known = list(dict.fromkeys(revision.tag for revision in ran))
    more = len(known) - _NAMES_SHOWN
    raise InputError(
        f"{to[:200]} never ran in {overlay.target}",
        hint=f"known: {', '.join(known[:_NAMES_SHOWN])}"
        + (f" and {more} more" if more > 0 else "")
        if known
        else "the history of the base branch knows no revision of it",
    )


def _before(
    overlay: Overlay, ran: Sequence[Revision], healthy: Collection[Revision] | None
) -> Revision:
    """Return the last healthy revision before the present one that is not newer.

    After a rollback the newer one leads the history; going "back" to it would undo
    the rollback.
    """
    present = overlay.revision
    older = [
        revision
        for revision in ran
        if revision != present and not step(present.tag, revision.tag).is_up
    ]
    for revision in older:
        if healthy is None or revision in healthy:
            return revision
    was = "was seen healthy with" if older else "has run"
    raise PlanError(
        f"{overlay.target} {was} nothing older than {present.tag}",
        hint="name a revision with --to, or bump it",
    )


def _accepted(overlay: Overlay, obstacles: Sequence[str]) -> tuple[Finding, ...]:
    return tuple(
        Finding(
            rule="data-risk",
            severity=Severity.WARNING,
            path=overlay.path,
            message=obstacle,
            hint="accepted by the asker; the backup must be restored before the merge",
        )
        for obstacle in obstacles
    )
