"""Repositories that people made themselves, and several beside each other."""

from __future__ import annotations

from tests.support.commands import User, git
from tests.support.places import fleet_files
from tests.support.trees import write_files


def test_a_repository_made_by_hand_gets_the_same_service(newcomer: User) -> None:
    folder = newcomer.here / "mine"
    folder.mkdir()
    write_files(folder, fleet_files("shop"))
    git(folder, "init", "-q", "--initial-branch=trunk")
    assert "committed" in newcomer.refused("repository", "add", "mine")["message"]
    write_files(
        folder, {"gitops.yaml": fleet_files()["gitops.yaml"].replace("main", "trunk")}
    )
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "-m", "mine")
    assert newcomer.ask("repository", "add", "mine")["repository"] == "mine"
    user = newcomer.at(folder)
    opened = user.ask("bump", "shop", "development", "12.4.1")
    assert opened["pull_request"]["base"] == "trunk"
    user.ask("pr", "merge", "1")
    assert (
        "newTag: 12.4.1  # what runs"
        in (folder / "overlays/development/shop/kustomization.yaml").read_text()
    )
    assert "origin" in newcomer.refused("repository", "add", "mine")["message"]


def test_two_repositories_of_one_name_live_beside_each_other(newcomer: User) -> None:
    names = [
        newcomer.ask("init", f"{parent}/fleet", "--environment", "production")[
            "repository"
        ]
        for parent in ("a", "b")
    ]
    assert names == ["fleet", "fleet-2"]
    listed = newcomer.ask("repository", "list")["repositories"]
    assert [entry["name"] for entry in listed] == names
    first, second = newcomer.at(newcomer.here / "a/fleet"), "fleet-2"
    first.ask("set", "example", "production", "LOG_LEVEL=debug")
    assert newcomer.ask("pr", "list", "--repo", second)["pull_requests"] == []
    assert len(newcomer.ask("pr", "list", "--repo", "fleet")["pull_requests"]) == 1


def test_a_folder_that_holds_something_is_left_as_it_is(newcomer: User) -> None:
    (newcomer.here / "note.txt").write_text("mine")
    error = newcomer.refused("init", ".")
    assert "empty" in error["message"]
    assert [p.name for p in newcomer.here.iterdir()] == ["note.txt"]
    assert not list(newcomer.data.glob("forge/*.git"))


def test_a_dry_run_of_init_writes_no_file(newcomer: User) -> None:
    seen = newcomer.ask("init", "fleet", "--dry-run")
    assert "gitops.yaml" in seen["files"]
    assert not (newcomer.here / "fleet").exists()
    assert newcomer.ask("repository", "list")["repositories"] == []


def test_generating_twice_gives_the_same_bytes(newcomer: User) -> None:
    for name in ("one", "two"):
        newcomer.ask("init", name, "--stack", "shop")
    trees = [
        git(newcomer.here / name, "rev-parse", "HEAD^{tree}") for name in ("one", "two")
    ]
    assert trees[0] == trees[1]
