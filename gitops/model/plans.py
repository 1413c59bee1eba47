"""What is wanted: changes, plans, and the intents that keep them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Final, TypeAlias

from gitops.model.files import Mode
from gitops.model.images import ReleaseNotes
from gitops.model.names import (
    BlobId,
    BranchName,
    ChangeKey,
    CommitId,
    EnvironmentName,
    IntentId,
    StackName,
)
from gitops.model.targets import Finding, Revision, Target


@dataclass(frozen=True, slots=True, kw_only=True)
class SetRevision:
    """Change wanted: the target runs this revision."""

    target: Target
    revision: Revision


@dataclass(frozen=True, slots=True, kw_only=True)
class SetImage:
    """Change wanted: another image of the target runs this tag and digest.

    Attributes:
        target: whose overlay.
        name: of its ``images:`` entry: what kustomize looks for. Not the stack's own.
        revision: what it runs then; the image is the one that the entry has.
    """

    target: Target
    name: str
    revision: Revision


@dataclass(frozen=True, slots=True, kw_only=True)
class SetConfig:
    """Change wanted: config.env of the target has this key with this value."""

    target: Target
    key: str
    value: str


@dataclass(frozen=True, slots=True, kw_only=True)
class UnsetConfig:
    """Change wanted: config.env of the target has no such key."""

    target: Target
    key: str


NO_FILE: Final = BlobId("0" * 40)
"""What is replaced where there is no file yet; git's own name for nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WriteFile:
    """Change wanted: the file has exactly these bytes (generator, upgrade, secrets).

    Attributes:
        path: the file.
        content: its bytes.
        mode: its mode.
        replaces: the only other content that may give way to it; None for any,
            NO_FILE where there must be none. It keeps a change that was made from a
            file from undoing what came after.
    """

    path: str
    content: bytes
    mode: Mode = Mode.FILE
    replaces: BlobId | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoveFile:
    """Change wanted: there is no such file.

    Attributes:
        path: the file.
        replaces: the only content that may go; None for any.
    """

    path: str
    replaces: BlobId | None = None


Change: TypeAlias = (
    SetRevision | SetImage | SetConfig | UnsetConfig | WriteFile | RemoveFile
)


class PlanKind(StrEnum):
    """Why a plan exists; part of its pull request's title and key."""

    INIT = "init"
    BUMP = "bump"
    PROMOTE = "promote"
    SET = "set"
    ROLLBACK = "rollback"
    ADD_STACK = "add-stack"
    ADD_ENVIRONMENT = "add-environment"
    UPGRADE = "upgrade"
    SECRETS = "secrets"


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetScope:
    """One living pull request for one stack in one environment."""

    target: Target


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupScope:
    """One living pull request for many stacks of one environment."""

    environment: EnvironmentName
    group: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StackScope:
    """A new stack, in all its environments."""

    stack: StackName


@dataclass(frozen=True, slots=True, kw_only=True)
class EnvironmentScope:
    """A new environment, for all stacks."""

    environment: EnvironmentName


@dataclass(frozen=True, slots=True, kw_only=True)
class BaseScope:
    """The shared base: an upgrade."""


Scope: TypeAlias = TargetScope | GroupScope | StackScope | EnvironmentScope | BaseScope


@dataclass(frozen=True, slots=True, kw_only=True)
class Provenance:
    """Who or what asked for a plan, and where its values come from.

    Attributes:
        requested_by: a person's login, a token's name, or a schedule's name.
        source_environment: where a promotion takes its revision from.
        source_commit: the base branch commit that was read.
        reason: the asker's own words; may be empty.
    """

    requested_by: str
    source_environment: EnvironmentName | None = None
    source_commit: CommitId | None = None
    reason: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """The changes intended, before a file is touched.

    Attributes:
        kind: why.
        scope: which living pull request it belongs to.
        changes: what is wanted, not how; already satisfied ones are dropped later.
        provenance: who asked.
        findings: what the reviewer must know (a closed opening gate, a major step).
        notes: what its makers say of the releases that are brought; may be empty.
    """

    kind: PlanKind
    scope: Scope
    changes: tuple[Change, ...]
    provenance: Provenance
    findings: tuple[Finding, ...] = ()
    notes: tuple[ReleaseNotes, ...] = ()


class IntentState(StrEnum):
    """How far an intent has come; the first four are live, the others final."""

    PLANNED = "planned"
    COMMITTED = "committed"
    PUSHED = "pushed"
    PR_OPEN = "pr_open"
    MERGED = "merged"
    CLOSED = "closed"
    SUPERSEDED = "superseded"
    FAILED = "failed"

    @property
    def is_live(self) -> bool:
        """Whether the intent still wants something to happen."""
        return self in _LIVE


_LIVE = frozenset(
    {
        IntentState.PLANNED,
        IntentState.COMMITTED,
        IntentState.PUSHED,
        IntentState.PR_OPEN,
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Intent:
    """A request for a change, stored before anything happens.

    Attributes:
        id: unique, given by the log.
        key: what makes two requests the same (see gitops.intents.change_key).
        repository: the name under which the service knows the repository.
        plan: what is wanted.
        branch: the branch of its living pull request.
        created_at: aware UTC; also the date of the commit made from it.
        state: how far it has come.
        commit: the last commit made for it; None before COMMITTED.
        pull_request: its number; None before PR_OPEN.
        error: why it FAILED; empty otherwise.
    """

    id: IntentId
    key: ChangeKey
    repository: str
    plan: Plan
    branch: BranchName
    created_at: datetime
    state: IntentState
    commit: CommitId | None = None
    pull_request: int | None = None
    error: str = ""
