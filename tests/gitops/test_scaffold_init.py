"""A new repository, as `init` plans it."""

from __future__ import annotations

import json
import re

import pytest

from gitops.edit import edit
from gitops.errors import PlanError, TreeError
from gitops.fleet import read_fleet
from gitops.layout import GENERATED_FILE, shipped_tree
from gitops.model import (
    BaseScope,
    PlanKind,
    Revision,
    Tree,
    WriteFile,
    blob_id,
    tree_of,
)
from gitops.overlay import list_overlays
from gitops.scaffold import (
    Agent,
    Choices,
    Generated,
    Options,
    plan_init,
    read_generated,
    read_options,
    write_generated,
)
from gitops.validate import check_tree, scan_secrets
from tests.golden.cases import (
    CASES,
    FOLDER,
    MATRIX_FILE,
    combinations,
    generated,
    held,
    matrix,
)
from tests.support.trees import read_files


def repository(options: Options) -> Tree:
    return tree_of(generated(options))


# --- what is held ---


@pytest.mark.parametrize("name", sorted(CASES))
def test_the_generator_writes_the_golden_tree_byte_for_byte(name: str) -> None:
    assert held(CASES[name]) == read_files(FOLDER / name)


def test_every_golden_tree_has_its_case() -> None:
    assert {p.name for p in FOLDER.iterdir() if (p / "gitops.yaml").exists()} == set(
        CASES
    )


def test_each_of_the_288_combinations_is_generated_as_held() -> None:
    assert matrix().splitlines() == MATRIX_FILE.read_text().splitlines()
    assert len(set(combinations())) == 288


def test_the_shipped_overlays_are_what_the_defaults_give() -> None:
    shipped, made = shipped_tree(), repository(read_options())
    for folder in ("base", "overlays", "agents"):
        paths = list(shipped.paths_under(folder))
        assert paths == list(made.paths_under(folder))
        assert {p: shipped.read(p) for p in paths} == {p: made.read(p) for p in paths}


def test_a_plan_is_stable_and_sorted() -> None:
    plans = [
        plan_init(o, requested_by="me", release="1.2.3") for o in [read_options()] * 2
    ]
    assert plans[0] == plans[1]
    paths = [c.path for c in plans[0].changes if isinstance(c, WriteFile)]
    assert paths == sorted(set(paths))
    assert (plans[0].kind, plans[0].scope) == (PlanKind.INIT, BaseScope())
    assert plans[0].provenance.requested_by == "me"


# --- what the rest of the house reads in it ---


@pytest.mark.parametrize("name", sorted(CASES))
def test_the_fleet_file_says_what_was_asked_for(name: str) -> None:
    options = CASES[name]
    tree = repository(options)
    fleet = read_fleet(tree.read("gitops.yaml"))
    assert tuple(e.name for e in fleet.environments) == options.environments
    assert [e.after for e in fleet.environments] == [
        (),
        *((before,) for before in options.environments[:-1]),
    ]
    overlays = list_overlays(tree, fleet)
    assert {o.target for o in overlays} == set(options.targets)
    version, _, digest = options.directus_version.partition("@")
    revision = Revision(image="directus/directus", tag=version, digest=digest or None)
    for overlay in overlays:
        assert overlay.revision == revision
        assert (
            overlay.namespace == f"{overlay.target.stack}-{overlay.target.environment}"
        )
        host = options.host_of(overlay.target)
        assert overlay.config["PUBLIC_URL"] == f"https://{host}"


@pytest.mark.parametrize("name", sorted(CASES))
def test_no_rule_about_files_is_broken_and_nothing_looks_like_a_secret(
    name: str,
) -> None:
    tree = repository(CASES[name])
    assert check_tree(tree, read_fleet(tree.read("gitops.yaml"))) == ()
    plan = plan_init(CASES[name], requested_by="me", release="0")
    empty = tree_of({})
    fleet = read_fleet(tree.read("gitops.yaml"))
    assert scan_secrets(edit(empty, fleet, plan.changes)) == ()


def test_an_external_database_must_be_named_per_environment() -> None:
    tree = repository(CASES["external-shared-gke"])
    fleet = read_fleet(tree.read("gitops.yaml"))
    hosts = {o.config["DB_HOST"] for o in list_overlays(tree, fleet)}
    assert len(hosts) == 2


