"""What an attacker with merge rights can put on the base branch, or into a checkout.

Each thing is refused by every command that would act on it, with place, problem and
hint; nothing is committed, pushed or lost, no program is started and no address asked.
"""

from __future__ import annotations

import socket
import subprocess
from collections.abc import Iterator, Mapping
from contextlib import contextmanager

import pytest

from tests.support.commands import git
from tests.support.lab import BRANCH, BUMP, CONFIG, DEVELOPMENT, KUSTOMIZATION, Lab

pytestmark = [pytest.mark.kustomize, pytest.mark.gate]

TAG = '    newTag: "12.4.0"\n'
ENTRY = f"  - name: directus/directus\n{TAG}"
BASE = "  - ../../../base\n"
ENVS = "envs: [config.env]"


def laughs() -> str:
    """Return ten lines that are ten thousand million values."""
    lines = ["a: &a [x,x,x,x,x,x,x,x,x,x]"]
    for one, other in zip("abcdefghi", "bcdefghij", strict=True):
        lines.append(f"{other}: &{other} [{','.join([f'*{one}'] * 10)}]")
    return "\n".join(lines) + "\n"


def yaml_faults(text: str, sentinel: str) -> dict[str, tuple[str | bytes, str]]:
    """Return kustomizations that are no YAML we dare to edit, and what is said."""
    kept = text.replace(ENTRY, "")
    return {
        "duplicate newTag": (text.replace(TAG, TAG * 2), "'newTag' appears twice"),
        "duplicate images": (f"{text}images: []\n", "'images' appears twice"),
        "unquoted 11.10": (text.replace(TAG, "    newTag: 11.10\n"), "11.10 is not"),
        "unquoted 1e3": (text.replace(TAG, "    newTag: 1e3\n"), "1e3 is not"),
        "unquoted on": (text.replace(TAG, "    newTag: on\n"), "on is not"),
        "null": (text.replace(TAG, "    newTag: null\n"), "newTag is empty"),
        "empty": (text.replace(TAG, "    newTag:\n"), "newTag is empty"),
        "no newTag": (text.replace(TAG, ""), "has no newTag"),
        "block": (text.replace(TAG, "    newTag: |\n      12\n"), "not an image tag"),
        "list": (text.replace(TAG, "    newTag: [a]\n"), "must be one text"),
        "two entries": (text.replace(ENTRY, ENTRY * 2), "2 images: entries"),
        "no images": (text.replace(f"images:\n{ENTRY}", ""), "no images: entry"),
        "no name": (f"{kept}  - newTag: '1'\n", "has no name"),
        "images of text": (text.replace(ENTRY, "  - text\n"), "must be keys and"),
        "alias": (text.replace(TAG, "    newTag: *t\n"), "alias *t"),
        "merge key": (text.replace(TAG, "    <<: {newTag: '1'}\n"), "merge keys"),
        "recursion": (f"{text}x: &a [*a]\n", "alias *a"),
        "billion laughs": (laughs() + text, "aliases"),
        "merge bomb": (f"{text}x: &x {{a: 1}}\ny: {{<<: [*x, *x]}}\n", "merge keys"),
        "brackets": (f"{text}x: {'[' * 100_000}\n", "nested deeper"),
        "braces": (f"{text}x: {'{a: ' * 60_000}\n", "nested deeper"),
        "dashes": (f"{text}x:\n  {'- ' * 30_000}\n", "nested deeper"),
        "questions": (f"{text}x:\n  {'? ' * 30_000}\n", "nested deeper"),
        "a large comment": (f"{text}# {'x' * 2_000_000}\n", "is larger than"),
        "many documents": (text + "---\n" * 100_000, "one more document"),
        "text after the end": (f"{text}...\ntext\n", "not YAML"),
        "another YAML": (f"%YAML 9.9\n---\n{text}", "not YAML"),
        "a tab": (f"{text}\tx: 1\n", "not YAML"),
        "a Python tag": (
            f'{text}x: !!python/object/apply:os.system ["touch {sentinel}"]\n',
            "is not allowed",
        ),
        "a tag": (f"{text}x: !mine 1\n", "'!mine' is not allowed"),
        "a binary": (f"{text}x: !!binary aGVsbG8=\n", "is not allowed"),
        "a bad time": (f"{text}x: !!timestamp 9\n", "is not allowed"),
        "NUL": (f"{text}x: a\0b\n", "U+0000"),
        "next line": (f"{text}# a\u0085b\n", "U+0085"),
        "line separator": (f'{text}x: "a\u2028b"\n', "U+2028"),
        "a lone surrogate": (text.encode() + b"x: \xed\xa0\x80\n", "not UTF-8"),
        "Latin-1": (text.encode() + b"# \xe9\n", "not UTF-8"),
        "UTF-16": (text.encode("utf-16"), "not UTF-8"),
        "nothing": ("", "is empty"),
        "a text": ("hello\n", "keys and values"),
        "a list of lists": ("- [a]\n", "keys and values"),
    }


