"""Rules that only somebody who knows Directus can make: image, port, settings.

Source: the application's own source and environment list (versions 10 to 12), and
runs of it; docs/rules.md says for each rule what happens otherwise.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from gitops.model import Severity
from gitops.schemas import Place
from gitops.validate.exposure import host_of
from gitops.validate.rule import Problem, Rule, shown
from gitops.validate.shapes import at, items, mapping, number, text
from gitops.validate.view import Container, Pods, View
from gitops.versions import version_of

IMAGE_NAME: Final = Rule(
    name="directus-image",
    severity=Severity.ERROR,
    why="There is no image `directus` on Docker Hub; Directus publishes "
    "directus/directus and ghcr.io/directus/directus.",
    fix="write directus/directus",
)
VERSION: Final = Rule(
    name="directus-version",
    severity=Severity.ERROR,
    why="Directus never released that version as an image: releases begin at 9.0.0, "
    "and tags have no leading v.",
    fix="use a version from https://github.com/directus/directus/releases",
)
PORT: Final = Rule(
    name="directus-port",
    severity=Severity.ERROR,
    why="Directus listens on 8055, or on PORT where that is set; a container port that "
    "says otherwise leads Services and probes to a closed port.",
    fix="set containerPort to 8055",
)
DATABASE_CLIENT: Final = Rule(
    name="directus-database-client",
    severity=Severity.ERROR,
    why="The image has DB_CLIENT=sqlite3 built in: with only DB_HOST set, Directus "
    "runs on SQLite inside the container without a word, and loses it with the pod.",
    fix="set DB_CLIENT: mysql for MariaDB, pg for PostgreSQL",
)
DATABASE_SETTINGS: Final = Rule(
    name="directus-database-settings",
    severity=Severity.ERROR,
    why="Directus needs host, database, user and password, or ends at the start.",
    fix="set DB_HOST, DB_DATABASE, DB_USER and DB_PASSWORD, or DB_CONNECTION_STRING",
)
SQLITE: Final = Rule(
    name="directus-sqlite",
    severity=Severity.WARNING,
    why="SQLite lives in one file of one pod: no second replica, and no data without a "
    "volume of its own.",
    fix="use PostgreSQL or MariaDB",
)
SECRET: Final = Rule(
    name="directus-secret",
    severity=Severity.ERROR,
    why="Without SECRET each process makes up its own: every restart logs everybody "
    "out, and with several replicas a token of one is refused by the others.",
    fix="take SECRET from a Secret: env, valueFrom, secretKeyRef",
)
HEALTH_PROBE: Final = Rule(
    name="directus-health-probe",
    severity=Severity.ERROR,
    why="/server/health answers 403 to strangers since 12.0.0, writes a file to every "
    "storage and talks to the mail server each time: never a probe.",
    fix="probe /server/ping for startup and liveness, /server/info for readiness",
)
SERVICE_LINKS: Final = Rule(
    name="directus-service-links",
    severity=Severity.WARNING,
    why="Kubernetes injects REDIS_PORT=tcp://... for a Service called redis (DB_PORT "
    "for db), and Directus takes that for its setting and ends.",
    fix="set enableServiceLinks: false",
)
PM2: Final = Rule(
    name="directus-pm2-instances",
    severity=Severity.WARNING,
    why="Several processes in one pod share its memory limit and its probes; "
    "Kubernetes sees one of them.",
    fix="remove PM2_INSTANCES and raise replicas",
)
ENV_FILE: Final = Rule(
    name="directus-env-file",
    severity=Severity.WARNING,
    why="Directus reads the `_FILE` form only for its own known variables; others are "
    "ignored without a word.",
    fix="set the variable itself with secretKeyRef",
)
PUBLIC_URL: Final = Rule(
    name="directus-public-url",
    severity=Severity.WARNING,
    why="Links in mails, redirects and, since 12.0.0, the licence need an absolute "
    "PUBLIC_URL without a slash at its end.",
    fix="set PUBLIC_URL=https://your.host",
)
REDIS_URL: Final = Rule(
    name="directus-redis-url",
    severity=Severity.WARNING,
    why="With REDIS=redis://... every Directus process ends about ten seconds after "
    "Redis goes; with REDIS_HOST and REDIS_MAX_RETRIES_PER_REQUEST=null it waits.",
    fix="use REDIS_HOST, REDIS_PORT and REDIS_MAX_RETRIES_PER_REQUEST=null",
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
TRUST_PROXY: Final = Rule(
    name="directus-trust-proxy",
    severity=Severity.WARNING,
    why="IP_TRUST_PROXY is false since 12.0.0: behind an Ingress all clients share one "
    "address in rate limits and in the activity log.",
    fix="set IP_TRUST_PROXY=true, or the proxy's network",
)

RULES: Final = (
    IMAGE_NAME,
    VERSION,
    PORT,
    DATABASE_CLIENT,
    DATABASE_SETTINGS,
    SQLITE,
    SECRET,
    HEALTH_PROBE,
    SERVICE_LINKS,
    PM2,
    ENV_FILE,
    PUBLIC_URL,
    REDIS_URL,
    NUMERIC_USER,
    COMMAND,
    TRUST_PROXY,
)

CLIENTS: Final = ("pg", "mysql", "cockroachdb", "mssql", "oracledb", "sqlite3")
_OLDEST_MAJOR: Final = 9
_TRUST_PROXY_MAJOR: Final = 12
_DEFAULT_PORT: Final = "8055"
_ENV_FILES: Final = re.compile(
    r"(DB_|REDIS|ADMIN_|EMAIL_|LICENSE_|AUTH_|STORAGE_\w+_(KEY|SECRET)|SECRET|KEY"
    r"|METRICS_TOKENS|CACHE_|RATE_LIMITER_|LDAP_).*",
    re.ASCII,
)
_CONNECTION: Final = ("DB_HOST", "DB_DATABASE", "DB_USER", "DB_PASSWORD")
_PROBES: Final = ("startupProbe", "livenessProbe", "readinessProbe")


def problems(view: View) -> Iterator[Problem]:
    """Check every container in which Directus serves."""
    has_ingress = any(view.of_kind("Ingress"))
    for pods in view.pods:
        for container in pods.containers:
            yield from _image(pods, container)
        for container in pods.directus:
            yield from _port(pods, container)
            yield from _database(pods, container)
            yield from _settings(pods, container)
            yield from _probes(pods, container)
            yield from _process(pods, container)
            if has_ingress:
                yield from _trust_proxy(pods, container)


def _problem(
    rule: Rule, pods: Pods, container: Container, at_: Place, message: str
) -> Problem:
    return Problem(rule=rule, item=pods.item, at=(*container.at, *at_), message=message)


# --- image and port ---


def _image(pods: Pods, container: Container) -> Iterator[Problem]:
    image = container.image
    if image.repository == "directus":
        yield _problem(
            IMAGE_NAME, pods, container, ("image",), "there is no image `directus`"
        )
    elif not image.is_directus_release:
        return
    version = version_of(image.tag)
    if version is not None and version.major < _OLDEST_MAJOR:
        message = f"there is no Directus {shown(image.tag)}"
        yield _problem(VERSION, pods, container, ("image",), message)
    elif re.fullmatch(r"v\d+(\.\d+)*", image.tag, re.ASCII):
        message = f"tags have no leading v: {shown(image.tag)}"
        yield _problem(VERSION, pods, container, ("image",), message)


def _port(pods: Pods, container: Container) -> Iterator[Problem]:
    listens = container.environment.value("PORT", _DEFAULT_PORT)
    ports = [number(port.get("containerPort")) for port in container.ports]
    known = [port for port in ports if port is not None]
    if listens is None or not known or listens in map(str, known):
        return
    yield _problem(
        PORT,
        pods,
        container,
        ("ports", 0, "containerPort"),
        f"declares {', '.join(map(str, known))}, but Directus listens on "
        f"{shown(listens)}",
    )


# --- settings ---


def _database(pods: Pods, container: Container) -> Iterator[Problem]:
    env = container.environment
    if env.lacks("DB_CLIENT"):
        yield _problem(
            DATABASE_CLIENT, pods, container, ("env",), "DB_CLIENT is not set"
        )
    client = env.value("DB_CLIENT", "sqlite3")
    place = env.place("DB_CLIENT")
    if client == "sqlite3" and not env.lacks("DB_CLIENT"):
        yield _problem(SQLITE, pods, container, place, "DB_CLIENT is sqlite3")
    elif client is not None and client not in CLIENTS:
        yield _problem(
            DATABASE_CLIENT,
            pods,
            container,
            place,
            f"DB_CLIENT is {shown(client)}; Directus knows {', '.join(CLIENTS)}",
        )
    missing = [name for name in _CONNECTION if env.lacks(name, "DB_CONNECTION_STRING")]
    has_some = any(env.has(name) for name in (*_CONNECTION, "DB_PORT", "DB_CLIENT"))
    if missing and has_some and client != "sqlite3":
        yield _problem(
            DATABASE_SETTINGS,
            pods,
            container,
            ("env",),
            f"{', '.join(missing)} not set",
        )


def _settings(pods: Pods, container: Container) -> Iterator[Problem]:
    env = container.environment
    if env.lacks("SECRET"):
        yield _problem(SECRET, pods, container, ("env",), "SECRET is not set")
    instances = env.value("PM2_INSTANCES", "1")
    if instances not in (None, "1"):
        yield _problem(
            PM2,
            pods,
            container,
            env.place("PM2_INSTANCES"),
            f"PM2_INSTANCES is {shown(instances)}",
        )
    if env.value("REDIS"):
        yield _problem(
            REDIS_URL, pods, container, env.place("REDIS"), "REDIS is set as an address"
        )
    for name in sorted(env.values):
        if name.endswith("_FILE") and "__" not in name and not _ENV_FILES.match(name):
            message = f"Directus does not read {shown(name)}"
            yield _problem(ENV_FILE, pods, container, env.place(name), message)
    yield from _address(pods, container)


def _address(pods: Pods, container: Container) -> Iterator[Problem]:
    env = container.environment
    address = env.value("PUBLIC_URL")
    if address is None:
        return
    if not address:
        message = "PUBLIC_URL is not set"
    elif not address.startswith(("https://", "http://")) or not host_of(address):
        message = f"PUBLIC_URL is no absolute address: {shown(address)}"
    elif address.endswith("/"):
        message = f"PUBLIC_URL ends with a slash: {shown(address)}"
    else:
        return
    place = env.place("PUBLIC_URL") or ("env",)
    yield _problem(PUBLIC_URL, pods, container, place, message)


def _trust_proxy(pods: Pods, container: Container) -> Iterator[Problem]:
    version = version_of(container.image.tag)
    is_old = version is not None and version.major < _TRUST_PROXY_MAJOR
    env = container.environment
    if not is_old and env.value("IP_TRUST_PROXY", "false") == "false":
        place = env.place("IP_TRUST_PROXY") or ("env",)
        yield _problem(TRUST_PROXY, pods, container, place, "IP_TRUST_PROXY is false")


# --- how it runs ---


def _probes(pods: Pods, container: Container) -> Iterator[Problem]:
    for name in _PROBES:
        path = text(at(container.body, (name, "httpGet", "path")))
        if path.partition("?")[0].rstrip("/") == "/server/health":
            yield _problem(
                HEALTH_PROBE,
                pods,
                container,
                (name, "httpGet", "path"),
                "probes /server/health",
            )


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
        yield _problem(
            NUMERIC_USER,
            pods,
            container,
            ("securityContext",),
            "runAsNonRoot without a numeric runAsUser",
        )
    words = [
        text(word)
        for field in ("command", "args")
        for word in items(container.body.get(field))
    ]
    is_alone = pods.spec.get("shareProcessNamespace") is not True
    if is_alone and words[:1] == ["node"] and "start" in words:
        yield _problem(
            COMMAND, pods, container, ("command",), "runs `node cli.js start` itself"
        )
