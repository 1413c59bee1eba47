"""tree: files as they are, without following anything out of the folder."""

from __future__ import annotations

import os
import socket
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from gitops import tree as tree_module
from gitops.errors import TreeError
from gitops.git import BareRepository
from gitops.model import Entry, Mode, blob_id
from gitops.tree import MAX_FILE, read_commit, read_work_tree
from tests.support.repos import git, make_checkout, make_remote, tip_of
from tests.support.trees import write_files

FILES: dict[str, str | bytes] = {
    "gitops.yaml": "branch: main\n",
    "overlays/production/acme/config.env": "A=1\n",
    "overlays/production/acme/ü.yaml": b"\xff\xfe",
    "empty": "",
}


def test_a_work_tree_reads_as_the_commit_made_of_it(tmp_path: Path) -> None:
    remote = make_remote(tmp_path / "r.git", FILES)
    tip = tip_of(remote, "refs/heads/main")
    assert tip is not None
    committed = read_commit(BareRepository(remote), tip)
    found = read_work_tree(tmp_path / "r.git.person")
    assert found.entries == committed.entries
    assert all(found.read(path) == committed.read(path) for path in found.entries)
    assert (found.commit, committed.commit) == (None, tip)


def test_git_ignored_and_untracked_files_are_read_too(tmp_path: Path) -> None:
    checkout = make_checkout(tmp_path, {".gitignore": "*.log\n"})
    write_files(checkout, {"x.log": "log", "new": "n"})
    assert set(read_work_tree(checkout).entries) == {".gitignore", "x.log", "new"}


def test_links_are_entries_and_are_not_followed(tmp_path: Path) -> None:
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside/secret").write_text("secret")
    root = tmp_path / "root"
    root.mkdir()
    targets = {
        "to-file": "../outside/secret",
        "to-folder": "../outside",
        "absolute": "/etc/passwd",
        "dangling": "nowhere",
        "loop": "loop",
    }
    for name, target in targets.items():
        (root / name).symlink_to(target)
    found = read_work_tree(root)
    assert found.entries == {
        name: Entry(Mode.SYMLINK, blob_id(target.encode()))
        for name, target in targets.items()
    }
    for name in targets:
        with pytest.raises(TreeError, match="symlink"):
            found.read(name)


def test_programs_are_told_by_their_mode(tmp_path: Path) -> None:
    write_files(tmp_path, {"run.sh": "#!/bin/sh\n", "plain": "x"})
    (tmp_path / "run.sh").chmod(0o755)
    entries = read_work_tree(tmp_path).entries
    assert entries["run.sh"].mode is Mode.EXECUTABLE
    assert entries["plain"].mode is Mode.FILE


@pytest.mark.parametrize("kind", ["folder", "file", "link", "empty"])
def test_a_repository_inside_is_listed_and_not_entered(
    tmp_path: Path, kind: str
) -> None:
    write_files(tmp_path, {"a": "1", "inner/secret": "x"})
    if kind == "folder":
        git(tmp_path / "inner", "init", "-q")
    elif kind == "file":
        (tmp_path / "inner/.git").write_text("gitdir: elsewhere\n")
    elif kind == "link":
        (tmp_path / "inner/.git").symlink_to("nowhere")
    else:
        (tmp_path / "inner/.git").mkdir()
    found = read_work_tree(tmp_path)
    assert set(found.entries) == {"a", "inner"}
    assert found.entries["inner"].mode is Mode.SUBMODULE
    with pytest.raises(TreeError, match="submodule"):
        found.read("inner")
    with pytest.raises(TreeError, match="repository of its own"):
        found.blobs[found.entries["inner"].blob]


def test_gits_own_folder_is_left_out_in_any_case_of_letters(tmp_path: Path) -> None:
    write_files(tmp_path, {"a": "1", ".git/config": "x", ".GIT/config": "x"})
    assert set(read_work_tree(tmp_path).entries) == {"a"}


def test_pipes_sockets_and_devices_are_left_out(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "socket"))
        (tmp_path / "a").write_text("1")
        assert set(read_work_tree(tmp_path).entries) == {"a"}


