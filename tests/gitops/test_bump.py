from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from gitops.errors import HeldError, InputError, PlanError, UnknownNameError, YamlError
from gitops.intents import plan_from_json, plan_to_json
from gitops.model import (
    EnvironmentName,
    GroupScope,
    Hold,
    Pin,
    Plan,
    PlanKind,
    SetRevision,
    Severity,
    TargetScope,
    Tree,
)
from gitops.promotion import plan_bump, plan_bumps
from tests.support.fleets import (
    ACME,
    BETA,
    DIGEST,
    OTHER_DIGEST,
    PRODUCTION,
    STAGING,
    at,
    fleet,
    hold,
    in_production,
    overlay_files,
    repository,
    revision,
    rules_of,
)
from tests.support.trees import tree

THREE = {"acme": "12.3.1", "beta": "12.4.0", "gamma": "12.3.0"}


def bump(version: str, *, here: Tree | None = None, **options: Any) -> Plan:
    return plan_bump(
        here or repository(),
        fleet(),
        at(PRODUCTION),
        version,
        requested_by="jane",
        **options,
    )


def bump_all(version: str, *, here: Tree | None = None, **options: Any) -> Plan:
    return plan_bumps(
        here or in_production(THREE),
        fleet(),
        PRODUCTION,
        version,
        requested_by="jane",
        **options,
    )


def tags(plan: Plan) -> dict[str, str]:
    return {
        change.target.stack: change.revision.tag
        for change in plan.changes
        if isinstance(change, SetRevision)
    }


# --- one stack ---


def test_a_bump_wants_one_revision_in_one_place() -> None:
    plan = bump("12.4.0", reason="fixes #1")
    assert plan.kind is PlanKind.BUMP
    assert plan.scope == TargetScope(target=at(PRODUCTION))
    assert plan.changes == (
        SetRevision(target=at(PRODUCTION), revision=revision("12.4.0")),
    )
    assert (plan.provenance.requested_by, plan.provenance.reason) == (
        "jane",
        "fixes #1",
    )


def test_a_plan_survives_the_way_through_the_log() -> None:
    plan = bump("12.4.0")
    assert plan_from_json(plan_to_json(plan)) == plan


def test_the_image_is_the_one_that_the_stack_runs() -> None:
    image = "registry.example.com/acme/directus"
    plan = plan_bump(
        tree(overlay_files("production", "12.3.0-acme.2", image=image)),
        fleet(f"stacks: {{acme: {{image: {image}}}}}\n"),
        at(PRODUCTION),
        "12.4.1-acme.1",
        requested_by="jane",
    )
    (change,) = plan.changes
    assert isinstance(change, SetRevision)
    assert change.revision == revision("12.4.1-acme.1", image=image)


@pytest.mark.parametrize(
    ("version", "digest"),
    [(f"12.4.0@{DIGEST}", None), ("12.4.0", DIGEST), (f"12.4.0@{DIGEST}", DIGEST)],
)
def test_a_digest_comes_with_the_version_or_beside_it(
    version: str, digest: str | None
) -> None:
    (change,) = bump(version, digest=digest).changes
    assert isinstance(change, SetRevision)
    assert change.revision == revision("12.4.0", DIGEST)


def test_two_digests_that_differ_are_refused() -> None:
    with pytest.raises(InputError, match="two digests"):
        bump(f"12.4.0@{DIGEST}", digest=OTHER_DIGEST)


def test_what_is_there_already_is_a_plan_without_changes() -> None:
    assert bump("12.3.1").changes == ()
    pinned = repository(production=f"12.3.1@{DIGEST}")
    again = bump(f"12.3.1@{DIGEST}", here=pinned)
    assert (again.changes, again.findings) == ((), ())


def test_pinning_the_version_that_runs_is_a_change_without_risks() -> None:
    plan = bump(f"12.3.1@{DIGEST}")
    assert plan.changes
    assert plan.findings == ()


def test_an_unknown_digest_never_equals_a_known_one() -> None:
    plan = bump("12.3.1", here=repository(production=f"12.3.1@{DIGEST}"))
    assert plan.changes == (
        SetRevision(target=at(PRODUCTION), revision=revision("12.3.1")),
    )
    assert rules_of(plan) == {"digest-unpinned"}


