"""What the API answers with: the same words as the command line's documents."""

from __future__ import annotations

import json
from collections.abc import Iterable
from datetime import datetime
from typing import Any

from pydantic import BaseModel, ConfigDict, Field

from gitops import model, promotion
from gitops.model import (
    Change,
    GroupScope,
    RemoveFile,
    SetConfig,
    SetImage,
    SetRevision,
    TargetScope,
    UnsetConfig,
    WriteFile,
)
from gitops.secretnames import is_secret
from gitops.tokenshapes import token_shape
from service import store
from service.desk import RepositoryState, Scheduled, Station, etag_of

MASKED = "***"


class Shape(BaseModel):
    """A document of the API."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Listed(Shape):
    """One page of a list."""

    next: str | None = Field(
        default=None,
        description="The `cursor` of the next page; null on the last one.",
    )


# --- stops ---


class Hold(Shape):
    """A person's "stop here"; null means every one."""

    stack: str | None = Field(examples=["example"])
    environment: str | None = Field(examples=["production"])
    reason: str = Field(examples=["Black Friday"])
    by: str = Field(examples=["ada"])
    at: datetime

    @classmethod
    def of(cls, hold: model.Hold) -> Hold:
        """Shape a hold."""
        return cls(
            stack=hold.stack,
            environment=hold.environment,
            reason=hold.reason,
            by=hold.by,
            at=hold.at,
        )


class Pin(Shape):
    """A target that no promotion moves, as after a rollback."""

    stack: str = Field(examples=["example"])
    environment: str = Field(examples=["production"])
    version: str = Field(examples=["12.4.0"])
    reason: str
    by: str
    at: datetime

    @classmethod
    def of(cls, pin: model.Pin) -> Pin:
        """Shape a pin."""
        return cls(
            stack=pin.target.stack,
            environment=pin.target.environment,
            version=pin.revision.tag,
            reason=pin.reason,
            by=pin.by,
            at=pin.at,
        )


class Holds(Shape):
    """All that stops the machine."""

    holds: list[Hold]
    pins: list[Pin]
    paused: bool


class HoldPlaced(Shape):
    """A hold that was placed."""

    hold: Hold


class Released(Shape):
    """What a release has ended."""

    outcome: str = Field(examples=["released"], description="released or unchanged")
    hold: bool
    pin: bool


class Paused(Shape):
    """The pause switch."""

    paused: bool
    changed: bool


# --- stacks ---


class Observation(Shape):
    """What one source says of a target, and since when."""

    source: str = Field(examples=["argocd"])
    health: model.Health
    version: str
    detail: str
    since: datetime
    at: datetime


class Standing(Shape):
    """One stack in one environment."""

    name: str = Field(description="Of the environment.", examples=["staging"])
    image: str = Field(examples=["directus/directus"])
    version: str = Field(examples=["12.4.1"])
    digest: str | None
    pull_request: int | None = Field(
        description="Number of the open one that changes it."
    )
    health: model.Health = Field(description="The worst that any source says.")
    hold: Hold | None
    pin: Pin | None
    observations: list[Observation]
    etag: str = Field(description="For If-Match, when its configuration is changed.")

    @classmethod
    def of(cls, station: Station) -> Standing:
        """Shape where a stack stands in one environment."""
        overlay = station.overlay
        return cls(
            name=overlay.target.environment,
            image=overlay.revision.image,
            version=overlay.revision.tag,
            digest=overlay.revision.digest,
            pull_request=station.pull_request,
            health=station.health,
            hold=None if station.hold is None else Hold.of(station.hold),
            pin=None if station.pin is None else Pin.of(station.pin),
            observations=[
                Observation(
                    source=seen.source,
                    health=seen.health,
                    version=seen.version,
                    detail=seen.detail,
                    since=seen.since,
                    at=seen.at,
                )
                for seen in station.observations
            ],
            etag=etag_of(overlay),
        )


class Stack(Shape):
    """One stack in its environments."""

    name: str = Field(examples=["example"])
    environments: list[Standing]


class Stacks(Listed):
    """Stacks by name."""

    stacks: list[Stack]


def stacks_of(stations: Iterable[Station]) -> list[Stack]:
    """Shape where every stack stands, by name."""
    by_name: dict[str, list[Standing]] = {}
    for station in stations:
        known = by_name.setdefault(station.overlay.target.stack, [])
        known.append(Standing.of(station))
    return [Stack(name=name, environments=by_name[name]) for name in sorted(by_name)]


