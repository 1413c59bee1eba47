"""Which revision came to which target on the base branch, and who took one back.

The base branch's own history tells, whoever made the commits. A revert by a person is
a no: the target is pinned to what it went back to, until somebody releases it.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from gitops.model import (
    Arrival,
    IntentState,
    Overlay,
    Pin,
    SetRevision,
    Target,
)
from gitops.promotion import is_way_back
from gitops.workflow import PastRevision, revisions_of
from service.reconcile.ground import Ground


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrived:
    """What has come since the last pass.

    Attributes:
        arrivals: oldest first.
        pins: of the targets that somebody took back.
    """

    arrivals: tuple[Arrival, ...]
    pins: tuple[Pin, ...]


def record_arrivals(ground: Ground) -> Arrived:
    """Store what has arrived since the last pass, and pin what was taken back.

    The pins come first: a pass that is killed in between finds the same arrivals new
    again, and the pin in its place.
    """
    known: defaultdict[Target, list[Arrival]] = defaultdict(list)
    for arrival in reversed(ground.store.arrivals.all(ground.name)):
        known[arrival.target].append(arrival)
    found: list[Arrival] = []
    pins: list[Pin] = []
    pinned = {pin.target for pin in ground.store.pins.all(ground.name)}
    for overlay in ground.overlays:
        target = overlay.target
        new = tuple(_new(ground, overlay, next(iter(known[target]), None)))
        found += new
        if new and target not in pinned:
            pins += _reverted(ground, (*reversed(new), *known[target]))
    for pin in pins:
        ground.store.pins.place(ground.name, pin)
    for arrival in found:
        ground.store.arrivals.record(ground.name, arrival)
    return Arrived(arrivals=tuple(found), pins=tuple(pins))


def _new(ground: Ground, overlay: Overlay, last: Arrival | None) -> Iterator[Arrival]:
    """Yield what came to a target after what is known of it, oldest first."""
    if last is not None and last.revision == overlay.revision:
        return
    past = revisions_of(ground.place, ground.world, overlay.target)
    since = _known_at(past, last)
    for one in reversed(past[:since]):
        yield Arrival(
            target=one.target, revision=one.revision, commit=one.commit, at=one.at
        )


def _known_at(past: Sequence[PastRevision], last: Arrival | None) -> int:
    """Return where, in a history newest first, what is known begins."""
    commits = [one.commit for one in past]
    if last is None or last.commit not in commits:
        return len(past)  # nothing is known, or the history was replaced
    return commits.index(last.commit)


def _reverted(ground: Ground, past: Sequence[Arrival]) -> Iterator[Pin]:
    """Yield the pin of a target whose newest arrival is a revert.

    Args:
        ground: of the pass.
        past: the arrivals of one target, newest first.
    """
    if not is_way_back(past) or _was_asked_for(ground, past[0], after=past[1]):
        return
    yield Pin(
        target=past[0].target,
        revision=past[0].revision,
        reason=f"{past[1].revision.tag} was reverted on {ground.place.base} "
        f"by {past[0].commit[:12]}",
        by=ground.place.identity.name,
        at=ground.now,
    )


def _was_asked_for(ground: Ground, arrival: Arrival, *, after: Arrival) -> bool:
    """Whether a merged request wanted the way back: then it is no revert."""
    return any(
        change.target == arrival.target and change.revision == arrival.revision
        for intent in ground.store.intents.all(ground.name)
        if intent.state is IntentState.MERGED and intent.created_at >= after.at
        for change in intent.plan.changes
        if isinstance(change, SetRevision)
    )
