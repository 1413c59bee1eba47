"""Pull requests that people open themselves get a comment and a status, once."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path

import pytest

from gitops.errors import InputError
from gitops.git import BareRepository, attend_git, unattended
from gitops.model import BranchName, CheckState, CommitId, PullRequest
from gitops.workflow import Workplace, close
from service.configuration import (
    ReviewSettings,
    read_configuration,
    read_variables,
)
from service.reconcile.attending import REVIEWED, attend
from service.settings import Settings
from service.store import ReviewOutcome
from tests.support.deaths import Mortal
from tests.support.passes import DEVELOPMENT, Served, served
from tests.support.people import (
    SHOP,
    NumberedForge,
    commit_harm,
    harms,
    hidden,
    open_as_person,
    overlay,
    propose,
    tree_bomb,
)
from tests.support.places import MAIN, commit_files
from tests.support.repos import git, tip_of

pytestmark = [pytest.mark.kustomize, pytest.mark.gate]

RULES = """\
  - from: development
    to: staging
"""
KUSTOMIZATION = f"{SHOP}/kustomization.yaml"
BUMPED = {KUSTOMIZATION: overlay("12.4.1")}
OTHER = {KUSTOMIZATION: overlay("12.5.0")}


@pytest.fixture
def here(tmp_path: Path, kustomize: Path) -> Iterator[Served]:
    with served(tmp_path, kustomize, RULES, "shop", "blog") as service:
        service.pass_()
        yield service


def asks(
    here: Served,
    files: Mapping[str, str | bytes | None],
    branch: str = "eve/mine",
) -> PullRequest:
    """Let eve push a branch and open a pull request for it."""
    now = here.clock.later(seconds=1)
    return propose(here.place.forge, here.origin, files, branch=branch, at=now)


def pushes(
    here: Served, shown: PullRequest, files: Mapping[str, str | bytes | None]
) -> CommitId:
    """Let eve push once more onto the branch of a pull request."""
    now = here.clock.later(seconds=1)
    return commit_files(here.origin, files, branch=shown.branch, at=now)


def status(here: Served, number: int) -> CheckState | None:
    """Return our status of a pull request's present head."""
    checks = here.place.forge.read(number).checks
    return next((c.state for c in checks if c.name == "directus-gitops"), None)


def remarks(here: Served, number: int) -> list[str]:
    return [said.text for said in here.place.forge.read(number).comments]


def writes(here: Served) -> int:
    """Return how many writes outside the guard has counted within an hour."""
    since = here.clock() - timedelta(hours=1)
    return here.store.passes.writes_since("fleet", since)


def fetches(work: Callable[[], object]) -> int:
    """Return how often git fetched while some work was done."""
    calls: list[str] = []

    def note(command: str) -> Callable[[int | None], None]:
        calls.append(command)
        return lambda _code: None

    attend_git(note)
    try:
        work()
    finally:
        attend_git(unattended)
    return calls.count("fetch")


# --- the service ---


def test_a_pull_request_of_a_person_gets_a_comment_and_a_status(here: Served) -> None:
    shown = asks(here, BUMPED)
    assert REVIEWED in here.pass_().effects
    assert status(here, shown.number) is CheckState.PASSED
    (said,) = remarks(here, shown.number)
    assert said.startswith("- version of image `directus/directus`: `12.4.0` ->")
    entry = here.store.audit.entries()[-1]
    details = json.loads(entry.details)
    assert (details["pull_request"], details["verdict"]) == (
        shown.number,
        "no findings",
    )
    now = here.place.forge.read(shown.number)
    assert (now.state, now.head, now.body) == (shown.state, shown.head, shown.body)


def test_a_second_pass_writes_nothing_and_fetches_no_head(here: Served) -> None:
    asks(here, BUMPED)
    here.pass_()
    before, audit = writes(here), here.actions()
    usual = fetches(here.pass_)
    assert here.pass_().effects == ()
    assert (writes(here), here.actions()) == (before, audit)
    assert usual == 2, "the base branch, before and inside of the lock; no head"


def test_a_new_head_is_looked_at_and_the_comment_is_rewritten_in_place(
    here: Served,
) -> None:
    shown = asks(here, BUMPED)
    here.pass_()
    pushes(here, shown, OTHER)
    assert here.pass_().effects == (REVIEWED,)
    (said,) = remarks(here, shown.number)
    assert "12.5.0" in said
    assert "12.4.1" not in said
    assert status(here, shown.number) is CheckState.PASSED


