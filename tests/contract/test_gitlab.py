"""What only GitLab does, and what only its adapter has to know."""

from __future__ import annotations

import json
import logging
from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import UTC, datetime
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
from gitops.forges.gitlab import gitlab_forge, reading
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
from gitops.web import Allowed, Answer, Web, place_of
from tests.contract.openapi import Checked
from tests.contract.worlds import description, gitlab_of, patient_gate
from tests.support.forges.gitlab import FakeGitLab
from tests.support.forges.state import MAIN, TOKEN, ForgeState
from tests.support.forges.wire import Asked, Fault, FaultKind, Told

pytestmark = pytest.mark.gate

BRANCH = BranchName("directus-gitops/staging/example")
NOW = datetime(2026, 11, 23, 12, 30, tzinfo=UTC)


class Lab:
    """A fake GitLab that runs, and an adapter for it."""

    def __init__(self, fake: FakeGitLab, forge: HttpForge) -> None:
        self.fake = fake
        self.state = fake.state
        self.forge = forge

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

    def order(self, kind: FaultKind, method: str, path: str, times: int = 1) -> None:
        self.fake.wire.faults.append(
            Fault(kind=kind, method=method, path=path, times=times)
        )


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    fake = FakeGitLab(ForgeState(tmp_path))
    checked = Checked(description("gitlab"), prefix="/api/v4", also={401, 403})
    fake.wire.watchers.append(checked)
    with fake.serving() as server, Web() as web:
        yield Lab(fake, gitlab_of(server.url, web, patient_gate()))


# --- what the forge refuses ---


@pytest.mark.parametrize(
    ("kind", "error"),
    [
        (FaultKind.DENIED_401, ForgeDeniedError),
        (FaultKind.DENIED_403, ForgeDeniedError),
        (FaultKind.NOT_FOUND_404, ForgeNotFoundError),
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
def test_a_bad_answer_to_a_read_is_the_right_error(
    lab: Lab, kind: FaultKind, error: type[ForgeError]
) -> None:
    shown = lab.opened()
    lab.order(kind, "GET", f"/merge_requests/{shown.number}$")
    with pytest.raises(error) as caught:
        lab.forge.read(shown.number)
    assert TOKEN not in f"{caught.value} {caught.value.hint}"
    assert lab.forge.read(shown.number).number == shown.number


def test_a_limit_says_how_long_to_wait(lab: Lab) -> None:
    lab.order(FaultKind.LIMIT_429_AFTER, "GET", "/merge_requests")
    with pytest.raises(ForgeUnavailableError) as caught:
        lab.forge.list_open()
    assert caught.value.retry_after == 1


@pytest.mark.parametrize("kind", [FaultKind.NOT_FOUND_404, FaultKind.DENIED_403])
def test_a_list_that_is_not_for_us_is_no_empty_list(lab: Lab, kind: FaultKind) -> None:
    lab.order(kind, "GET", "/merge_requests")
    with pytest.raises(ForgeDeniedError):
        lab.forge.find(BRANCH)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"message": "401 Unauthorized"}, "401 Unauthorized"),
        ({"message": ["one", "two"]}, "one; two"),
        ({"message": {"title": ["is bad", "is long"]}}, "title is bad; title is long"),
        ({"message": {"a": {"b": ["c"]}}}, "a b c"),
        ({"error": "404 Not Found"}, "404 Not Found"),
        (
            {"error": "insufficient_scope", "error_description": "needs more"},
            "insufficient_scope; needs more",
        ),
        ({"message": None, "error": 7}, ""),
        (["no", "mapping"], ""),
        ("<html>", ""),
    ],
)
def test_every_shape_of_an_error_has_its_words(body: Json, words: str) -> None:
    raw = body.encode() if isinstance(body, str) else json.dumps(body).encode()
    answer = Answer(
        status=400, headers={}, body=raw, place=place_of("https://gitlab.test/x")
    )
    assert reading.words(answer) == words


def test_a_revoked_token_and_a_hidden_project_are_denied(lab: Lab) -> None:
    shown = lab.opened()
    lab.state.tokens.clear()
    with pytest.raises(ForgeDeniedError, match="401 Unauthorized"):
        lab.forge.read(shown.number)
    lab.state.tokens.add(TOKEN)
    lab.state.name = "renamed"
    with pytest.raises(ForgeDeniedError, match="not there, or we may not see it"):
        lab.forge.list_open()
    with pytest.raises(ForgeDeniedError):
        lab.forge.delete_branch(BRANCH, head=shown.head)


