"""Gates at the command line: forecasts, pins, a releaser's go, health."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from gitops.layout import target
from gitops.model import Health, Sighting
from service.clock import utc_now
from service.reconcile import Reconciler
from service.settings import Settings
from service.store import Store
from tests.support.lab import Lab

pytestmark = pytest.mark.kustomize

STAGING = target("example", "staging")
RULE = """\
promotions:
  - from: development
    to: staging
    schedule: "0 9 * * 1-5"
    timezone: Europe/Berlin
    soak: 24h
    approvals: {go: 1}
"""


@pytest.fixture
def ruled(lab: Lab) -> Lab:
    """A fleet with a rule, and a newer version in development."""
    before, empty, _ = lab.text("gitops.yaml").partition("promotions: []\n")
    assert empty
    lab.put({"gitops.yaml": before + RULE})
    lab.asks("bump", "example", "development", "12.4.1")
    lab.asks("pr", "merge", "1")
    return lab


def passed(lab: Lab) -> None:
    """Make one pass, as serve does."""
    settings = Settings(data=lab.data, kustomize=lab.user.kustomize)
    store = Store(settings.database, lab.data, utc_now)
    try:
        assert Reconciler(settings, store, utc_now).pass_over("fleet").problem == ""
    finally:
        store.close()


def test_a_forecast_tells_gate_by_gate_why_a_promotion_waits(ruled: Lab) -> None:
    passed(ruled)
    answer = ruled.asks("forecast", "--days", "10").json
    assert answer["days"] == 10
    (one,) = answer["forecast"]
    assert (one["stack"], one["from"], one["to"]) == (
        "example",
        "development",
        "staging",
    )
    assert (one["decision"], one["version"]) == ("wait", "12.4.1")
    closed = {gate["name"] for gate in one["gates"] if not gate["open"]}
    assert closed == {"schedule", "soak"}
    assert one["earliest"] == one["openings"][0]["at"]
    said = ruled.user.inside("forecast").out
    assert "closed  soak: a soak of 24h in development" in said
    assert "opens 12.4.1" in said


def test_a_forecast_without_rules_says_so(lab: Lab) -> None:
    assert lab.asks("forecast").json == {"days": 7, "forecast": []}


def test_a_promotion_with_go_is_merged_only_after_a_releaser_said_it(
    ruled: Lab,
) -> None:
    ruled.asks("promote", "example", "--to", "staging")
    refusal = ruled.refused("pr", "merge", "2")
    assert "releases (go)" in refusal.message
    assert ruled.asks("pr", "go", "2").json["outcome"] == "released"
    ruled.asks("pr", "merge", "2")
    refusal = ruled.refused("pr", "go", "2")
    assert "merged" in refusal.message


def test_a_rollback_pins_and_a_release_ends_the_pin(lab: Lab) -> None:
    for number, version in ((1, "12.4.1"), (2, "12.4.2")):
        lab.asks("bump", "example", "staging", version)
        lab.asks("pr", "merge", str(number))
    lab.asks("bump", "example", "development", "12.4.2")
    lab.asks("pr", "merge", "3")
    lab.asks("rollback", "example", "staging", "--reason", "slow")
    for command in (
        ("bump", "example", "staging", "12.4.3"),
        ("promote", "example", "--to", "staging"),
    ):
        refusal = lab.refused(*command)
        assert refusal.code == "held"
        assert "pinned to 12.4.1" in refusal.message
        assert "slow" in refusal.message
        assert "release example staging" in refusal.hint
    shown = lab.asks("status").json["stacks"][0]["environments"][1]
    assert (shown["pin"]["version"], shown["hold"]) == ("12.4.1", None)
    assert lab.asks("release", "example", "staging").json["outcome"] == "released"
    lab.asks("bump", "example", "staging", "12.4.3")
    actions = [e["action"] for e in lab.asks("audit", "export").json["entries"]]
    assert "target pinned" in actions
    assert "pin released" in actions


def test_a_preview_of_a_rollback_pins_nothing(lab: Lab) -> None:
    lab.asks("bump", "example", "staging", "12.4.1")
    lab.asks("pr", "merge", "1")
    lab.asks("rollback", "example", "staging", "--dry-run")
    assert lab.asks("status").json["stacks"][0]["environments"][1]["pin"] is None


def test_a_rollback_without_a_version_goes_back_to_what_was_healthy(lab: Lab) -> None:
    store = Store("", lab.data, utc_now)
    try:
        passed(lab)
        (first,) = store.arrivals.of_target("fleet", STAGING)
        for number, version in ((1, "12.4.1"), (2, "12.4.2")):
            lab.asks("bump", "example", "staging", version)
            lab.asks("pr", "merge", str(number))
        passed(lab)
        seen = replace(first, first_healthy_at=first.at, left_at=first.at)
        store.arrivals.replace("fleet", seen)
    finally:
        store.close()
    outcome = lab.asks("rollback", "example", "staging").json
    (change,) = outcome["changes"]
    assert (change["before"], change["after"]) == ("12.4.2", "12.4.0")


def test_status_shows_the_worst_that_any_source_says(lab: Lab) -> None:
    store = Store("", lab.data, utc_now)
    now = utc_now() - timedelta(minutes=1)
    try:
        for source, health in (("a", Health.HEALTHY), ("b", Health.PROGRESSING)):
            store.observations.record(
                "fleet", STAGING, source, Sighting(health=health), at=now
            )
    finally:
        store.close()
    environments = lab.asks("status").json["stacks"][0]["environments"]
    assert [one["health"] for one in environments] == [None, "progressing", None]
