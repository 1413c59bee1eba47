"""A staged upgrade: one environment at a time, and the others stay as they are."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from gitops.errors import PlanError, RenderError
from gitops.forges import Merged
from gitops.model import FileEdit, Finding, Mode, Proposed, Unchanged, blob_id
from gitops.workflow import Held
from tests.support.upgrades import (
    BRANCH,
    ENVIRONMENTS,
    NEW,
    OLD,
    RECORD,
    SERVICE,
    STAGED,
    Upgrading,
    repository,
    upgrading,
)

pytestmark = pytest.mark.kustomize

NOTHING = Unchanged(reason="main says so already")
BASE = "base-0.2.0"
ROUTE = """\
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: directus}
"""
PROJECT = "agents/argocd/project.yaml"


@pytest.fixture
def fleet(tmp_path: Path, kustomize: Path) -> Iterator[Upgrading]:
    with upgrading(tmp_path, kustomize, repository()) as opened:
        yield opened


def overlay(environment: str) -> str:
    return f"overlays/{environment}/shop/kustomization.yaml"


def own(found: tuple[Finding, ...]) -> list[tuple[str, str]]:
    return [(f.rule, f.path) for f in found if f.rule.startswith("upgrade-")]


def changed(before: dict[str, bytes], after: dict[str, bytes]) -> set[str]:
    return {p for p in before.keys() | after if before.get(p) != after.get(p)}


# --- the whole way ---


def test_one_environment_moves_at_a_time_and_the_others_render_the_same_bytes(
    fleet: Upgrading,
) -> None:
    titles: list[str] = []
    for moving in ENVIRONMENTS:
        before = fleet.rendered()
        outcome = fleet.upgraded(staged=True)
        after = fleet.rendered()
        assert changed(before, after) == {moving}
        assert b"port: 8080" in after[moving]
        titles.append(outcome.pull_request.title)
    before = fleet.rendered()
    last = fleet.upgraded(staged=True)
    assert fleet.rendered() == before
    assert [*titles, last.pull_request.title] == [
        "base: development moves to base-0.2.0",
        "base: staging moves to base-0.2.0",
        "base: production moves to base-0.2.0",
        "base: base-0.2.0 takes the place of base",
    ]
    assert fleet.upgrade(staged=True) == NOTHING
    assert fleet.upgrade() == NOTHING


def test_each_step_says_what_comes_after_it(fleet: Upgrading) -> None:
    hints = []
    for _ in range(4):
        outcome = fleet.upgraded(staged=True)
        (step,) = [f for f in outcome.findings if f.rule == "upgrade-staged"]
        assert step.message in outcome.pull_request.body
        hints.append(step.hint)
    assert [hint.rpartition(", for ")[2] for hint in hints[:2]] == [
        "staging",
        "production",
    ]
    assert "read by nobody" in hints[2]
    assert "nothing that is rendered" in hints[3]


def test_the_end_is_what_an_upgrade_at_once_gives(
    tmp_path: Path, kustomize: Path
) -> None:
    edits: dict[str, str | bytes | None] = {
        "base/script.sh": "# zero\n" + OLD["base/script.sh"],
        "base/service.yaml": SERVICE.replace("# The service", "# OUR service"),
        "base/components/mine/kustomization.yaml": "kind: Component\n",
        "base/components/extra/kustomization.yaml": None,
    }
    ends = []
    for name, steps in (("once", 1), ("staged", 4)):
        folder = tmp_path / name
        folder.mkdir()
        with upgrading(folder, kustomize, repository()) as fleet:
            fleet.push(edits)
            for _ in range(steps):
                fleet.upgraded(staged=name == "staged")
            ends.append(fleet.files())
    assert ends[0] == ends[1]


def test_the_first_step_leaves_base_and_the_record_of_it_alone(
    fleet: Upgrading,
) -> None:
    fleet.push({"base/script.sh": "# zero\n" + OLD["base/script.sh"]})
    before = fleet.files()
    fleet.upgraded(staged=True)
    after = fleet.files()
    new = {p for p in changed(before, after) if p not in before}
    assert changed(before, after) - new == {overlay("development")}
    assert {p for p in new if not p.startswith(".directus-gitops/")} == {
        path.replace("base/", f"{BASE}/", 1) for path in OLD
    }
    assert fleet.text(f"{BASE}/script.sh") == "# zero\n" + NEW["base/script.sh"]
    stage = json.loads(fleet.text(STAGED))
    assert stage["release"] == "0.2.0"
    assert stage["files"]["script.sh"] == blob_id(NEW["base/script.sh"].encode())


def test_only_the_references_of_an_overlay_change(fleet: Upgrading) -> None:
    path = overlay("development")
    text = fleet.text(path).replace(
        "resources: [../../../base]",
        "resources:\n- ../../../base   # the base\n"
        "components:\n- '../../../base/components/extra'",
    )
    fleet.push({path: text})
    fleet.upgraded(staged=True)
    assert fleet.text(path) == text.replace("/base ", f"/{BASE} ").replace(
        "/base/", f"/{BASE}/"
    )
    for _ in range(3):
        fleet.upgraded(staged=True)
    assert fleet.text(path) == text


def test_an_executable_file_stays_one_on_the_whole_way(fleet: Upgrading) -> None:
    script = OLD["base/script.sh"].encode()
    fleet.push_edit(
        FileEdit(path="base/script.sh", before=None, after=script, mode=Mode.EXECUTABLE)
    )
    fleet.upgraded(staged=True)
    assert fleet.tree().entries[f"{BASE}/script.sh"].mode is Mode.EXECUTABLE
    for _ in range(3):
        fleet.upgraded(staged=True)
    assert fleet.tree().entries["base/script.sh"].mode is Mode.EXECUTABLE


def test_asking_again_before_a_step_is_merged_changes_nothing(
    fleet: Upgrading,
) -> None:
    for _ in range(4):
        first = fleet.proposed(staged=True)
        again = fleet.upgrade(staged=True)
        assert isinstance(again, Unchanged)
        assert again.pull_request == first.pull_request
        assert isinstance(fleet.merge(first.pull_request.number), Merged)


def test_an_environment_without_overlays_on_the_base_is_passed_over(
    fleet: Upgrading,
) -> None:
    own_files = fleet.text(overlay("staging")).replace("../../../base", "own.yaml")
    fleet.push(
        {
            overlay("staging"): own_files,
            "overlays/staging/shop/own.yaml": OLD["base/deployment.yaml"],
        }
    )
    titles = [fleet.upgraded(staged=True).pull_request.title for _ in range(3)]
    assert titles == [
        "base: development moves to base-0.2.0",
        "base: production moves to base-0.2.0",
        "base: base-0.2.0 takes the place of base",
    ]


def test_a_base_that_nobody_reads_is_replaced_in_two_steps(fleet: Upgrading) -> None:
    fleet.push(
        {
            p: None
            for p in fleet.files()
            if p.startswith(("overlays/staging", "overlays/production"))
        }
    )
    alone = fleet.text(overlay("development")).replace("../../../base", "own.yaml")
    fleet.push(
        {
            overlay("development"): alone,
            "overlays/development/shop/own.yaml": OLD["base/deployment.yaml"],
        }
    )
    titles = [fleet.upgraded(staged=True).pull_request.title for _ in range(2)]
    assert titles == [
        "base: base-0.2.0 is made",
        "base: base-0.2.0 takes the place of base",
    ]


def test_a_release_that_brings_no_new_base_is_not_staged(fleet: Upgrading) -> None:
    assert fleet.upgrade(OLD, staged=True) == NOTHING
    gone = [p for p in fleet.files() if p.startswith("agents/flux/")]
    assert gone
    assert not [p for p in fleet.files() if p.startswith(BASE)]


# --- conflicts and edits on the way ---

BY_HAND = SERVICE.replace("port: 80\n", "port: 9000\n")


def test_a_conflict_is_resolved_before_the_first_environment_moves(
    fleet: Upgrading,
) -> None:
    fleet.push({"base/service.yaml": BY_HAND})
    before = fleet.rendered()
    outcome = fleet.proposed(staged=True)
    assert ("upgrade-conflict", f"{BASE}/service.yaml") in own(outcome.findings)
    number = outcome.pull_request.number
    assert isinstance(fleet.merge(number), Held)
    fleet.push({f"{BASE}/service.yaml": BY_HAND}, BRANCH)
    assert isinstance(fleet.merge(number), Merged)
    after = fleet.rendered()
    # The release's other change is in it; the port is the person's.
    assert changed(before, after) == {"development"}
    assert b"port: 9000" in after["development"]
    for _ in range(3):
        fleet.upgraded(staged=True)
    assert fleet.text("base/service.yaml") == BY_HAND


def test_what_people_change_in_base_meanwhile_is_carried_over_by_itself(
    fleet: Upgrading,
) -> None:
    fleet.upgraded(staged=True)
    fleet.push(
        {
            "base/script.sh": OLD["base/script.sh"].replace("# one", "# 1"),
            "base/late.txt": "late\n",
        }
    )
    before = fleet.rendered()
    carried = fleet.upgraded(staged=True)
    assert carried.pull_request.title == (
        "base: what was changed in base goes to base-0.2.0 too"
    )
    assert changed(before, fleet.rendered()) == {"development"}
    assert fleet.text(f"{BASE}/script.sh") == NEW["base/script.sh"].replace(
        "# one", "# 1"
    )
    assert fleet.text(f"{BASE}/late.txt") == "late\n"
    for _ in range(3):
        fleet.upgraded(staged=True)
    assert "# 1\n" in fleet.text("base/script.sh")
    assert fleet.text("base/late.txt") == "late\n"
    assert STAGED not in fleet.files()


def test_what_is_changed_in_both_bases_meanwhile_is_a_conflict_of_the_two(
    fleet: Upgrading,
) -> None:
    fleet.upgraded(staged=True)
    fleet.push({f"{BASE}/script.sh": "# new 1\n", "base/script.sh": "# old 1\n"})
    outcome = fleet.proposed(staged=True)
    assert ("upgrade-conflict", f"{BASE}/script.sh") in own(outcome.findings)
    assert fleet.text(f"{BASE}/script.sh", BRANCH) == (
        "<<<<<<< base-0.2.0/\n# new 1\n=======\n# old 1\n>>>>>>> base/\n"
    )
    fleet.push({f"{BASE}/script.sh": "# both\n"}, BRANCH)
    assert isinstance(fleet.merge(outcome.pull_request.number), Merged)
    following = fleet.proposed(staged=True)
    assert following.pull_request.title == "base: staging moves to base-0.2.0"


def test_edits_of_the_new_base_are_what_becomes_base(fleet: Upgrading) -> None:
    fleet.upgraded(staged=True)
    edited = NEW["base/script.sh"] + "# more\n"
    fleet.push({f"{BASE}/script.sh": edited, f"{BASE}/mine.txt": "mine\n"})
    for _ in range(3):
        fleet.upgraded(staged=True)
    assert fleet.text("base/script.sh") == edited
    assert fleet.text("base/mine.txt") == "mine\n"
    # And the next release still knows what it comes from.
    newer = {**NEW, "base/script.sh": NEW["base/script.sh"].replace("# one", "# 1")}
    outcome = fleet.upgraded(newer, release="0.3.0")
    assert own(outcome.findings) == []
    assert fleet.text("base/script.sh") == edited.replace("# one", "# 1")


# --- agents ---


def test_the_agents_are_allowed_the_kinds_of_both_bases_until_the_end(
    fleet: Upgrading,
) -> None:
    fleet.upgraded({**OLD, "base/components/extra/route.yaml": ROUTE})
    assert "kind: HTTPRoute" in fleet.text(PROJECT)
    policy = ROUTE.replace("HTTPRoute", "TLSRoute")
    newer = {**NEW, "base/components/extra/policy.yaml": policy}
    for _ in range(4):
        fleet.upgraded(newer, release="0.3.0", staged=True)
        assert "kind: HTTPRoute" in fleet.text(PROJECT)
        assert "kind: TLSRoute" in fleet.text(PROJECT)
    last = fleet.upgraded(newer, release="0.3.0", staged=True)
    assert last.pull_request.title == "base: upgrade to directus-gitops 0.3.0"
    assert "kind: HTTPRoute" not in fleet.text(PROJECT)
    assert fleet.upgrade(newer, release="0.3.0", staged=True) == NOTHING


# --- releases ---


def test_a_staged_upgrade_is_finished_before_another_begins(fleet: Upgrading) -> None:
    newer = {**NEW, "base/service.yaml": SERVICE.replace("port: 80\n", "port: 81\n")}
    fleet.upgraded(staged=True)
    with pytest.raises(PlanError, match=r"staged upgrade to 0\.2\.0") as caught:
        fleet.upgrade(newer, release="0.3.0")
    assert "--staged" in caught.value.hint
    for _ in range(3):
        fleet.upgraded(newer, release="0.3.0", staged=True)
    assert fleet.text("base/service.yaml") == NEW["base/service.yaml"]
    assert json.loads(fleet.text(RECORD))["release"] == "0.2.0"
    following = fleet.proposed(newer, release="0.3.0", staged=True)
    assert following.pull_request.title == "base: development moves to base-0.3.0"


def test_an_older_installation_does_not_go_on_with_a_newer_stage(
    fleet: Upgrading,
) -> None:
    fleet.upgraded(staged=True)
    with pytest.raises(PlanError, match="never goes back"):
        fleet.upgrade(release="0.1.0", staged=True)


def test_a_plain_upgrade_replaces_a_staged_one_that_was_not_merged(
    fleet: Upgrading,
) -> None:
    first = fleet.proposed(staged=True)
    second = fleet.proposed()
    assert second.pull_request.number == first.pull_request.number
    assert not [p for p in fleet.files(BRANCH) if p.startswith(BASE)]
    assert fleet.text(overlay("development"), BRANCH) == fleet.text(
        overlay("development")
    )


# --- refusals ---


def test_a_folder_in_the_place_of_the_new_base_is_not_written_over(
    fleet: Upgrading,
) -> None:
    fleet.push({f"{BASE}/mine.txt": "mine\n"})
    with pytest.raises(PlanError, match=f"{BASE}/ is there already"):
        fleet.upgrade(staged=True)


def test_environments_that_share_a_way_to_the_base_cannot_be_staged(
    fleet: Upgrading,
) -> None:
    shared = {
        overlay(name): fleet.text(overlay(name)).replace(
            "../../../base", "../../common"
        )
        for name in ENVIRONMENTS
    }
    fleet.push(
        {**shared, "overlays/common/kustomization.yaml": "resources: [../../base]\n"}
    )
    with pytest.raises(PlanError, match=r"overlays/common/kustomization\.yaml"):
        fleet.upgrade(staged=True)
    assert isinstance(fleet.upgrade(), Proposed)


def test_a_base_that_leads_out_of_itself_and_back_cannot_be_staged(
    fleet: Upgrading,
) -> None:
    fleet.push(
        {
            "base/kustomization.yaml": OLD["base/kustomization.yaml"].replace(
                "- service.yaml", "- ../base/more"
            ),
            "base/more/kustomization.yaml": "resources: [../../base/leaf]\n",
            "base/leaf/kustomization.yaml": "resources: [service.yaml]\n",
            "base/leaf/service.yaml": SERVICE,
        }
    )
    with pytest.raises(PlanError, match="would still read base/"):
        fleet.upgrade(staged=True)


def test_an_overlay_that_cannot_be_followed_stops_a_staged_upgrade(
    fleet: Upgrading,
) -> None:
    fleet.push({overlay("production"): "resources: [gone.yaml]\n"})
    with pytest.raises(RenderError, match="overlays/production"):
        fleet.upgrade(staged=True)
