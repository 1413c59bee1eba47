"""The API's documentation: what it says is there, what is there it says, it works."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import httpx
import pytest

from service.api.guard import SIGNED
from service.app import create_app
from service.clock import utc_now
from service.settings import Settings
from service.store import Store
from tests.support.api import Service, service_over
from tests.support.api_reference import api_reference, document, openapi_reference
from tests.support.http import routes_of
from tests.support.lab import copy_of, make_template

DOCS = Path(__file__).resolve().parent.parent.parent / "docs"
BLOCK = re.compile(r"^```sh\n(.*?)^```$", re.MULTILINE | re.DOTALL)
ROW = re.compile(r"^\| `([A-Z]+) (/\S+)` \|", re.MULTILINE)


def test_the_api_page_is_what_the_code_says() -> None:
    page = (DOCS / "api.md").read_text()
    assert page == api_reference(), "run python -m tests.support.reference"


def test_the_openapi_document_is_what_the_code_says() -> None:
    page = (DOCS / "openapi.json").read_text()
    assert page == openapi_reference(), "run python -m tests.support.reference"


def test_every_route_is_documented_and_every_documented_route_is_there(
    tmp_path: Path,
) -> None:
    with closing(Store("", tmp_path, utc_now)) as store:
        app = create_app(Settings(data=tmp_path), store)
        routes = {
            (method, path)
            for method, path, _ in routes_of(app)
            if path.startswith("/api/")
        }
    documented = {
        (method.upper(), path)
        for path, operations in document()["paths"].items()
        for method in operations
    }
    assert routes == {route for route in documented if route[1].startswith("/api/")}
    shown = set(ROW.findall((DOCS / "api.md").read_text()))
    assert shown == {r for r in documented if "{repository}" not in r[1]}


def test_every_operation_says_what_it_is_and_what_can_go_wrong() -> None:
    ids: set[str] = set()
    for path, operations in document()["paths"].items():
        for method, operation in operations.items():
            where = f"{method} {path}"
            assert operation["operationId"] not in ids, where
            ids.add(operation["operationId"])
            assert operation["summary"], where
            assert operation["description"], where
            if path in SIGNED:
                assert operation["security"] == [], where
                assert {"401", "413", "429"} <= set(operation["responses"]), where
            elif path.startswith("/api/"):
                assert operation["security"] == [{"bearer": []}], where
                assert {"401", "403", "429"} <= set(operation["responses"]), where
                assert operation["x-role"], where


# --- the examples ---


@pytest.fixture(scope="module")
def service(
    tmp_path_factory: pytest.TempPathFactory, kustomize: Path
) -> Iterator[Service]:
    template = make_template(tmp_path_factory.mktemp("template"), kustomize)
    lab = copy_of(template, tmp_path_factory.mktemp("docs") / "lab", kustomize)
    with service_over(lab, kustomize) as made:
        yield made


def commands() -> list[str]:
    """Return every curl command of the page, whole."""
    found: list[str] = []
    for block in BLOCK.findall((DOCS / "api.md").read_text()):
        lines = block.replace("\\\n", " ").splitlines()
        found += [line for line in lines if line.startswith("curl ")]
    return found


def asked(command: str, service: Service) -> httpx.Response:
    """Send what a curl command sends."""
    text = command.replace("$TOKEN", service.token()).replace("$URL", service.address)
    words = iter(shlex.split(text)[1:])
    method, body, address = "GET", None, ""
    headers: dict[str, str] = {}
    for word in words:
        match word:
            case "-X":
                method = next(words)
            case "-H":
                name, _, value = next(words).partition(": ")
                headers[name] = value
            case "-d":
                body = next(words)
            case _:
                assert not word.startswith("-"), f"teach me {word}"
                address = word
    return httpx.request(
        method, address, content=body, headers=headers, trust_env=False, timeout=60
    )


def test_the_examples_of_the_page_work(service: Service) -> None:
    answers = [(command, asked(command, service)) for command in commands()]
    assert len(answers) >= 9
    for command, answer in answers:
        assert answer.is_success, f"{command}\n{answer.status_code} {answer.text}"
