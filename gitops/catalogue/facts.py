"""What is known of Directus releases: questions to the rows. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from itertools import pairwise

from gitops.catalogue.rows import (
    LICENCES,
    LOSSES,
    MIGRATIONS,
    RELEASED,
    VERSIONS,
    Licence,
)
from gitops.versions import Step, Version, parse_tag, step, version_of


def newest_version() -> str:
    """Return the newest release in the catalogue, as an image tag."""
    return max(VERSIONS, key=parse_tag)


def is_known(tag: str) -> bool:
    """Whether the catalogue has the release that a tag is, or is built on."""
    version = version_of(tag)
    return version is not None and version.release in VERSIONS


def released_on(tag: str) -> date | None:
    """Return the day of a release, where it was looked up."""
    version = version_of(tag)
    return RELEASED.get(version.release) if version else None


def licence_of(version: Version) -> Licence | None:
    """Return the licence of a release; None before the first row."""
    held = [row for row in LICENCES if parse_tag(row.since).core <= version.core]
    return held[-1] if held else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Migrations:
    """Which migrations lie between two releases.

    Attributes:
        certain: the newer release has them and the older one has not.
        possible: perhaps so; they came between two releases that were counted, and
            one of ours lies in between.
        is_complete: whether both releases lie within what was counted.
    """

    certain: tuple[str, ...]
    possible: tuple[str, ...]
    is_complete: bool

    @property
    def names(self) -> tuple[str, ...]:
        """All of them, in the order in which they run."""
        return tuple(sorted((*self.certain, *self.possible)))

    @property
    def count(self) -> str:
        """How many there are, for people: `8`, `3 to 5`, `at least 8`."""
        low, high = len(self.certain), len(self.certain) + len(self.possible)
        if not self.is_complete:
            return f"at least {low}" if low else "an unknown number of"
        return str(low) if low == high else f"{low} to {high}"


def migrations_between(older: Version, newer: Version) -> Migrations:
    """Return the migrations that a database sees on its way up."""
    low, high = older.core, newer.core
    counted = [(parse_tag(row.version).core, row.added) for row in MIGRATIONS]
    certain: list[str] = []
    possible: list[str] = []
    for (absent, _), (present, added) in pairwise(counted):
        if low <= absent and present <= high:
            certain.extend(added)
        elif low < present and absent < high:
            possible.extend(added)
    return Migrations(
        certain=tuple(certain),
        possible=tuple(possible),
        is_complete=counted[0][0] <= low and high <= counted[-1][0],
    )


def obstacles_back(before: str, after: str) -> tuple[str, ...]:
    """Say why the database of one tag may be of no use to an older one.

    Empty when nothing is known to be lost. A step between majors, a migration that
    moves or drops data, and a tag of which nothing is known all count.

    Args:
        before: the tag that runs.
        after: the tag that is wanted.
    """
    newer, older = version_of(before), version_of(after)
    if newer is None or older is None:
        return (f"{before} -> {after}: not both are full versions, nothing is known",)
    if step(before, after) is not Step.DOWNGRADE:
        return ()
    found = [
        f"{name} {LOSSES[name]}"
        for name in migrations_between(older, newer).names
        if name in LOSSES
    ]
    if newer.major != older.major:
        found.insert(
            0, f"Directus {older.major} is not made for a database of {newer.major}"
        )
    return tuple(found)
