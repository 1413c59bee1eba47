"""The registries that the operator has set up: who is asked for what, and how often.

Promises: only what `service.toml` names is asked, each with its own login; a list of
versions is asked for once in an interval, and after a failure not at once again; what
goes wrong is told as a value, so a registry that is down stops nobody.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from threading import Lock
from typing import Final

from gitops.errors import GitopsError, RegistryUnavailableError
from gitops.model import (
    Absent,
    Exists,
    Image,
    Proof,
    Release,
    ReleaseNotes,
    Revision,
    Unchecked,
    UpdateSource,
)
from gitops.promotion import Prove
from gitops.registries import (
    GitHubNotes,
    ImageRegistry,
    NpmReleases,
    image_name,
    near_tags,
)
from gitops.versions import version_of
from gitops.web import Web
from service.clock import Clock
from service.configuration import RegistryKind, RegistrySettings
from service.settings import Settings

logger = logging.getLogger(__name__)

_DEADLINE_S: Final = 20.0  # somebody may be waiting for the answer
_RETRY: Final = timedelta(minutes=5)
_LEAST: Final = timedelta(minutes=1)
_MAX_KEPT: Final = 5000


@dataclass(frozen=True, slots=True, kw_only=True)
class Listed:
    """The versions that a source has, or why that is not known.

    Attributes:
        releases: with their dates where the source tells them.
        problem: empty when it answered.
    """

    releases: tuple[Release, ...] = ()
    problem: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Kept:
    """An answer, and until when it is good."""

    listed: Listed
    until: datetime


class Registries:
    """Asks the registries of every repository; safe in many threads.

    Args:
        settings: with the registries of each repository.
        web: the client for them all.
        clock: the source of `now`.
    """

    def __init__(self, settings: Settings, web: Web, clock: Clock) -> None:
        self._settings = settings
        self._web = web
        self._clock = clock
        self._interval = timedelta(seconds=settings.update_interval_s)
        self._open: dict[tuple[str, str, RegistrySettings], ImageRegistry] = {}
        self._kept: dict[tuple[str, ...], _Kept] = {}
        self._doubtful: dict[tuple[str, Revision], tuple[Proof | None, datetime]] = {}
        self._lock = Lock()

    # --- existence ---

    def prover(self, repository: str) -> Prove:
        """Return what tells if images exist; one answer for each while it is kept."""
        return cache(lambda wanted: self.prove(repository, wanted))

    def prove_patiently(self, repository: str, wanted: Revision) -> Proof | None:
        """Ask if an image exists; after a no, or no answer, not at once again.

        Returns:
            As prove, but for the nearest tags.
        """
        key, now = (repository, wanted), self._clock()
        with self._lock:
            proof, until = self._doubtful.get(key, (None, now))
        if proof is not None and now < until:
            return proof
        proof = self.prove(repository, wanted, with_near=False)
        if isinstance(proof, Absent | Unchecked):
            with self._lock:
                if len(self._doubtful) > _MAX_KEPT:
                    self._doubtful.clear()
                self._doubtful[key] = proof, now + min(_RETRY, self._interval)
        return proof

    def prove(
        self, repository: str, wanted: Revision, *, with_near: bool = True
    ) -> Proof | None:
        """Ask if an image exists, by its digest where it has one.

        Args:
            repository: whose registries are asked.
            wanted: image and tag, or digest.
            with_near: say of one that is not there which ones are near.

        Returns:
            None where no registry is set up for the image.
        """
        described = self._described(repository, wanted.image)
        if described is None:
            return None
        path = image_name(wanted.image).path
        try:
            registry = self._registry(repository, described)
            image = registry.resolve(path, wanted.digest or wanted.tag)
            if image is None:
                near = _near(registry, path, wanted.tag) if with_near else ()
                return Absent(near=near)
        except GitopsError as error:
            return Unchecked(reason=error.message)
        return Exists(
            image=image, missing=_missing(described, image), pin=described.pin
        )

    def has_images(self, repository: str, image: str) -> bool:
        """Whether a registry is set up for an image."""
        return self._described(repository, image) is not None

    # --- versions ---

    def listed(self, repository: str, image: str, source: UpdateSource) -> Listed:
        """Return the versions that there are, as they were in this interval."""
        if source is UpdateSource.NPM:
            return self._once(("npm", repository), lambda: self._npm(repository))
        key = ("tags", repository, image)
        return self._once(key, lambda: self._tags(repository, image))

    def built_at(self, repository: str, image: str, tag: str) -> Listed:
        """Return when an image was built: one release, or none that is there."""
        key = ("built", repository, image, tag)
        return self._once(key, lambda: self._built(repository, image, tag))

    def notes(self, repository: str, tag: str) -> ReleaseNotes | None:
        """Return what Directus says of a release; None without, or where it fails."""
        version = version_of(tag)
        found = self._of_kind(repository, RegistryKind.GITHUB)
        if found is None or version is None:
            return None
        own = f"-{version.suffix}" if version.is_prerelease else ""
        try:
            source = GitHubNotes(self._web, found.access())
            return source.notes(f"{version.release}{own}")
        except GitopsError as error:
            logger.info("no release notes", extra={"problem": error.message})
            return None

    # --- asking ---

    def _once(self, key: tuple[str, ...], ask: Callable[[], Listed]) -> Listed:
        now = self._clock()
        with self._lock:
            kept = self._kept.get(key)
        if kept is not None and now < kept.until:
            return kept.listed
        until = now + self._interval
        try:
            listed = ask()
        except GitopsError as error:
            listed = Listed(problem=error.message)
            until = now + _pause(error, self._interval)
        with self._lock:
            if len(self._kept) > _MAX_KEPT:
                self._kept.clear()
            self._kept[key] = _Kept(listed=listed, until=until)
        return listed

    def _npm(self, repository: str) -> Listed:
        found = self._of_kind(repository, RegistryKind.NPM)
        if found is None:
            return Listed(problem="no npm registry is set up in service.toml")
        return Listed(releases=NpmReleases(self._web, found.access()).releases())

    def _tags(self, repository: str, image: str) -> Listed:
        found = self._described(repository, image)
        if found is None:
            host = image_name(image).host
            return Listed(problem=f"no registry is set up for {host} in service.toml")
        tags = self._registry(repository, found).tags(image_name(image).path)
        return Listed(releases=tuple(Release(version=tag) for tag in tags))

    def _built(self, repository: str, image: str, tag: str) -> Listed:
        found = self._described(repository, image)
        if found is None:
            return Listed()
        registry = self._registry(repository, found)
        built = registry.resolve(image_name(image).path, tag)
        if built is None:
            return Listed()
        return Listed(releases=(Release(version=tag, published_at=built.created_at),))

    def _registry(self, repository: str, found: RegistrySettings) -> ImageRegistry:
        """Return the registry; what it knows of digests and tokens is kept."""
        access = found.access()
        key = (repository, access.allowed.authorities, found)
        with self._lock:
            if key not in self._open:
                self._open[key] = ImageRegistry(
                    self._web, access, deadline_s=_DEADLINE_S
                )
            return self._open[key]

    def _described(self, repository: str, image: str) -> RegistrySettings | None:
        host = image_name(image).host
        return next(
            (
                found
                for found in self._settings.repository(repository).registries
                if found.kind is RegistryKind.IMAGES and found.host == host
            ),
            None,
        )

    def _of_kind(self, repository: str, kind: RegistryKind) -> RegistrySettings | None:
        registries = self._settings.repository(repository).registries
        return next((found for found in registries if found.kind is kind), None)


def _pause(error: GitopsError, interval: timedelta) -> timedelta:
    """Return how long a server is left alone that did not answer."""
    told = error.retry_after if isinstance(error, RegistryUnavailableError) else None
    if told is None:
        return min(_RETRY, interval)
    return max(timedelta(seconds=told), _LEAST)


def _near(registry: ImageRegistry, path: str, tag: str) -> tuple[str, ...]:
    try:
        return near_tags(tag, registry.tags(path))
    except GitopsError:
        return ()  # it does not exist; what else there is only helps


def _missing(described: RegistrySettings, image: Image) -> tuple[str, ...]:
    """Return the platforms that are wanted and not there; none where none are told."""
    if not image.platforms:
        return ()
    return tuple(
        wanted
        for wanted in described.platforms
        if not any(
            one == wanted or one.startswith(f"{wanted}/") for one in image.platforms
        )
    )
