"""The four health sources against real servers that speak the documented shapes."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from ipaddress import ip_network
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from gitops.model import (
    CommitId,
    EnvironmentName,
    Health,
    Overlay,
    Revision,
    Sighting,
    StackName,
    Target,
)
from gitops.web import Allowed, Web
from service.configuration import (
    Credential,
    HealthSource,
    SourceKind,
    Variable,
)
from service.observe import observe, probe
from tests.support.servers import Request, ResetError, Server, reply, serve

LOOPBACK = Allowed(networks=(ip_network("127.0.0.0/8"),))
COMMIT = CommitId("a" * 40)
OLDER = CommitId("b" * 40)
DIGEST, OTHER_DIGEST = f"sha256:{'1' * 64}", f"sha256:{'2' * 64}"
TOKEN = "s3cret-token"  # noqa: S105  a marker
Document = dict[str, Any]
PATTERN, FLUX_SYSTEM = "{stack}-{environment}", "flux-system"


def overlay(
    *, stack: str = "acme", namespace: str = "acme-production", digest: str = ""
) -> Overlay:
    return Overlay(
        target=Target(
            environment=EnvironmentName("production"), stack=StackName(stack)
        ),
        path=f"overlays/production/{stack}",
        revision=Revision(
            image="directus/directus", tag="12.4.1", digest=digest or None
        ),
        namespace=namespace,
        config={},
    )


def source(
    server: Server, kind: SourceKind, *, token: str = "", **more: Any
) -> HealthSource:
    credential = Variable(name="T", place="service.toml:1", lookup={"T": token}.get)
    names = {
        SourceKind.FLUX: {"application": PATTERN, "namespace": FLUX_SYSTEM},
        SourceKind.DEPLOYMENT: {"application": "directus", "namespace": "{namespace}"},
    }
    given: Document = {
        "name": "source",
        "kind": kind,
        "url": server.url,
        "credential": Credential(source=credential) if token else None,
        "application": PATTERN,
        "allowed": LOOPBACK,
        **names.get(kind, {}),
        **more,
    }
    return HealthSource(**given)


@pytest.fixture
def web() -> Iterator[Web]:
    with Web() as client:
        yield client


def asked(
    web: Web,
    kind: SourceKind,
    answer: Any,
    *,
    status: int = 200,
    about: Overlay | None = None,
    commit: CommitId = COMMIT,
) -> Sighting:
    """Ask a server that always gives one answer."""
    body = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
    with serve(lambda _: reply(body, status=status)) as server:
        seen = probe(source(server, kind), about or overlay(), web, commit=commit)
    assert seen.detail.isprintable()
    assert len(seen.detail) <= 200
    return seen


def said(seen: Sighting) -> tuple[str, str]:
    return seen.health.value, seen.version


# --- Directus ---


PROJECT = {"project_name": "Directus"}


def directus(
    *, version: str = "12.4.1", health: tuple[int, Document] | None = None
) -> Callable[[Request], bytes]:
    """Answer as Directus 12 does: the version and the checks for a token only."""

    def script(request: Request) -> bytes:
        known = request.headers.get("authorization") == f"Bearer {TOKEN}"
        if request.target == "/server/info":
            data: Document = {"project": PROJECT}
            return reply({"data": data | ({"version": version} if known else {})})
        if request.target == "/server/health" and health is not None and known:
            return reply(health[1], status=health[0])
        return reply({"errors": []}, status=403)

    return script


def test_a_directus_that_reads_its_database_is_healthy(web: Web) -> None:
    with serve(directus()) as server:
        seen = probe(source(server, SourceKind.DIRECTUS), overlay(), web)
    assert seen == Sighting(health=Health.HEALTHY)
    (request,) = server.requests
    assert request.target == "/server/info"
    assert request.headers["cache-control"] == "no-store"


def test_a_directus_tells_its_version_to_a_token(web: Web) -> None:
    with serve(directus()) as server:
        seen = probe(source(server, SourceKind.DIRECTUS, token=TOKEN), overlay(), web)
    assert seen == Sighting(health=Health.HEALTHY, version="12.4.1")


@pytest.mark.parametrize(
    ("status", "body", "health", "detail"),
    [
        (200, {"status": "ok"}, Health.HEALTHY, ""),
        (
            200,
            {
                "status": "warn",
                "checks": {"email:connection": [{"status": "warn"}], "x": []},
            },
            Health.HEALTHY,
            "/server/health says warn of email:connection",
        ),
        (
            503,
            {
                "status": "error",
                "checks": {
                    "postgres:responseTime": [{"status": "ok"}],
                    "storage:s3:responseTime": [{"status": "error"}],
                },
            },
            Health.UNHEALTHY,
            "/server/health says error of storage:s3:responseTime",
        ),
        (403, {"errors": []}, Health.HEALTHY, ""),
        (404, {"errors": []}, Health.HEALTHY, ""),
        (503, {"nonsense": True}, Health.HEALTHY, ""),
    ],
    ids=["ok", "warn", "error", "no-right", "switched-off", "overloaded"],
)
def test_the_checks_of_a_directus_count_for_whoever_may_see_them(
    web: Web, status: int, body: Document, health: Health, detail: str
) -> None:
    with serve(directus(health=(status, body))) as server:
        seen = probe(source(server, SourceKind.DIRECTUS, token=TOKEN), overlay(), web)
    assert seen == Sighting(health=health, version="12.4.1", detail=detail)


@pytest.mark.parametrize("status", [500, 502, 503, 504])
def test_a_directus_without_its_database_is_unhealthy(web: Web, status: int) -> None:
    seen = asked(web, SourceKind.DIRECTUS, {"errors": []}, status=status)
    assert seen.health is Health.UNHEALTHY
    assert str(status) in seen.detail


@pytest.mark.parametrize(
    "data", [{"setupCompleted": False}, {"setup": {"a": 1}, "version": "12.4.1"}]
)
def test_a_directus_without_an_administrator_is_not_ready(
    web: Web, data: Document
) -> None:
    seen = asked(web, SourceKind.DIRECTUS, {"data": data | {"project": PROJECT}})
    assert seen.health is Health.PROGRESSING
    assert "administrator" in seen.detail


def test_a_version_that_is_no_tag_is_not_kept(web: Web) -> None:
    seen = asked(
        web,
        SourceKind.DIRECTUS,
        {"data": {"project": PROJECT, "version": "12 <script>"}},
    )
    assert seen == Sighting(health=Health.HEALTHY)


# --- Argo CD ---


def application(
    health: str = "Healthy",
    sync: str = "Synced",
    *,
    images: tuple[str, ...] = ("directus/directus:12.4.1", "postgres:17"),
    operation: Document | None = None,
    **status: Any,
) -> Document:
    """Write an Application as `GET /api/v1/applications/NAME` does."""
    done = {
        "phase": "Succeeded",
        "message": "successfully synced (all tasks run)",
        "startedAt": "2026-02-02T10:00:00Z",
        "finishedAt": "2026-02-02T10:01:00Z",
        "syncResult": {"revision": COMMIT, "resources": []},
    }
    return {
        "metadata": {"name": "acme-production", "namespace": "argocd"},
        "spec": {"project": "directus-gitops"},
        "status": {
            "health": {"status": health},
            "sync": {"status": sync, "revision": COMMIT},
            "summary": {"images": list(images)},
            "operationState": done | (operation or {}),
            "resources": [{"kind": "Deployment", "name": "directus"}],
            **status,
        },
    }


RUNNING = {"phase": "Running", "message": "waiting for hooks"}
FAILED = {"phase": "Failed", "message": "one or more hooks failed: directus-migrate"}
FAILED_BEFORE = FAILED | {"syncResult": {"revision": OLDER}}


@pytest.mark.parametrize(
    ("app", "health", "version"),
    [
        (application(), "healthy", "12.4.1"),
        (application("Progressing"), "progressing", "12.4.1"),
        (application("Suspended"), "progressing", "12.4.1"),
        (application("Degraded"), "unhealthy", "12.4.1"),
        (application("Missing", images=()), "unhealthy", ""),
        (application("Missing", operation=RUNNING, images=()), "progressing", ""),
        (application(sync="OutOfSync"), "progressing", "12.4.1"),
        (application(operation=RUNNING), "progressing", "12.4.1"),
        (application(sync="OutOfSync", operation=FAILED), "unhealthy", ""),
        (
            application(sync="OutOfSync", operation=FAILED_BEFORE),
            "progressing",
            "12.4.1",
        ),
        (application("Unknown"), "unknown", ""),
        (application("Splendid"), "unknown", ""),
        (application(sync="Unknown"), "unknown", ""),
        (application(sync=""), "unknown", ""),
        (application(images=()), "healthy", ""),
        (application(images=("directus/directus:12.4.0",)), "healthy", "12.4.0"),
        (
            application(
                images=("directus/directus:12.4.0", "directus/directus:12.4.1")
            ),
            "healthy",
            "12.4.1",
        ),
        (
            application(
                images=("directus/directus:12.4.0", "directus/directus:11.0.0")
            ),
            "healthy",
            "",
        ),
        (
            application(images=("docker.io/directus/directus:12.4.1",)),
            "healthy",
            "12.4.1",
        ),
        (application(images=("evil/directus:12.4.1",)), "healthy", ""),
    ],
)
def test_an_application_is_read(
    web: Web, app: Document, health: str, version: str
) -> None:
    assert said(asked(web, SourceKind.ARGOCD, app)) == (health, version)


def test_an_application_that_is_out_of_sync_says_so(web: Web) -> None:
    seen = asked(web, SourceKind.ARGOCD, application(sync="OutOfSync"))
    assert seen.detail == "it is out of sync"
    app = application(sync="OutOfSync", operation=FAILED)
    seen = asked(web, SourceKind.ARGOCD, app)
    assert seen.detail == (
        "its sync failed: one or more hooks failed: directus-migrate"
    )


def test_an_application_that_is_going_is_not_healthy(web: Web) -> None:
    app = application()
    app["metadata"]["deletionTimestamp"] = "2026-02-02T10:00:00Z"
    assert asked(web, SourceKind.ARGOCD, app).health is Health.PROGRESSING


def test_an_application_says_what_argo_cd_complains_of(web: Web) -> None:
    complaint = {
        "type": "ComparisonError",
        "message": "failed to fetch https://u:s3cret@git.example.com/x: denied",
    }
    app = application(sync="Unknown", conditions=[{"type": "Warning"}, complaint])
    detail = asked(web, SourceKind.ARGOCD, app).detail
    assert "git.example.com/x: denied" in detail
    assert "s3cret" not in detail


def test_the_same_tag_of_another_digest_is_not_the_revision(web: Web) -> None:
    about = overlay(digest=DIGEST)
    for digest, health in (
        (DIGEST, Health.HEALTHY),
        (OTHER_DIGEST, Health.PROGRESSING),
    ):
        app = application(images=(f"directus/directus:12.4.1@{digest}",))
        assert asked(web, SourceKind.ARGOCD, app, about=about).health is health


def test_an_application_is_asked_for_by_name_and_namespace(web: Web) -> None:
    with serve(lambda _: reply(application())) as server:
        plain = source(server, SourceKind.ARGOCD, token=TOKEN)
        probe(plain, overlay(), web)
        probe(
            source(server, SourceKind.ARGOCD, namespace="team-{stack}"), overlay(), web
        )
    first, second = server.requests
    assert first.target == "/api/v1/applications/acme-production"
    assert first.headers["authorization"] == f"Bearer {TOKEN}"
    assert parse_qs(urlsplit(second.target).query) == {"appNamespace": ["team-acme"]}


# --- Flux ---


def kustomization(
    ready: str = "True",
    reason: str = "ReconciliationSucceeded",
    *,
    applied: str = f"main@sha1:{COMMIT}",
    tried: str = f"main@sha1:{COMMIT}",
    message: str = "Applied revision",
    spec: Mapping[str, Any] | None = None,
    seen: int = 3,
) -> Document:
    """Write a Kustomization as the Kubernetes API does."""
    conditions: list[Document] = [
        {"type": "Reconciling", "status": "True", "reason": "Progressing"},
        {
            "type": "Ready",
            "status": ready,
            "reason": reason,
            "message": message,
            "observedGeneration": seen,
            "lastTransitionTime": "2026-02-02T10:00:00Z",
        },
    ]
    return {
        "apiVersion": "kustomize.toolkit.fluxcd.io/v1",
        "kind": "Kustomization",
        "metadata": {
            "name": "acme-production",
            "namespace": FLUX_SYSTEM,
            "generation": 3,
        },
        "spec": {"path": "./overlays/production/acme", **(spec or {})},
        "status": {
            "conditions": conditions if ready else [],
            "lastAppliedRevision": applied,
            "lastAttemptedRevision": tried,
            "observedGeneration": seen,
        },
    }


@pytest.mark.parametrize(
    ("found", "health", "version"),
    [
        (kustomization(), "healthy", "12.4.1"),
        (kustomization(applied=f"main/{COMMIT}"), "healthy", "12.4.1"),
        (kustomization(applied=f"main@sha1:{OLDER}"), "progressing", ""),
        (kustomization(applied=""), "unknown", ""),
        (kustomization(applied="main@sha1:nonsense"), "unknown", ""),
        (kustomization("Unknown", "Progressing"), "progressing", ""),
        (kustomization("False", "DependencyNotReady"), "progressing", ""),
        (kustomization("False", "HealthCheckFailed"), "unhealthy", "12.4.1"),
        (kustomization("False", "BuildFailed"), "unhealthy", "12.4.1"),
        (
            kustomization("False", "BuildFailed", tried=f"main@sha1:{OLDER}"),
            "progressing",
            "",
        ),
        (kustomization("False", "ArtifactFailed", tried=""), "progressing", ""),
        (kustomization(""), "progressing", ""),
        (kustomization("Perhaps"), "unknown", ""),
        (kustomization(spec={"suspend": True}), "progressing", ""),
        (kustomization(seen=2), "progressing", ""),
    ],
)
def test_a_kustomization_is_read(
    web: Web, found: Document, health: str, version: str
) -> None:
    assert said(asked(web, SourceKind.FLUX, found)) == (health, version)


def test_a_kustomization_says_how_far_it_is(web: Web) -> None:
    found = kustomization(applied=f"main@sha1:{OLDER}")
    detail = asked(web, SourceKind.FLUX, found).detail
    assert detail == "it applied at bbbbbbbb; the base branch is at aaaaaaaa"


def test_without_a_commit_to_compare_with_ready_is_enough(web: Web) -> None:
    found = kustomization(applied=f"main@sha1:{OLDER}")
    seen = asked(web, SourceKind.FLUX, found, commit=CommitId(""))
    assert seen == Sighting(health=Health.HEALTHY)


def test_a_kustomization_of_an_artifact_tells_its_origin(web: Web) -> None:
    found = kustomization(applied=f"v1@sha256:{'c' * 64}")
    found["status"]["lastAppliedOriginRevision"] = f"main@sha1:{COMMIT}"
    assert asked(web, SourceKind.FLUX, found).health is Health.HEALTHY


def test_a_kustomization_is_asked_for_where_flux_keeps_it(web: Web) -> None:
    with serve(lambda _: reply(kustomization())) as server:
        probe(source(server, SourceKind.FLUX, token=TOKEN), overlay(), web)
    (request,) = server.requests
    assert request.target == (
        "/apis/kustomize.toolkit.fluxcd.io/v1/namespaces/flux-system/"
        "kustomizations/acme-production"
    )
    assert request.headers["authorization"] == f"Bearer {TOKEN}"


# --- Deployment ---


def deployment(
    *,
    image: str = "directus/directus:12.4.1",
    spec: Mapping[str, Any] | None = None,
    status: Mapping[str, Any] | None = None,
    progressing: tuple[str, str] = ("True", "NewReplicaSetAvailable"),
) -> Document:
    """Write a Deployment as the Kubernetes API does."""
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {
            "name": "directus",
            "namespace": "acme-production",
            "generation": 7,
        },
        "spec": {
            "replicas": 2,
            "template": {
                "spec": {
                    "initContainers": [{"name": "wait", "image": "other:1"}],
                    "containers": [
                        {"name": "sidecar", "image": "envoy:1"},
                        {"name": "directus", "image": image},
                    ],
                }
            },
            **(spec or {}),
        },
        "status": {
            "observedGeneration": 7,
            "replicas": 2,
            "updatedReplicas": 2,
            "readyReplicas": 2,
            "availableReplicas": 2,
            "conditions": [
                {"type": "Available", "status": "True"},
                {
                    "type": "Progressing",
                    "status": progressing[0],
                    "reason": progressing[1],
                    "message": 'ReplicaSet "directus-1" has timed out progressing.',
                },
            ],
            **(status or {}),
        },
    }


NEW = ("True", "ReplicaSetUpdated")


@pytest.mark.parametrize(
    ("found", "health", "version"),
    [
        (deployment(), "healthy", "12.4.1"),
        (deployment(image="directus/directus:12.4.0"), "healthy", "12.4.0"),
        (deployment(image=f"directus/directus@{DIGEST}"), "healthy", ""),
        (deployment(status={"observedGeneration": 6}), "progressing", "12.4.1"),
        (deployment(status={"updatedReplicas": 1}), "progressing", "12.4.1"),
        (deployment(status={"replicas": 3}), "progressing", "12.4.1"),
        (
            deployment(status={"availableReplicas": 1}, progressing=NEW),
            "progressing",
            "12.4.1",
        ),
        (
            deployment(status={"availableReplicas": 0}, progressing=NEW),
            "progressing",
            "12.4.1",
        ),
        (deployment(status={"availableReplicas": 1}), "progressing", "12.4.1"),
        (deployment(status={"availableReplicas": None}), "unhealthy", "12.4.1"),
        (
            deployment(progressing=("False", "ProgressDeadlineExceeded")),
            "unhealthy",
            "12.4.1",
        ),
        (
            deployment(
                status={"conditions": [{"type": "ReplicaFailure", "status": "True"}]}
            ),
            "unhealthy",
            "12.4.1",
        ),
        (deployment(spec={"paused": True}), "progressing", "12.4.1"),
        (deployment(spec={"replicas": 0}), "progressing", "12.4.1"),
        (deployment(image="nginx:1"), "unknown", ""),
    ],
)
def test_a_deployment_is_read(
    web: Web, found: Document, health: str, version: str
) -> None:
    assert said(asked(web, SourceKind.DEPLOYMENT, found)) == (health, version)


def test_a_stuck_rollout_says_why(web: Web) -> None:
    found = deployment(progressing=("False", "ProgressDeadlineExceeded"))
    detail = asked(web, SourceKind.DEPLOYMENT, found).detail
    assert detail == (
        'its rollout is stuck: ReplicaSet "directus-1" has timed out progressing.'
    )


def test_a_deployment_is_asked_for_in_the_namespace_of_its_overlay(web: Web) -> None:
    with serve(lambda _: reply(deployment())) as server:
        probe(source(server, SourceKind.DEPLOYMENT), overlay(), web)
    assert server.requests[0].target == (
        "/apis/apps/v1/namespaces/acme-production/deployments/directus"
    )


# --- what makes no sense ---

GOOD: Mapping[SourceKind, Document] = {
    SourceKind.DIRECTUS: {"data": {"project": PROJECT, "version": "12.4.1"}},
    SourceKind.ARGOCD: application(),
    SourceKind.FLUX: kustomization(),
    SourceKind.DEPLOYMENT: deployment(),
}
KINDS = list(SourceKind)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b"[]",
        b"{}",
        b'{"data": {}}',
        b"null",
        b'"text"',
        b"7",
        b"\xff",
        b'{"data": [], "metadata": [], "status": 7}',
        b"[" * 200_000,
        b'{"data":' * 5_000 + b"1" + b"}" * 5_000,
        b'{"data": "' + b"x" * (9 << 20) + b'"}',
    ],
    ids=[
        "nothing",
        "html",
        "list",
        "empty",
        "bare",
        "null",
        "text",
        "number",
        "latin",
        "wrong",
        "open",
        "deep",
        "huge",
    ],
)
def test_an_answer_that_makes_no_sense_is_unknown_with_a_reason(
    web: Web, kind: SourceKind, body: bytes
) -> None:
    seen = asked(web, kind, body)
    assert (seen.health, seen.version) == (Health.UNKNOWN, "")
    assert seen.detail


OTHERS: list[Any] = [None, [], {}, "", 7, -5, 1e300, True, "\x1b[31m\n" * 99]


def mutations(node: Any) -> Iterator[Any]:
    """Yield a document with each of its parts replaced by something else, in turn."""
    yield from OTHERS
    yield [{"type": []}, 3]
    if isinstance(node, dict):
        for key, value in node.items():
            yield from (node | {key: changed} for changed in mutations(value))
    if isinstance(node, list):
        for index, value in enumerate(node):
            for changed in mutations(value):
                yield [*node[:index], changed, *node[index + 1 :]]


@pytest.mark.parametrize("kind", KINDS)
def test_no_change_of_any_field_makes_an_exception(web: Web, kind: SourceKind) -> None:
    left = list(mutations(GOOD[kind]))
    answers = iter(left)
    with serve(lambda _: reply(next(answers))) as server:
        asked_source = source(server, kind)
        for _ in left:
            seen = probe(asked_source, overlay(), web, commit=COMMIT)
            assert seen.detail.isprintable()
            assert len(seen.detail) <= 200
            assert seen.health is Health.HEALTHY or seen.detail
    assert len(server.requests) == len(left)


@pytest.mark.parametrize("kind", [k for k in KINDS if k is not SourceKind.DIRECTUS])
def test_an_answer_about_something_else_is_unknown(web: Web, kind: SourceKind) -> None:
    about = overlay(stack="other", namespace="other")
    seen = asked(web, kind, GOOD[kind], about=about)
    assert (seen.health, seen.version) == (Health.UNKNOWN, "")
    assert "something else" in seen.detail


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize(
    ("status", "told"),
    [
        (401, "token is not accepted"),
        (403, "no right"),
        (404, "not there"),
        (429, "too often"),
        (302, "answers 302"),
        (204, "answers 204"),
        (418, "answers 418"),
    ],
)
def test_an_answer_without_the_object_is_unknown(
    web: Web, kind: SourceKind, status: int, told: str
) -> None:
    seen = asked(web, kind, b"", status=status)
    assert seen.health is Health.UNKNOWN
    assert told in seen.detail


# --- who cannot be asked ---


@pytest.mark.parametrize("kind", KINDS)
def test_a_source_that_breaks_off_is_unknown(web: Web, kind: SourceKind) -> None:
    def script(_: Request) -> bytes:
        raise ResetError

    with serve(script) as server:
        seen = probe(source(server, kind), overlay(), web)
    assert seen.health is Health.UNKNOWN
    assert "127.0.0.1" in seen.detail


def test_a_source_that_is_silent_is_unknown_in_time(web: Web) -> None:
    with serve(lambda _: iter(())) as server:  # hears, and says nothing
        seen = probe(source(server, SourceKind.ARGOCD), overlay(), web, deadline_s=0.2)
    assert seen.health is Health.UNKNOWN
    assert "in time" in seen.detail


def test_a_source_where_nothing_may_be_reached_is_not_asked(web: Web) -> None:
    with serve(lambda _: reply(application())) as server:
        seen = probe(
            source(server, SourceKind.ARGOCD, allowed=Allowed()), overlay(), web
        )
        assert server.connections == 0
    assert seen.health is Health.UNKNOWN
    assert "may not be reached: loopback" in seen.detail


@pytest.mark.parametrize(
    "namespace",
    [
        "",
        "evil.example.com/x?",
        "a/../../secrets",
        "a%2Fb",
        "A",
        "x" * 64,
        "a\r\nHost: b",
        "127.0.0.1:1/",
        "{stack}",
    ],
)
def test_a_namespace_from_git_cannot_choose_whom_to_ask(
    web: Web, namespace: str
) -> None:
    with serve(lambda _: reply(deployment())) as server:
        seen = probe(
            source(server, SourceKind.DEPLOYMENT), overlay(namespace=namespace), web
        )
        assert server.connections == 0
    assert seen.health is Health.UNKNOWN
    assert "namespace" in seen.detail
    assert "evil" not in seen.detail


def test_a_credential_that_is_not_there_is_unknown_and_asks_nobody(web: Web) -> None:
    empty: dict[str, str] = {}
    place = "service.toml:9: credential"
    missing = Variable(name="T", place=place, lookup=empty.get)
    with serve(lambda _: reply(application())) as server:
        seen = probe(
            source(server, SourceKind.ARGOCD, credential=Credential(source=missing)),
            overlay(),
            web,
        )
        assert server.connections == 0
    assert seen.detail == (
        "service.toml:9: credential: the environment variable T is not set"
    )


def test_a_token_is_in_nothing_that_is_said(web: Web) -> None:
    def echo(request: Request) -> bytes:
        return reply(request.headers["authorization"], status=401)

    with serve(echo) as server:
        seen = probe(source(server, SourceKind.ARGOCD, token=TOKEN), overlay(), web)
    assert TOKEN not in repr(seen)


# --- all of them ---


def fleet(count: int) -> list[Overlay]:
    return [
        overlay(stack=f"s{number}", namespace=f"s{number}-production")
        for number in range(count)
    ]


def healthy_app(request: Request) -> bytes:
    app = application()
    app["metadata"]["name"] = request.target.rpartition("/")[2]
    return reply(app)


def test_every_source_is_asked_about_every_target(web: Web) -> None:
    overlays = fleet(20)
    with serve(healthy_app) as argocd, serve(directus()) as http:
        sources = [
            source(argocd, SourceKind.ARGOCD, name="argocd"),
            source(http, SourceKind.DIRECTUS, name="http"),
        ]
        seen = list(observe(sources, overlays, web=web, commit=COMMIT))
    found = {(target, name) for target, name, _ in seen}
    assert found == {(o.target, s.name) for o in overlays for s in sources}
    assert len(seen) == 40
    assert {sighting.health for _, _, sighting in seen} == {Health.HEALTHY}


def test_nobody_to_ask_is_nothing_to_say(web: Web) -> None:
    assert list(observe([], fleet(3), web=web, commit=COMMIT)) == []


def test_a_sick_source_takes_nothing_from_the_others(web: Web) -> None:
    def broken(_: Request) -> bytes:
        raise ResetError

    overlays = fleet(60)
    with serve(broken) as sick, serve(healthy_app) as well:
        sources = [
            source(sick, SourceKind.ARGOCD, name="sick"),
            source(well, SourceKind.ARGOCD, name="well"),
        ]
        seen = list(observe(sources, overlays, web=web, commit=COMMIT))
        asked_often = len(sick.requests)
    by_name = {name: [s for _, n, s in seen if n == name] for name in ("sick", "well")}
    assert {s.health for s in by_name["well"]} == {Health.HEALTHY}
    assert {s.health for s in by_name["sick"]} == {Health.UNKNOWN}
    assert all(s.detail for s in by_name["sick"])
    assert asked_often < 20  # it is left alone after a few


def test_when_the_time_is_over_the_rest_is_unknown(web: Web) -> None:
    with serve(healthy_app) as server:
        sources = [source(server, SourceKind.ARGOCD)]
        seen = list(observe(sources, fleet(5), web=web, commit=COMMIT, deadline_s=0))
        assert server.connections == 0
    assert [s.detail for _, _, s in seen] == ["there was no time to ask"] * 5


def test_one_who_stops_listening_leaves_nothing_running(web: Web) -> None:
    with serve(healthy_app) as server:
        sources = [source(server, SourceKind.ARGOCD)]
        answers = observe(sources, fleet(50), web=web, commit=COMMIT)
        next(answers)
        answers.close()  # type: ignore[attr-defined]  # a generator
        assert len(server.requests) < 50
