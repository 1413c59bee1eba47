"""A pass that is killed at any moment is finished by the next: none lost, none doubled.

Each scenario is first lived through without a death, then once for every effect with a
process that is killed right before it. After a restart and two passes the world must
be the one of the undisturbed life, and two more passes must leave it alone.
"""

from __future__ import annotations

import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from gitops.git import BareRepository
from gitops.model import (
    CommitId,
    EnvironmentName,
    Health,
    IntentState,
    PlanKind,
)
from gitops.promotion import plan_bumps
from gitops.workflow import look
from service.reconcile import ways
from service.store import OccurrenceState, broken_at
from tests.support.deaths import Mortal
from tests.support.passes import DEVELOPMENT, PRODUCTION, Served, served
from tests.support.places import DEPLOYMENT, MAIN, OVERLAY

pytestmark = [pytest.mark.kustomize, pytest.mark.gate]

PREFIX = "directus-gitops/"
HOURLY = """\
  - from: development
    to: staging
    schedule: "0 * * * *"
"""
AUTOMATIC = f"{HOURLY}    merge: automatic\n"
ROLLBACK = """\
  - from: staging
    to: production
    health: probe
    rollback: {within: 1h}
"""
MANY = 300


@dataclass(frozen=True)
class Scenario:
    """Something that a service does, and may be killed in.

    Attributes:
        rules: the promotions of the fleet.
        stacks: of the fleet.
        prepare: what happened before, without a death.
        minutes: that have gone by when it begins.
        shown: branch, state and version of the pull requests that there are at the end.
        pinned: the targets that are pinned at the end.
    """

    rules: str
    stacks: tuple[str, ...]
    prepare: Callable[[Served], None]
    minutes: int
    shown: list[tuple[str, str, str]]
    pinned: tuple[str, ...] = ()


def overlay(environment: str, version: str, stack: str = "shop") -> dict[str, str]:
    text = OVERLAY.format(stack=stack, environment=environment)
    path = f"overlays/{environment}/{stack}/kustomization.yaml"
    return {path: text.replace("12.4.0", version)}


# --- what happens ---


def is_asked_for(here: Served) -> None:
    here.bump(DEVELOPMENT, "12.4.1")


def is_due_twice(here: Served) -> None:
    here.pass_()
    here.commit(
        overlay("development", "12.4.1") | overlay("development", "12.4.1", "blog")
    )
    here.pass_()


def is_due(here: Served) -> None:
    here.pass_()
    here.commit(overlay("development", "12.4.1"))
    here.pass_()


def is_moved_under(here: Served) -> None:
    here.bump(DEVELOPMENT, "12.4.1")
    here.pass_()
    changed = DEPLOYMENT.replace("replicas: 1", "replicas: 2")
    here.commit({"base/deployment.yaml": changed})


def has_failed(here: Served) -> None:
    here.weather.is_(PRODUCTION, Health.HEALTHY)
    here.pass_()
    here.commit(overlay("staging", "12.4.1") | overlay("production", "12.4.1"))
    here.pass_()
    here.weather.is_(PRODUCTION, Health.UNHEALTHY)


def is_taken_over(here: Served) -> None:
    here.bump(DEVELOPMENT, "12.4.1")
    here.pass_()
    here.ask(
        lambda world: plan_bumps(
            world.tree,
            world.fleet,
            EnvironmentName("development"),
            "12.5.0",
            requested_by="ada",
        )
    )


def is_said_already(here: Served) -> None:
    here.bump(DEVELOPMENT, "12.4.1")
    here.pass_()
    here.commit(overlay("development", "12.4.1"))


SCENARIOS = {
    "a bump is published": Scenario(
        rules=HOURLY,
        stacks=("shop",),
        prepare=is_asked_for,
        minutes=1,
        shown=[("development/shop", "open", "12.4.1")],
    ),
    "a schedule is due for two stacks": Scenario(
        rules=HOURLY,
        stacks=("blog", "shop"),
        prepare=is_due_twice,
        minutes=60,
        shown=[("staging/blog", "open", "12.4.1"), ("staging/shop", "open", "12.4.1")],
    ),
    "the base branch moves": Scenario(
        rules=HOURLY,
        stacks=("shop",),
        prepare=is_moved_under,
        minutes=1,
        shown=[("development/shop", "open", "12.4.1")],
    ),
    "a promotion merges by itself": Scenario(
        rules=AUTOMATIC,
        stacks=("shop",),
        prepare=is_due,
        minutes=60,
        shown=[("staging/shop", "merged", "12.4.1")],
    ),
    "failed health is rolled back": Scenario(
        rules=ROLLBACK,
        stacks=("shop",),
        prepare=has_failed,
        minutes=5,
        shown=[("production/shop", "open", "12.4.0")],
        pinned=("production/shop",),
    ),
    "a group takes over": Scenario(
        rules=HOURLY,
        stacks=("blog", "shop"),
        prepare=is_taken_over,
        minutes=1,
        shown=[
            ("development/shop", "closed", "12.4.1"),
            ("development/_all", "open", "12.5.0"),
        ],
    ),
    "the base branch says so already": Scenario(
        rules=HOURLY,
        stacks=("shop",),
        prepare=is_said_already,
        minutes=1,
        shown=[("development/shop", "closed", "12.4.1")],
    ),
}


