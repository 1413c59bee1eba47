"""What only GitHub does, and what only its adapter has to know."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import graphql as graphql_core
import pytest

from gitops.errors import (
    ForgeConflictError,
    ForgeDeniedError,
    ForgeError,
    ForgeNotFoundError,
    ForgeUnavailableError,
    InputError,
)
from gitops.forges import Merged, NotMerged, PullRequestDraft, Scheduled, Status
from gitops.forges.github import graphql, reading
from gitops.forges.github.address import home_of
from gitops.forges.github.dialect import UNREADABLE
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
from gitops.web import Web
from tests.contract import github
from tests.contract.openapi import Checked
from tests.contract.worlds import github_of, patient_gate
from tests.support.forges.github import FakeGitHub
from tests.support.forges.state import MAIN, TOKEN, ForgeState
from tests.support.forges.wire import Asked, Fault, FaultKind, Handler, Told
from tests.support.packages import npm, or_skip

BRANCH = BranchName("directus-gitops/staging/example")
NOW = datetime(2026, 11, 23, 12, 30, tzinfo=UTC)


class Lab:
    """A fake GitHub that runs, and an adapter for it."""

    def __init__(self, fake: FakeGitHub, forge: HttpForge) -> None:
        self.fake = fake
        self.state = fake.state
        self.forge = forge

    def push(self, text: str = "two", branch: BranchName = BRANCH) -> CommitId:
        head = self.state.commit({"a.txt": text}, on=self.state.tip(MAIN))
        expected = self.state.repository.tip(branch)
        self.state.repository.update_ref(branch, head, expected=expected)
        return head

    def draft(self, head: CommitId, branch: BranchName = BRANCH) -> PullRequestDraft:
        return PullRequestDraft(
            branch=branch, base=MAIN, head=head, title="t", body="b", author="us"
        )

    def opened(self, text: str = "two", branch: BranchName = BRANCH) -> PullRequest:
        return self.forge.open(self.draft(self.push(text, branch), branch), now=NOW)

    def read(self, number: int = 1) -> PullRequest:
        return self.forge.read(number)

    def merge(self, shown: PullRequest) -> Merged | NotMerged:
        return self.forge.merge(shown.number, head=shown.head, by="bob", now=NOW)

    def not_merged(self, shown: PullRequest) -> NotMerged:
        result = self.merge(shown)
        assert isinstance(result, NotMerged)
        return result

    def order(self, kind: FaultKind, method: str, path: str, times: int = 1) -> None:
        self.fake.wire.faults.append(
            Fault(kind=kind, method=method, path=path, times=times)
        )

    def answer(self, method: str, path: str, handler: Handler) -> None:
        """Answer otherwise than the fake does."""
        self.fake.wire.on(method, path)(handler)
        self.fake.wire._routes.insert(0, self.fake.wire._routes.pop())

    def sent(self, method: str, path: str) -> list[Asked]:
        """Return what was asked for, by the end of its path."""
        return [
            asked
            for asked in self.fake.wire.seen
            if asked.method == method and asked.path.endswith(path)
        ]


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    fake = FakeGitHub(ForgeState(tmp_path))
    fake.wire.watchers += github.judges()
    with fake.wire.serving() as server, Web() as web:
        yield Lab(fake, github_of(server.url, web, patient_gate()))


@pytest.fixture(scope="module")
def item(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Json]:
    """One open pull request, as lists show it."""
    fake = FakeGitHub(ForgeState(tmp_path_factory.mktemp("item")))
    head = fake.state.commit({"a.txt": "two"}, on=fake.state.tip(MAIN))
    fake.state.repository.update_ref(BRANCH, head, expected=None)
    return fake._plain(fake.state.create(head=BRANCH, base=MAIN, title="t", body="b"))


# --- by GitHub's own words ---


def test_githubs_own_description_judges_every_exchange(tmp_path: Path) -> None:
    or_skip(npm, github.OPENAPI)
    (judge,) = github.judges()
    fake = FakeGitHub(ForgeState(tmp_path))
    fake.wire.watchers.append(judge)
    with fake.wire.serving() as server, Web() as web:
        lab = Lab(fake, github_of(server.url, web, patient_gate()))
        lab.merge(lab.opened())
    asked = [a for a in fake.wire.seen if a.path != "/graphql"]
    assert judge.count == len(asked) > 10


@pytest.mark.parametrize(
    ("asked", "told", "problem"),
    [
        ({"body": {"title": "t", "head": "a"}}, 422, "'base' is a required property"),
        ({"body": {"title": "t", "head": "a", "base": "b", "x": 1}}, 422, "has no x"),
        ({"query": {"stat": "open"}, "method": "GET"}, 200, "no stat"),
        ({"query": {"state": "opened"}, "method": "GET"}, 200, "'opened' is not one"),
        ({"method": "GET"}, 202, "202"),
    ],
)
def test_the_judge_tells_what_breaks_the_description(
    asked: dict[str, Any], told: int, problem: str
) -> None:
    or_skip(npm, github.OPENAPI)
    plain: dict[str, Any] = {"method": "POST", "query": {}, "body": None, **asked}
    one = Asked(path="/repos/o/r/pulls", parts=(), headers={}, root="", **plain)
    body: Json = [] if told < 300 else {"message": "", "documentation_url": ""}
    with pytest.raises(AssertionError, match=problem):
        Checked(github.description())(one, Told(status=told, body=body))


def test_the_mutation_is_one_of_githubs_schema() -> None:
    text = (or_skip(npm, github.GRAPHQL) / "schema.graphql").read_text("utf-8")
    schema = graphql_core.build_schema(text, assume_valid=True)  # it has blemishes
    document = graphql_core.parse(graphql.MERGE_LATER)
    assert graphql_core.validate(schema, document) == []
    wrong = graphql.MERGE_LATER.replace("pullRequestId", "pullRequestID")
    assert graphql_core.validate(schema, graphql_core.parse(wrong))


def test_every_call_says_its_version_and_both_kinds_of_json(lab: Lab) -> None:
    lab.opened()
    for asked in lab.fake.wire.seen:
        assert asked.headers["x-github-api-version"] == "2022-11-28"
        accepted = asked.headers["accept"].split(", ")
        assert accepted == ["application/vnd.github+json", "application/json"]
        assert asked.headers["authorization"] == f"Bearer {TOKEN}"


# --- where it is ---


@pytest.mark.parametrize(
    ("address", "rest", "graphql_at", "implied"),
    [
        (
            "https://github.com/team/fleet.git",
            "https://api.github.com",
            "https://api.github.com/graphql",
            {"api.github.com"},
        ),
        (
            "https://acme.ghe.com/team/fleet",
            "https://api.acme.ghe.com",
            "https://api.acme.ghe.com/graphql",
            {"api.acme.ghe.com"},
        ),
        (
            "https://git.example.com:8443/team/fleet/",
            "https://git.example.com:8443/api/v3",
            "https://git.example.com:8443/api/graphql",
            set(),
        ),
    ],
)
def test_the_api_follows_from_the_repositorys_address(
    address: str, rest: str, graphql_at: str, implied: set[str]
) -> None:
    home = home_of(address)
    assert (home.owner, home.name) == ("team", "fleet")
    assert (home.rest, home.graphql) == (rest, graphql_at)
    assert home.implied_hosts == implied


def test_an_api_that_is_given_is_taken_and_implies_no_host() -> None:
    home = home_of("https://github.com/team/fleet", "http://127.0.0.1:9/api/v3/")
    assert home.rest == "http://127.0.0.1:9/api/v3"
    assert home.graphql == "http://127.0.0.1:9/api/graphql"
    assert home.implied_hosts == set()


@pytest.mark.parametrize(
    "address",
    [
        "https://github.com/team",
        "https://github.com/team/fleet/tree/main",
        "https://github.com/team/..",
        "https://github.com/te%2Fam/fleet",
        "https://user:secret@github.com/team/fleet",
        "git@github.com:team/fleet.git",
    ],
)
def test_an_address_of_no_repository_is_refused_and_not_shown(address: str) -> None:
    with pytest.raises(InputError) as caught:
        home_of(address)
    assert "team" not in caught.value.message
    assert "secret" not in f"{caught.value.message} {caught.value.hint}"


# --- what the forge refuses ---


@pytest.mark.parametrize(
    ("kind", "error"),
    [
        (FaultKind.DENIED_401, ForgeDeniedError),
        (FaultKind.DENIED_403, ForgeDeniedError),
        (FaultKind.NOT_FOUND_404, ForgeDeniedError),
        (FaultKind.LIMIT_429, ForgeUnavailableError),
        (FaultKind.LIMIT_429_AFTER, ForgeUnavailableError),
        (FaultKind.SECONDARY_403, ForgeUnavailableError),
        (FaultKind.ERROR_500, ForgeUnavailableError),
        (FaultKind.ERROR_503, ForgeUnavailableError),
        (FaultKind.RESET_BEFORE, ForgeUnavailableError),
        (FaultKind.TRUNCATED, ForgeUnavailableError),
        (FaultKind.SIGN_IN_203, ForgeDeniedError),
        (FaultKind.HTML, ForgeDeniedError),
        (FaultKind.ENDLESS, ForgeError),
    ],
)
def test_a_bad_answer_to_a_list_never_means_no_pull_requests(
    lab: Lab, kind: FaultKind, error: type[ForgeError]
) -> None:
    lab.opened()
    lab.order(kind, "GET", "/pulls$")
    with pytest.raises(error):
        lab.forge.find(BRANCH)


def test_a_number_that_is_not_there_is_not_found(lab: Lab) -> None:
    with pytest.raises(ForgeNotFoundError, match="#7"):
        lab.read(7)


def test_a_repository_that_we_may_not_see_is_no_missing_branch(lab: Lab) -> None:
    head = lab.push()
    lab.state.name = "another"
    with pytest.raises(ForgeDeniedError):
        lab.forge.delete_branch(BRANCH, head=head)
    with pytest.raises(ForgeDeniedError):
        lab.forge.list_open()


@pytest.mark.parametrize("body", [None, {}, {"items": []}, "text", 7])
def test_what_is_no_list_is_not_an_empty_one(lab: Lab, body: Json) -> None:
    lab.fake.wire.watchers.clear()
    told = Told(body=json.dumps(body), headers={"Content-Type": "application/json"})
    lab.answer("GET", "/repos/{}/{}/pulls", lambda _: told)
    with pytest.raises(ForgeUnavailableError):
        lab.forge.list_open()


def test_a_list_that_goes_on_elsewhere_is_no_whole_list(lab: Lab) -> None:
    for number in range(5):
        lab.opened(branch=BranchName(f"b/{number}"))
    lab.fake.link_root = "https://elsewhere.test"
    with pytest.raises(ForgeUnavailableError, match="another address"):
        lab.forge.list_open()


def test_a_create_whose_answer_was_lost_opens_one_and_takes_it(lab: Lab) -> None:
    lab.order(FaultKind.RESET_AFTER, "POST", "/pulls$")
    shown = lab.opened()
    assert [one.number for one in lab.forge.list_all()] == [shown.number]
    assert lab.state.writes["created"] == 1


def test_another_run_that_was_quicker_has_opened_ours(lab: Lab) -> None:
    head = lab.push()
    lab.order(FaultKind.EMPTY_LIST, "GET", "/pulls$")  # a list that lags behind
    lab.state.create(head=BRANCH, base=MAIN, title="t", body="b")
    assert lab.forge.open(lab.draft(head), now=NOW).number == 1
    assert lab.state.writes["created"] == 1


@pytest.mark.parametrize("kind", list(FaultKind))
def test_a_credential_is_shown_nowhere(
    lab: Lab, kind: FaultKind, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    lab.order(kind, ".*", "", times=2)
    said = ""
    try:
        lab.opened()
    except ForgeError as error:
        said = f"{error.message} {error.hint} {error!r} {error.__cause__!r}"
    assert TOKEN not in f"{said} {caplog.text} {lab.forge!r}"


def test_a_refusals_words_are_told_in_one_line(lab: Lab) -> None:
    head = lab.push()
    long = replace(lab.draft(head), title="t" * 257)
    with pytest.raises(ForgeConflictError) as caught:
        lab.forge.open(long, now=NOW)
    assert "title is too long (maximum is 256 characters)" in caught.value.message
    assert "\n" not in caught.value.message


@pytest.mark.parametrize(
    ("body", "told"),
    [
        ({"message": "Not Found"}, "Not Found"),
        ({"message": "M", "errors": [{"message": "a"}, "b"]}, "M: a: b"),
        ({"message": "M", "errors": [{"field": "head", "code": "invalid"}]}, "M: head"),
        ({"message": "M", "errors": "plain"}, "M: plain"),
        ({"errors": [7, None, {"x": 1}]}, ""),
        (None, ""),
    ],
)
def test_every_form_of_an_error_is_read(body: Json, told: str) -> None:
    assert reading.words(body).startswith(told)


# --- lists ---


def test_every_page_is_read_oldest_first(lab: Lab) -> None:
    for number in range(7):
        lab.opened(branch=BranchName(f"b/{number}"))
    assert [one.number for one in lab.forge.list_open()] == list(range(1, 8))
    assert len(lab.sent("GET", "/pulls")) > 7


def test_a_pull_request_of_a_fork_is_marked_and_never_taken_for_ours(lab: Lab) -> None:
    lab.opened()
    lab.state.from_forks.add(1)
    (shown,) = lab.forge.list_open()
    assert shown.from_fork
    assert lab.forge.find(BRANCH) == ()


def test_the_head_of_a_deleted_fork_is_not_ours(item: dict[str, Json]) -> None:
    head = item["head"]
    assert isinstance(head, dict)
    assert not reading.pull_request(item).from_fork
    assert reading.pull_request({**item, "head": {**head, "repo": None}}).from_fork


@pytest.mark.parametrize("missing", ["number", "head", "base", "created_at"])
def test_a_pull_request_without_what_it_must_have_is_refused(
    item: dict[str, Json], missing: str
) -> None:
    with pytest.raises(ForgeUnavailableError):
        reading.pull_request({**item, missing: None})


def test_somebody_whose_account_is_gone_is_a_ghost(item: dict[str, Json]) -> None:
    assert reading.pull_request({**item, "user": None}).author == "ghost"


@pytest.mark.parametrize("status", [404, 410])
def test_a_closed_one_is_read_where_issues_are_off(lab: Lab, status: int) -> None:
    shown = lab.opened()
    told = Told(status=status, body={"message": "Issues are disabled for this repo"})
    lab.answer("GET", "/repos/{}/{}/issues/{}", lambda _: told)
    closed = lab.forge.close(shown.number, by="bob", now=NOW)
    assert (closed.state, closed.closed_by) == (PullRequestState.CLOSED, "ghost")


# --- people ---


def opinions(*given: tuple[str, str, str]) -> list[Json]:
    return [
        {
            "user": {"login": by} if by else None,
            "state": state,
            "commit_id": head or None,
            "submitted_at": (NOW + timedelta(minutes=n)).isoformat(),
        }
        for n, (by, state, head) in enumerate(given)
    ]


@pytest.mark.parametrize(
    ("given", "standing"),
    [
        ([("ann", "APPROVED", "a")], [("ann", "a")]),
        ([("ann", "APPROVED", "a"), ("ann", "APPROVED", "b")], [("ann", "b")]),
        ([("ann", "APPROVED", "a"), ("ann", "CHANGES_REQUESTED", "a")], []),
        ([("ann", "APPROVED", "a"), ("ann", "DISMISSED", "a")], []),
        ([("ann", "APPROVED", "a"), ("ann", "COMMENTED", "b")], [("ann", "a")]),
        ([("ann", "CHANGES_REQUESTED", "a"), ("ann", "APPROVED", "a")], [("ann", "a")]),
        ([("ann", "APPROVED", "a"), ("ben", "CHANGES_REQUESTED", "a")], [("ann", "a")]),
        ([("ann", "PENDING", "a")], []),
        ([("ann", "APPROVED", "")], []),
        ([("", "APPROVED", "a")], []),
        ([("ann", "SOMETHING_NEW", "a")], []),
    ],
)
def test_the_latest_opinion_of_each_person_counts(
    given: list[tuple[str, str, str]], standing: list[tuple[str, str]]
) -> None:
    found = reading.approvals(opinions(*given))
    assert [(one.by, one.head) for one in found] == standing


def test_reviews_of_every_page_are_read(lab: Lab) -> None:
    shown = lab.opened()
    for _ in range(4):
        lab.fake.review(1, by="eve", state="COMMENTED")
    lab.state.approve(1, by="ann")
    lab.fake.review(1, by="ben", state="APPROVED")
    lab.fake.review(1, by="ben", state="CHANGES_REQUESTED")
    assert [(a.by, a.head) for a in lab.read().approvals] == [("ann", shown.head)]


def reviewers(lab: Lab, head: CommitId, *people: str) -> set[str]:
    lab.forge.open(replace(lab.draft(head), reviewers=people), now=NOW)
    return lab.state.reviewers.get(1, set())


def test_who_cannot_be_asked_is_left_out_and_the_others_are_asked(lab: Lab) -> None:
    head = lab.push()
    people = ("ann", "nobody", "fleet-bot", "team/reviewers", "team/nobody", "ben")
    assert reviewers(lab, head, *people) == {"ann", "ben"}
    assert lab.fake._asked_teams[1] == {"reviewers"}


def test_nobody_is_asked_twice_about_the_same_head(lab: Lab) -> None:
    head = lab.push()
    for _ in range(2):
        reviewers(lab, head, "Ann", "ann", "team/reviewers")
    asked = lab.state.writes["asked"]
    lab.state.reviewers[1].clear()
    lab.state.approve(1, by="ann")  # GitHub takes her off the list then
    reviewers(lab, head, "ann", "team/reviewers")
    assert lab.state.writes["asked"] == asked
    assert reviewers(lab, lab.push("three"), "ann") == {"ann"}


# --- checks and mergeability ---


def test_checks_are_check_runs_and_statuses_of_every_page(lab: Lab) -> None:
    shown = lab.opened()
    for number in range(4):
        name = f"run-{number}"
        check = Check(name=name, state=CheckState.PASSED)
        lab.state.builds.setdefault(shown.head, {})[name] = check
        status = Status(name=f"said-{number}", state=CheckState.FAILED, description="")
        lab.forge.report(shown.head, status)
    checks = {(check.name, check.state) for check in lab.read().checks}
    assert checks == {
        *((f"run-{number}", CheckState.PASSED) for number in range(4)),
        *((f"said-{number}", CheckState.FAILED) for number in range(4)),
    }


def test_check_runs_that_we_may_not_read_have_not_passed(lab: Lab) -> None:
    lab.opened()
    lab.fake.reads_checks = False
    (check,) = lab.read().checks
    assert (check.name, check.state) == (UNREADABLE, CheckState.PENDING)


def test_a_limit_is_not_taken_for_checks_that_we_may_not_read(lab: Lab) -> None:
    lab.opened()
    lab.order(FaultKind.SECONDARY_403, "GET", "/check-runs$")
    with pytest.raises(ForgeUnavailableError):
        lab.read()


@pytest.mark.parametrize(
    ("status", "conclusion", "state"),
    [
        ("queued", None, CheckState.PENDING),
        ("in_progress", None, CheckState.PENDING),
        ("waiting", None, CheckState.PENDING),
        ("completed", "success", CheckState.PASSED),
        ("completed", "neutral", CheckState.PASSED),
        ("completed", "skipped", CheckState.PASSED),
        ("completed", "failure", CheckState.FAILED),
        ("completed", "cancelled", CheckState.FAILED),
        ("completed", "timed_out", CheckState.FAILED),
        ("completed", "action_required", CheckState.FAILED),
        ("completed", "stale", CheckState.FAILED),
        ("completed", None, CheckState.FAILED),
    ],
)
def test_a_check_run_has_passed_only_where_github_counts_it_so(
    status: str, conclusion: str | None, state: CheckState
) -> None:
    run: Json = {"name": "build", "status": status, "conclusion": conclusion}
    assert reading.check_run(run).state is state


@pytest.mark.parametrize(
    ("mergeable", "word", "means"),
    [
        (None, "unknown", Mergeability.UNKNOWN),
        (None, "clean", Mergeability.UNKNOWN),
        (True, "clean", Mergeability.READY),
        (True, "unstable", Mergeability.READY),
        (True, "has_hooks", Mergeability.READY),
        (True, "blocked", Mergeability.BLOCKED),
        (True, "behind", Mergeability.BLOCKED),
        (True, "draft", Mergeability.BLOCKED),
        (True, "something new", Mergeability.UNKNOWN),
        (False, "dirty", Mergeability.CONFLICT),
        (False, "blocked", Mergeability.CONFLICT),
    ],
)
def test_mergeability_is_what_github_says_and_unknown_while_it_computes(
    item: dict[str, Json], mergeable: bool | None, word: str, means: Mergeability
) -> None:
    shown: Json = {**item, "mergeable": mergeable, "mergeable_state": word}
    assert reading.pull_request(shown).mergeability is means


def test_a_status_is_cut_to_what_github_takes(lab: Lab) -> None:
    head = lab.push()
    said = Status(name="n", state=CheckState.PASSED, description="d" * 200, url="u")
    lab.forge.report(head, said)
    assert lab.state.statuses[head]["n"].description == "d" * 140


# --- merging ---


def test_a_merge_says_in_its_message_who_asked_for_it(lab: Lab) -> None:
    shown = lab.opened()
    assert isinstance(lab.merge(shown), Merged)
    title = f"Merge pull request #{shown.number} from {BRANCH}"
    assert lab.fake.messages == [(title, "Asked by bob")]


def test_a_base_that_just_moved_is_tried_again_later(lab: Lab) -> None:
    shown = lab.opened()
    lab.fake.bases_moved = 1
    refused = lab.not_merged(shown)
    assert "Base branch was modified" in refused.reason
    assert not refused.needs_regeneration
    assert isinstance(lab.merge(shown), Merged)


@pytest.mark.parametrize(
    ("words", "regenerate"),
    [
        ('Required status check "ci" is expected.', False),
        ("At least 1 approving review is required by reviewers with write.", False),
        ("Waiting on code owner review from team/owners.", False),
        ("Merge commits are not allowed on this repository.", False),
        ("Repository rule violations found\n\nCommits must be signed.", False),
        ("Pull Request has merge conflicts", True),
        ("Head branch is out of date", True),
    ],
)
def test_a_rule_of_githubs_own_is_the_reason(
    lab: Lab, words: str, regenerate: bool
) -> None:
    shown = lab.opened()
    lab.state.blocked = words
    refused = lab.not_merged(shown)
    assert refused.reason == " ".join(words.split())
    assert refused.needs_regeneration is regenerate


def test_a_conflict_names_the_base_and_asks_for_regeneration(lab: Lab) -> None:
    shown = lab.opened()
    lab.push("theirs", MAIN)
    refused = lab.not_merged(shown)
    assert refused.needs_regeneration
    assert "main" in refused.reason


def test_a_draft_and_one_that_is_being_computed_wait(lab: Lab) -> None:
    shown = lab.opened()
    lab.state.drafts.add(shown.number)
    assert "draft" in lab.not_merged(shown).reason
    lab.state.drafts.clear()
    lab.state.undecided = 3
    refused = lab.not_merged(shown)
    assert "finding out" in refused.reason
    assert not refused.needs_regeneration


def test_a_head_that_moved_at_the_last_moment_is_a_conflict(lab: Lab) -> None:
    shown = lab.opened()
    real = lab.fake._merge

    def pushed(asked: Asked, one: PullRequest) -> Told:
        lab.push("three")
        return real(asked, lab.state.forge.read(one.number))

    lab.answer("PUT", "/repos/{}/{}/pulls/{}/merge", lab.fake._with(pushed))
    with pytest.raises(ForgeConflictError, match="Head branch was modified"):
        lab.merge(shown)


def test_a_vague_refusal_of_one_that_was_merged_meanwhile_is_a_merge(lab: Lab) -> None:
    shown = lab.opened()

    def quicker(asked: Asked, one: PullRequest) -> Told:
        lab.state.forge.merge(one.number, head=one.head, by="ann", now=NOW)
        return Told(status=405, body={"message": "Pull Request is not mergeable"})

    lab.answer("PUT", "/repos/{}/{}/pulls/{}/merge", lab.fake._with(quicker))
    result = lab.merge(shown)
    assert isinstance(result, Merged)
    assert result.pull_request.closed_by == "ann"


@pytest.mark.parametrize(
    "kind", [FaultKind.RESET_AFTER, FaultKind.ERROR_502_AFTER, FaultKind.TRUNCATED]
)
def test_a_merge_whose_answer_was_lost_is_looked_at(lab: Lab, kind: FaultKind) -> None:
    shown = lab.opened()
    lab.order(kind, "PUT", "/merge$")
    assert isinstance(lab.merge(shown), Merged)
    assert lab.state.writes["merged"] == 1


# --- merging later ---


def later(lab: Lab, shown: PullRequest) -> Scheduled | NotMerged:
    return lab.forge.merge_later(shown.number, head=shown.head)


def test_a_blocked_one_is_merged_by_github_once_its_rules_allow(lab: Lab) -> None:
    shown = lab.opened()
    lab.state.blocked = "At least 1 approving review is required."
    for _ in range(2):
        result = later(lab, shown)
        assert isinstance(result, Scheduled)
        assert result.pull_request.merges_later
    assert lab.state.writes["scheduled"] == 1
    (asked,) = lab.sent("POST", "/graphql")
    assert isinstance(asked.body, dict)
    assert asked.body["variables"] == {"pull": "PR_1", "head": shown.head}


def test_one_that_waits_for_nothing_is_merged_the_plain_way(lab: Lab) -> None:
    shown = lab.opened()
    result = later(lab, shown)
    assert isinstance(result, Scheduled)
    assert result.pull_request.state is PullRequestState.MERGED
    assert lab.sent("PUT", "/merge")[0].text("sha") == shown.head


def test_a_repository_without_automatic_merges_says_so(lab: Lab) -> None:
    shown = lab.opened()
    lab.fake.allows_auto_merge = False
    result = later(lab, shown)
    assert isinstance(result, NotMerged)
    assert "not allowed for this repository" in result.reason
    assert lab.state.writes["merged"] == 0


@pytest.mark.parametrize(
    ("kind", "message", "error"),
    [
        ("FORBIDDEN", "Resource not accessible by integration", ForgeDeniedError),
        ("INSUFFICIENT_SCOPES", "Your token has not been granted", ForgeDeniedError),
        ("NOT_FOUND", "Could not resolve to a node", ForgeDeniedError),
        ("RATE_LIMITED", "API rate limit exceeded", ForgeUnavailableError),
        ("INTERNAL", "Something went wrong", ForgeUnavailableError),
        (None, "Something went wrong while executing", ForgeUnavailableError),
        ("UNPROCESSABLE", "Head sha does not match", ForgeConflictError),
    ],
)
def test_a_graphql_refusal_is_an_error_of_its_kind(
    lab: Lab, kind: str | None, message: str, error: type[ForgeError]
) -> None:
    shown = lab.opened()
    fault: Json = {"message": message} | ({"type": kind} if kind else {})
    told = Told(body={"data": None, "errors": [fault]})
    lab.answer("POST", "/graphql", lambda _: told)
    with pytest.raises(error):
        later(lab, shown)


def test_an_unstable_one_is_not_merged_behind_anybodys_back(lab: Lab) -> None:
    shown = lab.opened()
    fault: Json = {
        "type": "UNPROCESSABLE",
        "message": "Pull request is in unstable status",
    }
    told = Told(body={"data": None, "errors": [fault]})
    lab.answer("POST", "/graphql", lambda _: told)
    assert later(lab, shown) == NotMerged(reason="Pull request is in unstable status")
    assert lab.state.writes["merged"] == 0


# --- branches ---


def test_a_branch_that_is_gone_by_now_is_deleted(lab: Lab) -> None:
    head = lab.push()
    lab.order(FaultKind.RESET_AFTER, "DELETE", "heads")
    with pytest.raises(ForgeUnavailableError):
        lab.forge.delete_branch(BRANCH, head=head)
    line, dialect = lab.forge._line, lab.forge._dialect
    line.hold(dialect.remove_branch(BRANCH, head=head))
    assert lab.state.tip(BRANCH) is None


def test_a_protected_branch_is_not_deleted_and_said_so(lab: Lab) -> None:
    tip = lab.state.tip(MAIN)
    assert tip is not None
    with pytest.raises(ForgeConflictError, match="protected"):
        lab.forge.delete_branch(MAIN, head=tip)
