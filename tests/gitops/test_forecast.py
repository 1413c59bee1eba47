"""The forecast against a world that is lived through, step by step.

The world below knows nothing of the forecast: it observes, lets `fared` keep the soak
clocks, asks `decide` at every run and merges what opens a minute after it.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import takewhile

import pytest
from hypothesis import given, settings, strategies as st

from gitops.cron import Cron, is_occurrence, occurrences
from gitops.model import (
    Arrival,
    CommitId,
    EnvironmentName,
    Health,
    Observation,
    PromotionRule,
    Revision,
    StackName,
    Target,
)
from gitops.promotion import (
    Expectation,
    Promote,
    Rest,
    Wait,
    Way,
    decide,
    fared,
    forecast,
)
from tests.support.fleets import (
    ACME,
    BETA,
    DEVELOPMENT,
    PRODUCTION,
    STAGING,
    at,
    fleet,
    hold,
    revision,
)

MONDAY = datetime(2026, 11, 23, 0, 0, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
DAY = timedelta(days=1)
NIGHTLY = 'schedule: "0 2 * * *"'


def rules(staging: str, production: str | None = None) -> tuple[PromotionRule, ...]:
    text = f"promotions:\n  - {{from: development, to: staging, {staging}}}\n"
    if production is not None:
        text += f"  - {{from: staging, to: production, {production}}}\n"
    return fleet(text).promotions


def came(
    target: Target, tag: str, when: datetime, *, healthy: datetime | None = None
) -> Arrival:
    return Arrival(
        target=target,
        revision=revision(tag),
        commit=CommitId(""),
        at=when,
        healthy_since=healthy,
    )


def seen(target: Target, health: Health, when: datetime) -> Observation:
    return Observation(
        target=target,
        source="argocd",
        health=health,
        version="",
        detail="",
        since=MONDAY - 30 * DAY,
        at=when,
    )


# --- a world ---


@dataclass
class World:
    """Stacks that live by their rules; the arrivals of each target, newest first."""

    rules: tuple[PromotionRule, ...]
    now: datetime
    healths: dict[EnvironmentName, Health] = field(default_factory=dict)
    arrivals: dict[Target, list[Arrival]] = field(default_factory=dict)

    def put(self, target: Target, tag: str) -> None:
        """Let a revision come to a target now, and be seen there."""
        before = self.arrivals.setdefault(target, [])
        if before:
            before[0] = replace(before[0], left_at=self.now)
        before.insert(0, came(target, tag, self.now))
        self.observe(target)

    def seen(self, target: Target) -> Observation:
        health = self.healths.get(target.environment, Health.HEALTHY)
        return seen(target, health, self.now)

    def observe(self, target: Target) -> None:
        present = self.arrivals[target]
        present[0] = fared(present[0], self.seen(target))

    def ways(self) -> list[Way]:
        stacks = sorted({target.stack for target in self.arrivals})
        return [self.way(rule, stack) for rule in self.rules for stack in stacks]

    def way(self, rule: PromotionRule, stack: StackName) -> Way:
        source = Target(environment=rule.source, stack=stack)
        target = Target(environment=rule.target, stack=stack)
        return Way(
            rule=rule,
            target=target,
            present=self.arrivals[target][0].revision,
            arrivals=tuple(self.arrivals[source]),
            observation=self.seen(source) if rule.health != "none" else None,
        )

    def live_through(self, moment: datetime) -> list[tuple[Target, datetime, str]]:
        """Let time pass to a moment; deal with the runs that fall on it."""
        self.now = moment
        for target in self.arrivals:
            self.observe(target)
        opened = []
        for way in self.ways():
            cron = Cron(expression=way.rule.schedule or "", timezone=way.rule.timezone)
            if way.rule.schedule is not None and is_occurrence(cron, moment):
                decision = decide(way, now=moment, occurrence=moment)
                if isinstance(decision, Promote):
                    opened.append((way.target, moment, decision.arrival.revision.tag))
        self.now += MINUTE
        for target, _, tag in opened:
            self.put(target, tag)
        return opened

    def live(self, moments: Sequence[datetime]) -> list[tuple[Target, datetime, str]]:
        return [opened for at in moments for opened in self.live_through(at)]

    def copy(self) -> World:
        arrivals = {target: [*found] for target, found in self.arrivals.items()}
        return replace(self, arrivals=arrivals)


def runs(
    rules: Sequence[PromotionRule], start: datetime, until: datetime
) -> list[datetime]:
    """Return every moment after the start at which any rule runs."""
    found: set[datetime] = set()
    for rule in rules:
        if rule.schedule is not None:
            cron = Cron(expression=rule.schedule, timezone=rule.timezone)
            found |= {*takewhile(lambda at: at <= until, occurrences(cron, start))}
    return sorted(found)


def told(expectations: Sequence[Expectation]) -> list[tuple[Target, datetime, str]]:
    return sorted(
        (found.target, opening.at, opening.revision.tag)
        for found in expectations
        for opening in found.openings
    )


def first_world(rules: tuple[PromotionRule, ...]) -> World:
    world = World(rules=rules, now=MONDAY - 3 * DAY)
    for environment in (DEVELOPMENT, STAGING, PRODUCTION):
        world.put(at(environment), "12.0.0")
    world.now = MONDAY
    return world


# --- what it says ---


def way(gates: str = NIGHTLY, *arrivals: Arrival) -> Way:
    there = at(DEVELOPMENT)
    return Way(
        rule=rules(gates)[0],
        target=at(STAGING),
        present=revision("12.0.0"),
        arrivals=arrivals or (came(there, "12.1.0", MONDAY - DAY),),
    )


def test_it_says_what_holds_it_now_and_when_it_will_open() -> None:
    one = way(f"{NIGHTLY}, soak: 48h")
    (found,) = forecast([one], now=MONDAY)
    assert found.decision == decide(one, now=MONDAY, occurrence=None)
    assert isinstance(found.decision, Wait)
    assert [g.name for g in found.decision.gates if not g.is_open] == [
        "schedule",
        "soak",
    ]
    (opening,) = found.openings
    assert opening.at == found.decision.earliest == MONDAY + DAY + 120 * MINUTE
    assert opening.revision == revision("12.1.0")


def test_the_image_of_the_target_stays_its_own() -> None:
    mine = Revision(image="registry.example.com/acme/directus", tag="12.0.0")
    (found,) = forecast([replace(way(), present=mine)], now=MONDAY)
    assert found.openings[0].revision == replace(mine, tag="12.1.0")


def test_what_lies_behind_the_horizon_is_not_told() -> None:
    monthly = way('schedule: "0 0 1 * *"')
    assert forecast([monthly], now=MONDAY, days=7)[0].openings == ()
    assert len(forecast([monthly], now=MONDAY, days=8)[0].openings) == 1


def test_the_run_of_this_very_minute_is_not_to_come() -> None:
    (found,) = forecast([way('schedule: "0 0 * * *"')], now=MONDAY)
    assert [opening.at for opening in found.openings] == [MONDAY + DAY]


@pytest.mark.parametrize(
    "stopped",
    [
        replace(way(), paused=True),
        replace(way(), holds=(hold(ACME),)),
        replace(way(), refused=frozenset({revision("12.1.0")})),
        way("soak: 1h"),
        way(f"{NIGHTLY}, health: argocd"),
        replace(
            way(f"{NIGHTLY}, health: argocd"),
            observation=seen(at(DEVELOPMENT), Health.HEALTHY, MONDAY - 16 * MINUTE),
        ),
        way(NIGHTLY, came(at(DEVELOPMENT), "12.0.0", MONDAY - DAY)),
    ],
    ids=[
        *("paused", "held", "refused", "by request", "never seen", "not seen lately"),
        "nothing new",
    ],
)
def test_what_nobody_can_tell_is_not_foretold(stopped: Way) -> None:
    (found,) = forecast([stopped], now=MONDAY, days=60)
    assert found.openings == ()
    assert isinstance(found.decision, Rest) or found.decision == decide(
        stopped, now=MONDAY, occurrence=None
    )


def test_newer_builds_follow_each_other_as_they_get_ready() -> None:
    there = at(DEVELOPMENT)
    older = replace(came(there, "12.1.0", MONDAY - DAY), left_at=MONDAY)
    newer = came(there, "12.2.0", MONDAY)
    (found,) = forecast([way(f"{NIGHTLY}, soak: 48h", newer, older)], now=MONDAY)
    assert [(o.at, o.revision.tag) for o in found.openings] == [
        (MONDAY + DAY + 120 * MINUTE, "12.1.0"),
        (MONDAY + 2 * DAY + 120 * MINUTE, "12.2.0"),
    ]


def test_what_enters_one_environment_goes_on_from_there() -> None:
    world = first_world(rules(NIGHTLY, f"{NIGHTLY}, soak: 24h, health: argocd"))
    world.put(at(DEVELOPMENT), "12.1.0")
    first, second = forecast(world.ways(), now=MONDAY)
    assert [o.at for o in first.openings] == [MONDAY + 120 * MINUTE]
    # At the next night's run a day of soak is not over: the merge took a minute.
    assert [o.at for o in second.openings] == [MONDAY + 2 * DAY + 120 * MINUTE]
    world.rules = rules(NIGHTLY, f"{NIGHTLY}, soak: 1439m, health: argocd")
    first, second = forecast(world.ways(), now=MONDAY)
    assert [o.at for o in second.openings] == [MONDAY + DAY + 120 * MINUTE]


def test_a_sick_environment_is_expected_to_stay_sick() -> None:
    ruled = rules(NIGHTLY, f"{NIGHTLY}, health: argocd")
    world = first_world(ruled)
    world.healths[STAGING] = Health.UNHEALTHY
    world.put(at(DEVELOPMENT), "12.1.0")
    first, second = forecast(world.ways(), now=MONDAY)
    assert len(first.openings) == 1
    assert second.openings == ()


def test_stacks_do_not_meet() -> None:
    world = first_world(rules(NIGHTLY, NIGHTLY))
    for environment in (DEVELOPMENT, STAGING, PRODUCTION):
        world.put(at(environment, BETA), "11.0.0")
    world.put(at(DEVELOPMENT), "12.1.0")
    found = forecast(world.ways(), now=MONDAY)
    assert {target for target, _, _ in told(found)} == {at(STAGING), at(PRODUCTION)}


def test_a_run_every_minute_that_never_opens_is_not_walked() -> None:
    every = way('schedule: "* * * * *", windows: [{allow: "0 0 29 2 *", for: 1m}]')
    many = [replace(every, target=at(STAGING, StackName(f"s{n}"))) for n in range(1000)]
    found = forecast(many, now=MONDAY, days=366)
    assert all(not expectation.openings for expectation in found)


# --- against the world ---

BERLIN = "timezone: Europe/Berlin"
LIVES = {
    "soak": (f"{NIGHTLY}, soak: 26h", 'schedule: "30 3 * * *", soak: 50h'),
    "health": (
        f"{NIGHTLY}, soak: 26h, health: argocd",
        'schedule: "0 */6 * * *", soak: 50h, health: argocd',
    ),
    "windows": (
        'schedule: "*/30 * * * *", soak: 7h',
        f'schedule: "*/20 * * * *", soak: 12h, {BERLIN}, windows: '
        '[{allow: "0 9 * * 1-4", for: 8h}, {deny: "0 0 24 10,3 *", for: 60h}]',
    ),
    "weekdays": (
        f'schedule: "30 2 * * 1-5", soak: 24h, {BERLIN}',
        f'schedule: "30 2 * * 0,6", soak: 24h, {BERLIN}',
    ),
    "moods": (
        f"{NIGHTLY}, soak: 26h, health: argocd",
        'schedule: "0 */4 * * *", soak: 30h, health: argocd',
    ),
}
MOODS = [
    *(Health.HEALTHY, Health.HEALTHY, Health.PROGRESSING, Health.HEALTHY),
    *(Health.UNKNOWN, Health.HEALTHY, Health.UNHEALTHY),
]
STARTS = {
    "spring": datetime(2026, 3, 12, 0, 0, tzinfo=UTC),
    "autumn": datetime(2026, 10, 8, 0, 0, tzinfo=UTC),
}


def builds(start: datetime) -> Iterator[tuple[datetime, str]]:
    """Yield when a build comes to development: often, and at odd times."""
    for number in range(1, 60):
        yield start + number * timedelta(hours=11, minutes=7), f"12.{number}.0"


@pytest.mark.parametrize("season", STARTS)
@pytest.mark.parametrize("name", LIVES)
def test_each_midnights_forecast_is_what_thirty_days_then_bring(
    name: str, season: str
) -> None:
    ruled = rules(*LIVES[name])
    start = STARTS[season]
    world = World(rules=ruled, now=start - 9 * DAY)
    for environment in (DEVELOPMENT, STAGING, PRODUCTION):
        world.put(at(environment), "12.0.0")
    coming = list(builds(start))
    foretold, happened = 0, 0
    for day in range(30):
        midnight, end = start + day * DAY, start + (day + 1) * DAY
        if name == "moods":
            world.healths[STAGING] = MOODS[day % len(MOODS)]
        world.live_through(midnight)
        # What is foretold at midnight, for days without another build ...
        days = 7 if day else 30
        expected = told(forecast(world.ways(), now=midnight, days=days))
        # ... is what such days bring.
        lived = world.copy().live(runs(ruled, midnight, midnight + days * DAY))
        assert sorted(lived) == expected, midnight
        foretold += len(expected)
        # The world itself goes on to the next midnight, and builds come.
        moments = {*runs(ruled, midnight, end - MINUTE)}
        arriving = {when: tag for when, tag in coming if midnight < when < end}
        for moment in sorted(moments | {*arriving}):
            happened += len(world.live_through(moment))
            if moment in arriving:
                world.put(at(DEVELOPMENT), arriving[moment])
    assert foretold > 20
    assert happened > 3


_WINDOWS = st.sampled_from(
    [
        "",
        ', windows: [{allow: "0 */3 * * *", for: 50m}]',
        ', windows: [{deny: "0 0 * * *", for: 90m}]',
        ', windows: [{allow: "10 * * * *", for: 40m}, {deny: "0 2-5 * * *", for: 20m}]',
    ]
)
_SCHEDULES = st.sampled_from(
    ["* * * * *", "*/7 * * * *", "30 2 * * *", "0 */2 * * *", "15,45 1-4 29 3 *"]
)
_SOAKS = st.sampled_from(["0s", "90s", "20m", "3h", "5h"])
_HEALTHS = st.sampled_from(["none", "argocd"])
_GATES = st.builds(
    lambda cron, soak, health, windows: (
        f'schedule: "{cron}", soak: {soak}, health: {health}, {BERLIN}{windows}'
    ),
    _SCHEDULES,
    _SOAKS,
    _HEALTHS,
    _WINDOWS,
)


@settings(max_examples=25, deadline=None)
@given(
    gates=st.tuples(_GATES, _GATES),
    ages=st.lists(st.integers(0, 400), min_size=1, max_size=4, unique=True),
    before=st.sampled_from(Health),
    since=st.sampled_from(Health),
    start=st.sampled_from(
        [
            datetime(2026, 3, 28, 23, 0, tzinfo=UTC),
            datetime(2026, 10, 24, 22, 17, 30, tzinfo=UTC),
        ]
    ),
)
def test_it_agrees_with_deciding_minute_by_minute(
    gates: tuple[str, str],
    ages: list[int],
    before: Health,
    since: Health,
    start: datetime,
) -> None:
    world = World(rules=rules(*gates), now=start - 2 * DAY, healths={STAGING: before})
    for environment in (DEVELOPMENT, STAGING, PRODUCTION):
        world.put(at(environment), "12.0.0")
    for number, age in enumerate(sorted(ages, reverse=True)):
        world.now = start - age * MINUTE
        world.put(at(DEVELOPMENT), f"12.{number + 1}.0")
    world.now = start
    world.healths[STAGING] = since
    for target in world.arrivals:
        world.observe(target)
    hours = 8
    expected = told(forecast(world.ways(), now=start, days=1))
    first = start.replace(second=0) + MINUTE
    lived = world.live([first + n * MINUTE for n in range(hours * 60)])
    until = first + hours * 60 * MINUTE
    assert sorted(lived) == [found for found in expected if found[1] < until]
