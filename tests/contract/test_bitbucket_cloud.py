"""What is Bitbucket Cloud's own: short commits, fields of errors, slow merges."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest

from gitops.errors import (
    ForgeConflictError,
    ForgeDeniedError,
    ForgeError,
    ForgeNotFoundError,
    ForgeUnavailableError,
    InputError,
)
from gitops.forges import Forge, Merged, NotMerged, PullRequestDraft, Status
from gitops.forges.bitbucket import (
    bitbucket_forge,
    cloud_reading as reading,
    git_credential,
)
from gitops.forges.http import HttpForge
from gitops.model import (
    BranchName,
    CheckState,
    CommitId,
    Json,
    PullRequest,
    PullRequestState,
)
from gitops.web import Allowed, Web
from tests.contract.bitbucket import cloud_judge, cloud_of
from tests.contract.worlds import patient_gate
from tests.support.forges.bitbucket_cloud import FakeBitbucketCloud
from tests.support.forges.state import BOT, MAIN, NOON, TOKEN, ForgeState
from tests.support.forges.wire import Fault, FaultKind
from tests.support.servers import reply, serve

pytestmark = pytest.mark.gate

BRANCH = BranchName("directus-gitops/staging/example")


@dataclass
class Place:
    """An adapter before a fake that is judged."""

    fake: FakeBitbucketCloud
    forge: HttpForge
    root: str

    @property
    def state(self) -> ForgeState:
        return self.fake.state

    def push(self, branch: str = BRANCH, text: str = "two", path: str = "a.txt") -> str:
        commit = self.state.commit({path: text}, on=self.state.tip("main"))
        name = BranchName(branch)
        self.state.repository.update_ref(name, commit, expected=self.state.tip(name))
        return commit

    def open(self, *, reviewers: tuple[str, ...] = ()) -> PullRequest:
        head = self.push()
        return self.forge.open(replace(draft(head), reviewers=reviewers), now=NOON)

    def many(self, count: int) -> list[int]:
        branches = [f"directus-gitops/staging/s{number}" for number in range(count)]
        for branch in branches:
            self.push(branch)
        made = [
            self.state.create(head=branch, base="main", title=branch, body="")
            for branch in branches
        ]
        return [shown.number for shown in made]

    def merge(self, shown: PullRequest) -> Merged | NotMerged:
        return self.forge.merge(shown.number, head=shown.head, by="ann", now=NOON)


def draft(head: str) -> PullRequestDraft:
    return PullRequestDraft(
        branch=BRANCH,
        base=MAIN,
        head=CommitId(head),
        title="bump",
        body="what changes\nand why",
        author="alice",
    )


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    fake = FakeBitbucketCloud(ForgeState(tmp_path))
    fake.wire.watchers.append(cloud_judge())
    with fake.serving() as server, Web() as web:
        yield Place(fake, cloud_of(server.url, web, patient_gate()), server.url)


# --- who and where ---


@pytest.mark.parametrize(
    "address",
    [
        "https://bitbucket.org/team",
        "https://bitbucket.org/",
        "https://bitbucket.org/a/b/c",
        "https://bitbucket.example.com/team/fleet",
    ],
)
def test_an_address_that_is_none_of_cloud_is_refused(address: str) -> None:
    with Web() as web, pytest.raises(InputError):
        bitbucket_forge(
            address,
            web=web,
            allowed=Allowed(),
            credential=lambda: TOKEN,
            gate=patient_gate(),
        )


def test_an_access_token_goes_as_a_bearer_and_an_api_token_with_its_email(
    place: Place,
) -> None:
    with Web() as web:
        forge = cloud_of(place.root, web, patient_gate(), token=TOKEN)
        assert forge.account() == BOT
    assert place.forge.account() == BOT
    kinds = [one.headers["authorization"].split()[0] for one in place.fake.wire.seen]
    assert kinds == ["Bearer", "Basic"]
    assert git_credential(TOKEN) == ("x-token-auth", TOKEN)
    name, secret = git_credential(f"bot@example.com:{TOKEN}")
    assert (name, secret) == ("x-bitbucket-api-token-auth", TOKEN)


# --- lists ---


def test_every_page_is_read_and_heads_are_whole(place: Place) -> None:
    numbers = place.many(7)
    for shown in (place.forge.list_all(), place.forge.list_open()):
        assert [one.number for one in shown] == numbers
        assert [one.head for one in shown] == [
            place.state.tip(one.branch) for one in shown
        ]


def test_a_next_page_elsewhere_is_an_error_and_never_asked(place: Place) -> None:
    place.many(4)
    with serve(lambda _: reply({"values": []})) as elsewhere:
        place.fake.next_root = elsewhere.url
        with pytest.raises(ForgeUnavailableError, match="another address"):
            place.forge.list_all()
        assert elsewhere.connections == 0


def test_an_ended_one_of_a_branch_has_its_whole_head(place: Place) -> None:
    shown = place.open()
    place.forge.close(shown.number, by="ann", now=NOON)
    place.push(text="three")
    found = place.forge.find(BRANCH)
    assert [(one.head, one.state) for one in found] == [
        (shown.head, PullRequestState.CLOSED)
    ]


def test_a_hidden_repository_is_no_empty_list(place: Place) -> None:
    place.state.owner = "somebody-else"
    for look in (
        place.forge.list_all,
        lambda: place.forge.find(BRANCH),
        lambda: place.forge.read(1),
    ):
        with pytest.raises(ForgeDeniedError):
            look()


def test_a_fork_is_marked_and_not_ours(place: Place) -> None:
    shown = place.open()
    place.state.from_forks.add(shown.number)
    assert place.forge.find(BRANCH) == ()
    assert [one.from_fork for one in place.forge.list_open()] == [True]


def test_a_deleted_fork_is_left_out_of_lists() -> None:
    gone: dict[str, Json] = {
        "id": 3,
        "state": "DECLINED",
        "source": {"branch": {"name": "x"}, "commit": None, "repository": None},
    }
    assert reading.is_headless(gone)
    assert not reading.is_headless(gone | {"state": "OPEN"})


# --- opening ---


def test_opening_over_a_list_that_lags_makes_no_second_one(place: Place) -> None:
    head = place.push()
    theirs = place.state.create(head=BRANCH, base="main", title="theirs", body="x")
    lags = Fault(FaultKind.EMPTY_LIST, method="GET", path="/pullrequests$")
    place.fake.wire.faults.append(lags)
    with pytest.raises(ForgeError):  # a list is not what Cloud's pages are
        place.forge.open(draft(head), now=NOON)
    again = place.forge.open(draft(head), now=NOON)
    assert again.number == theirs.number
    assert len(place.state.all()) == 1


def test_a_second_post_changes_the_same_one(place: Place) -> None:
    shown = place.open()
    talk = place.forge._line.hold(place.forge._dialect.create(draft(shown.head)))
    assert talk == shown.number
    assert len(place.state.all()) == 1


def test_a_title_that_is_refused_is_an_error_of_its_own(place: Place) -> None:
    head = place.push()
    with pytest.raises(ForgeError, match="255") as caught:
        place.forge.open(replace(draft(head), title="t" * 256), now=NOON)
    assert not isinstance(caught.value, ForgeConflictError)


def test_line_ends_come_back_as_they_were(place: Place) -> None:
    shown = place.open()
    assert shown.body == "what changes\nand why"
    place.forge.update(shown.number, draft(shown.head), now=NOON)
    assert place.state.writes["edited"] == 0


# --- reviewers and approvals ---


def test_reviewers_outlive_a_new_title_and_who_is_refused_is_left_out(
    place: Place,
) -> None:
    shown = place.open(reviewers=("nobody-at-all", BOT, "ann", "ben"))
    assert place.state.reviewers[shown.number] == {"ann", "ben"}
    place.forge.update(shown.number, replace(draft(shown.head), title="new"), now=NOON)
    assert place.state.reviewers[shown.number] == {"ann", "ben"}


def test_an_approval_of_an_earlier_head_is_not_of_this_one(place: Place) -> None:
    shown = place.open()
    place.state.approve(shown.number, by="ann")
    head = place.push(text="three")
    (approval,) = place.forge.read(shown.number).approvals
    assert approval.by == "ann"
    assert shown.head.startswith(approval.head)
    assert not head.startswith(approval.head)


def test_an_approval_whose_head_nobody_tells_does_not_count() -> None:
    item: Json = {"participants": [{"approved": True, "user": {"uuid": "{a}"}}]}
    given: Json = {
        "approval": {"user": {"uuid": "{a}"}, "date": "2026-11-23T12:00:00Z"}
    }
    update: Json = {"update": {"source": {"commit": {"hash": "a" * 12}}}}
    head = CommitId("a" * 40)
    assert reading.approvals(item, [], head) == ()
    assert reading.approvals(item, [given], head) == ()
    assert reading.approvals(item, [update, given], head) == ()
    (found,) = reading.approvals(item, [given, update], head)
    assert found.head == head


# --- statuses ---


def test_a_status_shows_at_its_pull_request_and_needs_an_address(place: Place) -> None:
    shown = place.open()
    said = Status(name="n" * 60, state=CheckState.FAILED, description="2 findings")
    place.forge.report(shown.head, said)
    place.forge.report(shown.head, replace(said, state=CheckState.PASSED))
    sent = [one for one in place.fake.wire.seen if one.path.endswith("/build")]
    assert {one.text("refname") for one in sent} == {BRANCH}
    assert all(one.text("url").startswith("https://") for one in sent)
    assert len({one.text("key") for one in sent}) == 1
    checks = place.forge.read(shown.number).checks
    assert [one.state for one in checks] == [CheckState.PASSED]


# --- merging ---


def test_a_merge_that_takes_longer_is_looked_at(place: Place) -> None:
    shown = place.open()
    place.fake.slow_merges = 1
    assert isinstance(place.merge(shown), Merged)


def test_a_merge_that_is_not_done_yet_is_not_merged_yet(place: Place) -> None:
    shown = place.open()
    place.fake.slow_merges, place.fake.unfinished = 1, 1
    result = place.merge(shown)
    assert isinstance(result, NotMerged)
    assert not result.needs_regeneration


def test_a_conflict_that_a_task_finds_is_one(place: Place) -> None:
    shown = place.open()
    place.push("main", "theirs")
    place.fake.slow_merges = 1
    result = place.merge(shown)
    assert isinstance(result, NotMerged)
    assert result.needs_regeneration


def test_merge_checks_and_moving_branches_are_reasons(place: Place) -> None:
    shown = place.open()
    place.state.blocked = "2 failed merge checks"
    result = place.merge(shown)
    assert isinstance(result, NotMerged)
    assert "merge checks" in result.reason
    place.state.blocked, place.state.undecided = "", 1
    result = place.merge(shown)
    assert isinstance(result, NotMerged)
    assert not result.needs_regeneration
    assert isinstance(place.merge(shown), Merged)


def test_a_head_that_moves_before_the_merge_is_a_conflict(place: Place) -> None:
    shown = place.open()
    place.push(text="three")
    with pytest.raises(ForgeConflictError, match="not"):
        place.forge._line.hold(place.forge._dialect.merge(shown, message="m"))
    assert place.state.writes["merged"] == 0


def test_one_that_is_declined_meanwhile_is_a_conflict(place: Place) -> None:
    shown = place.open()
    place.fake.before_merge = lambda: place.state.forge.close(
        shown.number, by="ben", now=NOON
    )
    with pytest.raises(ForgeConflictError, match="already closed"):
        place.merge(shown)


# --- failures ---

READS: tuple[Callable[[Forge], object], ...] = (
    lambda forge: forge.list_all(),
    lambda forge: forge.find(BRANCH),
    lambda forge: forge.read(1),
)
FAILURES: dict[FaultKind, type[ForgeError]] = {
    FaultKind.DENIED_401: ForgeDeniedError,
    FaultKind.DENIED_403: ForgeDeniedError,
    FaultKind.NOT_FOUND_404: ForgeDeniedError,
    FaultKind.SIGN_IN_203: ForgeDeniedError,
    FaultKind.EMPTY_LIST: ForgeUnavailableError,
    FaultKind.HTML: ForgeError,
    FaultKind.TRUNCATED: ForgeUnavailableError,
    FaultKind.ERROR_500: ForgeUnavailableError,
    FaultKind.ERROR_503: ForgeUnavailableError,
    FaultKind.LIMIT_429: ForgeUnavailableError,
    FaultKind.LIMIT_429_AFTER: ForgeUnavailableError,
    FaultKind.RESET_BEFORE: ForgeUnavailableError,
    FaultKind.ENDLESS: ForgeError,
}


@pytest.mark.parametrize("kind", FAILURES)
def test_a_failed_read_is_an_error_and_never_an_empty_answer(
    place: Place, kind: FaultKind
) -> None:
    place.push()
    place.state.create(head=BRANCH, base="main", title="t", body="")
    for read in READS:
        place.fake.wire.faults = [Fault(kind, times=9)]
        with pytest.raises(FAILURES[kind]) as caught:
            read(place.forge)
        assert TOKEN not in f"{caught.value.message} {caught.value.hint}"


def test_a_number_that_is_not_there_is_not_found(place: Place) -> None:
    with pytest.raises(ForgeNotFoundError, match="#9"):
        place.forge.read(9)


@pytest.mark.parametrize(
    "kind", [FaultKind.RESET_AFTER, FaultKind.ERROR_502_AFTER, FaultKind.RESET_BEFORE]
)
def test_a_lost_answer_leaves_one_pull_request(place: Place, kind: FaultKind) -> None:
    head = place.push()
    place.fake.wire.faults.append(Fault(kind, method="POST", path="/pullrequests$"))
    try:
        place.forge.open(draft(head), now=NOON)
    except ForgeUnavailableError:
        place.forge.open(draft(head), now=NOON)
    assert len(place.state.all()) == 1


@pytest.mark.parametrize("kind", [FaultKind.RESET_AFTER, FaultKind.ERROR_502_AFTER])
def test_a_merge_whose_answer_is_lost_is_looked_at(
    place: Place, kind: FaultKind
) -> None:
    shown = place.open()
    place.fake.wire.faults.append(Fault(kind, method="POST", path="/merge$"))
    assert isinstance(place.merge(shown), Merged)
    assert place.state.writes["merged"] == 1


def test_the_token_goes_into_one_header_and_nowhere_else(place: Place) -> None:
    shown = place.open(reviewers=("ann",))
    place.forge.remark(shown.number, "hello", key="review", by="x", now=NOON)
    place.merge(shown)
    for asked in place.fake.wire.seen:
        others = {k: v for k, v in asked.headers.items() if k != "authorization"}
        assert TOKEN not in f"{asked.path} {asked.pairs} {asked.body} {others}"
    assert TOKEN not in repr(place.forge)
