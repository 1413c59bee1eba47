"""What a command stands on: settings, store, repository, output."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from gitops import branch_name
from gitops.errors import GitopsError, HeldError, UnknownNameError
from gitops.model import CommitId, PullRequest, Tree
from gitops.overlay import list_targets
from gitops.tree import read_work_tree
from gitops.workflow import Progress, Workplace
from service import settings as settings_module
from service.cli.output import Output, remark
from service.clock import utc_now
from service.forges import Forges
from service.origins import Located, locate
from service.repository import open_workplace, read_base, writing
from service.settings import Settings
from service.store import Store


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """One command's surroundings."""

    settings: Settings
    store: Store
    out: Output


@dataclass(frozen=True, kw_only=True)
class RepositorySession:
    """A session with a repository."""

    settings: Settings
    store: Store
    out: Output
    located: Located
    progress: Progress
    forges: Forges

    @cached_property
    def place(self) -> Workplace:
        """Everything that a proposal needs, opened when it is first asked for.

        The stop switches do without: they must work where nothing else does.
        """
        return open_workplace(
            self.settings, self.store, self.located, self.progress, forges=self.forges
        )

    def check_running(self) -> None:
        """Refuse to write while the pause switch is on (R19).

        Raises:
            HeldError: it is on.
        """
        if self.store.holds.is_paused(self.located.name):
            raise HeldError(
                f"{self.located.name}: the repository is paused",
                hint="`directus-gitops resume` ends it",
            )

    def voted(self, shown: PullRequest, kind: str) -> frozenset[str]:
        """Return who approved, or released, a pull request's head through us."""
        return frozenset(
            vote.by
            for vote in self.store.votes.of(self.located.name, shown.number)
            if (vote.kind, vote.head) == (kind, shown.head)
        )

    def check_names(self, stack: str | None, environment: str | None) -> None:
        """Refuse names that the base branch does not know; None means every one.

        Where the base branch cannot be read, that is remarked and any name will do:
        a broken repository is no reason not to stop.

        Raises:
            UnknownNameError: no such stack, or no such environment.
        """
        try:
            tree, fleet = read_base(self.settings, self.located, self.forges)
        except GitopsError as error:
            remark(f"The names were not checked: {error.message}")
            return
        known = list_targets(tree, fleet)
        _check_known("stack", stack, {target.stack for target in known})
        _check_known("environment", environment, {e.name for e in fleet.environments})

    def audit(self, action: str, **details: str | int | None) -> None:
        """Write an effect on the world into the audit trail."""
        self.store.audit.append(
            by=self.settings.login,
            action=action,
            repository=self.located.name,
            details=details,
        )

    def tree(self, ref: str = "") -> Tree:
        """Read the work tree as it is, or a branch of the origin."""
        work_tree = self.located.work_tree
        if ref or work_tree is None:
            return self.place.mirror.read_tree(self._commit(ref or self.place.base))
        return read_work_tree(work_tree.root)

    def _commit(self, ref: str) -> CommitId:
        self.place.mirror.fetch()
        found = self.place.mirror.tip(branch_name(ref))
        if found is None:
            raise UnknownNameError(
                f"the origin has no branch {ref!a}", hint="see `git branch --remotes`"
            )
        return found


def _check_known(what: str, name: str | None, known: Collection[str]) -> None:
    if name and name not in known:
        raise UnknownNameError(
            f"there is no {what} {name[:80]!a}",
            hint=f"known: {', '.join(sorted(known))}",
        )


@contextmanager
def session(data: Path | None, *, as_json: bool) -> Iterator[Session]:
    """Open settings and store for a command that needs no repository."""
    settings = settings_module.load(data=data)
    store = Store(settings.database, settings.data, utc_now)
    try:
        yield Session(settings=settings, store=store, out=Output(as_json=as_json))
    finally:
        store.close()


@contextmanager
def in_repository(
    repo: str, data: Path | None, *, as_json: bool, to_write: bool = False
) -> Iterator[RepositorySession]:
    """Open everything for a command on a repository.

    Args:
        repo: what `--repo` says.
        data: what `--data` says.
        as_json: what `--json` says.
        to_write: be the repository's only writer while the body runs.
    """
    with session(data, as_json=as_json) as base:
        located = locate(base.settings, repo)
        alone = (
            writing(base.settings, base.store, located.name)
            if to_write
            else nullcontext()
        )
        with alone, base.out.progress() as progress, Forges(clock=utc_now) as forges:
            yield RepositorySession(
                settings=base.settings,
                store=base.store,
                out=base.out,
                located=located,
                progress=progress,
                forges=forges,
            )
