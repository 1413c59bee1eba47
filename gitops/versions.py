"""Versions, tags and digests: their grammar and their order. Pure.

Promises: whatever it accepts is safe in YAML, in a commit subject and in a branch's
review, because only the registry's own ASCII grammars pass (R10). It knows nothing of
particular releases (see gitops.catalogue) and never asks a registry.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from enum import StrEnum
from functools import total_ordering
from typing import Final

from gitops.errors import InputError

HARDENED: Final = "dhi"
"""The one variant that Directus publishes: `12.4.1-dhi`, distroless, no shell."""

# Distribution specification 1.1, "Pulling manifests"; the registry's host comes from
# the reference grammar of the same project.
_TAG = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}", re.ASCII)
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}", re.ASCII)
_HOST = re.compile(
    r"[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?"
    r"(?:\.[A-Za-z0-9](?:[A-Za-z0-9-]*[A-Za-z0-9])?)*(?::[0-9]{1,5})?",
    re.ASCII,
)
_COMPONENT = re.compile(r"[a-z0-9]+(?:(?:\.|__?|-+)[a-z0-9]+)*", re.ASCII)
_MAX_REPOSITORY: Final = 255

_NUMBER = r"(0|[1-9][0-9]{0,8})"
_FULL = re.compile(
    rf"{_NUMBER}\.{_NUMBER}\.{_NUMBER}(?:-([0-9A-Za-z_-]+(?:\.[0-9A-Za-z_-]+)*))?",
    re.ASCII,
)
_FLOATING = re.compile(rf"latest|main|{_NUMBER}(?:\.{_NUMBER})?(?:-{HARDENED})?")
_PRERELEASE = re.compile(
    r"(?:alpha|beta|rc|pre|preview|dev|canary|next|nightly|snapshot)(?![a-z])",
    re.IGNORECASE,
)

_Identifier = tuple[int, int, str]


class Step(StrEnum):
    """How far one tag is from another."""

    SAME = "same"
    PATCH = "patch"
    MINOR = "minor"
    MAJOR = "major"
    DOWNGRADE = "downgrade"
    UNKNOWN = "unknown"

    @property
    def is_up(self) -> bool:
        """Whether the step goes to a newer version."""
        return self in (Step.PATCH, Step.MINOR, Step.MAJOR)


@total_ordering
@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """A tag that names one release for good: `x.y.z`, with or without a suffix.

    Attributes:
        tag: as written.
        major: first number.
        minor: second number.
        patch: third number.
        suffix: what follows the numbers, without the variant: a pre-release
            (`rc.1`, before the release) or a build of one's own image (`acme.3`,
            after the release it is built on).
        variant: "dhi" for the hardened image, else empty; no part of the order.
    """

    tag: str
    major: int = field(compare=False)
    minor: int = field(compare=False)
    patch: int = field(compare=False)
    suffix: str = field(default="", compare=False)
    variant: str = field(default="", compare=False)

    def __str__(self) -> str:
        """Write the tag."""
        return self.tag

    def __lt__(self, other: Version) -> bool:
        """Order by precedence; the tag decides between variants of one version."""
        return (self.precedence, self.tag) < (other.precedence, other.tag)

    @property
    def release(self) -> str:
        """The release it is, or is built on: `12.4.1` for `12.4.1-acme.3`."""
        return f"{self.major}.{self.minor}.{self.patch}"

    @property
    def core(self) -> tuple[int, int, int]:
        """The three numbers, to compare releases without their suffix."""
        return (self.major, self.minor, self.patch)

    @property
    def is_prerelease(self) -> bool:
        """Whether the suffix begins with a word that means "not yet"."""
        return _PRERELEASE.match(self.suffix) is not None

    @property
    def build(self) -> str:
        """The suffix of one's own image; empty for releases and pre-releases."""
        return "" if self.is_prerelease else self.suffix

    @property
    def precedence(self) -> tuple[int, int, int, int, tuple[_Identifier, ...]]:
        """What decides which of two versions is newer.

        Semantic Versioning 2.0.0 rule 11, with one difference: there every suffix
        is a pre-release; here only one that says so is, any other is a build that
        follows its release. Equal for two variants of one version.
        """
        stage = -1 if self.is_prerelease else 1 if self.suffix else 0
        parts = tuple(self.suffix.split(".")) if self.suffix else ()
        return (
            self.major,
            self.minor,
            self.patch,
            stage,
            tuple(_identifier(part) for part in parts),
        )


