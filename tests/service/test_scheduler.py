"""The alarm clock: passes come, side by side, one at a time for each repository."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager

import pytest

from service.reconcile import PassReport
from service.scheduler import Clockwork

PATIENCE_S = 30


class Passes:
    """Stands where a Reconciler does, and does what a test says."""

    def __init__(self, *names: str) -> None:
        self.names = names
        self.made: list[str] = []
        self.on_pass: Callable[[str], PassReport | None] = lambda _name: None
        self.age: float | None = None
        self.remembers = False
        self.changed = threading.Condition()

    def repositories(self) -> tuple[str, ...]:
        return self.names

    def age_s(self, _name: str) -> float | None:
        return self.age

    def pass_over(self, name: str) -> PassReport:
        with self.changed:
            self.made.append(name)
            self.age = 0.0 if self.remembers else self.age
            self.changed.notify_all()
        told = self.on_pass(name)
        return told or PassReport(repository=name, commit=None)

    def wait_for(self, condition: Callable[[], bool]) -> None:
        with self.changed:
            assert self.changed.wait_for(condition, PATIENCE_S)


@contextmanager
def running(passes: Passes, interval_s: float = 3600) -> Iterator[Clockwork]:
    clockwork = Clockwork(passes, interval_s=interval_s)  # type: ignore[arg-type]  # stands in
    clockwork.start()
    try:
        yield clockwork
    finally:
        assert clockwork.stop(PATIENCE_S)


def waiting(go_on: threading.Event, but_not: str = "") -> Callable[[str], None]:
    def wait(name: str) -> None:
        if name != but_not:
            assert go_on.wait(PATIENCE_S)

    return wait


def test_every_repository_has_a_first_pass_at_once() -> None:
    passes = Passes("a", "b", "c")
    with running(passes):
        passes.wait_for(lambda: sorted(passes.made) == ["a", "b", "c"])


def test_passes_come_again_after_the_interval() -> None:
    passes = Passes("a")
    with running(passes, interval_s=0.05):
        passes.wait_for(lambda: len(passes.made) >= 3)


def test_a_repository_that_comes_later_is_found() -> None:
    passes = Passes("a")
    with running(passes, interval_s=0.05):
        passes.names = ("a", "b")
        passes.wait_for(lambda: "b" in passes.made)


def test_waking_brings_a_pass_long_before_its_time() -> None:
    passes = Passes("a")
    with running(passes) as clockwork:
        passes.wait_for(lambda: passes.made == ["a"])
        assert clockwork.wait_idle(PATIENCE_S)
        clockwork.wake("a")
        passes.wait_for(lambda: passes.made == ["a", "a"])


def test_a_hanging_repository_stops_no_other() -> None:
    passes, go_on = Passes("sick", "well"), threading.Event()
    passes.on_pass = waiting(go_on, but_not="well")
    with running(passes, interval_s=0.05):
        try:
            passes.wait_for(lambda: passes.made.count("well") >= 3)
            assert passes.made.count("sick") == 1
        finally:
            go_on.set()


def test_many_wishes_during_a_pass_are_one_more_pass() -> None:
    passes, go_on = Passes("a"), threading.Event()
    passes.on_pass = waiting(go_on)
    with running(passes) as clockwork:
        passes.wait_for(lambda: passes.made == ["a"])
        for _ in range(10):
            clockwork.wake("a")
        go_on.set()
        passes.wait_for(lambda: passes.made == ["a", "a"])
        assert clockwork.wait_idle(PATIENCE_S)
        assert passes.made == ["a", "a"]


def test_a_pass_that_says_again_is_followed_at_once() -> None:
    passes = Passes("a")
    passes.on_pass = lambda name: PassReport(
        repository=name, commit=None, again=len(passes.made) < 3
    )
    with running(passes):
        passes.wait_for(lambda: len(passes.made) == 3)


def test_a_pass_that_raises_is_tried_again() -> None:
    passes = Passes("a")

    def fail(_name: str) -> None:
        if len(passes.made) < 3:
            raise OSError("the store is gone")

    passes.on_pass = fail
    with running(passes, interval_s=0.05):
        passes.wait_for(lambda: len(passes.made) >= 3)


def test_stopping_waits_for_what_runs_and_begins_nothing_more() -> None:
    passes, go_on = Passes("a"), threading.Event()
    passes.on_pass = waiting(go_on)
    clockwork = Clockwork(passes, interval_s=0.05)  # type: ignore[arg-type]  # stands in
    clockwork.start()
    passes.wait_for(lambda: passes.made == ["a"])
    assert not clockwork.stop(0.05)
    clockwork.wake("a")
    go_on.set()
    assert clockwork.stop(PATIENCE_S)
    assert passes.made == ["a"]


@pytest.mark.parametrize(
    ("failures", "pause_s"),
    [(0, 60), (4, 60), (5, 120), (6, 240), (8, 960), (9, 1800), (1000, 1800)],
)
def test_passes_become_rarer_where_they_fail_again_and_again(
    failures: int, pause_s: float
) -> None:
    clockwork = Clockwork(Passes(), interval_s=60)  # type: ignore[arg-type]  # stands in
    report = PassReport(repository="a", commit=None, problem="x", failures=failures)
    assert clockwork._pause_s(report) == pause_s


def test_what_another_replica_has_just_done_is_not_done_again_unless_asked() -> None:
    passes = Passes("a")
    passes.age = 1
    with running(passes) as clockwork:
        clockwork.wake("a")
        passes.wait_for(lambda: passes.made == ["a"])
        assert clockwork.wait_idle(PATIENCE_S)
    assert passes.made == ["a"], "the first alarm found it done"


def test_a_replica_that_died_leaves_a_gap_that_the_next_alarm_finds() -> None:
    passes = Passes("a")
    passes.age = 0.01
    with running(passes, interval_s=0.1):
        passes.age = 0.2
        passes.wait_for(lambda: "a" in passes.made)


def test_a_pass_that_has_more_to_do_is_followed_at_once_though_it_is_fresh() -> None:
    passes = Passes("a")
    passes.remembers = True
    passes.on_pass = lambda name: PassReport(
        repository=name, commit=None, again=len(passes.made) < 3
    )
    with running(passes):
        passes.wait_for(lambda: len(passes.made) == 3)
