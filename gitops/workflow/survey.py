"""Where every stack stands: revision, open pull request, hold."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from gitops.model import (
    Change,
    Hold,
    Overlay,
    RemoveFile,
    Target,
    WriteFile,
)
from gitops.overlay import list_overlays
from gitops.workflow.place import Workplace, World


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """One stack in one environment.

    Attributes:
        overlay: what its files say.
        pull_request: number of the open one that changes it; None without one.
        hold: the first hold that stops it; None without one.
    """

    overlay: Overlay
    pull_request: int | None
    hold: Hold | None


def survey(
    place: Workplace, world: World, holds: Sequence[Hold]
) -> tuple[Standing, ...]:
    """Tell where every overlay of the base branch stands, by environment and stack."""
    proposed = {
        target: intent.pull_request
        for intent in place.log.live(place.name)
        if intent.pull_request is not None
        for target in _targets(intent.plan.changes)
    }
    return tuple(
        Standing(
            overlay=overlay,
            pull_request=proposed.get(overlay.target),
            hold=next((h for h in holds if _stops(h, overlay.target)), None),
        )
        for overlay in list_overlays(world.tree, world.fleet)
    )


def _targets(changes: Iterable[Change]) -> set[Target]:
    return {c.target for c in changes if not isinstance(c, (WriteFile, RemoveFile))}


def _stops(hold: Hold, target: Target) -> bool:
    return hold.stack in (None, target.stack) and hold.environment in (
        None,
        target.environment,
    )
