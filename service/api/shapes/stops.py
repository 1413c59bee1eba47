"""Holds, pins and the pause switch as documents."""

from __future__ import annotations

from datetime import datetime

from pydantic import Field

from gitops import model
from service.api.shapes.common import Shape


class Hold(Shape):
    """A person's "stop here"; null means every one."""

    stack: str | None = Field(examples=["example"])
    environment: str | None = Field(examples=["production"])
    reason: str = Field(examples=["Black Friday"])
    by: str = Field(examples=["ada"])
    at: datetime

    @classmethod
    def of(cls, hold: model.Hold) -> Hold:
        """Shape a hold."""
        return cls(
            stack=hold.stack,
            environment=hold.environment,
            reason=hold.reason,
            by=hold.by,
            at=hold.at,
        )


class Pin(Shape):
    """A target that no promotion moves, as after a rollback."""

    stack: str = Field(examples=["example"])
    environment: str = Field(examples=["production"])
    version: str = Field(examples=["12.4.0"])
    reason: str
    by: str
    at: datetime

    @classmethod
    def of(cls, pin: model.Pin) -> Pin:
        """Shape a pin."""
        return cls(
            stack=pin.target.stack,
            environment=pin.target.environment,
            version=pin.revision.tag,
            reason=pin.reason,
            by=pin.by,
            at=pin.at,
        )


class Holds(Shape):
    """All that stops the machine."""

    holds: list[Hold]
    pins: list[Pin]
    paused: bool


class HoldPlaced(Shape):
    """A hold that was placed."""

    hold: Hold


class Released(Shape):
    """What a release has ended."""

    outcome: str = Field(examples=["released"], description="released or unchanged")
    hold: bool
    pin: bool


class Paused(Shape):
    """The pause switch."""

    paused: bool
    changed: bool
