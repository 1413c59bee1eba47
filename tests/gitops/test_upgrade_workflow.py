"""An upgrade from one release to the next, on real Git and kustomize."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gitops.errors import (
    ForgeConflictError,
    HumanOwnedError,
    PlanError,
    RenderError,
    TreeError,
)
from gitops.forges import Merged
from gitops.layout import shipped_tree
from gitops.model import (
    BlobId,
    Finding,
    Preview,
    Proposed,
    RemoveFile,
    Severity,
    Unchanged,
    WriteFile,
    blob_id,
    tree_of,
)
from gitops.scaffold import plan_init, read_options
from gitops.workflow import Held, close, inspect_pull_request, look, plan_upgrade
from tests.support.places import MAIN
from tests.support.upgrades import (
    BRANCH,
    NEW,
    OLD,
    PRISTINE,
    RECORD,
    SERVICE,
    Upgrading,
    repository,
    upgrading,
)

pytestmark = pytest.mark.kustomize

WHOLE = (WriteFile, RemoveFile)
NOTHING = Unchanged(reason="main says so already")


@pytest.fixture
def fleet(tmp_path: Path, kustomize: Path) -> Iterator[Upgrading]:
    with upgrading(tmp_path, kustomize, repository()) as opened:
        yield opened


def record(fleet: Upgrading) -> Any:
    return json.loads(fleet.text(RECORD))


def told(found: tuple[Finding, ...]) -> set[tuple[str, str, str]]:
    """Return what the upgrade itself tells, without the rules of manifests."""
    return {
        (f.rule, f.severity.value, f.path)
        for f in found
        if f.rule.startswith("upgrade-")
    }


# --- what is taken, what is kept ---


def test_files_that_nobody_edited_become_those_of_the_release(
    fleet: Upgrading,
) -> None:
    before = fleet.files()
    outcome = fleet.upgraded()
    assert outcome.pull_request.title == "base: upgrade to directus-gitops 0.2.0"
    after = fleet.files()
    assert {p for p in before.keys() | after if before.get(p) != after.get(p)} == {
        "base/service.yaml",
        "base/script.sh",
        RECORD,
    }
    assert {p: after[p].decode() for p in NEW} == NEW
    assert told(outcome.findings) == set()


def test_the_body_shows_what_each_environment_renders_to(fleet: Upgrading) -> None:
    outcome = fleet.proposed()
    for environment in ("development", "staging", "production"):
        assert f"overlays/{environment}/shop" in outcome.review.rendered_diff
    assert "+  - port: 8080" in outcome.pull_request.body


def test_edits_of_people_are_kept_beside_those_of_the_release(
    fleet: Upgrading,
) -> None:
    fleet.push(
        {
            "base/service.yaml": SERVICE.replace("# The service", "# OUR service"),
            "base/deployment.yaml": OLD["base/deployment.yaml"] + "# ours\n",
            "base/components/mine/kustomization.yaml": "kind: Component\n",
            "overlays/production/shop/config.env": "LOG_LEVEL=debug\n",
        }
    )
    before = fleet.files()
    outcome = fleet.upgraded()
    assert told(outcome.findings) == set()
    assert fleet.text("base/service.yaml") == SERVICE.replace(
        "# The service", "# OUR service"
    ).replace("port: 80\n", "port: 8080\n")
    for path in (
        "base/deployment.yaml",
        "base/components/mine/kustomization.yaml",
        "overlays/production/shop/config.env",
        "gitops.yaml",
    ):
        assert fleet.files()[path] == before[path]


def test_the_record_names_the_release_and_its_texts_not_the_merged_ones(
    fleet: Upgrading,
) -> None:
    old = record(fleet)
    fleet.push({"base/script.sh": "# zero\n" + OLD["base/script.sh"]})
    fleet.upgraded()
    new = record(fleet)
    assert (old["release"], new["release"]) == ("0.1.0", "0.2.0")
    assert new["options"] == old["options"]
    for path, text in NEW.items():
        assert new["files"][path] == blob_id(text.encode())
    untouched = [p for p in old["files"] if not p.startswith(("base/", "agents/"))]
    assert {p: new["files"][p] for p in untouched} == {
        p: old["files"][p] for p in untouched
    }


def test_a_second_run_has_nothing_to_do(fleet: Upgrading) -> None:
    fleet.push({"base/script.sh": "# zero\n" + OLD["base/script.sh"]})
    first = fleet.proposed()
    again = fleet.upgrade()
    assert isinstance(again, Unchanged)
    assert again.pull_request == first.pull_request
    fleet.merge(first.pull_request.number)
    assert fleet.upgrade() == NOTHING
    assert fleet.upgrade(release="0.3.0") == NOTHING


def test_a_release_that_brings_nothing_is_nothing_to_do(fleet: Upgrading) -> None:
    fleet.push({"base/script.sh": "# mine\n"})
    assert fleet.upgrade(OLD) == NOTHING


def test_a_preview_writes_nothing(fleet: Upgrading) -> None:
    seen = fleet.upgrade(dry_run=True)
    assert isinstance(seen, Preview)
    assert seen.review.title == "base: upgrade to directus-gitops 0.2.0"
    assert fleet.origin.tip(BRANCH) is None


def test_what_people_removed_stays_removed_and_is_told(fleet: Upgrading) -> None:
    kustomization = OLD["base/kustomization.yaml"].replace("  - service.yaml\n", "")
    fleet.push({"base/service.yaml": None, "base/kustomization.yaml": kustomization})
    outcome = fleet.upgraded()
    assert told(outcome.findings) == {
        ("upgrade-left-out", "warning", "base/service.yaml")
    }
    assert "base/service.yaml" not in fleet.files()
    assert "upgrade-left-out" in outcome.pull_request.body
    assert fleet.upgrade() == NOTHING


def test_what_the_release_no_longer_has_goes_unless_it_was_edited(
    fleet: Upgrading,
) -> None:
    spare = {**OLD, "base/spare.yaml": "# spare\n", "base/other.yaml": "# other\n"}
    fleet.upgraded(spare)
    fleet.push({"base/spare.yaml": "# mine\n"})
    outcome = fleet.upgraded(OLD, release="0.3.0")
    assert told(outcome.findings) == {("upgrade-kept", "warning", "base/spare.yaml")}
    assert fleet.text("base/spare.yaml") == "# mine\n"
    assert "base/other.yaml" not in fleet.files()
    assert "base/spare.yaml" not in record(fleet)["files"]
    assert fleet.upgrade(OLD, release="0.4.0") == NOTHING


def test_a_component_that_an_overlay_uses_is_not_taken_away(fleet: Upgrading) -> None:
    path = "overlays/staging/shop/kustomization.yaml"
    using = "components: [../../../base/components/extra]\n"
    fleet.push({path: fleet.text(path) + using})
    without = {p: t for p, t in NEW.items() if "components" not in p}
    with pytest.raises(RenderError, match="components/extra") as caught:
        fleet.upgrade(without)
    assert caught.value.path == path
    assert fleet.place.forge.list_all() == ()


# --- conflicts ---

BY_HAND = SERVICE.replace("port: 80\n", "port: 9000\n")


def test_a_conflict_is_shown_in_the_pull_request_and_cannot_be_merged(
    fleet: Upgrading,
) -> None:
    fleet.push({"base/service.yaml": BY_HAND})
    outcome = fleet.proposed()
    assert ("upgrade-conflict", "error", "base/service.yaml") in told(outcome.findings)
    body = outcome.pull_request.body
    assert "upgrade-conflict" in body
    assert "base/service.yaml:8" in body
    assert "removed" not in body.partition("### Rendered")[2].partition("### Files")[0]
    text = fleet.text("base/service.yaml", BRANCH)
    assert (
        "<<<<<<< yours\n"
        "    - port: 9000\n"
        "=======\n"
        "    - port: 8080\n"
        ">>>>>>> directus-gitops 0.2.0\n"
    ) in text
    held = fleet.merge(outcome.pull_request.number)
    assert isinstance(held, Held)
    assert "base/service.yaml" in held.reasons[0]
    assert fleet.text("base/service.yaml") == BY_HAND


def test_what_no_longer_builds_is_told_and_not_shown_as_removed(
    fleet: Upgrading,
) -> None:
    fleet.push({"base/service.yaml": BY_HAND})
    outcome = fleet.proposed()
    assert any(f.rule == "does-not-build" for f in outcome.findings)
    assert outcome.review.rendered_diff == ""
    seen = inspect_pull_request(fleet.place, outcome.pull_request)
    assert seen.rendered_diff == ""
    assert any(f.severity is Severity.ERROR for f in seen.findings)


def test_a_person_resolves_a_conflict_by_pushing_to_the_branch(
    fleet: Upgrading,
) -> None:
    fleet.push({"base/service.yaml": BY_HAND})
    number = fleet.proposed().pull_request.number
    both = SERVICE.replace("port: 80\n", "port: 8081\n")
    fleet.push({"base/service.yaml": both}, BRANCH)
    assert isinstance(fleet.merge(number), Merged)
    assert fleet.text("base/service.yaml") == both
    assert fleet.text("base/script.sh") == NEW["base/script.sh"]
    assert fleet.upgrade() == NOTHING


def test_a_closed_pull_request_is_not_asked_for_its_conflicts(
    fleet: Upgrading,
) -> None:
    fleet.push({"base/service.yaml": BY_HAND})
    number = fleet.proposed().pull_request.number
    close(fleet.place, number, by="bo", now=fleet.clock())
    with pytest.raises(ForgeConflictError, match="closed"):
        fleet.merge(number)


def test_half_a_resolution_is_none(fleet: Upgrading) -> None:
    fleet.push({"base/service.yaml": BY_HAND, "base/script.sh": "# my six\n"})
    number = fleet.proposed().pull_request.number
    fleet.push({"base/service.yaml": BY_HAND}, BRANCH)
    held = fleet.merge(number)
    assert isinstance(held, Held)
    assert "base/script.sh" in held.reasons[0]
    assert "base/service.yaml" not in held.reasons[0]
    left = fleet.text("base/script.sh", BRANCH).replace("<<<<<<< yours\n", "")
    fleet.push({"base/script.sh": left}, BRANCH)
    assert isinstance(fleet.merge(number), Held)


def test_asking_again_leaves_a_persons_resolution_alone_and_mergeable(
    fleet: Upgrading,
) -> None:
    fleet.push({"base/service.yaml": BY_HAND})
    number = fleet.proposed().pull_request.number
    tip = fleet.push({"base/service.yaml": BY_HAND}, BRANCH)
    for _ in range(2):
        with pytest.raises(HumanOwnedError):
            fleet.upgrade()
    assert fleet.origin.tip(BRANCH) == tip
    assert isinstance(fleet.merge(number), Merged)
    assert fleet.upgrade() == NOTHING


def test_markers_are_not_merged_even_when_nobody_remembers_the_plan(
    fleet: Upgrading,
) -> None:
    fleet.push({"base/service.yaml": BY_HAND})
    number = fleet.proposed().pull_request.number
    fleet.push({"note.txt": "not resolved yet"}, BRANCH)
    for _ in range(2):
        with pytest.raises(HumanOwnedError):
            fleet.upgrade()
    assert isinstance(fleet.merge(number), Held)


def test_a_file_that_is_new_in_the_release_and_here_already_is_a_conflict(
    fleet: Upgrading,
) -> None:
    fleet.push({"base/extra.txt": "mine\n"})
    outcome = fleet.proposed({**NEW, "base/extra.txt": "theirs\n"})
    (finding,) = [f for f in outcome.findings if f.rule == "upgrade-conflict"]
    assert finding.path == "base/extra.txt"
    assert "is here already" in finding.message
    assert fleet.text("base/extra.txt", BRANCH) == (
        "<<<<<<< yours\nmine\n=======\ntheirs\n>>>>>>> directus-gitops 0.2.0\n"
    )


def test_a_text_that_history_has_lost_makes_a_conflict_not_a_guess(
    tmp_path: Path, kustomize: Path
) -> None:
    files = repository()
    found = json.loads(str(files[RECORD], "utf-8"))  # type: ignore[arg-type]
    found["files"]["base/service.yaml"] = "1" * 40
    files[RECORD] = json.dumps(found)
    with upgrading(tmp_path, kustomize, files) as fleet:
        outcome = fleet.proposed()
        (finding,) = [f for f in outcome.findings if f.rule == "upgrade-conflict"]
        assert finding.path == "base/service.yaml"
        assert "no longer in the history" in finding.message
        assert "generated by 0.1.0" in finding.message


# --- one release after the other ---


def test_an_edited_file_is_merged_by_the_next_upgrade_too(fleet: Upgrading) -> None:
    mine = "# zero\n" + OLD["base/script.sh"]
    fleet.push({"base/script.sh": mine})
    fleet.upgraded()
    kept = [path for path in fleet.files() if path.startswith(PRISTINE)]
    assert [fleet.text(path) for path in kept] == [NEW["base/script.sh"]]
    newer = {**NEW, "base/script.sh": NEW["base/script.sh"].replace("# 6", "# VI")}
    outcome = fleet.upgraded(newer, release="0.3.0")
    assert told(outcome.findings) == set()
    assert fleet.text("base/script.sh") == mine.replace("# six", "# VI")
    kept = [path for path in fleet.files() if path.startswith(PRISTINE)]
    assert [fleet.text(path) for path in kept] == [newer["base/script.sh"]]


def test_a_kept_text_goes_when_no_edit_needs_it_any_more(fleet: Upgrading) -> None:
    fleet.push({"base/script.sh": "# zero\n" + OLD["base/script.sh"]})
    fleet.upgraded()
    fleet.push({"base/script.sh": NEW["base/script.sh"]})
    fleet.upgraded(OLD, release="0.3.0")
    assert not [path for path in fleet.files() if path.startswith(PRISTINE)]
    assert fleet.text("base/script.sh") == OLD["base/script.sh"]


def test_a_newer_release_replaces_the_open_pull_request_of_an_older_one(
    fleet: Upgrading,
) -> None:
    first = fleet.proposed({**NEW, "base/passing.txt": "only in 0.2.0\n"})
    second = fleet.proposed(release="0.3.0")
    assert second.pull_request.number == first.pull_request.number
    assert second.pull_request.title == "base: upgrade to directus-gitops 0.3.0"
    assert "base/passing.txt" not in fleet.files(BRANCH)


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("base/service.yaml", BY_HAND),
        ("base/spare.txt", "mine\n"),
        ("base/new.txt", "mine\n"),
    ],
    ids=["changed", "removed", "new"],
)
def test_an_edit_that_is_merged_meanwhile_is_not_undone(
    fleet: Upgrading, path: str, text: str
) -> None:
    fleet.upgraded({**OLD, "base/spare.txt": "spare\n"})
    newer = {**NEW, "base/new.txt": "new\n"}
    number = fleet.proposed(newer, release="0.3.0").pull_request.number
    fleet.push({path: text})
    with pytest.raises(PlanError, match=f"{path}: has changed since") as caught:
        fleet.merge(number)
    assert "ask for it again" in caught.value.hint
    assert fleet.text(path) == text
    again = fleet.proposed(newer, release="0.3.0")
    assert again.pull_request.number == number
    assert text.splitlines()[-1] in fleet.text(path, BRANCH)


def test_an_edit_elsewhere_in_the_file_is_merged_by_git_itself(
    fleet: Upgrading,
) -> None:
    number = fleet.proposed().pull_request.number
    fleet.push({"base/service.yaml": "# a new first line\n" + SERVICE})
    assert isinstance(fleet.merge(number), Merged)
    assert fleet.text("base/service.yaml") == "# a new first line\n" + SERVICE.replace(
        "port: 80\n", "port: 8080\n"
    )


def test_a_branch_can_be_made_anew_when_only_other_files_have_moved(
    fleet: Upgrading,
) -> None:
    first = fleet.proposed()
    moved = fleet.push(
        {"README.md": "hello\n", "base/script.sh": NEW["base/script.sh"]}
    )
    again = fleet.proposed()
    (logged,) = fleet.origin.history(again.commit, limit=1)
    assert logged.parents == (moved,)
    assert again.pull_request.number == first.pull_request.number


# --- agents ---

PROJECT = "agents/argocd/project.yaml"
SOURCE = "agents/flux/source/repository.yaml"
ROUTE = """\
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: directus}
"""


def test_kinds_that_the_release_brings_are_allowed_to_the_agents(
    fleet: Upgrading,
) -> None:
    fleet.upgraded({**NEW, "base/components/extra/route.yaml": ROUTE})
    assert "kind: HTTPRoute" in fleet.text(PROJECT)
    assert "httproutes" in fleet.text("agents/flux/source/service-account.yaml")


def test_kinds_of_a_persons_own_component_are_allowed_too(fleet: Upgrading) -> None:
    fleet.push({"base/components/mine/route.yaml": ROUTE})
    fleet.upgraded()
    assert "kind: HTTPRoute" in fleet.text(PROJECT)


def test_the_address_that_people_put_into_the_agents_files_stays(
    fleet: Upgrading,
) -> None:
    address = "https://git.example.org/ours.git"
    for path in (PROJECT, SOURCE):
        text = fleet.text(path)
        fleet.push(
            {path: text.replace("https://git.example.com/directus/fleet.git", address)}
        )
    outcome = fleet.upgraded({**NEW, "base/components/extra/route.yaml": ROUTE})
    assert told(outcome.findings) == set()
    assert address in fleet.text(PROJECT)
    assert address in fleet.text(SOURCE)
    assert "kind: HTTPRoute" in fleet.text(PROJECT)


def test_an_agent_that_was_taken_out_stays_out(fleet: Upgrading) -> None:
    gone = [path for path in fleet.files() if path.startswith("agents/flux/")]
    fleet.push(dict.fromkeys(gone))
    outcome = fleet.upgraded({**NEW, "base/components/extra/route.yaml": ROUTE})
    assert told(outcome.findings) == set()
    assert not [path for path in fleet.files() if path.startswith("agents/flux/")]
    assert "kind: HTTPRoute" in fleet.text(PROJECT)
    assert fleet.upgrade(NEW, release="0.3.0") != NOTHING
    assert not [p for p in fleet.files(BRANCH) if p.startswith("agents/flux/")]


# --- refusals ---


def test_a_repository_that_was_not_generated_is_refused_with_a_hint(
    fleet: Upgrading,
) -> None:
    fleet.push({RECORD: None})
    with pytest.raises(PlanError, match=r"generated\.json") as caught:
        fleet.upgrade()
    assert "init" in caught.value.hint


def test_an_older_installation_never_goes_back(fleet: Upgrading) -> None:
    with pytest.raises(PlanError, match=r"0\.1\.0, which is newer than 0\.0\.9"):
        fleet.upgrade(release="0.0.9")
    later = record(fleet)
    later["release"] = "9.0"
    later["options"]["invented"] = "later"
    fleet.push({RECORD: json.dumps(later)})
    with pytest.raises(PlanError, match=r"9\.0, which is newer") as caught:
        fleet.upgrade()
    assert "9.0" in caught.value.hint


@pytest.mark.parametrize("text", ["", "[]", '{"release": "0.1.0"}'])
def test_a_damaged_record_is_refused_with_a_hint(fleet: Upgrading, text: str) -> None:
    fleet.push({RECORD: text})
    with pytest.raises(TreeError, match=r"generated\.json") as caught:
        fleet.upgrade()
    assert "history" in caught.value.hint


def test_a_record_with_a_hostile_blob_or_path_asks_git_nothing(
    fleet: Upgrading,
) -> None:
    found = record(fleet)
    found["files"]["base/service.yaml"] = BlobId("HEAD:gitops.yaml\nHEAD")
    found["files"]["base/../../etc/passwd"] = "1" * 40
    fleet.push({RECORD: json.dumps(found)})
    outcome = fleet.proposed()
    assert {f.path for f in outcome.findings if f.rule == "upgrade-conflict"} == {
        "base/service.yaml"
    }


# --- the real thing ---


def test_the_base_that_ships_is_reached_from_an_older_wording(
    tmp_path: Path, kustomize: Path
) -> None:
    shipped = shipped_tree()
    newest = {path: shipped.read(path) for path in shipped.entries}
    older = dict(newest)
    older["base/service.yaml"] = b"# An older wording.\n" + newest["base/service.yaml"]
    older["base/old.txt"] = b"gone since\n"
    del older["base/components/platform-kind/kustomization.yaml"]
    plan = plan_init(
        read_options(environments=["development", "production"]),
        requested_by="ada",
        release="0.0.1",
        shipped=tree_of(older),
    )
    files: dict[str, str | bytes | None] = {
        c.path: c.content for c in plan.changes if isinstance(c, WriteFile)
    }
    with upgrading(tmp_path, kustomize, files) as fleet:
        world = look(fleet.place)
        made = plan_upgrade(fleet.place, world, release="0.1.0", requested_by="ada")
        assert {c.path for c in made.changes if isinstance(c, WHOLE)} == {
            "base/service.yaml",
            "base/old.txt",
            "base/components/platform-kind/kustomization.yaml",
            RECORD,
        }
        assert made.findings == ()
        outcome = fleet.proposed({p: t.decode() for p, t in newest.items()})
        assert isinstance(outcome, Proposed)
        assert isinstance(fleet.merge(outcome.pull_request.number), Merged)
        now = fleet.files()
        assert {p: now[p] for p in now if p.startswith("base/")} == {
            p: newest[p] for p in newest if p.startswith("base/")
        }
        assert fleet.origin.tip(MAIN) is not None
