"""Over HTTP: denied by default, nothing of a request comes back alive."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import accumulate
from pathlib import Path

import pytest
from fastapi import FastAPI

from gitops.forges import PullRequestDraft
from gitops.forges.embedded import EmbeddedForge
from gitops.git import BareRepository, find_git, use_git
from gitops.git.command import SEARCH_PATH
from gitops.model import BranchName
from service.app import create_app
from service.clock import utc_now
from service.fetch import AT_ONCE
from service.settings import load
from service.store import Role, Store
from tests.support.http import ask, ask_at_once
from tests.support.lab import Lab, copy_of, make_template

POLICY = {
    "default-src 'self'",
    "frame-ancestors 'none'",
    "object-src 'none'",
    "base-uri 'none'",
    "form-action 'self'",
}
HOSTILE = "<script>alert(1)</script><img src=x onerror=alert(2)>\"'{{613*617}}"


@dataclass(frozen=True, slots=True, kw_only=True)
class House:
    """A service over a store of its own."""

    app: FastAPI
    store: Store

    def token(
        self, role: Role = Role.VIEWER, *, days: int | None = None, **scope: str
    ) -> dict[str, str]:
        """Make a token; return the header that carries it."""
        expires = None if days is None else utc_now() + timedelta(days=days)
        text, _ = self.store.tokens.create(
            role=role, name="x", expires_at=expires, **scope
        )
        return bearer(text)


def bearer(text: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {text}"}


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    settings = load(data=tmp_path / "data")
    with closing(Store("", tmp_path / "data", utc_now)) as store:
        yield House(app=create_app(settings, store), store=store)


@pytest.fixture(scope="module")
def fleet_template(tmp_path_factory: pytest.TempPathFactory, kustomize: Path) -> Path:
    return make_template(tmp_path_factory.mktemp("template"), kustomize)


@pytest.fixture
def lab(fleet_template: Path, tmp_path: Path, kustomize: Path) -> Lab:
    return copy_of(fleet_template, tmp_path / "lab", kustomize)


@pytest.fixture
def served(lab: Lab, kustomize: Path) -> Iterator[House]:
    """A service over a real fleet."""
    settings = load(data=lab.data, kustomize=kustomize)
    with closing(Store("", lab.data, utc_now)) as store:
        yield House(app=create_app(settings, store), store=store)


# --- who may ask (R15) ---


@pytest.mark.parametrize(
    "value",
    [
        "",
        "Bearer",
        "Bearer ",
        "Basic",
        "Basic !!!",
        "Basic //////8=",
        "Basic Og==",
        "Basic eA==",
        "Digest x",
        "Bearer \u00ff\u00fe",
        f"Bearer {'x' * 50_000}",
        "Bearer ' OR 1=1 --",
    ],
    ids=range(12),
)
def test_a_strange_authorization_header_is_no_token(house: House, value: str) -> None:
    header = {b"Authorization": value.encode("latin-1")}
    answer = ask(house.app, "/repositories", headers=header)
    assert answer.status_code == 401
    assert answer.json()["detail"] == "a valid token is needed"
    assert answer.headers["www-authenticate"].startswith("Basic")


def test_a_token_is_recognised_while_another_process_writes(house: House) -> None:
    token = house.token()
    with house.store._engine.begin():  # a write transaction, such as a bump's
        assert ask(house.app, "/repositories", headers=token).status_code == 200
        assert ask(house.app, "/repositories", headers=bearer("x")).status_code == 401


# --- what comes back (R16) ---


def policy_of(headers: object) -> set[str]:
    text = headers["content-security-policy"]  # type: ignore[index]
    return {part.strip() for part in text.split(";")}


def test_every_answer_carries_the_policy(house: House) -> None:
    token = house.token()
    answers = [
        ask(house.app, "/"),
        ask(house.app, "/repositories"),
        ask(house.app, "/repositories", headers=token),
        ask(house.app, "/repositories/x", headers=token),
        ask(house.app, "/repositories/x/pull-requests/y", headers=token),
        ask(house.app, "/", method="DELETE"),
        ask(house.app, "/openapi.json"),
    ]
    assert [a.status_code for a in answers] == [200, 401, 200, 404, 422, 405, 200]
    for answer in answers:
        assert policy_of(answer.headers) == POLICY
        assert answer.headers["x-content-type-options"] == "nosniff"
        assert answer.headers["referrer-policy"] == "no-referrer"
        assert answer.headers["cache-control"] == "no-store"


def test_a_bug_is_told_without_its_text_and_with_the_policy(
    house: House, caplog: pytest.LogCaptureFixture
) -> None:
    house.app.state.store = "canary-4711"  # no store: whatever asks it fails
    with caplog.at_level(logging.ERROR):
        answer = ask(house.app, "/repositories", headers=bearer("x"))
    assert answer.status_code == 500
    assert answer.headers["content-type"] == "application/problem+json"
    assert "canary" not in answer.text
    assert "Traceback" not in answer.text
    assert policy_of(answer.headers) == POLICY


@pytest.mark.parametrize("path", ["/repositories/", "/healthz/", "/repositories/x/"])
def test_nobody_is_sent_to_the_host_that_the_request_names(
    house: House, path: str
) -> None:
    answer = ask(house.app, path, headers={"Host": "evil.example"})
    assert answer.status_code == 404
    assert "location" not in answer.headers


@pytest.mark.parametrize(
    "number",
    ["x", "<script>", "0", "-1", "1e3", "9" * 30, "9" * 5000, "canary-4711"],
    ids=range(8),
)
def test_a_number_that_is_none_is_told_without_repeating_it(
    house: House, number: str
) -> None:
    path = f"/repositories/fleet/pull-requests/{number}"
    answer = ask(house.app, path, headers=house.token())
    assert answer.status_code == 422
    assert answer.headers["content-type"] == "application/problem+json"
    assert answer.json()["code"] == "input"
    assert answer.json()["field"] == "path.number"
    assert len(number) < 3 or number not in answer.text


@pytest.mark.parametrize(
    "name", ["%2e%2e", "..%2f..%2fetc", "fleet%00", "FLEET", ".fleet", "x" * 300]
)
def test_a_name_that_is_no_repository_reaches_no_file(served: House, name: str) -> None:
    token = served.token()
    for path in (
        f"/repositories/{name}",
        f"/git/{name}.git/info/refs?service=git-upload-pack",
    ):
        answer = ask(served.app, path, headers=token)
        assert answer.status_code == 404, path


@pytest.mark.parametrize(
    "rest",
    [
        "HEAD",
        "config",
        "objects/info/packs",
        "info/../config",
        "info/refs",
        "info/refs?service=git-receive-pack",
        "info/refs?service=git-upload-pack&service=git-receive-pack",
        "git-receive-pack",
        "../fleet.db",
        "%2e%2e/fleet.db",
    ],
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_nothing_of_a_repository_is_served_but_a_fetch(
    served: House, rest: str, method: str
) -> None:
    token = served.token(Role.ADMIN)
    answer = ask(served.app, f"/git/fleet.git/{rest}", method=method, headers=token)
    assert answer.status_code in (403, 404)
    assert b"SQLite" not in answer.content
    assert b"[core]" not in answer.content


def test_a_body_that_no_fetch_needs_is_not_read_to_its_end(served: House) -> None:
    header = {
        "Content-Type": "application/x-git-upload-pack-request",
        **served.token(),
    }
    answer = ask(
        served.app,
        "/git/fleet.git/git-upload-pack",
        method="POST",
        headers=header,
        content=b"0" * (3 << 20),
    )
    assert answer.status_code == 413


def test_many_who_clone_at_once_wait_for_each_other(
    served: House, tmp_path: Path
) -> None:
    real, log = find_git().path, tmp_path / "log"
    slow = tmp_path / "bin" / "git"
    slow.parent.mkdir()
    slow.write_text(
        f'#!/bin/sh\necho + >>{log}\n{real} "$@"\nsleep 0.2\necho - >>{log}\n'
    )
    slow.chmod(0o755)
    token = served.token()
    path = "/git/fleet.git/info/refs?service=git-upload-pack"
    use_git(str(slow.parent))
    log.unlink()
    try:
        answers = ask_at_once(served.app, path, times=12, headers=token)
    finally:
        use_git(SEARCH_PATH)
    assert {answer.status_code for answer in answers} == {200}
    signs = [1 if sign == "+" else -1 for sign in log.read_text().split()]
    assert signs.count(1) == 12
    assert max(accumulate(signs)) <= AT_ONCE


def test_hostile_texts_are_texts_on_every_page(served: House, lab: Lab) -> None:
    lab.put({"README.md": "x\n"}, branch=BranchName("evil"))
    forge = EmbeddedForge(BareRepository(lab.origin), lab.data / "forge" / "fleet.db")
    tip = BareRepository(lab.origin).tip(BranchName("evil"))
    assert tip is not None
    draft = PullRequestDraft(
        branch=BranchName("evil"),
        base=BranchName("main"),
        head=tip,
        title=HOSTILE,
        body=f"</pre>{HOSTILE}",
        author=HOSTILE,
    )
    forge.open(draft, now=datetime(2026, 3, 1, tzinfo=UTC))
    served.store.holds.hold(
        "fleet", stack=None, environment=None, reason="x", by=HOSTILE
    )
    token = served.token()
    for path in ("/repositories/fleet", "/repositories/fleet/pull-requests/1"):
        answer = ask(served.app, path, headers=token)
        assert answer.status_code == 200
        assert "&lt;script&gt;alert(1)" in answer.text
        for alive in ("<script", "<img", "378221", "</pre><"):
            assert alive not in answer.text


# --- who is only asking how we are ---


def test_asking_for_readiness_again_starts_no_program(
    house: House, tmp_path: Path
) -> None:
    calls = tmp_path / "calls"
    program = tmp_path / "kustomize"
    program.write_text(f"#!/bin/sh\necho x >>{calls}\necho v5.5.0\n")
    program.chmod(0o755)
    app = create_app(load(data=tmp_path / "data", kustomize=program), house.store)
    answers = [ask(app, "/readyz").status_code for _ in range(20)]
    assert answers == [200] * 20
    assert len(calls.read_text().split()) <= 2


def test_readiness_tells_a_stranger_what_fails_and_not_why(
    house: House, tmp_path: Path
) -> None:
    missing = tmp_path / "canary-4711"
    app = create_app(load(data=tmp_path / "data", kustomize=missing), house.store)
    answer = ask(app, "/readyz")
    assert answer.status_code == 503
    assert answer.json() == {"status": "degraded", "problems": ["kustomize"]}
