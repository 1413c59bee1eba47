"""git.mirror: a copy that heals, and branches that move only from where we saw them."""

from __future__ import annotations

import os
import shutil
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from gitops.errors import (
    GitError,
    GitopsError,
    InputError,
    MirrorError,
    PushRejectedError,
)
from gitops.git import Credential, Mirror
from gitops.model import BranchName, CommitId
from tests.support.repos import (
    BOT,
    MAIN,
    NOON,
    copy_remote,
    git,
    make_remote,
    person_of,
    person_pushes,
    tip_of,
    wrote,
)

BUMP = BranchName("directus-gitops/production/acme")
FILES = {
    "gitops.yaml": "branch: main\n",
    **{f"overlays/production/s{n}/config.env": f"N={n}\n" for n in range(20)},
}


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_remote(tmp_path_factory.mktemp("template") / "remote.git", FILES)


@pytest.fixture
def remote(template: Path, tmp_path: Path) -> Path:
    return copy_remote(template, tmp_path / "remote.git")


@pytest.fixture
def mirror(remote: Path, tmp_path: Path) -> Mirror:
    return opened(tmp_path, remote)


def opened(folder: Path, remote: Path, name: str = "mirror") -> Mirror:
    place = folder / "mirrors" / f"{name}.git"
    return Mirror.open_or_clone(place, str(remote), allow_file=True)


def bump(mirror: Mirror, value: str = "1") -> CommitId:
    tip = mirror.tip(MAIN)
    assert tip is not None
    return mirror.commit(
        tree_of=tip,
        edits=[wrote("overlays/production/s1/config.env", f"N={value}\n")],
        parents=(tip,),
        message="Bump",
        author=BOT,
        at=NOON,
    )


def contents(mirror: Mirror) -> dict[str, str]:
    tip = mirror.tip(MAIN)
    assert tip is not None
    tree = mirror.read_tree(tip)
    return {path: tree.read(path).decode() for path in tree.entries}


# --- fetching ---


def test_a_mirror_shows_the_remotes_branches(mirror: Mirror, remote: Path) -> None:
    assert mirror.branches() == {MAIN: tip_of(remote, "refs/heads/main")}
    assert contents(mirror) == FILES


def test_the_mirror_moves_only_when_it_fetches(mirror: Mirror, remote: Path) -> None:
    before = mirror.tip(MAIN)
    newer = person_pushes(remote, {"new": "1"})
    assert (mirror.tip(MAIN), mirror.remote_tip(MAIN)) == (before, newer)
    mirror.fetch()
    assert mirror.tip(MAIN) == newer


