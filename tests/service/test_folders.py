"""Other users of the machine see nothing of the data folder."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from gitops.errors import StoreError
from service.clock import utc_now
from service.folders import OURS, prepare
from service.store import Store
from tests.support.commands import User

_OTHERS = stat.S_IRWXG | stat.S_IRWXO


@pytest.fixture(autouse=True)
def generous() -> Iterator[None]:
    """Let whatever does not ask for a mode be open to everybody."""
    before = os.umask(0)
    try:
        yield
    finally:
        os.umask(before)


def open_to_others(folder: Path) -> list[str]:
    """List what other users can read or write, and get to."""
    found = []
    for path in sorted(folder.iterdir()):
        if path.lstat().st_mode & _OTHERS:
            found.append(path.name)
            if path.is_dir():
                found += [f"{path.name}/{inner}" for inner in open_to_others(path)]
    return found


@pytest.mark.parametrize("is_there", [False, True])
def test_other_users_reach_nothing_in_the_data_folder(
    tmp_path: Path, kustomize: Path, is_there: bool
) -> None:
    user = User(here=tmp_path, data=tmp_path / "data", kustomize=kustomize)
    if is_there:  # as a mounted volume is
        user.data.mkdir(mode=0o777)
    fleet = ("fleet", "--directus-version", "12.4.0", "--agent", "none")
    assert user.inside("init", *fleet).code == 0
    at_home = user.at(tmp_path / "fleet")
    assert at_home.inside("bump", "example", "development", "12.4.1").code == 0
    assert at_home.inside("pr", "merge", "1").code == 0
    assert stat.S_IMODE(user.data.stat().st_mode) == (0o777 if is_there else 0o700)
    assert open_to_others(user.data) == []
    assert open_to_others(tmp_path / "fleet"), "a work tree is its owner's matter"


def test_checking_alone_makes_no_open_folder(tmp_path: Path, kustomize: Path) -> None:
    user = User(here=tmp_path, data=tmp_path / "data", kustomize=kustomize)
    manifest = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: x\n"
    (tmp_path / "x.yaml").write_text(manifest)
    (tmp_path / "kustomization.yaml").write_text("resources: [x.yaml]\n")
    assert user.inside("validate", ".").code in (0, 4)
    assert stat.S_IMODE(user.data.stat().st_mode) == 0o700
    assert open_to_others(user.data) == []


def test_what_an_earlier_release_left_open_is_closed(tmp_path: Path) -> None:
    for name in OURS:
        (tmp_path / name).mkdir(mode=0o755)
    (tmp_path / "service.db").touch(mode=0o644)
    with closing(Store("", tmp_path, utc_now)) as store:
        store.holds.hold("x", stack=None, environment=None, reason="", by="x")
        assert open_to_others(tmp_path) == []


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")
@pytest.mark.parametrize("name", [*OURS, "service.db"])
def test_what_another_user_has_put_there_is_not_used(tmp_path: Path, name: str) -> None:
    prepare(tmp_path)
    place = tmp_path / name
    if name == "service.db":
        place.touch()
    os.chown(place, 12345, 12345)
    with pytest.raises(StoreError, match=f"{name}.*another user"):
        Store("", tmp_path, utc_now)


def test_a_link_in_place_of_the_database_is_not_followed(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    (tmp_path / "service.db").symlink_to(elsewhere)
    with pytest.raises(StoreError):
        Store("", tmp_path, utc_now)
    assert not elsewhere.exists()
