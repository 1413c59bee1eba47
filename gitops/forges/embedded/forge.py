"""The Forge protocol over a bare repository and its ledger.

Every change is one turn of the ledger's one writer: look at Git, act on Git, record.
A crash in between rolls the record back, never Git; so each look first believes Git.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Final, assert_never

from gitops.errors import ForgeConflictError, PushRejectedError
from gitops.forges import (
    Capabilities,
    Merged,
    NotMerged,
    PullRequestDraft,
    Scheduled,
    Status,
)
from gitops.forges.embedded.checks import (
    BODY_LIMIT,
    TITLE_LIMIT,
    check_draft,
    check_head,
    check_login,
    check_open,
    check_text,
    identity_of,
    not_found,
)
from gitops.forges.embedded.ledger import WAIT_S, Ledger, Pages
from gitops.forges.embedded.rows import Record
from gitops.forges.embedded.sight import Gone, InBase, Moved, Same, Seen, Sight
from gitops.git import BareRepository, Conflict
from gitops.model import BranchName, CommitId, PullRequest, PullRequestState

CAPABILITIES: Final = Capabilities(
    kind="embedded",
    body_limit=BODY_LIMIT,
    title_limit=TITLE_LIMIT,
    merges_here=True,
    approves_here=True,
    statuses=True,
)
_MERGE_TRIES: Final = 8
_MANY: Final = 8
_NOBODY: Final = "git"  # who closed it, when a push did, and no login is known
_Select = Callable[[Pages], tuple[Record, ...]]


class EmbeddedForge:
    """Pull requests of one bare repository; safe in many threads and processes.

    Args:
        repository: the origin itself.
        database: SQLite's file beside it.
        public_url: where the service shows this repository; None when nowhere.
        keep_branches: leave a branch standing after its merge.
        wait_s: seconds to wait for another process that writes.
    """

    def __init__(
        self,
        repository: BareRepository,
        database: Path,
        *,
        public_url: str | None = None,
        keep_branches: bool = False,
        wait_s: float = WAIT_S,
    ) -> None:
        self._repository = repository
        self._ledger = Ledger(database, wait_s=wait_s)
        self._public_url = public_url.rstrip("/") if public_url else None
        self._keep_branches = keep_branches

    @property
    def capabilities(self) -> Capabilities:
        """What this forge can do."""
        return CAPABILITIES

    def account(self) -> str:
        """Return nothing: whoever asks is told each time."""
        return ""

    # --- reading ---

    def find(self, branch: BranchName) -> tuple[PullRequest, ...]:
        """Return every pull request of a head branch, all states, oldest first."""
        return self._look(lambda pages: pages.find(branch=branch))

    def list_open(self) -> tuple[PullRequest, ...]:
        """Return every open pull request, oldest first."""
        shown = self._look(lambda pages: pages.find(state=PullRequestState.OPEN))
        return tuple(item for item in shown if item.state is PullRequestState.OPEN)

    def list_all(self) -> tuple[PullRequest, ...]:
        """Return every pull request in every state, oldest first."""
        return self._look(lambda pages: pages.find())

    def read(self, number: int) -> PullRequest:
        """Return one pull request with approvals and comments.

        Raises:
            ForgeNotFoundError: there is none of that number.
        """
        found = self._look(lambda pages: pages.find(number=number))
        if not found:
            raise not_found(number)
        return found[0]

    def _look(self, select: _Select) -> tuple[PullRequest, ...]:
        """Read, and where Git says otherwise, take the writer's turn and heal."""
        with self._ledger.reading() as pages:
            records = select(pages)
        unsettled = [r for r in records if r.shown.state is PullRequestState.OPEN]
        if unsettled and self._differs(unsettled):
            with self._ledger.writing() as pages:
                self._heal(pages, select(pages))
                # The first look's numbers: healing may take some out of a selection.
                records = tuple(
                    pages.find(number=record.shown.number)[0] for record in records
                )
        return tuple(self._shown(record) for record in records)

    def _differs(self, records: Sequence[Record]) -> bool:
        sight = self._sight_for(records)
        return any(sight.of(record) != Same() for record in records)

    def _shown(self, record: Record) -> PullRequest:
        number = record.shown.number
        base = self._public_url
        url = None if base is None else f"{base}/pull-requests/{number}"
        return replace(record.shown, url=url)

    # --- healing ---

    def _heal(self, pages: Pages, records: Sequence[Record]) -> None:
        """Write down what Git says of those that are recorded as open."""
        sight = self._sight_for(records)
        for record in records:
            if record.shown.state is PullRequestState.OPEN:
                self._record_seen(pages, record.shown, sight.of(record))

    def _sight_for(self, records: Sequence[Record]) -> Sight:
        return Sight(self._repository, many=len(records) > _MANY)

    def _record_seen(self, pages: Pages, shown: PullRequest, seen: Seen) -> None:
        match seen:
            case Same():
                pass
            case Moved(head=head, unmerged_at=unmerged_at):
                pages.set_head(shown.number, head, unmerged_at=unmerged_at)
            case InBase(head=head, merge_commit=merge_commit, by=by):
                self._tidy(shown.branch, head)
                pages.merged(shown.number, head=head, merge_commit=merge_commit, by=by)
            case Gone():
                pages.close(shown.number, by=_NOBODY)
            case _:
                assert_never(seen)

    def _tidy(self, branch: BranchName, head: CommitId) -> None:
        """Delete a merged branch that nobody has pushed to since."""
        if not self._keep_branches:
            self._repository.delete_branch(branch, expected=head)

    def _current(self, pages: Pages, number: int) -> PullRequest:
        """Return a pull request as it is now, healed, inside the writer's turn.

        Raises:
            ForgeNotFoundError: there is none of that number.
        """
        self._heal(pages, pages.find(number=number))
        found = pages.find(number=number)
        if not found:
            raise not_found(number)
        return found[0].shown

    def _recorded(self, pages: Pages, number: int) -> PullRequest:
        return self._shown(pages.find(number=number)[0])

    # --- opening and updating ---

    def open(self, draft: PullRequestDraft, *, now: datetime) -> PullRequest:
        """Open a pull request, or return the open one of the same branch and base.

        Raises:
            ForgeConflictError: the branch is not at the draft's head, there is no such
                base, or the base holds the head already.
            ForgeError: a text is empty, too long, or holds control characters.
        """
        check_draft(draft)
        with self._ledger.writing() as pages:
            self._heal(pages, _open_on(pages, draft.branch))
            self._check_branch(draft)
            for record in _open_on(pages, draft.branch):
                if record.shown.base == draft.base:
                    return self._recorded(pages, record.shown.number)
            base_tip = self._base_without(draft)
            number = pages.add(draft, at=now, unmerged_at=base_tip)
            return self._recorded(pages, number)

    def update(
        self, number: int, draft: PullRequestDraft, *, now: datetime
    ) -> PullRequest:
        """Replace title and body, and take note of the new head.

        Args:
            number: of the pull request.
            draft: its branch and base stay what they are.
            now: part of the protocol; an update has no date here.

        Raises:
            ForgeNotFoundError: there is none of that number.
            ForgeConflictError: it is not open, its branch is elsewhere, or the draft is
                about another branch or base.
            ForgeError: a text is empty, too long, or holds control characters.
        """
        del now
        check_draft(draft)
        with self._ledger.writing() as pages:
            shown = self._current(pages, number)
            check_open(shown)
            if (shown.branch, shown.base) != (draft.branch, draft.base):
                raise ForgeConflictError(
                    f"pull request #{number} is from {shown.branch} into {shown.base}"
                )
            self._check_branch(draft)
            pages.set_texts(number, title=draft.title, body=draft.body)
            return self._recorded(pages, number)

    def _check_branch(self, draft: PullRequestDraft) -> None:
        tip = self._repository.tip(draft.branch)
        if tip != draft.head:
            where = f"at {tip[:12]}" if tip else "not there"
            raise ForgeConflictError(
                f"branch {draft.branch} is {where}, not at {draft.head[:12]}"
            )

    def _base_without(self, draft: PullRequestDraft) -> CommitId:
        """Return the base's tip, which lacks the draft's head."""
        base_tip = self._repository.tip(draft.base)
        if base_tip is None or draft.base == draft.branch:
            raise ForgeConflictError(
                f"there is no other branch {draft.base} to merge into"
            )
        if self._repository.is_ancestor(draft.head, base_tip):
            raise ForgeConflictError(
                f"{draft.base} holds everything that {draft.branch} holds"
            )
        return base_tip

    # --- people ---

    def comment(self, number: int, text: str, *, by: str, now: datetime) -> PullRequest:
        """Add a comment, in any state.

        Raises:
            ForgeNotFoundError: there is none of that number.
            ForgeError: the text is empty, too long, or holds control characters.
        """
        check_login(by)
        check_text("comment", text, BODY_LIMIT)
        with self._ledger.writing() as pages:
            self._current(pages, number)
            pages.comment(number, text, by=by, at=now)
            return self._recorded(pages, number)

    def remark(
        self, number: int, text: str, *, key: str, by: str, now: datetime
    ) -> PullRequest:
        """Say something once: the comment of that key is made, or rewritten in place.

        Raises:
            ForgeNotFoundError: there is none of that number.
            ForgeError: the text is empty, too long, or holds control characters.
        """
        check_login(by)
        check_text("comment", text, BODY_LIMIT)
        with self._ledger.writing() as pages:
            self._current(pages, number)
            pages.remark(number, text, key=key, by=by, at=now)
            return self._recorded(pages, number)

    def report(self, commit: CommitId, status: Status) -> None:
        """Give a commit a status; those of the head are among the checks.

        Raises:
            ForgeError: a text is empty, too long, or holds control characters.
        """
        check_text("status", status.name, TITLE_LIMIT)
        check_text("description", status.description, TITLE_LIMIT)
        with self._ledger.writing() as pages:
            pages.report(commit, status)

    def approve(
        self, number: int, *, head: CommitId, by: str, now: datetime
    ) -> PullRequest:
        """Record one person's approval of one head; twice is once.

        Raises:
            ForgeNotFoundError: there is none of that number.
            ForgeConflictError: not open, another head, or the author's own.
        """
        check_login(by)
        with self._ledger.writing() as pages:
            shown = self._current(pages, number)
            check_open(shown)
            check_head(shown, head)
            if by == shown.author:
                raise ForgeConflictError(
                    f"pull request #{number} is by {by}, who cannot approve it",
                    hint="somebody else has to look at it",
                )
            pages.approve(number, head=head, by=by, at=now)
            return self._recorded(pages, number)

    def merge(
        self, number: int, *, head: CommitId, by: str, now: datetime
    ) -> Merged | NotMerged:
        """Merge at this head only; a conflict is NotMerged(needs_regeneration=True).

        A pull request that is merged already, at this head, is merged.

        Raises:
            ForgeNotFoundError: there is none of that number.
            ForgeConflictError: it is closed, or its head is another one.
        """
        check_login(by)
        with self._ledger.writing() as pages:
            for _ in range(_MERGE_TRIES):
                shown = self._current(pages, number)
                check_head(shown, head)
                if shown.state is PullRequestState.MERGED:
                    return Merged(pull_request=self._recorded(pages, number))
                check_open(shown)
                refusal = self._merge_now(pages, shown, by=by, at=now)
                if refusal is not None:
                    return refusal
            return NotMerged(reason="the base branch keeps moving; try again")

    def _merge_now(
        self, pages: Pages, shown: PullRequest, *, by: str, at: datetime
    ) -> NotMerged | None:
        """Try to merge once; None: look again, it is done or the base has moved."""
        made = self._merge_commit(shown, by=by, at=at)
        if isinstance(made, NotMerged):
            return made
        base_tip, merge_commit = made
        try:
            self._repository.update_ref(shown.base, merge_commit, expected=base_tip)
        except PushRejectedError:
            return None
        # A crash from here on is healed by the next look: Git has it.
        self._tidy(shown.branch, shown.head)
        pages.merged(shown.number, head=shown.head, merge_commit=merge_commit, by=by)
        return None

    def _merge_commit(
        self, shown: PullRequest, *, by: str, at: datetime
    ) -> tuple[CommitId, CommitId] | NotMerged:
        """Return the base's tip and the merge commit made on it, on no branch yet."""
        base_tip = self._repository.tip(shown.base)
        if base_tip is None:
            return NotMerged(reason=f"there is no branch {shown.base}")
        if self._repository.merge_base(base_tip, shown.head) is None:
            return NotMerged(
                reason=f"{shown.base} has another history now", needs_regeneration=True
            )
        made = self._repository.merge_commit(
            base_tip,
            shown.head,
            f"Merge pull request #{shown.number} from {shown.branch}\n\n"
            f"{shown.title}\n",
            identity_of(by),
            at.replace(microsecond=0),
        )
        if isinstance(made, Conflict):
            return NotMerged(
                reason=f"conflicts with {shown.base} in {', '.join(made.paths)}",
                needs_regeneration=True,
            )
        return base_tip, made

    def merge_later(self, number: int, *, head: CommitId) -> Scheduled | NotMerged:
        """Say that nobody merges here but those who ask: it is no capability of ours.

        Raises:
            ForgeNotFoundError: there is none of that number.
        """
        del head
        self.read(number)
        return NotMerged(reason="the embedded forge merges when it is asked to")

    def close(self, number: int, *, by: str, now: datetime) -> PullRequest:
        """Close without merging; closing a closed one changes nothing.

        Args:
            number: of the pull request.
            by: who closes.
            now: part of the protocol; closing has no date here.

        Raises:
            ForgeNotFoundError: there is none of that number.
            ForgeConflictError: it is merged.
        """
        del now
        check_login(by)
        with self._ledger.writing() as pages:
            shown = self._current(pages, number)
            if shown.state is PullRequestState.MERGED:
                raise ForgeConflictError(f"pull request #{number} is merged")
            if shown.state is PullRequestState.OPEN:
                pages.close(number, by=by)
            return self._recorded(pages, number)

    def delete_branch(self, branch: BranchName, *, head: CommitId) -> bool:
        """Delete a head branch if it is still there and at this commit.

        An open pull request of it is closed by that, as on any forge. The default
        branch is nobody's head branch, and stays.
        """
        if branch == self._repository.default_branch():
            return False
        with self._ledger.writing() as pages:
            is_deleted = self._repository.delete_branch(branch, expected=head)
            self._heal(pages, _open_on(pages, branch))
            return is_deleted


def _open_on(pages: Pages, branch: BranchName) -> tuple[Record, ...]:
    return pages.find(branch=branch, state=PullRequestState.OPEN)
