"""The JSON shapes that scripts rely on, written in one place."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from gitops.intents import finding_to_json
from gitops.model import (
    Arrival,
    Difference,
    Finding,
    Health,
    Hold,
    Json,
    Outcome,
    Pin,
    Preview,
    Proposed,
    PullRequest,
    Target,
    Unchanged,
)
from gitops.promotion import Decision, Expectation, Gate, Promote, Rest, Wait
from gitops.workflow import Standing


def findings(found: Iterable[Finding]) -> list[Json]:
    """Shape findings."""
    return [finding_to_json(finding) for finding in found]


def pull_request(shown: PullRequest) -> dict[str, Json]:
    """Shape a pull request."""
    return {
        "number": shown.number,
        "url": shown.url,
        "title": shown.title,
        "body": shown.body,
        "branch": shown.branch,
        "base": shown.base,
        "head": shown.head,
        "state": shown.state.value,
        "author": shown.author,
        "created_at": shown.created_at.isoformat(),
        "approvals": [
            {"by": a.by, "head": a.head, "at": a.at.isoformat()}
            for a in shown.approvals
        ],
    }


def changes(differences: Iterable[Difference]) -> list[Json]:
    """Shape the scalars that change."""
    return [
        {"path": d.path, "field": d.field, "before": d.before, "after": d.after}
        for d in differences
    ]


def outcome(result: Outcome) -> dict[str, Json]:
    """Shape the outcome of a proposal; a dry run has no number and no commit."""
    match result:
        case Proposed():
            return {
                "outcome": "proposed" if result.is_new else "updated",
                "pull_request": pull_request(result.pull_request),
                "commit": result.commit,
                "changes": changes(result.differences),
                "findings": findings(result.findings),
            }
        case Preview():
            return {
                "outcome": "proposed",
                "dry_run": True,
                "pull_request": {
                    "number": None,
                    "url": None,
                    "title": result.review.title,
                    "body": result.review.body,
                    "branch": None,
                    "state": None,
                },
                "commit": None,
                "changes": changes(result.differences),
                "findings": findings(result.findings),
            }
        case Unchanged():
            standing = result.pull_request
            return {
                "outcome": "unchanged",
                "reason": result.reason,
                "pull_request": pull_request(standing) if standing else None,
                "commit": standing.head if standing else None,
                "changes": [],
            }


def hold(placed: Hold | None) -> dict[str, Json] | None:
    """Shape a hold; None where there is none."""
    if placed is None:
        return None
    return {
        "stack": placed.stack,
        "environment": placed.environment,
        "reason": placed.reason,
        "by": placed.by,
        "at": placed.at.isoformat(),
    }


def pin(placed: Pin | None) -> dict[str, Json] | None:
    """Shape a pin; None where there is none."""
    if placed is None:
        return None
    return {
        "version": placed.revision.tag,
        "reason": placed.reason,
        "by": placed.by,
        "at": placed.at.isoformat(),
    }


def status(
    standings: Sequence[Standing],
    health: Mapping[Target, Health],
    pins: Mapping[Target, Pin],
) -> dict[str, Json]:
    """Shape where every stack stands; health is null where nobody observes it."""
    names = sorted({standing.overlay.target.stack for standing in standings})
    return {
        "stacks": [
            {
                "name": name,
                "environments": [
                    {
                        "name": standing.overlay.target.environment,
                        "version": standing.overlay.revision.tag,
                        "digest": standing.overlay.revision.digest,
                        "pull_request": standing.pull_request,
                        "health": health.get(standing.overlay.target),
                        "hold": hold(standing.hold),
                        "pin": pin(pins.get(standing.overlay.target)),
                    }
                    for standing in standings
                    if standing.overlay.target.stack == name
                ],
            }
            for name in names
        ]
    }


def forecast(found: Iterable[Expectation]) -> list[Json]:
    """Shape what is expected of each promotion."""
    return [
        {
            "stack": one.target.stack,
            "from": one.rule.source,
            "to": one.target.environment,
            **_decision(one.decision),
            "openings": [
                {"at": opening.at.isoformat(), "version": opening.revision.tag}
                for opening in one.openings
            ],
        }
        for one in found
    ]


def _decision(decision: Decision) -> dict[str, Json]:
    match decision:
        case Rest(reason=reason):
            return {
                "decision": "rest",
                "reason": reason,
                "version": None,
                "earliest": None,
                "gates": [],
            }
        case Wait(arrival=arrival, gates=gates, earliest=earliest):
            at = earliest.isoformat() if earliest else None
            return {"decision": "wait", **_waiting(arrival, gates), "earliest": at}
        case Promote(arrival=arrival, gates=gates):
            return {"decision": "promote", **_waiting(arrival, gates), "earliest": None}


def _waiting(arrival: Arrival, gates: Iterable[Gate]) -> dict[str, Json]:
    closed = [gate.reason for gate in gates if not gate.is_open]
    return {
        "reason": "; ".join(closed),
        "version": arrival.revision.tag,
        "gates": [
            {
                "name": gate.name,
                "open": gate.is_open,
                "reason": gate.reason,
                "opens_at": gate.opens_at.isoformat() if gate.opens_at else None,
            }
            for gate in gates
        ],
    }
