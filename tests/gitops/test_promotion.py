from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from gitops.errors import HeldError, PlanError, UnknownNameError
from gitops.intents import plan_from_json, plan_to_json
from gitops.model import (
    Arrival,
    CommitId,
    EnvironmentName,
    GroupScope,
    Health,
    Observation,
    Plan,
    PlanKind,
    SetConfig,
    SetImage,
    SetRevision,
    Severity,
    TargetScope,
    Tree,
    tree_of,
)
from gitops.promotion import plan_promotion
from tests.support.fleets import (
    ACME,
    BETA,
    DEVELOPMENT,
    DIGEST,
    PRODUCTION,
    STAGING,
    at,
    fleet,
    hold,
    overlay_files,
    repository,
    revision,
    rules_of,
)
from tests.support.trees import tree

MONDAY = datetime(2026, 11, 23, 14, 30, tzinfo=UTC)


def promote(
    here: Tree | None = None,
    *,
    to: EnvironmentName = STAGING,
    rules: str = "",
    **options: Any,
) -> Plan:
    return plan_promotion(
        here or repository(),
        fleet(rules),
        ACME,
        to=to,
        requested_by="jane",
        **{"now": MONDAY, **options},
    )


def ruled(gates: str) -> str:
    return f"promotions:\n  - {{from: development, to: staging, {gates}}}\n"


def with_config(development: str, staging: str) -> Tree:
    return tree(
        {
            **overlay_files("development", "12.4.1", config=development),
            **overlay_files("staging", "12.4.0", config=staging),
        }
    )


# --- what travels ---


def test_tag_and_digest_travel_to_the_next_environment() -> None:
    here = repository(development=f"12.4.1@{DIGEST}")
    plan = promote(here, reason="tested")
    assert plan.kind is PlanKind.PROMOTE
    assert plan.scope == TargetScope(target=at(STAGING))
    assert plan.changes == (
        SetRevision(target=at(STAGING), revision=revision("12.4.1", DIGEST)),
    )


def test_it_says_where_the_revision_comes_from() -> None:
    base = repository()
    commit = CommitId("c" * 40)
    here = tree_of({path: base.read(path) for path in base.entries}, commit=commit)
    origin = promote(here).provenance
    assert (origin.source_environment, origin.source_commit) == (DEVELOPMENT, commit)
    assert origin.requested_by == "jane"


def test_a_missing_digest_in_the_source_unpins_the_target() -> None:
    plan = promote(repository(development="12.4.1", staging=f"12.4.1@{DIGEST}"))
    (change,) = plan.changes
    assert isinstance(change, SetRevision)
    assert change.revision.digest is None


def test_what_is_there_already_is_a_plan_without_changes() -> None:
    plan = promote(repository(staging="12.4.1"), rules=ruled("soak: 24h"))
    assert (plan.changes, plan.findings) == ((), ())


def test_only_the_keys_that_the_fleet_names_travel() -> None:
    here = with_config(
        "A=1\nB=2\nPUBLIC_URL=https://d\n", "A=0\nPUBLIC_URL=https://s\n"
    )
    plan = promote(here, rules="defaults: {carry: [A, B]}\n")
    assert plan.changes[1:] == (
        SetConfig(target=at(STAGING), key="A", value="1"),
        SetConfig(target=at(STAGING), key="B", value="2"),
    )


def test_a_stack_may_carry_other_keys_than_the_default() -> None:
    here = with_config("A=1\nB=2\n", "")
    rules = "defaults: {carry: [A]}\nstacks: {acme: {carry: [B]}}\n"
    plan = promote(here, rules=rules)
    assert [c.key for c in plan.changes if isinstance(c, SetConfig)] == ["B"]


def test_a_value_alone_may_be_what_differs() -> None:
    files = {
        **overlay_files("development", "12.4.1", config="A=1\n"),
        **overlay_files("staging", "12.4.1", config="A=2\n"),
    }
    plan = promote(tree(files), rules="defaults: {carry: [A]}\n")
    assert SetConfig(target=at(STAGING), key="A", value="1") in plan.changes


def test_a_key_that_the_source_lacks_stays_as_it_is_and_is_told() -> None:
    plan = promote(with_config("", "A=0\n"), rules="defaults: {carry: [A, B]}\n")
    assert len(plan.changes) == 1
    told = [f for f in plan.findings if f.rule == "carry-missing"]
    assert [f.severity for f in told] == [Severity.INFO, Severity.INFO]
    assert "staging keeps its value" in told[0].message
    assert "staging has none either" in told[1].message


