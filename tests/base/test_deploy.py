"""deploy/: the service itself in a cluster, as the real kustomize builds it."""

from __future__ import annotations

import re
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from gitops.model import Manifests, Severity, Tree, tree_of
from gitops.schemas import load_schemas
from gitops.validate import check_manifests
from service.app import create_app
from service.clock import utc_now
from service.configuration import read_configuration, read_sinks
from service.creation import RELEASE
from service.settings import Settings
from service.store import Store
from tests.base.rendering import build, one
from tests.support.http import ask

pytestmark = pytest.mark.kustomize

ROOT = Path(__file__).resolve().parent.parent.parent
DEPLOY = ROOT / "deploy"
COMPONENTS = sorted(path.name for path in (DEPLOY / "components").iterdir())
OPERATORS = {"ServiceMonitor", "PrometheusRule"}  # whose definitions an operator brings
OVERLAY = """\
apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
namespace: directus-gitops
resources: [../base]
components: [{components}]
"""


def files(**more: str) -> Tree:
    shipped = {
        path.relative_to(ROOT).as_posix(): path.read_bytes()
        for path in DEPLOY.rglob("*")
        if path.is_file()
    }
    return tree_of({**shipped, **{path: text.encode() for path, text in more.items()}})


def built(*names: str) -> Manifests:
    listed = ", ".join(f"../components/{name}" for name in names)
    overlay = {"deploy/test/kustomization.yaml": OVERLAY.format(components=listed)}
    return build(files(**overlay), "deploy/test")


def pod(found: Manifests) -> Any:
    return one(found, "Deployment", "directus-gitops")["spec"]["template"]["spec"]


def container(found: Manifests) -> Any:
    (service,) = pod(found)["containers"]
    return service


@pytest.fixture(scope="module")
def plain() -> Manifests:
    return built()


@pytest.fixture(scope="module")
def several() -> Manifests:
    return built("postgresql")


@pytest.mark.parametrize(
    "names", [(), *((name,) for name in COMPONENTS), tuple(COMPONENTS)], ids=str
)
def test_what_is_built_breaks_no_rule(names: tuple[str, ...]) -> None:
    found = check_manifests(built(*names), load_schemas("1.33"))
    unknown = [f for f in found if f.rule == "no-schema"]
    assert all(any(kind in f.message for kind in OPERATORS) for f in unknown)
    assert all(f.severity is Severity.INFO for f in unknown)
    # The operator makes it by hand, as the component says: it holds a password.
    by_hand = [f for f in found if f.rule == "missing-secret"]
    assert all("directus-gitops-database" in f.message for f in by_hand)
    assert len(by_hand) == ("postgresql" in names)
    assert len(found) == len(unknown) + len(by_hand)


def test_the_example_builds_and_breaks_no_rule() -> None:
    example = build(files(), "deploy/example")
    assert check_manifests(example, load_schemas("1.33")) == ()
    image = f"registry.example.com/directus-gitops:{RELEASE}"
    assert container(example)["image"] == image
    namespace = one(example, "Namespace", "directus-gitops")["metadata"]
    assert namespace["labels"]["pod-security.kubernetes.io/enforce"] == "restricted"


def test_the_pod_may_do_nothing_that_it_does_not_need(plain: Manifests) -> None:
    spec = pod(plain)
    assert spec["automountServiceAccountToken"] is False
    assert spec["securityContext"]["runAsNonRoot"] is True
    assert spec["securityContext"]["runAsUser"] > 10_000
    assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
    assert container(plain)["securityContext"] == {
        "allowPrivilegeEscalation": False,
        "readOnlyRootFilesystem": True,
        "capabilities": {"drop": ["ALL"]},
    }
    user = re.search(r"^USER (\d+)", (ROOT / "Dockerfile").read_text(), re.MULTILINE)
    assert user is not None
    assert spec["securityContext"]["runAsUser"] == int(user[1])


def test_its_service_does_not_set_its_port(plain: Manifests) -> None:
    # The cluster would set DIRECTUS_GITOPS_PORT=tcp://10.0.0.1:80 for such a Service.
    assert one(plain, "Service", "directus-gitops")
    assert "port" in Settings.model_fields
    assert pod(plain)["enableServiceLinks"] is False


