"""Look whether everything that the service needs is there, and say what to do.

It looks and never mends: nothing is made, migrated or fetched. Whatever a look meets is
a check with a state, never an exception, so that one broken part does not hide another.

    checks      what a check is
    tools       git, kustomize, its sandbox
    ground      the data folder, the disk, the clock, the time zones
    database    the store
    fleet       each repository
    remotes     whether git gets in where the forge is, and has a key that signs
    outside     what service.toml names: forges, health sources, sinks
    registries  whether each can be read, and rules of updates have one
    hooks       webhooks: their secrets, and whether they come
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

from gitops.errors import GitopsError
from service.clock import Clock
from service.doctor import (
    database,
    fleet,
    ground,
    hooks,
    outside,
    registries,
    remotes,
    tools,
)
from service.doctor.checks import Check, State
from service.settings import Settings

__all__ = ["Check", "State", "examine"]

_Look = Callable[[Settings, Clock], Iterator[Check]]
_LOOKS: Final[tuple[tuple[str, _Look], ...]] = (
    ("git", tools.git),
    ("kustomize", tools.kustomize),
    ("kustomize-build", tools.build),
    ("sandbox", tools.sandbox),
    ("data-folder", ground.data_folder),
    ("disk", ground.disk),
    ("clock", ground.clock),
    ("time-zones", ground.time_zones),
    ("database", database.look),
    ("repositories", fleet.look),
    ("remotes", remotes.look),
    ("service.toml", outside.described),
    ("health", outside.health),
    ("registries", registries.look),
    ("webhooks", hooks.look),
)


def examine(settings: Settings, clock: Clock) -> tuple[Check, ...]:
    """Return every check, in a fixed order.

    Args:
        settings: of this installation.
        clock: the time of this machine.
    """
    return tuple(
        check for name, look in _LOOKS for check in _told(name, look, settings, clock)
    )


def _told(name: str, look: _Look, settings: Settings, clock: Clock) -> Iterator[Check]:
    try:
        yield from look(settings, clock)
    except GitopsError as error:
        yield Check.problem(name, error.message, error.hint)
    except OSError as error:
        yield Check.problem(
            name,
            error.strerror or "the system refused",
            "is the disk full, or may this user not read or write there?",
        )
