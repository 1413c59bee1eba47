"""What a real Forgejo once answered, as `ogr` recorded it, reads as it was meant."""

from __future__ import annotations

import pytest

from gitops.errors import ForgeError, ForgeUnavailableError
from gitops.forges.gitea import Gitea, reading
from gitops.forges.http import Call
from gitops.forges.http.faults import fault_of
from gitops.model import PullRequestState
from tests.support.recordings import Recorded, ogr

pytestmark = pytest.mark.gate

DIALECT = Gitea("packit-validator", "ogr-tests")


def exchanges(tail: str) -> list[Recorded]:
    found = [one for one in ogr("forgejo") if one.path.endswith(tail)]
    assert found, tail
    return found


def rows(one: Recorded) -> list[dict[str, object]]:
    found = one.json()
    return found if isinstance(found, list) else []


def test_every_recorded_pull_request_is_read() -> None:
    count, headless = 0, 0
    for one in ogr("forgejo"):
        body = one.json()
        items = body if isinstance(body, list) else [body]
        for item in items:
            if not (isinstance(item, dict) and "merge_base" in item):
                continue
            if reading.is_headless(item):
                headless += 1
                assert item["state"] == "closed"
                continue
            shown = reading.pull_request(item)
            count += 1
            assert shown.number == item["number"]
            assert shown.title == item["title"]
            assert shown.branch == item["head"]["label"]
            assert shown.from_fork == (
                item["head"]["repo_id"] != item["base"]["repo_id"]
            )
            is_merged = shown.state is PullRequestState.MERGED
            assert is_merged == item["merged"]
            assert (shown.merge_commit is not None) == is_merged
    assert count > 100
    assert headless > 20  # moved here from another forge, without their heads


def test_every_recorded_comment_and_status_is_read() -> None:
    comments = [
        item
        for one in ogr("forgejo")
        if one.path.endswith("/comments") and one.method == "GET"
        for item in rows(one)
    ]
    assert len(comments) > 20
    for item in comments:
        remark = reading.remark(item)  # type: ignore[arg-type]
        assert remark.id == str(item["id"])
        assert remark.comment.text == item["body"]
        assert remark.comment.by
    statuses = [
        item
        for one in ogr("forgejo")
        if "/statuses" in one.path and one.method == "GET"
        for item in rows(one)
    ]
    assert statuses
    for item in statuses:
        assert reading.check(item).name == item["context"]  # type: ignore[arg-type]


def test_every_recorded_refusal_is_an_error_with_the_forges_words() -> None:
    refused = [one for one in ogr("forgejo") if one.status >= 400]
    assert {one.status for one in refused} >= {404, 405, 500}
    for one in refused:
        call = Call(method=one.method, path=("repos",))
        error = fault_of(call, one.answer, DIALECT.words(one.answer))
        assert isinstance(error, ForgeError)
        message = one.json()["message"]
        assert not message or message.split()[0] in error.message
        if one.status >= 500:
            assert isinstance(error, ForgeUnavailableError)