def test_risks_of_the_step_are_told_at_the_overlay() -> None:
    plan = bump("12.4.1", here=repository(production="11.17.4"))
    assert {"major-step", "licence-change", "probe-path"} <= rules_of(plan)
    assert {finding.path for finding in plan.findings} == {"overlays/production/acme"}
    assert all(f.severity is not Severity.ERROR for f in plan.findings)


def test_an_older_version_is_refused_with_the_way_to_it() -> None:
    with pytest.raises(PlanError, match=r"12\.3\.1; 12\.3\.0 is older") as caught:
        bump("12.3.0")
    assert "rollback" in caught.value.hint


def test_an_older_version_passes_when_it_is_allowed_and_is_told() -> None:
    plan = bump("12.3.0", allow_downgrade=True)
    assert plan.changes
    assert "downgrade" in rules_of(plan)


def test_from_a_floating_tag_any_version_may_follow() -> None:
    plan = bump("12.4.1", here=repository(production="latest"))
    assert plan.changes
    assert rules_of(plan) == {"unknown-version"}


@pytest.mark.parametrize(
    "version", ["latest", "12.4", "v12.4.1", "", "12.4.1\n", "x@y"]
)
def test_what_is_no_full_version_is_refused(version: str) -> None:
    with pytest.raises(InputError):
        bump(version)


def test_an_unknown_stack_or_environment_is_refused_with_the_known_ones() -> None:
    with pytest.raises(UnknownNameError) as caught:
        plan_bump(
            repository(), fleet(), at(PRODUCTION, BETA), "12.4.1", requested_by="jane"
        )
    assert "acme" in caught.value.hint


def test_an_overlay_that_cannot_be_read_is_told_by_its_file() -> None:
    with pytest.raises(YamlError, match="overlays/production/acme/kustomization"):
        bump("12.4.1", here=tree(overlay_files("production", "12.3.1", image="other")))


# --- holds and the pause switch ---


@pytest.mark.parametrize(
    "given",
    [
        hold(),
        hold(stack=ACME),
        hold(environment=PRODUCTION),
        hold(stack=ACME, environment=PRODUCTION),
    ],
    ids=["everything", "stack", "environment", "both"],
)
def test_a_hold_refuses_and_says_who_when_and_why(given: Hold) -> None:
    with pytest.raises(HeldError) as caught:
        bump("12.4.0", holds=[given])
    assert caught.value.message.startswith(
        "acme in production is held by jane since 2026-11-20 09:05 UTC"
    )
    assert caught.value.message.endswith(": audit week")
    assert "directus-gitops release" in caught.value.hint


def test_a_wider_hold_says_how_wide_it_is() -> None:
    with pytest.raises(HeldError, match="hold on everything"):
        bump("12.4.0", holds=[hold()])
    with pytest.raises(HeldError) as caught:
        bump("12.4.0", holds=[hold(stack=ACME, environment=PRODUCTION)])
    assert "hold on" not in caught.value.message
    assert caught.value.hint == "`directus-gitops release acme production` ends it"


@pytest.mark.parametrize(
    "given",
    [
        hold(stack=BETA),
        hold(environment=STAGING),
        hold(stack=ACME, environment=STAGING),
    ],
    ids=["another stack", "another environment", "elsewhere"],
)
def test_a_hold_on_something_else_does_not_matter(given: Hold) -> None:
    assert bump("12.4.0", holds=[given]).changes


def test_while_paused_nothing_is_planned() -> None:
    with pytest.raises(HeldError, match="paused"):
        bump("12.4.0", paused=True)
    with pytest.raises(HeldError, match="paused"):
        bump_all("12.4.0", paused=True)


# --- several stacks ---


def test_all_stacks_of_an_environment_move_in_one_plan() -> None:
    plan = bump_all("12.4.1")
    assert plan.scope == GroupScope(environment=PRODUCTION, group="all")
    assert tags(plan) == {"acme": "12.4.1", "beta": "12.4.1", "gamma": "12.4.1"}


