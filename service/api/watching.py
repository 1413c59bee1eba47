"""What comes next and what was done: schedules, the audit trail, events."""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Header, Query, Request, Response
from pydantic import BaseModel, ConfigDict, Field
from starlette.concurrency import run_in_threadpool

from service.api.guard import (
    Caller,
    Guarded,
    Reach,
    Repository,
    TheDesk,
    needs,
    repository_of,
)
from service.api.shapes import (
    AuditEntry,
    Expected,
    Forecast,
    Schedule,
    Schedules,
    Trail,
)
from service.api.words import Page, cursor_of, number_of
from service.auth import bearer, touches
from service.events import Broadcaster, EventStream, TooManyReadersError
from service.problems import Refused
from service.store import Entry, Role, Store

router = APIRouter(route_class=Guarded)


@router.get("/schedules", summary="When promotions are due", tags=["schedules"])
@needs(Role.VIEWER, Reach.SEEN)
def list_schedules(token: Caller, desk: TheDesk, repository: Repository) -> Schedules:
    """List the promotion rules with their next occurrences and the missed ones."""
    return Schedules(
        schedules=[
            Schedule.of(found)
            for found in desk.schedules(repository)
            if touches(token, None, found.rule.target)
            or touches(token, None, found.rule.source)
        ]
    )


class Horizon(BaseModel):
    """How far to look."""

    model_config = ConfigDict(extra="forbid")

    days: int = Field(default=7, ge=1, le=31, description="How many days to look.")


@router.get(
    "/forecast", summary="What is not promoted yet, why, and when", tags=["schedules"]
)
@needs(Role.VIEWER, Reach.SEEN)
def forecast(
    horizon: Annotated[Horizon, Query()],
    token: Caller,
    desk: TheDesk,
    repository: Repository,
) -> Forecast:
    """Tell gate by gate why each promotion waits, and what the schedules will open.

    It assumes that health stays as it is, that nobody acts, and that what is opened is
    merged at once.
    """
    return Forecast(
        days=horizon.days,
        forecast=[
            Expected.of(one)
            for one in desk.forecast(repository, days=horizon.days)
            if touches(token, one.target.stack, one.target.environment)
        ],
    )


@router.get("/audit", summary="Who did what", tags=["audit"])
@needs(Role.VIEWER, Reach.WHOLE)
def list_audit(page: Page, repository: Repository, request: Request) -> Trail:
    """List the effects on this repository, and on the service, oldest first."""
    store: Store = request.app.state.store
    found = _entries(store, repository, number_of(page.cursor, 0), page.limit + 1)
    shown = found[: page.limit]
    more = len(found) > len(shown)
    return Trail(
        entries=[AuditEntry.of(entry) for entry in shown],
        next=cursor_of(str(shown[-1].number)) if more else None,
    )


def _entries(store: Store, repository: str, after: int, limit: int) -> list[Entry]:
    found: list[Entry] = []
    while len(found) < limit:
        part = store.audit.after(after, limit)
        found += [entry for entry in part if entry.repository in ("", repository)]
        if len(part) < limit:
            break
        after = part[-1].number
    return found[:limit]


@router.get(
    "/events",
    summary="What happens, as it happens",
    tags=["audit"],
    response_class=Response,
    responses={
        200: {
            "description": "Server-sent events: `id` is the number in the audit trail, "
            "`data` the entry.",
            "content": {"text/event-stream": {"schema": {"type": "string"}}},
        }
    },
)
@needs(Role.VIEWER, Reach.WHOLE)
async def follow_events(
    request: Request,
    last_event_id: Annotated[
        str,
        Header(
            pattern=r"^[0-9]{0,15}$",
            description="Go on after this event; without it, from now on.",
        ),
    ] = "",
) -> Response:
    """Follow the audit trail of this repository and of the service."""
    repository = await run_in_threadpool(repository_of, request)
    await run_in_threadpool(request.app.state.desk.is_paused, repository)
    events: Broadcaster = request.app.state.events
    try:
        reader = await events.join()
    except TooManyReadersError:
        raise Refused(
            503,
            "too many follow the events already",
            hint="close a stream, or raise DIRECTUS_GITOPS_EVENT_STREAMS",
            headers={"Retry-After": "30"},
        ) from None

    def may_go_on() -> bool:
        try:
            bearer(request)
        except Refused:
            return False
        return True

    return EventStream(
        events.entries(reader, int(last_event_id) if last_event_id else None),
        wanted=lambda entry: entry.repository in ("", repository),
        may_go_on=may_go_on,
        leave=lambda: events.leave(reader),
    )
