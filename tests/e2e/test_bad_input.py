"""What a person can get wrong: one clear error, exit code 1, nothing done.

Each command goes through the program's own entry point. Before and after it the
branches of origin and work tree, the pull requests and the intents are compared.
"""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from gitops.model import BranchName
from tests.support.commands import PROGRAM, git
from tests.support.lab import BRANCH, BUMP, CONFIG, KUSTOMIZATION, Lab

pytestmark = [pytest.mark.kustomize, pytest.mark.gate]

NOT_NAMES = (
    "../../etc",
    "..",
    ".",
    "a/../b",
    "/abs",
    "a\\b",
    "%2e%2e",
    "..%2f",
    "",
    "a" * 64,
    "prod\n",
    "Prod",
    "a_b",
    "рrod",  # noqa: RUF001  # a Cyrillic letter, on purpose
    "e\u0301",
    "\u202eevil",
    "a\u200bb",
    "\x1b[31mred",
)
NOT_VERSIONS = (
    "latest",
    "12",
    "12.4",
    "v12.4.1",
    "latest; rm -rf",
    "$(id)",
    "12.4.1\n",
    '12.4.1"',
    "12.4.1 # x",
    "１２.4.1",  # noqa: RUF001  # digits of full width, on purpose
    "1" * 129,
    "../11",
    "12.4.1@sha256:zz",
    "12.4.1@",
    "@sha256:" + "a" * 64,
    "",
    "99999999999.1.1",
    "12.4.1-\x1b[31m",
    "directus/directus:12.4.1",
    "12.4.1-a..b",
)
NOT_BRANCHES = (
    "-x",
    "--orphan=x",
    ":refs/heads/main",
    "+main",
    "a:b",
    "HEAD",
    "@",
    "@{-1}",
    "refs/heads/main",
    "a..b",
    "x.lock",
    "$(id)",
    "`id`",
    "a\nb",
    "\u202emain",
    "x" * 300,
    "main ",
    "main~1",
    "main^{tree}",
    "nope",
)


# --- names, versions, keys ---


def test_what_is_no_name_is_refused_by_every_command_that_takes_one(lab: Lab) -> None:
    for name in NOT_NAMES:
        refusal = lab.refused("bump", name, "development", "12.4.1")
        assert refusal.code == "input"
        assert "is not a name" in refusal.message
        assert refusal.hint
    for command in (
        ("bump", "example", "..", "12.4.1"),
        ("bump", "--all", "--environment", "..", "12.4.1"),
        ("promote", "..", "--to", "staging"),
        ("promote", "example", "--to", ".."),
        ("promote", "example", "--to", "staging", "--from", ".."),
        ("set", "..", "staging", "A=1"),
        ("rollback", "example", ".."),
        ("history", ".."),
        ("render", "..", "staging"),
        ("diff", "example", "staging", ".."),
        ("validate", "..", "staging"),
        ("hold", ".."),
        ("release", "..", "staging"),
        ("add", "stack", ".."),
        ("add", "environment", ".."),
    ):
        assert "'..'" in lab.refused(*command).message, command


def test_a_name_that_is_nobodys_is_refused_with_the_known_ones(lab: Lab) -> None:
    for command, hint in (
        (("bump", "exampl", "staging", "12.4.1"), "did you mean example?"),
        (("bump", "example", "stagin", "12.4.1"), "did you mean staging?"),
        (("bump", "--all", "--environment", "qa", "12.4.1"), "development, staging"),
        (("set", "shop", "staging", "A=1"), "known: example"),
        (("promote", "shop", "--to", "staging"), "known: example"),
        (("promote", "example", "--to", "qa"), "development, staging"),
        (("rollback", "shop", "staging"), "known: example"),
        (("render", "shop", "staging"), "known: example"),
        (("diff", "example", "staging", "qa"), "development, staging"),
        (("validate", "shop", "staging"), "known: example"),
        (("hold", "shop"), "known: example"),
        (("history", "shop"), "status"),
        (("pr", "show", "7"), "pr list"),
        (("pr", "merge", "7"), "pr list"),
        (("pr", "adopt", "7"), "pr list"),
        (("pr", "close", "9" * 30), "pr list"),
    ):
        refusal = lab.refused(*command)
        assert refusal.code in ("unknown_name", "forge_not_found"), command
        assert hint in refusal.hint, command


def test_what_is_no_version_is_refused(lab: Lab) -> None:
    for version in NOT_VERSIONS:
        refusal = lab.refused("bump", "example", "development", version)
        assert refusal.code == "input", version
        assert refusal.hint, version


