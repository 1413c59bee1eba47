"""One of several replicas: a process of its own, with a data folder of its own.

The database and the forge's folder are all that replicas share; the mirror, the cache
and the locks are not, as on two machines. It reads orders from its standard input, a
line of JSON each, and answers each with a line. It can be told to send itself a signal
in the middle of a pass, where it has just written, or is just about to.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sqlalchemy import Connection

_FIRES_S = 60
_STOPS = {"kill": signal.SIGKILL, "stop": signal.SIGSTOP}


@dataclass(frozen=True, slots=True, kw_only=True)
class Orders:
    """What a replica is told when it starts."""

    database: str
    data: str
    kustomize: str
    lease_s: float
    wait_s: float


@dataclass
class Replica:
    """A running replica, as a test sees it."""

    process: subprocess.Popen[str]

    def tell(self, **order: object) -> None:
        """Give an order; `answer` waits for what comes of it."""
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(order) + "\n")
        self.process.stdin.flush()

    def answer(self) -> Any:
        """Wait for the answer to an order."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line, "the replica ended"
        return json.loads(line)

    def ask(self, **order: object) -> Any:
        """Give an order and wait for its answer."""
        self.tell(**order)
        return self.answer()

    def wait_until_stopped(self) -> None:
        """Wait until it has stopped itself."""
        options = os.WUNTRACED | os.WNOHANG
        deadline = time.monotonic() + _FIRES_S
        while (found := os.waitpid(self.process.pid, options)) == (0, 0):
            assert time.monotonic() < deadline, "the fault did not fire"
            time.sleep(0.01)
        assert os.WIFSTOPPED(found[1]), "it ended instead: the fault did not fire"

    def wait_until_killed(self) -> None:
        """Wait until it has killed itself."""
        ended = self.process.wait(_FIRES_S)
        assert ended == -signal.SIGKILL, "the fault did not fire"

    def go_on(self) -> None:
        """Wake it."""
        self.process.send_signal(signal.SIGCONT)


@contextmanager
def replica(orders: Orders) -> Iterator[Replica]:
    """Run a replica; it is killed at the end."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.support.replica", json.dumps(asdict(orders))],
        env={name: os.environ[name] for name in ("PATH", "HOME")},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        yield Replica(process=process)
    finally:
        process.kill()
        process.communicate()


@dataclass
class Points:
    """Counts the writing transactions of a pass; sends a signal at one of them.

    Attributes:
        count: how many have begun.
        where: "begin": as one is about to begin; "middle": as one is about to be
            committed; "end": when one has just ended.
        at: which one; 0 for none.
        kind: see _STOPS.
    """

    count: int = 0
    where: str = ""
    at: int = 0
    kind: str = "kill"
    _thread: int = field(default_factory=threading.get_ident)
    _inside: bool = False

    def begin(self, connection: Connection) -> None:
        """A transaction begins."""
        from service.store.transactions import ACCESS

        mine = threading.get_ident() == self._thread  # renewals are another thread's
        if mine and connection.get_execution_options().get(ACCESS) == "":
            self.count += 1
            self._inside = True
            self._reach("begin")

    def middle(self, _connection: Connection) -> None:
        """A transaction is about to be committed."""
        if threading.get_ident() == self._thread and self._inside:
            self._reach("middle")

    def end(self, *_: object) -> None:
        """A connection went back to the pool."""
        if threading.get_ident() == self._thread and self._inside:
            self._inside = False
            self._reach("end")

    def _reach(self, where: str) -> None:
        if (where, self.count) == (self.where, self.at):
            os.kill(os.getpid(), _STOPS[self.kind])


def main(orders: Orders) -> None:
    """Obey until the orders end."""
    from sqlalchemy import event

    from service.reconcile import Reconciler
    from service.settings import Settings
    from service.store import Store
    from tests.support.places import Ticking

    settings = Settings(
        data=Path(orders.data),
        kustomize=Path(orders.kustomize),
        lock_wait_s=orders.wait_s,
        max_writes_an_hour=10_000,
        max_open_pull_requests=1000,
    )
    clock = Ticking()
    store = Store(orders.database, settings.data, clock, lease_s=orders.lease_s)
    points = Points()
    event.listen(store._engine, "begin", points.begin, insert=True)
    event.listen(store._engine, "commit", points.middle)
    event.listen(store._engine, "checkin", points.end)
    reconciler = Reconciler(settings, store, clock)
    _say("ready")
    for line in sys.stdin:
        order = json.loads(line)
        if "bump" in order:
            _bump(settings, store, clock, order)
        points.count, points.at = 0, order.get("at", 0)
        points.where, points.kind = order.get("where", ""), order.get("kind", "kill")
        report = reconciler.pass_over(order["repository"])
        _say(
            {
                "problem": report.problem,
                "effects": report.effects,
                "transactions": points.count,
            }
        )


def _say(answer: object) -> None:
    sys.stdout.write(json.dumps(answer) + "\n")
    sys.stdout.flush()


def _bump(settings: Any, store: Any, clock: Any, order: dict[str, str]) -> None:
    from gitops.layout import target
    from gitops.promotion import plan_bump
    from gitops.workflow import accept
    from service.origins import locate
    from service.repository import open_workplace

    where = target(order["bump"], "development")
    located = locate(settings, order["repository"])
    accept(
        open_workplace(settings, store, located, clock=clock),
        lambda world: plan_bump(
            world.tree, world.fleet, where, order["to"], requested_by="ada"
        ),
        now=clock.now,
    )


if __name__ == "__main__":
    main(Orders(**json.loads(sys.argv[1])))
