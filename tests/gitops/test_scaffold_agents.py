"""The generator of agents/: one fleet, two agents, the same names and rights."""

from __future__ import annotations

from typing import Any

import pytest
import yaml

from gitops.errors import InputError
from gitops.layout import shipped_tree, target
from gitops.model import Tree
from gitops.scaffold.agents import UNKNOWN_URL, agent_files
from gitops.scaffold.flux import prepare_name
from tests.agents.agentsim import applications, objects, of_kind
from tests.support.trees import tree

BASE = tree(
    {
        "base/kustomization.yaml": "kind: Kustomization\nresources: [all.yaml]\n",
        "base/all.yaml": "# a comment\n---\napiVersion: apps/v1\nkind: Deployment\n"
        "---\napiVersion: v1\nkind: PersistentVolumeClaim\n---\n"
        'apiVersion: "networking.k8s.io/v1"\nkind: "NetworkPolicy"\n',
        "base/scripts/migrate.mjs": "kind: Nothing\n",
        "base/components/external-secrets/e.yaml": "apiVersion: external-secrets.io/v1"
        "\nkind: ExternalSecret\n",
    }
)


def files(shipped: Tree = BASE, **changes: Any) -> dict[str, bytes]:
    """Generate for the example fleet, with some options changed."""
    options: dict[str, Any] = {
        "environments": ["development", "staging", "production"],
        "stacks": ["example"],
        "agent": "both",
        "secrets": "existing",
        "repository_url": UNKNOWN_URL,
        "branch": "main",
        "overlay_pattern": "overlays/{environment}/{stack}",
    }
    return agent_files(shipped, **(options | changes))


def project(generated: dict[str, bytes]) -> dict[str, Any]:
    """Return the spec of the AppProject."""
    (body,) = of_kind(objects(generated, "agents/argocd"), "AppProject")
    spec: dict[str, Any] = body["spec"]
    return spec


def roles(generated: dict[str, bytes]) -> dict[str, set[str]]:
    """Return resource -> verbs of the rights that Flux gets."""
    (role,) = of_kind(objects(generated, "agents/flux"), "ClusterRole")
    found: dict[str, set[str]] = {}
    for rule in role["rules"]:
        assert len(rule["apiGroups"]) == 1
        for resource in rule["resources"]:
            found.setdefault(resource, set()).update(rule["verbs"])
    return found


def test_the_shipped_wiring_is_what_the_generator_writes() -> None:
    shipped = shipped_tree()
    generated = files(shipped)
    assert {p: shipped.read(p) for p in shipped.paths_under("agents")} == generated


def test_generating_again_gives_the_same_bytes() -> None:
    assert files(stacks=["b", "a"]) == files(stacks=["a", "b"])


@pytest.mark.parametrize(
    ("agent", "folders"),
    [
        ("both", {"agents/argocd", "agents/flux"}),
        ("argocd", {"agents/argocd"}),
        ("flux", {"agents/flux"}),
        ("none", set()),
    ],
)
def test_only_the_chosen_agents_are_wired(agent: str, folders: set[str]) -> None:
    assert {"/".join(p.split("/")[:2]) for p in files(agent=agent)} == folders


@pytest.mark.parametrize(
    "change",
    [
        {"agent": "jenkins"},
        {"secrets": "vault"},
        {"branch": "-x"},
        {"stacks": ["../x"]},
        {"overlay_pattern": "overlays/{environment}"},
        {"overlay_pattern": "overlays/{stack}-{environment}"},
        {"overlay_pattern": "over*/{stack}/{environment}"},
        {"targets": [target("example", "elsewhere")]},
    ],
    ids=str,
)
def test_what_no_agent_can_use_is_refused(change: dict[str, Any]) -> None:
    with pytest.raises(InputError) as caught:
        files(**change)
    assert caught.value.hint or "elsewhere" in caught.value.message


@pytest.mark.parametrize(
    "url",
    [
        "https://user:hunter2hunter2@git.example.com/fleet.git",
        "https://ghp_hunter2hunter2@git.example.com/fleet.git",
        "/srv/git/fleet.git",
        "file:///srv/git/fleet.git",
        "ext::sh -c id",
        "--upload-pack=id",
        "https://git.example.com/fleet.git?ref=x",
        "https://git.example.com/../fleet.git",
        "https://git.example.com/fleet.git\nkind: Secret",
        "",
    ],
)
def test_an_address_that_is_unsafe_or_unreachable_is_refused(url: str) -> None:
    with pytest.raises(InputError) as caught:
        files(repository_url=url)
    assert "hunter2" not in caught.value.message + caught.value.hint


@pytest.mark.parametrize(
    ("url", "for_flux"),
    [
        ("https://git.example.com/a/b.git", "https://git.example.com/a/b.git"),
        ("http://forge:8080/git/b.git", "http://forge:8080/git/b.git"),
        ("ssh://git@example.com:22/a.git", "ssh://git@example.com:22/a.git"),
        ("git@example.com:a/b.git", "ssh://git@example.com/a/b.git"),
    ],
)
def test_each_agent_gets_the_address_in_a_form_that_it_knows(
    url: str, for_flux: str
) -> None:
    generated = files(repository_url=url)
    assert project(generated)["sourceRepos"] == [url]
    (source,) = of_kind(objects(generated, "agents/flux"), "GitRepository")
    assert source["spec"]["url"] == for_flux


def test_two_overlays_that_would_share_a_namespace_are_refused() -> None:
    with pytest.raises(InputError, match="a-b-c"):
        files(stacks=["a", "a-b"], environments=["b-c", "c"])


