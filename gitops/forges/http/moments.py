"""A forge's times as ours."""

from __future__ import annotations

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
    if found is None or found.tzinfo is None:
        raise ForgeUnavailableError(
            f"the forge gives a time that is none: {text[:40]!a}"
        )
    return found.astimezone(UTC)
