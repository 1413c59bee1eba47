"""Broken folders, broken databases, several at once, killed: nothing is lost."""

from __future__ import annotations

import fcntl
import os
import random
import shutil
import signal
import sqlite3
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from tests.support.commands import PROGRAM, git
from tests.support.lab import BRANCH, BUMP, CONFIG, KUSTOMIZATION, Lab

pytestmark = pytest.mark.kustomize

Harm = Callable[[Path], None]
READING = (("status",), ("pr", "list"), ("history", "example"))


# --- the origin ---


def each_object(origin: Path) -> Iterator[Path]:
    yield from (origin / "objects").glob("??/*")
    yield from (origin / "objects" / "pack").glob("*")


def gone(place: Path) -> None:
    if place.is_dir():
        shutil.rmtree(place)
    else:
        place.unlink()


def a_file(place: Path) -> None:
    gone(place)
    place.write_text("")


def a_folder(place: Path) -> None:
    gone(place)
    place.mkdir()


def empty_objects(repository: Path) -> None:
    for file in each_object(repository):
        file.chmod(0o644)
        file.write_bytes(b"")


def missing_objects(repository: Path) -> None:
    for file in each_object(repository):
        file.unlink()


def without(name: str) -> Harm:
    return lambda repository: gone(repository / name)


def written(name: str, content: bytes) -> Harm:
    def write(repository: Path) -> None:
        (repository / name).write_bytes(content)

    return write


def without_main(repository: Path) -> None:
    git(repository, "update-ref", "-d", "refs/heads/main")


ORIGINS: dict[str, Harm] = {
    "gone": gone,
    "a file": a_file,
    "empty": a_folder,
    "without HEAD": without("HEAD"),
    "an empty HEAD": written("HEAD", b""),
    "a HEAD of bytes": written("HEAD", b"\0\xff\n"),
    "a HEAD on no branch": written("HEAD", b"1" * 40 + b"\n"),
    "a HEAD that is an option": written("HEAD", b"ref: refs/heads/--orphan=x\n"),
    "a HEAD on a missing branch": written("HEAD", b"ref: refs/heads/nope\n"),
    "without objects": without("objects"),
    "empty objects": empty_objects,
    "missing objects": missing_objects,
    "without main": without_main,
    "a broken ref": written("refs/heads/main", b"zzz\n"),
    "broken settings": written("config", b"[core\nx"),
}


def contents(folder: Path) -> dict[str, bytes]:
    files = (path for path in folder.rglob("*") if path.is_file())
    return {str(path): path.read_bytes() for path in files}


@pytest.mark.parametrize("name", ORIGINS)
def test_a_broken_origin_is_told_and_not_touched(lab: Lab, name: str) -> None:
    lab.put({CONFIG: "PUBLIC_URL=https://newer.example.com\n"})
    ORIGINS[name](lab.origin)
    before = contents(lab.origin)
    for command in (BUMP, ("status",), ("pr", "merge", "1")):
        refusal = lab.refused(*command)
        assert refusal.code in ("git", "forge", "input", "forge_not_found"), refusal
        assert refusal.hint, refusal
    assert contents(lab.origin) == before
    assert lab.run("validate").code == 0, "checking needs no origin"
    lab.asks("validate", "example", "staging")


# --- the mirror and the cache: ours to make again ---


@pytest.mark.parametrize(
    "harm",
    [
        gone,
        a_file,
        written("HEAD", b""),
        written("config", b"[core]\n\thooksPath = /tmp\n"),
        without("objects"),
        empty_objects,
        written("packed-refs", b"garbage\n"),
    ],
    ids=["gone", "file", "HEAD", "config", "no objects", "empty objects", "refs"],
)
def test_a_broken_mirror_heals_by_itself(lab: Lab, harm: Harm) -> None:
    harm(lab.data / "mirrors" / "fleet.git")
    assert lab.asks(*BUMP).json["outcome"] == "proposed"
    git(lab.data / "mirrors" / "fleet.git", "fsck", "--strict")


# --- databases ---


def rotten(file: Path) -> None:
    """Replace a database by something else of the same size."""
    size = file.stat().st_size
    for part in file.parent.glob(f"{file.name}-*"):
        part.unlink()
    file.write_bytes(random.Random(7).randbytes(size))  # noqa: S311  # rot


