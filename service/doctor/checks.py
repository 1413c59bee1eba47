"""One thing that was looked at."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class State(StrEnum):
    """How a check ended."""

    OK = "ok"
    WARNING = "warning"
    PROBLEM = "problem"


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """What was looked at, and how it is.

    Attributes:
        name: stable; words and names joined by "-" and "/".
        state: see State.
        message: what was found; no secrets, no folder of this machine.
        hint: what to do; empty where there is nothing to do.
    """

    name: str
    state: State
    message: str
    hint: str = ""

    @classmethod
    def ok(cls, name: str, message: str) -> Check:
        """Return a check that found what is needed."""
        return cls(name=name, state=State.OK, message=message)

    @classmethod
    def warning(cls, name: str, message: str, hint: str) -> Check:
        """Return a check that found something that works, and should be seen to."""
        return cls(name=name, state=State.WARNING, message=message, hint=hint)

    @classmethod
    def problem(cls, name: str, message: str, hint: str) -> Check:
        """Return a check that found what keeps the service from its work."""
        return cls(name=name, state=State.PROBLEM, message=message, hint=hint)