def test_a_token_that_only_reads_changes_nothing(lab: Lab) -> None:
    shown = lab.opened()
    lab.state.may_write = False
    writes = lab.state.writes.copy()
    for change in (
        lambda: lab.forge.comment(shown.number, "x", by="us", now=NOW),
        lambda: lab.forge.close(shown.number, by="us", now=NOW),
        lambda: lab.merge(shown),
        lambda: lab.forge.delete_branch(BRANCH, head=shown.head),
    ):
        with pytest.raises(ForgeDeniedError):
            change()
    assert lab.state.writes == writes


# --- lists ---


@pytest.mark.parametrize("keyset", [False, True])
def test_every_page_of_a_list_is_read(lab: Lab, keyset: bool) -> None:
    lab.fake.keyset, lab.fake.page = keyset, 2
    numbers = [
        lab.opened(f"{n}", BranchName(f"directus-gitops/staging/s{n}")).number
        for n in range(5)
    ]
    assert [shown.number for shown in lab.forge.list_open()] == numbers
    for n in range(5):
        lab.forge.comment(numbers[0], f"note {n}", by="us", now=NOW)
    texts = [one.text for one in lab.forge.read(numbers[0]).comments]
    assert texts == [f"note {n}" for n in range(5)]


def test_a_list_that_goes_on_elsewhere_is_not_followed(lab: Lab) -> None:
    lab.fake.page = 1
    for n in range(2):
        lab.opened(f"{n}", BranchName(f"directus-gitops/staging/s{n}"))
    lab.fake.link_root = "https://evil.test"
    assert len(lab.forge.list_open()) == 2  # by the number of the page
    lab.fake.keyset = True
    with pytest.raises(ForgeUnavailableError, match="at another address"):
        lab.forge.list_open()


def test_one_that_is_being_merged_is_among_the_open_ones(lab: Lab) -> None:
    asked = [dict(one.query).get("state") for one in _seen(lab, "/merge_requests")]
    lab.forge.list_open()
    asked += [dict(one.query).get("state") for one in _seen(lab, "/merge_requests")]
    assert asked == ["opened", "locked"]
    assert _read(state="locked").state is PullRequestState.OPEN


def test_one_of_a_fork_is_marked_and_never_ours(lab: Lab) -> None:
    shown = lab.opened()
    lab.state.from_forks.add(shown.number)
    assert lab.forge.read(shown.number).from_fork
    assert [one.from_fork for one in lab.forge.list_open()] == [True]
    assert lab.forge.find(BRANCH) == ()
    assert _read(source_project_id=None).from_fork  # the fork is gone


def _seen(lab: Lab, end: str) -> list[Asked]:
    return [one for one in lab.fake.wire.seen if one.path.endswith(end)]


# --- what GitLab finds out a moment later ---


def test_a_head_that_is_not_shown_yet_is_where_the_branch_is(lab: Lab) -> None:
    lab.fake.unprepared = 2
    shown = lab.opened()
    assert shown.head == lab.state.tip(BRANCH)
    again = lab.forge.read(shown.number)
    assert (again.head, again.mergeability) == (shown.head, Mergeability.UNKNOWN)


def test_one_without_any_head_is_in_no_list(lab: Lab) -> None:
    lab.opened()
    assert len(lab.forge.list_open()) == 1
    lab.fake.headless = True
    lab.state.from_forks.add(1)
    assert lab.forge.list_open() == ()
    with pytest.raises(ForgeUnavailableError, match="#1 has no head"):
        lab.forge.read(1)


@pytest.mark.parametrize(
    ("status", "mergeability"),
    [
        ("mergeable", Mergeability.READY),
        ("conflict", Mergeability.CONFLICT),
        ("need_rebase", Mergeability.CONFLICT),
        ("checking", Mergeability.UNKNOWN),
        ("unchecked", Mergeability.UNKNOWN),
        ("preparing", Mergeability.UNKNOWN),
        ("approvals_syncing", Mergeability.UNKNOWN),
        ("ci_still_running", Mergeability.BLOCKED),
        ("ci_must_pass", Mergeability.BLOCKED),
        ("not_approved", Mergeability.BLOCKED),
        ("requested_changes", Mergeability.BLOCKED),
        ("discussions_not_resolved", Mergeability.BLOCKED),
        ("draft_status", Mergeability.BLOCKED),
        ("commits_status", Mergeability.BLOCKED),
        ("something_of_next_year", Mergeability.BLOCKED),
    ],
)
def test_each_status_of_a_merge_is_read(
    status: str, mergeability: Mergeability
) -> None:
    assert _read(detailed_merge_status=status).mergeability is mergeability


