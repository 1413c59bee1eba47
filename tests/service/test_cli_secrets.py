"""Values from a pipe, keys that may change, and what decryption is told."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, strategies as st

from gitops.errors import InputError, PlanError, UnknownNameError
from gitops.layout import target
from gitops.scaffold import SecretsChoice
from gitops.secretfile import SOPS_FILE
from service import settings
from service.sealing import (
    Ground,
    Means,
    Standing,
    keys_to_generate,
    keys_to_rotate,
    prepare,
    rotation_findings,
)
from service.secrets import MOST_BYTES, RequiredKey, key_spec, read_given

NAMES = ("SECRET", "DB_PASSWORD", "LICENSE_KEY")
SOPS = {"sops": {"age": [{"recipient": "age1" + "q" * 20}]}}

# --- values from a pipe ---


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"", {}),
        (b"\n# SECRET=no\n  \nSECRET=a=b # c\n", {"SECRET": "a=b # c"}),
        (b'SECRET="quoted" \r\n', {"SECRET": '"quoted" '}),
        (b"SECRET=", {"SECRET": ""}),
        (b' {"SECRET": "two\\nlines", "DB_PASSWORD": "\xc3\xa9"}',
         {"SECRET": "two\nlines", "DB_PASSWORD": "é"}),
        (b"{}", {}),
    ],
)  # fmt: skip
def test_lines_and_json_are_read_as_they_stand(
    content: bytes, expected: dict[str, str]
) -> None:
    assert read_given(content, NAMES) == expected


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        (b"SECRET=a\nhunter2\n", "line 2: is not KEY=VALUE"),
        (b"hunter2=x\n", "line 1: not a key"),
        (b"SECRET=hunter2\nSECRET=hunter2\n", "line 2: SECRET is given twice"),
        (b'{"SECRET": "hunter2", "SECRET": "x"}', "field 2: SECRET is given twice"),
        (b'{"SECRET": "a", "hunter2": "x"}', "field 2: not a key"),
        (b'{"SECRET": {"hunter2": "x"}}', "field 1: its value is no text"),
        (b'{"SECRET": 12}', "field 1: its value is no text"),
        (b'{"SECRET": "hunter2"', "no JSON object"),
        (b"{" * 100_000, "no JSON object"),
        (b"SECRET=hunter2\xff", "no UTF-8"),
        (b"x" * (MOST_BYTES + 1), "more than"),
    ],
)
def test_what_cannot_be_used_is_refused_by_its_place_alone(
    content: bytes, problem: str
) -> None:
    with pytest.raises(InputError, match=problem) as caught:
        read_given(content, NAMES)
    assert "hunter2" not in f"{caught.value.message} {caught.value.hint}"
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


@given(st.text(st.characters(exclude_characters="\n", exclude_categories=["Cs"])))
def test_a_line_gives_back_the_very_value(value: str) -> None:
    assert read_given(f"SECRET={value}\n".encode(), NAMES) == {
        "SECRET": value.removesuffix("\r")
    }


# --- which keys ---


def required(name: str, *, is_optional: bool = False) -> RequiredKey:
    spec = key_spec(name)
    return RequiredKey(spec=spec, is_optional=is_optional, is_made=spec.is_made)


def standing(*kept: str, **changes: Any) -> Standing:
    options: dict[str, Any] = {
        "name": SOPS_FILE,
        "path": f"overlays/production/acme/{SOPS_FILE}",
        "content": b"x",
        "body": SOPS if kept else None,
        "kept": frozenset(kept),
    }
    return Standing(**(options | changes))


def ground(file: Standing | None, **changes: Any) -> Ground:
    options: dict[str, Any] = {
        "target": target("acme", "production"),
        "choice": SecretsChoice.SOPS if file else SecretsChoice.EXISTING,
        "recorded": None,
        "namespace": "acme-production",
        "required": (
            required("DB_PASSWORD"),
            required("LICENSE_KEY", is_optional=True),
            required("SECRET"),
        ),
        "file": file,
        "rules": None,
    }
    return Ground(**(options | changes))


def made(keys: tuple[RequiredKey, ...]) -> dict[str, bool]:
    return {key.spec.name: key.is_made for key in keys if not key.is_optional}


def test_what_a_person_asks_to_bring_is_not_made() -> None:
    assert made(keys_to_generate(ground(None), ["LICENSE_KEY", "SECRET"])) == {
        "DB_PASSWORD": True,
        "LICENSE_KEY": False,
        "SECRET": False,
    }


def test_keys_that_became_necessary_are_named() -> None:
    with pytest.raises(PlanError, match="without DB_PASSWORD") as caught:
        keys_to_generate(ground(standing("SECRET")), [])
    assert "rotate" in caught.value.hint


def test_a_name_that_nothing_refers_to_is_not_repeated() -> None:
    with pytest.raises(UnknownNameError) as caught:
        keys_to_rotate(ground(None), ["hunter2"], done_elsewhere=True)
    assert "hunter2" not in caught.value.message + caught.value.hint
    assert "SECRET" in caught.value.hint


def test_a_key_that_is_kept_elsewhere_too_is_brought_and_never_made() -> None:
    place = ground(standing("SECRET", "DB_PASSWORD"))
    with pytest.raises(InputError, match="DB_PASSWORD"):
        keys_to_rotate(place, ["DB_PASSWORD", "SECRET"], done_elsewhere=False)
    keys = keys_to_rotate(place, ["DB_PASSWORD", "SECRET"] * 2, done_elsewhere=True)
    assert made(keys) == {"DB_PASSWORD": False, "SECRET": True}


def test_where_it_is_not_known_what_is_there_a_key_counts_as_there() -> None:
    with pytest.raises(InputError, match="DB_PASSWORD"):
        keys_to_rotate(ground(None), ["DB_PASSWORD"], done_elsewhere=False)


def test_a_key_that_is_not_in_the_file_yet_needs_nobodys_word() -> None:
    file = standing("SECRET")
    keys = keys_to_rotate(ground(file), ["DB_PASSWORD"], done_elsewhere=False)
    assert made(keys) == {"DB_PASSWORD": True}
    (finding,) = rotation_findings(file, keys)
    assert finding.rule == "key-added"


# --- who can decrypt, and with what ---


@pytest.mark.parametrize(
    "body",
    [
        {"kind": "Secret"},
        {"sops": {"age": "age1x"}},
        {"sops": {"age": [{"recipient": "age1x"}], "pgp": [{"fp": "x"}]}},
        {"sops": {"age": [{"recipient": "age1x"}], "key_groups": [{}]}},
    ],
)
def test_recipients_that_are_not_all_known_are_not_guessed(
    body: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "sops"
    program.write_text("")
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    means = Means(settings=settings.load(data=tmp_path))
    file = standing("SECRET", body=body)
    with pytest.raises(InputError, match="nobody is named"):
        prepare(ground(file), file, means)


def test_decryption_is_told_where_the_key_is_and_nothing_that_chooses_recipients(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    for name in list(os.environ):
        monkeypatch.delenv(name)
    for name, value in {
        "SOPS_AGE_KEY_FILE": "key.txt",
        "SOPS_AGE_KEY": "AGE-SECRET-KEY-1X",
        "SOPS_AGE_RECIPIENTS": "age1x",
        "SOPS_CONFIG": "x",
        "AWS_PROFILE": "fleet",
        "VAULT_TOKEN": "t",
        "KUBECONFIG": "x",
    }.items():
        monkeypatch.setenv(name, value)
    found = settings.load(data=tmp_path)
    services = {"AWS_PROFILE": "fleet", "VAULT_TOKEN": "t"}
    assert found.key_service_environment == services
    key_file = str(tmp_path / "key.txt")
    expected = services | {"SOPS_AGE_KEY_FILE": key_file}
    assert found.decryption_environment == expected
