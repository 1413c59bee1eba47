"""git.bare: the embedded forge's own repository."""

from __future__ import annotations

import shutil
import threading
from pathlib import Path

import pytest

from gitops.errors import GitError, InputError, MirrorError, PushRejectedError
from gitops.git import BareRepository, Conflict
from gitops.model import BranchName, CommitId, FileEdit
from tests.support.repos import (
    BOT,
    MAIN,
    NOON,
    commit_files,
    copy_remote,
    git,
    make_checkout,
    make_remote,
    removed,
    tip_of,
    tree_id,
    wrote,
)

FILES = {"a": "a\n", "b": "b\n", "folder/c": "c\n"}
SIDE = BranchName("bot/side")
NOWHERE = CommitId("1" * 40)


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_remote(tmp_path_factory.mktemp("template") / "o.git", FILES)


@pytest.fixture
def place(template: Path, tmp_path: Path) -> Path:
    return copy_remote(template, tmp_path / "o.git")


@pytest.fixture
def origin(place: Path) -> BareRepository:
    return BareRepository(place)


@pytest.fixture
def tip(origin: BareRepository) -> CommitId:
    found = origin.tip(MAIN)
    assert found is not None
    return found


def commit(
    origin: BareRepository, parent: CommitId, *edits: FileEdit, message: str = "x"
) -> CommitId:
    return origin.commit(
        tree_of=parent,
        edits=edits,
        parents=(parent,),
        message=message,
        author=BOT,
        at=NOON,
    )


# --- making one ---


def test_a_new_repository_is_empty_and_knows_its_branch(tmp_path: Path) -> None:
    origin = BareRepository.create(tmp_path / "forge/x.git", BranchName("trunk"))
    assert origin.default_branch() == "trunk"
    assert origin.branches() == {}
    git(tmp_path / "forge/x.git", "fsck", "--strict")


def test_a_new_repository_has_no_hooks_whatever_the_users_template_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hook = tmp_path / "template/hooks/post-receive"
    hook.parent.mkdir(parents=True)
    hook.write_text("#!/bin/sh\n")
    config = tmp_path / "gitconfig"
    config.write_text(f"[init]\n\ttemplateDir = {tmp_path / 'template'}\n")
    monkeypatch.setenv("GIT_TEMPLATE_DIR", str(tmp_path / "template"))
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(config))
    BareRepository.create(tmp_path / "x.git", MAIN)
    assert not list((tmp_path / "x.git").rglob("post-receive"))


def test_making_it_twice_keeps_the_first(
    place: Path, origin: BareRepository, tip: CommitId
) -> None:
    again = BareRepository.create(place, BranchName("other"))
    assert (again.default_branch(), again.tip(MAIN)) == (MAIN, tip)


def test_a_folder_with_something_else_is_not_taken(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(GitError, match="not a repository"):
        BareRepository.create(tmp_path, MAIN)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_a_hostile_default_branch_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError):
        BareRepository.create(tmp_path / "x.git", BranchName("x\n[core]"))
    assert not (tmp_path / "x.git").exists()


def test_a_person_can_clone_and_push(tmp_path: Path) -> None:
    BareRepository.create(tmp_path / "x.git", MAIN)
    person = make_checkout(tmp_path / "p", {"a": "1"})
    git(person, "push", "-q", str(tmp_path / "x.git"), "main")
    assert BareRepository(tmp_path / "x.git").tip(MAIN) == git(
        person, "rev-parse", "HEAD"
    )


# --- moving branches ---


def test_a_branch_is_made_moved_and_deleted(
    origin: BareRepository, place: Path, tip: CommitId
) -> None:
    newer = commit(origin, tip, wrote("a", "1"))
    origin.update_ref(SIDE, tip, expected=None)
    origin.update_ref(SIDE, newer, expected=tip)
    assert origin.tip(SIDE) == tip_of(place, f"refs/heads/{SIDE}") == newer
    assert not origin.delete_branch(SIDE, expected=tip)
    assert origin.delete_branch(SIDE, expected=newer)
    assert not origin.delete_branch(SIDE, expected=newer)
    assert origin.tip(SIDE) is None


def test_moving_a_branch_to_where_it_is_changes_nothing(
    origin: BareRepository, tip: CommitId
) -> None:
    for expected in (None, NOWHERE, tip):
        origin.update_ref(MAIN, tip, expected=expected)
    assert origin.tip(MAIN) == tip


