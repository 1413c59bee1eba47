"""A month of passes does what forecasts say, on real Git and kustomize."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import takewhile
from pathlib import Path

import pytest

from gitops.cron import Cron, occurrences
from gitops.model import Health, PromotionRule, Target
from gitops.promotion import Wait, forecast
from gitops.workflow import look
from service.reconcile.ways import ways
from tests.support.passes import DEVELOPMENT, PRODUCTION, STAGING, Served, served

pytestmark = [pytest.mark.kustomize, pytest.mark.gate]

RULES = """\
  - from: development
    to: staging
    schedule: "30 2 * * 1-5"
    timezone: Europe/Berlin
    health: probe
    soak: 20h
    merge: automatic
  - from: staging
    to: production
    schedule: "30 10 * * *"
    timezone: Europe/Berlin
    health: probe
    soak: 24h
    merge: automatic
    windows:
      - {allow: "0 9 * * 1-4", for: 7h}
      - {deny: "0 0 18 3 *", for: 36h}
"""
START = datetime(2026, 3, 2, 0, 0, tzinfo=UTC)  # Berlin's clocks change on the 29th
DAYS = 30
DAY, MINUTE = timedelta(days=1), timedelta(minutes=1)
BUILDS = {
    0: "12.4.1",
    3: "12.4.2",
    4: "12.4.3",
    11: "12.5.0",
    14: "12.5.1",
    26: "12.6.0",
}
"""The day of the month at whose noon a version comes to development."""

Events = list[tuple[datetime, str, str]]


def runs(
    rules: tuple[PromotionRule, ...], start: datetime, end: datetime
) -> list[datetime]:
    found: set[datetime] = set()
    for rule in rules:
        cron = Cron(expression=rule.schedule or "", timezone=rule.timezone)
        found |= {*takewhile(lambda at: at < end, occurrences(cron, start))}
    return sorted(found)


def passes(here: Served, at: datetime) -> None:
    """Pass at a moment until nothing is left to do, and once a minute later."""
    here.clock.now = at
    while here.reconciler.pass_over("fleet").again:
        here.clock.later(seconds=1)
    here.clock.now = at + MINUTE
    here.reconciler.pass_over("fleet")


def live(here: Served, moments: list[datetime]) -> Events:
    found: Events = []
    for at in moments:
        before = {target: here.version(target) for target in (STAGING, PRODUCTION)}
        passes(here, at)
        for target, version in before.items():
            if here.version(target) != version:
                found.append((at, target.environment, here.version(target)))
    return found


def foretell(here: Served, until: datetime) -> tuple[Events, list[datetime]]:
    """Return what is expected before a moment, and when each waiting one may go."""
    now = here.clock.now
    world = look(here.place)
    expectations = forecast(
        ways(here.place, here.store, world, now), now=now, days=(until - now).days + 1
    )
    found = [
        (opening.at, expected.target.environment, opening.revision.tag)
        for expected in expectations
        for opening in expected.openings
        if opening.at < until
    ]
    waiting = [
        expected.decision.earliest
        for expected in expectations
        if isinstance(expected.decision, Wait) and expected.decision.earliest
    ]
    return sorted(found), waiting


def build(here: Served, version: str, at: datetime) -> None:
    """Let a person commit another version to development."""
    path = "overlays/development/shop/kustomization.yaml"
    before = f"newTag: {here.version(DEVELOPMENT)}"
    tip = here.origin.tip(here.place.base)
    assert tip is not None
    text = here.origin.read_tree(tip).read(path).decode()
    here.clock.now = at
    here.commit({path: text.replace(before, f"newTag: {version}")})
    passes(here, at + MINUTE)


def seen(here: Served, *targets: Target) -> None:
    for target in targets:
        here.weather.is_(target, Health.HEALTHY)


def test_a_month_of_passes_does_what_each_midnight_foretells(
    tmp_path: Path, kustomize: Path
) -> None:
    with served(tmp_path, kustomize, RULES) as here:
        seen(here, DEVELOPMENT, STAGING, PRODUCTION)
        passes(here, START - DAY)
        rules = look(here.place).fleet.promotions
        happened: Events = []
        foretold: list[Events] = []
        for day in range(DAYS):
            midnight = START + day * DAY
            passes(here, midnight - 2 * MINUTE)
            next_build = min((d for d in BUILDS if d >= day), default=DAYS)
            until = START + next_build * DAY + DAY / 2
            expected, waiting = foretell(here, until)
            foretold.append(expected)
            assert not waiting or min(waiting) >= midnight
            noon, end = midnight + DAY / 2, midnight + DAY
            happened += live(here, runs(rules, midnight - MINUTE, noon))
            if day in BUILDS:
                build(here, BUILDS[day], noon)
            happened += live(here, runs(rules, noon - MINUTE, end - 3 * MINUTE))
        for day, expected in enumerate(foretold):
            midnight = START + day * DAY
            next_build = min((d for d in BUILDS if d >= day), default=DAYS)
            until = START + next_build * DAY + DAY / 2
            lived = [event for event in happened if midnight <= event[0] < until]
            assert sorted(lived) == expected, midnight
        assert len(happened) >= 8, happened
