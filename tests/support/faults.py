"""Places and objects that the cases of the rules share."""

from __future__ import annotations

from typing import Any, Final, TypeAlias

from tests.support.objects import GONE, Edit

Case: TypeAlias = tuple[list[Edit], list[Any], set[str]]

DEPLOYMENT: Final = "Deployment/cms"
DATABASE: Final = "StatefulSet/cms-db"
SERVICE: Final = "Service/cms"
INGRESS: Final = "Ingress/cms"
CONFIG: Final = "ConfigMap/cms-env"
POD: Final = "spec.template.spec"
FIRST: Final = "spec.template.spec.containers.0"
PATHS: Final = "spec.rules.0.http.paths.0"

ENV: Final = f"{FIRST}.env.+"  # appends


def variable(name: str, value: str) -> Edit:
    return (DEPLOYMENT, ENV, {"name": name, "value": value})


def setting(name: str, value: Any) -> Edit:
    return (CONFIG, f"data.{name}", value)


SCALER: Final[dict[str, Any]] = {
    "apiVersion": "autoscaling/v2",
    "kind": "HorizontalPodAutoscaler",
    "metadata": {"name": "cms", "namespace": "cms"},
    "spec": {
        "minReplicas": 2,
        "maxReplicas": 6,
        "scaleTargetRef": {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "name": "cms",
        },
    },
}
BUDGET: Final[dict[str, Any]] = {
    "apiVersion": "policy/v1",
    "kind": "PodDisruptionBudget",
    "metadata": {"name": "cms", "namespace": "cms"},
    "spec": {
        "maxUnavailable": 1,
        "selector": {"matchLabels": {"app.kubernetes.io/name": "cms"}},
    },
}
POLICY: Final[dict[str, Any]] = {
    "apiVersion": "networking.k8s.io/v1",
    "kind": "NetworkPolicy",
    "metadata": {"name": "cms", "namespace": "cms"},
    "spec": {"podSelector": {}},
}
THREE: Final[Edit] = (DEPLOYMENT, "spec.replicas", 3)
REDIS: Final = (
    setting("REDIS_HOST", "redis.example.com"),
    setting("SYNCHRONIZATION_STORE", "redis"),
    setting("REDIS_MAX_RETRIES_PER_REQUEST", "null"),
)
JOB: Final[dict[str, Any]] = {
    "apiVersion": "batch/v1",
    "kind": "Job",
    "metadata": {"name": "migrate", "namespace": "cms"},
    "spec": {
        "template": {
            "metadata": {"labels": {"app.kubernetes.io/name": "cms"}},
            "spec": {
                "restartPolicy": "Never",
                "securityContext": {
                    "runAsNonRoot": True,
                    "runAsUser": 1000,
                    "seccompProfile": {"type": "RuntimeDefault"},
                },
                "containers": [
                    {
                        "name": "directus",
                        "image": "directus/directus:12.4.1",
                        "securityContext": {
                            "allowPrivilegeEscalation": False,
                            "capabilities": {"drop": ["ALL"]},
                        },
                        "resources": {
                            "requests": {"cpu": "10m", "memory": "64Mi"},
                            "limits": {"memory": "64Mi"},
                        },
                    }
                ],
            },
        }
    },
}
# What several replicas want beside them.
GUARDS: Final = (BUDGET, POLICY, JOB)


def without(name: str) -> Edit:
    """Remove a variable of the Deployment's own list."""
    names = ["SECRET", "DB_PASSWORD", "LOG_LEVEL"]
    return (DEPLOYMENT, f"{FIRST}.env.{names.index(name)}", GONE)
