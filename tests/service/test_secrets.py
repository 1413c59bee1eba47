"""Making keys: random, harmless in every reader, and never written into Git."""

from __future__ import annotations

import json
import re
import stat
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given, strategies as st

from gitops.errors import InputError
from gitops.layout import shipped_tree
from gitops.model import Manifest
from gitops.secretfile import SecretValue
from gitops.secretnames import is_secret_name
from service.secrets import (
    accepted_value,
    complete_keys,
    generate_keys,
    key_spec,
    known_keys,
    required_keys,
    store_document,
    write_private,
)
from tests.support.rendered import rendered

DEPLOYMENT = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: directus}
spec:
  template:
    spec:
      initContainers:
        - env:
            - name: LICENSE_KEY
              valueFrom:
                secretKeyRef: {name: directus-secrets, key: LICENSE_KEY, optional: true}
            - name: ADMIN_TOKEN
              valueFrom:
                secretKeyRef: {name: directus-secrets, key: ADMIN_TOKEN, optional: true}
      containers:
        - env:
            - name: SECRET
              valueFrom: {secretKeyRef: {name: directus-secrets, key: SECRET}}
            - name: ADMIN_EMAIL
              valueFrom: {secretKeyRef: {name: directus-secrets, key: ADMIN_EMAIL}}
            - name: LICENSE_KEY
              valueFrom: {secretKeyRef: {name: directus-secrets, key: LICENSE_KEY}}
            - name: OTHER
              valueFrom: {secretKeyRef: {name: another-secret, key: OTHER}}
---
apiVersion: monitoring.coreos.com/v1
kind: ServiceMonitor
metadata: {name: directus}
spec:
  endpoints:
    - authorization:
        type: Metrics
        credentials: {name: directus-secrets, key: METRICS_TOKENS}
