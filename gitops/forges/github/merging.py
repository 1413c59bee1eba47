"""What GitHub's answer to a merge means. Pure.

Its statuses do not say enough, so its words are read; docs/forges/github.md names the
source of each. Words that nobody knows never mean "merge again": they are told as the
reason why it is not merged.
"""

from __future__ import annotations

import re
from typing import Final

from gitops.errors import ForgeConflictError
from gitops.forges import NotMerged
from gitops.forges.http import one_line
from gitops.model import Mergeability, PullRequest, PullRequestState

_AGAIN: Final = re.compile(r"base branch was modified|try the merge again", re.I)
_BEHIND: Final = re.compile(r"out[- ]of[- ]date|not up to date|is behind", re.I)
_CONFLICT: Final = re.compile(r"merge conflict|has conflicts", re.I)
_VAGUE: Final = re.compile(r"not mergeable", re.I)


def is_vague(words: str) -> bool:
    """Whether a refusal (405) may mean several things, so that one has to look."""
    return _VAGUE.search(words) is not None and not _CONFLICT.search(words)


def refusal(words: str) -> NotMerged:
    """Read a refusal (405): the base moved, a conflict, or a rule of the forge's own.

    Args:
        words: of the answer, from outside.
    """
    said = one_line(words) or "the forge gives no reason"
    if _AGAIN.search(said):
        return NotMerged(reason=f"{said} (it is tried again)")
    needs_more = bool(_CONFLICT.search(said) or _BEHIND.search(said))
    return NotMerged(reason=said, needs_regeneration=needs_more)


def looked_at(shown: PullRequest, words: str) -> NotMerged | None:
    """Say what a vague refusal meant, from the pull request as it is now.

    Returns:
        None when it is merged: another one was quicker.

    Raises:
        ForgeConflictError: it is closed.
    """
    said = one_line(words)
    if shown.state is PullRequestState.MERGED:
        return None
    if shown.state is PullRequestState.CLOSED:
        raise ForgeConflictError(f"pull request #{shown.number} is closed")
    if shown.is_draft:
        return NotMerged(reason=f"{said}: it is a draft")
    match shown.mergeability:
        case Mergeability.CONFLICT:
            return NotMerged(
                reason=f"{said}: it conflicts with {shown.base}",
                needs_regeneration=True,
            )
        case Mergeability.UNKNOWN:
            return NotMerged(reason=f"{said}: the forge is still finding out")
        case Mergeability.READY | Mergeability.BLOCKED:
            return NotMerged(reason=said)
