"""What the embedded forge refuses, in the words of a forge."""

from __future__ import annotations

import re
from typing import Final

from gitops.errors import ForgeConflictError, ForgeError, ForgeNotFoundError
from gitops.forges import PullRequestDraft
from gitops.git import Identity
from gitops.model import CommitId, PullRequest, PullRequestState

BODY_LIMIT: Final = 65_536
TITLE_LIMIT: Final = 256
# Controls but tab and line ends, and lone surrogates.
_UNWRITABLE: Final = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\ud800-\udfff]")
_LOGIN_LIMIT: Final = 256


def not_found(number: int) -> ForgeNotFoundError:
    """Return the error of a number that was never given."""
    return ForgeNotFoundError(
        f"there is no pull request #{number}",
        hint="`directus-gitops pr list` shows those that are there",
    )


def check_open(shown: PullRequest) -> None:
    """Refuse to act on what is merged or closed.

    Raises:
        ForgeConflictError: it is.
    """
    if shown.state is not PullRequestState.OPEN:
        raise ForgeConflictError(f"pull request #{shown.number} is {shown.state.value}")


def check_head(shown: PullRequest, head: CommitId) -> None:
    """Refuse to act on another commit than the one that was looked at.

    Raises:
        ForgeConflictError: the head moved.
    """
    if shown.head != head:
        raise ForgeConflictError(
            f"pull request #{shown.number} is at {shown.head[:12]}, not {head[:12]}",
            hint="somebody pushed to it; look at it again",
        )


def check_draft(draft: PullRequestDraft) -> None:
    """Refuse texts that a real forge would refuse.

    Raises:
        ForgeError: one is empty, too long, of several lines, or holds controls.
    """
    check_login(draft.author)
    check_text("title", draft.title, TITLE_LIMIT)
    if set(draft.title) & set("\n\r\t"):
        raise ForgeError("title: must be one line")
    if draft.body:
        check_text("body", draft.body, BODY_LIMIT)


def check_login(login: str) -> None:
    """Refuse a name that nobody can have.

    Raises:
        ForgeError: it is empty, too long, or holds control characters.
    """
    check_text("login", login, _LOGIN_LIMIT)


def check_text(what: str, text: str, limit: int) -> None:
    """Refuse what no forge takes, and what a commit message cannot hold.

    Raises:
        ForgeError: it is empty, too long, or holds control characters.
    """
    if not text.strip():
        raise ForgeError(f"{what}: must not be empty")
    if len(text) > limit:
        raise ForgeError(f"{what}: has {len(text)} characters; at most {limit}")
    if _UNWRITABLE.search(text):
        raise ForgeError(f"{what}: holds control characters")


def identity_of(login: str) -> Identity:
    """Make a login into the author of a merge commit; there is no real address."""
    name = "".join(char for char in login if char.isprintable() and char not in "<>")
    local = re.sub(r"[^A-Za-z0-9._-]+", "-", login).strip("-.") or "unknown"
    return Identity(name=name.strip() or "unknown", email=f"{local}@embedded.invalid")
