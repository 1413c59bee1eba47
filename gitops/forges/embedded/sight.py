"""What Git says of a pull request now, whoever pushed, merged or deleted by hand.

Reads only. It answers with a value: as recorded, moved, merged or gone; to write that
down is the forge's part.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

from gitops.forges.embedded.rows import Record
from gitops.git import BareRepository, LoggedCommit
from gitops.model import BranchName, CommitId


@dataclass(frozen=True, slots=True, kw_only=True)
class Same:
    """As recorded."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved:
    """Open; the head is this one, and the base at this tip does not hold it."""

    head: CommitId
    unmerged_at: CommitId | None


@dataclass(frozen=True, slots=True, kw_only=True)
class InBase:
    """The base branch holds the head since this commit, by this author."""

    head: CommitId
    merge_commit: CommitId
    by: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Gone:
    """The branch was deleted, or says nothing that the base does not say."""


Seen: TypeAlias = Same | Moved | InBase | Gone


class Sight:
    """One look at the branches; what moves after it is not seen.

    Args:
        repository: whose branches.
        many: whether many pull requests will be asked about. Then the base's history
            is read once, instead of two processes for each.
    """

    def __init__(self, repository: BareRepository, *, many: bool = False) -> None:
        self._repository = repository
        self._many = many
        self._branches = repository.branches()
        self._histories: dict[CommitId, frozenset[CommitId]] = {}

    def tip(self, branch: BranchName) -> CommitId | None:
        """Return where a branch is; None when there is none."""
        return self._branches.get(branch)

    def holds(self, base_tip: CommitId, commit: CommitId) -> bool:
        """Whether a base's tip contains a commit.

        Raises:
            GitError: the repository is damaged.
        """
        if not self._many:
            return self._repository.is_ancestor(commit, base_tip)
        if base_tip not in self._histories:
            log = self._repository.history(base_tip)
            self._histories[base_tip] = frozenset(logged.id for logged in log)
        return commit in self._histories[base_tip]

    def of(self, record: Record) -> Seen:
        """Say what has become of an open pull request.

        Raises:
            GitError: the repository is damaged.
        """
        head, tip = record.shown.head, self.tip(record.shown.branch)
        base_tip = self.tip(record.shown.base)
        if base_tip is None:
            return Same() if tip in (head, None) else Moved(head=tip, unmerged_at=None)
        arrived = None
        if tip not in (None, head) and self.holds(base_tip, tip):
            arrived = self._in_base(base_tip, tip)
            if arrived.merge_commit != tip:
                return arrived
        is_known_outside = record.unmerged_at == base_tip
        if not is_known_outside and self.holds(base_tip, head):
            return self._in_base(base_tip, head)
        if tip is None or arrived is not None:
            # Put onto the base's own line, a branch has nothing left to merge.
            return Gone()
        if tip == head and is_known_outside:
            return Same()
        return Moved(head=tip, unmerged_at=base_tip)

    def _in_base(self, base_tip: CommitId, head: CommitId) -> InBase:
        line = self._repository.history(base_tip, first_parent=True)
        arrival = self._arrival(line, head)
        return InBase(head=head, merge_commit=arrival.id, by=arrival.author)

    def _arrival(self, line: Sequence[LoggedCommit], head: CommitId) -> LoggedCommit:
        """Return the oldest commit of a branch's own line that contains the head.

        The newest contains it, and so do all between: a binary search finds it with
        few questions to git.
        """
        with_it, without_it = 0, len(line)
        while without_it - with_it > 1:
            middle = (with_it + without_it) // 2
            if self._repository.is_ancestor(head, line[middle].id):
                with_it = middle
            else:
                without_it = middle
        return line[with_it]
