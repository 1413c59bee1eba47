"""Planning the file of encrypted keys: wholly encrypted, that file alone."""

from __future__ import annotations

import base64
import json
import os
from typing import Any

import pytest

from gitops.edit import edit
from gitops.errors import HeldError, InputError, PlanError, TreeError
from gitops.intents import plan_from_json, plan_to_json
from gitops.layout import target
from gitops.model import FileEdit, PlanKind, TargetScope, Tree, WriteFile, blob_id
from gitops.promotion import plan_secrets
from gitops.secretfile import (
    SEALED_FILE,
    SOPS_FILE,
    SecretValue,
    keys_in,
    read_secret_file,
    sealed_manifest,
    secret_json,
    secret_manifest,
)
from tests.support.overlays import fleet, kustomization
from tests.support.trees import tree

ACME = target("acme", "production")
FOLDER = "overlays/production/acme"
PATH = f"{FOLDER}/{SEALED_FILE}"
NAMESPACE = "acme-production"
VALUES = {"SECRET": SecretValue('say "hunter2"'), "ON": SecretValue("é")}


def sealed(*names: str) -> bytes:
    """Return a file in which random bytes stand for sealed values."""
    values = {name: base64.b64encode(os.urandom(400)).decode() for name in names}
    return sealed_manifest(values, namespace=NAMESPACE)


def repository(content: bytes = b"# no keys yet\n") -> Tree:
    return tree({f"{FOLDER}/kustomization.yaml": kustomization(), PATH: content})


def planned(base: Tree, content: bytes, **changes: Any) -> Any:
    options = {"name": SEALED_FILE, "requested_by": "ada", **changes}
    return plan_secrets(base, fleet(), ACME, content=content, **options)


def edits(base: Tree, *changes: WriteFile) -> tuple[FileEdit, ...]:
    return edit(base, fleet(), changes)


def test_the_plan_changes_the_one_file_and_no_other() -> None:
    base, content = repository(), sealed("SECRET")
    plan = planned(base, content, reason="first keys")
    assert (plan.kind, plan.scope) == (PlanKind.SECRETS, TargetScope(target=ACME))
    (change,) = edits(base, *plan.changes)
    assert (change.path, change.after) == (PATH, content)
    assert plan_from_json(json.loads(json.dumps(plan_to_json(plan)))) == plan


def test_what_came_to_the_file_since_is_not_undone() -> None:
    old, new = sealed("SECRET"), sealed("SECRET")
    plan = planned(repository(old), new)
    with pytest.raises(PlanError, match=rf"^{PATH}: has changed since"):
        edits(repository(sealed("SECRET")), *plan.changes)
    assert edits(repository(new), *plan.changes) == ()


def test_a_change_that_replaces_anything_still_does() -> None:
    wanted = WriteFile(path=PATH, content=b"# mine\n")
    (change,) = edits(repository(sealed("SECRET")), wanted)
    assert change.after == b"# mine\n"
    (change,) = edits(
        repository(),
        WriteFile(path=PATH, content=b"x", replaces=blob_id(b"# no keys yet\n")),
    )
    assert change.after == b"x"


@pytest.mark.parametrize(
    ("name", "content", "problem"),
    [
        (SEALED_FILE, b"# nothing\n", "it holds no values"),
        (
            SEALED_FILE,
            sealed("A").replace(b"  A: ", b"  A: hunter2 "),
            "A is not sealed",
        ),
        (
            SOPS_FILE,
            secret_manifest(VALUES, namespace=NAMESPACE),
            "SECRET is not encry",
        ),
        ("config.env", sealed("A"), "not a file of encrypted keys"),
    ],
)
def test_a_file_that_is_not_wholly_encrypted_is_never_planned(
    name: str, content: bytes, problem: str
) -> None:
    with pytest.raises(InputError, match=problem) as caught:
        planned(repository(), content, name=name)
    assert "hunter2" not in caught.value.message + caught.value.hint


def test_an_overlay_without_the_file_is_refused() -> None:
    base = tree({f"{FOLDER}/kustomization.yaml": kustomization()})
    with pytest.raises(TreeError, match="no such file"):
        planned(base, sealed("A"))


def test_the_pause_switch_stops_it() -> None:
    with pytest.raises(HeldError):
        planned(repository(), sealed("A"), paused=True)


# --- the files ---


def test_a_file_of_comments_holds_no_secret_yet() -> None:
    assert read_secret_file(b"# later\n", PATH) is None


@pytest.mark.parametrize(
    "content",
    [
        b"- a\n",
        b"kind: Secret\n",
        b"kind: Secret\nmetadata: {name: other}\n",
        sealed("A") + b"---\n" + sealed("A"),
    ],
)
def test_a_file_of_something_else_is_refused(content: bytes) -> None:
    with pytest.raises(TreeError, match="something else than the one Secret"):
        read_secret_file(content, PATH)


@pytest.mark.parametrize(
    "content", [sealed(*VALUES), secret_manifest(VALUES, namespace=NAMESPACE)]
)
def test_the_names_of_the_keys_can_be_read_without_the_values(content: bytes) -> None:
    body = read_secret_file(content, PATH)
    assert body is not None
    assert keys_in(body) == VALUES.keys()


def test_json_and_yaml_say_the_same_secret() -> None:
    as_yaml = read_secret_file(secret_manifest(VALUES, namespace=NAMESPACE), "x")
    assert json.loads(secret_json(VALUES, namespace=NAMESPACE)) == as_yaml


@pytest.mark.parametrize("values", [{}, {"A-B": SecretValue("hunter2")}])
def test_a_secret_that_no_pod_could_read_is_refused(
    values: dict[str, SecretValue],
) -> None:
    with pytest.raises(InputError) as caught:
        secret_json(values, namespace=NAMESPACE)
    assert "hunter2" not in caught.value.message
