"""Each overlay, and each object of it, is reached exactly once by each agent."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from gitops.layout import namespace_of, shipped_tree, target
from gitops.scaffold.agents import UNKNOWN_URL, agent_files
from gitops.scaffold.secrets import secret_parts
from tests.agents.agentsim import (
    applications,
    build,
    flux_build,
    identity,
    objects,
    of_kind,
)
from tests.support.trees import write_files

ENVIRONMENTS = ("development", "staging", "production")
STACKS = ("acme", "beta", "example")
WAVE = "argocd.argoproj.io/sync-wave"


def fleet(agent: str = "both", **changes: Any) -> dict[str, bytes]:
    """Generate agents/ for a fleet of three stacks in three environments."""
    options: dict[str, Any] = {
        "environments": ENVIRONMENTS,
        "stacks": STACKS,
        "agent": agent,
        "secrets": "existing",
        "repository_url": UNKNOWN_URL,
        "branch": "main",
        "overlay_pattern": "overlays/{environment}/{stack}",
    }
    return agent_files(shipped_tree(), **(options | changes))


def overlay_paths() -> set[str]:
    """Return the folders of all overlays."""
    return {f"overlays/{env}/{stack}" for env in ENVIRONMENTS for stack in STACKS}


def paths_of_a_repository() -> list[str]:
    """Return its files, with some that are near an overlay but no overlay."""
    return [
        *(f"{folder}/kustomization.yaml" for folder in overlay_paths()),
        "overlays/README.md",
        "overlays/production/OWNERS",
        "overlays/production/example/patches/resources.yaml",
        "base/kustomization.yaml",
        "base/components/postgres/kustomization.yaml",
        ".github/workflows/check.yaml",
    ]


def test_argocd_makes_one_application_for_each_overlay() -> None:
    bodies = objects(fleet("argocd"), "agents/argocd")
    (found,) = of_kind(bodies, "ApplicationSet")
    made = applications(found, paths_of_a_repository())
    assert Counter(app["spec"]["source"]["path"] for app in made) == Counter(
        overlay_paths()
    )
    assert len({app["metadata"]["name"] for app in made}) == len(made)


def test_argocds_project_allows_each_application_its_own_namespace_only() -> None:
    bodies = objects(fleet("argocd"), "agents/argocd")
    (found,) = of_kind(bodies, "ApplicationSet")
    (project,) = of_kind(bodies, "AppProject")
    allowed = {(d["server"], d["namespace"]) for d in project["spec"]["destinations"]}
    wanted = {
        (app["spec"]["destination"]["server"], app["spec"]["destination"]["namespace"])
        for app in applications(found, paths_of_a_repository())
    }
    assert allowed == wanted
    names = {
        namespace_of(target(stack, env)) for env in ENVIRONMENTS for stack in STACKS
    }
    assert {namespace for _, namespace in allowed} == names


def test_every_application_syncs_by_itself_until_an_environment_is_named() -> None:
    (found,) = of_kind(objects(fleet(), "agents/argocd"), "ApplicationSet")
    made = applications(found, paths_of_a_repository())
    automated = {"prune": True, "selfHeal": True}
    assert all(a["spec"]["syncPolicy"]["automated"] == automated for a in made)
    assert all("retry" in a["spec"]["syncPolicy"] for a in made)
    patch = found["spec"]["templatePatch"]
    found["spec"]["templatePatch"] = patch.replace("list }}", 'list "production" }}')
    by_hand = {
        app["metadata"]["labels"]["directus-gitops/environment"]
        for app in applications(found, paths_of_a_repository())
        if "automated" not in app["spec"]["syncPolicy"]
    }
    assert by_hand == {"production"}


def test_flux_has_two_steps_for_each_overlay_and_the_second_waits() -> None:
    steps = of_kind(objects(fleet("flux"), "agents/flux"), "Kustomization")
    names = {step["metadata"]["name"] for step in steps}
    assert len(names) == len(steps)
    for path in overlay_paths():
        first, second = (s for s in steps if s["spec"]["path"] == f"./{path}")
        assert "dependsOn" not in first["spec"]
        assert second["spec"]["dependsOn"] == [{"name": first["metadata"]["name"]}]
        # Only then does Flux compare the revisions of the two.
        assert first["spec"]["sourceRef"] == second["spec"]["sourceRef"]
        assert first["spec"]["wait"] is True
    assert {s["spec"]["path"].removeprefix("./") for s in steps} == overlay_paths()


def test_flux_kustomizations_list_each_file_once() -> None:
    files = fleet("flux")

    def reached(folder: str) -> list[str]:
        found: list[str] = []
        for entry in yaml.safe_load(files[f"{folder}/kustomization.yaml"])["resources"]:
            path = f"{folder}/{entry}"
            found += [path] if path in files else reached(path)
        return found

    manifests = [path for path in files if not path.endswith("/kustomization.yaml")]
    assert sorted(reached("agents/flux")) == sorted(manifests)


def test_the_environments_do_not_wait_for_each_other() -> None:
    steps = of_kind(objects(fleet("flux"), "agents/flux"), "Kustomization")
    for step in steps:
        for dependency in step["spec"].get("dependsOn", []):
            assert dependency["name"].startswith(step["metadata"]["name"])


# --- each object, with the real kustomize ---

KINDS_OF_OVERLAYS = {
    "plain": ("postgres", "backup-postgres", "storage-volume", "ingress"),
    "large": (
        *("mariadb", "backup-mariadb", "redis", "storage-s3", "autoscaling"),
        *("network-policy", "ingress", "metrics", "platform-gke"),
    ),
    "external": ("external-database", "storage-volume-shared", "platform-eks"),
}


def overlay(components: tuple[str, ...], secrets: str = "existing") -> dict[str, bytes]:
    """Write a repository with one overlay of some components."""
    place = target("example", "production")
    parts = secret_parts(secrets, place)
    shipped = shipped_tree()
    folder = "overlays/production/example"
    files = {path: shipped.read(path) for path in shipped.paths_under("base")}
    for name in ("namespace.yaml", "config.env"):
        files[f"{folder}/{name}"] = shipped.read(f"{folder}/{name}")
    patches = yaml.safe_load(parts.patches) if parts.patches else []
    kustomization = {
        "apiVersion": "kustomize.config.k8s.io/v1beta1",
        "kind": "Kustomization",
        "namespace": "example-production",
        "resources": ["namespace.yaml", "../../../base", *parts.resources],
        "components": [
            f"../../../base/components/{name}"
            for name in (*components, *parts.components)
        ],
        "configMapGenerator": [
            {"name": "directus-env", "behavior": "merge", "envs": ["config.env"]}
        ],
        "images": [{"name": "directus/directus", "newTag": "12.4.1"}],
        "patches": patches,
    }
    files[f"{folder}/kustomization.yaml"] = yaml.safe_dump(kustomization).encode()
    return files | {f"{folder}/{name}": text for name, text in parts.files.items()}


def steps_of(
    kustomize: Path, files: Mapping[str, bytes], scratch: Path, secrets: str
) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Build both Flux steps of the overlay."""
    wired = fleet(environments=["production"], stacks=["example"], secrets=secrets)
    first, second = of_kind(objects(wired, "agents/flux"), "Kustomization")
    return (
        flux_build(kustomize, files, first, scratch / "first"),
        flux_build(kustomize, files, second, scratch / "second"),
    )


