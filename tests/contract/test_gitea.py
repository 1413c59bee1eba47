"""What is Gitea's and Forgejo's own: refusals told by texts, labels by ids, nulls."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
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
from gitops.forges import Forge, Merged, NotMerged, PullRequestDraft, Scheduled
from gitops.forges.gitea import forgejo_forge, gitea_forge
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
from tests.contract.gitea import forgejo_of, gitea_of, judge
from tests.contract.worlds import patient_gate
from tests.support.forges.gitea import FakeGitea
from tests.support.forges.state import BOT, MAIN, NOON, TOKEN, ForgeState
from tests.support.forges.wire import Fault, FaultKind
from tests.support.servers import Request, reply, serve

pytestmark = pytest.mark.gate

BRANCH = BranchName("directus-gitops/staging/example")


@dataclass
class Place:
    """An adapter before a fake that is judged."""

    fake: FakeGitea
    forge: HttpForge
    root: str

    @property
    def state(self) -> ForgeState:
        return self.fake.state

    def push(self, branch: str = BRANCH, text: str = "two", path: str = "a.txt") -> str:
        tip = self.state.tip("main")
        commit = self.state.commit({path: text}, on=tip)
        name = BranchName(branch)
        old = self.state.tip(name)
        self.state.repository.update_ref(name, commit, expected=old)
        return commit

    def open(
        self, branch: str = BRANCH, *, labels: tuple[str, ...] = (), **more: object
    ) -> PullRequest:
        head = self.push(branch)
        made = draft(head, branch=branch, labels=labels)
        return self.forge.open(replace(made, **more), now=NOON)  # type: ignore[arg-type]

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


def draft(
    head: str, *, branch: str = BRANCH, labels: tuple[str, ...] = ()
) -> PullRequestDraft:
    return PullRequestDraft(
        branch=BranchName(branch),
        base=MAIN,
        head=CommitId(head),
        title="bump",
        body="what changes",
        author="alice",
        labels=labels,
    )


@contextmanager
def running(folder: Path, of: Callable[..., HttpForge] = forgejo_of) -> Iterator[Place]:
    fake = FakeGitea(ForgeState(folder))
    fake.wire.watchers.append(judge())
    with fake.serving() as server, Web() as web:
        yield Place(fake, of(server.url, web, patient_gate()), server.url)


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    with running(tmp_path) as found:
        yield found


# --- who and where ---


def test_gitea_and_forgejo_differ_in_name_alone(tmp_path: Path) -> None:
    with running(tmp_path, gitea_of) as place:
        shown = place.open(labels=("bump",))
        assert isinstance(place.merge(shown), Merged)
        ours = place.forge.capabilities
    with Web() as web:
        other = forgejo_of("http://127.0.0.1:1", web, patient_gate()).capabilities
    assert (ours.kind, other.kind) == ("gitea", "forgejo")
    assert replace(ours, kind="forgejo") == other


@pytest.mark.parametrize("below", ["", "/git"])
def test_the_api_is_found_beside_the_repository(below: str, tmp_path: Path) -> None:
    asked: list[str] = []

    def answer(request: Request) -> bytes:
        asked.append(request.target)
        return reply({"login": "me"}, headers={"Content-Type": "application/json"})

    with serve(answer) as server, Web() as web:
        forge = gitea_forge(
            f"{server.url}{below}/team/fleet.git",
            web=web,
            allowed=Allowed(hosts=frozenset({"127.0.0.1"})),
            credential=lambda: TOKEN,
            gate=patient_gate(),
        )
        assert forge.account() == "me"
    assert asked == [f"{below}/api/v1/user"]


@pytest.mark.parametrize("path", ["", "/", "/team", "/team/", "//fleet"])
def test_an_address_without_a_repository_is_refused(path: str) -> None:
    with Web() as web, pytest.raises(InputError):
        forgejo_forge(
            f"https://forgejo.test{path}",
            web=web,
            allowed=Allowed(),
            credential=lambda: TOKEN,
            gate=patient_gate(),
        )


def test_a_token_that_is_rotated_is_used_from_then_on(tmp_path: Path) -> None:
    tokens = ["old"]
    with running(tmp_path) as place, Web() as web:
        forge = forgejo_forge(
            "https://forgejo.test/team/fleet",
            web=web,
            allowed=Allowed(hosts=frozenset({"127.0.0.1"})),
            credential=lambda: tokens[0],
            gate=patient_gate(),
            api=f"{place.root}/api/v1",
        )
        with pytest.raises(ForgeDeniedError):
            forge.list_all()
        tokens[0] = TOKEN
        assert forge.list_all() == ()


# --- lists ---


def test_every_page_is_read_and_each_is_shown_once(place: Place) -> None:
    numbers = place.many(7)
    assert [shown.number for shown in place.forge.list_all()] == numbers
    assert [shown.number for shown in place.forge.list_open()] == numbers
    found = place.forge.find(BranchName("directus-gitops/staging/s6"))
    assert [shown.number for shown in found] == numbers[-1:]


def test_a_link_elsewhere_is_not_followed_and_nothing_is_missed(place: Place) -> None:
    numbers = place.many(4)
    with serve(lambda _: reply([])) as elsewhere:
        place.fake.link_root = elsewhere.url
        assert [shown.number for shown in place.forge.list_all()] == numbers
        assert elsewhere.connections == 0


def test_a_list_of_a_hidden_repository_is_no_empty_list(place: Place) -> None:
    place.state.owner = "somebody-else"
    for look in (place.forge.list_all, place.forge.list_open):
        with pytest.raises(ForgeDeniedError):
            look()
    with pytest.raises(ForgeDeniedError):
        place.forge.find(BRANCH)
    with pytest.raises(ForgeDeniedError):
        place.forge.read(1)


def test_a_branch_that_is_gone_still_names_its_pull_request(place: Place) -> None:
    shown = place.open()
    place.merge(shown)
    assert place.forge.delete_branch(BRANCH, head=shown.head)
    found = place.forge.find(BRANCH)
    assert [(one.number, one.branch) for one in found] == [(shown.number, BRANCH)]


def test_a_pull_request_of_a_fork_is_marked_and_not_ours(place: Place) -> None:
    shown = place.open()
    place.state.from_forks.add(shown.number)
    assert place.forge.find(BRANCH) == ()
    assert [one.from_fork for one in place.forge.list_open()] == [True]


def test_an_ended_one_without_a_head_is_left_out_and_an_open_one_is_an_error(
    place: Place,
) -> None:
    gone: dict[str, Json] = {
        "number": 1,
        "state": "closed",
        "head": {"label": "gone", "sha": "", "repo_id": -1},
        "base": {"ref": "main", "repo_id": 531},
        "created_at": "2026-11-23T12:00:00Z",
    }
    place.fake.extra_pulls = [gone]
    assert place.forge.list_all() == ()
    place.fake.extra_pulls = [gone | {"state": "open"}]
    with pytest.raises(ForgeUnavailableError):
        place.forge.list_all()


# --- opening ---


def test_a_pull_request_that_changes_nothing_is_not_asked_for(place: Place) -> None:
    tip = place.state.tip("main")
    assert tip is not None
    place.state.repository.update_ref(BRANCH, tip, expected=None)
    with pytest.raises(ForgeConflictError, match="holds everything"):
        place.forge.open(draft(tip), now=NOON)
    assert place.state.writes["created"] == 0


def test_one_that_another_run_opened_meanwhile_is_adopted(place: Place) -> None:
    head = place.push()
    theirs = place.state.create(head=BRANCH, base="main", title="theirs", body="x")
    lags = Fault(FaultKind.EMPTY_LIST, method="GET", path="/pulls$")
    place.fake.wire.faults.append(lags)
    shown = place.forge.open(draft(head), now=NOON)
    assert lags.fired == 1
    assert shown.number == theirs.number
    assert len(place.state.all()) == 1


def test_a_branch_that_goes_at_the_last_moment_is_a_conflict(place: Place) -> None:
    head = place.push()
    place.fake.wire.faults.append(
        Fault(FaultKind.NOT_FOUND_404, method="POST", path="/pulls$")
    )
    with pytest.raises(ForgeConflictError, match="not there"):
        place.forge.open(draft(head), now=NOON)


# --- labels and reviewers ---


def test_labels_are_made_once_and_set_by_their_ids(place: Place) -> None:
    first = place.open(labels=("bump", "other"))
    second = place.open("directus-gitops/staging/acme", labels=("bump",))
    again = place.forge.update(
        second.number,
        draft(second.head, branch=second.branch, labels=("bump",)),
        now=NOON,
    )
    assert (first.labels, again.labels) == (("bump", "other"), ("bump",))
    assert place.state.writes["label made"] == 1
    assert place.state.writes["labelled"] == 2


def test_who_cannot_review_is_left_out_and_the_rest_is_asked(place: Place) -> None:
    people = ("nobody-at-all", BOT, "eve", "ann", "ben")
    shown = place.open(reviewers=people)
    assert place.state.reviewers[shown.number] == {"ann", "ben"}


def test_who_has_voted_is_not_asked_again(place: Place) -> None:
    shown = place.open(reviewers=("ann",))
    place.state.approve(shown.number, by="ben")
    asked = replace(draft(shown.head), reviewers=("ann", "ben"))
    place.forge.update(shown.number, asked, now=NOON)
    assert place.state.writes["asked"] == 1
    assert place.state.reviewers[shown.number] == {"ann"}


# --- approvals ---


def review(shown: PullRequest, by: str, state: str, **more: Json) -> dict[str, Json]:
    return {
        "id": 900 + len(more) + {"APPROVED": 0, "REQUEST_CHANGES": 10}.get(state, 20),
        "user": {"id": 2, "login": by},
        "state": state,
        "commit_id": shown.head,
        "official": True,
        "stale": False,
        "dismissed": False,
        "submitted_at": "2026-11-23T12:30:00Z",
        **more,
    }


def test_an_approval_of_somebody_without_a_say_does_not_count(place: Place) -> None:
    shown = place.open()
    place.state.approve(shown.number, by="eve")
    place.state.approve(shown.number, by="ann")
    assert [one.by for one in place.forge.read(shown.number).approvals] == ["ann"]


@pytest.mark.parametrize("later", ["REQUEST_CHANGES", "REQUEST_REVIEW"])
def test_a_later_vote_ends_an_approval(place: Place, later: str) -> None:
    shown = place.open()
    place.state.approve(shown.number, by="ann")
    place.fake.reviews[shown.number] = [review(shown, "ann", later)]
    assert place.forge.read(shown.number).approvals == ()


def test_a_comment_ends_no_approval_and_a_dismissal_does(place: Place) -> None:
    shown = place.open()
    place.state.approve(shown.number, by="ann")
    place.fake.reviews[shown.number] = [review(shown, "ann", "COMMENT")]
    assert [one.by for one in place.forge.read(shown.number).approvals] == ["ann"]
    place.fake.reviews[shown.number] = [
        review(shown, "ann", "APPROVED", dismissed=True)
    ]
    assert place.forge.read(shown.number).approvals == ()


def test_an_approval_without_a_commit_is_about_nothing(place: Place) -> None:
    shown = place.open()
    place.fake.reviews[shown.number] = [review(shown, "ben", "APPROVED", commit_id="")]
    assert place.forge.read(shown.number).approvals == ()


# --- state ---


def test_builds_and_statuses_are_checks(place: Place) -> None:
    shown = place.open()
    place.state.builds[shown.head] = {
        name: Check(name=name, state=state, url="https://ci.test/1")
        for name, state in (
            ("a", CheckState.PASSED),
            ("b", CheckState.FAILED),
            ("c", CheckState.PENDING),
            ("d", CheckState.PASSED),
        )
    }
    checks = place.forge.read(shown.number).checks
    assert [(one.name, one.state) for one in checks] == [
        ("a", CheckState.PASSED),
        ("b", CheckState.FAILED),
        ("c", CheckState.PENDING),
        ("d", CheckState.PASSED),
    ]


def test_not_mergeable_is_a_conflict_only_if_both_sides_changed_a_file(
    place: Place,
) -> None:
    shown = place.open()
    assert place.forge.read(shown.number).mergeability is Mergeability.READY
    place.state.undecided = 1
    assert place.forge.read(shown.number).mergeability is Mergeability.UNKNOWN
    place.state.undecided = 0
    place.push("main", "theirs")
    assert place.forge.read(shown.number).mergeability is Mergeability.CONFLICT


def test_work_in_progress_is_blocked(place: Place) -> None:
    shown = place.open()
    place.state.drafts.add(shown.number)
    now = place.forge.read(shown.number)
    assert (now.is_draft, now.mergeability) == (True, Mergeability.BLOCKED)


def test_who_closed_it_is_found_behind_many_events(place: Place) -> None:
    shown = place.open()
    for number in range(7):
        place.state.say(shown.number, f"{number}", by="ann")
    place.state.forge.close(shown.number, by="ben", now=NOON)
    assert place.forge.read(shown.number).closed_by == "ben"


# --- merging ---


def test_try_again_later_is_waited_for(place: Place) -> None:
    shown = place.open()
    place.state.undecided = 1
    first = place.merge(shown)
    assert isinstance(first, NotMerged)
    assert not first.needs_regeneration
    assert isinstance(place.merge(shown), Merged)


def test_a_conflict_names_its_file(place: Place) -> None:
    shown = place.open()
    place.push("main", "theirs")
    result = place.merge(shown)
    assert isinstance(result, NotMerged)
    assert result.needs_regeneration
    assert "a.txt" in result.reason


def test_the_forges_own_rules_are_a_reason_not_an_error(place: Place) -> None:
    shown = place.open()
    place.state.blocked = "Does not have enough approvals"
    result = place.merge(shown)
    assert isinstance(result, NotMerged)
    assert "enough approvals" in result.reason
    place.state.blocked = ""
    place.state.drafts.add(shown.number)
    assert isinstance(place.merge(shown), NotMerged)


CONFLICTS: dict[str, tuple[Json, bool]] = {
    "git": ({"Style": "merge", "StdOut": "CONFLICT", "StdErr": "", "Err": {}}, True),
    "the base moved": ({"message": "merge push out of date"}, False),
    "a hook": ({"message": "PushRejected with remote message: no"}, False),
}


@pytest.mark.parametrize("kind", sorted(CONFLICTS))
def test_a_409_of_the_merge_itself_is_not_merged(place: Place, kind: str) -> None:
    shown = place.open()
    place.fake.refusal_409, regenerate = CONFLICTS[kind]
    result = place.merge(shown)
    assert isinstance(result, NotMerged)
    assert result.needs_regeneration is regenerate
    assert place.forge.read(shown.number).state is PullRequestState.OPEN


def test_a_head_that_moves_at_the_last_moment_is_a_conflict(place: Place) -> None:
    shown = place.open()
    place.fake.refusal_409 = {"message": "head out of date"}
    with pytest.raises(ForgeConflictError, match="head out of date"):
        place.merge(shown)


def test_one_that_is_merged_meanwhile_is_merged(place: Place) -> None:
    shown = place.open()

    place.fake.before_merge = lambda: place.state.forge.merge(
        shown.number, head=shown.head, by="ben", now=NOON
    )
    result = place.merge(shown)
    assert isinstance(result, Merged)
    assert result.pull_request.closed_by == "ben"


def test_one_that_is_closed_meanwhile_is_a_conflict(place: Place) -> None:
    shown = place.open()
    place.fake.before_merge = lambda: place.state.forge.close(
        shown.number, by="ben", now=NOON
    )
    with pytest.raises(ForgeConflictError, match="closed"):
        place.merge(shown)


def test_who_may_not_merge_is_denied(place: Place) -> None:
    shown = place.open()
    place.state.may_write = False
    with pytest.raises(ForgeDeniedError, match="not allowed to merge"):
        place.merge(shown)


def test_a_merge_is_planned_while_checks_run_and_done_when_they_are_green(
    place: Place,
) -> None:
    shown = place.open()
    place.state.blocked = "checks"
    for _ in range(2):
        planned = place.forge.merge_later(shown.number, head=shown.head)
        assert isinstance(planned, Scheduled)
    assert place.state.writes["scheduled"] == 1
    place.state.builds[shown.head] = {
        "ci": Check(name="ci", state=CheckState.PASSED, url="")
    }
    done = place.forge.merge_later(shown.number, head=shown.head)
    assert isinstance(done, Scheduled)
    assert done.pull_request.state is PullRequestState.MERGED


# --- failures ---

READS: tuple[Callable[[Forge], object], ...] = (
    lambda forge: forge.list_all(),
    lambda forge: forge.find(BRANCH),
    lambda forge: forge.read(1),
)
FAILURES = {
    FaultKind.DENIED_401: ForgeDeniedError,
    FaultKind.DENIED_403: ForgeDeniedError,
    FaultKind.SIGN_IN_203: ForgeDeniedError,
    FaultKind.HTML: ForgeError,
    FaultKind.TRUNCATED: ForgeUnavailableError,
    FaultKind.ERROR_500: ForgeUnavailableError,
    FaultKind.ERROR_503: ForgeUnavailableError,
    FaultKind.LIMIT_429: ForgeUnavailableError,
    FaultKind.LIMIT_429_AFTER: ForgeUnavailableError,
    FaultKind.SECONDARY_403: ForgeUnavailableError,
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


def test_a_number_that_is_not_there_is_not_found_only_where_we_may_look(
    place: Place,
) -> None:
    with pytest.raises(ForgeNotFoundError, match="#9"):
        place.forge.read(9)
    place.fake.wire.faults.append(Fault(FaultKind.NOT_FOUND_404, times=9))
    with pytest.raises(ForgeDeniedError):
        place.forge.read(9)


@pytest.mark.parametrize(
    "kind", [FaultKind.RESET_AFTER, FaultKind.ERROR_502_AFTER, FaultKind.RESET_BEFORE]
)
def test_a_lost_answer_leaves_one_pull_request(place: Place, kind: FaultKind) -> None:
    head = place.push()
    place.fake.wire.faults.append(Fault(kind, method="POST", path="/pulls$"))
    try:
        place.forge.open(draft(head), now=NOON)
    except ForgeUnavailableError:
        place.forge.open(draft(head), now=NOON)
    assert len(place.state.all()) == 1
    assert place.state.writes["created"] == 1


@pytest.mark.parametrize("kind", [FaultKind.RESET_AFTER, FaultKind.ERROR_502_AFTER])
def test_a_merge_whose_answer_is_lost_is_looked_at(
    place: Place, kind: FaultKind
) -> None:
    shown = place.open()
    place.fake.wire.faults.append(Fault(kind, method="POST", path="/merge$"))
    assert isinstance(place.merge(shown), Merged)
    assert place.state.writes["merged"] == 1


def test_the_token_goes_into_one_header_and_nowhere_else(place: Place) -> None:
    shown = place.open(labels=("bump",), reviewers=("ann",))
    place.forge.remark(shown.number, "hello", key="review", by="x", now=NOON)
    place.merge(shown)
    for asked in place.fake.wire.seen:
        others = {k: v for k, v in asked.headers.items() if k != "authorization"}
        assert TOKEN not in f"{asked.path} {asked.pairs} {asked.body} {others}"
    assert TOKEN not in repr(place.forge)
