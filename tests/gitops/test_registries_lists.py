"""npm's list of releases and GitHub's notes: what is believed of them, and what not."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from ipaddress import ip_network
from typing import Any

import pytest

from gitops.errors import (
    InputError,
    RegistryDeniedError,
    RegistryError,
    RegistryUnavailableError,
)
from gitops.model import Release
from gitops.registries import Access, GitHubNotes, Login, NpmReleases
from gitops.web import Allowed, Web
from tests.support.registry_double import package
from tests.support.servers import Request, reply, serve

LOOPBACK = Allowed(networks=(ip_network("127.0.0.0/8"),))
CANARY = "canary-token-of-a-list"
PAGE = "https://github.com/directus/directus/releases/tag/v12.5.0"


@pytest.fixture(scope="module")
def web() -> Iterator[Web]:
    with Web() as found:
        yield found


def access(url: str, *, secret: str = "") -> Access:
    shown = Login(username="", secret=secret) if secret else None
    return Access(url=url, allowed=LOOPBACK, login=lambda: shown)


def releases(web: Web, answer: bytes, *, name: str = "directus") -> tuple[Release, ...]:
    with serve(lambda _request: answer) as server:
        return NpmReleases(web, access(server.url), package=name).releases()


# --- npm ---


def test_a_package_tells_versions_times_and_deprecations(web: Web) -> None:
    versions: dict[str, tuple[str, str | None]] = {
        "12.4.0": ("2026-01-05T10:11:12.345Z", None),
        "12.4.1": ("2026-02-05T10:11:12Z", "use 12.4.2"),
        "12.4.2": ("soon", ""),
    }
    assert releases(web, package(versions)) == (
        Release(
            version="12.4.0",
            published_at=datetime(2026, 1, 5, 10, 11, 12, tzinfo=UTC),
        ),
        Release(
            version="12.4.1",
            published_at=datetime(2026, 2, 5, 10, 11, 12, tzinfo=UTC),
            deprecated="use 12.4.2",
        ),
        Release(version="12.4.2"),
    )


def test_a_version_that_was_taken_back_is_none(web: Web) -> None:
    versions: dict[str, tuple[str, str | None]] = {
        "1.0.0": ("2026-01-05T10:11:12Z", None)
    }
    times = {"1.0.0": "2026-01-05T10:11:12Z", "1.0.1": "2026-01-06T10:11:12Z"}
    found = releases(web, package(versions, time=times))
    assert [one.version for one in found] == ["1.0.0"]


def test_a_deprecation_without_words_is_one_too(web: Web) -> None:
    body = {"versions": {"1.0.0": {"deprecated": True}, "1.0.1": {"deprecated": 7}}}
    found = releases(web, reply(body))
    assert [one.deprecated for one in found] == ["deprecated", ""]


def test_a_package_with_a_scope_is_asked_for_as_one_name(web: Web) -> None:
    with serve(lambda _request: package({"1.0.0": ("", None)})) as server:
        NpmReleases(
            web, access(server.url, secret=CANARY), package="@directus/api"
        ).releases()
        (asked,) = server.requests
        assert asked.target == "/@directus%2Fapi"
        assert asked.headers["authorization"] == f"Bearer {CANARY}"


@pytest.mark.parametrize("name", ["", "../x", "a/b", "A", "@a", "x" * 300, "a b"])
def test_a_name_of_no_package_is_refused(web: Web, name: str) -> None:
    with pytest.raises(InputError):
        NpmReleases(web, access("http://127.0.0.1:1"), package=name)


BAD: dict[str, tuple[Callable[[Request], bytes], type[RegistryError]]] = {
    "nothing": (lambda _r: reply({}), RegistryError),
    "no versions": (lambda _r: reply({"versions": {}}), RegistryError),
    "a list": (lambda _r: reply([]), RegistryError),
    "versions that are none": (
        lambda _r: reply({"versions": {"1.0.0": 7}}),
        RegistryError,
    ),
    "HTML": (lambda _r: reply("<html>"), RegistryError),
    "truncated": (lambda _r: reply('{"versions": {'), RegistryError),
    "a 404": (lambda _r: reply({"error": "Not found"}, status=404), RegistryError),
    "a 401": (lambda _r: reply("", status=401), RegistryDeniedError),
    "a 429": (
        lambda _r: reply("", status=429, headers={"Retry-After": "5"}),
        RegistryUnavailableError,
    ),
    "a 502": (lambda _r: reply("", status=502), RegistryUnavailableError),
    "a redirect": (
        lambda _r: reply("", status=302, headers={"Location": "https://x.example/"}),
        RegistryError,
    ),
    "a broken connection": (lambda _r: b"", RegistryUnavailableError),
}


@pytest.mark.parametrize("what", BAD)
def test_a_bad_answer_is_no_list_of_releases_and_shows_no_token(
    web: Web, what: str
) -> None:
    script, expected = BAD[what]
    with serve(script) as server:
        with pytest.raises(RegistryError) as caught:
            NpmReleases(web, access(server.url, secret=CANARY)).releases()
        assert isinstance(caught.value, expected)
        assert CANARY not in f"{caught.value.message}{caught.value.hint}"


# --- GitHub ---


def noted(web: Web, answer: bytes) -> Any:
    with serve(lambda _request: answer) as server:
        return GitHubNotes(web, access(server.url)).notes("12.5.0")


def test_notes_are_a_title_a_page_and_a_text_of_one_kind_of_line_end(web: Web) -> None:
    body = {"html_url": PAGE, "name": " v12.5.0\n big ", "body": "a\r\nb\rc\n"}
    with serve(lambda _request: reply(body)) as server:
        notes = GitHubNotes(web, access(server.url, secret=CANARY)).notes("12.5.0")
        (asked,) = server.requests
    assert notes is not None
    assert (notes.title, notes.url, notes.text) == ("v12.5.0 big", PAGE, "a\nb\nc")
    assert asked.target == "/repos/directus/directus/releases/tags/v12.5.0"
    assert asked.headers["authorization"] == f"Bearer {CANARY}"


def test_long_notes_are_cut(web: Web) -> None:
    body = {"html_url": PAGE, "name": "n" * 5000, "body": "x" * 500_000}
    notes = noted(web, reply(body))
    assert len(notes.text) == 4000
    assert notes.text.endswith("...")
    assert len(notes.title) == 200


def test_a_release_without_notes_has_none(web: Web) -> None:
    assert noted(web, reply({"message": "Not Found"}, status=404)) is None
    assert noted(web, reply({"html_url": PAGE, "draft": True})) is None
    empty = noted(web, reply({"html_url": PAGE, "name": None, "body": None}))
    assert (empty.title, empty.text) == ("", "")


@pytest.mark.parametrize(
    "answer",
    [
        reply("<html>"),
        reply([]),
        reply({"html_url": "javascript:alert(1)", "name": "x", "body": "y"}),
        reply({"html_url": "http://github.com/x", "name": "x", "body": "y"}),
        reply({"html_url": PAGE, "name": 7}),
        reply("", status=500),
        reply("", status=403, headers={"Retry-After": "60"}),
    ],
    ids=["html", "list", "script", "plain", "number", "500", "limit"],
)
def test_a_bad_answer_is_an_error_and_no_notes(web: Web, answer: bytes) -> None:
    with pytest.raises(RegistryError):
        noted(web, answer)


@pytest.mark.parametrize("name", ["", "directus", "a/b/c", "../x", "a/b c"])
def test_a_name_of_no_repository_is_refused(web: Web, name: str) -> None:
    with pytest.raises(InputError):
        GitHubNotes(web, access("http://127.0.0.1:1"), repository=name)
