"""Due runs of schedules become intents (R14): each run once, the missed are counted.

An occurrence gets its row before anything is done for it and is marked done after all
of its promotions are recorded, so a killed pass is finished by the next one; recording
the same promotion twice is one intent.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from gitops.cron import Cron
from gitops.errors import GitopsError
from gitops.model import PromotionRule, Target
from gitops.promotion import (
    Promote,
    Way,
    decide,
    due,
    plan_promotion,
)
from gitops.workflow import record
from service.reconcile.ground import Ground
from service.reconcile.ways import ways
from service.store import Occurrence, Watch


def schedule_name(rule: PromotionRule) -> str:
    """Return the name under which a rule's schedule is followed."""
    return f"{rule.source}->{rule.target}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Scheduled:
    """What one run of a schedule did for one target.

    Attributes:
        schedule: its name.
        scheduled_for: the run.
        target: what was to change.
        tag: what was to be carried there.
        problem: why that was refused; empty when it was recorded.
    """

    schedule: str
    scheduled_for: datetime
    target: Target
    tag: str
    problem: str = ""


def run_schedules(ground: Ground) -> tuple[Scheduled, ...]:
    """Follow every schedule, and deal with the runs that are due."""
    rules = {
        schedule_name(rule): rule
        for rule in ground.world.fleet.promotions
        if rule.schedule is not None
    }
    _follow(ground, rules)
    pending = ground.store.schedules.due(ground.name)
    if not pending:
        return ()
    known = ways(ground.place, ground.store, ground.world, ground.now)
    done: list[Scheduled] = []
    for occurrence in pending:
        for way in known:
            if schedule_name(way.rule) == occurrence.schedule:
                done += _run(ground, way, occurrence)
        ground.store.schedules.done(
            ground.name, occurrence.schedule, occurrence.scheduled_for, ground.now
        )
    return tuple(done)


def _follow(ground: Ground, rules: dict[str, PromotionRule]) -> None:
    """Give the runs that have become due a row, and count the missed."""
    watches = {w.schedule: w for w in ground.store.schedules.watches(ground.name)}
    for name, rule in rules.items():
        cron = Cron(expression=rule.schedule or "", timezone=rule.timezone)
        said = f"{cron.expression} {cron.timezone}"
        watch = watches.get(name)
        if watch is None or watch.expression != said:
            # A new schedule, or another one, begins now: it has missed nothing.
            missed = watch.missed if watch is not None else 0
            watch = Watch(
                schedule=name, expression=said, seen_until=ground.now, missed=missed
            )
            ground.store.schedules.follow(
                ground.name, watch, due=None, missed=None, now=ground.now
            )
            continue
        found = due(
            cron,
            seen_until=watch.seen_until,
            now=ground.now,
            missed_policy=rule.missed,
        )
        if found.due is None and not found.missed:
            continue  # nothing came: a pass writes nothing for it
        ground.store.schedules.follow(
            ground.name,
            Watch(
                schedule=name,
                expression=said,
                seen_until=found.seen_until,
                missed=watch.missed + found.missed,
            ),
            due=found.due,
            missed=found.last_missed,
            now=ground.now,
        )


def _run(ground: Ground, way: Way, occurrence: Occurrence) -> list[Scheduled]:
    decision = decide(way, now=ground.now, occurrence=occurrence.scheduled_for)
    if not isinstance(decision, Promote):
        return []
    problem = ""
    try:
        _record(ground, way, decision, occurrence)
    except GitopsError as error:
        if error.retryable:
            raise
        problem = error.message
    return [
        Scheduled(
            schedule=occurrence.schedule,
            scheduled_for=occurrence.scheduled_for,
            target=way.target,
            tag=decision.arrival.revision.tag,
            problem=problem,
        )
    ]


def _record(
    ground: Ground, way: Way, decision: Promote, occurrence: Occurrence
) -> None:
    arrival = decision.arrival
    tree = None
    if arrival.left_at is not None:
        tree = ground.place.mirror.read_tree(arrival.commit)
    plan = plan_promotion(
        ground.world.tree,
        ground.world.fleet,
        way.target.stack,
        to=way.target.environment,
        source=way.rule.source,
        source_tree=tree,
        requested_by=f"schedule {occurrence.schedule}",
        now=ground.now,
        merged_at=arrival.at,
        holds=way.holds,
        pin=way.pin,
        arrival=arrival,
        observation=way.observation,
        occurrence=occurrence.scheduled_for,
    )
    if plan.changes:
        record(ground.place, plan, now=ground.now)