def test_what_breaks_a_rule_is_a_failed_status_until_it_is_mended(
    here: Served,
) -> None:
    shown = asks(here, {f"{SHOP}/config.env": "NO_EQUALS_SIGN\n"})
    here.pass_()
    assert status(here, shown.number) is CheckState.FAILED
    assert "config-line" in remarks(here, shown.number)[0]
    pushes(here, shown, {f"{SHOP}/config.env": "LOG_LEVEL=warn\n"})
    here.pass_()
    assert status(here, shown.number) is CheckState.PASSED
    assert "config-line" not in remarks(here, shown.number)[0]


def test_what_is_not_rendered_gets_a_status_and_no_comment(here: Served) -> None:
    shown = asks(here, {"README.md": "hello\n"})
    here.pass_()
    assert status(here, shown.number) is CheckState.PASSED
    assert remarks(here, shown.number) == []


def test_a_comment_that_is_there_says_when_nothing_is_left_of_it(
    here: Served,
) -> None:
    shown = asks(here, BUMPED)
    here.pass_()
    pushes(here, shown, {KUSTOMIZATION: overlay("12.4.0"), "README.md": "hello\n"})
    here.pass_()
    (said,) = remarks(here, shown.number)
    assert said.startswith("- Nothing that is rendered changes")


# --- the base branch ---


def test_a_base_branch_that_moves_elsewhere_changes_nothing_said(
    here: Served,
) -> None:
    asks(here, BUMPED)
    here.pass_()
    before = writes(here)
    here.commit({"README.md": "of main\n"})
    assert here.pass_().effects == ()
    assert writes(here) == before
    (row,) = here.store.reviews.all("fleet")
    assert row.base == here.origin.tip(MAIN)


def test_a_base_branch_that_moves_what_is_seen_is_looked_at_with_again(
    here: Served,
) -> None:
    shown = asks(here, BUMPED)
    here.pass_()
    here.commit(OTHER)
    assert here.pass_().effects == (REVIEWED,)
    assert status(here, shown.number) is CheckState.FAILED
    assert remarks(here, shown.number)[0].startswith("- It cannot be merged:")


# --- whose ---


def test_ours_are_left_to_their_own_text(here: Served) -> None:
    here.bump(DEVELOPMENT, "12.4.1")
    assert here.pass_().effects == ("pull request opened",)
    assert here.pass_().effects == ()
    (ours,) = here.pull_requests()
    assert remarks(here, ours.number) == []
    assert status(here, ours.number) is None


def test_one_of_ours_that_a_person_pushed_to_is_looked_at_as_theirs(
    here: Served,
) -> None:
    here.bump(DEVELOPMENT, "12.4.1")
    here.pass_()
    (ours,) = here.pull_requests()
    head = pushes(here, ours, {f"{SHOP}/config.env": "LOG_LEVEL=warn\n"})
    here.pass_()
    assert status(here, ours.number) is CheckState.PASSED
    (said,) = remarks(here, ours.number)
    assert "`LOG_LEVEL`" in said
    assert here.origin.tip(ours.branch) == head, "never pushed to"


def test_one_into_another_branch_is_not_ours_to_look_at(here: Served) -> None:
    base, release = here.origin.tip(MAIN), BranchName("release")
    assert base is not None
    here.origin.update_ref(release, base, expected=None)
    head = commit_files(here.origin, BUMPED, branch=BranchName("eve/mine"))
    shown = open_as_person(here.place.forge, "eve/mine", head, base=release)
    here.pass_()
    assert status(here, shown.number) is None


# --- forks ---


def describe(data: Path, reviews: str) -> None:
    """Write service.toml with these lines about reviews."""
    text = f'[[repository]]\nname = "fleet"\n[repository.reviews]\n{reviews}'
    (data / "service.toml").write_text(text)


@dataclass
class Numbered:
    """A service over a forge that shows heads by number, of forks too."""

    here: Served
    forge: NumberedForge

    @property
    def place(self) -> Workplace:
        place = replace(self.here.place, forge=self.forge)
        place.mirror.fetch()
        return place

    def attend(self, **chosen: bool | int) -> tuple[str, ...]:
        here = self.here
        here.clock.later(seconds=1)
        told = here.settings
        if chosen:
            lines = "".join(f"{k} = {str(v).lower()}\n" for k, v in chosen.items())
            describe(told.data, lines)
            told = Settings(data=told.data, kustomize=told.kustomize)
        return attend(told, here.store, self.place, here.clock)

    def fork(self) -> PullRequest:
        """Let somebody propose from a fork: its branch is not in our repository."""
        shown = asks(self.here, BUMPED)
        hidden(self.here.settings.data / "forge" / "fleet.git", shown)
        self.forge.forks = frozenset({shown.number})
        return shown


@pytest.fixture
def numbered(here: Served) -> Numbered:
    path = here.settings.data / "forge" / "fleet.git"
    forge = NumberedForge(BareRepository(path), path.with_suffix(".db"))
    return Numbered(here, forge)


