"""What is Data Center's own: versions, exceptions by name, comments of the log."""

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
from gitops.forges import (
    Forge,
    Merged,
    NotMerged,
    PullRequestDraft,
    Scheduled,
    Status,
)
from gitops.forges.bitbucket import (
    bitbucket_datacenter_forge,
    datacenter_reading as reading,
)
from gitops.forges.http import HttpForge
from gitops.model import (
    BranchName,
    Check,
    CheckState,
    CommitId,
    Json,
    Mergeability,
    PullRequest,
    PullRequestState,
)
from gitops.web import Allowed, Web
from tests.contract.bitbucket import datacenter_judge, datacenter_of
from tests.contract.worlds import patient_gate
from tests.support.forges.bitbucket_datacenter import FakeBitbucketDataCenter
from tests.support.forges.state import BOT, MAIN, NOON, TOKEN, ForgeState
from tests.support.forges.wire import Fault, FaultKind
from tests.support.servers import Request, reply, serve

pytestmark = pytest.mark.gate

BRANCH = BranchName("directus-gitops/staging/example")


@dataclass
class Place:
    """An adapter before a fake that is judged."""

    fake: FakeBitbucketDataCenter
    forge: HttpForge

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
        body="what changes",
        author="alice",
    )


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    fake = FakeBitbucketDataCenter(ForgeState(tmp_path))
    fake.wire.watchers.append(datacenter_judge())
    with fake.serving() as server, Web() as web:
        yield Place(fake, datacenter_of(server.url, web, patient_gate()))


# --- who and where ---

ADDRESSES = {
    "/scm/KEY/fleet.git": ("", "KEY"),
    "/git/scm/KEY/fleet.git": ("/git", "KEY"),
    "/scm/~ann/fleet.git": ("", "~ann"),
    "/projects/KEY/repos/fleet": ("", "KEY"),
    "/git/users/ann/repos/fleet": ("/git", "~ann"),
}


@pytest.mark.parametrize("path", ADDRESSES)
def test_the_api_is_found_beside_the_repository(path: str) -> None:
    below, project = ADDRESSES[path]
    asked: list[str] = []

    def answer(request: Request) -> bytes:
        asked.append(request.target)
        headers = {"Content-Type": "application/json", "X-AUSERNAME": "fleet%2Fbot"}
        return reply({"slug": "fleet"}, headers=headers)

    with serve(answer) as server, Web() as web:
        forge = bitbucket_datacenter_forge(
            f"{server.url}{path}",
            web=web,
            allowed=Allowed(hosts=frozenset({"127.0.0.1"})),
            credential=lambda: TOKEN,
            gate=patient_gate(),
        )
        assert forge.account() == "fleet/bot"
    assert asked == [f"{below}/rest/api/latest/projects/{project}/repos/fleet"]


@pytest.mark.parametrize("path", ["", "/team/fleet", "/scm/KEY", "/scm//fleet.git"])
def test_an_address_without_a_repository_is_refused(path: str) -> None:
    with Web() as web, pytest.raises(InputError):
        bitbucket_datacenter_forge(
            f"https://bitbucket.test{path}",
            web=web,
            allowed=Allowed(),
            credential=lambda: TOKEN,
            gate=patient_gate(),
        )


def test_a_server_that_does_not_say_who_we_are_is_an_error() -> None:
    kind = {"Content-Type": "application/json", "X-AUSERNAME": "anonymous"}
    with serve(lambda _: reply({}, headers=kind)) as server, Web() as web:
        forge = datacenter_of(server.url, web, patient_gate())
        with pytest.raises(ForgeUnavailableError):
            forge.account()


# --- lists ---


def test_every_page_is_read(place: Place) -> None:
    numbers = place.many(7)
    for shown in (place.forge.list_all(), place.forge.list_open()):
        assert [one.number for one in shown] == numbers
    found = place.forge.find(BranchName("directus-gitops/staging/s6"))
    assert [one.number for one in found] == numbers[-1:]


def test_a_branch_is_not_another_one_whose_name_holds_its_name(place: Place) -> None:
    place.push("directus-gitops/staging/example-two")
    head = place.push("directus-gitops/staging/example-three")
    with pytest.raises(ForgeConflictError, match="not there"):
        place.forge.open(draft(head), now=NOON)


