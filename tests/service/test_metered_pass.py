"""A pass and a request, as Prometheus is told of them: the whole, put together."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path

import pytest

from service.app import create_app
from service.clock import utc_now
from service.meter import Meter
from service.reconcile import Reconciler
from service.settings import Settings
from service.store import Role, Store
from tests.service.test_metrics import value
from tests.support.http import ask
from tests.support.lab import copy_of, make_template


@pytest.mark.kustomize
def test_a_pass_and_a_request_for_a_change_are_counted(
    tmp_path: Path, kustomize: Path
) -> None:
    folder = tmp_path / "template"
    folder.mkdir()
    lab = copy_of(make_template(folder, kustomize), tmp_path / "lab", kustomize)
    settings = Settings(data=lab.data, kustomize=kustomize, metrics_public=True)
    meter = Meter()
    with closing(Store("", lab.data, utc_now)) as store:
        app = create_app(settings, store, meter=meter)
        text, _ = store.tokens.create(role=Role.ADMIN, name="me")
        asked = ask(
            app,
            "/api/v1/stacks/example/environments/development/bump",
            method="POST",
            headers={
                "Authorization": f"Bearer {text}",
                "Content-Type": "application/json",
            },
            content=b'{"version": "12.4.1"}',
        )
        assert asked.status_code == 202
        Reconciler(settings, store, utc_now, meter=meter).pass_over("fleet")
        shown = ask(app, "/metrics").text
    here = {"repository": "fleet"}
    assert value(shown, "passes_total", outcome="worked", **here) == 1
    assert value(shown, "open_pull_requests", **here) == 1
    assert value(shown, "forge_calls_total", operation="open", outcome="ok") == 1
    assert value(shown, "effects_total", event="pull request opened", **here) == 1
    assert value(shown, "last_good_pass_age_seconds", **here) is not None
    assert value(shown, "deployments_per_day", environment="staging", **here)
