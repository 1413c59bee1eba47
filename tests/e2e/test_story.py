"""The main job, from an empty folder, by the command line alone."""

from __future__ import annotations

from pathlib import Path

from tests.support.commands import User, git

OVERLAY = "overlays/{}/example/kustomization.yaml"


def versions(user: User) -> dict[str, str]:
    (stack,) = user.ask("status")["stacks"]
    assert stack["name"] == "example"
    return {e["name"]: e["version"] for e in stack["environments"]}


def changed_lines(origin: Path, branch: str) -> list[str]:
    """Return the lines that a branch changes against main, with their sign."""
    text = git(origin, "diff", "--unified=0", "--no-color", f"main...{branch}")
    return [
        line
        for line in text.splitlines()
        if line.startswith(("+", "-")) and not line.startswith(("+++", "---"))
    ]


def test_a_version_travels_from_an_empty_folder_to_staging(newcomer: User) -> None:
    made = newcomer.ask("init", "fleet", "--directus-version", "12.4.0")
    assert made["outcome"] == "created"
    user = newcomer.at(newcomer.here / "fleet")
    origin = newcomer.data / "forge" / "fleet.git"
    assert versions(user) == {
        "development": "12.4.0",
        "staging": "12.4.0",
        "production": "12.4.0",
    }

    bumped = user.ask("bump", "example", "development", "12.4.1")
    request = bumped["pull_request"]
    assert bumped["outcome"] == "proposed"
    assert set(request) >= {"number", "url", "title", "body", "branch", "state"}
    assert (request["number"], request["state"]) == (1, "open")
    assert len(bumped["commit"]) == 40
    assert [(c["before"], c["after"]) for c in bumped["changes"]] == [
        ("12.4.0", "12.4.1")
    ]
    assert changed_lines(origin, request["branch"]) == [
        '-    newTag: "12.4.0"',
        '+    newTag: "12.4.1"',
    ]

    shown = user.ask("pr", "show", "1")
    assert "-        image: directus/directus:12.4.0" in shown["rendered_diff"]
    assert "+        image: directus/directus:12.4.1" in shown["rendered_diff"]
    assert all(f["severity"] != "error" for f in shown["findings"])

    merged = user.ask("pr", "merge", "1")
    assert merged["outcome"] == "merged"
    assert versions(user)["development"] == "12.4.1"
    tree = (user.here / OVERLAY.format("development")).read_text()
    assert "12.4.1" in tree, "the work tree was not brought along"

    promoted = user.ask("promote", "example", "--to", "staging")
    assert promoted["outcome"] == "proposed"
    assert user.ask("status")["stacks"][0]["environments"][1]["pull_request"] == 2
    assert changed_lines(origin, promoted["pull_request"]["branch"]) == [
        '-    newTag: "12.4.0"',
        '+    newTag: "12.4.1"',
    ]
    user.ask("pr", "merge", "2")
    assert versions(user) == {
        "development": "12.4.1",
        "staging": "12.4.1",
        "production": "12.4.0",
    }
    git(origin, "fsck", "--strict")


def test_configuration_is_set_and_unset_line_by_line(user: User, origin: Path) -> None:
    set_ = user.ask("set", "example", "staging", "LOG_LEVEL=debug", "FEATURE_X=1")
    assert changed_lines(origin, set_["pull_request"]["branch"]) == [
        "+LOG_LEVEL=debug",
        "+FEATURE_X=1",
    ]
    user.ask("pr", "merge", "1")
    unset = user.ask("set", "example", "staging", "--unset", "FEATURE_X")
    assert changed_lines(origin, unset["pull_request"]["branch"]) == ["-FEATURE_X=1"]


def test_a_second_change_joins_the_open_pull_request(user: User, origin: Path) -> None:
    first = user.ask("bump", "example", "development", "12.4.1")
    second = user.ask("set", "example", "development", "FEATURE_X=1")
    assert second["outcome"] == "updated"
    assert second["pull_request"]["number"] == first["pull_request"]["number"]
    branch = second["pull_request"]["branch"]
    assert git(origin, "rev-list", "--count", f"main..{branch}").strip() == "1"
    assert changed_lines(origin, branch) == [
        "+FEATURE_X=1",
        '-    newTag: "12.4.0"',
        '+    newTag: "12.4.1"',
    ]
    assert "12.4.1" in second["pull_request"]["title"]
    assert "FEATURE_X" in second["pull_request"]["title"]


def test_asking_twice_changes_nothing(user: User, origin: Path) -> None:
    first = user.ask("bump", "example", "development", "12.4.1")
    refs = git(origin, "for-each-ref")
    second = user.ask("bump", "example", "development", "12.4.1")
    assert second["outcome"] == "unchanged"
    assert second["pull_request"] == first["pull_request"]
    assert git(origin, "for-each-ref") == refs
    assert len(user.ask("pr", "list")["pull_requests"]) == 1


