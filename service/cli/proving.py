"""Ask the registries of a command's repository, before anything is locked for it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from gitops import environment_name, target
from gitops.errors import GitopsError
from gitops.model import Fleet, Overlay, Revision, Tree
from gitops.overlay import list_overlays, read_overlay
from gitops.promotion import Prove, unproved
from gitops.versions import parse_reference
from gitops.web import Web
from service import settings as settings_module
from service.cli.session import in_repository
from service.clock import utc_now, wait_s
from service.configuration import RegistryKind
from service.registries import Registries
from service.repository import read_base


def proofs_of(
    repo: str, data: Path | None, *, stack: str, environment: str, version: str
) -> Prove:
    """Return what the registries say of the images that a bump would bring.

    Where a name or the version is not acceptable nobody is asked: the plan says so.

    Args:
        repo: what `--repo` says.
        data: what `--data` says.
        stack: empty for every one of the environment.
        environment: where.
        version: with its digest, where one is given.
    """
    settings = settings_module.load(data=data)
    if not any(one.registries for one in settings.repositories):
        return unproved
    with in_repository(repo, data, as_json=True) as here:
        name = here.located.name
        described = here.settings.repository(name).registries
        if all(one.kind is not RegistryKind.IMAGES for one in described):
            return unproved
        try:
            tree, fleet = read_base(here.settings, here.located, here.forges)
            wanted = frozenset(_wanted(tree, fleet, stack, environment, version))
        except GitopsError:
            return unproved
        with Web(wait=wait_s) as web:
            registries = Registries(here.settings, web, utc_now)
            found = {one: registries.prove(name, one) for one in wanted}
    return found.get


def _wanted(
    tree: Tree, fleet: Fleet, stack: str, environment: str, version: str
) -> Iterator[Revision]:
    tag, digest = parse_reference(version)
    for overlay in _overlays(tree, fleet, stack, environment):
        yield Revision(image=overlay.revision.image, tag=tag.tag, digest=digest)


def _overlays(
    tree: Tree, fleet: Fleet, stack: str, environment: str
) -> tuple[Overlay, ...]:
    if stack:
        return (read_overlay(tree, fleet, target(stack, environment)),)
    return list_overlays(tree, fleet, environment=environment_name(environment))
