"""A service that takes webhooks: a real server, and repositories of every forge."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, Final

import httpx
from fastapi import FastAPI
from prometheus_client import generate_latest
from prometheus_client.parser import text_string_to_metric_families

from service.app import create_app
from service.settings import load
from service.store import Store
from service.webhooks import Receiver
from service.webhooks.reading import DEADLINE_S, Reader
from tests.support.api import Alarm
from tests.support.databases import Clock
from tests.support.server import serving

SECRETS: Final[Mapping[str, str]] = {
    "github": "It's a Secret to Everybody",
    "gitlab": "gitlab-token-0123456789",
    "gitea": "gitea-secret-0123456789",
    "forgejo": "forgejo-secret-0123456789",
    "bitbucket": "bitbucket-secret-0123456789",
    "azure": "hook:azure-secret-0123456789",
}
SIGNING: Final = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
OLD: Final = "the-secret-of-last-year"


class Hooks:
    """A service on a port of loopback, and who was woken."""

    def __init__(self, address: str, app: FastAPI, store: Store, clock: Clock) -> None:
        self.address = address
        self.app = app
        self.store = store
        self.clock = clock
        self.alarm = Alarm()
        app.state.clockwork = self.alarm
        self.client = httpx.Client(
            base_url=f"{address}/api/v1", trust_env=False, timeout=60
        )

    def post(
        self,
        forge: str,
        body: Any,
        headers: Mapping[str, str] | Sequence[tuple[bytes, bytes]],
    ) -> httpx.Response:
        """Send one delivery."""
        return self.client.post(f"/webhooks/{forge}", content=body, headers=headers)

    def sent(self, forge: str, body: bytes, headers: Mapping[str, str]) -> str:
        """Send one that must be taken; return what became of it."""
        answer = self.post(forge, body, headers)
        assert answer.status_code == 202, answer.text
        assert set(answer.json()) == {"outcome"}
        return str(answer.json()["outcome"])

    def woken(self) -> list[str]:
        """Return who was woken since the last time."""
        found, self.alarm.woken = sorted(self.alarm.woken), []
        return found

    def raw(self, data: bytes) -> bytes:
        """Send bytes; return the head of what comes back."""
        host, _, port = self.address.removeprefix("http://").partition(":")
        with socket.create_connection((host, int(port)), timeout=60) as connection:
            connection.sendall(data)
            answer = b""
            while part := connection.recv(65536):
                answer += part
                if b"\r\n\r\n" in answer:
                    break
            return answer

    def sent_until_cut(self, data: bytes, more: bytes, *, most: int) -> int:
        """Send bytes, then more and more; return after how many it was cut off."""
        host, _, port = self.address.removeprefix("http://").partition(":")
        sent = 0
        with socket.create_connection((host, int(port)), timeout=60) as connection:
            connection.sendall(data)
            while sent < most:
                try:
                    connection.sendall(more)
                except OSError:
                    return sent
                sent += len(more)
        return sent

    def metrics(self) -> str:
        """Return what this process counted."""
        return generate_latest(self.app.state.meter.registry).decode()

    def counted(self) -> dict[tuple[str, str], float]:
        """Return the metric by forge and outcome."""
        return {
            (sample.labels["forge"], sample.labels["outcome"]): sample.value
            for family in text_string_to_metric_families(self.metrics())
            for sample in family.samples
            if sample.name == "directus_gitops_webhooks_total"
        }


def described(data: Path, **repositories: Mapping[str, object]) -> None:
    """Write service.toml; of each repository what is not usual."""
    lines = []
    for name, given in repositories.items():
        url = f"https://git.example.com/acme/{name}.git"
        told = {"name": name, "url": url, **given}
        lines += ["[[repository]]"]
        lines += [f"{key} = {json.dumps(value)}" for key, value in told.items()]
    (data / "service.toml").write_text("\n".join(lines) + "\n")


def of_every_forge(data: Path) -> None:
    """Describe one repository of each forge, its secret in a file."""
    for forge, secret in SECRETS.items():
        (data / forge).write_text(secret + "\n")
    (data / "signing").write_text(SIGNING)
    (data / "old").write_text(OLD)
    described(
        data,
        **{
            forge: {"forge": forge, "webhook_secret": [f"file:{forge}", "file:old"]}
            | ({"webhook_signing_token": "file:signing"} if forge == "gitlab" else {})
            for forge in SECRETS
        },
    )


@contextmanager
def taking(
    data: Path,
    *,
    deadline_s: float = DEADLINE_S,
    at_once: int = 1 << 30,
    address: str = "",
    **options: object,
) -> Iterator[Hooks]:
    """Serve what service.toml in a data folder describes; options are settings."""
    clock = Clock()
    settings = load(data=data, **{"wrong_tokens_per_min": 10**6, **options})
    with closing(Store(address, data, clock)) as store:
        app = create_app(settings, store, clock=clock)
        reader = Reader(deadline_s=deadline_s, at_once=at_once)
        app.state.receiver = Receiver(settings, store, clock, reader=reader)
        with serving(app) as at:
            hooks = Hooks(at, app, store, clock)
            with hooks.client:
                yield hooks
