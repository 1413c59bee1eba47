"""Stacks: where they stand, and requests to change them."""

from __future__ import annotations

from typing import Annotated, Any, Final

from fastapi import APIRouter, Header, Request, Response

from gitops import environment_name, stack_name, target
from gitops.errors import UnknownNameError
from gitops.model import Intent, Unchanged
from service.api.asks import EVERY, Bump, Bumps, Configure, Promote, Rollback
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
    Bumped,
    ChangeShape,
    Config,
    NothingToDo,
    Stack,
    Stacks,
    stacks_of,
)
from service.api.words import (
    EnvironmentPath,
    Page,
    StackPath,
    cursor_of,
    position_of,
)
from service.auth import covers, touches
from service.desk import Accepted, Desk, Station
from service.problems import naming
from service.store import Role, Token

router = APIRouter(route_class=Guarded, tags=["stacks"])

_AT = "/stacks/{stack}/environments/{environment}"
_UNCHANGED: Final[dict[int | str, dict[str, Any]]] = {
    200: {"model": NothingToDo, "description": "Nothing to do"}
}


@router.get("/stacks", summary="Where every stack stands")
@needs(Role.VIEWER, Reach.SEEN)
def list_stacks(
    page: Page, token: Caller, desk: TheDesk, repository: Repository
) -> Stacks:
    """List the stacks by name, each with its environments."""
    known = stacks_of(_seen(desk, repository, token))
    after = position_of(page.cursor)
    rest = [stack for stack in known if stack.name > after]
    shown = rest[: page.limit]
    more = len(rest) > len(shown)
    return Stacks(stacks=shown, next=cursor_of(shown[-1].name) if more else None)


@router.get("/stacks/{stack}", summary="Where one stack stands")
@needs(Role.VIEWER, Reach.SEEN)
def read_stack(
    stack: StackPath, token: Caller, desk: TheDesk, repository: Repository
) -> Stack:
    """Show one stack in its environments."""
    mine = [
        s for s in _seen(desk, repository, token) if s.overlay.target.stack == stack
    ]
    if not mine:
        raise UnknownNameError(
            f"there is no stack {stack}", hint="GET /stacks lists them"
        )
    return stacks_of(mine)[0]


@router.get(f"{_AT}/config", summary="The configuration of a stack")
@needs(Role.VIEWER, Reach.COVERED)
def read_config(
    stack: StackPath,
    environment: EnvironmentPath,
    desk: TheDesk,
    repository: Repository,
    response: Response,
) -> Config:
    """Show config.env as the base branch has it; its ETag is for If-Match."""
    shown = Config.of(desk.overlay(repository, target(stack, environment)))
    response.headers["ETag"] = f'"{shown.etag}"'
    return shown


@router.post(f"{_AT}/bump", status_code=202, summary="Bump", responses=_UNCHANGED)
@needs(Role.OPERATOR, Reach.COVERED)
def bump(
    stack: StackPath,
    environment: EnvironmentPath,
    wanted: Bump,
    token: Caller,
    desk: TheDesk,
    repository: Repository,
    request: Request,
    response: Response,
) -> ChangeShape | NothingToDo:
    """Ask for another version of a stack in one environment.

    Other than GET /changes says, nothing has happened yet: the next pass opens or
    updates the pull request.
    """
    place = target(stack, environment)
    with naming("body.version"):
        accepted = desk.bump(
            repository, place, wanted.version, asker=asker_of(token, wanted.reason)
        )
    wake(request, repository)
    return _told(accepted, response)


@router.post(f"{_AT}/promote", status_code=202, summary="Promote", responses=_UNCHANGED)
@needs(Role.OPERATOR, Reach.COVERED)
def promote(
    stack: StackPath,
    environment: EnvironmentPath,
    token: Caller,
    desk: TheDesk,
    repository: Repository,
    request: Request,
    response: Response,
    wanted: Promote | None = None,
) -> ChangeShape | NothingToDo:
    """Ask to carry a stack's revision into this environment, now.

    Closed opening gates do not stop it: the reviewer is told of them. Holds and pins
    do.
    """
    asked = wanted or Promote()
    accepted = desk.promote(
        repository,
        target(stack, environment),
        source=environment_name(asked.source) if asked.source else None,
        asker=asker_of(token, asked.reason),
    )
    wake(request, repository)
    return _told(accepted, response)


