"""`[[repository.registry]]`: who is asked for versions and images, and as whom."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Final

from gitops.errors import InputError
from gitops.registries import (
    DOCKER_HUB,
    DOCKER_HUB_REALM,
    DOCKER_HUB_URL,
    GITHUB_URL,
    NPM_URL,
    Access,
    Login,
    image_name,
)
from gitops.versions import check_image
from gitops.web import Allowed
from service.configuration.nouns import NOTHING, Credential, TextFile

_URLS: Final[dict[str, str]] = {"npm": NPM_URL, "github": GITHUB_URL}


class RegistryKind(StrEnum):
    """What is asked of it."""

    IMAGES = "images"
    NPM = "npm"
    GITHUB = "github"


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistrySettings:
    """A registry that a repository's work may ask.

    Attributes:
        kind: see RegistryKind.
        host: of images, as their names have it; empty for the other kinds.
        url: its address.
        username: goes with the credential; may be empty.
        credential: None to ask as anybody may.
        ca: PEM file of the only authorities that are believed; None for public ones.
        realms: hosts beside its own that may see the credential.
        platforms: that every image has to be there for.
        pin: whether the digest of every image is written.
        allowed: what may be reached; its own host is added when it is asked.
    """

    kind: RegistryKind
    host: str = ""
    url: str
    username: str = ""
    credential: Credential | None = None
    ca: TextFile | None = None
    realms: frozenset[str] = frozenset()
    platforms: tuple[str, ...] = ()
    pin: bool = False
    allowed: Allowed = field(default=NOTHING)

    def access(self) -> Access:
        """Say how it is reached; the login is read each time that it is shown.

        Raises:
            InputError: the file of the authorities cannot be read.
        """
        authorities = self.ca.read() if self.ca else ""
        return Access(
            url=self.url,
            allowed=replace(self.allowed, authorities=authorities),
            login=_login_of(self.username, self.credential),
            realms=self.realms,
        )


def _login_of(
    username: str, credential: Credential | None
) -> Callable[[], Login | None]:
    def login() -> Login | None:
        if credential is None:
            return None
        secret = credential.reveal().get_secret_value()
        return Login(username=username, secret=secret)

    return login


def registry_host(text: str) -> str:
    """Accept the host of images, as their names have it; Docker Hub under one name.

    Raises:
        InputError: no name of an image begins so.
    """
    try:
        found = image_name(check_image(f"{text}/x")).host
    except InputError:
        found = ""
    is_named = "/" not in text and ("." in text or found != DOCKER_HUB)
    if not found or not is_named:
        raise InputError(
            "is not the host of images",
            hint="write it as their names have it: docker.io, ghcr.io, "
            "registry.example.com:5000",
        )
    return found


def default_url(kind: RegistryKind, host: str) -> str:
    """Return the address of a registry that is not given one."""
    if kind is not RegistryKind.IMAGES:
        return _URLS[kind]
    return DOCKER_HUB_URL if host == DOCKER_HUB else f"https://{host}"


def default_realms(kind: RegistryKind, host: str) -> frozenset[str]:
    """Return the hosts that are known to hand out a registry's tokens."""
    is_hub = kind is RegistryKind.IMAGES and host == DOCKER_HUB
    return frozenset({DOCKER_HUB_REALM} if is_hub else ())
