"""What an overlay holds for each way to bring the Secret to life. Pure text.

Promise: an overlay builds from its first commit on, and its kustomization file never
changes when the keys are made: only the one file named here does. Nothing pretends:
before there are encrypted values there is no object, only a sentence in a comment.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, assert_never

from gitops.errors import InputError
from gitops.model import Target
from gitops.secretfile import SEALED_FILE, SECRET_NAME, SOPS_FILE
from gitops.yamltext import Style, scalar_text

STORE_NAME: Final = "directus"


class SecretsChoice(StrEnum):
    """Who makes the Secret in the cluster, and from what."""

    EXISTING = "existing"
    EXTERNAL_SECRETS = "external-secrets"
    SEALED_SECRETS = "sealed-secrets"  # a choice, not a secret
    SOPS = "sops"


@dataclass(frozen=True, slots=True, kw_only=True)
class SecretParts:
    """What one overlay adds.

    Attributes:
        components: names of folders below base/components.
        resources: files of the overlay itself, for its ``resources``.
        patches: items of the overlay's ``patches`` list, not indented; "" for none.
        files: those files, name -> bytes, as they are before there are keys.
    """

    components: tuple[str, ...] = ()
    resources: tuple[str, ...] = ()
    patches: str = ""
    files: Mapping[str, bytes] = field(default_factory=dict)


def secrets_choice(value: str) -> SecretsChoice:
    """Accept a choice by name.

    Raises:
        InputError: no such choice.
    """
    try:
        return SecretsChoice(value)
    except ValueError as error:
        raise InputError(
            f"{value[:40]!a} is no way to keep secrets",
            hint=f"use one of: {', '.join(SecretsChoice)}",
        ) from error


def secret_parts(choice: str, target: Target) -> SecretParts:
    """Return what the overlay of a target adds for a choice.

    Raises:
        InputError: no such choice.
    """
    match secrets_choice(choice):
        case SecretsChoice.EXISTING:
            return SecretParts()
        case SecretsChoice.EXTERNAL_SECRETS:
            return SecretParts(
                components=("external-secrets",), patches=_external_patch(target)
            )
        case SecretsChoice.SEALED_SECRETS:
            return _with_file("sealed-secrets", SEALED_FILE, target)
        case SecretsChoice.SOPS:
            return _with_file("sops", SOPS_FILE, target)
        case unknown:
            assert_never(unknown)


def _with_file(component: str, name: str, target: Target) -> SecretParts:
    return SecretParts(
        components=(component,), resources=(name,), files={name: no_keys_yet(target)}
    )


def no_keys_yet(target: Target) -> bytes:
    """Write the file of encrypted keys as it is before there are any.

    Kustomize takes a resource file without a document for no object at all (measured
    with 5.5.0 and 5.8.1), so the overlay builds, and its pods wait for the Secret.
    """
    return (
        f"# No keys yet: until there are, the pods wait for the Secret {SECRET_NAME}.\n"
        f"# `directus-gitops secrets generate {target.stack} {target.environment}`"
        " makes them and writes this file, encrypted.\n"
    ).encode()


def _external_patch(target: Target) -> str:
    key = scalar_text(f"{target.stack}/{target.environment}", like=Style.PLAIN)
    return f"""\
- target: {{group: external-secrets.io, kind: ExternalSecret, name: {SECRET_NAME}}}
  patch: |-
    - op: replace
      path: /spec/secretStoreRef/name
      value: {STORE_NAME}
    - op: replace
      path: /spec/dataFrom/0/extract/key
      value: {key}
"""