def test_old_servers_say_less_of_a_merge() -> None:
    ready = _read(detailed_merge_status=None, merge_status="can_be_merged")
    assert ready.mergeability is Mergeability.READY
    again = _read(detailed_merge_status=None, merge_status="cannot_be_merged_recheck")
    assert again.mergeability is Mergeability.UNKNOWN
    conflict = _read(detailed_merge_status="checking", has_conflicts=True)
    assert conflict.mergeability is Mergeability.CONFLICT
    assert _read(detailed_merge_status=None).mergeability is Mergeability.UNKNOWN


def test_what_the_base_got_is_told_of_every_way_to_merge() -> None:
    merged, head = "merged", "a" * 40
    made, squashed = "b" * 40, "c" * 40
    by = {"merge_user": {"username": "ann"}}
    both = _read(state=merged, merge_commit_sha=made, squash_commit_sha=squashed, **by)
    assert (both.merge_commit, both.closed_by) == (made, "ann")
    assert _read(state=merged, squash_commit_sha=squashed).merge_commit == squashed
    forwarded = _read(state=merged, merged_by={"username": "ben"})
    assert (forwarded.merge_commit, forwarded.closed_by) == (head, "ben")
    assert _read(state="opened", merge_commit_sha=made).merge_commit is None


@pytest.mark.parametrize(
    "broken",
    [
        {"state": "flying"},
        {"iid": None},
        {"sha": "not a commit"},
        {"created_at": "yesterday"},
        {"state": "merged", "merge_commit_sha": "--upload-pack=x"},
    ],
)
def test_what_makes_no_sense_is_an_error_and_no_guess(broken: dict[str, Json]) -> None:
    with pytest.raises(ForgeUnavailableError):
        _read(**broken)


def _read(**fields: Any) -> PullRequest:
    item: dict[str, Json] = {
        "iid": 7,
        "state": "opened",
        "sha": "a" * 40,
        "source_branch": "x",
        "target_branch": "main",
        "source_project_id": 31,
        "target_project_id": 31,
        "created_at": "2026-11-23T12:00:00.000Z",
        "labels": None,
        "description": None,
        "author": {"username": "us"},
        **fields,
    }
    head = reading.head_of(item)
    assert head is not None
    return reading.pull_request(item, head)


# --- opening ---


def test_a_list_that_lags_leads_to_the_one_that_is_there(lab: Lab) -> None:
    first = lab.opened()
    lab.order(FaultKind.EMPTY_LIST, "GET", "/merge_requests$")
    again = lab.forge.open(lab.draft(first.head), now=NOW)
    assert again.number == first.number
    assert lab.state.writes["created"] == 1


@pytest.mark.parametrize("kind", [FaultKind.RESET_AFTER, FaultKind.ERROR_502_AFTER])
def test_a_lost_answer_opens_no_second_one(lab: Lab, kind: FaultKind) -> None:
    lab.order(kind, "POST", "/merge_requests$")
    shown = lab.opened()
    assert [one.number for one in lab.forge.list_all()] == [shown.number]
    assert lab.state.writes["created"] == 1


def test_what_gitlab_would_open_for_nothing_is_not_opened(lab: Lab) -> None:
    base = lab.state.tip(MAIN)
    assert base is not None
    lab.state.repository.update_ref(BRANCH, base, expected=None)
    with pytest.raises(ForgeConflictError, match="holds everything"):
        lab.forge.open(lab.draft(base), now=NOW)
    head = lab.push(branch=BranchName("other"))
    nowhere = replace(
        lab.draft(head, BranchName("other")), base=BranchName("no-such-base")
    )
    with pytest.raises(ForgeConflictError, match="no branch no-such-base"):
        lab.forge.open(nowhere, now=NOW)
    assert lab.state.writes["created"] == 0


def test_a_title_that_gitlab_does_not_take_is_told(lab: Lab) -> None:
    long = replace(lab.draft(lab.push()), title="t" * 256)
    with pytest.raises(ForgeConflictError, match="title is too long"):
        lab.forge.open(long, now=NOW)


