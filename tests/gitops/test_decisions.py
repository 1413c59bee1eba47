from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from gitops.model import (
    Arrival,
    CommitId,
    Health,
    Observation,
    Pin,
    PromotionRule,
    Revision,
)
from gitops.promotion import Decision, Promote, Rest, Wait, Way, decide
from gitops.promotion.decisions import candidates
from tests.support.fleets import (
    ACME,
    BETA,
    DEVELOPMENT,
    DIGEST,
    OTHER_DIGEST,
    PRODUCTION,
    STAGING,
    at,
    fleet,
    hold,
    revision,
)

NOW = datetime(2026, 11, 23, 9, 0, tzinfo=UTC)  # a Monday
HOUR = timedelta(hours=1)
DAILY = 'schedule: "0 9 * * *"'


def rule(gates: str = DAILY) -> PromotionRule:
    text = f"promotions:\n  - {{from: development, to: staging, {gates}}}\n"
    return fleet(text).promotions[0]


def arrival(
    tag: str,
    hours: float,
    *,
    left: float | None = None,
    healthy: float | None = None,
    digest: str | None = None,
) -> Arrival:
    """Make an arrival in development, all moments in hours before NOW."""
    return Arrival(
        target=at(DEVELOPMENT),
        revision=revision(tag, digest),
        commit=CommitId("c" * 40),
        at=NOW - hours * HOUR,
        left_at=None if left is None else NOW - left * HOUR,
        healthy_since=None if healthy is None else NOW - healthy * HOUR,
    )


def seen(
    health: Health = Health.HEALTHY,
    *,
    minutes: float = 1,
    version: str = "",
    detail: str = "",
) -> Observation:
    """Make an observation of development, so many minutes before NOW."""
    return Observation(
        target=at(DEVELOPMENT),
        source="argocd",
        health=health,
        version=version,
        detail=detail,
        since=NOW - 5 * HOUR,
        at=NOW - timedelta(minutes=minutes),
    )


def way(*arrivals: Arrival, gates: str = DAILY, present: str = "12.4.0") -> Way:
    """Make the way of acme to staging; the arrivals are newest first."""
    return Way(
        rule=rule(gates),
        target=at(STAGING),
        present=revision(present),
        arrivals=arrivals,
    )


def run(way: Way, *, now: datetime = NOW) -> Decision:
    return decide(way, now=now, occurrence=now)


def chosen(decision: Decision) -> str:
    assert isinstance(decision, Promote | Wait), decision
    return decision.arrival.revision.tag


def promoted(decision: Decision) -> str:
    assert isinstance(decision, Promote), decision
    return decision.arrival.revision.tag


def closed(decision: Decision) -> list[str]:
    assert isinstance(decision, Wait), decision
    return [gate.name for gate in decision.gates if not gate.is_open]


def reason(decision: Decision, name: str) -> str:
    assert isinstance(decision, Promote | Wait), decision
    return next(gate.reason for gate in decision.gates if gate.name == name)


# --- what may be carried ---


def test_what_the_source_has_is_carried_at_the_run_of_the_schedule() -> None:
    found = run(way(arrival("12.4.1", 1)))
    assert isinstance(found, Promote)
    assert found.arrival.revision.tag == "12.4.1"
    assert all(gate.is_open for gate in found.gates)


def test_there_is_nothing_to_do_where_the_target_has_it() -> None:
    found = run(way(arrival("12.4.0", 1)))
    assert found == Rest(reason="acme in staging has what development has: 12.4.0")


def test_an_unknown_digest_never_equals_a_known_one() -> None:
    known = way(arrival("12.4.0", 1, digest=DIGEST))
    assert promoted(run(known)) == "12.4.0"
    same = replace(known, present=revision("12.4.0", DIGEST))
    assert isinstance(run(same), Rest)
    other = replace(known, present=revision("12.4.0", OTHER_DIGEST))
    assert promoted(run(other)) == "12.4.0"


def test_the_image_is_the_targets_own_and_makes_no_difference() -> None:
    mine = revision("12.4.0", image="registry.example.com/acme/directus")
    assert isinstance(run(replace(way(arrival("12.4.0", 1)), present=mine)), Rest)


