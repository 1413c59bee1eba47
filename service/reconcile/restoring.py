"""Failed health becomes a rollback, where the rule says so.

It goes to the last revision that was healthy in the same place and pins it, so that no
schedule brings the failed one back. Where the database may have migrated past that
revision nothing is done but to say so, once: a person has to restore a backup first.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta

from gitops.errors import GitopsError
from gitops.model import (
    Arrival,
    Health,
    Observation,
    Pin,
    PlanKind,
    PromotionRule,
    SetRevision,
    Target,
)
from gitops.promotion import last_healthy, pin_of, plan_rollback, runs_another
from gitops.workflow import record
from service.reconcile.ground import Ground


@dataclass(frozen=True, slots=True, kw_only=True)
class Restored:
    """A target whose health has failed after a change.

    Attributes:
        target: which.
        failed: the tag that failed.
        back_to: the tag that it is to go back to; empty when that is refused.
        problem: why it is refused; empty when it is not.
    """

    target: Target
    failed: str
    back_to: str = ""
    problem: str = ""


def roll_back_failed(ground: Ground) -> tuple[Restored, ...]:
    """Request a rollback of every target whose health has failed in time."""
    pins = {pin.target: pin for pin in ground.store.pins.all(ground.name)}
    seen: set[Target] = set()
    done = []
    for rule, arrival in _failed(ground):
        target = arrival.target
        if target in seen:
            continue  # two rules lead there
        pin = pins.get(target)
        if pin is not None and not _was_interrupted(ground, arrival, pin):
            continue
        seen.add(target)
        done.append(_roll_back(ground, rule, arrival))
    return tuple(done)


def _was_interrupted(ground: Ground, arrival: Arrival, pin: Pin) -> bool:
    """Whether a pass was killed when it had placed its pin, and requested nothing."""
    if pin.by != ground.place.identity.name or pin.at < arrival.at:
        return False
    if pin.revision == arrival.revision:
        return False  # it holds what is there: somebody's revert
    wanted = SetRevision(target=arrival.target, revision=pin.revision)
    return not any(
        intent.plan.kind is PlanKind.ROLLBACK
        and intent.created_at >= arrival.at
        and wanted in intent.plan.changes
        for intent in ground.store.intents.all(ground.name)
    )


def _failed(ground: Ground) -> Iterator[tuple[PromotionRule, Arrival]]:
    """Yield present arrivals that were seen to fail within their rule's time."""
    rules = [r for r in ground.world.fleet.promotions if r.rollback_within_s]
    if not rules:
        return
    seen = {(o.target, o.source): o for o in ground.store.observations.all(ground.name)}
    for arrival in ground.store.arrivals.all(ground.name):
        for rule in rules:
            if arrival.target.environment != rule.target:
                continue
            observation = seen.get((arrival.target, rule.health))
            if observation is not None and _has_failed(rule, arrival, observation):
                yield rule, arrival


def _has_failed(
    rule: PromotionRule, arrival: Arrival, observation: Observation
) -> bool:
    end = arrival.at + timedelta(seconds=rule.rollback_within_s)
    return (
        arrival.left_at is None
        and observation.health is Health.UNHEALTHY
        and not runs_another(observation.version, arrival.revision)
        and arrival.at <= observation.since <= end
    )


def _roll_back(ground: Ground, rule: PromotionRule, arrival: Arrival) -> Restored:
    target = arrival.target
    past = ground.store.arrivals.of_target(ground.name, target)
    try:
        plan = plan_rollback(
            ground.world.tree,
            ground.world.fleet,
            target,
            history=[one.revision for one in past],
            healthy=last_healthy(past),
            requested_by=ground.place.identity.name,
            reason=f"{arrival.revision.tag} is unhealthy by {rule.health}",
        )
    except GitopsError as error:
        return Restored(
            target=target, failed=arrival.revision.tag, problem=error.message
        )
    pin = pin_of(plan, now=ground.now)
    if pin is None:
        return Restored(target=target, failed=arrival.revision.tag, problem="done")
    # The pin first: a rollback without one could be overtaken by a schedule.
    ground.store.pins.place(ground.name, pin)
    record(ground.place, plan, now=ground.now)
    return Restored(
        target=target, failed=arrival.revision.tag, back_to=pin.revision.tag
    )
