"""What an adapter has to know: one forge's words for what every forge can do.

An adapter holds no connection and no state. Each verb is a talk: it asks for calls and
reads their answers. It decides nothing: looking before acting, adopting, doing again
and giving up are the business of `HttpForge`, the same for all.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

from gitops.forges import Capabilities, NotMerged, PullRequestDraft, Status
from gitops.forges.http.calls import Reply, Talk
from gitops.model import BranchName, Comment, CommitId, PullRequest


@dataclass(frozen=True, slots=True, kw_only=True)
class Remark:
    """A comment as the forge keeps it.

    Attributes:
        id: by which the forge knows it.
        comment: what it says.
    """

    id: str
    comment: Comment


class Dialect(Protocol):
    """One repository on one kind of forge."""

    @property
    def capabilities(self) -> Capabilities:
        """What this forge can do."""
        ...

    def words(self, reply: Reply) -> str:
        """Return what an error answer says, in one line; empty when it says nothing.

        It is text from outside, cut to some 200 characters, never a header.
        """
        ...

    def whoami(self) -> Talk[str]:
        """Return the login that the credential acts as."""
        ...

    def tip(self, branch: BranchName) -> Talk[CommitId | None]:
        """Return where a branch is; None only where the repository itself was seen.

        Raises:
            ForgeDeniedError: the repository is not there, or not for us.
        """
        ...

    def pulls(
        self, *, branch: BranchName | None, only_open: bool
    ) -> Talk[tuple[PullRequest, ...]]:
        """Return pull requests of every page, oldest first; those of forks are marked.

        They need no approvals, comments, checks or mergeability.

        Args:
            branch: only those of this head branch; None for all. An adapter whose
                forge cannot filter reads all and filters itself.
            only_open: leave out the merged and the closed ones.

        Raises:
            ForgeDeniedError: also for a 404: the repository is not for us.
        """
        ...

    def pull(self, number: int) -> Talk[PullRequest]:
        """Return one, with approvals, comments, checks and mergeability.

        Approvals are those that stand now, by login, each with the head that it is
        about; where the forge does not say which, the present head, if the forge lets
        approvals lapse or says that it stands, else none.

        Raises:
            ForgeNotFoundError: there is none of that number.
        """
        ...

    def create(self, draft: PullRequestDraft) -> Talk[int]:
        """Open one and return its number; labels and reviewers are set by others.

        Raises:
            ForgeConflictError: one is open already, there is nothing to merge, or a
                branch is not there.
        """
        ...

    def edit(self, number: int, draft: PullRequestDraft) -> Talk[None]:
        """Replace title and body.

        Raises:
            ForgeConflictError: it is not open.
        """
        ...

    def label(self, number: int, labels: tuple[str, ...]) -> Talk[None]:
        """Add labels to those that it has; only if capabilities.labels."""
        ...

    def ask_review(self, number: int, people: tuple[str, ...]) -> Talk[None]:
        """Ask people to review, beside those who are; only if capabilities.reviewers.

        Somebody whom the forge does not know or take is left out, without an error.
        """
        ...

    def remarks(self, number: int) -> Talk[tuple[Remark, ...]]:
        """Return the comments of one, oldest first, every page."""
        ...

    def say(self, number: int, text: str) -> Talk[None]:
        """Add a comment."""
        ...

    def rewrite(self, number: int, remark: Remark, text: str) -> Talk[None]:
        """Replace the text of a comment."""
        ...

    def merge(self, shown: PullRequest, *, message: str) -> Talk[NotMerged | None]:
        """Ask for a merge commit of the shown head, and no other.

        Returns:
            None when the forge took it, even if it is not done yet; why it does not
            merge now, where waiting or a new branch will help.

        Raises:
            ForgeConflictError: the head is another one, or it is not open.
            ForgeDeniedError: we may not merge.
        """
        ...

    def merge_later(self, shown: PullRequest) -> Talk[NotMerged | None]:
        """Ask the forge to merge by itself; only if capabilities.auto_merge.

        Returns:
            None when it will, or has merged already; else why it does not.
        """
        ...

    def close(self, number: int) -> Talk[None]:
        """Close without merging."""
        ...

    def remove_branch(self, branch: BranchName, *, head: CommitId) -> Talk[None]:
        """Delete a branch that was just seen at this commit; one that is gone is fine.

        Raises:
            ForgeDeniedError: we may not.
        """
        ...

    def report(self, commit: CommitId, status: Status) -> Talk[None]:
        """Give a commit a status; only if capabilities.statuses."""
        ...
