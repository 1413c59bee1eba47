"""Proposals on a forge, and how a request for one ended."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import TypeAlias

from gitops.model.files import Difference
from gitops.model.manifests import Review
from gitops.model.names import BranchName, CommitId
from gitops.model.targets import Finding


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


class Mergeability(StrEnum):
    """What the forge says about merging now."""

    READY = "ready"
    CONFLICT = "conflict"
    BLOCKED = "blocked"  # by a rule of the forge's own: reviews, checks, protection
    UNKNOWN = "unknown"  # it does not say, or is still finding out


class CheckState(StrEnum):
    """How a check of a commit stands."""

    PENDING = "pending"
    PASSED = "passed"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """What somebody, often a build, says of a commit.

    Attributes:
        name: its context.
        state: see CheckState.
        url: where to read more; may be empty.
    """

    name: str
    state: CheckState
    url: str = ""


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
        from_fork: its head is in another repository.
        is_draft: the forge does not merge it yet; its author says so.
        labels: sorted.
        mergeability: see Mergeability; only where one is read by its number.
        checks: of its head; only where one is read by its number.
        merges_later: the forge merges it by itself once its own rules allow.
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
    from_fork: bool = False
    is_draft: bool = False
    labels: tuple[str, ...] = ()
    mergeability: Mergeability = Mergeability.UNKNOWN
    checks: tuple[Check, ...] = ()
    merges_later: bool = False


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
