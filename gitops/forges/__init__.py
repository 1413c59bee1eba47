"""What the library needs from a forge: one protocol, the same for all of them.

An adapter never decides anything: it says what the forge says, and does what it is
told at the recorded head only. What a forge lacks is a stated capability.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final, Protocol

from gitops.model import BranchName, CheckState, CommitId, PullRequest


@dataclass(frozen=True, slots=True, kw_only=True)
class Capabilities:
    """What a forge can do.

    Attributes:
        kind: its name in settings and pages.
        body_limit: characters that a pull request's body may have.
        title_limit: characters that its title may have.
        merges_here: the service merges itself (embedded forge).
        approves_here: approvals are recorded here; elsewhere people approve on the
            forge itself, as themselves.
        auto_merge: the forge can merge by itself once its own rules allow.
        labels: pull requests have labels.
        reviewers: people can be asked to review.
        statuses: a commit can be given a status.
        review_refs: ref of the head of pull request {number}, for a fetch; empty where
            the forge has none.
    """

    kind: str
    body_limit: int
    title_limit: int
    merges_here: bool = False
    approves_here: bool = False
    auto_merge: bool = False
    labels: bool = False
    reviewers: bool = False
    statuses: bool = False
    review_refs: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class PullRequestDraft:
    """A pull request to open, or the new texts of an open one.

    Attributes:
        branch: head branch, already pushed.
        base: the branch it goes to.
        head: the commit that was pushed; the forge must show the same.
        title: one line.
        body: Markdown within the forge's limit.
        author: shown as the author by the embedded forge.
        labels: that it gets beside those it has.
        reviewers: who is asked to review it, as the forge names people.
    """

    branch: BranchName
    base: BranchName
    head: CommitId
    title: str
    body: str
    author: str
    labels: tuple[str, ...] = ()
    reviewers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Status:
    """What we say of a commit, beside what its builds say.

    Attributes:
        name: its context; a second one of that name replaces the first.
        state: see CheckState.
        description: one line.
        url: where to read more; empty for nowhere.
    """

    name: str
    state: CheckState
    description: str
    url: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Merged:
    """The base branch now holds the change."""

    pull_request: PullRequest


@dataclass(frozen=True, slots=True, kw_only=True)
class NotMerged:
    """The forge did not merge, and says why; waiting is not an error."""

    reason: str
    needs_regeneration: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Scheduled:
    """The forge merges it by itself once its own rules allow."""

    pull_request: PullRequest


WITHDRAWN: Final = "withdrawn"
"""Key of the remark that says why we close a pull request of ours."""


def remark_mark(key: str) -> str:
    """Return the line that hides a remark's key in its text, as Markdown has it."""
    return f"<!-- directus-gitops:{key} -->"


def same_text(one: str, other: str) -> bool:
    """Whether two texts differ only in what forges change: line ends, outer blanks."""
    return _plain(one) == _plain(other)


def _plain(text: str) -> list[str]:
    return [line.rstrip() for line in text.strip().splitlines()]


class Forge(Protocol):
    """One repository on one forge. Times are aware UTC and given by the caller.

    What a forge lacks, its capabilities say; asked for it all the same, it does
    nothing. "Not found" and an empty list are what the forge shows us, never a proof
    that something is not there: rights may have been lost.
    """

    @property
    def capabilities(self) -> Capabilities:
        """What this forge can do."""
        ...

    def account(self) -> str:
        """Return the login that our credential acts as; empty with the embedded one."""
        ...

    def find(self, branch: BranchName) -> tuple[PullRequest, ...]:
        """Return every pull request of a head branch, all states, oldest first."""
        ...

    def list_open(self) -> tuple[PullRequest, ...]:
        """Return every open pull request, oldest first."""
        ...

    def list_all(self) -> tuple[PullRequest, ...]:
        """Return every pull request in every state, oldest first."""
        ...

    def read(self, number: int) -> PullRequest:
        """Return one pull request with approvals and comments.

        Raises:
            ForgeNotFoundError: there is none of that number.
        """
        ...

    def open(self, draft: PullRequestDraft, *, now: datetime) -> PullRequest:
        """Open a pull request, or return the open one of the same branch and base.

        Raises:
            ForgeConflictError: the branch is not at the draft's head.
        """
        ...

    def update(
        self, number: int, draft: PullRequestDraft, *, now: datetime
    ) -> PullRequest:
        """Replace title and body, and take note of the new head.

        Raises:
            ForgeNotFoundError: there is none of that number.
            ForgeConflictError: it is not open, or its branch is elsewhere.
        """
        ...

    def comment(self, number: int, text: str, *, by: str, now: datetime) -> PullRequest:
        """Add a comment."""
        ...

    def remark(
        self, number: int, text: str, *, key: str, by: str, now: datetime
    ) -> PullRequest:
        """Say something once: our comment of that key is made, or rewritten in place.

        Args:
            number: of the pull request.
            text: Markdown.
            key: `[a-z-]+`; hidden in the comment.
            by: shown as the author by the embedded forge.
            now: aware UTC.

        Raises:
            ForgeNotFoundError: there is none of that number.
        """
        ...

    def approve(
        self, number: int, *, head: CommitId, by: str, now: datetime
    ) -> PullRequest:
        """Record one person's approval of one head; twice is once.

        Where `approves_here` is not set nothing is recorded: people approve as
        themselves; it is only looked at.

        Raises:
            ForgeConflictError: not open, another head, or the author's own.
        """
        ...

    def merge(
        self, number: int, *, head: CommitId, by: str, now: datetime
    ) -> Merged | NotMerged:
        """Merge at this head only; a conflict is NotMerged(needs_regeneration=True).

        Raises:
            ForgeConflictError: it is closed, or its head is another one.
        """
        ...

    def merge_later(self, number: int, *, head: CommitId) -> Scheduled | NotMerged:
        """Ask the forge to merge this head once its own rules allow; twice is once.

        Raises:
            ForgeConflictError: it is not open, or its head is another one.
        """
        ...

    def report(self, commit: CommitId, status: Status) -> None:
        """Give a commit a status."""
        ...

    def close(self, number: int, *, by: str, now: datetime) -> PullRequest:
        """Close without merging; closing a closed one changes nothing.

        Raises:
            ForgeConflictError: it is merged.
        """
        ...

    def delete_branch(self, branch: BranchName, *, head: CommitId) -> bool:
        """Delete a head branch if it is still there and at this commit."""
        ...
