"""Two replicas on one PostgreSQL are one service: nothing twice, nothing left (R13).

Each replica is a process with its own mirror; the database and the forge are all they
share. What is shortened: a repository has five stacks, one environment and a base of
one object, so that a pass takes less than a second; nothing of the pass is left out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass
from pathlib import Path

import pytest

from gitops.forges.embedded import EmbeddedForge
from gitops.git import BareRepository
from gitops.model import IntentState, PullRequestState
from service.store import Store, broken_at
from tests.support.commands import git
from tests.support.databases import NOON
from tests.support.places import MAIN, commit_files, fleet_files
from tests.support.replica import Orders, Replica, replica

pytestmark = [pytest.mark.kustomize, pytest.mark.gate]

RACES = 200
STACKS = ("s0", "s1", "s2", "s3", "s4")
FLEET = """\
apiVersion: directus-gitops/v1
branch: main
environments:
  - {name: development}
"""
TTL_S = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class World:
    """What the replicas work on.

    Attributes:
        root: the folder of everything.
        database: its address.
        kustomize: the program.
    """

    root: Path
    database: str
    kustomize: Path

    def make(self, *names: str) -> None:
        """Make repositories with STACKS in one environment."""
        files = {
            path: text
            for path, text in fleet_files(*STACKS).items()
            if not path.startswith(("overlays/staging", "overlays/production"))
        }
        files["gitops.yaml"] = FLEET
        for name in names:
            commit_files(self.origin(name), files)

    def origin(self, name: str) -> BareRepository:
        """Open a repository of the forge, or make it."""
        folder = self.root / "forge" / f"{name}.git"
        if folder.exists():
            return BareRepository(folder)
        return BareRepository.create(folder, MAIN)

    def orders(self, who: str, *, lease_s: float, wait_s: float) -> Orders:
        """Return what a replica is told; only the forge's folder is shared."""
        data = self.root / who
        data.mkdir()
        (data / "forge").symlink_to(self.root / "forge")
        return Orders(
            database=self.database,
            data=str(data),
            kustomize=str(self.kustomize),
            lease_s=lease_s,
            wait_s=wait_s,
        )

    def opened(self, name: str) -> Counter[str]:
        """Return how many pull requests each branch ever had."""
        origin = self.origin(name)
        forge = EmbeddedForge(
            origin, self.root / "forge" / f"{name}.db", public_url=None
        )
        shown = forge.list_all()
        assert all(one.state is PullRequestState.OPEN for one in shown)
        for one in shown:
            assert origin.tip(one.branch) == one.head
            folder = self.root / "forge" / f"{name}.git"
            assert git(folder, "rev-parse", f"{one.head}^@").split() == [
                origin.tip(MAIN)
            ]
        return Counter(one.branch.rpartition("/")[2] for one in shown)

    def check(self, name: str, *stacks: str) -> None:
        """See that each of these stacks has one pull request, and no other has one."""
        assert self.opened(name) == Counter(stacks)
        with closing(Store(self.database, self.root / "seen", lambda: NOON)) as store:
            intents = store.intents.all(name)
            assert [i.state for i in intents] == [IntentState.PR_OPEN] * len(stacks)
            trail = store.audit.entries()
            assert broken_at(trail) is None


@pytest.fixture
def world(tmp_path: Path, postgresql: str, kustomize: Path) -> World:
    (tmp_path / "forge").mkdir()
    return World(root=tmp_path, database=postgresql, kustomize=kustomize)


@pytest.fixture
def starts(world: World) -> Iterator[Callable[..., Replica]]:
    with ExitStack() as running:

        def start(who: str, lease_s: float = TTL_S, wait_s: float = 30) -> Replica:
            orders = world.orders(who, lease_s=lease_s, wait_s=wait_s)
            started = running.enter_context(replica(orders))
            assert started.answer() == "ready"
            return started

        yield start


def at_rest(one: Replica, name: str) -> None:
    """See that there is nothing left to do."""
    for _ in range(2):
        report = one.ask(repository=name)
        assert (report["problem"], report["effects"]) == ("", [])


