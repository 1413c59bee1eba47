"""The twenty mistakes of common Directus examples: each is found, with its line."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import pytest

from gitops.model import Finding, Tree
from gitops.schemas import load_schemas
from gitops.validate import check_files
from tests.support.trees import tree

MISTAKES: Final = Path(__file__).parent / "mistakes"

# number -> every rule that its manifest breaks; the manifests are sound otherwise
FOUND_BY: Final[dict[int, set[str]]] = {
    1: {"object-name"},
    2: {"api-group-case"},
    3: {"selector-mismatch"},
    4: {"schema"},
    5: {"unparsable"},
    6: {"directus-image", "directus-version"},
    7: {"directus-port"},
    8: {"service-port-name"},
    9: {"leftover-name", "missing-configmap"},
    10: {"bitnami-path", "database-not-on-volume"},
    11: {"database-environment"},
    12: {"directus-database-client"},
    13: {"directus-secret"},
    14: {
        "replicas-without-redis",
        "replicas-without-shared-storage",
        "replicas-migrate-together",
        "no-disruption-budget",
        "no-network-policy",
    },
    15: {"null-value"},
    16: {"ingress-class", "ingress-tls", "ingress-path-type", "third-party-host"},
    17: {"mixed-labels", "service-selector-broad"},
    18: {"statefulset-service"},
    19: {
        "probe-missing",
        "resources-missing",
        "security-context",
        "directus-service-links",
        "secret-in-clear",
        "replicas-migrate-together",
        "no-disruption-budget",
        "no-network-policy",
    },
    20: {"database-version"},
}

# number -> file of the article -> rules; "" stands for all files as one set
IN_ARTICLE: Final[dict[int, dict[str, set[str]]]] = {
    1: {"03": {"object-name"}, "05": {"object-name"}},
    2: {"12": {"api-group-case"}},
    3: {"04": {"selector-mismatch"}},
    4: {"09": {"schema"}, "11": {"schema"}},
    5: {"06": {"unparsable"}, "08": {"unparsable"}},
    6: {
        "03": {"directus-image", "directus-version"},
        "05": {"directus-image", "directus-version"},
    },
    7: {"02": {"directus-port"}, "03": {"directus-port"}, "05": {"directus-port"}},
    8: {"": {"service-port-name"}},
    9: {"04": {"missing-configmap"}, "07": {"leftover-name"}},
    10: {"04": {"bitnami-path"}},
    11: {"04": {"database-environment"}},
    12: {
        "01": {"directus-database-client"},
        "02": {"directus-database-client"},
        "03": {"directus-database-client"},
        "10": {"directus-database-client", "not-an-object"},
    },
    13: {"01": {"directus-secret"}, "02": {"directus-secret"}},
    14: {
        "05": {
            "replicas-without-redis",
            "replicas-without-shared-storage",
            "replicas-without-database",
        }
    },
    15: {"09": {"null-value"}},
    16: {
        "02": {"third-party-host"},
        "12": {"ingress-class", "ingress-tls", "ingress-path-type", "third-party-host"},
    },
    17: {
        "04": {"mixed-labels"},
        "11": {"mixed-labels", "service-selector-broad"},
        "": {"service-selector-broad"},
    },
    18: {"": {"statefulset-service"}},
    19: {
        "01": {"bare-pod", "probe-missing", "resources-missing", "security-context"},
        "05": {"directus-service-links", "no-disruption-budget", "no-network-policy"},
    },
    20: {"04": {"database-version"}},
}


def check(files: Tree, *paths: str) -> tuple[Finding, ...]:
    return check_files(files, paths or sorted(files.entries), load_schemas())


def rules(findings: tuple[Finding, ...]) -> set[str]:
    return {finding.rule for finding in findings}


def folder(root: Path) -> Tree:
    return tree({path.name: path.read_bytes() for path in root.glob("*.yaml")})


def test_there_are_twenty_mistakes() -> None:
    assert sorted(FOUND_BY) == sorted(IN_ARTICLE) == list(range(1, 21))


@pytest.mark.parametrize("number", FOUND_BY)
def test_each_mistake_is_found_and_nothing_else(number: int) -> None:
    found = check(folder(MISTAKES), f"{number:02}.yaml")
    assert rules(found) == FOUND_BY[number]


@pytest.mark.parametrize("number", FOUND_BY)
def test_each_finding_has_a_line_of_its_file_and_a_hint(number: int) -> None:
    path = f"{number:02}.yaml"
    lines = (MISTAKES / path).read_bytes().count(b"\n")
    for finding in check(folder(MISTAKES), path):
        assert finding.path == path
        assert 0 < finding.line <= lines
        assert finding.hint


@pytest.mark.parametrize(
    ("number", "line", "text"),
    [
        (1, "name: cms-Server", "metadata.name"),
        (4, "labels:", "spec.selector.labels"),
        (7, "containerPort: 80", "containerPort"),
        (8, "targetPort: mysql", "targetPort"),
        (10, "/bitnami/mariadb", "mountPath"),
        (15, "annotations:", "metadata.annotations"),
        (16, "host: directus.app", "spec.rules[0].host"),
        (20, "image: mariadb:10.9.8", "image"),
    ],
)
def test_the_line_is_that_of_the_field(number: int, line: str, text: str) -> None:
    path = f"{number:02}.yaml"
    lines = (MISTAKES / path).read_text().splitlines()
    found = [f for f in check(folder(MISTAKES), path) if text in f.message]
    assert any(line in lines[f.line - 1] for f in found)


@pytest.mark.parametrize("number", IN_ARTICLE)
def test_the_article_shows_each_mistake(number: int, shared: Path) -> None:
    files = folder(shared / "article")
    for name, expected in IN_ARTICLE[number].items():
        paths = (f"{name}.yaml",) if name else ()
        assert expected <= rules(check(files, *paths)), name or "all files"


def test_every_file_of_the_article_has_a_finding(shared: Path) -> None:
    files = folder(shared / "article")
    assert len(files.entries) == 12
    for path in files.entries:
        assert check(files, path), path