"""


def objects() -> tuple[Manifest, ...]:
    """Return what an overlay renders to."""
    return rendered("overlays/production/example", DEPLOYMENT).objects


# --- which keys ---


def test_the_required_keys_are_those_that_objects_refer_to() -> None:
    found = {key.spec.name: key.is_optional for key in required_keys(objects())}
    assert found == {
        "SECRET": False,
        "ADMIN_EMAIL": False,
        "ADMIN_TOKEN": True,
        "LICENSE_KEY": False,
        "METRICS_TOKENS": False,
    }


def references(value: Any) -> Iterator[str]:
    """Walk to every reference to the Secret in plain data, JSON patches included."""
    if isinstance(value, str) and "directus-secrets" in value:
        yield from references(yaml.safe_load(value)) if "\n" in value else ()
    elif isinstance(value, dict):
        if value.get("name") == "directus-secrets" and "key" in value:
            yield value["key"]
        for child in value.values():
            yield from references(child)
    elif isinstance(value, list):
        for child in value:
            yield from references(child)


def test_every_key_that_base_refers_to_is_described() -> None:
    shipped = shipped_tree()
    used = {
        key
        for path in shipped.paths_under("base")
        if path.endswith(".yaml")
        for body in yaml.safe_load_all(shipped.read(path))
        for key in references(body)
    }
    assert used
    assert used == {spec.name for spec in known_keys()}


def test_every_key_says_what_it_is_for_and_what_a_new_value_means() -> None:
    names = [spec.name for spec in known_keys()]
    assert len(set(names)) == len(names)
    for spec in known_keys():
        assert spec.purpose
        assert spec.rotation.effect
        assert spec.rotation.steps
        assert is_secret_name(spec.name) or spec.name == "ADMIN_EMAIL"


def test_the_database_password_cannot_be_rotated_alone() -> None:
    assert not key_spec("DB_PASSWORD").rotation.is_free
    assert "ALTER USER" in key_spec("DB_PASSWORD").rotation.steps[0]
    assert key_spec("SECRET").rotation.is_free
    assert "logged out" in key_spec("SECRET").rotation.effect


def test_an_unknown_key_is_a_persons_to_bring() -> None:
    spec = key_spec("AUTH_GITHUB_CLIENT_SECRET")
    assert not spec.is_made
    assert not spec.rotation.is_free


# --- random values ---


def test_made_values_are_random_long_and_of_harmless_characters() -> None:
    made = generate_keys(known_keys())
    assert set(made) == {spec.name for spec in known_keys() if spec.is_made}
    assert len(set(made.values())) == len(made)
    for name, value in made.items():
        assert re.fullmatch(r"[A-Za-z][A-Za-z0-9]{31,}", value.reveal()), name
        assert yaml.safe_load(value.reveal()) == value.reveal()
        assert accepted_value(name, value.reveal()) == value
    assert len(made["SECRET"].reveal().encode()) >= 32
    again = generate_keys(known_keys())
    assert all(again[name] != made[name] for name in made)


def test_keys_that_only_a_person_has_are_not_made_up() -> None:
    made = generate_keys([key_spec("STORAGE_S3_KEY"), key_spec("ADMIN_EMAIL")])
    assert made == {}


# --- completing ---


def test_given_values_win_and_the_rest_is_made() -> None:
    given_values = {"ADMIN_EMAIL": "admin@example.com", "LICENSE_KEY": "ABC-123"}
    values = complete_keys(required_keys(objects()), given_values)
    assert set(values) == {"SECRET", "ADMIN_EMAIL", "LICENSE_KEY", "METRICS_TOKENS"}
    assert values["ADMIN_EMAIL"] == SecretValue("admin@example.com")


def test_an_optional_key_is_taken_when_it_is_given() -> None:
    given_values = {"ADMIN_EMAIL": "a@b.c", "LICENSE_KEY": "A", "ADMIN_TOKEN": "T" * 40}
    values = complete_keys(required_keys(objects()), given_values)
    assert values["ADMIN_TOKEN"] == SecretValue("T" * 40)


def test_missing_values_are_all_named_at_once() -> None:
    with pytest.raises(InputError, match="ADMIN_EMAIL, LICENSE_KEY"):
        complete_keys(required_keys(objects()), {})


def test_a_value_that_nothing_refers_to_is_refused_without_showing_it() -> None:
    with pytest.raises(InputError, match="ADMIN_EMIAL") as caught:
        complete_keys(required_keys(objects()), {"ADMIN_EMIAL": "hunter2"})
    assert "hunter2" not in caught.value.message + caught.value.hint
    assert "ADMIN_EMAIL" in caught.value.hint


# --- values that people bring ---


@pytest.mark.parametrize(
    ("name", "value", "written"),
    [
        ("STORAGE_S3_KEY", "123e5", "string:123e5"),
        ("STORAGE_S3_KEY", "0x1F", "string:0x1F"),
        ("STORAGE_S3_KEY", "-.5", "string:-.5"),
        ("STORAGE_S3_KEY", " 12 ", "string: 12 "),
        ("STORAGE_S3_KEY", "Infinity", "string:Infinity"),
        ("STORAGE_S3_KEY", "TRUE", "string:TRUE"),
        ("STORAGE_S3_KEY", "a,b", "string:a,b"),
        ("STORAGE_S3_KEY", "{}", "string:{}"),
        ("STORAGE_S3_KEY", "json:x", "string:json:x"),
        ("STORAGE_S3_KEY", "string:12", "string:12"),
        ("STORAGE_S3_KEY", "AKIAEXAMPLE", "AKIAEXAMPLE"),
        ("AUTH_GITHUB_CLIENT_SECRET", "123e5", "string:123e5"),
        ("STORAGE_S3_SECRET", "123e5", "123e5"),
        ("DB_PASSWORD", "12345678", "12345678"),
        ("DB_ROOT_PASSWORD", "12345678", "12345678"),
        ("METRICS_TOKENS", "one,two", "one,two"),
    ],
)
def test_a_value_that_directus_would_turn_into_something_else_is_marked_as_text(
    name: str, value: str, written: str
) -> None:
    assert accepted_value(name, value).reveal() == written


@given(st.text(min_size=1))
def test_a_mark_is_the_only_change_ever_made_to_a_value(value: str) -> None:
    try:
        accepted = accepted_value("STORAGE_S3_KEY", value).reveal()
    except InputError:
        return
    assert accepted in (value, f"string:{value}")


@pytest.mark.parametrize("value", ["", "hunter2\n", "hunter2\r\n", "\n", "hunt\0er2"])
def test_a_value_with_a_line_end_is_refused(value: str) -> None:
    with pytest.raises(InputError, match="DB_PASSWORD") as caught:
        accepted_value("DB_PASSWORD", value)
    assert "hunt" not in caught.value.message


def test_a_short_secret_is_refused() -> None:
    with pytest.raises(InputError, match="31 bytes"):
        accepted_value("SECRET", "x" * 31)
    assert accepted_value("SECRET", "é" * 16).reveal() == "é" * 16


# --- where they may go ---


def test_the_stores_entry_is_one_json_object() -> None:
    values = {"B": SecretValue('"é'), "A": SecretValue("a")}
    text = store_document(values)
    assert json.loads(text) == {"A": "a", "B": '"é'}
    assert text.endswith(b"\n")
    assert text == store_document(dict(reversed(values.items())))


def test_a_private_file_can_be_read_by_its_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "secret.yaml"
    write_private(path, b"clear")
    assert path.read_bytes() == b"clear"
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_file_is_never_written_over(tmp_path: Path) -> None:
    path = tmp_path / "secret.yaml"
    path.write_text("mine")
    with pytest.raises(InputError, match="already"):
        write_private(path, b"clear")
    assert path.read_text() == "mine"


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    path = tmp_path / "secret.yaml"
    path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(InputError):
        write_private(path, b"clear")
    assert not (tmp_path / "elsewhere").exists()


@pytest.mark.parametrize("is_worktree", [False, True])
def test_nothing_is_written_inside_a_git_work_tree(
    tmp_path: Path, is_worktree: bool
) -> None:
    folder = tmp_path / "repository" / "overlays" / "production"
    folder.mkdir(parents=True)
    marker = tmp_path / "repository" / ".git"
    if is_worktree:
        marker.write_text("gitdir: /elsewhere\n")
    else:
        marker.mkdir()
    link = tmp_path / "outside"
    link.symlink_to(folder)
    for place in (folder, link):
        with pytest.raises(InputError, match="Git work tree"):
            write_private(place / "secret.yaml", b"clear")
    assert list(folder.iterdir()) == []


def test_a_missing_folder_is_a_known_error(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such folder"):
        write_private(tmp_path / "no" / "secret.yaml", b"clear")


def test_the_page_on_rotation_says_the_same_as_the_code() -> None:
    page = (Path(__file__).parents[2] / "docs" / "secrets.md").read_text()
    said: dict[str, str] = {}
    for line in page.split("## Rotating")[1].splitlines():
        if line.startswith("| `"):
            names, is_free, *_ = [cell.strip() for cell in line.strip("|").split("|")]
            said |= dict.fromkeys(re.findall(r"`(\w+)`", names), is_free)
    assert said == {
        spec.name: "yes" if spec.rotation.is_free else "**no**" for spec in known_keys()
    }
