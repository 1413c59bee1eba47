"""A request with an Idempotency-Key happens once, and is answered alike."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest

from service.clock import utc_now
from tests.support.api import Service, refused, service_over
from tests.support.lab import copy_of, make_template

pytestmark = pytest.mark.kustomize

DEVELOPMENT = "/stacks/example/environments/development"
KEY = {"Idempotency-Key": "k-1"}


@pytest.fixture(scope="module")
def fleet_template(tmp_path_factory: pytest.TempPathFactory, kustomize: Path) -> Path:
    return make_template(tmp_path_factory.mktemp("template"), kustomize)


@pytest.fixture
def service(fleet_template: Path, tmp_path: Path, kustomize: Path) -> Iterator[Service]:
    lab = copy_of(fleet_template, tmp_path / "lab", kustomize)
    with service_over(lab, kustomize) as made:
        yield made


def test_the_same_request_gets_the_same_answer_and_has_one_effect(
    service: Service,
) -> None:
    body = {"reason": "freeze"}
    first = service.ask("PUT", "/hold", body, headers=KEY)
    again = service.ask("PUT", "/hold", body, headers=KEY)
    assert (first.status_code, first.json()) == (again.status_code, again.json())
    assert "idempotency-replayed" not in first.headers
    assert again.headers["idempotency-replayed"] == "true"
    assert service.audit() == [("ada", "hold placed")]
    service.ask("PUT", "/hold", body, headers={"Idempotency-Key": "k-2"})
    assert len(service.audit()) == 2


def test_another_request_with_the_same_key_is_422(service: Service) -> None:
    service.ask("PUT", "/hold", {"reason": "freeze"}, headers=KEY)
    for method, path, body in (
        ("PUT", "/hold", {"reason": "other"}),
        ("DELETE", "/hold", None),
        ("PUT", "/stacks/example/hold", {"reason": "freeze"}),
    ):
        answer = service.ask(method, path, body, headers=KEY)
        assert "another request" in refused(answer, 422, "input")["detail"]
    assert len(service.audit()) == 1


def test_the_keys_of_another_token_are_others(service: Service) -> None:
    service.ask("PUT", "/hold", {"reason": "a"}, headers=KEY, name="ada")
    answer = service.ask("PUT", "/hold", {"reason": "b"}, headers=KEY, name="grace")
    assert answer.status_code == 200
    assert len(service.audit()) == 2


def test_what_was_refused_may_be_asked_again(service: Service) -> None:
    service.ask("PUT", "/hold", {})
    body = {"version": "12.4.1"}
    path = f"{DEVELOPMENT}/bump"
    refused(service.ask("POST", path, body, headers=KEY), 409, "held")
    service.ask("DELETE", "/hold")
    answer = service.ask("POST", path, body, headers=KEY)
    assert answer.status_code == 202
    again = service.ask("POST", path, body, headers=KEY)
    assert again.json() == answer.json()


def test_many_at_once_have_one_effect(service: Service) -> None:
    body = {"role": "viewer", "name": "ci"}
    service.token()

    def ask(_: int) -> int:
        return service.ask("POST", "/tokens", body, headers=KEY).status_code

    with ThreadPoolExecutor(20) as pool:
        statuses = Counter(pool.map(ask, range(40)))
    assert set(statuses) <= {201, 409}
    assert statuses[201] >= 1
    assert service.audit() == [("ada", "token created")]


def test_a_secret_is_not_kept_for_the_second_answer(service: Service) -> None:
    body = {"role": "viewer", "name": "ci"}
    first = service.ask("POST", "/tokens", body, headers=KEY).json()
    again = service.ask("POST", "/tokens", body, headers=KEY).json()
    assert again == {**first, "token": None}
    data = service.settings.data
    for file in data.glob("service.db*"):
        assert first["token"].encode() not in file.read_bytes()


def test_a_request_that_died_does_not_hold_its_key_for_ever(service: Service) -> None:
    token = service.token().split("_")[1]
    path, body = f"{DEVELOPMENT}/bump", {"version": "12.4.1"}
    service.ask("POST", path, body, headers=KEY)
    found = service.store.answers.find(token, KEY["Idempotency-Key"])
    assert found is not None
    for age, status in ((timedelta(minutes=1), 409), (timedelta(minutes=30), 202)):
        service.store.answers.drop(token, "k-1", body=found.body)
        service.store.answers.keep(
            token, "k-1", found.request, 0, "nobody", utc_now() - age
        )
        answer = service.ask("POST", path, body, headers=KEY)
        assert answer.status_code == status, answer.text
        service.store.answers.drop(token, "k-1", body="nobody")
