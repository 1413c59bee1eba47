"""Where repositories are: in the embedded forge's folder, or where service.toml says.

A name, a work tree or a folder in one -> the one repository that is meant. A repository
that service.toml describes elsewhere is there, also where the embedded forge still has
one of that name: it has moved.
"""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final, TypeAlias

from gitops.errors import ForgeError, TreeError
from gitops.git import WorkTree, use_git
from service.configuration import ForgeKind, RepositorySettings
from service.settings import Settings

_NAMES_SHOWN: Final = 8
_SHOWN: Final = 200
_ADDRESS: Final = re.compile(
    r"(?:(?:https?|ssh)://)?(?:[^@/]*@)?(?P<host>[^:/]+)(?::[0-9]+/|[:/])(?P<path>.+)",
    re.ASCII,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class EmbeddedOrigin:
    """A bare repository of the embedded forge; its database is beside it."""

    path: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteOrigin:
    """A repository on a forge of its own."""

    described: RepositorySettings


Origin: TypeAlias = EmbeddedOrigin | RemoteOrigin


@dataclass(frozen=True, slots=True, kw_only=True)
class Located:
    """A repository that was found.

    Attributes:
        name: of the repository, in the store and in addresses.
        origin: where its original is.
        work_tree: the checkout that the user stands in; None without one.
    """

    name: str
    origin: Origin
    work_tree: WorkTree | None


def forge_folder(settings: Settings) -> Path:
    """Return where the embedded forge's repositories are."""
    return settings.data / "forge"


def repository_names(settings: Settings) -> tuple[str, ...]:
    """Return the names of all repositories, here and elsewhere, sorted."""
    here = (path.stem for path in forge_folder(settings).glob("*.git"))
    return tuple(sorted({*here, *_elsewhere(settings)}))


def _elsewhere(settings: Settings) -> dict[str, RepositorySettings]:
    """Return the repositories of real forges, by name."""
    return {
        described.name: described
        for described in settings.repositories
        if described.forge is not ForgeKind.EMBEDDED
    }


def locate(settings: Settings, repo: str) -> Located:
    """Find the repository that `--repo` names.

    Args:
        settings: for the data folder, and for what service.toml describes.
        repo: a name, or a work tree (or a folder in one).

    Raises:
        TreeError: there is no repository.
        ForgeError: its origin is not one that this installation serves.
        ToolError: git is missing or too old.
    """
    use_git(settings.search_path)
    if repo in repository_names(settings):
        return Located(name=repo, origin=_origin(settings, repo), work_tree=None)
    work_tree = WorkTree(work_tree_root(settings, repo))
    described = _described(settings, work_tree.origin_url() or "")
    if described is not None:
        origin = RemoteOrigin(described=described)
        return Located(name=described.name, origin=origin, work_tree=work_tree)
    path = _embedded_path(settings, work_tree)
    return Located(
        name=path.stem, origin=_origin(settings, path.stem), work_tree=work_tree
    )


def _origin(settings: Settings, name: str) -> Origin:
    described = _elsewhere(settings).get(name)
    if described is not None:
        return RemoteOrigin(described=described)
    return EmbeddedOrigin(path=forge_folder(settings) / f"{name}.git")


def _embedded_path(settings: Settings, work_tree: WorkTree) -> Path:
    """Return the embedded repository that a work tree comes from.

    Raises:
        ForgeError: there is none.
    """
    place = work_tree.root.name
    origin = embedded_origin(settings, work_tree)
    if origin is None:
        where = "elsewhere" if work_tree.origin_url() else "not set"
        raise ForgeError(
            f"{place}: its origin is {where}; no forge is configured for it",
            hint="describe its repository in service.toml (docs/forges.md); the "
            "embedded forge serves those made by `init` or `repository add` with the "
            "same --data (DIRECTUS_GITOPS_DATA)",
        )
    if not origin.is_dir():
        raise ForgeError(
            f"{place}: its origin {_shown(origin.name)} is gone from the data folder",
            hint="is --data (DIRECTUS_GITOPS_DATA) the one it was made with?",
        )
    return origin


def _described(settings: Settings, url: str) -> RepositorySettings | None:
    """Return what service.toml says of the repository at an address."""
    wanted = _whereabouts(url)
    if wanted is None:
        return None
    return next(
        (
            described
            for described in _elsewhere(settings).values()
            if wanted == _whereabouts(described.url)
        ),
        None,
    )


def _whereabouts(url: str) -> tuple[str, str] | None:
    """Return host and path of an address, whatever its transport; None of a folder."""
    found = _ADDRESS.fullmatch(url)
    if found is None:
        return None
    return found["host"].lower(), found["path"].strip("/").removesuffix(".git").lower()


def work_tree_root(settings: Settings, repo: str) -> Path:
    """Return the root of the work tree that `--repo` names: itself, or around it.

    Only a folder that is there will do. A name with a typing mistake must not mean
    the repository that the user happens to stand in.

    Raises:
        TreeError: there is no such folder, or it is in no Git work tree.
    """
    names = ", ".join(repository_names(settings)[:_NAMES_SHOWN])
    known = f"; there are: {names}" if names else ""
    if not is_folder(repo):
        raise TreeError(
            f"{_shown(repo)}: there is no such folder, and no repository of that name",
            hint=f"name a work tree, or a repository{known}",
        )
    root = around(Path(repo))
    if root is None:
        raise TreeError(
            f"{_shown(repo)}: is not in a Git work tree",
            hint="go to a generated repository, name one with --repo, "
            f"or make one with `directus-gitops init DIR`{known}",
        )
    return root


def is_folder(place: str) -> bool:
    """Whether a text names a folder; one that cannot name anything does not."""
    try:
        return place != "" and Path(place).is_dir()
    except (OSError, ValueError):
        return False


def embedded_origin(settings: Settings, work_tree: WorkTree) -> Path | None:
    """Return where the embedded forge has, or had, the origin; None if elsewhere."""
    url = work_tree.origin_url()
    folder = forge_folder(settings)
    if url is None or Path(url).parent.resolve() != folder.resolve():
        return None
    return folder / Path(url).name


def around(folder: Path) -> Path | None:
    """Return the root of the Git work tree around a path; None when there is none."""
    # Without "..": the parents of a/../b are not those of b.
    here = Path(os.path.normpath(folder.absolute()))
    return next((p for p in (here, *here.parents) if (p / ".git").exists()), None)


def _shown(text: str) -> str:
    return (
        text if text.isprintable() and 0 < len(text) <= _SHOWN else ascii(text[:_SHOWN])
    )
