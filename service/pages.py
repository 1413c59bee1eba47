"""Pages for people, server-rendered: what runs where, and the pull requests.

Every value on a page is text: templates escape by themselves, and the policy header
forbids scripts.
"""

from __future__ import annotations

from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Annotated, Final, TypeAlias

from fastapi import APIRouter, HTTPException, Path as InPath, Request
from fastapi.responses import HTMLResponse
from jinja2 import Environment, FileSystemLoader, StrictUndefined, select_autoescape

from gitops.errors import ForgeNotFoundError
from gitops.workflow import (
    Workplace,
    inspect_pull_request,
    look,
    survey,
)
from service.auth import Viewer
from service.forges import Forges
from service.origins import locate, repository_names
from service.repository import open_workplace
from service.settings import Settings
from service.store import Store

router = APIRouter(include_in_schema=False)

_HIGHEST: Final = (1 << 31) - 1
Number: TypeAlias = Annotated[int, InPath(ge=1, le=_HIGHEST)]


def _utc(at: datetime) -> str:
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M} UTC"


_templates = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=select_autoescape(default=True, default_for_string=True),
    undefined=StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
)
_templates.filters["utc"] = _utc
_templates.globals["version"] = version("directus-gitops")


def _page(template: str, /, **values: object) -> HTMLResponse:
    return HTMLResponse(_templates.get_template(template).render(values))


def _open(request: Request, name: str) -> tuple[Workplace, Store]:
    settings: Settings = request.app.state.settings
    store: Store = request.app.state.store
    if name not in repository_names(settings):
        raise HTTPException(404, "there is no such repository")
    forges: Forges = request.app.state.forges
    located = locate(settings, name)
    return open_workplace(settings, store, located, forges=forges), store


@router.get("/")
def front() -> HTMLResponse:
    """Say what this is; nothing of what is inside."""
    return _page("front.html")


@router.get("/repositories")
def repositories(request: Request, _token: Viewer) -> HTMLResponse:
    """List the repositories."""
    names = repository_names(request.app.state.settings)
    return _page("repositories.html", names=names)


@router.get("/repositories/{name}")
def repository(name: str, request: Request, _token: Viewer) -> HTMLResponse:
    """Show what runs where, and the pull requests, newest first."""
    place, store = _open(request, name)
    standings = survey(place, look(place), store.holds.holds(name))
    requests = tuple(reversed(place.forge.list_all()))
    return _page(
        "repository.html", name=name, standings=standings, pull_requests=requests
    )


@router.get("/repositories/{name}/pull-requests/{number}")
def pull_request(
    name: str, number: Number, request: Request, _token: Viewer
) -> HTMLResponse:
    """Show one pull request with its rendered difference."""
    place, _ = _open(request, name)
    try:
        shown = place.forge.read(number)
    except ForgeNotFoundError as error:
        raise HTTPException(404, error.message) from error
    seen = inspect_pull_request(place, shown)
    return _page("pull_request.html", name=name, shown=shown, seen=seen)
