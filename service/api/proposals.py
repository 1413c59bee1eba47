"""Changes and pull requests: how far they are, and what people say about them."""

from __future__ import annotations

from itertools import islice
from typing import Annotated

from fastapi import APIRouter, Query, Request
from pydantic import Field

from gitops import environment_name, stack_name
from gitops.errors import HeldError, UnknownNameError
from gitops.forges import Merged, NotMerged
from gitops.model import (
    Intent,
    IntentId,
    IntentState,
    PullRequest as Proposal,
    PullRequestState,
    RemoveFile,
    WriteFile,
)
from gitops.workflow import Held
from service.api.guard import (
    Caller,
    Guarded,
    Reach,
    Repository,
    TheDesk,
    asker_of,
    needs,
    out_of_reach,
    wake,
)
from service.api.shapes import (
    Changes,
    ChangeShape,
    Decided,
    Finding,
    Inspected,
    PullRequest,
    PullRequests,
    pull_request_fields,
)
from service.api.words import (
    IdPath,
    Name,
    NumberPath,
    Paged,
    Reason,
    Strict,
    cursor_of,
    no_page,
    number_of,
    position_of,
)
from service.auth import covers, is_scoped, may
from service.desk import Desk
from service.problems import Refused
from service.store import Role, Token

router = APIRouter(route_class=Guarded)

_FIRST = 1 << 31


class ChangesPage(Paged):
    """Which changes."""

    state: IntentState | None = Field(default=None, description="Only these.")
    stack: Name | None = Field(default=None, description="Only of this stack.")
    environment: Name | None = Field(
        default=None, description="Only of this environment."
    )


class ProposalsPage(Paged):
    """Which pull requests."""

    state: PullRequestState | None = Field(
        default=None, description="Only these; without it, every one."
    )


class Remark(Strict):
    """Why."""

    reason: Reason = ""


class Merge(Strict):
    """A merge, or one against closed gates."""

    override: Reason = Field(
        default="",
        description="A reason to merge against closed gates: admin only, audited.",
        examples=[""],
    )


# --- changes ---


@router.get("/changes", summary="What was asked for", tags=["changes"])
@needs(Role.VIEWER, Reach.SEEN)
def list_changes(
    page: Annotated[ChangesPage, Query()],
    token: Caller,
    desk: TheDesk,
    repository: Repository,
) -> Changes:
    """List the changes, newest first."""
    after = position_of(page.cursor)
    stack = page.stack or token.stack
    environment = page.environment or token.environment
    if not covers(token, stack or None, environment or None):
        raise out_of_reach()
    try:
        found = desk.changes(
            repository,
            state=page.state,
            stack=stack_name(stack) if stack else None,
            environment=environment_name(environment) if environment else None,
            after=IntentId(after) if after else None,
            limit=page.limit + 1,
        )
    except UnknownNameError:
        if after:
            raise no_page() from None
        raise
    shown = found[: page.limit]
    more = len(found) > len(shown)
    return Changes(
        changes=[ChangeShape.of(i) for i in shown if _is_seen(i, token)],
        next=cursor_of(shown[-1].id) if more else None,
    )


@router.get("/changes/{id}", summary="How far a change is", tags=["changes"])
@needs(Role.VIEWER, Reach.SEEN)
def read_change(
    id: IdPath,  # noqa: A002  the word of the API
    token: Caller,
    desk: TheDesk,
    repository: Repository,
) -> ChangeShape:
    """Show one change: planned, committed, pushed, pr_open, merged, closed, ..."""
    found = desk.change(repository, IntentId(id))
    if not _is_seen(found, token):
        raise UnknownNameError(f"there is no change {id!a}")
    return ChangeShape.of(found)


def _is_seen(intent: Intent, token: Token) -> bool:
    """Whether all that a change is about is within a token's reach."""
    if not is_scoped(token):
        return True
    return all(
        not isinstance(change, WriteFile | RemoveFile)
        and covers(token, change.target.stack, change.target.environment)
        for change in intent.plan.changes
    )


# --- pull requests ---


@router.get("/pull-requests", summary="What is proposed", tags=["pull requests"])
@needs(Role.VIEWER, Reach.SEEN)
def list_pull_requests(
    page: Annotated[ProposalsPage, Query()],
    token: Caller,
    desk: TheDesk,
    repository: Repository,
) -> PullRequests:
    """List the pull requests, newest first."""
    before = number_of(page.cursor, _FIRST)
    found = (
        shown
        for shown in reversed(desk.pull_requests(repository))
        if shown.number < before
        and page.state in (None, shown.state)
        and _reaches(desk, repository, shown, token)
    )
    rest = list(islice(found, page.limit + 1))
    part = rest[: page.limit]
    more = len(rest) > len(part)
    return PullRequests(
        pull_requests=[PullRequest.of(shown) for shown in part],
        next=cursor_of(str(part[-1].number)) if more else None,
    )


