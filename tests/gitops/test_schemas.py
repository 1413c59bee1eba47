"""The official schemas: strict, of every version, and words without secrets."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from gitops.errors import InputError, ToolError
from gitops.model import Manifest
from gitops.schemas import (
    DEFAULT_VERSION,
    NoSchema,
    SchemaProblem,
    available_versions,
    dotted,
    load_schemas,
    read_definitions,
)
from gitops.yamltext import parse_documents
from tests.support.objects import CLEAN, manifests


def manifest(body: dict[str, Any]) -> Manifest:
    return manifests([{"metadata": {"name": "a"}, **body}]).objects[0]


def problems(body: dict[str, Any], version: str = DEFAULT_VERSION) -> list[str]:
    found = load_schemas(version).problems(manifest(body))
    assert isinstance(found, tuple)
    return [f"{problem.path}: {problem.message}" for problem in found]


def service(spec: Any) -> dict[str, Any]:
    return {"apiVersion": "v1", "kind": "Service", "spec": spec}


def test_versions_are_listed_oldest_first() -> None:
    versions = available_versions()
    assert DEFAULT_VERSION in versions
    numbers = [tuple(map(int, version.split("."))) for version in versions]
    assert numbers == sorted(numbers)
    assert len(numbers) == len(set(numbers)) > 5


@pytest.mark.parametrize("version", available_versions())
def test_every_version_knows_the_kinds_of_a_stack(version: str) -> None:
    schemas = load_schemas(version)
    assert schemas.version == version
    for document in parse_documents(CLEAN, "clean.yaml"):
        body: Any = document.data
        assert schemas.problems(manifest(body)) == ()


@pytest.mark.parametrize("version", ["v1.33", "1.33", "1.33.7"])
def test_a_version_may_be_written_in_three_ways(version: str) -> None:
    assert load_schemas(version) is load_schemas("1.33")


@pytest.mark.parametrize(
    "version", ["", "1", "0.1", "1.33.x", "latest", "1.33\n", "../1.33", "\x1b[1m1.33"]
)
def test_an_unknown_version_is_refused_with_those_that_there_are(version: str) -> None:
    with pytest.raises(InputError) as refused:
        load_schemas(version)
    assert "1.33" in refused.value.hint
    assert refused.value.message.isprintable()


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        ({"clusterIP": "None", "ports": [{"port": 1}]}, []),
        (
            {"selector": {"a": {"b": "c"}}},
            ["spec.selector.a: must be text, not a mapping"],
        ),
        (
            {"ports": [{"port": "80"}]},
            ["spec.ports[0].port: must be a whole number, not text '80'"],
        ),
        (
            {"ports": [{"port": True}]},
            ["spec.ports[0].port: must be a whole number, not a boolean 'True'"],
        ),
        (
            {"ports": [{"port": 1, "targetPort": []}]},
            ["spec.ports[0].targetPort: must be a whole number or text, not a list"],
        ),
        (
            {"ports": [{"port": 1, "targetPort": None}]},
            [
                "spec.ports[0].targetPort: must be one of the allowed forms, not null",
            ],
        ),
        ({"ports": [{}]}, ["spec.ports[0]: the field port is required"]),
        ({"b": 1, "a": 1}, ["spec.a: unknown field", "spec.b: unknown field"]),
        ([], ["spec: must be a mapping, not a list"]),
        ({"type": {}}, ["spec.type: must be text, not an empty mapping"]),
        ({"type": 1.5}, ["spec.type: must be text, not a number '1.5'"]),
        ({"type": ["x" * 99]}, ["spec.type: must be text, not a list"]),
    ],
)
def test_what_does_not_fit_is_told_with_its_place(
    spec: Any, expected: list[str]
) -> None:
    assert problems(service(spec)) == expected


def test_a_long_value_is_cut_short() -> None:
    (problem,) = problems(service({"publishNotReadyAddresses": "y" * 500}))
    assert len(problem) < 200


def test_the_place_is_also_given_as_keys() -> None:
    found = load_schemas().problems(manifest(service({"ports": [{"port": "80"}]})))
    assert found == (
        SchemaProblem(
            path="spec.ports[0].port",
            message="must be a whole number, not text '80'",
            at=("spec", "ports", 0, "port"),
        ),
    )


def test_values_of_a_secret_are_not_shown() -> None:
    body = {"apiVersion": "v1", "kind": "Secret", "immutable": "hunter2", "data": [1]}
    assert problems(body) == [
        "data: must be a mapping, not a list",
        "immutable: must be true or false, not what it is",
    ]


def test_a_field_that_is_too_new_is_found_in_an_older_version() -> None:
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "spec": {
            "containers": [
                {"name": "a", "lifecycle": {"preStop": {"sleep": {"seconds": 1}}}}
            ]
        },
    }
    assert problems(pod) == []
    assert problems(pod, "1.28") == [
        "spec.containers[0].lifecycle.preStop.sleep: unknown field"
    ]


@pytest.mark.parametrize(
    ("api", "kind", "expected"),
    [
        ("policy/v1beta1", "PodDisruptionBudget", (("policy/v1",), True, "")),
        ("v1", "Deployment", (("apps/v1",), True, "")),
        (
            "networking.K8s.io/v1",
            "Ingress",
            (("networking.k8s.io/v1",), False, "networking.k8s.io"),
        ),
        ("external-secrets.io/v1", "ExternalSecret", ((), False, "")),
        ("argoproj.io/v1alpha1", "Application", ((), False, "")),
    ],
)
def test_a_kind_without_a_schema_says_what_is_known(
    api: str, kind: str, expected: tuple[tuple[str, ...], bool, str]
) -> None:
    found = load_schemas().problems(manifest({"apiVersion": api, "kind": kind}))
    assert isinstance(found, NoSchema)
    assert (
        found.known_as,
        found.is_builtin_group,
        found.group_as_written,
    ) == expected


def test_a_value_that_json_does_not_have_is_a_problem() -> None:
    assert problems(service({"type": float("nan"), "x": {1: 2}})) == [
        ": holds a value that is no JSON value"
    ]


def test_a_keyword_without_words_of_its_own_is_named(tmp_path: Path) -> None:
    known = [{"group": "", "version": "v1", "kind": "Thing"}]
    schema = {
        "x-kubernetes-group-version-kind": known,
        "properties": {"apiVersion": {}, "size": {"minimum": 3}},
    }
    file = tmp_path / "_definitions.json"
    file.write_text(
        json.dumps(
            {
                "$id": "https://example.com/d.json",
                "$schema": "https://json-schema.org/draft/2020-12/schema",
                "$defs": {"Thing": schema},
            }
        )
    )
    schemas = read_definitions("1.99", file)
    found = schemas.problems(manifest({"apiVersion": "v1", "kind": "Thing", "size": 1}))
    message = "breaks the schema's rule minimum"
    assert found == (SchemaProblem(path="size", message=message, at=("size",)),)


@pytest.mark.parametrize(
    ("place", "text"),
    [
        ((), ""),
        (("spec", "ports", 0, "port"), "spec.ports[0].port"),
        (("metadata", "labels", "a.io/b"), "metadata.labels[a.io/b]"),
        ((0, "a"), "[0].a"),
    ],
)
def test_a_place_is_written_for_people(place: tuple[str | int, ...], text: str) -> None:
    assert dotted(place) == text


@pytest.mark.parametrize(
    "content",
    [
        None,
        "",
        "[]",
        "{}",
        '{"$id": 1, "$defs": {}}',
        '{"$id": "http://a/", "$defs": 1}',
    ],
)
def test_damaged_schema_files_are_an_error_of_the_installation(
    content: str | None, tmp_path: Path
) -> None:
    file = tmp_path / "_definitions.json"
    if content is not None:
        file.write_text(content)
    with pytest.raises(ToolError, match=r"1\.99") as damaged:
        read_definitions("1.99", file)
    assert str(tmp_path) not in damaged.value.message
