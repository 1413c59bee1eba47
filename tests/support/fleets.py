"""A small fleet as text: three environments in a row, stacks with one image entry."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

from gitops.fleet import read_fleet
from gitops.model import (
    EnvironmentName,
    Fleet,
    Hold,
    Plan,
    Revision,
    StackName,
    Target,
    Tree,
)
from tests.support.trees import tree

ACME, BETA = StackName("acme"), StackName("beta")
DEVELOPMENT = EnvironmentName("development")
STAGING = EnvironmentName("staging")
PRODUCTION = EnvironmentName("production")

DIGEST = "sha256:" + "a" * 64
OTHER_DIGEST = "sha256:" + "b" * 64

_FLEET = """\
apiVersion: directus-gitops/v1
environments:
  - {name: development}
  - {name: staging, after: [development]}
  - {name: production, after: [staging]}
"""


def fleet(more: str = "") -> Fleet:
    """Return the fleet, with more lines of gitops.yaml."""
    return read_fleet((_FLEET + more).encode())


def at(environment: EnvironmentName, stack: StackName = ACME) -> Target:
    """Name a target."""
    return Target(environment=environment, stack=stack)


def overlay_files(
    environment: str,
    version: str,
    *,
    config: str = "",
    stack: str = "acme",
    image: str = "directus/directus",
) -> dict[str, str]:
    """Make one overlay that runs TAG or TAG@DIGEST."""
    tag, _, digest = version.partition("@")
    pin = f"    digest: {digest}\n" if digest else ""
    folder = f"overlays/{environment}/{stack}"
    return {
        f"{folder}/kustomization.yaml": "resources: [../../../base]\nimages:\n"
        f'  - name: {image}\n    newTag: "{tag}"\n{pin}',
        f"{folder}/config.env": config,
    }


def repository(
    development: str = "12.4.1", staging: str = "12.4.0", production: str = "12.3.1"
) -> Tree:
    """Make a tree of one stack, acme, with a version in each environment."""
    return tree(
        {
            **overlay_files("development", development),
            **overlay_files("staging", staging),
            **overlay_files("production", production),
        }
    )


def in_production(versions: Mapping[str, str]) -> Tree:
    """Make a tree of several stacks in production: stack -> version."""
    files: dict[str, str] = {}
    for stack, version in versions.items():
        files |= overlay_files("production", version, stack=stack)
    return tree(files)


def revision(
    tag: str, digest: str | None = None, image: str = "directus/directus"
) -> Revision:
    """Make a revision."""
    return Revision(image=image, tag=tag, digest=digest)


def hold(
    stack: StackName | None = None, environment: EnvironmentName | None = None
) -> Hold:
    """Make a hold by jane."""
    return Hold(
        stack=stack,
        environment=environment,
        reason="audit week",
        by="jane",
        at=datetime(2026, 11, 20, 9, 5, 30, tzinfo=UTC),
    )


def rules_of(plan: Plan) -> set[str]:
    """Return the names of a plan's findings."""
    return {finding.rule for finding in plan.findings}
