"""git.objects: our bytes are git's bytes."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings, strategies as st

from gitops.errors import InputError, TreeError
from gitops.git import Identity
from gitops.git.objects import GitObject, TreeWriter, commit_object, pack
from gitops.model import CommitId, FileEdit, Mode, blob_id
from tests.support.repos import BOT, NOON, git, make_checkout, removed, wrote

PARTS = ["a", "b", "a-b", "a.b", "a0", "A", "é", "z z"]


@pytest.fixture(scope="module")
def scratch(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("objects") / "r.git"
    git(folder.parent, "init", "--quiet", "--bare", "--template=", str(folder))
    return folder


def listing_of(scratch: Path, files: Mapping[str, bytes]) -> tuple[str, bytes]:
    """Let git write a tree through an index of its own, and list it."""
    index = {"GIT_INDEX_FILE": str(scratch / "index.test")}
    (scratch / "index.test").unlink(missing_ok=True)
    lines = "".join(f"100644 {blob_id(b)}\t{p}\0" for p, b in files.items())
    git(scratch, "update-index", "-z", "--index-info", stdin=lines.encode(), env=index)
    tree = git(scratch, "write-tree", "--missing-ok", env=index)
    listing = git(scratch, "ls-tree", "-r", "-t", "-z", tree).encode()
    return tree, listing


paths = st.lists(st.sampled_from(PARTS), min_size=1, max_size=4).map("/".join)
contents = st.binary(max_size=8)


def without_collisions(files: dict[str, bytes]) -> dict[str, bytes]:
    """Drop files that are below another file."""
    return {
        path: content
        for path, content in files.items()
        if not any(path.startswith(f"{other}/") for other in files)
    }


@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    before=st.dictionaries(paths, contents, max_size=12).map(without_collisions),
    data=st.data(),
)
def test_the_tree_after_edits_is_the_one_that_git_writes(
    scratch: Path, before: dict[str, bytes], data: st.DataObject
) -> None:
    gone = data.draw(st.sets(st.sampled_from(sorted(before)))) if before else set()
    kept = {path: text for path, text in before.items() if path not in gone}
    added = data.draw(st.dictionaries(paths, contents, max_size=6))
    folders = {
        "/".join(path.split("/")[:depth])
        for path in before
        for depth in range(1, path.count("/") + 1)
    }
    after = kept.copy()
    for path, text in added.items():
        apart = not any(
            path.startswith(f"{other}/") or other.startswith(f"{path}/")
            for other in after
        )
        if apart and path not in folders:
            after[path] = text
    edits = [removed(path) for path in sorted(gone)]
    edits += [wrote(path, text) for path, text in after.items()]
    _, listing = listing_of(scratch, before)
    wanted, _ = listing_of(scratch, after)
    assert TreeWriter(listing, edits).write()[0] == wanted


def test_only_the_folders_on_the_way_are_written(scratch: Path) -> None:
    before = {f"{a}/{b}/f": b"x" for a in "abc" for b in "xyz"}
    _, listing = listing_of(scratch, before)
    _, objects = TreeWriter(listing, [wrote("b/y/f", "new")]).write()
    assert [item.kind for item in objects] == [b"blob", b"tree", b"tree", b"tree"]


def test_a_folder_without_files_is_gone(scratch: Path) -> None:
    _, listing = listing_of(scratch, {"a/b/c/f": b"x", "g": b"g"})
    wanted, _ = listing_of(scratch, {"g": b"g"})
    assert TreeWriter(listing, [removed("a/b/c/f")]).write()[0] == wanted


def test_removing_what_is_not_there_changes_nothing(scratch: Path) -> None:
    before, listing = listing_of(scratch, {"a/f": b"x"})
    edits = [removed("a/g"), removed("n/o/p"), removed("a")]
    assert TreeWriter(listing, edits).write()[0] == before


def test_a_file_may_make_room_for_a_folder(scratch: Path) -> None:
    _, listing = listing_of(scratch, {"a": b"x"})
    wanted, _ = listing_of(scratch, {"a/b": b"y"})
    edits = [wrote("a/b", "y"), removed("a")]
    assert TreeWriter(listing, edits).write()[0] == wanted


def test_the_last_edit_of_a_path_counts(scratch: Path) -> None:
    wanted, _ = listing_of(scratch, {"a": b"2"})
    assert TreeWriter(b"", [wrote("a", "1"), wrote("a", "2")]).write()[0] == wanted


def odd_listing(mode: str, path: str) -> bytes:
    kind = {"160000": "commit", "040000": "tree"}.get(mode, "blob")
    return f"{mode} {kind} {'1' * 40}\t{path}\0".encode()


@pytest.mark.parametrize("mode", ["120000", "160000", "040000"])
def test_a_link_a_submodule_or_a_folder_is_not_overwritten(mode: str) -> None:
    with pytest.raises(TreeError, match="a: a folder, link or submodule"):
        TreeWriter(odd_listing(mode, "a"), [wrote("a", "x")])


@pytest.mark.parametrize("mode", ["120000", "160000", "100644"])
def test_nothing_is_written_through_what_is_no_folder(mode: str) -> None:
    with pytest.raises(TreeError, match="a/b/c: a is not a folder"):
        TreeWriter(odd_listing(mode, "a"), [wrote("a/b/c", "x")])


def test_a_link_may_be_removed() -> None:
    listing = odd_listing("120000", "a") + odd_listing("100644", "b")
    tree, _ = TreeWriter(listing, [removed("a")]).write()
    assert tree == TreeWriter(odd_listing("100644", "b"), []).write()[0]


def test_only_plain_files_are_written() -> None:
    edit = FileEdit(path="a", before=None, after=b"/etc/passwd", mode=Mode.SYMLINK)
    with pytest.raises(TreeError):
        TreeWriter(b"", [edit])


@pytest.mark.parametrize(
    "path", ["../x", "/x", "a//b", ".git/config", "a/.GIT/x", "git~1/x", "a\nb", ""]
)
def test_paths_that_leave_the_repository_are_refused(path: str) -> None:
    with pytest.raises(TreeError):
        TreeWriter(b"", [wrote(path, "x")])


def test_the_modes_of_untouched_files_stay(scratch: Path) -> None:
    listing = odd_listing("100755", "tool") + odd_listing("100664", "old")
    _, objects = TreeWriter(listing, [wrote("new", "x")]).write()
    assert b"100755 tool\0" in objects[-1].content
    assert b"100664 old\0" in objects[-1].content


# --- commits ---


@pytest.mark.parametrize(
    "message",
    [
        "Bump acme",
        "Bump acme\n",
        "Subject\n\nBody: ü € 🙂\n\nTrailer: x\n",
        "# not cut",
    ],
)
def test_a_commit_is_what_commit_tree_writes(tmp_path: Path, message: str) -> None:
    checkout = make_checkout(tmp_path / "c", {"a": "a"})
    parents = [CommitId(git(checkout, "rev-parse", "HEAD"))]
    tree = git(checkout, "rev-parse", "HEAD^{tree}")
    env = {
        f"GIT_{who}_{what}": value
        for who in ("AUTHOR", "COMMITTER")
        for what, value in {
            "NAME": BOT.name,
            "EMAIL": BOT.email,
            "DATE": f"{int(NOON.timestamp())} +0000",
        }.items()
    }
    text = message if message.endswith("\n") else f"{message}\n"
    wanted = git(
        checkout,
        *("commit-tree", tree, "-p", parents[0], "-F", "-"),
        stdin=text.encode(),
        env=env,
    )
    assert commit_object(tree, parents, message, BOT, NOON).id == wanted


def test_a_date_is_written_in_utc_whatever_its_zone() -> None:
    berlin = NOON.astimezone(timezone(timedelta(hours=1)))
    one, other = (
        commit_object("1" * 40, [], "x", BOT, moment) for moment in (NOON, berlin)
    )
    assert one == other


@pytest.mark.parametrize(
    "at",
    [datetime(2025, 1, 1), datetime(2025, 1, 1, 0, 0, 0, 5, tzinfo=UTC)],  # noqa: DTZ001
)
def test_a_date_that_git_cannot_hold_is_refused(at: datetime) -> None:
    with pytest.raises(InputError):
        commit_object("1" * 40, [], "x", BOT, at)


@pytest.mark.parametrize("message", ["", " \n", "a\0b", "\ud800"])
def test_a_message_that_git_cannot_hold_is_refused(message: str) -> None:
    with pytest.raises(InputError):
        commit_object("1" * 40, [], message, BOT, NOON)


@pytest.mark.parametrize("value", ["", " ", "a<b", "a>b", "a\nb", "a\0b"])
def test_a_name_that_would_forge_a_commit_is_refused(value: str) -> None:
    with pytest.raises(InputError):
        Identity(name=value, email="a@b.c")
    with pytest.raises(InputError):
        Identity(name="a", email=value)


# --- packs ---


@pytest.mark.parametrize("size", [0, 1, 15, 16, 2047, 2048, 300_000])
def test_git_reads_objects_of_every_size_from_a_pack(scratch: Path, size: int) -> None:
    item = GitObject(b"blob", b"x" * size)
    git(scratch, "unpack-objects", "-q", "--strict", stdin=pack([item, item]))
    assert git(scratch, "cat-file", "blob", item.id) == "x" * size
