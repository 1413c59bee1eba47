"""A forge's times as ours."""

from __future__ import annotations

from contextlib import suppress
from datetime import UTC, datetime

from gitops.errors import ForgeUnavailableError


def moment(text: str) -> datetime:
    """Read an RFC 3339 time as aware UTC.

    Raises:
        ForgeUnavailableError: it is none.
    """
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        found = None
    if found is not None and found.tzinfo is not None:
        with suppress(OverflowError):  # the year 1, seen from further west
            return found.astimezone(UTC)
    raise ForgeUnavailableError(f"the forge gives no time: {text[:40]!a}")
