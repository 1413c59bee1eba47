"""The service as a process: real sockets, real git, signals."""

from __future__ import annotations

import re
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path

import httpx
import pytest
import uvicorn
from fastapi import FastAPI

from service.app import create_app
from service.clock import utc_now
from service.settings import Settings
from service.store import Role, Store
from tests.support.commands import PROGRAM, git
from tests.support.lab import KUSTOMIZATION, Lab, copy_of, make_template

pytestmark = pytest.mark.kustomize

OPEN = {"/", "/healthz", "/readyz", "/openapi.json"}
HOSTILE = "<img src=x onerror=alert(1)>\"'{{7*7}}</pre><script>alert(2)</script>"


@pytest.fixture(scope="module")
def fleet_template(tmp_path_factory: pytest.TempPathFactory, kustomize: Path) -> Path:
    return make_template(tmp_path_factory.mktemp("template"), kustomize)


@pytest.fixture
def lab(fleet_template: Path, tmp_path: Path, kustomize: Path) -> Lab:
    return copy_of(fleet_template, tmp_path / "lab", kustomize)


class Service:
    """A service on a port of loopback, and its store."""

    def __init__(self, address: str, app: FastAPI, store: Store) -> None:
        self.address = address
        self.app = app
        self.store = store

    def token(self, role: Role = Role.VIEWER, **options: str | datetime) -> str:
        text, _ = self.store.tokens.create(role=role, name="test", **options)  # type: ignore[arg-type]
        return text

    def get(self, path: str, token: str = "", **options: object) -> httpx.Response:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        return httpx.get(f"{self.address}{path}", headers=headers, trust_env=False)


@contextmanager
def serving(app: FastAPI) -> Iterator[str]:
    """Serve an application as `serve` does, on a free port."""
    config = uvicorn.Config(
        app, host="127.0.0.1", port=0, log_config=None, server_header=False
    )
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        while not server.started:
            assert thread.is_alive(), "the server did not start"
            thread.join(0.01)
        port = server.servers[0].sockets[0].getsockname()[1]
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        thread.join()


@pytest.fixture
def service(lab: Lab, kustomize: Path) -> Iterator[Service]:
    store = Store("", lab.data, utc_now)
    app = create_app(Settings(data=lab.data, kustomize=kustomize), store)
    try:
        with serving(app) as address:
            yield Service(address, app, store)
    finally:
        store.close()


# --- who gets in ---


def test_the_open_routes_tell_nothing_of_what_is_inside(service: Service) -> None:
    for path in OPEN - {"/openapi.json"}:
        answer = service.get(path)
        assert answer.status_code == 200, path
        assert "fleet" not in answer.text, path
        assert str(service.app.state.settings.data) not in answer.text, path


def test_a_token_opens_the_pages_as_bearer_and_as_password(service: Service) -> None:
    token = service.token()
    assert service.get("/repositories/fleet", token).status_code == 200
    answer = httpx.get(
        f"{service.address}/repositories", auth=("me", token), trust_env=False
    )
    assert answer.status_code == 200


# --- health ---


def test_readiness_names_what_is_missing(lab: Lab, tmp_path: Path) -> None:
    store = Store("", lab.data, utc_now)
    settings = Settings(data=lab.data, kustomize=tmp_path / "missing")
    try:
        with serving(create_app(settings, store)) as address:
            healthy = httpx.get(f"{address}/healthz", trust_env=False)
            ready = httpx.get(f"{address}/readyz", trust_env=False)
    finally:
        store.close()
    assert (healthy.status_code, healthy.json()["status"]) == (200, "ok")
    assert (ready.status_code, ready.json()["status"]) == (503, "degraded")
    assert ready.json()["problems"] == ["kustomize"]
    assert str(tmp_path) not in ready.text


# --- what comes out ---


@pytest.mark.parametrize(
    ("path", "status", "code"),
    [
        ("/nowhere", 404, "not_found"),
        ("/repositories/nope", 404, "not_found"),
        ("/repositories/..%2f..%2fetc", 404, "not_found"),
        ("/repositories/fleet/pull-requests/7", 404, "not_found"),
        ("/repositories/fleet/pull-requests/first", 422, "input"),
    ],
)
def test_an_error_is_a_problem_document(
    service: Service, path: str, status: int, code: str
) -> None:
    answer = service.get(path, service.token())
    assert answer.status_code == status
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.json()["status"] == status
    assert answer.json()["code"] == code


