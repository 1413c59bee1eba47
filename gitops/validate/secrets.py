"""Rules that keep secrets out of Git: in objects, in settings, in generators (R18).

A finding never shows the secret: it names the place, and the kind of secret.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from gitops.model import Json, Severity
from gitops.schemas import Place
from gitops.secretfile import is_sops, sealed_check, sops_check
from gitops.secretnames import holds_password, is_secret
from gitops.tokenshapes import token_shape
from gitops.validate.rule import Item, Problem, Rule, shown
from gitops.validate.shapes import at, items, mapping, mappings, text, texts
from gitops.validate.view import View

PLAIN_SECRET: Final = Rule(
    name="plain-secret",
    severity=Severity.ERROR,
    why="Base64 is no encryption: whoever can read the repository, now or later, reads "
    "the secret, and Git never forgets it.",
    fix="commit a reference (ExternalSecret), a SealedSecret or a file that SOPS "
    "encrypted; `directus-gitops secrets generate` makes one",
)
SECRET_IN_CLEAR: Final = Rule(
    name="secret-in-clear",
    severity=Severity.ERROR,
    why="A ConfigMap, an env file or a variable's plain value is readable by everyone "
    "who reads the repository or the namespace.",
    fix="put the value into the Secret directus-secrets, and take it by secretKeyRef",
)
SECRET_GENERATOR: Final = Rule(
    name="secret-generator",
    severity=Severity.ERROR,
    why="A secretGenerator needs its values in clear in the repository.",
    fix="remove it; refer to a Secret that is made elsewhere, or encrypted",
)
SECRET_FILE: Final = Rule(
    name="secret-file",
    severity=Severity.ERROR,
    why="A file of this name or form is made to hold secrets.",
    fix="remove the file, and change what it held: Git has already copied it",
)
TOKEN: Final = Rule(
    name="secret-token",
    severity=Severity.ERROR,
    why="The line holds a credential, recognised by its form.",
    fix="take it out, and revoke it where it was issued",
)
OWN_CREDENTIAL: Final = Rule(
    name="own-credential",
    severity=Severity.ERROR,
    why="The line holds one of the credentials with which this service works.",
    fix="take it out, and issue a new one",
)

RULES: Final = (
    PLAIN_SECRET,
    SECRET_IN_CLEAR,
    SECRET_GENERATOR,
    SECRET_FILE,
    TOKEN,
    OWN_CREDENTIAL,
)

_GENERATED: Final = ("literals", "envs", "env", "files")
_VALUES: Final = ("data", "stringData")


def problems(view: View) -> Iterator[Problem]:
    """Find secrets in the objects of a set."""
    for item in view.items:
        for message in secret_problems(item.manifest.body):
            yield Problem(rule=PLAIN_SECRET, item=item, at=(), message=message)
        if item.manifest.kind == "ConfigMap":
            yield from _config(item)
    for pods in view.pods:
        for container in pods.containers:
            for index, entry in mappings(container.body.get("env")):
                kind = kind_of_secret(text(entry.get("name")), _value(entry))
                if kind:
                    yield Problem(
                        rule=SECRET_IN_CLEAR,
                        item=pods.item,
                        at=(*container.at, "env", index, "value"),
                        message=f"{shown(text(entry.get('name')))} {kind}",
                    )


def _value(entry: Mapping[str, Json]) -> str:
    return texts(entry).get("value", "")


def _config(item: Item) -> Iterator[Problem]:
    for key, value in texts(item.manifest.body.get("data")).items():
        kind = kind_of_secret(key, value)
        if kind:
            yield Problem(
                rule=SECRET_IN_CLEAR,
                item=item,
                at=("data", key),
                message=f"{shown(key)} {kind}",
            )


def kind_of_secret(name: str, value: str) -> str:
    """Say why a setting is a secret, in words that follow its name; "" if it is none.

    The value itself never appears in the answer.
    """
    shape = token_shape(value)
    if shape is not None:
        return f"holds {shape}"
    if holds_password(value):
        return "holds an address with a password"
    return "is a secret by its name" if is_secret(name, value) else ""


def secret_problems(body: Mapping[str, Json]) -> Iterator[str]:
    """Say what is readable in a Secret or SealedSecret; nothing for other kinds."""
    if is_sops(body):
        yield from sops_check(body)
    elif body.get("kind") == "SealedSecret":
        yield from sealed_check(body)
    elif body.get("kind") == "Secret":
        for section in _VALUES:
            for key in mapping(body.get(section)):
                yield f"{section}.{shown(key)} is not encrypted"


# --- kustomization files ---


def kustomization_secrets(data: Json) -> Iterator[tuple[Rule, Place, str]]:
    """Find generators that hold secrets; yields rule, place and message.

    Args:
        data: a kustomization file as plain data.
    """
    for index, entry in mappings(at(data, ("secretGenerator",))):
        held = [name for name in _GENERATED if entry.get(name)]
        if held:
            yield (
                SECRET_GENERATOR,
                ("secretGenerator", index, held[0]),
                f"a secretGenerator with {', '.join(held)}",
            )
    for index, entry in mappings(at(data, ("configMapGenerator",))):
        for number, literal in enumerate(items(entry.get("literals"))):
            name, _, value = text(literal).partition("=")
            kind = kind_of_secret(name, value.strip("\"'"))
            if kind:
                place = ("configMapGenerator", index, "literals", number)
                yield SECRET_IN_CLEAR, place, f"{shown(name)} {kind}"
