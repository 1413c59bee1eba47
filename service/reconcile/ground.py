"""What one pass stands on: one repository, at one commit, at one moment."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from gitops.errors import GitopsError
from gitops.model import Overlay
from gitops.workflow import Workplace, World
from service.store import Store


@dataclass(frozen=True, slots=True, kw_only=True)
class Ground:
    """One repository as a pass found it.

    Attributes:
        place: everything that a proposal needs.
        store: the service's memory.
        world: the base branch.
        overlays: of the base branch, by environment and stack.
        unreadable: why others cannot be read; they are left alone.
        now: aware UTC; the pass's one moment.
    """

    place: Workplace
    store: Store
    world: World
    overlays: tuple[Overlay, ...]
    unreadable: tuple[GitopsError, ...]
    now: datetime

    @property
    def name(self) -> str:
        """The repository's name in the store."""
        return self.place.name
