"""Delivery figures: examples worked by hand, and what holds for any history."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

from hypothesis import given, strategies as st

from gitops.model import (
    Arrival,
    BranchName,
    ChangeKey,
    CommitId,
    EnvironmentName,
    Health,
    Intent,
    IntentId,
    IntentState,
    Observation,
    Plan,
    PlanKind,
    Provenance,
    Revision,
    SetRevision,
    StackName,
    Target,
    TargetScope,
)
from gitops.promotion.faring import fared
from service.delivery import (
    Period,
    failed_changes,
    figures,
    lead_times,
    outages,
)

DAY = datetime(2026, 3, 2, tzinfo=UTC)
DEV, STAGING, PROD = map(EnvironmentName, ("development", "staging", "production"))
ORDER = (DEV, STAGING, PROD)
WEEK = Period(since=DAY, until=DAY + timedelta(days=7))


def hours(number: float) -> datetime:
    return DAY + timedelta(hours=number)


def revision(tag: str, digest: str | None = None) -> Revision:
    return Revision(image="directus/directus", tag=tag, digest=digest)


def came(
    environment: EnvironmentName, tag: str, at: float, stack: str = "acme"
) -> Arrival:
    return Arrival(
        target=Target(environment=environment, stack=StackName(stack)),
        revision=revision(tag),
        commit=CommitId(f"{hash((environment, tag, at, stack)) % 2**64:040x}"),
        at=hours(at),
    )


def seen(arrival: Arrival, health: Health, at: float) -> Arrival:
    """Let the library itself say what a sighting makes of an arrival."""
    return fared(
        arrival,
        Observation(
            target=arrival.target,
            source="directus",
            health=health,
            version="",
            detail="",
            since=hours(at),
            at=hours(at),
        ),
    )


def rollback(arrival: Arrival, tag: str, at: float, **other: IntentState) -> Intent:
    """Return a request to go back, made at an hour."""
    return Intent(
        id=IntentId(f"{at}"),
        key=ChangeKey(f"{at}"),
        repository="fleet",
        plan=Plan(
            kind=PlanKind.ROLLBACK,
            scope=TargetScope(target=arrival.target),
            changes=(SetRevision(target=arrival.target, revision=revision(tag)),),
            provenance=Provenance(requested_by="sam"),
        ),
        branch=BranchName("directus-gitops/production/acme"),
        created_at=hours(at),
        state=other.get("state", IntentState.MERGED),
    )


# --- worked by hand ---


def test_the_lead_time_is_from_the_first_environment_to_the_last() -> None:
    arrivals = (
        came(DEV, "12.1.0", 0),
        came(STAGING, "12.1.0", 5),
        came(PROD, "12.1.0", 30),
        came(DEV, "12.2.0", 40),
        came(PROD, "12.2.0", 50),  # staging was left out
        came(DEV, "12.3.0", 60),  # on its way
        came(PROD, "12.0.9", 70),  # never was in development
    )
    found = lead_times(arrivals, ORDER)
    assert [(lead.revision.tag, lead.seconds / 3600) for lead in found] == [
        ("12.1.0", 30),
        ("12.2.0", 10),
    ]
    whole = figures(arrivals, (), ORDER, WEEK)
    assert whole.lead_s == 20 * 3600  # the median of 30 and 10


def test_a_revision_that_comes_back_has_one_lead_time() -> None:
    arrivals = (
        came(DEV, "12.1.0", 0),
        came(PROD, "12.1.0", 4),
        came(PROD, "12.2.0", 6),
        came(PROD, "12.1.0", 8),
    )
    (lead,) = lead_times(arrivals, ORDER)
    assert lead.seconds == 4 * 3600


def test_a_hotfix_that_was_in_the_last_environment_first_has_no_lead_time() -> None:
    arrivals = (came(PROD, "12.1.1", 0), came(DEV, "12.1.1", 3))
    assert lead_times(arrivals, ORDER) == ()


def test_an_unknown_digest_is_another_revision() -> None:
    sealed = replace(
        came(PROD, "12.1.0", 3), revision=revision("12.1.0", "sha256:" + "a" * 64)
    )
    assert lead_times((came(DEV, "12.1.0", 0), sealed), ORDER) == ()


def test_a_fleet_of_one_environment_has_no_way_to_measure() -> None:
    assert lead_times((came(DEV, "12.1.0", 0),), (DEV,)) == ()


def test_lead_times_count_where_they_end() -> None:
    arrivals = (came(DEV, "12.1.0", -48), came(PROD, "12.1.0", 2))
    assert figures(arrivals, (), ORDER, WEEK).lead_s == 50 * 3600
    before = Period(since=DAY - timedelta(days=7), until=DAY)
    assert figures(arrivals, (), ORDER, before).lead_s is None


def test_deployments_are_counted_by_environment_and_day() -> None:
    arrivals = [came(PROD, f"12.{n}.0", n * 24 + 1) for n in range(14)]
    _, _, production = figures(arrivals, (), ORDER, WEEK).environments
    assert (production.deployments, production.per_day) == (7, 1.0)


def test_without_deployments_there_is_no_share_of_failures() -> None:
    (development, *_) = figures((), (), ORDER, WEEK).environments
    assert (development.deployments, development.failed_share) == (0, None)


def test_what_was_seen_unhealthy_failed_even_when_it_got_well_again() -> None:
    bad = came(PROD, "12.1.0", 0)
    for health, at in (
        (Health.HEALTHY, 1),
        (Health.UNHEALTHY, 2),
        (Health.UNHEALTHY, 3),
        (Health.PROGRESSING, 4),
        (Health.UNHEALTHY, 5),
        (Health.HEALTHY, 6),
    ):
        bad = seen(bad, health, at)
    good = seen(came(STAGING, "12.1.0", 0), Health.HEALTHY, 1)
    assert failed_changes((bad, good), ()) == (bad,)
    (outage,) = outages((bad, good))
    assert (outage.since, outage.until) == (hours(2), hours(6))
    _, staging, production = figures((bad, good), (), ORDER, WEEK).environments
    assert (production.failed_share, production.restore_s) == (1.0, 4 * 3600)
    assert (staging.failed_share, staging.restore_s) == (0.0, None)


def test_of_two_failures_of_one_revision_the_last_is_kept() -> None:
    arrival = came(PROD, "12.1.0", 0)
    for health, at in (
        (Health.UNHEALTHY, 1),
        (Health.HEALTHY, 2),
        (Health.UNHEALTHY, 8),
        (Health.HEALTHY, 11),
    ):
        arrival = seen(arrival, health, at)
    (outage,) = outages((arrival,))
    assert outage.seconds == 3 * 3600


def test_an_outage_ends_with_the_revision_that_is_healthy_again() -> None:
    bad = seen(came(PROD, "12.2.0", 10), Health.UNHEALTHY, 11)
    worse = seen(came(PROD, "12.2.1", 12), Health.UNHEALTHY, 13)
    back = seen(came(PROD, "12.1.0", 14), Health.HEALTHY, 15)
    (outage,) = outages((bad, worse, back))
    assert (outage.since, outage.until) == (hours(11), hours(15))


def test_an_outage_that_lasts_is_not_restored() -> None:
    bad = seen(came(PROD, "12.2.0", 10), Health.UNHEALTHY, 11)
    (outage,) = outages((bad,))
    assert (outage.until, outage.seconds) == (None, None)
    production = figures((bad,), (), ORDER, WEEK).environments[-1]
    assert (production.down, production.restored, production.restore_s) == (1, 0, None)


def test_an_outage_of_one_stack_is_not_ended_by_another() -> None:
    bad = seen(came(PROD, "12.2.0", 1, stack="acme"), Health.UNHEALTHY, 2)
    well = seen(came(PROD, "12.2.0", 1, stack="shop"), Health.HEALTHY, 3)
    (outage,) = outages((bad, well))
    assert outage.until is None


def test_what_a_step_down_leaves_has_failed() -> None:
    arrivals = (came(PROD, "12.1.0", 0), came(PROD, "12.2.0", 5))
    assert failed_changes(arrivals, ()) == ()
    back = came(PROD, "12.1.0", 9)
    assert failed_changes((*arrivals, back), ()) == (arrivals[1],)


def test_what_a_merged_rollback_leaves_has_failed_whatever_the_tags_say() -> None:
    good, bad = came(PROD, "build-a", 0), came(PROD, "build-b", 5)
    back, again = came(PROD, "build-a", 9), came(PROD, "build-b", 20)
    line = (good, bad, back, again)
    assert failed_changes(line, ()) == ()
    asked = rollback(good, "build-a", 8)
    assert failed_changes(line, (asked,)) == (bad,)
    refused = rollback(good, "build-a", 8, state=IntentState.CLOSED)
    assert failed_changes(line, (refused,)) == ()


def test_a_rollback_explains_one_arrival_only() -> None:
    line = (
        came(PROD, "build-a", 0),
        came(PROD, "build-b", 5),
        came(PROD, "build-a", 9),
        came(PROD, "build-c", 12),
        came(PROD, "build-a", 15),  # a person's own wish, long after
    )
    assert failed_changes(line, (rollback(line[0], "build-a", 8),)) == (line[1],)


# --- what holds for any history ---

TAGS = ("12.1.0", "12.2.0", "12.2.1", "build-a", "build-b")
SIGHTINGS = st.lists(
    st.tuples(st.sampled_from(tuple(Health)), st.integers(1, 5)), max_size=6
)


@st.composite
def histories(draw: st.DrawFn) -> tuple[Arrival, ...]:
    found: list[Arrival] = []
    for environment in ORDER:
        for stack in ("acme", "shop"):
            now = 0.0
            for tag in draw(st.lists(st.sampled_from(TAGS), max_size=5)):
                now += draw(st.integers(1, 30))
                arrival = came(environment, tag, now, stack)
                for health, later in draw(SIGHTINGS):
                    now += later
                    arrival = seen(arrival, health, now)
                found.append(arrival)
    return tuple(found)


@given(histories(), st.randoms(use_true_random=False))
def test_the_order_in_which_arrivals_are_given_is_no_matter(
    history: tuple[Arrival, ...],
    random: st.DataObject,
) -> None:
    mixed = list(history)
    random.shuffle(mixed)  # type: ignore[attr-defined]  # it is a random.Random
    assert figures(mixed, (), ORDER, WEEK) == figures(history, (), ORDER, WEEK)


@given(histories(), st.integers(1, 6))
def test_the_parts_of_a_period_add_up_to_it(
    history: tuple[Arrival, ...], days: int
) -> None:
    middle = DAY + timedelta(days=days)
    whole, first, second = (
        figures(history, (), ORDER, Period(since=a, until=b))
        for a, b in ((DAY, WEEK.until), (DAY, middle), (middle, WEEK.until))
    )
    assert whole.lead_times == (*first.lead_times, *second.lead_times)
    for one, a, b in zip(
        whole.environments, first.environments, second.environments, strict=True
    ):
        assert one.deployments == a.deployments + b.deployments
        assert one.failed == a.failed + b.failed
        assert one.restored == a.restored + b.restored


@given(histories())
def test_outages_of_a_target_follow_each_other(history: tuple[Arrival, ...]) -> None:
    ends: dict[Target, datetime] = {}
    for outage in outages(history):
        assert outage.target not in ends or ends[outage.target] <= outage.since
        assert outage.until is None or outage.until > outage.since
        ends[outage.target] = outage.until or datetime.max.replace(tzinfo=UTC)


@given(histories())
def test_a_share_is_of_what_came(history: tuple[Arrival, ...]) -> None:
    for figure in figures(history, (), ORDER, WEEK).environments:
        assert 0 <= figure.failed <= figure.deployments
        assert (figure.failed_share is None) == (figure.deployments == 0)
        assert figure.failed_share is None or 0 <= figure.failed_share <= 1


@given(histories())
def test_lead_times_are_never_negative_and_one_for_each_revision(
    history: tuple[Arrival, ...],
) -> None:
    found = lead_times(history, ORDER)
    assert all(lead.seconds >= 0 for lead in found)
    assert len({(lead.stack, lead.revision) for lead in found}) == len(found)


@given(histories())
def test_another_stack_changes_no_lead_time(history: tuple[Arrival, ...]) -> None:
    alone = [a for a in history if a.target.stack == "acme"]
    mine = [w for w in lead_times(history, ORDER) if w.stack == "acme"]
    assert list(lead_times(alone, ORDER)) == mine
