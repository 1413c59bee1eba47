"""Everything that `init` can generate builds, and breaks no rule. Real kustomize."""

from __future__ import annotations

from itertools import product

import pytest

from gitops.model import Manifests, tree_of
from gitops.scaffold import (
    Cache,
    Database,
    Platform,
    SecretsChoice,
    Storage,
    read_options,
)
from gitops.schemas import NoSchema, load_schemas
from gitops.workflow import check_repository
from tests.base.rendering import build, renderer
from tests.golden.cases import CASES, generated

pytestmark = pytest.mark.kustomize

KUBERNETES = "1.33"
ALL = [
    pytest.param(
        {"database": d, "cache": c, "storage": s, "secrets": k}, id=f"{d}-{c}-{s}-{k}"
    )
    for d, c, s, k in product(Database, Cache, Storage, SecretsChoice)
]
PLATFORMS = [
    *(
        pytest.param({"platform": p, "storage": s}, id=f"{p}-{s}")
        for p, s in product(Platform, Storage)
    ),
    *(
        pytest.param(
            {"platform": p, "storage_class": "own", "ingress_class": "own"},
            id=f"{p}-classes",
        )
        for p in Platform
    ),
]


@pytest.mark.parametrize("choices", ALL + PLATFORMS)
def test_what_is_generated_builds_and_has_no_finding(choices: dict[str, str]) -> None:
    # One environment: the others differ in nothing but its name.
    options = read_options(environments=["production"], choices=choices)
    tree = tree_of(generated(options))
    schemas = load_schemas(KUBERNETES)
    assert check_repository(tree, renderer(), schemas) == ()
    found = build(tree, "overlays/production/example")
    assert problems(found) == []
    assert len(found.objects) >= 13


def problems(found: Manifests) -> list[str]:
    """Return what the official schemas, read strictly, say about built objects."""
    schemas = load_schemas(KUBERNETES)
    said = []
    for item in found.objects:
        verdict = schemas.problems(item)
        if not isinstance(verdict, NoSchema):
            said += [f"{item.kind} {item.name}: {each.message}" for each in verdict]
    return said


@pytest.mark.parametrize("name", sorted(CASES))
def test_every_golden_tree_builds_and_has_no_finding(name: str) -> None:
    tree = tree_of(generated(CASES[name]))
    assert check_repository(tree, renderer(), load_schemas(KUBERNETES)) == ()


@pytest.mark.parametrize("version", ["1.30", "1.37"])
def test_older_and_newer_clusters_know_every_object(version: str) -> None:
    tree = tree_of(generated(CASES["default"]))
    assert check_repository(tree, renderer(), load_schemas(version)) == ()


def test_an_engine_of_its_own_in_one_environment_is_found() -> None:
    files = dict(generated(CASES["default"]))
    path = "overlays/production/example/kustomization.yaml"
    files[path] = files[path].replace(b"postgres", b"mariadb")
    found = check_repository(tree_of(files), renderer(), load_schemas(KUBERNETES))
    assert [(f.rule, f.path) for f in found] == [
        ("engines-differ", "overlays/production/example")
    ]
