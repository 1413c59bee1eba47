"""Rules about what runs: pods, Directus, databases; one fault, exactly that finding."""

from __future__ import annotations

from typing import Any, Final

import pytest

from gitops.validate import RULES
from tests.gitops.test_validate_objects import CASES as OBJECT_CASES
from tests.support.faults import (
    BUDGET,
    DATABASE,
    DEPLOYMENT,
    ENV,
    FIRST,
    GUARDS,
    JOB,
    POD,
    POLICY,
    REDIS,
    SCALER,
    THREE,
    Case,
    setting,
    variable,
    without,
)
from tests.support.objects import GONE, broken_rules

MOUNTS: Final = f"{FIRST}.volumeMounts.+"
TMP: Final = (DEPLOYMENT, MOUNTS, {"name": "uploads", "mountPath": "/run/node"})
READ_ONLY: Final = (
    DEPLOYMENT,
    f"{FIRST}.securityContext.readOnlyRootFilesystem",
    True,
)


def budget(least: int | str) -> dict[str, Any]:
    """Return a budget that keeps at least so many pods."""
    selector = {"matchLabels": {"app.kubernetes.io/component": "server"}}
    return {**BUDGET, "spec": {"minAvailable": least, "selector": selector}}


# name of the case -> edits, further objects, the rules that must be found: no others
CASES: Final[dict[str, Case]] = {
    # --- pods ---
    "a Pod of its own": (
        [],
        [
            {
                "apiVersion": "v1",
                "kind": "Pod",
                "metadata": {"name": "shell", "namespace": "cms"},
                "spec": {
                    **JOB["spec"]["template"]["spec"],
                    "restartPolicy": "Always",
                    "containers": [
                        {
                            **JOB["spec"]["template"]["spec"]["containers"][0],
                            "name": "shell",
                            "image": "busybox:1.37.0",
                        }
                    ],
                },
            }
        ],
        {"bare-pod"},
    ),
    "a Directus without a liveness probe": (
        [(DEPLOYMENT, f"{FIRST}.livenessProbe", GONE)],
        [],
        {"probe-missing"},
    ),
    "a database without a liveness probe": (
        [(DATABASE, f"{FIRST}.livenessProbe", GONE)],
        [],
        set(),
    ),
    "a database without a readiness probe": (
        [(DATABASE, f"{FIRST}.readinessProbe", GONE)],
        [],
        {"probe-missing"},
    ),
    "a worker without ports needs no probe": (
        [
            (
                DATABASE,
                f"{POD}.containers.+",
                {
                    **JOB["spec"]["template"]["spec"]["containers"][0],
                    "name": "exporter",
                    "image": "exporter:1.0.0",
                },
            )
        ],
        [],
        set(),
    ),
    "a database without a startup probe": (
        [(DATABASE, f"{FIRST}.startupProbe", GONE)],
        [],
        {"startup-probe-missing"},
    ),
    "no memory limit": (
        [(DEPLOYMENT, f"{FIRST}.resources.limits", {"cpu": "1"})],
        [],
        {"resources-missing"},
    ),
    "limits stand for requests": (
        [(DEPLOYMENT, f"{FIRST}.resources", {"limits": {"cpu": "1", "memory": "1Gi"}})],
        [],
        set(),
    ),
    "a container that may become root": (
        [(DATABASE, f"{FIRST}.securityContext.allowPrivilegeEscalation", True)],
        [],
        {"security-context"},
    ),
    "a privileged container": (
        [(DATABASE, f"{FIRST}.securityContext.privileged", True)],
        [],
        {"security-context"},
    ),
    "added capabilities": (
        [(DATABASE, f"{FIRST}.securityContext.capabilities.add", ["SYS_ADMIN"])],
        [],
        {"security-context"},
    ),
    "the one capability that may be added": (
        [(DATABASE, f"{FIRST}.securityContext.capabilities.add", ["NET_BIND_SERVICE"])],
        [],
        set(),
    ),
    "root by number": (
        [(DATABASE, f"{FIRST}.securityContext.runAsUser", 0)],
        [],
        {"security-context"},
    ),
    "the node's network": (
        [(DATABASE, f"{POD}.hostNetwork", True)],
        [],
        {"security-context"},
    ),
    "a port of the node": (
        [(DATABASE, f"{FIRST}.ports.0.hostPort", 3306)],
        [],
        {"security-context"},
    ),
    "a folder of the node": (
        [(DATABASE, f"{POD}.volumes", [{"name": "h", "hostPath": {"path": "/"}}])],
        [],
        {"security-context"},
    ),
    "a namespace that would refuse the pod": (
        [
            (DATABASE, f"{POD}.hostPID", True),
            (
                "Namespace/cms",
                "metadata.labels",
                {"pod-security.kubernetes.io/enforce": "restricted"},
            ),
        ],
        [],
        {"pod-security-refused"},
    ),
    "no tag": ([(DATABASE, f"{FIRST}.image", "mariadb")], [], {"floating-tag"}),
    "latest": ([(DATABASE, f"{FIRST}.image", "mariadb:latest")], [], {"floating-tag"}),
    "latest with a digest": (
        [(DATABASE, f"{FIRST}.image", "mariadb:latest@sha256:" + "a" * 64)],
        [],
        set(),
    ),
    "a Directus series": (
        [(DEPLOYMENT, f"{FIRST}.image", "directus/directus:12.4")],
        [],
        {"floating-tag"},
    ),
    "an image with upper case": (
        [(DATABASE, f"{FIRST}.image", "Mariadb:11.4.8")],
        [],
        {"image-syntax"},
    ),
    "no image": ([(DATABASE, f"{FIRST}.image", GONE)], [], {"image-syntax"}),
    "an image with a broken digest": (
        [(DATABASE, f"{FIRST}.image", "mariadb:11.4.8@sha256:abc")],
        [],
        {"image-syntax"},
    ),
    "an image with a broken tag": (
        [(DATABASE, f"{FIRST}.image", "mariadb:11.4.8 -x")],
        [],
        {"image-syntax"},
    ),
    "a secret among the arguments": (
        [
            (DATABASE, f"{FIRST}.args", ["--token", "$(DB_TOKEN)", "$$(DB_TOKEN)"]),
            (
                DATABASE,
                f"{FIRST}.env",
                [
                    {
                        "name": "DB_TOKEN",
                        "valueFrom": {
                            "secretKeyRef": {"name": "directus-secrets", "key": "T"}
                        },
                    }
                ],
            ),
        ],
        [],
        {"secret-in-arguments"},
    ),
    "a setting among the arguments": (
        [
            (DATABASE, f"{FIRST}.args", ["--port=$(PORT)"]),
            (DATABASE, f"{FIRST}.env", [{"name": "PORT", "value": "3306"}]),
        ],
        [],
        set(),
    ),
    "a variable twice": ([variable("LOG_LEVEL", "warn")], [], {"duplicate-variable"}),
    # --- Directus ---
    "Directus by a name nobody publishes": (
        [(DEPLOYMENT, f"{FIRST}.image", "docker.io/library/directus:12.4.1")],
        [],
        {"directus-image"},
    ),
    "a tag with a v": (
        [(DEPLOYMENT, f"{FIRST}.image", "ghcr.io/directus/directus:v12.4.1")],
        [],
        {"directus-version"},
    ),
    "a version before the first image": (
        [(DEPLOYMENT, f"{FIRST}.image", "directus/directus:1.32.3")],
        [],
        {"directus-version"},
    ),
    "an own image may count as it likes": (
        [(DEPLOYMENT, f"{FIRST}.image", "registry.example.com/acme/directus:1.32.3")],
        [],
        set(),
    ),
    "a port that Directus does not listen on": (
        [(DEPLOYMENT, f"{FIRST}.ports.0.containerPort", 80)],
        [],
        {"directus-port"},
    ),
    "a port that Directus is told to listen on": (
        [(DEPLOYMENT, f"{FIRST}.ports.0.containerPort", 80), setting("PORT", "80")],
        [],
        set(),
    ),
    "no DB_CLIENT": ([setting("DB_CLIENT", GONE)], [], {"directus-database-client"}),
    "a DB_CLIENT that Directus does not know": (
        [setting("DB_CLIENT", "mariadb")],
        [],
        {"directus-database-client"},
    ),
    "SQLite on purpose": ([setting("DB_CLIENT", "sqlite3")], [], {"directus-sqlite"}),
    "no DB_USER": ([setting("DB_USER", GONE)], [], {"directus-database-settings"}),
    "a connection string instead": (
        [
            setting("DB_USER", GONE),
            (
                DEPLOYMENT,
                ENV,
                {
                    "name": "DB_CONNECTION_STRING",
                    "valueFrom": {
                        "secretKeyRef": {"name": "directus-secrets", "key": "URL"}
                    },
                },
            ),
        ],
        [],
        set(),
    ),
    "no SECRET": ([without("SECRET")], [], {"directus-secret"}),
    "SECRET by file": (
        [without("SECRET"), variable("SECRET_FILE", "/run/secrets/secret")],
        [],
        set(),
    ),
    "everything may come from a Secret outside": (
        [
            (DEPLOYMENT, f"{FIRST}.env", []),
            (
                DEPLOYMENT,
                f"{FIRST}.envFrom",
                [{"secretRef": {"name": "directus-secrets"}}],
            ),
        ],
        [],
        set(),
    ),
    "a probe that writes files": (
        [(DEPLOYMENT, f"{FIRST}.livenessProbe.httpGet.path", "/server/health")],
        [],
        {"directus-health-probe"},
    ),
    "service links": (
        [(DEPLOYMENT, f"{POD}.enableServiceLinks", GONE)],
        [],
        {"directus-service-links"},
    ),
    "several processes in a pod": (
        [setting("PM2_INSTANCES", "4")],
        [],
        {"directus-pm2-instances"},
    ),
    "a file form that Directus does not read": (
        [variable("PROJECT_NAME_FILE", "/x")],
        [],
        {"directus-env-file"},
    ),
    "file forms that Directus reads": (
        [
            variable("DB_PASSWORD_FILE", "/x"),
            variable("STORAGE_S3_SECRET_FILE", "/x"),
            variable("LOG_STYLE_FILE", "/x"),
        ],
        [],
        set(),
    ),
    "a file form that is not for Directus": (
        [variable("SSL_CERT_FILE", "/etc/ssl/own.pem")],
        [],
        set(),
    ),
    "an option of the driver is no file form": (
        [variable("DB_SSL__CA_FILE", "/x")],
        [],
        set(),
    ),
    "no PUBLIC_URL": ([setting("PUBLIC_URL", GONE)], [], {"directus-public-url"}),
    "a relative PUBLIC_URL": (
        [setting("PUBLIC_URL", "/cms")],
        [],
        {"directus-public-url"},
    ),
    "a PUBLIC_URL that is no address": (
        [setting("PUBLIC_URL", "https://[cms")],
        [],
        {"directus-public-url"},
    ),
    "a PUBLIC_URL with a slash at its end": (
        [setting("PUBLIC_URL", "https://cms.example.com/")],
        [],
        {"directus-public-url"},
    ),
    "Redis as an address": (
        [setting("REDIS", "redis://redis:6379")],
        [],
        {"directus-redis-url"},
    ),
    "Redis by host, with as many tries as there are by default": (
        [setting("REDIS_HOST", "redis.example.com")],
        [],
        {"directus-redis-retries"},
    ),
    "Redis by host, which is tried for ever": ([*REDIS], [], set()),
    "Redis by host, switched off": (
        [
            setting("REDIS_HOST", "redis.example.com"),
            setting("REDIS_ENABLED", "false"),
        ],
        [],
        set(),
    ),
    "a name that is read as a list": (
        [setting("PROJECT_NAME", "Acme, Inc.")],
        [],
        {"directus-value-type"},
    ),
    "a bucket that is read as a number": (
        [setting("STORAGE_S3_BUCKET", "20250101")],
        [],
        {"directus-value-type"},
    ),
    "a client that is read as true": (
        [setting("AUTH_SSO_CLIENT_ID", "true")],
        [],
        {"directus-value-type"},
    ),
    "a client with more digits than a number has": (
        [setting("AUTH_SSO_CLIENT_ID", "123456789012345678901234")],
        [],
        {"directus-value-type"},
    ),
    "a user that is read as JSON": (
        [setting("EMAIL_SMTP_USER", "null")],
        [],
        {"directus-value-type"},
    ),
    "names that are read as text": (
        [
            setting("PROJECT_NAME", "string:Acme, Inc."),
            setting("STORAGE_S3_BUCKET", "0123"),
            setting("AUTH_SSO_CLIENT_ID", "12-34.apps.example.com"),
            setting("EMAIL_SMTP_USER", '"me"'),
            setting("CORS_ORIGIN", "https://a.example.com,https://b.example.com"),
        ],
        [],
        set(),
    ),
    "readiness without the database": (
        [(DEPLOYMENT, f"{FIRST}.readinessProbe.httpGet.path", "/server/ping")],
        [],
        {"directus-readiness"},
    ),
    "readiness by a redirect": (
        [(DEPLOYMENT, f"{FIRST}.readinessProbe.httpGet.path", "/")],
        [],
        {"directus-readiness"},
    ),
    "readiness by an open port": (
        [(DEPLOYMENT, f"{FIRST}.readinessProbe", {"tcpSocket": {"port": "http"}})],
        [],
        {"directus-readiness"},
    ),
    "readiness by a command": (
        [(DEPLOYMENT, f"{FIRST}.readinessProbe", {"exec": {"command": ["true"]}})],
        [],
        set(),
    ),
    "readiness out of the cache": (
        [setting("CACHE_ENABLED", "true")],
        [],
        {"directus-readiness"},
    ),
    "readiness that may pass the cache and does not ask to": (
        [setting("CACHE_ENABLED", "true"), setting("CACHE_SKIP_ALLOWED", "true")],
        [],
        {"directus-readiness"},
    ),
    "readiness past the cache": (
        [
            setting("CACHE_ENABLED", "true"),
            setting("CACHE_SKIP_ALLOWED", "true"),
            (
                DEPLOYMENT,
                f"{FIRST}.readinessProbe.httpGet.httpHeaders",
                [{"name": "Cache-Control", "value": "no-store"}],
            ),
        ],
        [],
        set(),
    ),
    "a startup probe that would cut a migration off": (
        [(DEPLOYMENT, f"{FIRST}.startupProbe.periodSeconds", 3)],
        [],
        {"directus-startup-room"},
    ),
    "a liveness probe that kills under load": (
        [(DEPLOYMENT, f"{FIRST}.livenessProbe.failureThreshold", GONE)],
        [],
        {"directus-liveness"},
    ),
    "a read-only root without a place for pm2": (
        [(DEPLOYMENT, f"{FIRST}.securityContext.readOnlyRootFilesystem", True)],
        [],
        {"directus-read-only-root"},
    ),
    "a read-only root with a place that is read-only too": (
        [
            READ_ONLY,
            setting("PM2_HOME", "/run/node/.pm2"),
            (
                DEPLOYMENT,
                MOUNTS,
                {"name": "uploads", "mountPath": "/run/node", "readOnly": True},
            ),
        ],
        [],
        {"directus-read-only-root"},
    ),
    "a read-only root with a home": (
        [READ_ONLY, setting("HOME", "/run/node"), TMP],
        [],
        set(),
    ),
    "a read-only root with a home of pm2 alone": (
        [READ_ONLY, setting("PM2_HOME", "/run/node/.pm2"), TMP],
        [],
        set(),
    ),
    "a read-only root and a home that is not told": (
        [
            READ_ONLY,
            (DEPLOYMENT, f"{FIRST}.envFrom.+", {"configMapRef": {"name": "cms-env"}}),
            (
                DEPLOYMENT,
                f"{FIRST}.envFrom.+",
                {"secretRef": {"name": "directus-secrets"}},
            ),
        ],
        [],
        set(),
    ),
    "a read-only root of a Directus without pm2": (
        [READ_ONLY, (DEPLOYMENT, f"{FIRST}.image", "directus/directus:9.26.0")],
        [],
        set(),
    ),
    "a user without a number": (
        [(DEPLOYMENT, f"{POD}.securityContext.runAsUser", GONE)],
        [],
        {"directus-user"},
    ),
    "a command that never ends": (
        [(DEPLOYMENT, f"{FIRST}.command", ["node", "cli.js", "start"])],
        [],
        {"directus-command"},
    ),
    "the same below an init process": (
        [
            (DEPLOYMENT, f"{FIRST}.command", ["node", "cli.js", "start"]),
            (DEPLOYMENT, f"{POD}.shareProcessNamespace", True),
        ],
        [],
        set(),
    ),
    "no trust in the proxy": (
        [setting("IP_TRUST_PROXY", GONE)],
        [],
        {"directus-trust-proxy"},
    ),
    "an older Directus trusts by itself": (
        [
            setting("IP_TRUST_PROXY", GONE),
            (DEPLOYMENT, f"{FIRST}.image", "directus/directus:11.17.4"),
        ],
        [],
        set(),
    ),
    "a Job is no server": ([], [JOB], set()),
    # --- several replicas ---
    "several replicas, nothing shared but files": (
        [THREE],
        [*GUARDS],
        {"replicas-without-redis"},
    ),
    "several replicas with all they need": ([THREE, *REDIS], [*GUARDS], set()),
    "an autoscaler counts as well": (
        [(DEPLOYMENT, "spec.replicas", GONE)],
        [SCALER, *GUARDS],
        {"replicas-without-redis"},
    ),
    "an autoscaler and replicas": (
        [*REDIS],
        [SCALER, *GUARDS],
        {"replicas-and-autoscaler"},
    ),
    "Redis switched off": (
        [THREE, *REDIS, setting("REDIS_ENABLED", "false")],
        [*GUARDS],
        {"replicas-without-redis"},
    ),
    "a rate limit of each replica's own": (
        [
            THREE,
            *REDIS,
            setting("RATE_LIMITER_ENABLED", "true"),
            setting("RATE_LIMITER_STORE", "memory"),
        ],
        [*GUARDS],
        {"replicas-memory-store"},
    ),
    "a synchronisation of each replica's own": (
        [THREE, *REDIS, setting("SYNCHRONIZATION_STORE", "memory")],
        [*GUARDS],
        {"replicas-memory-store"},
    ),
    "uploads on a volume of one node": (
        [
            THREE,
            *REDIS,
            (
                "PersistentVolumeClaim/uploads",
                "spec.accessModes",
                ["ReadWriteOnce"],
            ),
            (DEPLOYMENT, "spec.strategy", {"type": "Recreate"}),
        ],
        [*GUARDS],
        {"replicas-without-shared-storage"},
    ),
    "uploads in the pod": (
        [THREE, *REDIS, (DEPLOYMENT, f"{FIRST}.volumeMounts", [])],
        [*GUARDS],
        {"replicas-without-shared-storage"},
    ),
    "uploads beside the volume": (
        [THREE, *REDIS, setting("STORAGE_LOCAL_ROOT", "./files")],
        [*GUARDS],
        {"replicas-without-shared-storage"},
    ),
    "uploads on NFS": (
        [
            THREE,
            *REDIS,
            (
                DEPLOYMENT,
                f"{POD}.volumes",
                [{"name": "uploads", "nfs": {"server": "n", "path": "/"}}],
            ),
        ],
        [*GUARDS],
        {"security-context"},
    ),
    "uploads in a bucket": (
        [
            THREE,
            *REDIS,
            setting("STORAGE_LOCATIONS", "s3"),
            setting("STORAGE_S3_DRIVER", "s3"),
            (DEPLOYMENT, f"{FIRST}.volumeMounts", []),
        ],
        [*GUARDS],
        set(),
    ),
    "several replicas on SQLite": (
        [THREE, *REDIS, setting("DB_CLIENT", "sqlite3")],
        [*GUARDS],
        {"replicas-without-database", "directus-sqlite"},
    ),
    "several replicas without guards": (
        [THREE, *REDIS],
        [JOB],
        {"no-disruption-budget", "no-network-policy"},
    ),
    "several replicas that all migrate": (
        [THREE, *REDIS],
        [BUDGET, POLICY],
        {"replicas-migrate-together"},
    ),
    "a budget of no pod at all": (
        [],
        [{**BUDGET, "spec": {**BUDGET["spec"], "maxUnavailable": 0}}],
        {"budget-blocks-drain"},
    ),
    "a budget that keeps the only pod": (
        [],
        [budget(1)],
        {"budget-blocks-drain"},
    ),
    "a budget that keeps every pod": ([], [budget("100%")], {"budget-blocks-drain"}),
    "a budget that keeps all that an autoscaler leaves": (
        [*REDIS, (DEPLOYMENT, "spec.replicas", GONE)],
        [SCALER, budget(2), POLICY, JOB],
        {"budget-blocks-drain"},
    ),
    "a budget that keeps two of three": (
        [THREE, *REDIS],
        [budget(2), POLICY, JOB],
        set(),
    ),
    "a budget for pods that are elsewhere": (
        [],
        [
            {
                **BUDGET,
                "spec": {
                    "minAvailable": 1,
                    "selector": {"matchLabels": {"app.kubernetes.io/name": "other"}},
                },
            }
        ],
        set(),
    ),
    "a rolling update with a volume of one node": (
        [("PersistentVolumeClaim/uploads", "spec.accessModes", ["ReadWriteOnce"])],
        [],
        {"volume-blocks-rollout"},
    ),
    # --- databases ---
    "a vendor's path under the official image": (
        [(DATABASE, f"{FIRST}.volumeMounts.0.mountPath", "/bitnami/mariadb")],
        [],
        {"bitnami-path", "database-not-on-volume"},
    ),
    "a vendor's path in the vendor's image": (
        [
            (DATABASE, f"{FIRST}.volumeMounts.0.mountPath", "/bitnami/mariadb"),
            (DATABASE, f"{FIRST}.image", "bitnami/mariadb:11.4.8"),
        ],
        [],
        set(),
    ),
    "a folder above the data is enough": (
        [(DATABASE, f"{FIRST}.volumeMounts.0.mountPath", "/var/lib/mysql/data")],
        [],
        set(),
    ),
    "a new database without passwords": (
        [(DATABASE, f"{FIRST}.envFrom", [])],
        [],
        {"database-environment"},
    ),
    "PostgreSQL without a password": (
        [
            (DATABASE, f"{FIRST}.envFrom", []),
            (DATABASE, f"{FIRST}.image", "postgres:17.6"),
            (DATABASE, f"{FIRST}.volumeMounts.0.mountPath", "/var/lib/postgresql/data"),
        ],
        [],
        {"database-environment"},
    ),
    "a PostgreSQL out of support": (
        [
            (DATABASE, f"{FIRST}.image", "postgres:13.20"),
            (DATABASE, f"{FIRST}.volumeMounts.0.mountPath", "/var/lib/postgresql/data"),
        ],
        [],
        {"database-version"},
    ),
    "a MySQL out of support": (
        [(DATABASE, f"{FIRST}.image", "mysql:5.7.44")],
        [],
        {"database-version"},
    ),
    "a MySQL in support": ([(DATABASE, f"{FIRST}.image", "mysql:8.4.5")], [], set()),
    "a short-term MariaDB": (
        [(DATABASE, f"{FIRST}.image", "mariadb:11.5.2")],
        [],
        {"database-version"},
    ),
    "a tag that tells no series": (
        [(DATABASE, f"{FIRST}.image", "mariadb:acme-3")],
        [],
        set(),
    ),
    # --- secrets ---
    "a Secret in clear": (
        [],
        [
            {
                "apiVersion": "v1",
                "kind": "Secret",
                "metadata": {"name": "x", "namespace": "cms"},
                "stringData": {"A": "b"},
            }
        ],
        {"plain-secret"},
    ),
    "a Secret without values": (
        [],
        [
            {
                "apiVersion": "v1",
                "kind": "Secret",
                "metadata": {"name": "x", "namespace": "cms"},
            }
        ],
        set(),
    ),
    "a SealedSecret that is not sealed": (
        [],
        [
            {
                "apiVersion": "bitnami.com/v1alpha1",
                "kind": "SealedSecret",
                "metadata": {"name": "x", "namespace": "cms"},
                "spec": {"encryptedData": {"A": "b"}},
            }
        ],
        {"plain-secret"},
    ),
    "a password in a ConfigMap": (
        [setting("ADMIN_PASSWORD", "hunter2hunter2")],
        [],
        {"secret-in-clear"},
    ),
    "a password in an address": (
        [setting("SMTP", "smtp://u:hunter2@mail.example.com")],
        [],
        {"secret-in-clear"},
    ),
    "a token in a variable": (
        [variable("NOTE", "ghp_" + "a1B2" * 9)],
        [],
        {"secret-in-clear"},
    ),
    "a switch with a secret's name": (
        [setting("RESET_PASSWORD_ENABLED", "true")],
        [],
        set(),
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_a_fault_is_found_and_nothing_else(case: str) -> None:
    edits, more, expected = CASES[case]
    assert broken_rules(edits, more) == expected


def test_every_object_rule_has_a_case() -> None:
    tried = {
        rule
        for cases in (CASES, OBJECT_CASES)
        for _, _, expected in cases.values()
        for rule in expected
    }
    elsewhere = {
        "api-group-case",  # the files of mistakes
        "unparsable",
        "not-a-plain-file",
        "not-an-object",
        "several-kustomizations",  # trees
        "does-not-build",
        "image-entry",
        "config-line",
        "config-value",
        "config-unused",
        "shared-namespace",
        "unknown-environment",
        "unknown-stack",
        "generated-file",
        "engines-differ",  # several overlays
        "secret-generator",
        "secret-file",
        "secret-token",  # edits
        "own-credential",
    }
    assert {rule.name for rule in RULES} == tried | elsewhere