def test_reviewers_are_added_by_number_and_asked_once(lab: Lab) -> None:
    head = lab.push()
    wanted = replace(lab.draft(head), reviewers=("ann", "nobody", "eve"))
    shown = lab.forge.open(wanted, now=NOW)
    assert lab.state.reviewers[shown.number] == {"ann"}  # eve is no member
    more = replace(lab.draft(head), reviewers=("ben",))
    lab.forge.update(shown.number, more, now=NOW)
    assert lab.state.reviewers[shown.number] == {"ann", "ben"}
    asked = lab.state.writes["asked"]
    lab.forge.update(shown.number, more, now=NOW)
    assert lab.state.writes["asked"] == asked


# --- approvals ---


def test_an_approval_that_outlives_a_push_is_of_the_old_head(lab: Lab) -> None:
    shown = lab.opened()
    lab.state.approve(shown.number, by="ann")
    head = lab.push("three")
    lab.state.approve(shown.number, by="ben")
    given = lab.forge.read(shown.number).approvals
    assert [(one.by, one.head) for one in given] == [
        ("ann", shown.head),
        ("ben", head),
    ]


@pytest.mark.parametrize("tells_when", [True, False])
def test_an_approval_that_was_taken_back_is_none(lab: Lab, tells_when: bool) -> None:
    lab.fake.tells_when = tells_when
    shown = lab.opened()
    for by in ("ann", "ben"):
        lab.state.approve(shown.number, by=by)
    lab.fake.unapproved.append((shown.number, "ann", lab.state.now()))
    given = lab.forge.read(shown.number).approvals
    assert [(one.by, one.head) for one in given] == [("ben", shown.head)]


def test_an_approval_whose_time_nobody_knows_is_of_no_head() -> None:
    given: Json = {"approved_by": [{"user": {"username": "ann"}}]}
    version: Json = {"created_at": "2026-11-23T12:00:00Z", "head_commit_sha": "a" * 40}
    said: Json = {
        "system": False,  # written by ann, not by GitLab
        "author": {"username": "ann"},
        "body": "approved this merge request",
        "created_at": "2026-11-23T13:00:00Z",
    }
    assert reading.approvals(given, (version,), (said,)) == ()


def test_what_gitlab_notes_itself_is_no_comment(lab: Lab) -> None:
    shown = lab.opened()
    lab.state.approve(shown.number, by="ann")
    lab.forge.comment(shown.number, "hello", by="us", now=NOW)
    assert [one.text for one in lab.forge.read(shown.number).comments] == ["hello"]


# --- checks ---


def test_jobs_statuses_and_the_pipeline_are_checks(lab: Lab) -> None:
    shown = lab.opened()
    lab.build(shown.head, "lint", CheckState.PASSED)
    lab.build(shown.head, "optional-audit", CheckState.FAILED)
    lab.forge.report(shown.head, _status(CheckState.PENDING))
    found = {c.name: c.state for c in lab.forge.read(shown.number).checks}
    assert found == {
        "lint": CheckState.PASSED,
        "optional-audit": CheckState.PASSED,  # it may fail
        "directus-gitops": CheckState.PENDING,
        "pipeline": CheckState.PASSED,
    }
    lab.build(shown.head, "lint", CheckState.FAILED)
    found = {c.name: c.state for c in lab.forge.read(shown.number).checks}
    assert found["lint"] is found["pipeline"] is CheckState.FAILED


def test_a_pipeline_of_the_trial_merge_is_about_its_head(lab: Lab) -> None:
    shown = lab.opened()
    trial = lab.state.commit({"z.txt": "z"}, on=shown.head)
    lab.fake.pipeline = {
        "id": 5,
        "sha": trial,
        "ref": f"refs/merge-requests/{shown.number}/merge",
        "status": "failed",
        "source": "merge_request_event",
        "web_url": "https://gitlab.test/5",
    }
    (check,) = lab.forge.read(shown.number).checks
    assert (check.name, check.state) == ("pipeline", CheckState.FAILED)
    lab.push("three")  # the pipeline is of an older head now
    assert lab.forge.read(shown.number).checks == ()
    lab.fake.pipeline = {**lab.fake.pipeline, "ref": BRANCH, "sha": shown.head}
    assert lab.forge.read(shown.number).checks == ()


@pytest.mark.parametrize(
    ("said", "may_fail", "state"),
    [
        ("success", False, CheckState.PASSED),
        ("skipped", False, CheckState.PASSED),
        ("failed", False, CheckState.FAILED),
        ("canceled", False, CheckState.FAILED),
        ("manual", False, CheckState.PENDING),
        ("manual", True, CheckState.PASSED),
        ("running", True, CheckState.PENDING),
        ("waiting_for_resource", False, CheckState.PENDING),
        ("something_of_next_year", False, CheckState.PENDING),
    ],
)
def test_each_state_of_a_job_is_read(
    said: str, may_fail: bool, state: CheckState
) -> None:
    assert reading.check_state(said, may_fail=may_fail) is state


