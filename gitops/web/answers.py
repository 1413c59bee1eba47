"""What a server answered, within limits. Pure.

Promises: never more bytes than the cap, sent or unpacked; no header, body or address in
what is printed of it; nothing that a server points to elsewhere.
"""

from __future__ import annotations

import json
import re
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from email.utils import parsedate_to_datetime
from typing import Final, cast

from gitops.errors import WebError
from gitops.model import Json
from gitops.web.places import Place, same_origin

_GZIP: Final = zlib.MAX_WBITS | 16
_MAX_WAIT_S: Final = 86_400.0
_LIMITS: Final = ("x-ratelimit", "ratelimit")  # GitHub's, and the IETF's and GitLab's
_EPOCH_S: Final = 1_000_000_000  # a larger number is a moment, a smaller one a duration
_MAX_DEPTH: Final = 64
_DIGITS: Final = re.compile(r"[0-9]{1,12}", re.ASCII)
_LINK: Final = re.compile(r"\s*<([^<>\s]*)>((?:\s*;[^,<]*)*)(?:,|$)")
_REL: Final = re.compile(r";\s*rel\s*=\s*\"?([a-z]+)\"?", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """An answer, whatever its status.

    Attributes:
        status: 100 to 599.
        headers: by lower-case name; those that came twice are joined by a comma.
        body: unpacked.
        place: what was asked.
    """

    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    place: Place = field(repr=False)

    def json(self) -> Json:
        """Read the body as JSON.

        Raises:
            WebError: it is none, is nested too deeply, or is not UTF-8.
        """
        try:
            text = self.body.decode()
            found = cast(Json, json.loads(text, parse_constant=_no_constant))
        except (ValueError, RecursionError):
            raise self._broken("its answer is not JSON") from None
        if _is_deeper(found, _MAX_DEPTH):
            raise self._broken("its answer is nested too deeply")
        return found

    def _broken(self, what: str) -> WebError:
        return WebError(
            f"{self.place.host}: {what}", hint="is this the server that was meant?"
        )

    @property
    def retry_after_s(self) -> float | None:
        """Seconds to wait, as it said; None when it said nothing that makes sense.

        Moments are read against the answer's own Date, so our clock plays no part.
        """
        text = self.headers.get("retry-after", "").strip()
        if _DIGITS.fullmatch(text):
            return min(float(text), _MAX_WAIT_S)
        sent = _moment(self.headers.get("date", ""))
        if (until := _moment(text)) is not None and sent is not None:
            return _seconds(until.timestamp(), sent)
        return self._until_reset_s(sent)

    def _until_reset_s(self, sent: datetime | None) -> float | None:
        """Read when there will be requests again, where none is left now."""
        for prefix in _LIMITS:
            reset = self.headers.get(f"{prefix}-reset", "").strip()
            left = self.headers.get(f"{prefix}-remaining", "").strip()
            if left != "0" or not _DIGITS.fullmatch(reset):
                continue
            if int(reset) < _EPOCH_S:
                return min(float(reset), _MAX_WAIT_S)
            if sent is not None:
                return _seconds(float(reset), sent)
        return None

    def link(self, relation: str) -> str | None:
        """Return the address of a `Link`, only if it is of the same origin."""
        for target, parameters in _LINK.findall(self._links):
            found = _REL.search(parameters)
            if found is not None and found[1].lower() == relation:
                there = same_origin(self.place, target)
                return there.url if there is not None else None
        return None

    def names_relation(self, relation: str) -> bool:
        """Whether there is a `Link` of that relation, wherever it leads."""
        found = (_REL.search(rest) for _, rest in _LINK.findall(self._links))
        return any(one is not None and one[1].lower() == relation for one in found)

    @property
    def _links(self) -> str:
        return self.headers.get("link", "")

    @property
    def location(self) -> str | None:
        """Where a redirect leads, only if it is the same origin; not followed."""
        there = same_origin(self.place, self.headers.get("location", ""))
        return there.url if there is not None and "location" in self.headers else None


def _no_constant(name: str) -> Json:
    raise ValueError(name)  # NaN and Infinity are no JSON


def _is_deeper(value: Json, limit: int) -> bool:
    """Whether it is nested below a limit; without recursion, so at any depth."""
    level: list[Json] = [value]
    for _ in range(limit):
        level = [
            item
            for one in level
            if isinstance(one, dict | list)
            for item in (one.values() if isinstance(one, dict) else one)
        ]
        if not level:
            return False
    return True


def _moment(text: str) -> datetime | None:
    try:
        found = parsedate_to_datetime(text)
    except (TypeError, ValueError, IndexError, OverflowError):
        return None
    return found if found.tzinfo is not None else None


def _seconds(until: float, sent: datetime) -> float:
    return min(max(until - sent.timestamp(), 0.0), _MAX_WAIT_S)


def collect(chunks: Iterable[bytes], *, encoding: str, cap: int, host: str) -> bytes:
    """Put a body together.

    Args:
        chunks: as sent.
        encoding: the Content-Encoding header.
        cap: bytes, both as sent and unpacked.
        host: for errors.

    Raises:
        WebError: it is too large, or packed in a way that we did not ask for.
    """
    match encoding.strip().lower():
        case "" | "identity":
            return _joined(chunks, cap, host)
        case "gzip" | "x-gzip":
            return _unpacked(_joined(chunks, cap, host), cap, host)
        case _:
            raise WebError(
                f"{host}: its answer is packed in a way that was not asked for"
            )


def _joined(chunks: Iterable[bytes], cap: int, host: str) -> bytes:
    body = bytearray()
    for chunk in chunks:
        if len(body) + len(chunk) > cap:
            raise too_large(host, cap)
        body += chunk
    return bytes(body)


def too_large(host: str, cap: int) -> WebError:
    """Make the error of a body over the cap."""
    return WebError(f"{host}: its answer has more than {cap} bytes")


def _unpacked(body: bytes, cap: int, host: str) -> bytes:
    if not body:
        return body
    packed = zlib.decompressobj(_GZIP)
    try:
        found = packed.decompress(body, cap + 1)
    except zlib.error:
        raise WebError(f"{host}: its answer says gzip and is not") from None
    if len(found) > cap:
        raise too_large(host, cap)
    if not packed.eof or packed.unused_data:
        raise WebError(f"{host}: its answer says gzip and is not whole")
    return found
