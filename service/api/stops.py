"""Holds, pins and the pause switch."""

from __future__ import annotations

from fastapi import APIRouter, Request

from gitops import environment_name, stack_name
from service.api import shapes
from service.api.guard import (
    Caller,
    Guarded,
    Reach,
    Repository,
    TheDesk,
    asker_of,
    needs,
    wake,
)
from service.api.words import EnvironmentPath, Reason, StackPath, Strict
from service.auth import touches
from service.desk import Desk, Released
from service.store import Role, Token

router = APIRouter(route_class=Guarded, tags=["holds"])


class Why(Strict):
    """Why everybody has to wait."""

    reason: Reason = ""


@router.get("/holds", summary="All that stops the machine")
@needs(Role.VIEWER, Reach.SEEN)
def list_holds(token: Caller, desk: TheDesk, repository: Repository) -> shapes.Holds:
    """List the holds and pins, and whether the repository is paused."""
    return shapes.Holds(
        holds=[
            shapes.Hold.of(hold)
            for hold in desk.holds(repository)
            if touches(token, hold.stack, hold.environment)
        ],
        pins=[
            shapes.Pin.of(pin)
            for pin in desk.pins(repository)
            if touches(token, pin.target.stack, pin.target.environment)
        ],
        paused=desk.is_paused(repository),
    )


@router.put("/hold", summary="Hold everything")
@needs(Role.OPERATOR, Reach.COVERED)
def hold_everything(
    token: Caller, desk: TheDesk, repository: Repository, why: Why | None = None
) -> shapes.HoldPlaced:
    """Place a hold on every stack."""
    return _hold(desk, repository, token, why)


@router.put("/stacks/{stack}/hold", summary="Hold a stack")
@needs(Role.OPERATOR, Reach.COVERED)
def hold_stack(
    stack: StackPath,
    token: Caller,
    desk: TheDesk,
    repository: Repository,
    why: Why | None = None,
) -> shapes.HoldPlaced:
    """Place a hold on a stack in every environment."""
    return _hold(desk, repository, token, why, stack=stack)


@router.put("/environments/{environment}/hold", summary="Hold an environment")
@needs(Role.OPERATOR, Reach.COVERED)
def hold_environment(
    environment: EnvironmentPath,
    token: Caller,
    desk: TheDesk,
    repository: Repository,
    why: Why | None = None,
) -> shapes.HoldPlaced:
    """Place a hold on every stack of an environment."""
    return _hold(desk, repository, token, why, environment=environment)


@router.put(
    "/stacks/{stack}/environments/{environment}/hold",
    summary="Hold a stack in one environment",
)
@needs(Role.OPERATOR, Reach.COVERED)
def hold_target(
    stack: StackPath,
    environment: EnvironmentPath,
    token: Caller,
    desk: TheDesk,
    repository: Repository,
    why: Why | None = None,
) -> shapes.HoldPlaced:
    """Place a hold on a stack in one environment."""
    return _hold(desk, repository, token, why, stack=stack, environment=environment)


def _hold(
    desk: Desk,
    repository: str,
    token: Token,
    why: Why | None,
    *,
    stack: str | None = None,
    environment: str | None = None,
) -> shapes.HoldPlaced:
    placed = desk.hold(
        repository,
        stack=None if stack is None else stack_name(stack),
        environment=None if environment is None else environment_name(environment),
        asker=asker_of(token, why.reason if why else ""),
    )
    return shapes.HoldPlaced(hold=shapes.Hold.of(placed))


@router.delete("/hold", summary="Release everything")
@needs(Role.OPERATOR, Reach.COVERED)
def release_everything(
    token: Caller, desk: TheDesk, repository: Repository, request: Request
) -> shapes.Released:
    """End the hold on every stack; holds on a stack or environment stay."""
    return _release(desk, repository, token, request)


@router.delete("/stacks/{stack}/hold", summary="Release a stack")
@needs(Role.OPERATOR, Reach.COVERED)
def release_stack(
    stack: StackPath,
    token: Caller,
    desk: TheDesk,
    repository: Repository,
    request: Request,
) -> shapes.Released:
    """End the hold on a stack; those in single environments stay."""
    return _release(desk, repository, token, request, stack=stack)


@router.delete("/environments/{environment}/hold", summary="Release an environment")
@needs(Role.OPERATOR, Reach.COVERED)
def release_environment(
    environment: EnvironmentPath,
    token: Caller,
    desk: TheDesk,
    repository: Repository,
    request: Request,
) -> shapes.Released:
    """End the hold on an environment; those on single stacks stay."""
    return _release(desk, repository, token, request, environment=environment)


@router.delete(
    "/stacks/{stack}/environments/{environment}/hold",
    summary="Release a stack in one environment",
)
@needs(Role.OPERATOR, Reach.COVERED)
def release_target(
    stack: StackPath,
    environment: EnvironmentPath,
    token: Caller,
    desk: TheDesk,
    repository: Repository,
    request: Request,
) -> shapes.Released:
    """End the hold on a stack in one environment, and its pin."""
    return _release(
        desk, repository, token, request, stack=stack, environment=environment
    )


def _release(
    desk: Desk,
    repository: str,
    token: Token,
    request: Request,
    *,
    stack: str | None = None,
    environment: str | None = None,
) -> shapes.Released:
    ended: Released = desk.release(
        repository,
        stack=None if stack is None else stack_name(stack),
        environment=None if environment is None else environment_name(environment),
        asker=asker_of(token),
    )
    wake(request, repository)
    outcome = "released" if ended.hold or ended.pin else "unchanged"
    return shapes.Released(outcome=outcome, hold=ended.hold, pin=ended.pin)


@router.put("/pause", summary="Pause")
@needs(Role.ADMIN, Reach.WHOLE)
def pause(
    token: Caller, desk: TheDesk, repository: Repository, why: Why | None = None
) -> shapes.Paused:
    """Stop every write to the repository and its forge."""
    asker = asker_of(token, why.reason if why else "")
    return shapes.Paused(paused=True, changed=desk.pause(repository, asker=asker))


@router.delete("/pause", summary="Go on")
@needs(Role.ADMIN, Reach.WHOLE)
def resume(
    token: Caller, desk: TheDesk, repository: Repository, request: Request
) -> shapes.Paused:
    """End the pause."""
    changed = desk.resume(repository, asker=asker_of(token))
    wake(request, repository)
    return shapes.Paused(paused=False, changed=changed)