@pytest.mark.parametrize("value", ["redis://:hunter2@x", "gh" + "p_" + "hunter2A" * 5])
def test_a_credential_never_travels_and_is_never_shown(value: str) -> None:
    with pytest.raises(PlanError, match=r"development/acme/config\.env") as caught:
        promote(with_config(f"A={value}\n", ""), rules="defaults: {carry: [A]}\n")
    assert "hunter2" not in caught.value.message + caught.value.hint


# --- from where ---


def test_the_first_environment_follows_nobody() -> None:
    with pytest.raises(PlanError, match="development follows no environment") as caught:
        promote(to=DEVELOPMENT)
    assert "after" in caught.value.hint


def test_the_source_may_be_named_when_it_is_one_of_those_followed() -> None:
    assert promote(source=DEVELOPMENT) == promote()
    with pytest.raises(PlanError, match="production does not follow development") as e:
        promote(to=PRODUCTION, source=DEVELOPMENT)
    assert "it follows: staging" in e.value.hint
    with pytest.raises(PlanError) as nobody:
        promote(to=DEVELOPMENT, source=STAGING)
    assert "it follows: none" in nobody.value.hint


def test_a_promotion_rule_adds_a_way_that_must_be_named() -> None:
    rules = "promotions: [{from: development, to: production}]\n"
    named = promote(to=PRODUCTION, source=DEVELOPMENT, rules=rules)
    assert named.provenance.source_environment == DEVELOPMENT
    assert promote(to=PRODUCTION, rules=rules).provenance.source_environment == STAGING


def test_a_rule_is_the_way_where_nothing_else_is() -> None:
    rules = "  - {name: lab}\npromotions: [{from: development, to: lab}]\n"
    here = tree(
        {**overlay_files("development", "12.4.1"), **overlay_files("lab", "12.4.0")}
    )
    assert promote(here, to=EnvironmentName("lab"), rules=rules).changes


def test_of_several_predecessors_one_must_be_named() -> None:
    rules = "  - {name: live, after: [staging, production]}\n"
    live = EnvironmentName("live")
    here = tree(
        {
            **overlay_files("staging", "12.4.1"),
            **overlay_files("production", "12.4.0"),
            **overlay_files("live", "12.3.1"),
        }
    )
    with pytest.raises(PlanError, match="staging, production") as caught:
        promote(here, to=live, rules=rules)
    assert "--from" in caught.value.hint
    plan = promote(here, to=live, rules=rules, source=PRODUCTION)
    assert plan.changes == (SetRevision(target=at(live), revision=revision("12.4.0")),)


def test_unknown_names_are_refused() -> None:
    with pytest.raises(UnknownNameError, match="nowhere"):
        promote(to=EnvironmentName("nowhere"))
    with pytest.raises(UnknownNameError, match="nowhere"):
        promote(source=EnvironmentName("nowhere"))
    with pytest.raises(UnknownNameError, match="beta"):
        plan_promotion(
            repository(), fleet(), BETA, to=STAGING, now=MONDAY, requested_by="jane"
        )


def test_a_stack_that_the_target_does_not_have_is_refused() -> None:
    with pytest.raises(UnknownNameError, match="acme has no overlay in staging"):
        promote(tree(overlay_files("development", "12.4.1")))


# --- what refuses ---


def test_a_promotion_never_goes_back() -> None:
    with pytest.raises(
        PlanError, match=r"12\.4\.1; development has the older 12\.4\.0"
    ) as e:
        promote(repository(development="12.4.0", staging="12.4.1"))
    assert "rollback" in e.value.hint


def test_a_hold_on_the_target_refuses_and_one_on_the_source_does_not() -> None:
    with pytest.raises(HeldError, match="acme in staging is held by jane"):
        promote(holds=[hold(environment=STAGING)])
    assert promote(holds=[hold(environment=DEVELOPMENT)]).changes


def test_while_paused_nothing_is_promoted() -> None:
    with pytest.raises(HeldError, match="paused"):
        promote(paused=True)


# --- what has left the source ---


def test_revision_and_values_are_read_where_the_source_had_them() -> None:
    before = tree(
        {
            **overlay_files("development", f"12.4.1@{DIGEST}", config="A=old\n"),
            **overlay_files("staging", "12.3.0", config="A=0\n"),
        }
    )
    commit = CommitId("d" * 40)
    before = tree_of({p: before.read(p) for p in before.entries}, commit=commit)
    after = with_config("A=new\n", "A=0\n")
    plan = promote(after, source_tree=before, rules="defaults: {carry: [A]}\n")
    assert plan.changes == (
        SetRevision(target=at(STAGING), revision=revision("12.4.1", DIGEST)),
        SetConfig(target=at(STAGING), key="A", value="old"),
    )
    assert plan.provenance.source_commit == commit


