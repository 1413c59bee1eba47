"""What only Azure DevOps does, and what only its adapter has to know."""

from __future__ import annotations

import json
import logging
from base64 import b64decode
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

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
    Merged,
    NotMerged,
    PullRequestDraft,
    Scheduled,
    Status,
)
from gitops.forges.azure import azure_forge, reading
from gitops.forges.azure.address import home_of
from gitops.forges.http import HttpForge, RateGate
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
from gitops.web import Allowed, Answer, Web, place_of
from tests.contract.azure import azure_of, judge
from tests.contract.worlds import patient_gate
from tests.support.forges.azure import SERVICE, FakeAzure
from tests.support.forges.state import BOT, MAIN, TOKEN, ForgeState
from tests.support.forges.wire import Asked, Fault, FaultKind, Told

pytestmark = pytest.mark.gate

BRANCH = BranchName("directus-gitops/staging/example")
NOW = datetime(2026, 11, 23, 12, 30, tzinfo=UTC)
HOME = "https://dev.azure.com/org/Fleet%20Project/_git/fleet"


class Lab:
    """A fake Azure DevOps that runs, and an adapter for it."""

    def __init__(self, fake: FakeAzure, forge: HttpForge, root: str, web: Web) -> None:
        self.fake = fake
        self.state = fake.state
        self.forge = forge
        self.root = root
        self.web = web

    def push(self, text: str = "two", branch: BranchName = BRANCH) -> CommitId:
        tip = self.state.tip(MAIN)
        head = self.state.commit({"a.txt": text}, on=tip)
        self.state.repository.update_ref(
            branch, head, expected=self.state.repository.tip(branch)
        )
        return head

    def draft(self, head: CommitId, branch: BranchName = BRANCH) -> PullRequestDraft:
        return PullRequestDraft(
            branch=branch, base=MAIN, head=head, title="t", body="b", author="us"
        )

    def opened(self, text: str = "two", branch: BranchName = BRANCH) -> PullRequest:
        return self.forge.open(self.draft(self.push(text, branch), branch), now=NOW)

    def merge(self, shown: PullRequest) -> Merged | NotMerged:
        return self.forge.merge(shown.number, head=shown.head, by="bob", now=NOW)

    def build(self, head: CommitId, name: str, state: CheckState) -> None:
        builds = self.state.builds.setdefault(head, {})
        builds[name] = Check(name=name, state=state)

    def order(self, kind: FaultKind, method: str, path: str) -> None:
        self.fake.wire.faults.append(Fault(kind=kind, method=method, path=path))

    def seen(self, method: str, end: str) -> list[Asked]:
        return [
            one
            for one in self.fake.wire.seen
            if one.method == method and one.path.endswith(end)
        ]


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    fake = FakeAzure(ForgeState(tmp_path))
    fake.wire.watchers.append(judge())
    with fake.wire.serving() as server, Web() as web:
        forge = azure_of(server.url, web, patient_gate())
        yield Lab(fake, forge, server.url, web)


# --- what the forge refuses ---


@pytest.mark.parametrize(
    ("kind", "error"),
    [
        (FaultKind.DENIED_401, ForgeDeniedError),
        (FaultKind.DENIED_403, ForgeDeniedError),
        (FaultKind.NOT_FOUND_404, ForgeNotFoundError),
        (FaultKind.LIMIT_429, ForgeUnavailableError),
        (FaultKind.LIMIT_429_AFTER, ForgeUnavailableError),
        (FaultKind.ERROR_500, ForgeUnavailableError),
        (FaultKind.ERROR_503, ForgeUnavailableError),
        (FaultKind.RESET_BEFORE, ForgeUnavailableError),
        (FaultKind.TRUNCATED, ForgeUnavailableError),
        (FaultKind.SIGN_IN_203, ForgeDeniedError),
        (FaultKind.HTML, ForgeDeniedError),
        (FaultKind.ENDLESS, ForgeError),
    ],
)
def test_a_bad_answer_to_a_read_is_the_right_error(
    lab: Lab, kind: FaultKind, error: type[ForgeError]
) -> None:
    shown = lab.opened()
    lab.order(kind, "GET", f"/pullrequests/{shown.number}$")
    with pytest.raises(error) as caught:
        lab.forge.read(shown.number)
    assert TOKEN not in f"{caught.value} {caught.value.hint}"
    assert lab.forge.read(shown.number).number == shown.number


