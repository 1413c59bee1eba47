"""Image references read apart; which ones are Directus or a database."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

DIRECTUS: Final = "directus/directus"
_DEFAULT_HOSTS: Final = ("docker.io/", "index.docker.io/")


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """An image reference.

    Attributes:
        repository: without Docker Hub's implied host and ``library/``.
        tag: empty when there is none.
        digest: empty when there is none.
    """

    repository: str
    tag: str
    digest: str

    @property
    def name(self) -> str:
        """The last part of the repository: ``mariadb``."""
        return self.repository.rpartition("/")[2]

    @property
    def is_directus_release(self) -> bool:
        """Whether the Directus project itself publishes it."""
        return self.repository in (DIRECTUS, f"ghcr.io/{DIRECTUS}")

    @property
    def is_directus(self) -> bool:
        """Whether it is Directus, or called so by who built on it."""
        return self.name == "directus" or self.name.endswith("-directus")

    @property
    def database(self) -> str:
        """``mariadb``, ``mysql`` or ``postgres`` for an official image, else ""."""
        official = {"postgis": "postgres"}.get(self.name, self.name)
        is_known = official in ("mariadb", "mysql", "postgres")
        return official if is_known and "bitnami" not in self.repository else ""


def read_image(reference: str) -> Image:
    """Read an image reference; any text gives an answer."""
    rest, _, digest = reference.partition("@")
    folder, slash, last = rest.rpartition("/")
    last, _, tag = last.partition(":")
    repository = f"{folder}{slash}{last}"
    for host in _DEFAULT_HOSTS:
        repository = repository.removeprefix(host)
    return Image(repository=repository.removeprefix("library/"), tag=tag, digest=digest)
