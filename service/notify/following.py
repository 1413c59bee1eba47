"""Follow the audit trail, one thread a sink, for as long as the service runs."""

from __future__ import annotations

import logging
import random
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from threading import Event, Thread
from typing import Final

from gitops.errors import GitopsError, StoreError, UnknownNameError
from gitops.model import Intent, IntentId, IntentState
from gitops.web import Web
from service.configuration import Sink
from service.meter import Meter
from service.notify.messages import details_of, message_of, pull_request_of
from service.notify.posting import DEADLINE_S, Refused, Taken, Unanswered, post
from service.settings import Settings
from service.store import Store
from service.store.audit import Entry

logger = logging.getLogger(__name__)

CURSOR: Final = "notify "
"""How the names of the sinks' cursors begin."""

_AT_ONCE: Final = 100
_POLL_S: Final = 2.0
_FIRST_S: Final = 1.0
_LONGEST_S: Final = 300.0
_ASKED_S: Final = 3600.0
_END_S: Final = 5.0
_REFUSALS: Final = 8  # then one message gives way to those behind it


class Notifier:
    """Tells sinks what happened.

    Args:
        store: the trail and the cursors.
        sinks: who is told.
        web: the one HTTP client.
        meter: counts tries.
        public_url: the service's own, for links; empty for none.
        poll_s: seconds between two looks at the trail.
        deadline_s: seconds that a sink has to answer.
    """

    def __init__(
        self,
        store: Store,
        sinks: tuple[Sink, ...],
        *,
        web: Web,
        meter: Meter,
        public_url: str = "",
        poll_s: float = _POLL_S,
        deadline_s: float = DEADLINE_S,
    ) -> None:
        self._store = store
        self._sinks = sinks
        self._web = web
        self._meter = meter
        self._public_url = public_url
        self._poll_s = poll_s
        self._deadline_s = deadline_s
        self._stopped = Event()
        self._threads: list[Thread] = []

    def start(self) -> None:
        """Begin to follow, from where each sink is."""
        for sink in self._sinks:
            thread = Thread(
                target=self._follow, args=(sink,), name=f"notify {sink.name}"
            )
            thread.daemon = True  # a sink that hangs must not hold up the end
            thread.start()
            self._threads.append(thread)

    def stop(self, timeout_s: float) -> bool:
        """Stop after what is being told; return whether all threads ended in time.

        What is told but not yet noted is told again after the next start.
        """
        self._stopped.set()
        for thread in self._threads:
            thread.join(timeout_s / len(self._threads))
        return not any(thread.is_alive() for thread in self._threads)

    def tell(self, sink: Sink) -> float:
        """Tell a sink what it does not know yet; return seconds until the next look.

        Raises:
            StoreError: the trail cannot be read, or a cursor not be moved.
        """
        cursor = cursor_of(sink)
        if all(known.name != cursor for known in self._store.cursors.all()):
            # What happened before anybody asked to be told is no news.
            self._store.cursors.advance(cursor, self._store.audit.last())
        if self._store.cursors.position(cursor) >= self._store.audit.last():
            return self._poll_s
        with self._alone(sink) as is_ours:
            return self._tell_on(sink, cursor) if is_ours else self._poll_s

    @contextmanager
    def _alone(self, sink: Sink) -> Iterator[bool]:
        """Of several replicas, let one tell a sink (R13)."""
        if self._store.leases is None:
            yield True
            return
        with ExitStack() as stack:
            try:
                stack.enter_context(self._store.leases.held(cursor_of(sink), wait=0))
            except StoreError:  # another replica tells it
                yield False
                return
            yield True

    def _tell_on(self, sink: Sink, cursor: str) -> float:
        position = self._store.cursors.position(cursor)
        entries = self._store.audit.after(position, _AT_ONCE)
        for entry in entries:
            if self._stopped.is_set():
                return 0
            if sink.wants(entry.action, entry.repository):
                wait_s = self._tell_one(sink, cursor, entry)
                if wait_s is not None:
                    return wait_s
            self._store.cursors.advance(cursor, entry.number)
        return 0 if len(entries) == _AT_ONCE else self._poll_s

    def _tell_one(self, sink: Sink, cursor: str, entry: Entry) -> float | None:
        """Tell one entry; None when that is done with, else seconds to wait."""
        message = message_of(
            entry, changes=self._changes_of(entry), public_url=self._public_url
        )
        posted = post(self._web, sink, message, deadline_s=self._deadline_s)
        self._meter.notified(sink.name, worked=isinstance(posted, Taken))
        if isinstance(posted, Taken):
            logger.info("told", extra={"sink": sink.name, "number": entry.number})
            return None
        failures = self._store.cursors.failed(cursor)
        logger.warning(
            "not told",
            extra={
                "sink": sink.name,
                "number": entry.number,
                "error": posted.reason,
                "failures": failures,
            },
        )
        return wait_of(posted, failures)

    def _changes_of(self, entry: Entry) -> tuple[Intent, ...]:
        """Return the changes that an entry is about, as it or its pull request says."""
        details = details_of(entry)
        change, number = details.get("change"), pull_request_of(details)
        if isinstance(change, str):
            with suppress(UnknownNameError):
                return (self._store.intents.get(IntentId(change)),)
        if number is not None:
            found = self._store.intents.of_pull_request(entry.repository, number)
            # What was overtaken by a later wish is not what the pull request says.
            return tuple(i for i in found if i.state is not IntentState.SUPERSEDED)
        return ()

    def _follow(self, sink: Sink) -> None:
        wait_s = 0.0
        while not self._stopped.wait(wait_s):
            try:
                wait_s = self.tell(sink)
            except GitopsError as error:
                logger.warning(
                    "the trail was not read",
                    extra={"sink": sink.name, "error": error.message},
                )
                wait_s = max(self._poll_s, _FIRST_S)
            except Exception:
                logger.exception("bug", extra={"sink": sink.name})
                wait_s = _LONGEST_S


def cursor_of(sink: Sink) -> str:
    """Return the name of a sink's cursor."""
    return f"{CURSOR}{sink.name}"


def wait_of(posted: Refused | Unanswered, failures: int) -> float | None:
    """Return how long to wait after a failure; None to go on without this one.

    Args:
        posted: what came of the last try.
        failures: how many there were in a row.
    """
    backoff_s = min(_FIRST_S * 2.0 ** min(failures - 1, 16), _LONGEST_S)
    spread_s = backoff_s * random.uniform(0.75, 1.25)  # noqa: S311
    if isinstance(posted, Refused):
        # It answers, and never wants this one: those behind it must not wait.
        return None if failures >= _REFUSALS else spread_s
    return min(max(posted.retry_after_s or 0.0, spread_s), _ASKED_S)


@contextmanager
def notifying(settings: Settings, store: Store, meter: Meter) -> Iterator[None]:
    """Tell the sinks of the settings what happens while the body runs."""
    if not settings.sinks:
        yield
        return
    with Web() as web:
        notifier = Notifier(
            store,
            settings.sinks,
            web=web,
            meter=meter,
            public_url=settings.public_url,
        )
        notifier.start()
        try:
            yield
        finally:
            notifier.stop(_END_S)