@pytest.mark.kustomize
@pytest.mark.parametrize("name", KINDS_OF_OVERLAYS)
def test_each_object_is_applied_by_exactly_one_flux_step(
    name: str, kustomize: Path, tmp_path: Path
) -> None:
    files = overlay(KINDS_OF_OVERLAYS[name])
    write_files(tmp_path / "whole", files)
    whole = build(kustomize, tmp_path / "whole/overlays/production/example")
    first, second = steps_of(kustomize, files, tmp_path, "existing")
    assert Counter(map(identity, [*first, *second])) == Counter(map(identity, whole))
    # The second step's objects are those of the whole overlay, hashed names included.
    by_name = {identity(body): body for body in whole}
    assert all(body == by_name[identity(body)] for body in second)
    kinds = {body["kind"] for body in second}
    assert {"Deployment", "Service", "PodDisruptionBudget"} <= kinds


@pytest.mark.kustomize
@pytest.mark.parametrize("name", KINDS_OF_OVERLAYS)
def test_what_the_migration_needs_is_there_before_it(
    name: str, kustomize: Path, tmp_path: Path
) -> None:
    first, second = steps_of(
        kustomize, overlay(KINDS_OF_OVERLAYS[name]), tmp_path, "existing"
    )
    names = {(body["kind"], body["metadata"]["name"]) for body in first}
    (job,) = of_kind(first, "Job")
    pod = job["spec"]["template"]["spec"]
    assert ("ServiceAccount", pod["serviceAccountName"]) in names
    for volume in pod["volumes"]:
        if "configMap" in volume:
            assert ("ConfigMap", volume["configMap"]["name"]) in names
        if claim := volume.get("persistentVolumeClaim"):
            assert ("PersistentVolumeClaim", claim["claimName"]) in names
    for container in [*pod["initContainers"], *pod["containers"]]:
        for source in container.get("envFrom", []):
            assert ("ConfigMap", source["configMapRef"]["name"]) in names
    assert ("Deployment", "directus") not in names
    assert ("Deployment", "directus") in {
        (body["kind"], body["metadata"]["name"]) for body in second
    }


