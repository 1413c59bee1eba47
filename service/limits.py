"""How often somebody may ask: so many times in a minute, counted in this process.

A window begins with the first request and ends a minute later. Each key has its own,
so nobody's requests count against another; what is no longer counted is forgotten.
"""

from __future__ import annotations

from collections import OrderedDict
from threading import Lock
from typing import Final

from service.clock import monotonic_s

WINDOW_S: Final = 60.0
_KEYS: Final = 20_000  # more than any office; a flood of addresses takes no memory


class Limit:
    """At most so many in a minute for each key; safe in many threads.

    Args:
        most: how many.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._lock = Lock()
        self._windows: OrderedDict[str, tuple[float, int]] = OrderedDict()

    def take(self, key: str) -> float:
        """Count one more for a key.

        Returns:
            Seconds until it may ask again; 0 when it may now.
        """
        now = monotonic_s()
        with self._lock:
            began, count = self._windows.get(key, (now, 0))
            if now - began >= WINDOW_S:
                began, count = now, 0
            if count >= self._most:
                return began + WINDOW_S - now
            self._windows[key] = (began, count + 1)
            if count == 0:
                self._windows.move_to_end(key)
            while len(self._windows) > _KEYS:
                self._windows.popitem(last=False)
            return 0.0
