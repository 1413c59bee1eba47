"""The Secret as a file: in clear for a pipe, and what counts as encrypted."""

from __future__ import annotations

import base64
from typing import Any

import pytest
import yaml
from hypothesis import given, strategies as st

from gitops.errors import InputError
from gitops.secretfile import (
    SecretValue,
    is_sops,
    sealed_check,
    sealed_manifest,
    sealed_values,
    secret_manifest,
    sops_check,
    without_sops,
)

ENCRYPTED = "ENC[AES256_GCM,data:2H7viLYm,iv:PNFaAVUe,tag:WvxHc5PZ==,type:str]"
SEALED = base64.b64encode(bytes(600)).decode()


def secret(**changes: Any) -> dict[str, Any]:
    """Make a Secret as SOPS writes it, with some fields changed; None removes one."""
    body: dict[str, Any] = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": "directus-secrets"},
        "type": "Opaque",
        "stringData": {"SECRET": ENCRYPTED, "DB_PASSWORD": ENCRYPTED},
        "sops": {
            "age": [{"recipient": "age1x", "enc": "..."}],
            "mac": ENCRYPTED,
            "encrypted_regex": "^(data|stringData)$",
            "version": "3.11.0",
        },
    } | changes
    return {key: value for key, value in body.items() if value is not None}


def sealed(**spec: Any) -> dict[str, Any]:
    """Make a SealedSecret with some fields of its spec changed."""
    return {
        "apiVersion": "bitnami.com/v1alpha1",
        "kind": "SealedSecret",
        "spec": {"encryptedData": {"SECRET": SEALED}} | spec,
    }


# --- values and the file in clear ---


def test_a_secret_value_never_shows_itself() -> None:
    value = SecretValue("hunter2hunter2")
    shown = f"{value} {value!r} {[value]} { ({'k': value}) } {value!s:>20}"
    assert "hunter2" not in shown
    assert value.reveal() == "hunter2hunter2"
    assert value == SecretValue("hunter2hunter2")
    assert value != "hunter2hunter2"
    assert len({value, SecretValue("hunter2hunter2"), SecretValue("other")}) == 2


@given(
    st.dictionaries(
        st.from_regex(r"[A-Z_][A-Z0-9_]{0,20}", fullmatch=True),
        st.text(st.characters(exclude_categories=["Cs"])),
        min_size=1,
    )
)
def test_every_reader_gets_back_the_very_texts(values: dict[str, str]) -> None:
    text = secret_manifest(
        {key: SecretValue(value) for key, value in values.items()},
        namespace="2024-01-02",
    )
    body = yaml.safe_load(text)
    assert body["stringData"] == values
    assert body["metadata"] == {"name": "directus-secrets", "namespace": "2024-01-02"}
    assert (body["kind"], body["type"]) == ("Secret", "Opaque")


@pytest.mark.parametrize("key", ["ON", "Y", "NO", "NULL", "_1", "TRUE"])
def test_a_key_that_yaml_takes_for_another_type_is_quoted(key: str) -> None:
    text = secret_manifest({key: SecretValue("x")}, namespace="n")
    assert yaml.safe_load(text)["stringData"] == {key: "x"}
    assert sealed_values(yaml.safe_load(sealed_manifest({key: "x"}, namespace="n")))


@pytest.mark.parametrize(
    "key", ["", "A-B", "1A", "A B", "A\nB: x", "A.B", "Ä", "A" * 254]
)
def test_a_key_that_is_no_variable_is_refused(key: str) -> None:
    with pytest.raises(InputError) as caught:
        secret_manifest({key: SecretValue("hunter2")}, namespace="n")
    assert "hunter2" not in caught.value.message


def test_a_secret_without_keys_is_refused() -> None:
    with pytest.raises(InputError, match="nothing to write"):
        secret_manifest({}, namespace="n")


# --- SOPS ---


