"""The HTTP API. Today the health checks; the rest comes with the service's rules."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field

from gitops.errors import GitopsError
from service.repository import kustomize_of
from service.store import Store

router = APIRouter()


class Health(BaseModel):
    """Whether the service can do its work."""

    status: str = Field(examples=["ok"])
    problems: list[str] = Field(default_factory=list)


@router.get("/healthz", summary="The process answers")
def healthz() -> Health:
    """Answer at all: nothing else is asked."""
    return Health(status="ok")


@router.get("/readyz", summary="The service can do its work")
def readyz(request: Request, response: Response) -> Health:
    """Ask the database and look for kustomize; 503 when one of them is missing."""
    store: Store = request.app.state.store
    problems: list[str] = []
    for check in (
        lambda: store.holds.is_paused(""),
        lambda: kustomize_of(request.app.state.settings),
    ):
        try:
            check()
        except GitopsError as error:
            problems.append(error.message)
    if problems:
        response.status_code = 503
    return Health(status="degraded" if problems else "ok", problems=problems)
