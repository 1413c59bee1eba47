"""The order of the steps, on real Git, kustomize and SQLite."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from gitops.errors import (
    FleetError,
    ForgeConflictError,
    GitError,
    HumanOwnedError,
    ManifestError,
    PlanError,
    PushRejectedError,
    RenderError,
    TreeError,
)
from gitops.forges import Merged, NotMerged
from gitops.git import BareRepository
from gitops.layout import target
from gitops.model import (
    BaseScope,
    BranchName,
    Change,
    EnvironmentName,
    Finding,
    Hold,
    IntentState,
    Plan,
    PlanKind,
    Preview,
    Proposed,
    Provenance,
    PullRequestState,
    Revision,
    Scope,
    SetConfig,
    SetImage,
    SetRevision,
    Severity,
    TargetScope,
    Unchanged,
    UnsetConfig,
    WriteFile,
)
from gitops.promotion import plan_promotion
from gitops.workflow import (
    Held,
    Planner,
    Workplace,
    adopt,
    approve,
    check_path,
    check_repository,
    close,
    inspect_pull_request,
    look,
    merge,
    propose,
    revisions_of,
    settle,
    survey,
)
from service.store import Store
from tests.support.places import (
    MAIN,
    NOON,
    Ticking,
    commit_files,
    fleet_files,
    open_place,
    workplace,
)
from tests.support.trees import tree

pytestmark = pytest.mark.kustomize

SHOP = target("shop", "development")
BRANCH = BranchName("directus-gitops/development/shop")
OVERLAY = "overlays/development/shop"


class World:
    """A fleet with one stack, and what a test needs to look at it."""

    def __init__(
        self,
        place: Workplace,
        origin: BareRepository,
        store: Store,
        clock: Ticking,
        reopen: Callable[[], Workplace],
    ) -> None:
        self.place = place
        self.origin = origin
        self.store = store
        self.clock = clock
        self.reopen = reopen

    def propose(self, planner: Planner, **options: Any) -> Any:
        return propose(self.place, planner, now=self.clock.later(minutes=1), **options)

    def merge(self, number: int, **options: Any) -> Any:
        now = self.clock.later(minutes=1)
        return merge(self.place, number, by="bo", now=now, **options)

    def states(self) -> list[IntentState]:
        return [intent.state for intent in self.store.intents.all("fleet")]

    def text(
        self, branch: BranchName, path: str = f"{OVERLAY}/kustomization.yaml"
    ) -> str:
        tip = self.origin.tip(branch)
        assert tip is not None
        return self.origin.read_tree(tip).read(path).decode()


@pytest.fixture
def clock() -> Ticking:
    return Ticking()


@pytest.fixture
def world(tmp_path: Path, kustomize: Path, clock: Ticking) -> Iterator[World]:
    with workplace(tmp_path, kustomize, fleet_files("shop"), clock) as parts:
        place, origin, store = parts
        yield World(
            place,
            origin,
            store,
            clock,
            lambda: open_place(tmp_path, kustomize, store),
        )


def wants(
    *changes: Change,
    kind: PlanKind = PlanKind.BUMP,
    scope: Scope | None = None,
    findings: tuple[Finding, ...] = (),
) -> Planner:
    plan = Plan(
        kind=kind,
        scope=scope or TargetScope(target=SHOP),
        changes=changes,
        provenance=Provenance(requested_by="ada"),
        findings=findings,
    )
    return lambda _world: plan


def tag(version: str) -> SetRevision:
    revision = Revision(image="directus/directus", tag=version)
    return SetRevision(target=SHOP, revision=revision)


def key(name: str, value: str) -> SetConfig:
    return SetConfig(target=SHOP, key=name, value=value)


# --- one change ---


def test_a_change_is_one_commit_on_the_base_and_one_open_pull_request(
    world: World,
) -> None:
    base = world.origin.tip(MAIN)
    outcome = world.propose(wants(tag("12.4.1")))
    assert isinstance(outcome, Proposed)
    assert outcome.is_new
    (shown,) = world.place.forge.list_all()
    assert shown == outcome.pull_request
    assert shown.state is PullRequestState.OPEN
    assert (shown.branch, shown.base, shown.head) == (BRANCH, MAIN, outcome.commit)
    (logged,) = world.origin.history(outcome.commit, limit=1)
    assert logged.parents == (base,)
    assert world.origin.tip(MAIN) == base
    before, after = world.text(MAIN), world.text(BRANCH)
    assert after == before.replace("12.4.0", "12.4.1")
    assert world.states() == [IntentState.PR_OPEN]


def test_the_rendered_difference_is_in_the_body(world: World) -> None:
    outcome = world.propose(wants(tag("12.4.1")))
    body = outcome.pull_request.body
    assert "directus/directus:12.4.0" in body
    assert "directus/directus:12.4.1" in body
    assert len(body) <= world.place.forge.capabilities.body_limit


def with_extensions(world: World, newer: str) -> str:
    """Let an init container and an entry for its image come to both environments."""
    deployment = world.text(MAIN, "base/deployment.yaml")
    init = "      initContainers: [{name: ext, image: acme/ext}]\n      containers:"
    files = {"base/deployment.yaml": deployment.replace("      containers:", init)}
    for environment, tag, ext in (
        ("development", "12.4.1", newer),
        ("staging", "12.4.0", "1.0.0"),
    ):
        path = f"overlays/{environment}/shop/kustomization.yaml"
        text = world.text(MAIN, path).replace("12.4.0", tag)
        files[path] = f"{text}  - name: acme/ext\n    newTag: {ext}\n"
    commit_files(world.origin, files)
    return files["overlays/staging/shop/kustomization.yaml"]


def test_an_extension_image_is_promoted_with_its_revision(world: World) -> None:
    before = with_extensions(world, "2.0.0")
    text = world.text(MAIN, "gitops.yaml") + "defaults: {carryImages: [acme/ext]}\n"
    commit_files(world.origin, {"gitops.yaml": text})
    outcome = world.propose(
        lambda seen: plan_promotion(
            seen.tree,
            seen.fleet,
            SHOP.stack,
            to=EnvironmentName("staging"),
            requested_by="ada",
            now=NOON,
        )
    )
    assert isinstance(outcome, Proposed)
    shown = outcome.pull_request
    assert shown.title == (
        "shop/staging: promote 12.4.1 from development; carry ext 2.0.0"
    )
    assert "acme/ext:1.0.0" in shown.body
    assert "acme/ext:2.0.0" in shown.body
    after = world.text(shown.branch, "overlays/staging/shop/kustomization.yaml")
    assert after == before.replace("12.4.0", "12.4.1").replace("1.0.0", "2.0.0")
    (kept,) = world.store.intents.all("fleet")
    assert [type(change) for change in kept.plan.changes] == [SetRevision, SetImage]


def wants_image(name: str, image: str) -> Planner:
    staging = target("shop", "staging")
    wanted = Revision(image=image, tag="2.0.0")
    change = SetImage(target=staging, name=name, revision=wanted)
    return wants(change, kind=PlanKind.PROMOTE, scope=TargetScope(target=staging))


def test_an_image_that_another_entry_overrides_is_refused(world: World) -> None:
    before = with_extensions(world, "2.0.0")
    wins = "    newName: mirror/ext\n  - name: mirror/ext\n    newTag: 9.0.0\n"
    commit_files(
        world.origin, {"overlays/staging/shop/kustomization.yaml": before + wins}
    )
    with pytest.raises(PlanError, match=r"rendered image is not mirror/ext:2\.0\.0"):
        world.propose(wants_image("acme/ext", "mirror/ext"))
    assert world.place.forge.list_all() == ()


def test_an_image_entry_that_nothing_runs_travels_too(world: World) -> None:
    before = with_extensions(world, "2.0.0")
    unused = "  - name: acme/unused\n    newTag: 1.5.0\n"
    commit_files(
        world.origin, {"overlays/staging/shop/kustomization.yaml": before + unused}
    )
    outcome = world.propose(wants_image("acme/unused", "acme/unused"))
    assert isinstance(outcome, Proposed)


def test_a_change_that_the_base_has_already_is_nothing_to_do(world: World) -> None:
    outcome = world.propose(wants(tag("12.4.0")))
    assert outcome == Unchanged(reason="main says so already")
    assert world.propose(wants()) == Unchanged(reason="main says so already")
    assert world.states() == []
    assert world.place.forge.list_all() == ()


def test_a_preview_is_what_would_be_proposed_and_writes_nothing(world: World) -> None:
    seen = world.propose(wants(tag("12.4.1")), dry_run=True)
    assert isinstance(seen, Preview)
    assert world.states() == []
    assert world.origin.tip(BRANCH) is None
    done = world.propose(wants(tag("12.4.1")))
    assert seen.review.title == done.review.title
    assert seen.differences == done.differences


# --- the living pull request ---


def test_asking_again_writes_nothing(world: World) -> None:
    first = world.propose(wants(tag("12.4.1")))
    again = world.propose(wants(tag("12.4.1")))
    assert isinstance(again, Unchanged)
    assert again.pull_request == first.pull_request
    assert world.states() == [IntentState.PR_OPEN]


def test_the_newest_wish_for_a_scalar_wins_and_the_older_is_superseded(
    world: World,
) -> None:
    first = world.propose(wants(tag("12.4.1")))
    second = world.propose(wants(tag("12.5.0")))
    assert not second.is_new
    assert second.pull_request.number == first.pull_request.number
    assert "newTag: 12.5.0" in world.text(BRANCH)
    assert world.states() == [IntentState.SUPERSEDED, IntentState.PR_OPEN]
    third = world.propose(wants(tag("12.4.1")))
    assert "newTag: 12.4.1" in world.text(BRANCH)
    assert third.pull_request.number == first.pull_request.number


def test_another_wish_joins_and_the_branch_stays_one_commit(world: World) -> None:
    world.propose(wants(tag("12.4.1")))
    joined = world.propose(wants(key("FEATURE_X", "1"), kind=PlanKind.SET))
    base = world.origin.tip(MAIN)
    (logged,) = world.origin.history(joined.commit, limit=1)
    assert logged.parents == (base,)
    assert "newTag: 12.4.1" in world.text(BRANCH)
    assert "FEATURE_X=1" in world.text(BRANCH, f"{OVERLAY}/config.env")
    assert world.states() == [IntentState.PR_OPEN, IntentState.PR_OPEN]


def test_a_preview_shows_what_joining_would_give(world: World) -> None:
    world.propose(wants(tag("12.4.1")))
    seen = world.propose(wants(key("FEATURE_X", "1"), kind=PlanKind.SET), dry_run=True)
    assert {d.after for d in seen.differences} == {"12.4.1", "1"}


def test_taking_a_wish_back_leaves_the_other(world: World) -> None:
    world.propose(wants(tag("12.4.1"), key("A", "1")))
    world.propose(wants(UnsetConfig(target=SHOP, key="A"), kind=PlanKind.SET))
    assert "newTag: 12.4.1" in world.text(BRANCH)
    assert "A=1" not in world.text(BRANCH, f"{OVERLAY}/config.env")


def test_the_branch_is_made_anew_when_the_base_has_moved(world: World) -> None:
    world.propose(wants(tag("12.4.1")))
    moved = commit_files(world.origin, {f"{OVERLAY}/config.env": "LOG_LEVEL=debug\n"})
    again = world.propose(wants(tag("12.4.1")))
    assert isinstance(again, Proposed)
    (logged,) = world.origin.history(again.commit, limit=1)
    assert logged.parents == (moved,)
    assert len(world.place.forge.list_all()) == 1


def test_a_merged_change_is_settled_and_the_next_opens_a_new_pull_request(
    world: World,
) -> None:
    first = world.propose(wants(tag("12.4.1")))
    assert isinstance(world.merge(first.pull_request.number), Merged)
    assert "newTag: 12.4.1" in world.text(MAIN)
    assert world.states() == [IntentState.MERGED]
    second = world.propose(wants(tag("12.5.0")))
    assert second.pull_request.number == 2


def test_a_merge_behind_our_back_is_noticed(world: World) -> None:
    first = world.propose(wants(tag("12.4.1")))
    world.place.forge.merge(
        first.pull_request.number, head=first.commit, by="bo", now=NOON
    )
    settle(world.place)
    assert world.states() == [IntentState.MERGED]


# --- people ---


def test_a_branch_that_a_person_pushed_to_is_left_alone(world: World) -> None:
    world.propose(wants(tag("12.4.1")))
    theirs = commit_files(world.origin, {"note.txt": "mine"}, branch=BRANCH)
    with pytest.raises(HumanOwnedError, match="left as it is"):
        world.propose(wants(tag("12.5.0")))
    assert world.origin.tip(BRANCH) == theirs


def test_a_branch_that_a_person_made_first_is_left_alone(world: World) -> None:
    theirs = commit_files(world.origin, {"note.txt": "mine"}, branch=BRANCH)
    with pytest.raises(HumanOwnedError):
        world.propose(wants(tag("12.4.1")))
    assert world.origin.tip(BRANCH) == theirs
    assert world.place.forge.list_all() == ()


def test_adopting_a_branch_makes_it_anew_and_keeps_the_persons_commit_reachable(
    world: World,
) -> None:
    first = world.propose(wants(tag("12.4.1")))
    theirs = commit_files(world.origin, {"note.txt": "mine"}, branch=BRANCH)
    outcome = adopt(world.place, first.pull_request.number, now=world.clock())
    assert isinstance(outcome, Proposed)
    assert world.origin.tip(BRANCH) == outcome.commit
    assert world.origin.history(theirs, limit=1)[0].id == theirs


def test_only_our_own_open_pull_requests_can_be_adopted(world: World) -> None:
    first = world.propose(wants(tag("12.4.1")))
    close(world.place, 1, by="bo", now=NOON)
    with pytest.raises(ForgeConflictError, match="closed"):
        adopt(world.place, first.pull_request.number, now=NOON)


def test_closing_is_a_no_that_a_new_request_can_undo(world: World) -> None:
    world.propose(wants(tag("12.4.1")))
    close(world.place, 1, by="bo", now=NOON)
    assert world.states() == [IntentState.CLOSED]
    again = world.propose(wants(tag("12.4.1")))
    assert again.pull_request.number == 2
    assert again.is_new


def test_approvals_lapse_when_the_head_moves(world: World) -> None:
    world.propose(wants(tag("12.4.1")))
    approve(world.place, 1, by="bo", now=NOON)
    moved = world.propose(wants(tag("12.5.0"))).pull_request
    assert not [a for a in moved.approvals if a.head == moved.head]


def test_a_held_pull_request_is_merged_only_with_a_reason(world: World) -> None:
    world.propose(wants(tag("12.4.1")))
    hold = Hold(stack=None, environment=None, reason="freeze", by="cy", at=NOON)
    held = world.merge(1, holds=(hold,))
    assert isinstance(held, Held)
    assert "freeze" in held.reasons[0]
    assert isinstance(world.merge(1, holds=(hold,), override="fire"), Merged)


def test_merging_twice_is_merging_once(world: World) -> None:
    world.propose(wants(tag("12.4.1")))
    first, tip = world.merge(1), world.origin.tip(MAIN)
    again = world.merge(1)
    assert isinstance(first, Merged)
    assert isinstance(again, Merged)
    assert world.origin.tip(MAIN) == tip


def test_a_conflict_makes_the_branch_anew_instead_of_merging(world: World) -> None:
    world.propose(wants(tag("12.4.1")))
    path = f"{OVERLAY}/kustomization.yaml"
    edited = world.text(MAIN).replace("12.4.0  # what runs", "12.4.0  # hands off")
    commit_files(world.origin, {path: edited})
    result = world.merge(1)
    assert isinstance(result, NotMerged)
    assert "made anew" in result.reason
    assert "12.4.1  # hands off" in world.text(BRANCH)
    assert isinstance(world.merge(1), Merged)


# --- refusals: nothing happens ---


def nothing_happened(world: World) -> bool:
    return (
        world.states() == []
        and world.origin.tip(BRANCH) is None
        and world.place.forge.list_all() == ()
    )


def test_a_change_that_does_not_build_is_refused(world: World) -> None:
    broken = WriteFile(path=f"{OVERLAY}/kustomization.yaml", content=b"nonsense: 1\n")
    with pytest.raises(RenderError, match=OVERLAY):
        world.propose(wants(broken))
    assert nothing_happened(world)


def test_a_change_that_breaks_a_rule_is_refused_with_its_findings(
    world: World,
) -> None:
    bad = world.text(MAIN, "base/deployment.yaml").replace(
        "name: directus}", "name: Directus}", 1
    )
    change = WriteFile(path="base/deployment.yaml", content=bad.encode())
    with pytest.raises(ManifestError) as caught:
        world.propose(wants(change, kind=PlanKind.UPGRADE, scope=BaseScope()))
    assert caught.value.findings
    assert nothing_happened(world)


def test_a_secret_in_a_change_is_refused_and_not_shown(world: World) -> None:
    secret = "ghp_" + "a1B2" * 9
    with pytest.raises(ManifestError) as caught:
        world.propose(wants(key("PROJECT_NAME", secret), kind=PlanKind.SET))
    assert secret not in f"{caught.value.message}{caught.value.findings}"
    assert nothing_happened(world)


def test_a_bump_that_another_transformer_overrides_is_refused(world: World) -> None:
    overridden = """\
apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
namespace: shop-development
resources: [../../../base]
images:
  - name: directus/directus
    newTag: 12.4.0
patches:
  - target: {kind: Deployment}
    patch: |-
      - op: replace
        path: /spec/template/spec/containers/0/image
        value: directus/directus:11.0.0
"""
    path = f"{OVERLAY}/kustomization.yaml"
    commit_files(world.origin, {path: overridden})
    outcome = world.propose(wants(tag("12.4.1")))
    # A patch runs before the images transformer, so the entry wins: that is fine.
    assert isinstance(outcome, Proposed)


def test_a_bump_whose_image_is_rendered_nowhere_is_refused(world: World) -> None:
    other = world.text(MAIN, "base/deployment.yaml").replace(
        "image: directus/directus", "image: other/image"
    )
    commit_files(world.origin, {"base/deployment.yaml": other})
    with pytest.raises(PlanError, match="rendered image is not"):
        world.propose(wants(tag("12.4.1")))
    assert nothing_happened(world)


def test_a_change_elsewhere_is_not_blocked_by_a_broken_neighbour(world: World) -> None:
    broken = "overlays/staging/shop/kustomization.yaml"
    commit_files(world.origin, {broken: "nonsense: 1\n"})
    assert isinstance(world.propose(wants(tag("12.4.1"))), Proposed)


def test_a_repository_without_a_fleet_file_is_an_error_with_a_hint(
    world: World,
) -> None:
    commit_files(world.origin, {"gitops.yaml": None})
    with pytest.raises(TreeError, match="no such file") as caught:
        world.propose(wants(tag("12.4.1")))
    assert "init" in caught.value.hint


def test_a_broken_fleet_file_is_named_with_its_line(world: World) -> None:
    commit_files(world.origin, {"gitops.yaml": fleet_files()["gitops.yaml"] + "x: 1\n"})
    with pytest.raises(FleetError, match=r"gitops\.yaml:7"):
        world.propose(wants(tag("12.4.1")))


def test_a_repository_without_the_base_branch_is_an_error(world: World) -> None:
    place = replace(world.place, base=BranchName("trunk"))
    with pytest.raises(GitError, match="no branch trunk"):
        look(place)


# --- crashes ---


class Boom(BaseException):
    """A killed process: nothing catches it."""


class Dying:
    """Passes calls through; dies before or after the one with the given number."""

    def __init__(self, real: object, names: tuple[str, ...], fuse: Fuse) -> None:
        self._real = real
        self._names = names
        self._fuse = fuse

    def __getattr__(self, name: str) -> Any:
        attribute = getattr(self._real, name)
        if name not in self._names:
            return attribute

        def call(*args: Any, **kwargs: Any) -> Any:
            self._fuse.burn()
            result = attribute(*args, **kwargs)
            self._fuse.burn()
            return result

        return call


class Fuse:
    """Counts moments; dies at one of them."""

    def __init__(self, at: int) -> None:
        self.left = at

    def burn(self) -> None:
        if self.left == 0:
            raise Boom
        self.left -= 1


EFFECTS = {
    "log": ("record", "advance", "record_push"),
    "mirror": ("commit", "push"),
    "forge": ("open", "update"),
}
MOMENTS = 16


def dying(place: Workplace, at: int) -> tuple[Workplace, Fuse]:
    fuse = Fuse(at)
    parts: dict[str, Any] = {
        part: Dying(getattr(place, part), names, fuse)
        for part, names in EFFECTS.items()
    }
    return replace(place, **parts), fuse


@pytest.mark.parametrize("moment", range(MOMENTS))
def test_killed_at_any_moment_the_next_run_ends_with_one_pull_request(
    world: World, moment: int
) -> None:
    mortal, _ = dying(world.place, moment)
    now = world.clock.later(minutes=1)
    with pytest.raises(Boom):
        propose(mortal, wants(tag("12.4.1")), now=now)
    world.place = world.reopen()
    outcome = world.propose(wants(tag("12.4.1")))
    assert isinstance(outcome, (Proposed, Unchanged))
    (shown,) = world.place.forge.list_all()
    assert shown.state is PullRequestState.OPEN
    assert shown.head == world.origin.tip(BRANCH)
    assert "newTag: 12.4.1" in world.text(BRANCH)
    assert world.states() == [IntentState.PR_OPEN]
    # And a third run has nothing left to do.
    assert isinstance(world.propose(wants(tag("12.4.1"))), Unchanged)


def test_the_moments_of_death_are_all_there_are(world: World) -> None:
    mortal, fuse = dying(world.place, MOMENTS)
    propose(mortal, wants(tag("12.4.1")), now=world.clock.later(minutes=1))
    assert fuse.left == 0


def test_an_interrupted_wish_is_finished_by_the_next_call_for_another(
    world: World,
) -> None:
    mortal, _ = dying(world.place, 2)
    with pytest.raises(Boom):
        propose(mortal, wants(tag("12.4.1")), now=world.clock.later(minutes=1))
    other = target("shop", "staging")
    world.propose(
        wants(
            SetConfig(target=other, key="A", value="1"),
            scope=TargetScope(target=other),
            kind=PlanKind.SET,
        )
    )
    assert len(world.place.forge.list_open()) == 2
    assert world.states() == [IntentState.PR_OPEN, IntentState.PR_OPEN]


def test_an_interrupted_wish_that_can_no_longer_be_done_fails_with_its_reason(
    world: World,
) -> None:
    mortal, _ = dying(world.place, 2)
    with pytest.raises(Boom):
        propose(mortal, wants(tag("12.4.1")), now=world.clock.later(minutes=1))
    commit_files(world.origin, {f"{OVERLAY}/kustomization.yaml": "nonsense: 1\n"})
    world.propose(wants())
    (intent,) = world.store.intents.all("fleet")
    assert intent.state is IntentState.FAILED
    assert intent.error


def test_an_interrupted_wish_that_the_base_has_by_now_ends(world: World) -> None:
    mortal, _ = dying(world.place, 2)
    with pytest.raises(Boom):
        propose(mortal, wants(tag("12.4.1")), now=world.clock.later(minutes=1))
    text = world.text(MAIN).replace("12.4.0", "12.4.1")
    commit_files(world.origin, {f"{OVERLAY}/kustomization.yaml": text})
    world.propose(wants())
    assert world.states() == [IntentState.SUPERSEDED]


def test_a_push_that_loses_a_race_is_told_as_retryable(world: World) -> None:
    class Racing(Dying):
        def __getattr__(self, name: str) -> Any:
            if name == "push":
                commit_files(world.origin, {"x": "1"}, branch=BRANCH)
            return getattr(self._real, name)

    place = replace(
        world.place,
        mirror=Racing(world.place.mirror, (), Fuse(9)),  # type: ignore[arg-type]
    )
    with pytest.raises(PushRejectedError) as caught:
        propose(place, wants(tag("12.4.1")), now=NOON)
    assert caught.value.retryable


# --- looking ---


def test_a_pull_request_shows_the_same_difference_before_and_after_its_merge(
    world: World,
) -> None:
    world.propose(wants(tag("12.4.1")))
    read = world.place.forge.read
    seen = inspect_pull_request(world.place, read(1))
    assert seen.files == (f"{OVERLAY}/kustomization.yaml",)
    assert "+        image: directus/directus:12.4.1" in seen.rendered_diff.replace(
        "+      - image", "+        image"
    )
    world.merge(1)
    assert inspect_pull_request(world.place, read(1)) == seen


def test_the_survey_names_revision_pull_request_and_hold(world: World) -> None:
    world.propose(wants(tag("12.4.1")))
    hold = Hold(stack=None, environment=SHOP.environment, reason="r", by="cy", at=NOON)
    standings = survey(world.place, look(world.place), (hold,))
    assert [
        (s.overlay.target.environment, s.overlay.revision.tag, s.pull_request, s.hold)
        for s in standings
    ] == [
        ("development", "12.4.0", 1, hold),
        ("staging", "12.4.0", None, None),
        ("production", "12.4.0", None, None),
    ]


def test_the_history_lists_revisions_newest_first_and_skips_other_changes(
    world: World,
) -> None:
    for version in ("12.4.1", "12.5.0"):
        world.propose(wants(tag(version)))
        world.merge(len(world.place.forge.list_all()))
    commit_files(world.origin, {f"{OVERLAY}/config.env": "LOG_LEVEL=warn\n"})
    past = revisions_of(world.place, look(world.place), SHOP)
    assert [p.revision.tag for p in past] == ["12.5.0", "12.4.1", "12.4.0"]
    assert past[0].at > past[1].at > past[2].at


# --- checking what is there ---


def test_a_repository_whose_fleet_file_does_not_parse_has_one_finding(
    world: World,
) -> None:
    files = tree({"gitops.yaml": "a: [\n"})
    (finding,) = check_repository(files, world.place.renderer, world.place.schemas)
    assert (finding.severity, finding.path) == (Severity.ERROR, "gitops.yaml")
    assert finding.line


def test_an_overlay_that_does_not_build_is_a_finding(world: World) -> None:
    files = fleet_files("shop")
    files["overlays/staging/shop/kustomization.yaml"] = "resources: [gone.yaml]\n"
    found = check_repository(tree(files), world.place.renderer, world.place.schemas)
    assert any(
        f.path.startswith("overlays/staging/shop") and f.severity is Severity.ERROR
        for f in found
    )


def test_any_folder_of_manifests_can_be_checked(world: World) -> None:
    files = tree({"k/a.yaml": "kind: Pod\napiVersion: v1\n", "k/readme.txt": "x"})
    parts = (world.place.renderer, world.place.schemas)
    assert check_path(files, "k", *parts)
    assert check_path(files, "k/a.yaml", *parts)
    built = check_path(tree(fleet_files("shop")), OVERLAY, *parts)
    assert {f.path for f in built} == {OVERLAY}
    with pytest.raises(Exception, match="nothing to check"):
        check_path(files, "nowhere", *parts)
