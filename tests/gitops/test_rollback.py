from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from gitops.errors import HeldError, InputError, PlanError, UnknownNameError
from gitops.model import Plan, PlanKind, Revision, SetRevision, TargetScope
from gitops.promotion import plan_rollback
from tests.support.fleets import (
    ACME,
    BETA,
    DIGEST,
    OTHER_DIGEST,
    PRODUCTION,
    at,
    fleet,
    hold,
    repository,
    revision,
    rules_of,
)


def roll_back(present: str, history: Sequence[Revision], **options: Any) -> Plan:
    return plan_rollback(
        repository(production=present),
        fleet(),
        at(PRODUCTION),
        history=history,
        requested_by="jane",
        **options,
    )


def wanted(plan: Plan) -> Revision:
    (change,) = plan.changes
    assert isinstance(change, SetRevision)
    return change.revision


RAN = [revision("12.4.1"), revision("12.4.0", DIGEST), revision("12.3.1")]


def test_without_a_version_it_goes_to_the_one_before() -> None:
    plan = roll_back("12.4.1", RAN)
    assert (plan.kind, plan.scope) == (
        PlanKind.ROLLBACK,
        TargetScope(target=at(PRODUCTION)),
    )
    assert wanted(plan) == revision("12.4.0", DIGEST)
    assert {"downgrade", "migration"} <= rules_of(plan)


def test_the_history_may_or_may_not_begin_with_the_present() -> None:
    assert wanted(roll_back("12.4.1", RAN[1:])) == revision("12.4.0", DIGEST)


def test_a_second_rollback_does_not_undo_the_first() -> None:
    history = [revision("12.4.0"), revision("12.4.1"), revision("12.3.1")]
    assert wanted(roll_back("12.4.0", history)) == revision("12.3.1")


def test_another_digest_of_the_same_tag_is_another_revision() -> None:
    history = [revision("12.4.1", DIGEST), revision("12.4.1", OTHER_DIGEST)]
    plan = roll_back(f"12.4.1@{DIGEST}", history)
    assert wanted(plan) == revision("12.4.1", OTHER_DIGEST)
    assert plan.findings == ()


def test_a_named_version_must_have_run_there() -> None:
    assert wanted(roll_back("12.4.1", RAN, to="12.3.1")) == revision("12.3.1")
    with pytest.raises(
        InputError, match=r"12\.2\.0 never ran in acme in production"
    ) as e:
        roll_back("12.4.1", RAN, to="12.2.0")
    assert e.value.hint == "known: 12.4.1, 12.4.0, 12.3.1"


def test_a_named_version_comes_with_the_digest_it_had() -> None:
    assert wanted(roll_back("12.4.1", RAN, to="12.4.0")).digest == DIGEST
    exact = roll_back("12.4.1", RAN, to=f"12.4.0@{DIGEST}")
    assert wanted(exact).digest == DIGEST
    with pytest.raises(InputError, match="never ran"):
        roll_back("12.4.1", RAN, to=f"12.4.0@{OTHER_DIGEST}")


def test_a_named_version_may_be_newer_after_a_rollback() -> None:
    plan = roll_back("12.4.0", [revision("12.4.0"), revision("12.4.1")], to="12.4.1")
    assert wanted(plan) == revision("12.4.1")


def test_a_hold_stops_a_rollback_that_leads_forward() -> None:
    ran = [revision("12.4.0"), revision("12.4.1")]
    with pytest.raises(HeldError, match="acme in production is held by jane"):
        roll_back("12.4.0", ran, to="12.4.1", holds=[hold()])
    assert roll_back("12.4.1", ran, to="12.4.0", holds=[hold()]).changes


def test_of_one_tag_with_two_digests_the_newer_one_is_meant() -> None:
    history = [revision("12.4.0", DIGEST), revision("12.4.0", OTHER_DIGEST)]
    assert wanted(roll_back("12.4.1", history, to="12.4.0")).digest == DIGEST


def test_what_runs_is_a_plan_without_changes() -> None:
    plan = roll_back("12.4.1", RAN, to="12.4.1")
    assert (plan.changes, plan.findings) == ((), ())


def test_long_histories_are_named_in_part() -> None:
    ran = [revision(f"12.1.{patch}") for patch in range(15, 0, -1)]
    with pytest.raises(InputError) as caught:
        roll_back("12.4.1", ran, to="12.0.0")
    assert caught.value.hint.endswith("12.1.6 and 5 more")


def test_without_a_history_there_is_nowhere_to_go() -> None:
    with pytest.raises(PlanError, match=r"nothing older than 12\.4\.1") as caught:
        roll_back("12.4.1", [revision("12.4.1"), revision("12.5.0")])
    assert "--to" in caught.value.hint
    with pytest.raises(InputError) as unknown:
        roll_back("12.4.1", [], to="12.4.0")
    assert "no revision" in unknown.value.hint


def test_revisions_of_another_image_are_no_way_back() -> None:
    other = revision("12.3.1", image="registry.example.com/acme/directus")
    with pytest.raises(PlanError):
        roll_back("12.4.1", [revision("12.4.1"), other])


@pytest.mark.parametrize("to", ["", "$(id)", "12.4.0\n", "12.4.0@sha256:x"])
def test_what_is_no_tag_is_refused(to: str) -> None:
    if to:
        with pytest.raises(InputError):
            roll_back("12.4.1", RAN, to=to)
    else:
        assert roll_back("12.4.1", RAN, to=to) == roll_back("12.4.1", RAN)


# --- the database ---


@pytest.mark.parametrize(
    ("present", "before", "why"),
    [
        ("12.4.1", "11.17.4", "Directus 11"),
        ("11.0.1", "10.13.4", "policies"),
        ("11.17.4", "11.13.4", "directus_webhooks"),
        ("latest", "12.3.1", "full version"),
    ],
)
def test_a_database_that_does_not_go_back_stops_it(
    present: str, before: str, why: str
) -> None:
    with pytest.raises(PlanError, match=why) as caught:
        roll_back(present, [revision(before)])
    assert "backup" in caught.value.hint
    assert "--accept-data-risk" in caught.value.hint


def test_an_accepted_risk_is_told_to_the_reviewer() -> None:
    plan = roll_back("12.4.1", [revision("11.13.4")], accept_data_risk=True)
    assert wanted(plan) == revision("11.13.4")
    assert [f.rule for f in plan.findings].count("data-risk") == 2


def test_a_floating_tag_goes_back_to_its_other_digest_without_fear() -> None:
    plan = roll_back(f"latest@{DIGEST}", [revision("latest", OTHER_DIGEST)])
    assert wanted(plan).digest == OTHER_DIGEST


# --- holds ---


def test_a_hold_does_not_stop_the_way_out_of_trouble_but_is_told() -> None:
    plan = roll_back("12.4.1", RAN, holds=[hold(stack=ACME), hold(stack=BETA)])
    assert plan.changes
    (held,) = [f for f in plan.findings if f.rule == "held"]
    assert "held by jane since 2026-11-20 09:05 UTC" in held.message


def test_the_pause_switch_and_unknown_names_refuse() -> None:
    with pytest.raises(HeldError, match="paused"):
        roll_back("12.4.1", RAN, paused=True)
    with pytest.raises(UnknownNameError):
        plan_rollback(
            repository(),
            fleet(),
            at(PRODUCTION, BETA),
            history=RAN,
            requested_by="jane",
        )