@pytest.mark.parametrize("expected", [None, NOWHERE])
def test_a_branch_that_is_elsewhere_stays_there(
    origin: BareRepository, tip: CommitId, expected: CommitId | None
) -> None:
    newer = commit(origin, tip, wrote("a", "1"))
    with pytest.raises(PushRejectedError, match=f"main is at {tip[:12]}"):
        origin.update_ref(MAIN, newer, expected=expected)
    assert origin.tip(MAIN) == tip


def test_a_branch_that_is_gone_is_not_made_again(
    origin: BareRepository, tip: CommitId
) -> None:
    newer = commit(origin, tip, wrote("a", "1"))
    with pytest.raises(PushRejectedError, match="gone"):
        origin.update_ref(SIDE, newer, expected=tip)


@pytest.mark.parametrize(("standing", "wanted"), [("x", "x/y"), ("x/y/z", "x/y")])
def test_a_branch_in_the_way_is_told_by_name(
    origin: BareRepository, tip: CommitId, standing: str, wanted: str
) -> None:
    origin.update_ref(BranchName(standing), tip, expected=None)
    with pytest.raises(GitError, match=f"prefix blocked.*{standing}"):
        origin.update_ref(BranchName(wanted), tip, expected=None)


def test_a_branch_is_never_moved_to_what_is_not_here(
    origin: BareRepository, tip: CommitId
) -> None:
    with pytest.raises(GitError):
        origin.update_ref(MAIN, NOWHERE, expected=tip)


def test_a_ref_that_git_cannot_lock_is_a_git_error(
    origin: BareRepository, place: Path, tip: CommitId
) -> None:
    newer = commit(origin, tip, wrote("a", "1"))
    (place / "refs/heads/main.lock").touch()
    with pytest.raises(GitError, match="git update-ref") as caught:
        origin.update_ref(MAIN, newer, expected=tip)
    assert not isinstance(caught.value, PushRejectedError)


def test_of_many_movers_exactly_one_wins(origin: BareRepository, tip: CommitId) -> None:
    commits = [commit(origin, tip, wrote("a", f"{n}")) for n in range(6)]
    barrier = threading.Barrier(len(commits))
    moved: list[CommitId] = []

    def move(new: CommitId) -> None:
        barrier.wait()
        try:
            origin.update_ref(MAIN, new, expected=tip)
        except PushRejectedError:
            return
        moved.append(new)

    threads = [threading.Thread(target=move, args=(new,)) for new in commits]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert moved == [origin.tip(MAIN)]


# --- merging ---


def test_two_sides_that_do_not_touch_merge_as_git_would(
    origin: BareRepository, place: Path, tip: CommitId, tmp_path: Path
) -> None:
    base = commit(origin, tip, wrote("a", "changed\n"))
    head = commit(origin, tip, wrote("new/file", "n\n"), removed("b"))
    merge = origin.merge_commit(base, head, "Merge #1", BOT, NOON)
    assert isinstance(merge, str)
    for name, at in (("base", base), ("head", head)):
        git(place, "update-ref", f"refs/heads/{name}", at)
    git(tmp_path, "clone", "-q", "--no-local", "-b", "base", str(place), "person")
    git(tmp_path / "person", "merge", "-q", "--no-ff", "origin/head")
    assert tree_id(place, merge) == tree_id(tmp_path / "person", "HEAD")
    logged = origin.history(merge)[0]
    assert logged.parents == (base, head)
    assert (logged.subject, logged.at) == ("Merge #1", NOON)


def test_a_merge_moves_no_branch_and_is_the_same_when_redone(
    origin: BareRepository, tip: CommitId
) -> None:
    head = commit(origin, tip, wrote("a", "1"))
    merges = {origin.merge_commit(tip, head, "Merge", BOT, NOON) for _ in range(2)}
    assert len(merges) == 1
    assert origin.branches() == {MAIN: tip}


def test_the_given_head_is_merged_wherever_its_branch_is(
    origin: BareRepository, tip: CommitId
) -> None:
    head = commit(origin, tip, wrote("a", "reviewed\n"))
    later = commit(origin, head, wrote("a", "slipped in\n"))
    origin.update_ref(SIDE, later, expected=None)
    merge = origin.merge_commit(tip, head, "Merge", BOT, NOON)
    assert isinstance(merge, str)
    assert origin.blob_at(merge, "a") == b"reviewed\n"