@router.post(
    f"{_AT}/rollback", status_code=202, summary="Roll back", responses=_UNCHANGED
)
@needs(Role.OPERATOR, Reach.COVERED)
def rollback(
    stack: StackPath,
    environment: EnvironmentPath,
    token: Caller,
    desk: TheDesk,
    repository: Repository,
    request: Request,
    response: Response,
    wanted: Rollback | None = None,
) -> ChangeShape | NothingToDo:
    """Ask to go back, and pin the stack there so that no schedule overrides it."""
    asked = wanted or Rollback()
    with naming("body.version"):
        accepted = desk.rollback(
            repository,
            target(stack, environment),
            to=asked.version,
            accept_data_risk=asked.accept_data_risk,
            asker=asker_of(token, asked.reason),
        )
    wake(request, repository)
    return _told(accepted, response)


@router.patch(
    f"{_AT}/config", status_code=202, summary="Configure", responses=_UNCHANGED
)
@needs(Role.OPERATOR, Reach.COVERED)
def configure(
    stack: StackPath,
    environment: EnvironmentPath,
    wanted: Configure,
    token: Caller,
    desk: TheDesk,
    repository: Repository,
    request: Request,
    response: Response,
    if_match: Annotated[
        str | None,
        Header(
            max_length=100,
            description="The ETag of what you looked at: 412 when it has changed.",
        ),
    ] = None,
) -> ChangeShape | NothingToDo:
    """Ask for other values of config.env; secrets are refused."""
    with naming("body"):
        accepted = desk.configure(
            repository,
            target(stack, environment),
            wanted=wanted.wanted,
            unset=wanted.unset,
            if_match=None if if_match in (None, "*") else _bare(if_match),
            asker=asker_of(token, wanted.reason),
        )
    wake(request, repository)
    return _told(accepted, response)


@router.post("/bumps", status_code=202, summary="Bump many stacks")
@needs(Role.OPERATOR, Reach.SEEN)
def bump_many(
    wanted: Bumps,
    token: Caller,
    desk: TheDesk,
    repository: Repository,
    request: Request,
) -> Bumped:
    """Ask for one version of many stacks: a pull request for each environment.

    With "*", stacks that are held or newer already are left out; one that is named
    must be able to move. What one environment refuses is refused for all.
    """
    every = wanted.stacks == [EVERY]
    for environment in wanted.environments:
        for stack in wanted.stacks:
            if not covers(token, None if every else stack, environment):
                raise out_of_reach()
    with naming("body.version"):
        results = desk.bumps(
            repository,
            wanted.version,
            [environment_name(name) for name in wanted.environments],
            None if every else [stack_name(name) for name in wanted.stacks],
            asker=asker_of(token, wanted.reason),
        )
    wake(request, repository)
    return Bumped(
        changes=[
            ChangeShape.of(intent)
            for result in results.values()
            if not isinstance(result, Unchanged)
            for intent in result
        ],
        unchanged={
            name: result.reason
            for name, result in results.items()
            if isinstance(result, Unchanged)
        },
    )


def _seen(desk: Desk, repository: str, token: Token) -> list[Station]:
    return [
        station
        for station in desk.stations(repository)
        for place in [station.overlay.target]
        if touches(token, place.stack, place.environment)
    ]


def _bare(etag: str | None) -> str:
    return (etag or "").removeprefix("W/").strip('"')


def _told(accepted: Accepted, response: Response) -> ChangeShape | NothingToDo:
    if isinstance(accepted, Unchanged):
        response.status_code = 200
        return NothingToDo(reason=accepted.reason)
    intent: Intent = accepted[0]
    response.headers["Location"] = f"changes/{intent.id}"
    return ChangeShape.of(intent)
