"""What an edit may not add to Git: found before the commit, and never shown."""

from __future__ import annotations

import base64
from typing import Final
from urllib.parse import quote

import pytest

from gitops.model import FileEdit
from gitops.schemas import load_schemas
from gitops.validate import check_files, scan_secrets
from tests.support.trees import tree

# Put together here, so that no scanner takes this file for a leak.
SAMPLES: Final = {
    "GitHub": "ghp_" + "aB3dE5gH" * 5,
    "GitHub, fine-grained": "github_pat_" + "11ABCDEFG0" * 6,
    "GitLab": "glpat-" + "aB3dE5gH1jK2mN3p",
    "AWS": "AKIA" + "IOSFODNN7EXAMPLE",
    "Slack": "xoxb-" + "123456789012-abcdefGHIJKL",
    "private key": "-----BEGIN RSA " + "PRIVATE KEY-----",
    "JWT": "eyJhbGciOiJIUzI1NiJ9" + ".eyJzdWIiOiIxMjM0NTYifQ" + ".c2lnbmF0dXJlc2ln",
    "age": "AGE-SECRET-" + "KEY-1QQQQQQQQQQQQQQQQQQQQ",
    "address": "https://user:" + "hunter2hunter2@example.com/x",
}
OWN: Final = "our/???>>>~~~own-credential"


def edit(path: str, after: str | None, before: str | None = None) -> FileEdit:
    return FileEdit(
        path=path,
        before=None if before is None else before.encode(),
        after=None if after is None else after.encode(),
    )


def found(*edits: FileEdit, known: tuple[str, ...] = ()) -> list[tuple[str, int]]:
    return [(f.rule, f.line) for f in scan_secrets(edits, known=known)]


@pytest.mark.parametrize("kind", SAMPLES)
@pytest.mark.parametrize("path", ["overlays/a/b/patch.yaml", "notes.md", "x.env"])
def test_a_credential_is_found_by_its_form_and_not_shown(kind: str, path: str) -> None:
    sample = SAMPLES[kind]
    (finding,) = scan_secrets([edit(path, f"a: 1\nb: {sample}\n")])
    assert (finding.rule, finding.path, finding.line) == ("secret-token", path, 2)
    assert sample not in finding.message + finding.hint


@pytest.mark.parametrize("kind", SAMPLES)
def test_what_was_there_before_stops_nothing(kind: str) -> None:
    line = f"# {SAMPLES[kind]}\n"
    assert found(edit("a.yaml", f"a: 2\n{line}", f"{line}a: 1\n")) == []


def test_a_second_copy_of_an_old_line_is_new() -> None:
    line = f"# {SAMPLES['AWS']}\n"
    assert found(edit("a.yaml", line * 2, line)) == [("secret-token", 2)]


def test_removing_a_secret_is_welcome() -> None:
    text = f"apiVersion: v1\nkind: Secret\nstringData: {{a: {SAMPLES['AWS']}}}\n"
    assert found(edit("a.yaml", None, text), edit("b.yaml", "a: 1\n", text)) == []


@pytest.mark.parametrize(
    "form",
    [
        OWN,
        quote(OWN, safe=""),
        base64.b64encode(OWN.encode()).decode(),
        base64.urlsafe_b64encode(OWN.encode()).decode(),
        base64.b64encode(f"x-access-token:{OWN}".encode()).decode(),
    ],
)
def test_our_own_credential_is_found_in_every_form(form: str) -> None:
    edits = [edit("a.txt", f"x\nbefore{form}after\n")]
    assert [f.rule for f in scan_secrets(edits)] == []
    (finding,) = scan_secrets(edits, known=[OWN])
    assert (finding.rule, finding.line) == ("own-credential", 2)
    assert form not in finding.message


