"""The command line as a program: exit codes, error documents, help, start-up."""

from __future__ import annotations

import fcntl
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from importlib.metadata import version
from pathlib import Path

import pytest
import typer

from service.cli import app
from tests.support.commands import PROGRAM, User


@pytest.fixture
def person(tmp_path: Path) -> User:
    """Somebody in an empty folder, who needs no kustomize."""
    here = tmp_path / "here"
    here.mkdir()
    return User(here=here, data=tmp_path / "data", kustomize=None)


def commands() -> list[tuple[str, ...]]:
    """Return every command, and every group of them."""
    found: list[tuple[str, ...]] = []

    def walk(command: object, words: tuple[str, ...]) -> None:
        found.append(words)
        for name, below in getattr(command, "commands", {}).items():
            walk(below, (*words, name))

    walk(typer.main.get_command(app), ())
    return found


@pytest.mark.parametrize(
    ("arguments", "told", "hint"),
    [
        (["bump", "shop"], "bump STACK ENV VERSION", "directus-gitops bump --help"),
        (["bump", "--all", "1.0.0"], "needs --environment", "bump --help"),
        (["nonsense"], "No such command 'nonsense'", "directus-gitops --help"),
        (["status", "--nope"], "No such option: --nope", "status --help"),
        (["pr", "show", "0"], "Invalid value for 'N'", "directus-gitops pr show"),
        (["pr", "merge", "first"], "Invalid value for 'N'", "pr merge --help"),
        (["promote", "shop"], "Missing option '--to'", "promote --help"),
        (["set", "shop", "staging"], "KEY=VALUE or --unset KEY", "set --help"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else None,
)
def test_a_wrong_command_line_is_exit_code_2_and_with_json_a_document(
    person: User, arguments: list[str], told: str, hint: str
) -> None:
    answer = person.inside(*arguments, "--json")
    assert answer.code == 2
    error = answer.json["error"]
    assert error["code"] == "usage"
    assert told in error["message"]
    assert hint in error["hint"]
    plain = person.inside(*arguments)
    assert (plain.code, plain.out) == (2, "")
    assert "--help" in plain.err


def test_a_known_error_is_exit_code_1_with_message_and_hint(person: User) -> None:
    document = person.inside("status", "--json")
    assert document.code == 1
    assert set(document.json["error"]) == {"code", "message", "hint"}
    assert document.err == ""
    plain = person.inside("status")
    assert (plain.code, plain.out) == (1, "")
    first, second = plain.err.splitlines()
    assert first == f"error: {document.json['error']['message']}"
    assert second == f"hint: {document.json['error']['hint']}"


def test_help_of_every_command_says_what_it_does(person: User) -> None:
    for words in commands():
        answer = person.inside(*words, "--help")
        assert answer.code == 0, words
        usage, _, rest = answer.out.strip().partition("\n")
        assert usage.strip().startswith(
            f"Usage: {' '.join(('directus-gitops', *words))}"
        )
        assert re.search(r"[A-Z][a-z]+ .*", rest), words


def test_a_group_without_a_command_shows_its_help_as_a_usage_error(
    person: User,
) -> None:
    groups = {words[:1] for words in commands() if len(words) > 1}
    assert ("pr",) in groups
    for group in groups:
        assert person.inside(*group).code == 2


def test_help_imports_nothing_heavy() -> None:
    done = subprocess.run(
        [sys.executable, "-X", "importtime", str(PROGRAM), "--help"],
        check=True,
        capture_output=True,
        text=True,
    )
    loaded = {
        line.rpartition("|")[2].strip().partition(".")[0]
        for line in done.stderr.splitlines()
        if line.startswith("import time:")
    }
    assert "typer" in loaded
    heavy = {"fastapi", "starlette", "sqlalchemy", "alembic", "git", "pydantic"}
    heavy |= {"jsonschema_rs", "httpx", "uvicorn", "jinja2", "yaml", "apscheduler"}
    assert loaded.isdisjoint(heavy)


def test_the_version_is_the_installed_one(person: User) -> None:
    answer = person.inside("--version")
    assert (answer.code, answer.out) == (
        0,
        f"directus-gitops {version('directus-gitops')}\n",
    )


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_a_full_disk_behind_standard_output_is_told_on_standard_error(
    person: User,
) -> None:
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [PROGRAM, "schema", "gitops"],
            cwd=person.here,
            env=person.environment(),
            check=False,
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
        )
    assert done.returncode == 1
    assert "No space left" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_reader_who_goes_away_is_no_error(person: User) -> None:
    script = '{ "$0" "$@"; echo "code $?" >&2; } | true'
    done = subprocess.run(
        ["sh", "-c", script, PROGRAM, "schema", "gitops"],
        cwd=person.here,
        env=person.environment(),
        check=False,
        capture_output=True,
        text=True,
    )
    assert done.stderr == "code 0\n"


def test_an_interrupted_command_exits_with_130(person: User) -> None:
    lock = person.data / "locks" / "schema"
    lock.parent.mkdir(parents=True)
    with lock.open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        running = subprocess.Popen(
            [str(PROGRAM), "token", "list", "--json"],
            cwd=person.here,
            env=person.environment(),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        wait_until_open(running.pid, lock)
        running.send_signal(signal.SIGINT)
        out, err = running.communicate(timeout=30)
    assert (running.returncode, out, err) == (130, "", "Interrupted.\n")


def wait_until_open(process: int, file: Path) -> None:
    """Wait until a process has opened a file: then it does what we want to stop."""
    descriptors = Path(f"/proc/{process}/fd")
    if not descriptors.exists():
        pytest.skip("no /proc here")
    for _ in range(2000):
        with suppress(OSError):
            if any(link.readlink() == file for link in descriptors.iterdir()):
                return
        time.sleep(0.01)
    raise AssertionError(f"{file} was never opened")


@pytest.fixture
def broken_command() -> Iterator[str]:
    """Add a command that has a bug."""

    def broken() -> None:
        raise ZeroDivisionError("secret-looking details")

    app.command("broken")(broken)
    yield "broken"
    app.registered_commands.pop()


def test_an_error_in_our_own_code_is_exit_code_3_and_shows_where(
    person: User, broken_command: str
) -> None:
    answer = person.inside(broken_command)
    assert (answer.code, answer.out) == (3, "")
    assert "Traceback" in answer.err
    assert "ZeroDivisionError in directus-gitops itself" in answer.err
    assert "please report it" in answer.err
