"""docs/health.md: its examples are read by the code that they are for."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from gitops.model import Health, Severity
from gitops.schemas import load_schemas
from gitops.validate import check_manifests
from gitops.web import Web
from service.configuration import HealthSource, SourceKind, read_configuration
from service.observe import probe
from tests.service.test_observe import LOOPBACK, overlay
from tests.support.rendered import rendered
from tests.support.servers import reply, serve

ROOT = Path(__file__).resolve().parent.parent.parent
PAGE = (ROOT / "docs" / "health.md").read_text()


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)


def sources() -> Iterator[HealthSource]:
    for block in blocks("toml"):
        (repository,) = read_configuration(
            block.encode(), name="service.toml", folder=ROOT, lookup=lambda _: None
        )
        yield from repository.health


def rbac() -> str:
    (found,) = [block for block in blocks("yaml") if "apiVersion" in block]
    return found


def test_there_is_an_example_of_every_kind() -> None:
    assert [source.kind for source in sources()] == list(SourceKind)


def test_what_an_example_spells_out_is_the_default_or_needs_no_word() -> None:
    for block in blocks("toml"):
        bare = re.sub(r"^(application|namespace) = .*\n", "", block, flags=re.MULTILINE)
        spelt, short = (
            read_configuration(
                text.encode(), name="x", folder=ROOT, lookup=lambda _: None
            )[0].health[0]
            for text in (block, bare)
        )
        assert (spelt.application, spelt.namespace) == (
            short.application,
            short.namespace,
        )


def test_the_kubernetes_objects_are_ones() -> None:
    manifests = rendered("docs/health.md", rbac())
    found = check_manifests(manifests, load_schemas())
    assert [f for f in found if f.severity is Severity.ERROR] == []
    assert len(manifests.objects) == 5


@pytest.mark.parametrize("kind", [SourceKind.FLUX, SourceKind.DEPLOYMENT])
def test_the_rights_on_the_page_are_the_ones_that_are_used(kind: SourceKind) -> None:
    (source,) = (one for one in sources() if one.kind is kind)
    with serve(lambda _: reply({})) as server, Web() as web:
        probe(
            HealthSource(
                name=source.name,
                kind=source.kind,
                url=server.url,
                application=source.application,
                namespace=source.namespace,
                allowed=LOOPBACK,
            ),
            overlay(),
            web,
        )
    (request,) = server.requests
    path = re.fullmatch(
        r"/apis/([^/]+)/v1/namespaces/[^/]+/([^/]+)/([^/]+)", request.target
    )
    assert path is not None
    group, resource, name = path.groups()
    assert request.method == "GET"
    (rule,) = (r for r in rules() if r["apiGroups"] == [group])
    assert rule["resources"] == [resource]
    assert rule["verbs"] == ["get"]
    assert name in rule.get("resourceNames", [name])


def rules() -> Iterator[Mapping[str, Any]]:
    for body in yaml.safe_load_all(rbac()):
        yield from body.get("rules", ())


def test_the_role_of_argo_cd_may_read_applications_and_nothing_else() -> None:
    (block,) = [block for block in blocks("yaml") if "policies" in block]
    project = yaml.safe_load((ROOT / "agents/argocd/project.yaml").read_text())
    name = project["metadata"]["name"]
    (role,) = yaml.safe_load(block)["roles"]
    assert role["policies"] == [
        f"p, proj:{name}:{role['name']}, applications, get, {name}/*, allow"
    ]


def test_every_word_of_the_code_is_on_the_page() -> None:
    for word in Health:
        assert f"| `{word}` |" in PAGE