class Config(Shape):
    """The configuration of a stack in one environment."""

    stack: str
    environment: str
    config: dict[str, str] = Field(
        description="config.env; what looks like a secret is masked.",
        examples=[{"LOG_LEVEL": "info"}],
    )
    etag: str

    @classmethod
    def of(cls, overlay: model.Overlay) -> Config:
        """Shape a configuration; nothing that looks like a secret comes out."""
        return cls(
            stack=overlay.target.stack,
            environment=overlay.target.environment,
            config={
                key: MASKED if is_secret(key, value) or token_shape(value) else value
                for key, value in sorted(overlay.config.items())
            },
            etag=etag_of(overlay),
        )


# --- changes ---


class Finding(Shape):
    """One broken rule, or what a reviewer must know."""

    rule: str
    severity: model.Severity
    path: str
    line: int
    message: str
    hint: str

    @classmethod
    def of(cls, found: model.Finding) -> Finding:
        """Shape a finding."""
        return cls(
            rule=found.rule,
            severity=found.severity,
            path=found.path,
            line=found.line,
            message=found.message,
            hint=found.hint,
        )


class Wanted(Shape):
    """One thing that a change wants; null where it does not apply."""

    stack: str | None = Field(examples=["example"])
    environment: str | None = Field(examples=["staging"])
    key: str = Field(
        description="`version`, a key of config.env, or a file.",
        examples=["version"],
    )
    value: str | None = Field(
        description="Null: the key or file goes, or is a file.", examples=["12.4.1"]
    )


class ChangeShape(Shape):
    """A request for a change, and how far it has come."""

    id: str = Field(examples=["3f1c2a9be0d47c55"])
    state: model.IntentState
    kind: model.PlanKind
    stack: str | None = Field(examples=["example"])
    environment: str | None = Field(examples=["staging"])
    wanted: list[Wanted]
    findings: list[Finding]
    requested_by: str = Field(examples=["ci"])
    reason: str
    created_at: datetime
    branch: str = Field(examples=["directus-gitops/staging/example"])
    commit: str | None
    pull_request: int | None
    error: str = Field(description="Why it failed; empty otherwise.")

    @classmethod
    def of(cls, intent: model.Intent) -> ChangeShape:
        """Shape an intent."""
        stack, environment = _place_of(intent.plan)
        return cls(
            id=intent.id,
            state=intent.state,
            kind=intent.plan.kind,
            stack=stack,
            environment=environment,
            wanted=[_wanted(change) for change in intent.plan.changes],
            findings=[Finding.of(found) for found in intent.plan.findings],
            requested_by=intent.plan.provenance.requested_by,
            reason=intent.plan.provenance.reason,
            created_at=intent.created_at,
            branch=intent.branch,
            commit=intent.commit,
            pull_request=intent.pull_request,
            error=intent.error,
        )


def _place_of(plan: model.Plan) -> tuple[str | None, str | None]:
    scope = plan.scope
    targets = {c.target for c in plan.changes if not isinstance(c, _FILES)}
    if isinstance(scope, TargetScope):
        return scope.target.stack, scope.target.environment
    if len(targets) == 1:
        target = targets.pop()
        return target.stack, target.environment
    if isinstance(scope, GroupScope):
        return None, scope.environment
    return None, None


_FILES = (WriteFile, RemoveFile)


def _wanted(change: Change) -> Wanted:
    match change:
        case SetRevision(target=target, revision=revision):
            digest = f"@{revision.digest}" if revision.digest else ""
            return _of_target(target, "version", f"{revision.tag}{digest}")
        case SetImage(target=target, name=name, revision=revision):
            digest = f"@{revision.digest}" if revision.digest else ""
            return _of_target(target, f"image {name}", f"{revision.tag}{digest}")
        case SetConfig(target=target, key=key, value=value):
            return _of_target(target, key, value)
        case UnsetConfig(target=target, key=key):
            return _of_target(target, key, None)
        case WriteFile(path=path) | RemoveFile(path=path):
            return Wanted(stack=None, environment=None, key=path, value=None)


def _of_target(target: model.Target, key: str, value: str | None) -> Wanted:
    return Wanted(
        stack=target.stack, environment=target.environment, key=key, value=value
    )


class Changes(Listed):
    """Changes, newest first."""

    changes: list[ChangeShape]


class NothingToDo(Shape):
    """The base branch says so already."""

    state: str = Field(default="unchanged", examples=["unchanged"])
    reason: str = Field(examples=["main says so already"])


class Bumped(Shape):
    """What became of a bump of many stacks."""

    changes: list[ChangeShape]
    unchanged: dict[str, str] = Field(
        description="Environments in which there is nothing to do, and why.",
        examples=[{"development": "main says so already"}],
    )


