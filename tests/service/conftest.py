"""Databases for the tests of the store: SQLite always, PostgreSQL where it is there."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from service.clock import utc_now
from service.store import Store
from tests.support.databases import Clock
from tests.support.postgres import Server, programs, running


@pytest.fixture(scope="session")
def postgres() -> Iterator[Server]:
    """A server of our own."""
    folder = programs()
    if folder is None:
        pytest.skip("no PostgreSQL server: install it (Debian: postgresql)")
    with running(folder) as server:
        yield server


@pytest.fixture(scope="session")
def template(
    postgres: Server, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """A database that has the newest schema, to be copied."""
    name = postgres.create()
    Store(postgres.address(name), tmp_path_factory.mktemp("data"), utc_now).close()
    yield name
    postgres.drop(name)


@pytest.fixture
def postgresql(postgres: Server, template: str) -> Iterator[str]:
    """The address of a database of PostgreSQL for one test."""
    name = postgres.create(template)
    yield postgres.address(name)
    postgres.drop(name)


@pytest.fixture
def empty_postgresql(postgres: Server) -> Iterator[str]:
    """The address of a database that nobody has used yet."""
    name = postgres.create()
    yield postgres.address(name)
    postgres.drop(name)


@pytest.fixture(params=["sqlite", "postgresql"])
def address(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """The address of a database for one test: of either kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/service.db"
    return str(request.getfixturevalue("postgresql"))


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(address: str, tmp_path: Path, clock: Clock) -> Iterator[Store]:
    """An open store in a database of either kind."""
    with closing(Store(address, tmp_path, clock)) as opened:
        yield opened
