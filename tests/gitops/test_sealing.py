"""Encrypting with the real sops and age; kubeseal is played by a small script."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from gitops.errors import InputError, ToolError
from gitops.sealing import (
    AgeRecipients,
    SopsRules,
    decrypt_with_sops,
    encrypt_with_sops,
    seal_with_kubeseal,
    sealing_program,
)
from gitops.secretfile import SecretValue, sealed_check, sealed_values, sops_check
from tests.agents.agentsim import build
from tests.support.encryption import (
    CERTIFICATE,
    SEAL,
    key,
    kubeseal,
    new_key,
    program,
    sops,
)
from tests.support.trees import write_files

__all__ = ["key", "kubeseal", "sops"]  # fixtures

PATH = "overlays/production/example/secrets.enc.yaml"
VALUES = {
    "SECRET": SecretValue("hunter2hunter2hunter2hunter2hunter2"),
    "DB_PASSWORD": SecretValue('it\'s "quoted": # no comment\n{{x}}\té\U0001f511'),
    "ADMIN_EMAIL": SecretValue("admin@example.com"),
}


def encrypted(sops: Path, key: tuple[str, str], **changes: Any) -> bytes:
    options: dict[str, Any] = {
        "namespace": "example-production",
        "path": PATH,
        "recipients": AgeRecipients(keys=(key[0],)),
        "sops": sops,
    }
    values = changes.pop("values", VALUES)
    return encrypt_with_sops(values, **(options | changes))


# --- SOPS ---


def test_what_sops_encrypted_is_safe_and_reads_back(
    sops: Path, key: tuple[str, str]
) -> None:
    text = encrypted(sops, key)
    assert sops_check(yaml.safe_load(text)) == ()
    for value in VALUES.values():
        assert value.reveal().encode() not in text
    back = decrypt_with_sops(text, sops=sops, environment={"SOPS_AGE_KEY": key[1]})
    assert back == VALUES


def test_the_private_key_may_be_in_a_file(
    sops: Path, key: tuple[str, str], tmp_path: Path
) -> None:
    (tmp_path / "key.txt").write_text(key[1])
    environment = {"SOPS_AGE_KEY_FILE": str(tmp_path / "key.txt")}
    text = encrypted(sops, key)
    assert decrypt_with_sops(text, sops=sops, environment=environment) == VALUES


def test_each_recipient_can_decrypt(sops: Path, key: tuple[str, str]) -> None:
    other = new_key()
    text = encrypted(sops, key, recipients=AgeRecipients(keys=(key[0], other[0])))
    for private in (key[1], other[1]):
        environment = {"SOPS_AGE_KEY": private}
        assert decrypt_with_sops(text, sops=sops, environment=environment) == VALUES


@pytest.mark.kustomize
def test_the_encrypted_file_is_a_plain_resource(
    sops: Path, key: tuple[str, str], kustomize: Path, tmp_path: Path
) -> None:
    write_files(
        tmp_path,
        {
            "kustomization.yaml": "kind: Kustomization\nnamespace: example-production\n"
            "resources: [secrets.enc.yaml]\n",
            "secrets.enc.yaml": encrypted(sops, key),
        },
    )
    (body,) = build(kustomize, tmp_path)
    assert sops_check(body) == ()
    assert set(body["stringData"]) == set(VALUES)


def test_the_repositorys_rules_choose_the_recipients_by_path(
    sops: Path, key: tuple[str, str]
) -> None:
    other = new_key()
    rules = (
        "creation_rules:\n"
        f"  - path_regex: ^overlays/production/\n    age: {key[0]}\n"
        f"  - path_regex: ^overlays/staging/\n    age: {other[0]}\n"
    )
    recipients = SopsRules(content=rules.encode())
    body = yaml.safe_load(encrypted(sops, key, recipients=recipients))
    assert [r["recipient"] for r in body["sops"]["age"]] == [key[0]]
    with pytest.raises(ToolError, match="no matching creation rules"):
        encrypted(sops, key, recipients=recipients, path="overlays/dev/x/secrets.yaml")


@pytest.mark.parametrize(
    "extra", ["encrypted_regex: ^nothing$", "mac_only_encrypted: true"]
)
def test_rules_cannot_make_it_leave_a_value_in_clear(
    sops: Path, key: tuple[str, str], extra: str
) -> None:
    rules = f"creation_rules:\n  - age: {key[0]}\n    {extra}\n"
    text = encrypted(sops, key, recipients=SopsRules(content=rules.encode()))
    assert sops_check(yaml.safe_load(text)) == ()
    assert b"hunter2" not in text


@pytest.mark.parametrize(
    "extra",
    ["unencrypted_suffix: _PASSWORD", "unencrypted_regex: ^S", "encrypted_suffix: _x"],
)
def test_rules_that_choose_values_in_another_way_are_refused(
    sops: Path, key: tuple[str, str], extra: str
) -> None:
    rules = f"creation_rules:\n  - age: {key[0]}\n    {extra}\n"
    with pytest.raises(ToolError, match="cannot use more than one") as caught:
        encrypted(sops, key, recipients=SopsRules(content=rules.encode()))
    assert "hunter2" not in caught.value.message


def test_an_empty_value_is_refused_because_sops_would_leave_it(
    sops: Path, key: tuple[str, str]
) -> None:
    with pytest.raises(ToolError, match=r"stringData\.B is not encrypted"):
        encrypted(sops, key, values={**VALUES, "B": SecretValue("")})


def test_the_callers_environment_and_folder_decide_nothing(
    sops: Path,
    key: tuple[str, str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    other = new_key()[0]
    rules = f"creation_rules:\n  - age: {other}\n"
    for folder in (tmp_path, Path.home()):
        (folder / ".sops.yaml").write_text(rules)
    monkeypatch.setenv("SOPS_AGE_RECIPIENTS", other)
    monkeypatch.setenv("SOPS_CONFIG", str(tmp_path / ".sops.yaml"))
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    body = yaml.safe_load(encrypted(sops, key))
    assert [r["recipient"] for r in body["sops"]["age"]] == [key[0]]


@pytest.mark.parametrize(
    "keys",
    [(), ("",), ("AGE-SECRET-KEY-1HUNTER2HUNTER2",), ("age1abcdefghijk\n  - pgp: x",)],
    ids=str,
)
def test_a_recipient_that_is_none_is_refused_without_showing_it(
    keys: tuple[str, ...],
) -> None:
    with pytest.raises(InputError) as caught:
        encrypted(Path("/nonexistent"), ("", ""), recipients=AgeRecipients(keys=keys))
    assert "HUNTER2" not in caught.value.message + caught.value.hint


def test_a_key_that_does_not_fit_is_an_error_that_says_so(
    sops: Path, key: tuple[str, str]
) -> None:
    other = new_key()[1]
    with pytest.raises(ToolError, match="sops failed") as caught:
        decrypt_with_sops(
            encrypted(sops, key), sops=sops, environment={"SOPS_AGE_KEY": other}
        )
    assert other not in caught.value.message


def test_a_file_changed_by_hand_is_not_believed(
    sops: Path, key: tuple[str, str]
) -> None:
    text = encrypted(sops, key).replace(b"ADMIN_EMAIL:", b"ADMIN_TOKEN:")
    with pytest.raises(ToolError, match="sops failed"):
        decrypt_with_sops(text, sops=sops, environment={"SOPS_AGE_KEY": key[1]})


def test_an_encrypted_file_that_is_no_secret_is_refused(
    sops: Path, key: tuple[str, str], tmp_path: Path
) -> None:
    for text in ("stringData: {A: 1}\n", "other: hunter2hunter2\n"):
        command = [str(sops), "encrypt", "--age", key[0], "--input-type", "yaml"]
        done = subprocess.run(
            [*command, "--output-type", "yaml", "--filename-override", "x.yaml"],
            input=text.encode(),
            check=True,
            capture_output=True,
            cwd=tmp_path,
        )
        with pytest.raises(ToolError, match="no Secret of ours") as caught:
            decrypt_with_sops(
                done.stdout, sops=sops, environment={"SOPS_AGE_KEY": key[1]}
            )
        assert "hunter2" not in caught.value.message


# --- programs that misbehave, and kubeseal ---


def sealed(kubeseal: Path, **changes: Any) -> bytes:
    options: dict[str, Any] = {
        "namespace": "example-production",
        "certificate": CERTIFICATE,
        "kubeseal": kubeseal,
    }
    values = changes.pop("values", VALUES)
    return seal_with_kubeseal(values, **(options | changes))


def test_what_kubeseal_sealed_becomes_the_overlays_file(kubeseal: Path) -> None:
    text = sealed(kubeseal)
    body = yaml.safe_load(text)
    assert sealed_check(body) == ()
    assert set(sealed_values(body)) == set(VALUES)
    assert body["metadata"]["namespace"] == "example-production"
    assert b"hunter2" not in text


def test_sealing_one_key_anew_keeps_the_others(kubeseal: Path) -> None:
    before = yaml.safe_load(sealed(kubeseal))
    new = {"SECRET": SecretValue("another secret of enough length")}
    after = yaml.safe_load(sealed(kubeseal, values=new, existing=before))
    old_values, new_values = sealed_values(before), sealed_values(after)
    assert {k for k in new_values if new_values[k] != old_values[k]} == {"SECRET"}
    assert set(new_values) == set(old_values)


@pytest.mark.parametrize(
    "ending",
    [
        "body['spec']['encryptedData']['SECRET'] = secret['stringData']['SECRET']",
        "del body['spec']['encryptedData']['SECRET']",
        "body['spec']['template'] = {'data': secret['stringData']}",
        "body['spec'] = {}",
    ],
)
def test_a_result_that_is_not_wholly_sealed_is_refused(
    tmp_path: Path, ending: str
) -> None:
    text = f"{SEAL}\n{ending}\nprint(yaml.safe_dump(body))\n"
    with pytest.raises(ToolError, match="did not seal every value") as caught:
        sealed(program(tmp_path, "kubeseal", text))
    assert "hunter2" not in caught.value.message


@pytest.mark.parametrize(
    "output", ["", "just words", "- a\n- b", "a: [", "a: b\n---\nc"]
)
def test_a_result_that_is_no_object_is_refused(tmp_path: Path, output: str) -> None:
    broken = program(tmp_path, "kubeseal", f"print({output!r})\n")
    with pytest.raises(ToolError, match="wrote no object"):
        sealed(broken)


def test_a_certificate_that_is_none_is_refused(kubeseal: Path) -> None:
    with pytest.raises(InputError, match="not a PEM certificate"):
        sealed(kubeseal, certificate=b"hello")


def test_a_failing_programs_words_are_told_without_the_values(tmp_path: Path) -> None:
    text = (
        "sys.stderr.write('cannot: ' + sys.stdin.read() + os.getcwd())\nsys.exit(3)\n"
    )
    failing = program(tmp_path, "sops", text)
    with pytest.raises(ToolError) as caught:
        encrypted(failing, ("age1" + "q" * 20, ""), values={"A": VALUES["SECRET"]})
    assert "hunter2" not in caught.value.message
    assert "sops failed" in caught.value.message
    assert "***" in caught.value.message


def test_a_program_that_does_not_start_is_a_tool_error(tmp_path: Path) -> None:
    (tmp_path / "kubeseal").write_text("no program")
    with pytest.raises(ToolError, match="kubeseal gave no result"):
        sealed(tmp_path / "kubeseal")


@pytest.mark.parametrize("name", ["sops", "kubeseal"])
def test_values_reach_a_program_by_its_standard_input_only(
    tmp_path: Path, name: str
) -> None:
    report = tmp_path / "report.json"
    look = f"""