def test_bumping_to_what_runs_already_is_nothing_to_do(user: User) -> None:
    answer = user.ask("bump", "example", "development", "12.4.0")
    assert answer["outcome"] == "unchanged"
    assert answer["pull_request"] is None


def test_every_stack_of_an_environment_is_bumped_in_one_pull_request(
    user: User, origin: Path
) -> None:
    user.ask("add", "stack", "blog", "--directus-version", "12.4.0")
    user.ask("pr", "merge", "1")
    bumped = user.ask("bump", "--all", "--environment", "development", "12.4.1")
    assert len(bumped["changes"]) == 2
    assert len(changed_lines(origin, bumped["pull_request"]["branch"])) == 4
    user.ask("pr", "merge", str(bumped["pull_request"]["number"]))
    for stack in user.ask("status")["stacks"]:
        found = {e["name"]: e["version"] for e in stack["environments"]}
        assert found["development"] == "12.4.1"
        assert found["production"] == "12.4.0"


def test_a_rollback_goes_to_what_ran_before(user: User) -> None:
    user.ask("bump", "example", "development", "12.4.1")
    user.ask("pr", "merge", "1")
    back = user.ask("rollback", "example", "development")
    assert [(c["before"], c["after"]) for c in back["changes"]] == [
        ("12.4.1", "12.4.0")
    ]
    user.ask("pr", "merge", "2")
    past = user.ask("history", "example")["history"]
    assert [p["version"] for p in past if p["environment"] == "development"] == [
        "12.4.0",
        "12.4.1",
        "12.4.0",
    ]


def test_a_dry_run_writes_nothing_anywhere(user: User, origin: Path) -> None:
    before = git(origin, "for-each-ref"), git(user.here, "status", "--porcelain")
    seen = user.ask("bump", "example", "development", "12.4.1", "--dry-run")
    assert seen["dry_run"] is True
    assert seen["pull_request"]["number"] is None
    assert "12.4.1" in seen["pull_request"]["title"]
    assert (
        git(origin, "for-each-ref"),
        git(user.here, "status", "--porcelain"),
    ) == before
    assert user.ask("pr", "list")["pull_requests"] == []


def test_a_closed_pull_request_is_a_no_until_somebody_asks_again(user: User) -> None:
    user.ask("bump", "example", "development", "12.4.1")
    assert user.ask("pr", "close", "1")["pull_request"]["state"] == "closed"
    assert versions(user)["development"] == "12.4.0"
    again = user.ask("bump", "example", "development", "12.4.1")
    assert again["pull_request"]["number"] == 2


def test_render_prints_what_kustomize_prints(user: User, kustomize: Path) -> None:
    import subprocess

    folder = "overlays/staging/example"
    verb = ["kustomize"] if kustomize.name.startswith("kubectl") else ["build"]
    plain = subprocess.run(
        [kustomize, *verb, folder], cwd=user.here, check=True, capture_output=True
    )
    assert user.run("render", "example", "staging").out == plain.stdout.decode()


def test_validate_finds_nothing_in_a_fresh_fleet(user: User) -> None:
    assert user.ask("validate") == {"findings": []}
    assert user.ask("validate", "example", "staging") == {"findings": []}


def test_diff_tells_two_environments_apart_with_exit_code_4(user: User) -> None:
    same = user.run("diff", "example", "staging", "--json")
    assert (same.code, same.json["diff"]) == (0, "")
    other = user.run("diff", "example", "staging", "production", "--json")
    assert other.code == 4
    assert "production" in other.json["diff"]


def test_a_hold_refuses_a_promotion_and_says_who_and_why(user: User) -> None:
    user.ask("bump", "example", "development", "12.4.1")
    user.ask("pr", "merge", "1")
    user.ask("hold", "example", "staging", "--reason", "audit week")
    error = user.refused("promote", "example", "--to", "staging")
    assert error["code"] == "held"
    assert "audit week" in error["message"]
    environments = user.ask("status")["stacks"][0]["environments"]
    assert environments[1]["hold"]["reason"] == "audit week"
    user.ask("release", "example", "staging")
    assert user.ask("promote", "example", "--to", "staging")["outcome"] == "proposed"


def test_a_paused_repository_takes_no_change(user: User, origin: Path) -> None:
    user.ask("pause")
    refs = git(origin, "for-each-ref")
    assert user.refused("bump", "example", "development", "12.4.1")["code"] == "held"
    assert git(origin, "for-each-ref") == refs
    user.ask("resume")
    user.ask("bump", "example", "development", "12.4.1")


def test_the_audit_trail_tells_what_was_done(user: User) -> None:
    user.ask("bump", "example", "development", "12.4.1")
    user.ask("pr", "merge", "1")
    assert user.ask("audit", "verify")["verified"] is True
    actions = [e["action"] for e in user.ask("audit", "export")["entries"]]
    assert actions == [
        "repository created",
        "pull request opened",
        "pull request merged",
    ]
