"""One repository opened: where it is, its forge, its mirror, its lock.

Until a real forge is configured the embedded one is used: a bare repository in the
data folder is the origin, and a database beside it holds the pull requests.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from gitops.errors import ForgeError, GitError, TreeError
from gitops.forges import Forge
from gitops.forges.embedded import EmbeddedForge
from gitops.git import BareRepository, Identity, Mirror, WorkTree, use_git
from gitops.model import BranchName, Fleet, Tree
from gitops.render import Renderer
from gitops.schemas import load_schemas
from gitops.toolchain import Kustomize, find_kustomize
from gitops.workflow import Workplace
from gitops.workflow.place import Progress, fleet_of, silent
from service.clock import Clock, utc_now
from service.folders import prepare
from service.guard import Guard
from service.locks import exclusive
from service.meter import Meter
from service.meter.forge import MeteredForge
from service.settings import Settings
from service.store import Store

IDENTITY: Final = Identity(
    name="directus-gitops", email="directus-gitops@users.noreply.github.com"
)


_NAMES_SHOWN: Final = 8
_LEFT_S: Final = 3600  # no build takes a minute
_SHOWN: Final = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Located:
    """A repository that was found.

    Attributes:
        name: of the repository, in the store and in addresses.
        origin: the embedded forge's bare repository.
        work_tree: the checkout that the user stands in; None without one.
    """

    name: str
    origin: Path
    work_tree: WorkTree | None


def forge_folder(settings: Settings) -> Path:
    """Return where the embedded forge's repositories are."""
    return settings.data / "forge"


def forge_names(settings: Settings) -> tuple[str, ...]:
    """Return the names of the repositories of the embedded forge, sorted."""
    folder = forge_folder(settings)
    return tuple(sorted(path.stem for path in folder.glob("*.git")))


def locate(settings: Settings, repo: str) -> Located:
    """Find the repository that `--repo` names.

    Args:
        settings: for the data folder.
        repo: a work tree (or a folder in one), or a name of the embedded forge.

    Raises:
        TreeError: there is no repository.
        ForgeError: its origin is not one that this installation serves.
        ToolError: git is missing or too old.
    """
    use_git(settings.search_path)
    folder = forge_folder(settings)
    if repo in forge_names(settings):
        return Located(name=repo, origin=folder / f"{repo}.git", work_tree=None)
    work_tree = WorkTree(work_tree_root(settings, repo))
    place = work_tree.root.name
    origin = embedded_origin(settings, work_tree)
    if origin is None:
        where = "elsewhere" if work_tree.origin_url() else "not set"
        raise ForgeError(
            f"{place}: its origin is {where}; no forge is configured for it",
            hint="the embedded forge serves repositories made by `init` or "
            "`repository add` with the same --data (DIRECTUS_GITOPS_DATA)",
        )
    if not origin.is_dir():
        raise ForgeError(
            f"{place}: its origin {_shown(origin.name)} is gone from the data folder",
            hint="is --data (DIRECTUS_GITOPS_DATA) the one it was made with?",
        )
    return Located(name=origin.stem, origin=origin, work_tree=work_tree)


def work_tree_root(settings: Settings, repo: str) -> Path:
    """Return the root of the work tree that `--repo` names: itself, or around it.

    Only a folder that is there will do. A name with a typing mistake must not mean
    the repository that the user happens to stand in.

    Raises:
        TreeError: there is no such folder, or it is in no Git work tree.
    """
    names = ", ".join(forge_names(settings)[:_NAMES_SHOWN])
    known = f"; the embedded forge has: {names}" if names else ""
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


def embedded_forge(settings: Settings, origin: Path) -> EmbeddedForge:
    """Open the forge of one embedded repository."""
    url = settings.public_url.rstrip("/")
    return EmbeddedForge(
        BareRepository(origin),
        origin.with_suffix(".db"),
        public_url=f"{url}/repositories/{origin.stem}" if url else None,
    )


def kustomize_of(settings: Settings) -> Kustomize:
    """Find kustomize.

    Raises:
        ToolError: there is none, or it is too old.
    """
    return find_kustomize(settings.kustomize, settings.search_path, settings.cache)


def renderer_of(settings: Settings) -> Renderer:
    """Make the renderer; its scratch folder is inside the data folder."""
    prepare(settings.data)
    scratch = settings.cache / "render"
    _sweep(scratch)
    return Renderer(kustomize_of(settings), scratch)


def _sweep(scratch: Path) -> None:
    """Remove the copies that builds left when they were killed, long ago."""
    now = utc_now().timestamp()
    for room in scratch.glob("render-*"):
        with suppress(OSError):  # another process may be quicker
            if now - room.lstat().st_mtime > _LEFT_S:
                shutil.rmtree(room)


def open_workplace(
    settings: Settings,
    store: Store,
    located: Located,
    progress: Progress = silent,
    *,
    clock: Clock = utc_now,
    meter: Meter | None = None,
) -> Workplace:
    """Open everything that a proposal needs.

    Raises:
        ToolError: git or kustomize is missing or too old.
        GitError: the mirror cannot be made.
    """
    forge: Forge = embedded_forge(settings, located.origin)
    try:
        mirror = Mirror.open_or_clone(
            settings.data / "mirrors" / f"{located.name}.git",
            str(located.origin),
            allow_file=True,
        )
    except OSError as error:
        raise GitError(
            f"the mirror of {located.name} cannot be kept: {error.strerror}",
            hint="is the disk full, and may this user write to the data folder?",
        ) from error
    return Workplace(
        name=located.name,
        base=base_branch(located),
        prefix=settings.branch_prefix,
        identity=IDENTITY,
        mirror=mirror,
        forge=forge if meter is None else MeteredForge(forge, meter),
        log=store.intents,
        renderer=renderer_of(settings),
        schemas=load_schemas(settings.kubernetes),
        progress=progress,
        guard=Guard(settings, store, clock, located.name),
        max_open=settings.max_open_pull_requests,
    )


def base_branch(located: Located) -> BranchName:
    """Return the branch that pull requests go to: the origin's default branch."""
    return BareRepository(located.origin).default_branch()


def read_base(located: Located) -> tuple[Tree, Fleet]:
    """Read the base branch where it is, without a mirror or any tool but git.

    Raises:
        GitError: the origin is damaged, or has no such branch.
        TreeError: its gitops.yaml is missing or breaks a rule.
    """
    repository = BareRepository(located.origin)
    tip = repository.tip(repository.default_branch())
    if tip is None:
        raise GitError(f"{located.name}: there is no commit on its base branch")
    tree = repository.read_tree(tip)
    return tree, fleet_of(tree)


@contextmanager
def writing(settings: Settings, store: Store, name: str) -> Iterator[None]:
    """Be the only writer of a repository while the body runs (R13).

    Args:
        settings: for the data folder, and how long to wait.
        store: the open database; one that several machines share keeps leases.
        name: of the repository.

    Raises:
        StoreError: another process kept writing for the whole waiting time.
        LeaseLostError: in the body, by a write of the store: this process was held up
            for so long that another may have gone on.
    """
    what = f"repository {name}"
    if store.leases is not None:
        with store.leases.held(what, wait=settings.lock_wait_s):
            yield
        return
    lock = settings.data / "locks" / f"repository-{name}"
    with exclusive(lock, wait=settings.lock_wait_s, what=what):
        yield