def test_each_way_to_refuse_a_token_is_denied(lab: Lab) -> None:
    shown = lab.opened()
    lab.state.tokens.clear()
    calls: tuple[Callable[[], object], ...] = (
        lambda: lab.forge.read(shown.number),  # 203 and a page
        lambda: lab.forge.report(shown.head, _status(CheckState.PASSED)),  # 302
        lambda: lab.forge._line.hold(lab.forge._dialect.close(shown.number)),  # 401
    )
    for call in calls:
        with pytest.raises(ForgeDeniedError):
            call()


def test_a_token_that_only_reads_changes_nothing(lab: Lab) -> None:
    shown = lab.opened()
    lab.state.may_write = False
    writes = lab.state.writes.copy()
    calls: tuple[Callable[[], object], ...] = (
        lambda: lab.forge.comment(shown.number, "x", by="us", now=NOW),
        lambda: lab.forge.close(shown.number, by="us", now=NOW),
        lambda: lab.merge(shown),
        lambda: lab.forge.delete_branch(BRANCH, head=shown.head),
    )
    for call in calls:
        with pytest.raises(ForgeDeniedError, match="TF401027"):
            call()
    assert lab.state.writes == writes


def test_a_repository_that_is_not_for_us_is_no_empty_list(lab: Lab) -> None:
    lab.opened()
    lab.state.name = "renamed"
    calls: tuple[Callable[[], object], ...] = (
        lambda: lab.forge.find(BRANCH),
        lambda: lab.forge.delete_branch(BRANCH, head=CommitId("0" * 40)),
    )
    for call in calls:
        with pytest.raises(ForgeDeniedError, match="TF401019"):
            call()


def test_a_delay_beside_a_good_answer_is_kept(lab: Lab) -> None:
    waited: list[float] = []
    gate = RateGate(monotonic_s=lambda: 1000.0, wait=waited.append, patience_s=60)
    lab.fake.delay_s = 30
    azure_of(lab.root, lab.web, gate).account()
    assert waited == [30]


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"message": "TF1: no", "typeKey": "K"}, "TF1: no"),
        ({"message": None}, ""),
        ({"value": []}, ""),
        (["no", "mapping"], ""),
        ("<html>", ""),
    ],
)
def test_every_shape_of_an_error_has_its_words(body: Json, words: str) -> None:
    raw = body.encode() if isinstance(body, str) else json.dumps(body).encode()
    answer = Answer(
        status=400, headers={}, body=raw, place=place_of("https://azure.test/x")
    )
    assert reading.words(answer) == words


# --- lists ---


def test_every_page_of_a_list_is_read(lab: Lab) -> None:
    lab.fake.page = 2
    numbers = [
        lab.opened(f"{n}", BranchName(f"directus-gitops/staging/s{n}")).number
        for n in range(5)
    ]
    assert [shown.number for shown in lab.forge.list_open()] == numbers
    assert [shown.number for shown in lab.forge.list_all()] == numbers


def test_a_branch_is_found_among_those_that_begin_alike(lab: Lab) -> None:
    lab.fake.page = 1
    longer = [lab.push(f"{n}", BranchName(f"{BRANCH}-{n}")) for n in range(3)]
    assert not lab.forge.delete_branch(BRANCH, head=longer[0])
    head = lab.push("mine")
    assert lab.forge.delete_branch(BRANCH, head=head)
    assert lab.state.tip(f"{BRANCH}-0") == longer[0]


def test_a_body_is_whole_where_one_is_read_and_cut_in_lists(lab: Lab) -> None:
    whole = replace(lab.draft(lab.push()), body="b" * 4000)
    shown = lab.forge.open(whole, now=NOW)
    assert lab.forge.read(shown.number).body == whole.body
    assert len(lab.forge.find(BRANCH)[0].body) == 400
    edits = lab.state.writes["edited"]
    lab.forge.update(shown.number, whole, now=NOW)  # the cut one is not compared
    assert lab.state.writes["edited"] == edits


