"""One repository opened: where it is, its forge, its mirror, its lock.

Until a real forge is configured the embedded one is used: a bare repository in the
data folder is the origin, and a database beside it holds the pull requests.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from gitops.errors import ForgeError, TreeError
from gitops.forges import Forge
from gitops.forges.embedded import EmbeddedForge
from gitops.git import BareRepository, Identity, Mirror, WorkTree, use_git
from gitops.model import BranchName
from gitops.render import Renderer
from gitops.schemas import load_schemas
from gitops.toolchain import Kustomize, find_kustomize
from gitops.workflow import Workplace
from gitops.workflow.place import Progress, silent
from service.locks import exclusive
from service.settings import Settings
from service.store import Store

IDENTITY: Final = Identity(
    name="directus-gitops", email="directus-gitops@users.noreply.github.com"
)


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
    by_name = forge_folder(settings) / f"{repo}.git"
    if "/" not in repo and repo not in (".", "..") and by_name.is_dir():
        return Located(name=repo, origin=by_name, work_tree=None)
    root = around(Path(repo))
    if root is None:
        raise TreeError(
            f"{repo}: is not in a Git work tree, and no repository has that name",
            hint="go to a generated repository, name one with --repo, "
            "or make one with `directus-gitops init DIR`",
        )
    work_tree = WorkTree(root)
    url = work_tree.origin_url()
    origin = Path(url) if url else None
    if origin is None or origin.parent != forge_folder(settings):
        raise ForgeError(
            f"{repo}: its origin is {'not set' if origin is None else 'elsewhere'}; "
            "no forge is configured for it",
            hint="the embedded forge serves repositories made by `init` with the same "
            "--data (DIRECTUS_GITOPS_DATA)",
        )
    if not origin.is_dir():
        raise ForgeError(
            f"{repo}: its origin {origin.name} is gone from the data folder",
            hint="is --data (DIRECTUS_GITOPS_DATA) the one it was made with?",
        )
    return Located(name=origin.stem, origin=origin, work_tree=work_tree)


def around(folder: Path) -> Path | None:
    """Return the root of the Git work tree around a path; None when there is none."""
    here = folder.absolute()
    return next((p for p in (here, *here.parents) if (p / ".git").exists()), None)


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
    scratch = settings.cache / "render"
    scratch.mkdir(parents=True, exist_ok=True)
    return Renderer(kustomize_of(settings), scratch)


def open_workplace(
    settings: Settings, store: Store, located: Located, progress: Progress = silent
) -> Workplace:
    """Open everything that a proposal needs.

    Raises:
        ToolError: git or kustomize is missing or too old.
        GitError: the mirror cannot be made.
    """
    forge: Forge = embedded_forge(settings, located.origin)
    mirror = Mirror.open_or_clone(
        settings.data / "mirrors" / f"{located.name}.git",
        str(located.origin),
        allow_file=True,
    )
    return Workplace(
        name=located.name,
        base=base_branch(located),
        prefix=settings.branch_prefix,
        identity=IDENTITY,
        mirror=mirror,
        forge=forge,
        log=store.intents,
        renderer=renderer_of(settings),
        schemas=load_schemas(settings.kubernetes),
        progress=progress,
    )


def base_branch(located: Located) -> BranchName:
    """Return the branch that pull requests go to: the origin's default branch."""
    return BareRepository(located.origin).default_branch()


@contextmanager
def writing(settings: Settings, name: str) -> Iterator[None]:
    """Be the only writer of a repository while the body runs (R13).

    Raises:
        StoreError: another process kept writing for the whole waiting time.
    """
    lock = settings.data / "locks" / f"repository-{name}"
    with exclusive(lock, wait=settings.lock_wait_s, what=f"repository {name}"):
        yield