def test_a_short_or_empty_credential_does_not_match_everything() -> None:
    assert found(edit("a.txt", "a: b\n"), known=("", "a")) == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("kind: Secret\nstringData: {a: b}\n", [("plain-secret", 1)]),
        ("a: 1\n---\nkind: Secret\ndata: {a: Yg==}\n", [("plain-secret", 3)]),
        (
            "kind: List\nitems:\n- kind: Secret\n  data: {a: Yg==}\n",
            [("plain-secret", 1)],
        ),
        ("kind: Secret\nmetadata: {name: a}\n", []),
        ("kind: Secret\ndata: {a: *b}\n", []),
        ("kind: Secret\ndata:\n  a: [\n", [("plain-secret", 4)]),
        ("kind: ConfigMap\ndata:\n  a: [\n", []),
        ("secretGenerator:\n- literals: [a=b]\n", [("secret-generator", 1)]),
        ("secretGenerator:\n- files: [a.txt]\n", [("secret-generator", 1)]),
        ("secretGenerator: []\n", []),
        (
            "configMapGenerator:\n- literals: [A=b, SECRET=c]\n",
            [("secret-in-clear", 1)],
        ),
        ("kind: ConfigMap\ndata: {SECRET: c}\n", [("secret-in-clear", 1)]),
        ("kind: SealedSecret\nspec: {encryptedData: {a: b}}\n", [("plain-secret", 1)]),
        ("- just\n- a list\n", []),
    ],
)
def test_a_secret_is_found_by_its_structure(
    text: str, expected: list[tuple[str, int]]
) -> None:
    if "*b" in text:  # an alias without an anchor: unreadable, and told as such
        expected = [("plain-secret", 2)]
    assert found(edit("a.yaml", text)) == expected


def test_an_unchanged_secret_stops_nothing() -> None:
    before = "kind: Secret\nstringData: {a: b}\n"
    assert found(edit("a.yaml", f"{before}---\nx: 1\n", before)) == []
    after = before.replace("{a: b}", "{a: b, c: d}")
    assert found(edit("a.yaml", after, before)) == [("plain-secret", 1)]


def test_structure_counts_only_in_yaml() -> None:
    assert found(edit("README.md", "kind: Secret\nstringData: {a: b}\n")) == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("A=1\nDB_PASSWORD=hunter2\n", [("secret-in-clear", 2)]),
        ("DB_PASSWORD=\nRESET_PASSWORD_ENABLED=true\n", []),
        ("DB_PASSWORD_FILE=/run/secrets/db\nACCESS_TOKEN_TTL=15m\n", []),
        ("DB_PASSWORD\n", []),
    ],
)
def test_a_setting_is_judged_by_its_name(
    text: str, expected: list[tuple[str, int]]
) -> None:
    assert found(edit("overlays/a/b/config.env", text)) == expected


def test_bytes_that_are_no_text_are_scanned_all_the_same() -> None:
    content = b"\xff\x00\n" + SAMPLES["AWS"].encode() + b"\xfe\n"
    edits = [FileEdit(path="a.bin", before=b"\xff\n", after=content)]
    assert [(f.rule, f.line) for f in scan_secrets(edits)] == [("secret-token", 2)]


# --- encrypted Secrets ---

ENCRYPTED: Final = "ENC[AES256_GCM,data:YQ==,iv:YQ==,tag:YQ==,type:str]"
SOPS: Final = f"""\
apiVersion: v1
kind: Secret
metadata: {{name: directus-secrets}}
data: {{TLS: '{ENCRYPTED}'}}
stringData: {{SECRET: '{ENCRYPTED}'}}
sops:
  age: [{{recipient: age1x, enc: x}}]
  mac: '{ENCRYPTED}'
"""


def test_a_secret_that_sops_encrypted_is_sound() -> None:
    files = tree({"a.yaml": SOPS})
    assert check_files(files, ["a.yaml"], load_schemas()) == ()
    assert found(edit("a.yaml", SOPS)) == []


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (f"SECRET: '{ENCRYPTED}'", "SECRET: hunter2"),
        (f"TLS: '{ENCRYPTED}'", "TLS: aHVudGVyMg=="),
        (f"mac: '{ENCRYPTED}'", "mac: none"),
        ("age: [{recipient: age1x, enc: x}]", "age: []"),
    ],
)
def test_a_secret_that_is_half_encrypted_is_found(before: str, after: str) -> None:
    text = SOPS.replace(before, after)
    assert text != SOPS
    findings = check_files(tree({"a.yaml": text}), ["a.yaml"], load_schemas())
    assert {f.rule for f in findings} == {"plain-secret"}
    assert [rule for rule, _ in found(edit("a.yaml", text))] == ["plain-secret"]


def test_a_wrong_field_of_an_encrypted_secret_is_still_found() -> None:
    files = tree({"a.yaml": SOPS + "extra: 1\n"})
    (finding,) = check_files(files, ["a.yaml"], load_schemas())
    assert (finding.rule, finding.line) == ("schema", 9)