def test_one_of_a_fork_is_marked_and_never_ours(lab: Lab) -> None:
    shown = lab.opened()
    lab.state.from_forks.add(shown.number)
    assert lab.forge.read(shown.number).from_fork
    assert [one.from_fork for one in lab.forge.list_open()] == [True]
    assert lab.forge.find(BRANCH) == ()


def test_a_head_that_is_not_shown_yet_is_where_the_branch_is(lab: Lab) -> None:
    lab.fake.unmerged = 2
    shown = lab.opened()
    assert shown.head == lab.state.tip(BRANCH)
    again = lab.forge.read(shown.number)
    assert (again.head, again.mergeability) == (shown.head, Mergeability.UNKNOWN)


@pytest.mark.parametrize(
    ("status", "mergeability"),
    [
        ("succeeded", Mergeability.READY),
        ("conflicts", Mergeability.CONFLICT),
        ("rejectedByPolicy", Mergeability.BLOCKED),
        ("failure", Mergeability.BLOCKED),
        ("queued", Mergeability.UNKNOWN),
        ("notSet", Mergeability.UNKNOWN),
        (None, Mergeability.UNKNOWN),
        ("something_of_next_year", Mergeability.UNKNOWN),
    ],
)
def test_each_status_of_a_merge_is_read(
    status: str | None, mergeability: Mergeability
) -> None:
    assert _read(mergeStatus=status).mergeability is mergeability


@pytest.mark.parametrize(
    "broken",
    [
        {"status": "notSet"},
        {"pullRequestId": None},
        {"lastMergeSourceCommit": {"commitId": "not a commit"}},
        {"creationDate": "yesterday"},
        {"status": "completed", "lastMergeCommit": {"commitId": "--upload-pack=x"}},
    ],
)
def test_what_makes_no_sense_is_an_error_and_no_guess(broken: dict[str, Json]) -> None:
    with pytest.raises(ForgeUnavailableError):
        _read(**broken)


def test_empty_fields_and_long_fractions_of_seconds_are_read() -> None:
    shown = _read(
        labels=None,
        reviewers=None,
        description=None,
        creationDate="2016-11-01T16:30:31.6655471Z",
    )
    assert shown.created_at == datetime(2016, 11, 1, 16, 30, 31, 665547, UTC)
    assert (shown.labels, shown.body) == ((), "")
    assert shown.url == f"{HOME}/pullrequest/7"


def _read(**fields: Any) -> PullRequest:
    item: dict[str, Json] = {
        "pullRequestId": 7,
        "status": "active",
        "lastMergeSourceCommit": {"commitId": "a" * 40},
        "sourceRefName": "refs/heads/x",
        "targetRefName": "refs/heads/main",
        "creationDate": "2026-11-23T12:00:00.0000000Z",
        "createdBy": {"uniqueName": "us"},
        **fields,
    }
    head = reading.head_of(item)
    assert head is not None
    return reading.pull_request(item, head, HOME)


# --- who we are ---


def test_our_name_is_the_one_that_pull_requests_show(lab: Lab) -> None:
    lab.fake.account = "another-way-to-write-it"
    assert lab.forge.account() == "another-way-to-write-it"
    shown = lab.opened()
    forge = azure_of(lab.root, lab.web, patient_gate())
    assert forge.account() == shown.author == BOT
    for text in ("one", "one", "two"):
        forge.remark(shown.number, text, key="review", by="us", now=NOW)
    assert lab.state.writes["commented"] == 1
    assert lab.state.writes["rewritten"] == 1


# --- opening ---


def test_a_list_that_lags_leads_to_the_one_that_is_there(lab: Lab) -> None:
    first = lab.opened()
    lab.fake.lags = 1
    again = lab.forge.open(lab.draft(first.head), now=NOW)
    assert again.number == first.number
    assert lab.state.writes["created"] == 1


@pytest.mark.parametrize("kind", [FaultKind.RESET_AFTER, FaultKind.ERROR_502_AFTER])
def test_a_lost_answer_opens_no_second_one(lab: Lab, kind: FaultKind) -> None:
    lab.order(kind, "POST", "/pullrequests$")
    shown = lab.opened()
    assert [one.number for one in lab.forge.list_all()] == [shown.number]
    assert lab.state.writes["created"] == 1


