"""Rules that compare what several overlays of one stack render to."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from gitops.model import Finding, Manifests, Severity, StackName, Target
from gitops.schemas import Schemas
from gitops.validate.placing import finding
from gitops.validate.rule import Item, Rule, shown
from gitops.validate.view import view_of

ENGINES_DIFFER: Final = Rule(
    name="engines-differ",
    severity=Severity.WARNING,
    why="A promotion carries a version that was tried on one database engine to "
    "another, where its migrations are other statements.",
    fix="use the same engine in all environments of a stack",
)

RULES: Final = (ENGINES_DIFFER,)


def check_together(
    built: Mapping[Target, Manifests], schemas: Schemas
) -> tuple[Finding, ...]:
    """Compare the overlays of each stack.

    Args:
        built: what each target renders to, in the order of promotion.
        schemas: of the chosen Kubernetes version.

    Returns:
        Findings in that order.
    """
    first: dict[StackName, tuple[Target, str]] = {}
    found: list[Finding] = []
    for target, manifests in built.items():
        for engine in sorted(set(_engines(manifests, schemas))):
            other, usual = first.setdefault(target.stack, (target, engine))
            if engine != usual:
                message = (
                    f"DB_CLIENT is {shown(engine)}, but {shown(usual)} in "
                    f"{other.environment}"
                )
                found.append(finding(ENGINES_DIFFER, manifests.path, 0, message))
    return tuple(found)


def _engines(manifests: Manifests, schemas: Schemas) -> Iterator[str]:
    """Yield what Directus is told to talk to, where the manifests tell it."""
    items = tuple(
        Item(manifest=m, path=manifests.path, text=b"") for m in manifests.objects
    )
    for pods in view_of(items, schemas).pods:
        for container in pods.directus:
            engine = container.environment.value("DB_CLIENT")
            if engine:
                yield engine
