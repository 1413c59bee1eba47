"""Ask registries which versions there are, and prove that an image exists.

    references   the name of an image -> its registry and its name there
    access       one server: address, login, limits; the only way out of this package
    challenges   what a registry wants to see, and who may be shown it      pure
    tokens       a challenge -> what answers it
    verdicts     an answer -> good, not there, or an error                  pure
    manifests    bytes -> digest, platforms, when it was built              pure
    asking, oci  the OCI distribution API, Docker Hub included
    nearness     which tags may have been meant                             pure
    npm          the npm registry: versions, times, deprecations
    github       release notes

Promises: only reading; a credential is shown to the registry that it belongs to, or to
the realm that hands out its tokens, and to nobody else; "there is no such image" is
only said when the registry says it in its own words. What may be bumped to is decided
elsewhere, from these values.
"""

from __future__ import annotations

from typing import Protocol

from gitops.model.images import Release, ReleaseNotes
from gitops.registries.access import Access, Login, nobody
from gitops.registries.github import DIRECTUS_REPOSITORY, GITHUB_URL, GitHubNotes
from gitops.registries.nearness import near_tags
from gitops.registries.npm import DIRECTUS_PACKAGE, NPM_URL, NpmReleases
from gitops.registries.oci import ImageRegistry
from gitops.registries.references import (
    DOCKER_HUB,
    DOCKER_HUB_REALM,
    DOCKER_HUB_URL,
    ImageName,
    image_name,
)

__all__ = [
    "DIRECTUS_PACKAGE",
    "DIRECTUS_REPOSITORY",
    "DOCKER_HUB",
    "DOCKER_HUB_REALM",
    "DOCKER_HUB_URL",
    "GITHUB_URL",
    "NPM_URL",
    "Access",
    "GitHubNotes",
    "ImageName",
    "ImageRegistry",
    "Login",
    "Notes",
    "NpmReleases",
    "Releases",
    "image_name",
    "near_tags",
    "nobody",
]


class Releases(Protocol):
    """A list of versions, and when they came."""

    def releases(self) -> tuple[Release, ...]:
        """Return them all; see NpmReleases.

        Raises:
            RegistryError: it cannot be had.
        """
        ...


class Notes(Protocol):
    """What its makers say of a release."""

    def notes(self, version: str) -> ReleaseNotes | None:
        """Return them; None where there are none; see GitHubNotes.

        Raises:
            RegistryError: they cannot be had.
        """
        ...
