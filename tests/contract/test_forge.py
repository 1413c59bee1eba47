"""One suite for every forge: the protocol of gitops.forges, seen from outside."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from gitops.errors import ForgeConflictError, ForgeNotFoundError
from gitops.forges import (
    Forge,
    Merged,
    NotMerged,
    PullRequestDraft,
    Scheduled,
    Status,
)
from gitops.model import (
    BranchName,
    CheckState,
    CommitId,
    PullRequest,
    PullRequestState,
)
from tests.contract.worlds import WORLDS, World
from tests.support.forges.state import MAIN

BRANCH = BranchName("directus-gitops/staging/example")
OTHER = BranchName("directus-gitops/staging/acme")
NOW = datetime(2026, 11, 23, 12, 30, 15, tzinfo=UTC)
NOWHERE = CommitId("0" * 39 + "1")


QUICK = ("embedded", "github")  # the others take their minutes in `make check`


@pytest.fixture(
    params=[
        pytest.param(name, marks=() if name in QUICK else pytest.mark.gate)
        for name in sorted(WORLDS)
    ]
)
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    with WORLDS[request.param](tmp_path) as world:
        yield world


@pytest.fixture(params=["embedded", "metered"])
def embedded(request: pytest.FixtureRequest, tmp_path: Path) -> World:
    """A world where we merge and approve ourselves, by names that we are told."""
    return WORLDS[request.param](tmp_path)


def draft(
    head: CommitId,
    *,
    branch: BranchName = BRANCH,
    base: BranchName = MAIN,
    title: str = "example/staging: bump Directus 12.3.0 -> 12.4.1",
    body: str = "what changes",
    author: str = "alice",
) -> PullRequestDraft:
    return PullRequestDraft(
        branch=branch, base=base, head=head, title=title, body=body, author=author
    )


def status(state: CheckState) -> Status:
    return Status(name="directus-gitops", state=state, description="2 findings")


def opened(
    world: World, *, branch: BranchName = BRANCH, path: str = "a.txt", text: str = "two"
) -> PullRequest:
    head = world.push(branch, text, path=path)
    return world.forge.open(draft(head, branch=branch), now=NOW)


def merged(result: Merged | NotMerged) -> PullRequest:
    assert isinstance(result, Merged)
    return result.pull_request


# --- opening ---


def test_an_opened_pull_request_says_what_the_draft_said(world: World) -> None:
    shown = opened(world)
    assert shown == world.forge.read(shown.number)
    assert (shown.title, shown.body) == (
        "example/staging: bump Directus 12.3.0 -> 12.4.1",
        "what changes",
    )
    assert (shown.branch, shown.base, shown.head) == (BRANCH, MAIN, world.tip(BRANCH))
    assert (shown.state, shown.closed_by) == (PullRequestState.OPEN, "")
    assert shown.author == world.known_as("alice")
    assert world.is_moment(shown.created_at, NOW)
    assert (shown.merge_commit, shown.approvals, shown.comments) == (None, (), ())
    assert shown.url is not None
    assert shown.url.endswith(f"/{shown.number}")


def test_numbers_count_up_and_are_never_used_twice(world: World) -> None:
    first = opened(world)
    world.forge.close(first.number, by="bob", now=NOW)
    second = opened(world)
    third = opened(world, branch=OTHER)
    assert first.number < second.number < third.number


def test_opening_again_adopts_the_open_one(world: World) -> None:
    first = opened(world)
    again = world.forge.open(draft(first.head, title="other", author="bob"), now=NOW)
    assert again == first
    assert [shown.number for shown in world.forge.list_all()] == [first.number]


def test_opening_adopts_with_the_newest_head(world: World) -> None:
    first = opened(world)
    head = world.push(BRANCH, "three")
    again = world.forge.open(draft(head), now=NOW)
    assert (again.number, again.head) == (first.number, head)


def test_a_closed_one_stays_closed_and_a_new_one_is_opened(world: World) -> None:
    first = opened(world)
    world.forge.close(first.number, by="bob", now=NOW)
    second = world.forge.open(draft(first.head), now=NOW)
    assert second.number != first.number
    states = [shown.state for shown in world.forge.find(BRANCH)]
    assert states == [PullRequestState.CLOSED, PullRequestState.OPEN]


def test_one_branch_may_be_open_into_two_bases(world: World) -> None:
    release = BranchName("release")
    world.move(release, world.base())
    first = opened(world)
    second = world.forge.open(draft(first.head, base=release), now=NOW)
    assert {shown.base for shown in world.forge.list_open()} == {MAIN, release}
    assert first.number != second.number


def test_a_draft_must_be_about_the_branch_as_it_is(world: World) -> None:
    head = world.push(BRANCH, "two")
    with pytest.raises(ForgeConflictError, match="not at"):
        world.forge.open(draft(world.base()), now=NOW)
    with pytest.raises(ForgeConflictError, match="not there"):
        world.forge.open(draft(head, branch=OTHER), now=NOW)
    assert world.forge.list_all() == ()


def test_a_branch_without_news_is_not_opened(world: World) -> None:
    world.move(BRANCH, world.base())
    with pytest.raises(ForgeConflictError):
        world.forge.open(draft(world.base()), now=NOW)


def test_a_base_must_be_another_branch_that_is_there(world: World) -> None:
    head = world.push(BRANCH, "two")
    for base in (BRANCH, BranchName("nowhere")):
        with pytest.raises(ForgeConflictError):
            world.forge.open(draft(head, base=base), now=NOW)


# --- finding ---


def test_a_branch_finds_its_own_in_all_states_oldest_first(world: World) -> None:
    first = opened(world)
    world.forge.close(first.number, by="bob", now=NOW)
    opened(world, branch=OTHER)
    second = opened(world)
    found = world.forge.find(BRANCH)
    assert [shown.number for shown in found] == [first.number, second.number]
    assert world.forge.find(BranchName("nobody")) == ()


def test_the_open_ones_are_only_the_open_ones(world: World) -> None:
    first, second = opened(world), opened(world, branch=OTHER)
    world.forge.close(first.number, by="bob", now=NOW)
    assert [shown.number for shown in world.forge.list_open()] == [second.number]
    assert [shown.number for shown in world.forge.list_all()] == [
        first.number,
        second.number,
    ]


CALLS: dict[str, Callable[[Forge, CommitId], object]] = {
    "read": lambda forge, _: forge.read(7),
    "update": lambda forge, head: forge.update(7, draft(head), now=NOW),
    "comment": lambda forge, _: forge.comment(7, "hello", by="bob", now=NOW),
    "approve": lambda forge, head: forge.approve(7, head=head, by="bob", now=NOW),
    "merge": lambda forge, head: forge.merge(7, head=head, by="bob", now=NOW),
    "close": lambda forge, _: forge.close(7, by="bob", now=NOW),
}


@pytest.mark.parametrize("verb", sorted(CALLS))
def test_a_number_that_was_never_given_is_not_found(world: World, verb: str) -> None:
    head = world.push(BRANCH, "two")
    with pytest.raises(ForgeNotFoundError, match="#7"):
        CALLS[verb](world.forge, head)


# --- updating ---


def test_an_update_replaces_texts_and_head_and_keeps_the_rest(world: World) -> None:
    first = opened(world)
    head = world.push(BRANCH, "three")
    shown = world.forge.update(
        first.number,
        draft(head, title="new title", body="new body", author="bob"),
        now=NOW,
    )
    assert (shown.title, shown.body, shown.head) == ("new title", "new body", head)
    assert (shown.number, shown.author, shown.created_at) == (
        first.number,
        first.author,
        first.created_at,
    )
    assert world.forge.read(first.number) == shown


def test_an_update_is_about_the_same_branch_and_base_at_its_tip(world: World) -> None:
    shown = opened(world)
    other = world.push(OTHER, "x", path="b.txt")
    for wrong in (
        draft(other, branch=OTHER),
        draft(shown.head, base=OTHER),
        draft(NOWHERE),
    ):
        with pytest.raises(ForgeConflictError):
            world.forge.update(shown.number, wrong, now=NOW)
    assert world.forge.read(shown.number) == shown


def test_only_an_open_one_is_updated(world: World) -> None:
    shown = opened(world)
    world.forge.close(shown.number, by="bob", now=NOW)
    with pytest.raises(ForgeConflictError, match="closed"):
        world.forge.update(shown.number, draft(shown.head), now=NOW)


# --- pushes by others ---


def test_a_push_moves_the_head(world: World) -> None:
    shown = opened(world)
    head = world.push(BRANCH, "three", on=shown.head)
    assert world.forge.read(shown.number).head == head
    assert world.forge.find(BRANCH)[0].head == head
    assert world.forge.list_open()[0].head == head


def test_a_deleted_branch_closes_its_pull_request(world: World) -> None:
    shown = opened(world)
    world.delete(BRANCH)
    now = world.forge.read(shown.number)
    assert now.state is PullRequestState.CLOSED
    assert now.closed_by != ""
    assert world.forge.list_open() == ()


def test_a_branch_that_comes_back_does_not_reopen_it(world: World) -> None:
    shown = opened(world)
    world.delete(BRANCH)
    world.forge.read(shown.number)
    world.push(BRANCH, "three")
    assert world.forge.read(shown.number).state is PullRequestState.CLOSED


def test_a_merge_by_hand_is_seen(world: World) -> None:
    shown = opened(world)
    world.move(MAIN, shown.head)
    now = world.forge.read(shown.number)
    assert (now.state, now.merge_commit) == (PullRequestState.MERGED, shown.head)
    assert now.closed_by != ""


def test_a_merge_by_hand_deep_in_the_base_is_found(world: World) -> None:
    shown = opened(world)
    merge = shown.head
    world.move(MAIN, merge)
    for number in range(5):
        world.push(MAIN, f"{number}", path="later.txt")
    now = world.forge.read(shown.number)
    assert (now.state, now.merge_commit) == (PullRequestState.MERGED, merge)


def test_a_branch_put_onto_the_base_has_nothing_left_to_merge(world: World) -> None:
    shown = opened(world)
    base = world.push(MAIN, "later", path="b.txt")
    world.move(BRANCH, base)
    assert world.forge.read(shown.number).state is PullRequestState.CLOSED


# --- people ---


def test_comments_are_kept_in_order_in_any_state(world: World) -> None:
    shown = opened(world)
    world.forge.comment(shown.number, "first", by="bob", now=NOW)
    world.forge.close(shown.number, by="bob", now=NOW)
    last = world.forge.comment(shown.number, "second", by="carol", now=NOW)
    assert [(c.by, c.text) for c in last.comments] == [
        (world.known_as("bob"), "first"),
        (world.known_as("carol"), "second"),
    ]
    assert all(world.is_moment(comment.at, NOW) for comment in last.comments)


def test_a_remark_of_a_key_is_made_once_and_rewritten_in_place(world: World) -> None:
    shown = opened(world)
    world.forge.comment(shown.number, "before", by="bob", now=NOW)
    for text in ("one", "one", "two"):
        world.forge.remark(shown.number, text, key="review", by="bob", now=NOW)
    world.forge.remark(shown.number, "else", key="other", by="bob", now=NOW)
    texts = [comment.text for comment in world.forge.read(shown.number).comments]
    assert [text.partition("\n")[0] for text in texts] == ["before", "two", "else"]


def test_a_status_is_among_the_checks_of_its_head(world: World) -> None:
    shown = opened(world)
    if not world.forge.capabilities.statuses:
        world.forge.report(shown.head, status(CheckState.PASSED))
        assert world.forge.read(shown.number).checks == ()
        return
    for state in (CheckState.PENDING, CheckState.PENDING, CheckState.FAILED):
        world.forge.report(shown.head, status(state))
        checks = world.forge.read(shown.number).checks
        assert [(check.name, check.state) for check in checks] == [
            ("directus-gitops", state)
        ]
    world.push(BRANCH, "three")
    assert world.forge.read(shown.number).checks == ()


def test_labels_are_added_and_kept_where_the_forge_has_them(world: World) -> None:
    head = world.push(BRANCH, "two")
    shown = world.forge.open(replace(draft(head), labels=("bump", "fleet")), now=NOW)
    more = replace(draft(head), labels=("fleet", "staging"))
    again = world.forge.update(shown.number, more, now=NOW)
    if world.forge.capabilities.labels:
        assert (shown.labels, again.labels) == (
            ("bump", "fleet"),
            ("bump", "fleet", "staging"),
        )
    else:
        assert (shown.labels, again.labels) == ((), ())


def test_somebody_who_cannot_review_does_not_stop_a_pull_request(world: World) -> None:
    head = world.push(BRANCH, "two")
    people = replace(draft(head), reviewers=("ann", "nobody-at-all"))
    shown = world.forge.open(people, now=NOW)
    assert world.forge.open(people, now=NOW).number == shown.number


def test_an_approval_is_of_one_head_and_twice_is_once(world: World) -> None:
    shown = opened(world)
    for by in ("ann", "ann", "ben"):
        world.approve(shown.number, by=by)
    approvals = world.forge.read(shown.number).approvals
    assert [(a.by, a.head) for a in approvals] == [
        ("ann", shown.head),
        ("ben", shown.head),
    ]


def test_a_push_lets_approvals_lapse(world: World) -> None:
    shown = opened(world)
    world.approve(shown.number, by="ann")
    world.push(BRANCH, "three")
    now = world.forge.read(shown.number)
    assert [a for a in now.approvals if a.head == now.head] == []


def test_only_the_current_head_of_an_open_one_is_approved(world: World) -> None:
    shown = opened(world)
    world.push(BRANCH, "three")
    with pytest.raises(ForgeConflictError):
        world.forge.approve(shown.number, head=shown.head, by="bob", now=NOW)
    world.forge.close(shown.number, by="bob", now=NOW)
    head = world.forge.read(shown.number).head
    with pytest.raises(ForgeConflictError, match="closed"):
        world.forge.approve(shown.number, head=head, by="bob", now=NOW)


def test_the_author_cannot_approve(embedded: World) -> None:
    shown = opened(embedded)
    with pytest.raises(ForgeConflictError, match="alice"):
        embedded.forge.approve(shown.number, head=shown.head, by="alice", now=NOW)
    assert embedded.forge.read(shown.number).approvals == ()


# --- merging ---


def test_a_merge_puts_a_merge_commit_on_the_base(world: World) -> None:
    base, shown = world.base(), opened(world)
    now = merged(world.forge.merge(shown.number, head=shown.head, by="bob", now=NOW))
    assert now.state is PullRequestState.MERGED
    assert now.closed_by == world.known_as("bob")
    assert now.merge_commit == world.base()
    assert world.parents(world.base()) == (base, shown.head)
    assert world.message(world.base()).startswith(f"Merge pull request #{now.number} ")
    assert world.text(world.base(), "a.txt") == "two"
    assert world.forge.read(shown.number) == now


def test_who_merges_is_the_author_and_a_merged_branch_goes(embedded: World) -> None:
    shown = opened(embedded)
    embedded.forge.merge(shown.number, head=shown.head, by="bob", now=NOW)
    assert embedded.author(embedded.base()) == "bob"
    assert embedded.tip(BRANCH) is None


def test_a_merge_keeps_what_came_to_the_base_meanwhile(world: World) -> None:
    shown = opened(world)
    world.push(MAIN, "theirs", path="b.txt")
    merged(world.forge.merge(shown.number, head=shown.head, by="bob", now=NOW))
    assert world.text(world.base(), "a.txt") == "two"
    assert world.text(world.base(), "b.txt") == "theirs"


def test_a_merge_happens_at_the_given_head_only(world: World) -> None:
    shown = opened(world)
    world.push(BRANCH, "three")
    base = world.base()
    for head in (shown.head, NOWHERE):
        with pytest.raises(ForgeConflictError):
            world.forge.merge(shown.number, head=head, by="bob", now=NOW)
    assert world.base() == base


def test_a_conflict_asks_for_regeneration_and_changes_nothing(world: World) -> None:
    shown = opened(world)
    base = world.push(MAIN, "theirs")
    result = world.forge.merge(shown.number, head=shown.head, by="bob", now=NOW)
    assert isinstance(result, NotMerged)
    assert result.needs_regeneration
    assert result.reason
    assert world.base() == base
    assert world.forge.read(shown.number).state is PullRequestState.OPEN


def test_merging_twice_is_merging_once(world: World) -> None:
    shown = opened(world)
    first = world.forge.merge(shown.number, head=shown.head, by="bob", now=NOW)
    base = world.base()
    again = world.forge.merge(shown.number, head=shown.head, by="carol", now=NOW)
    assert again == first
    assert world.base() == base


def test_a_closed_one_is_not_merged_and_a_merged_one_not_closed(world: World) -> None:
    closed, shown = opened(world), opened(world, branch=OTHER, path="b.txt")
    world.forge.close(closed.number, by="bob", now=NOW)
    with pytest.raises(ForgeConflictError, match="closed"):
        world.forge.merge(closed.number, head=closed.head, by="bob", now=NOW)
    world.forge.merge(shown.number, head=shown.head, by="bob", now=NOW)
    with pytest.raises(ForgeConflictError, match="merged"):
        world.forge.close(shown.number, by="bob", now=NOW)


def test_a_branch_may_live_again_after_its_merge(world: World) -> None:
    first = opened(world)
    world.forge.merge(first.number, head=first.head, by="bob", now=NOW)
    second = opened(world, text="three")
    merged(world.forge.merge(second.number, head=second.head, by="bob", now=NOW))
    assert world.text(world.base(), "a.txt") == "three"
    assert {shown.state for shown in world.forge.find(BRANCH)} == {
        PullRequestState.MERGED
    }


def test_merging_later_is_asked_for_once_where_the_forge_does_it(world: World) -> None:
    shown = opened(world)
    first = world.forge.merge_later(shown.number, head=shown.head)
    again = world.forge.merge_later(shown.number, head=shown.head)
    if world.forge.capabilities.auto_merge:
        assert isinstance(first, Scheduled)
        assert isinstance(again, Scheduled)
        assert again.pull_request.number == shown.number
    else:
        assert isinstance(first, NotMerged)
        assert first == again
        assert not first.needs_regeneration


# --- closing and deleting ---


def test_closing_twice_changes_nothing(world: World) -> None:
    shown = opened(world)
    first = world.forge.close(shown.number, by="bob", now=NOW)
    assert first.state is PullRequestState.CLOSED
    assert first.closed_by == world.known_as("bob")
    assert world.forge.close(shown.number, by="carol", now=NOW) == first
    assert world.tip(BRANCH) == shown.head


def test_a_branch_is_deleted_only_where_it_was_seen(world: World) -> None:
    shown = opened(world)
    assert not world.forge.delete_branch(BRANCH, head=world.base())
    assert world.tip(BRANCH) == shown.head
    assert world.forge.delete_branch(BRANCH, head=shown.head)
    assert world.tip(BRANCH) is None
    assert not world.forge.delete_branch(BRANCH, head=shown.head)
    assert world.forge.read(shown.number).state is PullRequestState.CLOSED


# --- texts ---


@pytest.mark.parametrize(
    "text",
    [
        "<script>alert(1)</script> & \"quotes\" 'and' `ticks`",
        "'); DROP TABLE pull_request; --",
        "--upload-pack=/bin/sh %s $(id) `id` ${HOME}",
        "Größe 日本語 🚀 \u202ertl\u2066 zero\u200bwidth",
        "@all Fixes #1",
        "{{7*7}} {% raw %} \\u0000 \\n",
    ],
)
def test_texts_come_back_as_they_were_given(world: World, text: str) -> None:
    head = world.push(BRANCH, "two")
    shown = world.forge.open(draft(head, title=text, body=f"{text}\n{text}"), now=NOW)
    assert (shown.title, shown.body) == (text, f"{text}\n{text}")
    world.forge.comment(shown.number, text, by="bob", now=NOW)
    assert world.forge.read(shown.number).comments[0].text == text
    merged(world.forge.merge(shown.number, head=head, by="bob", now=NOW))
    assert len(world.message(world.base()).splitlines()) == 1


def test_texts_may_fill_the_stated_limits(world: World) -> None:
    limits = world.forge.capabilities
    title, body = "t" * limits.title_limit, "b" * limits.body_limit
    head = world.push(BRANCH, "two")
    shown = world.forge.open(draft(head, title=title, body=body), now=NOW)
    assert (shown.title, shown.body) == (title, body)
