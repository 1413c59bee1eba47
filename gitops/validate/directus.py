"""Rules that only somebody who knows Directus can make: image, port, database.

Source: the application's own source and environment list (versions 10 to 12), and
runs of it; docs/rules.md says for each rule what happens otherwise.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from gitops.model import Severity
from gitops.schemas import Place
from gitops.validate.rule import Problem, Rule, shown
from gitops.validate.shapes import number
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
RULES: Final = (
    IMAGE_NAME,
    VERSION,
    PORT,
    DATABASE_CLIENT,
    DATABASE_SETTINGS,
    SQLITE,
)

CLIENTS: Final = ("pg", "mysql", "cockroachdb", "mssql", "oracledb", "sqlite3")
_OLDEST_MAJOR: Final = 9
_DEFAULT_PORT: Final = "8055"
_CONNECTION: Final = ("DB_HOST", "DB_DATABASE", "DB_USER", "DB_PASSWORD")


def problems(view: View) -> Iterator[Problem]:
    """Check every container in which Directus serves."""
    for pods in view.pods:
        for container in pods.containers:
            yield from _image(pods, container)
        for container in pods.directus:
            yield from _port(pods, container)
            yield from _database(pods, container)


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


# --- database ---


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
