"""Bytes of a manifest, an index or a configuration -> what they say. Pure.

Rules: OCI image specification 1.1 (index, manifest, config) and Docker's image manifest
version 2, schema 2, which share their fields. Promise: a digest is computed from the
bytes, never believed; what the server calls it must agree.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, TypeAlias

from gitops.errors import InputError, RegistryError, WebError
from gitops.model import Json
from gitops.versions import check_digest
from gitops.web import Answer
from gitops.web.fields import items_at, mapping_at, text_at

INDEXES: Final = (
    "application/vnd.oci.image.index.v1+json",
    "application/vnd.docker.distribution.manifest.list.v2+json",
)
MANIFESTS: Final = (
    "application/vnd.oci.image.manifest.v1+json",
    "application/vnd.docker.distribution.manifest.v2+json",
)
ACCEPT: Final = ", ".join((*INDEXES, *MANIFESTS))
"""What is asked for: without the OCI types a registry says 404 of an OCI image."""

_DIGEST_HEADER: Final = "docker-content-digest"
_CREATED: Final = "org.opencontainers.image.created"
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9_.-]{0,31}", re.ASCII)
_MOMENT: Final = re.compile(
    r"([0-9]{4}-[0-9]{2}-[0-9]{2})[Tt ]([0-9]{2}:[0-9]{2}:[0-9]{2})(?:\.[0-9]{1,12})?"
    r"(Z|z|[+-][0-9]{2}:[0-9]{2})",
    re.ASCII,
)
_FIRST_YEAR: Final = 2013
_MAX_PLATFORMS: Final = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Child:
    """An image of an index.

    Attributes:
        digest: of its manifest.
        platform: such as "linux/arm64".
    """

    digest: str
    platform: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Index:
    """Images of one name for several platforms."""

    digest: str
    children: tuple[Child, ...]
    created_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Single:
    """One image.

    Attributes:
        digest: of the manifest.
        config: the digest of its configuration.
        created_at: by its annotations; None when they do not tell.
    """

    digest: str
    config: str
    created_at: datetime | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Configuration:
    """What an image says of itself."""

    platform: str
    created_at: datetime | None


Document: TypeAlias = Index | Single


def digest_of(content: bytes) -> str:
    """Compute a content digest."""
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def digest_told(answer: Answer) -> str:
    """Return the digest that an answer's header tells; empty without a usable one."""
    return _digest_or_nothing(answer.headers.get(_DIGEST_HEADER, "").strip())


def document_of(answer: Answer) -> Document:
    """Read a manifest or an index.

    Raises:
        RegistryError: the digest in the header is not that of the bytes, or this is
            neither, or of a kind that is not read.
    """
    digest = digest_of(answer.body)
    told = answer.headers.get(_DIGEST_HEADER, "").strip()
    if told.startswith("sha256:") and told != digest:
        raise RegistryError(
            f"{answer.place.host}: its manifest is not what its digest says",
            hint="something between changes what the registry sends",
        )
    try:
        data = answer.json()
        kind = text_at(data, "mediaType") or _media_type(answer)
        created = _created(mapping_at(data, "annotations").get(_CREATED))
        if kind in INDEXES:
            children = tuple(_children(data))
            return Index(digest=digest, children=children, created_at=created)
        if kind in MANIFESTS:
            config = check_digest(text_at(data, "config", "digest"))
            return Single(digest=digest, config=config, created_at=created)
    except (WebError, InputError):
        raise _nonsense(answer) from None
    raise _nonsense(answer)


def configuration_of(answer: Answer, digest: str) -> Configuration:
    """Read an image's configuration.

    Args:
        answer: with its bytes.
        digest: that the manifest names.

    Raises:
        RegistryError: the bytes are others, or no configuration.
    """
    if digest_of(answer.body) != digest:
        raise RegistryError(
            f"{answer.place.host}: its image configuration is not what was asked for"
        )
    try:
        data = answer.json()
        return Configuration(
            platform=_platform(mapping_at(data)),
            created_at=_created(mapping_at(data).get("created")),
        )
    except WebError:
        raise _nonsense(answer) from None


def moment(text: str) -> datetime | None:
    """Read RFC 3339, to whole seconds; None when it is none.

    What is said to be from before there were images is no answer: builds that can be
    repeated bit for bit write the year 1970 or 1980.
    """
    found = _MOMENT.fullmatch(text)
    if found is None:
        return None
    zone = "+00:00" if found[3] in "Zz" else found[3]
    try:
        at = datetime.fromisoformat(f"{found[1]}T{found[2]}{zone}").astimezone(UTC)
    except (ValueError, OverflowError):
        return None
    return at if at.year >= _FIRST_YEAR else None


def _media_type(answer: Answer) -> str:
    return answer.headers.get("content-type", "").partition(";")[0].strip().lower()


def _created(value: Json) -> datetime | None:
    return moment(value) if isinstance(value, str) else None


def _children(data: Json) -> list[Child]:
    """Return the images; attestations, which name no platform, are none."""
    found = []
    for item in items_at(data, "manifests")[:_MAX_PLATFORMS]:
        platform = _platform(mapping_at(item, "platform"))
        if platform:
            digest = check_digest(text_at(item, "digest"))
            found.append(Child(digest=digest, platform=platform))
    return found


def _platform(fields: Mapping[str, Json]) -> str:
    """Spell a platform; empty when it is unknown or no plain name."""
    names = [fields.get(key) or "" for key in ("os", "architecture", "variant")]
    texts = [name for name in names if isinstance(name, str) and name]
    if len(texts) < 2 or "unknown" in texts:  # the system and its kind
        return ""
    return "/".join(texts) if all(map(_NAME.fullmatch, texts)) else ""


def _digest_or_nothing(text: str) -> str:
    try:
        return check_digest(text)
    except InputError:
        return ""


def _nonsense(answer: Answer) -> RegistryError:
    return RegistryError(
        f"{answer.place.host}: its answer is no manifest that we read",
        hint="OCI images and Docker's schema 2 are read; schema 1 is not",
    )
