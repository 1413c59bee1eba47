"""The Secret of a stack as a file: in clear for a pipe, encrypted for Git. Pure text.

Base and components refer to one Secret, ``directus-secrets``. This module knows how it
is written, and how to tell that a file in Git holds it encrypted: every value, not
most of them. It must not run a program, make a key, or put a value in a message.
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from gitops.errors import InputError, TreeError
from gitops.model import Json
from gitops.yamltext import Style, parse_documents, scalar_text

SECRET_NAME: Final = "directus-secrets"  # noqa: S105  # the name of an object
SOPS_FILE: Final = "secrets.enc.yaml"
SEALED_FILE: Final = "sealed-secret.yaml"

_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,252}", re.ASCII)
_BASE64 = r"[A-Za-z0-9+/]+={0,2}"
_ENCRYPTED = re.compile(
    rf"ENC\[AES256_GCM,data:{_BASE64},iv:{_BASE64},tag:{_BASE64},"
    r"type:(?:str|int|float|bool|bytes|comment)\]",
    re.ASCII,
)
_RECIPIENTS: Final = ("age", "pgp", "kms", "gcp_kms", "azure_kv", "hc_vault")
_VALUES: Final = ("data", "stringData")
_APPLIED: Final = "kubectl.kubernetes.io/last-applied-configuration"
_SEALED_BYTES_MIN: Final = 2 + 256 + 16  # length, RSA-2048 block, AES-GCM tag


class SecretValue:
    """One secret text that does not show itself in logs, errors or tracebacks."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """Return the text; call it only where it goes into a pipe or a private file."""
        return self._value

    def __repr__(self) -> str:
        return "SecretValue('**********')"

    __str__ = __repr__

    def __eq__(self, other: object) -> bool:
        return isinstance(other, SecretValue) and self._value == other._value

    def __hash__(self) -> int:
        return hash(self._value)


def secret_manifest(
    values: Mapping[str, SecretValue], *, namespace: str, name: str = SECRET_NAME
) -> bytes:
    """Write the Secret in clear, for a pipe or a private file; never for Git.

    Args:
        values: key -> value; written in the order of their names.
        namespace: the stack's namespace; sealing binds the values to it.
        name: the object's name.

    Raises:
        InputError: no key at all, or one that is no environment variable's name.
    """
    _check_keys(values)
    lines = [
        "apiVersion: v1",
        "kind: Secret",
        "metadata:",
        f"  name: {_plain(name)}",
        f"  namespace: {_plain(namespace)}",
        "type: Opaque",
        "stringData:",
        *(
            f"  {_plain(key)}: {scalar_text(values[key].reveal(), like=Style.DOUBLE)}"
            for key in sorted(values)
        ),
    ]
    return ("\n".join(lines) + "\n").encode()


def _plain(text: str) -> str:
    """Write a name, quoted where YAML reads another type (`ON`, `2024-01-02`)."""
    return scalar_text(text, like=Style.PLAIN)


def secret_json(values: Mapping[str, SecretValue], *, namespace: str) -> bytes:
    """Write the same Secret as JSON, which kubectl reads as well.

    Raises:
        InputError: see secret_manifest.
    """
    _check_keys(values)
    body = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": SECRET_NAME, "namespace": namespace},
        "type": "Opaque",
        "stringData": {key: values[key].reveal() for key in sorted(values)},
    }
    return (json.dumps(body, indent=2, ensure_ascii=False) + "\n").encode()


def _check_keys(values: Mapping[str, SecretValue]) -> None:
    if not values:
        raise InputError("a Secret without keys: there is nothing to write")
    for key in values:
        if not _KEY.fullmatch(key):
            raise InputError(
                f"{key[:80]!a} is not the name of an environment variable",
                hint="use letters, digits and _, not beginning with a digit",
            )


def read_secret_file(content: bytes, path: str) -> Mapping[str, Json] | None:
    """Read an overlay's file of encrypted keys; None while it holds only comments.

    Raises:
        YamlError: it cannot be read.
        TreeError: it holds something else than the one Secret.
    """
    documents = parse_documents(content, path)
    if not documents:
        return None
    body = documents[0].data
    metadata = body.get("metadata") if isinstance(body, Mapping) else None
    name = metadata.get("name") if isinstance(metadata, Mapping) else None
    if len(documents) > 1 or not isinstance(body, Mapping) or name != SECRET_NAME:
        raise TreeError(
            f"{path}: holds something else than the one Secret {SECRET_NAME}",
            hint="keep other objects in files of their own",
        )
    return body


def keys_in(body: Mapping[str, Json]) -> frozenset[str]:
    """Return the names of the keys that a Secret or SealedSecret holds."""
    spec = body.get("spec")
    sealed = spec.get("encryptedData") if isinstance(spec, Mapping) else None
    sections = (sealed, *(body.get(section) for section in _VALUES))
    return frozenset(k for s in sections if isinstance(s, Mapping) for k in s)


# --- SOPS ---


def is_sops(body: Mapping[str, Json]) -> bool:
    """Whether an object says of itself that SOPS encrypted it."""
    return body.get("kind") == "Secret" and "sops" in body


def sops_check(body: Mapping[str, Json]) -> tuple[str, ...]:
    """Find what keeps a Secret from being safe in Git; () when all of it is encrypted.

    Whether the encryption is right can only be told with the private key; this tells
    that no value was left in clear, and that somebody could decrypt it.
    """
    return (*_metadata_problems(body.get("sops")), *_value_problems(body))


def _metadata_problems(sops: Json) -> Iterator[str]:
    if not isinstance(sops, Mapping):
        yield "it has no sops block, so nothing in it is encrypted"
        return
    mac = sops.get("mac")
    if not isinstance(mac, str) or not _ENCRYPTED.fullmatch(mac):
        yield "sops.mac is missing or not encrypted: SOPS did not finish this file"
    groups = sops.get("key_groups")
    holders = [sops, *(g for g in _items(groups) if isinstance(g, Mapping))]
    if not any(_items(holder.get(kind)) for holder in holders for kind in _RECIPIENTS):
        yield "the sops block names no recipient, so nobody can decrypt it"


def _items(value: Json) -> Sequence[Json]:
    return value if isinstance(value, Sequence) and not isinstance(value, str) else ()


def _value_problems(body: Mapping[str, Json]) -> Iterator[str]:
    for section in _VALUES:
        values = body.get(section)
        if values is None:
            continue
        if not isinstance(values, Mapping):
            yield f"{section} is not a mapping of keys to values"
            continue
        for key, value in values.items():
            if not isinstance(value, str) or not _ENCRYPTED.fullmatch(value):
                yield f"{section}.{key} is not encrypted"
    if not any(body.get(section) for section in _VALUES):
        yield "it holds no values"
    if _APPLIED in _annotations(body):
        yield f"the annotation {_APPLIED} holds the values in clear"


def _annotations(body: Mapping[str, Json]) -> Mapping[str, Json]:
    metadata = body.get("metadata")
    found = metadata.get("annotations") if isinstance(metadata, Mapping) else None
    return found if isinstance(found, Mapping) else {}


def without_sops(body: Mapping[str, Json]) -> dict[str, Json]:
    """Return what the agent would apply, as far as a schema can tell.

    The sops block goes. Encrypted ``data`` is no base64, so its keys are shown as
    ``stringData``, which is what they become for the schema's purpose.
    """
    texts: dict[str, Json] = {}
    for section in _VALUES:
        values = body.get(section)
        if isinstance(values, Mapping):
            texts.update(values)
    kept = {k: v for k, v in body.items() if k != "sops" and k not in _VALUES}
    return {**kept, "stringData": texts} if texts else kept


# --- Sealed Secrets ---


def sealed_check(body: Mapping[str, Json]) -> tuple[str, ...]:
    """Find what keeps a SealedSecret from being safe in Git; () when it is sealed."""
    spec = body.get("spec")
    values = spec.get("encryptedData") if isinstance(spec, Mapping) else None
    if not isinstance(spec, Mapping) or not isinstance(values, Mapping) or not values:
        return ("spec.encryptedData holds no values",)
    problems = [
        f"spec.encryptedData.{key} is not sealed"
        for key, value in values.items()
        if not _is_sealed(value)
    ]
    template = spec.get("template")
    if isinstance(template, Mapping) and any(template.get(s) for s in _VALUES):
        problems.append("spec.template holds values in clear")
    return tuple(problems)


def _is_sealed(value: Json) -> bool:
    if not isinstance(value, str):
        return False
    try:
        raw = base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        return False
    return len(raw) >= _SEALED_BYTES_MIN


def sealed_manifest(
    encrypted: Mapping[str, str], *, namespace: str, name: str = SECRET_NAME
) -> bytes:
    """Write a SealedSecret whose values the cluster of that namespace can open.

    Args:
        encrypted: key -> sealed value, as kubeseal made them.
        namespace: the namespace for which they were sealed.
        name: the name for which they were sealed.
    """
    place = (
        f"  name: {_plain(name)}",
        f"  namespace: {_plain(namespace)}",
    )
    lines = [
        "apiVersion: bitnami.com/v1alpha1",
        "kind: SealedSecret",
        "metadata:",
        *place,
        "spec:",
        "  encryptedData:",
        *(f"    {_plain(key)}: {encrypted[key]}" for key in sorted(encrypted)),
        "  template:",
        "    metadata:",
        *(f"    {line}" for line in place),
        "    type: Opaque",
    ]
    return ("\n".join(lines) + "\n").encode()


def sealed_values(body: Mapping[str, Json]) -> dict[str, str]:
    """Return the sealed values of a SealedSecret, key -> value; {} when it has none."""
    spec = body.get("spec")
    values = spec.get("encryptedData") if isinstance(spec, Mapping) else None
    if not isinstance(values, Mapping):
        return {}
    return {key: value for key, value in values.items() if isinstance(value, str)}
