"""Random lives: people and passes in any order, and processes that die in between."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings, strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    rule,
    run_state_machine_as_test,
)

from gitops.errors import GitopsError
from gitops.layout import target
from gitops.model import CommitId, EnvironmentName, IntentState, PullRequest
from gitops.promotion import plan_bumps
from service.store import OccurrenceState, broken_at
from tests.support.deaths import Mortal
from tests.support.passes import Served, served
from tests.support.places import DEPLOYMENT, OVERLAY, commit_files

pytestmark = [pytest.mark.kustomize, pytest.mark.gate]

PREFIX = "directus-gitops/"
RULES = """\
  - from: development
    to: staging
    schedule: "0 * * * *"
  - from: staging
    to: production
    schedule: "30 * * * *"
    merge: automatic
"""
STACKS = st.sampled_from(["blog", "shop"])
PLACES = st.sampled_from(["development", "staging", "production"])
VERSIONS = st.sampled_from(["12.4.1", "12.4.2", "12.5.0"])
WHICH = st.integers(0, 3)
SETTLING = 3  # passes: a takeover is made in one and closed in the next


class Life(RuleBasedStateMachine):
    """One repository; every step is taken by a process that has just been started."""

    kustomize: Path

    def __init__(self) -> None:
        super().__init__()
        self._stack = ExitStack()
        folder = Path(self._stack.enter_context(tempfile.TemporaryDirectory()))
        here = self._stack.enter_context(
            served(folder, self.kustomize, RULES, "blog", "shop")
        )
        here.pass_()
        self._mortal = Mortal(here)
        self._pushed: list[CommitId] = []

    def _step(self, step: Callable[[Served], object]) -> None:
        with self._mortal.started() as here:
            step(here)

    def _asks(self, step: Callable[[Served], object]) -> None:
        """Let a person ask for something that may be refused."""
        with self._mortal.started() as here:
            try:
                step(here)
            except GitopsError:
                here.clock.later(seconds=1)

    # --- the service ---

    @rule()
    def works(self) -> None:
        self._step(lambda here: here.pass_())

    @rule(before=st.integers(1, 40))
    def dies(self, before: int) -> None:
        self._mortal.dies(lambda here: here.pass_(), before=before)
        self.waits(1 / 60)

    @rule(minutes=st.sampled_from([10, 30, 60, 180]))
    def waits(self, minutes: float) -> None:
        self._step(lambda here: here.clock.later(minutes=minutes))

    # --- people ---

    @rule(stack=STACKS, place=PLACES, version=VERSIONS)
    def asks(self, stack: str, place: str, version: str) -> None:
        self._asks(lambda here: here.bump(target(stack, place), version))

    @rule(place=PLACES, version=VERSIONS)
    def asks_for_all(self, place: str, version: str) -> None:
        self._asks(
            lambda here: here.ask(
                lambda world: plan_bumps(
                    world.tree,
                    world.fleet,
                    EnvironmentName(place),
                    version,
                    requested_by="ada",
                )
            )
        )

    def _on_one(
        self, which: int, step: Callable[[Served, PullRequest], object]
    ) -> None:
        def one(here: Served) -> None:
            shown = here.place.forge.list_open()
            if shown:
                step(here, shown[which % len(shown)])

        self._asks(one)

    @rule(which=WHICH)
    def closes(self, which: int) -> None:
        self._on_one(
            which,
            lambda here, one: here.place.forge.close(
                one.number, by="bo", now=here.clock.later(seconds=1)
            ),
        )

    @rule(which=WHICH)
    def merges(self, which: int) -> None:
        self._on_one(which, lambda here, one: here.merge(one.number))

    @rule(which=WHICH)
    def merges_on_the_forge(self, which: int) -> None:
        self._on_one(
            which,
            lambda here, one: here.place.forge.merge(
                one.number, head=one.head, by="bo", now=here.clock.later(seconds=1)
            ),
        )

    @rule(which=WHICH)
    def pushes(self, which: int) -> None:
        def push(here: Served, one: PullRequest) -> None:
            now = here.clock.later(seconds=1)
            files = {f"notes-{len(self._pushed)}.txt": "mine\n"}
            self._pushed.append(
                commit_files(here.origin, files, branch=one.branch, at=now)
            )

        self._on_one(which, push)

    @rule(stack=STACKS, place=PLACES)
    def reverts(self, stack: str, place: str) -> None:
        text = OVERLAY.format(stack=stack, environment=place)
        path = f"overlays/{place}/{stack}/kustomization.yaml"
        self._step(lambda here: here.commit({path: text}))

    @rule(replicas=st.integers(1, 3))
    def edits_the_base(self, replicas: int) -> None:
        text = DEPLOYMENT.replace("replicas: 1", f"replicas: {replicas}")
        self._step(lambda here: here.commit({"base/deployment.yaml": text}))

    @rule(place=PLACES)
    def holds(self, place: str) -> None:
        self._step(
            lambda here: here.store.holds.hold(
                "fleet",
                stack=None,
                environment=EnvironmentName(place),
                reason="audit",
                by="bo",
            )
        )

    @rule()
    def releases(self) -> None:
        self._step(_release)

    @rule()
    def pauses(self) -> None:
        self._step(lambda here: here.store.holds.pause("fleet", by="bo"))

    # --- the end ---

    def teardown(self) -> None:
        try:
            with self._mortal.started() as here:
                _release(here)
                for _ in range(SETTLING):
                    assert here.pass_().problem == ""
                self._check(here)
        finally:
            self._stack.close()

    def _check(self, here: Served) -> None:
        for kind in ("forge", "mirrors"):
            folder = here.settings.data / kind / "fleet.git"
            _git(folder, "fsck", "--strict", "--full")
            assert list(folder.rglob("*.lock")) == []
        assert broken_at(here.store.audit.entries()) is None
        runs = here.store.schedules.occurrences("fleet")
        assert len({(r.schedule, r.scheduled_for) for r in runs}) == len(runs)
        assert all(run.state is not OccurrenceState.DUE for run in runs)
        self._check_wishes(here)
        origin = here.settings.data / "forge" / "fleet.git"
        for commit in self._pushed:
            assert _git(origin, "branch", "--contains", commit), "a person's work"
        seen = (here.origin.branches(), here.pull_requests())
        assert (here.pass_().effects, here.pass_().effects) == ((), ())
        assert (here.origin.branches(), here.pull_requests()) == seen

    def _check_wishes(self, here: Served) -> None:
        intents = here.store.intents.all("fleet")
        for intent in intents:
            done = intent.state is IntentState.PR_OPEN or not intent.state.is_live
            assert done, (intent.branch, intent.state, intent.error)
        shown = here.pull_requests()
        for branch in {one.branch for one in shown}:
            asked = [i for i in intents if i.branch == branch]
            assert len([p for p in shown if p.branch == branch]) <= len(asked)
        for branch, tip in here.origin.branches().items():
            if tip in here.store.intents.pushed("fleet", branch):
                (logged,) = here.origin.history(tip, limit=1)
                assert len(logged.parents) == 1
        for one in here.place.forge.list_open():
            wanted = [i for i in intents if i.pull_request == one.number]
            is_ours = one.head in here.store.intents.pushed("fleet", one.branch)
            assert not is_ours or any(i.state.is_live for i in wanted), one.title


def _release(here: Served) -> None:
    here.store.holds.resume("fleet")
    for hold in here.store.holds.holds("fleet"):
        here.store.holds.release(
            "fleet", stack=hold.stack, environment=hold.environment
        )
    for pin in here.store.pins.all("fleet"):
        here.store.pins.release("fleet", pin.target)


def _git(repository: Path, *words: str) -> str:
    command = ["git", "--git-dir", str(repository), *words]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return done.stdout


def test_whatever_people_do_and_whenever_it_dies_it_settles(kustomize: Path) -> None:
    class Here(Life):
        pass

    Here.kustomize = kustomize
    run_state_machine_as_test(
        Here,
        settings=settings(
            max_examples=10,
            stateful_step_count=14,
            deadline=None,
            derandomize=True,
            print_blob=False,
            suppress_health_check=list(HealthCheck),
        ),
    )
