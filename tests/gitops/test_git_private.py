"""git.private: a key is for its owner's eyes, and only while somebody needs it."""

from __future__ import annotations

import os
import signal
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from gitops.errors import CredentialError
from gitops.git.private import private_folder


def test_only_the_owner_may_read_what_is_there(tmp_path: Path) -> None:
    mask = os.umask(0)
    try:
        with private_folder(tmp_path / "new", {"key": "a key\n"}) as folder:
            assert (folder / "key").read_text() == "a key\n"
            modes = {stat.S_IMODE(p.stat().st_mode) for p in (folder.parent, folder)}
            assert modes == {0o700}
            assert stat.S_IMODE((folder / "key").stat().st_mode) == 0o600
    finally:
        os.umask(mask)
    assert list((tmp_path / "new").iterdir()) == []


def test_it_is_gone_after_a_failure_too(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), private_folder(tmp_path, {"key": "k"}):
        raise ZeroDivisionError
    assert list(tmp_path.iterdir()) == []


def test_the_system_has_a_place_where_none_is_named() -> None:
    with private_folder(None, {"key": "k"}) as folder:
        assert (folder / "key").read_text() == "k"
    assert not folder.exists()


def test_bytes_that_are_no_text_survive_the_way_through_a_variable(
    tmp_path: Path,
) -> None:
    with private_folder(tmp_path, {"key": "k\udcff"}) as folder:
        assert (folder / "key").read_bytes() == b"k\xff"


HOLDS = """
import sys
from pathlib import Path
from gitops.git.private import private_folder

with private_folder(Path(sys.argv[1]), {"key": "k"}) as folder:
    print(folder, flush=True)
    sys.stdin.read()
"""


def test_a_folder_in_use_stays_and_that_of_a_killed_process_goes(
    tmp_path: Path,
) -> None:
    holder = subprocess.Popen(
        [sys.executable, "-c", HOLDS, str(tmp_path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with holder:
        assert holder.stdout is not None
        theirs = Path(holder.stdout.readline().strip())
        with private_folder(tmp_path) as mine:
            with private_folder(tmp_path) as another:
                assert len({theirs, mine, another}) == 3
            assert (theirs / "key").exists()
            holder.send_signal(signal.SIGKILL)
            holder.wait()
            with private_folder(tmp_path):
                assert not theirs.exists()
                assert mine.exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")
def test_what_belongs_to_others_is_left_alone(tmp_path: Path) -> None:
    theirs = tmp_path / "directus-gitops-theirs"
    theirs.mkdir()
    os.chown(theirs, 12345, 12345)
    link = tmp_path / "directus-gitops-link"
    link.symlink_to(tmp_path / "elsewhere")
    (tmp_path / "elsewhere").mkdir()
    with private_folder(tmp_path):
        pass
    assert theirs.exists()
    assert link.is_symlink()
    assert (tmp_path / "elsewhere").exists()


@pytest.mark.parametrize("files", [{}, {"no/such/folder": "k"}])
def test_a_disk_that_refuses_is_told_and_leaves_nothing(
    tmp_path: Path, files: dict[str, str]
) -> None:
    (tmp_path / "file").write_text("no folder")
    root = tmp_path if files else tmp_path / "file"
    with (
        pytest.raises(CredentialError, match="private folder") as caught,
        private_folder(root, files),
    ):
        pass
    assert str(tmp_path) not in caught.value.message
    assert [place.name for place in tmp_path.iterdir()] == ["file"]