def test_a_reviewer_learns_that_it_has_left_the_source() -> None:
    before, after = repository(development="12.4.1"), repository(development="12.4.2")
    (told,) = [
        finding
        for finding in promote(after, source_tree=before).findings
        if finding.rule == "left-source"
    ]
    assert told.message == "12.4.1 has left development; it has 12.4.2 now"
    assert told.severity is Severity.INFO
    assert "left-source" not in rules_of(promote(before, source_tree=before))
    assert "left-source" not in rules_of(promote(before))


def test_a_reviewer_learns_that_the_stack_has_left_the_source() -> None:
    gone = tree(overlay_files("staging", "12.4.0"))
    (told,) = [
        finding
        for finding in promote(gone, source_tree=repository()).findings
        if finding.rule == "left-source"
    ]
    assert told.message == "12.4.1 has left development; acme is no longer there"


def test_what_the_source_had_before_is_no_way_back_either() -> None:
    with pytest.raises(PlanError, match=r"runs 12\.4\.0"):
        promote(source_tree=repository(development="12.3.9"))


# --- which pull request ---


def test_a_group_of_the_way_shares_one_pull_request() -> None:
    plan = promote(rules=ruled("group: weekly"))
    assert plan.scope == GroupScope(environment=STAGING, group="weekly")
    other = "promotions: [{from: staging, to: production, group: weekly}]\n"
    assert promote(rules=other).scope == TargetScope(target=at(STAGING))


# --- other images that travel ---

IMAGES = "defaults: {carryImages: [acme/ext]}\n"


def with_image(development: str, staging: str, *, name: str = "acme/ext") -> Tree:
    """Make a tree whose overlays have another entry; empty for none."""
    files: dict[str, str] = {}
    for environment, version in (("development", development), ("staging", staging)):
        tag, _, more = version.partition(" ")
        files |= overlay_files(environment, "12.4.1")
        if version:
            path = f"overlays/{environment}/acme/kustomization.yaml"
            files[path] += f'  - name: {name}\n    newTag: "{tag}"\n'
            files[path] += f"    {more}\n" if more else ""
    return tree(files)


def image(tag: str, digest: str | None = None, of: str = "acme/ext") -> SetImage:
    wanted = revision(tag, digest, image=of)
    return SetImage(target=at(STAGING), name="acme/ext", revision=wanted)


def test_only_the_images_that_the_fleet_names_travel() -> None:
    here = with_image("2.0.0", "1.0.0")
    assert promote(here).changes == ()
    plan = promote(here, rules=IMAGES)
    assert plan.changes == (
        SetRevision(target=at(STAGING), revision=revision("12.4.1")),
        image("2.0.0"),
    )
    assert plan_from_json(json.loads(json.dumps(plan_to_json(plan)))) == plan


def test_tag_and_digest_of_an_image_travel_and_its_registry_stays() -> None:
    here = with_image(f"2.0.0 digest: {DIGEST}", "2.0.0 newName: mirror/ext")
    plan = promote(here, rules=IMAGES)
    assert plan.changes[1:] == (image("2.0.0", DIGEST, of="mirror/ext"),)


def test_an_image_that_the_target_has_already_makes_no_plan() -> None:
    assert promote(with_image("2.0.0", "2.0.0"), rules=IMAGES).changes == ()


def test_a_stack_may_let_other_images_travel_than_the_default() -> None:
    rules = f"{IMAGES}stacks: {{acme: {{carryImages: []}}}}\n"
    assert promote(with_image("2.0.0", "1.0.0"), rules=rules).changes == ()


def test_the_stacks_own_image_travels_but_once() -> None:
    rules = "defaults: {carryImages: [directus/directus]}\n"
    plan = promote(rules=rules)
    assert plan.changes == (
        SetRevision(target=at(STAGING), revision=revision("12.4.1")),
    )


@pytest.mark.parametrize(
    ("development", "staging", "where"),
    [("", "1.0.0", "development"), ("2.0.0", "", "staging"), ("", "", "development")],
)
def test_an_image_that_is_not_on_both_sides_is_told(
    development: str, staging: str, where: str
) -> None:
    rules = f"{IMAGES}stacks: {{acme: {{carry: [A]}}}}\n"
    files = with_image(development, staging)
    config = "overlays/development/acme/config.env"
    here = tree_of({p: files.read(p) for p in files.entries} | {config: b"A=1\n"})
    plan = promote(here, rules=rules)
    assert not [c for c in plan.changes if isinstance(c, SetImage)]
    (told,) = [f for f in plan.findings if f.rule == "carry-missing"]
    assert told.message == (
        "image acme/ext travels with promotions, but has no images: entry in "
        f"{where}; staging stays as it is"
    )