def test_an_older_version_is_refused_with_the_way_back(lab: Lab) -> None:
    for version in ("12.3.9", "11.10.0", "0.0.1"):
        refusal = lab.refused("bump", "example", "development", version)
        assert f"runs 12.4.0; {version} is older" in refusal.message
        assert "rollback" in refusal.hint
    unchanged = lab.asks("bump", "--all", "--environment", "staging", "12.3.9").json
    assert unchanged["outcome"] == "unchanged"
    assert "newer than 12.3.9" in unchanged["reason"]


def test_a_rollback_to_what_never_ran_is_refused(lab: Lab) -> None:
    assert "nothing older" in lab.refused("rollback", "example", "staging").message
    for version in ("12.3.9", "nope", ""):
        lab.refused("rollback", "example", "staging", f"--to={version}")


def test_configuration_that_cannot_be_is_refused(lab: Lab) -> None:
    for pairs, problem in (
        (["A"], "is not KEY=VALUE"),
        (["=x"], "is not the name"),
        (["1A=x"], "is not the name"),
        (["A B=x"], "is not the name"),
        (["É=1"], "is not the name"),
        (["A=a\nb"], "line break"),
        (["A=\x1b[31m"], "control character"),
        (["A=" + "x" * 70_000], "at most 65535"),
        (["A=1", "--unset", "A"], "both set and unset"),
        (["A=1", "A=2"], "twice"),
        (["DB_PASSWORD=hunter2hunter2"], "name of a secret"),
        (["A=ghp_" + "a" * 36], "looks like a GitHub token"),
        (["A=-----BEGIN PRIVATE KEY-----"], "looks like a private key"),
    ):
        refusal = lab.refused("set", "example", "staging", *pairs)
        assert problem in refusal.message, pairs
        assert refusal.hint, pairs
        assert "hunter2" not in refusal.message + refusal.hint


def test_an_empty_name_does_not_mean_everything(lab: Lab) -> None:
    lab.asks("hold")
    for command in ("hold", "release"):
        assert "'' is not a name" in lab.refused(command, "").message
        assert "'' is not a name" in lab.refused(command, "example", "").message
    lab.asks("release")


# --- branches and repositories ---


def test_what_is_no_branch_is_not_read(lab: Lab) -> None:
    for branch in NOT_BRANCHES:
        for command in (("validate",), ("render", "example", "staging")):
            refusal = lab.refused(*command, f"--ref={branch}")
            assert refusal.hint, branch


def test_ref_reads_the_origin_and_not_the_checkout(lab: Lab) -> None:
    lab.put({CONFIG: "PUBLIC_URL=https://merged.example.com\nBROKEN\n"})
    assert lab.run("validate").code == 0
    assert lab.run("validate", "--ref", "main").code == 4
    lab.put({"x": "y"}, branch=BranchName("feature"))
    assert lab.run("validate", "--ref", "feature").code == 4


@pytest.mark.parametrize("command", [BUMP, ("validate",), ("pr", "list")])
def test_a_repository_that_is_not_there_is_never_taken_for_the_present_one(
    lab: Lab, command: tuple[str, ...]
) -> None:
    elsewhere = lab.root / "plain"
    elsewhere.mkdir()
    for repo in (
        "flet",
        "gitops.yaml",
        "overlays/nope",
        "/nonexistent",
        "../plain",
        "",
        "~",
        "-x",
        "%2e",
        "a\nb",
        "fleet.git",
        "https://example.com/fleet.git",
        "ext::sh -c touch% sentinel",
        "x" * 5000,
    ):
        refusal = lab.refused(*command, f"--repo={repo}")
        assert refusal.code == "tree", repo
        assert "fleet" in refusal.hint, repo
    assert not (lab.tree / "sentinel").exists()


def test_a_work_tree_whose_origin_is_not_ours_is_left_alone(lab: Lab) -> None:
    for url in (
        "https://example.com/fleet.git",
        "ext::sh -c touch% sentinel",
        "--upload-pack=touch",
        str(lab.root / "fleet"),
        f"{lab.data}/forge/\x1b[31mred.git",
        f"{lab.data}/forge/nobody.git",
    ):
        git(lab.tree, "config", "remote.origin.url", url)
        for command in (BUMP, ("status",), ("pr", "merge", "1")):
            refusal = lab.refused(*command)
            assert refusal.code == "forge"
            assert refusal.message.startswith("fleet: its origin")
            assert "--data" in refusal.hint
    git(lab.tree, "remote", "remove", "origin")
    assert "its origin is not set" in lab.refused(*BUMP).message
    assert lab.run("validate").code == 0, "checking needs no origin"
    assert not (lab.tree / "sentinel").exists()