def cut(file: Path) -> None:
    """Keep the first half of a database."""
    with closing(sqlite3.connect(file)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        connection.execute("PRAGMA journal_mode = DELETE")
    os.truncate(file, file.stat().st_size // 2)


def changed(statement: str) -> Harm:
    def change(file: Path) -> None:
        with closing(sqlite3.connect(file)) as connection, connection:
            connection.execute(statement)

    return change


@pytest.mark.parametrize(
    "harm",
    [
        rotten,
        cut,
        a_folder,
        changed("UPDATE alembic_version SET version_num = '9999'"),
        changed("DROP TABLE intents"),
        changed("UPDATE intents SET plan = '{'"),
    ],
    ids=["rotten", "cut", "a folder", "newer", "no table", "no plan"],
)
def test_a_broken_database_of_the_service_is_told(lab: Lab, harm: Harm) -> None:
    lab.asks(*BUMP)
    harm(lab.data / "service.db")
    for command in (BUMP, ("status",), ("pr", "merge", "1")):
        refusal = lab.refused(*command)
        assert refusal.code == "store", refusal
        assert refusal.hint
    assert lab.run("validate").code == 0, "checking needs no database"


@pytest.mark.parametrize(
    "harm",
    [
        rotten,
        cut,
        a_folder,
        changed("PRAGMA user_version = 99"),
        changed("DROP TABLE approval"),
        changed("UPDATE pull_request SET created_at = 'noon'"),
    ],
    ids=["rotten", "cut", "a folder", "newer", "no table", "no date"],
)
def test_a_broken_database_of_the_forge_is_told(lab: Lab, harm: Harm) -> None:
    lab.asks(*BUMP)
    harm(lab.data / "forge" / "fleet.db")
    for command in (BUMP, ("status",), ("pr", "list"), ("pr", "merge", "1")):
        refusal = lab.refused(*command)
        assert refusal.code == "forge", refusal
        assert refusal.hint
    lab.asks("history", "example")
    assert git(lab.origin, "rev-parse", BRANCH), "the branch is safe in Git"


def test_pull_requests_that_were_lost_come_back_when_asked_for(lab: Lab) -> None:
    lab.asks(*BUMP)
    for file in (lab.data / "forge").glob("fleet.db*"):
        file.unlink()
    lab.asks("bump", "example", "staging", "12.4.1")
    lab.asks("pr", "merge", "1")
    versions = lab.asks("status").json["stacks"][0]["environments"]
    assert [v["version"] for v in versions] == ["12.4.0", "12.4.1", "12.4.0"]
    assert lab.asks(*BUMP).json["pull_request"]["state"] == "open"


# --- the data folder ---


@pytest.mark.parametrize(
    "place", ["gitops.yaml", "gitops.yaml/below", "/proc/nowhere", "n" * 300]
)
def test_a_data_folder_that_cannot_be_is_told(lab: Lab, place: str) -> None:
    folder = {"DIRECTUS_GITOPS_DATA": str(lab.tree / place)}
    for command in (BUMP, ("token", "list"), ("init", str(lab.root / "new"))):
        answer = lab.run(*command, env=folder)
        assert answer.code == 1
        assert answer.json["error"]["hint"]
    assert not (lab.root / "new").exists()


@pytest.mark.parametrize("name", ["locks", "mirrors", "cache", "locks/schema"])
def test_something_else_in_the_place_of_a_folder_of_ours_is_told(
    lab: Lab, name: str
) -> None:
    place = lab.data / name
    if place.is_dir():
        shutil.rmtree(place)
        place.write_text("")
    else:
        place.unlink(missing_ok=True)
        place.mkdir()
    answer = lab.run(*BUMP)
    assert answer.code == 1
    assert answer.json["error"]["hint"]


def test_a_data_folder_that_may_not_be_written_is_told(lab: Lab) -> None:
    lab.asks(*BUMP)
    before = lab.seen()
    script = 'mount --bind "$1" "$1" && mount -o remount,bind,ro "$1" && shift && "$@"'
    read_only = ["unshare", "--mount", "sh", "-c", script, "sh", str(lab.data)]
    probe = subprocess.run([*read_only, "true"], check=False, capture_output=True)
    if probe.returncode != 0:
        if os.geteuid() == 0:
            pytest.skip("this machine lets nobody mount anything")
        read_only = []
        for folder in [lab.data, *filter(Path.is_dir, lab.data.rglob("*"))]:
            folder.chmod(0o500)
    try:
        for command in (("bump", "example", "staging", "12.4.1"), ("status",)):
            done = subprocess.run(
                [*read_only, str(PROGRAM), *command],
                cwd=lab.tree,
                env=lab.user.environment(),
                check=False,
                capture_output=True,
                text=True,
            )
            assert done.returncode == 1, done.stderr
            assert done.stderr.startswith("error: ")
            assert "hint: " in done.stderr
    finally:
        for folder in [lab.data, *filter(Path.is_dir, lab.data.rglob("*"))]:
            folder.chmod(0o700)
    assert lab.seen() == before


def test_a_writer_who_does_not_end_is_told_after_the_wait(lab: Lab) -> None:
    lock = lab.data / "locks" / "repository-fleet"
    lock.parent.mkdir(exist_ok=True)
    with lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        refusal = lab.refused(*BUMP, env={"DIRECTUS_GITOPS_LOCK_WAIT_S": "0.1"})
        assert refusal.code == "store"
        assert "another process" in refusal.message
        for command in READING:
            lab.asks(*command)
    lab.asks(*BUMP)


# --- several at once ---


def start(lab: Lab, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [str(PROGRAM), *arguments, "--json"],
        cwd=lab.tree,
        env=lab.user.environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def test_the_same_change_asked_for_at_once_is_one_pull_request(lab: Lab) -> None:
    running = [
        start(lab, "bump", "example", environment, "12.4.1")
        for environment in ("development", "staging")
        for _ in range(2)
    ]
    ended = [process.communicate(timeout=120) for process in running]
    assert [process.returncode for process in running] == [0] * 4, ended
    assert lab.pull_requests() == [(1, "open"), (2, "open")]
    shown = lab.asks("pr", "list").json["pull_requests"]
    assert {p["branch"] for p in shown} == {
        BRANCH,
        "directus-gitops/staging/example",
    }
    check_sound(lab)


def test_two_folders_of_one_name_made_at_once_have_origins_of_their_own(
    lab: Lab,
) -> None:
    (lab.root / "a").mkdir()
    (lab.root / "b").mkdir()
    running = [
        start(lab, "init", str(lab.root / place / "twin"), "--agent", "none")
        for place in "ab"
    ]
    ended = [process.communicate(timeout=120) for process in running]
    assert [process.returncode for process in running] == [0, 0], ended
    origins = {
        git(lab.root / place / "twin", "config", "remote.origin.url") for place in "ab"
    }
    assert {Path(origin.strip()).name for origin in origins} == {
        "twin.git",
        "twin-2.git",
    }


# --- killed ---

KILLS = 10


def check_sound(lab: Lab) -> None:
    """Look for whatever a process that is gone may leave behind."""
    for repository in (lab.origin, lab.data / "mirrors" / "fleet.git"):
        assert "missing" not in git(repository, "fsck", "--strict", "--no-dangling")
        left = [p.name for p in repository.rglob("*") if p.name.endswith(".lock")]
        assert left == [], repository.name
    assert not (lab.tree / ".git" / "index.lock").exists()
    assert processes_of(lab) == []
    for database in ("service.db", "forge/fleet.db"):
        with closing(sqlite3.connect(lab.data / database)) as connection:
            (answer,) = connection.execute("PRAGMA integrity_check").fetchone()
            assert answer == "ok", database


def processes_of(lab: Lab) -> list[str]:
    """Return the command lines of processes that work in the lab."""
    found = []
    for place in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            words = place.read_bytes()
        except OSError:
            continue  # it has ended
        if os.fsencode(lab.root) in words and place.parent.name != str(os.getpid()):
            found.append(words.replace(b"\0", b" ").decode(errors="replace"))
    return found


def killed_at_random(lab: Lab, *arguments: str, seed: int) -> None:
    """Run a command and kill it at some moment, then wait for its children's end."""
    dice = random.Random(seed)  # noqa: S311  # the same moments each time
    for _ in range(KILLS):
        running = start(lab, *arguments)
        try:
            running.wait(timeout=dice.uniform(0.2, 1.4))
        except subprocess.TimeoutExpired:
            running.send_signal(signal.SIGKILL)
        running.communicate(timeout=60)
        for _ in range(500):
            if not processes_of(lab):
                break
            time.sleep(0.02)


@pytest.mark.gate
def test_a_bump_killed_at_any_moment_ends_as_one_pull_request(lab: Lab) -> None:
    killed_at_random(lab, *BUMP, seed=11)
    assert lab.asks(*BUMP).json["pull_request"]["number"] == 1
    assert lab.pull_requests() == [(1, "open")]
    assert git(lab.origin, "rev-list", "--count", f"main..{BRANCH}").strip() == "1"
    assert git(lab.origin, "diff", "--numstat", f"main...{BRANCH}") == (
        f"1\t1\t{KUSTOMIZATION}\n"
    )
    check_sound(lab)


def test_what_a_killed_build_left_is_swept_away_later(lab: Lab) -> None:
    scratch = lab.data / "cache" / "render"
    for name in ("render-old", "render-new"):
        (scratch / name / "tree").mkdir(parents=True)
    long_ago = time.time() - 2 * 3600
    os.utime(scratch / "render-old", (long_ago, long_ago))
    lab.asks("status")
    assert [place.name for place in scratch.iterdir()] == ["render-new"]


@pytest.mark.gate
def test_a_merge_killed_at_any_moment_is_one_merge(lab: Lab) -> None:
    lab.asks(*BUMP)
    killed_at_random(lab, "pr", "merge", "1", seed=12)
    assert lab.asks("pr", "merge", "1").json["outcome"] == "merged"
    assert lab.pull_requests() == [(1, "merged")]
    assert git(lab.origin, "rev-list", "--count", "--merges", "main").strip() == "1"
    assert git(lab.tree, "status", "--porcelain") == ""
    assert "12.4.1" in lab.text()
    check_sound(lab)
