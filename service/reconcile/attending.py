"""Pull requests that people opened themselves: which are looked at, and when.

    list -> drop what is closed -> choose -> each: announce, prospect, opinion, tell

Promise: each head is looked at once, and once more only when the base branch would show
something else. What one of them holds never harms the pass or the others. Rendering
happens outside of the writer's lock, every write inside of it and after the guard; the
row about a comment comes before the comment, the row about the outcome after the
status, so a pass that was killed anywhere is finished by the next one.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Final

from gitops.errors import (
    BusyError,
    ForgeNotFoundError,
    ForgeUnavailableError,
    GitopsError,
    LeaseLostError,
    WriteForbiddenError,
)
from gitops.git import ReviewRoom
from gitops.model import CommitId, Json, PullRequest, PullRequestState
from gitops.workflow import (
    NotThere,
    Opinion,
    Workplace,
    announce,
    give_up,
    opinion_of,
    prepare,
    source_of,
    tell,
    theirs,
)
from service.clock import Clock
from service.configuration import ReviewSettings
from service.repository import writing
from service.settings import Settings
from service.store import PeopleReview, ReviewOutcome, Store

logger = logging.getLogger(__name__)

REVIEWED: Final = "pull request reviewed"
"""The action in the audit trail, of each head that was looked at."""

_TRIES: Final = 3  # until the forge is told that it does not work
_FIRST_PAUSE: Final = timedelta(minutes=1)
_LONGEST_PAUSE: Final = timedelta(hours=1)
_STOPPING: Final = (
    BusyError,  # another process writes
    LeaseLostError,
    WriteForbiddenError,  # paused, or the cap is reached
    ForgeUnavailableError,
)
_UNCLEAR: Final = "the remote has another head than the forge shows"
_OURS: Final = "an error in directus-gitops itself; see its log"


@dataclass(frozen=True, slots=True, kw_only=True)
class _Ground:
    """What looking at pull requests stands on.

    Attributes:
        settings: of the installation.
        chosen: what the operator says of reviews.
        store: the service's memory.
        place: the repository.
        clock: the source of `now`.
        base: the tip of the base branch.
        room: for the heads.
    """

    settings: Settings
    chosen: ReviewSettings
    store: Store
    place: Workplace
    clock: Clock
    base: CommitId
    room: ReviewRoom

    @property
    def name(self) -> str:
        return self.place.name

    def page(self, shown: PullRequest) -> str:
        """Return the address of our page about a pull request; empty for none."""
        url = self.settings.public_url.rstrip("/")
        number = shown.number
        return f"{url}/repositories/{self.name}/pull-requests/{number}" if url else ""


def attend(
    settings: Settings, store: Store, place: Workplace, clock: Clock
) -> tuple[str, ...]:
    """Look at the pull requests of people that were not looked at yet.

    Not to be called by who holds the writer's lock. The base branch is the one that
    was last fetched.

    Args:
        settings: of the installation.
        store: its memory.
        place: the repository.
        clock: the source of `now`.

    Returns:
        The effects, as the audit trail has them; what fails is told in the log.
    """
    chosen = settings.repository(place.name).reviews
    base = place.mirror.tip(place.base)
    if not chosen.enabled or base is None or store.holds.is_paused(place.name):
        return ()
    ground = _Ground(
        settings=settings,
        chosen=chosen,
        store=store,
        place=place,
        clock=clock,
        base=base,
        room=place.mirror.reviews(),
    )
    effects: list[str] = []
    try:
        for effect in _attending(ground):
            effects.append(effect)  # noqa: PERF402 - what was done before an error
    except GitopsError as error:
        _log("reviews stopped", ground, problem=error.message)
    return tuple(effects)


def _attending(ground: _Ground) -> Iterator[str]:
    standing = theirs(ground.place, ground.place.forge.list_open())
    known = {row.number: row for row in ground.store.reviews.all(ground.name)}
    _forget(ground, standing, known)
    due = [one for one in standing if _is_due(ground, one, known.get(one.number))]
    due.sort(key=lambda one: (_tries(known.get(one.number)), one.number))
    for shown in due[: ground.chosen.per_pass]:
        row = known.get(shown.number)
        try:
            effect = _attend(ground, shown, row)
        except _STOPPING:
            raise
        except ForgeNotFoundError:
            continue  # it was taken away since it was listed
        except GitopsError as error:
            _defer(ground, shown, row, error.message)
        except Exception:
            logger.exception("bug in a review", extra={"repository": ground.name})
            _defer(ground, shown, row, _OURS)
        else:
            if effect is not None:
                yield effect


# --- which ---


def _forget(
    ground: _Ground, standing: Sequence[PullRequest], known: Iterable[int]
) -> None:
    """Drop what is kept of pull requests that are not open any more."""
    numbers = {one.number for one in standing}
    gone = set(known) - numbers
    if gone:
        ground.room.keep_only(numbers)
        ground.store.reviews.forget(ground.name, gone)


def _is_due(ground: _Ground, shown: PullRequest, row: PeopleReview | None) -> bool:
    """Whether to look at a pull request; what is skipped for good gets its row."""
    if not _is_wanted(ground, shown):
        _skip(ground, shown, row)
        return False
    if row is None or row.head != shown.head or row.outcome is ReviewOutcome.SKIPPED:
        return True
    if row.outcome is ReviewOutcome.DEFERRED:
        return ground.clock() >= row.at + _pause(row.tries)
    return row.base != ground.base and row.outcome is not ReviewOutcome.REFUSED


def _is_wanted(ground: _Ground, shown: PullRequest) -> bool:
    if shown.from_fork and (shown.is_draft or not ground.chosen.forks):
        return False
    return source_of(ground.place, shown) != ""


def _skip(ground: _Ground, shown: PullRequest, row: PeopleReview | None) -> None:
    """Note that nothing of it was fetched, and why; nothing is written outside."""
    if row is not None and row.head == shown.head:
        return
    why = "it is from a fork" if shown.from_fork else "its branch has an unusable name"
    skipped = _row(ground, shown, row, ReviewOutcome.SKIPPED, f"not looked at: {why}")
    ground.store.reviews.record(ground.name, skipped)


def _tries(row: PeopleReview | None) -> int:
    return 0 if row is None else row.tries


def _pause(tries: int) -> timedelta:
    if tries == 0:  # it was not deferred, but killed
        return timedelta()
    return min(_FIRST_PAUSE * (1 << min(tries - 1, 9)), _LONGEST_PAUSE)


# --- one ---


def _attend(
    ground: _Ground, shown: PullRequest, row: PeopleReview | None
) -> str | None:
    is_begun = _is_begun(shown, row)
    place = ground.place
    if not is_begun:
        with _writing(ground):
            announce(place, shown, url=ground.page(shown))
    found = prepare(
        place,
        shown,
        source=source_of(place, shown),
        base=ground.base,
        room=ground.room,
    )
    if isinstance(found, NotThere):
        _defer(ground, shown, row, _UNCLEAR)
        return None
    if row is not None and is_begun and row.digest == found.digest:
        ground.store.reviews.rebase(ground.name, shown.number, ground.base)
        return None
    return _say(ground, opinion_of(place, found))


def _is_begun(shown: PullRequest, row: PeopleReview | None) -> bool:
    """Whether the forge was told of this head that it is looked at."""
    return (
        row is not None
        and row.head == shown.head
        and row.outcome is not ReviewOutcome.SKIPPED
    )


def _say(ground: _Ground, opinion: Opinion) -> str | None:
    """Write what we say, if the pull request is still as it was looked at."""
    shown, reviews = opinion.shown, ground.store.reviews
    with _writing(ground):
        now = ground.place.forge.read(shown.number)
        if now.state is not PullRequestState.OPEN or now.head != shown.head:
            return None  # the next pass looks at what it is now
        row = reviews.of(ground.name, shown.number)
        if _is_said(row, opinion):
            return None  # another replica was quicker
        has_told = row is not None and row.has_told
        outcome = _outcome(opinion)
        if opinion.speaks and not has_told:
            meant = _row(ground, shown, row, ReviewOutcome.DEFERRED, opinion.verdict)
            reviews.record(ground.name, replace(meant, has_told=True))
        tell(
            ground.place,
            opinion,
            has_told=has_told,
            url=ground.page(shown),
            now=ground.clock(),
        )
        said = _row(ground, shown, row, outcome, opinion.verdict)
        reviews.record(
            ground.name,
            replace(
                said,
                digest=opinion.digest,
                findings=len(opinion.findings),
                has_told=has_told or opinion.speaks,
            ),
        )
        return _record(ground, opinion, outcome)


def _is_said(row: PeopleReview | None, opinion: Opinion) -> bool:
    return (
        row is not None
        and row.head == opinion.shown.head
        and row.digest == opinion.digest
        and row.outcome is not ReviewOutcome.DEFERRED
    )


def _outcome(opinion: Opinion) -> ReviewOutcome:
    if opinion.is_final:
        return ReviewOutcome.REFUSED
    return ReviewOutcome.FAILED if opinion.is_bad else ReviewOutcome.PASSED


def _defer(
    ground: _Ground, shown: PullRequest, row: PeopleReview | None, problem: str
) -> None:
    """Note that it is to be tried again; say so on the forge if it goes on."""
    is_begun = _is_begun(shown, row)
    tries = 1 + (_tries(row) if is_begun else 0)
    now = ground.store.reviews.of(ground.name, shown.number)
    deferred = _row(ground, shown, now, ReviewOutcome.DEFERRED, problem)
    ground.store.reviews.record(ground.name, replace(deferred, tries=tries))
    _log("review deferred", ground, number=shown.number, problem=problem)
    if tries == _TRIES:
        _give_up(ground, shown, problem)


def _give_up(ground: _Ground, shown: PullRequest, problem: str) -> None:
    try:
        with _writing(ground):
            give_up(ground.place, shown, problem=problem, url=ground.page(shown))
    except _STOPPING:
        raise
    except GitopsError as error:
        _log("review not reported", ground, number=shown.number, problem=error.message)


def _row(
    ground: _Ground,
    shown: PullRequest,
    row: PeopleReview | None,
    outcome: ReviewOutcome,
    verdict: str,
) -> PeopleReview:
    return PeopleReview(
        number=shown.number,
        head=shown.head,
        base=ground.base,
        digest="",
        outcome=outcome,
        findings=0,
        verdict=verdict,
        has_told=row is not None and row.has_told,
        tries=0,
        at=ground.clock(),
    )


# --- telling ---


def _writing(ground: _Ground) -> AbstractContextManager[None]:
    return writing(ground.settings, ground.store, ground.name)


def _record(ground: _Ground, opinion: Opinion, outcome: ReviewOutcome) -> str:
    details: dict[str, Json] = {
        "pull_request": opinion.shown.number,
        "title": opinion.shown.title,
        "commit": opinion.shown.head,
        "outcome": outcome.value,
        "verdict": opinion.verdict,
    }
    ground.store.audit.append(
        by=ground.place.identity.name,
        action=REVIEWED,
        repository=ground.name,
        details=details,
    )
    logger.info(REVIEWED, extra={"repository": ground.name, **details})
    return REVIEWED


def _log(
    what: str, ground: _Ground, *, problem: str, number: int | None = None
) -> None:
    extra = {"repository": ground.name, "problem": problem, "pull_request": number}
    logger.warning(what, extra=extra)