def test_a_status_that_stands_already_is_no_error(lab: Lab) -> None:
    head = lab.push()
    for _ in range(2):
        lab.forge.report(head, _status(CheckState.PENDING))
    assert lab.state.writes["reported"] == 1
    long = replace(_status(CheckState.PASSED), description="d" * 300, url="https://x/y")
    lab.forge.report(head, long)
    kept = lab.state.statuses[head]["directus-gitops"]
    assert (kept.state, len(kept.description)) == (CheckState.PASSED, 255)


def _status(state: CheckState) -> Status:
    return Status(name="directus-gitops", state=state, description="2 findings")


# --- merging ---


def test_a_merge_is_asked_for_at_the_shown_head_only(lab: Lab) -> None:
    shown = lab.opened()
    lab.merge(shown)
    (asked,) = _seen(lab, "/merge")
    assert (asked.text("sha"), asked.field("squash")) == (shown.head, False)
    assert asked.text("merge_commit_message").endswith("Asked by bob\n")


def test_a_head_that_moves_at_the_last_moment_is_not_merged(lab: Lab) -> None:
    shown = lab.opened()
    base = lab.state.tip(MAIN)

    def overtake(asked: Asked, told: Told) -> None:
        if asked.path.endswith("/notes"):  # after the look, before the merge
            lab.push("three")
            lab.fake.wire.watchers.remove(overtake)

    lab.fake.wire.watchers.append(overtake)
    with pytest.raises(ForgeConflictError, match="SHA does not match"):
        lab.merge(shown)
    assert lab.state.tip(MAIN) == base


def test_rules_drafts_and_doubts_are_reasons_to_wait(lab: Lab) -> None:
    shown = lab.opened()
    lab.state.blocked = "an approval is missing"
    waits = lab.merge(shown)
    assert isinstance(waits, NotMerged)
    assert "not approved" in waits.reason
    assert not waits.needs_regeneration
    lab.state.blocked = ""
    lab.state.drafts.add(shown.number)
    assert lab.forge.read(shown.number).is_draft
    waits = lab.merge(shown)
    assert isinstance(waits, NotMerged)
    assert "draft" in waits.reason
    lab.state.drafts.clear()
    lab.state.undecided = 3
    waits = lab.merge(shown)
    assert isinstance(waits, NotMerged)
    assert "cannot be merged" in waits.reason
    assert not waits.needs_regeneration
    assert isinstance(lab.merge(shown), Merged)


def test_one_that_somebody_closed_in_between_is_a_conflict(lab: Lab) -> None:
    shown = lab.opened()

    def overtake(asked: Asked, told: Told) -> None:
        if asked.path.endswith("/notes"):
            lab.state.forge.close(shown.number, by="eve", now=lab.state.now())
            lab.fake.wire.watchers.remove(overtake)

    lab.fake.wire.watchers.append(overtake)
    with pytest.raises(ForgeConflictError, match="is closed"):
        lab.merge(shown)


@pytest.mark.parametrize("kind", [FaultKind.RESET_AFTER, FaultKind.ERROR_502_AFTER])
def test_a_merge_whose_answer_is_lost_is_looked_at(lab: Lab, kind: FaultKind) -> None:
    shown = lab.opened()
    lab.order(kind, "PUT", "/merge$")
    assert isinstance(lab.merge(shown), Merged)
    assert lab.state.writes["merged"] == 1


def test_auto_merge_waits_for_the_pipeline_and_is_asked_once(lab: Lab) -> None:
    shown = lab.opened()
    lab.build(shown.head, "lint", CheckState.PENDING)
    for _ in range(2):
        told = lab.forge.merge_later(shown.number, head=shown.head)
        assert isinstance(told, Scheduled)
        assert told.pull_request.merges_later
        assert told.pull_request.state is PullRequestState.OPEN
    assert lab.state.writes["scheduled"] == 1
    (asked,) = _seen(lab, "/merge")
    assert asked.field("auto_merge") is asked.field("merge_when_pipeline_succeeds")
    assert asked.text("sha") == shown.head