def test_another_method_is_405_and_not_more(service: Service) -> None:
    token = service.token(Role.ADMIN)
    headers = {"Authorization": f"Bearer {token}"}
    for path in ("/repositories", "/repositories/fleet", "/healthz", "/"):
        for method in ("POST", "PUT", "DELETE", "PATCH"):
            answer = httpx.request(
                method, service.address + path, headers=headers, trust_env=False
            )
            assert answer.status_code == 405, (method, path)
            assert answer.headers["Content-Type"] == "application/problem+json"


def test_a_broken_fleet_is_a_problem_document_and_no_bug(
    lab: Lab, service: Service
) -> None:
    lab.put({KUSTOMIZATION: "images: [\n"})
    answer = service.get("/repositories/fleet", service.token())
    assert (answer.status_code, answer.json()["code"]) == (422, "yaml")
    assert answer.json()["hint"]
    lab.put({"gitops.yaml": None})
    answer = service.get("/repositories/fleet", service.token())
    assert (answer.status_code, answer.json()["code"]) == (422, "tree")
    (lab.origin / "HEAD").unlink()
    answer = service.get("/repositories/fleet", service.token())
    assert (answer.status_code, answer.json()["code"]) == (503, "git")
    assert str(lab.root) not in answer.text


def test_a_damaged_database_is_503(lab: Lab, service: Service) -> None:
    token = service.token()
    git(lab.root, "--version")
    service.store.close()
    for file in lab.data.glob("service.db*"):
        file.write_bytes(b"garbage" * 1000)
    answer = service.get("/repositories", token)
    assert (answer.status_code, answer.json()["code"]) == (503, "store")


# --- clones ---


def clone(address: str, token: str, into: Path) -> subprocess.CompletedProcess[str]:
    """Clone with the real git, as an agent does."""
    host = address.removeprefix("http://")
    return subprocess.run(
        ["git", "clone", "--quiet", f"http://agent:{token}@{host}/git/fleet.git", into],
        env={
            "PATH": "/usr/bin:/bin",
            "HOME": "/nonexistent",
            "GIT_TERMINAL_PROMPT": "0",
        },
        check=False,
        capture_output=True,
        text=True,
    )


def test_git_clones_and_fetches_with_a_token(
    lab: Lab, service: Service, tmp_path: Path
) -> None:
    done = clone(service.address, service.token(), tmp_path / "clone")
    assert done.returncode == 0, done.stderr
    assert git(tmp_path / "clone", "rev-parse", "HEAD") == git(
        lab.origin, "rev-parse", "main"
    )
    lab.put({"new.txt": "new\n"})
    git(tmp_path / "clone", "pull", "--quiet")
    assert (tmp_path / "clone" / "new.txt").read_text() == "new\n"


def test_git_cannot_push_not_even_with_an_admin_token(
    lab: Lab, service: Service, tmp_path: Path
) -> None:
    token = service.token(Role.ADMIN)
    assert clone(service.address, token, tmp_path / "clone").returncode == 0
    git(tmp_path / "clone", "commit", "--allow-empty", "--message", "mine")
    before = git(lab.origin, "for-each-ref")
    pushed = subprocess.run(
        ["git", "push", "--quiet"],
        cwd=tmp_path / "clone",
        check=False,
        capture_output=True,
        text=True,
    )
    assert pushed.returncode != 0
    assert "403" in pushed.stderr
    assert git(lab.origin, "for-each-ref") == before


def test_git_without_a_token_gets_nothing(service: Service, tmp_path: Path) -> None:
    done = clone(service.address, "dgo_wrong", tmp_path / "clone")
    assert done.returncode != 0
    assert "Authentication failed" in done.stderr


# --- the command ---


def test_serve_says_where_and_a_second_one_refuses(lab: Lab) -> None:
    running = subprocess.Popen(
        [str(PROGRAM), "serve", "--port", "0", "--json"],
        cwd=lab.root,
        env=lab.user.environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert running.stderr is not None
        first = running.stderr.readline()
        found = re.search(r"http://127\.0\.0\.1:(\d+)", first)
        assert found is not None, first
        assert int(found[1]) > 0
        answer = httpx.get(f"{found[0]}/healthz", trust_env=False)
        assert answer.status_code == 200
        second = lab.user.run("serve", "--port", "0", "--json")
        assert (second.code, second.json["error"]["code"]) == (1, "store")
    finally:
        running.terminate()
        out, err = running.communicate(timeout=60)
    assert running.returncode == 0
    assert found[0] in out
    assert "Traceback" not in err


def test_serve_on_a_port_that_is_taken_is_a_known_error(lab: Lab) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        answer = lab.user.run("serve", "--port", port, "--json")
    assert answer.code == 1
    assert port in answer.json["error"]["message"]
    assert answer.json["error"]["hint"]