def test_a_downgrade_is_never_carried() -> None:
    found = run(way(arrival("12.3.0", 1)))
    assert found == Rest(
        reason="acme in staging has 12.4.0, newer than 12.3.0 in development"
    )


def test_without_arrivals_nothing_is_known() -> None:
    assert run(way()) == Rest(reason="nothing is known of acme in development yet")


def test_a_stack_that_left_the_source_carries_nothing() -> None:
    found = run(way(arrival("12.4.1", 5, left=1)))
    assert found == Rest(reason="acme is no longer in development")


def test_what_came_before_the_targets_revision_is_no_candidate() -> None:
    found = run(way(arrival("build-b", 1), arrival("build-a", 9, left=1)))
    assert promoted(found) == "build-b"
    rest = way(arrival("build-b", 1), arrival("build-a", 9, left=1), present="build-b")
    assert isinstance(run(rest), Rest)


# --- no means no ---


def test_a_refused_revision_and_all_before_it_are_not_asked_again() -> None:
    two = way(arrival("12.4.2", 1), arrival("12.4.1", 9, left=1))
    found = run(replace(two, refused=frozenset({revision("12.4.2")})))
    assert isinstance(found, Rest)
    assert "the pull request of 12.4.2 was closed" in found.reason


def test_a_newer_revision_than_the_refused_one_is_a_new_question() -> None:
    two = way(arrival("12.4.3", 1), arrival("12.4.2", 9, left=1))
    found = run(replace(two, refused=frozenset({revision("12.4.2")})))
    assert promoted(found) == "12.4.3"


def test_a_revision_refused_with_one_digest_may_be_asked_with_another() -> None:
    found = replace(
        way(arrival("12.4.2", 1, digest=DIGEST)),
        refused=frozenset({revision("12.4.2", OTHER_DIGEST)}),
    )
    assert promoted(run(found)) == "12.4.2"


# --- going back ---


def test_what_the_source_went_back_from_is_not_carried() -> None:
    back = way(
        arrival("12.4.1", 1),
        arrival("12.4.2", 60, left=1),
        arrival("12.4.1", 90, left=60),
        gates=f"{DAILY}, soak: 24h",
    )
    found = run(back)
    assert chosen(found) == "12.4.1"
    assert closed(found) == ["soak"]  # its soak began anew, and 12.4.2 is out


def test_the_history_tells_a_way_back_where_the_tags_do_not() -> None:
    back = way(
        arrival("build-a", 1),
        arrival("build-b", 60, left=1),
        arrival("build-a", 90, left=60),
        present="build-b",
    )
    found = run(back)
    assert found == Rest(
        reason="development had build-a before the build-b that acme in staging has"
    )


def test_where_nothing_tells_the_order_only_the_present_one_may_go() -> None:
    soaking = way(
        arrival("build-b", 1),
        arrival("build-a", 60, left=1),
        gates=f"{DAILY}, soak: 24h",
        present="by-hand",
    )
    assert (chosen(run(soaking)), closed(run(soaking))) == ("build-b", ["soak"])


# --- soak ---

SOAK = f"{DAILY}, soak: 24h"
FIT = f"{DAILY}, soak: 24h, health: argocd"


def test_a_soak_without_health_counts_from_the_arrival() -> None:
    assert promoted(run(way(arrival("12.4.1", 24), gates=SOAK))) == "12.4.1"
    found = run(way(arrival("12.4.1", 23.99), gates=SOAK))
    assert closed(found) == ["soak"]


def test_a_soak_with_health_counts_from_the_first_healthy_sighting() -> None:
    young = replace(
        way(arrival("12.4.1", 90, healthy=23), gates=FIT), observation=seen()
    )
    found = run(young)
    assert closed(found) == ["soak"]
    assert isinstance(found, Wait)
    assert found.earliest == NOW + timedelta(days=1)
    old = replace(young, arrivals=(arrival("12.4.1", 90, healthy=24),))
    assert promoted(run(old)) == "12.4.1"


