"""Decide about a pull request: approve, say go, merge, close.

An approval or a go is about one head commit: what is pushed afterwards needs another.
"""

from __future__ import annotations

from gitops.errors import ForgeConflictError
from gitops.forges import Merged, NotMerged
from gitops.model import (
    CommitId,
    PullRequest,
    PullRequestState,
    RemoveFile,
    Target,
    WriteFile,
)
from gitops.workflow import Held, approve, close, merge, moved
from service.desk.ground import Asker, Ground
from service.repository import writing
from service.store import Vote, VoteKind


class Deciding(Ground):
    """What people say about pull requests."""

    def targets_of(
        self, repository: str, shown: PullRequest
    ) -> frozenset[Target] | None:
        """Return all that a pull request can change; None for anything at all.

        It is known only where its head is a commit that we made for its intents: what
        was taken over from a person was pushed to our branch, and is not ours.
        """
        intents = self._store.intents.of_pull_request(repository, shown.number)
        if shown.head not in {intent.commit for intent in intents}:
            return None
        targets: set[Target] = set()
        for intent in intents:
            for change in intent.plan.changes:
                if isinstance(change, WriteFile | RemoveFile):
                    return None
                targets.add(change.target)
        return frozenset(targets)

    def approve(
        self,
        repository: str,
        number: int,
        *,
        asker: Asker,
        head: CommitId | None = None,
    ) -> PullRequest:
        """Approve the current head of a pull request.

        Args:
            repository: its name.
            number: of the pull request.
            asker: who approves.
            head: what they looked at; None for whatever it is now.

        Raises:
            ForgeNotFoundError: there is none of that number.
            ForgeConflictError: it is not open, its head is another, or the approver
                has asked for it.
        """
        place, now = self._open(repository), self._clock()
        shown = approve(place, number, by=asker.by, now=now, head=head)
        self._vote(repository, shown, VoteKind.APPROVAL, asker)
        self._record(
            repository,
            "pull request approved",
            asker.by,
            pull_request=number,
            head=shown.head,
            reason=asker.reason,
        )
        return shown

    def go(
        self,
        repository: str,
        number: int,
        *,
        asker: Asker,
        head: CommitId | None = None,
    ) -> PullRequest:
        """Say that the current head may be merged now.

        Args:
            repository: its name.
            number: of the pull request.
            asker: who says so.
            head: what they looked at; None for whatever it is now.

        Raises:
            ForgeNotFoundError: there is none of that number.
            ForgeConflictError: it is not open, or its head is another.
        """
        shown = self._open(repository).forge.read(number)
        if head is not None and shown.head != head:
            raise moved(shown, head)
        if shown.state is not PullRequestState.OPEN:
            raise ForgeConflictError(f"pull request #{number} is {shown.state.value}")
        self._vote(repository, shown, VoteKind.GO, asker)
        self._record(
            repository,
            "go given",
            asker.by,
            pull_request=number,
            head=shown.head,
            reason=asker.reason,
        )
        return shown

    def merge(
        self,
        repository: str,
        number: int,
        *,
        asker: Asker,
        override: str = "",
        head: CommitId | None = None,
    ) -> Merged | NotMerged | Held:
        """Merge a pull request at its recorded head, if its gates are open.

        Args:
            repository: its name.
            number: of the pull request.
            asker: who merges.
            override: a reason to merge against closed gates; audited.
            head: what the asker looked at; None for whatever it is now.

        Raises:
            ForgeNotFoundError: there is none of that number.
            ForgeConflictError: it is closed, or its head moved.
            StoreError: another writer kept the repository for too long.
        """
        place = self._open(repository)
        with writing(self._settings, self._store, repository):
            shown = place.forge.read(number)
            was_merged = shown.state is PullRequestState.MERGED
            result = merge(
                place,
                number,
                by=asker.by,
                now=self._clock(),
                holds=self._store.holds.holds(repository),
                pins=self._store.pins.all(repository),
                head=head or shown.head,
                paused=self._store.holds.is_paused(repository),
                override=override,
                goes=self._said(repository, shown, VoteKind.GO),
                approvals=self._said(repository, shown, VoteKind.APPROVAL),
            )
        if isinstance(result, Merged) and not was_merged:
            self._record(
                repository,
                "pull request merged",
                asker.by,
                pull_request=number,
                head=result.pull_request.head,
                override=override or None,
            )
        return result

    def close(self, repository: str, number: int, *, asker: Asker) -> PullRequest:
        """Close a pull request: a no, until a newer target or a person asks again.

        Raises:
            ForgeNotFoundError: there is none of that number.
            ForgeConflictError: it is merged.
            StoreError: another writer kept the repository for too long.
        """
        place = self._open(repository)
        with writing(self._settings, self._store, repository):
            was_open = place.forge.read(number).state is PullRequestState.OPEN
            shown = close(place, number, by=asker.by, now=self._clock())
        if was_open:
            self._record(
                repository,
                "pull request closed",
                asker.by,
                pull_request=number,
                reason=asker.reason,
            )
        return shown

    def _vote(
        self, repository: str, shown: PullRequest, kind: VoteKind, asker: Asker
    ) -> None:
        vote = Vote(kind=kind, head=shown.head, by=asker.by, at=self._clock())
        self._store.votes.record(repository, shown.number, vote)

    def _said(
        self, repository: str, shown: PullRequest, kind: VoteKind
    ) -> frozenset[str]:
        """Return who has said so about the present head."""
        return frozenset(
            vote.by
            for vote in self._store.votes.of(repository, shown.number)
            if (vote.kind, vote.head) == (kind, shown.head)
        )
