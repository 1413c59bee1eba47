"""What Bitbucket Cloud's answer to a merge means. Pure.

Source: Atlassian's API document (200, 202, 409, 555), a recorded refusal of a closed
pull request, and reports of people on the texts of a conflict. A text that is not
known is a rule of the forge's own: waiting, or a person, may help.
"""

from __future__ import annotations

from enum import Enum, auto
from typing import Final

from gitops.forges.bitbucket import cloud_reading as reading
from gitops.forges.http import Reply

_CONFLICT: Final = "conflict"
_CLOSED: Final = "newstatus"


class Answered(Enum):
    """What became of it."""

    TAKEN = auto()
    CONFLICT = auto()
    REFS_MOVED = auto()
    CLOSED = auto()
    RULE = auto()


def answered(reply: Reply, words: str) -> Answered:
    """Read an answer with a status of 2xx, 400 or 409."""
    if reply.status < 300:
        return Answered.TAKEN
    if reply.status == 409:
        return Answered.REFS_MOVED
    if _CLOSED in reading.fields_of(reply):
        return Answered.CLOSED
    return Answered.CONFLICT if _CONFLICT in words.lower() else Answered.RULE
