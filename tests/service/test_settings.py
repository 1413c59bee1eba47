"""Settings from the environment: what is refused, and how it is told."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from gitops.errors import InputError
from service.settings import load


def refused(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> InputError:
    monkeypatch.setenv(f"DIRECTUS_GITOPS_{name}", value)
    with pytest.raises(InputError) as caught:
        load()
    return caught.value


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("PORT", "99999"),
        ("PORT", "http"),
        ("LOCK_WAIT_S", "-1"),
        ("LOCK_WAIT_S", "soon"),
        ("LOCK_WAIT_S", "nan"),
        ("LOG_LEVEL", "loud"),
        ("PUBLIC_URL", "javascript:alert(1)"),
        ("PUBLIC_URL", "gitops.example.com"),
        ("PUBLIC_URL", "https://user:secret@gitops.example.com"),
        ("PUBLIC_URL", "https://gitops.example.com/\nHost: x"),
        ("PUBLIC_URL", "https://gitops.example.com/?a=b"),
        ("BRANCH_PREFIX", "--orphan=x"),
        ("BRANCH_PREFIX", "a..b"),
        ("BRANCH_PREFIX", "main.lock"),
        ("BRANCH_PREFIX", "refs/heads/x"),
        ("BRANCH_PREFIX", "x" * 300),
        ("DATA", "~nobody-has-this-name/data"),
    ],
)
def test_a_value_that_will_not_do_names_its_variable(
    monkeypatch: pytest.MonkeyPatch, name: str, value: str
) -> None:
    error = refused(monkeypatch, name, value)
    assert error.message.startswith(f"DIRECTUS_GITOPS_{name}: ")
    assert error.hint
    assert error.message.isprintable()


@pytest.mark.parametrize("name", ["PORT", "LOCK_WAIT_S", "LOG_LEVEL", "PUBLIC_URL"])
def test_a_secret_in_the_wrong_variable_is_not_shown(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    error = refused(monkeypatch, name, "ghp_" + "s3cret" * 6)
    assert "s3cret" not in f"{error.message}{error.hint}{error.__cause__!r}"


def test_an_option_that_will_not_do_is_named_as_the_option() -> None:
    with pytest.raises(InputError, match=r"^--port: "):
        load(port=99_999)


@pytest.mark.parametrize(
    "name",
    ["DATA", "DATABASE", "KUSTOMIZE", "PORT", "PUBLIC_URL", "BRANCH_PREFIX"],
)
def test_an_empty_variable_is_as_good_as_none(
    monkeypatch: pytest.MonkeyPatch, name: str
) -> None:
    plain = load()
    monkeypatch.setenv(f"DIRECTUS_GITOPS_{name}", "")
    assert load() == plain


def test_the_data_folder_is_absolute_and_without_detours(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    assert load(data=Path("a/../b")).data == tmp_path / "b"
    monkeypatch.setenv("DIRECTUS_GITOPS_DATA", "~/here")
    assert load().data == Path(os.environ["HOME"]) / "here"
    monkeypatch.delenv("DIRECTUS_GITOPS_DATA")
    monkeypatch.setenv("XDG_DATA_HOME", "share")
    assert load().data == tmp_path / "share" / "directus-gitops"


def test_an_address_of_the_service_may_have_a_port_and_a_path(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("DIRECTUS_GITOPS_PUBLIC_URL", "http://[::1]:8080/gitops/")
    assert load().public_url == "http://[::1]:8080/gitops"


def test_a_level_is_taken_in_capitals_too(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("DIRECTUS_GITOPS_LOG_LEVEL", "DEBUG")
    assert load().log_level == "debug"


def test_a_user_without_a_name_is_known_by_number(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    # As in a container that runs under a number of its own.
    monkeypatch.setattr(os, "getuid", lambda: 3_999_999_999)
    assert load().login == "uid-3999999999"


def test_without_a_home_the_data_folder_has_to_be_named(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("HOME")
    monkeypatch.delenv("XDG_DATA_HOME")
    monkeypatch.setattr(os, "getuid", lambda: 3_999_999_999)
    with pytest.raises(InputError, match="no home folder") as caught:
        load()
    assert "DIRECTUS_GITOPS_DATA" in caught.value.hint
    assert load(data=tmp_path).data == tmp_path


def test_the_address_of_the_database_may_be_in_a_file(tmp_path: Path) -> None:
    secret = tmp_path / "database"
    secret.write_text("postgresql://gitops:s3cret@db/gitops\n")
    assert load(database=f"file:{secret}").database == secret.read_text().strip()


def test_a_file_that_cannot_be_read_is_refused_without_its_path(tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        load(database=f"file:{tmp_path / 'none'}")
    assert "No such file" in caught.value.message
    assert str(tmp_path) not in caught.value.message
