"""CHECK: manifests, files and edits against the rules of the house. Pure.

Promise: everything that is wrong is a finding with a file, a line, words and a hint; no
document, however shaped, ends in an exception. It renders nothing and changes nothing.
docs/rules.md lists every rule.

    rule         what a rule and a breach of it are
    view         the objects of a set as the rules ask about them (shapes, images,
                 environment: what a container will find)
    names api selectors references exposure pods security directus settings running
    scaling databases secrets                  rules about objects, one family a file
    files overlays repository scan             rules about files, trees and edits
    together                                   rules about several overlays of a stack
    placing page                               breach -> finding; rules -> docs/rules.md
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

from gitops.model import Finding, Manifests, Tree
from gitops.schemas import Schemas
from gitops.validate import (
    api,
    databases,
    directus,
    exposure,
    files,
    names,
    overlays,
    pods,
    references,
    repository,
    running,
    scaling,
    secrets,
    selectors,
    settings,
    together,
)
from gitops.validate.files import read_files
from gitops.validate.page import write_page
from gitops.validate.placing import findings_of, ordered
from gitops.validate.repository import check_tree
from gitops.validate.rule import Item, Problem, Rule
from gitops.validate.scan import scan_secrets
from gitops.validate.together import check_together
from gitops.validate.view import view_of

__all__ = [
    "RULES",
    "Rule",
    "check_files",
    "check_manifests",
    "check_together",
    "check_tree",
    "rules_page",
    "scan_secrets",
]

_OBJECT_FAMILIES: Final = (
    names,
    api,
    selectors,
    references,
    exposure,
    pods,
    directus,
    settings,
    running,
    scaling,
    databases,
    secrets,
)
_CHAPTERS: Final[Mapping[str, tuple[Rule, ...]]] = {
    "Files": files.RULES,
    "Objects": api.RULES,
    "Names and labels": names.RULES,
    "Selectors and Services": selectors.RULES,
    "References": references.RULES,
    "Pods": pods.RULES,
    "Directus": (*directus.RULES, *settings.RULES, *running.RULES),
    "Several replicas": scaling.RULES,
    "Databases": databases.RULES,
    "Ingress and PUBLIC_URL": exposure.RULES,
    "Secrets": secrets.RULES,
    "Overlays": overlays.RULES,
    "The repository": (*repository.RULES, *together.RULES),
}
RULES: Final = tuple(rule for rules in _CHAPTERS.values() for rule in rules)


def rules_page() -> str:
    """Return the text of docs/rules.md as far as it is made from the rules."""
    return write_page(_CHAPTERS)


def check_manifests(manifests: Manifests, schemas: Schemas) -> tuple[Finding, ...]:
    """Check what an overlay renders to.

    Args:
        manifests: the objects; lines count in their text.
        schemas: the Kubernetes version to check against.

    Returns:
        Findings in the order of lines.
    """
    items = [
        Item(
            manifest=manifest,
            path=manifests.path,
            text=manifests.text,
            document=manifest.line,
        )
        for manifest in manifests.objects
    ]
    return findings_of(_problems(items, schemas))


def check_files(
    tree: Tree, paths: Sequence[str], schemas: Schemas
) -> tuple[Finding, ...]:
    """Check manifest files as one set: an object may refer to one in another file.

    Args:
        tree: the files.
        paths: those to check; kustomization files among them are left out.
        schemas: the Kubernetes version to check against.

    Returns:
        Findings in the order of files and lines.
    """
    read = read_files(tree, paths)
    problems = [*read.problems, *_problems(read.items, schemas)]
    return ordered({*read.findings, *findings_of(problems)})


def _problems(items: Iterable[Item], schemas: Schemas) -> Iterator[Problem]:
    view = view_of(tuple(items), schemas)
    for family in _OBJECT_FAMILIES:
        yield from family.problems(view)