# --- what must hold ---


def shape(here: Served) -> dict[str, object]:
    """Return all that does not hang on which second something happened in."""
    place = here.place
    world = look(place)
    schedules = here.store.schedules
    return {
        "pull requests": [
            (
                one.branch.removeprefix(PREFIX),
                one.state.value,
                one.title,
                one.closed_by,
                [(c.by, c.text.partition(", at ")[0]) for c in one.comments],
            )
            for one in here.pull_requests()
        ],
        "intents": [
            (i.branch, i.state.value, i.pull_request, i.plan.kind, i.plan.changes)
            for i in here.store.intents.all("fleet")
        ],
        "branches": sorted(here.origin.branches()),
        "main": {path: world.tree.read(path) for path in sorted(world.tree.entries)},
        "pins": [
            (p.target, p.revision, p.reason.partition(" by ")[0])
            for p in here.store.pins.all("fleet")
        ],
        "refused": [
            (way.target, way.refused)
            for way in ways(place, here.store, world, here.clock())
        ],
        "arrivals": [
            (a.target, a.revision.tag, a.left_at is None)
            for a in here.store.arrivals.all("fleet")
        ],
        "runs": [
            (o.schedule, o.scheduled_for, o.state)
            for o in schedules.occurrences("fleet")
        ],
    }


def git(repository: Path, *words: str) -> str:
    command = ["git", "--git-dir", str(repository), *words]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return done.stdout


def check_sound(here: Served, start: CommitId, *, people: bool = False) -> None:
    """Check what must hold whatever happened.

    Args:
        here: after a restart and two passes.
        start: where the base branch was.
        people: whether people have pushed to branches, and committed onto main.
    """
    for repository in ("forge", "mirrors"):
        folder = here.settings.data / repository / "fleet.git"
        git(folder, "fsck", "--strict", "--full")
        assert list(folder.rglob("*.lock")) == []
    assert broken_at(here.store.audit.entries()) is None
    check_intents(here)
    check_runs(here)
    for branch, tip in here.origin.branches().items():
        if branch.startswith(PREFIX) and not people:
            check_branch(here, branch, tip)
    if not people:
        check_main(here, start)


def check_intents(here: Served) -> None:
    pinned = {pin.target for pin in here.store.pins.all("fleet")}
    for intent in here.store.intents.all("fleet"):
        done = intent.state is IntentState.PR_OPEN or not intent.state.is_live
        assert done, f"{intent.branch} is left {intent.state}: {intent.error}"
        if intent.plan.kind is PlanKind.ROLLBACK:
            (change,) = intent.plan.changes
            assert change.target in pinned  # type: ignore[union-attr]  # of a target


def check_runs(here: Served) -> None:
    runs = here.store.schedules.occurrences("fleet")
    assert len({(r.schedule, r.scheduled_for) for r in runs}) == len(runs)
    assert all(r.state is not OccurrenceState.DUE for r in runs)


def check_branch(here: Served, branch: str, tip: CommitId) -> None:
    """Check that a branch is the base and one commit of ours: planned lines alone."""
    (parent,) = here.origin.history(tip, limit=1)[0].parents
    assert here.origin.is_ancestor(parent, here.origin.tip(MAIN) or parent)
    assert tip in here.store.intents.pushed("fleet", branch)  # type: ignore[arg-type]
    before, after = here.origin.read_tree(parent), here.origin.read_tree(tip)
    live = [i for i in here.store.intents.live("fleet") if i.branch == branch]
    assert live, f"{branch} is left without a wish"
    planned = {
        f"overlays/{c.target.environment}/{c.target.stack}/kustomization.yaml"  # type: ignore[union-attr]
        for intent in live
        for c in intent.plan.changes
    }
    for path in before.entries.keys() | after.entries.keys():
        old, new = before.read(path).splitlines(), after.read(path).splitlines()
        changed = [n for o, n in zip(old, new, strict=True) if o != n]
        assert len(changed) == (1 if path in planned else 0), path
        assert all(b"newTag:" in line for line in changed)


