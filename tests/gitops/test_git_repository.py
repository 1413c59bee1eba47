"""git.repository: trees, history and new commits, whatever the files pretend to be."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from gitops.errors import GitError, InputError, TreeError
from gitops.git import BareRepository, LazyBlobs, Repository, blobs as blobs_module
from gitops.git.blobs import MAX_BLOB
from gitops.git.repository import checked_commit
from gitops.model import BlobId, BranchName, CommitId, Entry, Mode, blob_id
from tests.support.repos import (
    BOT,
    MAIN,
    NOON,
    commit_files,
    copy_remote,
    git,
    make_remote,
    person_of,
    person_pushes,
    removed,
    tip_of,
    tree_id,
    wrote,
)

FILES = {
    "gitops.yaml": "branch: main\n",
    "base/kustomization.yaml": "resources: []\n",
    "overlays/production/acme/config.env": "A=1\n",
    "overlays/production/acme/kustomization.yaml": "images: []\n",
    "overlays/production/umlaut-ü": "x",
}
NOWHERE = CommitId("1" * 40)


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_remote(tmp_path_factory.mktemp("template") / "r.git", FILES)


@pytest.fixture
def remote(template: Path, tmp_path: Path) -> Path:
    return copy_remote(template, tmp_path / "r.git")


@pytest.fixture
def repository(remote: Path) -> Repository:
    return BareRepository(remote)


@pytest.fixture
def tip(remote: Path) -> CommitId:
    found = tip_of(remote, "refs/heads/main")
    assert found is not None
    return found


def commit(
    repository: Repository, tip: CommitId, *edits: object, message: str = "Bump"
) -> CommitId:
    return repository.commit(
        tree_of=tip,
        edits=edits,  # type: ignore[arg-type]  # FileEdits
        parents=(tip,),
        message=message,
        author=BOT,
        at=NOON,
    )


# --- reading ---


def test_a_tree_holds_every_file_with_its_bytes(
    repository: Repository, tip: CommitId
) -> None:
    tree = repository.read_tree(tip)
    assert {path: tree.read(path).decode() for path in tree.entries} == FILES
    assert tree.commit == tip


def test_links_submodules_and_programs_are_told_by_their_modes(
    remote: Path, repository: Repository
) -> None:
    person = person_of(remote)
    (person / "link").symlink_to("/etc/passwd")
    (person / "tool").write_text("#!/bin/sh\n")
    (person / "tool").chmod(0o755)
    entry = f"160000,{NOWHERE},module"
    git(person, "update-index", "--add", "--cacheinfo", entry)
    git(person, "add", "link", "tool")
    git(person, "commit", "-q", "-m", "Odd files")
    git(person, "push", "-q", "origin", "HEAD:main")
    tree = repository.read_tree(CommitId(git(person, "rev-parse", "HEAD")))
    assert tree.entries["link"] == Entry(Mode.SYMLINK, blob_id(b"/etc/passwd"))
    assert tree.entries["tool"].mode is Mode.EXECUTABLE
    assert tree.entries["module"] == Entry(Mode.SUBMODULE, BlobId(NOWHERE))
    for path in ("link", "module"):
        with pytest.raises(TreeError):
            tree.read(path)


def test_attributes_of_the_repository_change_no_byte(
    remote: Path, repository: Repository, tmp_path: Path
) -> None:
    sentinel = tmp_path / "sentinel"
    attributes = "f.txt text eol=crlf working-tree-encoding=UTF-16 filter=x ident\n"
    base = person_pushes(remote, {".gitattributes": attributes})
    for key in ("clean", "smudge", "process"):
        git(remote, "config", f"filter.x.{key}", f"touch {sentinel}")
    done = commit(repository, base, wrote("f.txt", "b\n$Id$\n"))
    assert repository.read_tree(done).read("f.txt") == b"b\n$Id$\n"
    assert git(remote, "cat-file", "blob", f"{done}:f.txt") == "b\n$Id$"
    assert not sentinel.exists()


def test_names_that_are_no_utf8_are_listed_and_harmless(
    remote: Path, repository: Repository
) -> None:
    blob = git(remote, "hash-object", "-w", "--stdin", stdin=b"x")
    tree = git(
        remote, "mktree", "-z", stdin=f"100644 blob {blob}\tb".encode() + b"\xff\0"
    )
    made = CommitId(git(remote, "commit-tree", tree, "-m", "x"))
    assert list(repository.read_tree(made).entries) == ["b\\xff"]
    after = commit(repository, made, wrote("a", "1"))
    names = git(remote, "ls-tree", "--name-only", after)
    assert names == 'a\n"b\\377"'


def test_many_blobs_are_loaded_together_and_kept(
    remote: Path, repository: Repository, tip: CommitId
) -> None:
    blobs = repository.read_tree(tip).blobs
    assert isinstance(blobs, LazyBlobs)
    blobs.load(blobs)
    remote.rename(remote.with_name("gone"))
    assert {blobs[key] for key in blobs} == {text.encode() for text in FILES.values()}
    assert len(blobs) == len(FILES)


def test_a_file_that_is_too_large_is_never_read(
    remote: Path, repository: Repository
) -> None:
    tip = person_pushes(
        remote, {"z": b"z" * (MAX_BLOB + 1), "limit": b"l" * MAX_BLOB, "b": "b"}
    )
    tree = repository.read_tree(tip)
    tree.prefetch(["b", "z", "limit"])
    remote.rename(remote.with_name("gone"))
    assert len(tree.read("limit")) == MAX_BLOB
    assert tree.read("b") == b"b"
    with pytest.raises(TreeError, match="z: is larger than 1048576 bytes") as caught:
        tree.read("z")
    assert caught.value.hint


def test_a_file_that_is_too_large_is_not_read_from_history_either(
    remote: Path, repository: Repository
) -> None:
    tip = person_pushes(remote, {"z": b"z" * (MAX_BLOB + 1), "b": "b"})
    assert repository.blobs_at([(tip, "z"), (tip, "b")]) == (None, b"b")


def test_no_more_is_loaded_ahead_than_memory_shall_hold(
    remote: Path, repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(blobs_module, "MAX_AHEAD", 20)
    files = {f"f{number}": f"{number}" * 9 for number in range(9)}
    tree = repository.read_tree(person_pushes(remote, files))
    tree.prefetch(files)
    remote.rename(remote.with_name("gone"))
    assert [tree.read(path) for path in ("f0", "f1")] == [b"0" * 9, b"1" * 9]
    with pytest.raises(GitError):
        tree.read("f2")
    remote.with_name("gone").rename(remote)
    assert {p: tree.read(p).decode() for p in files} == files


def test_asking_what_a_tree_holds_reads_nothing(
    remote: Path, repository: Repository, tip: CommitId
) -> None:
    tree = repository.read_tree(tip)
    remote.rename(remote.with_name("gone"))
    blob = tree.entries["gitops.yaml"].blob
    assert blob in tree.blobs
    assert BlobId(NOWHERE) not in tree.blobs
    with pytest.raises(KeyError):
        tree.blobs[BlobId(NOWHERE)]
    with pytest.raises(GitError):
        tree.read("gitops.yaml")


@pytest.mark.parametrize(
    "value", ["main", "HEAD", "-x", "--all", NOWHERE + "\n", "1" * 39, "A" * 40, ""]
)
def test_only_full_commit_ids_are_commit_ids(
    repository: Repository, value: str
) -> None:
    with pytest.raises(InputError):
        checked_commit(value)
    with pytest.raises(InputError):
        repository.read_tree(CommitId(value))


def test_a_commit_that_is_not_here_is_a_git_error(repository: Repository) -> None:
    with pytest.raises(GitError, match="111111111111 is not in the repository"):
        repository.read_tree(NOWHERE)


def test_a_blob_is_no_commit(repository: Repository, tip: CommitId) -> None:
    blob = repository.read_tree(tip).entries["gitops.yaml"].blob
    with pytest.raises(GitError):
        repository.read_tree(CommitId(blob))


def test_replaced_and_grafted_history_is_not_believed(
    remote: Path, repository: Repository, tip: CommitId
) -> None:
    forged = person_pushes(remote, {"gitops.yaml": "forged: true\n"}, "forged")
    git(remote, "replace", tip, forged)
    (remote / "info").mkdir(exist_ok=True)
    (remote / "info" / "grafts").write_text(f"{forged}\n")
    assert repository.read_tree(tip).read("gitops.yaml") == b"branch: main\n"
    assert repository.history(forged)[-1].id == tip


def test_hooks_of_the_repository_never_run(
    remote: Path, repository: Repository, tip: CommitId, tmp_path: Path
) -> None:
    sentinel = tmp_path / "sentinel"
    for hooks in (remote / "hooks", tmp_path / "elsewhere"):
        hooks.mkdir(exist_ok=True)
        for name in ("reference-transaction", "post-index-change", "pre-commit"):
            (hooks / name).write_text(f"#!/bin/sh\ntouch {sentinel}\n")
            (hooks / name).chmod(0o755)
    assert isinstance(repository, BareRepository)
    done = commit(repository, tip, wrote("a", "1"))
    repository.update_ref(MAIN, done, expected=tip)
    git(remote, "config", "core.hooksPath", str(tmp_path / "elsewhere"))
    repository.update_ref(MAIN, tip, expected=done)
    assert not sentinel.exists()
    git(remote, "update-ref", "refs/heads/main", done)
    assert sentinel.exists(), "the hooks of this test would not have run anyway"


# --- single files ---


def test_single_files_of_many_commits_are_read_at_once(
    remote: Path, repository: Repository, tip: CommitId
) -> None:
    newer = person_pushes(remote, {"gitops.yaml": "branch: trunk\n"})
    places = [(tip, "gitops.yaml"), (newer, "gitops.yaml"), (tip, "no"), (tip, "base")]
    assert repository.blobs_at(places) == (
        b"branch: main\n",
        b"branch: trunk\n",
        None,
        None,
    )
    assert repository.blobs_at([]) == ()


def test_one_file_of_a_commit_is_read(repository: Repository, tip: CommitId) -> None:
    assert repository.blob_at(tip, "overlays/production/umlaut-ü") == b"x"
    with pytest.raises(GitError):
        repository.blob_at(NOWHERE, "gitops.yaml")
    with pytest.raises(TreeError):
        repository.blob_at(tip, "../x")


# --- history ---


def test_history_is_told_newest_first(
    remote: Path, repository: Repository, tip: CommitId
) -> None:
    newer = person_pushes(remote, {"x": "1"}, message="Añadir € ü\n\nBody")
    found = repository.history(MAIN)
    assert [logged.id for logged in found] == [newer, tip]
    assert found[0].subject == "Añadir € ü"
    assert found[0].author == "Ann Example"
    assert found[0].at == datetime(2025, 3, 1, 9, tzinfo=UTC)
    assert (found[0].parents, found[1].parents) == ((tip,), ())
    assert repository.history(newer) == found
    assert repository.history(MAIN, limit=1) == found[:1]


def test_history_of_a_path_holds_only_its_changes(
    remote: Path, repository: Repository, tip: CommitId
) -> None:
    person_pushes(remote, {"other": "1"})
    bump = person_pushes(remote, {"overlays/production/acme/config.env": "A=2\n"})
    found = repository.history(MAIN, ["overlays/production/acme"])
    assert [logged.id for logged in found] == [bump, tip]
    assert repository.history(MAIN, ["nowhere"]) == ()


def test_pathspec_magic_is_only_a_name(remote: Path, repository: Repository) -> None:
    odd = person_pushes(remote, {":(top)*": "1", "plain": "2"})
    assert [each.id for each in repository.history(MAIN, [":(top)*"])] == [odd]
    assert repository.history(MAIN, ["*"]) == ()


def test_the_branch_itself_is_followed_where_asked(
    remote: Path, repository: Repository, tip: CommitId
) -> None:
    assert isinstance(repository, BareRepository)
    side = commit(repository, tip, wrote("a", "1"))
    merge = repository.merge_commit(tip, side, "Merge", BOT, NOON)
    assert isinstance(merge, str)
    assert [c.id for c in repository.history(merge, first_parent=True)] == [merge, tip]
    found = repository.history(merge, ["a"], first_parent=True)
    assert [c.id for c in found] == [merge]
    assert repository.first_parent(merge) == tip
    assert repository.first_parent(tip) is None


def test_history_of_an_unknown_branch_is_a_git_error(repository: Repository) -> None:
    with pytest.raises(GitError, match="no branch nothing"):
        repository.history(BranchName("nothing"))
    with pytest.raises(InputError):
        repository.history(BranchName("--output=/tmp/x"))


def test_odd_authors_and_subjects_do_not_break_the_history(
    remote: Path, repository: Repository
) -> None:
    env = {"GIT_AUTHOR_NAME": "a\x1fb \x1b[31m", "GIT_COMMITTER_DATE": "@0 +1400"}
    tree = tree_id(remote, "main")
    raw = git(remote, "commit-tree", tree, "-F", "-", stdin=b"\xff\n\nx", env=env)
    (logged,) = repository.history(CommitId(raw))
    assert logged.subject == "ÿ"  # git takes it for Latin-1
    assert logged.at == datetime(1970, 1, 1, tzinfo=UTC)


def test_ancestry_is_told(remote: Path, repository: Repository, tip: CommitId) -> None:
    one = commit(repository, tip, wrote("a", "1"))
    other = commit(repository, tip, wrote("b", "1"))
    alone = repository.commit(
        tree_of=None,
        edits=[wrote("a", "1")],
        parents=(),
        message="x",
        author=BOT,
        at=NOON,
    )
    assert repository.is_ancestor(tip, one)
    assert repository.is_ancestor(one, one)
    assert not repository.is_ancestor(one, other)
    assert repository.merge_base(one, other) == tip
    assert repository.merge_base(MAIN, other) == tip
    assert repository.merge_base(one, alone) is None
    with pytest.raises(GitError):
        repository.is_ancestor(NOWHERE, one)


# --- branches ---


def test_branches_are_listed_below_a_folder(
    repository: Repository, tip: CommitId
) -> None:
    assert isinstance(repository, BareRepository)
    for name in ("bot/production/acme", "bot/staging/acme", "bottom"):
        repository.update_ref(BranchName(name), tip, expected=None)
    assert list(repository.branches("bot")) == [
        "bot/production/acme",
        "bot/staging/acme",
    ]
    assert set(repository.branches()) > {"main", "bottom"}
    assert repository.branches("none") == {}


@pytest.mark.parametrize(
    "name",
    [
        "-x",
        "--orphan=x",
        ":refs/heads/main",
        "+main",
        "a:b",
        "HEAD",
        "@",
        "@{-1}",
        "refs/heads/x",
        "a..b",
        "x.lock",
        "$(id)",
        "`id`",
        "a\nb",
        "a\u202eb",
        "x" * 300,
        "main ",
        "main~1",
        "main^{tree}",
        "*",
        "",
    ],
)
def test_hostile_branch_names_are_refused(repository: Repository, name: str) -> None:
    with pytest.raises(InputError):
        repository.tip(BranchName(name))


def test_a_branch_that_is_not_there_has_no_tip(repository: Repository) -> None:
    assert repository.tip(BranchName("mai")) is None


def test_a_folder_of_branches_has_no_tip(repository: Repository, tip: CommitId) -> None:
    assert isinstance(repository, BareRepository)
    repository.update_ref(BranchName("bot/x"), tip, expected=None)
    assert repository.tip(BranchName("bot")) is None


# --- writing ---


def test_a_commit_made_again_is_the_same_commit(
    tmp_path: Path, repository: Repository, tip: CommitId
) -> None:
    again = BareRepository(make_remote(tmp_path / "again.git", FILES))
    edits = (wrote("overlays/production/acme/config.env", "A=2\n"), removed("base"))
    first = commit(repository, tip, *edits)
    assert {first, commit(repository, tip, *edits), commit(again, tip, *edits)} == {
        first
    }


def test_a_commit_is_what_a_person_would_have_made(
    remote: Path, repository: Repository, tip: CommitId
) -> None:
    person = person_of(remote)
    (person / "overlays/production/acme/kustomization.yaml").unlink()
    files = {
        "overlays/production/acme/config.env": "A=2\n",
        "overlays/staging/very/deep/down/config.env": "B=1\n",
        "overlays.yaml": "sorts between folder and file\n",
        "new": "n",
    }
    commit_files(person, files, "By hand")
    done = commit(
        repository,
        tip,
        *(wrote(path, text) for path, text in files.items()),
        removed("overlays/production/acme/kustomization.yaml"),
    )
    assert tree_id(remote, done) == tree_id(person, "HEAD")


def test_a_commit_says_who_when_and_after_what(
    remote: Path, repository: Repository, tip: CommitId
) -> None:
    done = commit(repository, tip, wrote("a", "1"), message="Bump acme\n\nWhy")
    raw = git(remote, "cat-file", "commit", done)
    seconds = int(NOON.timestamp())
    who = f"Directus GitOps <bot@example.com> {seconds} +0000"
    assert raw.splitlines()[1:] == [
        f"parent {tip}",
        f"author {who}",
        f"committer {who}",
        "",
        "Bump acme",
        "",
        "Why",
    ]


def test_another_time_is_another_commit(repository: Repository, tip: CommitId) -> None:
    later = repository.commit(
        tree_of=tip,
        edits=[wrote("a", "1")],
        parents=(tip,),
        message="Bump",
        author=BOT,
        at=NOON + timedelta(seconds=1),
    )
    assert later != commit(repository, tip, wrote("a", "1"))


def test_a_new_commit_is_on_no_branch_and_leaves_no_file(
    remote: Path, repository: Repository, tip: CommitId
) -> None:
    done = commit(repository, tip, wrote("a", "1"))
    assert done not in repository.branches().values()
    assert not list(remote.rglob("*.lock"))
    assert not list(remote.rglob("tmp_*"))
    assert not (remote / "index").exists()


def test_a_thousand_new_files_are_one_pack(
    remote: Path, repository: Repository, tip: CommitId
) -> None:
    edits = [wrote(f"o/{n % 40}/{n}", f"{n}") for n in range(1000)]
    done = commit(repository, tip, *edits)
    assert len(list((remote / "objects/pack").glob("*.pack"))) == 1
    tree = repository.read_tree(done)
    assert tree.read("o/39/999") == b"999"
    assert len(tree.entries) == len(FILES) + 1000


def test_what_was_written_is_sound(
    remote: Path, repository: Repository, tip: CommitId
) -> None:
    done = commit(repository, tip, wrote("x/y/z", "1"), removed("gitops.yaml"))
    git(remote, "update-ref", "refs/heads/check", done)
    git(remote, "fsck", "--strict", "--full")


def test_a_commit_needs_its_parents(repository: Repository, tip: CommitId) -> None:
    with pytest.raises(GitError):
        repository.commit(
            tree_of=tip, edits=[], parents=(NOWHERE,), message="x", author=BOT, at=NOON
        )
    with pytest.raises(GitError):
        repository.commit(
            tree_of=NOWHERE, edits=[], parents=(tip,), message="x", author=BOT, at=NOON
        )


# --- merging files ---


def test_changes_at_different_places_merge(repository: Repository) -> None:
    base = b"".join(b"%d\n" % n for n in range(12))
    merged = repository.merge_file(
        base,
        base.replace(b"1\n", b"one\n", 1),
        base.replace(b"9\n", b"nine\n"),
        labels=("yours", "before", "new"),
    )
    assert not merged.conflicted
    assert b"one\n" in merged.content
    assert b"nine\n" in merged.content


def test_changes_at_one_place_leave_markers(repository: Repository) -> None:
    merged = repository.merge_file(
        b"a\n", b"b\n", b"c\n", labels=("yours", "before", "new release")
    )
    assert merged.conflicted
    assert merged.content == b"<<<<<<< yours\nb\n=======\nc\n>>>>>>> new release\n"


def test_bytes_that_are_no_text_are_not_merged(repository: Repository) -> None:
    with pytest.raises(GitError, match="cannot be merged"):
        repository.merge_file(b"\0", b"\0a", b"\0b", labels=("a", "b", "c"))


def test_a_label_of_several_lines_is_refused(repository: Repository) -> None:
    with pytest.raises(InputError):
        repository.merge_file(b"", b"", b"", labels=("a\nb", "b", "c"))
