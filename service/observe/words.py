"""What others say, in one line that is safe to keep and to show; and which tag runs."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from gitops.model import Health, Revision, Sighting
from service.logs import redact

_MAX_LINE: Final = 200
_TAG: Final = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,127}", re.ASCII)
_IMAGE: Final = re.compile(
    r"(?P<name>[^@\s]+?)(?::(?P<tag>[A-Za-z0-9_][A-Za-z0-9._-]{0,127}))?"
    r"(?:@(?P<digest>sha256:[0-9a-f]{64}))?",
    re.ASCII,
)
_HUB: Final = ("docker.io/", "index.docker.io/", "registry-1.docker.io/")


def one_line(*parts: str) -> str:
    """Join what there is to one printable line of 200 characters, without secrets."""
    text = ": ".join(part for part in parts if part)
    shown = "".join(c if c.isprintable() else " " for c in text[: 20 * _MAX_LINE])
    line = redact(" ".join(shown.split()))
    return line if len(line) <= _MAX_LINE else f"{line[: _MAX_LINE - 3]}..."


def version_text(text: str) -> str:
    """Return a version that has the form of a tag; empty when it has not."""
    return text if _TAG.fullmatch(text) else ""


def sighting(health: Health, *detail: str, version: str = "") -> Sighting:
    """Make a sighting of what outsiders said."""
    return Sighting(
        health=health, version=version_text(version), detail=one_line(*detail)
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Running:
    """What runs of a stack's image.

    Attributes:
        tag: the wanted one where it runs, beside others too; else the only one; empty
            where that cannot be told.
        is_another: the wanted tag runs, but of another digest.
    """

    tag: str
    is_another: bool = False


def running(images: Iterable[str], wanted: Revision) -> Running | None:
    """Say what runs of a stack's image; None when nothing does.

    Args:
        images: references of what runs, of any image.
        wanted: what should run.
    """
    found = [
        match
        for image in images
        if (match := _IMAGE.fullmatch(image))
        and _bare(match["name"]) == _bare(wanted.image)
    ]
    if not found:
        return None
    tags = {match["tag"] or "" for match in found}
    if wanted.tag in tags:
        is_there = any(_is(match, wanted) for match in found)
        return Running(tag=wanted.tag, is_another=not is_there)
    return Running(tag=tags.pop() if len(tags) == 1 else "")


def sighting_of(found: Running | None, health: Health, *detail: str) -> Sighting:
    """Make a sighting of someone who tells images."""
    if health is Health.HEALTHY and found is not None and found.is_another:
        return sighting(
            Health.PROGRESSING, f"another build of {found.tag} runs", version=found.tag
        )
    return sighting(health, *detail, version=found.tag if found else "")


def _is(found: re.Match[str], wanted: Revision) -> bool:
    known = found["digest"] and wanted.digest
    return found["tag"] == wanted.tag and (not known or known == found["digest"])


def _bare(name: str) -> str:
    """Write an image's name as Docker Hub's short form, where it is one of its."""
    for host in _HUB:
        if name.startswith(host):
            return name.removeprefix(host).removeprefix("library/")
    return name
