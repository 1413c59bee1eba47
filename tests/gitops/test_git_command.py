"""git.command: whatever is around, git runs within the walls."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from gitops.errors import GitError, ToolError
from gitops.git import find_git, use_git
from gitops.git.command import SEARCH_PATH, SafeGit, SafeRepository
from gitops.git.walls import Walls
from gitops.git.words import last_words, shows_damage
from gitops.process import Limits, run
from tests.support.repos import MAIN, make_checkout, make_remote, tip_of


@pytest.fixture
def remote(tmp_path: Path) -> Path:
    return make_remote(tmp_path / "remote.git", {"a.txt": "a\n"})


def fake_git(folder: Path, script: str) -> str:
    folder.mkdir(exist_ok=True)
    (folder / "git").write_text(f"#!/bin/sh\n{script}\n")
    (folder / "git").chmod(0o755)
    return str(folder)


# --- the program ---


def test_the_machines_git_is_found_with_its_version() -> None:
    program = find_git()
    assert program.path.is_absolute()
    assert program.version >= (2, 38)


@pytest.mark.parametrize(
    ("script", "said"),
    [
        (None, "not installed"),
        ("echo git version 2.25.1", r"too old: 2\.25\.1; it must be 2\.38"),
        ("echo git version 2.9", "too old"),
        ("echo something else", "version"),
        ("echo git version 2.40.0; exit 1", "version"),
        ("kill -SEGV $$", "version"),
    ],
)
def test_a_git_that_is_missing_or_too_old_is_a_tool_error(
    tmp_path: Path, script: str | None, said: str
) -> None:
    path = str(tmp_path) if script is None else fake_git(tmp_path / "bin", script)
    with pytest.raises(ToolError, match=said) as caught:
        find_git(path)
    assert "install" in caught.value.hint


def test_a_git_that_is_no_program_is_a_tool_error(tmp_path: Path) -> None:
    path = fake_git(tmp_path / "bin", "")
    (tmp_path / "bin" / "git").write_bytes(b"\x7fELFgarbage")
    with pytest.raises(ToolError, match="does not work"):
        find_git(path)


def test_an_apple_git_is_new_enough(tmp_path: Path) -> None:
    script = "echo 'git version 2.39.5 (Apple Git-154)'"
    assert find_git(fake_git(tmp_path / "bin", script)).version == (2, 39, 5)


def test_the_chosen_git_is_the_one_that_runs(tmp_path: Path) -> None:
    path = fake_git(
        tmp_path / "bin",
        'if [ "$1" = version ]; then echo git version 9.9; else echo chosen; fi',
    )
    try:
        use_git(path)
        assert SafeGit().ask("status").stdout == b"chosen\n"
    finally:
        use_git(SEARCH_PATH)


def test_a_git_that_is_too_old_is_not_chosen(tmp_path: Path) -> None:
    with pytest.raises(ToolError):
        use_git(fake_git(tmp_path / "bin", "echo git version 1.8"))
    assert SafeGit().ask("version").stdout.startswith(b"git version 2.")


def test_gitpython_is_imported_without_running_a_program(tmp_path: Path) -> None:
    trap = fake_git(tmp_path / "bin", f"touch {tmp_path / 'ran'}")
    code = (
        "import os; before = dict(os.environ); import gitops.git; "
        "assert dict(os.environ) == before, 'the environment has changed'"
    )
    for more in ({}, {"GIT_PYTHON_GIT_EXECUTABLE": f"{trap}/git"}):
        env = {"PATH": trap, "PYTHONPATH": os.pathsep.join(sys.path), **more}
        done = run([sys.executable, "-c", code], env=env)
        assert (done.returncode, done.stderr) == (0, b"")
    assert not (tmp_path / "ran").exists()


# --- GitPython inside ---


def test_gitpythons_own_commands_stay_within_the_walls(
    remote: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GIT_DIR", "/nowhere")
    repository = SafeRepository(Walls(git_dir=remote))
    assert repository.git.rev_parse("refs/heads/main") == tip_of(
        remote, "refs/heads/main"
    )
    assert repository.git.log("--format=%s", max_count=1) == "First commit"
    assert repository.bare


def test_gitpython_raises_our_error_for_a_failed_command(remote: Path) -> None:
    with pytest.raises(GitError, match="git rev-parse: fatal"):
        SafeRepository(Walls(git_dir=remote)).git.rev_parse("--verify", "nothing")


@pytest.mark.parametrize(
    "way",
    [
        {"as_process": True},
        {"shell": True},
        {"env": {"GIT_DIR": "/nowhere"}},
        {"output_stream": sys.stdout.buffer},
        {"kill_after_timeout": 3},
    ],
)
def test_gitpythons_other_ways_to_start_a_program_are_refused(
    remote: Path, way: dict[str, object]
) -> None:
    with pytest.raises(NotImplementedError):
        SafeRepository(Walls(git_dir=remote)).git.log(**way)


def test_gitpython_cannot_open_objects_by_a_process_of_its_own(remote: Path) -> None:
    repository = SafeRepository(Walls(git_dir=remote))
    with pytest.raises(NotImplementedError):
        repository.commit("refs/heads/main")


# --- the environment ---


def test_git_sees_none_of_the_callers_environment(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for name in ("GIT_DIR", "GIT_SSH_COMMAND", "HOME", "http_proxy", "LD_PRELOAD"):
        monkeypatch.setenv(name, "/hostile")
    path = fake_git(
        tmp_path / "bin",
        'if [ "$1" = version ]; then echo git version 9.9; else /usr/bin/env; fi',
    )
    try:
        use_git(path)
        seen = SafeGit().ask("status").stdout.decode()
    finally:
        use_git(SEARCH_PATH)
    assert "hostile" not in seen
    assert "GIT_CONFIG_GLOBAL=/dev/null" in seen
    assert "GIT_ALLOW_PROTOCOL=none" in seen


def test_a_hostile_environment_changes_nothing(
    remote: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sentinel = tmp_path / "sentinel"
    program = f"touch {sentinel}; false"
    other = make_checkout(tmp_path / "other", {"b.txt": "b\n"})
    hostile = {
        "GIT_DIR": str(other / ".git"),
        "GIT_WORK_TREE": str(other),
        "GIT_INDEX_FILE": str(tmp_path / "index"),
        "GIT_OBJECT_DIRECTORY": str(tmp_path / "objects"),
        "GIT_COMMON_DIR": "",
        "GIT_NAMESPACE": "elsewhere",
        "GIT_SSH_COMMAND": program,
        "GIT_PROXY_COMMAND": program,
        "GIT_ASKPASS": program,
        "GIT_EXTERNAL_DIFF": program,
        "GIT_EXEC_PATH": str(tmp_path),
        "GIT_TRACE": str(sentinel),
        "GIT_CONFIG_COUNT": "1",
        "GIT_CONFIG_KEY_0": "core.fsmonitor",
        "GIT_CONFIG_VALUE_0": program,
        "GIT_ALTERNATE_OBJECT_DIRECTORIES": str(other / ".git/objects"),
        "GIT_REPLACE_REF_BASE": "refs/heads",
    }
    for name, value in hostile.items():
        monkeypatch.setenv(name, value)
    answer = SafeRepository(Walls(git_dir=remote)).ask("ls-tree", "--name-only", MAIN)
    assert (answer.code, answer.stdout) == (0, b"a.txt\n")
    assert not sentinel.exists()


def test_a_users_configuration_is_not_read(
    remote: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    for place in (home / ".gitconfig", home / ".config/git/config"):
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_text("[user]\n\tname = hostile\n[alias]\n\tls-tree = !false\n")
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("XDG_CONFIG_HOME", str(home / ".config"))
    monkeypatch.delenv("GIT_CONFIG_GLOBAL")
    answer = SafeRepository(Walls(git_dir=remote)).ask("config", "--list")
    assert b"hostile" not in answer.stdout


def test_only_the_transport_that_a_call_needs_is_open(remote: Path) -> None:
    url = f"file://{remote}"
    closed = SafeGit().ask("ls-remote", url)
    other = SafeGit(walls=Walls(protocol="https")).ask("ls-remote", url)
    open_ = SafeGit(walls=Walls(protocol="file")).ask("ls-remote", url)
    assert (closed.code, other.code, open_.code) == (128, 128, 0)
    assert "not allowed" in closed.words


def test_a_program_as_a_transport_never_runs(tmp_path: Path) -> None:
    sentinel = tmp_path / "sentinel"
    url = f"ext::sh -c touch% {sentinel}"
    walls = Walls(protocol="ext")
    # the door of GitPython, and behind it ours
    with pytest.raises(Exception, match="ext::"):
        SafeGit(walls=walls).ask("ls-remote", url)
    answer = SafeGit(walls=walls).ask("fetch", "--end-of-options", url)
    assert answer.code != 0
    assert not sentinel.exists()


def test_a_silent_git_is_stopped_at_its_deadline(tmp_path: Path) -> None:
    path = fake_git(
        tmp_path / "bin",
        'if [ "$1" = version ]; then echo git version 9.9; else sleep 60; fi',
    )
    try:
        use_git(path)
        walls = Walls(limits=Limits(timeout_s=0.2, grace_s=0.2))
        with pytest.raises(GitError, match=r"git fetch: .* 0\.2 s"):
            SafeGit(walls=walls).ask("fetch")
    finally:
        use_git(SEARCH_PATH)


# --- words for people ---


@pytest.mark.parametrize(
    ("messages", "shown"),
    [
        ("fatal: bad thing\n", "fatal: bad thing"),
        ("hint: do this\nfatal: x\nhint: or that", "fatal: x"),
        ("a\nb\nc\nd\ne\nf\n", "c; d; e; f"),
        ("fatal: '/data/mirrors/x.git' is bad", "fatal: 'x.git' is bad"),
        ("at https://ann:pw@host/x.git", "at https://***@host/x.git"),
        ("at https://host/a/b.git: no", "at https://host/a/b.git: no"),
        ("remote: \x1b[31mred\x1b[0m \x07bell", "remote: red bell"),
        ("10%\r20%\rdone", "10%; 20%; done"),
        ("", "it gave no reason"),
        ("got s3cret and s3cret", "got *** and ***"),
    ],
)
def test_messages_are_fit_for_people(messages: str, shown: str) -> None:
    assert last_words(messages, hidden=("s3cret", "")) == shown


def test_endless_messages_are_cut() -> None:
    assert len(last_words("x" * 100_000)) <= 600


@pytest.mark.parametrize(
    ("messages", "damage"),
    [
        ("fatal: not a git repository: '/x'", True),
        ("error: object file objects/ab/cd is empty", True),
        ("error: inflate: data stream error (incorrect header check)", True),
        ("fatal: bad config line 1 in file config", True),
        ("warning: ignoring broken ref refs/heads/x", True),
        ("fatal: Unable to create '/x/packed-refs.lock': File exists.", True),
        ("error: remote unpack failed: unable to create temporary object", False),
        ("remote: your wallet is empty", False),
        ("fatal: Could not read from remote repository.", False),
        ("fatal: '/x' does not appear to be a git repository", False),
        ("fatal: Authentication failed for 'https://x/'", False),
        ("! [rejected] (stale info)", False),
    ],
)
def test_messages_of_damage_are_told_from_others(messages: str, damage: bool) -> None:
    assert shows_damage(messages) is damage
