"""The nouns of the house: immutable values that the steps hand to each other.

No behaviour beyond what a noun must know of itself, no I/O, no clock. Paths are
POSIX strings relative to the repository's root, never absolute, never with "..".
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Final, NewType, Protocol, TypeAlias, runtime_checkable

from gitops.errors import TreeError

StackName = NewType("StackName", str)
EnvironmentName = NewType("EnvironmentName", str)
CommitId = NewType("CommitId", str)
BlobId = NewType("BlobId", str)
BranchName = NewType("BranchName", str)
IntentId = NewType("IntentId", str)
ChangeKey = NewType("ChangeKey", str)

Json: TypeAlias = (
    "bool | int | float | str | Sequence[Json] | Mapping[str, Json] | None"
)


# --- files ---


class Mode(StrEnum):
    """Git's file modes, as `git ls-tree` prints them."""

    FILE = "100644"
    EXECUTABLE = "100755"
    SYMLINK = "120000"
    SUBMODULE = "160000"

    @property
    def is_plain(self) -> bool:
        """Whether the entry is bytes of this repository, not a pointer elsewhere."""
        return self in (Mode.FILE, Mode.EXECUTABLE)


@dataclass(frozen=True, slots=True)
class Entry:
    """One file of a tree: how git stores it."""

    mode: Mode
    blob: BlobId


def blob_id(content: bytes) -> BlobId:
    """Name content as git does (SHA-1 object format)."""
    header = b"blob %d\0" % len(content)
    return BlobId(hashlib.sha1(header + content, usedforsecurity=False).hexdigest())