def test_nothing_of_a_fork_is_fetched_or_said_unless_the_settings_say_so(
    numbered: Numbered,
) -> None:
    shown = numbered.fork()
    before = writes(numbered.here)
    _ = numbered.place  # the base branch is fetched by the pass, not by us
    place = numbered.place
    done = fetches(
        lambda: attend(
            numbered.here.settings, numbered.here.store, place, numbered.here.clock
        )
    )
    assert done == 0
    assert writes(numbered.here) == before
    assert status(numbered.here, shown.number) is None
    (row,) = numbered.here.store.reviews.all("fleet")
    assert row.outcome is ReviewOutcome.SKIPPED
    rooms = list((numbered.here.settings.data / "mirrors").glob("*.reviews"))
    assert rooms == []


def test_a_fork_is_looked_at_by_its_number_where_the_settings_say_so(
    numbered: Numbered,
) -> None:
    shown = numbered.fork()
    assert numbered.attend() == ()
    assert numbered.attend(forks=True) == (REVIEWED,)
    assert status(numbered.here, shown.number) is CheckState.PASSED
    room = numbered.here.settings.data / "mirrors" / "fleet.git.reviews"
    assert tip_of(room, f"refs/reviews/{shown.number}") == shown.head


def test_a_draft_of_a_fork_waits_until_it_is_none(numbered: Numbered) -> None:
    shown = numbered.fork()
    numbered.forge.drafts = frozenset({shown.number})
    assert numbered.attend(forks=True) == ()
    numbered.forge.drafts = frozenset()
    assert numbered.attend(forks=True) == (REVIEWED,)


def test_reviews_can_be_turned_off(numbered: Numbered) -> None:
    shown = asks(numbered.here, BUMPED)
    assert numbered.attend(enabled=False) == ()
    assert status(numbered.here, shown.number) is None


# --- stops ---


def test_nothing_is_said_while_the_repository_is_paused(here: Served) -> None:
    shown = asks(here, BUMPED)
    here.store.holds.pause("fleet", by="ada")
    assert here.pass_().effects == ()
    assert status(here, shown.number) is None
    here.store.holds.resume("fleet")
    assert here.pass_().effects == (REVIEWED,)


def test_the_cap_on_writes_holds_and_the_rest_is_said_later(
    tmp_path: Path, kustomize: Path
) -> None:
    with served(tmp_path, kustomize, RULES, "shop", max_writes_an_hour=2) as here:
        shown = asks(here, BUMPED)
        report = here.pass_()
        assert (report.effects, report.problem) == ((), "")
        assert writes(here) == 2
        assert status(here, shown.number) is CheckState.PENDING
        assert here.pass_(hours=2).effects == (REVIEWED,)
        assert len(remarks(here, shown.number)) == 1


def test_a_pass_looks_at_so_many_and_the_next_at_the_rest(numbered: Numbered) -> None:
    here = numbered.here
    origin = here.settings.data / "forge" / "fleet.git"
    for number in range(3):
        hidden(origin, asks(here, {"README.md": f"{number}\n"}, f"eve/{number}"))
    done = [len(numbered.attend(per_pass=2)) for _ in range(3)]
    assert done == [2, 1, 0]


# --- what is hostile, and what fails ---


def test_a_hostile_head_fails_and_the_others_go_on(
    here: Served, tmp_path: Path
) -> None:
    origin = here.settings.data / "forge" / "fleet.git"
    base = here.origin.tip(MAIN)
    assert base is not None
    git(origin, "update-ref", "refs/heads/eve/bomb", tree_bomb(origin, base))
    found = harms(tmp_path / "sentinel", "http://127.0.0.1:9")
    for name in ("a remote base", "a link for the overlay", "a token"):
        commit_harm(origin, found[name], f"eve/{name.replace(' ', '-')}")
    bad = [
        open_as_person(here.place.forge, branch, head, at=here.clock())
        for branch, head in here.origin.branches("eve").items()
    ]
    good = asks(here, BUMPED, "zoe/good")
    report = here.pass_()
    assert (report.problem, report.effects) == ("", (REVIEWED,) * 5)
    assert {status(here, one.number) for one in bad} == {CheckState.FAILED}
    assert status(here, good.number) is CheckState.PASSED
    assert here.pass_().effects == ()


