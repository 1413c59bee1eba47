"""The whole story through the HTTP server: from a bump to a rollback that stays.

Real Git, real kustomize, SQLite and PostgreSQL; the alarm clock and the pass are the
service's own. Only the wall clock and the weather are the test's.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pytest

from gitops.model import Health
from service.app import create_app
from service.scheduler import Clockwork
from service.store import Role, broken_at
from tests.support.passes import DEVELOPMENT, PRODUCTION, STAGING, Served, served
from tests.support.server import serving

pytestmark = pytest.mark.kustomize

PATIENCE_S = 60
RULES = """\
  - from: development
    to: staging
    schedule: "0 9 * * 1-5"
    timezone: Europe/Berlin
    soak: 24h
    health: probe
  - from: staging
    to: production
    schedule: "*/30 * * * *"
    timezone: Europe/Berlin
    health: probe
    windows: [{allow: "0 13 * * 1-4", for: 4h}]
    approvals: {count: 2}
    rollback: {within: 2h}
"""


class Story:
    """A running service, people with tokens, and the clock in the test's hand."""

    def __init__(self, here: Served, address: str, clockwork: Clockwork) -> None:
        self.here = here
        self._clockwork = clockwork
        self._client = httpx.Client(
            base_url=f"{address}/api/v1", trust_env=False, timeout=60
        )
        self._tokens = {
            name: here.store.tokens.create(role=role, name=name)[0]
            for name, role in {
                "pipeline": Role.OPERATOR,
                "bo": Role.APPROVER,
                "cy": Role.APPROVER,
                "rel": Role.RELEASER,
            }.items()
        }

    def close(self) -> None:
        self._client.close()

    def ask(
        self, method: str, path: str, body: Mapping[str, Any] | None = None, *, by: str
    ) -> httpx.Response:
        answer = self._client.request(
            method,
            path,
            json=body,
            headers={"Authorization": f"Bearer {self._tokens[by]}"},
        )
        assert self._clockwork.wait_idle(PATIENCE_S)
        return answer

    def get(self, path: str) -> Any:
        answer = self.ask("GET", path, by="bo")
        assert answer.status_code == 200, answer.text
        return answer.json()

    def at(self, day: int, hour: int, minute: int = 0) -> None:
        """Let it be that time of March 2026 (UTC), and a pass come."""
        now = datetime(2026, 3, day, hour, minute, tzinfo=UTC)
        assert now >= self.here.clock.now
        self.here.clock.now = now
        self._clockwork.wake("fleet")
        assert self._clockwork.wait_idle(PATIENCE_S)
        last = self.here.store.passes.last("fleet")
        assert last is not None
        assert last.problem == ""

    def merge(self, number: int) -> httpx.Response:
        return self.ask("POST", f"/pull-requests/{number}/merge", {}, by="rel")

    def expected(self, to: str) -> Any:
        """Return what the forecast says of the way into an environment."""
        found = self.get("/forecast?days=7")["forecast"]
        (one,) = [one for one in found if one["to"] == to]
        return one

    def closed(self, to: str) -> list[str]:
        """Return the gates that are closed on the way into an environment."""
        return [g["name"] for g in self.expected(to)["gates"] if not g["open"]]


@contextmanager
def telling(folder: Path, kustomize: Path, address: str) -> Iterator[Story]:
    with served(folder, kustomize, RULES, database=address) as here:
        # Between the test's own steps the alarm stays silent.
        clockwork = Clockwork(here.reconciler, interval_s=3600)
        app = create_app(
            here.settings, here.store, clock=here.clock, clockwork=clockwork
        )
        clockwork.start()
        try:
            with serving(app) as url:
                story = Story(here, url, clockwork)
                assert clockwork.wait_idle(PATIENCE_S)
                yield story
                story.close()
        finally:
            assert clockwork.stop(PATIENCE_S)


def test_from_a_bump_to_a_rollback_that_stays(
    tmp_path: Path, kustomize: Path, address: str
) -> None:
    with telling(tmp_path, kustomize, address) as story:
        here = story.here
        for where in (DEVELOPMENT, STAGING, PRODUCTION):
            here.weather.is_(where, Health.HEALTHY, "12.4.0")

        # A program bumps development; a reviewer merges. It is Sunday, 1 March.
        answer = story.ask(
            "POST",
            "/stacks/shop/environments/development/bump",
            {"version": "12.4.1"},
            by="pipeline",
        )
        assert answer.status_code == 202, answer.text
        change = story.get(f"/changes/{answer.json()['id']}")
        assert (change["state"], change["pull_request"]) == ("pr_open", 1)
        assert story.merge(1).status_code == 200
        here.weather.is_(DEVELOPMENT, Health.HEALTHY, "12.4.1")
        story.at(1, 13)

        # Monday 09:00 in Berlin: the run comes, but the soak is not over.
        story.at(2, 8)
        assert len(here.pull_requests()) == 1
        assert story.closed("staging") == ["schedule", "soak"]
        assert story.expected("staging")["earliest"] == "2026-03-03T08:00:00Z"

        # Tuesday: it is.
        story.at(3, 8)
        assert here.shown()[1][:2] == ("staging/shop", "open")
        assert story.merge(2).status_code == 200
        here.weather.is_(STAGING, Health.HEALTHY, "12.4.1")
        story.at(3, 8, 30)
        assert here.version(STAGING) == "12.4.1"
        assert len(here.pull_requests()) == 2
        assert "window" in story.closed("production")
        assert story.expected("production")["earliest"] == "2026-03-03T12:00:00Z"

        # The window opens at 13:00; two people must approve.
        story.at(3, 12)
        assert here.shown()[2][:2] == ("production/shop", "open")
        refused = story.merge(3)
        assert (refused.status_code, refused.json()["code"]) == (409, "held")
        for person in ("bo", "cy"):
            assert story.ask(
                "POST", "/pull-requests/3/approve", {}, by=person
            ).is_success
        assert story.merge(3).status_code == 200
        story.at(3, 12, 1)
        assert here.version(PRODUCTION) == "12.4.1"

        # Production fails: a rollback is proposed, merged, and pinned.
        here.weather.is_(PRODUCTION, Health.UNHEALTHY, "12.4.1")
        story.at(3, 12, 20)
        branch, state, title = here.shown()[3]
        assert (branch, state) == ("production/shop", "open")
        assert "12.4.0" in title
        assert story.merge(4).status_code == 200
        here.weather.is_(PRODUCTION, Health.HEALTHY, "12.4.0")
        story.at(3, 12, 21)
        assert here.version(PRODUCTION) == "12.4.0"

        # The same promotion stays where it is, in this window and the next.
        for day, hour, minute in ((3, 12, 30), (3, 13, 0), (4, 12, 0)):
            story.at(day, hour, minute)
        assert len(here.pull_requests()) == 4
        assert story.closed("production")[:1] == ["pin"]
        assert story.expected("production")["earliest"] is None

        # Until a person releases it.
        released = story.ask(
            "DELETE", "/stacks/shop/environments/production/hold", by="rel"
        )
        assert released.is_success, released.text
        story.at(4, 12, 30)
        assert here.shown()[4][:2] == ("production/shop", "open")
        assert broken_at(here.store.audit.entries()) is None
