"""What the desk stands on: repositories by name, the store, the clock."""

from __future__ import annotations

from dataclasses import dataclass

from gitops.errors import GitopsError, HeldError, PlanError, UnknownNameError
from gitops.model import Fleet, Json, Tree
from gitops.overlay import list_targets
from gitops.workflow import Workplace
from service.clock import Clock
from service.forges import Forges
from service.meter import Meter
from service.origins import locate, repository_names
from service.registries import Registries
from service.repository import open_workplace, read_base
from service.settings import Settings
from service.store import Store


@dataclass(frozen=True, slots=True, kw_only=True)
class Asker:
    """Who asks, and why.

    Attributes:
        by: a token's name or id, or a person's login.
        reason: the asker's own words; may be empty.
    """

    by: str
    reason: str = ""


class Ground:
    """Opens repositories, and writes down what was done to them."""

    def __init__(
        self,
        settings: Settings,
        store: Store,
        clock: Clock,
        *,
        meter: Meter | None = None,
        forges: Forges | None = None,
        registries: Registries | None = None,
    ) -> None:
        self._settings = settings
        self._store = store
        self._clock = clock
        self._meter = meter
        self._forges = forges or Forges(clock=clock)
        self._registries = registries

    def names(self) -> tuple[str, ...]:
        """Return the names of the repositories, sorted."""
        return repository_names(self._settings)

    def default(self) -> str:
        """Return the repository that is meant where none is named.

        Raises:
            UnknownNameError: there is none at all.
            PlanError: there are several, and no setting names one.
        """
        names = self.names()
        chosen = self._settings.default_repository
        if chosen in names:
            return chosen
        if not names:
            raise UnknownNameError(
                "there is no repository",
                hint="make one with `directus-gitops init DIR`",
            )
        if len(names) > 1 or chosen:
            raise PlanError(
                "there are several repositories, and the request names none",
                hint="ask under /api/v1/repositories/{repository}, or set "
                "DIRECTUS_GITOPS_DEFAULT_REPOSITORY",
            )
        return names[0]

    def _check(self, repository: str) -> None:
        """Refuse a repository that is not there.

        Raises:
            UnknownNameError: there is none of that name.
        """
        if repository not in self.names():
            raise UnknownNameError(
                f"there is no repository {repository[:80]!a}",
                hint="GET /api/v1/repositories lists them",
            )

    def _open(self, repository: str) -> Workplace:
        """Open a repository with everything that a proposal needs.

        Raises:
            UnknownNameError: there is none of that name.
        """
        self._check(repository)
        located = locate(self._settings, repository)
        return open_workplace(
            self._settings,
            self._store,
            located,
            clock=self._clock,
            meter=self._meter,
            forges=self._forges,
        )

    def _read_base(self, repository: str) -> tuple[Tree, Fleet]:
        """Read the base branch, where it is or as last fetched."""
        located = locate(self._settings, repository)
        return read_base(self._settings, located, self._forges)

    def _check_names(
        self, repository: str, stack: str | None, environment: str | None
    ) -> None:
        """Refuse names that the base branch does not know; None means every one.

        Where the base branch cannot be read any name will do: a broken repository is
        no reason not to stop.

        Raises:
            UnknownNameError: no such stack, environment, or no such stack there.
        """
        try:
            tree, fleet = self._read_base(repository)
        except GitopsError:
            return
        places = [(t.stack, t.environment) for t in list_targets(tree, fleet)]
        if environment is not None and environment not in {
            e.name for e in fleet.environments
        }:
            raise UnknownNameError(f"there is no environment {environment[:80]!a}")
        if stack is not None and not any(
            stack == s and environment in (None, e) for s, e in places
        ):
            where = f" in {environment}" if environment else ""
            raise UnknownNameError(f"there is no stack {stack[:80]!a}{where}")

    def _check_running(self, repository: str) -> None:
        """Refuse a change while the pause switch is on (R19).

        Raises:
            HeldError: it is on.
        """
        if self._store.holds.is_paused(repository):
            raise HeldError(
                f"{repository}: the repository is paused",
                hint="DELETE /api/v1/pause, or `directus-gitops resume`, ends it",
            )

    def _record(self, repository: str, action: str, by: str, **details: Json) -> None:
        """Write an effect into the audit trail."""
        self._store.audit.append(
            by=by, action=action, repository=repository, details=details
        )