def test_every_variable_is_a_setting(plain: Manifests, several: Manifests) -> None:
    names = set(one(plain, "ConfigMap", "directus-gitops-env")["data"])
    names |= {variable["name"] for variable in container(several)["env"]}
    assert {n.removeprefix("DIRECTUS_GITOPS_").lower() for n in names} <= set(
        Settings.model_fields
    )


def test_its_settings_are_accepted(plain: Manifests, tmp_path: Path) -> None:
    data = one(plain, "ConfigMap", "directus-gitops-env")["data"]
    given = {k.removeprefix("DIRECTUS_GITOPS_").lower(): v for k, v in data.items()}
    settings = Settings(**given)
    assert (settings.host, settings.port) == ("0.0.0.0", 8080)  # noqa: S104
    text = one(plain, "ConfigMap", "directus-gitops-config")["data"]["service.toml"]
    for read in (read_configuration, read_sinks):
        found = read(text.encode(), name="x", folder=tmp_path, lookup=lambda _: None)
        assert found == ()
    mounts = {mount["mountPath"] for mount in container(plain)["volumeMounts"]}
    assert {str(settings.data), str((settings.config or tmp_path).parent)} <= mounts


def test_the_probes_ask_what_answers_without_a_token(
    plain: Manifests, tmp_path: Path
) -> None:
    service = container(plain)
    paths = {
        service[probe]["httpGet"]["path"]
        for probe in ("startupProbe", "livenessProbe", "readinessProbe")
    }
    with closing(Store("", tmp_path, utc_now)) as store:
        app = create_app(Settings(data=tmp_path), store)
        assert {ask(app, path).status_code for path in paths} <= {200, 503}
    assert service["livenessProbe"]["httpGet"]["path"] == "/healthz"


def test_it_has_the_time_that_it_needs_to_end(plain: Manifests) -> None:
    waits = container(plain)["lifecycle"]["preStop"]["sleep"]["seconds"]
    assert pod(plain)["terminationGracePeriodSeconds"] >= waits + 30


def test_with_sqlite_there_is_one_process(plain: Manifests) -> None:
    spec = one(plain, "Deployment", "directus-gitops")["spec"]
    assert (spec["replicas"], spec["strategy"]) == (1, {"type": "Recreate"})
    assert one(plain, "PersistentVolumeClaim", "directus-gitops-data")


def test_with_postgresql_there_are_two_and_none_keeps_files(several: Manifests) -> None:
    spec = one(several, "Deployment", "directus-gitops")["spec"]
    assert spec["replicas"] == 2
    assert spec["strategy"]["type"] == "RollingUpdate"
    (data,) = [v for v in pod(several)["volumes"] if v["name"] == "data"]
    assert set(data) == {"name", "emptyDir"}
    assert "PersistentVolumeClaim" not in {o.kind for o in several.objects}


def test_its_rights_are_to_read_only() -> None:
    found = built("kubernetes-health")
    role = one(found, "ClusterRole", "directus-gitops-health")
    assert {verb for rule in role["rules"] for verb in rule["verbs"]} == {"get"}
    resources = {name for rule in role["rules"] for name in rule["resources"]}
    assert resources == {"deployments", "kustomizations"}
    assert pod(found)["automountServiceAccountToken"] is True


def test_the_network_never_leads_to_a_clouds_metadata(plain: Manifests) -> None:
    policy = one(plain, "NetworkPolicy", "directus-gitops")["spec"]
    blocks = [to["ipBlock"] for rule in policy["egress"] for to in rule.get("to", ())]
    assert {"cidr": "0.0.0.0/0", "except": ["169.254.0.0/16"]} in blocks
    assert all(block["except"] for block in blocks)


def test_every_alert_is_about_a_metric_that_there_is() -> None:
    rules = one(built("monitoring"), "PrometheusRule", "directus-gitops")
    alerts = [rule for group in rules["spec"]["groups"] for rule in group["rules"]]
    page = (ROOT / "docs" / "metrics.md").read_text()
    known = set(re.findall(r"^\| `(directus_gitops_\w+)` \|", page, re.MULTILINE))
    used = {
        name
        for alert in alerts
        for name in re.findall(r"directus_gitops_\w+", alert["expr"])
    }
    assert used
    assert used <= known
    running = (ROOT / "docs" / "running.md").read_text()
    assert all(f"`{alert['alert']}`" in running for alert in alerts)
    assert all(alert["annotations"]["summary"] for alert in alerts)
