"""Encrypt a stack's Secret with the programs made for it: sops and kubeseal.

Promise: a value goes to the program by a pipe and comes back encrypted, checked key by
key; nothing in clear touches a disk, an argument list, an error or the environment of
another process. It must not make keys or decide where the result goes.
"""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, TypeAlias

from gitops.errors import GitopsError, InputError, ToolError
from gitops.model import Json
from gitops.process import (
    SYSTEM_PATH,
    Completed,
    Limits,
    ProcessError,
    find_program,
    run,
)
from gitops.secretfile import (
    SECRET_NAME,
    SecretValue,
    sealed_check,
    sealed_manifest,
    sealed_values,
    secret_manifest,
    sops_check,
)
from gitops.yamltext import parse_typed

_AGE: Final = re.compile(r"age1[0-9a-z]{10,2000}", re.ASCII)
_ONLY_VALUES: Final = "^(data|stringData)$"
_LONGEST_WORDS: Final = 300
_HINTS: Final = {
    "sops": "install it (https://github.com/getsops/sops/releases), 3.10 or newer",
    "kubeseal": "install it (https://github.com/bitnami-labs/sealed-secrets/releases)",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class AgeRecipients:
    """Public keys: whoever holds one of their private keys can decrypt."""

    keys: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SopsRules:
    """The repository's own .sops.yaml decides who can decrypt.

    Attributes:
        content: the file.
        environment: what a key service needs (AWS_PROFILE, VAULT_TOKEN, ...); it is
            the program's whole environment but for HOME and PATH.
    """

    content: bytes
    environment: Mapping[str, str] = field(default_factory=dict)


Recipients: TypeAlias = AgeRecipients | SopsRules


def sealing_program(name: str, search_path: str) -> Path:
    """Find sops or kubeseal.

    Args:
        name: the program.
        search_path: folders separated by ":".

    Raises:
        ToolError: it is not there.
    """
    found = find_program(name, search_path)
    if found is None:
        raise ToolError(f"{name} is not installed", hint=_HINTS.get(name, ""))
    return found


# --- SOPS ---


def encrypt_with_sops(
    values: Mapping[str, SecretValue],
    *,
    namespace: str,
    path: str,
    recipients: Recipients,
    sops: Path,
) -> bytes:
    """Make the encrypted Secret of an overlay.

    Args:
        values: key -> value; none may be empty, because SOPS leaves those as they are.
        namespace: the stack's namespace.
        path: where the file goes in the repository: .sops.yaml has rules by path.
        recipients: who can decrypt it.
        sops: the program.

    Raises:
        InputError: a recipient that is none, or no values.
        ToolError: the program failed, or left a value in clear.
    """
    cleartext = secret_manifest(values, namespace=namespace)
    with tempfile.TemporaryDirectory(prefix="directus-gitops-") as folder:
        rules = Path(folder) / "rules.yaml"
        rules.write_bytes(_rules(recipients))
        done = _run(
            [
                *(str(sops), "--config", str(rules), "encrypt"),
                *("--input-type", "yaml", "--output-type", "yaml"),
                *("--encrypted-regex", _ONLY_VALUES, "--filename-override", path),
            ],
            stdin=cleartext,
            home=Path(folder),
            extra=recipients.environment if isinstance(recipients, SopsRules) else {},
            network=isinstance(recipients, SopsRules),
            values=tuple(values.values()),
        )
    body = _parsed(done.stdout, "sops")
    problems = sops_check(body)
    if problems or _keys_of(body.get("stringData")) != set(values):
        raise ToolError(
            f"{path}: sops did not encrypt every value: {'; '.join(problems)}",
            hint="nothing was written; look at the rules in .sops.yaml",
        )
    return done.stdout


def decrypt_with_sops(
    content: bytes, *, sops: Path, environment: Mapping[str, str]
) -> dict[str, SecretValue]:
    """Read an encrypted Secret back, to change some of its values.

    Args:
        content: the encrypted file.
        sops: the program.
        environment: where the private key is: SOPS_AGE_KEY, SOPS_AGE_KEY_FILE, or what
            a key service needs.

    Raises:
        ToolError: the program failed: no key fits, or the file was changed by hand.
    """
    with tempfile.TemporaryDirectory(prefix="directus-gitops-") as folder:
        done = _run(
            [str(sops), "decrypt", "--input-type", "yaml", "--output-type", "json"],
            stdin=content,
            home=Path(folder),
            extra=environment,
            network=True,
            values=(),
        )
    try:
        body = json.loads(done.stdout)
    except ValueError:
        body = None  # not chained: the error would quote the text
    texts = body.get("stringData") if isinstance(body, dict) else None
    if not isinstance(texts, dict) or not all(
        isinstance(text, str) for text in texts.values()
    ):
        raise ToolError(
            "the decrypted file is no Secret of ours: stringData must hold texts"
        )
    return {key: SecretValue(text) for key, text in texts.items()}


def _rules(recipients: Recipients) -> bytes:
    if isinstance(recipients, SopsRules):
        return recipients.content
    if not recipients.keys:
        raise InputError(
            "nobody could decrypt the Secret: no recipient is given",
            hint="name an age public key, or add a .sops.yaml to the repository",
        )
    if not all(_AGE.fullmatch(key) for key in recipients.keys):
        raise InputError(  # not shown: somebody may have given the private key
            "a recipient is not an age public key",
            hint="it begins with age1; the private key never belongs here",
        )
    keys = ",".join(recipients.keys)
    return f'creation_rules:\n  - age: "{keys}"\n'.encode()


# --- Sealed Secrets ---


def seal_with_kubeseal(
    values: Mapping[str, SecretValue],
    *,
    namespace: str,
    certificate: bytes,
    kubeseal: Path,
    existing: Mapping[str, Json] | None = None,
) -> bytes:
    """Make the sealed Secret of an overlay.

    Args:
        values: key -> value.
        namespace: sealing binds each value to this namespace and the Secret's name.
        certificate: the cluster's public certificate (kubeseal --fetch-cert).
        kubeseal: the program.
        existing: the SealedSecret that is there; its other keys stay as they are.

    Raises:
        InputError: the certificate is none, or no values.
        ToolError: the program failed, or left a value in clear.
    """
    if b"-----BEGIN CERTIFICATE-----" not in certificate:
        raise InputError(
            "the certificate for sealing is not a PEM certificate",
            hint="get it from the cluster: kubeseal --fetch-cert > cluster.pem",
        )
    cleartext = secret_manifest(values, namespace=namespace)
    with tempfile.TemporaryDirectory(prefix="directus-gitops-") as folder:
        cert = Path(folder) / "cert.pem"
        cert.write_bytes(certificate)
        done = _run(
            [
                *(str(kubeseal), "--cert", str(cert), "--format", "yaml"),
                *("--scope", "strict"),
            ],
            stdin=cleartext,
            home=Path(folder),
            extra={"KUBECONFIG": "/dev/null"},  # it must not ask some cluster instead
            network=False,
            values=tuple(values.values()),
        )
    body = _parsed(done.stdout, "kubeseal")
    sealed, problems = sealed_values(body), sealed_check(body)
    if problems or set(sealed) != set(values):
        raise ToolError(
            f"kubeseal did not seal every value: {'; '.join(problems)}",
            hint="nothing was written",
        )
    kept = sealed_values(existing) if existing else {}
    return sealed_manifest({**kept, **sealed}, namespace=namespace, name=SECRET_NAME)


# --- running them ---


def _run(
    argv: Sequence[str],
    *,
    stdin: bytes,
    home: Path,
    extra: Mapping[str, str],
    network: bool,
    values: Sequence[SecretValue],
) -> Completed:
    """Run a program in an empty home; its words come back without values and paths."""
    name = Path(argv[0]).name
    env = {"PATH": SYSTEM_PATH, **extra, "HOME": str(home)}
    try:
        done = run(argv, env=env, cwd=home, stdin=stdin, limits=Limits(network=network))
    except ProcessError as error:
        raise ToolError(f"{name} gave no result: {error}") from error
    if done.returncode != 0:
        words = _without(done.stderr.decode(errors="replace"), values, home)
        raise ToolError(f"{name} failed: {words}", hint="nothing was written")
    return done


def _without(words: str, values: Sequence[SecretValue], home: Path) -> str:
    """Take values and our folder out of a program's words; keep the last ones."""
    for value in values:
        words = words.replace(value.reveal(), "***")
    shown = " ".join(words.replace(f"{home}/", "").split())
    return shown[-_LONGEST_WORDS:] or "it gave no reason"


def _parsed(output: bytes, name: str) -> Mapping[str, Json]:
    try:
        body = parse_typed(output, name)
    except GitopsError:
        body = None
    if not isinstance(body, Mapping):
        raise ToolError(f"{name} wrote no object", hint="nothing was written")
    return body


def _keys_of(section: Json) -> set[str]:
    return set(section) if isinstance(section, Mapping) else set()
