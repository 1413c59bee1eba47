"""What comes next, as documents."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import ConfigDict, Field

from gitops import model, promotion
from service import store
from service.api.shapes.common import Shape
from service.desk import Scheduled


class Schedule(Shape):
    """A promotion rule and when it comes to be."""

    name: str = Field(examples=["development->staging"])
    source: str = Field(examples=["development"])
    target: str = Field(examples=["staging"])
    schedule: str | None = Field(
        examples=["0 9 * * 1-5"], description="Null: by request only."
    )
    timezone: str = Field(examples=["Europe/Berlin"])
    missed_policy: model.Missed
    soak_s: int
    health: str
    merge: model.MergePolicy
    approvals: int
    go: int
    next: list[datetime] = Field(description="The next occurrences, in UTC.")
    last: datetime | None = Field(description="The newest one that had a row.")
    last_state: store.OccurrenceState | None
    missed: int = Field(description="How many passed without anybody to see them.")

    @classmethod
    def of(cls, found: Scheduled) -> Schedule:
        """Shape a rule with its occurrences."""
        rule, last = found.rule, found.last
        return cls(
            name=found.name,
            source=rule.source,
            target=rule.target,
            schedule=rule.schedule,
            timezone=rule.timezone,
            missed_policy=rule.missed,
            soak_s=rule.soak_s,
            health=rule.health,
            merge=rule.merge,
            approvals=rule.approvals,
            go=rule.go,
            next=list(found.coming),
            last=None if last is None else last.scheduled_for,
            last_state=None if last is None else last.state,
            missed=found.missed,
        )


class Schedules(Shape):
    """Promotion rules in the order of gitops.yaml."""

    schedules: list[Schedule]


class Gate(Shape):
    """A condition on a promotion."""

    name: str = Field(examples=["soak"])
    open: bool
    reason: str
    opens_at: datetime | None

    @classmethod
    def of(cls, gate: promotion.Gate) -> Gate:
        """Shape a gate."""
        return cls(
            name=gate.name,
            open=gate.is_open,
            reason=gate.reason,
            opens_at=gate.opens_at,
        )


class Opening(Shape):
    """A promotion that is expected."""

    at: datetime
    version: str = Field(examples=["12.4.1"])


class Expected(Shape):
    """What is to be expected of one stack on one promotion rule."""

    model_config = ConfigDict(extra="forbid", frozen=True, serialize_by_alias=True)

    stack: str = Field(examples=["example"])
    source: str = Field(serialization_alias="from", examples=["development"])
    to: str = Field(examples=["staging"])
    decision: str = Field(description="promote, wait or rest", examples=["wait"])
    reason: str = Field(description="Why it is not promoted now.")
    version: str | None = Field(description="What would be carried.")
    earliest: datetime | None = Field(
        description="The first moment at which every gate can be open; null where a "
        "gate does not tell."
    )
    gates: list[Gate]
    openings: list[Opening]

    @classmethod
    def of(cls, one: promotion.Expectation) -> Expected:
        """Shape an expectation."""
        return cls(
            stack=one.target.stack,
            source=one.rule.source,
            to=one.target.environment,
            **_decision_fields(one.decision),
            openings=[
                Opening(at=opening.at, version=opening.revision.tag)
                for opening in one.openings
            ],
        )


def _decision_fields(decision: promotion.Decision) -> dict[str, Any]:
    if isinstance(decision, promotion.Rest):
        return {
            "decision": "rest",
            "reason": decision.reason,
            "version": None,
            "earliest": None,
            "gates": [],
        }
    is_waiting = isinstance(decision, promotion.Wait)
    closed = [gate.reason for gate in decision.gates if not gate.is_open]
    return {
        "decision": "wait" if is_waiting else "promote",
        "reason": "; ".join(closed),
        "version": decision.arrival.revision.tag,
        "earliest": decision.earliest if isinstance(decision, promotion.Wait) else None,
        "gates": [Gate.of(gate) for gate in decision.gates],
    }


class Forecast(Shape):
    """What is to be expected of each promotion."""

    days: int
    forecast: list[Expected]
