"""What the API takes, and refuses: never a 500, never half done."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from service.api.body import LIMIT
from service.store import Role
from tests.support.api import Service, refused, service_over
from tests.support.lab import Lab, copy_of, make_template

BUMP = "/stacks/example/environments/development/bump"
CONFIG = "/stacks/example/environments/development/config"


@pytest.fixture(scope="module")
def service(
    tmp_path_factory: pytest.TempPathFactory, kustomize: Path
) -> Iterator[Service]:
    """One service for all of these: nothing that is refused changes it."""
    template = make_template(tmp_path_factory.mktemp("template"), kustomize)
    lab: Lab = copy_of(template, tmp_path_factory.mktemp("input") / "lab", kustomize)
    with service_over(lab, kustomize, requests_per_min=100_000) as made:
        yield made


@pytest.fixture(autouse=True)
def nothing_happens(service: Service) -> Iterator[None]:
    """Hold every test to it: what is refused has left nothing behind."""
    before = (service.store.audit.last(), service.store.intents.all("fleet"))
    yield
    assert (service.store.audit.last(), service.store.intents.all("fleet")) == before


def send(
    service: Service,
    content: bytes | Iterator[bytes],
    *,
    path: str = BUMP,
    method: str = "POST",
    kind: str | None = "application/json",
    **headers: str,
) -> httpx.Response:
    """Send raw bytes as a body."""
    sent = {"Authorization": f"Bearer {service.token()}", **headers}
    if kind is not None:
        sent["Content-Type"] = kind
    return service.client.request(method, path, content=content, headers=sent)


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"null",
        b"[]",
        b"12",
        b'"12.4.1"',
        b"\xff\xfe",
        b'{"version": "12.4.1", "version": "12.4.2"}',
        b'{"version": NaN}',
        b'{"version": Infinity}',
        b'{"version": 1e400}',
        b'{"version": 9223372036854775808}',
        b'{"version": ' + b"9" * 5000 + b"}",
        b'{"version": 12.4}',
        b'{"version": null}',
        b'{"version": ["12.4.1"]}',
        b'{"version": "12.4.1\\u0000"}',
        b'{"version": "12.4.1", "reason": "\\u0000"}',
        b'{"version": "12.4.1", "reason": "\\ud800"}',
        b'{"version": "12.4.1", "\\ud800": 1}',
        b'{"version": "12.4.1", "reason": "a\\nb"}',
        b'{"version": "12.4.1", "reason": "' + b"x" * 501 + b'"}',
        b'{"version": "12.4.1", "reason": 5}',
        b'{"version": "12.4.1", "id": "1", "state": "MERGED"}',
        b'{"version": "12.4.1", "requested_by": "root"}',
        b"[" * 10_000,
        b'{"version": ' + b"[" * 10_000 + b"]" * 10_000 + b"}",
        b'{"a":' * 100 + b"1" + b"}" * 100,
        b'{"version": "12.4.1"} {}',
        b'\xef\xbb\xbf{"version": "12.4.1"}',
    ],
    ids=range(30),
)
def test_a_bad_body_is_422_with_the_field(service: Service, body: bytes) -> None:
    assert refused(send(service, body), 422, "input")["field"].startswith("body")


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"set": {}},
        {"set": {}, "unset": []},
        {"set": {"A": 1}},
        {"set": {"A": "a\nb"}},
        {"set": {"A B": "x"}},
        {"set": {"": "x"}},
        {"set": ["A"]},
        {"unset": "A"},
        {"unset": ["A=B"]},
        {"set": {"A": "x"}, "unset": ["A"]},
        {"set": {"TOKEN": "ghp_" + "a" * 36}},
        {"set": {"URL": "mysql://root:hunter2@db/x"}},
    ],
    ids=range(13),
)
def test_a_bad_configuration_is_422(service: Service, body: object) -> None:
    answer = service.ask("PATCH", CONFIG, body)
    assert refused(answer, 422, "input")["field"].startswith("body")
    assert "hunter2" not in answer.text
    assert "ghp_" not in answer.text


@pytest.mark.parametrize(
    "change",
    [
        {"environments": []},
        {"environments": "staging"},
        {"environments": ["../x"]},
        {"stacks": []},
        {"stacks": ["*", "example"]},
        {"stacks": [""]},
        {"stacks": ["**"]},
        {"version": "12"},
    ],
    ids=range(8),
)
def test_a_bad_bump_of_many_is_422(service: Service, change: dict[str, Any]) -> None:
    body = {"version": "12.4.1", "environments": ["staging"], "stacks": ["*"], **change}
    assert "field" in refused(service.ask("POST", "/bumps", body), 422, "input")


@pytest.mark.parametrize(
    "kind",
    [
        None,
        "",
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data; boundary=x",
        "application/jsonx",
        "application/problem+json",
        "application/json-patch+json",
    ],
)
def test_a_body_that_is_not_declared_as_json_is_415(
    service: Service, kind: str | None
) -> None:
    answer = send(service, b'{"version": "12.4.1"}', kind=kind)
    refused(answer, 415, "unsupported_media_type")


def test_an_empty_form_of_another_site_is_415(service: Service) -> None:
    answer = send(
        service,
        b"",
        path="/pause",
        method="PUT",
        kind="application/x-www-form-urlencoded",
    )
    refused(answer, 415, "unsupported_media_type")


@pytest.mark.parametrize("origin", ["https://evil.example", "null", "http://localhost"])
def test_a_page_of_another_site_changes_nothing(service: Service, origin: str) -> None:
    answer = send(service, b"{}", path="/pause", method="PUT", Origin=origin)
    refused(answer, 403, "forbidden")


def test_a_password_that_a_browser_sends_by_itself_opens_no_api(
    service: Service,
) -> None:
    answer = service.client.put("/pause", auth=("ada", service.token()))
    refused(answer, 401, "unauthorized")
    assert answer.headers["www-authenticate"].startswith("Bearer")


def test_a_body_that_is_too_large_is_413_before_it_is_read(service: Service) -> None:
    host, _, port = service.address.removeprefix("http://").partition(":")
    head = (
        f"POST /api/v1{BUMP} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
        f"Authorization: Bearer {service.token()}\r\n"
        f"Content-Length: {LIMIT + 1}\r\n\r\n"
    )
    with socket.create_connection((host, int(port)), timeout=30) as connection:
        connection.sendall(head.encode())
        assert b" 413 " in connection.recv(4096).partition(b"\r\n")[0]


def test_a_body_without_a_length_is_413_while_it_is_read(service: Service) -> None:
    def endless() -> Iterator[bytes]:
        yield b'{"version": "'
        for _ in range(20):
            yield b"x" * (128 * 1024)

    refused(send(service, endless()), 413, "too_large")


def test_a_body_of_the_limit_is_read(service: Service) -> None:
    body = json.dumps({"version": "x" * (LIMIT - 15)}).encode()
    assert len(body) == LIMIT
    assert refused(send(service, body), 422, "input")["field"] == "body.version"


def test_who_may_not_ask_is_not_told_how_he_asked(service: Service) -> None:
    header = {"Content-Type": "application/json"}
    content = b"{" + b"x" * (2 * LIMIT)
    refused(
        service.client.post(BUMP, content=content[:100], headers=header),
        401,
        "unauthorized",
    )
    viewer = {**header, "Authorization": f"Bearer {service.token(Role.VIEWER)}"}
    refused(
        service.client.post(BUMP, content=content[:100], headers=viewer),
        403,
        "forbidden",
    )


@pytest.mark.parametrize(
    "path",
    [
        "/stacks/%00",
        "/stacks/..%2f..%2fetc",
        "/stacks/EXAMPLE",
        "/stacks/" + "x" * 64,
        "/stacks/%ff%fe",
        "/stacks/<script>",
        "/changes/%27%20OR%201=1",
        "/pull-requests/0",
        "/pull-requests/-1",
        "/pull-requests/x",
        f"/pull-requests/{2**63}",
        "/pull-requests/" + "9" * 5000,
        "/repositories/..%2fx/stacks",
        "/repositories/%00/stacks",
        "/forecast?days=0",
        "/forecast?days=1e9",
        f"/forecast?days={2**63}",
        "/changes?state=MERGED",
        "/changes?stack=%00",
        "/pull-requests?state=x",
    ],
    ids=range(20),
)
def test_a_hostile_address_is_refused(service: Service, path: str) -> None:
    answer = service.ask("GET", path)
    assert answer.status_code in (404, 422), answer.text
    assert answer.headers["content-type"] == "application/problem+json"
    assert "<script" not in answer.text


def test_a_method_that_is_not_there_is_405(service: Service) -> None:
    for method in ("PUT", "PATCH", "DELETE", "TRACE"):
        answer = service.ask(method, "/stacks")
        refused(answer, 405, "method_not_allowed")
        assert answer.headers["allow"]


@pytest.mark.parametrize("value", ["", "a" * 201, "schlüssel", "a b"])
def test_a_bad_idempotency_key_is_422(service: Service, value: str) -> None:
    header = {b"idempotency-key": value.encode("latin-1")}
    sent = {
        b"authorization": f"Bearer {service.token()}".encode(),
        b"content-type": b"application/json",
        **header,
    }
    answer = service.client.post(BUMP, content=b"{}", headers=sent)
    problem = refused(answer, 422, "input")
    assert problem["field"] == "header.Idempotency-Key"
