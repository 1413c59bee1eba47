"""GitLab's adapter against what gitlab.com once answered to somebody else."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import pytest

from gitops.errors import (
    ForgeConflictError,
    ForgeDeniedError,
    ForgeError,
    ForgeNotFoundError,
)
from gitops.forges.gitlab import GitLab, reading
from gitops.forges.gitlab.dialect import following
from gitops.forges.http import Call, get
from gitops.forges.http.faults import fault_of
from gitops.model import CheckState, Json, PullRequestState
from gitops.web.fields import flag_at, text_at
from tests.support.recordings import Recorded, ogr

pytestmark = pytest.mark.gate

GITLAB = GitLab("packit-service/ogr-tests")
ERRORS: dict[int, type[ForgeError]] = {
    400: ForgeError,
    401: ForgeDeniedError,
    403: ForgeDeniedError,
    404: ForgeNotFoundError,
    409: ForgeConflictError,
}


def items(*keys: str) -> Iterator[tuple[Recorded, Json]]:
    """Yield every recorded thing that has some fields, alone or in a list."""
    for one in ogr("gitlab"):
        body = one.json()
        for item in body if isinstance(body, list) else [body]:
            if isinstance(item, dict) and all(key in item for key in keys):
                yield one, item


def test_every_recorded_merge_request_is_read() -> None:
    seen: Counter[PullRequestState] = Counter()
    headless = 0
    for one, item in items("iid", "source_branch", "target_branch"):
        head = reading.head_of(item)
        if head is None:  # opened from a branch that was never there
            assert not text_at(item, "merge_commit_sha"), one.source
            headless += 1
            continue
        shown = reading.pull_request(item, head)
        assert shown.number > 0
        assert shown.author
        assert shown.title
        assert (shown.merge_commit is None) is (
            shown.state is not PullRequestState.MERGED
        )
        seen[shown.state] += 1
    assert set(seen) == set(PullRequestState)
    assert sum(seen.values()) > 200
    assert headless > 0


def test_every_recorded_note_is_a_comment_or_gitlabs_own() -> None:
    people = machines = 0
    for one, item in items("body", "author", "system", "noteable_type"):
        remark = reading.remark(item)
        if flag_at(item, "system"):
            assert remark is None, one.source
            machines += 1
        else:
            assert remark is not None, one.source
            assert remark.comment.by
            people += 1
    assert min(people, machines) > 0


def test_every_recorded_status_is_a_check() -> None:
    states = {
        reading.check(item).state for _, item in items("sha", "name", "allow_failure")
    }
    assert states == {CheckState.PASSED}  # nobody recorded another


def test_every_recorded_branch_and_user_is_read() -> None:
    branches = [item for _, item in items("commit", "protected", "default")]
    assert branches
    for branch in branches:
        assert reading.commit(text_at(branch, "commit", "id"))
    users = [one for one in ogr("gitlab") if one.path == "/api/v4/user"]
    for one in users:
        talk = GITLAB.whoami()
        next(talk)
        if one.status == 200 and one.method == "GET":
            with pytest.raises(StopIteration) as ended:
                talk.send(one.answer)
            assert ended.value.value == one.json()["username"]
    assert users


def test_every_recorded_refusal_is_the_right_error_with_its_words() -> None:
    seen: Counter[int] = Counter()
    for one in ogr("gitlab"):
        if one.status < 400:
            continue
        call = Call(method=one.method, path=("projects",), missing="it")
        words = GITLAB.words(one.answer)
        error = fault_of(call, one.answer, words)
        assert type(error) is ERRORS[one.status], one.source
        assert words, one.source
        assert words in error.message
        seen[one.status] += 1
    assert set(seen) == set(ERRORS)


def test_a_recorded_second_merge_request_is_a_conflict_that_names_the_first() -> None:
    (one, *_) = (
        one
        for one in ogr("gitlab")
        if (one.method, one.status) == ("POST", 409)
        and one.path.endswith("/merge_requests")
    )
    assert "Another open merge request already exists" in GITLAB.words(one.answer)


def test_recorded_pages_lead_from_one_to_the_next() -> None:
    first = get("projects", "p", "merge_requests", per_page=100, page=1)
    further = 0
    for one in ogr("gitlab"):
        headers = one.answer.headers
        if "x-page" not in headers:
            continue
        call = following(first, one.answer)
        if headers["x-page"] == headers.get("x-total-pages"):
            assert call is None, one.source
        if call is not None:
            assert dict(call.query)["page"] == str(int(headers["x-page"]) + 1)
            assert one.answer.names_relation("next"), one.source
            further += 1
    assert further > 0
