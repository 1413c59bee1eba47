"""The Forge protocol over HTTP: what is the same for every real forge.

Look, then act, then look again: a pull request is looked for before one is opened,
and adopted where there is one; an outcome that is not known is looked at before it is
told; an empty list counts only beside a repository that was seen. Nothing is decided
here about the change itself.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import datetime

from gitops.errors import (
    ForgeConflictError,
    ForgeError,
    ForgeUnavailableError,
)
from gitops.forges import (
    Capabilities,
    Merged,
    NotMerged,
    PullRequestDraft,
    Scheduled,
    Status,
    remark_mark,
    same_text,
)
from gitops.forges.http.dialect import Dialect
from gitops.forges.http.line import Line
from gitops.model import BranchName, CommitId, PullRequest, PullRequestState


class HttpForge:
    """One repository on one real forge.

    Args:
        dialect: the forge's words.
        line: to it.
    """

    def __init__(self, dialect: Dialect, line: Line) -> None:
        self._dialect = dialect
        self._line = line
        self._account = ""

    @property
    def capabilities(self) -> Capabilities:
        """What this forge can do."""
        return self._dialect.capabilities

    def account(self) -> str:
        """Return the login that our credential acts as; asked for once."""
        if not self._account:
            self._account = self._line.hold(self._dialect.whoami())
        return self._account

    # --- reading ---

    def find(self, branch: BranchName) -> tuple[PullRequest, ...]:
        """Return every pull request of a branch of this repository, oldest first."""
        found = self._line.hold(self._dialect.pulls(branch=branch, only_open=False))
        return tuple(
            shown for shown in found if shown.branch == branch and not shown.from_fork
        )

    def list_open(self) -> tuple[PullRequest, ...]:
        """Return every open pull request, those of forks too, oldest first."""
        found = self._line.hold(self._dialect.pulls(branch=None, only_open=True))
        return tuple(s for s in found if s.state is PullRequestState.OPEN)

    def list_all(self) -> tuple[PullRequest, ...]:
        """Return every pull request in every state, oldest first."""
        return self._line.hold(self._dialect.pulls(branch=None, only_open=False))

    def read(self, number: int) -> PullRequest:
        """Return one pull request with approvals, comments and checks.

        Raises:
            ForgeNotFoundError: there is none of that number, or we may not see it.
        """
        return self._line.hold(self._dialect.pull(number))

    # --- opening and updating ---

    def open(self, draft: PullRequestDraft, *, now: datetime) -> PullRequest:
        """Open a pull request, or take the open one of the same branch and base.

        Args:
            draft: its author is whoever our credential acts as.
            now: part of the protocol; the forge has its own clock.

        Returns:
            It, at the draft's head; one that was there keeps its texts.

        Raises:
            ForgeConflictError: the branch is not at the draft's head, there is no such
                base, or there is nothing to merge.
            ForgeUnavailableError: the forge did not say what became of it, or says
                that there is one and does not show it.
        """
        del now
        standing = self._standing(draft)
        number = None if standing is None else standing.number
        self._check_branch(draft)
        if number is None:
            number = self._created(draft)
        self._dress(number, draft)
        return replace(self.read(number), head=draft.head)

    def _created(self, draft: PullRequestDraft) -> int:
        try:
            return self._line.hold(self._dialect.create(draft))
        except ForgeConflictError as error:
            refused: ForgeError = error
        except ForgeUnavailableError as error:
            if not error.sent:
                raise
            refused = error
        # Another run was quicker, or the answer was lost: whichever, it is ours now.
        standing = self._standing(draft)
        if standing is None:
            raise refused
        return standing.number

    def update(
        self, number: int, draft: PullRequestDraft, *, now: datetime
    ) -> PullRequest:
        """Replace title and body.

        Args:
            number: of the pull request.
            draft: its branch and base stay what they are.
            now: part of the protocol; the forge has its own clock.

        Raises:
            ForgeNotFoundError: there is none of that number.
            ForgeConflictError: it is not open, its branch is elsewhere, or the draft is
                about another branch or base.
        """
        del now
        shown = self.read(number)
        _check_open(shown)
        if (shown.branch, shown.base) != (draft.branch, draft.base):
            raise ForgeConflictError(
                f"pull request #{number} is from {shown.branch} into {shown.base}"
            )
        self._check_branch(draft)
        if not _says(shown, draft):
            self._edit(number, draft)
        self._dress(number, draft)
        # A forge shows a push a moment later; where the branch is was just looked at.
        return replace(self.read(number), head=draft.head)

    def _edit(self, number: int, draft: PullRequestDraft) -> None:
        try:
            self._line.hold(self._dialect.edit(number, draft))
        except ForgeUnavailableError as error:
            if not error.sent:
                raise
            if not _says(self.read(number), draft):
                raise

    def _dress(self, number: int, draft: PullRequestDraft) -> None:
        """Set labels and reviewers; twice is once."""
        if draft.labels and self.capabilities.labels:
            self._line.hold(self._dialect.label(number, draft.labels))
        if draft.reviewers and self.capabilities.reviewers:
            self._line.hold(self._dialect.ask_review(number, draft.reviewers))

    def _standing(self, draft: PullRequestDraft) -> PullRequest | None:
        return next(
            (
                shown
                for shown in self.find(draft.branch)
                if shown.state is PullRequestState.OPEN and shown.base == draft.base
            ),
            None,
        )

    def _check_branch(self, draft: PullRequestDraft) -> None:
        tip = self._line.hold(self._dialect.tip(draft.branch))
        if tip != draft.head:
            where = f"at {tip[:12]}" if tip else "not there"
            raise ForgeConflictError(
                f"branch {draft.branch} is {where}, not at {draft.head[:12]}",
                hint="a forge may take a moment to see a push; it is tried again",
            )

    # --- people ---

    def comment(self, number: int, text: str, *, by: str, now: datetime) -> PullRequest:
        """Add a comment, as the account that our credential acts as."""
        del by, now
        self._line.hold(self._dialect.say(number, text))
        return self.read(number)

    def remark(
        self, number: int, text: str, *, key: str, by: str, now: datetime
    ) -> PullRequest:
        """Say something once: our comment of that key is made, or rewritten in place.

        The key is hidden in the comment, and the comment must be our account's own:
        whoever else writes that key is not believed.
        """
        del by, now
        mark = remark_mark(key)
        whole, us = f"{text}\n\n{mark}", self.account()
        for remark in self._line.hold(self._dialect.remarks(number)):
            said = remark.comment
            if said.by == us and said.text.rstrip().endswith(mark):
                if not same_text(said.text, whole):
                    self._line.hold(self._dialect.rewrite(number, remark, whole))
                return self.read(number)
        self._line.hold(self._dialect.say(number, whole))
        return self.read(number)

    def approve(
        self, number: int, *, head: CommitId, by: str, now: datetime
    ) -> PullRequest:
        """Look whether it may be approved: people approve on the forge as themselves.

        Raises:
            ForgeConflictError: not open, or another head.
        """
        del by, now
        shown = self.read(number)
        _check_open(shown)
        _check_head(shown, head)
        return shown

    def report(self, commit: CommitId, status: Status) -> None:
        """Give a commit a status, where the forge has them."""
        if self.capabilities.statuses:
            self._line.hold(self._dialect.report(commit, status))

    # --- ending ---

    def merge(
        self, number: int, *, head: CommitId, by: str, now: datetime
    ) -> Merged | NotMerged:
        """Merge at this head only, as the account that our credential acts as.

        Raises:
            ForgeConflictError: it is closed, or its head is another one.
            ForgeUnavailableError: the forge did not say what became of it.
        """
        del now
        shown = self.read(number)
        if shown.state is PullRequestState.MERGED:
            return Merged(pull_request=shown)
        _check_open(shown)
        _check_head(shown, head)
        message = f"Merge pull request #{number} from {shown.branch}\n\nAsked by {by}\n"
        try:
            refusal = self._line.hold(self._dialect.merge(shown, message=message))
        except ForgeUnavailableError as error:
            if not error.sent:
                raise
            after = self.read(number)
            if after.state is not PullRequestState.MERGED:
                raise
            return Merged(pull_request=after)
        if refusal is not None:
            return refusal
        after = self.read(number)
        if after.state is PullRequestState.MERGED:
            return Merged(pull_request=after)
        return NotMerged(reason="the forge has taken it and is merging it")

    def merge_later(self, number: int, *, head: CommitId) -> Scheduled | NotMerged:
        """Ask the forge to merge this head once its own rules allow; twice is once."""
        if not self.capabilities.auto_merge:
            return NotMerged(reason="this forge does not merge by itself")
        shown = self.read(number)
        if shown.state is PullRequestState.MERGED or shown.merges_later:
            return Scheduled(pull_request=shown)
        _check_open(shown)
        _check_head(shown, head)
        refusal = self._line.hold(self._dialect.merge_later(shown))
        return refusal or Scheduled(pull_request=self.read(number))

    def close(self, number: int, *, by: str, now: datetime) -> PullRequest:
        """Close without merging; closing a closed one changes nothing.

        Raises:
            ForgeConflictError: it is merged.
        """
        del by, now
        shown = self.read(number)
        if shown.state is PullRequestState.MERGED:
            raise ForgeConflictError(f"pull request #{number} is merged")
        if shown.state is PullRequestState.CLOSED:
            return shown
        try:
            self._line.hold(self._dialect.close(number))
        except ForgeUnavailableError as error:
            if not error.sent:
                raise
            after = self.read(number)
            if after.state is PullRequestState.OPEN:
                raise
            return after
        return self.read(number)

    def delete_branch(self, branch: BranchName, *, head: CommitId) -> bool:
        """Delete a head branch if it is still there and at this commit."""
        if self._line.hold(self._dialect.tip(branch)) != head:
            return False
        self._line.hold(self._dialect.remove_branch(branch, head=head))
        return True


def _says(shown: PullRequest, draft: PullRequestDraft) -> bool:
    return shown.title == draft.title and same_text(shown.body, draft.body)


def _check_open(shown: PullRequest) -> None:
    if shown.state is not PullRequestState.OPEN:
        raise ForgeConflictError(f"pull request #{shown.number} is {shown.state.value}")


def _check_head(shown: PullRequest, head: CommitId) -> None:
    if shown.head != head:
        raise ForgeConflictError(
            f"pull request #{shown.number} is at {shown.head[:12]}, not {head[:12]}",
            hint="somebody pushed to it; look at it again",
        )
