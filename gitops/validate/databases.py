"""Rules about databases that run beside Directus, from the official images."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Final

from gitops.model import Severity
from gitops.validate.rule import Problem, Rule, shown
from gitops.validate.shapes import mappings, text
from gitops.validate.view import Container, Pods, View

BITNAMI_PATH: Final = Rule(
    name="bitnami-path",
    severity=Severity.ERROR,
    why="The official image does not know Bitnami's folders: the data is not on the "
    "volume and goes with the pod, the configuration is not read.",
    fix="mount /var/lib/mysql and /etc/mysql/conf.d (MariaDB), "
    "/var/lib/postgresql (PostgreSQL)",
)
NOT_ON_VOLUME: Final = Rule(
    name="database-not-on-volume",
    severity=Severity.ERROR,
    why="Nothing is mounted where the database keeps its data: it is lost when the pod "
    "goes.",
    fix="mount the volume at the image's data folder",
)
ENVIRONMENT: Final = Rule(
    name="database-environment",
    severity=Severity.ERROR,
    why="The official image refuses to make a new database without a root password, "
    "and makes none for Directus unless told its name and user.",
    fix="set the variables; passwords by secretKeyRef",
)
VERSION: Final = Rule(
    name="database-version",
    severity=Severity.WARNING,
    why="The series gets no more security fixes, or is a short-term one that Directus "
    "does not support.",
    fix="use a long-term series: MariaDB 10.11, 11.4 or 11.8, PostgreSQL 15 or newer, "
    "MySQL 8.4",
)

RULES: Final = (BITNAMI_PATH, NOT_ON_VOLUME, ENVIRONMENT, VERSION)

_BITNAMI: Final = re.compile(r"/(opt/)?bitnami(/|$)")
_DATA: Final[Mapping[str, str]] = {
    "mariadb": "/var/lib/mysql",
    "mysql": "/var/lib/mysql",
    "postgres": "/var/lib/postgresql",
}
# Each line: one of these must be set. A root password may also be random or empty.
_NEEDED: Final[Mapping[str, tuple[tuple[str, ...], ...]]] = {
    "mariadb": (
        (
            "MARIADB_ROOT_PASSWORD",
            "MARIADB_ROOT_PASSWORD_HASH",
            "MARIADB_RANDOM_ROOT_PASSWORD",
            "MARIADB_ALLOW_EMPTY_ROOT_PASSWORD",
            "MYSQL_ROOT_PASSWORD",
            "MYSQL_RANDOM_ROOT_PASSWORD",
            "MYSQL_ALLOW_EMPTY_PASSWORD",
        ),
        ("MARIADB_DATABASE", "MYSQL_DATABASE"),
        ("MARIADB_USER", "MYSQL_USER"),
        ("MARIADB_PASSWORD", "MARIADB_PASSWORD_HASH", "MYSQL_PASSWORD"),
    ),
    "mysql": (
        (
            "MYSQL_ROOT_PASSWORD",
            "MYSQL_RANDOM_ROOT_PASSWORD",
            "MYSQL_ALLOW_EMPTY_PASSWORD",
        ),
        ("MYSQL_DATABASE",),
        ("MYSQL_USER",),
        ("MYSQL_PASSWORD",),
    ),
    "postgres": (("POSTGRES_PASSWORD", "POSTGRES_HOST_AUTH_METHOD"),),
}
_SERIES: Final = re.compile(r"(\d+)(?:\.(\d+))?", re.ASCII)
_MARIADB_LTS: Final = frozenset({(10, 11), (11, 4), (11, 8), (12, 3)})
_POSTGRES_OLDEST: Final = 15
_MYSQL_OLDEST: Final = (8, 4)


def problems(view: View) -> Iterator[Problem]:
    """Check every database that serves, and what its pods mount."""
    for pods in view.pods:
        for container in pods.main:
            yield from _bitnami(pods, container)
            if pods.is_serving and container.image.database:
                yield from _data(pods, container)
                yield from _environment(pods, container)
                yield from _version(pods, container)


def _bitnami(pods: Pods, container: Container) -> Iterator[Problem]:
    if "bitnami" in container.image.repository:
        return
    for index, mount in mappings(container.body.get("volumeMounts")):
        path = text(mount.get("mountPath"))
        if _BITNAMI.match(path):
            yield Problem(
                rule=BITNAMI_PATH,
                item=pods.item,
                at=(*container.at, "volumeMounts", index, "mountPath"),
                message=f"{shown(path)} in the image {shown(container.image.name)}",
            )


def _data(pods: Pods, container: Container) -> Iterator[Problem]:
    folder = _DATA[container.image.database]
    mounts = [
        text(mount.get("mountPath"))
        for _, mount in mappings(container.body.get("volumeMounts"))
    ]
    if not any(f"{path}/".startswith(f"{folder}/") for path in mounts):
        yield Problem(
            rule=NOT_ON_VOLUME,
            item=pods.item,
            at=(*container.at, "volumeMounts"),
            message=f"nothing is mounted at {folder}",
        )


def _environment(pods: Pods, container: Container) -> Iterator[Problem]:
    missing = [
        names[0]
        for names in _NEEDED[container.image.database]
        if container.environment.lacks(*names)
    ]
    if missing:
        yield Problem(
            rule=ENVIRONMENT,
            item=pods.item,
            at=(*container.at, "env"),
            message=f"{', '.join(missing)} not set",
        )


def _version(pods: Pods, container: Container) -> Iterator[Problem]:
    image = container.image
    found = _SERIES.match(image.tag)
    if found is None:
        return
    major, minor = int(found[1]), int(found[2]) if found[2] else None
    if not _is_supported(image.database, image.name, major, minor):
        yield Problem(
            rule=VERSION,
            item=pods.item,
            at=(*container.at, "image"),
            message=f"{image.database} {found[0]} is not a supported long-term series",
        )


def _is_supported(database: str, name: str, major: int, minor: int | None) -> bool:
    match database:
        case "mariadb":
            return minor is None or (major, minor) in _MARIADB_LTS
        case "mysql":
            return (major, minor or 0) >= _MYSQL_OLDEST or minor is None
        case _:
            return major >= _POSTGRES_OLDEST or name != "postgres"
