"""Ways around the gates that must not be: each ends where the rule says."""

from __future__ import annotations

from pathlib import Path

import pytest

from gitops.errors import ForgeConflictError
from gitops.forges import Merged
from gitops.model import BranchName, Pin, PullRequest, Revision
from gitops.workflow import Held, approve, merge
from tests.support.passes import DEVELOPMENT, STAGING, Served, served
from tests.support.places import commit_files

pytestmark = pytest.mark.kustomize

BRANCH = BranchName("directus-gitops/staging/shop")
APPROVED = """\
  - from: development
    to: staging
    schedule: "0 * * * *"
    approvals: {count: 1}
"""
AUTOMATIC = """\
  - from: development
    to: staging
    schedule: "0 * * * *"
    merge: automatic
"""
GROUP = AUTOMATIC + "    group: nightly\n"


def brought(here: Served, version: str) -> None:
    """Bring a version to development, by bump and merge."""
    here.bump(DEVELOPMENT, version)
    here.pass_()
    (mine,) = [p for p in opened(here) if p.branch.endswith("development/shop")]
    assert isinstance(here.merge(mine.number), Merged)
    here.pass_()


def opened(here: Served) -> list[PullRequest]:
    return [p for p in here.pull_requests() if p.state.value == "open"]


def proposed(here: Served) -> PullRequest:
    """Let the schedule open the promotion to staging."""
    brought(here, "12.4.1")
    here.pass_(hours=1)
    (shown,) = opened(here)
    return shown


def pin_at_present(here: Served) -> None:
    """Pin staging to what it runs, as a revert would."""
    revision = Revision(image="directus/directus", tag="12.4.0")
    pin = Pin(target=STAGING, revision=revision, reason="bad", by="bo", at=here.clock())
    here.store.pins.place("fleet", pin)


def test_a_wish_that_ends_a_promotion_does_not_open_its_gates(
    tmp_path: Path, kustomize: Path
) -> None:
    with served(tmp_path, kustomize, APPROVED) as here:
        shown = proposed(here)
        here.bump(STAGING, "12.5.0")
        held = here.merge(shown.number)
        assert isinstance(held, Held)
        assert "0 of 1 approvals" in held.reasons[0]


def test_a_promotion_that_was_ended_behind_a_persons_push_keeps_its_gates(
    tmp_path: Path, kustomize: Path
) -> None:
    with served(tmp_path, kustomize, APPROVED) as here:
        shown = proposed(here)
        commit_files(here.origin, {"note.txt": "mine"}, branch=BRANCH)
        here.bump(STAGING, "12.5.0")
        here.pass_()
        assert not here.store.intents.live("fleet"), "nobody stands behind it"
        assert isinstance(here.merge(shown.number), Held)
        assert here.version(STAGING) == "12.4.0"


def test_what_a_person_pushed_to_is_not_merged_by_itself(
    tmp_path: Path, kustomize: Path
) -> None:
    rule = AUTOMATIC + "    approvals: {count: 1}\n"
    with served(tmp_path, kustomize, rule) as here:
        shown = proposed(here)
        commit_files(here.origin, {"note.txt": "mine"}, branch=BRANCH)
        approve(here.place, shown.number, by="cy", now=here.clock())
        assert "pull request merged" not in here.pass_().effects
        assert here.version(STAGING) == "12.4.0"


def test_a_promotion_asked_for_against_closed_gates_is_merged_by_a_person(
    tmp_path: Path, kustomize: Path
) -> None:
    rule = AUTOMATIC + "    soak: 7d\n"
    with served(tmp_path, kustomize, rule) as here:
        brought(here, "12.4.1")
        here.promote("shop", "staging")
        for _ in range(2):
            assert "pull request merged" not in here.pass_().effects
        (shown,) = opened(here)
        assert isinstance(here.merge(shown.number), Merged)


def test_a_pin_stops_what_was_proposed_before_it(
    tmp_path: Path, kustomize: Path
) -> None:
    with served(tmp_path, kustomize, GROUP.replace("automatic", "review")) as here:
        shown = proposed(here)
        pin_at_present(here)
        held = merge(
            here.place,
            shown.number,
            by="bo",
            now=here.clock(),
            pins=here.store.pins.all("fleet"),
        )
        assert isinstance(held, Held)
        assert "staging is pinned to 12.4.0" in held.reasons[0]


def test_a_pin_stops_an_automatic_merge(tmp_path: Path, kustomize: Path) -> None:
    rule = GROUP + "    approvals: {count: 1}\n"
    with served(tmp_path, kustomize, rule) as here:
        shown = proposed(here)
        pin_at_present(here)
        approve(here.place, shown.number, by="cy", now=here.clock())
        assert "pull request merged" not in here.pass_().effects
        here.store.pins.release("fleet", STAGING)
        assert "pull request merged" in here.pass_().effects


def test_votes_are_about_the_head_that_was_looked_at(
    tmp_path: Path, kustomize: Path
) -> None:
    with served(tmp_path, kustomize, APPROVED) as here:
        shown = proposed(here)
        commit_files(here.origin, {"note.txt": "mine"}, branch=BRANCH)
        with pytest.raises(ForgeConflictError, match="not at"):
            approve(
                here.place, shown.number, by="cy", now=here.clock(), head=shown.head
            )
        with pytest.raises(ForgeConflictError, match="not at"):
            merge(
                here.place,
                shown.number,
                by="bo",
                now=here.clock(),
                approvals={"cy"},
                head=shown.head,
            )


def test_who_asked_for_a_part_of_it_does_not_approve_it(
    tmp_path: Path, kustomize: Path
) -> None:
    with served(tmp_path, kustomize, APPROVED) as here:
        shown = proposed(here)
        here.bump(STAGING, "12.5.0", by="cy")
        here.pass_()
        with pytest.raises(ForgeConflictError, match="asked for by cy"):
            approve(here.place, shown.number, by="cy", now=here.clock())
