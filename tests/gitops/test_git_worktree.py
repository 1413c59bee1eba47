"""git.worktree: a person's checkout is theirs."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from gitops.errors import GitError, InputError
from gitops.git import FastForwarded, LeftAlone, UpToDate, WorkTree
from gitops.model import BranchName
from tests.support.repos import (
    BOT,
    MAIN,
    NOON,
    commit_files,
    copy_remote,
    git,
    make_checkout,
    make_remote,
    person_of,
    person_pushes,
)
from tests.support.trees import read_files, write_files

FILES = {"a.txt": "a\n", "folder/b.txt": "b\n"}


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_remote(tmp_path_factory.mktemp("template") / "r.git", FILES)


@pytest.fixture
def remote(template: Path, tmp_path: Path) -> Path:
    return copy_remote(template, tmp_path / "r.git")


@pytest.fixture
def checkout(remote: Path, tmp_path: Path) -> Path:
    git(tmp_path, "clone", "-q", "--no-local", f"file://{remote}", "mine")
    return tmp_path / "mine"


def plain_files(root: Path) -> dict[str, bytes]:
    files = read_files(root)
    return {path: text for path, text in files.items() if not path.startswith(".git/")}


# --- finding and looking ---


def test_a_folder_that_is_no_checkout_is_refused_with_a_hint(tmp_path: Path) -> None:
    with pytest.raises(GitError, match="not a git checkout") as caught:
        WorkTree(tmp_path)
    assert "init" in caught.value.hint


def test_the_checkout_around_a_folder_is_found(checkout: Path) -> None:
    found = WorkTree.containing(checkout / "folder")
    assert found is not None
    assert found.root == checkout
    assert WorkTree.containing(checkout.parent) is None


def test_a_repository_hidden_in_the_files_is_not_taken(checkout: Path) -> None:
    bare = {"HEAD": "ref: refs/heads/x\n", "config": "", "objects/x": "", "refs/x": ""}
    write_files(checkout / "folder", bare)
    with pytest.raises(GitError):
        WorkTree(checkout / "folder")
    found = WorkTree.containing(checkout / "folder")
    assert found is not None
    assert found.root == checkout


def test_a_checkout_is_described(checkout: Path, remote: Path) -> None:
    work_tree = WorkTree(checkout)
    assert work_tree.origin_url() == f"file://{remote}"
    assert work_tree.current_branch() == MAIN
    assert work_tree.head() == git(checkout, "rev-parse", "HEAD")
    assert work_tree.is_clean()


def test_a_detached_checkout_is_on_no_branch(checkout: Path) -> None:
    git(checkout, "checkout", "-q", "--detach")
    assert WorkTree(checkout).current_branch() is None


def test_a_linked_work_tree_is_a_checkout_too(checkout: Path, tmp_path: Path) -> None:
    git(checkout, "worktree", "add", "-q", "-b", "other", str(tmp_path / "linked"))
    work_tree = WorkTree(tmp_path / "linked")
    assert work_tree.current_branch() == "other"
    assert work_tree.is_clean()
    assert WorkTree.containing(tmp_path / "linked/folder") is not None


def test_a_broken_checkout_is_a_git_error(checkout: Path) -> None:
    (checkout / ".git/HEAD").unlink()
    with pytest.raises(GitError):
        WorkTree(checkout).is_clean()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a folder away")
def test_a_checkout_of_another_user_is_a_git_error(checkout: Path) -> None:
    for path in (checkout, checkout / ".git"):
        os.chown(path, 12345, 12345)
    with pytest.raises(GitError, match="dubious ownership"):
        WorkTree(checkout).is_clean()
    assert isinstance(WorkTree(checkout).fast_forward(MAIN), LeftAlone)


def test_a_checkout_is_not_looked_for_above_its_root(
    checkout: Path, tmp_path: Path
) -> None:
    (checkout / "inner/.git").mkdir(parents=True)
    with pytest.raises(GitError):
        WorkTree(checkout / "inner").is_clean()


@pytest.mark.parametrize("change", ["edited", "staged", "removed"])
def test_a_changed_file_is_not_clean(checkout: Path, change: str) -> None:
    if change == "removed":
        (checkout / "a.txt").unlink()
    else:
        (checkout / "a.txt").write_text("mine\n")
    if change == "staged":
        git(checkout, "add", "a.txt")
    assert not WorkTree(checkout).is_clean()


def test_a_new_file_does_not_count_as_a_change(checkout: Path) -> None:
    (checkout / "notes.txt").write_text("mine\n")
    assert WorkTree(checkout).is_clean()


def test_looking_runs_nothing_that_the_checkout_names(
    checkout: Path, tmp_path: Path
) -> None:
    sentinel = tmp_path / "sentinel"
    program = f"touch {sentinel}; cat"
    (checkout / ".git/info").mkdir(exist_ok=True)
    (checkout / ".git/info/attributes").write_text("* filter=evil\nf* filter=a=b\n")
    for name in ("evil", "a=b"):
        for key in ("clean", "smudge", "process"):
            git(checkout, "config", f"filter.{name}.{key}", program)
        git(checkout, "config", f"filter.{name}.required", "true")
    for key in ("core.fsmonitor", "core.sshCommand", "core.pager", "diff.external"):
        git(checkout, "config", key, program)
    hook = checkout / ".git/hooks/post-index-change"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(f"#!/bin/sh\ntouch {sentinel}\n")
    hook.chmod(0o755)
    (checkout / "a.txt").touch()
    (checkout / "folder/b.txt").write_text("changed\n")
    work_tree = WorkTree(checkout)
    assert not work_tree.is_clean()
    work_tree.add_all_and_commit("x", author=BOT, at=NOON)
    assert not sentinel.exists()


# --- making ---


def test_a_new_checkout_commits_every_file_byte_for_byte(tmp_path: Path) -> None:
    files: dict[str, str | bytes] = {
        ".gitattributes": "*.txt text eol=crlf\n*.u working-tree-encoding=UTF-16\n",
        "lf.txt": "a\nb\n",
        "crlf.txt": b"a\r\nb\r\n",
        "x.u": "plain",
        "deep/down/ü.env": "A=1",
    }
    work_tree = WorkTree.init(tmp_path / "new", MAIN)
    write_files(tmp_path / "new", files)
    commit = work_tree.add_all_and_commit("First", author=BOT, at=NOON)
    assert work_tree.head() == commit
    assert work_tree.current_branch() == MAIN
    for path, text in files.items():
        wanted = text.encode() if isinstance(text, str) else text
        size = git(tmp_path / "new", "cat-file", "-s", f"{commit}:{path}")
        assert int(size) == len(wanted)


def test_the_commit_is_what_a_person_would_have_made(tmp_path: Path) -> None:
    files = {"a": "1", "b/c": "2", ".gitignore": "*.log\n", "x.log": "ignored"}
    person = make_checkout(tmp_path / "person", files)
    work_tree = WorkTree.init(tmp_path / "ours", MAIN)
    write_files(tmp_path / "ours", files)
    (tmp_path / "ours/b/c").chmod(0o755)
    (person / "b/c").chmod(0o755)
    git(person, "commit", "-q", "-a", "-m", "Executable")
    commit = work_tree.add_all_and_commit("First", author=BOT, at=NOON)
    ours = git(tmp_path / "ours", "rev-parse", f"{commit}^{{tree}}")
    assert ours == git(person, "rev-parse", "HEAD^{tree}")
    assert git(tmp_path / "ours", "status", "--porcelain") == ""


def test_the_same_files_make_the_same_commit(tmp_path: Path) -> None:
    commits = set()
    for name in ("one", "two"):
        work_tree = WorkTree.init(tmp_path / name, MAIN)
        write_files(tmp_path / name, {"a": "1"})
        commits.add(work_tree.add_all_and_commit("First", author=BOT, at=NOON))
    assert len(commits) == 1


def test_committing_again_without_a_change_makes_no_commit(checkout: Path) -> None:
    work_tree = WorkTree(checkout)
    head = work_tree.head()
    assert work_tree.add_all_and_commit("Nothing", author=BOT, at=NOON) == head
    assert work_tree.head() == head


def test_removed_and_new_files_are_committed(checkout: Path) -> None:
    before = git(checkout, "rev-parse", "HEAD")
    (checkout / "a.txt").unlink()
    write_files(checkout, {"new/n": "n"})
    commit = WorkTree(checkout).add_all_and_commit("Change", author=BOT, at=NOON)
    assert git(checkout, "ls-tree", "-r", "--name-only", commit).split("\n") == [
        "folder/b.txt",
        "new/n",
    ]
    assert git(checkout, "rev-parse", f"{commit}^") == before


def test_links_are_not_followed_when_files_are_committed(
    checkout: Path, tmp_path: Path
) -> None:
    (tmp_path / "secret").write_text("secret")
    (checkout / "link").symlink_to(tmp_path / "secret")
    write_files(checkout, {"new": "n"})
    commit = WorkTree(checkout).add_all_and_commit("Change", author=BOT, at=NOON)
    assert "link" not in git(checkout, "ls-tree", "-r", "--name-only", commit)


def test_a_file_name_of_two_lines_is_refused(checkout: Path) -> None:
    (checkout / "a\nb").write_text("x")
    with pytest.raises(GitError, match="more than one line"):
        WorkTree(checkout).add_all_and_commit("x", author=BOT, at=NOON)


def test_making_a_checkout_twice_keeps_the_first(checkout: Path) -> None:
    head = git(checkout, "rev-parse", "HEAD")
    assert WorkTree.init(checkout, BranchName("other")).head() == head


def test_a_new_checkout_has_no_commit_and_no_origin(tmp_path: Path) -> None:
    work_tree = WorkTree.init(tmp_path / "new", MAIN)
    assert work_tree.head() is None
    assert work_tree.origin_url() is None


def test_no_template_reaches_a_new_checkout(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hook = tmp_path / "template/hooks/pre-commit"
    hook.parent.mkdir(parents=True)
    hook.write_text("#!/bin/sh\n")
    monkeypatch.setenv("GIT_TEMPLATE_DIR", str(tmp_path / "template"))
    WorkTree.init(tmp_path / "new", MAIN)
    assert not list((tmp_path / "new").rglob("pre-commit"))


def test_the_origin_is_set_so_that_git_itself_can_use_it(
    tmp_path: Path, remote: Path
) -> None:
    work_tree = WorkTree.init(tmp_path / "new", MAIN)
    work_tree.set_origin(str(remote))
    work_tree.set_origin(str(remote))
    assert work_tree.origin_url() == str(remote)
    git(tmp_path / "new", "fetch", "-q")
    assert git(tmp_path / "new", "rev-parse", "origin/main")


@pytest.mark.parametrize("url", ["ext::sh -c x", "-x", "http://host/x", "a\nb"])
def test_a_hostile_origin_is_refused(checkout: Path, remote: Path, url: str) -> None:
    with pytest.raises(InputError):
        WorkTree(checkout).set_origin(url)
    assert WorkTree(checkout).origin_url() == f"file://{remote}"


# --- moving forward ---


def test_a_clean_checkout_that_is_behind_moves_forward(
    checkout: Path, remote: Path
) -> None:
    before = git(checkout, "rev-parse", "HEAD")
    newer = person_pushes(remote, {"a.txt": "newer\n", "new/n": "n"})
    (checkout / "notes.txt").write_text("mine\n")
    work_tree = WorkTree(checkout)
    assert work_tree.fast_forward(MAIN) == FastForwarded(before=before, after=newer)  # type: ignore[arg-type]
    assert (checkout / "a.txt").read_text() == "newer\n"
    assert (checkout / "notes.txt").read_text() == "mine\n"
    assert git(checkout, "status", "--porcelain") == "?? notes.txt"
    assert work_tree.fast_forward(MAIN) == UpToDate()


def test_links_are_checked_out_as_git_itself_would(
    checkout: Path, remote: Path
) -> None:
    person = person_of(remote)
    (person / "link").symlink_to("a.txt")
    person_pushes(remote, {"x": "1"})
    assert isinstance(WorkTree(checkout).fast_forward(MAIN), FastForwarded)
    assert (checkout / "link").is_symlink()
    assert git(checkout, "status", "--porcelain") == ""


def dirty(checkout: Path, remote: Path) -> str:
    person_pushes(remote, {"b": "1"})
    (checkout / "a.txt").write_text("mine\n")
    return "not committed"


def staged(checkout: Path, remote: Path) -> str:
    person_pushes(remote, {"b": "1"})
    write_files(checkout, {"staged": "mine\n"})
    git(checkout, "add", "staged")
    return "not committed"


def diverged(checkout: Path, remote: Path) -> str:
    person_pushes(remote, {"b": "1"})
    commit_files(checkout, {"mine": "1"}, "Mine")
    return "commits of its own"


def on_another_branch(checkout: Path, remote: Path) -> str:
    person_pushes(remote, {"b": "1"})
    git(checkout, "checkout", "-q", "-b", "feature")
    return "on the branch feature, not on main"


def detached(checkout: Path, remote: Path) -> str:
    person_pushes(remote, {"b": "1"})
    git(checkout, "checkout", "-q", "--detach")
    return "on no branch"


def in_the_way(checkout: Path, remote: Path) -> str:
    person_pushes(remote, {"new": "theirs"})
    (checkout / "new").write_text("mine, and not tracked")
    return "git refused"


def merging(checkout: Path, remote: Path) -> str:
    git(checkout, "checkout", "-q", "-b", "side")
    commit_files(checkout, {"side": "1"}, "Side")
    git(checkout, "checkout", "-q", "main")
    git(checkout, "merge", "-q", "--no-ff", "--no-commit", "side")
    person_pushes(remote, {"b": "1"})
    return "not committed"


def locked(checkout: Path, remote: Path) -> str:
    person_pushes(remote, {"b": "1"})
    (checkout / ".git/index.lock").touch()
    return "git refused"


def without_origin(checkout: Path, remote: Path) -> str:
    git(checkout, "remote", "remove", "origin")
    return "no origin"


def with_a_hostile_origin(checkout: Path, remote: Path) -> str:
    git(checkout, "config", "remote.origin.url", "ext::sh -c touch% sentinel")
    return "none that we use"


def with_a_lost_origin(checkout: Path, remote: Path) -> str:
    remote.rename(remote.with_name("away.git"))
    return "could not be fetched"


def with_a_broken_index(checkout: Path, remote: Path) -> str:
    (checkout / ".git/index").write_bytes(b"garbage")
    return "could not look"


@pytest.mark.parametrize(
    "arrange",
    [
        dirty,
        staged,
        diverged,
        on_another_branch,
        detached,
        in_the_way,
        merging,
        locked,
        without_origin,
        with_a_hostile_origin,
        with_a_lost_origin,
        with_a_broken_index,
    ],
)
def test_a_checkout_that_is_not_merely_behind_is_left_alone(
    checkout: Path, remote: Path, arrange: object
) -> None:
    assert callable(arrange)
    reason = arrange(checkout, remote)
    head = (checkout / ".git/HEAD").read_text()
    tip = git(checkout, "rev-parse", "HEAD")
    before = plain_files(checkout)
    result = WorkTree(checkout).fast_forward(MAIN)
    assert isinstance(result, LeftAlone)
    assert reason in result.reason
    assert str(checkout.parent) not in result.reason
    assert plain_files(checkout) == before
    assert (checkout / ".git/HEAD").read_text() == head
    assert git(checkout, "rev-parse", "HEAD") == tip


def test_a_checkout_without_commits_is_left_alone(tmp_path: Path) -> None:
    result = WorkTree.init(tmp_path / "new", MAIN).fast_forward(MAIN)
    assert result == LeftAlone("it has no commit yet")


def test_hooks_and_filters_do_not_run_on_the_way_forward(
    checkout: Path, remote: Path, tmp_path: Path
) -> None:
    sentinel = tmp_path / "sentinel"
    for name in ("post-merge", "post-checkout", "reference-transaction"):
        hook = checkout / ".git/hooks" / name
        hook.parent.mkdir(exist_ok=True)
        hook.write_text(f"#!/bin/sh\ntouch {sentinel}\n")
        hook.chmod(0o755)
    git(checkout, "config", "filter.evil.smudge", f"touch {sentinel}; cat")
    person_pushes(remote, {".gitattributes": "* filter=evil\n", "new": "n"})
    # a person without the filter may commit the attribute; the checkout has both
    assert isinstance(WorkTree(checkout).fast_forward(MAIN), FastForwarded)
    assert (checkout / "new").read_text() == "n"
    assert not sentinel.exists()


def sign(remote: Path) -> None:
    """Give the tip of main a signature: none that holds, but one to be looked at."""
    head, _, message = git(remote, "cat-file", "commit", "main").partition("\n\n")
    frame = "-----{} PGP SIGNATURE-----"
    signature = f"gpgsig {frame.format('BEGIN')}\n \n AAAA\n {frame.format('END')}\n"
    signed = f"{head}\n{signature}\n{message}\n".encode()
    commit = git(remote, "hash-object", "-t", "commit", "-w", "--stdin", stdin=signed)
    git(remote, "update-ref", "refs/heads/main", commit)


@pytest.mark.parametrize(
    "settings",
    [
        {"remote.ORIGIN.uploadpack": "PROGRAM"},
        {"core.alternateRefsCommand": "PROGRAM"},
        {"merge.verifySignatures": "true", "gpg.program": "PROGRAM"},
        {"branch.main.mergeOptions": "--verify-signatures", "gpg.program": "PROGRAM"},
        {"url.ext::PROGRAM .insteadOf": "ORIGIN"},
        {"include.path": "INCLUDED"},
    ],
    ids=lambda settings: next(iter(settings)),
)
def test_moving_forward_runs_no_program_that_the_configuration_names(
    checkout: Path, remote: Path, tmp_path: Path, settings: dict[str, str]
) -> None:
    sentinel, program = tmp_path / "sentinel", tmp_path / "program"
    program.write_text(f'#!/bin/sh\ntouch {sentinel}\nexec git-upload-pack "$@"\n')
    program.chmod(0o755)
    origin = f"file://{remote}"
    included = tmp_path / "included"
    included.write_text(f'[remote "{origin}"]\n\tuploadpack = {program}\n')
    for key, value in settings.items():
        words = [key, value]
        for name, real in (
            ("ORIGIN", origin),
            ("PROGRAM", program),
            ("INCLUDED", included),
        ):
            words = [word.replace(name, str(real)) for word in words]
        git(checkout, "config", *words)
    git(tmp_path, "init", "-q", "--bare", "other.git")
    alternates = checkout / ".git/objects/info/alternates"
    alternates.parent.mkdir(exist_ok=True)
    alternates.write_text(f"{tmp_path}/other.git/objects\n")
    person_pushes(remote, {"a.txt": "new\n"})
    sign(remote)
    WorkTree(checkout).fast_forward(MAIN)
    assert not sentinel.exists()


def test_a_signed_commit_is_moved_forward_to_like_any_other(
    checkout: Path, remote: Path
) -> None:
    git(checkout, "config", "merge.verifySignatures", "true")
    person_pushes(remote, {"a.txt": "new\n"})
    sign(remote)
    assert isinstance(WorkTree(checkout).fast_forward(MAIN), FastForwarded)


def test_a_hostile_branch_name_is_refused(checkout: Path) -> None:
    with pytest.raises(InputError):
        WorkTree(checkout).fast_forward(BranchName("--upload-pack=x"))
