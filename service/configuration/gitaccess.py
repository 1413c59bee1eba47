"""`[repository.git]` -> how git reaches a repository, and whose the commits are.

Nothing is read here: keys and known hosts are when they are used.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from pathlib import Path

from gitops.errors import InputError
from gitops.git import Identity, Remote
from service.configuration.nouns import GitSettings, Lookup, TextFile, credential_of
from service.configuration.shape import GitShape

Spell = Callable[[str], str]
"""Names the place of a key of the table, for people."""


def git_of(
    shape: GitShape, *, is_embedded: bool, spell: Spell, folder: Path, lookup: Lookup
) -> GitSettings:
    """Read the table.

    Args:
        shape: each key is checked by itself.
        is_embedded: whether the embedded forge has the repository.
        spell: see Spell.
        folder: what relative paths start from.
        lookup: reads the environment.

    Raises:
        InputError: keys do not go together.
    """
    _check_together(shape, is_embedded, spell)
    key, signing_key = (
        credential_of(reference, place=spell(name), folder=folder, lookup=lookup)
        for name, reference in (("key", shape.key), ("signing_key", shape.signing_key))
    )
    hosts = shape.known_hosts
    return GitSettings(
        url=shape.url,
        user=shape.user,
        key=key,
        known_hosts=TextFile(path=folder / hosts, place=spell("known_hosts"))
        if hosts
        else None,
        signing=shape.signing,
        signing_key=signing_key,
        name=shape.name,
        email=shape.email,
    )


def git_host(shape: GitShape) -> frozenset[str]:
    """Return the host that the address for git names; nothing without one."""
    return frozenset({Remote(url=shape.url).host[0]} if shape.url else ())


def _check_together(shape: GitShape, is_embedded: bool, spell: Spell) -> None:
    is_ssh = bool(shape.url) and Remote(url=shape.url).protocol == "ssh"
    over_ssh = {"key": shape.key, "known_hosts": shape.known_hosts}
    elsewhere = {"url": shape.url, "user": shape.user}
    for key, value in {**elsewhere, **over_ssh}.items():
        if value and is_embedded:
            raise InputError(
                f"{spell(key)}: does not go with the forge",
                hint="the embedded forge's repositories are folders of this machine",
            )
    _check_ssh(over_ssh, is_ssh, spell)
    if (shape.signing is None) != (not shape.signing_key):
        raise InputError(
            f"{spell('signing_key')}: goes with `signing`, and one is missing",
            hint='write signing = "ssh" and where its private key is',
        )
    if bool(shape.name) != bool(shape.email):
        raise InputError(
            f"{spell('name')}: goes with `email`, and one is missing",
            hint="give both, or none",
        )
    if shape.name:
        Identity(name=shape.name, email=shape.email)


def _check_ssh(over_ssh: Mapping[str, str], is_ssh: bool, spell: Spell) -> None:
    for key, value in over_ssh.items():
        if is_ssh and not value:
            raise InputError(
                f"{spell(key)}: is missing",
                hint="SSH needs the key of the service, and that of the host",
            )
        if value and not is_ssh:
            raise InputError(
                f"{spell(key)}: is for SSH, and the address is not",
                hint="write `url` of this table as ssh://git@HOST/PATH",
            )
