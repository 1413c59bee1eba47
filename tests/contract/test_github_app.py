"""The login of a GitHub App, before a GitHub that checks what an App proves."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from gitops.errors import ForgeDeniedError, ForgeUnavailableError
from gitops.forges.github import AppLogin, github_app, github_forge
from gitops.forges.http import HttpForge
from gitops.model import BranchName
from gitops.web import Allowed, Web
from tests.contract import github
from tests.contract.worlds import patient_gate
from tests.support.forges.github import FakeGitHub, is_of_apps
from tests.support.forges.github_app import APP, SLUG, FakeApp, new_key
from tests.support.forges.state import TOKEN, ForgeState
from tests.support.forges.wire import Fault, FaultKind

_ADDRESS = "https://github.test/team/fleet"


@pytest.fixture(scope="module")
def keys() -> tuple[str, str]:
    return new_key()


class Lab:
    """A fake GitHub that runs, an App on it, and its login."""

    def __init__(self, fake: FakeGitHub, keys: tuple[str, str], web: Web) -> None:
        self.fake = fake
        self.web = web
        self.key, public = keys
        self.app = FakeApp(fake, public)
        fake.state.tokens.discard(TOKEN)

    def start(self, root: str) -> None:
        allowed = Allowed(hosts=frozenset({"127.0.0.1"}))
        self.login: AppLogin = github_app(
            _ADDRESS,
            app=APP,
            key=lambda: self.key,
            now=self.app.now,
            web=self.web,
            allowed=allowed,
            gate=patient_gate(),
            api=root,
        )
        self.forge: HttpForge = github_forge(
            _ADDRESS,
            web=self.web,
            allowed=allowed,
            credential=self.login,
            gate=patient_gate(),
            api=root,
        )

    def order(self, kind: FaultKind, path: str, times: int = 1) -> None:
        self.fake.wire.faults.append(Fault(kind=kind, path=path, times=times))


@pytest.fixture
def lab(tmp_path: Path, keys: tuple[str, str]) -> Iterator[Lab]:
    fake = FakeGitHub(ForgeState(tmp_path))
    fake.wire.watchers += github.judges()
    with fake.wire.serving() as server, Web() as web:
        lab = Lab(fake, keys, web)
        lab.start(server.url)
        yield lab


def test_a_key_becomes_a_token_that_reads_the_repository(lab: Lab) -> None:
    assert lab.forge.list_open() == ()
    assert lab.login.token() == lab.app.issued[-1]
    assert len(lab.app.issued) == 1


def test_a_signature_is_backdated_and_lives_less_than_ten_minutes(lab: Lab) -> None:
    lab.login.token()
    now = int(lab.app.at.timestamp())
    for claims in lab.app.signed:
        assert claims == {"iss": APP, "iat": now - 60, "exp": now + 540}


def test_a_token_is_for_this_repository_and_no_more_rights_than_needed(
    lab: Lab,
) -> None:
    lab.login.token()
    assert lab.app.asked == [
        {
            "repositories": ["fleet"],
            "permissions": {
                "contents": "write",
                "pull_requests": "write",
                "statuses": "write",
                "checks": "read",
                "metadata": "read",
            },
        }
    ]


def test_what_the_installation_lacks_is_not_asked_for(lab: Lab) -> None:
    del lab.app.rights["checks"]
    lab.app.rights["statuses"] = "read"
    lab.login.token()
    (asked,) = lab.app.asked
    assert isinstance(asked, dict)
    assert asked["permissions"] == {
        "contents": "write",
        "pull_requests": "write",
        "statuses": "read",
        "metadata": "read",
    }


def test_an_installation_that_cannot_propose_is_refused_with_what_it_lacks(
    lab: Lab,
) -> None:
    lab.app.rights |= {"contents": "read"}
    with pytest.raises(ForgeDeniedError, match="lacks: contents"):
        lab.forge.list_open()
    assert lab.app.issued == []


def test_an_app_that_is_not_installed_says_so(lab: Lab) -> None:
    lab.app.is_installed = False
    with pytest.raises(ForgeDeniedError, match="not installed on team/fleet") as caught:
        lab.forge.list_open()
    assert "install it" in caught.value.hint


def test_a_token_is_kept_until_shortly_before_it_ends(lab: Lab) -> None:
    first = lab.login.token()
    lab.app.at += timedelta(minutes=54)
    assert lab.login.token() == first
    lab.app.at += timedelta(minutes=2)
    assert lab.login.token() != first
    assert len(lab.app.issued) == 2


def test_a_token_of_any_length_is_sent_whole(lab: Lab) -> None:
    lab.forge.list_open()
    token = lab.app.issued[-1]
    assert len(token) > 600
    assert lab.fake.wire.seen[-1].headers["authorization"] == f"Bearer {token}"


def test_a_token_that_is_refused_is_renewed_once(lab: Lab) -> None:
    lab.forge.list_open()
    lab.app.end()
    assert lab.forge.list_open() == ()
    assert len(lab.app.issued) == 2


def test_tokens_that_are_always_refused_end_in_an_error(lab: Lab) -> None:
    lab.order(FaultKind.DENIED_401, "/pulls$", times=99)
    with pytest.raises(ForgeDeniedError):
        lab.forge.list_open()
    assert len(lab.app.issued) == 2


def test_a_key_may_be_rotated_while_we_run(lab: Lab) -> None:
    lab.login.token()
    lab.key, public = new_key()
    lab.app.publics = {public}
    lab.app.end()
    assert lab.forge.list_open() == ()


def test_a_key_that_is_not_accepted_is_a_denial(lab: Lab) -> None:
    lab.app.publics = set()
    with pytest.raises(ForgeDeniedError, match="401"):
        lab.forge.list_open()


@pytest.mark.parametrize(
    "key", ["", "canary-of-a-key", "-----BEGIN RSA PRIVATE KEY-----\ncanary\n"]
)
def test_a_key_that_is_none_is_told_and_not_shown(lab: Lab, key: str) -> None:
    lab.key = key
    with pytest.raises(ForgeDeniedError, match="cannot be read") as caught:
        lab.forge.list_open()
    assert "canary" not in f"{caught.value.message}{caught.value.hint}"
    assert caught.value.__cause__ is None


def test_a_living_token_serves_while_github_gives_no_new_one(lab: Lab) -> None:
    first = lab.login.token()
    lab.app.at += timedelta(minutes=57)
    lab.order(FaultKind.ERROR_503, "/installation$")
    assert lab.login.token() == first
    assert lab.login.token() != first


def test_a_token_that_ended_does_not_serve(lab: Lab) -> None:
    lab.login.token()
    lab.app.at += timedelta(minutes=61)
    lab.order(FaultKind.ERROR_503, "/installation$")
    with pytest.raises(ForgeUnavailableError):
        lab.login.token()


def test_an_app_is_known_by_the_login_of_its_bot(lab: Lab) -> None:
    assert lab.forge.account() == f"{SLUG}[bot]"
    assert not [asked for asked in lab.fake.wire.seen if asked.path == "/user"]


def test_many_threads_ask_for_one_token(lab: Lab) -> None:
    with ThreadPoolExecutor(6) as pool:
        tokens = set(pool.map(lambda _: lab.login.token(), range(24)))
    assert tokens == {lab.app.issued[-1]}
    assert len(lab.app.issued) == 1


def test_signatures_and_tokens_go_only_where_each_belongs(lab: Lab) -> None:
    lab.forge.find(BranchName("x"))
    for asked in lab.fake.wire.seen:
        is_token = (
            asked.headers["authorization"].removeprefix("Bearer ")
            == (lab.app.issued[-1])
        )
        assert is_token is not is_of_apps(asked)


def test_neither_key_nor_token_is_shown(
    lab: Lab, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    lab.forge.list_open()
    lab.order(FaultKind.ERROR_500, "/pulls$")
    with pytest.raises(ForgeUnavailableError) as caught:
        lab.forge.list_open()
    said = f"{caplog.text} {caught.value!r} {lab.login!r} {lab.forge!r}"
    signature = f"{lab.login._line._authority!r}"
    for secret in (lab.app.issued[-1], lab.key, lab.key.splitlines()[1]):
        assert secret not in said + signature


@pytest.mark.parametrize("until", ["", "soon", "2026-11-23T13:00:00"])
def test_a_token_without_its_end_is_not_taken(lab: Lab, until: str) -> None:
    real = lab.app._issue

    lab.fake.wire.watchers.clear()
    lab.fake.wire.on("POST", "/app/installations/{}/access_tokens")(
        lambda asked: type(told := real(asked))(
            status=201, body={**_mapping(told.body), "expires_at": until}
        )
    )
    lab.fake.wire._routes.insert(0, lab.fake.wire._routes.pop())
    with pytest.raises(ForgeUnavailableError):
        lab.login.token()


def _mapping(value: object) -> dict[str, str]:
    assert isinstance(value, dict)
    return value


def test_the_clock_is_the_given_one(lab: Lab) -> None:
    lab.app.at = datetime.fromisoformat("2031-01-01T00:00:00+00:00")
    lab.login.token()
    assert lab.app.signed[-1]["exp"] == int(lab.app.at.timestamp()) + 540
