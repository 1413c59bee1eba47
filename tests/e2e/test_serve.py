"""serve as a process: it works by itself, ends when told, and goes on when killed."""

from __future__ import annotations

import json
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest

from tests.support.commands import PROGRAM
from tests.support.lab import Lab

pytestmark = pytest.mark.kustomize

PATIENCE_S = 60
BUMP = "/api/v1/stacks/example/environments/development/bump"


class Server:
    """A running `serve`, and a client with an operator's token."""

    def __init__(self, lab: Lab, process: subprocess.Popen[str]) -> None:
        self.process = process
        assert process.stdout is not None
        said = "".join(iter(process.stdout.readline, "}\n")) + "}"
        assert "url" in said, said
        token = lab.asks("token", "create", "--role", "operator").json["token"]
        self.client = httpx.Client(
            base_url=json.loads(said)["url"],
            headers={"Authorization": f"Bearer {token}"},
            trust_env=False,
            timeout=60,
        )

    def bump(self, version: str) -> str:
        """Ask for a bump; return the change's id."""
        answer = self.client.post(BUMP, json={"version": version})
        assert answer.status_code == 202, answer.text
        return str(answer.json()["id"])

    def change(self, identity: str) -> Any:
        """Return a change as soon as it is no longer planned."""
        shown: Any = None
        for _ in range(PATIENCE_S * 10):
            shown = self.client.get(f"/api/v1/changes/{identity}").json()
            assert "state" in shown, shown
            if shown["state"] in ("pr_open", "failed"):
                break
            time.sleep(0.1)
        return shown


@contextmanager
def serving(lab: Lab) -> Iterator[Server]:
    with (
        (lab.root / "serve.log").open("a") as log,
        subprocess.Popen(
            [str(PROGRAM), "serve", "--port", "0", "--json"],
            cwd=lab.tree,
            env=lab.user.environment(),
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
        ) as process,
    ):
        server = None
        try:
            server = Server(lab, process)
            yield server
        finally:
            if server is not None:
                server.client.close()
            if process.poll() is None:
                process.terminate()
            process.communicate(timeout=PATIENCE_S)


def test_a_bump_by_the_api_becomes_a_pull_request_by_itself(lab: Lab) -> None:
    with serving(lab) as server:
        change = server.change(server.bump("12.4.1"))
        assert (change["state"], change["pull_request"]) == ("pr_open", 1)
        assert lab.pull_requests() == [(1, "open")]


def test_it_ends_in_good_order_when_told_to(lab: Lab) -> None:
    with serving(lab) as server:
        server.bump("12.4.1")
        server.process.send_signal(signal.SIGTERM)
        server.process.communicate(timeout=30)
        assert server.process.returncode == 0
    assert lab.run("status").code == 0


def test_a_second_service_on_the_same_data_folder_refuses_to_start(lab: Lab) -> None:
    with serving(lab):
        answer = lab.run("serve", "--port", "0")
        assert (answer.code, answer.json["error"]["code"]) == (1, "store")


def test_what_was_asked_before_a_kill_is_done_after_the_restart_once(lab: Lab) -> None:
    with serving(lab) as server:
        identity = server.bump("12.4.1")
        server.process.kill()
        server.process.wait(PATIENCE_S)
    with serving(lab) as server:
        assert server.change(identity)["state"] == "pr_open"
        assert lab.pull_requests() == [(1, "open")]
