"""One repository opened: its forge, its mirror, its lock.

Where no other forge is described the embedded one is used: a bare repository in the
data folder is the origin, and a database beside it holds the pull requests.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final, assert_never

from gitops import branch_name
from gitops.errors import GitError
from gitops.forges import Forge
from gitops.forges.embedded import EmbeddedForge
from gitops.git import BareRepository, Identity, Mirror, Remote, check_url
from gitops.model import BranchName, CommitId, Fleet, Tree
from gitops.render import Renderer
from gitops.schemas import load_schemas
from gitops.toolchain import Kustomize, find_kustomize
from gitops.workflow import Workplace
from gitops.workflow.place import Progress, fleet_of, silent
from service.clock import Clock, utc_now
from service.configuration import RepositorySettings
from service.folders import prepare
from service.forges import Forges, allowed_of
from service.guard import Guard
from service.locks import exclusive
from service.meter import Meter
from service.meter.forge import MeteredForge
from service.origins import EmbeddedOrigin, Located, RemoteOrigin
from service.settings import Settings
from service.store import Store

IDENTITY: Final = Identity(
    name="directus-gitops", email="directus-gitops@users.noreply.github.com"
)
_LEFT_S: Final = 3600  # no build takes a minute


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
    forges: Forges | None = None,
) -> Workplace:
    """Open everything that a proposal needs.

    Args:
        settings: of this installation.
        store: its memory.
        located: the repository.
        progress: told while long work goes on.
        clock: the source of `now`.
        meter: counts the calls of the forge.
        forges: the connections of this process; None where only the embedded forge
            is meant.

    Raises:
        ToolError: git or kustomize is missing or too old.
        GitError: the mirror cannot be made.
        InputError: the forge's address or credential is not as it should be.
    """
    forges = forges or Forges(clock=clock)
    forge = _forge(settings, located, forges)
    mirror = open_mirror(settings, located, forges)
    git = settings.repository(located.name).git
    return Workplace(
        name=located.name,
        base=base_branch(located),
        prefix=settings.branch_prefix,
        identity=git.identity(IDENTITY),
        mirror=mirror,
        forge=forge if meter is None else MeteredForge(forge, meter),
        log=store.intents,
        renderer=renderer_of(settings),
        schemas=load_schemas(settings.kubernetes),
        progress=progress,
        guard=Guard(settings, store, clock, located.name),
        max_open=settings.max_open_pull_requests,
        signer=git.signer(store.signatures, scratch_of(settings)),
    )


def _forge(settings: Settings, located: Located, forges: Forges) -> Forge:
    match located.origin:
        case EmbeddedOrigin(path=path):
            return embedded_forge(settings, path)
        case RemoteOrigin(described=described):
            return forges.of(described).forge
        case _:
            assert_never(located.origin)


def open_mirror(settings: Settings, located: Located, forges: Forges) -> Mirror:
    """Open our copy of a repository.

    Raises:
        GitError: it cannot be made.
    """
    path = settings.data / "mirrors" / f"{located.name}.git"
    try:
        match located.origin:
            case EmbeddedOrigin(path=origin):
                return Mirror.open_or_clone(path, str(origin), allow_file=True)
            case RemoteOrigin(described=described):
                remote = remote_of(settings, described, forges)
                return Mirror.open_or_clone(path, remote=remote)
            case _:
                assert_never(located.origin)
    except OSError as error:
        raise GitError(
            f"the mirror of {located.name} cannot be kept: {error.strerror}",
            hint="is the disk full, and may this user write to the data folder?",
        ) from error


def remote_of(
    settings: Settings, described: RepositorySettings, forges: Forges
) -> Remote:
    """Return how git reaches a repository that service.toml describes.

    Raises:
        InputError: see Forges.of.
    """
    return Remote(
        url=check_url(described.git.url or described.url, allow_file=False),
        credential=forges.of(described).credential,
        ssh=described.git.ssh,
        allowed=allowed_of(described),
        scratch=scratch_of(settings),
    )


def scratch_of(settings: Settings) -> Path:
    """Return where keys are while git needs them; nothing stays there."""
    return settings.data / "private"


def base_branch(located: Located) -> BranchName:
    """Return the branch that pull requests go to."""
    match located.origin:
        case EmbeddedOrigin(path=path):
            return BareRepository(path).default_branch()
        case RemoteOrigin(described=described):
            return branch_name(described.branch)
        case _:
            assert_never(located.origin)


def branches_of(
    settings: Settings, located: Located, forges: Forges | None = None
) -> dict[BranchName, CommitId]:
    """Return the branches of a repository: of the origin, or as last fetched.

    Raises:
        GitError: they cannot be read.
    """
    return readable(settings, located, forges).branches()


def read_base(
    settings: Settings, located: Located, forges: Forges | None = None
) -> tuple[Tree, Fleet]:
    """Read the base branch without any tool but git: where it is, or as last fetched.

    Raises:
        GitError: the origin is damaged, or has no such branch.
        TreeError: its gitops.yaml is missing or breaks a rule.
    """
    repository = readable(settings, located, forges)
    tip = repository.tip(base_branch(located))
    if tip is None:
        raise GitError(f"{located.name}: there is no commit on its base branch")
    tree = repository.read_tree(tip)
    return tree, fleet_of(tree)


def readable(
    settings: Settings, located: Located, forges: Forges | None = None
) -> BareRepository | Mirror:
    """Return what can be read of a repository: the origin, or our copy of it.

    Raises:
        GitError: there is no copy, and it cannot be made.
    """
    match located.origin:
        case EmbeddedOrigin(path=path):
            return BareRepository(path)
        case RemoteOrigin():
            return open_mirror(settings, located, forges or Forges())
        case _:
            assert_never(located.origin)


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
