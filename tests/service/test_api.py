"""The API over HTTP: requests are recorded, answers tell how far they are."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from gitops.model import (
    Arrival,
    CommitId,
    EnvironmentName,
    Health,
    Revision,
    Sighting,
    StackName,
    Target,
)
from service.clock import utc_now
from service.store import Role
from tests.support.api import Service, refused, service_over
from tests.support.lab import KUSTOMIZATION, Lab, copy_of, make_template

pytestmark = pytest.mark.kustomize

DEVELOPMENT = "/stacks/example/environments/development"
STAGING = "/stacks/example/environments/staging"
BUMPS = {"version": "12.4.1", "environments": ["staging"], "stacks": ["*"]}
RULE = """\
promotions:
  - from: development
    to: staging
"""


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


def ruled(lab: Lab, rule: str) -> None:
    """Give the fleet one promotion rule."""
    head, _, _ = lab.text("gitops.yaml").partition("promotions:")
    lab.put({"gitops.yaml": head + rule})


# --- asking for changes ---


def test_a_bump_is_recorded_and_wakes_the_pass(service: Service) -> None:
    answer = service.ask("POST", f"{DEVELOPMENT}/bump", {"version": "12.4.1"})
    assert answer.status_code == 202
    made = answer.json()
    assert made["state"] == "planned"
    assert (made["stack"], made["environment"]) == ("example", "development")
    assert made["wanted"][0]["value"] == "12.4.1"
    assert made["requested_by"] == "ada"
    assert service.alarm.woken == ["fleet"]
    assert service.get(f"/changes/{made['id']}") == made
    assert service.get("/changes")["changes"] == [made]
    assert service.get("/pull-requests")["pull_requests"] == []
    assert service.audit()[-1] == ("ada", "change requested")


def test_a_change_tells_how_far_it_is(service: Service) -> None:
    made = service.ask("POST", f"{DEVELOPMENT}/bump", {"version": "12.4.1"}).json()
    service.publish()
    opened = service.get(f"/changes/{made['id']}")
    assert (opened["state"], opened["pull_request"]) == ("pr_open", 1)
    stack = service.get("/stacks/example")
    by_name = {e["name"]: e for e in stack["environments"]}
    assert by_name["development"]["pull_request"] == 1
    assert by_name["development"]["version"] == "12.4.0"
    merged = service.ask("POST", "/pull-requests/1/merge")
    assert merged.status_code == 200, merged.text
    assert merged.json()["outcome"] == "merged"
    assert service.get(f"/changes/{made['id']}")["state"] == "merged"
    stack = service.get("/stacks/example")
    assert {e["name"]: e["version"] for e in stack["environments"]} == {
        "development": "12.4.1",
        "staging": "12.4.0",
        "production": "12.4.0",
    }
    assert service.audit()[-1] == ("ada", "pull request merged")


def test_the_same_bump_twice_is_one_change(service: Service) -> None:
    first = service.ask("POST", f"{DEVELOPMENT}/bump", {"version": "12.4.1"}).json()
    again = service.ask("POST", f"{DEVELOPMENT}/bump", {"version": "12.4.1"}).json()
    assert again["id"] == first["id"]
    assert len(service.get("/changes")["changes"]) == 1
    assert service.audit().count(("ada", "change requested")) == 1


def test_what_is_there_already_is_nothing_to_do(service: Service) -> None:
    answer = service.ask("POST", f"{DEVELOPMENT}/bump", {"version": "12.4.0"})
    assert (answer.status_code, answer.json()["state"]) == (200, "unchanged")
    assert answer.json()["reason"]
    assert service.get("/changes")["changes"] == []


@pytest.mark.parametrize(
    "version",
    [
        "latest; rm -rf",
        "$(id)",
        "11.1",
        "11.1\n",
        '11.1"',
        "11.1 # x",
        "\uff11\uff11.0.0",
        "1.0.0-" + "a" * 123,
        "../11",
        "12.4.1@sha256:zz",
        "",
        "v12.4.1",
        "latest",
    ],
    ids=range(13),
)
def test_a_bad_version_is_422_with_the_field(service: Service, version: str) -> None:
    answer = service.ask("POST", f"{DEVELOPMENT}/bump", {"version": version})
    assert refused(answer, 422, "input")["field"] == "body.version"
    assert service.get("/changes")["changes"] == []


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("POST", "/stacks/nope/environments/staging/bump", {"version": "12.4.1"}),
        ("POST", "/stacks/example/environments/nope/bump", {"version": "12.4.1"}),
        ("POST", "/stacks/nope/environments/staging/promote", {}),
        ("POST", "/stacks/nope/environments/staging/rollback", {}),
        ("PATCH", "/stacks/nope/environments/staging/config", {"set": {"A": "b"}}),
        (
            "POST",
            "/bumps",
            {"version": "12.4.1", "environments": ["x"], "stacks": ["*"]},
        ),
        ("PUT", "/stacks/nope/hold", {}),
        ("PUT", "/environments/nope/hold", {}),
        ("DELETE", "/stacks/nope/environments/staging/hold", None),
        ("GET", "/stacks/nope", None),
        ("GET", "/stacks/nope/environments/staging/config", None),
        ("GET", "/changes/0123456789abcdef", None),
        ("GET", "/pull-requests/7", None),
        ("POST", "/pull-requests/7/approve", None),
        ("POST", "/pull-requests/7/go", None),
        ("POST", "/pull-requests/7/merge", None),
        ("POST", "/pull-requests/7/close", None),
        ("DELETE", "/tokens/0123456789", None),
        ("GET", "/repositories/nope/stacks", None),
        ("PUT", "/repositories/nope/hold", {}),
        ("GET", "/nowhere", None),
    ],
)
def test_an_unknown_name_is_404(
    service: Service, method: str, path: str, body: object
) -> None:
    answer = service.ask(method, path, body)
    assert answer.status_code == 404, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert service.audit() == []


def test_a_downgrade_is_a_conflict(service: Service) -> None:
    answer = service.ask("POST", f"{DEVELOPMENT}/bump", {"version": "12.3.0"})
    assert "older" in refused(answer, 409, "plan")["detail"]


def test_a_promotion_carries_what_the_base_branch_says(
    service: Service, lab: Lab
) -> None:
    lab.put({KUSTOMIZATION: lab.text().replace("12.4.0", "12.4.1")})
    answer = service.ask("POST", f"{STAGING}/promote", {"from": "development"})
    assert answer.status_code == 202, answer.text
    assert answer.json()["kind"] == "promote"
    assert answer.json()["wanted"][0]["value"] == "12.4.1"
    without = service.ask("POST", f"{STAGING}/promote")
    assert without.json()["id"] == answer.json()["id"]


def test_configuration_changes_only_as_it_was_seen(service: Service, lab: Lab) -> None:
    seen = service.ask("GET", f"{DEVELOPMENT}/config")
    etag = seen.headers["etag"]
    wanted = {"set": {"LOG_LEVEL": "debug"}}
    lab.put({KUSTOMIZATION: lab.text().replace("12.4.0", "12.4.1")})
    stale = service.ask(
        "PATCH", f"{DEVELOPMENT}/config", wanted, headers={"If-Match": etag}
    )
    refused(stale, 412, "stale")
    assert service.get("/changes")["changes"] == []
    etag = service.ask("GET", f"{DEVELOPMENT}/config").headers["etag"]
    answer = service.ask(
        "PATCH", f"{DEVELOPMENT}/config", wanted, headers={"If-Match": etag}
    )
    assert answer.status_code == 202, answer.text
    assert answer.json()["wanted"] == [
        {
            "stack": "example",
            "environment": "development",
            "key": "LOG_LEVEL",
            "value": "debug",
        }
    ]


def test_a_secret_is_no_configuration_and_is_not_repeated(service: Service) -> None:
    body = {"set": {"DB_PASSWORD": "canary-4711-value"}}
    answer = service.ask("PATCH", f"{DEVELOPMENT}/config", body)
    refused(answer, 422, "input")
    assert "canary-4711" not in answer.text


def test_a_rollback_goes_back_to_what_was_healthy_and_pins_it(
    service: Service, lab: Lab
) -> None:
    for version in ("12.4.1", "12.4.2"):
        lab.put({KUSTOMIZATION: lab.text().replace("12.4.0", version)})
    target = Target(
        stack=StackName("example"), environment=EnvironmentName("development")
    )
    healthy = Arrival(
        target=target,
        revision=Revision(image="directus/directus", tag="12.4.0"),
        commit=CommitId("a" * 40),
        at=utc_now(),
        first_healthy_at=utc_now(),
    )
    service.store.arrivals.record("fleet", healthy)
    answer = service.ask(
        "POST",
        f"{DEVELOPMENT}/rollback",
        {"reason": "broken", "accept_data_risk": True},
    )
    assert answer.status_code == 202, answer.text
    assert answer.json()["wanted"][0]["value"] == "12.4.0"
    (pin,) = service.get("/holds")["pins"]
    assert (pin["version"], pin["by"], pin["reason"]) == (
        "12.4.0",
        "ada",
        "rolled back: broken",
    )
    promotion = service.ask(
        "POST", "/stacks/example/environments/development/promote", {}
    )
    assert promotion.status_code == 409
    released = service.ask("DELETE", f"{DEVELOPMENT}/hold").json()
    assert released == {"outcome": "released", "hold": False, "pin": True}
    assert service.get("/holds")["pins"] == []


def test_a_pin_stops_a_promotion(service: Service, lab: Lab) -> None:
    service.ask("POST", f"{STAGING}/bump", {"version": "12.4.1"})
    service.publish()
    service.ask("POST", "/pull-requests/1/merge")
    assert service.ask("POST", f"{STAGING}/rollback", {}).status_code == 202
    lab.put({KUSTOMIZATION: lab.text().replace("12.4.0", "12.4.1")})
    answer = service.ask("POST", f"{STAGING}/promote", {"from": "development"})
    assert "pinned to 12.4.0" in refused(answer, 409, "held")["detail"]


def test_many_stacks_are_bumped_by_one_pull_request_an_environment(
    service: Service,
) -> None:
    answer = service.ask(
        "POST",
        "/bumps",
        {
            "version": "12.4.1",
            "environments": ["development", "staging"],
            "stacks": ["*"],
        },
    )
    assert answer.status_code == 202, answer.text
    made = answer.json()["changes"]
    assert {(c["stack"], c["environment"]) for c in made} == {
        ("example", "development"),
        ("example", "staging"),
    }
    assert len({c["branch"] for c in made}) == 2
    again = service.ask(
        "POST",
        "/bumps",
        {"version": "12.4.0", "environments": ["production"], "stacks": ["example"]},
    )
    assert list(again.json()["unchanged"]) == ["production"]


def test_what_one_environment_refuses_is_refused_for_all(service: Service) -> None:
    service.ask("PUT", "/environments/staging/hold", {"reason": "freeze"})
    answer = service.ask(
        "POST",
        "/bumps",
        {
            "version": "12.4.1",
            "environments": ["development", "staging"],
            "stacks": ["example"],
        },
    )
    refused(answer, 409, "held")
    assert service.get("/changes")["changes"] == []


# --- stopping ---


@pytest.mark.parametrize(
    "path",
    ["/hold", "/stacks/example/hold", "/environments/staging/hold", f"{STAGING}/hold"],
)
def test_a_hold_stops_changes_until_it_is_released(service: Service, path: str) -> None:
    placed = service.ask("PUT", path, {"reason": "Black Friday"})
    assert placed.status_code == 200, placed.text
    assert placed.json()["hold"]["reason"] == "Black Friday"
    held = service.ask("POST", f"{STAGING}/bump", {"version": "12.4.1"})
    assert "Black Friday" in refused(held, 409, "held")["detail"]
    by_name = {e["name"]: e for e in service.get("/stacks/example")["environments"]}
    assert by_name["staging"]["hold"]["by"] == "ada"
    assert service.ask("DELETE", path).json()["outcome"] == "released"
    assert service.ask("DELETE", path).json()["outcome"] == "unchanged"
    assert service.ask("POST", f"{STAGING}/bump", {"version": "12.4.1"}).is_success
    assert service.audit()[:2] == [("ada", "hold placed"), ("ada", "hold released")]


def test_the_pause_switch_stops_every_change(service: Service) -> None:
    assert service.ask("PUT", "/pause").json() == {"paused": True, "changed": True}
    assert service.ask("PUT", "/pause").json() == {"paused": True, "changed": False}
    refused(service.ask("POST", f"{STAGING}/bump", {"version": "12.4.1"}), 409, "held")
    assert service.get("/repositories")["repositories"][0]["paused"] is True
    assert service.ask("DELETE", "/pause").json()["changed"] is True
    assert service.ask("POST", f"{STAGING}/bump", {"version": "12.4.1"}).is_success


def test_a_broken_repository_can_still_be_stopped(service: Service, lab: Lab) -> None:
    lab.put({"gitops.yaml": "]"})
    assert service.ask("PUT", "/hold", {"reason": "it is broken"}).is_success
    assert service.ask("PUT", "/pause").is_success


# --- deciding ---


def test_nobody_approves_what_he_asked_for(service: Service) -> None:
    service.ask("POST", f"{DEVELOPMENT}/bump", {"version": "12.4.1"}, name="ada")
    service.publish()
    refused(
        service.ask("POST", "/pull-requests/1/approve", name="ada"),
        409,
        "forge_conflict",
    )
    answer = service.ask(
        "POST", "/pull-requests/1/approve", role=Role.APPROVER, name="grace"
    )
    assert answer.status_code == 200, answer.text
    assert [a["by"] for a in answer.json()["pull_request"]["approvals"]] == ["grace"]
    head = answer.json()["pull_request"]["head"]
    votes = service.store.votes.of("fleet", 1)
    assert [(v.kind, v.by, v.head) for v in votes] == [("approval", "grace", head)]


def test_a_go_is_about_the_present_head(service: Service) -> None:
    service.ask("POST", f"{DEVELOPMENT}/bump", {"version": "12.4.1"})
    service.publish()
    answer = service.ask("POST", "/pull-requests/1/go", {"reason": "we are ready"})
    assert (answer.status_code, answer.json()["outcome"]) == (200, "go")
    (vote,) = service.store.votes.of("fleet", 1)
    assert (vote.kind, vote.by) == ("go", "ada")
    assert vote.head == answer.json()["pull_request"]["head"]


def test_a_rule_with_go_and_approvals_is_merged_after_both(
    service: Service, lab: Lab
) -> None:
    rule = f"{RULE}    approvals: {{count: 1, go: 1}}\n"
    ruled(lab, rule)
    lab.put({KUSTOMIZATION: lab.text().replace("12.4.0", "12.4.1")})
    service.ask("POST", f"{STAGING}/promote", {"from": "development"}, name="ada")
    service.publish()
    closed = service.ask("POST", "/pull-requests/1/merge")
    assert refused(closed, 409, "held")["hint"]
    service.ask("POST", "/pull-requests/1/approve", name="grace")
    refused(service.ask("POST", "/pull-requests/1/merge"), 409, "held")
    service.ask("POST", "/pull-requests/1/go", name="linus")
    assert service.ask("POST", "/pull-requests/1/merge").json()["outcome"] == "merged"


def test_only_an_admin_merges_against_closed_gates(service: Service) -> None:
    service.ask("POST", f"{DEVELOPMENT}/bump", {"version": "12.4.1"})
    service.publish()
    service.ask("PUT", "/hold", {"reason": "freeze"})
    override = {"override": "the shop is down"}
    refused(
        service.ask("POST", "/pull-requests/1/merge", override, role=Role.RELEASER),
        403,
        "forbidden",
    )
    refused(service.ask("POST", "/pull-requests/1/merge"), 409, "held")
    merged = service.ask("POST", "/pull-requests/1/merge", override)
    assert merged.status_code == 200, merged.text
    last = service.store.audit.entries()[-1]
    assert json.loads(last.details)["override"] == "the shop is down"


def test_a_closed_pull_request_is_closed_once(service: Service) -> None:
    made = service.ask("POST", f"{DEVELOPMENT}/bump", {"version": "12.4.1"}).json()
    service.publish()
    for _ in range(2):
        answer = service.ask("POST", "/pull-requests/1/close")
        assert answer.json()["pull_request"]["state"] == "closed"
    assert service.get(f"/changes/{made['id']}")["state"] == "closed"
    assert service.audit().count(("ada", "pull request closed")) == 1


def test_a_pull_request_is_shown_with_what_it_changes(service: Service) -> None:
    service.ask("POST", f"{DEVELOPMENT}/bump", {"version": "12.4.1"})
    service.publish()
    shown = service.get("/pull-requests/1")
    assert shown["files"] == [KUSTOMIZATION]
    assert "directus/directus:12.4.1" in shown["rendered_diff"]
    assert service.get("/pull-requests?state=closed")["pull_requests"] == []
    assert len(service.get("/pull-requests?state=open")["pull_requests"]) == 1


# --- reading ---


def test_health_is_the_worst_that_a_source_says(service: Service) -> None:
    target = Target(stack=StackName("example"), environment=EnvironmentName("staging"))
    for source, health in (("argocd", Health.HEALTHY), ("http", Health.UNHEALTHY)):
        service.store.observations.record(
            "fleet", target, source, Sighting(health=health), at=utc_now()
        )
    shown = service.get("/stacks/example")["environments"]
    assert {e["name"]: e["health"] for e in shown} == {
        "development": "unknown",
        "staging": "unhealthy",
        "production": "unknown",
    }
    by_name = {e["name"]: e for e in shown}
    assert len(by_name["staging"]["observations"]) == 2


def test_schedules_tell_their_next_occurrences(service: Service, lab: Lab) -> None:
    rule = (
        f"{RULE}    schedule: '0 9 * * 1-5'\n    timezone: Europe/Berlin\n"
        "    soak: 24h\n"
    )
    ruled(lab, rule)
    (schedule,) = service.get("/schedules")["schedules"]
    assert schedule["name"] == "development->staging"
    assert (schedule["soak_s"], schedule["missed"]) == (86400, 0)
    assert len(schedule["next"]) == 5
    assert schedule["next"] == sorted(schedule["next"])


def test_the_forecast_names_the_gate_and_its_time(service: Service, lab: Lab) -> None:
    ruled(lab, f"{RULE}    schedule: '0 9 * * *'\n    soak: 24h\n")
    lab.put({KUSTOMIZATION: lab.text().replace("12.4.0", "12.4.1")})
    target = Target(
        stack=StackName("example"), environment=EnvironmentName("development")
    )
    now = utc_now()
    came = Arrival(
        target=target,
        revision=Revision(image="directus/directus", tag="12.4.1"),
        commit=CommitId("b" * 40),
        at=now,
    )
    service.store.arrivals.record("fleet", came)
    found = service.get("/forecast?days=3")
    (one,) = found["forecast"]
    assert (one["stack"], one["from"], one["to"]) == (
        "example",
        "development",
        "staging",
    )
    assert (one["decision"], one["version"]) == ("wait", "12.4.1")
    closed = {
        gate["name"]: gate["opens_at"] for gate in one["gates"] if not gate["open"]
    }
    assert set(closed) == {"schedule", "soak"}
    soaked = datetime.fromisoformat(closed["soak"])
    assert soaked == now + timedelta(hours=24)
    assert datetime.fromisoformat(one["earliest"]) >= soaked
    assert [o["version"] for o in one["openings"]] == ["12.4.1"]
    other = {"environment": "production"}
    assert service.get("/forecast", scope=other)["forecast"] == []


def test_lists_come_in_pages_that_lose_nothing(service: Service) -> None:
    ids = []
    for number in range(1, 6):
        body = {"set": {f"KEY_{number}": "x"}}
        answer = service.ask("PATCH", f"{DEVELOPMENT}/config", body)
        ids.append(answer.json()["id"])
    seen: list[str] = []
    path = "/changes?limit=2"
    while path:
        page = service.get(path)
        seen += [change["id"] for change in page["changes"]]
        path = f"/changes?limit=2&cursor={page['next']}" if page["next"] else ""
    assert seen == ids[::-1]
    entries: list[int] = []
    path = "/audit?limit=2"
    while path:
        page = service.get(path)
        entries += [entry["number"] for entry in page["entries"]]
        path = f"/audit?limit=2&cursor={page['next']}" if page["next"] else ""
    assert entries == [entry.number for entry in service.store.audit.entries()]
    assert len(entries) > 5


@pytest.mark.parametrize(
    "query",
    ["limit=0", "limit=201", "limit=x", f"limit={2**63}", "limt=5", "cursor=%00"],
)
def test_a_bad_page_is_422(service: Service, query: str) -> None:
    assert "field" in refused(service.ask("GET", f"/changes?{query}"), 422, "input")


@pytest.mark.parametrize("path", ["/changes", "/stacks", "/audit", "/pull-requests"])
@pytest.mark.parametrize(
    "cursor", ["x", "AAAA", "MTp4", "MjphYmM", "MTo5OTk5OTk5OTk5OTk5"]
)
def test_a_cursor_that_is_none_of_ours_is_refused(
    service: Service, path: str, cursor: str
) -> None:
    answer = service.ask("GET", f"{path}?cursor={cursor}")
    if path == "/stacks" and answer.status_code == 200:
        return  # any position is one among names
    assert refused(answer, 404, "unknown_cursor")["field"] == "query.cursor"


# --- several repositories ---


def test_the_same_routes_are_there_for_each_repository(service: Service) -> None:
    assert service.get("/repositories/fleet/stacks") == service.get("/stacks")


def test_without_a_name_several_repositories_are_a_conflict(
    service: Service, lab: Lab
) -> None:
    import shutil

    shutil.copytree(lab.origin, lab.origin.with_name("other.git"))
    assert refused(service.ask("GET", "/stacks"), 409, "plan")["hint"]
    assert service.get("/repositories/other/stacks")["stacks"]
    names = [r["name"] for r in service.get("/repositories")["repositories"]]
    assert names == ["fleet", "other"]
    assert not any(
        r["is_default"] for r in service.get("/repositories")["repositories"]
    )


def test_a_change_belongs_to_its_repository(service: Service, lab: Lab) -> None:
    import shutil

    made = service.ask("POST", f"{DEVELOPMENT}/bump", {"version": "12.4.1"}).json()
    shutil.copytree(lab.origin, lab.origin.with_name("other.git"))
    refused(
        service.ask("GET", f"/repositories/other/changes/{made['id']}"),
        404,
        "unknown_name",
    )


# --- scopes ---


def test_a_token_of_one_stack_and_environment_does_its_own_work(
    service: Service,
) -> None:
    scope = {"stack": "example", "environment": "development"}
    shown = service.get("/stacks", role=Role.RELEASER, scope=scope)["stacks"]
    assert [e["name"] for e in shown[0]["environments"]] == ["development"]
    mine = service.ask(
        "POST",
        f"{DEVELOPMENT}/bump",
        {"version": "12.4.1"},
        role=Role.RELEASER,
        scope=scope,
    )
    assert mine.status_code == 202
    service.ask("POST", f"{STAGING}/bump", {"version": "12.4.1"})
    service.publish()
    listed = service.get("/pull-requests", role=Role.RELEASER, scope=scope)
    assert [p["number"] for p in listed["pull_requests"]] == [1]
    changes = service.get("/changes", role=Role.RELEASER, scope=scope)["changes"]
    assert [c["environment"] for c in changes] == ["development"]
    other = service.ask("GET", "/pull-requests/2", role=Role.RELEASER, scope=scope)
    absent = service.ask("GET", "/pull-requests/99", role=Role.RELEASER, scope=scope)
    assert other.json() == absent.json()
    assert other.status_code == 403
    merged = service.ask(
        "POST", "/pull-requests/1/merge", role=Role.RELEASER, scope=scope
    )
    assert merged.status_code == 200, merged.text


def test_a_scoped_token_does_not_merge_what_a_person_pushed(
    service: Service, lab: Lab
) -> None:
    from gitops.model import BranchName

    scope = {"stack": "example", "environment": "development"}
    service.ask("POST", f"{DEVELOPMENT}/bump", {"version": "12.4.1"})
    service.publish()
    lab.put(
        {"overlays/production/example/config.env": "LOG_LEVEL=trace\n"},
        branch=BranchName("directus-gitops/development/example"),
    )
    answer = service.ask(
        "POST", "/pull-requests/1/merge", role=Role.RELEASER, scope=scope
    )
    refused(answer, 403, "forbidden")
    assert service.get("/pull-requests/1")["state"] == "open"


def test_bumps_stay_within_a_tokens_reach(service: Service) -> None:
    body = {"version": "12.4.1", "environments": ["staging"], "stacks": ["*"]}
    wide = service.ask(
        "POST", "/bumps", body, role=Role.OPERATOR, scope={"environment": "staging"}
    )
    assert wide.status_code == 202, wide.text
    for scope in ({"environment": "production"}, {"stack": "example"}):
        answer = service.ask("POST", "/bumps", body, role=Role.OPERATOR, scope=scope)
        refused(answer, 403, "forbidden")


# --- tokens ---


def test_a_token_is_shown_once_and_revoked(service: Service) -> None:
    made = service.ask("POST", "/tokens", {"role": "viewer", "name": "ci"})
    assert made.status_code == 201, made.text
    secret, identity = made.json()["token"], made.json()["id"]
    header = {"Authorization": f"Bearer {secret}"}
    assert service.client.get("/stacks", headers=header).status_code == 200
    assert secret not in service.ask("GET", "/tokens").text
    assert service.ask("DELETE", f"/tokens/{identity}").json()["outcome"] == "revoked"
    assert service.client.get("/stacks", headers=header).status_code == 401
    assert service.audit() == [("ada", "token created"), ("ada", "token revoked")]


@pytest.mark.parametrize(
    ("scope", "wanted"),
    [
        ({"stack": "example"}, {}),
        ({"stack": "example"}, {"stack": "other"}),
        ({"environment": "staging"}, {"stack": "example"}),
        ({"stack": "example"}, {"environment": "staging"}),
    ],
)
def test_a_token_makes_none_that_is_wider(
    service: Service, scope: dict[str, str], wanted: dict[str, str]
) -> None:
    body = {"role": "viewer", "name": "wide", **wanted}
    refused(service.ask("POST", "/tokens", body, scope=scope), 403, "forbidden")
    narrow = {"role": "viewer", "name": "narrow", **scope}
    assert service.ask("POST", "/tokens", narrow, scope=scope).status_code == 201


def test_a_token_makes_none_that_lasts_longer(service: Service) -> None:
    soon = utc_now() + timedelta(hours=1)
    text, _ = service.store.tokens.create(
        role=Role.ADMIN, name="brief", expires_at=soon
    )
    header = {"Authorization": f"Bearer {text}"}
    for expires, status in ((None, 403), ("2099-01-01T00:00:00Z", 403)):
        body = {"role": "viewer", "name": "x", "expires": expires}
        answer = service.client.post("/tokens", json=body, headers=header)
        assert answer.status_code == status
    body = {"role": "viewer", "name": "x", "expires": soon.isoformat()}
    assert service.client.post("/tokens", json=body, headers=header).is_success


@pytest.mark.parametrize(
    "body",
    [
        {"role": "root", "name": "x"},
        {"role": "viewer"},
        {"role": "viewer", "name": ""},
        {"role": "viewer", "name": "  "},
        {"role": "viewer", "name": "a\nb"},
        {"role": "viewer", "name": "x", "id": "1"},
        {"role": "viewer", "name": "x", "revoked": False},
        {"role": "viewer", "name": "x", "expires": "2020-01-01T00:00:00Z"},
        {"role": "viewer", "name": "x", "expires": "2099-01-01"},
        {"role": "viewer", "name": "x", "expires": 4102444800},
        {"role": "viewer", "name": "x", "stack": "../x"},
    ],
    ids=range(11),
)
def test_a_bad_token_is_422(service: Service, body: object) -> None:
    before = len(service.ask("GET", "/tokens").json()["tokens"])
    assert "field" in refused(service.ask("POST", "/tokens", body), 422, "input")
    assert len(service.ask("GET", "/tokens").json()["tokens"]) == before
