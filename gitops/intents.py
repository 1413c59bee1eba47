"""The log of intents: what the library needs from whoever stores them.

Rule R1: before any effect on the world a row is written; every later step looks,
acts and records. The service's store implements the protocol with a database; the
library only knows this page. Plans travel as JSON so that a log can keep them.
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol, cast

from gitops.errors import StoreError
from gitops.model import (
    BaseScope,
    BlobId,
    BranchName,
    Change,
    ChangeKey,
    CommitId,
    EnvironmentName,
    EnvironmentScope,
    Finding,
    GroupScope,
    Intent,
    IntentId,
    IntentState,
    Json,
    Mode,
    Plan,
    PlanKind,
    Provenance,
    ReleaseNotes,
    RemoveFile,
    Revision,
    Scope,
    SetConfig,
    SetImage,
    SetRevision,
    Severity,
    StackName,
    StackScope,
    Target,
    TargetScope,
    UnsetConfig,
    WriteFile,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class IntentDraft:
    """An intent before the log has given it an id.

    Attributes:
        key: see change_key.
        repository: the repository's name.
        plan: what is wanted.
        branch: the branch of its living pull request.
        created_at: aware UTC, whole seconds (git commits know no smaller unit).
    """

    key: ChangeKey
    repository: str
    plan: Plan
    branch: BranchName
    created_at: datetime


class IntentLog(Protocol):
    """What is stored before, during and after a proposal. Calls are durable."""

    def record(
        self, draft: IntentDraft, *, supersedes: Collection[IntentId] = ()
    ) -> Intent:
        """Store a draft as PLANNED, or return the live intent of the same key.

        The intents that it supersedes are ended in the same transaction, before
        the key is looked up.
        """
        ...

    def advance(
        self,
        intent: IntentId,
        state: IntentState,
        *,
        commit: CommitId | None = None,
        pull_request: int | None = None,
        error: str = "",
    ) -> Intent:
        """Move an intent on; None keeps what is stored.

        Raises:
            StoreError: no such intent.
        """
        ...

    def live(self, repository: str) -> tuple[Intent, ...]:
        """Return the live intents of a repository, oldest first."""
        ...

    def all(self, repository: str) -> tuple[Intent, ...]:
        """Return every intent of a repository, oldest first."""
        ...

    def of_pull_request(self, repository: str, number: int) -> tuple[Intent, ...]:
        """Return all that a pull request ever carried, in any state, oldest first."""
        ...

    def record_push(
        self, repository: str, branch: BranchName, commit: CommitId
    ) -> None:
        """Remember, before the push, that we may put this commit on the branch."""
        ...

    def pushed(self, repository: str, branch: BranchName) -> frozenset[CommitId]:
        """Return every commit that we ever may have put on the branch (R4)."""
        ...


def change_key(repository: str, base: BranchName, plan: Plan) -> ChangeKey:
    """Return what makes two requests the same: repository, base, scope, kind, wants.

    Who asked and when is no part of it: the same bump asked twice is one change.
    """
    wanted = plan_to_json(plan)
    text = json.dumps(
        [repository, base, wanted["kind"], wanted["scope"], wanted["changes"]],
        sort_keys=True,
    )
    return ChangeKey(hashlib.sha256(text.encode()).hexdigest())


# --- plans as JSON ---


def plan_to_json(plan: Plan) -> dict[str, Json]:
    """Write a plan as plain data; plan_from_json reads it back, equal."""
    origin = plan.provenance
    notes = {"notes": [_notes_to_json(note) for note in plan.notes]}
    return {
        "kind": plan.kind.value,
        "scope": _scope_to_json(plan.scope),
        "changes": [_change_to_json(change) for change in plan.changes],
        "provenance": {
            "requested_by": origin.requested_by,
            "source_environment": origin.source_environment,
            "source_commit": origin.source_commit,
            "reason": origin.reason,
        },
        "findings": [finding_to_json(finding) for finding in plan.findings],
        **(notes if plan.notes else {}),
    }


def _notes_to_json(notes: ReleaseNotes) -> Json:
    return {
        "version": notes.version,
        "title": notes.title,
        "url": notes.url,
        "text": notes.text,
    }


def finding_to_json(finding: Finding) -> dict[str, Json]:
    """Write a finding in the form that the command line and the API promise."""
    return {
        "rule": finding.rule,
        "severity": finding.severity.value,
        "path": finding.path,
        "line": finding.line,
        "message": finding.message,
        "hint": finding.hint,
    }


def _target_to_json(target: Target) -> dict[str, Json]:
    return {"stack": target.stack, "environment": target.environment}


def _scope_to_json(scope: Scope) -> dict[str, Json]:
    match scope:
        case TargetScope(target=target):
            return {"target": _target_to_json(target)}
        case GroupScope(environment=environment, group=group):
            return {"group": group, "environment": environment}
        case StackScope(stack=stack):
            return {"stack": stack}
        case EnvironmentScope(environment=environment):
            return {"new_environment": environment}
        case BaseScope():
            return {"base": True}


def _change_to_json(change: Change) -> dict[str, Json]:
    match change:
        case SetRevision(target=target, revision=revision):
            return {
                "set_revision": _target_to_json(target),
                "image": revision.image,
                "tag": revision.tag,
                "digest": revision.digest,
            }
        case SetImage(target=target, name=name, revision=revision):
            return {
                "set_image": _target_to_json(target),
                "name": name,
                "image": revision.image,
                "tag": revision.tag,
                "digest": revision.digest,
            }
        case SetConfig(target=target, key=key, value=value):
            return {"set_config": _target_to_json(target), "key": key, "value": value}
        case UnsetConfig(target=target, key=key):
            return {"unset_config": _target_to_json(target), "key": key}
        case WriteFile(path=path, content=content, mode=mode, replaces=replaces):
            encoded = base64.b64encode(content).decode()
            wanted = {"write_file": path, "content": encoded, "mode": mode.value}
            return {**wanted, **({"replaces": replaces} if replaces else {})}
        case RemoveFile(path=path, replaces=replaces):
            gone = {"remove_file": path}
            return {**gone, **({"replaces": replaces} if replaces else {})}


def plan_from_json(data: Mapping[str, Json]) -> Plan:
    """Read a plan that plan_to_json wrote.

    Raises:
        StoreError: the data is not such a plan (a damaged or newer database).
    """
    try:
        origin = cast(Mapping[str, str | None], data["provenance"])
        source = origin["source_environment"]
        commit = origin["source_commit"]
        changes = cast(list[Mapping[str, str]], data["changes"])
        findings = cast(list[Mapping[str, Json]], data["findings"])
        notes = cast(list[Mapping[str, str]], data.get("notes", []))
        return Plan(
            kind=PlanKind(str(data["kind"])),
            scope=_scope_from_json(cast(Mapping[str, Json], data["scope"])),
            changes=tuple(_change_from_json(change) for change in changes),
            provenance=Provenance(
                requested_by=str(origin["requested_by"]),
                source_environment=None if source is None else EnvironmentName(source),
                source_commit=None if commit is None else CommitId(commit),
                reason=str(origin["reason"]),
            ),
            findings=tuple(_finding_from_json(finding) for finding in findings),
            notes=tuple(ReleaseNotes(**note) for note in notes),
        )
    except (KeyError, TypeError, ValueError) as exc:
        raise StoreError(
            f"a stored plan cannot be read: {exc!r}",
            hint="was the database written by a newer release?",
        ) from exc


def _finding_from_json(data: Mapping[str, Json]) -> Finding:
    return Finding(
        rule=str(data["rule"]),
        severity=Severity(str(data["severity"])),
        path=str(data["path"]),
        line=int(str(data["line"])),
        message=str(data["message"]),
        hint=str(data["hint"]),
    )


def _target_from_json(data: object) -> Target:
    names = cast(Mapping[str, str], data)
    return Target(
        stack=StackName(names["stack"]),
        environment=EnvironmentName(names["environment"]),
    )


def _scope_from_json(data: Mapping[str, Json]) -> Scope:
    if "target" in data:
        return TargetScope(target=_target_from_json(data["target"]))
    if "group" in data:
        return GroupScope(
            environment=EnvironmentName(str(data["environment"])),
            group=str(data["group"]),
        )
    if "stack" in data:
        return StackScope(stack=StackName(str(data["stack"])))
    if "new_environment" in data:
        return EnvironmentScope(
            environment=EnvironmentName(str(data["new_environment"]))
        )
    if "base" in data:
        return BaseScope()
    raise KeyError("scope")


def _revision_from_json(data: Mapping[str, str]) -> Revision:
    return Revision(image=data["image"], tag=data["tag"], digest=data["digest"])


def _change_from_json(data: Mapping[str, str]) -> Change:
    if "set_revision" in data:
        return SetRevision(
            target=_target_from_json(data["set_revision"]),
            revision=_revision_from_json(data),
        )
    if "set_image" in data:
        return SetImage(
            target=_target_from_json(data["set_image"]),
            name=data["name"],
            revision=_revision_from_json(data),
        )
    if "set_config" in data:
        return SetConfig(
            target=_target_from_json(data["set_config"]),
            key=data["key"],
            value=data["value"],
        )
    if "unset_config" in data:
        return UnsetConfig(
            target=_target_from_json(data["unset_config"]), key=data["key"]
        )
    replaces = BlobId(data["replaces"]) if data.get("replaces") else None
    if "write_file" in data:
        return WriteFile(
            path=data["write_file"],
            content=base64.b64decode(data["content"], validate=True),
            mode=Mode(data["mode"]),
            replaces=replaces,
        )
    if "remove_file" in data:
        return RemoveFile(path=data["remove_file"], replaces=replaces)
    raise KeyError("change")
