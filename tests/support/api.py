"""The API of a real service over a real fleet, and a client that asks it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any, TypeAlias

import httpx
from fastapi import FastAPI

from gitops.workflow import look, resume
from service.app import create_app
from service.clock import utc_now
from service.origins import locate
from service.repository import open_workplace
from service.settings import Settings, load
from service.store import Role, Store
from tests.support.lab import Lab
from tests.support.server import serving

Scope: TypeAlias = Mapping[str, str]
EVERYTHING: Scope = MappingProxyType({})


class Alarm:
    """Notes who was to be woken."""

    def __init__(self) -> None:
        self.woken: list[str] = []

    def wake(self, name: str) -> None:
        self.woken.append(name)


class Service:
    """A service on a port of loopback, its store, and a client for it."""

    def __init__(
        self, address: str, app: FastAPI, settings: Settings, store: Store
    ) -> None:
        self.address = address
        self.app = app
        self.settings = settings
        self.store = store
        self.alarm = Alarm()
        self.client = httpx.Client(
            base_url=f"{address}/api/v1", trust_env=False, timeout=60
        )
        self._tokens: dict[str, str] = {}
        self._begun = store.audit.last()

    def token(
        self, role: Role = Role.ADMIN, name: str = "ada", scope: Scope = EVERYTHING
    ) -> str:
        """Return a token of that person and role."""
        key = f"{role}{name}{scope}"
        if key not in self._tokens:
            self._tokens[key], _ = self.store.tokens.create(
                role=role,
                name=name,
                stack=scope.get("stack", ""),
                environment=scope.get("environment", ""),
            )
        return self._tokens[key]

    def ask(
        self,
        method: str,
        path: str,
        body: object = None,
        *,
        role: Role = Role.ADMIN,
        name: str = "ada",
        headers: Mapping[str, str] = MappingProxyType({}),
        scope: Scope = EVERYTHING,
    ) -> httpx.Response:
        """Send one request."""
        token = self.token(role, name, scope=scope)
        return self.client.request(
            method,
            path,
            json=body,
            headers={"Authorization": f"Bearer {token}", **headers},
        )

    def get(self, path: str, **options: Any) -> Any:
        """Read what must be there."""
        answer = self.ask("GET", path, **options)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def audit(self) -> list[tuple[str, str]]:
        """Return who did what, in order."""
        entries = self.store.audit.after(self._begun, 1000)
        return [(entry.by, entry.action) for entry in entries]

    def publish(self) -> None:
        """Do what a pass does for the recorded requests."""
        place = open_workplace(
            self.settings, self.store, locate(self.settings, "fleet")
        )
        resume(place, look(place), now=utc_now())


@contextmanager
def service_over(lab: Lab, kustomize: Path, **options: object) -> Iterator[Service]:
    """Serve a fleet; options are settings."""
    settings = load(data=lab.data, kustomize=kustomize, **options)
    with closing(Store("", lab.data, utc_now)) as store:
        app = create_app(settings, store)
        with serving(app) as address:
            made = Service(address, app, settings, store)
            app.state.clockwork = made.alarm
            with made.client:
                yield made


def refused(answer: httpx.Response, status: int, code: str) -> dict[str, Any]:
    """Return the problem document of a refusal."""
    assert answer.status_code == status, answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    problem: dict[str, Any] = answer.json()
    assert set(problem) - {"field"} == {
        *("type", "title", "status", "code", "detail", "hint")
    }
    assert (problem["status"], problem["code"]) == (status, code)
    return problem
