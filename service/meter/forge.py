"""A forge whose calls are counted: the same protocol, and nothing else."""

from __future__ import annotations

from datetime import datetime

from gitops.forges import (
    Capabilities,
    Forge,
    Merged,
    NotMerged,
    PullRequestDraft,
    Scheduled,
    Status,
)
from gitops.model import BranchName, CommitId, PullRequest
from service.meter import Meter


class MeteredForge:
    """Hands every call on to a forge, and tells a meter how it ended.

    Args:
        forge: the one that does the work.
        meter: counts by operation, never by what was asked.
    """

    def __init__(self, forge: Forge, meter: Meter) -> None:
        self._forge = forge
        self._meter = meter

    @property
    def capabilities(self) -> Capabilities:
        """See Forge; it asks nobody, so it is not counted."""
        return self._forge.capabilities

    def account(self) -> str:
        """See Forge."""
        with self._meter.forge_call("account"):
            return self._forge.account()

    def find(self, branch: BranchName) -> tuple[PullRequest, ...]:
        """See Forge."""
        with self._meter.forge_call("find"):
            return self._forge.find(branch)

    def list_open(self) -> tuple[PullRequest, ...]:
        """See Forge."""
        with self._meter.forge_call("list_open"):
            return self._forge.list_open()

    def list_all(self) -> tuple[PullRequest, ...]:
        """See Forge."""
        with self._meter.forge_call("list_all"):
            return self._forge.list_all()

    def read(self, number: int) -> PullRequest:
        """See Forge."""
        with self._meter.forge_call("read"):
            return self._forge.read(number)

    def open(self, draft: PullRequestDraft, *, now: datetime) -> PullRequest:
        """See Forge."""
        with self._meter.forge_call("open"):
            return self._forge.open(draft, now=now)

    def update(
        self, number: int, draft: PullRequestDraft, *, now: datetime
    ) -> PullRequest:
        """See Forge."""
        with self._meter.forge_call("update"):
            return self._forge.update(number, draft, now=now)

    def comment(self, number: int, text: str, *, by: str, now: datetime) -> PullRequest:
        """See Forge."""
        with self._meter.forge_call("comment"):
            return self._forge.comment(number, text, by=by, now=now)

    def remark(
        self, number: int, text: str, *, key: str, by: str, now: datetime
    ) -> PullRequest:
        """See Forge."""
        with self._meter.forge_call("remark"):
            return self._forge.remark(number, text, key=key, by=by, now=now)

    def report(self, commit: CommitId, status: Status) -> None:
        """See Forge."""
        with self._meter.forge_call("report"):
            self._forge.report(commit, status)

    def merge_later(self, number: int, *, head: CommitId) -> Scheduled | NotMerged:
        """See Forge."""
        with self._meter.forge_call("merge_later"):
            return self._forge.merge_later(number, head=head)

    def approve(
        self, number: int, *, head: CommitId, by: str, now: datetime
    ) -> PullRequest:
        """See Forge."""
        with self._meter.forge_call("approve"):
            return self._forge.approve(number, head=head, by=by, now=now)

    def merge(
        self, number: int, *, head: CommitId, by: str, now: datetime
    ) -> Merged | NotMerged:
        """See Forge."""
        with self._meter.forge_call("merge"):
            return self._forge.merge(number, head=head, by=by, now=now)

    def close(self, number: int, *, by: str, now: datetime) -> PullRequest:
        """See Forge."""
        with self._meter.forge_call("close"):
            return self._forge.close(number, by=by, now=now)

    def delete_branch(self, branch: BranchName, *, head: CommitId) -> bool:
        """See Forge."""
        with self._meter.forge_call("delete_branch"):
            return self._forge.delete_branch(branch, head=head)
