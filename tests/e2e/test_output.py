"""What is printed: exact bytes for programs, nothing that drives a terminal."""

from __future__ import annotations

import json
import os
import pty
import re
import subprocess

import pytest

from tests.support.commands import PROGRAM
from tests.support.lab import BRANCH, BUMP, CONFIG, KUSTOMIZATION, Lab

pytestmark = pytest.mark.kustomize

ESCAPE = "\x1b]0;owned\x07\x1b[31mred\u202e\x9b31m"
COLOUR = re.compile(r"\x1b\[[0-9;]*m")
CURSOR = re.compile(r"\x1b\[\??[0-9;]*[A-HJKSTfhlsu]|\r")


def in_terminal(lab: Lab, *arguments: str) -> str:
    """Run a command whose output and errors go to a terminal; return them."""
    ours, theirs = pty.openpty()
    running = subprocess.Popen(
        [str(PROGRAM), *arguments],
        cwd=lab.tree,
        env=lab.user.environment({"TERM": "xterm-256color", "COLUMNS": "160"}),
        stdin=subprocess.DEVNULL,
        stdout=theirs,
        stderr=theirs,
    )
    os.close(theirs)
    parts = []
    try:
        while part := os.read(ours, 65536):
            parts.append(part)
    except OSError:
        pass  # the terminal's other end is closed: the command has ended
    finally:
        os.close(ours)
        running.wait(timeout=60)
    return b"".join(parts).decode()


def test_what_people_wrote_never_drives_a_terminal(lab: Lab) -> None:
    title = f"fix {ESCAPE} [bold]x[/bold] :bug:"
    lab.put({KUSTOMIZATION: lab.text().replace("12.4.0", "12.4.1")}, message=title)
    lab.asks("hold", "example", "staging", "--reason", ESCAPE)
    lab.asks("bump", "example", "production", "12.4.1", "--reason", ESCAPE)
    lab.put({"f": "x"}, branch=BRANCH, message=title)
    for command in (
        ("history", "example"),
        ("status",),
        ("pr", "list"),
        ("pr", "show", "1"),
        ("diff", "example", "development"),
        ("audit", "export"),
        ("promote", "example", "--to", "staging"),
    ):
        for more in ((), ("--json",)):
            answer = lab.user.inside(*command, *more)
            assert answer.code in (0, 1, 4)
            shown = (answer.out + answer.err).replace("\n", "").replace("\t", "")
            assert shown.isprintable(), (command, more)
    assert "[bold]x[/bold] :bug:" in lab.user.inside("history", "example").out
    shown = in_terminal(lab, "history", "example")
    plain = CURSOR.sub("", COLOUR.sub("", shown)).replace("\n", "")
    assert plain.isprintable()
    assert "owned" in plain


def test_colours_are_for_terminals_only(lab: Lab) -> None:
    piped = lab.user.run("diff", "example", "staging", "production")
    assert piped.code == 4
    assert "\x1b" not in piped.out + piped.err
    assert COLOUR.search(in_terminal(lab, "diff", "example", "staging", "production"))


def test_render_prints_the_bytes_that_kustomize_prints(lab: Lab) -> None:
    name = "Straße\u00a0\u3000株式会社"  # spaces that a terminal does not show as such
    lab.put({CONFIG: f"PUBLIC_URL=https://a.example.com\nPROJECT_NAME={name}\n"})
    command = ("render", "example", "development", "--ref", "main")
    printed = lab.user.run(*command).out
    assert f"PROJECT_NAME: {name}\n" in printed
    document = lab.user.run(*command, "--json")
    assert document.out.isascii()
    assert any(
        o["kind"] == "ConfigMap" and o["data"].get("PROJECT_NAME") == name
        for o in document.json["objects"]
    )


def test_with_json_there_is_exactly_one_document(lab: Lab) -> None:
    (lab.tree / CONFIG).write_text("mine\n")
    for command, code in (
        (BUMP, 0),
        (BUMP, 0),
        (("pr", "show", "1"), 0),
        (("pr", "merge", "1"), 0),
        (("history", "example"), 0),
        (("status",), 0),
        (("validate",), 4),
        (("diff", "example", "development"), 1),
        (("pr", "merge", "2"), 1),
    ):
        answer = lab.user.inside(*command, "--json")
        assert answer.code == code, command
        assert isinstance(json.loads(answer.out), dict), command
    kept = lab.user.inside("bump", "example", "staging", "12.4.1", "--json")
    merged = lab.user.inside("pr", "merge", "2", "--json")
    assert (kept.code, merged.code) == (0, 0)
    assert merged.err.startswith("Your work tree was left as it is: ")
    assert (lab.tree / CONFIG).read_text() == "mine\n"
