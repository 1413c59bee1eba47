"""Rules about what Directus is told by its variables.

Source: the list of variables and the casting in `@directus/env` 6.3 (Directus 12.4),
and runs of it; docs/rules.md says for each rule what happens otherwise.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Final

from gitops.model import Severity
from gitops.validate.exposure import host_of
from gitops.validate.rule import Problem, Rule, shown
from gitops.validate.view import Container, Pods, View
from gitops.versions import version_of

SECRET: Final = Rule(
    name="directus-secret",
    severity=Severity.ERROR,
    why="Without SECRET each process makes up its own: every restart logs everybody "
    "out, and with several replicas a token of one is refused by the others.",
    fix="take SECRET from a Secret: env, valueFrom, secretKeyRef",
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
    why="Directus reads the `_FILE` form of most of its variables, but not of this "
    "one: it is ignored without a word.",
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
REDIS_RETRIES: Final = Rule(
    name="directus-redis-retries",
    severity=Severity.WARNING,
    why="After twenty failed tries a request to Redis is an error that nobody catches: "
    "seconds after Redis goes, every Directus process ends.",
    fix="set REDIS_MAX_RETRIES_PER_REQUEST=null",
)
VALUE_TYPE: Final = Rule(
    name="directus-value-type",
    severity=Severity.WARNING,
    why="Directus guesses the type of most values: digits become a number, a comma "
    "makes a list. A setting that must be text is then ignored, or breaks its user.",
    fix="write the mark string: in front of the value",
)
TRUST_PROXY: Final = Rule(
    name="directus-trust-proxy",
    severity=Severity.WARNING,
    why="IP_TRUST_PROXY is false since 12.0.0: behind an Ingress all clients share one "
    "address in rate limits and in the activity log.",
    fix="set IP_TRUST_PROXY=true, or the proxy's network",
)

RULES: Final = (
    SECRET,
    PM2,
    ENV_FILE,
    PUBLIC_URL,
    REDIS_URL,
    REDIS_RETRIES,
    VALUE_TYPE,
    TRUST_PROXY,
)

_TRUST_PROXY_MAJOR: Final = 12
# Its own names that are not in the list of those that a file may hold (12.4.0).
_NOT_BY_FILE: Final = re.compile(
    r"(PROJECT_NAME|REDIS_MAX_RETRIES_PER_REQUEST|EMAIL_SES_CREDENTIALS"
    r"|STORAGE_\w+_(CREDENTIALS|SERVICE_ROLE|FORCE_PATH_STYLE)|PM2_\w+)_FILE",
    re.ASCII,
)
# Text by their meaning, and not among those that are always read as text.
_TEXTS: Final = re.compile(
    r"PROJECT_NAME|REDIS_USERNAME|EMAIL_SMTP_USER|AUTH_\w+_CLIENT_ID"
    r"|STORAGE_\w+_(BUCKET|ACCOUNT_NAME|CONTAINER_NAME)",
    re.ASCII,
)
_MARKS: Final = ("string:", "number:", "regex:", "array:", "json:", "boolean:")
_NUMBER: Final = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)(e[+-]?\d+)?", re.ASCII | re.I)
_LARGEST: Final = 2**53 - 1


def problems(view: View) -> Iterator[Problem]:
    """Check the variables of every container in which Directus serves."""
    has_ingress = any(view.of_kind("Ingress"))
    for pods in view.pods:
        for container in pods.directus:
            yield from _settings(pods, container)
            yield from _redis(pods, container)
            yield from _texts(pods, container)
            yield from _address(pods, container)
            if has_ingress:
                yield from _trust_proxy(pods, container)


def _problem(
    rule: Rule, pods: Pods, container: Container, name: str, message: str
) -> Problem:
    """Tell of a variable, at its own place where it has one."""
    place = container.environment.place(name) or ("env",)
    return Problem(
        rule=rule, item=pods.item, at=(*container.at, *place), message=message
    )


def _settings(pods: Pods, container: Container) -> Iterator[Problem]:
    env = container.environment
    if env.lacks("SECRET"):
        yield _problem(SECRET, pods, container, "SECRET", "SECRET is not set")
    instances = env.value("PM2_INSTANCES", "1")
    if instances not in (None, "1"):
        message = f"PM2_INSTANCES is {shown(instances)}"
        yield _problem(PM2, pods, container, "PM2_INSTANCES", message)
    for name in sorted(env.values):
        if _NOT_BY_FILE.fullmatch(name):
            message = f"Directus does not read {shown(name)}"
            yield _problem(ENV_FILE, pods, container, name, message)


def _redis(pods: Pods, container: Container) -> Iterator[Problem]:
    env, limit = container.environment, "REDIS_MAX_RETRIES_PER_REQUEST"
    if env.value("REDIS_ENABLED", "true") == "false":
        return
    if env.value("REDIS"):
        message = "REDIS is set as an address"
        yield _problem(REDIS_URL, pods, container, "REDIS", message)
    elif env.has("REDIS_HOST") and env.value(limit, "20") not in (None, "null"):
        message = f"REDIS_HOST is set, {limit} is not null"
        yield _problem(REDIS_RETRIES, pods, container, "REDIS_HOST", message)


def _texts(pods: Pods, container: Container) -> Iterator[Problem]:
    for name, value in sorted(container.environment.values.items()):
        kind = _read_as(value) if value and _TEXTS.fullmatch(name) else ""
        if kind:
            message = f"{shown(name)} is read as {kind}"
            yield _problem(VALUE_TYPE, pods, container, name, message)


def _read_as(value: str) -> str:
    """Say what Directus takes a value for; "" where it stays text."""
    if value.startswith(_MARKS):
        return ""
    if value in ("true", "false"):
        return "true or false"
    if (
        _NUMBER.fullmatch(value)
        and not value.startswith("0")
        and abs(float(value)) <= _LARGEST
    ):
        return "a number"
    if "," in value:
        return "a list"
    try:
        return "" if isinstance(json.loads(value), str) else "JSON"
    except (ValueError, RecursionError):
        return ""


def _address(pods: Pods, container: Container) -> Iterator[Problem]:
    address = container.environment.value("PUBLIC_URL")
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
    yield _problem(PUBLIC_URL, pods, container, "PUBLIC_URL", message)


def _trust_proxy(pods: Pods, container: Container) -> Iterator[Problem]:
    version = version_of(container.image.tag)
    is_old = version is not None and version.major < _TRUST_PROXY_MAJOR
    env = container.environment
    if not is_old and env.value("IP_TRUST_PROXY", "false") == "false":
        message = "IP_TRUST_PROXY is false"
        yield _problem(TRUST_PROXY, pods, container, "IP_TRUST_PROXY", message)
