"""Logging: one line per effect on the world, known secrets struck out.

Redaction here is the second line of defence. The first is that secrets are never
handed to a logger: they go in by SecretStr and out by a child's environment.
"""

from __future__ import annotations

import json
import logging
import re
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from logging.handlers import QueueHandler
from queue import Empty, Full, Queue
from threading import Event, Thread
from typing import Final

_WAITING: Final = 10_000  # records: some seconds of a busy service
_LOOKS_S: Final = 0.1
_LAST_WORDS_S: Final = 2.0

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


class Unhurried(QueueHandler):
    """Hands records to a thread that writes them; nobody waits for a slow reader.

    Where the reader of the log is so slow that the queue is full, lines are dropped:
    the service is worth more than its log. How many, the next line says.
    """

    def __init__(self, records: Queue[logging.LogRecord]) -> None:
        super().__init__(records)
        self._dropped = 0

    def prepare(self, record: logging.LogRecord) -> logging.LogRecord:
        """Leave the record whole: it stays in this process."""
        return record

    def enqueue(self, record: logging.LogRecord) -> None:
        """Take a record, or count it as dropped."""
        if self._dropped:
            record.dropped_before = self._dropped
        try:
            self.queue.put_nowait(record)
        except Full:
            self._dropped += 1
        else:
            self._dropped = 0


@contextmanager
def configured(level: str, known_secrets: Iterable[str] = ()) -> Iterator[None]:
    """Send everything to standard error as JSON lines while the body runs.

    At the end it waits a moment for what is still to be written, not for ever.
    """
    sink = logging.StreamHandler()
    sink.setFormatter(JsonLines(known_secrets))
    records: Queue[logging.LogRecord] = Queue(_WAITING)
    logging.basicConfig(level=level.upper(), handlers=[Unhurried(records)], force=True)
    # httpx writes whole addresses, query included, at INFO.
    logging.getLogger("httpx").setLevel(logging.WARNING)
    ended = Event()
    writer = Thread(target=_write, args=(records, sink, ended), name="log", daemon=True)
    writer.start()
    try:
        yield
    finally:
        ended.set()
        writer.join(_LAST_WORDS_S)


def _write(
    records: Queue[logging.LogRecord], sink: logging.Handler, end: Event
) -> None:
    """Write records as they come, until the end and until none is left."""
    while True:
        try:
            record = records.get(timeout=_LOOKS_S)
        except Empty:
            if end.is_set():
                return
        else:
            sink.handle(record)
