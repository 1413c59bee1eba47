"""A user with an empty folder, one with a fresh fleet, and a fleet to break."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.commands import User
from tests.support.lab import Lab, copy_of, make_template


@pytest.fixture
def newcomer(tmp_path: Path, kustomize: Path) -> User:
    """A user who has done nothing yet."""
    here = tmp_path / "empty"
    here.mkdir()
    return User(here=here, data=tmp_path / "data", kustomize=kustomize)


@pytest.fixture
def user(newcomer: User) -> User:
    """A user who stands in a fresh fleet at Directus 12.4.0."""
    newcomer.ask("init", "fleet", "--directus-version", "12.4.0")
    return newcomer.at(newcomer.here / "fleet")


@pytest.fixture
def origin(user: User) -> Path:
    """The bare repository that is the origin of the user's fleet."""
    return user.data / "forge" / "fleet.git"


@pytest.fixture(scope="session")
def fleet_template(tmp_path_factory: pytest.TempPathFactory, kustomize: Path) -> Path:
    """The fleet that labs are copies of."""
    return make_template(tmp_path_factory.mktemp("template"), kustomize)


@pytest.fixture
def lab(fleet_template: Path, tmp_path: Path, kustomize: Path) -> Lab:
    """A fleet of this test's own, to break."""
    return copy_of(fleet_template, tmp_path / "lab", kustomize)