def test_two_replicas_that_race_make_one_pull_request(
    world: World, starts: Callable[..., Replica]
) -> None:
    names = [f"r{number}" for number in range(RACES // len(STACKS))]
    world.make(*names)
    both = [starts(who, lease_s=30.0, wait_s=60) for who in ("a", "b")]
    firsts = Counter[int]()
    for race in range(RACES):
        name, stack = names[race % len(names)], STACKS[race // len(names)]
        for one in both:
            one.tell(repository=name, bump=stack, to="12.4.1")
        reports = [one.answer() for one in both]
        assert [report["problem"] for report in reports] == ["", ""]
        did = [number for number in (0, 1) if reports[number]["effects"]]
        assert len(did) == 1, reports
        firsts.update(did)
    for name in names:
        world.check(name, *STACKS)
        at_rest(both[0], name)
    assert min(firsts[0], firsts[1]) > 0, "one of the two never raced"


def points_of(one: Replica, name: str) -> int:
    """Return how many writing transactions a pass makes that opens a pull request.

    The first of them takes the lease.
    """
    report = one.ask(repository=name, bump="s0", to="12.4.1")
    assert (report["problem"], report["effects"]) == ("", ["pull request opened"])
    assert report["transactions"] > 8
    return int(report["transactions"])


def test_the_work_of_a_killed_replica_moves_to_another_within_its_lease(
    world: World, starts: Callable[..., Replica]
) -> None:
    world.make("first")
    # It waits little longer than a lease lasts: that it gets it is the claim.
    follower = starts("b", lease_s=30, wait_s=2 * TTL_S)
    for at in range(2, points_of(follower, "first") + 1):
        name = f"r{at}"
        world.make(name)
        leader = starts(f"a{at}")
        leader.tell(
            repository=name, bump="s0", to="12.4.1", where="begin", at=at, kind="kill"
        )
        leader.wait_until_killed()
        assert follower.ask(repository=name)["problem"] == "", at
        world.check(name, "s0")
        at_rest(follower, name)


def test_a_replica_that_was_stopped_for_too_long_writes_no_more(
    world: World, starts: Callable[..., Replica]
) -> None:
    world.make("first")
    leader, follower = starts("a"), starts("b", lease_s=30)
    count = points_of(follower, "first")
    refused = []
    for where, at in (
        *(("end", at) for at in range(1, count + 1)),
        *(("begin", at) for at in range(2, count + 1)),
    ):
        name = f"{where}-{at}"
        world.make(name)
        leader.tell(
            repository=name, bump="s0", to="12.4.1", where=where, at=at, kind="stop"
        )
        leader.wait_until_stopped()
        went_on = follower.ask(repository=name)
        assert went_on["problem"] == "", name
        world.check(name, "s0")
        leader.go_on()
        late = leader.answer()
        # It ends well only if it had done all before, or found nothing left to do.
        assert went_on["effects"] == [] or late["effects"] == [], name
        if late["problem"]:
            assert "the lease ran out" in late["problem"], name
            refused.append(name)
        world.check(name, "s0")
        at_rest(leader, name)
    assert len(refused) > count, refused


def test_a_replica_that_is_stopped_inside_a_transaction_stops_nobody_else_for_long(
    world: World, starts: Callable[..., Replica]
) -> None:
    world.make("fleet", "shop")
    leader, follower = starts("a"), starts("b", lease_s=30)
    order = {"where": "middle", "at": 4, "kind": "stop"}
    leader.tell(repository="fleet", bump="s0", to="12.4.1", **order)
    leader.wait_until_stopped()
    # It has the one write lock in its hand; the server takes it away.
    other = follower.ask(repository="shop", bump="s1", to="12.4.1")
    assert (other["problem"], other["effects"]) == ("", ["pull request opened"])
    assert follower.ask(repository="fleet")["problem"] == ""
    leader.go_on()
    assert leader.answer()["problem"] != ""
    world.check("fleet", "s0")
    world.check("shop", "s1")
    at_rest(leader, "fleet")
