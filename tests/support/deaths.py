"""Processes that are killed before one of their effects, and what they leave.

The work runs in a child that sends itself SIGKILL: no handler, no `finally` and no
destructor runs, and nothing of ours is replaced by something that only looks like it.
"""

from __future__ import annotations

import inspect
import os
import shutil
import signal
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from types import CodeType, FrameType
from typing import Any, Final

from sqlalchemy import Engine, event

from gitops.forges.embedded import EmbeddedForge
from gitops.forges.embedded.ledger import Pages
from gitops.git import BareRepository, Mirror
from service.reconcile import Reconciler
from service.store import Store
from tests.support.passes import Served

_CALLS: Final[tuple[Callable[..., Any], ...]] = (
    Mirror.push,
    Mirror.commit,
    Mirror.delete_remote_branch,
    EmbeddedForge.open,
    EmbeddedForge.update,
    EmbeddedForge.comment,
    EmbeddedForge.remark,
    EmbeddedForge.report,
    EmbeddedForge.approve,
    EmbeddedForge.merge,
    EmbeddedForge.close,
    EmbeddedForge.delete_branch,
    # Inside of the forge: Git has moved, its ledger has not.
    BareRepository.update_ref,
    BareRepository.delete_branch,
    Pages.add,
    Pages.set_texts,
    Pages.set_head,
    Pages.merged,
    Pages.close,
    Pages.comment,
    Pages.remark,
    Pages.report,
)
_EFFECTS: Final[dict[CodeType, str]] = {
    inspect.unwrap(call).__code__: call.__qualname__ for call in _CALLS
}
_STORED: Final = "a transaction of the store"


class Mortal:
    """A repository under a service whose process may die, and be started anew.

    Args:
        here: made, and brought to where the dying begins.
    """

    def __init__(self, here: Served) -> None:
        here.store.close()
        self._here = here
        self._data = here.settings.data
        self._saved = self._data.with_name("saved")
        self._now: datetime = here.clock.now

    def save(self) -> None:
        """Keep the data folder and the time as they are."""
        shutil.rmtree(self._saved, ignore_errors=True)
        shutil.copytree(self._data, self._saved, symlinks=True)
        self._now = self._here.clock.now

    def restore(self) -> None:
        """Let the data folder and the time be as they were kept."""
        shutil.rmtree(self._data)
        shutil.copytree(self._saved, self._data, symlinks=True)
        self._here.clock.now = self._now

    @contextmanager
    def started(self) -> Iterator[Served]:
        """Open everything anew, as a process that has just been started."""
        here = self._here
        store = Store(here.settings.database, self._data, here.clock)
        reconciler = Reconciler(here.settings, store, here.clock, observer=here.weather)
        try:
            yield replace(here, store=store, reconciler=reconciler)
        finally:
            store.close()

    def dies(self, work: Callable[[Served], object], *, before: int) -> str:
        """Do the work in a process of its own, which is killed before an effect.

        Args:
            work: what it does with a service that it has started.
            before: the number of the effect, from 1.

        Returns:
            What the effect was; empty when the work has fewer: then it was done.
        """
        note = self._data.with_name("died-before")
        note.unlink(missing_ok=True)
        pid = os.fork()
        if pid == 0:
            self._live(work, before, note)
        _, status = os.waitpid(pid, 0)
        if os.WIFSIGNALED(status):
            assert os.WTERMSIG(status) == signal.SIGKILL
            return note.read_text()
        assert os.WEXITSTATUS(status) == 0, "the work failed by itself; see its trace"
        return ""

    def _live(self, work: Callable[[Served], object], before: int, note: Path) -> None:
        code = 1
        try:
            with self.started() as here:
                _arm(before, note)
                work(here)
                sys.setprofile(None)
            code = 0
        except BaseException:  # noqa: BLE001  another process's end: shown, not raised
            traceback.print_exc()
        finally:
            os._exit(code)


def _arm(before: int, note: Path) -> None:
    left = before

    def effect(name: str) -> None:
        nonlocal left
        left -= 1
        if left == 0:
            note.write_text(name)
            os.kill(os.getpid(), signal.SIGKILL)

    def called(frame: FrameType, what: str, _given: object) -> None:
        if what == "call" and frame.f_code in _EFFECTS:
            effect(_EFFECTS[frame.f_code])

    # Read-only transactions are never committed.
    event.listen(Engine, "commit", lambda _connection: effect(_STORED))
    sys.setprofile(called)