def test_a_work_tree_of_another_data_folder_is_left_alone(
    lab: Lab, tmp_path: Path
) -> None:
    other = {"DIRECTUS_GITOPS_DATA": str(tmp_path / "other")}
    refusal = lab.refused(*BUMP, env=other)
    assert refusal.code == "forge"
    assert "--data" in refusal.hint


def test_a_folder_that_only_looks_like_a_checkout_is_refused(lab: Lab) -> None:
    (lab.root / "empty" / ".git").mkdir(parents=True)
    (lab.root / "file").mkdir()
    (lab.root / "file" / ".git").write_text("gitdir: /nonexistent\n")
    for place in (lab.root / "empty", lab.root / "file"):
        for command in (BUMP, ("status",), ("validate", "--ref", "main")):
            assert lab.refused(*command, "--repo", str(place)).hint


# --- programs ---


def fake(lab: Lab, name: str, script: str) -> str:
    """Put a program there that is not what it seems."""
    place = lab.root / "bin" / name
    place.parent.mkdir(exist_ok=True)
    place.write_text(f"#!/bin/sh\n{script}\n")
    place.chmod(0o755)
    return str(place)


_ANSWERS = 'test "$1" = version && echo v5.8.1 && exit 0'


@pytest.mark.parametrize(
    ("script", "code", "problem"),
    [
        ("echo v4.5.7", "tool", "v4.5.7 is older than"),
        ("echo hello", "tool", "no version of kustomize"),
        ("exit 1", "tool", "exit code 1"),
        ("kill -9 $$", "tool", "when asked for its version"),
        (f"{_ANSWERS}\nexit 0", "render", "renders no object"),
        (f"{_ANSWERS}\nexit 137", "render", "was killed"),
        (f"{_ANSWERS}\necho ': : :'", "render", "cannot be read"),
        (f"{_ANSWERS}\nprintf '\\377'", "render", "not UTF-8"),
        (f"{_ANSWERS}\necho 'a: 1'", "render", "no object with apiVersion"),
        (f"{_ANSWERS}\nprintf '\\033[31mred' >&2; exit 1", "render", "?[31mred"),
        (
            f"{_ANSWERS}\nwhile :; do printf '%65536s'; done",
            "render",
            "printed more than",
        ),
    ],
    ids=lambda value: value.rpartition("\n")[2][:20],
)
def test_a_kustomize_that_does_not_serve_is_told_and_nothing_is_proposed(
    lab: Lab, script: str, code: str, problem: str
) -> None:
    broken = {"DIRECTUS_GITOPS_KUSTOMIZE": fake(lab, "kustomize", script)}
    refusal = lab.refused(*BUMP, env=broken)
    assert (refusal.code, problem in refusal.message) == (code, True), refusal
    found = lab.run("validate", env=broken)
    assert found.code == (1 if code == "tool" else 4)


def test_without_kustomize_or_git_the_hint_says_how_to_get_it(lab: Lab) -> None:
    nothing = {"PATH": "/nonexistent", "DIRECTUS_GITOPS_KUSTOMIZE": ""}
    refusal = lab.refused(*BUMP, env=nothing)
    assert refusal.code == "tool"
    assert refusal.hint
    for setting in ("/nonexistent", "/etc/passwd", "./kustomize", str(lab.root)):
        refusal = lab.refused(*BUMP, env={"DIRECTUS_GITOPS_KUSTOMIZE": setting})
        assert refusal.code == "tool", setting
        assert refusal.hint, setting


def test_a_kustomize_inside_the_repository_is_never_run(lab: Lab) -> None:
    place = fake(lab, "kustomize", f"touch {lab.root}/sentinel; echo v5.8.1")
    shutil.copy(place, lab.tree / "kustomize")
    git(lab.tree, "add", "kustomize")
    for path in (".", "", ":.:", str(lab.tree)):
        env = {"PATH": f"{path}:/usr/bin:/bin", "DIRECTUS_GITOPS_KUSTOMIZE": ""}
        lab.run("status", env=env)
    assert not (lab.root / "sentinel").exists()


# --- people ---


def test_a_branch_that_a_person_pushed_to_is_left_as_it_is(lab: Lab) -> None:
    lab.asks(*BUMP)
    lab.put({CONFIG: "PUBLIC_URL=https://hers.example.com\n"}, branch=BRANCH)
    lab.asks("pr", "list")  # the forge has taken note of the new head
    for command in (
        ("bump", "example", "development", "12.4.2"),
        ("set", "example", "development", "FEATURE_X=1"),
        ("bump", "example", "development", "12.4.2", "--dry-run"),
        BUMP,
    ):
        refusal = lab.refused(*command)
        assert refusal.code == "human_owned"
        assert BRANCH in refusal.message
        assert "pr adopt" in refusal.hint
    other = lab.asks("bump", "example", "staging", "12.4.1").json
    assert other["pull_request"]["number"] == 2, "other branches go on"
    environments = lab.asks("status").json["stacks"][0]["environments"]
    assert [e["pull_request"] for e in environments] == [1, 2, None]
    adopted = lab.asks("pr", "adopt", "1").json
    assert adopted["pull_request"]["number"] == 1
    assert [c["after"] for c in adopted["changes"]] == ["12.4.1"]
    assert lab.asks("pr", "merge", "1").json["outcome"] == "merged"


