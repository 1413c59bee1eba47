"""Logging: one line per effect on the world, known secrets struck out.

Redaction here is the second line of defence. The first is that secrets are never
handed to a logger: they go in by SecretStr and out by a child's environment.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterable
from typing import Final

_STANDARD: Final = frozenset(vars(logging.makeLogRecord({}))) | {"message", "asctime"}
_SHAPES: Final = re.compile(
    r"\b(?:dgo_[A-Za-z0-9_-]{20,}|gh[pousr]_[A-Za-z0-9]{20,}"
    r"|github_pat_[A-Za-z0-9_]{20,}|glpat-[A-Za-z0-9_-]{16,})"
    r"|(?<=://)[^/\s@]+@"
)


def redact(text: str, known: Iterable[str] = ()) -> str:
    """Strike out known secrets, token shapes and the user part of addresses."""
    for secret in known:
        if secret:
            text = text.replace(secret, "***")
    return _SHAPES.sub("***", text)


class JsonLines(logging.Formatter):
    """One JSON object a line: time, level, logger, message, and the extras."""

    def __init__(self, known_secrets: Iterable[str] = ()) -> None:
        super().__init__()
        known = tuple(known_secrets)
        # Also as JSON writes them: a quote or an umlaut must not hide a secret.
        self._known = (*known, *(json.dumps(secret)[1:-1] for secret in known))

    def format(self, record: logging.LogRecord) -> str:
        """Write the record; values that JSON does not know become text."""
        fields = {
            "time": self.formatTime(record, "%Y-%m-%dT%H:%M:%S%z"),
            "level": record.levelname.lower(),
            "logger": record.name,
            "message": record.getMessage(),
        }
        fields |= {k: v for k, v in vars(record).items() if k not in _STANDARD}
        if record.exc_info:
            fields["exception"] = self.formatException(record.exc_info)
        return redact(json.dumps(fields, default=str), self._known)


def configure(level: str, known_secrets: Iterable[str] = ()) -> None:
    """Send everything to standard error as JSON lines."""
    handler = logging.StreamHandler()
    handler.setFormatter(JsonLines(known_secrets))
    logging.basicConfig(level=level.upper(), handlers=[handler], force=True)
    # httpx writes whole addresses, query included, at INFO.
    logging.getLogger("httpx").setLevel(logging.WARNING)
