"""The guard before every effect on the world outside: pause switch and caps (R19)."""

from __future__ import annotations

from datetime import timedelta
from typing import Final

from gitops.errors import WriteForbiddenError
from service.clock import Clock
from service.settings import Settings
from service.store import Store

_HOUR: Final = timedelta(hours=1)


class Guard:
    """Asked before a push, and before each call that changes something on a forge.

    Args:
        settings: for the cap.
        store: for the pause switch and the count.
        clock: the source of `now`.
        repository: its name.
    """

    def __init__(
        self, settings: Settings, store: Store, clock: Clock, repository: str
    ) -> None:
        self._cap = settings.max_writes_an_hour
        self._store = store
        self._clock = clock
        self._repository = repository

    def __call__(self) -> None:
        """Count one write.

        Raises:
            WriteForbiddenError: the repository is paused, or has had its writes.
        """
        name = self._repository
        if self._store.holds.is_paused(name):
            raise WriteForbiddenError(
                f"{name}: the repository is paused",
                hint="`directus-gitops resume` ends it",
            )
        now = self._clock()
        if self._store.passes.writes_since(name, now - _HOUR) >= self._cap:
            raise WriteForbiddenError(
                f"{name}: {self._cap} writes within an hour are the cap",
                hint="what was asked for stays asked for; is something going wrong? "
                "DIRECTUS_GITOPS_MAX_WRITES_AN_HOUR raises it",
            )
        self._store.passes.count_write(name, at=now, since=now - _HOUR)