def test_nothing_is_opened_for_nothing(lab: Lab) -> None:
    base = lab.state.tip(MAIN)
    assert base is not None
    lab.state.repository.update_ref(BRANCH, base, expected=None)
    with pytest.raises(ForgeConflictError, match="holds everything"):
        lab.forge.open(lab.draft(base), now=NOW)
    head = lab.push(branch=BranchName("other"))
    nowhere = replace(
        lab.draft(head, BranchName("other")), base=BranchName("no-such-base")
    )
    with pytest.raises(ForgeConflictError, match="no other branch no-such-base"):
        lab.forge.open(nowhere, now=NOW)
    assert lab.state.writes["created"] == 0


def test_a_branch_that_goes_at_the_last_moment_is_a_conflict(lab: Lab) -> None:
    def overtake(asked: Asked, told: Told) -> None:
        if asked.path.endswith("/mergebases"):
            tip = lab.state.repository.tip(BRANCH)
            assert tip is not None
            lab.state.repository.delete_branch(BRANCH, expected=tip)

    lab.fake.wire.watchers.append(overtake)
    with pytest.raises(ForgeConflictError, match="TF401398"):
        lab.opened()


def test_reviewers_are_found_by_name_and_keep_their_votes(lab: Lab) -> None:
    head = lab.push()
    wanted = replace(lab.draft(head), reviewers=("ann", "nobody", "eve"))
    shown = lab.forge.open(wanted, now=NOW)
    assert lab.state.reviewers[shown.number] == {"ann"}  # eve is no member
    lab.fake.votes[shown.number, "ann"] = -5
    ben = str(lab.fake.person("ben")["id"])
    lab.forge.update(shown.number, replace(wanted, reviewers=("ann", ben)), now=NOW)
    assert lab.state.reviewers[shown.number] == {"ann", "ben"}
    assert lab.fake.votes[shown.number, "ann"] == -5


def test_people_whom_we_may_not_look_up_are_left_out(lab: Lab) -> None:
    lab.order(FaultKind.DENIED_403, "GET", "/identities$")
    wanted = replace(lab.draft(lab.push()), reviewers=("ann",))
    shown = lab.forge.open(wanted, now=NOW)
    assert shown.number not in lab.state.reviewers


def test_a_label_that_is_there_is_not_added_again(lab: Lab) -> None:
    wanted = replace(lab.draft(lab.push()), labels=("fleet",))
    shown = lab.forge.open(wanted, now=NOW)
    lab.forge.update(shown.number, replace(wanted, labels=("Fleet",)), now=NOW)
    assert lab.state.writes["labelled"] == 1


# --- votes ---


def test_a_vote_that_outlives_a_push_is_of_the_old_head(lab: Lab) -> None:
    shown = lab.opened()
    lab.state.approve(shown.number, by="ann")
    head = lab.push("three")
    lab.state.approve(shown.number, by="ben")
    given = lab.forge.read(shown.number).approvals
    assert [(one.by, one.head) for one in given] == [
        ("ann", shown.head),
        ("ben", head),
    ]


@pytest.mark.parametrize("vote", [0, -5, -10])
def test_a_vote_that_was_changed_is_no_approval(lab: Lab, vote: int) -> None:
    shown = lab.opened()
    lab.state.approve(shown.number, by="ann")
    lab.fake.votes[shown.number, "ann"] = vote
    assert lab.forge.read(shown.number).approvals == ()


def test_an_approval_with_suggestions_is_one(lab: Lab) -> None:
    shown = lab.opened()
    lab.state.approve(shown.number, by="ann")
    lab.fake.votes[shown.number, "ann"] = 5
    at = lab.state.now()
    lab.fake.threads[shown.number] = [lab.fake.vote(1, "ann", 5, at)]
    (given,) = lab.forge.read(shown.number).approvals
    assert (given.by, given.head) == ("ann", shown.head)


def test_nobody_can_renew_anothers_vote_by_a_thread_of_his_own(lab: Lab) -> None:
    shown = lab.opened()
    lab.state.approve(shown.number, by="ann")
    head = lab.push("three")
    lab.state.approve(shown.number, by="ben")  # the new head is seen from here on
    late = lab.state.now() + timedelta(hours=1)
    lab.fake.threads[shown.number] = [
        lab.fake.vote(1, "ann", 10, late, author="eve"),  # eve pretends
    ]
    given = {one.by: one.head for one in lab.forge.read(shown.number).approvals}
    assert given == {"ann": shown.head, "ben": head}


