"""One writer per repository: a short flock around one propose, merge or close (R13).

The kernel drops the lock when the process ends, however it ends, so there is no
stale lock to clean up.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

from gitops.errors import BusyError, StoreError
from service.clock import monotonic_s, wait_s

_POLL_S: Final = 0.05


@contextmanager
def exclusive(path: Path, *, wait: float, what: str) -> Iterator[None]:
    """Hold the lock file while the body runs.

    Args:
        path: the lock file; made when missing, never removed.
        wait: seconds to wait for another holder.
        what: named in the error, e.g. "repository shop".

    Raises:
        BusyError: somebody else held it for the whole time.
        StoreError: there can be no lock.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise StoreError(
            f"{what} cannot be locked: {error.strerror}: {path.name}",
            hint="is the data folder there, and may this user write to it?",
        ) from error
    try:
        _acquire(descriptor, wait, what)
        yield
    finally:
        os.close(descriptor)


def _acquire(descriptor: int, wait: float, what: str) -> None:
    deadline = monotonic_s() + wait
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if monotonic_s() >= deadline:
                raise BusyError(
                    f"{what} is being written by another process",
                    hint=f"it was still so after {wait:g} s; try again",
                ) from None
            wait_s(_POLL_S)
        else:
            return
