"""What a token of one stack is not told, and what two requests at once become."""

from __future__ import annotations

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from gitops.model import BranchName, CommitId, IntentState, SetRevision
from service.clock import utc_now
from service.store import Role
from tests.support.api import Service, refused, service_over
from tests.support.lab import Lab, copy_of, make_template

pytestmark = pytest.mark.kustomize

DEVELOPMENT = "/stacks/example/environments/development"
SCOPE = {"stack": "ghost"}


@pytest.fixture(scope="module")
def fleet_template(tmp_path_factory: pytest.TempPathFactory, kustomize: Path) -> Path:
    return make_template(tmp_path_factory.mktemp("template"), kustomize)


@pytest.fixture
def lab(fleet_template: Path, tmp_path: Path, kustomize: Path) -> Lab:
    return copy_of(fleet_template, tmp_path / "lab", kustomize)


@pytest.fixture
def service(lab: Lab, kustomize: Path) -> Iterator[Service]:
    with service_over(lab, kustomize) as made:
        yield made


def test_a_scoped_token_is_not_told_what_others_have(service: Service) -> None:
    answer = service.ask(
        "POST",
        "/stacks/ghost/environments/development/bump",
        {"version": "12.4.1"},
        role=Role.OPERATOR,
        scope=SCOPE,
    )
    assert "hint" in refused(answer, 404, "unknown_name")
    assert "example" not in answer.text


def test_a_scoped_token_is_not_told_the_problem_of_a_pass(service: Service) -> None:
    service.store.passes.ended(
        "fleet", at=utc_now(), commit=None, problem="overlays/x/secret-shop: broken"
    )
    shown = service.ask("GET", "/repositories", role=Role.VIEWER, scope=SCOPE)
    assert shown.json()["repositories"][0]["state"] == "degraded"
    assert "secret-shop" not in shown.text
    assert "secret-shop" in service.ask("GET", "/repositories").text


def test_a_pause_stops_approvals_too(service: Service) -> None:
    service.ask("POST", f"{DEVELOPMENT}/bump", {"version": "12.4.1"})
    service.publish()
    service.ask("PUT", "/pause", {"reason": "audit"})
    answer = service.ask("POST", "/pull-requests/1/approve", name="grace")
    assert answer.status_code == 503, answer.text
    assert service.store.votes.of("fleet", 1) == ()


def test_two_wishes_at_once_for_one_target_are_one_pull_request(
    service: Service,
) -> None:
    versions = ["12.4.1", "12.4.2", "12.5.0", "12.5.1"]

    def ask(version: str) -> int:
        body = {"version": version}
        return service.ask("POST", f"{DEVELOPMENT}/bump", body).status_code

    service.token()
    with ThreadPoolExecutor(4) as pool:
        assert set(pool.map(ask, versions)) == {202}
    service.publish()
    (shown,) = service.get("/pull-requests")["pull_requests"]
    newest = service.store.intents.all("fleet")[-1]
    (change,) = newest.plan.changes
    assert isinstance(change, SetRevision)
    assert change.revision.tag in shown["title"]
    live = service.store.intents.live("fleet")
    assert [(i.id, i.state) for i in live] == [(newest.id, IntentState.PR_OPEN)]


def test_a_scoped_token_does_not_merge_what_was_taken_over_from_a_person(
    service: Service, lab: Lab
) -> None:
    service.ask("POST", f"{DEVELOPMENT}/bump", {"version": "12.4.1"})
    service.publish()
    branch = BranchName("directus-gitops/development/example")
    lab.put(
        {"overlays/production/example/config.env": "LOG_LEVEL=trace\n"}, branch=branch
    )
    head = CommitId(service.get("/pull-requests/1")["head"])
    # As `pr adopt` does, before it makes the branch anew.
    service.store.intents.record_push("fleet", branch, head)
    answer = service.ask(
        "POST",
        "/pull-requests/1/merge",
        role=Role.RELEASER,
        scope={"stack": "example", "environment": "development"},
    )
    refused(answer, 403, "forbidden")