def test_auto_merge_with_nothing_to_wait_for_merges(lab: Lab) -> None:
    shown = lab.opened()
    told = lab.forge.merge_later(shown.number, head=shown.head)
    assert isinstance(told, Scheduled)
    assert told.pull_request.state is PullRequestState.MERGED
    assert lab.state.writes["merged"] == 1


def test_auto_merge_that_gitlab_does_not_take_is_a_reason(lab: Lab) -> None:
    shown = lab.opened()
    lab.fake.schedules = False  # before GitLab 17 it waits for pipelines alone
    lab.state.blocked = "an approval is missing"
    told = lab.forge.merge_later(shown.number, head=shown.head)
    assert isinstance(told, NotMerged)
    assert "not approved" in told.reason
    assert lab.state.writes["merged"] == 0


# --- branches ---


def test_a_protected_branch_stays_and_one_that_is_gone_is_fine(lab: Lab) -> None:
    base = lab.state.tip(MAIN)
    assert base is not None
    with pytest.raises(ForgeDeniedError, match="keeps branch main"):
        lab.forge.delete_branch(MAIN, head=base)
    shown = lab.opened()
    lab.order(FaultKind.NOT_FOUND_404, "DELETE", "/branches/")
    assert lab.forge.delete_branch(BRANCH, head=shown.head)


# --- where it is ---


@pytest.mark.parametrize(
    ("address", "api", "root", "project"),
    [
        ("https://gitlab.com/g/app", "", "https://gitlab.com/api/v4", "g/app"),
        (
            "https://git.example.com:8443/a/b/c/app.git",
            "",
            "https://git.example.com:8443/api/v4",
            "a/b/c/app",
        ),
        (
            "https://example.com/gitlab/g/app.git/",
            "https://example.com/gitlab/api/v4/",
            "https://example.com/gitlab/api/v4",
            "g/app",
        ),
    ],
)
def test_the_api_and_the_project_follow_from_the_address(
    address: str, api: str, root: str, project: str
) -> None:
    with Web() as web:
        forge = gitlab_forge(
            address,
            web=web,
            allowed=Allowed(),
            credential=lambda: TOKEN,
            gate=patient_gate(),
            api=api,
        )
    assert forge._line._roots[""] == root
    call = next(forge._dialect.pulls(branch=None, only_open=False))
    assert call.path == ("projects", project, "merge_requests")


def test_an_address_of_no_project_is_refused() -> None:
    with Web() as web, pytest.raises(InputError, match="no GitLab project"):
        gitlab_forge(
            "https://gitlab.com/group",
            web=web,
            allowed=Allowed(),
            credential=lambda: TOKEN,
            gate=patient_gate(),
        )


def test_a_token_goes_into_one_header_and_nowhere_else(
    lab: Lab, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    shown = lab.opened()
    told: list[str] = []
    for kind in FaultKind:
        lab.order(kind, "GET", f"/merge_requests/{shown.number}$")
        try:
            lab.forge.read(shown.number)
        except ForgeError as error:
            told += [str(error), error.hint, repr(error), repr(error.__context__)]
    assert told
    assert TOKEN not in "".join(told) + caplog.text
    for asked in lab.fake.wire.seen:
        assert asked.headers["private-token"] == TOKEN
        assert TOKEN not in f"{asked.path} {asked.pairs} {asked.body}"
        assert "authorization" not in asked.headers


# --- the description ---


def test_what_is_kept_of_the_description_is_what_gitlab_says(shared: Path) -> None:
    path = shared / "specs" / "gitlab-mr-slice.json"
    whole, kept = json.loads(path.read_text()), description("gitlab")
    compared = 0
    for place, methods in whole["paths"].items():
        for method, theirs in methods.items():
            ours = kept["paths"].get(place, {}).get(method)
            if ours is not None:
                compared += 1
                _compare(ours, theirs)
    assert compared == 5


def _compare(ours: Mapping[str, Any], theirs: Mapping[str, Any]) -> None:
    said = {one["name"]: one for one in theirs["parameters"]}
    for one in ours["parameters"]:
        if one["name"] not in ("order_by", "sort"):  # documented, not in that part
            assert one == said[one["name"]]
    unknown = {"401"}  # of a list: told by the documentation's general part
    assert set(ours["responses"]) <= set(theirs["responses"]) | unknown
    if "requestBody" not in ours:
        return
    mine, full = (
        body["requestBody"]["content"]["application/json"]["schema"]
        for body in (ours, theirs)
    )
    assert mine["additionalProperties"] is False
    assert mine.get("required") == full.get("required")
    for name, field in mine["properties"].items():
        assert field == full["properties"][name]
