"""Where work happens: one repository with everything that a proposal needs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

from gitops.errors import GitError, TreeError
from gitops.fleet import read_fleet
from gitops.forges import Forge
from gitops.git import Identity, Mirror, Signer
from gitops.intents import IntentLog
from gitops.layout import FLEET_FILE
from gitops.model import BranchName, CommitId, Fleet, Intent, Tree
from gitops.render import Renderer
from gitops.schemas import Schemas

Progress: TypeAlias = Callable[[str, int, int], None]


Guard: TypeAlias = Callable[[], None]


def unguarded() -> None:
    """Let every write pass."""


def silent(_step: str, _done: int, _total: int) -> None:
    """Report progress to nobody."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Workplace:
    """One repository, its forge, its log, and the tools.

    Attributes:
        name: under which the log knows the repository.
        base: the branch that pull requests go to.
        prefix: first part of the branches that we make.
        identity: author and committer of our commits.
        progress: told step, done and total while long work goes on.
        guard: asked before every effect on the world outside; raises to forbid it:
            the pause switch, a lost lease, the cap on writes (R19).
        max_open: pull requests of ours that may be open at once; 0 for any number.
        signer: signs our commits; None leaves them unsigned.
    """

    name: str
    base: BranchName
    prefix: str
    identity: Identity
    mirror: Mirror
    forge: Forge
    log: IntentLog
    renderer: Renderer
    schemas: Schemas
    progress: Progress = silent
    guard: Guard = unguarded
    max_open: int = 0
    signer: Signer | None = None

    def live_on(self, branch: BranchName) -> tuple[Intent, ...]:
        """Return the live intents of one branch, oldest first."""
        return tuple(i for i in self.log.live(self.name) if i.branch == branch)


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """What the base branch says at one commit."""

    commit: CommitId
    tree: Tree
    fleet: Fleet


def look(place: Workplace) -> World:
    """Fetch, and read the newest commit of the base branch.

    Raises:
        GitError: the repository cannot be reached, or has no such branch.
        TreeError: it holds no gitops.yaml.
        FleetError: gitops.yaml breaks a rule.
    """
    place.mirror.fetch()
    commit = place.mirror.tip(place.base)
    if commit is None:
        raise GitError(
            f"{place.name}: the repository has no branch {place.base}",
            hint="push a first commit to it, or run `directus-gitops init`",
        )
    tree = place.mirror.read_tree(commit)
    return World(commit=commit, tree=tree, fleet=fleet_of(tree))


def fleet_of(tree: Tree) -> Fleet:
    """Read gitops.yaml of a tree.

    Raises:
        TreeError: there is none.
        FleetError: it breaks a rule.
    """
    if FLEET_FILE not in tree:
        raise TreeError(
            f"{FLEET_FILE}: no such file in the repository",
            hint="make the repository with `directus-gitops init`",
        )
    return read_fleet(tree.read(FLEET_FILE))
