"""Smart HTTP for `git clone` and `git fetch`: one request in, one answer out.

Two routes and no other: where the branches are, and a pack of what is wanted. Pushing,
the dumb protocol and every other path are refused before git is asked, so no part of a
request becomes a path. Who may ask is decided by whoever calls.
"""

from __future__ import annotations

import re
import zlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from gitops.git.command import SafeGit
from gitops.git.walls import Walls
from gitops.process import Limits

_LIMITS: Final = Limits(timeout_s=300, output_bytes=512 << 20)
_ONLY_FETCHING: Final = (
    *("-c", "http.uploadpack=true"),
    *("-c", "http.receivepack=false"),
    *("-c", "http.getanyfile=false"),
)
_REQUEST_TYPE: Final = "application/x-git-upload-pack-request"
_REQUEST_BYTES: Final = 8 << 20  # unpacked; git writes 50 bytes for each branch
_GZIP: Final = 16 + zlib.MAX_WBITS  # zlib: with gzip's header, and no other
_PROTOCOL: Final = re.compile(r"version=[012]", re.ASCII)
_PUSHING: Final = "git-receive-pack"


@dataclass(frozen=True, slots=True, kw_only=True)
class CgiRequest:
    """A request, as far as fetching needs it.

    Attributes:
        method: GET or POST.
        path: below the repository's address: "/info/refs" or "/git-upload-pack".
        query: after the question mark.
        content_type: of the body.
        content_encoding: of the body: "", "identity", "gzip" or "x-gzip".
        protocol: the header Git-Protocol.
        body: as received.
    """

    method: str
    path: str
    query: str = ""
    content_type: str = ""
    content_encoding: str = ""
    protocol: str = ""
    body: bytes = b""


@dataclass(frozen=True, slots=True, kw_only=True)
class CgiResponse:
    """An answer: HTTP status, headers, body."""

    status: int
    headers: tuple[tuple[str, str], ...]
    body: bytes


def serve_fetch(repository: Path, *, request: CgiRequest) -> CgiResponse:
    """Answer one request of a fetching git.

    Args:
        repository: the bare repository; nothing beside it can be reached.
        request: what came in.

    Raises:
        GitError: git gave no answer in time.
    """
    refusal = _refusal(request)
    if refusal is not None:
        return refusal
    unpacked = _unpacked(request)
    if isinstance(unpacked, CgiResponse):
        return unpacked
    request = replace(request, body=unpacked)
    walls = Walls(
        limits=_LIMITS,
        more=_ONLY_FETCHING,
        variables=_variables(repository.absolute(), request),
    )
    answer = SafeGit(walls=walls).ask("http-backend", stdin=request.body)
    head, separator, body = answer.stdout.partition(b"\r\n\r\n")
    if answer.code != 0 or not separator:
        return _plain(500, "the repository cannot be read")
    return _response(head.decode("latin-1"), body)


def _refusal(request: CgiRequest) -> CgiResponse | None:
    """Return why a request is not one of the two that fetching needs."""
    if _PUSHING in request.path or _PUSHING in request.query:
        return _plain(403, "this address is for fetching; changes go by pull request")
    match (request.method, request.path):
        case ("GET", "/info/refs") if request.query == "service=git-upload-pack":
            return None
        case ("POST", "/git-upload-pack") if request.content_type == _REQUEST_TYPE:
            return None
        case ("POST", "/git-upload-pack"):
            return _plain(415, f"the body must be {_REQUEST_TYPE}")
        case _:
            return _plain(404, "nothing here but smart HTTP for git fetch")


def _unpacked(request: CgiRequest) -> bytes | CgiResponse:
    """Return the body as git shall read it, or why it may not.

    Git would unpack it too, without an end: 2 MB became 500 MB, and a gigabyte of its
    memory.
    """
    body = request.body
    if request.content_encoding in ("gzip", "x-gzip"):
        stream = zlib.decompressobj(_GZIP)
        try:
            body = stream.decompress(body, _REQUEST_BYTES + 1)
        except zlib.error:
            return _plain(400, "the body is not gzip")
        if len(body) <= _REQUEST_BYTES and (not stream.eof or stream.unused_data):
            return _plain(400, "the body is not one whole gzip stream")
    elif request.content_encoding not in ("", "identity"):
        return _plain(415, "the body may be packed with gzip only")
    if len(body) > _REQUEST_BYTES:
        return _plain(413, "the request is too large for a fetch")
    return body


def _variables(repository: Path, request: CgiRequest) -> dict[str, str]:
    """Write the request as CGI does (RFC 3875); no text of it passes unchecked."""
    variables = {
        "GIT_PROJECT_ROOT": str(repository.parent),
        "GIT_HTTP_EXPORT_ALL": "1",
        "GIT_HTTP_MAX_REQUEST_BUFFER": "10M",
        "PATH_INFO": f"/{repository.name}{request.path}",
        "REQUEST_METHOD": request.method,
        "QUERY_STRING": request.query,
        "CONTENT_TYPE": request.content_type,
        "CONTENT_LENGTH": str(len(request.body)),
        "REMOTE_ADDR": "127.0.0.1",
    }
    if _PROTOCOL.fullmatch(request.protocol):
        variables["GIT_PROTOCOL"] = request.protocol
    return variables


def _response(head: str, body: bytes) -> CgiResponse:
    status, headers = 200, []
    for line in head.split("\r\n"):
        name, _, value = line.partition(":")
        if name.lower() == "status":
            status = int(value.split()[0])
        else:
            headers.append((name, value.strip()))
    return CgiResponse(status=status, headers=tuple(headers), body=body)


def _plain(status: int, text: str) -> CgiResponse:
    headers = (("Content-Type", "text/plain; charset=utf-8"),)
    return CgiResponse(status=status, headers=headers, body=f"{text}\n".encode())
