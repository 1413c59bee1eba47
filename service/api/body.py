"""Read a request's body: bounded, JSON only, and only JSON that means one thing.

Duplicate keys, NaN, numbers that no double holds, NUL and lone surrogates are refused:
what two parsers read differently is no request.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Final, NoReturn

from fastapi import Request

from gitops.model import Json
from service.problems import Refused

LIMIT: Final = 1024 * 1024
_DEEPEST: Final = 32
_LARGEST: Final = 1 << 53  # beyond it a double skips integers


async def read_body(request: Request) -> bytes:
    """Read the whole body, but never more than the limit.

    Raises:
        Refused: 413 when it is larger, as soon as that is known.
    """
    said = request.headers.get("content-length", "")
    if said.isdecimal() and (len(said) > len(str(LIMIT)) or int(said) > LIMIT):
        raise _too_large()
    parts: list[bytes] = []
    size = 0
    async for part in request.stream():
        size += len(part)
        if size > LIMIT:
            raise _too_large()
        parts.append(part)
    return b"".join(parts)


def _too_large() -> Refused:
    return Refused(413, f"the body is larger than {LIMIT} bytes")


def check_media_type(request: Request, body: bytes) -> None:
    """Refuse a body that is not declared as JSON.

    A page of another site can make a browser send any of the other types.

    Raises:
        Refused: 415.
    """
    header = request.headers.get("content-type", "")
    kind = header.partition(";")[0].strip().lower()
    if (body or header) and kind != "application/json":
        raise Refused(
            415,
            "the body must be JSON",
            hint="send Content-Type: application/json",
        )


def read_json(body: bytes) -> Json:
    """Parse a body.

    Raises:
        Refused: 422; it is no JSON, or JSON that means different things to different
            readers.
    """
    try:
        text = body.decode("utf-8")
        value: Json = json.loads(
            text,
            object_pairs_hook=_object,
            parse_constant=_constant,
            parse_float=_float,
            parse_int=_int,
        )
    except RecursionError:
        raise _bad("is nested too deeply") from None
    except ValueError:
        raise _bad("is not JSON") from None
    _check(value)
    return value


def _bad(problem: str) -> Refused:
    return Refused(422, f"body: {problem}", field="body")


def _object(pairs: Sequence[tuple[str, Json]]) -> dict[str, Json]:
    found = dict(pairs)
    if len(found) != len(pairs):
        raise _bad("has a key twice")
    return found


def _constant(_name: str) -> NoReturn:
    raise _bad("holds a number that is none")


def _float(text: str) -> float:
    value = float(text)
    if value in (float("inf"), float("-inf")):
        raise _bad("holds a number out of range")
    return value


def _int(text: str) -> int:
    if len(text) > len(str(_LARGEST)) + 1 or abs(int(text)) > _LARGEST:
        raise _bad("holds a number out of range")
    return int(text)


def _check(value: Json, depth: int = 0) -> None:
    if depth > _DEEPEST:
        raise _bad("is nested too deeply")
    if isinstance(value, str):
        _check_text(value)
    elif isinstance(value, dict):
        for key, inner in value.items():
            _check_text(key)
            _check(inner, depth + 1)
    elif isinstance(value, list):
        for inner in value:
            _check(inner, depth + 1)


def _check_text(text: str) -> None:
    if "\0" in text or any("\ud800" <= char <= "\udfff" for char in text):
        raise _bad("holds a character that cannot be stored")
