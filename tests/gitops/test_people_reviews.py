"""What is said of pull requests that people open themselves."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from gitops.errors import GitError
from gitops.forges.embedded import EmbeddedForge
from gitops.git import BareRepository, Mirror, Refused
from gitops.model import BranchName, CommitId, PullRequest
from gitops.workflow import NotThere, Opinion, Workplace, opinion_of, prepare, source_of
from gitops.workflow.prospect import Caps
from tests.support.people import (
    SHOP,
    TOKEN,
    NumberedForge,
    commit_harm,
    harms,
    hidden,
    many_files,
    noise,
    open_as_person,
    overlay,
    propose,
    tree_bomb,
)
from tests.support.places import (
    MAIN,
    Ticking,
    commit_files,
    fleet_files,
    workplace,
)
from tests.support.repos import git

pytestmark = pytest.mark.gate

KUSTOMIZATION = f"{SHOP}/kustomization.yaml"


class World:
    """A place, its origin, and eve who proposes."""

    def __init__(self, place: Workplace, origin: BareRepository, folder: Path) -> None:
        self.place = place
        self.origin = origin
        self.path = folder / "forge" / "fleet.git"
        self.room = place.mirror.reviews()

    def propose(
        self, files: dict[str, str | bytes | None], branch: str = "eve/mine"
    ) -> PullRequest:
        return propose(self.place.forge, self.origin, files, branch=branch)

    def base(self) -> CommitId:
        self.place.mirror.fetch()
        tip = self.place.mirror.tip(MAIN)
        assert tip is not None
        return tip

    def look(self, shown: PullRequest, caps: Caps | None = None) -> Opinion:
        caps = caps or Caps()
        found = prepare(
            self.place,
            shown,
            source=source_of(self.place, shown),
            base=self.base(),
            room=self.room,
            caps=caps,
        )
        assert not isinstance(found, NotThere)
        return opinion_of(self.place, found, caps=caps)

    def says(self, files: dict[str, str | bytes | None]) -> Opinion:
        return self.look(self.propose(files))


@pytest.fixture
def world(tmp_path: Path, kustomize: Path) -> Iterator[World]:
    files: dict[str, str | bytes | None] = dict(fleet_files("shop", "blog"))
    with workplace(tmp_path, kustomize, files, Ticking()) as (place, origin, _store):
        yield World(place, origin, tmp_path)


@contextmanager
def listener() -> Iterator[socket.socket]:
    """Listen on loopback, where nobody should call."""
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        listening.listen()
        listening.setblocking(False)
        yield listening


# --- what is said ---


@pytest.mark.kustomize
def test_the_comment_says_first_what_changes_then_what_is_wrong_then_shows_it(
    world: World,
) -> None:
    opinion = world.says({KUSTOMIZATION: overlay("12.4.1")})
    lines = opinion.text.splitlines()
    assert lines[0] == (
        "- version of image `directus/directus`: `12.4.0` -> `12.4.1` "
        "(Deployment `directus`)"
    )
    parts = [line for line in lines if line.startswith("### ")]
    assert parts == [
        "### Findings",
        "### Rendered difference",
        "### Files",
        "### What was looked at",
    ]
    assert "+      - image: directus/directus:12.4.1" in lines
    assert opinion.shown.head in opinion.text
    assert not opinion.is_bad
    assert opinion.speaks


@pytest.mark.kustomize
def test_only_what_the_head_changes_is_rendered(world: World) -> None:
    opinion = world.says({KUSTOMIZATION: overlay("12.4.1")})
    assert "in 1 overlay" in opinion.text
    assert "overlays/production" not in opinion.text
    everywhere = world.propose(
        {"base/deployment.yaml": fleet_files()["base/deployment.yaml"] + "# x\n"},
        "eve/base",
    )
    assert "The rendered objects stay as they are." in world.look(everywhere).text


@pytest.mark.kustomize
def test_what_is_compared_is_the_base_with_the_merge_in_it(world: World) -> None:
    shown = world.propose({KUSTOMIZATION: overlay("12.4.1")})
    commit_files(world.origin, {"base/new.txt": "later on main\n"})
    text = world.look(shown).text
    assert "new.txt" not in text, "what main has gained is no change of the head's"
    assert "1 changed." in text


@pytest.mark.kustomize
def test_a_change_of_nothing_that_is_rendered_is_good_and_needs_no_comment(
    world: World,
) -> None:
    opinion = world.says({"README.md": "hello\n"})
    assert (opinion.is_bad, opinion.speaks, opinion.verdict) == (
        False,
        False,
        "no findings",
    )


@pytest.mark.kustomize
def test_a_head_that_conflicts_is_told_with_its_files(world: World) -> None:
    shown = world.propose({KUSTOMIZATION: overlay("12.4.1")})
    commit_files(world.origin, {KUSTOMIZATION: overlay("12.5.0")})
    opinion = world.look(shown)
    assert opinion.is_bad
    assert opinion.verdict == "cannot be merged: 1 file changed on both sides"
    assert [(f.rule, f.path) for f in opinion.findings] == [
        ("merge-conflict", KUSTOMIZATION)
    ]
    assert KUSTOMIZATION in opinion.text


@pytest.mark.kustomize
def test_what_the_base_has_wrong_already_is_not_held_against_the_head(
    world: World,
) -> None:
    commit_files(world.origin, {f"{SHOP}/config.env": "NO_EQUALS_SIGN\n"})
    opinion = world.says({KUSTOMIZATION: overlay("12.4.1")})
    assert not opinion.is_bad
    assert "which the base branch has too, are not repeated here" in opinion.text


@pytest.mark.kustomize
def test_the_head_s_own_rules_decide_nothing(world: World) -> None:
    fleet = fleet_files()["gitops.yaml"]
    moved = f'{fleet}paths: {{overlay: "elsewhere/{{environment}}/{{stack}}"}}\n'
    opinion = world.says({"gitops.yaml": moved, KUSTOMIZATION: overlay("12.4.1")})
    assert "12.4.1" in opinion.text.splitlines()[0]
    assert "the base branch's did" in opinion.text


@pytest.mark.kustomize
def test_more_overlays_than_the_cap_are_counted_and_not_rendered(world: World) -> None:
    opinion = world.look(
        world.propose({"base/kustomization.yaml": "resources: [deployment.yaml]\n#\n"}),
        Caps(overlays=2),
    )
    assert "It reaches 6 overlays; the first 2 of them were rendered" in opinion.text


@pytest.mark.kustomize
def test_the_comment_keeps_the_limit_of_the_forge(world: World) -> None:
    values = "".join(f"KEY_{n}={'v' * 90}{n}\n" for n in range(900))
    opinion = world.says({f"{SHOP}/config.env": values})
    limit = world.place.forge.capabilities.body_limit
    assert len(opinion.text.encode()) <= limit - 100
    assert "left out for length" in opinion.text
    assert opinion.text.count("```") % 2 == 0


@pytest.mark.kustomize
def test_the_digest_changes_only_with_what_can_be_seen(world: World) -> None:
    shown = world.propose({KUSTOMIZATION: overlay("12.4.1")})
    first = world.look(shown).digest
    commit_files(world.origin, {"README.md": "another\n"})
    commit_files(world.origin, {"overlays/production/blog/config.env": "A=b\n"})
    assert world.look(shown).digest == first
    commit_files(world.origin, {f"{SHOP}/config.env": "LOG_LEVEL=debug\n"})
    assert world.look(shown).digest != first


# --- heads that mean harm ---


@pytest.mark.kustomize
def test_a_head_that_means_harm_is_told_in_words_and_does_none(
    world: World, tmp_path: Path
) -> None:
    sentinel = tmp_path / "sentinel"
    program = tmp_path / "program"
    program.write_text(f"#!/bin/sh\ntouch {sentinel}\n")
    program.chmod(0o755)
    with listener() as listening:
        address = f"http://127.0.0.1:{listening.getsockname()[1]}"
        for number, (name, harm) in enumerate(harms(program, address).items()):
            branch = f"eve/{number}"
            head = commit_harm(world.path, harm, branch)
            opinion = world.look(open_as_person(world.place.forge, branch, head))
            assert opinion.is_bad or name == "markup in a value", name
            assert harm.said in f"{opinion.verdict}\n{opinion.text}", name
            assert harm.hides not in f"{opinion.verdict}\n{opinion.text}", name
            assert str(tmp_path) not in opinion.text.replace(str(program), ""), name
            assert "\n" not in opinion.verdict, name
        with pytest.raises(BlockingIOError):
            listening.accept()
    assert not sentinel.exists()


def test_a_listing_without_end_is_refused(world: World) -> None:
    path = world.path
    base = world.base()
    bomb = tree_bomb(path, base)
    git(path, "update-ref", "refs/heads/eve/bomb", bomb)
    shown = open_as_person(world.place.forge, "eve/bomb", bomb)
    opinion = world.look(shown)
    assert opinion.is_bad
    assert "it lists more files than are looked at" in opinion.verdict
    assert not opinion.is_final


@pytest.mark.parametrize(
    ("files", "said"),
    [
        (dict(many_files(5_100)), "it changes 5100 files; at most 5000"),
        (
            {f"large/{n}": bytes(1_000_000) for n in range(40)},
            "the files it changes have 38",
        ),
    ],
    ids=["many", "large"],
)
def test_too_much_is_refused_before_anything_of_it_is_read(
    world: World, files: dict[str, str | bytes | None], said: str
) -> None:
    opinion = world.says(files)
    assert opinion.verdict.startswith(f"not looked at: {said}")
    assert [f.rule for f in opinion.findings] == ["not-looked-at"]


@pytest.mark.kustomize
def test_a_file_too_large_to_be_searched_is_named(world: World) -> None:
    opinion = world.says({"film.bin": b"\0" * 1_500_000})
    assert [(f.rule, f.path) for f in opinion.findings] == [
        ("not-searched", "film.bin")
    ]
    assert not opinion.is_bad


def test_a_head_without_a_common_past_is_refused(world: World) -> None:
    path = world.path
    tree = git(path, "rev-parse", "main^{tree}")
    orphan = CommitId(git(path, "commit-tree", "-m", "orphan", tree))
    git(path, "update-ref", "refs/heads/eve/orphan", orphan)
    shown = open_as_person(world.place.forge, "eve/orphan", orphan)
    assert "no history in common" in world.look(shown).verdict


# --- the room ---


@pytest.fixture
def numbered(tmp_path: Path) -> tuple[Mirror, BareRepository, CommitId]:
    """A mirror of an origin that keeps heads under their numbers alone."""
    origin = BareRepository.create(tmp_path / "origin.git", MAIN)
    base = commit_files(origin, dict(fleet_files()))
    heads: list[dict[str, str | bytes | None]] = [
        {"a.txt": "a"},
        dict(noise(5, 900_000)),
    ]
    for number, files in enumerate(heads, start=1):
        branch = BranchName(f"b{number}")
        head = commit_files(origin, files, branch=branch)
        git(tmp_path / "origin.git", "update-ref", f"refs/pull/{number}/head", head)
        origin.delete_branch(branch, expected=head)
    mirror = Mirror.open_or_clone(
        tmp_path / "mirror.git", str(tmp_path / "origin.git"), allow_file=True
    )
    return mirror, origin, base


def test_a_head_is_fetched_by_its_number_and_never_becomes_part_of_the_mirror(
    numbered: tuple[Mirror, BareRepository, CommitId], tmp_path: Path
) -> None:
    mirror, _, base = numbered
    room = mirror.reviews()
    head = room.take(1, "refs/pull/1/head", base=base)
    assert isinstance(head, str)
    assert room.holds(1, head)
    assert mirror.branches().keys() == {MAIN}
    refs = git(tmp_path / "mirror.git", "for-each-ref", "--format=%(refname)")
    assert refs == "refs/remotes/origin/main"
    with pytest.raises(GitError, match="is not in the repository"):
        mirror.read_tree(head)
    merged = room.merge(base, head)
    assert isinstance(merged, str)
    files = room.list_tree(merged)
    assert not isinstance(files, Refused)
    assert files.read("a.txt") == b"a"


def test_a_head_over_the_limit_is_refused_and_leaves_nothing_behind(
    numbered: tuple[Mirror, BareRepository, CommitId], tmp_path: Path
) -> None:
    mirror, _, base = numbered
    room = mirror.reviews(fetched_bytes=2 << 20)
    refused = room.take(2, "refs/pull/2/head", base=base)
    assert refused == Refused(reason="its head is larger than 2 MiB, packed")
    left = [
        file.name
        for file in (tmp_path / "mirror.git.reviews").rglob("*")
        if file.is_file() and file.stat().st_size > 10_000
    ]
    assert left == []
    assert isinstance(room.take(1, "refs/pull/1/head", base=base), str)


def test_what_all_heads_weigh_is_limited_too(
    numbered: tuple[Mirror, BareRepository, CommitId],
) -> None:
    mirror, _, base = numbered
    room = mirror.reviews(room_bytes=1 << 20)
    assert isinstance(room.take(2, "refs/pull/2/head", base=base), str)
    first = room.take(1, "refs/pull/1/head", base=base)
    assert isinstance(first, str)
    assert room.branches() == {"1": first}, "the room was emptied first"


def test_heads_of_closed_pull_requests_go_and_the_last_takes_the_room(
    numbered: tuple[Mirror, BareRepository, CommitId], tmp_path: Path
) -> None:
    mirror, _, base = numbered
    room = mirror.reviews()
    for number in (1, 2):
        room.take(number, f"refs/pull/{number}/head", base=base)
    room.keep_only([2, 7])
    assert list(room.branches()) == ["2"]
    room.keep_only([])
    assert not (tmp_path / "mirror.git.reviews").exists()
    room.keep_only([])
    assert not room.holds(1, base)


def test_a_damaged_room_is_taken_away_and_made_again(
    numbered: tuple[Mirror, BareRepository, CommitId], tmp_path: Path
) -> None:
    mirror, _, base = numbered
    room = mirror.reviews()
    head = room.take(1, "refs/pull/1/head", base=base)
    assert isinstance(head, str)
    for pack in (tmp_path / "mirror.git.reviews" / "objects" / "pack").iterdir():
        pack.unlink()
    with pytest.raises(GitError):
        room.list_tree(head)
    assert room.take(1, "refs/pull/1/head", base=base) == head


def test_a_number_that_the_remote_does_not_know_is_an_error(
    numbered: tuple[Mirror, BareRepository, CommitId],
) -> None:
    mirror, _, base = numbered
    with pytest.raises(GitError, match="pull request #9"):
        mirror.reviews().take(9, "refs/pull/9/head", base=base)


# --- where a head is ---


def test_a_head_is_asked_for_by_number_where_the_forge_has_numbers(
    world: World, tmp_path: Path
) -> None:
    forge = world.place.forge
    assert isinstance(forge, EmbeddedForge)
    shown = world.propose({"README.md": "x"})
    assert source_of(world.place, shown) == "refs/heads/eve/mine"
    path = tmp_path / "forge" / "fleet.git"
    numbered = NumberedForge(BareRepository(path), path.with_suffix(".db"))
    place = replace(world.place, forge=numbered)
    assert source_of(place, shown) == f"refs/pull/{shown.number}/head"
    hidden(path, shown)
    found = prepare(
        place,
        shown,
        source=source_of(place, shown),
        base=world.base(),
        room=world.room,
    )
    assert not isinstance(found, NotThere)


def test_a_fork_s_head_is_asked_for_at_our_own_remote_or_nowhere(world: World) -> None:
    shown = replace(world.propose({"README.md": "x"}), from_fork=True)
    assert source_of(world.place, shown) == ""


def test_a_remote_that_is_behind_the_forge_is_waited_for(world: World) -> None:
    shown = world.propose({"README.md": "x"})
    ahead = replace(shown, head=world.base())
    found = prepare(
        world.place,
        ahead,
        source=source_of(world.place, shown),
        base=world.base(),
        room=world.room,
    )
    assert found == NotThere()


@pytest.mark.kustomize
def test_no_secret_is_shown_in_the_name_of_a_file(world: World) -> None:
    assert TOKEN not in world.says({f"{SHOP}/{TOKEN}.yaml": "a: 1\n"}).text
