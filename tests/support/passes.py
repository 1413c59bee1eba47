"""A small fleet with a service around it: all real but the clock and the health."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from gitops.git import BareRepository
from gitops.layout import target
from gitops.model import (
    CommitId,
    EnvironmentName,
    Health,
    Overlay,
    PullRequest,
    Sighting,
    StackName,
    Target,
)
from gitops.promotion import plan_bump, plan_promotion
from gitops.workflow import Planner, Workplace, accept, merge
from service.origins import locate
from service.reconcile import PassReport, Reconciler
from service.repository import open_workplace
from service.settings import Settings
from service.store import Store
from tests.support.places import MAIN, Ticking, commit_files, fleet_files

SOURCE = "probe"
"""The name of the health source in the rules of these tests."""

FLEET = """\
apiVersion: directus-gitops/v1
branch: main
environments:
  - {{name: development}}
  - {{name: staging, after: [development]}}
  - {{name: production, after: [staging]}}
promotions:
{promotions}
"""


@dataclass
class Weather:
    """What the health sources say: set by a test, asked by the pass."""

    health: dict[Target, Sighting] = field(default_factory=dict)

    def is_(self, where: Target, health: Health, version: str = "") -> None:
        """Let a target be so from now on."""
        self.health[where] = Sighting(health=health, version=version)

    def __call__(
        self, _repository: str, overlays: Sequence[Overlay], _commit: CommitId
    ) -> Iterator[tuple[Target, str, Sighting]]:
        """Answer for every overlay that a test has spoken about."""
        for overlay in overlays:
            if overlay.target in self.health:
                yield overlay.target, SOURCE, self.health[overlay.target]


@dataclass
class Served:
    """A repository named fleet under a Reconciler."""

    settings: Settings
    store: Store
    clock: Ticking
    weather: Weather
    origin: BareRepository
    reconciler: Reconciler

    @property
    def place(self) -> Workplace:
        """A workplace opened anew, as another process would."""
        located = locate(self.settings, "fleet")
        return open_workplace(self.settings, self.store, located, clock=self.clock)

    def pass_(self, **later: float) -> PassReport:
        """Move the clock, and make one pass."""
        self.clock.later(**later or {"seconds": 1})
        return self.reconciler.pass_over("fleet")

    def ask(self, planner: Planner) -> None:
        """Accept what a person or a program asks for."""
        accept(self.place, planner, now=self.clock.later(seconds=1))

    def bump(self, where: Target, version: str, by: str = "ada") -> None:
        """Ask for a bump."""
        self.ask(
            lambda world: plan_bump(
                world.tree, world.fleet, where, version, requested_by=by
            )
        )

    def promote(self, stack: str, to: str, by: str = "ada") -> None:
        """Ask for a promotion, whatever the gates say."""
        self.ask(
            lambda world: plan_promotion(
                world.tree,
                world.fleet,
                StackName(stack),
                to=EnvironmentName(to),
                requested_by=by,
                now=self.clock(),
            )
        )

    def merge(self, number: int, by: str = "bo") -> object:
        """Merge as a person, through the gates."""
        return merge(self.place, number, by=by, now=self.clock.later(seconds=1))

    def commit(self, files: Mapping[str, str | bytes | None]) -> CommitId:
        """Commit onto main as a person."""
        return commit_files(self.origin, files, at=self.clock.later(seconds=1))

    def pull_requests(self) -> tuple[PullRequest, ...]:
        """Return them all, oldest first."""
        return self.place.forge.list_all()

    def shown(self) -> list[tuple[str, str, str]]:
        """Return branch, state and the tag that each pull request brings."""
        return [
            (
                one.branch.removeprefix("directus-gitops/"),
                one.state.value,
                one.title,
            )
            for one in self.pull_requests()
        ]

    def version(self, where: Target) -> str:
        """Return the tag that main has for a target."""
        path = f"overlays/{where.environment}/{where.stack}/kustomization.yaml"
        tip = self.origin.tip(MAIN)
        assert tip is not None
        text = self.origin.read_tree(tip).read(path).decode()
        return text.partition("newTag: ")[2].split()[0]

    def actions(self) -> list[str]:
        """Return the actions of the audit trail, oldest first."""
        return [entry.action for entry in self.store.audit.entries()]


@contextmanager
def served(
    folder: Path, kustomize: Path, promotions: str, *stacks: str, **settings: object
) -> Iterator[Served]:
    """Make a repository named fleet with these rules, and a service for it."""
    clock, weather = Ticking(), Weather()
    files = fleet_files(*stacks or ("shop",))
    files["gitops.yaml"] = FLEET.format(promotions=promotions)
    told = Settings(data=folder / "data", kustomize=kustomize, **settings)  # type: ignore[arg-type]  # checked by pydantic
    origin = BareRepository.create(told.data / "forge" / "fleet.git", MAIN)
    commit_files(origin, files, at=clock())
    store = Store(told.database, told.data, clock)
    try:
        yield Served(
            settings=told,
            store=store,
            clock=clock,
            weather=weather,
            origin=origin,
            reconciler=Reconciler(told, store, clock, observer=weather),
        )
    finally:
        store.close()


DEVELOPMENT = target("shop", "development")
STAGING = target("shop", "staging")
PRODUCTION = target("shop", "production")