def test_a_branch_that_a_person_made_is_left_as_it_is(lab: Lab) -> None:
    lab.put({"notes.txt": "mine\n"}, branch=BRANCH)
    for _ in range(2):
        assert lab.refused(*BUMP).code == "human_owned"
    git(lab.origin, "branch", "-D", BRANCH)
    assert lab.asks(*BUMP).json["outcome"] == "proposed"


def test_a_branch_in_the_way_is_named(lab: Lab) -> None:
    lab.put({"notes.txt": "mine\n"}, branch=BranchName("directus-gitops"))
    for _ in range(2):
        refusal = lab.refused(*BUMP)
        assert "prefix blocked" in refusal.message
        assert "rename or delete directus-gitops" in refusal.hint
    git(lab.origin, "branch", "-D", "directus-gitops")
    assert lab.asks(*BUMP).json["outcome"] == "proposed"


def test_tags_with_the_names_of_our_branches_change_nothing(lab: Lab) -> None:
    git(lab.origin, "tag", BRANCH, "main")
    git(lab.origin, "tag", "main", "main")
    lab.asks(*BUMP)
    assert lab.asks("pr", "merge", "1").json["outcome"] == "merged"
    assert lab.asks("status").json["stacks"][0]["environments"][0]["version"] == (
        "12.4.1"
    )


# --- init ---


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (["fleet"], "not an empty folder"),
        (["fleet/gitops.yaml"], "not an empty folder"),
        (["fleet/missing/.."], "not an empty folder"),
        ([""], "not an empty folder"),
        (["\x1b[31mred"], "cannot be printed"),
        (["n" * 300], "File name too long"),
        (["new", "--stack", "../x"], "is not a name"),
        (["new", "--environment", ""], "is not a name"),
        (["new", "--environment", "qa", "--environment", "qa"], "qa"),
        (["new", "--stack", "a" * 40, "--environment", "b" * 40], "at most 63"),
        (["new", "--directus-version", "latest"], "is not a full version"),
        (["new", "--host", "{stack.__class__}"], "is not a DNS name"),
        (["new", "--storage-class", "a\nb: c"], "is not the name of a class"),
        (["new", "--database", "oracle"], "is not one of the choices"),
        (["new", "--platform", "mars"], "is not one of the choices"),
    ],
    ids=lambda value: " ".join(value)[:40] if isinstance(value, list) else None,
)
def test_init_refuses_before_it_writes(
    lab: Lab, arguments: list[str], problem: str
) -> None:
    there = sorted(lab.root.iterdir())
    forge = sorted((lab.data / "forge").iterdir())
    outside = lab.user.at(lab.root)
    answer = outside.inside("init", *arguments, "--json")
    assert answer.code == 1, answer.out
    assert problem in answer.json["error"]["message"]
    assert answer.json["error"]["hint"]
    assert sorted(lab.root.iterdir()) == there
    assert sorted((lab.data / "forge").iterdir()) == forge


# --- paths to validate ---


def test_validate_refuses_what_is_not_there(lab: Lab) -> None:
    for path in ("nope", "a\nb", "x" * 5000, ".git", "/nonexistent/a.yaml"):
        assert lab.refused("validate", path).code == "unknown_name", path
        assert lab.refused("validate", path).hint, path
    assert lab.run("validate", f"overlays/../{KUSTOMIZATION}").code == 0


# --- the real process, once for each exit code ---


def test_the_program_itself_says_the_same(lab: Lab) -> None:
    refused = lab.user.run("bump", "example", "..", "12.4.1", "--json")
    assert (refused.code, refused.json["error"]["code"]) == (1, "input")
    assert refused.err == ""
    plain = lab.user.run("bump", "example", "..", "12.4.1")
    assert (plain.code, plain.out) == (1, "")
    assert plain.err.startswith("error: environment '..' is not a name\nhint: ")
    raw = subprocess.run(
        [str(PROGRAM).encode(), b"validate", b"\xff\x1b[31m", b"--json"],
        cwd=lab.tree,
        env=lab.user.environment(),
        check=False,
        capture_output=True,
    )
    assert (raw.returncode, raw.stderr) == (1, b"")
    assert json.loads(raw.stdout)["error"]["code"] == "unknown_name"
