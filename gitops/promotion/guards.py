"""What forbids a change whatever it is: a person's hold and the pause switch. Pure."""

from __future__ import annotations

from collections.abc import Sequence

from gitops.cron import spell_time
from gitops.errors import HeldError, UnknownNameError
from gitops.layout import FLEET_FILE
from gitops.model import (
    Environment,
    EnvironmentName,
    Finding,
    Fleet,
    Hold,
    Pin,
    Severity,
    Target,
)


def check_environment(fleet: Fleet, name: EnvironmentName) -> Environment:
    """Accept an environment of the fleet.

    Raises:
        UnknownNameError: there is none of that name; the hint lists them.
    """
    found = fleet.environment(name)
    if found is None:
        known = ", ".join(e.name for e in fleet.environments)
        raise UnknownNameError(
            f"environment {name} is not in {FLEET_FILE}", hint=f"known: {known}"
        )
    return found


def holds_on(target: Target, holds: Sequence[Hold]) -> tuple[Hold, ...]:
    """Return the holds that a target falls under; None in a hold means any."""
    return tuple(
        hold
        for hold in holds
        if hold.stack in (None, target.stack)
        and hold.environment in (None, target.environment)
    )


def spell_hold(target: Target, hold: Hold) -> str:
    """Say what is held, by whom, since when and why."""
    covers = " in ".join(name for name in (hold.stack, hold.environment) if name)
    through = f" (hold on {covers or 'everything'})" if covers != str(target) else ""
    why = f": {hold.reason}" if hold.reason else ""
    return f"{target} is held by {hold.by} since {spell_time(hold.at)}{through}{why}"


def refuse_paused(*, paused: bool) -> None:
    """Let nothing pass while the repository is paused.

    Raises:
        HeldError: it is.
    """
    if paused:
        raise HeldError(
            "the repository is paused", hint="`directus-gitops resume` ends it"
        )


def refuse_held(target: Target, holds: Sequence[Hold]) -> None:
    """Let a target pass that nobody holds.

    Raises:
        HeldError: somebody does; who, since when and why is in the message.
    """
    found = holds_on(target, holds)
    if found:
        raise HeldError(
            "; ".join(spell_hold(target, hold) for hold in found),
            hint=_release_hint(found[0]),
        )


def refuse_pinned(target: Target, pin: Pin | None) -> None:
    """Let a target pass that nothing pins.

    Raises:
        HeldError: it stays where it is; since when and why is in the message.
    """
    if pin is not None:
        raise HeldError(spell_pin(pin), hint=_unpin_hint(target))


def spell_pin(pin: Pin) -> str:
    """Say what is pinned, to what, by whom, since when and why."""
    why = f": {pin.reason}" if pin.reason else ""
    return (
        f"{pin.target} is pinned to {pin.revision.tag} since {spell_time(pin.at)} by "
        f"{pin.by}{why}"
    )


def _unpin_hint(target: Target) -> str:
    return f"`directus-gitops release {target.stack} {target.environment}` ends it"


def _release_hint(hold: Hold) -> str:
    names = " ".join(name for name in (hold.stack, hold.environment) if name)
    return f"`directus-gitops release{' ' * bool(names)}{names}` ends it"


def held_finding(
    target: Target, holds: Sequence[Hold], path: str
) -> tuple[Finding, ...]:
    """Tell a reviewer of holds that do not stop this change."""
    return tuple(
        Finding(
            rule="held",
            severity=Severity.WARNING,
            path=path,
            message=spell_hold(target, hold),
            hint=_release_hint(hold),
        )
        for hold in holds_on(target, holds)
    )


def stopped_findings(
    target: Target, holds: Sequence[Hold], pin: Pin | None, path: str
) -> tuple[Finding, ...]:
    """Tell of the holds and the pin that keep a target where it is."""
    held = held_finding(target, holds, path)
    if pin is None:
        return held
    return (
        *held,
        Finding(
            rule="pinned",
            severity=Severity.WARNING,
            path=path,
            message=spell_pin(pin),
            hint=_unpin_hint(target),
        ),
    )
