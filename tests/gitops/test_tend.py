"""Living pull requests follow the base branch, and end when nothing is left to say."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from gitops.errors import HumanOwnedError, WriteForbiddenError
from gitops.git import BareRepository
from gitops.intents import IntentDraft
from gitops.layout import target
from gitops.model import (
    BranchName,
    Change,
    ChangeKey,
    CommitId,
    EnvironmentName,
    GroupScope,
    IntentState,
    Plan,
    PlanKind,
    Proposed,
    Provenance,
    PullRequestState,
    Revision,
    Scope,
    SetRevision,
    TargetScope,
    Unchanged,
)
from gitops.workflow import Workplace, accept, look, merge, propose, resume, tend
from service.store import Store
from tests.support.places import (
    MAIN,
    OVERLAY,
    Ticking,
    commit_files,
    fleet_files,
    workplace,
)

pytestmark = pytest.mark.kustomize

SHOP, BLOG = target("shop", "development"), target("blog", "development")
BRANCH = BranchName("directus-gitops/development/shop")
GROUP_BRANCH = BranchName("directus-gitops/development/_all")
SHOP_FILE = "overlays/development/shop/kustomization.yaml"


class Ground:
    def __init__(
        self, place: Workplace, origin: BareRepository, store: Store, clock: Ticking
    ) -> None:
        self.place, self.origin, self.store, self.clock = place, origin, store, clock

    def propose(self, *changes: Change, scope: Scope | None = None) -> Proposed:
        found = propose(
            self.place,
            lambda _: wanted(*changes, scope=scope),
            now=self.clock.later(minutes=1),
        )
        assert isinstance(found, Proposed)
        return found

    def tend(self) -> list[tuple[BranchName, str]]:
        world = look(self.place)
        done = tend(self.place, world, now=self.clock.later(minutes=1))
        return [(one.branch, type(one.result).__name__) for one in done]

    def parent(self, branch: BranchName) -> CommitId:
        tip = self.origin.tip(branch)
        assert tip is not None
        return self.origin.history(tip, limit=1)[0].parents[0]

    def states(self) -> list[IntentState]:
        return [intent.state for intent in self.store.intents.all("fleet")]

    def commit(self, path: str, text: str, branch: BranchName = MAIN) -> CommitId:
        return commit_files(
            self.origin, {path: text}, branch=branch, at=self.clock.later(minutes=1)
        )


@pytest.fixture
def ground(tmp_path: Path, kustomize: Path) -> Iterator[Ground]:
    clock = Ticking()
    with workplace(tmp_path, kustomize, fleet_files("shop", "blog"), clock) as parts:
        yield Ground(*parts, clock)


def wanted(*changes: Change, scope: Scope | None = None) -> Plan:
    return Plan(
        kind=PlanKind.BUMP,
        scope=scope or TargetScope(target=SHOP),
        changes=changes,
        provenance=Provenance(requested_by="ada"),
    )


def tag(version: str, where: object = SHOP) -> SetRevision:
    revision = Revision(image="directus/directus", tag=version)
    return SetRevision(target=SHOP if where is SHOP else BLOG, revision=revision)


def overlay(version: str, comment: str = "") -> str:
    text = OVERLAY.format(stack="shop", environment="development")
    return text.replace("12.4.0", version) + comment


# --- the base branch moves ---


def test_a_branch_is_made_anew_when_what_it_is_made_of_changes(ground: Ground) -> None:
    ground.propose(tag("12.4.1"))
    moved = ground.commit("base/kustomization.yaml", "resources: [./deployment.yaml]\n")
    assert ground.tend() == [(BRANCH, "Proposed")]
    assert ground.parent(BRANCH) == moved
    assert ground.tend() == []
    (shown,) = ground.place.forge.list_all()
    assert (shown.number, shown.head) == (1, ground.origin.tip(BRANCH))


@pytest.mark.parametrize(
    "path", ["notes.txt", "overlays/development/blog/config.env"], ids=["note", "other"]
)
def test_a_commit_elsewhere_leaves_the_branch_and_its_approvals(
    ground: Ground, path: str
) -> None:
    first = ground.propose(tag("12.4.1"))
    ground.place.forge.approve(1, head=first.commit, by="bo", now=ground.clock())
    ground.commit(path, "LOG_LEVEL=debug\n")
    assert ground.tend() == []
    assert ground.place.forge.read(1).approvals[0].head == first.commit
    assert ground.origin.tip(BRANCH) == first.commit


def test_what_the_base_branch_says_by_now_is_closed_with_the_reason(
    ground: Ground,
) -> None:
    ground.propose(tag("12.4.1"))
    ground.commit(SHOP_FILE, overlay("12.4.1"))
    assert ground.tend() == [(BRANCH, "Unchanged")]
    shown = ground.place.forge.read(1)
    assert shown.state is PullRequestState.CLOSED
    assert "says so already" in shown.comments[-1].text
    assert ground.states() == [IntentState.SUPERSEDED]
    assert ground.origin.tip(BRANCH) is None
    assert ground.tend() == []


def test_what_a_person_pushed_to_is_left_alone_and_told(ground: Ground) -> None:
    ground.propose(tag("12.4.1"))
    theirs = ground.commit("note.txt", "mine\n", branch=BRANCH)
    ground.commit(SHOP_FILE, overlay("12.4.0", "# another line\n"))
    world = look(ground.place)
    (one,) = tend(ground.place, world, now=ground.clock())
    assert isinstance(one.result, HumanOwnedError)
    assert ground.origin.tip(BRANCH) == theirs
    ground.commit(SHOP_FILE, overlay("12.4.1"))
    ground.tend()
    assert ground.place.forge.read(1).state is PullRequestState.OPEN
    assert ground.origin.tip(BRANCH) == theirs


def test_a_change_that_no_longer_fits_keeps_its_pull_request_as_it_was(
    ground: Ground,
) -> None:
    first = ground.propose(tag("12.4.1"))
    ground.commit(SHOP_FILE, "resources: [nowhere]\n")
    (told,) = ground.tend()
    assert told[0] == BRANCH
    assert told[1] not in ("Proposed", "Unchanged")
    assert ground.origin.tip(BRANCH) == first.commit
    assert ground.states() == [IntentState.PR_OPEN]
    (intent,) = ground.store.intents.all("fleet")
    assert intent.error


def test_a_merged_neighbour_does_not_touch_the_others(ground: Ground) -> None:
    ground.propose(tag("12.4.1"))
    other = ground.propose(tag("12.4.1", BLOG), scope=TargetScope(target=BLOG))
    merge(
        ground.place,
        other.pull_request.number,
        by="bo",
        now=ground.clock.later(hours=1),
    )
    assert ground.tend() == []


# --- groups ---


def test_a_stack_taken_into_a_group_has_its_own_pull_request_closed(
    ground: Ground,
) -> None:
    ground.propose(tag("12.4.1"))
    scope = GroupScope(environment=EnvironmentName("development"), group="all")
    ground.propose(tag("12.5.0"), tag("12.5.0", BLOG), scope=scope)
    assert ground.tend() == [(BRANCH, "Unchanged")]
    closed, group = ground.place.forge.list_all()
    assert closed.state is PullRequestState.CLOSED
    assert "#2" in closed.comments[-1].text
    assert group.state is PullRequestState.OPEN
    assert ground.states() == [IntentState.SUPERSEDED, IntentState.PR_OPEN]


def test_a_later_wish_of_its_own_is_not_taken_by_an_older_group(ground: Ground) -> None:
    scope = GroupScope(environment=EnvironmentName("development"), group="all")
    ground.propose(tag("12.5.0"), tag("12.5.0", BLOG), scope=scope)
    ground.propose(tag("12.5.1"))
    assert ground.tend() == []


# --- accepted, and published by the next pass ---


def accepted(ground: Ground, plan: Plan) -> object:
    return accept(ground.place, lambda _: plan, now=ground.clock.later(minutes=1))


def test_what_is_accepted_is_published_by_the_next_pass_once(ground: Ground) -> None:
    accepted(ground, wanted(tag("12.4.1")))
    assert ground.states() == [IntentState.PLANNED]
    assert ground.place.forge.list_all() == ()
    for _ in range(2):
        resume(ground.place, look(ground.place), now=ground.clock())
    (shown,) = ground.place.forge.list_all()
    assert shown.branch == BRANCH
    assert ground.states() == [IntentState.PR_OPEN]


def test_a_group_that_is_accepted_is_one_intent_a_target_and_one_pull_request(
    ground: Ground,
) -> None:
    scope = GroupScope(environment=EnvironmentName("development"), group="all")
    found = accepted(ground, wanted(tag("12.5.0"), tag("12.5.0", BLOG), scope=scope))
    assert isinstance(found, tuple)
    assert len(found) == 2
    resume(ground.place, look(ground.place), now=ground.clock())
    (shown,) = ground.place.forge.list_all()
    assert shown.branch == GROUP_BRANCH
    tip = ground.origin.tip(GROUP_BRANCH)
    assert tip is not None
    tree = ground.origin.read_tree(tip)
    for stack in ("shop", "blog"):
        path = f"overlays/development/{stack}/kustomization.yaml"
        assert b"newTag: 12.5.0" in tree.read(path)


def test_accepting_the_same_twice_is_one_intent(ground: Ground) -> None:
    first = accepted(ground, wanted(tag("12.4.1")))
    assert accepted(ground, wanted(tag("12.4.1"))) == first
    assert len(ground.states()) == 1


def test_of_wishes_recorded_at_the_same_moment_the_newest_stands(
    ground: Ground,
) -> None:
    for version in ("12.4.1", "12.5.0"):  # neither has seen the other
        ground.store.intents.record(
            IntentDraft(
                key=ChangeKey(version),
                repository="fleet",
                plan=wanted(tag(version)),
                branch=BRANCH,
                created_at=ground.clock(),
            )
        )
    resume(ground.place, look(ground.place), now=ground.clock())
    assert ground.states() == [IntentState.SUPERSEDED, IntentState.PR_OPEN]
    (shown,) = ground.place.forge.list_all()
    assert "12.5.0" in shown.title


def test_nothing_wanted_is_nothing_recorded(ground: Ground) -> None:
    assert accepted(ground, wanted()) == Unchanged(reason="main says so already")
    assert ground.states() == []


def test_a_guard_that_forbids_keeps_everything_inside(ground: Ground) -> None:
    def forbidden() -> None:
        raise WriteForbiddenError("fleet: the repository is paused")

    accepted(ground, wanted(tag("12.4.1")))
    guarded = replace(ground.place, guard=forbidden)
    resume(guarded, look(guarded), now=ground.clock())
    assert ground.origin.tip(BRANCH) is None
    assert ground.place.forge.list_all() == ()
    assert ground.states() == [IntentState.COMMITTED]
    resume(ground.place, look(ground.place), now=ground.clock())
    assert ground.states() == [IntentState.PR_OPEN]
