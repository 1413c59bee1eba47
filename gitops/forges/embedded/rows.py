"""The rows of the embedded forge as values. Pure: nonsense is a ValueError."""

from __future__ import annotations

import sqlite3
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from gitops.model import (
    Approval,
    BranchName,
    Check,
    CheckState,
    Comment,
    CommitId,
    PullRequest,
    PullRequestState,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One row, with what belongs to it.

    Attributes:
        shown: the pull request as it was recorded; without its address.
        unmerged_at: the base's tip at which the head was last seen to be outside.
    """

    shown: PullRequest
    unmerged_at: CommitId | None


def record_of(
    row: sqlite3.Row,
    approvals: Sequence[Approval],
    comments: Sequence[Comment],
    checks: Sequence[Check],
) -> Record:
    """Read a pull request.

    Raises:
        ValueError: the row makes no sense.
    """
    merge_commit, unmerged_at = row["merge_commit"], row["unmerged_at"]
    shown = PullRequest(
        number=row["number"],
        url=None,
        title=row["title"],
        body=row["body"],
        branch=BranchName(row["branch"]),
        base=BranchName(row["base"]),
        head=CommitId(row["head"]),
        state=PullRequestState(row["state"]),
        author=row["author"],
        created_at=datetime.fromisoformat(row["created_at"]),
        merge_commit=None if merge_commit is None else CommitId(merge_commit),
        closed_by=row["closed_by"],
        approvals=tuple(approvals),
        comments=tuple(comments),
        checks=tuple(checks),
    )
    return Record(
        shown=shown,
        unmerged_at=None if unmerged_at is None else CommitId(unmerged_at),
    )


def approval_of(row: sqlite3.Row) -> Approval:
    """Read an approval."""
    at = datetime.fromisoformat(row["at"])
    return Approval(by=row["by"], head=CommitId(row["head"]), at=at)


def comment_of(row: sqlite3.Row) -> Comment:
    """Read a comment."""
    at = datetime.fromisoformat(row["at"])
    return Comment(by=row["by"], at=at, text=row["text"])


def check_of(row: sqlite3.Row) -> Check:
    """Read a status of a head as one of its checks."""
    return Check(name=row["name"], state=CheckState(row["state"]), url=row["url"])