@dataclass(frozen=True, slots=True, kw_only=True)
class FileEdit:
    """What happens to one file.

    Attributes:
        path: the file.
        before: its bytes, or None when it is new.
        after: its bytes, or None when it goes.
        mode: the mode after the edit.
        differences: the planned scalars that changed; empty for whole files.
    """

    path: str
    before: bytes | None
    after: bytes | None
    mode: Mode = Mode.FILE
    differences: tuple[Difference, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One scalar that an edit changes.

    Attributes:
        path: the file.
        field: where in the file, for people: ``images[directus/directus].newTag``.
        before: the value as text, or None when the field is new.
        after: the value as text, or None when the field goes.
    """

    path: str
    field: str
    before: str | None
    after: str | None


@runtime_checkable
class Loadable(Protocol):
    """Blobs that come from a program: one call for many is far cheaper."""

    def load(self, blobs: Iterable[BlobId], /) -> None:
        """Read these now; later reads of them ask nobody."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Tree:
    """The files of one commit (or of a work tree), as data.

    Attributes:
        commit: where they come from; None for a work tree or a made-up tree.
        entries: path -> mode and blob. Directories are implied.
        blobs: blob -> bytes. It may be a lazy mapping that reads git on demand.
    """

    commit: CommitId | None
    entries: Mapping[str, Entry]
    blobs: Mapping[BlobId, bytes]

    def __contains__(self, path: object) -> bool:
        """Whether there is an entry (of any mode) at the path."""
        return path in self.entries

    def read(self, path: str) -> bytes:
        """Return the bytes of a plain file.

        Raises:
            TreeError: no such file, or it is a symlink or a submodule.
        """
        entry = self.entries.get(path)
        if entry is None:
            raise TreeError(f"{path}: no such file in the repository")
        if not entry.mode.is_plain:
            kind = "symlink" if entry.mode is Mode.SYMLINK else "submodule"
            raise TreeError(
                f"{path}: is a {kind}; only plain files are read",
                hint="replace it by the file itself",
            )
        return self.blobs[entry.blob]

    def prefetch(self, paths: Iterable[str]) -> None:
        """Load the bytes of many plain files at once, where reading one is dear."""
        if isinstance(self.blobs, Loadable):
            found = (self.entries.get(path) for path in paths)
            self.blobs.load([e.blob for e in found if e and e.mode.is_plain])

    def paths_under(self, folder: str) -> Iterator[str]:
        """Yield the paths below a folder ("" for all), sorted."""
        prefix = f"{folder.rstrip('/')}/" if folder else ""
        return (path for path in sorted(self.entries) if path.startswith(prefix))

    def with_edits(self, edits: Sequence[FileEdit]) -> Tree:
        """Return the tree as it is after the edits; this one stays as it is."""
        entries = dict(self.entries)
        added: dict[BlobId, bytes] = {}
        for edit in edits:
            if edit.after is None:
                entries.pop(edit.path, None)
                continue
            blob = blob_id(edit.after)
            added[blob] = edit.after
            entries[edit.path] = Entry(edit.mode, blob)
        return Tree(commit=None, entries=entries, blobs=_Overlaid(added, self.blobs))


@dataclass(frozen=True, slots=True)
class _Overlaid(Mapping[BlobId, bytes]):
    """New blobs over (possibly lazy) old ones."""

    over: Mapping[BlobId, bytes]
    under: Mapping[BlobId, bytes]

    def __getitem__(self, key: BlobId) -> bytes:
        return self.over[key] if key in self.over else self.under[key]

    def __iter__(self) -> Iterator[BlobId]:
        yield from self.over
        yield from (key for key in self.under if key not in self.over)

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def load(self, blobs: Iterable[BlobId], /) -> None:
        if isinstance(self.under, Loadable):
            self.under.load([blob for blob in blobs if blob not in self.over])


def tree_of(files: Mapping[str, bytes], *, commit: CommitId | None = None) -> Tree:
    """Make a tree from path -> bytes; every file is a plain file."""
    blobs = {blob_id(content): content for content in files.values()}
    entries = {path: Entry(Mode.FILE, blob_id(files[path])) for path in files}
    return Tree(commit=commit, entries=entries, blobs=blobs)


# --- who and what ---


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Target:
    """One stack in one environment: what a change is about."""

    environment: EnvironmentName
    stack: StackName

    def __str__(self) -> str:
        """Name it for people, environment last."""
        return f"{self.stack} in {self.environment}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Revision:
    """What runs: image, tag and, where known, digest.

    An unknown digest (None) never equals a known one.
    """

    image: str
    tag: str
    digest: str | None = None

    def __str__(self) -> str:
        """Write it as an image reference."""
        return f"{self.image}:{self.tag}" + (f"@{self.digest}" if self.digest else "")


class Severity(StrEnum):
    """How bad a finding is: an error stops a commit, the others are told."""

    ERROR = "error"
    WARNING = "warning"
    INFO = "info"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One broken rule.

    Attributes:
        rule: stable kebab-case name, documented in docs/rules.md.
        severity: see Severity.
        path: the file, or the overlay that was rendered.
        line: 1-based line; 0 when there is none.
        message: place inside the object, problem, values.
        hint: what to do.
    """

    rule: str
    severity: Severity
    path: str
    line: int = 0
    message: str
    hint: str = ""


# --- changes and plans ---


@dataclass(frozen=True, slots=True, kw_only=True)
class SetRevision:
    """Change wanted: the target runs this revision."""

    target: Target
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


Change: TypeAlias = SetRevision | SetConfig | UnsetConfig | WriteFile | RemoveFile


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
    """

    kind: PlanKind
    scope: Scope
    changes: tuple[Change, ...]
    provenance: Provenance
    findings: tuple[Finding, ...] = ()


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


# --- rendered ---


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """One rendered Kubernetes object.

    Attributes:
        api_version: group and version, as written.
        kind: as written.
        namespace: empty for cluster-scoped objects or when not set.
        name: metadata.name.
        body: the whole object as plain data.
        line: 1-based line at which it starts in the text it came from.
    """

    api_version: str
    kind: str
    namespace: str
    name: str
    body: Mapping[str, Json]
    line: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifests:
    """What kustomize makes of one overlay.

    Attributes:
        path: the overlay's folder.
        text: kustomize's output, byte for byte.
        objects: the same, parsed, in output order.
    """

    path: str
    text: bytes
    objects: tuple[Manifest, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Review:
    """What a reviewer reads.

    Attributes:
        title: fixed form, one line.
        body: Markdown within the forge's limit.
        summary: the plain words of the body, one line a change.
        rendered_diff: unified difference of the rendered manifests, secrets masked.
        commit_message: subject, body and trailers of the commit.
    """

    title: str
    body: str
    summary: tuple[str, ...]
    rendered_diff: str
    commit_message: str


# --- pull requests ---


class PullRequestState(StrEnum):
    """The three states that every forge has."""

    OPEN = "open"
    MERGED = "merged"
    CLOSED = "closed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Approval:
    """One person's yes to one head commit."""

    by: str
    head: CommitId
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Comment:
    """One remark on a pull request."""

    by: str
    at: datetime
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PullRequest:
    """A proposal on any forge.

    Attributes:
        number: as the forge counts.
        url: its page; None where there is no public address.
        title: one line.
        body: Markdown.
        branch: the head branch, without refs/heads/.
        base: the branch it goes to.
        head: the commit the forge shows as its head.
        state: open, merged or closed.
        author: who opened it.
        created_at: aware UTC.
        merge_commit: set once merged.
        closed_by: who merged or closed it; empty while open.
        approvals: yes-votes, any head; the caller counts those of the current head.
        comments: in order.
    """

    number: int
    url: str | None
    title: str
    body: str
    branch: BranchName
    base: BranchName
    head: CommitId
    state: PullRequestState
    author: str
    created_at: datetime
    merge_commit: CommitId | None = None
    closed_by: str = ""
    approvals: tuple[Approval, ...] = ()
    comments: tuple[Comment, ...] = ()


# --- outcomes ---


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposed:
    """A pull request carries the change: opened now, or updated in place."""

    pull_request: PullRequest
    commit: CommitId
    differences: tuple[Difference, ...]
    review: Review
    findings: tuple[Finding, ...]
    is_new: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """What a dry run would have proposed; nothing was written anywhere."""

    differences: tuple[Difference, ...]
    review: Review
    findings: tuple[Finding, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Unchanged:
    """Nothing to do: the base branch or the open pull request says it already."""

    reason: str
    pull_request: PullRequest | None = None


Outcome: TypeAlias = Proposed | Preview | Unchanged


# --- the fleet ---


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """A promotion target and the environments it follows."""

    name: EnvironmentName
    after: tuple[EnvironmentName, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class StackRule:
    """What gitops.yaml overrides for one stack; None means the default holds."""

    image: str | None = None
    carry: tuple[str, ...] | None = None


class Missed(StrEnum):
    """What happens to occurrences that passed while the service was down."""

    SKIP = "skip"
    RUN_ONCE = "run once"


class MergePolicy(StrEnum):
    """Who merges: a person, or the service once the merging gates are open."""

    REVIEW = "review"
    AUTOMATIC = "automatic"


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """When promotions may (or, with deny, may not) be opened.

    Attributes:
        allow: True for an allow window, False for a freeze.
        schedule: five-field cron expression of its start.
        duration_s: its length in seconds.
        timezone: IANA name in which the schedule is read.
    """

    allow: bool
    schedule: str
    duration_s: int
    timezone: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PromotionRule:
    """One edge of the promotion graph with its gates.

    Attributes:
        source: the environment that a revision leaves.
        target: the environment that it enters.
        schedule: five-field cron expression; None means by request only.
        timezone: IANA name in which the schedule is read.
        missed: policy for missed occurrences.
        soak_s: seconds of health in the source before a revision may leave.
        health: the name of a health source in the service's settings, or "none".
        windows: allow and deny windows.
        merge: review or automatic; never automatic for a major step.
        approvals: approvals by other people needed before a merge.
        go: releases by a releaser needed before a merge.
    """

    source: EnvironmentName
    target: EnvironmentName
    schedule: str | None = None
    timezone: str = "UTC"
    missed: Missed = Missed.SKIP
    soak_s: int = 0
    health: str = "none"
    windows: tuple[Window, ...] = ()
    merge: MergePolicy = MergePolicy.REVIEW
    approvals: int = 0
    go: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Fleet:
    """gitops.yaml as a value.

    Attributes:
        branch: the base branch.
        overlay_pattern: path pattern with {environment} and {stack}.
        image: the default image.
        carry: configuration keys that travel with a promotion, by default.
        environments: in the order of the file.
        stacks: overrides by stack; a stack exists where its overlay exists.
        promotions: rules by edge, in the order of the file.
    """

    branch: BranchName
    overlay_pattern: str
    image: str
    carry: tuple[str, ...] = ()
    environments: tuple[Environment, ...] = ()
    stacks: Mapping[StackName, StackRule] = field(default_factory=dict)
    promotions: tuple[PromotionRule, ...] = ()

    def image_of(self, stack: StackName) -> str:
        """Return the image that a stack runs."""
        rule = self.stacks.get(stack)
        return rule.image if rule and rule.image else self.image

    def carry_of(self, stack: StackName) -> tuple[str, ...]:
        """Return the configuration keys that travel with a stack's promotions."""
        rule = self.stacks.get(stack)
        return rule.carry if rule and rule.carry is not None else self.carry

    def environment(self, name: str) -> Environment | None:
        """Find an environment by name; None when the fleet has none such."""
        return next((e for e in self.environments if e.name == name), None)


@dataclass(frozen=True, slots=True, kw_only=True)
class Overlay:
    """What one overlay's files say about its target.

    Attributes:
        target: stack and environment.
        path: its folder.
        revision: of the one images: entry of the stack's image.
        namespace: from its kustomization; empty when not set there.
        config: config.env, key -> value, in file order; empty when absent.
    """

    target: Target
    path: str
    revision: Revision
    namespace: str
    config: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Hold:
    """A person's "stop here", for a stack, an environment, both, or everything."""

    stack: StackName | None
    environment: EnvironmentName | None
    reason: str
    by: str
    at: datetime
