"""Whether the service is alive, and whether it can work: open to everybody."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import lru_cache
from typing import Final

from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, Field

from gitops.errors import GitopsError
from service.clock import monotonic_s
from service.repository import kustomize_of
from service.settings import Settings
from service.store import Store

logger = logging.getLogger(__name__)
router = APIRouter(tags=["health"])

_ASKED_EVERY_S: Final = 10  # a program is started for it, and everybody may ask


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
    """Ask the database and look for kustomize; 503 when one of them is missing.

    Strangers may ask, so only the log says why.
    """
    store: Store = request.app.state.store
    period = int(monotonic_s() / _ASKED_EVERY_S)
    works = {
        "database": _works(lambda: store.holds.is_paused("")),
        "kustomize": _has_kustomize(request.app.state.settings, period),
    }
    problems = [name for name, is_fine in works.items() if not is_fine]
    if problems:
        response.status_code = 503
    return Health(status="degraded" if problems else "ok", problems=problems)


@lru_cache(maxsize=1)
def _has_kustomize(settings: Settings, _period: int) -> bool:
    return _works(lambda: kustomize_of(settings))


def _works(check: Callable[[], object]) -> bool:
    try:
        check()
    except GitopsError as error:
        logger.warning("not ready", extra={"error": error.message})
        return False
    return True
