"""What only the embedded forge must stand: crashes, races, damage, hostile texts."""

from __future__ import annotations

import multiprocessing
import os
import sqlite3
import time
from collections.abc import Callable
from contextlib import closing
from datetime import UTC, datetime
from multiprocessing.synchronize import Barrier
from pathlib import Path
from threading import Thread
from typing import NoReturn

import pytest

from gitops.errors import ForgeConflictError, ForgeError, ForgeUnavailableError
from gitops.forges import Forge, Merged, NotMerged, PullRequestDraft
from gitops.forges.embedded import EmbeddedForge
from gitops.git import BareRepository, Identity
from gitops.model import BranchName, CommitId, PullRequest, PullRequestState
from tests.contract.worlds import EmbeddedWorld
from tests.support.forges.state import MAIN, NOON

NOW = datetime(2026, 11, 23, 12, 30, 15, 250_000, tzinfo=UTC)
BRANCH = BranchName("directus-gitops/staging/example")
ANN = Identity(name="Ann Example", email="ann@example.com")
SPAWN = multiprocessing.get_context("spawn")
CRASHED = 17


def check_is_a_forge(forge: EmbeddedForge) -> Forge:
    return forge  # mypy says whether the protocol is kept


@pytest.fixture
def world(tmp_path: Path) -> EmbeddedWorld:
    return EmbeddedWorld(tmp_path)


def open_one(
    world: EmbeddedWorld, *, branch: str = BRANCH, path: str = "a.txt", title: str = "t"
) -> PullRequest:
    name = BranchName(branch)
    head = world.push(name, "two", path=path)
    return world.forge.open(draft(head, branch=name, title=title), now=NOW)


def draft(
    head: CommitId, *, branch: BranchName = BRANCH, title: str = "t", body: str = "b"
) -> PullRequestDraft:
    return PullRequestDraft(
        branch=branch, base=MAIN, head=head, title=title, body=body, author="alice"
    )


def merges(world: EmbeddedWorld) -> list[str]:
    """Return the subjects of the merge commits on main, newest first."""
    line = world.repository.history(world.base(), first_parent=True)
    return [logged.subject for logged in line if len(logged.parents) > 1]


def merge_by_person(world: EmbeddedWorld, base: CommitId, head: CommitId) -> CommitId:
    """Merge with plain git, past the forge."""
    made = world.repository.merge_commit(base, head, "By hand", ANN, NOON)
    assert isinstance(made, str)
    world.move(MAIN, made)
    return made


# --- crashes: the process dies, the next one heals ---


class DyingRepository(BareRepository):
    """A repository whose process dies right before or after one of its effects."""

    point = ""

    def update_ref(
        self, branch: BranchName, new: CommitId, *, expected: CommitId | None
    ) -> None:
        self.die_at("before the base moves")
        super().update_ref(branch, new, expected=expected)
        self.die_at("after the base moved")

    def delete_branch(self, branch: BranchName, *, expected: CommitId) -> bool:
        deleted = super().delete_branch(branch, expected=expected)
        self.die_at("after the branch is deleted")
        return deleted

    def die_at(self, point: str) -> None:
        if self.point == point:
            os._exit(CRASHED)


def merge_and_die(path: Path, database: Path, head: CommitId, point: str) -> NoReturn:
    repository = DyingRepository(path)
    repository.point = point
    EmbeddedForge(repository, database).merge(1, head=head, by="bob", now=NOW)
    os._exit(0)


@pytest.mark.parametrize(
    ("point", "state"),
    [
        ("before the base moves", PullRequestState.OPEN),
        ("after the base moved", PullRequestState.MERGED),
        ("after the branch is deleted", PullRequestState.MERGED),
    ],
)
def test_a_crash_in_a_merge_is_healed_by_the_next_look(
    world: EmbeddedWorld, tmp_path: Path, point: str, state: PullRequestState
) -> None:
    shown = open_one(world)
    arguments = (tmp_path / "fleet.git", world.database, shown.head, point)
    child = SPAWN.Process(target=merge_and_die, args=arguments)
    child.start()
    child.join(60)
    assert child.exitcode == CRASHED, "the crash point was not reached"

    after = world.forge.read(shown.number)
    assert after.state is state
    result = world.forge.merge(shown.number, head=shown.head, by="carol", now=NOW)
    assert isinstance(result, Merged)
    assert merges(world) == [f"Merge pull request #1 from {BRANCH}"]
    assert result.pull_request.merge_commit == world.base()
    merger = "carol" if state is PullRequestState.OPEN else "bob"
    assert result.pull_request.closed_by == merger
    assert world.tip(BRANCH) is None


