"""Keys that sign: who they are, and a place where git can use one for a moment.

A key is in a file for its owner for the time of one call, never in the environment or
on a command line, and no agent outlives the call.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Final, Protocol

from gitops import process
from gitops.errors import CredentialError, GitError, ToolError
from gitops.git.command import SafeGit
from gitops.git.keys import (
    ReadText,
    openpgp_key,
    passphrase_needed,
    ssh_key,
    usable,
)
from gitops.git.private import private_folder
from gitops.git.words import last_words
from gitops.model import CommitId
from gitops.process import Limits, find_program

_LIMITS: Final = Limits(timeout_s=30, grace_s=2, output_bytes=1 << 20)
_REPEATABLE: Final = ("ssh-ed25519", "ssh-rsa")
_KEY: Final = "key"
_LONGEST_ROOT: Final = 56  # a socket's address has 108 bytes, and gpg's are in there
_GPG_CONF: Final = (
    "batch\nno-tty\nno-greeting\nquiet\n"
    "pinentry-mode loopback\npassphrase-file /dev/null\n"
)
_GPG_AGENT_CONF: Final = "disable-scdaemon\nallow-loopback-pinentry\n"
_FINGERPRINT: Final = re.compile(
    r"^sec:.*\n(?:grp:.*\n)?fpr:+([0-9A-F]{40,64}):", re.MULTILINE
)


class SigningFormat(StrEnum):
    """What makes the signature."""

    SSH = "ssh"
    OPENPGP = "openpgp"


class Signatures(Protocol):
    """Keeps signatures; the service's store implements it."""

    def find(self, commit: CommitId, key: str) -> str | None:
        """Return what a key has signed of an unsigned commit; None when it has not."""
        ...

    def keep(self, commit: CommitId, key: str, signature: str) -> str:
        """Keep a signature, durably; return the one that counts: the first."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Signer:
    """What commits are signed with.

    Attributes:
        format: see SigningFormat.
        key: reads the private key, without a passphrase; for OpenPGP as
            `gpg --armor --export-secret-keys` writes it.
        kept: remembers signatures; without it only keys will do whose signature is
            the same each time.
        scratch: where the key is kept during a call; None for the system's folder of
            temporary files.
    """

    format: SigningFormat
    key: ReadText = field(repr=False)
    kept: Signatures | None = field(default=None, repr=False)
    scratch: Path | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenedKey:
    """A key that is ready to sign.

    Attributes:
        name: tells keys apart; public.
        is_repeatable: whether it signs the same in the same way each time.
        folder: where its file is, and where git runs.
        words: that tell git to use it.
        variables: of git's environment.
    """

    name: str
    is_repeatable: bool
    folder: Path
    words: tuple[str, ...]
    variables: Mapping[str, str]


def fingerprint_of(signer: Signer) -> str:
    """Return the fingerprint of a key, as people compare it.

    Raises:
        GitError: see opened.
        CredentialError: see opened.
        ToolError: see opened.
    """
    with opened(signer) as key:
        return key.name


@contextlib.contextmanager
def opened(signer: Signer) -> Iterator[OpenedKey]:
    """Make a key ready to sign, while the body runs.

    Raises:
        GitError: the disk refuses, or a program gives no answer.
        CredentialError: the key cannot be used.
        ToolError: the program that signs is not there.
    """
    if signer.format is SigningFormat.SSH:
        with _ssh(signer) as key:
            yield key
    else:
        with _openpgp(signer) as key:
            yield key


@contextlib.contextmanager
def _ssh(signer: Signer) -> Iterator[OpenedKey]:
    keygen = _program("ssh-keygen", "openssh-client")
    with private_folder(signer.scratch, {_KEY: ssh_key(usable(signer.key))}) as folder:
        done = _run([str(keygen), "-y", "-P", "", "-f", _KEY], folder, {})
        kind, _, rest = done.stdout.decode("utf-8", "replace").partition(" ")
        if done.returncode != 0 or not rest:
            raise CredentialError(
                "the key that signs cannot be read by ssh-keygen",
                hint="make another one: ssh-keygen -t ed25519 -N ''",
            )
        (folder / f"{_KEY}.pub").write_bytes(done.stdout)  # older forms need it
        public = base64.b64decode(rest.split()[0])
        yield OpenedKey(
            name=_fingerprint(public),
            is_repeatable=kind in _REPEATABLE,
            folder=folder,
            words=(
                *("-c", "gpg.format=ssh"),
                *("-c", f"gpg.ssh.program={keygen}"),
                *("-c", f"user.signingKey={folder / _KEY}"),
            ),
            variables={"TMPDIR": str(folder)},
        )


def _fingerprint(public: bytes) -> str:
    """Name a key of SSH as `ssh-keygen -l` and forges do."""
    digest = hashlib.sha256(public).digest()
    return "SHA256:" + base64.b64encode(digest).decode().rstrip("=")


@contextlib.contextmanager
def _openpgp(signer: Signer) -> Iterator[OpenedKey]:
    gpg = _program("gpg", "gnupg")
    root = signer.scratch
    if root is not None and len(os.fsencode(root.absolute())) > _LONGEST_ROOT:
        root = None
    files = {
        _KEY: openpgp_key(usable(signer.key)),
        "gpg.conf": _GPG_CONF,
        "gpg-agent.conf": _GPG_AGENT_CONF,
    }
    with private_folder(root, files) as folder:
        variables = {"GNUPGHOME": str(folder), "TMPDIR": str(folder)}
        try:
            name = _imported(gpg, folder, variables)
            yield OpenedKey(
                name=name,
                is_repeatable=False,
                folder=folder,
                words=(
                    *("-c", "gpg.format=openpgp"),
                    *("-c", f"gpg.program={gpg}"),
                    *("-c", f"user.signingKey={name}"),
                ),
                variables=variables,
            )
        finally:
            _dismiss_agent(folder, variables)


def _imported(gpg: Path, folder: Path, variables: Mapping[str, str]) -> str:
    """Take the key into a keyring of its own; return its fingerprint."""
    look = ("--with-colons", "--import-options", "show-only", "--import", _KEY)
    shown = _run([str(gpg), *look], folder, variables).stdout.decode("ascii", "replace")
    found = _FINGERPRINT.findall(shown)
    if len(found) != 1:
        raise CredentialError(
            f"the key that signs is {len(found)} secret keys",
            hint="export one: gpg --armor --export-secret-keys FINGERPRINT",
        )
    done = _run([str(gpg), "--import", _KEY], folder, variables)
    if done.returncode != 0:
        words = last_words(done.stderr.decode("utf-8", "backslashreplace"))
        raise CredentialError(
            f"the key that signs cannot be imported: {words}",
            hint="can gpg of this machine read it?",
        )
    return str(found[0])


def _dismiss_agent(folder: Path, variables: Mapping[str, str]) -> None:
    """End the agent that gpg has started, which would keep the key in memory."""
    gpgconf = find_program("gpgconf", SafeGit.search_path)
    if gpgconf is not None:
        for words in (("--kill", "all"), ("--remove-socketdir",)):
            with contextlib.suppress(GitError):
                _run([str(gpgconf), *words], folder, variables)


def why_not(key: OpenedKey, words: str) -> CredentialError:
    """Make the error of a signature that failed: git keeps gpg's words to itself.

    Args:
        key: that was to sign.
        words: git's last.
    """
    if "GNUPGHOME" in key.variables:
        probe = [str(_program("gpg", "gnupg")), "-bsa", "-u", key.name]
        done = _run(probe, key.folder, key.variables, stdin=b"probe")
        words = last_words(done.stderr.decode("utf-8", "backslashreplace"))
        if "passphrase" in words.lower():
            return passphrase_needed("OpenPGP")
    return CredentialError(
        f"the commit could not be signed: {words}",
        hint="has the key run out, or may it not sign?",
    )


# --- programs ---


def _program(name: str, package: str) -> Path:
    found = find_program(name, SafeGit.search_path)
    if found is None:
        raise ToolError(f"{name} is not installed", hint=f"install {package}")
    return found


def _run(
    words: Sequence[str],
    folder: Path,
    variables: Mapping[str, str],
    stdin: bytes = b"",
) -> process.Completed:
    env = {"PATH": process.SYSTEM_PATH, "HOME": str(folder), "LC_ALL": "C", **variables}
    try:
        return process.run(words, env=env, cwd=folder, stdin=stdin, limits=_LIMITS)
    except process.ProcessError as error:
        raise CredentialError(
            f"the commit could not be signed: {error}", hint="is the machine too busy?"
        ) from error