def test_yaml_that_is_not_safe_to_edit_is_refused_at_its_line(lab: Lab) -> None:
    sentinel = lab.root / "sentinel"
    for name, (content, problem) in yaml_faults(lab.text(), str(sentinel)).items():
        lab.put({KUSTOMIZATION: content})
        refusal = lab.refused(*BUMP)
        assert refusal.message.startswith(KUSTOMIZATION), name
        assert problem in refusal.message, (name, refusal.message)
        assert refusal.hint, name
        assert len(refusal.message) < 400, name
        (lab.tree / KUSTOMIZATION).write_bytes(
            content if isinstance(content, bytes) else content.encode()
        )
        found = lab.run("validate", "example", "development").json["findings"]
        assert any(f["path"].startswith(DEVELOPMENT) and f["hint"] for f in found), name
    assert not sentinel.exists()
    assert lab.asks("bump", "example", "staging", "12.4.1").json["changes"]


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (TAG, "    newTag: '12.4.0'\n"),
        (TAG, "    newTag: 12.4.0 # kept\n"),
        (TAG, '    newTag: &tag "12.4.0"\n'),
        (ENTRY, '  - {name: directus/directus, newTag: "12.4.0"}\n'),
        (ENTRY, '  - "newTag": 12.4.0\n    name: directus/directus'),
        (ENTRY, f"{ENTRY}# the end without a line end"),
        ("\n", "\r\n"),
        ("# The stack", "\ufeff# The stack"),
        ("# The stack", "# Der Stapel für 株式会社, the stack"),
    ],
)
def test_yaml_that_can_be_edited_changes_in_the_tag_alone(
    lab: Lab, before: str, after: str
) -> None:
    text = lab.text().replace(before, after)
    assert text != lab.text()
    lab.put({KUSTOMIZATION: text.encode()})
    lab.asks(*BUMP)
    there = git_bytes(lab, f"{BRANCH}:{KUSTOMIZATION}")
    assert there == text.replace("12.4.0", "12.4.1").encode()
    assert git(lab.origin, "diff", "--name-only", f"main...{BRANCH}").split() == [
        KUSTOMIZATION
    ]


def git_bytes(lab: Lab, name: str) -> bytes:
    return subprocess.run(
        ["git", "cat-file", "blob", name],
        cwd=lab.origin,
        check=True,
        capture_output=True,
    ).stdout


# --- references ---


