"""Fetch one file over HTTP into a local file.

It promises an end: caps on size, redirects and time. Redirects go from https to https
only. It judges no content: whoever calls it compares the checksum.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

import httpx

from gitops.errors import ToolError

Progress = Callable[[int, int], None]
"""Told the bytes that are there, and how many there will be (0: not known)."""

ARCHIVE_BYTES: Final = 128 << 20  # the release archive of kustomize 5.8 has 6 MB
_REDIRECTS: Final = 5  # GitHub needs one
_TIMEOUT: Final = httpx.Timeout(30, connect=5)  # offline fails fast, slow lines do not


def new_client() -> httpx.Client:
    """Make a client that follows nothing by itself and ignores the environment."""
    return httpx.Client(timeout=_TIMEOUT, follow_redirects=False, trust_env=False)


def download(
    client: httpx.Client,
    url: str,
    target: Path,
    *,
    most: int = ARCHIVE_BYTES,
    deadline_s: float = 600,
    progress: Progress | None = None,
) -> str:
    """Write a URL's body to a new file.

    Args:
        client: see new_client.
        url: http or https; a mirror inside a company may have no certificate.
        target: the new file.
        most: bytes after which the answer is refused.
        deadline_s: seconds for the body.
        progress: told after each chunk.

    Returns:
        The body's SHA-256 in hexadecimal.

    Raises:
        ToolError: no connection, an answer other than 200, a redirect we do not
            follow, too many bytes, too slow, or a body that was cut off.
    """
    try:
        place = httpx.URL(url)
        for _ in range(_REDIRECTS + 1):
            with client.stream("GET", place) as answer:
                if not answer.has_redirect_location:
                    return _saved(answer, target, most, deadline_s, progress)
                place = _next_place(answer)
    except (httpx.HTTPError, httpx.InvalidURL, httpx.StreamError) as error:
        reason = str(error) or type(error).__name__
        raise ToolError(f"{_host(url)}: {reason}") from error
    except OSError as error:
        raise ToolError(
            f"{target.name}: cannot be written: {error.strerror}"
        ) from error
    raise ToolError(f"{_host(url)}: more than {_REDIRECTS} redirects")


def _host(url: str) -> str:
    """Name the host alone: a mirror's URL may hold a credential."""
    try:
        return httpx.URL(url).host or "the download address"
    except httpx.InvalidURL:
        return "the download address"


def _next_place(answer: httpx.Response) -> httpx.URL:
    place = answer.url.join(answer.headers["Location"])
    if (answer.url.scheme, place.scheme) != ("https", "https"):
        raise ToolError(
            f"{answer.url.host}: redirects from {answer.url.scheme} to "
            f"{place.scheme or 'nothing'}; only https to https is followed"
        )
    return place


def _saved(
    answer: httpx.Response,
    target: Path,
    most: int,
    deadline_s: float,
    progress: Progress | None,
) -> str:
    host = answer.url.host
    if answer.status_code != httpx.codes.OK:
        raise ToolError(f"{host}: HTTP {answer.status_code} for {target.name}")
    length = answer.headers.get("Content-Length", "")
    total = int(length) if length.isdecimal() and length.isascii() else 0
    ends_at = time.monotonic() + deadline_s
    digest, done = hashlib.sha256(), 0
    with target.open("xb") as file:
        for chunk in answer.iter_raw():  # as sent: the checksum is of the archive
            done += len(chunk)
            if max(done, total) > most:
                raise ToolError(f"{host}: {target.name} has more than {most} bytes")
            if time.monotonic() > ends_at:
                raise ToolError(
                    f"{host}: {target.name} took more than {deadline_s:g} s"
                )
            digest.update(chunk)
            file.write(chunk)
            if progress is not None:
                progress(done, total)
    return digest.hexdigest()