def test_a_conflict_names_its_files_and_writes_no_commit(
    origin: BareRepository, tip: CommitId
) -> None:
    base = commit(
        origin, tip, wrote("a", "1\n"), wrote("folder/c", "1\n"), removed("b")
    )
    head = commit(
        origin, tip, wrote("a", "2\n"), wrote("folder/c", "2\n"), wrote("b", "2")
    )
    assert origin.merge_commit(base, head, "Merge", BOT, NOON) == Conflict(
        paths=("a", "b", "folder/c")
    )


def test_merge_drivers_and_attributes_of_the_repository_are_not_asked(
    origin: BareRepository, place: Path, tip: CommitId, tmp_path: Path
) -> None:
    sentinel = tmp_path / "sentinel"
    person = make_checkout(tmp_path / "p", {"x": "x"})
    git(person, "pull", "-q", "--no-rebase", "--allow-unrelated-histories", str(place))
    start = commit_files(person, {".gitattributes": "a merge=evil\n"}, "Attributes")
    git(person, "push", "-q", str(place), "HEAD:main")
    git(place, "config", "merge.evil.driver", f"touch {sentinel}")
    (place / "info").mkdir(exist_ok=True)
    (place / "info/attributes").write_text("* merge=evil\n")
    base = commit(origin, start, wrote("a", "1\n"))
    head = commit(origin, start, wrote("a", "2\n"))
    found = origin.merge_commit(base, head, "Merge", BOT, NOON)
    assert found == Conflict(paths=("a",))
    assert not sentinel.exists()


def test_histories_without_a_common_commit_do_not_merge(
    origin: BareRepository, tip: CommitId
) -> None:
    alone = origin.commit(
        tree_of=None,
        edits=[wrote("z", "z")],
        parents=(),
        message="x",
        author=BOT,
        at=NOON,
    )
    with pytest.raises(GitError, match="no history in common"):
        origin.merge_commit(tip, alone, "Merge", BOT, NOON)


# --- taking over a branch ---


def test_a_checkouts_branch_is_taken_over_with_its_history(tmp_path: Path) -> None:
    person = make_checkout(tmp_path / "p", {"a": "1"})
    second = commit_files(person, {"a": "2"}, "Second")
    origin = BareRepository.create(tmp_path / "o.git", MAIN)
    assert origin.take_branch(person, MAIN) == second
    assert len(origin.history(MAIN)) == 2
    third = commit_files(person, {"a": "3"}, "Third")
    assert origin.take_branch(person, MAIN) == third


def test_taking_over_never_loses_a_commit(
    tmp_path: Path, origin: BareRepository, tip: CommitId
) -> None:
    person = make_checkout(tmp_path / "p", {"other": "1"})
    with pytest.raises(GitError, match="non-fast-forward"):
        origin.take_branch(person, MAIN)
    assert origin.tip(MAIN) == tip


def test_a_branch_that_is_not_there_cannot_be_taken(
    tmp_path: Path, origin: BareRepository
) -> None:
    person = make_checkout(tmp_path / "p", {"other": "1"})
    with pytest.raises(GitError, match="p: git fetch"):
        origin.take_branch(person, BranchName("nothing"))


def test_branches_of_a_checkout_can_be_read_through_its_git_folder(
    tmp_path: Path,
) -> None:
    person = make_checkout(tmp_path / "p", {"a": "1"})
    git(person, "worktree", "add", "-q", "-b", "other", str(tmp_path / "linked"))
    for folder in (person, tmp_path / "linked"):
        repository = BareRepository(folder / ".git")
        tip = repository.tip(MAIN)
        assert tip is not None
        assert repository.read_tree(tip).read("a") == b"1"
    assert BareRepository(tmp_path / "linked/.git").default_branch() == "other"


# --- damage ---


def test_a_damaged_origin_is_told_and_never_mended(
    origin: BareRepository, place: Path, tip: CommitId
) -> None:
    shutil.rmtree(place / "objects")
    (place / "objects").mkdir()
    with pytest.raises(GitError, match=r"o\.git is damaged") as caught:
        origin.read_tree(tip)
    assert not isinstance(caught.value, MirrorError)
    assert "backup" in caught.value.hint
    assert list(place.parent.glob("*.damaged")) == []


def test_an_origin_that_is_gone_is_a_git_error(tmp_path: Path) -> None:
    origin = BareRepository(tmp_path / "nothing.git")
    with pytest.raises(GitError):
        origin.branches()
    with pytest.raises(GitError):
        origin.default_branch()
