"""The way to a remote: what git is told so that it reaches that one and no other.

Promises: every address of the host is checked (R11), and git is pinned to a checked
one, so a name that changes between the check and the call gives nothing. A secret is
in the environment, or for the time of the call in a file for its owner; never in an
address or on a command line. Over SSH no host is believed that known_hosts does not
name, and nothing of the user's or the machine's ssh configuration has a part.
"""

from __future__ import annotations

import contextlib
import shlex
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from gitops.errors import (
    CredentialError,
    RemoteDeniedError,
    RemoteUnavailableError,
    ToolError,
)
from gitops.git.keys import ssh_key, usable
from gitops.git.private import private_folder
from gitops.git.remote import Credential, Remote
from gitops.process import find_program
from gitops.web.addresses import is_address, refusal

AUTHORIZATION: Final = "DIRECTUS_GITOPS_AUTHORIZATION"
_AUTHORITIES: Final = "authorities.pem"
_KEY: Final = "key"
_KNOWN_HOSTS: Final = "known_hosts"
_SSH_PORT: Final = 22
_SSH_OPTIONS: Final = (
    "BatchMode=yes",
    "StrictHostKeyChecking=yes",
    f"UserKnownHostsFile={_KNOWN_HOSTS}",
    "GlobalKnownHostsFile=/dev/null",
    "UpdateHostKeys=no",
    "VerifyHostKeyDNS=no",
    "CheckHostIP=no",
    "IdentitiesOnly=yes",
    "IdentityAgent=none",
    "PreferredAuthentications=publickey",
    "ProxyCommand=none",
    "ControlMaster=no",
    "ControlPath=none",
    "ClearAllForwardings=yes",
    "ForwardAgent=no",
    "PermitLocalCommand=no",
    "ConnectTimeout=30",
    "ServerAliveInterval=15",
    "ServerAliveCountMax=4",
    "LogLevel=ERROR",
)
_NETWORKS: Final = (
    "if it may be reached, list its network or its name under `networks.forge` of the "
    "repository in service.toml"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """How one call of git reaches a remote.

    Attributes:
        words: before git's subcommand; they hold no secret.
        variables: of git's environment.
        hidden: values that no message may show.
        folder: where git runs; files that the words name are there.
    """

    words: tuple[str, ...] = ()
    variables: Mapping[str, str] = field(default_factory=dict, repr=False)
    hidden: tuple[str, ...] = field(default=(), repr=False)
    folder: Path = Path("/")


@contextlib.contextmanager
def route_to(remote: Remote, search_path: str) -> Iterator[Route]:
    """Prepare a call of git; it is over when the body is.

    Args:
        remote: what is to be reached.
        search_path: where ssh is found.

    Raises:
        RemoteDeniedError: an address of the host must not be reached.
        RemoteUnavailableError: the host has no address.
        CredentialError: a key or a credential is not where the settings say, or cannot
            be used.
        InputError: a host that systems read in more than one way.
        ToolError: there is no ssh.
    """
    match remote.protocol:
        case "file":
            yield Route()
        case "ssh":
            with _over_ssh(remote, search_path) as route:
                yield route
        case _:
            with _over_https(remote) as route:
                yield route


def _addresses(remote: Remote) -> tuple[str, ...]:
    """Look the host up, and check every address that it has."""
    host, port = remote.host
    try:
        found = (host,) if is_address(host) else remote.resolve(host, port)
    except OSError:
        found = ()
    if not found:
        raise RemoteUnavailableError(
            f"{remote.name}: the name {host} has no address",
            hint="is it spelt right, and does the name server answer?",
        )
    for address in found:
        if why := refusal(host, address, remote.allowed):
            raise RemoteDeniedError(
                f"{remote.name}: {host} may not be reached: {why}", hint=_NETWORKS
            )
    return found


# --- HTTPS ---


@contextlib.contextmanager
def _over_https(remote: Remote) -> Iterator[Route]:
    host, port = remote.host
    addresses = _addresses(remote)
    words: list[str] = []
    if not is_address(host):
        pinned = ",".join(f"[{a}]" if ":" in a else a for a in addresses)
        words += ["-c", f"http.curloptResolve={host}:{port}:{pinned}"]
    credential = _credential(remote)
    if credential is not None:
        # for this origin only: whatever else git should ask gets nothing
        origin = f"http.{remote.protocol}://{host}:{port}/"
        words.append(f"--config-env={origin}.extraHeader={AUTHORIZATION}")
    route = Route(
        words=tuple(words), variables=_header(credential), hidden=_hidden(credential)
    )
    if not remote.allowed.authorities:
        yield route
        return
    files = {_AUTHORITIES: remote.allowed.authorities}
    with private_folder(remote.scratch, files) as folder:
        yield Route(
            words=(*route.words, "-c", f"http.sslCAInfo={folder / _AUTHORITIES}"),
            variables=route.variables,
            hidden=route.hidden,
            folder=folder,
        )


def _credential(remote: Remote) -> Credential | None:
    given = remote.credential
    found = usable(given) if callable(given) else given
    if found is not None and not (found.username + found.secret).isprintable():
        raise CredentialError(
            f"{remote.name}: the credential has a character that it cannot have",
            hint="it must be one line of printable characters",
        )
    return found


def _header(credential: Credential | None) -> dict[str, str]:
    if credential is None:
        return {}
    return {AUTHORIZATION: f"Authorization: Basic {credential.encoded}"}


def _hidden(credential: Credential | None) -> tuple[str, ...]:
    return () if credential is None else (credential.secret, credential.encoded)


# --- SSH ---


@contextlib.contextmanager
def _over_ssh(remote: Remote, search_path: str) -> Iterator[Route]:
    program = find_program("ssh", search_path)
    if program is None:
        raise ToolError(
            "ssh is not installed", hint="install openssh-client, or use https"
        )
    if remote.ssh is None:
        raise CredentialError(
            f"{remote.name}: there is no key for SSH",
            hint="name one as `git.key` of the repository in service.toml",
        )
    host, port = remote.host
    address = _addresses(remote)[0]
    # the name under which ssh-keyscan and ssh itself write a host down
    alias = host if port == _SSH_PORT else f"[{host}]:{port}"
    options = (*_SSH_OPTIONS, f"HostName={address}", f"HostKeyAlias={alias}")
    words = [str(program), "-F", "/dev/null", "-i", _KEY]
    command = shlex.join([*words, *(f"-o{option}" for option in options)])
    files = {
        _KEY: ssh_key(usable(remote.ssh.key)),
        _KNOWN_HOSTS: usable(remote.ssh.known_hosts) + "\n",
    }
    with private_folder(remote.scratch, files) as folder:
        yield Route(variables={"GIT_SSH_COMMAND": command}, folder=folder)
