"""One writer a repository among machines: leases end by themselves, and fence (R13)."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

import pytest

from gitops.errors import LeaseLostError, StoreError
from service.repository import writing
from service.settings import Settings
from service.store import Store
from service.store.leases import Leases
from service.store.transactions import changing
from tests.support.databases import execute

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def clock() -> datetime:
    return NOON


@pytest.fixture
def store(postgresql: str, tmp_path: Path) -> Iterator[Store]:
    with closing(Store(postgresql, tmp_path, clock)) as opened:
        yield opened


@pytest.fixture
def other(postgresql: str, tmp_path: Path) -> Iterator[Store]:
    """The store of another replica: the database is all that the two share."""
    with closing(Store(postgresql, tmp_path / "other", clock)) as opened:
        yield opened


def leases(store: Store) -> Leases:
    assert store.leases is not None
    return store.leases


def row(address: str) -> tuple[object, ...]:
    return execute(address, "SELECT holder, epoch, expires_at FROM leases")[0]


def run_out(address: str) -> None:
    """Let time pass on the database's clock, as far as leases can see."""
    execute(address, "UPDATE leases SET expires_at = 1")


def until(fact: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 20
    while not fact():
        assert time.monotonic() < deadline, "it never came to be"
        time.sleep(0.01)


def write(store: Store) -> None:
    store.audit.append(by="ada", action="merged", repository="fleet", details={})


def test_a_second_writer_is_told_and_the_next_one_has_a_greater_epoch(
    store: Store, other: Store
) -> None:
    with leases(store).held("repository fleet", wait=0) as first:
        with (
            pytest.raises(StoreError, match="repository fleet is being written"),
            leases(other).held("repository fleet", wait=0.2),
        ):
            pytest.fail("two held one lease")
        with leases(other).held("repository shop", wait=0):
            pass
    with leases(other).held("repository fleet", wait=0) as second:
        assert second.epoch > first.epoch
    with leases(other).held("repository fleet", wait=0) as third:
        assert third.epoch > second.epoch


def test_a_waiting_writer_goes_on_when_the_first_one_is_done(
    store: Store, other: Store
) -> None:
    held, may_end = threading.Event(), threading.Event()
    order: list[str] = []

    def first() -> None:
        with leases(store).held("fleet", wait=0):
            held.set()
            may_end.wait()
            order.append("first")

    thread = threading.Thread(target=first)
    thread.start()
    held.wait()
    may_end.set()
    with leases(other).held("fleet", wait=20):
        order.append("second")
    thread.join()
    assert order == ["first", "second"]


def test_the_lease_is_free_after_the_body_even_if_it_failed(store: Store) -> None:
    with pytest.raises(ZeroDivisionError), leases(store).held("fleet", wait=0):
        _ = 1 / 0
    with leases(store).held("fleet", wait=0) as lease:
        assert lease.epoch == 2


def test_a_lease_is_renewed_while_it_is_held(store: Store, postgresql: str) -> None:
    short = Leases(store._engine, ttl_s=20, renew_s=0.01)
    with short.held("fleet", wait=0) as lease:
        ends = row(postgresql)[2]
        for _ in range(2):
            before = ends
            until(lambda before=before: row(postgresql)[2] != before)  # type: ignore[misc]
            ends = row(postgresql)[2]
        assert row(postgresql)[:2] == (lease.holder, 1)
    assert row(postgresql)[2] == 0


def test_a_renewal_waits_for_nobody_who_writes(store: Store, postgresql: str) -> None:
    short = Leases(store._engine, ttl_s=20, renew_s=0.01)
    with short.held("fleet", wait=0), changing(store._engine):
        ends = row(postgresql)[2]
        until(lambda: row(postgresql)[2] != ends)


def test_renewals_outlive_a_connection_that_is_cut(
    store: Store, postgresql: str
) -> None:
    short = Leases(store._engine, ttl_s=60, renew_s=0.01)
    with short.held("fleet", wait=0):
        for _ in range(3):
            execute(
                postgresql,
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE"
                " datname = current_database() AND pid <> pg_backend_pid()",
            )
            ends = row(postgresql)[2]
            until(lambda ends=ends: row(postgresql)[2] != ends)  # type: ignore[misc]
        write(store)


def test_whoever_lost_the_lease_writes_no_more(store: Store, postgresql: str) -> None:
    with leases(store).held("repository fleet", wait=0):
        write(store)
        store.check_leases()
        run_out(postgresql)
        with pytest.raises(LeaseLostError, match="repository fleet") as caught:
            write(store)
        assert caught.value.retryable
        with pytest.raises(LeaseLostError):
            store.check_leases()
        with pytest.raises(LeaseLostError):
            store.intents.record_push("fleet", "b", "c" * 40)  # type: ignore[arg-type]
    assert len(store.audit.entries()) == 1
    assert store.intents.pushed("fleet", "b") == frozenset()  # type: ignore[arg-type]
    write(store)  # outside, nobody is fenced
    store.check_leases()
    assert len(store.audit.entries()) == 2


def test_whoever_was_overtaken_writes_no_more_and_takes_nothing_away(
    store: Store, other: Store, postgresql: str
) -> None:
    with leases(store).held("fleet", wait=0) as old:
        run_out(postgresql)
        with leases(other).held("fleet", wait=0) as new:
            assert new.epoch == old.epoch + 1
            write(other)
            # One and the same thread stands for two machines here, so only the
            # older of its leases is the one that refuses.
            with pytest.raises(LeaseLostError):
                write(store)
            assert row(postgresql)[:2] == (new.holder, new.epoch)
    assert [entry.number for entry in other.audit.entries()] == [1]


def test_a_lease_that_ran_out_is_not_renewed_even_if_nobody_took_it(
    store: Store, postgresql: str
) -> None:
    short = Leases(store._engine, ttl_s=20, renew_s=0.01)
    with short.held("fleet", wait=0):
        run_out(postgresql)
        renewals = "lease fleet"
        until(lambda: all(t.name != renewals for t in threading.enumerate()))
        assert row(postgresql)[2] == 1
        with pytest.raises(LeaseLostError):
            write(store)


def test_a_lease_is_not_taken_in_the_middle_of_a_write_of_its_holder(
    store: Store, other: Store, postgresql: str
) -> None:
    order: list[str] = []

    def take() -> None:
        with leases(other).held("fleet", wait=20):
            order.append("taken")

    def waits() -> bool:
        waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted"
        return execute(postgresql, waiting) != [(0,)]

    taker = threading.Thread(target=take)
    with leases(store).held("fleet", wait=0):
        with changing(store._engine) as connection:
            # Its time is over, and it does not know: it is past its look at the lease.
            run_out(postgresql)
            taker.start()
            until(waits)
            connection.exec_driver_sql(
                "INSERT INTO pauses (repository, by, at) VALUES ('fleet', 'ada', '')"
            )
            order.append("written")
        taker.join()
        with pytest.raises(LeaseLostError):
            write(store)
    assert order == ["written", "taken"]
    assert other.holds.is_paused("fleet")


def test_another_thread_and_another_database_are_not_fenced(
    store: Store, tmp_path: Path, postgresql: str
) -> None:
    with (
        closing(Store("", tmp_path / "elsewhere", clock)) as elsewhere,
        leases(store).held("fleet", wait=0),
    ):
        run_out(postgresql)
        write(elsewhere)
        thread = threading.Thread(target=write, args=(store,))
        thread.start()
        thread.join()
    assert len(store.audit.entries()) == 1
    assert len(elsewhere_entries(tmp_path)) == 1


def elsewhere_entries(tmp_path: Path) -> list[tuple[object, ...]]:
    file = tmp_path / "elsewhere" / "service.db"
    return execute(f"sqlite:///{file}", "SELECT number FROM audit")


def test_writing_excludes_a_second_writer_of_the_same_repository(
    address: str, tmp_path: Path
) -> None:
    settings = Settings(data=tmp_path, lock_wait_s=0.1)
    with closing(Store(address, tmp_path, clock)) as store:
        with writing(settings, store, "fleet"):
            with writing(settings, store, "shop"):
                write(store)
            with (
                pytest.raises(StoreError, match="repository fleet is being written"),
                writing(settings, store, "fleet"),
            ):
                pytest.fail("two wrote one repository")
        with writing(settings, store, "fleet"):
            write(store)
        assert len(store.audit.entries()) == 2
