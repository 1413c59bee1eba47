"""Deliveries in the database: each is new once, wherever it comes."""

from __future__ import annotations

from contextlib import closing
from datetime import timedelta
from pathlib import Path
from threading import Barrier, Thread

from alembic import command
from alembic.config import Config
from sqlalchemy import inspect

from service.store import Store, tables
from tests.support.databases import NOON, Clock, execute, opened

MIGRATIONS = Path(tables.__file__).parent / "migrations"


def test_a_delivery_is_new_once_by_any_of_its_keys(store: Store) -> None:
    take = store.deliveries.take
    assert take({"fleet": ("id", "body")}) == ("fleet",)
    assert take({"fleet": ("id", "body")}) == ()
    assert take({"fleet": ("forged", "body")}) == ()
    assert take({"fleet": ("id", "other")}) == ()
    assert take({"fleet": ("forged", "other")}) == ("fleet",)
    assert take({}) == ()


def test_each_repository_has_deliveries_of_its_own(store: Store) -> None:
    take = store.deliveries.take
    assert take({"one": ("a",)}) == ("one",)
    assert take({"one": ("a",), "two": ("a", "b")}) == ("two",)
    assert take({"one": ("b",), "two": ("b",)}) == ("one",)


def test_after_30_days_a_delivery_is_forgotten(
    store: Store, clock: Clock, address: str
) -> None:
    store.deliveries.take({"fleet": ("old",)})
    clock.now = NOON + timedelta(days=30)
    assert store.deliveries.take({"fleet": ("old",)}) == ()
    clock.now += timedelta(seconds=1)
    store.deliveries.take({"fleet": ("new",)})
    assert execute(address, "SELECT key FROM deliveries") == [("new",)]
    assert store.deliveries.take({"fleet": ("old",)}) == ("fleet",)


def test_the_last_delivery_is_told_by_repository(store: Store, clock: Clock) -> None:
    assert store.deliveries.last("fleet") is None
    store.deliveries.take({"fleet": ("a",)})
    clock.now = NOON + timedelta(hours=3)
    store.deliveries.take({"fleet": ("b",), "other": ("b",)})
    clock.now = NOON + timedelta(hours=5)
    # One that came before is no sign of life: anybody can send it once more.
    store.deliveries.take({"fleet": ("b",)})
    assert store.deliveries.last("fleet") == NOON + timedelta(hours=3)
    assert store.deliveries.last("third") is None


def test_of_replicas_that_take_the_same_delivery_at_once_one_finds_it_new(
    address: str, tmp_path: Path, clock: Clock
) -> None:
    found: list[tuple[str, ...]] = []
    at_once = Barrier(4)

    def replica(number: int) -> None:
        with closing(Store(address, tmp_path / str(number), clock)) as store:
            at_once.wait(30)
            found.extend(
                store.deliveries.take({"fleet": (f"key-{turn}",)}) for turn in range(5)
            )

    Store(address, tmp_path, clock).close()
    threads = [Thread(target=replica, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(found) == [()] * 15 + [("fleet",)] * 5


def test_the_table_is_added_to_what_the_release_before_wrote(
    tmp_path: Path, clock: Clock
) -> None:
    address = f"sqlite:///{tmp_path}/service.db"
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    with opened(address) as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0002")
        assert "deliveries" not in inspect(connection).get_table_names()
    execute(address, "INSERT INTO pauses VALUES ('fleet', 'ada', '2026-01-01')")
    with closing(Store(address, tmp_path, clock)) as store:
        assert store.holds.is_paused("fleet")
        assert store.deliveries.take({"fleet": ("a",)}) == ("fleet",)
