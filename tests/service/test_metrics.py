"""What Prometheus is told: real git, a real store, the real application."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from fastapi import FastAPI
from hypothesis import given, strategies as st
from prometheus_client.parser import text_string_to_metric_families
from starlette.types import Receive, Scope, Send

from gitops.errors import ForgeUnavailableError, GitError
from gitops.forges import Forge, PullRequestDraft
from gitops.git import BareRepository, attend_git, find_git, unattended, use_git
from gitops.git.command import SEARCH_PATH
from gitops.model import (
    Arrival,
    BranchName,
    CommitId,
    EnvironmentName,
    PullRequest,
    Revision,
    StackName,
    Target,
)
from service.app import create_app
from service.meter import Meter, Passed
from service.meter.forge import MeteredForge
from service.metrics import CountRequests, Standing
from service.settings import Settings
from service.store import Role, Store, Watch
from tests.contract.worlds import EmbeddedWorld
from tests.support.forges.state import MAIN, NOON
from tests.support.http import ask

DEV, PROD = EnvironmentName("development"), EnvironmentName("production")
DOCS = Path(__file__).resolve().parent.parent.parent / "docs"
Samples = dict[tuple[str, frozenset[tuple[str, str]]], float]


def read(text: str) -> Samples:
    """Read the text format with Prometheus's own parser."""
    return {
        (sample.name, frozenset(sample.labels.items())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def value(text: str, name: str, **labels: str) -> float | None:
    found = read(text)
    return found.get((f"directus_gitops_{name}", frozenset(labels.items())))


def counted(meter: Meter, name: str, **labels: str) -> float | None:
    return meter.registry.get_sample_value(f"directus_gitops_{name}", labels)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    opened = Store("", tmp_path / "data", lambda: NOON)
    yield opened
    opened.close()


@pytest.fixture
def app(tmp_path: Path, store: Store) -> FastAPI:
    (tmp_path / "data" / "forge" / "fleet.git").mkdir(parents=True)
    return create_app(Settings(data=tmp_path / "data", metrics_public=True), store)


# --- who may ask ---


def test_metrics_need_a_token_that_may_see_everything(
    tmp_path: Path, store: Store
) -> None:
    closed = create_app(Settings(data=tmp_path / "data"), store)
    whole, _ = store.tokens.create(role=Role.VIEWER, name="prometheus")
    narrow, _ = store.tokens.create(role=Role.ADMIN, name="acme", stack="acme")
    statuses = [
        ask(closed, "/metrics", headers={"Authorization": f"Bearer {text}"}).status_code
        for text in ("", "wrong", narrow, whole)
    ]
    assert statuses == [401, 401, 403, 200]


def test_an_operator_may_open_them_to_everybody(app: FastAPI) -> None:
    answer = ask(app, "/metrics")
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/plain")


# --- requests ---


def test_requests_are_counted_by_the_template_of_their_route(app: FastAPI) -> None:
    for path in ("/healthz", "/healthz", "/repositories/a", "/repositories/b"):
        ask(app, path)
    text = ask(app, "/metrics").text
    name = "http_requests_total"
    assert value(text, name, method="GET", route="/healthz", status="200") == 2
    template = "/repositories/{name}"
    assert value(text, name, method="GET", route=template, status="401") == 2


@pytest.mark.parametrize(
    ("path", "template"),
    [
        ("/api/v1/holds", "/api/v1/holds"),
        (
            "/api/v1/repositories/fleet/holds",
            "/api/v1/repositories/{repository}/holds",
        ),
        ("/api/v1/repositories", "/api/v1/repositories"),
        ("/api/v1/stacks/acme", "/api/v1/stacks/{stack}"),
    ],
)
def test_a_route_of_the_api_is_told_by_its_whole_template(
    app: FastAPI, path: str, template: str
) -> None:
    status = str(ask(app, path).status_code)
    text = ask(app, "/metrics").text
    labels = {"method": "GET", "route": template, "status": status}
    assert value(text, "http_requests_total", **labels) == 1


def test_what_a_stranger_asks_for_makes_no_series_of_its_own(app: FastAPI) -> None:
    def series() -> int:
        return len(read(ask(app, "/metrics").text))

    for path in ("/x", "/repositories/x", "/git/x.git/info/refs"):
        for method in ("GET", "BREW"):
            ask(app, path, method=method)
    ask(app, "/metrics")
    before = series()
    for number in range(20):
        for path in (f"/{number}", f"/repositories/{number}", f"/git/{number}.git/x"):
            ask(app, path)
        ask(app, f"/{number}", method=f"BREW{number}")
        ask(app, "/healthz/", headers={"Host": f"{number}.example"})
    assert series() == before


def test_a_request_that_ends_in_a_bug_is_counted_as_one() -> None:
    async def broken(_scope: Scope, _receive: Receive, _send: Send) -> None:
        raise ZeroDivisionError

    meter = Meter()
    inner = FastAPI()
    inner.mount("/", CountRequests(broken, meter))
    assert ask(inner, "/anything").status_code == 500
    name = "http_requests_total"
    assert counted(meter, name, method="GET", route="none", status="500") == 1


# --- git ---


@pytest.fixture
def meter() -> Iterator[Meter]:
    made = Meter()
    attend_git(made.git_command)
    yield made
    attend_git(unattended)


def test_git_commands_are_counted_by_subcommand_and_end(
    meter: Meter, tmp_path: Path
) -> None:
    repository = BareRepository.create(tmp_path / "fleet.git", MAIN)
    assert repository.tip(MAIN) is None
    zero, other = (
        sum(
            sample.value
            for family in meter.registry.collect()
            for sample in family.samples
            if sample.name == "directus_gitops_git_commands_total"
            and sample.labels["outcome"] == outcome
        )
        for outcome in ("zero", "other")
    )
    assert counted(meter, "git_commands_total", command="init", outcome="zero") == 1
    assert zero + other >= 2
    took = counted(meter, "git_command_seconds_count", command="init")
    assert took == 1


def test_a_git_that_gives_no_answer_is_counted_as_lost(
    meter: Meter, tmp_path: Path
) -> None:
    folder = tmp_path / "bin"
    folder.mkdir()
    fake = folder / "git"
    fake.write_text('#!/bin/sh\n[ "$1" = version ] && echo git version 2.39.5\n')
    fake.chmod(0o755)
    use_git(str(folder))
    fake.unlink()
    try:
        with pytest.raises(GitError):
            BareRepository.create(tmp_path / "fleet.git", MAIN)
    finally:
        use_git(SEARCH_PATH)
        find_git.cache_clear()
    assert counted(meter, "git_commands_total", command="init", outcome="lost") == 1


# --- the forge ---


def test_forge_calls_are_counted_by_operation_and_end(tmp_path: Path) -> None:
    world, meter = EmbeddedWorld(tmp_path), Meter()
    forge = MeteredForge(world.forge, meter)
    branch = BranchName("directus-gitops/staging/acme")
    head = world.push(branch, "two")
    draft = PullRequestDraft(
        branch=branch, base=MAIN, head=head, title="t", body="b", author="sam"
    )
    assert forge.open(draft, now=NOON).number == 1
    assert len(forge.list_open()) == 1
    with pytest.raises(Exception, match="9"):
        forge.read(9)
    assert counted(meter, "forge_calls_total", operation="open", outcome="ok") == 1
    assert counted(meter, "forge_calls_total", operation="list-open", outcome="ok") == 1
    assert counted(meter, "forge_calls_total", operation="read", outcome="refused") == 1
    assert counted(meter, "forge_call_seconds_count", operation="read") == 1


class Away(EmbeddedWorld):
    """A forge that does not answer."""

    def read(self, number: int) -> PullRequest:
        raise ForgeUnavailableError("gone")


def test_a_forge_that_is_away_is_no_refusal(tmp_path: Path) -> None:
    meter = Meter()
    with pytest.raises(ForgeUnavailableError), meter.forge_call("read"):
        Away(tmp_path).read(1)
    labels = {"operation": "read", "outcome": "unavailable"}
    assert counted(meter, "forge_calls_total", **labels) == 1


def test_every_operation_of_the_protocol_is_counted() -> None:
    wanted = {name for name in vars(Forge) if not name.startswith("_")}
    assert wanted <= {name for name in vars(MeteredForge) if not name.startswith("_")}


# --- what a pass tells ---


def test_passes_are_counted_by_how_they_ended() -> None:
    meter = Meter()
    meter.pass_ended("fleet", Passed.WORKED, seconds=0.2)
    meter.pass_ended("fleet", Passed.WORKED, seconds=3)
    meter.pass_ended("fleet", Passed.DEGRADED, seconds=1)
    labels = {"repository": "fleet", "outcome": "worked"}
    assert counted(meter, "passes_total", **labels) == 2
    assert counted(meter, "pass_seconds_sum", repository="fleet") == 4.2


def test_notifications_are_counted() -> None:
    meter = Meter()
    meter.notified("chat", worked=False)
    assert counted(meter, "notifications_total", sink="chat", outcome="failed") == 1


def test_a_gate_that_opened_shows_as_nothing_stopped() -> None:
    meter = Meter()
    for closed in (("soak", "soak", "window"), ("window",)):
        meter.looked(
            "fleet", environments=(DEV,), open_pull_requests=2, closed_gates=closed
        )
    assert counted(meter, "gates_closed", repository="fleet", gate="soak") == 0
    assert counted(meter, "gates_closed", repository="fleet", gate="window") == 1
    assert counted(meter, "open_pull_requests", repository="fleet") == 2


def test_a_repository_that_left_is_not_told_any_more() -> None:
    meter = Meter()
    for name in ("fleet", "old"):
        meter.looked(name, environments=(), open_pull_requests=1)
    meter.keep_only(["fleet"])
    assert counted(meter, "open_pull_requests", repository="old") is None
    assert counted(meter, "open_pull_requests", repository="fleet") == 1


@given(st.lists(st.text(max_size=30), max_size=20))
def test_words_that_are_not_ours_share_one_label(words: list[str]) -> None:
    meter = Meter()
    for word in words:
        meter.git_command(word)(0)
        meter.looked(
            "fleet", environments=(), open_pull_requests=0, closed_gates=[word]
        )
    labels = {
        text
        for family in meter.registry.collect()
        for sample in family.samples
        for text in sample.labels.values()
    }
    ours = re.compile(r"[a-z][a-z-]*|[0-9.]+|\+Inf", re.ASCII)
    assert all(ours.fullmatch(text) for text in labels)


# --- what the store says ---


def came(environment: EnvironmentName, tag: str, at: datetime) -> Arrival:
    return Arrival(
        target=Target(environment=environment, stack=StackName("acme")),
        revision=Revision(image="directus/directus", tag=tag),
        commit=CommitId(f"{environment}{tag}".encode().hex()[:40].ljust(40, "0")),
        at=at,
    )


def test_the_store_tells_how_the_repositories_stand(store: Store) -> None:
    hour = timedelta(hours=1)
    store.passes.ended("fleet", at=NOON - 3 * hour)
    store.passes.ended("fleet", at=NOON - hour, problem="the forge is away")
    store.passes.ended("fleet", at=NOON, problem="the forge is away")
    store.holds.pause("fleet", by="sam")
    for name, missed in (("a->b", 2), ("b->c", 3)):
        watch = Watch(schedule=name, expression="x", seen_until=NOON, missed=missed)
        store.schedules.follow("fleet", watch, due=None, missed=None, now=NOON)
    text = Standing(store, Meter(), lambda: NOON).text(["fleet", "new"]).decode()
    assert value(text, "last_good_pass_age_seconds", repository="fleet") == 3 * 3600
    assert value(text, "last_good_pass_age_seconds", repository="new") is None
    assert value(text, "pass_failures", repository="fleet") == 2
    assert value(text, "paused", repository="fleet") == 1
    assert value(text, "paused", repository="new") == 0
    assert value(text, "missed_occurrences_total", repository="fleet") == 5


def test_what_happened_is_counted_from_the_trail(store: Store) -> None:
    standing = Standing(store, Meter(), lambda: NOON)
    happened = ("pull request opened", "pull request merged", "pull request opened")
    for event in happened:
        for repository in ("fleet", "gone"):
            store.audit.append(
                by="sam", action=event, repository=repository, details={}
            )
        standing.text(["fleet"])  # what was counted is not counted again
    text = standing.text(["fleet"]).decode()
    opened = {"repository": "fleet", "event": "pull request opened"}
    merged = {"repository": "fleet", "event": "pull request merged"}
    assert value(text, "effects_total", **opened) == 2
    assert value(text, "effects_total", **merged) == 1
    assert 'repository="gone"' not in text


def test_delivery_is_told_of_the_last_thirty_days(store: Store) -> None:
    day = timedelta(days=1)
    for arrival in (
        came(DEV, "12.1.0", NOON - 60 * day),
        came(PROD, "12.1.0", NOON - 40 * day),  # before the window
        came(DEV, "12.2.0", NOON - 10 * day),
        came(PROD, "12.2.0", NOON - 8 * day),
        came(PROD, "12.1.9", NOON - 7 * day),  # back
    ):
        store.arrivals.record("fleet", arrival)
    meter = Meter()
    standing = Standing(store, meter, lambda: NOON)
    assert value(standing.text(["fleet"]).decode(), "lead_time_seconds") is None
    meter.looked("fleet", environments=(DEV, PROD), open_pull_requests=0)
    text = standing.text(["fleet"]).decode()
    here = {"repository": "fleet", "environment": "production"}
    assert value(text, "lead_time_seconds", repository="fleet") == 2 * 86_400
    assert value(text, "deployments_per_day", **here) == pytest.approx(2 / 30)
    assert value(text, "failed_changes_ratio", **here) == 0.5
    assert value(text, "targets_unhealthy", **here) == 0
    assert value(text, "restore_seconds", **here) is None


def test_without_the_store_the_counts_are_told_all_the_same(
    app: FastAPI, store: Store, tmp_path: Path
) -> None:
    ask(app, "/healthz")
    store.close()
    for file in (tmp_path / "data").glob("service.db*"):
        file.unlink()
    answer = ask(app, "/metrics")
    assert answer.status_code == 200
    labels = {"method": "GET", "route": "/healthz", "status": "200"}
    assert value(answer.text, "http_requests_total", **labels) == 1


# --- the page ---


def test_the_page_lists_every_metric_and_no_other(app: FastAPI) -> None:
    text = ask(app, "/metrics").text
    told = {
        (family.name + ("_total" if family.type == "counter" else ""), family.type)
        for family in text_string_to_metric_families(text)
    }
    page = (DOCS / "metrics.md").read_text()
    assert set(re.findall(r"^\| `(\w+)` \| (\w+) \|", page, re.MULTILINE)) == told


def test_a_meter_that_nobody_reads_counts_for_itself_alone() -> None:
    one, other = Meter.silent(), Meter.silent()
    one.notified("chat", worked=True)
    assert counted(other, "notifications_total", sink="chat", outcome="ok") is None


def test_a_repository_that_is_gone_is_told_no_more(app: FastAPI) -> None:
    meter: Meter = app.state.meter
    for name in ("fleet", "gone"):
        meter.looked(name, environments=(), open_pull_requests=1)
    text = ask(app, "/metrics").text
    assert value(text, "open_pull_requests", repository="fleet") == 1
    assert "gone" not in text
