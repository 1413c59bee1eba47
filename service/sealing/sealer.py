"""The encrypted file of a stack's keys: who can decrypt it, and what stays in it.

Promise: whatever can be missing is missed before a person is asked for a value. It
proposes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from gitops.errors import InputError, ToolError
from gitops.model import Json
from gitops.sealing import (
    AgeRecipients,
    Recipients,
    SopsRules,
    decrypt_with_sops,
    encrypt_with_sops,
    seal_with_kubeseal,
    sealing_program,
)
from gitops.secretfile import SOPS_FILE, SecretValue
from service.sealing.ground import RULES_FILE, Ground, Standing
from service.settings import Settings

_OTHER_RECIPIENTS: Final = (
    "pgp",
    "kms",
    "gcp_kms",
    "azure_kv",
    "hc_vault",
    "key_groups",
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Means:
    """What encrypting needs besides the values.

    Attributes:
        settings: where programs are, and what key services need.
        age: public keys to encrypt for, instead of what .sops.yaml says.
        certificate: the cluster's, for kubeseal; None without one.
    """

    settings: Settings
    age: tuple[str, ...] = ()
    certificate: bytes | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Sealer:
    """All that is needed to write a file of encrypted keys, checked beforehand.

    Attributes:
        ground: what is there.
        file: the file.
        program: sops or kubeseal.
        means: what else there is.
        recipients: who can decrypt what sops encrypts; None for kubeseal.
        kept: the values that stay, decrypted; kubeseal needs none.
    """

    ground: Ground
    file: Standing
    program: Path
    means: Means
    recipients: Recipients | None
    kept: Mapping[str, SecretValue]

    def seal(self, values: Mapping[str, SecretValue]) -> bytes:
        """Write the whole file: the values that stay, and these.

        Raises:
            InputError: a recipient or a certificate that is none.
            ToolError: the program failed, or left a value in clear.
        """
        if self.recipients is not None:
            return encrypt_with_sops(
                {**self.kept, **values},
                namespace=self.ground.namespace,
                path=self.file.path,
                recipients=self.recipients,
                sops=self.program,
            )
        return seal_with_kubeseal(
            values,
            namespace=self.ground.namespace,
            certificate=self.means.certificate or b"",
            kubeseal=self.program,
            existing=self.file.body,
        )


def prepare(ground: Ground, file: Standing, means: Means) -> Sealer:
    """Check that the file can be written, before a person is asked for a value.

    Raises:
        InputError: nobody is named who could decrypt it, or no certificate.
        ToolError: sops or kubeseal is not installed, or the private key is missing
            without which the values that stay cannot be read.
    """
    search_path = means.settings.search_path
    if file.name != SOPS_FILE:
        if means.certificate is None:
            raise InputError(
                f"{ground.target}: the certificate of its cluster is not given",
                hint="kubeseal --fetch-cert > cluster.pem, then --certificate",
            )
        return Sealer(
            ground=ground,
            file=file,
            program=sealing_program("kubeseal", search_path),
            means=means,
            recipients=None,
            kept={},
        )
    sops = sealing_program("sops", search_path)
    recipients = _recipients(ground, file, means)
    return Sealer(
        ground=ground,
        file=file,
        program=sops,
        means=means,
        recipients=recipients,
        kept=_kept(file, means, sops),
    )


def _kept(file: Standing, means: Means, sops: Path) -> Mapping[str, SecretValue]:
    """Read the values that stay, because sops writes the file as a whole."""
    if file.body is None:
        return {}
    environment = means.settings.decryption_environment
    try:
        return decrypt_with_sops(file.content, sops=sops, environment=environment)
    except ToolError as error:
        raise ToolError(
            f"{file.path}: the values that stay cannot be read: {error.message}",
            hint="name the file of a private key that fits in SOPS_AGE_KEY_FILE",
        ) from error


def _recipients(ground: Ground, file: Standing, means: Means) -> Recipients:
    """Choose who can decrypt: as asked, as the repository says, or as before."""
    if means.age:
        return AgeRecipients(keys=means.age)
    if ground.rules is not None:
        return SopsRules(
            content=ground.rules,
            environment=means.settings.key_service_environment,
        )
    before = _recipients_before(file.body or {})
    if before:
        return AgeRecipients(keys=before)
    raise InputError(
        f"{ground.target}: nobody is named who could decrypt the keys",
        hint=f"add a {RULES_FILE} to the repository's root, or name an age public key "
        "with --age",
    )


def _recipients_before(body: Mapping[str, Json]) -> tuple[str, ...]:
    """Return the age keys of a file that is for nobody else; () if it is."""
    sops = body.get("sops")
    if not isinstance(sops, Mapping) or any(sops.get(k) for k in _OTHER_RECIPIENTS):
        return ()
    age = sops.get("age")
    entries = age if isinstance(age, Sequence) and not isinstance(age, str) else ()
    keys = (e.get("recipient") for e in entries if isinstance(e, Mapping))
    return tuple(key for key in keys if isinstance(key, str))