def test_a_wholly_encrypted_secret_has_no_problem() -> None:
    assert is_sops(secret())
    assert sops_check(secret()) == ()


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"stringData": {"A": ENCRYPTED, "B": "hunter2"}}, "stringData.B is not enc"),
        ({"data": {"B": "aHVudGVyMg=="}}, "data.B is not encrypted"),
        ({"stringData": {"A": f"hunter2{ENCRYPTED}"}}, "stringData.A is not enc"),
        ({"stringData": {"A": f"{ENCRYPTED}\n"}}, "stringData.A is not encrypted"),
        ({"stringData": {"A": ""}}, "stringData.A is not encrypted"),
        ({"stringData": {"A": 1}}, "stringData.A is not encrypted"),
        ({"stringData": {"A": "ENC[hunter2]"}}, "stringData.A is not encrypted"),
        ({"stringData": ["hunter2"]}, "stringData is not a mapping"),
        ({"stringData": "hunter2"}, "stringData is not a mapping"),
        ({"stringData": None}, "holds no values"),
        ({"sops": None}, "no sops block"),
        ({"sops": "yes"}, "no sops block"),
        ({"sops": {"age": [{"recipient": "age1x"}]}}, "sops.mac"),
        ({"sops": {"age": [{}], "mac": "hunter2"}}, "sops.mac"),
        ({"sops": {"mac": ENCRYPTED}}, "names no recipient"),
        ({"sops": {"mac": ENCRYPTED, "age": [], "pgp": "x"}}, "names no recipient"),
        (
            {
                "metadata": {
                    "annotations": {
                        "kubectl.kubernetes.io/last-applied-configuration": "hunter2"
                    }
                }
            },
            "holds the values in clear",
        ),
    ],
    ids=str,
)
def test_anything_left_in_clear_is_a_problem_that_does_not_quote_it(
    changes: dict[str, Any], problem: str
) -> None:
    found = sops_check(secret(**changes))
    assert any(problem in text for text in found), found
    assert not any("hunter2" in text for text in found)


@pytest.mark.parametrize(
    "block",
    [
        {"pgp": [{"fp": "x"}]},
        {"kms": [{"arn": "x"}]},
        {"hc_vault": [{"engine_path": "x"}]},
        {"key_groups": [{"age": [{"recipient": "age1x"}]}]},
    ],
    ids=str,
)
def test_any_kind_of_recipient_will_do(block: dict[str, Any]) -> None:
    assert sops_check(secret(sops={"mac": ENCRYPTED} | block)) == ()


def test_the_body_for_the_schema_has_no_sops_and_no_data_that_is_no_base64() -> None:
    body = without_sops(secret(data={"B": ENCRYPTED}))
    assert "sops" not in body
    assert "data" not in body
    assert body["stringData"] == {
        "B": ENCRYPTED,
        "SECRET": ENCRYPTED,
        "DB_PASSWORD": ENCRYPTED,
    }
    assert body["type"] == "Opaque"
    assert "stringData" not in without_sops(secret(stringData=None))


def test_only_a_secret_with_the_block_counts_as_sops() -> None:
    assert not is_sops(secret(sops=None))
    assert not is_sops(secret(kind="ConfigMap"))


# --- Sealed Secrets ---


def test_a_sealed_secret_has_no_problem_and_gives_its_values() -> None:
    assert sealed_check(sealed()) == ()
    assert sealed_values(sealed()) == {"SECRET": SEALED}


@pytest.mark.parametrize(
    ("spec", "problem"),
    [
        ({"encryptedData": {}}, "no values"),
        ({"encryptedData": None}, "no values"),
        ({"encryptedData": {"A": "hunter2"}}, "A is not sealed"),
        ({"encryptedData": {"A": "aHVudGVyMg=="}}, "A is not sealed"),
        ({"encryptedData": {"A": 1}}, "A is not sealed"),
        ({"template": {"data": {"A": "hunter2"}}}, "in clear"),
        ({"template": {"stringData": {"A": "hunter2"}}}, "in clear"),
    ],
    ids=str,
)
def test_a_value_that_is_not_sealed_is_a_problem(
    spec: dict[str, Any], problem: str
) -> None:
    (found,) = sealed_check(sealed(**spec))
    assert problem in found
    assert "hunter2" not in found


@pytest.mark.parametrize("body", [{}, {"spec": "x"}], ids=str)
def test_an_object_without_a_spec_is_not_sealed(body: dict[str, Any]) -> None:
    assert sealed_check(body)
    assert sealed_values(body) == {}


def test_the_sealed_file_is_the_same_each_time_and_complete() -> None:
    values = {"B": SEALED, "A": SEALED}
    text = sealed_manifest(values, namespace="example-production")
    assert text == sealed_manifest(
        dict(reversed(values.items())), namespace="example-production"
    )
    body = yaml.safe_load(text)
    place = {"name": "directus-secrets", "namespace": "example-production"}
    assert body["metadata"] == place
    assert body["spec"]["template"] == {"metadata": place, "type": "Opaque"}
    assert sealed_check(body) == ()
    assert sealed_values(body) == values