@contextmanager
def listener() -> Iterator[socket.socket]:
    """Listen on loopback, where nobody should call."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        listening.setblocking(False)
        yield listening


def references(
    text: str, address: str, sentinel: str
) -> dict[str, tuple[Mapping[str, str | None], str]]:
    """Return files that make a build reach where it must not, and what is said."""

    def kustomization(before: str, after: str) -> Mapping[str, str | None]:
        assert before in text
        return {KUSTOMIZATION: text.replace(before, after)}

    program = f"file:///srv/any//x?ref=--upload-pack={sentinel}"
    return {
        "a remote base": (
            kustomization(BASE, f"{BASE}  - https://github.com/a/b?ref=main\n"),
            "is a URL",
        ),
        "an address": (kustomization(BASE, f"{BASE}  - {address}/a\n"), "is a URL"),
        "a program": (kustomization(BASE, f"{BASE}  - '{program}'\n"), "is a URL"),
        "scp": (kustomization(BASE, f"{BASE}  - git@h:a/b\n"), "remote repository"),
        "a host": (
            kustomization(BASE, f"{BASE}  - github.com/a/b\n"),
            "address of a host",
        ),
        "a component": (
            kustomization("components:\n", f"components:\n  - {address}/a\n"),
            "is a URL",
        ),
        "files": (kustomization(ENVS, f"files: [{address}/a]"), "is a URL"),
        "envs": (kustomization(ENVS, f"envs: [{address}/a]"), "is a URL"),
        "envs outside": (kustomization(ENVS, "envs: [/etc/passwd]"), "absolute path"),
        "openapi": (
            kustomization("images:\n", f"openapi: {{path: {address}/a}}\nimages:\n"),
            "is a URL",
        ),
        "a patch": (
            kustomization("images:\n", f"patches: [{{path: {address}/a}}]\nimages:\n"),
            "is a URL",
        ),
        "crds": (
            kustomization("images:\n", f"crds: [{address}/a]\nimages:\n"),
            "is a URL",
        ),
        "leaving": (
            kustomization(BASE, f"{BASE}  - ../../../../outside\n"),
            "leaves the repository",
        ),
        "absolute": (kustomization(BASE, f"{BASE}  - /etc/passwd\n"), "absolute path"),
        "missing": (
            kustomization(BASE, f"{BASE}  - missing.yaml\n"),
            "is not in the repository",
        ),
        "a circle": (
            {"base/kustomization.yaml": f"resources: [../{DEVELOPMENT}]\n"},
            "leads in a circle",
        ),
        "generators": (
            kustomization("images:\n", "generators: [g.yaml]\nimages:\n"),
            "generators is not allowed",
        ),
        "transformers": (
            kustomization("images:\n", "transformers: [g.yaml]\nimages:\n"),
            "transformers is not allowed",
        ),
        "charts": (
            kustomization("images:\n", "helmCharts: [{name: a}]\nimages:\n"),
            "helmCharts is not allowed",
        ),
        "the configuration of charts": (
            kustomization("images:\n", "helmGlobals: {configHome: /a}\nimages:\n"),
            "helmGlobals is not allowed",
        ),
        "no field": (kustomization("images:\n", "nope: 1\nimages:\n"), "is no field"),
        "a broken base": ({"base/deployment.yaml": "a: [\n"}, "not YAML"),
        "a deep base": ({"base/deployment.yaml": f"a: {'[' * 30_000}"}, "nested"),
        "laughs in the base": ({"base/deployment.yaml": laughs()}, "aliases"),
        "no object": ({f"{DEVELOPMENT}/namespace.yaml": "a: b\n"}, "metadata"),
        "no base": ({"base/kustomization.yaml": None}, "without a kustomization"),
        "two kustomizations": (
            {f"{DEVELOPMENT}/kustomization.yml": text},
            "more than one kustomization file",
        ),
        "no configuration": ({CONFIG: None}, "is not in the repository"),
        "a line without =": ({CONFIG: "PUBLIC\n"}, "no '='"),
        "a key twice": ({CONFIG: "A=1\nA=2\n"}, "A appears twice"),
        "a large value": ({CONFIG: f"A={'x' * 2_000_000}\n"}, "is larger than"),
    }


def test_a_build_that_reaches_elsewhere_is_refused_before_it_runs(lab: Lab) -> None:
    sentinel = lab.root / "sentinel"
    program = lab.root / "program"
    program.write_text(f"#!/bin/sh\ntouch {sentinel}\n")
    program.chmod(0o755)
    with listener() as listening:
        address = f"http://127.0.0.1:{listening.getsockname()[1]}"
        cases = references(lab.text(), address, str(program))
        for name, (files, problem) in cases.items():
            there = [path for path in files if (lab.tree / path).exists()]
            plain = {path: lab.text(path) for path in there}
            lab.put(files)
            refusal = lab.refused(*BUMP)
            assert problem in refusal.message, (name, refusal.message)
            assert refusal.hint, name
            assert refusal.message.startswith(("overlays/", "base/")), name
            shown = lab.refused("render", "example", "development", "--ref", "main")
            assert problem in shown.message, (name, shown.message)
            found = lab.run("validate", "--ref", "main").json["findings"]
            assert any(f["severity"] == "error" and f["hint"] for f in found), name
            lab.put({path: plain.get(path) for path in files})
        with pytest.raises(BlockingIOError):
            listening.accept()
    assert not sentinel.exists()
    assert lab.asks(*BUMP).json["outcome"] == "proposed"


# --- gitops.yaml ---


def test_rules_that_cannot_be_are_refused_at_their_line(lab: Lab) -> None:
    text = lab.text("gitops.yaml")
    pattern = '"overlays/{environment}/{stack}"'
    staging = "{name: staging, after: [development]}"
    for content, problem in (
        (None, "no such file"),
        ("", "is empty"),
        ("- a\n", "must be a mapping"),
        ("a: [\n", "not YAML"),
        ("# " + "x" * 2_000_000, "is larger than"),
        ("a: " + "[" * 100_000, "nested deeper"),
        (f"{text}branch: main\n", "appears twice"),
        (f"{text}brnch: main\n", "unknown key"),
        (text.replace(pattern, '"../{environment}/{stack}"'), "not a path"),
        (text.replace(pattern, '".git/{environment}/{stack}"'), "not a path"),
        (text.replace(pattern, '".github/{environment}/{stack}"'), "not a path"),
        (text.replace(pattern, '"overlays/{stack}"'), "once each"),
        (text.replace("image: directus/directus", "image: '-x'"), "image repository"),
        (text.replace(staging, "{name: ../x}"), "is not a name"),
        (text.replace(staging, "{name: staging, after: [staging]}"), "after itself"),
        (text.replace("branch: main", "branch: '--orphan=x'"), "not a branch name"),
    ):
        assert content != text
        lab.put({"gitops.yaml": content})
        for command in (BUMP, ("status",), ("history", "example")):
            refusal = lab.refused(*command)
            assert refusal.message.startswith("gitops.yaml"), problem
            assert problem in refusal.message, (problem, refusal.message)
            assert refusal.hint, problem
        lab.asks("pr", "list")
        lab.asks("hold", "--reason", problem)


# --- links, submodules, names ---

THEIRS = "1" * 40  # a commit of another repository
OVERLAY_FILES = [DEVELOPMENT]
PASSWD = ("120000", b"/etc/passwd")


@pytest.mark.parametrize(
    ("entries", "remove", "problem"),
    [
        ({KUSTOMIZATION: PASSWD}, [], "symlink"),
        ({KUSTOMIZATION: ("120000", b"../../staging/example/kustomization.yaml")}, [],
         "symlink"),
        ({KUSTOMIZATION: ("120000", b"../../../../../dangling")}, [], "symlink"),
        ({CONFIG: PASSWD}, [], "symlink"),
        ({f"{DEVELOPMENT}/namespace.yaml": PASSWD}, [], "symlink"),
        ({DEVELOPMENT: ("120000", b"../staging/example")}, OVERLAY_FILES, "symlink"),
        ({"overlays/development": ("120000", b"staging")}, OVERLAY_FILES, "symlink"),
        ({"base/components": ("120000", b"/etc")}, ["base/components"], "symlink"),
        ({"gitops.yaml": PASSWD}, [], "symlink"),
        ({KUSTOMIZATION: ("160000", THEIRS.encode())}, [], "submodule"),
        ({DEVELOPMENT: ("160000", THEIRS.encode())}, OVERLAY_FILES, "submodule"),
        ({"base": ("160000", THEIRS.encode())}, ["base"], "submodule"),
        ({"gitops.yaml": ("160000", THEIRS.encode())}, [], "submodule"),
        ({"gitops.yaml/a": ("100644", b"a")}, ["gitops.yaml"], "no such file"),
    ],
    ids=lambda value: " ".join(f"{k}:{m}" for k, (m, _) in value.items())
    if isinstance(value, dict) else None,
)  # fmt: skip
def test_links_and_submodules_are_refused_and_never_followed(
    lab: Lab,
    entries: Mapping[str, tuple[str, bytes]],
    remove: list[str],
    problem: str,
) -> None:
    lab.graft(entries, remove=remove)
    for command in (
        BUMP,
        ("set", "example", "development", "A=1"),
        ("render", "example", "development", "--ref", "main"),
    ):
        refusal = lab.refused(*command)
        assert problem in refusal.message, refusal
        assert refusal.hint
    if problem != "symlink":
        return  # what stands for a submodule in a checkout is an empty folder
    lab.pull()
    for words in (
        "validate",
        "validate example development",
        "render example development",
        "diff example development",
    ):
        answer = lab.run(*words.split())
        assert answer.code in (1, 4), words
        assert "symlink" in answer.out, words
        assert "root:" not in answer.out + answer.err


def test_what_git_itself_would_act_on_has_no_effect(lab: Lab) -> None:
    sentinel = lab.root / "sentinel"
    touch = f"touch {sentinel}".encode()
    lab.graft(
        {
            ".gitmodules": (
                "100644",
                b'[submodule "x"]\n\tpath = lib\n\turl = ext::sh -c ' + touch + b"\n",
            ),
            "lib": ("160000", THEIRS.encode()),
            ".gitattributes": (
                "100644",
                b"* text eol=crlf filter=x merge=x diff=x ident export-subst "
                b"working-tree-encoding=UTF-16\n",
            ),
            "HEAD": ("100644", b"ref: refs/heads/main\n"),
            "config": ("100644", b"[core]\n\tfsmonitor = " + touch + b"\n"),
            "objects/a": ("100644", b""),
            "refs/a": ("100644", b""),
            "hooks/post-checkout": ("100755", b"#!/bin/sh\n" + touch + b"\n"),
            "replaced/\x01\n": ("100644", b""),
            "n" * 300: ("100644", b""),
            "/".join(["d"] * 1000) + "/file": ("100644", b""),
        }
    )
    hooks = lab.tree / ".git" / "hooks"
    hooks.mkdir(exist_ok=True)
    for name in ("post-checkout", "post-merge", "pre-commit", "reference-transaction"):
        (hooks / name).write_bytes(b"#!/bin/sh\n" + touch + b"\nexit 1\n")
        (hooks / name).chmod(0o755)
    lab.asks(*BUMP)
    assert git(lab.origin, "diff", "--name-only", f"main...{BRANCH}").split() == [
        KUSTOMIZATION
    ]
    there = git_bytes(lab, f"{BRANCH}:{KUSTOMIZATION}")
    assert there == lab.text().replace("12.4.0", "12.4.1").encode()
    lab.asks("pr", "show", "1")
    assert lab.asks("pr", "merge", "1").json["outcome"] == "merged"
    assert not sentinel.exists()


def test_names_that_look_like_others_are_nobodys_and_are_told(lab: Lab) -> None:
    text = lab.text().encode()
    names = ("Example", "рrod", "a\u202eb", "x\x1b[31mred", "e\u0301")  # noqa: RUF001
    entries = {
        f"overlays/development/{name}/kustomization.yaml": ("100644", text)
        for name in names
    }
    entries["overlays/nowhere/example/kustomization.yaml"] = ("100644", text)
    lab.graft(entries)
    stacks = lab.asks("status").json["stacks"]
    assert [stack["name"] for stack in stacks] == ["example"]
    answer = lab.user.inside("validate", "--ref", "main")
    assert answer.code == 4
    assert answer.out.replace("\n", "").isprintable()
    lab.asks(*BUMP)
