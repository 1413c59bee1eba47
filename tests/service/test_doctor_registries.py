"""The doctor asks each registry for an image that runs, and misses none for a rule."""

from __future__ import annotations

from pathlib import Path

from gitops.git import BareRepository
from service.clock import utc_now
from service.doctor import Check, State
from service.doctor.registries import look
from service.settings import Settings
from tests.support.places import MAIN, NOON, commit_files, fleet_files
from tests.support.registry import single
from tests.support.registry_double import double, package
from tests.support.servers import reply

RULES = "updates: [{environment: development, source: npm}]\n"


def checks(
    folder: Path, *, image: str = "directus/directus", rules: str = "", toml: str = ""
) -> dict[str, Check]:
    """Look at a fleet that runs an image."""
    origin = BareRepository.create(folder / "forge" / "fleet.git", MAIN)
    files = {
        path: text.replace("    newTag:", f"    newName: {image}\n    newTag:")
        for path, text in fleet_files().items()
    }
    files["gitops.yaml"] += f"defaults: {{image: '{image}'}}\n{rules}"
    commit_files(origin, files, at=NOON)
    (folder / "service.toml").write_text(
        '[[repository]]\nname = "fleet"\n'
        f'[repository.networks]\nregistry = ["127.0.0.1"]\n{toml}'
    )
    return {check.name: check for check in look(Settings(data=folder), utc_now)}


def table(text: str) -> str:
    return f"[[repository.registry]]\n{text}\n"


def test_a_registry_that_has_what_runs_is_fine(tmp_path: Path) -> None:
    with double() as there:
        pushed = there.push("a/b", "12.4.0", single())
        toml = table(f'host = "{there.host}"\nurl = "{there.url}"')
        found = checks(tmp_path, image=f"{there.host}/a/b", toml=toml)
        (check,) = found.values()
        assert check.state is State.OK
        assert check.name == f"fleet/registry/{there.host}"
        assert pushed in check.message


def test_a_registry_that_cannot_be_read_is_a_problem(tmp_path: Path) -> None:
    with double() as there:
        there.instead = lambda _request: reply("", status=401)
        toml = table(f'host = "{there.host}"\nurl = "{there.url}"')
        found = checks(tmp_path, image=f"{there.host}/a/b", toml=toml)
        (check,) = found.values()
        assert check.state is State.PROBLEM
        assert "docs/registries.md" in check.hint


def test_what_runs_and_is_not_there_is_a_warning(tmp_path: Path) -> None:
    with double() as there:
        there.push("a/b", "12.5.0", single())
        toml = table(f'host = "{there.host}"\nurl = "{there.url}"')
        toml += table('host = "registry.example.com"')
        found = checks(tmp_path, image=f"{there.host}/a/b", toml=toml)
        states = {name: check.state for name, check in found.items()}
        assert states == {
            f"fleet/registry/{there.host}": State.WARNING,
            "fleet/registry/registry.example.com": State.WARNING,
        }


def test_npm_tells_how_many_releases_it_has(tmp_path: Path) -> None:
    with double() as there:
        there.instead = lambda _request: package({"12.5.0": ("", None)})
        toml = table(f'kind = "npm"\nurl = "{there.url}"')
        found = checks(tmp_path, toml=toml)
        assert found["fleet/registry/npm"].message == "1 releases"


def test_a_rule_of_updates_without_anybody_to_ask_is_a_warning(tmp_path: Path) -> None:
    (check,) = checks(tmp_path, rules=RULES).values()
    assert (check.name, check.state) == ("fleet/updates", State.WARNING)
    assert check.message.endswith("nobody is set up to ask of: docker.io, npm")


def test_without_registries_and_rules_there_is_nothing_to_say(tmp_path: Path) -> None:
    assert checks(tmp_path) == {}
