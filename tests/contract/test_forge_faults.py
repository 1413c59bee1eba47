"""Whatever goes wrong between us and a forge, once: one pull request, and none lost.

Each case is one fault at one call of one forge, while a change is proposed, made newer,
and merged by passes that come again, as the service makes them. Real Git, real HTTP;
only the rendering is remembered from case to case, for it is the same.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import pytest

from gitops.errors import GitopsError, RenderError
from gitops.forges import Merged
from gitops.git import Mirror
from gitops.model import (
    IntentState,
    Manifests,
    PullRequestState,
    Tree,
)
from gitops.render import Renderer
from gitops.schemas import load_schemas
from gitops.toolchain import find_kustomize
from gitops.workflow import Workplace, accept, look, merge, resume, settle, tend
from service.store import Store
from tests.contract.worlds import WORLDS, WireWorld
from tests.gitops.test_tend import BRANCH, tag, wanted
from tests.support.forges.wire import Fault, FaultKind
from tests.support.places import BOT, MAIN, Ticking, commit_files, fleet_files

pytestmark = [pytest.mark.kustomize, pytest.mark.gate]

FORGES = sorted(set(WORLDS) - {"embedded", "metered"})
CALLS = ("list", "tip", "create", "read", "update", "merge")
FAULTS = (
    FaultKind.RESET_BEFORE,
    FaultKind.RESET_AFTER,
    FaultKind.ERROR_500,
    FaultKind.ERROR_502_AFTER,
    FaultKind.LIMIT_429_AFTER,
    FaultKind.SECONDARY_403,
    FaultKind.DENIED_401,
    FaultKind.NOT_FOUND_404,
    FaultKind.TRUNCATED,
    FaultKind.HTML,
)
PASSES = 8
FILE = "overlays/development/shop/kustomization.yaml"


class Remembering(Renderer):
    """Builds each tree once; the trees of all cases are the same few."""

    known: ClassVar[dict[tuple[str, ...], dict[str, Manifests | RenderError]]] = {}

    def attempt(
        self, tree: Tree, folders: Sequence[str], **_: object
    ) -> dict[str, Manifests | RenderError]:
        content = (str(sorted(tree.entries.items())), *folders)
        if content not in self.known:
            self.known[content] = super().attempt(tree, folders)
        return self.known[content]


@dataclass
class Fleet:
    """One repository on a forge, and the passes over it."""

    world: WireWorld
    place: Workplace
    store: Store
    clock: Ticking
    failures: int = 0

    def wish(self, version: str) -> None:
        """Ask for a version, as the API does."""
        now = self.clock.later(minutes=1)
        accept(self.place, lambda _: wanted(tag(version)), now=now)

    def pass_over(self) -> None:
        """Make one pass; what fails is left to the next one."""
        now = self.clock.later(minutes=1)
        try:
            settle(self.place)
            world = look(self.place)
            results = [*tend(self.place, world, now=now)]
            results += resume(self.place, world, now=now)
        except GitopsError:
            self.failures += 1
            return
        self.failures += any(isinstance(one.result, GitopsError) for one in results)

    def pass_until(self, version: str) -> None:
        """Pass until the pull request asks for a version."""
        live = self.store.intents.live("fleet")
        for _ in range(PASSES):
            self.pass_over()
            live = self.store.intents.live("fleet")
            tip = self.world.tip(BRANCH)
            if (
                tip is not None
                and version in (self.world.text(tip, FILE) or "")
                and all(
                    (intent.state, intent.commit) == (IntentState.PR_OPEN, tip)
                    for intent in live
                )
            ):
                return
        pytest.fail(f"no pull request for {version} after {PASSES} passes: {live}")

    def merge(self) -> None:
        """Merge it, as a person does who asks again when it fails."""
        (number,) = (shown.number for shown in self.world.state.all())
        for _ in range(PASSES):
            try:
                now = self.clock.later(minutes=1)
                result = merge(self.place, number, by="ada", now=now)
            except GitopsError:
                self.failures += 1
                continue
            if isinstance(result, Merged):
                return
        pytest.fail(f"not merged after {PASSES} tries")


@contextmanager
def fleet_on(forge: str, folder: Path, kustomize: Path) -> Iterator[Fleet]:
    clock = Ticking()
    world = WORLDS[forge](folder / "forge")
    assert isinstance(world, WireWorld)
    (folder / "scratch").mkdir()
    store = Store("", folder, clock)
    try:
        with world:
            commit_files(world.repository, fleet_files())
            place = Workplace(
                name="fleet",
                base=MAIN,
                prefix="directus-gitops",
                identity=BOT,
                mirror=Mirror.open_or_clone(
                    folder / "mirror.git",
                    str(folder / "forge" / "fleet.git"),
                    allow_file=True,
                ),
                forge=world.forge,
                log=store.intents,
                renderer=Remembering(
                    find_kustomize(kustomize, "", folder), folder / "scratch"
                ),
                schemas=load_schemas("1.33"),
            )
            yield Fleet(world, place, store, clock)
    finally:
        store.close()


def turns(forge: str, folder: Path, kustomize: Path) -> dict[str, int]:
    """Find which request of an undisturbed run is which call, counted from zero."""
    with fleet_on(forge, folder, kustomize) as fleet:
        seen = fleet.world.wire.seen
        fleet.wish("12.4.1")
        fleet.pass_until("12.4.1")
        opened = len(seen)
        fleet.wish("12.4.2")
        fleet.pass_until("12.4.2")
        updated = len(seen)
        fleet.merge()
        writes = [n for n, asked in enumerate(seen) if asked.method != "GET"]
        create = writes[0]
        return {
            "list": 0,
            "tip": create - 1,
            "create": create,
            "read": opened - 1,
            "update": next(n for n in writes if n >= opened),
            "merge": next(n for n in writes if n >= updated),
        }


@pytest.fixture(scope="module")
def turn_of(
    tmp_path_factory: pytest.TempPathFactory, kustomize: Path
) -> Callable[[str, str], int]:
    @functools.cache
    def known(forge: str) -> dict[str, int]:
        return turns(forge, tmp_path_factory.mktemp(forge), kustomize)

    return lambda forge, call: known(forge)[call]


@pytest.mark.parametrize("kind", FAULTS)
@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("forge", FORGES)
def test_one_fault_leaves_one_pull_request_and_loses_none(
    forge: str,
    call: str,
    kind: FaultKind,
    turn_of: Callable[[str, str], int],
    tmp_path: Path,
    kustomize: Path,
) -> None:
    fault = Fault(kind=kind, skip=turn_of(forge, call))
    with fleet_on(forge, tmp_path, kustomize) as fleet:
        fleet.world.wire.faults.append(fault)
        fleet.wish("12.4.1")
        fleet.pass_until("12.4.1")
        fleet.wish("12.4.2")
        fleet.pass_until("12.4.2")
        fleet.merge()
        fleet.pass_over()
        assert fault.fired == 1
        (shown,) = fleet.world.state.all()
        assert (shown.state, shown.branch) == (PullRequestState.MERGED, BRANCH)
        ended = {intent.state for intent in fleet.store.intents.all("fleet")}
        assert ended <= {IntentState.MERGED, IntentState.SUPERSEDED}
        assert IntentState.MERGED in ended
        tip = fleet.world.base()
        assert "12.4.2" in (fleet.world.text(tip, FILE) or "")
        asked = len(fleet.world.wire.seen)
        fleet.pass_over()
        assert all(one.method == "GET" for one in fleet.world.wire.seen[asked:])
