"""Rules about how Directus runs: its probes, its process, its places to write.

Source: runs of Directus 10 to 12 with and without its database, under pm2 and without,
with a read-only root; docs/rules.md says for each rule what happens otherwise.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Final

from gitops.model import Severity
from gitops.schemas import Place
from gitops.validate.rule import Problem, Rule, shown
from gitops.validate.shapes import at, items, mapping, mappings, number, text
from gitops.validate.view import Container, Pods, View
from gitops.versions import version_of

HEALTH_PROBE: Final = Rule(
    name="directus-health-probe",
    severity=Severity.ERROR,
    why="/server/health answers 403 to strangers since 12.0.0, writes a file to every "
    "storage and talks to the mail server each time: never a probe.",
    fix="probe /server/ping for startup and liveness, /server/info for readiness",
)
READINESS: Final = Rule(
    name="directus-readiness",
    severity=Severity.WARNING,
    why="The probe is answered without the database: a pod that cannot use it gets "
    "traffic, and a roll-back onto the database of a newer version counts as done "
    "while every request fails.",
    fix="probe /server/info with the header Cache-Control: no-store, and with a cache "
    "set CACHE_SKIP_ALLOWED=true",
)
STARTUP_ROOM: Final = Rule(
    name="directus-startup-room",
    severity=Severity.WARNING,
    why="Directus migrates its database while it starts. A startup probe that gives up "
    "kills the migration, which then is half done.",
    fix="let periodSeconds times failureThreshold be five minutes or more",
)
LIVENESS: Final = Rule(
    name="directus-liveness",
    severity=Severity.WARNING,
    why="Under load /server/ping answers 503, and 429 at the rate limit: a hasty probe "
    "kills the pods that have work to do, and the others get it.",
    fix="let periodSeconds times failureThreshold be a minute or more",
)
SERVICE_LINKS: Final = Rule(
    name="directus-service-links",
    severity=Severity.WARNING,
    why="Kubernetes injects REDIS_PORT=tcp://... for a Service called redis (DB_PORT "
    "for db), and Directus takes that for its setting and ends.",
    fix="set enableServiceLinks: false",
)
NUMERIC_USER: Final = Rule(
    name="directus-user",
    severity=Severity.ERROR,
    why="The image's user is a name (node), which runAsNonRoot cannot check: the "
    "kubelet refuses to start the container.",
    fix="set runAsUser: 1000 and runAsGroup: 1000",
)
COMMAND: Final = Rule(
    name="directus-command",
    severity=Severity.WARNING,
    why="`node cli.js start` as the first process of a container never ends on "
    "SIGTERM: each pod is killed after its whole grace period.",
    fix="leave command and args out, so that the image's entrypoint runs",
)
READ_ONLY: Final = Rule(
    name="directus-read-only-root",
    severity=Severity.ERROR,
    why="The root file system is read-only, and pm2, which starts Directus, has no "
    "place for its files: Directus is never started.",
    fix="mount an emptyDir at /tmp, and set HOME=/tmp, PM2_HOME=/tmp/.pm2 and "
    "TEMP_PATH=/tmp/directus",
)

RULES: Final = (
    HEALTH_PROBE,
    READINESS,
    STARTUP_ROOM,
    LIVENESS,
    SERVICE_LINKS,
    NUMERIC_USER,
    COMMAND,
    READ_ONLY,
)

_PROBES: Final = ("startupProbe", "livenessProbe", "readinessProbe")
_PERIOD_S, _FAILURES = 10, 3  # what Kubernetes takes when nothing is said
_STARTUP_S: Final = 120
_LIVENESS_S: Final = 60
_HOME: Final = "/home/node"
_PM2_MAJOR: Final = 10


def problems(view: View) -> Iterator[Problem]:
    """Check every container in which Directus serves."""
    for pods in view.pods:
        for container in pods.directus:
            yield from _health(pods, container)
            yield from _readiness(pods, container)
            yield from _patience(pods, container)
            yield from _process(pods, container)
            yield from _pm2(pods, container)


def _problem(
    rule: Rule, pods: Pods, container: Container, at_: Place, message: str
) -> Problem:
    return Problem(rule=rule, item=pods.item, at=(*container.at, *at_), message=message)


# --- probes ---


def _path(container: Container, probe: str) -> str:
    path = text(at(container.body, (probe, "httpGet", "path")))
    return path.partition("?")[0].rstrip("/")


def _health(pods: Pods, container: Container) -> Iterator[Problem]:
    for name in _PROBES:
        if _path(container, name) == "/server/health":
            place = (name, "httpGet", "path")
            yield _problem(
                HEALTH_PROBE, pods, container, place, "probes /server/health"
            )


def _readiness(pods: Pods, container: Container) -> Iterator[Problem]:
    probe = mapping(container.body.get("readinessProbe"))
    path = _path(container, "readinessProbe")
    if probe.get("tcpSocket"):
        message = "asks only for an open port"
    elif probe.get("httpGet") and path in ("", "/server/ping"):
        message = f"probes {path or '/'}, which answers without the database"
    elif path == "/server/info" and _from_cache(container):
        message = "probes /server/info, which may answer from the cache"
    else:
        return
    yield _problem(READINESS, pods, container, ("readinessProbe",), message)


def _from_cache(container: Container) -> bool:
    env = container.environment
    if env.value("CACHE_ENABLED", "false") != "true":
        return False
    if env.value("CACHE_SKIP_ALLOWED", "false") == "false":
        return True
    place = ("readinessProbe", "httpGet", "httpHeaders")
    return not any(
        text(header.get("name")).lower() == "cache-control"
        and "no-store" in text(header.get("value"))
        for _, header in mappings(at(container.body, place))
    )


def _patience(pods: Pods, container: Container) -> Iterator[Problem]:
    for name, rule, least in (
        ("startupProbe", STARTUP_ROOM, _STARTUP_S),
        ("livenessProbe", LIVENESS, _LIVENESS_S),
    ):
        probe = mapping(container.body.get(name))
        period = number(probe.get("periodSeconds")) or _PERIOD_S
        failures = number(probe.get("failureThreshold")) or _FAILURES
        if probe and period * failures < least:
            message = f"gives up after {period * failures} seconds"
            yield _problem(rule, pods, container, (name,), message)


# --- process ---


def _process(pods: Pods, container: Container) -> Iterator[Problem]:
    if pods.spec.get("enableServiceLinks") is not False:
        yield Problem(
            rule=SERVICE_LINKS,
            item=pods.item,
            at=(*pods.at, "spec", "enableServiceLinks"),
            message="is not false",
        )
    own = mapping(container.body.get("securityContext"))
    whole = mapping(pods.spec.get("securityContext"))
    if (
        container.image.is_directus_release
        and own.get("runAsNonRoot", whole.get("runAsNonRoot")) is True
        and number(own.get("runAsUser", whole.get("runAsUser"))) is None
    ):
        message = "runAsNonRoot without a numeric runAsUser"
        yield _problem(NUMERIC_USER, pods, container, ("securityContext",), message)
    words = _words(container)
    is_alone = pods.spec.get("shareProcessNamespace") is not True
    if is_alone and words[:1] == ["node"] and "start" in words:
        message = "runs `node cli.js start` itself"
        yield _problem(COMMAND, pods, container, ("command",), message)


def _words(container: Container) -> list[str]:
    return [
        text(word)
        for field in ("command", "args")
        for word in items(container.body.get(field))
    ]


def _pm2(pods: Pods, container: Container) -> Iterator[Problem]:
    """Ask for a writable home of pm2, where the image's own entrypoint runs."""
    place = ("securityContext", "readOnlyRootFilesystem")
    if at(container.body, place) is not True or _words(container):
        return
    version = version_of(container.image.tag)
    if version is not None and version.major < _PM2_MAJOR:
        return
    env = container.environment
    home = env.value("HOME", _HOME)
    folder = env.value("PM2_HOME", "") if home is None else env.value("PM2_HOME", home)
    if folder and not _is_writable(container, folder):
        message = f"pm2 cannot write to {shown(folder)}"
        yield _problem(READ_ONLY, pods, container, place, message)


def _is_writable(container: Container, folder: str) -> bool:
    return any(
        PurePosixPath(folder).is_relative_to(text(mount.get("mountPath")) or "/nowhere")
        and mount.get("readOnly") is not True
        for _, mount in mappings(container.body.get("volumeMounts"))
    )
