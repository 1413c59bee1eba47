"""What was asked for, as documents."""

from __future__ import annotations

from datetime import datetime

from pydantic import Field

from gitops import model
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
from service.api.shapes.common import Listed, Shape


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