def test_a_large_file_is_an_error_only_for_who_reads_it(tmp_path: Path) -> None:
    (tmp_path / "limit").write_bytes(b"x" * MAX_FILE)
    for name in ("large", "larger"):
        with (tmp_path / name).open("wb") as file:
            file.truncate(MAX_FILE + 1)
    found = read_work_tree(tmp_path)
    assert set(found.entries) == {"limit", "large", "larger"}
    assert len(found.read("limit")) == MAX_FILE
    with pytest.raises(TreeError, match="large: is larger than 1048576 bytes"):
        found.read("large")
    assert len({entry.blob for entry in found.entries.values()}) == 3


def test_files_are_not_kept_in_memory_but_read_when_asked_for(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("1")
    found = read_work_tree(tmp_path)
    (tmp_path / "a").write_text("2")
    with pytest.raises(TreeError, match="has changed while it was read"):
        found.read("a")
    (tmp_path / "a").unlink()
    with pytest.raises(TreeError, match="a: No such file"):
        found.read("a")


def test_a_file_that_becomes_a_link_or_a_pipe_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("1")
    root = tmp_path / "root"
    write_files(root, {"a": "1", "b": "2", "c": "3"})
    found = read_work_tree(root)
    for name in "abc":
        (root / name).unlink()
    (root / "a").symlink_to("../secret")
    os.mkfifo(root / "b")
    (root / "c").write_bytes(b"x" * (MAX_FILE + 1))
    for name, said in (("a", "a: "), ("b", "no longer a file"), ("c", "has grown")):
        with pytest.raises(TreeError, match=said):
            found.read(name)


def test_the_blobs_of_a_work_tree_are_a_mapping(tmp_path: Path) -> None:
    write_files(tmp_path, {"a": "1", "b": "1", "c": "2"})
    blobs = read_work_tree(tmp_path).blobs
    assert dict(blobs) == {blob_id(b"1"): b"1", blob_id(b"2"): b"2"}
    assert blob_id(b"1") in blobs
    assert blob_id(b"3") not in blobs
    assert len(blobs) == 2


def test_names_that_are_no_utf8_are_listed_escaped_and_readable(tmp_path: Path) -> None:
    Path(os.fsdecode(os.fsencode(tmp_path) + b"/b\xff")).write_text("x")
    found = read_work_tree(tmp_path)
    assert set(found.entries) == {"b\\xff"}
    assert found.read("b\\xff") == b"x"


@pytest.fixture
def deep(tmp_path: Path) -> Iterator[Callable[[int], Path]]:
    """Make folders in folders, deeper than Python's own tools can go."""
    root = tmp_path / "deep"
    root.mkdir()

    def make(levels: int) -> Path:
        handle = os.open(root, os.O_RDONLY)
        for _ in range(levels):
            os.mkdir("d", dir_fd=handle)
            inner = os.open("d", os.O_RDONLY, dir_fd=handle)
            os.close(handle)
            handle = inner
        os.close(os.open("f", os.O_WRONLY | os.O_CREAT, dir_fd=handle))
        os.close(handle)
        return root

    yield make
    subprocess.run(["rm", "-rf", str(root)], check=True)


def test_folders_within_the_systems_limits_are_read(
    deep: Callable[[int], Path],
) -> None:
    found = read_work_tree(deep(1500))
    assert [path.count("/") for path in found.entries] == [1500]


def test_folders_beyond_the_systems_limits_are_a_short_typed_error(
    deep: Callable[[int], Path],
) -> None:
    with pytest.raises(TreeError, match="cannot be read") as caught:
        read_work_tree(deep(3000))
    assert len(caught.value.message) < 300


def test_a_folder_of_too_many_files_is_a_typed_error(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tree_module, "MAX_FILES", 20)
    write_files(tmp_path, {f"{n}": "" for n in range(21)})
    with pytest.raises(TreeError, match="more than 20 files"):
        read_work_tree(tmp_path)


@pytest.mark.parametrize("name", ["nothing", "file"])
def test_what_is_no_folder_is_a_typed_error(tmp_path: Path, name: str) -> None:
    (tmp_path / "file").write_text("x")
    with pytest.raises(TreeError, match=name) as caught:
        read_work_tree(tmp_path / name)
    assert str(tmp_path) not in caught.value.message


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_an_unreadable_file_is_an_error_only_for_who_reads_it(tmp_path: Path) -> None:
    write_files(tmp_path, {"a": "1", "locked": "2"})
    (tmp_path / "locked").chmod(0)
    found = read_work_tree(tmp_path)
    assert found.read("a") == b"1"
    with pytest.raises(TreeError, match="Permission denied"):
        found.read("locked")
