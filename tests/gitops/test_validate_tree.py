"""The repository's own files: each fault is a finding at its file and line."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Final

import pytest

from gitops.model import Entry, Finding, Mode, StackName, StackRule, Tree, blob_id
from gitops.validate import check_tree
from tests.support.overlays import fleet
from tests.support.trees import tree

FOLDER: Final = "overlays/production/acme"
OTHER: Final = "overlays/development/acme"
FILE: Final = f"{FOLDER}/kustomization.yaml"
CONFIG: Final = f"{FOLDER}/config.env"
BASE: Final = "base/kustomization.yaml"
RECORD: Final = ".directus-gitops/generated.json"
PEM: Final = "-----BEGIN " + "PRIVATE KEY-----\nMIIE\n"


def overlay(environment: str, stack: str = "acme") -> str:
    return (
        f"namespace: {stack}-{environment}\n"
        "resources: [../../../base]\n"
        "configMapGenerator:\n"
        "  - {name: directus-env, behavior: merge, envs: [config.env]}\n"
        "images:\n"
        "  - name: directus/directus\n"
        "    newTag: 12.4.1\n"
    )


CLEAN: Final[Mapping[str, str]] = {
    "gitops.yaml": "apiVersion: directus-gitops/v1\nstacks:\n  acme: {}\n",
    BASE: (
        "resources: [deployment.yaml]\n"
        "configMapGenerator:\n  - name: directus-env\n    envs: [defaults.env]\n"
    ),
    "base/deployment.yaml": "apiVersion: apps/v1\nkind: Deployment\n",
    "base/defaults.env": "# defaults\nLOG_LEVEL=info\nREFRESH_TOKEN_TTL=7d\n",
    FILE: overlay("production"),
    CONFIG: "PUBLIC_URL=https://cms.example.com\n",
    f"{OTHER}/kustomization.yaml": overlay("development"),
    f"{OTHER}/config.env": "PUBLIC_URL=https://cms.dev.example.com\n",
    RECORD: json.dumps({"release": "1", "options": {}, "files": {BASE: "0" * 40}}),
}


def files_with(changes: Mapping[str, str | None]) -> Tree:
    files = {**CLEAN, **changes}
    return tree({path: text for path, text in files.items() if text is not None})


def check(changes: Mapping[str, str | None]) -> tuple[Finding, ...]:
    return check_tree(files_with(changes), fleet())


def found(changes: Mapping[str, str | None]) -> list[tuple[str, str, int]]:
    return [(f.rule, f.path, f.line) for f in check(changes)]


def changed(path: str, before: str, after: str) -> dict[str, str | None]:
    assert before in CLEAN[path]
    return {path: CLEAN[path].replace(before, after)}


def test_a_sound_repository_has_no_finding() -> None:
    assert found({}) == []


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        # config.env
        (
            {CONFIG: "A=1\nB\n# c\n\nA=2\n=x\n"},
            [("config-line", CONFIG, n) for n in (2, 5, 6)],
        ),
        (
            {
                CONFIG: "A='5m'\r\nB=\"My CMS\"\nC=debug # for now\nD= x\nE=x \n"
                "F=Team #1\nG=it's\nH='\nI=[\"a\"]\n"
                "CONTENT_SECURITY_POLICY_DIRECTIVES__IMG_SRC='self'\n"
            },
            [("config-value", CONFIG, n) for n in (1, 2, 3, 4, 5)],
        ),
        ({CONFIG: "DB_PASSWORD=hunter2hunter2\n"}, [("secret-in-clear", CONFIG, 1)]),
        (
            {CONFIG: "A=1\nCACHE=redis://:hunter2@redis:6379\n"},
            [("secret-in-clear", CONFIG, 2)],
        ),
        ({CONFIG: "#DB_PASSWORD=x\nDB_PASSWORD=\nSECRET_FILE=/run/s\n"}, []),
        (
            {"base/defaults.env": "ADMIN_TOKEN=hunter2hunter2\n"},
            [("secret-in-clear", "base/defaults.env", 1)],
        ),
        (
            changed(FILE, "envs: [config.env]", "literals: [A=b]"),
            [("config-unused", CONFIG, 0)],
        ),
        # generators
        (
            changed(FILE, "envs: [config.env]", "literals: [A=b, SECRET=hunter2]")
            | {CONFIG: None},
            [("secret-in-clear", FILE, 4)],
        ),
        (
            {
                FILE: overlay("production")
                + "secretGenerator:\n- name: s\n  literals: [A=b]\n"
            },
            [("secret-generator", FILE, 10)],
        ),
        (
            {BASE: CLEAN[BASE] + "secretGenerator: [{name: s, literals: [A=b]}]\n"},
            [("secret-generator", BASE, 5)],
        ),
        # images
        (
            changed(FILE, "newTag: 12.4.1", "newTag: 12.4"),
            [("image-entry", FILE, 7)],
        ),
        (
            changed(FILE, "newTag: 12.4.1", "newTag:"),
            [("image-entry", FILE, 7)],
        ),
        (
            changed(FILE, "name: directus/directus", "name: acme/cms"),
            [("image-entry", FILE, 0)],
        ),
        (
            {
                FILE: overlay("production")
                + "  - name: directus/directus\n    newTag: 12.4.0\n"
            },
            [("image-entry", FILE, 8)],
        ),
        (
            changed(FILE, "envs: [config.env]", "files: [x/kustomization.yaml]")
            | {CONFIG: None, f"{FOLDER}/x/kustomization.yaml": "no: [kustomization"},
            [],
        ),
        # what is reached
        (
            changed(FILE, "[../../../base]", "['https://example.com/base']"),
            [("does-not-build", FILE, 2)],
        ),
        (
            changed(FILE, "[../../../base]", "[missing.yaml]"),
            [("does-not-build", FILE, 2)],
        ),
        (changed(FILE, "images:", "images: ["), [("does-not-build", FILE, 6)]),
        (
            {f"{FOLDER}/kustomization.yml": "resources: []\n"},
            [("several-kustomizations", f"{FOLDER}/kustomization.yml", 0)],
        ),
        # the repository
        (
            changed(FILE, "acme-production", "acme-development"),
            [("shared-namespace", FILE, 1)],
        ),
        (
            {
                "overlays/test/acme/kustomization.yaml": overlay("test"),
                "overlays/test/acme/config.env": "A=1\n",
            },
            [("unknown-environment", "overlays/test/acme/kustomization.yaml", 0)],
        ),
        ({f"{FOLDER}/.env": "A=1\n"}, [("secret-file", f"{FOLDER}/.env", 0)]),
        ({f"{FOLDER}/.env.local": "A\n"}, [("secret-file", f"{FOLDER}/.env.local", 0)]),
        ({"base/secrets.env": "A=1\n"}, [("secret-file", "base/secrets.env", 0)]),
        ({f"{FOLDER}/db.key": PEM}, [("secret-file", f"{FOLDER}/db.key", 0)]),
        ({f"{FOLDER}/ca.pem": "-----BEGIN CERTIFICATE-----\n"}, []),
        ({"docs/.env": "A=1\n"}, []),
        ({RECORD: "{"}, [("generated-file", RECORD, 0)]),
        ({RECORD: "[]"}, [("generated-file", RECORD, 0)]),
        ({RECORD: '{"files": {"../x": ""}}'}, [("generated-file", RECORD, 0)]),
        ({RECORD: "[" * 100_000}, [("generated-file", RECORD, 0)]),
        ({RECORD: None}, []),
    ],
)
def test_a_fault_is_found_at_its_place(
    changes: dict[str, str | None], expected: list[tuple[str, str, int]]
) -> None:
    assert found(changes) == expected


def test_a_broken_overlay_hides_no_other() -> None:
    changes = {
        f"{OTHER}/kustomization.yaml": "a: [",
        **changed(FILE, "newTag: 12.4.1", "newTag: 12"),
    }
    assert found(changes) == [
        ("does-not-build", f"{OTHER}/kustomization.yaml", 2),
        ("image-entry", FILE, 7),
    ]


@pytest.mark.parametrize("mode", [Mode.SYMLINK, Mode.SUBMODULE])
@pytest.mark.parametrize("path", ["base/x", f"{FOLDER}/x", "agents/x"])
def test_links_and_submodules_are_found(mode: Mode, path: str) -> None:
    files = tree(CLEAN)
    target = b"/etc/passwd"
    linked = Tree(
        commit=None,
        entries={**files.entries, path: Entry(mode, blob_id(target))},
        blobs={**files.blobs, blob_id(target): target},
    )
    (finding,) = check_tree(linked, fleet())
    assert (finding.rule, finding.path) == ("not-a-plain-file", path)
    assert "passwd" not in finding.message


def test_a_link_on_the_way_of_a_build_is_found() -> None:
    files = tree({path: text for path, text in CLEAN.items() if path != CONFIG})
    target = b"/etc/passwd"
    linked = Tree(
        commit=None,
        entries={**files.entries, CONFIG: Entry(Mode.SYMLINK, blob_id(target))},
        blobs={**files.blobs, blob_id(target): target},
    )
    findings = check_tree(linked, fleet())
    assert {f.rule for f in findings} == {"does-not-build", "not-a-plain-file"}


def test_an_override_of_no_stack_is_found_with_its_line() -> None:
    rules = {StackName("acme"): StackRule(), StackName("amce"): StackRule()}
    text = "apiVersion: directus-gitops/v1\nstacks:\n  acme: {}\n  amce: {}\n"
    known = replace(fleet(), stacks=rules)
    (finding,) = check_tree(tree({**CLEAN, "gitops.yaml": text}), known)
    assert (finding.rule, finding.path, finding.line) == (
        "unknown-stack",
        "gitops.yaml",
        4,
    )
    (bare,) = check_tree(files_with({"gitops.yaml": None}), known)
    assert bare.line == 0


def test_an_image_of_the_stack_is_looked_for() -> None:
    files = files_with(changed(FILE, "name: directus/directus", "name: a.b/cms"))
    own = fleet(images={"acme": "a.b/cms"})
    assert [f.path for f in check_tree(files, own)] == [f"{OTHER}/kustomization.yaml"]


def test_some_overlays_can_be_asked_for_alone() -> None:
    changes = {
        f"{OTHER}/kustomization.yaml": "a: [",
        RECORD: "[]",
        **changed(FILE, "newTag: 12.4.1", "newTag: 12"),
    }
    findings = check_tree(files_with(changes), fleet(), folders={FOLDER})
    assert [(f.rule, f.path) for f in findings] == [("image-entry", FILE)]


def test_a_secret_is_never_shown() -> None:
    value = "correct-horse-battery-staple"
    changes = {
        CONFIG: f"DB_PASSWORD={value}\nX=pg://u:{value}@h/\n{value}\n",
        BASE: CLEAN[BASE] + f"secretGenerator: [{{name: s, literals: [A={value}]}}]\n",
    }
    findings = check(changes)
    assert {f.rule for f in findings} == {
        "secret-in-clear",
        "secret-generator",
        "config-line",
    }
    assert not any(value in f"{f.message}{f.hint}" for f in findings)
