"""A pass takes the next step, and only that: on real Git, kustomize and SQLite."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from gitops.model import Health
from gitops.workflow import Held, close
from service.store import OccurrenceState, PassState
from tests.support.passes import DEVELOPMENT, PRODUCTION, STAGING, Served, served
from tests.support.places import OVERLAY

pytestmark = pytest.mark.kustomize

# The clock starts at 2026-03-01 12:00 UTC, a Sunday.
HOURLY = """\
  - from: development
    to: staging
    schedule: "0 * * * *"
"""
HEALTHY = """\
  - from: development
    to: staging
    schedule: "0 * * * *"
    health: probe
    soak: 2h
"""
AUTOMATIC = """\
  - from: development
    to: staging
    schedule: "0 * * * *"
    merge: automatic
"""
ROLLBACK = """\
  - from: staging
    to: production
    health: probe
    rollback: {within: 1h}
"""


@pytest.fixture
def hourly(tmp_path: Path, kustomize: Path) -> Iterator[Served]:
    with served(tmp_path, kustomize, HOURLY) as found:
        yield found


def merged(here: Served, version: str) -> None:
    """Bring a version to development, by bump and merge."""
    here.bump(DEVELOPMENT, version)
    here.pass_()
    open_ones = [p for p in here.pull_requests() if p.state.value == "open"]
    (mine,) = [p for p in open_ones if p.branch.endswith("development/shop")]
    here.merge(mine.number)
    here.pass_()


# --- idempotence ---


def test_a_second_pass_over_an_unchanged_world_does_nothing(hourly: Served) -> None:
    hourly.bump(DEVELOPMENT, "12.4.1")
    assert hourly.pass_().effects == ("pull request opened",)
    refs, trail = hourly.origin.branches(), hourly.actions()
    for _ in range(3):
        report = hourly.pass_()
        assert (report.effects, report.problem, report.again) == ((), "", False)
    assert (hourly.origin.branches(), hourly.actions()) == (refs, trail)


def test_a_request_is_published_by_the_next_pass_as_one_pull_request(
    hourly: Served,
) -> None:
    hourly.bump(DEVELOPMENT, "12.4.1")
    hourly.bump(DEVELOPMENT, "12.4.1", by="bo")
    hourly.pass_()
    hourly.pass_()
    assert [(b, s) for b, s, _ in hourly.shown()] == [("development/shop", "open")]


# --- schedules ---


def test_a_schedule_promotes_at_its_run_and_not_before(hourly: Served) -> None:
    merged(hourly, "12.4.1")
    assert len(hourly.pull_requests()) == 1
    report = hourly.pass_(hours=1)
    assert report.effects == ("promotion requested", "pull request opened")
    branch, state, title = hourly.shown()[-1]
    assert (branch, state) == ("staging/shop", "open")
    assert "12.4.1" in title
    assert hourly.pass_(minutes=5).effects == ()
    assert hourly.pass_(hours=1).effects == ("promotion requested",)
    assert len(hourly.pull_requests()) == 2, "the same promotion is the same one"


def test_a_newer_revision_updates_the_living_pull_request(hourly: Served) -> None:
    merged(hourly, "12.4.1")
    hourly.pass_(hours=1)
    merged(hourly, "12.5.0")
    assert "pull request updated" in hourly.pass_(hours=1).effects
    staging = [s for s in hourly.shown() if s[0] == "staging/shop"]
    assert [(state, "12.5.0" in title) for _, state, title in staging] == [
        ("open", True)
    ]


def test_a_pull_request_closed_by_a_person_is_not_opened_again(hourly: Served) -> None:
    merged(hourly, "12.4.1")
    hourly.pass_(hours=1)
    close(hourly.place, 2, by="bo", now=hourly.clock())
    for _ in range(3):
        assert "pull request opened" not in hourly.pass_(hours=1).effects
    merged(hourly, "12.5.0")
    hourly.pass_(hours=1)
    assert [s for _, s, _ in hourly.shown()][-1] == "open", (
        "a newer one is a new question"
    )


def test_asking_takes_a_refusal_back(hourly: Served) -> None:
    merged(hourly, "12.4.1")
    hourly.pass_(hours=1)
    close(hourly.place, 2, by="bo", now=hourly.clock())
    hourly.pass_()
    hourly.promote("shop", "staging")
    assert "pull request opened" in hourly.pass_().effects


def test_runs_that_nobody_saw_are_counted_and_not_caught_up(hourly: Served) -> None:
    merged(hourly, "12.4.1")
    hourly.pass_(hours=5, minutes=30)
    (watch,) = hourly.store.schedules.watches("fleet")
    assert watch.missed == 5
    assert len(hourly.pull_requests()) == 1
    states = [o.state for o in hourly.store.schedules.occurrences("fleet")]
    assert OccurrenceState.MISSED in states


def test_a_hold_stops_the_schedule_until_it_is_released(hourly: Served) -> None:
    merged(hourly, "12.4.1")
    hourly.store.holds.hold(
        "fleet", stack=None, environment=STAGING.environment, reason="audit", by="bo"
    )
    hourly.pass_(hours=1)
    assert len(hourly.pull_requests()) == 1
    hourly.store.holds.release("fleet", stack=None, environment=STAGING.environment)
    hourly.pass_(hours=1)
    assert len(hourly.pull_requests()) == 2


# --- soak and health ---


def test_a_revision_leaves_only_after_its_soak_in_health(
    tmp_path: Path, kustomize: Path
) -> None:
    with served(tmp_path, kustomize, HEALTHY) as here:
        merged(here, "12.4.1")
        here.pass_(hours=1)
        here.pass_(hours=3)
        assert len(here.pull_requests()) == 1, "nothing is known of its health"
        here.weather.is_(DEVELOPMENT, Health.HEALTHY, "12.4.1")
        here.pass_(minutes=30)
        here.pass_(minutes=30)
        here.pass_(hours=1)
        assert len(here.pull_requests()) == 1, "the soak is not over"
        here.pass_(hours=1)
        assert len(here.pull_requests()) == 2


def test_health_that_breaks_begins_the_soak_anew(
    tmp_path: Path, kustomize: Path
) -> None:
    with served(tmp_path, kustomize, HEALTHY) as here:
        merged(here, "12.4.1")
        here.weather.is_(DEVELOPMENT, Health.HEALTHY)
        here.pass_(hours=1)
        here.weather.is_(DEVELOPMENT, Health.UNHEALTHY)
        here.pass_(minutes=30)
        here.weather.is_(DEVELOPMENT, Health.HEALTHY)
        here.pass_(minutes=30)
        here.pass_(hours=1)
        assert len(here.pull_requests()) == 1
        here.pass_(hours=1)
        assert len(here.pull_requests()) == 2


def test_frequent_builds_never_starve_the_soak(tmp_path: Path, kustomize: Path) -> None:
    with served(tmp_path, kustomize, HEALTHY) as here:
        here.weather.is_(DEVELOPMENT, Health.HEALTHY)
        for number in range(1, 6):
            merged(here, f"12.4.{number}")
            here.pass_(hours=1)
        staging = [title for branch, _, title in here.shown() if "staging" in branch]
        assert staging, "a new build each hour, a soak of two hours"
        assert "12.4.5" not in staging[-1]


# --- merging ---


def test_a_rule_may_merge_by_itself_but_never_a_major(
    tmp_path: Path, kustomize: Path
) -> None:
    with served(tmp_path, kustomize, AUTOMATIC) as here:
        merged(here, "12.4.1")
        report = here.pass_(hours=1)
        assert report.effects[-1] == "pull request merged"
        assert report.again
        assert here.version(STAGING) == "12.4.1"
        merged(here, "13.0.0")
        report = here.pass_(hours=1)
        assert report.effects[-1] == "pull request opened"
        assert here.version(STAGING) == "12.4.1"


def test_a_merge_elsewhere_is_told_with_who_did_it(hourly: Served) -> None:
    hourly.bump(DEVELOPMENT, "12.4.1")
    hourly.pass_()
    (one,) = hourly.pull_requests()
    hourly.place.forge.merge(1, head=one.head, by="cy", now=hourly.clock())
    assert hourly.pass_().effects == ("pull request merged",)
    entry = hourly.store.audit.entries()[-1]
    assert (entry.by, entry.action) == ("cy", "pull request merged")


def test_closing_what_main_says_by_now_is_told_with_the_reason(hourly: Served) -> None:
    hourly.bump(DEVELOPMENT, "12.4.1")
    hourly.pass_()
    path = "overlays/development/shop/kustomization.yaml"
    hourly.commit({path: overlay("12.4.1", "development")})
    assert hourly.pass_().effects == ("pull request closed",)
    entry = hourly.store.audit.entries()[-1]
    assert entry.by == "directus-gitops"
    assert "main says so already" in entry.details
    assert hourly.pass_().effects == ()


# --- reverts, rollbacks, pins ---


def overlay(version: str, environment: str) -> str:
    text = OVERLAY.format(stack="shop", environment=environment)
    return text.replace("12.4.0", version)


def test_a_revert_on_the_base_branch_holds_its_target(hourly: Served) -> None:
    merged(hourly, "12.4.1")
    hourly.pass_(hours=1)
    hourly.merge(2)
    hourly.pass_()
    hourly.commit(
        {"overlays/staging/shop/kustomization.yaml": overlay("12.4.0", "staging")}
    )
    assert hourly.pass_().effects == ("target pinned",)
    for _ in range(2):
        assert hourly.pass_(hours=1).effects == ()
    (pin,) = hourly.store.pins.all("fleet")
    assert (pin.target, pin.revision.tag) == (STAGING, "12.4.0")
    assert "12.4.1 was reverted on main" in pin.reason
    hourly.store.pins.release("fleet", STAGING)
    assert "pull request opened" in hourly.pass_(hours=1).effects


def failing(here: Served, before: str, after: str) -> None:
    """Bring production from a healthy version to another, which then fails."""
    here.weather.is_(PRODUCTION, Health.HEALTHY)
    here.pass_()
    for where in (STAGING, PRODUCTION):
        here.commit(
            {
                f"overlays/{where.environment}/shop/kustomization.yaml": overlay(
                    after, where.environment
                )
            }
        )
    here.pass_()
    assert here.version(PRODUCTION) == after != before
    here.weather.is_(PRODUCTION, Health.UNHEALTHY)


def test_failed_health_in_time_asks_for_a_rollback_and_pins(
    tmp_path: Path, kustomize: Path
) -> None:
    with served(tmp_path, kustomize, ROLLBACK) as here:
        failing(here, "12.4.0", "12.4.1")
        assert here.pass_(minutes=5).effects == (
            "rollback requested",
            "pull request opened",
        )
        ((branch, state, title),) = here.shown()
        assert (branch, state) == ("production/shop", "open")
        assert "12.4.0" in title
        (pin,) = here.store.pins.all("fleet")
        assert (pin.target, pin.revision.tag) == (PRODUCTION, "12.4.0")
        assert here.pass_(minutes=5).effects == ()
        here.merge(1)
        here.pass_()
        assert here.version(PRODUCTION) == "12.4.0"
        assert len(here.store.pins.all("fleet")) == 1


def test_health_that_fails_later_is_no_reason_to_roll_back(
    tmp_path: Path, kustomize: Path
) -> None:
    with served(tmp_path, kustomize, ROLLBACK) as here:
        failing(here, "12.4.0", "12.4.1")
        assert here.pass_(hours=2).effects == ()


def test_a_rollback_that_the_database_forbids_is_told_once(
    tmp_path: Path, kustomize: Path
) -> None:
    with served(tmp_path, kustomize, ROLLBACK) as here:
        failing(here, "12.4.0", "13.0.0")
        assert here.pass_(minutes=5).effects == ("rollback needs a person",)
        assert here.pass_(minutes=5).effects == ()
        assert here.pull_requests() == ()
        assert here.store.pins.all("fleet") == ()


# --- trouble ---


def test_a_paused_repository_is_watched_and_left_alone(hourly: Served) -> None:
    hourly.bump(DEVELOPMENT, "12.4.1")
    hourly.store.holds.pause("fleet", by="bo")
    assert hourly.pass_().effects == ()
    assert hourly.pull_requests() == ()
    hourly.store.holds.resume("fleet")
    assert hourly.pass_().effects == ("pull request opened",)


def test_a_sick_repository_is_told_once_and_recovers(hourly: Served) -> None:
    broken = hourly.commit({"gitops.yaml": "apiVersion: nonsense\n"})
    for count in (1, 2):
        report = hourly.pass_()
        assert "gitops.yaml" in report.problem
        assert report.failures == count
    assert hourly.actions() == ["repository degraded"]
    last = hourly.store.passes.last("fleet")
    assert last is not None
    assert last.state is PassState.DEGRADED
    parent = hourly.origin.history(broken, limit=1)[0].parents[0]
    whole = hourly.origin.read_tree(parent).read("gitops.yaml")
    hourly.commit({"gitops.yaml": whole})
    assert hourly.pass_().problem == ""
    assert hourly.actions() == ["repository degraded", "repository recovered"]


def test_a_repository_that_is_not_there_is_a_problem_and_no_crash(
    hourly: Served,
) -> None:
    assert hourly.reconciler.pass_over("nowhere").problem


def test_an_overlay_that_cannot_be_read_stops_no_other(
    hourly: Served,
) -> None:
    hourly.bump(DEVELOPMENT, "12.4.1")
    hourly.commit({"overlays/staging/shop/kustomization.yaml": "resources: [gone]\n"})
    report = hourly.pass_()
    assert "pull request opened" in report.effects
    assert "overlays/staging/shop" in report.problem


def test_the_cap_on_writes_keeps_the_rest_for_later(
    tmp_path: Path, kustomize: Path
) -> None:
    with served(tmp_path, kustomize, HOURLY, max_writes_an_hour=3) as here:
        here.bump(DEVELOPMENT, "12.4.1")
        here.bump(STAGING, "12.4.1")
        here.bump(PRODUCTION, "12.4.1")
        here.pass_()
        assert len(here.pull_requests()) == 1
        here.pass_(minutes=61)
        here.pass_(minutes=61)
        assert len(here.pull_requests()) == 3


def test_the_cap_on_open_pull_requests_keeps_the_rest_for_later(
    tmp_path: Path, kustomize: Path
) -> None:
    with served(tmp_path, kustomize, HOURLY, max_open_pull_requests=1) as here:
        here.bump(DEVELOPMENT, "12.4.1")
        here.bump(STAGING, "12.4.1")
        here.pass_()
        here.pass_()
        assert len(here.pull_requests()) == 1
        here.merge(1)
        here.pass_()
        assert len(here.pull_requests()) == 2


def test_votes_and_holds_guard_an_automatic_merge(
    tmp_path: Path, kustomize: Path
) -> None:
    rule = AUTOMATIC + "    approvals: {count: 1}\n"
    with served(tmp_path, kustomize, rule) as here:
        merged(here, "12.4.1")
        assert here.pass_(hours=1).effects[-1] == "pull request opened"
        assert isinstance(here.merge(2), Held)
        head = here.pull_requests()[-1].head
        here.place.forge.approve(2, head=head, by="cy", now=here.clock())
        assert here.pass_().effects == ("pull request merged",)
