"""A pull request that somebody else has opened: look at it, and say what it does.

    announce (status) -> prospect (fetch the head, merge it with the base branch, see
    what that reaches) -> opinion (render, check, search for secrets, write)
    -> tell (comment, status)

Promises: the base branch alone decides the rules and where overlays are; nothing of the
head is run, and only what it changes is rendered, in the sandbox; whatever is hostile
about it becomes an Opinion, never an error. Nothing is ever merged, and
no branch moves. Only `announce` and `tell` write, on the forge, each after the guard;
they may be called again after a crash at any point, and say the same.
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Final

from gitops.errors import InputError
from gitops.forges import Status
from gitops.layout import branch_name
from gitops.model import BranchName, CheckState, PullRequest
from gitops.workflow.opinion import Opinion
from gitops.workflow.place import Workplace

STATUS: Final = "directus-gitops"
"""The name of the status that every head gets which is looked at."""

REMARK: Final = "review"
"""The key of the one comment on each pull request."""

_DESCRIPTION: Final = 140  # characters; the shortest limit that a forge documents


def theirs(place: Workplace, shown: Iterable[PullRequest]) -> tuple[PullRequest, ...]:
    """Return the pull requests into our base branch that are not ours.

    Ours is one whose head is a commit that we pushed (R4): by commit, not by name. A
    branch of ours that a person has pushed to is theirs until it is adopted.
    """
    live = {intent.branch for intent in place.log.live(place.name)}
    return tuple(
        one
        for one in shown
        if one.base == place.base and not _is_ours(place, one, live)
    )


def _is_ours(place: Workplace, shown: PullRequest, live: set[BranchName]) -> bool:
    is_named = shown.branch.startswith(f"{place.prefix}/") or shown.branch in live
    return is_named and shown.head in place.log.pushed(place.name, shown.branch)


def source_of(place: Workplace, shown: PullRequest) -> str:
    """Return the remote's full name of a pull request's head; empty for none.

    It has our number in it, or the name of a branch of the repository itself. A fork's
    own address is never asked.
    """
    numbered = place.forge.capabilities.review_refs
    if numbered:
        return numbered.format(number=int(shown.number))
    if shown.from_fork:
        return ""
    try:
        return f"refs/heads/{branch_name(shown.branch)}"
    except InputError:
        return ""


def announce(place: Workplace, shown: PullRequest, *, url: str) -> None:
    """Say on the forge that the head is being looked at."""
    _report(place, shown, CheckState.PENDING, "is being looked at", url)


def give_up(place: Workplace, shown: PullRequest, *, problem: str, url: str) -> None:
    """Say on the forge that the head could not be looked at, for now."""
    said = f"could not be looked at: {problem}"
    _report(place, shown, CheckState.FAILED, said, url)


def tell(
    place: Workplace, opinion: Opinion, *, has_told: bool, url: str, now: datetime
) -> None:
    """Write the comment, where there is something to say, then the status.

    Args:
        place: where.
        opinion: what to say.
        has_told: whether an earlier comment of ours is, or may be, there: it is
            rewritten even if there is no more to say.
        url: of our own page; may be empty.
        now: aware UTC.
    """
    number = opinion.shown.number
    if opinion.speaks or has_told:
        place.guard()
        by = place.identity.name
        place.forge.remark(number, opinion.text, key=REMARK, by=by, now=now)
    state = CheckState.FAILED if opinion.is_bad else CheckState.PASSED
    _report(place, opinion.shown, state, opinion.verdict, url)


def _report(
    place: Workplace, shown: PullRequest, state: CheckState, said: str, url: str
) -> None:
    if not place.forge.capabilities.statuses:
        return
    line = "".join(char if char.isprintable() else " " for char in said)
    if len(line) > _DESCRIPTION:
        line = line[: _DESCRIPTION - 1] + "…"
    place.guard()
    status = Status(name=STATUS, state=state, description=line, url=url)
    place.forge.report(shown.head, status)
