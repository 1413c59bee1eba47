"""GitHub's adapter before what GitHub once answered to two other projects."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any, Final

import pytest

from gitops.errors import (
    ForgeConflictError,
    ForgeDeniedError,
    ForgeError,
    ForgeUnavailableError,
)
from gitops.forges.github import GitHub, graphql, reading
from gitops.forges.http import Call
from gitops.forges.http.faults import fault_of, is_limited
from gitops.model import PullRequestState
from tests.support.recordings import Recorded, ogr, pygithub

pytestmark = pytest.mark.gate

_GOOD: Final = (200, 201)
_PULLS: Final = re.compile(r"/repos/[^/]+/[^/]+/pulls(/\d+)?")
_GITHUB: Final = GitHub("team", "fleet")


def recorded() -> Iterator[Recorded]:
    yield from pygithub()
    yield from ogr("github")


def items(path: str, key: str = "") -> list[Any]:
    """Return every item that was shown at some path, alone or in a list."""
    found: list[Any] = []
    for one in recorded():
        if one.status in _GOOD and re.fullmatch(f"/repos/[^/]+/[^/]+{path}", one.path):
            body = one.json()
            body = body[key] if key else body
            found += body if isinstance(body, list) else [body]
    return found


def test_every_recorded_pull_request_is_read() -> None:
    raw = items(r"/pulls(/\d+)?")
    assert len(raw) > 300
    states = set()
    for item in raw:
        shown = reading.pull_request(item)
        states.add(shown.state)
        assert shown.number == item["number"]
        assert (shown.branch, shown.head) == (item["head"]["ref"], item["head"]["sha"])
        assert (shown.state is PullRequestState.OPEN) is (item["state"] == "open")
        assert (shown.state is PullRequestState.MERGED) is bool(item["merged_at"])
        source = item["head"]["repo"]
        is_ours = source and source["full_name"] == item["base"]["repo"]["full_name"]
        assert shown.from_fork is not bool(is_ours)
    assert states == set(PullRequestState)
    assert any(item["head"]["repo"] is None for item in raw), "a deleted fork"


@pytest.mark.parametrize(
    ("path", "key", "read", "least"),
    [
        (r"/issues(/\d+|)/comments(/\d+)?", "", reading.remark, 50),
        (r"/commits/\w+/status", "statuses", reading.status, 1),
        (r"/commits/\w+/check-runs", "check_runs", reading.check_run, 10),
        (r"/statuses/\w+", "", reading.status, 3),
    ],
)
def test_every_recorded_item_is_read(
    path: str, key: str, read: Callable[[Any], object], least: int
) -> None:
    found = [read(item) for item in items(path, key)]
    assert len(found) >= least


def test_recorded_reviews_are_read() -> None:
    reviews = items(r"/pulls/\d+/reviews")
    assert len(reviews) > 1
    for approval in reading.approvals(reviews):
        assert approval.by
        assert re.fullmatch("[0-9a-f]{40}", approval.head)


def errors() -> list[Recorded]:
    return [one for one in recorded() if one.status >= 400]


def meaning(one: Recorded) -> type[ForgeError]:
    if one.status in (401, 403, 404):
        return ForgeDeniedError
    if one.status in (409, 422):
        return ForgeConflictError
    return ForgeUnavailableError if one.status >= 500 else ForgeError


def test_every_recorded_error_is_one_of_ours_and_says_why() -> None:
    seen = set()
    for one in errors():
        words = _GITHUB.words(one.answer)
        fault = fault_of(Call(method=one.method, path=("repos",)), one.answer, words)
        limited = is_limited(one.answer, words)
        assert isinstance(fault, ForgeUnavailableError if limited else meaning(one))
        body = one.json()
        told = body.get("message", "") if isinstance(body, dict) else ""
        assert " ".join(told.split())[:60] in fault.message
        assert "\n" not in fault.message
        seen.add(one.status)
    assert {401, 403, 404, 409, 422, 500, 502, 503} <= seen


def test_the_recorded_limit_says_when_to_come_back() -> None:
    (abuse,) = (
        one
        for one in errors()
        if one.status == 403 and "abuse detection" in str(one.json())
    )
    fault = fault_of(Call(method="POST"), abuse.answer, _GITHUB.words(abuse.answer))
    assert isinstance(fault, ForgeUnavailableError)
    assert fault.retry_after == float(abuse.answer.headers["retry-after"]) == 60


def test_recorded_automatic_merges_are_told_from_a_refusal() -> None:
    answers = {
        one.source: graphql.refused(one.answer)
        for one in pygithub()
        if one.source.startswith("PullRequest.testEnableAutomerge")
        and one.path == "/graphql"
    }
    assert answers == {
        "PullRequest.testEnableAutomerge.txt": "",
        "PullRequest.testEnableAutomergeDefaultValues.txt": "",
        "PullRequest.testEnableAutomergeError.txt": (
            "Pull request Auto merge is not allowed for this repository"
        ),
    }


def sent(source: str, method: str, end: str) -> Recorded:
    return next(
        one
        for one in pygithub()
        if one.source == source and one.method == method and one.path.endswith(end)
    )


def test_a_recorded_merge_is_taken_for_one() -> None:
    pull = next(item for item in items(r"/pulls/\d+") if item["state"] == "open")
    answer = sent("PullRequest.testMerge.txt", "PUT", "/merge").answer
    talk = _GITHUB.merge(reading.pull_request(pull), message="Merge\n\nAsked by bob")
    next(talk)
    with pytest.raises(StopIteration) as ended:
        talk.send(answer)
    assert ended.value.value is None