def merge_until_killed(path: Path, database: Path, first: int) -> None:
    forge = EmbeddedForge(BareRepository(path), database)
    for shown in forge.list_open():
        if shown.number >= first:
            forge.merge(shown.number, head=shown.head, by="bob", now=NOW)
    time.sleep(600)


def test_kills_at_any_moment_lose_and_double_nothing(
    world: EmbeddedWorld, tmp_path: Path
) -> None:
    opened = [open_one(world, branch=f"b/{n}", path=f"f{n}") for n in range(12)]
    for round_ in range(4):
        merged_before = len(merges(world))
        child = SPAWN.Process(
            target=merge_until_killed, args=(tmp_path / "fleet.git", world.database, 1)
        )
        child.start()
        while len(merges(world)) == merged_before and round_ < 3:
            assert child.is_alive()
        child.kill()
        child.join(60)
    for shown in world.forge.list_open():
        world.forge.merge(shown.number, head=shown.head, by="carol", now=NOW)
    assert sorted(merges(world)) == sorted(
        f"Merge pull request #{shown.number} from {shown.branch}" for shown in opened
    )
    states = {shown.state for shown in world.forge.list_all()}
    assert states == {PullRequestState.MERGED}
    assert set(world.repository.branches()) == {MAIN}


# --- races ---


def race(
    path: Path, database: Path, barrier: Barrier, numbers: list[tuple[int, CommitId]]
) -> None:
    forge = EmbeddedForge(BareRepository(path), database)
    for number, head in numbers:
        barrier.wait(60)
        result = forge.merge(number, head=head, by=f"pid-{os.getpid()}", now=NOW)
        assert isinstance(result, Merged)


def test_two_processes_racing_for_twenty_merges_make_each_once(
    world: EmbeddedWorld, tmp_path: Path
) -> None:
    opened = [open_one(world, branch=f"b/{n}", path=f"f{n}") for n in range(20)]
    numbers = [(shown.number, shown.head) for shown in opened]
    barrier = SPAWN.Barrier(2)
    arguments = (tmp_path / "fleet.git", world.database, barrier, numbers)
    children = [SPAWN.Process(target=race, args=arguments) for _ in range(2)]
    for child in children:
        child.start()
    for child in children:
        child.join(120)
    assert [child.exitcode for child in children] == [0, 0]
    assert len(merges(world)) == len(set(merges(world))) == 20
    line = world.repository.history(world.base(), first_parent=True)
    by_commit = {logged.id: logged.author for logged in line}
    for shown in world.forge.list_all():
        assert shown.state is PullRequestState.MERGED
        assert shown.merge_commit is not None
        assert by_commit[shown.merge_commit] == shown.closed_by