def test_newer_builds_never_starve_one_that_left_healthy() -> None:
    busy = way(
        arrival("12.4.3", 1, healthy=1),
        arrival("12.4.2", 20, left=1, healthy=20),
        arrival("12.4.1", 30, left=20, healthy=26),
        gates=FIT,
    )
    found = run(replace(busy, observation=seen()))
    assert promoted(found) == "12.4.1"
    assert "when it left development" in reason(found, "health")


def test_the_newest_that_is_ready_goes_first() -> None:
    ready = way(
        arrival("12.4.3", 1),
        arrival("12.4.2", 25, left=1),
        arrival("12.4.1", 50, left=25),
        gates=SOAK,
    )
    assert promoted(run(ready)) == "12.4.2"


def test_while_none_is_ready_the_first_to_be_is_waited_for() -> None:
    queue = way(
        arrival("12.4.3", 1),
        arrival("12.4.2", 9, left=1),
        arrival("12.4.1", 20, left=9),
        gates='schedule: "*/30 * * * *", soak: 24h',
    )
    found = run(queue)
    assert chosen(found) == "12.4.1"
    assert isinstance(found, Wait)
    assert found.earliest == NOW + 4 * HOUR


def test_what_left_while_not_healthy_has_failed() -> None:
    failed = way(arrival("12.4.2", 1), arrival("12.4.1", 90, left=1), gates=FIT)
    assert chosen(run(replace(failed, observation=seen()))) == "12.4.2"
    assert [a.revision.tag for a in candidates(failed)] == ["12.4.2"]
    by_time_alone = way(*failed.arrivals, gates=SOAK)
    assert [a.revision.tag for a in candidates(by_time_alone)] == ["12.4.2", "12.4.1"]


def test_a_sick_present_one_does_not_stop_a_healthy_one_that_left() -> None:
    both = way(
        arrival("12.4.2", 1),
        arrival("12.4.1", 90, left=1, healthy=80),
        gates=FIT,
    )
    found = run(replace(both, observation=seen(Health.UNHEALTHY)))
    assert promoted(found) == "12.4.1"


def test_nobody_knows_when_an_unseen_one_is_ready() -> None:
    found = run(way(arrival("12.4.1", 90), gates=FIT))
    assert closed(found) == ["soak", "health"]
    assert isinstance(found, Wait)
    assert found.earliest is None


# --- health ---

HEALTH = f"{DAILY}, health: argocd"


def health_reason(observation: Observation | None) -> str:
    one = way(arrival("12.4.1", 2), gates=HEALTH)
    found = run(replace(one, observation=observation))
    return "" if isinstance(found, Promote) else reason(found, "health")


def test_health_is_open_when_the_source_was_seen_healthy_lately() -> None:
    assert health_reason(seen()) == ""
    assert health_reason(seen(minutes=15)) == ""


def test_an_observation_older_than_a_quarter_of_an_hour_says_nothing() -> None:
    assert health_reason(seen(minutes=15.1)) == (
        "the health of development by argocd is not known since "
        "2026-11-23 08:44 UTC: nothing newer was seen"
    )


def test_without_an_observation_health_is_not_known() -> None:
    assert "is not known" in health_reason(None)


@pytest.mark.parametrize(
    "health", [Health.UNHEALTHY, Health.PROGRESSING, Health.UNKNOWN]
)
def test_whatever_is_not_healthy_closes_and_says_since_when(health: Health) -> None:
    assert health_reason(seen(health, detail="0 of 1 ready")) == (
        f"the health of development by argocd is {health} since 2026-11-23 04:00 UTC: "
        "0 of 1 ready"
    )


def test_health_of_another_version_does_not_count() -> None:
    assert health_reason(seen(version="12.4.1")) == ""
    assert health_reason(seen(version="12.4.0")) == (
        "argocd sees 12.4.0 in development, not yet 12.4.1"
    )


def test_an_observation_from_before_the_arrival_does_not_count() -> None:
    young = way(arrival("12.4.1", 0.05), gates=HEALTH)
    found = run(replace(young, observation=seen(minutes=10)))
    assert "before 12.4.1 came" in reason(found, "health")


# --- people and schedule ---


