"""Tell many readers of each effect as it happens, from one look at the audit trail.

One broadcaster a process follows the trail's numbers while anybody listens. Every
reader has a queue of its own that is bounded: who reads too slowly is let go, and comes
back with the number of the last event that he saw. Nothing is lost by that: the trail
keeps everything.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
from collections.abc import AsyncGenerator, Callable
from typing import Final, TypeAlias

from starlette.concurrency import run_in_threadpool
from starlette.requests import ClientDisconnect
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from gitops.errors import GitopsError
from service.store import Entry, Store

logger = logging.getLogger(__name__)

POLL_S: Final = 1.0
HEARTBEAT_S: Final = 15.0
SEND_S: Final = 20.0
_WAITING: Final = 256
_PAGE: Final = 100
_RETRY_MS: Final = 3000
# A reader who has gone, or is let go, is nobody's failure.
_ENDS: Final = (asyncio.CancelledError, TimeoutError, ClientDisconnect, OSError)
Wanted: TypeAlias = Callable[[Entry], bool]


class TooManyReadersError(Exception):
    """There is no room for one more."""


class Reader:
    """One who listens: a bounded queue of entries; None is the end."""

    def __init__(self) -> None:
        self.queue: asyncio.Queue[Entry | None] = asyncio.Queue(_WAITING)

    def put(self, entry: Entry | None) -> bool:
        """Hand over an entry; False when there is no room."""
        try:
            self.queue.put_nowait(entry)
        except asyncio.QueueFull:
            return False
        return True

    def end(self) -> None:
        """Tell the reader that nothing more comes, whatever is waiting."""
        while not self.put(None):
            with contextlib.suppress(asyncio.QueueEmpty):
                self.queue.get_nowait()


class Broadcaster:
    """Follows the audit trail for the readers of this process.

    Args:
        store: with the trail.
        most: readers at one time.
        poll_s: how often it looks.
        heartbeat_s: after how long a reader hears that nothing happened.
    """

    def __init__(
        self,
        store: Store,
        *,
        most: int,
        poll_s: float = POLL_S,
        heartbeat_s: float = HEARTBEAT_S,
    ) -> None:
        self._store = store
        self._most = most
        self._poll_s = poll_s
        self._heartbeat_s = heartbeat_s
        self._readers: set[Reader] = set()
        self._task: asyncio.Task[None] | None = None
        self._is_closed = False

    @property
    def readers(self) -> int:
        """How many listen."""
        return len(self._readers)

    async def entries(
        self, reader: Reader, after: int | None
    ) -> AsyncGenerator[Entry | None]:
        """Yield entries of the trail as they come; None from time to time.

        Args:
            reader: who has joined.
            after: the number of the last entry that the reader knows; None to begin
                with what happens from now on.
        """
        last = 0
        if after is not None:
            async for entry in self._past(after):
                last = entry.number
                yield entry
        while True:
            try:
                async with asyncio.timeout(self._heartbeat_s):
                    found = await reader.queue.get()
            except TimeoutError:
                yield None
                continue
            if found is None:
                return
            if found.number > last:
                last = found.number
                yield found

    async def _past(self, after: int) -> AsyncGenerator[Entry]:
        while True:
            page = await run_in_threadpool(self._store.audit.after, after, _PAGE)
            for entry in page:
                after = entry.number
                yield entry
            if len(page) < _PAGE:
                return

    async def join(self) -> Reader:
        """Begin to listen; whoever joins must leave.

        Raises:
            TooManyReadersError: there is no room for one more.
        """
        if self._is_closed or len(self._readers) >= self._most:
            raise TooManyReadersError
        reader = Reader()
        self._readers.add(reader)
        if self._task is None or self._task.done():
            start = await run_in_threadpool(self._store.audit.last)
            if self._task is None or self._task.done():
                self._task = asyncio.create_task(self._follow(start))
        return reader

    def leave(self, reader: Reader) -> None:
        """Listen no more."""
        self._readers.discard(reader)

    async def _follow(self, number: int) -> None:
        """Look for new entries while anybody listens."""
        while self._readers and not self._is_closed:
            try:
                page = await run_in_threadpool(self._store.audit.after, number, _PAGE)
            except GitopsError as error:
                logger.warning("events wait", extra={"error": error.message})
                page = ()
            for entry in page:
                number = entry.number
                self._tell(entry)
            if len(page) < _PAGE:
                await asyncio.sleep(self._poll_s)

    def _tell(self, entry: Entry) -> None:
        for reader in tuple(self._readers):
            if not reader.put(entry):
                self._readers.discard(reader)
                reader.end()

    def close(self) -> None:
        """End every stream; none begins afterwards. To be called in the loop."""
        self._is_closed = True
        for reader in tuple(self._readers):
            reader.end()


class EventStream(Response):
    """Server-sent events: entries of the trail, and heartbeats.

    Args:
        entries: as Broadcaster yields them.
        wanted: which of them this reader may see.
        may_go_on: asked at each heartbeat; the stream ends when it says no.
        leave: called at the end, however it comes.
    """

    media_type = "text/event-stream"

    def __init__(
        self,
        entries: AsyncGenerator[Entry | None],
        *,
        wanted: Wanted,
        may_go_on: Callable[[], bool],
        leave: Callable[[], None],
    ) -> None:
        super().__init__(headers={"X-Accel-Buffering": "no"})
        del self.headers["content-length"]
        self._entries = entries
        self._wanted = wanted
        self._may_go_on = may_go_on
        self._leave = leave

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Send until the reader goes, is too slow, or there is an end."""
        del scope
        sending = asyncio.create_task(self._send_all(send))
        leaving = asyncio.create_task(_gone(receive))
        try:
            await asyncio.wait({sending, leaving}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for task in (sending, leaving):
                task.cancel()
            ended = await asyncio.gather(sending, leaving, return_exceptions=True)
            self._leave()
        for error in ended:
            if isinstance(error, BaseException) and not isinstance(error, _ENDS):
                raise error

    async def _send_all(self, send: Send) -> None:
        start = {"status": self.status_code, "headers": self.raw_headers}
        await send({"type": "http.response.start", **start})
        await _part(send, f"retry: {_RETRY_MS}\n\n")
        async with contextlib.aclosing(self._entries) as entries:
            async for entry in entries:
                if entry is None:
                    if not await run_in_threadpool(self._may_go_on):
                        break
                    await _part(send, ": still here\n\n")
                elif self._wanted(entry):
                    await _part(send, told(entry))
        await send({"type": "http.response.body", "body": b"", "more_body": False})


async def _part(send: Send, text: str) -> None:
    """Send a part; a reader who takes none for so long is let go."""
    async with asyncio.timeout(SEND_S):
        await send(
            {"type": "http.response.body", "body": text.encode(), "more_body": True}
        )


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


def told(entry: Entry) -> str:
    """Write an entry as an event; its id is its number in the trail."""
    data = json.dumps(
        {
            "number": entry.number,
            "at": entry.at,
            "by": entry.by,
            "action": entry.action,
            "repository": entry.repository,
            "details": json.loads(entry.details),
        },
        sort_keys=True,
    )
    return f"id: {entry.number}\nevent: audit\ndata: {data}\n\n"
