"""Many requests for one pull request become one set of changes."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from gitops.composition import compose, overtaken, says_broken, split
from gitops.layout import target
from gitops.model import (
    BranchName,
    Change,
    ChangeKey,
    EnvironmentName,
    Finding,
    GroupScope,
    Intent,
    IntentId,
    IntentState,
    Plan,
    PlanKind,
    Provenance,
    RemoveFile,
    Revision,
    SetConfig,
    SetImage,
    SetRevision,
    Severity,
    TargetScope,
    UnsetConfig,
    WriteFile,
)

SHOP = target("shop", "staging")


def plan(*changes: Change, findings: tuple[Finding, ...] = ()) -> Plan:
    return Plan(
        kind=PlanKind.SET,
        scope=TargetScope(target=SHOP),
        changes=changes,
        provenance=Provenance(requested_by="ada"),
        findings=findings,
    )


def intent(number: int, *changes: Change) -> Intent:
    return Intent(
        id=IntentId(str(number)),
        key=ChangeKey(str(number)),
        repository="r",
        plan=plan(*changes),
        branch=BranchName("b"),
        created_at=datetime(2026, 1, number, tzinfo=UTC),
        state=IntentState.PR_OPEN,
    )


def tag(text: str) -> SetRevision:
    return SetRevision(target=SHOP, revision=Revision(image="i", tag=text))


def key(name: str, value: str) -> SetConfig:
    return SetConfig(target=SHOP, key=name, value=value)


def test_the_newest_value_of_a_scalar_wins_in_the_place_of_the_first() -> None:
    merged = compose(
        [plan(tag("1"), key("A", "1")), plan(key("A", "2")), plan(tag("3"))]
    )
    assert merged == (tag("3"), key("A", "2"))


def test_each_image_has_a_newest_wish_of_its_own() -> None:
    def image(name: str, text: str) -> SetImage:
        revision = Revision(image=name, tag=text)
        return SetImage(target=SHOP, name=name, revision=revision)

    first = plan(tag("12.4.0"), image("a", "1.0.0"), image("b", "1.0.0"))
    second = plan(image("a", "2.0.0"))
    assert compose([first, second]) == (
        tag("12.4.0"),
        image("a", "2.0.0"),
        image("b", "1.0.0"),
    )


def test_unsetting_a_key_overrides_setting_it() -> None:
    gone = UnsetConfig(target=SHOP, key="A")
    assert compose([plan(key("A", "1")), plan(gone)]) == (gone,)


def test_removing_a_file_overrides_writing_it() -> None:
    gone = RemoveFile(path="f")
    assert compose([plan(WriteFile(path="f", content=b"")), plan(gone)]) == (gone,)


def test_a_request_of_which_nothing_is_left_is_overtaken() -> None:
    old, other = intent(1, tag("1")), intent(2, key("A", "1"))
    assert overtaken([old, other], plan(tag("2"))) == (old,)


def test_a_request_of_which_something_is_left_stays() -> None:
    both = intent(1, tag("1"), key("A", "1"))
    assert overtaken([both], plan(tag("2"))) == ()


def test_the_same_request_again_is_not_overtaken_while_it_is_the_newest() -> None:
    first = intent(1, tag("1"))
    assert overtaken([first], plan(tag("1"))) == ()


def test_going_back_to_an_older_request_renews_it() -> None:
    a, b = intent(1, tag("1"), key("A", "1")), intent(2, key("A", "2"))
    assert overtaken([a, b], plan(tag("1"), key("A", "1"))) == (a, b)


def test_an_upgrade_leaves_nothing_of_an_earlier_one() -> None:
    first = intent(1, WriteFile(path="base/a", content=b""))
    earlier = replace(first, plan=replace(first.plan, kind=PlanKind.UPGRADE))
    later = plan(WriteFile(path="base/b", content=b""))
    assert overtaken([earlier], later) == ()
    assert overtaken([earlier], replace(later, kind=PlanKind.UPGRADE)) == (earlier,)


def test_a_plan_with_an_error_says_that_it_is_broken() -> None:
    def told(severity: Severity) -> Plan:
        finding = Finding(rule="r", severity=severity, path="p", message="m")
        return plan(tag("1"), findings=(finding,))

    assert not says_broken([plan(tag("1")), told(Severity.WARNING)])
    assert says_broken([plan(tag("1")), told(Severity.ERROR)])


ACME = target("acme", "staging")
GROUP = GroupScope(environment=EnvironmentName("staging"), group="all")


def about(name: str) -> Finding:
    path = f"overlays/staging/{name}" if name else "gitops.yaml"
    return Finding(rule="r", severity=Severity.INFO, path=path, message=name)


def test_a_plan_for_a_group_is_cut_by_target_with_its_findings() -> None:
    other = SetRevision(target=ACME, revision=Revision(image="i", tag="1"))
    both = replace(
        plan(tag("1"), other, findings=(about("shop"), about("acme"), about(""))),
        scope=GROUP,
    )
    first, second = split(both)
    assert (first.changes, first.findings) == (
        (tag("1"),),
        (about("shop"), about("")),
    )
    assert (second.changes, second.findings) == ((other,), (about("acme"), about("")))
    assert first.scope == second.scope == GROUP


def test_a_plan_for_one_target_or_for_files_stays_whole() -> None:
    alone = plan(tag("1"), key("A", "1"))
    files = replace(plan(WriteFile(path="f", content=b""), tag("1")), scope=GROUP)
    assert (split(alone), split(files)) == ((alone,), (files,))
