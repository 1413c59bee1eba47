"""Which merging gates are closed, and what the person is told."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from gitops.layout import target
from gitops.merging import closed_merge_gates
from gitops.model import (
    Approval,
    BaseScope,
    BranchName,
    ChangeKey,
    Check,
    CheckState,
    CommitId,
    EnvironmentName,
    Finding,
    Fleet,
    GroupScope,
    Hold,
    Intent,
    IntentId,
    IntentState,
    Plan,
    PlanKind,
    PromotionRule,
    Provenance,
    PullRequest,
    PullRequestState,
    Revision,
    Scope,
    SetRevision,
    Severity,
    StackName,
    TargetScope,
    Window,
)

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
HEAD, OLD = CommitId("a" * 40), CommitId("b" * 40)
STAGING = EnvironmentName("staging")
SHOP = TargetScope(target=target("shop", "staging"))
FLEET = Fleet(
    branch=BranchName("main"), overlay_pattern="o/{environment}/{stack}", image="i"
)
REQUEST = PullRequest(
    number=1,
    url=None,
    title="t",
    body="",
    branch=BranchName("b"),
    base=BranchName("main"),
    head=HEAD,
    state=PullRequestState.OPEN,
    author="ada",
    created_at=NOON,
)


def intent(
    kind: PlanKind = PlanKind.BUMP,
    scope: Scope = SHOP,
    findings: tuple[Finding, ...] = (),
) -> Intent:
    return Intent(
        id=IntentId("1"),
        key=ChangeKey("k"),
        repository="r",
        plan=Plan(
            kind=kind,
            scope=scope,
            changes=(),
            provenance=Provenance(
                requested_by="ada", source_environment=EnvironmentName("development")
            ),
            findings=findings,
        ),
        branch=BranchName("b"),
        created_at=NOON,
        state=IntentState.PR_OPEN,
    )


def hold(stack: str | None = None, environment: str | None = None) -> Hold:
    return Hold(
        stack=StackName(stack) if stack else None,
        environment=EnvironmentName(environment) if environment else None,
        reason="audit",
        by="bo",
        at=NOON,
    )


def closed(
    *intents: Intent,
    request: PullRequest = REQUEST,
    fleet: Fleet = FLEET,
    holds: tuple[Hold, ...] = (),
    paused: bool = False,
    conflicts: tuple[str, ...] = (),
    approvals: tuple[str, ...] = (),
    goes: tuple[str, ...] = (),
    now: datetime = NOON,
) -> tuple[str, ...]:
    return closed_merge_gates(
        fleet,
        intents,
        request,
        holds=holds,
        paused=paused,
        now=now,
        conflicts=conflicts,
        approvals=approvals,
        goes=goes,
    )


def with_rule(
    approvals: int = 0, go: int = 0, windows: tuple[Window, ...] = ()
) -> Fleet:
    rule = PromotionRule(
        source=EnvironmentName("development"),
        target=STAGING,
        approvals=approvals,
        go=go,
        windows=windows,
    )
    return replace(FLEET, promotions=(rule,))


def approved(*pairs: tuple[str, CommitId]) -> PullRequest:
    given = tuple(Approval(by=by, head=head, at=NOON) for by, head in pairs)
    return replace(REQUEST, approvals=given)


def test_a_plain_bump_may_be_merged() -> None:
    assert closed(intent()) == ()


def test_a_pull_request_of_a_person_has_no_rules_of_ours() -> None:
    assert closed(holds=(hold(),)) == ()


def test_the_pause_switch_stops_every_merge() -> None:
    assert "paused" in closed(intent(), paused=True)[0]


def test_a_change_that_says_it_is_broken_cannot_be_merged() -> None:
    broken = Finding(rule="r", severity=Severity.ERROR, path="p", message="m")
    assert "broken" in closed(intent(findings=(broken,)))[0]


def test_a_planned_conflict_counts_only_as_long_as_the_head_has_it() -> None:
    conflict = Finding(
        rule="upgrade-conflict", severity=Severity.ERROR, path="p", message="m"
    )
    planned = intent(PlanKind.UPGRADE, BaseScope(), findings=(conflict,))
    assert closed(planned) == ()
    (reason,) = closed(planned, conflicts=("base/a", "base/b", "base/c", "base/d"))
    assert "conflicts" in reason
    assert reason.endswith("base/a, base/b, base/c, ...")
    assert closed(conflicts=("notes.txt",))


@pytest.mark.parametrize(
    ("held", "stops"),
    [
        (hold(), True),
        (hold("shop"), True),
        (hold(None, "staging"), True),
        (hold("shop", "staging"), True),
        (hold("blog"), False),
        (hold("shop", "production"), False),
    ],
)
def test_a_hold_stops_what_it_names(held: Hold, stops: bool) -> None:
    assert bool(closed(intent(), holds=(held,))) is stops


def test_a_hold_says_who_when_and_why() -> None:
    (reason,) = closed(intent(), holds=(hold("shop"),))
    assert reason == "shop is held by bo since 2026-03-01 12:00 UTC: audit"


def test_a_hold_does_not_stop_a_rollback() -> None:
    assert closed(intent(PlanKind.ROLLBACK), holds=(hold(),)) == ()


def test_a_hold_on_everything_stops_groups_and_upgrades() -> None:
    group = intent(scope=GroupScope(environment=STAGING, group="all"))
    base = intent(PlanKind.UPGRADE, BaseScope())
    assert closed(group, holds=(hold(None, "staging"),))
    assert closed(base, holds=(hold(),))
    assert not closed(base, holds=(hold("shop"),))


def test_a_hold_on_one_stack_stops_the_group_that_carries_it() -> None:
    change = SetRevision(
        target=target("shop", "staging"), revision=Revision(image="i", tag="1")
    )
    group = intent(scope=GroupScope(environment=STAGING, group="all"))
    carrying = replace(group, plan=replace(group.plan, changes=(change,)))
    assert closed(carrying, holds=(hold("shop"),))
    assert closed(carrying, holds=(hold("shop", "staging"),))
    assert not closed(carrying, holds=(hold("blog"),))
    assert not closed(carrying, holds=(hold("shop", "production"),))


def test_approvals_count_once_a_person_on_the_current_head_without_the_author() -> None:
    promotion = intent(PlanKind.PROMOTE)
    request = approved(
        ("ada", HEAD), ("bo", HEAD), ("bo", HEAD), ("cy", OLD), ("di", OLD)
    )
    fleet = with_rule(approvals=2)
    assert closed(promotion, request=request, fleet=fleet) == (
        f"1 of 2 approvals of {HEAD[:12]}",
    )
    enough = approved(("bo", HEAD), ("cy", HEAD))
    assert closed(promotion, request=enough, fleet=fleet) == ()


def test_a_bump_needs_no_approvals_of_a_promotion_rule() -> None:
    assert closed(intent(), fleet=with_rule(approvals=2, go=1)) == ()


def test_a_rule_with_go_waits_for_a_releaser() -> None:
    promotion = intent(PlanKind.PROMOTE)
    fleet = with_rule(go=1)
    (reason,) = closed(promotion, fleet=fleet)
    assert reason == f"0 of 1 releases (go) of {HEAD[:12]} by a releaser"
    assert closed(promotion, fleet=fleet, approvals=("bo",)) == (reason,)
    assert closed(promotion, fleet=fleet, goes=("bo",)) == ()


def test_approvals_given_elsewhere_count_with_those_of_the_forge() -> None:
    promotion, fleet = intent(PlanKind.PROMOTE), with_rule(approvals=2)
    request = approved(("bo", HEAD))
    assert closed(promotion, request=request, fleet=fleet, approvals=("bo",))
    assert closed(promotion, request=request, fleet=fleet, approvals=("ada",))
    assert not closed(promotion, request=request, fleet=fleet, approvals=("cy",))


def test_nobody_approves_what_they_asked_for_whoever_opened_it() -> None:
    promotion, fleet = intent(PlanKind.PROMOTE), with_rule(approvals=1)
    request = replace(approved(("ada", HEAD)), author="directus-gitops")
    assert closed(promotion, request=request, fleet=fleet)


def test_a_group_falls_under_the_rules_of_its_environment() -> None:
    group = intent(PlanKind.PROMOTE, GroupScope(environment=STAGING, group="all"))
    assert closed(group, fleet=with_rule(approvals=1))


def test_a_freeze_closes_the_merge_of_a_promotion_until_it_ends() -> None:
    frozen = Window(
        allow=False, schedule="0 0 1 3 *", duration_s=86_400, timezone="UTC"
    )
    fleet = with_rule(windows=(frozen,))
    promotion = intent(PlanKind.PROMOTE)
    (reason,) = closed(promotion, fleet=fleet)
    assert reason == "a freeze of staging holds until 2026-03-02 00:00 UTC"
    assert not closed(promotion, fleet=fleet, now=NOON + timedelta(days=1))
    assert not closed(intent(PlanKind.ROLLBACK), fleet=fleet)


def test_checks_of_the_head_that_failed_or_run_stop_a_merge() -> None:
    said = (
        Check(name="lint", state=CheckState.PASSED),
        Check(name="build", state=CheckState.FAILED),
        Check(name="scan", state=CheckState.PENDING),
    )
    assert closed(intent(), request=replace(REQUEST, checks=said[:1])) == ()
    assert closed(intent(), request=replace(REQUEST, checks=said)) == (
        "checks have failed: build",
        "checks have not ended yet: scan",
    )


def test_a_draft_is_not_merged() -> None:
    (reason,) = closed(intent(), request=replace(REQUEST, is_draft=True))
    assert "draft" in reason
