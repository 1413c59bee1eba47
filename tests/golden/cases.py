"""The option sets that are held, and what is held of them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from itertools import product
from pathlib import Path

from gitops.layout import GENERATED_FILE
from gitops.model import WriteFile
from gitops.scaffold import (
    Agent,
    Cache,
    Database,
    Options,
    SecretsChoice,
    Storage,
    plan_init,
    read_options,
)

FOLDER = Path(__file__).resolve().parent
MATRIX_FILE = FOLDER / "matrix.txt"
VERSION = "12.4.1"

# Together they take every value of every option once, and names that YAML misreads.
CASES: Mapping[str, Options] = {
    "default": read_options(),  # the newest version, as in overlays/
    "mariadb-redis-s3-eks": read_options(
        stack="acme",
        directus_version=VERSION,
        choices={
            "host": "{environment}.{stack}.example.org",
            "database": "mariadb",
            "cache": "redis",
            "storage": "s3",
            "agent": "argocd",
            "secrets": "external-secrets",
            "platform": "eks",
            "storage_class": "io2",
        },
    ),
    "external-shared-gke": read_options(
        stack="acme",
        environments=("test", "live"),
        directus_version="11.17.4",
        choices={
            "database": "external",
            "cache": "none",
            "storage": "volume-shared",
            "agent": "flux",
            "secrets": "sops",
            "platform": "gke",
            "ingress_class": "nginx",
        },
    ),
    "postgres-redis-kind": read_options(
        environments=("local",),
        directus_version=VERSION,
        choices={
            "cache": "redis",
            "secrets": "sealed-secrets",
            "platform": "kind",
            "agent": "none",
        },
    ),
    "mariadb-shared-aks": read_options(
        stack="web",
        environments=("staging", "production"),
        directus_version=VERSION,
        choices={
            "database": "mariadb",
            "storage": "volume-shared",
            "platform": "aks",
            "repository_url": "ssh://git@git.example.org/web/fleet.git",
        },
    ),
    "misread-names": read_options(
        stack="2024-01",
        environments=("02", "on"),
        directus_version=f"12.4.1@sha256:{'a' * 64}",
        choices={
            "host": "directus-{stack}-{environment}.example.org",
            "database": "external",
            "storage": "s3",
            "ingress_class": "1e3",
        },
    ),
}


def generated(options: Options) -> dict[str, bytes]:
    """Return what `init` writes, path -> content."""
    plan = plan_init(options, requested_by="golden", release="0")
    return {c.path: c.content for c in plan.changes if isinstance(c, WriteFile)}


def held(options: Options) -> dict[str, bytes]:
    """Return what of it is held: not base/, nor the record, which names its blobs."""
    return {
        path: content
        for path, content in generated(options).items()
        if not path.startswith("base/") and path != GENERATED_FILE
    }


def combinations() -> Iterator[Options]:
    """Yield all 288 combinations of what an overlay and its agents may be made from."""
    for values in product(Database, Cache, Storage, Agent, SecretsChoice):
        names = ("database", "cache", "storage", "agent", "secrets")
        yield read_options(
            directus_version=VERSION, choices=dict(zip(names, values, strict=True))
        )


def matrix() -> str:
    """Write one line for each combination: its choices, and a digest of its files."""
    return "".join(f"{_digest(held(o))}  {_named(o)}\n" for o in combinations())


def _named(options: Options) -> str:
    return " ".join(
        (
            options.database,
            options.cache,
            options.storage,
            options.agent,
            options.secrets,
        )
    )


def _digest(files: Mapping[str, bytes]) -> str:
    summary = hashlib.sha256()
    for path in sorted(files):
        for part in (path.encode(), files[path]):
            summary.update(b"%d\0" % len(part) + part)
    return summary.hexdigest()
