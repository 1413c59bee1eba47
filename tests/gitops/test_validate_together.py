"""Rules that compare the overlays of one stack."""

from __future__ import annotations

from dataclasses import replace

from gitops.layout import target
from gitops.model import Manifests
from gitops.schemas import load_schemas
from gitops.validate import check_together
from tests.support.faults import setting
from tests.support.objects import GONE, Edit, manifests, with_edits


def overlay(place: str, *edits: Edit) -> Manifests:
    return replace(manifests(with_edits(edits)), path=f"overlays/{place}")


def found(**built: Manifests) -> list[tuple[str, str, str]]:
    targets = {target(*name.split("_")): result for name, result in built.items()}
    findings = check_together(targets, load_schemas())
    return [(f.rule, f.path, f.message) for f in findings]


def test_an_engine_of_its_own_is_told_at_the_later_environment() -> None:
    assert found(
        acme_dev=overlay("dev"),
        acme_staging=overlay("staging"),
        acme_production=overlay("production", setting("DB_CLIENT", "pg")),
    ) == [
        (
            "engines-differ",
            "overlays/production",
            "DB_CLIENT is pg, but mysql in dev",
        )
    ]


def test_stacks_choose_their_engines_for_themselves() -> None:
    pg = setting("DB_CLIENT", "pg")
    assert found(acme_dev=overlay("a"), shop_dev=overlay("b", pg)) == []


def test_an_engine_that_the_manifests_do_not_tell_is_not_compared() -> None:
    unknown = setting("DB_CLIENT", GONE)
    assert found(acme_dev=overlay("a", unknown), acme_live=overlay("b")) == []