def test_a_vote_that_the_server_notes_itself_counts() -> None:
    voter = "d6245f20-2af8-44f4-9451-8107cb2767db"
    item: Json = {"reviewers": [{"id": voter, "uniqueName": "ann", "vote": 10}]}
    pushed: Json = {
        "createdDate": "2016-11-01T16:00:00Z",
        "sourceRefCommit": {"commitId": "a" * 40},
    }

    def noted(author: Json) -> Json:
        return {
            "publishedDate": "2016-11-01T16:30:36.58Z",
            "comments": [{"author": author, "commentType": "system"}],
            "properties": {  # as a server of 2016 wrote it
                "CodeReviewThreadType": {"$value": "VoteUpdate"},
                "CodeReviewVotedByTfId": {"$value": voter},
                "CodeReviewVoteResult": {"$value": "10"},
            },
        }

    authors: tuple[tuple[Json, int], ...] = (
        ({"id": SERVICE}, 1),
        ({"id": "41113706", "isContainer": True}, 1),
        ({"id": voter}, 1),
        ({"id": "somebody"}, 0),
        (None, 0),
    )
    for author, count in authors:
        assert len(reading.approvals(item, (noted(author),), (pushed,))) == count
    assert reading.approvals(item, (), (pushed,)) == ()
    team: Json = {"reviewers": [{"id": voter, "vote": 10, "isContainer": True}]}
    assert reading.approvals(team, (noted({"id": voter}),), (pushed,)) == ()


def test_deleted_and_systems_comments_are_none() -> None:
    at = "2026-11-23T12:00:00Z"
    said: Json = {"author": {"uniqueName": "ann"}, "publishedDate": at, "content": "hi"}
    assert isinstance(said, dict)
    threads: tuple[Json, ...] = (
        {
            "id": 1,
            "comments": [{**said, "id": 1}, {**said, "id": 2, "isDeleted": True}],
        },
        {"id": 2, "isDeleted": True, "comments": [{**said, "id": 1}]},
        {"id": 3, "comments": [{**said, "id": 1, "commentType": "system"}]},
        {"id": 4, "comments": None},
    )
    assert [one.id for one in reading.remarks(threads)] == ["1/1"]


# --- checks ---


def test_builds_of_policies_and_statuses_are_checks(lab: Lab) -> None:
    shown = lab.opened()
    lab.build(shown.head, "lint", CheckState.PENDING)
    lab.forge.report(shown.head, _status(CheckState.PASSED))
    now = lab.forge.read(shown.number)
    assert {one.name: one.state for one in now.checks} == {
        "lint": CheckState.PENDING,
        "directus-gitops": CheckState.PASSED,
    }
    assert now.mergeability is Mergeability.BLOCKED
    lab.build(shown.head, "lint", CheckState.PASSED)
    assert lab.forge.read(shown.number).mergeability is Mergeability.READY


def test_a_policy_about_people_blocks_and_is_no_check(lab: Lab) -> None:
    shown = lab.opened()
    lab.state.blocked = "an approval is missing"
    now = lab.forge.read(shown.number)
    assert (now.checks, now.mergeability) == ((), Mergeability.BLOCKED)


def _status(state: CheckState) -> Status:
    return Status(name="directus-gitops", state=state, description="2 findings")


# --- merging ---


def test_a_merge_is_asked_for_at_the_shown_head_and_keeps_the_branch(lab: Lab) -> None:
    shown = lab.opened()
    assert isinstance(lab.merge(shown), Merged)
    (asked,) = lab.seen("PATCH", f"/pullrequests/{shown.number}")
    assert asked.field("lastMergeSourceCommit") == {"commitId": shown.head}
    options = asked.field("completionOptions")
    assert isinstance(options, dict)
    assert options["mergeStrategy"] == "noFastForward"
    assert options["deleteSourceBranch"] is False
    assert "bypassPolicy" not in options