def test_gates_come_in_a_fixed_order() -> None:
    window = 'windows: [{allow: "0 9 * * *", for: 1h}]'
    found = run(way(arrival("12.4.1", 2), gates=f"{FIT}, {window}"))
    assert isinstance(found, Wait)
    assert [gate.name for gate in found.gates] == [
        *("pause", "hold", "pin", "schedule", "window", "soak", "health")
    ]


def test_what_people_say_closes_without_an_end() -> None:
    pinned = Pin(
        target=at(STAGING), revision=revision("12.4.0"), reason="rollback", by="jane",
        at=NOW - HOUR,
    )  # fmt: skip
    one = way(arrival("12.4.1", 2))
    for changed, name, told in (
        (replace(one, paused=True), "pause", "the repository is paused"),
        (replace(one, holds=(hold(ACME),)), "hold", "audit week"),
        (replace(one, pin=pinned), "pin", "acme in staging stays at 12.4.0 by jane "
         "since 2026-11-23 08:00 UTC: rollback"),
    ):  # fmt: skip
        found = run(changed)
        assert closed(found) == [name]
        assert told in reason(found, name)
        assert isinstance(found, Wait)
        assert found.earliest is None


def test_a_hold_of_others_does_not_matter() -> None:
    held = replace(
        way(arrival("12.4.1", 2)), holds=(hold(BETA), hold(None, PRODUCTION))
    )
    assert isinstance(run(held), Promote)


def test_without_a_run_the_schedule_is_closed_until_the_next_one() -> None:
    found = decide(way(arrival("12.4.1", 2)), now=NOW, occurrence=None)
    assert closed(found) == ["schedule"]
    assert isinstance(found, Wait)
    assert found.earliest == NOW + timedelta(days=1)


def test_without_a_schedule_it_opens_by_request_only() -> None:
    found = decide(
        way(arrival("12.4.1", 2), gates="soak: 1h"), now=NOW, occurrence=None
    )
    assert closed(found) == ["schedule"]
    assert "by request only" in reason(found, "schedule")
    assert isinstance(found, Wait)
    assert found.earliest is None


# --- the earliest moment ---


def test_the_earliest_moment_is_a_run_inside_a_window_after_the_soak() -> None:
    gates = (
        'schedule: "30 8,13 * * *", timezone: Europe/Berlin, soak: 24h, '
        'windows: [{allow: "0 12 * * 1-4", for: 4h}, {deny: "0 0 24 11 *", for: 24h}]'
    )
    found = run(way(arrival("12.4.1", 10), gates=gates))
    assert isinstance(found, Wait)
    # The soak ends on Monday at 23:00; Tuesday is frozen; Wednesday 13:30 is in.
    assert found.earliest == datetime(2026, 11, 25, 12, 30, tzinfo=UTC)


@pytest.mark.parametrize(
    "windows", ['{allow: "0 14 * * *", for: 1h}', '{deny: "* * * * *", for: 1h}']
)
def test_a_schedule_that_never_meets_its_windows_has_no_earliest(windows: str) -> None:
    gates = f"{DAILY}, windows: [{windows}]"
    found = decide(way(arrival("12.4.1", 10), gates=gates), now=NOW, occurrence=None)
    assert isinstance(found, Wait)
    assert found.earliest is None


def test_the_run_that_is_dealt_with_is_not_its_own_next_one() -> None:
    found = run(way(arrival("12.4.1", 1), gates=SOAK))
    assert isinstance(found, Wait)
    assert found.earliest is not None
    assert found.earliest > NOW


def test_a_decision_is_the_same_each_time() -> None:
    one = way(arrival("12.4.1", 10), gates=SOAK)
    assert run(one) == run(one)


def test_a_thousand_builds_are_decided_about_by_one_walk() -> None:
    builds = [
        arrival(
            f"12.4.{n}", 1000 - n, left=None if n == 999 else 999 - n, digest=DIGEST
        )
        for n in range(999, 0, -1)
    ]
    found = run(way(*builds, gates=SOAK))
    assert promoted(found) == "12.4.976"


def test_a_revision_is_written_as_it_travels() -> None:
    found = run(way(arrival("12.4.1", 1, digest=DIGEST)))
    assert isinstance(found, Promote)
    assert found.arrival.revision == Revision(
        image="directus/directus", tag="12.4.1", digest=DIGEST
    )