files = {{str(p): p.read_text() for p in pathlib.Path.cwd().rglob("*") if p.is_file()}}
seen = {{"argv": sys.argv, "env": dict(os.environ), "files": files}}
pathlib.Path({str(report)!r}).write_text(json.dumps(seen))
"""
    watching = program(tmp_path, name, look)
    age = ("age1" + "q" * 20, "")
    with pytest.raises(ToolError):
        _ = encrypted(watching, age) if name == "sops" else sealed(watching)
    seen = report.read_text()
    assert "hunter2" not in seen
    assert "admin@example.com" not in seen
    assert not Path(json.loads(seen)["env"]["HOME"]).exists()


def test_garbage_from_decryption_is_an_error_that_does_not_quote_it(
    tmp_path: Path,
) -> None:
    broken = program(tmp_path, "sops", "print('hunter2')\n")
    with pytest.raises(ToolError, match="no Secret of ours") as caught:
        decrypt_with_sops(b"x", sops=broken, environment={})
    assert caught.value.__cause__ is None
    assert "hunter2" not in caught.value.message


def test_a_missing_program_is_named_with_what_to_do(tmp_path: Path) -> None:
    with pytest.raises(ToolError, match="kubeseal is not installed") as caught:
        sealing_program("kubeseal", str(tmp_path))
    assert "install" in caught.value.hint
    made = program(tmp_path, "sops", "")
    assert sealing_program("sops", f"relative:{tmp_path}") == made
