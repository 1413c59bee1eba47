"""What an edit would add to Git that must never be there (R18).

Runs before each commit, on the bytes. It promises that no finding shows a secret, and
that what was in the repository before does not stop a commit.
"""

from __future__ import annotations

import base64
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from typing import Final
from urllib.parse import quote

from gitops.errors import YamlError
from gitops.model import FileEdit, Finding, Json
from gitops.secretnames import holds_password, is_secret
from gitops.tokenshapes import token_shape
from gitops.validate.placing import finding
from gitops.validate.rule import Rule, shown
from gitops.validate.secrets import (
    OWN_CREDENTIAL,
    PLAIN_SECRET,
    SECRET_IN_CLEAR,
    TOKEN,
    kind_of_secret,
    kustomization_secrets,
    secret_problems,
)
from gitops.validate.shapes import mappings, texts
from gitops.yamltext import Document, parse_documents

_KNOWN_LENGTH_MIN: Final = 6
_YAML_NAMES: Final = (".yaml", ".yml", ".json", "Kustomization")
_SECRET_KIND = re.compile(rb"^\s*(- )?\s*[\"']?kind[\"']?\s*:\s*[\"']?Secret\b", re.M)
_SECRET_DATA = re.compile(rb"^\s*[\"']?(data|stringData)[\"']?\s*:", re.M)


def scan_secrets(
    edits: Sequence[FileEdit], *, known: Sequence[str] = ()
) -> tuple[Finding, ...]:
    """Find secrets that edits would add to the repository.

    Args:
        edits: the files before and after; what was there before is not reported.
        known: our own credentials; found also as base64 and as part of an address.
    """
    forms = tuple(form for value in known for form in _forms(value))
    found: list[Finding] = []
    for edit in edits:
        if edit.after is not None:
            found += _added_lines(edit, edit.after, forms)
            if edit.path.endswith(_YAML_NAMES):
                found += _added_objects(edit, edit.after)
    return tuple(found)


def _forms(value: str) -> Iterator[str]:
    """Yield a credential as it may appear; a short one would be found everywhere."""
    if len(value) < _KNOWN_LENGTH_MIN:
        return
    yield value
    yield quote(value, safe="")
    for login in ("", "x-access-token:", "git:"):
        raw = base64.b64encode(f"{login}{value}".encode()).decode().rstrip("=")
        yield raw
        yield raw.translate(str.maketrans("+/", "-_"))


# --- line by line ---


def _added_lines(
    edit: FileEdit, after: bytes, forms: Sequence[str]
) -> Iterator[Finding]:
    before = Counter((edit.before or b"").splitlines())
    for number, line in enumerate(after.splitlines(), start=1):
        if before[line] > 0:
            before[line] -= 1
            continue
        found = _in_line(line.decode("utf-8", "replace"), edit.path, forms)
        if found is not None:
            yield finding(found[0], edit.path, number, found[1])


def _in_line(line: str, path: str, forms: Sequence[str]) -> tuple[Rule, str] | None:
    if any(form in line for form in forms):
        return OWN_CREDENTIAL, "holds a credential of this service"
    shape = token_shape(line)
    if shape is not None:
        return TOKEN, f"holds {shape}"
    if holds_password(line):
        return TOKEN, "holds an address with a password in it"
    name, equals, value = line.partition("=")
    if path.endswith(".env") and equals and is_secret(name.strip(), value):
        return SECRET_IN_CLEAR, f"{shown(name.strip())} is a secret by its name"
    return None


# --- object by object ---


def _added_objects(edit: FileEdit, after: bytes) -> Iterator[Finding]:
    before = {
        (rule.name, message)
        for rule, _, message in _objects(edit.before or b"", edit.path)
    }
    for rule, line, message in _objects(after, edit.path):
        if (rule.name, message) not in before:
            yield finding(rule, edit.path, line, message)


def _objects(content: bytes, path: str) -> Iterator[tuple[Rule, int, str]]:
    """Yield rule, line and message for every secret that the structure shows."""
    try:
        documents = parse_documents(content, path)
    except YamlError as error:
        if _SECRET_KIND.search(content) and _SECRET_DATA.search(content):
            message = "a Secret in a file that cannot be read"
            yield PLAIN_SECRET, error.line, message
        return
    for document in documents:
        for body in _bodies(document):
            name = texts(body.get("metadata")).get("name", "")
            for message in secret_problems(body):
                yield PLAIN_SECRET, document.line, f"Secret {shown(name)}: {message}"
            if body.get("kind") == "ConfigMap":
                yield from _config(body, document.line)
        for rule, _, message in kustomization_secrets(document.data):
            yield rule, document.line, message


def _bodies(document: Document) -> Iterator[Mapping[str, Json]]:
    if isinstance(document.data, Mapping):
        yield document.data
        for _, entry in mappings(document.data.get("items")):
            yield entry


def _config(body: Mapping[str, Json], line: int) -> Iterator[tuple[Rule, int, str]]:
    for key, value in texts(body.get("data")).items():
        kind = kind_of_secret(key, value)
        if kind:
            yield SECRET_IN_CLEAR, line, f"{shown(key)} {kind}"
