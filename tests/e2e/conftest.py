"""A user with an empty folder, and one with a fresh fleet."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.commands import User


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