def test_many_may_fetch_at_the_same_moment(
    mirror: Mirror, remote: Path, tmp_path: Path
) -> None:
    for number in range(30):
        git(remote, "branch", f"b{number}", "main")
    person_pushes(remote, {"new": "1"})
    failures: list[GitopsError] = []

    def fetch() -> None:
        try:
            opened(tmp_path, remote).fetch()
        except GitopsError as error:
            failures.append(error)

    threads = [threading.Thread(target=fetch) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert [error.message for error in failures] == []
    assert len(mirror.branches()) == 31


def test_a_branch_gone_from_the_remote_is_gone_here(
    mirror: Mirror, remote: Path
) -> None:
    person_pushes(remote, {"x": "1"}, "side")
    mirror.fetch()
    git(remote, "update-ref", "-d", "refs/heads/side")
    mirror.fetch()
    assert list(mirror.branches()) == [MAIN]


def test_replaced_history_is_followed(mirror: Mirror, remote: Path) -> None:
    person = person_of(remote)
    git(person, "checkout", "-q", "--orphan", "fresh")
    git(person, "commit", "-q", "-m", "All new")
    git(person, "push", "-q", "--force", "origin", "HEAD:main")
    mirror.fetch()
    assert mirror.tip(MAIN) == git(person, "rev-parse", "HEAD")


def test_a_branch_may_become_a_folder_of_branches(mirror: Mirror, remote: Path) -> None:
    person_pushes(remote, {"x": "1"}, "bump")
    mirror.fetch()
    git(remote, "update-ref", "-d", "refs/heads/bump")
    person_pushes(remote, {"x": "2"}, "bump/acme")
    mirror.fetch()
    assert set(mirror.branches()) == {MAIN, "bump/acme"}


def test_opening_an_existing_mirror_asks_nobody(
    mirror: Mirror, remote: Path, tmp_path: Path
) -> None:
    remote.rename(tmp_path / "away.git")
    assert contents(opened(tmp_path, remote)) == FILES


def test_tags_and_other_refs_stay_out(mirror: Mirror, remote: Path) -> None:
    tip = git(remote, "rev-parse", "main")
    for ref in ("refs/tags/v1", "refs/replace/x", "refs/notes/commits", "refs/pull/1"):
        git(remote, "update-ref", ref, tip)
    mirror.fetch()
    refs = git(mirror._path, "--git-dir=.", "for-each-ref", "--format=%(refname)")
    assert refs == "refs/remotes/origin/main"


def test_hooks_filters_and_submodules_of_the_content_do_nothing(
    remote: Path, tmp_path: Path
) -> None:
    sentinel = tmp_path / "sentinel"
    files = {
        "hooks/post-checkout": f"#!/bin/sh\ntouch {sentinel}\n",
        "HEAD": "ref: refs/heads/main\n",
        "config": f"[core]\n\tfsmonitor = touch {sentinel}\n",
        "objects/x": "",
        "refs/x": "",
        "commondir": "..\n",
        "gitdir": f"{tmp_path}\n",
        ".gitmodules": f'[submodule "x"]\n\tpath = x\n\turl = ext::touch {sentinel}\n',
    }
    person_pushes(remote, files)
    mirror = opened(tmp_path, remote)
    assert contents(mirror) == {**FILES, **files}
    assert not sentinel.exists()


# --- remotes that are not as they should be ---


def break_nothing_there(remote: Path) -> None:
    shutil.rmtree(remote)


def break_head(remote: Path) -> None:
    (remote / "HEAD").write_text("garbage\n")


def break_tip(remote: Path) -> None:
    shutil.rmtree(remote / "objects")
    (remote / "objects").mkdir()


def break_config(remote: Path) -> None:
    (remote / "config").write_text("[core\n")


def break_into_a_file(remote: Path) -> None:
    shutil.rmtree(remote)
    remote.write_text("no folder\n")


def break_into_nothing(remote: Path) -> None:
    git(remote, "update-ref", "-d", "refs/heads/main")


BROKEN_REMOTES = [
    break_nothing_there,
    break_head,
    break_tip,
    break_config,
    break_into_a_file,
    break_into_nothing,
]


@pytest.mark.parametrize("break_it", BROKEN_REMOTES)
def test_a_broken_remote_is_a_git_error_with_a_hint(
    tmp_path: Path, remote: Path, break_it: Callable[[Path], None]
) -> None:
    break_it(remote)
    with pytest.raises(GitError, match=r"remote\.git") as caught:
        opened(tmp_path, remote)
    assert not isinstance(caught.value, MirrorError)
    assert caught.value.hint
    assert str(tmp_path) not in caught.value.message
    assert not (tmp_path / "mirrors/mirror.git").exists()


@pytest.mark.parametrize(
    # a fetch with nothing to fetch does not look at the remote's objects
    "break_it",
    [each for each in BROKEN_REMOTES if each is not break_tip],
)
def test_a_remote_that_breaks_later_does_not_break_the_mirror(
    tmp_path: Path, remote: Path, mirror: Mirror, break_it: Callable[[Path], None]
) -> None:
    kept = mirror.tip(MAIN)
    break_it(remote)
    with pytest.raises(GitError) as caught:
        mirror.fetch()
    assert not isinstance(caught.value, MirrorError)
    assert caught.value.hint
    if break_it is not break_into_nothing:
        assert mirror.tip(MAIN) == kept
        assert contents(mirror) == FILES


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")
def test_a_remote_of_another_user_is_a_git_error_with_a_hint(
    tmp_path: Path, remote: Path
) -> None:
    for path in (remote, *remote.rglob("*")):
        os.chown(path, 12345, 12345)
    with pytest.raises(GitError, match="dubious ownership") as caught:
        opened(tmp_path, remote)
    assert "another user" in caught.value.hint
    assert str(tmp_path) not in caught.value.message


def test_a_remote_without_commits_is_told_as_such(tmp_path: Path) -> None:
    git(tmp_path, "init", "-q", "--bare", "empty.git")
    with pytest.raises(GitError, match=r"empty\.git has no commits") as caught:
        opened(tmp_path, tmp_path / "empty.git")
    assert "first commit" in caught.value.hint


def test_a_remote_that_cannot_be_asked_is_a_git_error(
    mirror: Mirror, remote: Path
) -> None:
    shutil.rmtree(remote)
    calls: list[Callable[[], object]] = [
        lambda: mirror.remote_tip(MAIN),
        lambda: mirror.push(bump(mirror), BUMP, expected=None),
        lambda: mirror.delete_remote_branch(MAIN, expected=CommitId("1" * 40)),
    ]
    for call in calls:
        with pytest.raises(GitError, match=r"remote\.git: git (ls-remote|push)"):
            call()


def test_hostile_addresses_are_refused_before_a_folder_is_made(tmp_path: Path) -> None:
    with pytest.raises(InputError):
        Mirror.open_or_clone(
            tmp_path / "m", "ext::sh -c touch% x", allow_file=True, credential=None
        )
    assert list(tmp_path.iterdir()) == []


# --- a damaged mirror heals ---


def lose_head(mirror: Path) -> None:
    (mirror / "HEAD").unlink()


def empty_head(mirror: Path) -> None:
    (mirror / "HEAD").write_bytes(b"")


def wrong_head(mirror: Path) -> None:
    (mirror / "HEAD").write_text("ref: refs/heads/elsewhere\n")


def lose_objects(mirror: Path) -> None:
    shutil.rmtree(mirror / "objects")


def empty_objects(mirror: Path) -> None:
    shutil.rmtree(mirror / "objects")
    (mirror / "objects").mkdir()


def lose_refs(mirror: Path) -> None:
    shutil.rmtree(mirror / "refs")


def truncate_pack(mirror: Path) -> None:
    repack(mirror)
    for pack in (mirror / "objects/pack").glob("*.pack"):
        pack.chmod(0o644)
        pack.write_bytes(pack.read_bytes()[:200])


def truncate_pack_index(mirror: Path) -> None:
    repack(mirror)
    for index in (mirror / "objects/pack").glob("*.idx"):
        index.chmod(0o644)
        index.write_bytes(index.read_bytes()[:100])


def flip_a_byte_in_the_pack(mirror: Path) -> None:
    repack(mirror)
    for pack in (mirror / "objects/pack").glob("*.pack"):
        pack.chmod(0o644)
        content = bytearray(pack.read_bytes())
        content[len(content) // 2] ^= 0xFF
        pack.write_bytes(content)


def repack(mirror: Path) -> None:
    git(mirror, "--git-dir=.", "repack", "-q", "-a", "-d")


def loosen(mirror: Path) -> list[Path]:
    """Turn packs into loose objects, and return those of files."""
    for pack in (mirror / "objects/pack").glob("*.pack"):
        outside = pack.rename(mirror / pack.name)
        git(mirror, "--git-dir=.", "unpack-objects", "-q", stdin=outside.read_bytes())
        outside.unlink()
    for rest in (mirror / "objects/pack").iterdir():
        rest.unlink()
    listing = git(mirror, "--git-dir=.", "ls-tree", "-r", "refs/remotes/origin/main")
    blobs = [line.split()[2] for line in listing.splitlines()]
    return [mirror / "objects" / blob[:2] / blob[2:] for blob in blobs]


def truncate_loose_file(mirror: Path) -> None:
    loose = loosen(mirror)[0]
    loose.chmod(0o644)
    loose.write_bytes(loose.read_bytes()[:5])


def empty_loose_file(mirror: Path) -> None:
    loose = loosen(mirror)[0]
    loose.chmod(0o644)
    loose.write_bytes(b"")


def lose_loose_file(mirror: Path) -> None:
    loosen(mirror)[0].unlink()


def lose_loose_commit(mirror: Path) -> None:
    loosen(mirror)
    commit = git(mirror, "--git-dir=.", "rev-parse", "refs/remotes/origin/main")
    (mirror / "objects" / commit[:2] / commit[2:]).unlink()


def lose_loose_tree(mirror: Path) -> None:
    loosen(mirror)
    tree = git(mirror, "--git-dir=.", "rev-parse", "refs/remotes/origin/main:overlays")
    (mirror / "objects" / tree[:2] / tree[2:]).unlink()


def garbage_config(mirror: Path) -> None:
    (mirror / "config").write_text("[core\ngarbage\x00")


def lose_config(mirror: Path) -> None:
    (mirror / "config").unlink()


def another_url(mirror: Path) -> None:
    git(mirror, "--git-dir=.", "config", "remote.origin.url", "file:///elsewhere.git")


def instead_of(mirror: Path) -> None:
    git(mirror, "--git-dir=.", "config", "url.file:///elsewhere.insteadOf", "file:///")


def garbage_ref(mirror: Path) -> None:
    ref = mirror / "refs/remotes/origin/main"
    ref.parent.mkdir(parents=True, exist_ok=True)
    ref.write_text("garbage\n")


def empty_ref(mirror: Path) -> None:
    ref = mirror / "refs/remotes/origin/main"
    ref.parent.mkdir(parents=True, exist_ok=True)
    ref.write_bytes(b"")


def garbage_packed_refs(mirror: Path) -> None:
    (mirror / "packed-refs").write_bytes(b"\xff\x00garbage")


def stale_locks(mirror: Path) -> None:
    for name in ("HEAD", "config", "shallow", "packed-refs", "index"):
        (mirror / f"{name}.lock").touch()
    lock = mirror / "refs/remotes/origin/main.lock"
    lock.parent.mkdir(parents=True, exist_ok=True)
    lock.touch()


def lose_everything(mirror: Path) -> None:
    shutil.rmtree(mirror)


def become_a_file(mirror: Path) -> None:
    shutil.rmtree(mirror)
    mirror.write_text("no folder\n")


DAMAGES = [
    lose_head,
    empty_head,
    wrong_head,
    lose_objects,
    empty_objects,
    lose_refs,
    truncate_pack,
    truncate_pack_index,
    flip_a_byte_in_the_pack,
    truncate_loose_file,
    empty_loose_file,
    lose_loose_file,
    lose_loose_commit,
    lose_loose_tree,
    garbage_config,
    lose_config,
    another_url,
    instead_of,
    garbage_ref,
    empty_ref,
    garbage_packed_refs,
    stale_locks,
    lose_everything,
    become_a_file,
]


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_mirror_heals_when_it_is_opened_and_fetched(
    tmp_path: Path, remote: Path, mirror: Mirror, damage: Callable[[Path], None]
) -> None:
    damage(mirror._path)
    newer = person_pushes(remote, {"new": "1"})
    again = opened(tmp_path, remote)
    again.fetch()
    assert again.tip(MAIN) == newer
    assert contents(again) == {**FILES, "new": "1"}
    git(mirror._path, "--git-dir=.", "fsck", "--strict")


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_mirror_damaged_under_way_heals_by_itself(
    remote: Path, mirror: Mirror, damage: Callable[[Path], None]
) -> None:
    before = mirror.tip(MAIN)
    damage(mirror._path)
    mirror.fetch()
    assert mirror.tip(MAIN) == before
    assert contents(mirror) == FILES
    commit = bump(mirror, "42")
    mirror.push(commit, BUMP, expected=None)
    assert tip_of(remote, f"refs/heads/{BUMP}") == commit


@pytest.mark.parametrize(
    "damage", [truncate_pack, truncate_loose_file, lose_loose_commit, lose_everything]
)
def test_a_mirror_damaged_between_two_reads_heals_by_itself(
    mirror: Mirror, damage: Callable[[Path], None]
) -> None:
    tip = mirror.tip(MAIN)
    assert tip is not None
    tree = mirror.read_tree(tip)
    damage(mirror._path)
    assert {path: tree.read(path).decode() for path in tree.entries} == FILES


def test_the_damaged_copy_is_kept_aside_once(mirror: Mirror) -> None:
    folder = mirror._path.parent
    for mark in ("one", "two"):
        (mirror._path / mark).touch()
        empty_head(mirror._path)
        mirror.fetch()
    names = sorted(path.name for path in folder.iterdir())
    assert names == ["mirror.git", "mirror.git.damaged", "mirror.git.lock"]
    assert (folder / "mirror.git.damaged" / "two").exists()


def test_a_damage_that_cannot_be_healed_is_a_mirror_error_or_the_remotes(
    mirror: Mirror, remote: Path
) -> None:
    tip = mirror.tip(MAIN)
    assert tip is not None
    shutil.rmtree(remote)
    empty_objects(mirror._path)
    with pytest.raises(GitError) as caught:
        mirror.read_tree(tip)
    assert caught.value.hint


def test_a_damage_that_comes_back_at_once_is_a_mirror_error(
    mirror: Mirror, remote: Path
) -> None:
    tip = mirror.tip(MAIN)
    assert tip is not None
    empty_objects(mirror._path)
    mirror.read_tree(tip)
    empty_objects(mirror._path)
    with pytest.raises(MirrorError) as caught:
        mirror.read_tree(tip)
    assert caught.value.retryable
    mirror.fetch()
    empty_objects(mirror._path)
    assert len(mirror.read_tree(tip).entries) == len(FILES)


def test_a_commit_lost_by_a_damage_is_made_again_as_it_was(
    mirror: Mirror, remote: Path
) -> None:
    lost = bump(mirror, "7")
    truncate_pack(mirror._path)
    with pytest.raises(GitopsError):
        mirror.push(lost, BUMP, expected=None)
    mirror.fetch()
    assert bump(mirror, "7") == lost
    mirror.push(lost, BUMP, expected=None)
    assert tip_of(remote, f"refs/heads/{BUMP}") == lost


def test_a_damage_found_while_pushing_is_healed_and_told(
    mirror: Mirror, remote: Path
) -> None:
    commit = bump(mirror, "800")
    words = ("rev-parse", f"{commit}:overlays/production/s1/config.env")
    blob = git(mirror._path, "--git-dir=.", *words)
    loose = mirror._path / "objects" / blob[:2] / blob[2:]
    loose.chmod(0o644)
    loose.write_bytes(loose.read_bytes()[:4])
    with pytest.raises(MirrorError, match="start anew") as caught:
        mirror.push(commit, BUMP, expected=None)
    assert caught.value.retryable
    assert tip_of(remote, f"refs/heads/{BUMP}") is None
    mirror.push(bump(mirror, "800"), BUMP, expected=None)
    assert tip_of(remote, f"refs/heads/{BUMP}") == commit


def test_the_mirror_of_another_remote_is_replaced(
    tmp_path: Path, mirror: Mirror
) -> None:
    other = make_remote(tmp_path / "other.git", {"other": "1"})
    assert contents(opened(tmp_path, other)) == {"other": "1"}


def test_many_openers_share_one_clone(tmp_path: Path, remote: Path) -> None:
    found: list[dict[str, str]] = []
    threads = [
        threading.Thread(
            target=lambda: found.append(contents(opened(tmp_path, remote)))
        )
        for _ in range(6)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [FILES] * 6
    assert not (tmp_path / "mirrors/mirror.git.damaged").exists()


def test_what_a_killed_clone_left_is_swept_up(tmp_path: Path, remote: Path) -> None:
    rest = tmp_path / "mirrors/mirror.git.new/objects"
    rest.mkdir(parents=True)
    (rest / "tmp_pack").touch()
    assert contents(opened(tmp_path, remote)) == FILES
    assert not rest.exists()


# --- pushing ---


def test_a_push_makes_the_branch(mirror: Mirror, remote: Path) -> None:
    commit = bump(mirror)
    mirror.push(commit, BUMP, expected=None)
    assert tip_of(remote, f"refs/heads/{BUMP}") == commit
    assert mirror.remote_tip(BUMP) == commit


def test_pushing_again_changes_nothing(mirror: Mirror, remote: Path) -> None:
    commit = bump(mirror)
    for _ in range(3):
        mirror.push(commit, BUMP, expected=None)
    assert tip_of(remote, f"refs/heads/{BUMP}") == commit


def test_a_branch_moves_from_where_it_was_seen(mirror: Mirror, remote: Path) -> None:
    first, second = bump(mirror, "1a"), bump(mirror, "2a")
    mirror.push(first, BUMP, expected=None)
    mirror.push(second, BUMP, expected=first)
    assert tip_of(remote, f"refs/heads/{BUMP}") == second


@pytest.mark.parametrize("has_fetched", [False, True])
def test_a_persons_commit_is_never_overwritten(
    mirror: Mirror, remote: Path, has_fetched: bool
) -> None:
    ours = bump(mirror, "1a")
    mirror.push(ours, BUMP, expected=None)
    theirs = person_pushes(remote, {"by-hand": "1"}, BUMP)
    if has_fetched:  # a bare lease would be defeated by this
        mirror.fetch()
    for expected in (ours, None):
        with pytest.raises(PushRejectedError, match=f"is at {theirs[:12]}"):
            mirror.push(bump(mirror, "2a"), BUMP, expected=expected)
    assert tip_of(remote, f"refs/heads/{BUMP}") == theirs


def test_a_branch_that_was_deleted_is_not_made_again(
    mirror: Mirror, remote: Path
) -> None:
    ours = bump(mirror, "1a")
    mirror.push(ours, BUMP, expected=None)
    git(remote, "update-ref", "-d", f"refs/heads/{BUMP}")
    with pytest.raises(PushRejectedError, match="gone"):
        mirror.push(bump(mirror, "2a"), BUMP, expected=ours)
    assert tip_of(remote, f"refs/heads/{BUMP}") is None


def push_at_once(
    mirrors: Sequence[Mirror], commits: Sequence[CommitId], branch: BranchName
) -> dict[CommitId, GitError | None]:
    """Let every mirror push its commit at the same moment; how each push ended."""
    barrier = threading.Barrier(len(mirrors))
    outcomes: dict[CommitId, GitError | None] = {}

    def push(mirror: Mirror, commit: CommitId) -> None:
        barrier.wait()
        try:
            mirror.push(commit, branch, expected=None)
            outcomes[commit] = None
        except GitError as error:
            outcomes[commit] = error

    pairs = zip(mirrors, commits, strict=True)
    threads = [threading.Thread(target=push, args=pair) for pair in pairs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return outcomes


def test_of_many_pushes_at_once_exactly_one_wins(tmp_path: Path, remote: Path) -> None:
    mirrors = [opened(tmp_path, remote, f"m{n}") for n in range(4)]
    for turn in range(6):
        branch = BranchName(f"race/{turn}")
        commits = [bump(mirror, f"{turn}-{n}") for n, mirror in enumerate(mirrors)]
        outcomes = push_at_once(mirrors, commits, branch)
        winners = [commit for commit, error in outcomes.items() if error is None]
        losers = [error for error in outcomes.values() if error is not None]
        assert winners == [tip_of(remote, f"refs/heads/{branch}")]
        assert [type(error) for error in losers] == [PushRejectedError] * 3


def test_the_same_commit_pushed_by_many_at_once_is_nobodys_error(
    tmp_path: Path, remote: Path
) -> None:
    mirrors = [opened(tmp_path, remote, f"m{n}") for n in range(4)]
    for turn in range(4):
        branch = BranchName(f"same/{turn}")
        commits = [bump(mirror, f"same {turn}") for mirror in mirrors]
        outcomes = push_at_once(mirrors, commits, branch)
        assert outcomes == {commits[0]: None}
        assert tip_of(remote, f"refs/heads/{branch}") == commits[0]


def test_a_push_whose_answer_was_lost_is_not_an_error(
    mirror: Mirror, remote: Path
) -> None:
    first, second = bump(mirror, "1a"), bump(mirror, "2a")
    mirror.push(first, BUMP, expected=None)
    mirror.push(second, BUMP, expected=first)
    mirror.push(second, BUMP, expected=first)
    assert tip_of(remote, f"refs/heads/{BUMP}") == second


def test_a_branch_that_somebody_is_moving_right_now_is_a_retryable_error(
    mirror: Mirror, remote: Path
) -> None:
    lock = remote / f"refs/heads/{BUMP}.lock"
    lock.parent.mkdir(parents=True)
    lock.touch()
    with pytest.raises(PushRejectedError, match="right now") as caught:
        mirror.push(bump(mirror), BUMP, expected=None)
    assert caught.value.retryable


def test_a_tag_with_the_branchs_name_is_no_obstacle(
    mirror: Mirror, remote: Path
) -> None:
    tagged = git(remote, "rev-parse", "main")
    git(remote, "update-ref", f"refs/tags/{BUMP}", tagged)
    git(remote, "update-ref", "refs/tags/main", tagged)
    newer = person_pushes(remote, {"new": "1"})
    mirror.fetch()
    assert (mirror.tip(MAIN), mirror.remote_tip(MAIN)) == (newer, newer)
    commit = bump(mirror)
    mirror.push(commit, BUMP, expected=None)
    assert tip_of(remote, f"refs/heads/{BUMP}") == commit
    assert tip_of(remote, f"refs/tags/{BUMP}") == tagged
    assert mirror.delete_remote_branch(BUMP, expected=commit)
    assert tip_of(remote, f"refs/tags/{BUMP}") == tagged


def test_a_branch_named_like_a_whole_ref_is_not_mistaken(
    mirror: Mirror, remote: Path
) -> None:
    tip = git(remote, "rev-parse", "main")
    git(remote, "update-ref", f"refs/heads/refs/heads/{BUMP}", tip)
    assert mirror.remote_tip(BUMP) is None


@pytest.mark.parametrize(
    ("standing", "wanted"), [("bump", "bump/acme"), ("bump/acme/x", "bump/acme")]
)
def test_a_branch_in_the_way_is_told_by_name(
    mirror: Mirror, remote: Path, standing: str, wanted: str
) -> None:
    person_pushes(remote, {"x": "1"}, standing)
    with pytest.raises(GitError, match=f"prefix blocked.*{standing}") as caught:
        mirror.push(bump(mirror), BranchName(wanted), expected=None)
    assert not caught.value.retryable
    assert standing in caught.value.hint


def test_a_rule_of_the_remote_is_told_in_its_words(
    mirror: Mirror, remote: Path
) -> None:
    hook = remote / "hooks/pre-receive"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text("#!/bin/sh\nprintf 'no \\033[31mbots\\033[0m here' >&2\nexit 1\n")
    hook.chmod(0o755)
    with pytest.raises(GitError, match="no bots here") as caught:
        mirror.push(bump(mirror), BUMP, expected=None)
    assert not isinstance(caught.value, PushRejectedError)
    assert "rule of the remote" in caught.value.hint


def test_a_commit_that_is_not_here_cannot_be_pushed(mirror: Mirror) -> None:
    with pytest.raises(GitError, match="not in the repository"):
        mirror.push(CommitId("1" * 40), BUMP, expected=None)


@pytest.mark.parametrize(
    "branch", ["-x", ":refs/heads/main", "+main", "a:b", "refs/heads/x", "a..b", "x\n"]
)
def test_hostile_branch_names_reach_no_refspec(
    mirror: Mirror, remote: Path, branch: str
) -> None:
    name = BranchName(branch)
    commit = bump(mirror)
    calls: list[Callable[[], object]] = [
        lambda: mirror.push(commit, name, expected=None),
        lambda: mirror.remote_tip(name),
        lambda: mirror.delete_remote_branch(name, expected=commit),
    ]
    for call in calls:
        with pytest.raises(InputError):
            call()
    assert git(remote, "for-each-ref", "--format=%(refname)") == "refs/heads/main"


def test_hostile_expectations_are_refused(mirror: Mirror) -> None:
    with pytest.raises(InputError):
        mirror.push(bump(mirror), BUMP, expected=CommitId("main"))


# --- deleting ---


def test_a_branch_is_deleted_only_where_it_was_seen(
    mirror: Mirror, remote: Path
) -> None:
    commit = bump(mirror)
    mirror.push(commit, BUMP, expected=None)
    assert not mirror.delete_remote_branch(BUMP, expected=bump(mirror, "other"))
    assert tip_of(remote, f"refs/heads/{BUMP}") == commit
    assert mirror.delete_remote_branch(BUMP, expected=commit)
    assert tip_of(remote, f"refs/heads/{BUMP}") is None
    assert not mirror.delete_remote_branch(BUMP, expected=commit)


def test_a_remote_that_forbids_deleting_says_so(mirror: Mirror, remote: Path) -> None:
    commit = bump(mirror)
    mirror.push(commit, BUMP, expected=None)
    git(remote, "config", "receive.denyDeletes", "true")
    with pytest.raises(GitError, match="does not let us delete"):
        mirror.delete_remote_branch(BUMP, expected=commit)


# --- secrets ---


def test_a_credential_is_in_no_file_and_no_message(
    tmp_path: Path, remote: Path
) -> None:
    credential = Credential(username="bot", secret="canary-4711")  # noqa: S106
    place = tmp_path / "mirrors/x.git"
    mirror = Mirror.open_or_clone(
        place, str(remote), credential=credential, allow_file=True
    )
    shutil.rmtree(remote)
    with pytest.raises(GitError) as caught:
        mirror.fetch()
    said = caught.value.message + caught.value.hint + repr(mirror.__dict__)
    files = b"".join(path.read_bytes() for path in place.rglob("*") if path.is_file())
    assert "canary-4711" not in said
    assert b"canary-4711" not in files