def _identifier(text: str) -> _Identifier:
    return (0, int(text), "") if text.isdigit() else (1, 0, text)


# --- accepting ---


def check_tag(text: str) -> str:
    """Accept a tag that a registry can hold.

    Raises:
        InputError: outside the registry's grammar.
    """
    if not _TAG.fullmatch(text):
        raise InputError(
            f"{text[:80]!a} is not an image tag",
            hint="a tag has 1 to 128 of A-Z, a-z, 0-9, '_', '.' and '-'",
        )
    return text


def check_digest(text: str) -> str:
    """Accept a content digest.

    Raises:
        InputError: not `sha256:` and 64 lower-case hexadecimal digits.
    """
    if not _DIGEST.fullmatch(text):
        raise InputError(
            f"{text[:80]!a} is not a digest",
            hint="a digest is 'sha256:' and 64 of 0-9 and a-f",
        )
    return text


def check_image(text: str) -> str:
    """Accept an image repository, with or without its registry, without a tag.

    Raises:
        InputError: outside the registry's grammar, or it carries a tag or digest.
    """
    host, slash, rest = text.partition("/")
    has_host = bool(slash) and (set(host) & set(".:") or host == "localhost")
    parts = (rest if has_host else text).split("/")
    good = (
        len(text) <= _MAX_REPOSITORY
        and (not has_host or _HOST.fullmatch(host) is not None)
        and all(_COMPONENT.fullmatch(part) for part in parts)
    )
    if not good:
        raise InputError(
            f"{text[:80]!a} is not an image repository",
            hint="write it as registry.example.com/acme/directus, without tag, "
            "digest and scheme",
        )
    return text


def parse_tag(text: str) -> Version:
    """Read a full version.

    Raises:
        InputError: no tag at all, or a tag that may name another image tomorrow
            (`12.4`, `latest`), or one with a leading "v".
    """
    check_tag(text)
    version = version_of(text)
    if version is None:
        raise InputError(f"{text[:80]!a} is not a full version", hint=_hint_for(text))
    return version


def _hint_for(text: str) -> str:
    if text[0] in "vV" and version_of(text[1:]) is not None:
        return f"image tags have no leading v: write {text[1:]}"
    if _FLOATING.fullmatch(text):
        return "it may name another image tomorrow: name a full version, x.y.z"
    return "name a full version: x.y.z, with a suffix such as -rc.1, -dhi or -acme.3"


def version_of(tag: str) -> Version | None:
    """Return the version that a tag names, or None when it names none for good."""
    found = _FULL.fullmatch(tag) if _TAG.fullmatch(tag) else None
    if found is None:
        return None
    major, minor, patch, suffix = found.groups()
    rest, variant = _without_variant(suffix or "")
    return Version(
        tag=tag,
        major=int(major),
        minor=int(minor),
        patch=int(patch),
        suffix=rest,
        variant=variant,
    )


def _without_variant(suffix: str) -> tuple[str, str]:
    if suffix == HARDENED:
        return "", HARDENED
    if suffix.endswith(f"-{HARDENED}"):
        return suffix.removesuffix(f"-{HARDENED}"), HARDENED
    return suffix, ""


def parse_reference(text: str) -> tuple[Version, str | None]:
    """Read `VERSION` or `VERSION@DIGEST`.

    Raises:
        InputError: either half is not acceptable.
    """
    tag, at, digest = text.partition("@")
    return parse_tag(tag), check_digest(digest) if at else None


# --- comparing ---


def step(before: str, after: str) -> Step:
    """Return how far it is from one tag to another.

    A change of variant only is SAME; a tag that names no full version is UNKNOWN.
    """
    old, new = version_of(before), version_of(after)
    if old is None or new is None:
        return Step.UNKNOWN
    if old.precedence == new.precedence:
        return Step.SAME
    if new.precedence < old.precedence:
        return Step.DOWNGRADE
    if new.major != old.major:
        return Step.MAJOR
    return Step.MINOR if new.minor != old.minor else Step.PATCH
