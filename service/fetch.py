"""Git's own smart HTTP for the embedded forge: fetch only, with a token.

An agent or a person clones http://HOST/git/NAME.git with any user name and a token
as the password. Pushing is refused: a change goes through a pull request.
"""

from __future__ import annotations

import re
from typing import Final

from fastapi import APIRouter, HTTPException, Request, Response
from starlette.concurrency import run_in_threadpool

from gitops.git import CgiRequest, serve_fetch
from service.auth import Viewer
from service.origins import forge_folder

router = APIRouter(include_in_schema=False)

AT_ONCE: Final = 4  # a clone is held in memory, and keeps a processor busy
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9._-]{0,99}", re.ASCII)
_SERVED: Final = frozenset({"info/refs", "git-upload-pack", "HEAD"})
_BODY_LIMIT: Final = 2 * 1024 * 1024  # wants and haves; a large fetch sends kilobytes


@router.api_route("/git/{name}.git/{rest:path}", methods=["GET", "POST"])
async def fetch(name: str, rest: str, request: Request, _token: Viewer) -> Response:
    """Serve one request of a fetch."""
    repository = forge_folder(request.app.state.settings) / f"{name}.git"
    if not _NAME.fullmatch(name) or rest not in _SERVED or not repository.is_dir():
        raise HTTPException(404, "there is nothing here")
    service = request.query_params.get("service", "git-upload-pack")
    if service != "git-upload-pack":
        raise HTTPException(403, "this repository is changed through pull requests")
    asked = CgiRequest(
        method=request.method,
        path=f"/{rest}",
        query=request.url.query,
        content_type=request.headers.get("content-type", ""),
        content_encoding=request.headers.get("content-encoding", ""),
        protocol=request.headers.get("git-protocol", ""),
        body=await _body(request),
    )
    async with request.app.state.fetches:
        answer = await run_in_threadpool(serve_fetch, repository, request=asked)
    response = Response(answer.body, status_code=answer.status)
    for header, value in answer.headers:
        response.headers[header] = value
    return response


async def _body(request: Request) -> bytes:
    """Read the body, but never more than a fetch can need."""
    parts: list[bytes] = []
    size = 0
    async for part in request.stream():
        size += len(part)
        if size > _BODY_LIMIT:
            raise HTTPException(413, "the request is too large for a fetch")
        parts.append(part)
    return b"".join(parts)