def test_a_list_that_does_not_say_how_it_goes_on_is_an_error() -> None:
    kind = {"Content-Type": "application/json"}
    bodies: list[Json] = [
        {"values": []},
        {"values": [], "isLastPage": False, "nextPageStart": None},
        {"values": [], "isLastPage": False, "nextPageStart": 0},
        {"values": [], "isLastPage": False, "nextPageStart": "5"},
        {"values": [], "isLastPage": True, "nextPageStart": None},
    ]
    with serve(lambda _: reply(bodies[0], headers=kind)) as server, Web() as web:
        forge = datacenter_of(server.url, web, patient_gate())
        for _ in range(len(bodies) - 1):
            with pytest.raises(ForgeUnavailableError, match="goes on"):
                forge.list_all()
            bodies.pop(0)
        assert forge.list_all() == ()


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


# --- opening and updating ---


def test_one_that_another_run_opened_meanwhile_is_adopted(place: Place) -> None:
    head = place.push()
    theirs = place.state.create(head=BRANCH, base="main", title="theirs", body="x")
    number = place.forge._line.hold
    with pytest.raises(ForgeConflictError, match="Only one pull request"):
        number(place.forge._dialect.create(draft(head)))
    assert place.forge.open(draft(head), now=NOON).number == theirs.number
    assert len(place.state.all()) == 1


def test_a_change_of_an_old_version_is_asked_for_once_more(place: Place) -> None:
    shown = place.open()
    place.fake.stale = 1
    new = replace(draft(shown.head), title="new")
    assert place.forge.update(shown.number, new, now=NOON).title == "new"
    place.fake.stale = 2
    with pytest.raises(ForgeConflictError, match="out-of-date"):
        place.forge.update(shown.number, draft(shown.head), now=NOON)
    place.fake.stale = 1
    closed = place.forge.close(shown.number, by="ann", now=NOON)
    assert closed.state is PullRequestState.CLOSED
    assert closed.closed_by == BOT


def test_reviewers_outlive_a_new_title_and_who_is_refused_is_left_out(
    place: Place,
) -> None:
    shown = place.open(reviewers=("nobody-at-all", BOT, "eve", "ann", "ben"))
    assert place.state.reviewers[shown.number] == {"ann", "ben"}
    new = replace(draft(shown.head), title="new", reviewers=("ann",))
    place.forge.update(shown.number, new, now=NOON)
    assert place.state.reviewers[shown.number] == {"ann", "ben"}
    assert place.state.writes["asked"] == 2


# --- people ---


def test_approvals_are_of_the_commit_that_was_looked_at(place: Place) -> None:
    shown = place.open(reviewers=("ann",))
    for by in ("ann", "ben"):
        place.state.approve(shown.number, by=by)
    place.push(text="three")
    approvals = place.forge.read(shown.number).approvals
    assert [(one.by, one.head) for one in approvals] == [
        ("ann", shown.head),
        ("ben", shown.head),
    ]


def test_an_approval_without_a_commit_does_not_count() -> None:
    item: Json = {
        "updatedDate": 1,
        "reviewers": [{"user": {"name": "ann"}, "status": "APPROVED"}],
    }
    assert reading.approvals(item, []) == ()


def test_answers_to_comments_are_comments_too() -> None:
    def said(number: int, *answers: Json) -> Json:
        return {
            "id": number,
            "text": f"{number}",
            "author": {"name": "ann"},
            "createdDate": 1_700_000_000_000,
            "comments": list(answers),
        }

    log: list[Json] = [
        {"action": "RESCOPED"},
        {"action": "COMMENTED", "comment": said(5, said(7, said(9)))},
        {"action": "COMMENTED", "comment": said(6)},
    ]
    assert [one.id for one in reading.remarks(log)] == ["5", "6", "7", "9"]


def test_a_remark_is_rewritten_in_the_version_it_has(place: Place) -> None:
    shown = place.open()
    for text in ("one", "two"):
        place.fake.stale = 1 if text == "two" else 0
        place.forge.remark(shown.number, text, key="review", by="x", now=NOON)
    assert [note.comment.text.split("\n")[0] for note in place.state.notes] == ["two"]


