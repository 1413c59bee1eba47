"""Stop and go on: holds, pins, the pause switch; no tool is needed for them."""

from __future__ import annotations

from dataclasses import dataclass

from gitops.model import EnvironmentName, Hold, Pin, StackName, Target
from service.desk.ground import Asker, Ground


@dataclass(frozen=True, slots=True, kw_only=True)
class Released:
    """What a release has ended."""

    hold: bool
    pin: bool


class Stopping(Ground):
    """What people say to stop the machine."""

    def hold(
        self,
        repository: str,
        *,
        stack: StackName | None,
        environment: EnvironmentName | None,
        asker: Asker,
    ) -> Hold:
        """Place a hold; None means every one. One that is there is replaced.

        Raises:
            UnknownNameError: no such repository, stack or environment.
        """
        self._check(repository)
        self._check_names(repository, stack, environment)
        placed = self._store.holds.hold(
            repository,
            stack=stack,
            environment=environment,
            reason=asker.reason,
            by=asker.by,
        )
        self._record(
            repository,
            "hold placed",
            asker.by,
            stack=stack,
            environment=environment,
            reason=asker.reason,
        )
        return placed

    def release(
        self,
        repository: str,
        *,
        stack: StackName | None,
        environment: EnvironmentName | None,
        asker: Asker,
    ) -> Released:
        """End exactly that hold, and for one target its pin.

        Raises:
            UnknownNameError: no such repository, stack or environment.
        """
        self._check(repository)
        ended = Released(
            hold=self._store.holds.release(
                repository, stack=stack, environment=environment
            ),
            pin=stack is not None
            and environment is not None
            and self._store.pins.release(
                repository, Target(stack=stack, environment=environment)
            ),
        )
        for what, happened in (("hold", ended.hold), ("pin", ended.pin)):
            if happened:
                self._record(
                    repository,
                    f"{what} released",
                    asker.by,
                    stack=stack,
                    environment=environment,
                    reason=asker.reason,
                )
        if ended == Released(hold=False, pin=False):
            self._check_names(repository, stack, environment)
        return ended

    def pause(self, repository: str, *, asker: Asker) -> bool:
        """Stop every write to the repository and its forge; False if it was so."""
        self._check(repository)
        changed = self._store.holds.pause(repository, by=asker.by)
        if changed:
            self._record(repository, "paused", asker.by, reason=asker.reason)
        return changed

    def resume(self, repository: str, *, asker: Asker) -> bool:
        """End the pause; False if there was none."""
        self._check(repository)
        changed = self._store.holds.resume(repository)
        if changed:
            self._record(repository, "resumed", asker.by, reason=asker.reason)
        return changed

    def holds(self, repository: str) -> tuple[Hold, ...]:
        """Return the holds of a repository."""
        self._check(repository)
        return self._store.holds.holds(repository)

    def pins(self, repository: str) -> tuple[Pin, ...]:
        """Return the pins of a repository."""
        self._check(repository)
        return self._store.pins.all(repository)

    def is_paused(self, repository: str) -> bool:
        """Whether the pause switch is on."""
        self._check(repository)
        return self._store.holds.is_paused(repository)