def test_stacks_of_other_environments_are_not_even_read() -> None:
    files = {
        **overlay_files("production", "12.3.1"),
        **overlay_files("staging", "12.3.1", stack="broken"),
        "overlays/staging/broken/kustomization.yaml": "a: [",
    }
    assert tags(bump_all("12.4.1", here=tree(files))) == {"acme": "12.4.1"}


def test_stacks_that_have_the_revision_already_are_not_changed() -> None:
    assert tags(bump_all("12.4.0")) == {"acme": "12.4.0", "gamma": "12.4.0"}


def test_of_all_stacks_newer_and_held_ones_are_left_out_and_told() -> None:
    plan = bump_all("12.3.1", holds=[hold(stack=ACME), hold(stack=ACME)])
    assert tags(plan) == {"gamma": "12.3.1"}
    assert {"held", "newer-already"} <= rules_of(plan)


def test_named_stacks_must_all_be_able_to_move() -> None:
    with pytest.raises(PlanError, match=r"beta in production runs 12\.4\.0"):
        bump_all("12.3.1", stacks=[ACME, BETA])
    with pytest.raises(HeldError, match="acme"):
        bump_all("12.4.1", stacks=[BETA, ACME], holds=[hold(stack=ACME)])
    with pytest.raises(UnknownNameError):
        bump_all("12.4.1", stacks=["nobody"])


def test_only_the_named_stacks_move_and_each_once() -> None:
    plan = bump_all("12.4.1", stacks=[BETA, BETA])
    assert tags(plan) == {"beta": "12.4.1"}
    assert len(plan.changes) == 1


def test_a_downgrade_of_all_passes_when_it_is_allowed() -> None:
    plan = bump_all("12.3.0", allow_downgrade=True)
    assert tags(plan) == {"acme": "12.3.0", "beta": "12.3.0"}
    named = bump_all("12.3.0", stacks=[ACME], allow_downgrade=True)
    assert tags(named) == {"acme": "12.3.0"}


@pytest.mark.parametrize("given", [hold(), hold(environment=PRODUCTION)])
def test_a_hold_on_the_environment_stops_the_whole_group(given: Hold) -> None:
    with pytest.raises(HeldError, match="every stack in production is held by jane"):
        bump_all("12.4.1", holds=[given])


def test_one_digest_fits_one_image_only() -> None:
    own = "registry.example.com/beta/directus"
    here = tree(
        {
            **overlay_files("production", "12.3.1"),
            **overlay_files("production", "12.3.1", stack="beta", image=own),
        }
    )
    rules = fleet(f"stacks: {{beta: {{image: {own}}}}}\n")
    with pytest.raises(InputError, match="one digest cannot fit 2 images"):
        plan_bumps(here, rules, PRODUCTION, f"12.4.1@{DIGEST}", requested_by="jane")
    plan = plan_bumps(
        here, rules, PRODUCTION, f"12.4.1@{DIGEST}", [BETA], requested_by="jane"
    )
    assert tags(plan) == {"beta": "12.4.1"}


def test_an_environment_without_stacks_gives_nothing_to_do() -> None:
    rules = fleet("  - {name: empty}\n")
    empty = EnvironmentName("empty")
    plan = plan_bumps(repository(), rules, empty, "12.4.1", requested_by="jane")
    assert plan.changes == ()


def test_an_unknown_environment_of_a_group_is_refused() -> None:
    nowhere = EnvironmentName("nowhere")
    with pytest.raises(UnknownNameError, match="nowhere") as caught:
        plan_bumps(repository(), fleet(), nowhere, "12.4.1", requested_by="jane")
    assert "production" in caught.value.hint


def test_a_pinned_stack_is_left_out_of_all_and_refused_by_name() -> None:
    pin = Pin(
        target=at(PRODUCTION, ACME),
        revision=revision("12.3.1"),
        reason="rolled back",
        by="jane",
        at=datetime(2026, 3, 1, 12, tzinfo=UTC),
    )
    plan = bump_all("12.4.1", pins=[pin])
    assert set(tags(plan)) == {"beta", "gamma"}
    assert "pinned" in rules_of(plan)
    with pytest.raises(HeldError, match=r"acme in production is pinned to 12\.3\.1"):
        bump_all("12.4.1", stacks=[ACME], pins=[pin])