def test_a_reviewer_learns_of_an_older_and_of_a_floating_image() -> None:
    older = promote(with_image("1.0.0", "2.0.0"), rules=IMAGES)
    assert "carry-older" in rules_of(older)
    assert image("1.0.0") in older.changes
    assert "floating-tag" in rules_of(promote(with_image("dev", "1.0.0"), rules=IMAGES))
    pinned = with_image(f"dev digest: {DIGEST}", "1.0.0")
    assert "floating-tag" not in rules_of(promote(pinned, rules=IMAGES))


def test_an_image_that_has_left_the_source_is_read_where_it_was() -> None:
    plan = promote(
        with_image("3.0.0", "1.0.0"),
        source_tree=with_image("2.0.0", "1.0.0"),
        rules=IMAGES,
    )
    assert plan.changes[1:] == (image("2.0.0"),)


# --- what is told ---


def test_the_risks_of_the_step_are_told() -> None:
    plan = promote(repository(development="12.4.1", staging="11.17.4"))
    assert {"major-step", "migration", "ip-trust-proxy"} <= rules_of(plan)


def test_a_floating_tag_without_a_digest_is_told() -> None:
    assert "floating-tag" in rules_of(promote(repository(development="latest")))
    pinned = repository(development=f"latest@{DIGEST}")
    assert "floating-tag" not in rules_of(promote(pinned))


def test_closed_gates_do_not_stop_a_person_but_are_told() -> None:
    gates = 'schedule: "0 9 * * 1-5", timezone: Europe/Berlin, soak: 24h'
    plan = promote(rules=ruled(gates), merged_at=MONDAY - timedelta(hours=1))
    assert plan.changes
    told = {f.rule: f for f in plan.findings if f.rule.startswith("gate-")}
    assert set(told) == {"gate-schedule", "gate-soak"}
    assert all(f.severity is Severity.WARNING for f in told.values())
    assert told["gate-schedule"].message.endswith(
        "next: 2026-11-24 09:00 CET (Europe/Berlin)"
    )
    assert told["gate-soak"].message.endswith(
        "ends 2026-11-24 14:30 CET (Europe/Berlin)"
    )


def test_open_gates_are_not_told() -> None:
    plan = promote(rules=ruled("soak: 24h"), merged_at=MONDAY - timedelta(hours=24))
    assert not {rule for rule in rules_of(plan) if rule.startswith("gate-")}


def in_development(hours: float, *, healthy: float | None = None) -> Arrival:
    """Make the arrival of 12.4.1, moments in hours before MONDAY."""
    return Arrival(
        target=at(DEVELOPMENT),
        revision=revision("12.4.1"),
        commit=CommitId("c" * 40),
        at=MONDAY - timedelta(hours=hours),
        healthy_since=None if healthy is None else MONDAY - timedelta(hours=healthy),
    )


def test_what_was_seen_of_the_source_decides_about_soak_and_health() -> None:
    rules = ruled("soak: 24h, health: argocd")
    healthy = Observation(
        target=at(DEVELOPMENT),
        source="argocd",
        health=Health.HEALTHY,
        version="12.4.1",
        detail="",
        since=MONDAY - timedelta(hours=30),
        at=MONDAY,
    )
    for hours, expected in ((23, {"gate-soak"}), (24, set())):
        arrival = in_development(40, healthy=hours)
        plan = promote(rules=rules, arrival=arrival, observation=healthy)
        assert {r for r in rules_of(plan) if r.startswith("gate-")} == expected
    blind = promote(rules=rules, arrival=in_development(40))
    assert {"gate-soak", "gate-health"} <= rules_of(blind)


def test_a_run_of_the_schedule_opens_it_even_when_it_comes_late() -> None:
    rules = ruled('schedule: "30 14 * * *"')
    late = MONDAY + timedelta(minutes=4)
    assert "gate-schedule" in rules_of(promote(rules=rules, now=late))
    by_schedule = promote(rules=rules, now=late, occurrence=MONDAY)
    assert "gate-schedule" not in rules_of(by_schedule)


def test_gates_of_another_way_do_not_matter() -> None:
    rules = "promotions: [{from: staging, to: production, soak: 24h}]\n"
    assert "gate-soak" not in rules_of(promote(rules=rules))


def test_the_same_question_has_the_same_answer() -> None:
    rules = ruled('schedule: "0 9 * * *", soak: 24h, health: argocd')
    assert promote(rules=rules) == promote(rules=rules)
