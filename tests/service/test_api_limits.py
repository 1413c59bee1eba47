"""How often may be asked: limits hold, and nobody locks out another."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import httpx
import pytest

from service.store import Role
from tests.support.api import Service, refused, service_over
from tests.support.lab import copy_of, make_template

pytestmark = pytest.mark.kustomize


@pytest.fixture(scope="module")
def fleet_template(tmp_path_factory: pytest.TempPathFactory, kustomize: Path) -> Path:
    return make_template(tmp_path_factory.mktemp("template"), kustomize)


@pytest.fixture
def service(fleet_template: Path, tmp_path: Path, kustomize: Path) -> Iterator[Service]:
    lab = copy_of(fleet_template, tmp_path / "lab", kustomize)
    options = {"requests_per_min": 30, "wrong_tokens_per_min": 20}
    with service_over(lab, kustomize, **options) as made:
        yield made


def guess(service: Service, number: int) -> httpx.Response:
    header = {"Authorization": f"Bearer dgo_{number:08x}_wrong"}
    return service.client.get("/repositories", headers=header)


def test_wrong_tokens_are_told_to_wait_and_nobody_else_is(service: Service) -> None:
    with ThreadPoolExecutor(50) as pool:
        answers = list(pool.map(lambda n: guess(service, n), range(300)))
    statuses = Counter(answer.status_code for answer in answers)
    assert statuses == {401: 20, 429: 280}
    told = next(answer for answer in answers if answer.status_code == 429)
    refused(told, 429, "too_many_requests")
    assert 1 <= int(told.headers["retry-after"]) <= 60
    # From the same address, behind the same proxy, with a good token:
    assert service.ask("GET", "/repositories").status_code == 200
    assert service.client.get("/repositories").status_code == 401


def test_one_token_that_asks_too_often_waits_alone(service: Service) -> None:
    service.token()
    with ThreadPoolExecutor(50) as pool:
        answers = list(
            pool.map(lambda _: service.ask("GET", "/repositories"), range(100))
        )
    assert Counter(a.status_code for a in answers) == {200: 30, 429: 70}
    other = service.ask("GET", "/repositories", role=Role.VIEWER, name="grace")
    assert other.status_code == 200