# --- pull requests ---


class Approval(Shape):
    """One person's yes to one head commit."""

    by: str
    head: str
    at: datetime


class PullRequest(Shape):
    """A proposal on the forge."""

    number: int = Field(examples=[7])
    url: str | None
    title: str
    body: str
    branch: str
    base: str
    head: str
    state: model.PullRequestState
    author: str
    created_at: datetime
    approvals: list[Approval]

    @classmethod
    def of(cls, shown: model.PullRequest) -> PullRequest:
        """Shape a pull request."""
        return cls(**pull_request_fields(shown))


def pull_request_fields(shown: model.PullRequest) -> dict[str, Any]:
    """Return the fields of a pull request, for a shape."""
    return {
        "number": shown.number,
        "url": shown.url,
        "title": shown.title,
        "body": shown.body,
        "branch": shown.branch,
        "base": shown.base,
        "head": shown.head,
        "state": shown.state,
        "author": shown.author,
        "created_at": shown.created_at,
        "approvals": [Approval(by=a.by, head=a.head, at=a.at) for a in shown.approvals],
    }


class Inspected(PullRequest):
    """A pull request with what it changes in the end."""

    files: list[str]
    rendered_diff: str = Field(description="Of the manifests; secrets are masked.")
    findings: list[Finding]


class PullRequests(Listed):
    """Pull requests, newest first."""

    pull_requests: list[PullRequest]


class Decided(Shape):
    """What became of a pull request."""

    outcome: str = Field(
        examples=["merged"], description="approved, go, merged or closed"
    )
    pull_request: PullRequest


# --- schedules ---


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


# --- the service ---


class Repository(Shape):
    """A repository and how it is."""

    name: str = Field(examples=["fleet"])
    is_default: bool = Field(description="Meant where a request names none.")
    paused: bool
    state: str = Field(
        examples=["ok"], description="Of the last pass: ok, degraded or unknown."
    )
    problem: str
    commit: str | None = Field(description="Of the base branch, as last read.")
    at: datetime | None = Field(description="When the last pass ended.")
    worked_at: datetime | None = Field(description="When one last did its work.")

    @classmethod
    def of(cls, found: RepositoryState) -> Repository:
        """Shape a repository."""
        last = found.last
        return cls(
            name=found.name,
            is_default=found.is_default,
            paused=found.is_paused,
            state="unknown" if last is None else last.state.value,
            problem="" if last is None else last.problem,
            commit=None if last is None else last.commit,
            at=None if last is None else last.at,
            worked_at=None if last is None else last.worked_at,
        )


class Repositories(Shape):
    """Every repository."""

    repositories: list[Repository]


class AuditEntry(Shape):
    """One effect on the world, and its place in the chain of hashes."""

    number: int
    at: str
    by: str
    action: str = Field(examples=["pull request merged"])
    repository: str
    details: dict[str, Any]
    previous: str
    hash: str

    @classmethod
    def of(cls, entry: store.Entry) -> AuditEntry:
        """Shape an entry."""
        return cls(
            number=entry.number,
            at=entry.at,
            by=entry.by,
            action=entry.action,
            repository=entry.repository,
            details=json.loads(entry.details),
            previous=entry.previous,
            hash=entry.hash,
        )


class Trail(Listed):
    """The audit trail, oldest first."""

    entries: list[AuditEntry]


class TokenShape(Shape):
    """A token without its secret."""

    id: str = Field(examples=["9f2c11aa"])
    name: str = Field(examples=["ci"])
    role: store.Role
    stack: str | None
    environment: str | None
    created: datetime
    expires: datetime | None
    revoked: bool

    @classmethod
    def of(cls, found: store.Token) -> TokenShape:
        """Shape a token."""
        return cls(**token_fields(found))


def token_fields(found: store.Token) -> dict[str, Any]:
    """Return the fields of a token, for a shape."""
    return {
        "id": found.id,
        "name": found.name,
        "role": found.role,
        "stack": found.stack or None,
        "environment": found.environment or None,
        "created": found.created_at,
        "expires": found.expires_at,
        "revoked": found.revoked,
    }


class NewToken(TokenShape):
    """A token with its secret, this once."""

    token: str | None = Field(
        description="The secret. It is shown once and is not kept: an answer that is "
        "given again has null here.",
        examples=["dgo_9f2c11aa_..."],
    )


class Tokens(Shape):
    """Tokens, oldest first."""

    tokens: list[TokenShape]


class Revoked(Shape):
    """A token that is good for nothing any more."""

    outcome: str = Field(default="revoked", examples=["revoked"])
    id: str