def test_threads_share_one_forge(world: EmbeddedWorld) -> None:
    shown = open_one(world)

    def talk(name: str) -> None:
        for _ in range(5):
            world.forge.comment(shown.number, "hello", by=name, now=NOW)

    threads = [Thread(target=talk, args=(f"t{n}",)) for n in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(world.forge.read(shown.number).comments) == 20


def first_steps(path: Path, database: Path, barrier: Barrier) -> None:
    forge = EmbeddedForge(BareRepository(path), database)
    barrier.wait(60)
    assert forge.list_all() == ()


def test_two_processes_may_make_the_tables_at_once(
    world: EmbeddedWorld, tmp_path: Path
) -> None:
    barrier = SPAWN.Barrier(2)
    arguments = (tmp_path / "fleet.git", world.database, barrier)
    children = [SPAWN.Process(target=first_steps, args=arguments) for _ in range(2)]
    for child in children:
        child.start()
    for child in children:
        child.join(120)
    assert [child.exitcode for child in children] == [0, 0]


class BusyRepository(BareRepository):
    """A repository to whose base somebody pushes just before we do."""

    disturb: Callable[[], None]
    times = 1

    def update_ref(
        self, branch: BranchName, new: CommitId, *, expected: CommitId | None
    ) -> None:
        if self.times:
            self.times -= 1
            self.disturb()
        super().update_ref(branch, new, expected=expected)


def busy_forge(world: EmbeddedWorld, tmp_path: Path, times: int) -> EmbeddedForge:
    repository = BusyRepository(tmp_path / "fleet.git")
    repository.times = times
    repository.disturb = lambda: world.move(
        MAIN, world.commit({f"n{repository.times}": "x"}, on=world.base())
    )
    return EmbeddedForge(repository, world.database)


def test_a_base_that_moves_meanwhile_is_merged_into_as_it_is(
    world: EmbeddedWorld, tmp_path: Path
) -> None:
    shown = open_one(world)
    forge = busy_forge(world, tmp_path, times=2)
    result = forge.merge(shown.number, head=shown.head, by="bob", now=NOW)
    assert isinstance(result, Merged)
    assert world.text(world.base(), "a.txt") == "two"
    assert world.text(world.base(), "n1") == "x"
    assert len(merges(world)) == 1


def test_a_base_that_never_rests_is_told(world: EmbeddedWorld, tmp_path: Path) -> None:
    shown = open_one(world)
    forge = busy_forge(world, tmp_path, times=1_000)
    result = forge.merge(shown.number, head=shown.head, by="bob", now=NOW)
    assert result == NotMerged(reason="the base branch keeps moving; try again")
    assert merges(world) == []


def test_a_merge_that_lands_meanwhile_is_not_made_again(
    world: EmbeddedWorld, tmp_path: Path
) -> None:
    shown = open_one(world)
    repository = BusyRepository(tmp_path / "fleet.git")

    def merge_by_hand() -> None:
        merge_by_person(world, world.base(), shown.head)

    repository.disturb = merge_by_hand
    forge = EmbeddedForge(repository, world.database)
    result = forge.merge(shown.number, head=shown.head, by="bob", now=NOW)
    assert isinstance(result, Merged)
    assert (result.pull_request.closed_by, merges(world)) == (
        "Ann Example",
        ["By hand"],
    )


# --- what people do by hand ---


def test_a_pushed_head_that_is_merged_by_hand_is_merged(world: EmbeddedWorld) -> None:
    shown = open_one(world)
    base = world.push(MAIN, "later", path="later.txt")
    pushed = world.push(BRANCH, "three", on=shown.head)
    made = merge_by_person(world, base, pushed)
    now = world.forge.read(shown.number)
    assert (now.state, now.head) == (PullRequestState.MERGED, pushed)
    assert (now.merge_commit, now.closed_by) == (made, "Ann Example")
    assert world.tip(BRANCH) is None


def test_a_rewritten_head_that_is_merged_by_hand_is_merged(
    world: EmbeddedWorld,
) -> None:
    shown = open_one(world)
    rewritten = world.push(BRANCH, "three")
    later = world.push(MAIN, "later", path="later.txt")
    merge_by_person(world, later, rewritten)
    now = world.forge.read(shown.number)
    assert (now.state, now.head) == (PullRequestState.MERGED, rewritten)


def test_a_branch_pushed_to_after_its_merge_by_hand_stays(
    world: EmbeddedWorld,
) -> None:
    shown = open_one(world)
    world.move(MAIN, shown.head)
    later = world.push(BRANCH, "three", on=shown.head)
    assert world.forge.read(shown.number).state is PullRequestState.MERGED
    assert world.tip(BRANCH) == later


def test_a_missing_base_is_waited_for(world: EmbeddedWorld) -> None:
    release = BranchName("release")
    world.move(release, world.base())
    head = world.push(BRANCH, "two")
    into = PullRequestDraft(
        branch=BRANCH, base=release, head=head, title="t", body="", author="alice"
    )
    shown = world.forge.open(into, now=NOW)
    world.delete(release)
    assert world.forge.read(shown.number).state is PullRequestState.OPEN
    moved = world.push(BRANCH, "three", on=head)
    assert world.forge.read(shown.number).head == moved
    result = world.forge.merge(shown.number, head=moved, by="bob", now=NOW)
    assert result == NotMerged(reason="there is no branch release")


def test_another_history_asks_for_regeneration(world: EmbeddedWorld) -> None:
    shown = open_one(world)
    other = world.repository.commit(
        tree_of=None, edits=[], parents=(), message="New", author=ANN, at=NOON
    )
    world.move(MAIN, other)
    result = world.forge.merge(shown.number, head=shown.head, by="bob", now=NOW)
    assert isinstance(result, NotMerged)
    assert result.needs_regeneration
    assert world.base() == other


def test_many_open_ones_are_healed_together(world: EmbeddedWorld) -> None:
    opened = [open_one(world, branch=f"b/{n}", path=f"f{n}") for n in range(12)]
    world.move(MAIN, opened[3].head)
    world.delete(opened[4].branch)
    moved = world.push(opened[5].branch, "three", path="f5", on=opened[5].head)
    shown = {item.number: item for item in world.forge.list_open()}
    assert len(shown) == 10
    assert shown[opened[5].number].head == moved
    states = [item.state for item in world.forge.list_all()]
    assert states.count(PullRequestState.MERGED) == 1
    assert states.count(PullRequestState.CLOSED) == 1


# --- settings ---


def test_without_a_public_address_there_is_no_url(
    world: EmbeddedWorld, tmp_path: Path
) -> None:
    shown = open_one(world)
    assert shown.url == "https://gitops.example.com/r/x/pull-requests/1"
    bare = EmbeddedForge(world.repository, world.database)
    assert bare.read(1).url is None
    assert bare.find(BRANCH)[0].url is None


def test_branches_may_be_kept_after_their_merge(world: EmbeddedWorld) -> None:
    shown = open_one(world)
    forge = EmbeddedForge(world.repository, world.database, keep_branches=True)
    forge.merge(shown.number, head=shown.head, by="bob", now=NOW)
    assert world.tip(BRANCH) == shown.head
    assert forge.read(shown.number).state is PullRequestState.MERGED


def test_the_default_branch_is_not_deleted(world: EmbeddedWorld) -> None:
    assert not world.forge.delete_branch(MAIN, head=world.base())
    assert world.tip(MAIN) is not None


def test_it_says_what_it_can() -> None:
    capabilities = EmbeddedForge(
        BareRepository(Path("x.git")), Path("x.db")
    ).capabilities
    assert (capabilities.kind, capabilities.merges_here) == ("embedded", True)


# --- texts and logins ---


@pytest.mark.parametrize(
    ("title", "body"),
    [
        ("", "b"),
        ("  ", "b"),
        ("two\nlines", "b"),
        ("nul\x00", "b"),
        ("esc\x1b[31m", "b"),
        ("\ud800", "b"),
        ("x" * 257, "b"),
        ("t", "x" * 65_537),
        ("t", "\x00"),
    ],
)
def test_texts_that_no_forge_takes_are_refused(
    world: EmbeddedWorld, title: str, body: str
) -> None:
    head = world.push(BRANCH, "two")
    with pytest.raises(ForgeError):
        world.forge.open(draft(head, title=title, body=body), now=NOW)
    assert world.forge.list_all() == ()


def test_a_body_may_be_empty_and_have_many_lines(world: EmbeddedWorld) -> None:
    head = world.push(BRANCH, "two")
    shown = world.forge.open(draft(head, body=""), now=NOW)
    assert shown.body == ""
    lines = world.forge.update(1, draft(head, body="a\r\n\tb\n"), now=NOW)
    assert lines.body == "a\r\n\tb\n"


@pytest.mark.parametrize("text", ["", "\x00", "x" * 65_537])
def test_a_comment_is_a_text(world: EmbeddedWorld, text: str) -> None:
    open_one(world)
    with pytest.raises(ForgeError):
        world.forge.comment(1, text, by="bob", now=NOW)


@pytest.mark.parametrize("login", ["", "a\x00b", "x" * 300])
def test_nobody_can_be_anybody(world: EmbeddedWorld, login: str) -> None:
    shown = open_one(world)
    calls: list[Callable[[], object]] = [
        lambda: world.forge.merge(1, head=shown.head, by=login, now=NOW),
        lambda: world.forge.approve(1, head=shown.head, by=login, now=NOW),
        lambda: world.forge.close(1, by=login, now=NOW),
        lambda: world.forge.comment(1, "x", by=login, now=NOW),
    ]
    for call in calls:
        with pytest.raises(ForgeError, match="login"):
            call()
    assert world.forge.read(1) == shown


@pytest.mark.parametrize(
    ("login", "author"),
    [("Ann <ann@x>", "Ann ann@x"), ("<>", "unknown"), ("日本", "日本"), ("-x", "-x")],
)
def test_any_login_can_be_the_author_of_a_merge(
    world: EmbeddedWorld, login: str, author: str
) -> None:
    shown = open_one(world)
    result = world.forge.merge(1, head=shown.head, by=login, now=NOW)
    assert isinstance(result, Merged)
    assert result.pull_request.closed_by == login
    assert world.author(world.base()) == author


def test_a_hostile_title_stays_in_the_body_of_the_merge(world: EmbeddedWorld) -> None:
    title = "x --upload-pack=/bin/sh $(id) Signed-off-by: m"
    shown = open_one(world, title=title)
    world.forge.merge(1, head=shown.head, by="bob", now=NOW)
    assert merges(world) == [f"Merge pull request #1 from {BRANCH}"]


def test_a_failed_call_leaves_no_trace(world: EmbeddedWorld) -> None:
    shown = open_one(world)
    with pytest.raises(ForgeConflictError):
        world.forge.approve(1, head=CommitId("1" * 40), by="bob", now=NOW)
    assert world.forge.read(1) == shown


# --- the database ---


def test_a_database_of_a_newer_release_is_left_alone(world: EmbeddedWorld) -> None:
    open_one(world)
    with closing(sqlite3.connect(world.database)) as connection:
        connection.execute("PRAGMA user_version = 99")
    with pytest.raises(ForgeError, match="newer release"):
        world.forge.list_all()


def test_a_damaged_database_is_told(world: EmbeddedWorld) -> None:
    world.database.write_bytes(b"this is no database" * 100)
    with pytest.raises(ForgeError, match="not a database") as caught:
        world.forge.list_all()
    assert not caught.value.retryable
    assert str(world.database.parent) not in str(caught.value)


def test_a_writer_that_never_ends_is_not_waited_for_for_ever(
    world: EmbeddedWorld,
) -> None:
    open_one(world)
    forge = EmbeddedForge(world.repository, world.database, wait_s=0.05)
    with closing(sqlite3.connect(world.database, isolation_level=None)) as connection:
        connection.execute("BEGIN IMMEDIATE")
        with pytest.raises(ForgeUnavailableError, match="in use") as caught:
            forge.comment(1, "x", by="bob", now=NOW)
        assert forge.read(1).comments == (), "readers do not wait for a writer"
    assert caught.value.retryable
    assert forge.comment(1, "x", by="bob", now=NOW).comments != ()


def test_the_tables_keep_their_own_promises(world: EmbeddedWorld) -> None:
    open_one(world)
    with closing(sqlite3.connect(world.database)) as connection:
        connection.execute("PRAGMA foreign_keys = ON")
        for statement in (
            "UPDATE pull_request SET state = 'draft'",
            "UPDATE pull_request SET state = 'merged'",
            "UPDATE pull_request SET head = NULL",
            "INSERT INTO comment (number, by, at, text) VALUES (9, 'a', 'b', 'c')",
            "INSERT INTO pull_request (branch, base, head, title, body, author, state,"
            " created_at) SELECT branch, base, head, title, body, author, state,"
            " created_at FROM pull_request",
        ):
            with pytest.raises(sqlite3.IntegrityError):
                connection.execute(statement)
        mode = connection.execute("PRAGMA journal_mode").fetchone()[0]
    assert mode == "wal"


@pytest.mark.skipif(not Path("/proc/self/fd").is_dir(), reason="needs /proc")
def test_no_call_leaves_a_file_open(world: EmbeddedWorld) -> None:
    shown = open_one(world)
    world.forge.merge(shown.number, head=shown.head, by="bob", now=NOW)
    with pytest.raises(ForgeConflictError):
        world.forge.close(shown.number, by="bob", now=NOW)
    world.database.write_bytes(b"this is no database" * 100)
    with pytest.raises(ForgeError):
        world.forge.list_all()
    links = [fd for fd in Path("/proc/self/fd").iterdir() if fd.is_symlink()]
    still = [str(link.readlink()) for link in links]
    assert [name for name in still if str(world.database.parent) in name] == []