def test_a_head_that_cannot_be_fetched_is_tried_again_ever_less_often(
    numbered: Numbered,
) -> None:
    here = numbered.here
    shown = asks(here, BUMPED)  # and the remote does not have it under its number
    tries = []
    for _ in range(10):
        here.clock.later(minutes=5)
        numbered.attend()
        (row,) = here.store.reviews.all("fleet")
        assert row.outcome is ReviewOutcome.DEFERRED
        tries.append(row.tries)
    assert tries == [1, 2, 3, 4, 4, 5, 5, 5, 5, 6], "after 1, 2, 4, 8, 16 minutes"
    assert status(here, shown.number) is CheckState.FAILED
    assert writes(here) == 2, "that it is looked at, and that it could not be"
    hidden(here.settings.data / "forge" / "fleet.git", shown)
    here.clock.later(hours=2)
    assert numbered.attend() == (REVIEWED,)
    assert status(here, shown.number) is CheckState.PASSED


def test_a_head_that_moves_while_it_is_looked_at_is_not_spoken_of(
    numbered: Numbered,
) -> None:
    here = numbered.here
    shown = asks(here, BUMPED)
    hidden(here.settings.data / "forge" / "fleet.git", shown)

    class Moving(NumberedForge):
        def list_open(self) -> tuple[PullRequest, ...]:
            found = super().list_open()
            if here.origin.tip(shown.branch) == shown.head:
                pushes(here, shown, OTHER)
            return found

    path = here.settings.data / "forge" / "fleet.git"
    numbered.forge = Moving(BareRepository(path), path.with_suffix(".db"))
    assert numbered.attend() == ()
    assert remarks(here, shown.number) == []


def test_what_is_kept_of_closed_ones_goes(here: Served) -> None:
    shown = asks(here, BUMPED)
    here.pass_()
    room = here.settings.data / "mirrors" / "fleet.git.reviews"
    assert tip_of(room, f"refs/reviews/{shown.number}") == shown.head
    close(here.place, shown.number, by="eve", now=here.clock())
    here.pass_()
    assert not room.exists()
    assert here.store.reviews.all("fleet") == ()


def test_a_status_leads_to_our_page_where_there_is_one(
    tmp_path: Path, kustomize: Path
) -> None:
    with served(
        tmp_path, kustomize, RULES, "shop", public_url="https://gitops.example.com"
    ) as here:
        shown = asks(here, BUMPED)
        here.pass_()
        (check,) = here.place.forge.read(shown.number).checks
        assert check.url == (
            f"https://gitops.example.com/repositories/fleet/pull-requests/{shown.number}"
        )


# --- deaths ---


@pytest.mark.gate
def test_a_pass_that_is_killed_anywhere_says_it_once_all_the_same(
    here: Served,
) -> None:
    shown = asks(here, BUMPED)
    mortal = Mortal(here)
    mortal.save()
    with mortal.started() as alive:
        alive.pass_()
        expected = _said(alive, shown.number)
    deaths = []
    for number in range(1, 100):
        mortal.restore()
        died = mortal.dies(lambda service: service.pass_(), before=number)
        with mortal.started() as alive:
            alive.pass_()
            alive.pass_()
            assert _said(alive, shown.number) == expected, died
            before = writes(alive)
            assert alive.pass_().effects == (), died
            assert writes(alive) == before, died
        if not died:
            break
        deaths.append(died)
    assert {"EmbeddedForge.remark", "EmbeddedForge.report", "Pages.report"} <= set(
        deaths
    )


def _said(here: Served, number: int) -> tuple[object, ...]:
    (row,) = here.store.reviews.all("fleet")
    return (
        remarks(here, number),
        status(here, number),
        row.outcome,
        row.digest,
        row.has_told,
    )


# --- settings ---


def test_the_settings_say_what_is_looked_at_by_file_and_by_variables() -> None:
    text = b'[[repository]]\nname = "f"\n[repository.reviews]\nforks = true\n'
    (described,) = read_configuration(
        text, name="service.toml", folder=Path("/"), lookup=lambda _: None
    )
    assert described.reviews == ReviewSettings(forks=True)
    given = {
        "repository_name": "f",
        "reviews_enabled": "False",
        "reviews_per_pass": "4",
    }
    (described,) = read_variables(given, folder=Path("/"), lookup=lambda _: None)
    assert described.reviews == ReviewSettings(enabled=False, per_pass=4)


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('forks = "yes"', "reviews.forks: must be true or false"),
        ("per_pass = 0", "reviews.per_pass: is too small"),
        ("fork = true", "reviews.fork: unknown key"),
    ],
)
def test_settings_of_reviews_that_are_wrong_are_refused_at_their_line(
    line: str, said: str
) -> None:
    text = f'[[repository]]\nname = "f"\n[repository.reviews]\n{line}\n'.encode()
    with pytest.raises(InputError, match=f"service.toml:4: .*{said}"):
        read_configuration(
            text, name="service.toml", folder=Path("/"), lookup=lambda _: None
        )
