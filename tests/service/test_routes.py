"""Denied by default: a walk over every route that there is, and will be (R15)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from fastapi import APIRouter, FastAPI

from service.api.guard import SIGNED, Guarded, Permission, Reach, permission_of
from service.app import create_app
from service.clock import utc_now
from service.settings import load
from service.store import Role, Store
from tests.support.api import EVERYTHING, Scope
from tests.support.http import ask, routes_of
from tests.support.lab import Lab, copy_of, make_template

OPEN = {
    ("GET", "/"),
    ("GET", "/healthz"),
    ("GET", "/readyz"),
    ("GET", "/openapi.json"),
    ("HEAD", "/openapi.json"),
}
BY_SIGNATURE = {("POST", "/api/v1/webhooks/{forge}")}
FILLED = {
    "{name}": "fleet",
    "{repository}": "fleet",
    "{number}": "1",
    "{rest:path}": "info/refs?service=git-upload-pack",
    "{stack}": "example",
    "{environment}": "staging",
    "{id}": "0123456789abcdef",
    "{forge}": "github",
}
ORDER = list(Role)


@dataclass(frozen=True, slots=True, kw_only=True)
class House:
    """A service over a real fleet."""

    app: FastAPI
    store: Store

    def token(
        self,
        role: Role = Role.VIEWER,
        *,
        days: int | None = None,
        scope: Scope = EVERYTHING,
    ) -> dict[str, str]:
        """Make a token; return the header that carries it."""
        expires = None if days is None else utc_now() + timedelta(days=days)
        text, _ = self.store.tokens.create(
            role=role,
            name="x",
            expires_at=expires,
            stack=scope.get("stack", ""),
            environment=scope.get("environment", ""),
        )
        return {"Authorization": f"Bearer {text}"}

    def routes(self) -> list[tuple[str, str, Any]]:
        """Return every route that asks for a token."""
        others = OPEN | BY_SIGNATURE
        found = [r for r in routes_of(self.app) if r[:2] not in others]
        assert len(found) > 50, "the walk has found too few routes"
        return found


@pytest.fixture(scope="module")
def fleet_template(tmp_path_factory: pytest.TempPathFactory, kustomize: Path) -> Path:
    return make_template(tmp_path_factory.mktemp("template"), kustomize)


@pytest.fixture(scope="module")
def lab(
    fleet_template: Path, tmp_path_factory: pytest.TempPathFactory, kustomize: Path
) -> Lab:
    return copy_of(fleet_template, tmp_path_factory.mktemp("walk") / "lab", kustomize)


@pytest.fixture
def house(lab: Lab, kustomize: Path) -> Iterator[House]:
    settings = load(data=lab.data, kustomize=kustomize)
    with closing(Store("", lab.data, utc_now)) as store:
        yield House(app=create_app(settings, store), store=store)


def filled(path: str) -> str:
    """Put something into the places of a route."""
    for place, value in FILLED.items():
        path = path.replace(place, value)
    assert "{" not in path, f"{path}: say here what goes there"
    return path


def is_api(path: str) -> bool:
    return path.startswith("/api/")


def test_what_is_open_to_everybody_is_a_short_list(house: House) -> None:
    answers = {
        (method, path): ask(house.app, filled(path), method=method).status_code
        for method, path, _ in routes_of(house.app)
    }
    assert {route for route, status in answers.items() if status != 401} == OPEN


def test_what_asks_for_a_signature_is_a_short_list_and_takes_no_token(
    house: House,
) -> None:
    unsaid = set()
    for method, path, endpoint in routes_of(house.app):
        if is_api(path):
            try:
                permission_of(endpoint)
            except TypeError:
                unsaid.add((method, path))
    assert unsaid == BY_SIGNATURE
    assert {path for _, path in BY_SIGNATURE} == SIGNED
    before = house.store.audit.last()
    for headers in ({}, *(house.token(role) for role in Role)):
        for method, path in BY_SIGNATURE:
            answer = ask(house.app, filled(path), method=method, headers=headers)
            assert answer.status_code == 401, (path, headers)
            assert answer.headers["content-type"] == "application/problem+json"
    assert house.store.audit.last() == before


@pytest.mark.parametrize("kind", ["garbage", "cut", "expired", "revoked", "basic"])
def test_every_other_route_refuses_a_token_that_is_none(
    house: House, kind: str
) -> None:
    good = house.token(Role.ADMIN)
    header = {
        "garbage": {"Authorization": "Bearer x"},
        "cut": {"Authorization": good["Authorization"][:-1]},
        "expired": house.token(Role.ADMIN, days=-1),
        "revoked": house.token(Role.OPERATOR),
        "basic": {"Authorization": good["Authorization"].replace("Bearer", "Basic")},
    }[kind]
    if kind == "revoked":
        house.store.tokens.revoke(header["Authorization"].split("_")[1])
    before = house.store.audit.last()
    for method, path, _ in house.routes():
        answer = ask(house.app, filled(path), method=method, headers=header)
        assert answer.status_code == 401, (method, path)
        assert answer.headers["content-type"] == "application/problem+json"
        assert "www-authenticate" in answer.headers
    assert house.store.audit.last() == before


def test_every_route_of_the_api_refuses_a_role_that_is_too_narrow(
    house: House,
) -> None:
    headers = {role: house.token(role) for role in Role}
    before = house.store.audit.last()
    refused = 0
    for method, path, endpoint in house.routes():
        if not is_api(path):
            continue
        needed = permission_of(endpoint).role
        for role in ORDER[: ORDER.index(needed)]:
            answer = ask(house.app, filled(path), method=method, headers=headers[role])
            assert answer.status_code == 403, (method, path, role)
            refused += 1
    assert refused > 50
    assert house.store.audit.last() == before


@pytest.mark.parametrize("scope", [{"stack": "other"}, {"environment": "other"}])
def test_a_token_of_another_stack_or_environment_sees_and_changes_nothing(
    house: House, lab: Lab, scope: dict[str, str]
) -> None:
    header = house.token(Role.ADMIN, scope=scope)
    before = (house.store.audit.last(), lab.seen()["origin"])
    for method, path, endpoint in house.routes():
        answer = ask(house.app, filled(path), method=method, headers=header)
        allowed = permission_of(endpoint) if is_api(path) else None
        named = any(f"{{{name}}}" in path for name in scope)
        if allowed is None or allowed.reach is not Reach.SEEN or named:
            assert answer.status_code == 403, (method, path)
        else:
            assert answer.status_code < 500, (method, path, answer.text)
        assert "12.4.0" not in answer.text, (method, path)  # what runs there
    assert (house.store.audit.last(), lab.seen()["origin"]) == before


@pytest.mark.parametrize("scope", [{"stack": "example"}, {"environment": "staging"}])
def test_a_token_of_one_stack_or_environment_changes_no_whole_repository(
    house: House, scope: dict[str, str]
) -> None:
    header = house.token(Role.ADMIN, scope=scope)
    for method, path, endpoint in house.routes():
        names = {name for name in ("stack", "environment") if f"{{{name}}}" in path}
        allowed = permission_of(endpoint) if is_api(path) else None
        whole = allowed is None or allowed.reach is Reach.WHOLE
        too_wide = (
            allowed is not None
            and allowed.reach is Reach.COVERED
            and not set(scope) <= names
        )
        if whole or too_wide:
            answer = ask(house.app, filled(path), method=method, headers=header)
            assert answer.status_code == 403, (method, path)


def test_a_route_that_says_not_who_may_call_it_cannot_be_made() -> None:
    router = APIRouter(route_class=Guarded)

    def forgotten() -> None:
        """Nobody said who may."""

    with pytest.raises(TypeError, match="say who may call it"):
        router.get("/forgotten")(forgotten)


def test_reading_changes_nothing(house: House, lab: Lab) -> None:
    header = house.token(Role.ADMIN)
    before = (house.store.audit.last(), lab.seen()["origin"])
    for method, path, _ in house.routes():
        if method == "GET" and "events" not in path:
            answer = ask(house.app, filled(path), method=method, headers=header)
            assert answer.status_code in (200, 403, 404), (path, answer.text)
    assert (house.store.audit.last(), lab.seen()["origin"]) == before


def test_each_permission_is_one_of_the_known(house: House) -> None:
    for _, path, endpoint in house.routes():
        if is_api(path):
            assert isinstance(permission_of(endpoint), Permission)