def test_no_agent_means_no_wiring() -> None:
    tree = repository(read_options(choices={"agent": Agent.NONE}))
    assert list(tree.paths_under("agents")) == []
    assert "agents/" not in tree.read("README.md").decode()


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("default", ["a default StorageClass", "class `nginx`", "never both"]),
        ("mariadb-redis-s3-eks", ["STORAGE_S3_KEY", "ACM", "`io2`", "`directus`"]),
        ("external-shared-gke", ["DB_PASSWORD", "ReadWriteMany", "sops-age"]),
        ("postgres-redis-kind", ["kubeseal", "kubectl apply -k overlays/local/exa"]),
        ("mariadb-shared-aks", ["azurefile-csi", "application routing"]),
        ("misread-names", ["class `1e3`", "STORAGE_S3_SECRET", "DB_PASSWORD"]),
    ],
)
def test_the_readme_says_what_is_left_to_do(name: str, words: list[str]) -> None:
    text = repository(CASES[name]).read("README.md").decode()
    assert [word for word in words if word not in text] == []
    assert "PUBLIC_URL" in text
    assert re.findall(r"\{\w+\}", text) == []


def test_the_readmes_first_commands_name_files_that_are_there() -> None:
    tree = repository(read_options(stack="acme", environments=("test", "live")))
    text = tree.read("README.md").decode()
    named = set(re.findall(r"(?:agents|overlays)/[a-z/-]+\.yaml", text))
    assert "overlays/test/acme/namespace.yaml" in named
    assert [path for path in named if path not in tree] == []
    for folder in re.findall(r"kubectl apply -k (\S+)", text):
        assert f"{folder}/kustomization.yaml" in tree


def test_the_namespace_is_made_before_the_secret_that_lives_in_it() -> None:
    text = repository(read_options()).read("README.md").decode()
    made = text.index("kubectl create -f overlays/development/example/namespace.yaml")
    assert made < text.index("secrets generate example development")


def test_an_address_that_is_known_is_not_asked_for() -> None:
    text = repository(CASES["mariadb-shared-aks"]).read("README.md").decode()
    assert "put the address" not in text
    assert "kubectl apply -k agents/flux" in text


def test_a_class_for_volumes_is_asked_for_where_there_are_volumes_only() -> None:
    options = read_options(
        choices={"database": "external", "storage": "volume", "storage_class": "fast"}
    )
    text = repository(options).read("overlays/staging/example/kustomization.yaml")
    assert text.count(b"value: fast") == 1
    assert b"StatefulSet" not in text


# --- the record ---


def test_the_record_names_every_file_with_the_blob_that_git_gives_it() -> None:
    files = generated(read_options())
    record = read_generated(tree_of(files))
    del files[GENERATED_FILE]
    assert record.files == {path: blob_id(content) for path, content in files.items()}
    assert record.release == "0"
    assert record.choices == read_options().choices


def test_the_record_is_text_that_diffs_well() -> None:
    text = generated(read_options())[GENERATED_FILE].decode()
    assert text == json.dumps(json.loads(text), indent=2, sort_keys=True) + "\n"
    assert write_generated(read_generated(repository(read_options()))) == text.encode()


def test_a_repository_without_a_record_was_not_generated() -> None:
    with pytest.raises(PlanError, match="not there") as refused:
        read_generated(tree_of({}))
    assert "init" in refused.value.hint


@pytest.mark.parametrize(
    "text",
    [
        b"",
        b"[]",
        b"{",
        b"\xff",
        b"{}",
        b'{"release": 1, "options": {}, "files": {}}',
        b'{"release": "1", "options": [], "files": {}}',
        b'{"release": "1", "options": {"database": "sqlite"}, "files": {}}',
        b'{"release": "1", "options": {"database": 1}, "files": {}}',
        b'{"release": "1", "options": {}, "files": {"a": null}}',
        b"[" * 100_000,
    ],
)
def test_a_broken_record_is_an_error_with_a_hint(text: bytes) -> None:
    with pytest.raises(TreeError) as refused:
        read_generated(tree_of({GENERATED_FILE: text}))
    assert refused.value.message.startswith(GENERATED_FILE)
    assert refused.value.hint


def test_options_that_a_later_release_added_have_their_defaults() -> None:
    record = Generated(release="1", choices=Choices(), files={})
    data = json.loads(write_generated(record))
    del data["options"]["platform"]
    tree = tree_of({GENERATED_FILE: json.dumps(data).encode()})
    assert read_generated(tree) == record
