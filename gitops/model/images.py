"""What a registry says of an image, and what its makers say of a release."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final, TypeAlias

IMAGE_EXISTS: Final = "image-exists"
"""The rule of a finding: a registry has the image."""

IMAGE_UNCHECKED: Final = "image-unchecked"
"""The rule of a finding: it was asked, and could not tell."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """What a tag stood for when it was asked for.

    Attributes:
        digest: of the manifest or index, computed from its bytes.
        platforms: sorted, such as "linux/amd64" and "linux/arm/v7"; empty when the
            image does not tell.
        created_at: aware UTC, by its maker's word; None when it does not tell.
    """

    digest: str
    platforms: tuple[str, ...] = ()
    created_at: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Exists:
    """The registry has the image.

    Attributes:
        image: what it is.
        missing: platforms that the operator wants and it is not there for.
        pin: whether the operator wants the digest of every image written.
    """

    image: Image
    missing: tuple[str, ...] = ()
    pin: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Absent:
    """The registry has no such image, by its own word.

    Attributes:
        near: tags that it has, the nearest to what was asked for first.
    """

    near: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Unchecked:
    """Nobody could tell.

    Attributes:
        reason: why; one line, no secrets.
    """

    reason: str


Proof: TypeAlias = Exists | Absent | Unchecked


@dataclass(frozen=True, slots=True, kw_only=True)
class Release:
    """A version as a list of releases has it.

    Attributes:
        version: as written there, without a leading v.
        published_at: aware UTC; None when the list does not tell.
        deprecated: its makers' reason not to use it; empty when it is in good standing.
    """

    version: str
    published_at: datetime | None = None
    deprecated: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ReleaseNotes:
    """What its makers wrote about a release; hostile text, as all from outside.

    Attributes:
        version: without a leading v.
        title: one line; may be empty.
        url: https, of the page that has them.
        text: trimmed to a length; may be empty.
    """

    version: str
    title: str
    url: str
    text: str = ""