def check_main(here: Served, start: CommitId) -> None:
    """Check that the base branch moved by merges of the forge, and by nothing else."""
    tip = here.origin.tip(MAIN)
    merges = {one.merge_commit for one in here.pull_requests()}
    for commit in here.origin.history(tip or start, first_parent=True):
        if commit.id == start:
            return
        assert commit.id in merges
    raise AssertionError("the base branch lost its history")


def outside(origin: BareRepository, here: Served) -> object:
    return origin.branches(), here.pull_requests()


# --- the scenarios ---


@contextmanager
def prepared(folder: Path, kustomize: Path, scenario: Scenario) -> Iterator[Mortal]:
    with served(folder, kustomize, scenario.rules, *scenario.stacks) as here:
        scenario.prepare(here)
        mortal = Mortal(here)
        mortal.save()
        yield mortal


def lives(scenario: Scenario) -> Callable[[Served], None]:
    def life(here: Served) -> None:
        here.pass_(minutes=scenario.minutes)
        here.pass_()

    return life


def recovered(here: Served, scenario: Scenario) -> None:
    """Make the two passes after a restart."""
    for minutes in (scenario.minutes, 0):
        report = here.pass_(minutes=minutes, seconds=1)
        assert report.problem == ""


AT_ONCE = "the base branch says so already"


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=() if name == AT_ONCE else pytest.mark.gate)
        for name in SCENARIOS
    ],
)
def test_killed_before_any_effect_two_passes_finish_it(
    tmp_path: Path, kustomize: Path, name: str
) -> None:
    scenario = SCENARIOS[name]
    with prepared(tmp_path, kustomize, scenario) as mortal:
        with mortal.started() as here:
            start = here.origin.tip(MAIN)
            assert start is not None
            recovered(here, scenario)
            wanted = shape(here)
            check_scenario(here, scenario)
        killed: list[str] = []
        for moment in range(1, MANY):
            mortal.restore()
            before = mortal.dies(lives(scenario), before=moment)
            if not before:
                break
            killed.append(before)
            with mortal.started() as here:
                recovered(here, scenario)
                try:
                    assert shape(here) == wanted
                    check_sound(here, start)
                    seen = outside(here.origin, here)
                    assert (here.pass_().effects, here.pass_().effects) == ((), ())
                    assert outside(here.origin, here) == seen
                except AssertionError as error:
                    error.add_note(f"killed before effect {moment}: {before}")
                    raise
        assert len(killed) in range(10, MANY - 1), "too few deaths to prove anything"


@pytest.mark.parametrize(
    "answer", ["close", pytest.param("merge", marks=pytest.mark.gate)]
)
def test_what_a_person_answers_before_the_restart_is_not_asked_again(
    tmp_path: Path, kustomize: Path, answer: str
) -> None:
    scenario = SCENARIOS["a bump is published"]
    opened = 0
    with prepared(tmp_path, kustomize, scenario) as mortal:
        for moment in range(1, MANY):
            mortal.restore()
            if not mortal.dies(lives(scenario), before=moment):
                break
            with mortal.started() as here:
                forge = here.place.forge
                for one in forge.list_open():
                    opened += 1
                    if answer == "close":
                        forge.close(one.number, by="bo", now=here.clock())
                    else:
                        forge.merge(
                            one.number, head=one.head, by="bo", now=here.clock()
                        )
                    recovered(here, scenario)
                    (shown,) = here.pull_requests()
                    assert shown.closed_by == "bo"
                    (intent,) = here.store.intents.all("fleet")
                    assert intent.state.value == shown.state.value
                    assert intent.pull_request == shown.number
    assert opened > 1, "no death left a pull request open"


def check_scenario(here: Served, scenario: Scenario) -> None:
    """Check that the undisturbed life is what the scenario is about."""
    shown = [
        (branch, state, version)
        for (branch, state, title), (_, _, version) in zip(
            here.shown(), scenario.shown, strict=True
        )
        if version in title
    ]
    assert shown == scenario.shown
    pinned = tuple(str(pin.target) for pin in here.store.pins.all("fleet"))
    assert len(pinned) == len(scenario.pinned)