def test_a_merge_that_is_made_a_moment_later_is_waited_for(lab: Lab) -> None:
    shown = lab.opened()
    lab.fake.is_slow = True
    waits = lab.merge(shown)
    assert waits == NotMerged(reason="the forge has taken it and is merging it")
    lab.fake.settle()
    assert isinstance(lab.merge(shown), Merged)
    assert lab.state.writes["merged"] == 1


def test_a_head_that_moves_at_the_last_moment_is_not_merged(lab: Lab) -> None:
    shown = lab.opened()
    base = lab.state.tip(MAIN)

    def overtake(asked: Asked, told: Told) -> None:
        if asked.path.endswith("/evaluations"):  # after the look, before the merge
            lab.push("three")
            lab.fake.wire.watchers.remove(overtake)

    lab.fake.wire.watchers.append(overtake)
    with pytest.raises(ForgeConflictError, match="another head"):
        lab.merge(shown)
    assert lab.state.tip(MAIN) == base


def test_one_that_somebody_abandons_in_between_is_a_conflict(lab: Lab) -> None:
    shown = lab.opened()

    def overtake(asked: Asked, told: Told) -> None:
        if asked.path.endswith("/evaluations"):
            lab.state.forge.close(shown.number, by="eve", now=lab.state.now())
            lab.fake.wire.watchers.remove(overtake)

    lab.fake.wire.watchers.append(overtake)
    with pytest.raises(ForgeConflictError, match="is closed"):
        lab.merge(shown)


def test_a_policy_is_a_reason_to_wait(lab: Lab) -> None:
    shown = lab.opened()
    lab.state.blocked = "an approval is missing"
    waits = lab.merge(shown)
    assert isinstance(waits, NotMerged)
    assert "a policy is not met" in waits.reason
    assert not waits.needs_regeneration
    lab.state.blocked = ""
    assert isinstance(lab.merge(shown), Merged)


@pytest.mark.parametrize("tells", [False, True])
def test_each_way_to_tell_a_conflict_asks_for_a_new_branch(
    lab: Lab, tells: bool
) -> None:
    lab.fake.tells_conflicts = tells
    shown = lab.opened()
    lab.push("theirs", MAIN)
    assert lab.forge.read(shown.number).mergeability is Mergeability.CONFLICT
    result = lab.merge(shown)
    assert isinstance(result, NotMerged)
    assert result.needs_regeneration


@pytest.mark.parametrize("kind", [FaultKind.RESET_AFTER, FaultKind.ERROR_502_AFTER])
def test_a_merge_whose_answer_is_lost_is_looked_at(lab: Lab, kind: FaultKind) -> None:
    shown = lab.opened()
    lab.order(kind, "PATCH", "/pullrequests/")
    assert isinstance(lab.merge(shown), Merged)
    assert lab.state.writes["merged"] == 1


def test_auto_complete_is_set_in_our_name_and_once(lab: Lab) -> None:
    shown = lab.opened()
    lab.state.blocked = "an approval is missing"
    for _ in range(2):
        told = lab.forge.merge_later(shown.number, head=shown.head)
        assert isinstance(told, Scheduled)
        assert told.pull_request.merges_later
    (asked,) = lab.seen("PATCH", f"/pullrequests/{shown.number}")
    assert asked.field("autoCompleteSetBy") == {"id": lab.fake.person(BOT)["id"]}
    assert asked.field("status") is None


def test_auto_complete_with_nothing_to_wait_for_merges(lab: Lab) -> None:
    shown = lab.opened()
    told = lab.forge.merge_later(shown.number, head=shown.head)
    assert isinstance(told, Scheduled)
    assert told.pull_request.state is PullRequestState.MERGED
    assert not told.pull_request.merges_later


# --- branches ---


def test_a_refusal_that_is_a_success_by_its_status_is_a_refusal(lab: Lab) -> None:
    shown = lab.opened()
    lab.fake.locked.add(BRANCH)
    with pytest.raises(ForgeDeniedError, match=r"keeps branch .*: locked"):
        lab.forge.delete_branch(BRANCH, head=shown.head)
    assert lab.state.tip(BRANCH) == shown.head


