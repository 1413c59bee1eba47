"""What ships, and what `init` makes of it, breaks no rule: not even a small one."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Final

import pytest

from gitops.fleet import read_fleet
from gitops.layout import FLEET_FILE, overlay_folders, shipped_tree
from gitops.model import Finding, Tree, WriteFile, tree_of
from gitops.render import Renderer
from gitops.scaffold import plan_init, read_options
from gitops.schemas import DEFAULT_VERSION, available_versions, load_schemas
from gitops.toolchain import find_kustomize
from gitops.validate import check_files, check_manifests, check_tree
from tests.support.overlays import fleet

pytestmark = pytest.mark.kustomize

# Each value of each option once, in combinations that differ as much as they can.
CHOICES: Final[dict[str, dict[str, str]]] = {
    "as it comes": {},
    "mariadb, redis": {"database": "mariadb", "cache": "redis"},
    "external, s3": {"database": "external", "storage": "s3"},
    "shared volume": {"storage": "volume-shared", "cache": "redis"},
    "kind, sops": {"platform": "kind", "secrets": "sops", "database": "mariadb"},
    "eks, external secrets": {
        "platform": "eks",
        "secrets": "external-secrets",
        "storage": "s3",
        "cache": "redis",
        "storage_class": "fast",
    },
    "gke, sealed secrets": {
        "platform": "gke",
        "secrets": "sealed-secrets",
        "storage": "volume-shared",
    },
    "aks, own classes": {
        "platform": "aks",
        "storage_class": "fast",
        "ingress_class": "mine",
        "agent": "none",
    },
    "gke, own class": {"platform": "gke", "ingress_class": "mine", "agent": "flux"},
    "argocd": {"agent": "argocd", "secrets": "sops"},
}


@pytest.fixture(scope="module")
def renderer(kustomize: Path, tmp_path_factory: pytest.TempPathFactory) -> Renderer:
    tool = find_kustomize(kustomize, "", Path("/nonexistent"))
    return Renderer(tool, tmp_path_factory.mktemp("scratch"))


def generated(choices: Mapping[str, str]) -> Tree:
    options = read_options(stack="cms", environments=["production"], choices=choices)
    plan = plan_init(options, requested_by="test", release="0.0.0")
    return tree_of(
        {c.path: c.content for c in plan.changes if isinstance(c, WriteFile)}
    )


def told(findings: tuple[Finding, ...]) -> list[str]:
    return [f"{f.severity} {f.rule} {f.path}:{f.line}: {f.message}" for f in findings]


@pytest.mark.parametrize("choice", CHOICES)
def test_what_init_makes_has_no_finding(choice: str, renderer: Renderer) -> None:
    tree = generated(CHOICES[choice])
    fleet_of = read_fleet(tree.read(FLEET_FILE))
    assert told(check_tree(tree, fleet_of)) == []
    (folder,) = overlay_folders(tree, fleet_of.overlay_pattern)
    rendered = renderer.render(tree, [folder])[folder]
    assert len(rendered.objects) > 10
    assert told(check_manifests(rendered, load_schemas())) == []
    agents = [path for path in tree.paths_under("agents") if path.endswith(".yaml")]
    assert told(check_files(tree, agents, load_schemas())) == []


def test_the_example_that_ships_has_no_finding(renderer: Renderer) -> None:
    tree, pattern = shipped_tree(), fleet().overlay_pattern
    folders = overlay_folders(tree, pattern)
    assert folders
    for rendered in renderer.render(tree, folders).values():
        assert told(check_manifests(rendered, load_schemas())) == []


@pytest.mark.parametrize(
    "version",
    ["1.30", DEFAULT_VERSION, available_versions()[-1]],  # the base needs 1.30
)
def test_what_ships_fits_every_supported_version(
    version: str, renderer: Renderer
) -> None:
    tree = generated({"database": "mariadb", "cache": "redis"})
    folder = "overlays/production/cms"
    rendered = renderer.render(tree, [folder])[folder]
    assert told(check_manifests(rendered, load_schemas(version))) == []