def test_names_that_yaml_would_misread_stay_texts() -> None:
    generated = files(stacks=["2024-01"], environments=["02"], branch="on")
    (destination,) = project(generated)["destinations"]
    assert destination["namespace"] == "2024-01-02"
    (source,) = of_kind(objects(generated, "agents/flux"), "GitRepository")
    assert source["spec"]["ref"] == {"branch": "on"}
    steps = of_kind(objects(generated, "agents/flux"), "Kustomization")
    assert [step["metadata"]["name"] for step in steps] == [
        "2024-01-02-prepare",
        "2024-01-02",
    ]
    assert steps[0]["metadata"]["labels"]["directus-gitops/environment"] == "02"


@pytest.mark.parametrize(
    ("pattern", "folder"),
    [
        ("overlays/{environment}/{stack}", "overlays/production/example"),
        ("deploy/{stack}/in/{environment}", "deploy/example/in/production"),
        ("clusters/env-{environment}/{stack}.d", "clusters/env-production/example.d"),
    ],
)
def test_argocd_reads_stack_and_environment_out_of_any_layout(
    pattern: str, folder: str
) -> None:
    generated = files(overlay_pattern=pattern)
    (found,) = of_kind(objects(generated, "agents/argocd"), "ApplicationSet")
    (made,) = applications(found, [f"{folder}/kustomization.yaml", "base/x.yaml"])
    assert made["metadata"]["name"] == "example-production"
    assert made["spec"]["source"]["path"] == folder
    assert made["spec"]["destination"]["namespace"] == "example-production"


def test_flux_fetches_the_folders_of_another_layout() -> None:
    generated = files(overlay_pattern="deploy/{stack}/in/{environment}")
    (source,) = of_kind(objects(generated, "agents/flux"), "GitRepository")
    assert source["spec"]["ignore"].split() == ["/*", "!/base*/", "!/deploy/"]


@pytest.mark.parametrize(
    ("secrets", "kind"),
    [
        ("external-secrets", "ExternalSecret"),
        ("sealed-secrets", "SealedSecret"),
        ("sops", "Secret"),
        ("existing", None),
    ],
)
def test_only_the_chosen_way_to_make_the_secret_is_allowed(
    secrets: str, kind: str | None
) -> None:
    generated = files(secrets=secrets)
    secret_kinds = {"ExternalSecret", "SealedSecret", "Secret"}
    allowed = {k["kind"] for k in project(generated)["namespaceResourceWhitelist"]}
    assert allowed & secret_kinds == ({kind} if kind else set())
    resources = {k for k in roles(generated) if "secret" in k}
    assert resources == ({f"{kind.lower()}s"} if kind else set())


def test_rights_are_those_kinds_that_base_makes() -> None:
    generated = files()
    allowed = {
        (k["group"], k["kind"])
        for k in project(generated)["namespaceResourceWhitelist"]
    }
    assert allowed == {
        ("", "ConfigMap"),
        ("", "PersistentVolumeClaim"),
        ("apps", "Deployment"),
        ("networking.k8s.io", "NetworkPolicy"),
    }
    assert project(generated)["clusterResourceWhitelist"] == [
        {"group": "", "kind": "Namespace"}
    ]
    changed = {name for name, verbs in roles(generated).items() if "patch" in verbs}
    assert changed == {
        "namespaces",
        "configmaps",
        "persistentvolumeclaims",
        "deployments",
        "networkpolicies",
    }


def test_flux_may_not_delete_what_holds_data() -> None:
    rights = roles(files())
    assert "delete" not in rights["namespaces"] | rights["persistentvolumeclaims"]
    assert "delete" in rights["deployments"]


def test_only_sops_brings_decryption() -> None:
    def traces(generated: dict[str, bytes]) -> set[str]:
        steps = of_kind(objects(generated, "agents/flux"), "Kustomization")
        (found,) = of_kind(objects(generated, "agents/argocd"), "ApplicationSet")
        source = found["spec"]["template"]["spec"]["source"]
        return {
            *(str(step["spec"].get("decryption")) for step in steps),
            str(source.get("plugin")),
        }

    assert traces(files()) == {"None"}
    with_sops = files(secrets="sops")
    assert traces(with_sops) == {
        "{'provider': 'sops', 'secretRef': {'name': 'sops-age'}}",
        "{'name': 'directus-gitops-sops'}",
    }
    (plugin,) = of_kind(objects(with_sops, "agents/argocd"), "ConfigMap")
    inner = yaml.safe_load(plugin["data"]["plugin.yaml"])
    assert inner["metadata"]["name"] == "directus-gitops-sops"
    assert "agents/argocd/sops-plugin.yaml" in with_sops
    listed = yaml.safe_load(with_sops["agents/argocd/kustomization.yaml"])
    assert "sops-plugin.yaml" in listed["resources"]


def test_overlays_that_do_not_exist_get_no_wiring() -> None:
    there = [target("a", "development"), target("b", "production")]
    generated = files(stacks=["a", "b"], targets=there)
    names = {d["namespace"] for d in project(generated)["destinations"]}
    assert names == {"a-development", "b-production"}
    assert "agents/flux/environments/staging/kustomization.yaml" not in generated


def test_a_fleet_without_overlays_allows_nothing() -> None:
    generated = files(stacks=[])
    assert project(generated)["destinations"] == []
    assert not of_kind(objects(generated, "agents/flux"), "Kustomization")


def test_the_name_of_the_first_step_fits_a_label_and_stays_distinct() -> None:
    assert prepare_name("a-b") == "a-b-prepare"
    long, other = prepare_name("a" * 62 + "b"), prepare_name("a" * 62 + "c")
    assert len(long) == len(other) == 63
    assert long != other
    assert long.endswith("-prepare")
    assert len(prepare_name("a" * 55)) == 63