def test_a_branch_that_moves_at_the_last_moment_is_not_deleted(lab: Lab) -> None:
    shown = lab.opened()
    moved: list[CommitId] = []

    def overtake(asked: Asked, told: Told) -> None:
        if asked.path.endswith("/refs") and not moved:
            moved.append(lab.push("three"))

    lab.fake.wire.watchers.append(overtake)
    with pytest.raises(ForgeConflictError, match="is not at"):
        lab.forge.delete_branch(BRANCH, head=shown.head)
    assert lab.state.tip(BRANCH) == moved[0]


# --- where it is ---


@pytest.mark.parametrize(
    ("address", "api", "root", "people", "project"),
    [
        (
            "https://dev.azure.com/org/My%20Project/_git/fleet",
            "",
            "https://dev.azure.com/org",
            "https://vssps.dev.azure.com/org",
            "My Project",
        ),
        (
            "https://dev.azure.com/org/_git/fleet",
            "",
            "https://dev.azure.com/org",
            "https://vssps.dev.azure.com/org",
            "fleet",
        ),
        (
            "https://org.visualstudio.com/DefaultCollection/P/_git/fleet",
            "",
            "https://org.visualstudio.com/DefaultCollection",
            "https://org.vssps.visualstudio.com",
            "P",
        ),
        (
            "https://org.visualstudio.com/_git/fleet",
            "",
            "https://org.visualstudio.com",
            "https://org.vssps.visualstudio.com",
            "fleet",
        ),
        (
            "https://tfs.example.com:8080/tfs/Collection/P/_git/fleet/",
            "",
            "https://tfs.example.com:8080/tfs/Collection",
            "https://tfs.example.com:8080/tfs/Collection",
            "P",
        ),
        (
            "https://tfs.example.com/tfs/Collection/P/_git/fleet",
            "https://api.example.com/x/",
            "https://api.example.com/x",
            "https://api.example.com/x",
            "P",
        ),
    ],
)
def test_the_api_and_the_project_follow_from_the_address(
    address: str, api: str, root: str, people: str, project: str
) -> None:
    home = home_of(address, api)
    assert (home.root, home.people) == (root, people)
    assert (home.project, home.repository) == (project, "fleet")


@pytest.mark.parametrize(
    "address",
    [
        "https://dev.azure.com/org/project/fleet",
        "https://dev.azure.com/org/project/_git/",
        "https://dev.azure.com/org/project/_git/a/b",
    ],
)
def test_an_address_of_no_repository_is_refused(address: str) -> None:
    with pytest.raises(InputError, match="no repository"):
        home_of(address)


def test_the_host_that_knows_people_may_be_reached_and_no_other() -> None:
    with Web() as web:
        forge = azure_forge(
            HOME,
            web=web,
            allowed=Allowed(named=frozenset({"dev.azure.com"})),
            credential=lambda: TOKEN,
            gate=patient_gate(),
        )
    assert forge._line._allowed.named == {"dev.azure.com", "vssps.dev.azure.com"}


@pytest.mark.parametrize(
    ("token", "proof"),
    [("pat", "Basic OnBhdA=="), ("eyJhbGciOi.eyJzdWIi.c2ln", "Bearer eyJ")],
)
def test_a_token_of_entra_is_sent_as_one(lab: Lab, token: str, proof: str) -> None:
    lab.state.tokens.add(token)
    azure_of(lab.root, lab.web, patient_gate(), token).account()
    assert lab.fake.wire.seen[0].headers["authorization"].startswith(proof)


def test_a_token_goes_into_one_header_and_nowhere_else(
    lab: Lab, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    shown = lab.opened()
    told: list[str] = []
    for kind in FaultKind:
        lab.order(kind, "GET", f"/pullrequests/{shown.number}$")
        try:
            lab.forge.read(shown.number)
        except ForgeError as error:
            told += [str(error), error.hint, repr(error), repr(error.__context__)]
    assert told
    for asked in lab.fake.wire.seen:
        kind_of_proof, _, proof = asked.headers["authorization"].partition(" ")
        assert (kind_of_proof, b64decode(proof)) == ("Basic", f":{TOKEN}".encode())
        assert TOKEN not in f"{asked.path} {asked.pairs} {asked.body}"
        for shown_somewhere in (*told, caplog.text):
            assert TOKEN not in shown_somewhere
            assert proof not in shown_somewhere
