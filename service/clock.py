"""The only reader of the wall clock; everything else takes `now` as a value."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TypeAlias

Clock: TypeAlias = Callable[[], datetime]


def utc_now() -> datetime:
    """Return the time in UTC, in whole seconds: git commits know no smaller unit."""
    return datetime.now(UTC).replace(microsecond=0)


def monotonic_s() -> float:
    """Return seconds that never go backwards, for deadlines."""
    return time.monotonic()


def wait_s(seconds: float) -> None:
    """Sleep; only the service's locks and its store do."""
    time.sleep(seconds)
