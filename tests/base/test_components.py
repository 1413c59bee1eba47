"""base/ and its components, as kustomize builds them."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest

from gitops.layout import shipped_tree
from gitops.model import Manifests
from gitops.schemas import NoSchema, load_schemas
from gitops.validate import check_manifests
from service.secrets import known_keys
from tests.base.rendering import (
    build,
    built_from,
    built_with,
    components,
    container,
    containers,
    environment,
    one,
    pod_specs,
)

pytestmark = pytest.mark.kustomize

KUBERNETES = "1.33"
# What must be there for a component to make sense.
NEEDS = {
    "autoscaling": ("postgres", "redis", "storage-s3"),
    "backup-mariadb": ("mariadb",),
    "backup-postgres": ("postgres",),
    "extensions": ("storage-s3",),
    "platform-aks": ("postgres", "storage-volume-shared", "ingress"),
    "platform-eks": ("postgres", "storage-volume-shared", "ingress"),
    "platform-gke": ("postgres", "storage-volume-shared", "ingress"),
    "platform-kind": ("postgres", "storage-volume-shared", "ingress"),
}
CUSTOM_RESOURCES = {
    "BackendConfig",
    "ExternalSecret",
    "FrontendConfig",
    "ServiceMonitor",
}
EVERYTHING = (
    "postgres",
    "backup-postgres",
    "redis",
    "storage-s3",
    "ingress",
    "network-policy",
    "metrics",
    "autoscaling",
    "extensions",
)


@pytest.fixture(scope="module")
def everything() -> Manifests:
    return built_with(*EVERYTHING)


@pytest.fixture(scope="module")
def mariadb() -> Manifests:
    return built_with("mariadb", "backup-mariadb", "storage-volume")


def with_needs(name: str) -> tuple[str, ...]:
    needed = NEEDS.get(name, () if name in ("mariadb", "external-database") else None)
    return (
        *(("postgres",) if needed is None and name != "postgres" else needed or ()),
        name,
    )


@pytest.mark.parametrize("name", components())
def test_every_component_builds_to_objects_that_kubernetes_knows(name: str) -> None:
    schemas = load_schemas(KUBERNETES)
    found = built_with(*with_needs(name))
    for item in found.objects:
        problems = schemas.problems(item)
        if isinstance(problems, NoSchema):
            assert item.kind in CUSTOM_RESOURCES
        else:
            assert problems == (), f"{item.kind} {item.name}"


@pytest.mark.parametrize("name", components())
def test_every_component_changes_what_is_built(name: str) -> None:
    without = built_with(*with_needs(name)[:-1])
    encrypted = name in ("sops", "sealed-secrets")  # they await a file of the overlay
    assert (built_with(*with_needs(name)).text == without.text) == encrypted


def test_base_alone_builds_and_its_image_cannot_be_pulled_by_mistake() -> None:
    found = build(shipped_tree(), "base")
    images = {c["image"] for _, c in containers(found.objects)}
    assert images == {"directus/directus:set-by-overlay"}


def test_everything_together_breaks_no_rule(
    everything: Manifests, mariadb: Manifests
) -> None:
    schemas = load_schemas(KUBERNETES)
    assert check_manifests(everything, schemas) == ()
    assert check_manifests(mariadb, schemas) == ()


# --- configuration ---


def test_config_env_wins_over_base_and_over_components() -> None:
    found = built_with(
        "postgres", "redis", config="CACHE_TTL=1h\nLOG_LEVEL=debug\nDB_USER=me\n"
    )
    for which, kind, name in (
        ("directus", "Deployment", "directus"),
        ("wait-for-migrations", "Deployment", "directus"),
        ("directus", "Job", "directus-migrate"),
    ):
        values = environment(found, container(found, kind, name, which))
        assert values["CACHE_TTL"] == "1h"
        assert values["LOG_LEVEL"] == "debug"
        assert values["DB_USER"] == "me"
        assert values["REDIS_HOST"] == "directus-redis"


def test_the_ingress_takes_its_host_from_public_url() -> None:
    ingress = one(built_with("postgres", "ingress"), "Ingress", "directus")
    assert ingress["spec"]["rules"][0]["host"] == "cms.example.com"
    assert ingress["spec"]["tls"] == [
        {"hosts": ["cms.example.com"], "secretName": "directus-tls"}
    ]


def test_no_database_means_no_silent_sqlite() -> None:
    found = built_with()
    values = environment(found, container(found, "Deployment", "directus", "directus"))
    assert "DB_CLIENT" not in values
    first = one(found, "Deployment", "directus")["spec"]["template"]["spec"]
    assert first["initContainers"][0]["command"] == ["node", "/scripts/wait-for-db.mjs"]


def test_redis_is_named_by_host_and_port_and_never_by_a_url(
    everything: Manifests,
) -> None:
    values = environment(
        everything, container(everything, "Deployment", "directus", "directus")
    )
    assert "REDIS" not in values
    assert values["REDIS_HOST"] == "directus-redis"
    assert values["REDIS_PORT"] == "6379"
    assert values["REDIS_MAX_RETRIES_PER_REQUEST"] == "null"


# --- secrets ---


def test_no_secret_is_in_any_file_and_each_is_a_reference_to_one_object(
    everything: Manifests, mariadb: Manifests
) -> None:
    for found in (everything, mariadb):
        assert not [o for o in found.objects if o.kind == "Secret"]
        for owner, each in containers(found.objects):
            for entry in each.get("env", ()):
                if re.search("PASSWORD|SECRET|TOKEN|KEY|AUTH|PWD", entry["name"]):
                    reference = entry["valueFrom"]["secretKeyRef"]
                    assert reference["name"] == "directus-secrets", owner


def test_the_administrators_keys_reach_the_migration_and_not_the_server(
    everything: Manifests,
) -> None:
    server = container(everything, "Deployment", "directus", "directus")
    job = container(everything, "Job", "directus-migrate", "directus")
    keys = {"ADMIN_EMAIL", "ADMIN_PASSWORD", "ADMIN_TOKEN"}
    assert not keys & set(environment(everything, server))
    assert keys <= set(environment(everything, job))


def test_no_password_is_on_a_command_line(
    everything: Manifests, mariadb: Manifests
) -> None:
    for found in (everything, mariadb):
        for owner, each in containers(found.objects):
            words = [*each.get("command", ()), *each.get("args", ())]
            assert not [w for w in words if "PASSWORD" in w or "TOKEN" in w], owner


def test_every_key_that_is_referred_to_is_known_to_the_key_maker() -> None:
    text = "".join(
        shipped_tree().read(path).decode()
        for path in shipped_tree().paths_under("base")
    )
    referred = set(re.findall(r"(?:name: directus-secrets, )key: ([A-Z0-9_]+)", text))
    assert referred == {spec.name for spec in known_keys()}


# --- pods ---


def test_every_container_runs_restricted(
    everything: Manifests, mariadb: Manifests
) -> None:
    for found in (everything, mariadb):
        for owner, template in pod_specs(found.objects):
            pod = template["spec"]["securityContext"]
            assert pod["runAsNonRoot"] is True, owner
            assert isinstance(pod["runAsUser"], int), owner
            assert pod["seccompProfile"] == {"type": "RuntimeDefault"}, owner
        for owner, each in containers(found.objects):
            assert each["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }, owner
            assert each["resources"]["requests"].keys() == {"cpu", "memory"}, owner
            assert each["resources"]["limits"].keys() == {"memory"}, owner


def test_no_pod_gets_service_links_or_a_token(
    everything: Manifests, mariadb: Manifests
) -> None:
    for found in (everything, mariadb):
        for owner, template in pod_specs(found.objects):
            assert template["spec"]["enableServiceLinks"] is False, owner
            assert template["spec"]["automountServiceAccountToken"] is False, owner


def test_every_image_is_pinned_and_a_database_and_its_dump_are_of_one_version(
    everything: Manifests, mariadb: Manifests
) -> None:
    for found in (everything, mariadb):
        tags: dict[str, set[str]] = {}
        for _, each in containers(found.objects):
            image, _, tag = each["image"].partition(":")
            assert re.match("[0-9]+[.][0-9]+", tag), each["image"]
            tags.setdefault(image, set()).add(tag)
        assert all(len(versions) == 1 for versions in tags.values()), tags


def test_directus_keeps_its_own_entrypoint_which_alone_ends_on_sigterm(
    everything: Manifests,
) -> None:
    server = container(everything, "Deployment", "directus", "directus")
    assert "command" not in server
    assert "args" not in server


def test_the_probes_leave_room_for_a_migration_and_readiness_reads_the_database(
    everything: Manifests,
) -> None:
    server = container(everything, "Deployment", "directus", "directus")
    startup, liveness = server["startupProbe"], server["livenessProbe"]
    assert startup["periodSeconds"] * startup["failureThreshold"] >= 600
    assert startup["httpGet"]["path"] == liveness["httpGet"]["path"] == "/server/ping"
    assert liveness["failureThreshold"] >= 6
    readiness = server["readinessProbe"]["httpGet"]
    assert readiness["path"] == "/server/info"
    assert readiness["httpHeaders"] == [{"name": "Cache-Control", "value": "no-store"}]
    assert environment(everything, server)["CACHE_SKIP_ALLOWED"] == "true"


def test_a_pod_has_time_to_finish_its_requests(everything: Manifests) -> None:
    server = container(everything, "Deployment", "directus", "directus")
    values = environment(everything, server)
    pod = one(everything, "Deployment", "directus")["spec"]["template"]["spec"]
    sleep = server["lifecycle"]["preStop"]["sleep"]["seconds"]
    shutdown = int(values["SERVER_SHUTDOWN_TIMEOUT"]) / 1000
    kill = int(values["PM2_KILL_TIMEOUT"]) / 1000
    assert shutdown < kill
    assert sleep + kill < pod["terminationGracePeriodSeconds"]


def test_every_writable_path_is_on_a_volume(everything: Manifests) -> None:
    server = container(everything, "Deployment", "directus", "directus")
    values = environment(everything, server)
    mounts = {m["mountPath"] for m in server["volumeMounts"] if not m.get("readOnly")}
    for name in ("HOME", "TEMP_PATH", "PM2_HOME"):
        assert any(f"{values[name]}/".startswith(f"{m}/") for m in mounts), name


# --- what runs beside it ---


def test_the_service_reaches_servers_and_no_job(everything: Manifests) -> None:
    selector = one(everything, "Service", "directus")["spec"]["selector"].items()
    reached = {
        owner
        for owner, template in pod_specs(everything.objects)
        if selector <= template["metadata"]["labels"].items()
    }
    assert reached == {"Deployment directus"}


@pytest.mark.parametrize("database", ["postgres", "mariadb"])
def test_a_database_keeps_its_data_when_the_agent_or_the_set_goes(
    database: str,
) -> None:
    found = built_with(database)
    body = one(found, "StatefulSet", f"directus-{database}")
    assert body["spec"]["persistentVolumeClaimRetentionPolicy"] == {
        "whenDeleted": "Retain",
        "whenScaled": "Retain",
    }
    assert keeps(body)
    each = body["spec"]["template"]["spec"]["containers"][0]
    assert [m for m in each["volumeMounts"] if m["name"] == "data"]
    assert not [m for m in each["volumeMounts"] if "subPath" in m]
    service = one(found, "Service", body["spec"]["serviceName"])
    assert service["spec"]["clusterIP"] == "None"


def keeps(body: Any) -> bool:
    """Whether both agents are told never to delete the object."""
    notes = body["metadata"]["annotations"]
    return (
        notes["argocd.argoproj.io/sync-options"],
        notes["kustomize.toolkit.fluxcd.io/prune"],
    ) == ("Prune=false,Delete=false", "disabled")


def test_every_claim_is_kept(everything: Manifests, mariadb: Manifests) -> None:
    claims = [
        o.body
        for found in (everything, mariadb, built_with("storage-volume-shared"))
        for o in found.objects
        if o.kind == "PersistentVolumeClaim"
    ]
    assert len(claims) == 4
    assert all(keeps(claim) for claim in claims)


def test_postgres_gives_directus_a_role_that_is_no_superuser() -> None:
    found = built_with("postgres")
    values = environment(
        found, container(found, "StatefulSet", "directus-postgres", "postgres")
    )
    assert values["POSTGRES_PASSWORD"].endswith("/DB_ROOT_PASSWORD>")
    assert "POSTGRES_USER" not in values
    script = one(found, "ConfigMap", "directus-postgres-init")["data"]["directus.sql"]
    assert "CREATE ROLE directus LOGIN PASSWORD :'password'" in script


def test_an_upload_volume_of_one_node_is_never_mounted_by_two_pods() -> None:
    alone = one(built_with("storage-volume"), "Deployment", "directus")["spec"]
    assert alone["strategy"] == {"type": "Recreate"}
    shared = one(built_with("storage-volume-shared"), "Deployment", "directus")["spec"]
    assert shared["strategy"]["rollingUpdate"] == {"maxSurge": 1, "maxUnavailable": 0}


def test_the_autoscaler_owns_the_replica_count(everything: Manifests) -> None:
    assert "replicas" not in one(everything, "Deployment", "directus")["spec"]


def test_a_drain_is_never_blocked(everything: Manifests) -> None:
    budget = one(everything, "PodDisruptionBudget", "directus")["spec"]
    assert budget["maxUnavailable"] == 1
    assert budget["unhealthyPodEvictionPolicy"] == "AlwaysAllow"


# --- the migration ---


def wave(body: Any) -> int:
    notes = body["metadata"].get("annotations", {})
    return int(notes.get("argocd.argoproj.io/sync-wave", "0"))


def test_the_migration_comes_after_what_it_needs_and_before_the_pods(
    everything: Manifests,
) -> None:
    job = wave(one(everything, "Job", "directus-migrate"))
    assert job < wave(one(everything, "Deployment", "directus"))
    for kind, name in (
        ("StatefulSet", "directus-postgres"),
        ("Deployment", "directus-redis"),
        ("ServiceAccount", "directus"),
        ("ConfigMap", "directus-defaults"),
        ("ConfigMap", "directus-env"),
        ("ConfigMap", "directus-scripts"),
        ("ConfigMap", "directus-backup"),
    ):
        assert wave(one(everything, kind, name)) < job, name


def test_a_claim_that_the_migration_mounts_is_in_its_wave(
    everything: Manifests,
) -> None:
    claim = one(everything, "PersistentVolumeClaim", "directus-backup")
    assert wave(claim) == wave(one(everything, "Job", "directus-migrate"))


def test_the_migration_is_made_anew_by_both_agents(everything: Manifests) -> None:
    notes = one(everything, "Job", "directus-migrate")["metadata"]["annotations"]
    assert notes["argocd.argoproj.io/hook"] == "Sync"
    assert notes["argocd.argoproj.io/hook-delete-policy"] == "BeforeHookCreation"
    assert notes["kustomize.toolkit.fluxcd.io/force"] == "enabled"


@pytest.mark.parametrize("database", ["postgres", "mariadb"])
def test_the_database_is_dumped_between_looking_and_migrating(database: str) -> None:
    found = built_with(database, f"backup-{database}")
    job = one(found, "Job", "directus-migrate")["spec"]["template"]["spec"]
    assert [c["name"] for c in job["initContainers"]] == [
        "wait-for-db",
        "list-migrations",
        "backup",
    ]
    dump = container(found, "Job", "directus-migrate", "backup")
    assert dump["image"].partition(":")[0] == database
    nightly = one(found, "CronJob", "directus-backup")["spec"]["jobTemplate"]["spec"]
    users = {
        (s["securityContext"]["runAsUser"], s["securityContext"]["fsGroup"])
        for s in (job, nightly["template"]["spec"])
    }
    assert len(users) == 1  # both write into one folder


def test_pods_wait_for_the_migration(everything: Manifests) -> None:
    pod = one(everything, "Deployment", "directus")["spec"]["template"]["spec"]
    assert [c["command"] for c in pod["initContainers"]] == [
        ["node", "/scripts/wait-for-db.mjs"],
        ["node", "/scripts/wait-for-migrations.mjs"],
    ]


def test_a_migration_is_let_finish_whatever_happens_to_its_node(
    everything: Manifests,
) -> None:
    job = one(everything, "Job", "directus-migrate")["spec"]
    assert job["podReplacementPolicy"] == "Failed"  # never two of them
    assert job["template"]["spec"]["terminationGracePeriodSeconds"] >= 3600
    assert job["template"]["metadata"]["annotations"] == {
        "cluster-autoscaler.kubernetes.io/safe-to-evict": "false",
        "karpenter.sh/do-not-disrupt": "true",
    }


# --- the network ---


def test_a_certificate_can_be_had_behind_the_default_deny(
    everything: Manifests,
) -> None:
    policy = one(everything, "NetworkPolicy", "directus-certificate")["spec"]
    solver = {"acme.cert-manager.io/http01-solver": "true"}
    assert policy["podSelector"] == {"matchLabels": solver}
    assert policy["ingress"] == [{"ports": [{"protocol": "TCP", "port": 8089}]}]


def test_nothing_but_its_clients_reaches_a_database_or_the_cache(
    everything: Manifests,
) -> None:
    assert one(everything, "NetworkPolicy", "directus-default-deny")["spec"] == {
        "podSelector": {},
        "policyTypes": ["Ingress", "Egress"],
    }
    for name, clients in (
        ("directus-database", ["server", "migrate", "backup"]),
        ("directus-cache", ["server", "migrate"]),
    ):
        (rule,) = one(everything, "NetworkPolicy", name)["spec"]["ingress"]
        (peer,) = rule["from"]
        (expression,) = peer["podSelector"]["matchExpressions"]
        assert expression["values"] == clients


def test_servers_reach_the_licence_server_and_no_private_network(
    everything: Manifests,
) -> None:
    rules = one(everything, "NetworkPolicy", "directus-server")["spec"]["egress"]
    (world,) = [
        rule for rule in rules if any("ipBlock" in p for p in rule.get("to", ()))
    ]
    assert 443 in {port["port"] for port in world["ports"]}
    assert {"10.0.0.0/8", "169.254.0.0/16", "192.168.0.0/16"} <= set(
        world["to"][0]["ipBlock"]["except"]
    )


# --- platforms ---


@pytest.mark.parametrize(
    ("platform", "block", "shared", "ingress"),
    [
        ("generic", None, None, "nginx"),
        ("kind", None, None, "nginx"),
        ("eks", "gp3", "efs-sc", "alb"),
        ("gke", "standard-rwo", "standard-rwx", None),
        ("aks", "managed-csi", "azurefile-csi", "webapprouting.kubernetes.azure.com"),
    ],
)
def test_a_platform_brings_its_classes(
    platform: str, block: str | None, shared: str | None, ingress: str | None
) -> None:
    found = built_from(platform=platform, storage="volume-shared")
    database = one(found, "StatefulSet", "directus-postgres")["spec"]
    (claim,) = database["volumeClaimTemplates"]
    uploads = one(found, "PersistentVolumeClaim", "directus-uploads-shared")
    backup = one(found, "PersistentVolumeClaim", "directus-backup")
    assert claim["spec"].get("storageClassName") == block
    assert backup["spec"].get("storageClassName") == block
    assert uploads["spec"].get("storageClassName") == shared
    rules = one(found, "Ingress", "directus")
    assert rules["spec"].get("ingressClassName") == ingress


def test_gke_asks_for_its_ingress_by_annotation_unless_a_class_is_given() -> None:
    usual = one(built_from(platform="gke"), "Ingress", "directus")
    notes = usual["metadata"]["annotations"]
    assert notes["kubernetes.io/ingress.class"] == "gce"
    given = one(built_from(platform="gke", ingress_class="own"), "Ingress", "directus")
    assert "kubernetes.io/ingress.class" not in given["metadata"].get("annotations", {})
    assert given["spec"]["ingressClassName"] == "own"


@pytest.mark.parametrize("platform", ["generic", "kind", "eks", "gke", "aks"])
def test_no_ingress_cuts_off_a_large_upload(platform: str) -> None:
    # On any platform: each can be told to use nginx.
    found = built_from(platform=platform, ingress_class="nginx")
    notes = one(found, "Ingress", "directus")["metadata"]["annotations"]
    assert notes["nginx.ingress.kubernetes.io/proxy-body-size"] == "0"


@pytest.mark.parametrize("platform", ["eks", "gke"])
def test_a_pod_behind_a_slow_load_balancer_serves_on_and_still_has_time(
    platform: str,
) -> None:
    found = built_from(platform=platform)
    pod = one(found, "Deployment", "directus")["spec"]["template"]["spec"]
    server = container(found, "Deployment", "directus", "directus")
    sleep = server["lifecycle"]["preStop"]["sleep"]["seconds"]
    kill = int(environment(found, server)["PM2_KILL_TIMEOUT"]) / 1000
    assert sleep >= 20
    assert sleep + kill < pod["terminationGracePeriodSeconds"]


def test_gke_sends_plain_http_to_https() -> None:
    found = built_from(platform="gke")
    notes = one(found, "Ingress", "directus")["metadata"]["annotations"]
    name = notes["networking.gke.io/v1beta1.FrontendConfig"]
    assert one(found, "FrontendConfig", name)["spec"] == {
        "redirectToHttps": {"enabled": True}
    }


def test_eks_counts_a_pod_as_ready_when_its_load_balancer_has_it() -> None:
    found = built_from(platform="eks")
    labels = one(found, "Namespace", "example-test")["metadata"]["labels"]
    assert labels["elbv2.k8s.aws/pod-readiness-gate-inject"] == "enabled"
    assert labels["pod-security.kubernetes.io/enforce"] == "restricted"


@pytest.mark.parametrize("platform", ["generic", "kind", "eks", "gke", "aks"])
def test_a_class_given_by_name_is_that_of_every_claim(platform: str) -> None:
    found = built_from(
        platform=platform, storage="volume", storage_class="own", ingress_class="mine"
    )
    database = one(found, "StatefulSet", "directus-postgres")["spec"]
    claims = [
        database["volumeClaimTemplates"][0],
        one(found, "PersistentVolumeClaim", "directus-uploads"),
        one(found, "PersistentVolumeClaim", "directus-backup"),
    ]
    assert [claim["spec"]["storageClassName"] for claim in claims] == ["own"] * 3
    assert one(found, "Ingress", "directus")["spec"]["ingressClassName"] == "mine"


# --- documentation ---

DOCS = Path(__file__).resolve().parent.parent.parent / "docs"


def rows(page: str, heading: str) -> list[list[str]]:
    """Return the cells of the first table below a heading."""
    text = (DOCS / page).read_text().partition(f"## {heading}\n")[2]
    lines = [line for line in text.partition("\n## ")[0].splitlines() if line]
    table = [line.strip("| ").split(" | ") for line in lines if line.startswith("|")]
    return table[2:]


def test_the_documented_keys_are_those_that_are_referred_to_and_by_whom() -> None:
    documented = {
        key.strip("`"): needed for key, needed, _ in rows("secrets.md", "Keys")
    }
    assert documented.keys() == {spec.name for spec in known_keys()}
    for name in components():
        found = built_with(*with_needs(name))
        without = built_with(*with_needs(name)[:-1])
        for key in required(found) - required(without):
            assert f"`{name}`" in documented[key], name
    always = required(built_with())
    assert always == {k for k, needed in documented.items() if needed == "every stack"}


def required(found: Manifests) -> set[str]:
    """Return the keys without which a pod does not start."""
    return {
        entry["valueFrom"]["secretKeyRef"]["key"]
        for _, each in containers(found.objects)
        for entry in each.get("env", ())
        if entry.get("valueFrom", {})
        .get("secretKeyRef", {"optional": True})
        .get("optional")
        is not True
    }


def test_every_component_is_documented() -> None:
    text = (DOCS / "base.md").read_text()
    missing = [n for n in components() if f"`{n.replace('platform', '')}`" not in text]
    assert [n for n in missing if f"`{n}`" not in text] == []
