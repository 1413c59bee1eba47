"""Rules about objects and what connects them: one fault, exactly that finding."""

from __future__ import annotations

from typing import Final

import pytest

from gitops.model import Severity
from gitops.schemas import load_schemas
from gitops.validate import check_manifests
from tests.support.faults import (
    BUDGET,
    CONFIG,
    DATABASE,
    DEPLOYMENT,
    ENV,
    FIRST,
    INGRESS,
    JOB,
    PATHS,
    POD,
    SCALER,
    SERVICE,
    Case,
    setting,
    variable,
    without,
)
from tests.support.objects import (
    GONE,
    broken_rules,
    clean_objects,
    manifests,
    with_edits,
)

# name of the case -> edits, further objects, the rules that must be found: no others
CASES: Final[dict[str, Case]] = {
    # --- names and labels ---
    "a Service whose name has a dot": (
        [("Service/cms-db", "metadata.name", "cms.db")],
        [],
        {"object-name", "missing-service"},
    ),
    "a ConfigMap's name may have dots": (
        [],
        [{**clean_objects()[CONFIG], "metadata": {"name": "a.b"}}],
        set(),
    ),
    "a name that is too long": (
        [("ServiceAccount/cms", "metadata.name", "a" * 254)],
        [],
        {"object-name", "missing-service-account"},
    ),
    "no name": (
        [("PersistentVolumeClaim/uploads", "metadata.name", GONE)],
        [],
        {
            "object-name",
            "missing-volume-claim",
        },
    ),
    "a generated name": (
        [],
        [{**JOB, "metadata": {"namespace": "cms", "generateName": "migrate-"}}],
        set(),
    ),
    "a role may be called almost anything": (
        [],
        [
            {
                "apiVersion": "rbac.authorization.k8s.io/v1",
                "kind": "ClusterRole",
                "metadata": {"name": "system:Reader"},
            }
        ],
        set(),
    ),
    "a container's name with an underscore": (
        [(DATABASE, f"{FIRST}.name", "maria_db")],
        [],
        {"object-name"},
    ),
    "a label value with a space": (
        [(SERVICE, "metadata.labels", {"team": "the web"})],
        [],
        {"label-syntax"},
    ),
    "a label value that is too long": (
        [(CONFIG, "metadata.labels", {"team": "a" * 64})],
        [],
        {"label-syntax"},
    ),
    "an ApplicationSet's labels are a template's": (
        [],
        [
            {
                "apiVersion": "argoproj.io/v1alpha1",
                "kind": "ApplicationSet",
                "metadata": {"name": "fleet", "namespace": "argocd"},
                "spec": {
                    "generators": [{"git": {}}],
                    "template": {
                        "metadata": {"labels": {"stack": "{{ .stack }}"}},
                        "spec": {"destination": {"namespace": "x"}},
                    },
                },
            }
        ],
        set(),
    ),
    "the same object twice": ([], [clean_objects()[CONFIG]], {"duplicate-object"}),
    "the same name in another namespace": (
        [],
        [
            {
                **clean_objects()[CONFIG],
                "metadata": {"name": "cms-env", "namespace": "b"},
            }
        ],
        set(),
    ),
    "helm's placeholder in a value": (
        [(SERVICE, "metadata.annotations", {"note": "release-name-cms"})],
        [],
        {"leftover-name"},
    ),
    "a null in the spec": ([(SERVICE, "spec.externalName", None)], [], {"null-value"}),
    "nulls that tools write": (
        [
            (SERVICE, "metadata.creationTimestamp", None),
            (SERVICE, "status", {"loadBalancer": None}),
        ],
        [],
        set(),
    ),
    "app beside app.kubernetes.io": (
        [(SERVICE, "metadata.labels", {"app": "cms", "app.kubernetes.io/name": "cms"})],
        [],
        {"mixed-labels"},
    ),
    # --- form ---
    "an unknown field": ([(SERVICE, "spec.selectors", {})], [], {"schema"}),
    "a number where text belongs": (
        [(CONFIG, "data.DB_PORT", 3306)],
        [],
        {"schema"},
    ),
    "an API that is gone": (
        [],
        [{**BUDGET, "apiVersion": "policy/v1beta1"}],
        {"unknown-api"},
    ),
    "a group that nobody has": (
        [],
        [{"apiVersion": "app/v1", "kind": "Thing", "metadata": {"name": "x"}}],
        {"unknown-api"},
    ),
    "a kind of a custom resource definition": (
        [],
        [
            {"apiVersion": "a.example.com/v1", "kind": "Thing", "metadata": {"name": n}}
            for n in ("x", "y")
        ],
        {"no-schema"},
    ),
    "an ExternalSecret whose entries name their own": (
        [],
        [
            {
                "apiVersion": "external-secrets.io/v1",
                "kind": "ExternalSecret",
                "metadata": {"name": "x", "namespace": "cms"},
                "spec": {
                    "dataFrom": [
                        {
                            "sourceRef": {
                                "generatorRef": {"kind": "Password", "name": "p"}
                            }
                        }
                    ]
                },
            }
        ],
        set(),
    ),
    "an ExternalSecret without a store": (
        [],
        [
            {
                "apiVersion": "external-secrets.io/v1",
                "kind": "ExternalSecret",
                "metadata": {"name": "x"},
                "spec": {"dataFrom": []},
            }
        ],
        {"custom-object"},
    ),
    "an ApplicationSet without generators": (
        [],
        [
            {
                "apiVersion": "argoproj.io/v1alpha1",
                "kind": "ApplicationSet",
                "metadata": {"name": "x"},
                "spec": {
                    "generators": [],
                    "template": {"spec": {"destination": {"name": "c"}}},
                },
            }
        ],
        {"custom-object"},
    ),
    # --- selectors ---
    "a Service that selects nobody": (
        [("Service/cms-db", "spec.selector", {"app.kubernetes.io/name": "other"})],
        [],
        {"service-without-pods"},
    ),
    "a Service that also selects a Job": (
        [(SERVICE, "spec.selector", {"app.kubernetes.io/name": "cms"})],
        [JOB],
        {"service-selector-broad"},
    ),
    "a Service that would select a Job": (
        [(SERVICE, "spec.selector", {"app.kubernetes.io/name": "cms"})],
        [],
        {"service-selector-broad"},
    ),
    "a Service without a selector": (
        [],
        [
            {
                "apiVersion": "v1",
                "kind": "Service",
                "metadata": {"name": "outside", "namespace": "cms"},
                "spec": {"type": "ExternalName", "externalName": "db.example.com"},
            }
        ],
        set(),
    ),
    "a port by a wrong name": (
        [(SERVICE, "spec.ports.0.targetPort", "web")],
        [],
        {"service-port-name"},
    ),
    "a port by a wrong number": (
        [(SERVICE, "spec.ports.0.targetPort", 80)],
        [],
        {"service-port-number"},
    ),
    "no target port": (
        [("Service/cms-db", "spec.ports.0.targetPort", GONE)],
        [],
        set(),
    ),
    "a database's Service with an address": (
        [("Service/cms-db", "spec.clusterIP", GONE)],
        [],
        {"statefulset-service"},
    ),
    "a selector that the template lacks": (
        [(DATABASE, "spec.selector.matchLabels", {"tier": "db"})],
        [],
        {"selector-mismatch"},
    ),
    # --- references ---
    "a ConfigMap that is not there": (
        [(DEPLOYMENT, f"{FIRST}.envFrom.+", {"configMapRef": {"name": "more"}})],
        [],
        {"missing-configmap"},
    ),
    "an optional ConfigMap that is not there": (
        [
            (
                DEPLOYMENT,
                f"{FIRST}.envFrom.+",
                {"configMapRef": {"name": "more", "optional": True}},
            )
        ],
        [],
        set(),
    ),
    "a ConfigMap that every namespace has": (
        [
            (
                DEPLOYMENT,
                f"{POD}.volumes.+",
                {"name": "ca", "configMap": {"name": "kube-root-ca.crt"}},
            )
        ],
        [],
        set(),
    ),
    "a key that the ConfigMap lacks": (
        [
            (
                DEPLOYMENT,
                ENV,
                {
                    "name": "X",
                    "valueFrom": {"configMapKeyRef": {"name": "cms-env", "key": "X"}},
                },
            )
        ],
        [],
        {"missing-configmap-key"},
    ),
    "a file that the ConfigMap lacks": (
        [
            (
                DEPLOYMENT,
                f"{POD}.volumes.+",
                {
                    "name": "files",
                    "projected": {
                        "sources": [
                            {
                                "configMap": {
                                    "name": "cms-env",
                                    "items": [{"key": "a.txt", "path": "a.txt"}],
                                }
                            }
                        ]
                    },
                },
            )
        ],
        [],
        {"missing-configmap-key"},
    ),
    "a Secret that nobody makes": (
        [
            (
                DEPLOYMENT,
                f"{POD}.volumes.+",
                {"name": "tls", "secret": {"secretName": "db-tls"}},
            )
        ],
        [],
        {"missing-secret"},
    ),
    "a Secret that an ExternalSecret makes": (
        [
            (
                DEPLOYMENT,
                f"{POD}.volumes.+",
                {"name": "tls", "secret": {"secretName": "db-tls"}},
            )
        ],
        [
            {
                "apiVersion": "external-secrets.io/v1",
                "kind": "ExternalSecret",
                "metadata": {"name": "tls", "namespace": "cms"},
                "spec": {
                    "secretStoreRef": {"name": "vault"},
                    "target": {"name": "db-tls"},
                },
            }
        ],
        set(),
    ),
    "a Secret that a Certificate makes": (
        [
            (
                DEPLOYMENT,
                f"{POD}.volumes.+",
                {"name": "tls", "secret": {"secretName": "db-tls"}},
            )
        ],
        [
            {
                "apiVersion": "cert-manager.io/v1",
                "kind": "Certificate",
                "metadata": {"name": "tls", "namespace": "cms"},
                "spec": {"secretName": "db-tls", "issuerRef": {"name": "ca"}},
            }
        ],
        set(),
    ),
    "a claim that is not there": (
        [(DEPLOYMENT, f"{POD}.volumes.0.persistentVolumeClaim.claimName", "files")],
        [],
        {"missing-volume-claim"},
    ),
    "a mount without a volume": (
        [
            (
                DEPLOYMENT,
                f"{FIRST}.volumeMounts.+",
                {"name": "tmp", "mountPath": "/cache"},
            )
        ],
        [],
        {"missing-volume"},
    ),
    "an account that is not there": (
        [("ServiceAccount/cms", "", GONE)],
        [],
        {"missing-service-account"},
    ),
    "an Ingress to a Service that is not there": (
        [(INGRESS, f"{PATHS}.backend.service.name", "web")],
        [],
        {"missing-service"},
    ),
    "an Ingress to a port that is not there": (
        [(INGRESS, f"{PATHS}.backend.service.port", {"number": 8080})],
        [],
        {"missing-service-port"},
    ),
    "an Ingress that asks by number": (
        [(INGRESS, f"{PATHS}.backend.service.port", {"number": 80})],
        [],
        set(),
    ),
    "a StatefulSet without its Service": (
        [("Service/cms-db", "", GONE)],
        [],
        {"missing-service"},
    ),
    "an autoscaler of nothing": (
        [],
        [
            {
                **SCALER,
                "spec": {
                    **SCALER["spec"],
                    "scaleTargetRef": {
                        "apiVersion": "apps/v1",
                        "kind": "Deployment",
                        "name": "web",
                    },
                },
            }
        ],
        {"missing-scale-target"},
    ),
    # --- the way in ---
    "no class": ([(INGRESS, "spec.ingressClassName", GONE)], [], {"ingress-class"}),
    "the class by its old annotation": (
        [
            (INGRESS, "spec.ingressClassName", GONE),
            (INGRESS, "metadata.annotations", {"kubernetes.io/ingress.class": "gce"}),
        ],
        [],
        set(),
    ),
    "no certificate": ([(INGRESS, "spec.tls", GONE)], [], {"ingress-tls"}),
    "a certificate for another host": (
        [(INGRESS, "spec.tls.0.hosts", ["www.example.com"])],
        [],
        {"ingress-tls"},
    ),
    "a wildcard certificate": (
        [(INGRESS, "spec.tls.0.hosts", ["*.example.com"])],
        [],
        set(),
    ),
    "a certificate by annotation": (
        [
            (INGRESS, "spec.tls", GONE),
            (
                INGRESS,
                "metadata.annotations",
                {"alb.ingress.kubernetes.io/certificate-arn": "arn:aws:acm:x"},
            ),
        ],
        [],
        set(),
    ),
    "plain HTTP on purpose": (
        [(INGRESS, "spec.tls", GONE), setting("PUBLIC_URL", "http://cms.example.com")],
        [],
        set(),
    ),
    "an Ingress for every host without a certificate": (
        [(INGRESS, "spec.tls", GONE), (INGRESS, "spec.rules.0.host", GONE)],
        [],
        {"ingress-tls"},
    ),
    "the controller's own path type": (
        [(INGRESS, f"{PATHS}.pathType", "ImplementationSpecific")],
        [],
        {"ingress-path-type"},
    ),
    "somebody else's host": (
        [setting("PUBLIC_URL", "https://www.directus.app")],
        [],
        {"third-party-host"},
    ),
    "a host that no Ingress serves": (
        [setting("PUBLIC_URL", "https://blog.example.com")],
        [],
        {"public-url-host"},
    ),
    "an Ingress for all subdomains": (
        [
            (INGRESS, "spec.rules.0.host", "*.example.com"),
            (INGRESS, "spec.tls.0.hosts", ["*.example.com"]),
        ],
        [],
        set(),
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_a_fault_is_found_and_nothing_else(case: str) -> None:
    edits, more, expected = CASES[case]
    assert broken_rules(edits, more) == expected


def test_the_set_without_edits_breaks_no_rule() -> None:
    assert broken_rules([]) == set()


def test_a_finding_says_where_what_and_what_to_do() -> None:
    bodies = with_edits([(DEPLOYMENT, f"{FIRST}.ports.0.containerPort", 80)])
    (finding,) = check_manifests(manifests(bodies), load_schemas())
    assert finding.rule == "directus-port"
    assert finding.severity is Severity.ERROR
    assert finding.path == "overlays/test"
    assert finding.message == (
        "Deployment cms: spec.template.spec.containers[0].ports[0].containerPort: "
        "declares 80, but Directus listens on 8055"
    )
    assert finding.hint == "set containerPort to 8055"


def test_findings_do_not_depend_on_the_order_of_objects() -> None:
    bodies = with_edits([without("SECRET"), (INGRESS, "spec.tls", GONE)])
    there = check_manifests(manifests(bodies), load_schemas())
    back = check_manifests(manifests(bodies[::-1]), load_schemas())
    assert there == back


def test_an_unknown_kind_is_told_once_a_set() -> None:
    things = [
        {"apiVersion": "a.example.com/v1", "kind": "Thing", "metadata": {"name": n}}
        for n in ("x", "y", "z")
    ]
    found = check_manifests(manifests(with_edits([], things)), load_schemas())
    assert [(f.rule, f.severity) for f in found] == [("no-schema", Severity.INFO)]


def test_a_secret_is_never_shown() -> None:
    value = "correct-horse-battery-staple"
    bodies = with_edits(
        [setting("ADMIN_PASSWORD", value), variable("DB_URL", f"pg://u:{value}@h")],
        [
            {
                "apiVersion": "v1",
                "kind": "Secret",
                "metadata": {"name": "x", "namespace": "cms"},
                "stringData": {"A": value, "B": 5},
                "data": [value],
            }
        ],
    )
    found = check_manifests(manifests(bodies), load_schemas())
    assert {f.rule for f in found} == {"secret-in-clear", "plain-secret", "schema"}
    assert not any(value in f"{f.message}{f.hint}" for f in found)
