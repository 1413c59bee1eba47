"""When the next call may go: one gate for all that use one account; no own clock.

Sources: GitHub asks for writes one after another, at least a second apart, and for a
minute's silence after a secondary limit; GitLab, Gitea, Bitbucket and Azure DevOps name
a time in `Retry-After` or a reset header, Azure also beside a 200.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Final

from gitops.errors import ForgeUnavailableError
from gitops.forges.http.calls import Call, Reply
from gitops.forges.http.faults import is_limited

_SILENCE_S: Final = 60.0
_LONGEST_S: Final = 3600.0


class RateGate:
    """Lets calls through; may be used by many threads.

    Args:
        monotonic_s: a clock that only goes forward.
        wait: waits some seconds.
        write_gap_s: least time between two writes.
        patience_s: a longer wait is refused instead of waited for.
    """

    def __init__(
        self,
        *,
        monotonic_s: Callable[[], float],
        wait: Callable[[float], None],
        write_gap_s: float = 0.0,
        patience_s: float = 5.0,
    ) -> None:
        self._monotonic_s = monotonic_s
        self._wait = wait
        self._write_gap_s = write_gap_s
        self._patience_s = patience_s
        self._shut_until = 0.0
        self._next_write = 0.0
        self._silences = 0
        self._lock = threading.Lock()

    def enter(self, call: Call) -> None:
        """Wait until a call may go.

        Raises:
            ForgeUnavailableError: that would take longer than we wait.
        """
        delay_s = self._reserve(call)
        if delay_s > 0:
            self._wait(delay_s)

    def _reserve(self, call: Call) -> float:
        """Take the call's turn, and say how far away it is."""
        with self._lock:
            now = self._monotonic_s()
            at = max(now, self._shut_until)
            if call.changes_something:
                at = max(at, self._next_write)
            if at - now > self._patience_s:
                raise ForgeUnavailableError(
                    f"the forge asked us to wait, for {at - now:.0f} s more",
                    retry_after=at - now,
                    hint="it is tried again by itself",
                )
            if call.changes_something:
                self._next_write = at + self._write_gap_s
            return at - now

    def heard(self, reply: Reply, words: str) -> None:
        """Learn from an answer when the next one may be asked for."""
        with self._lock:
            silent_s = self._silence_s(reply, words)
            self._shut_until = max(self._shut_until, self._monotonic_s() + silent_s)

    def _silence_s(self, reply: Reply, words: str) -> float:
        told_s = reply.retry_after_s
        if not is_limited(reply, words):
            self._silences = 0
            return min(told_s or 0.0, _LONGEST_S)
        self._silences += 1
        doubled_s = _SILENCE_S * 2 ** (self._silences - 1)
        return min(doubled_s if told_s is None else told_s, _LONGEST_S)
