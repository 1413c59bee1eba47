"""The secrets of webhooks in service.toml, and what the doctor says of them."""

from __future__ import annotations

import base64
from contextlib import closing
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from gitops.errors import InputError
from service.configuration import plain_key, read_configuration, signing_key
from service.doctor import Check, State
from service.doctor.hooks import look
from service.settings import load
from service.store import Store
from tests.support.databases import NOON
from tests.support.hooks import SIGNING, described

LONG = "0123456789abcdef0123456789abcdef"


def test_a_secret_is_one_or_several_while_it_is_replaced(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("HOOK", "new\n")
    (tmp_path / "old").write_text("old\n")
    described(
        tmp_path,
        none={"forge": "github"},
        empty={"forge": "github", "webhook_secret": ""},
        one={"forge": "github", "webhook_secret": "env:HOOK"},
        two={"forge": "github", "webhook_secret": ["env:HOOK", "file:old"]},
    )
    settings = load(data=tmp_path)
    keys = {
        one.name: [plain_key(credential) for credential in one.webhooks.plain]
        for one in settings.repositories
    }
    assert keys == {"none": [], "empty": [], "one": [b"new"], "two": [b"new", b"old"]}
    given = [one.name for one in settings.repositories if one.webhooks.are_given]
    assert given == ["one", "two"]


def test_a_repository_by_variables_has_them_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in {
        "REPOSITORY_URL": "https://gitlab.example.com/acme/fleet.git",
        "REPOSITORY_FORGE": "gitlab",
        "REPOSITORY_WEBHOOK_SECRET": "env:ONE, env:TWO",
        "REPOSITORY_WEBHOOK_SIGNING_TOKEN": "env:TOKEN",
    }.items():
        monkeypatch.setenv(f"DIRECTUS_GITOPS_{name}", value)
    for name, value in (("ONE", "1"), ("TWO", "2"), ("TOKEN", SIGNING)):
        monkeypatch.setenv(name, value)
    (fleet,) = load(data=tmp_path).repositories
    assert [plain_key(one) for one in fleet.webhooks.plain] == [b"1", b"2"]
    (token,) = fleet.webhooks.signing
    assert signing_key(token) == base64.b64decode(SIGNING.removeprefix("whsec_"))


@pytest.mark.parametrize(
    ("forge", "line", "problem"),
    [
        ("github", 'webhook_secret = "hunter2"', "does not say where the secret is"),
        ("github", 'webhook_secret = ["env:A", "hunter2"]', "does not say where"),
        ("github", 'webhook_secret = [""]', "is empty"),
        ("github", "webhook_secret = 7", "must be a list"),
        ("github", f"webhook_secret = {['env:A'] * 5}", "has more than 4 secrets"),
        ("github", 'webhook_signing_token = "env:A"', "does not go with the forge"),
        ("embedded", 'webhook_secret = "env:A"', "does not go with the forge"),
    ],
)
def test_what_makes_no_sense_is_told_with_its_line_and_without_its_value(
    tmp_path: Path, forge: str, line: str, problem: str
) -> None:
    url = "" if forge == "embedded" else "https://git.example.com/acme/fleet.git"
    text = f'[[repository]]\nname = "fleet"\nurl = "{url}"\nforge = "{forge}"\n{line}\n'
    with pytest.raises(InputError, match=problem) as caught:
        read_configuration(
            text.encode(), name="service.toml", folder=tmp_path, lookup=lambda _: None
        )
    assert caught.value.message.startswith("service.toml:5: repository[0].webhook_")
    assert "hunter2" not in caught.value.message + caught.value.hint


@pytest.mark.parametrize(
    "text",
    [
        "plain-secret",
        "whsec_",
        "whsec_???",
        "whsec_" + base64.b64encode(b"short").decode(),
        "WHSEC_" + SIGNING.removeprefix("whsec_"),
    ],
    ids=range(5),
)
def test_what_is_no_signing_token_is_told_without_showing_it(
    tmp_path: Path, text: str
) -> None:
    (tmp_path / "token").write_text(text)
    described(
        tmp_path, fleet={"forge": "gitlab", "webhook_signing_token": "file:token"}
    )
    (fleet,) = load(data=tmp_path).repositories
    with pytest.raises(InputError, match="is no signing token") as caught:
        signing_key(fleet.webhooks.signing[0])
    told = caught.value.message + caught.value.hint
    assert text == "whsec_" or text not in told


# --- the doctor ---


def seen(data: Path, *, at: datetime = NOON) -> dict[str, Check]:
    found = {check.name: check for check in look(load(data=data), lambda: at)}
    for check in found.values():
        assert check.message.isprintable()
        assert str(data) not in check.message + check.hint
        assert check.hint or check.state is State.OK
    return found


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """Two repositories; deliveries are expected for one of them."""
    (tmp_path / "secret").write_text(LONG)
    described(
        tmp_path,
        fleet={"forge": "github", "webhook_secret": "file:secret"},
        quiet={"forge": "github"},
    )
    return tmp_path


def test_deliveries_are_missed_only_where_there_is_a_secret(data: Path) -> None:
    assert set(seen(data)) == {"fleet/webhook-secret"}, "there is no database yet"
    with closing(Store("", data, lambda: NOON)) as store:
        found = seen(data)
        assert set(found) == {"fleet/webhook-secret", "fleet/webhooks"}
        assert found["fleet/webhooks"].state is State.WARNING
        assert "no webhook has come" in found["fleet/webhooks"].message
        store.deliveries.take({"fleet": ("a",)})
    later = NOON + timedelta(hours=24)
    assert seen(data, at=later)["fleet/webhooks"].state is State.OK
    quiet = seen(data, at=later + timedelta(seconds=1))["fleet/webhooks"]
    assert quiet.state is State.WARNING
    assert "no webhook for 24 h" in quiet.message


@pytest.mark.parametrize(
    ("text", "state"),
    [
        (LONG, State.OK),
        ("short", State.WARNING),
        ("", State.PROBLEM),
        (None, State.PROBLEM),
    ],
)
def test_a_secret_that_cannot_be_used_is_told(
    data: Path, text: str | None, state: State
) -> None:
    if text is None:
        (data / "secret").unlink()
    else:
        (data / "secret").write_text(text)
    check = seen(data)["fleet/webhook-secret"]
    assert check.state is state
    assert not text or text not in check.message + check.hint
