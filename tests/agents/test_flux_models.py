"""agents/flux against Flux's own models: right types, and no field that is not one."""

from __future__ import annotations

from typing import Any

import pytest
from cloudcoil.models.fluxcd.kustomize.v1 import Kustomization
from cloudcoil.models.fluxcd.source.v1 import GitRepository
from pydantic import BaseModel, ValidationError

from gitops.layout import shipped_tree
from gitops.model import Manifest
from gitops.scaffold.agents import UNKNOWN_URL, agent_files
from gitops.schemas import load_schemas
from tests.agents.agentsim import objects

MODELS: dict[str, type[BaseModel]] = {
    "Kustomization": Kustomization,
    "GitRepository": GitRepository,
}


def wired(secrets: str) -> list[dict[str, Any]]:
    """Generate agents/flux for two stacks in two environments."""
    files = agent_files(
        shipped_tree(),
        environments=["staging", "production"],
        stacks=["acme", "example"],
        agent="flux",
        secrets=secrets,
        repository_url=UNKNOWN_URL,
        branch="main",
        overlay_pattern="overlays/{environment}/{stack}",
    )
    return objects(files, "agents/flux")


def problems(body: dict[str, Any]) -> list[str]:
    """Name what the model refuses, and what it would drop."""
    model = MODELS[body["kind"]]
    if body["apiVersion"] != model.model_fields["api_version"].default:
        return [f"no model for {body['apiVersion']}"]
    try:
        read = model.model_validate(body)
    except ValidationError as error:
        return [str(error)]
    kept = read.model_dump(by_alias=True, exclude_unset=True, mode="json")
    return list(lost(body, kept, body["kind"]))


def lost(written: Any, kept: Any, place: str) -> list[str]:
    """List the fields that the model did not take over."""
    if isinstance(written, dict):
        return [
            problem
            for key, value in written.items()
            for problem in (
                lost(value, kept[key], f"{place}.{key}")
                if key in kept
                else [f"{place}.{key} is no field"]
            )
        ]
    if isinstance(written, list):
        pairs = zip(written, kept, strict=True)
        return [
            problem
            for number, (one, other) in enumerate(pairs)
            for problem in lost(one, other, f"{place}[{number}]")
        ]
    return []


@pytest.mark.parametrize(
    "secrets", ["existing", "external-secrets", "sealed-secrets", "sops"]
)
def test_flux_knows_every_field(secrets: str) -> None:
    bodies = [body for body in wired(secrets) if body["kind"] in MODELS]
    assert len(bodies) == 1 + 2 * 4
    assert [problem for body in bodies for problem in problems(body)] == []


def test_a_misspelt_field_and_a_wrong_type_would_be_found() -> None:
    body = next(b for b in wired("sops") if b["kind"] == "Kustomization")
    body["spec"]["pruned"] = True
    assert problems(body) == ["Kustomization.spec.pruned is no field"]
    body["spec"]["interval"] = {"minutes": 1}
    assert "interval" in problems(body)[0]


def test_the_rights_pass_the_official_schemas() -> None:
    schemas = load_schemas()
    others = [body for body in wired("existing") if body["kind"] not in MODELS]
    assert {body["kind"] for body in others} == {
        "ServiceAccount",
        "ClusterRole",
        "ClusterRoleBinding",
    }
    for body in others:
        manifest = Manifest(
            api_version=body["apiVersion"],
            kind=body["kind"],
            namespace=body["metadata"].get("namespace", ""),
            name=body["metadata"]["name"],
            body=body,
        )
        assert schemas.problems(manifest) == ()