def test_a_status_has_an_address_and_a_key_that_fits(place: Place) -> None:
    shown = place.open()
    said = Status(name="n" * 300, state=CheckState.FAILED, description="2 findings")
    place.forge.report(shown.head, said)
    (sent,) = [one for one in place.fake.wire.seen if one.path.endswith("/builds")]
    assert sent.text("url").startswith("https://bitbucket.test/projects/team/repos/")
    assert len(sent.text("key")) <= 255
    checks = place.forge.read(shown.number).checks
    assert [one.state for one in checks] == [CheckState.FAILED]


# --- merging ---


def test_what_the_server_says_of_merging_is_told(place: Place) -> None:
    shown = place.open()

    def now() -> Mergeability:
        return place.forge.read(shown.number).mergeability

    assert now() is Mergeability.READY
    place.state.undecided = 1
    assert now() is Mergeability.UNKNOWN
    place.state.blocked = "needs two approvals"
    assert now() is Mergeability.BLOCKED
    place.state.blocked = ""
    place.push("main", "theirs")
    assert now() is Mergeability.CONFLICT


def test_a_veto_is_a_reason_and_not_an_error(place: Place) -> None:
    shown = place.open()
    place.state.blocked = "needs two approvals"
    result = place.merge(shown)
    assert isinstance(result, NotMerged)
    assert "needs two approvals" in result.reason
    assert not result.needs_regeneration


def test_a_merge_of_an_old_version_is_looked_at_and_asked_for_again(
    place: Place,
) -> None:
    shown = place.open()
    place.fake.stale = 1
    assert isinstance(place.merge(shown), Merged)


def test_a_push_in_the_last_moment_is_not_merged(place: Place) -> None:
    shown = place.open()

    def pushed() -> None:
        place.fake.before_merge = lambda: None
        place.push(text="three")
        place.fake.stale = 1

    place.fake.before_merge = pushed
    with pytest.raises(ForgeConflictError, match="not"):
        place.merge(shown)
    assert place.state.writes["merged"] == 0


def test_one_that_is_declined_meanwhile_is_a_conflict(place: Place) -> None:
    shown = place.open()
    place.fake.before_merge = lambda: place.state.forge.close(
        shown.number, by="ben", now=NOON
    )
    with pytest.raises(ForgeConflictError, match="declined"):
        place.merge(shown)


def test_a_plan_to_merge_is_shown_and_made_once(place: Place) -> None:
    shown = place.open()
    place.state.blocked = "checks"
    for _ in range(2):
        assert isinstance(
            place.forge.merge_later(shown.number, head=shown.head), Scheduled
        )
    assert place.forge.read(shown.number).merges_later
    assert place.state.writes["scheduled"] == 1


def test_a_repository_without_auto_merge_says_so(place: Place) -> None:
    shown = place.open()
    place.fake.allows_later = False
    result = place.forge.merge_later(shown.number, head=shown.head)
    assert isinstance(result, NotMerged)
    assert "not enabled" in result.reason


def test_a_plan_whose_checks_are_green_is_merged_at_once(place: Place) -> None:
    shown = place.open()
    green = Check(name="ci", state=CheckState.PASSED)
    place.state.builds[shown.head] = {"ci": green}
    result = place.forge.merge_later(shown.number, head=shown.head)
    assert isinstance(result, Scheduled)
    assert result.pull_request.state is PullRequestState.MERGED


def test_a_branch_that_moved_meanwhile_is_not_deleted(place: Place) -> None:
    shown = place.open()
    head = place.push(text="three")
    with pytest.raises(ForgeConflictError):
        place.forge._line.hold(
            place.forge._dialect.remove_branch(BRANCH, head=shown.head)
        )
    assert place.state.tip(BRANCH) == head


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


def test_who_may_not_write_is_denied(place: Place) -> None:
    shown = place.open()
    place.state.may_write = False
    with pytest.raises(ForgeDeniedError):
        place.merge(shown)
    with pytest.raises(ForgeDeniedError):
        place.forge.close(shown.number, by="x", now=NOON)


@pytest.mark.parametrize(
    "kind", [FaultKind.RESET_AFTER, FaultKind.ERROR_502_AFTER, FaultKind.RESET_BEFORE]
)
def test_a_lost_answer_leaves_one_pull_request(place: Place, kind: FaultKind) -> None:
    head = place.push()
    place.fake.wire.faults.append(Fault(kind, method="POST", path="/pull-requests$"))
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