@pytest.mark.kustomize
@pytest.mark.parametrize("name", KINDS_OF_OVERLAYS)
def test_a_claim_waits_with_the_pod_that_binds_it(
    name: str, kustomize: Path, tmp_path: Path
) -> None:
    """A volume that binds at its first pod would keep an earlier step waiting."""
    steps = steps_of(kustomize, overlay(KINDS_OF_OVERLAYS[name]), tmp_path, "existing")
    for bodies in steps:
        claims = {
            c["metadata"]["name"] for c in of_kind(bodies, "PersistentVolumeClaim")
        }
        used = {
            volume["persistentVolumeClaim"]["claimName"]
            for kind in ("Deployment", "StatefulSet", "Job")
            for body in of_kind(bodies, kind)
            for volume in body["spec"]["template"]["spec"].get("volumes", [])
            if "persistentVolumeClaim" in volume
        }
        assert claims <= used


@pytest.mark.kustomize
@pytest.mark.parametrize("name", KINDS_OF_OVERLAYS)
def test_old_configuration_stays_until_the_new_pods_are_up(
    name: str, kustomize: Path, tmp_path: Path
) -> None:
    first, second = steps_of(
        kustomize, overlay(KINDS_OF_OVERLAYS[name]), tmp_path, "existing"
    )
    kept = [
        body["metadata"]["annotations"]["kustomize.toolkit.fluxcd.io/prune"]
        for body in of_kind(first, "ConfigMap")
    ]
    assert kept
    assert set(kept) == {"disabled"}
    assert not of_kind(second, "ConfigMap")


@pytest.mark.kustomize
@pytest.mark.parametrize("name", KINDS_OF_OVERLAYS)
def test_every_rendered_kind_is_allowed_to_both_agents(
    name: str, kustomize: Path, tmp_path: Path
) -> None:
    write_files(tmp_path, overlay(KINDS_OF_OVERLAYS[name]))
    rendered = build(kustomize, tmp_path / "overlays/production/example")
    wired = fleet()
    (project,) = of_kind(objects(wired, "agents/argocd"), "AppProject")
    allowed = {
        (kind["group"], kind["kind"])
        for field in ("clusterResourceWhitelist", "namespaceResourceWhitelist")
        for kind in project["spec"][field]
    }
    assert {identity(body)[:2] for body in rendered} <= allowed
    (role,) = of_kind(objects(wired, "agents/flux"), "ClusterRole")
    granted = {r for rule in role["rules"] for r in rule["resources"]}
    plurals = {"Ingress": "ingresses", "NetworkPolicy": "networkpolicies"}
    for body in rendered:
        kind = body["kind"]
        assert plurals.get(kind, f"{kind.lower()}s") in granted


@pytest.mark.kustomize
@pytest.mark.parametrize(
    "secrets", ["existing", "external-secrets", "sealed-secrets", "sops"]
)
def test_an_overlay_builds_before_there_are_keys(
    secrets: str, kustomize: Path, tmp_path: Path
) -> None:
    files = overlay(("postgres", "storage-volume"), secrets)
    write_files(tmp_path, files)
    bodies = build(kustomize, tmp_path / "overlays/production/example")
    found = [body for body in bodies if "secret" in body["kind"].lower()]
    if secrets != "external-secrets":
        assert found == []
        return
    (body,) = found
    assert body["spec"]["dataFrom"][0]["extract"]["key"] == "example/production"
    assert body["spec"]["secretStoreRef"]["name"] == "directus"
    assert body["metadata"]["namespace"] == "example-production"


@pytest.mark.kustomize
@pytest.mark.parametrize("secrets", ["external-secrets", "sealed-secrets", "sops"])
def test_the_secret_comes_before_the_migration(
    secrets: str, kustomize: Path, tmp_path: Path
) -> None:
    files = overlay(("postgres", "storage-volume"), secrets)
    folder = "overlays/production/example"
    kind = {"sealed-secrets": "SealedSecret", "sops": "Secret"}.get(secrets, "")
    if kind:
        (name,) = secret_parts(secrets, target("example", "production")).files
        group = "v1" if kind == "Secret" else "bitnami.com/v1alpha1"
        files[f"{folder}/{name}"] = (
            f"apiVersion: {group}\nkind: {kind}\nmetadata:\n  name: directus-secrets\n"
        ).encode()
    first, second = steps_of(kustomize, files, tmp_path, secrets)
    (body,) = [body for body in first if "secret" in body["kind"].lower()]
    assert body["metadata"]["name"] == "directus-secrets"
    assert body["metadata"]["annotations"][WAVE] == "-5"
    assert not [body for body in second if "secret" in body["kind"].lower()]
