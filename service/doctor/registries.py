"""Registries: can each be read, and has every rule of `updates` one to ask.

An image that runs now is asked for, of each registry one. Nothing is pulled.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from gitops.errors import GitopsError, InputError
from gitops.git import use_git
from gitops.model import (
    Absent,
    Exists,
    Fleet,
    Overlay,
    Revision,
    Unchecked,
    UpdateSource,
)
from gitops.overlay import read_overlays
from gitops.registries import image_name
from gitops.web import Web
from service.clock import Clock
from service.configuration import RegistryKind, RegistrySettings
from service.doctor.checks import Check
from service.origins import locate, repository_names
from service.registries import Registries
from service.repository import read_base
from service.settings import Settings

_HINT: Final = (
    "is its address right, does its credential hold, and do the repository's networks "
    "allow it? see docs/registries.md"
)
_SET_UP: Final = "add a [[repository.registry]] to service.toml: docs/registries.md"


def look(settings: Settings, clock: Clock) -> Iterator[Check]:
    """Ask each registry for something that it should have."""
    try:
        names = repository_names(settings)
        described = {name: settings.repository(name) for name in names}
    except InputError:
        return  # told elsewhere
    use_git(settings.search_path)
    with Web() as web:
        registries = Registries(settings, web, clock)
        for name, repository in described.items():
            try:
                tree, fleet = read_base(settings, locate(settings, name))
                overlays, _ = read_overlays(tree, fleet)
            except GitopsError:
                continue  # its base branch is a check of its own
            for one in repository.registries:
                yield _asked(name, one, overlays, registries)
            yield from _rules(name, fleet, overlays, registries, repository.registries)


def _asked(
    name: str,
    registry: RegistrySettings,
    overlays: Sequence[Overlay],
    registries: Registries,
) -> Check:
    match registry.kind:
        case RegistryKind.IMAGES:
            return _images(name, registry, overlays, registries)
        case RegistryKind.NPM:
            listed = registries.listed(name, "", UpdateSource.NPM)
            check = f"{name}/registry/npm"
            if listed.problem:
                return Check.problem(check, listed.problem, _HINT)
            return Check.ok(check, f"{len(listed.releases)} releases")
        case RegistryKind.GITHUB:
            return Check.ok(f"{name}/registry/github", "asked when notes are needed")


def _images(
    name: str,
    registry: RegistrySettings,
    overlays: Sequence[Overlay],
    registries: Registries,
) -> Check:
    check = f"{name}/registry/{registry.host}"
    present: list[Revision] = [
        overlay.revision
        for overlay in overlays
        if image_name(overlay.revision.image).host == registry.host
    ]
    if not present:
        return Check.warning(
            check,
            "no stack runs an image of it",
            "is `host` as the names of the images begin?",
        )
    shown = f"{present[0].image}:{present[0].tag}"
    match registries.prove(name, present[0]):
        case Exists(image=image):
            return Check.ok(check, f"{shown} exists as {image.digest}")
        case Absent():
            return Check.warning(
                check, f"it has no {shown}, which runs", "was the tag removed?"
            )
        case Unchecked(reason=reason):
            return Check.problem(check, reason, _HINT)
        case None:  # pragma: no cover  its host was just compared
            return Check.ok(check, "not asked")


def _rules(
    name: str,
    fleet: Fleet,
    overlays: Sequence[Overlay],
    registries: Registries,
    described: Sequence[RegistrySettings],
) -> Iterator[Check]:
    """Warn of rules for new releases that have nobody to ask."""
    ruled = [
        (o.revision.image, rule)
        for o in overlays
        if (rule := fleet.update_of(o.target)) is not None
    ]
    missing = {
        image_name(image).host
        for image, _ in ruled
        if not registries.has_images(name, image)
    }
    needs_npm = any(rule.source is UpdateSource.NPM for _, rule in ruled)
    if needs_npm and all(one.kind is not RegistryKind.NPM for one in described):
        missing.add("npm")
    if missing:
        yield Check.warning(
            f"{name}/updates",
            f"gitops.yaml lets new releases come, and nobody is set up to ask of: "
            f"{', '.join(sorted(missing))}",
            _SET_UP,
        )
