"""The parts of requests: names, versions, reasons, pages. Each says what it accepts."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable
from typing import Annotated, Final

from fastapi import Path, Query
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    WithJsonSchema,
)
from pydantic_core import PydanticCustomError

from gitops.errors import InputError
from gitops.versions import parse_reference
from service.problems import Refused

NAME: Final = r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$"
REPOSITORY: Final = r"^[a-z0-9][a-z0-9._-]{0,99}$"
_PRINTABLE: Final = r"^[^\x00-\x1f\x7f-\x9f]*$"
_NUMBER: Final = r"(0|[1-9][0-9]{0,8})"
_TAG: Final = rf"{_NUMBER}\.{_NUMBER}\.{_NUMBER}(-[0-9A-Za-z_-]+(\.[0-9A-Za-z_-]+)*)?"
_DIGEST: Final = r"@sha256:[0-9a-f]{64}"
_HIGHEST: Final = (1 << 31) - 1
_MOST: Final = 200
_USUAL: Final = 50


class Strict(BaseModel):
    """A body that holds what is asked for and nothing else."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


def _reference(text: str) -> str:
    return checked(lambda: parse_reference(text), text)


def checked(check: Callable[[], object], text: str) -> str:
    """Return a text that a check of the library accepts."""
    try:
        check()
    except InputError as error:
        raise PydanticCustomError(
            "input", "{message}", {"message": error.message, "hint": error.hint}
        ) from None
    return text


StackPath = Annotated[
    str, Path(pattern=NAME, max_length=63, description="A stack.", examples=["example"])
]
EnvironmentPath = Annotated[
    str,
    Path(
        pattern=NAME,
        max_length=63,
        description="The environment that changes.",
        examples=["staging"],
    ),
]
RepositoryPath = Annotated[
    str,
    Path(pattern=REPOSITORY, description="A repository.", examples=["fleet"]),
]
NumberPath = Annotated[
    int,
    Path(ge=1, le=_HIGHEST, description="Of the pull request.", examples=[1]),
]
IdPath = Annotated[
    str,
    Path(
        pattern=r"^[0-9a-f]{1,40}$",
        description="An id, as an answer said it.",
        examples=["3f1c2a9be0d47c55"],
    ),
]
Name = Annotated[str, StringConstraints(pattern=NAME, max_length=63)]
Version = Annotated[
    str,
    AfterValidator(_reference),
    WithJsonSchema(
        {
            "type": "string",
            "anyOf": [
                {"pattern": f"^{_TAG}$", "maxLength": 128},
                {"pattern": f"^{_TAG}{_DIGEST}$", "maxLength": 200},
            ],
            "description": "A full version, and its digest where it is known.",
            "examples": ["12.4.1"],
        }
    ),
]
Reason = Annotated[
    str,
    Field(
        max_length=500,
        pattern=_PRINTABLE,
        description="Why, in your words; told to the reviewer.",
        examples=["security release"],
    ),
]
Title = Annotated[
    str,
    Field(
        min_length=1,
        max_length=100,
        pattern=r"^[^\x00-\x20\x7f-\x9f]([^\x00-\x1f\x7f-\x9f]*[^\x00-\x20\x7f-\x9f])?$",
    ),
]


class Paged(BaseModel):
    """Which part of a list."""

    model_config = ConfigDict(extra="forbid")

    limit: int = Field(default=_USUAL, ge=1, le=_MOST, description="How many at most.")
    cursor: str = Field(
        default="",
        max_length=200,
        pattern=r"^[A-Za-z0-9_-]*$",
        description="`next` of the page before; empty for the first page.",
    )


Page = Annotated[Paged, Query()]


def cursor_of(position: str) -> str:
    """Make the opaque text that leads to what follows a position."""
    return base64.urlsafe_b64encode(f"1:{position}".encode()).decode().rstrip("=")


def position_of(cursor: str) -> str:
    """Return the position behind a cursor; empty for the first page.

    Raises:
        Refused: 404; it is none of ours.
    """
    if not cursor:
        return ""
    padded = cursor + "=" * (-len(cursor) % 4)
    try:
        text = base64.urlsafe_b64decode(padded).decode()
    except (binascii.Error, ValueError):
        text = ""
    version, colon, position = text.partition(":")
    if version != "1" or not colon or not position:
        raise no_page()
    return position


def number_of(cursor: str, first: int) -> int:
    """Return the number behind a cursor.

    Raises:
        Refused: 404; it is none of ours.
    """
    position = position_of(cursor)
    if not position:
        return first
    if not position.isdecimal() or not position.isascii() or len(position) > 10:
        raise no_page()
    return int(position)


def no_page() -> Refused:
    """Return the refusal of a cursor that leads nowhere."""
    return Refused(
        404,
        "there is no such page",
        code="unknown_cursor",
        hint="begin again without a cursor",
        field="query.cursor",
    )