@router.get(
    "/pull-requests/{number}",
    summary="A pull request with its rendered difference",
    tags=["pull requests"],
)
@needs(Role.VIEWER, Reach.SEEN)
def read_pull_request(
    number: NumberPath, token: Caller, desk: TheDesk, repository: Repository
) -> Inspected:
    """Show one pull request, what it changes in the end, and what the rules say."""
    shown = _mine(desk, repository, number, token)
    seen = desk.inspection(repository, shown)
    return Inspected(
        **pull_request_fields(shown),
        files=list(seen.files),
        rendered_diff=seen.rendered_diff,
        findings=[Finding.of(found) for found in seen.findings],
    )


@router.post(
    "/pull-requests/{number}/approve", summary="Approve", tags=["pull requests"]
)
@needs(Role.APPROVER, Reach.SEEN)
def approve(
    number: NumberPath,
    token: Caller,
    desk: TheDesk,
    repository: Repository,
    request: Request,
    remark: Remark | None = None,
) -> Decided:
    """Approve the current head; nobody approves what he asked for himself."""
    seen = _mine(desk, repository, number, token)
    asker = asker_of(token, remark.reason if remark else "")
    shown = desk.approve(repository, number, asker=asker, head=seen.head)
    wake(request, repository)
    return Decided(outcome="approved", pull_request=PullRequest.of(shown))


@router.post("/pull-requests/{number}/go", summary="Say go", tags=["pull requests"])
@needs(Role.RELEASER, Reach.SEEN)
def go(
    number: NumberPath,
    token: Caller,
    desk: TheDesk,
    repository: Repository,
    request: Request,
    remark: Remark | None = None,
) -> Decided:
    """Say that the current head may be merged now, where its rule asks for that."""
    seen = _mine(desk, repository, number, token)
    asker = asker_of(token, remark.reason if remark else "")
    shown = desk.go(repository, number, asker=asker, head=seen.head)
    wake(request, repository)
    return Decided(outcome="go", pull_request=PullRequest.of(shown))


@router.post("/pull-requests/{number}/merge", summary="Merge", tags=["pull requests"])
@needs(Role.RELEASER, Reach.SEEN)
def merge(
    number: NumberPath,
    token: Caller,
    desk: TheDesk,
    repository: Repository,
    request: Request,
    wanted: Merge | None = None,
) -> Decided:
    """Merge at the recorded head, if the merging gates are open."""
    override = wanted.override if wanted else ""
    if override and not may(token, Role.ADMIN):
        raise Refused(
            403, "an override needs a token with the role admin", field="body.override"
        )
    seen = _mine(desk, repository, number, token)
    result = desk.merge(
        repository,
        number,
        asker=asker_of(token),
        override=override,
        head=seen.head,
    )
    wake(request, repository)
    match result:
        case Merged(pull_request=shown):
            return Decided(outcome="merged", pull_request=PullRequest.of(shown))
        case NotMerged(reason=reason):
            raise HeldError(f"#{number} was not merged: {reason}")
        case Held(reasons=reasons):
            raise HeldError(
                f"#{number} may not be merged yet: {'; '.join(reasons)}",
                hint='an admin can merge all the same: {"override": "why"}',
            )


@router.post("/pull-requests/{number}/close", summary="Close", tags=["pull requests"])
@needs(Role.RELEASER, Reach.SEEN)
def close(
    number: NumberPath,
    token: Caller,
    desk: TheDesk,
    repository: Repository,
    request: Request,
    remark: Remark | None = None,
) -> Decided:
    """Close without merging: a no, until a newer target or a person asks again."""
    _mine(desk, repository, number, token)
    asker = asker_of(token, remark.reason if remark else "")
    shown = desk.close(repository, number, asker=asker)
    wake(request, repository)
    return Decided(outcome="closed", pull_request=PullRequest.of(shown))


def _mine(desk: Desk, repository: str, number: int, token: Token) -> Proposal:
    """Return a pull request that is within a token's reach.

    Raises:
        ForgeNotFoundError: there is none of that number.
        Refused: it reaches further than the token.
    """
    if not is_scoped(token):
        return desk.pull_request(repository, number)
    known = {shown.number: shown for shown in desk.pull_requests(repository)}
    shown = known.get(number)
    if shown is None or not _reaches(desk, repository, shown, token):
        raise out_of_reach()  # whether it is there or not
    return shown


def _reaches(desk: Desk, repository: str, shown: Proposal, token: Token) -> bool:
    if not is_scoped(token):
        return True
    targets = desk.targets_of(repository, shown)
    return targets is not None and all(
        covers(token, place.stack, place.environment) for place in targets
    )
