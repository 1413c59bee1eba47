"""What Gitea's answer to a merge means. Pure.

Source: the routes of Gitea and Forgejo (`routers/api/v1/repo/pull.go`), whose texts
are all that tells some refusals apart. A text that is not known is a rule of the
forge's own: waiting, or a person, may help.
"""

from __future__ import annotations

from enum import Enum, auto
from typing import Final

from gitops.errors import WebError
from gitops.forges.http import Reply
from gitops.model import Json
from gitops.web.fields import mapping_at

_NOT_YET: Final = "please try again later"
_DENIED: Final = "user not allowed to merge"
_HEAD_MOVED: Final = "head out of date"
_SCHEDULED: Final = "already scheduled"


class Answered(Enum):
    """What became of it."""

    TAKEN = auto()  # merged, or scheduled, now or before
    NOT_YET = auto()  # mergeability is being found out, or there is a conflict
    CONFLICT = auto()
    HEAD_MOVED = auto()
    GONE = auto()  # closed, or not there
    DENIED = auto()
    RULE = auto()


def answered(reply: Reply, words: str) -> Answered:
    """Read an answer with a status of 2xx, 404, 405 or 409.

    Args:
        reply: the answer.
        words: its message.
    """
    said = words.lower()
    match reply.status:
        case 404:
            return Answered.GONE
        case 405:
            return _refused(said)
        case 409:
            return _conflict(reply, said)
        case _:
            return Answered.TAKEN


def _refused(said: str) -> Answered:
    if not said:
        return Answered.TAKEN  # it was merged before: that is all it says then
    if _NOT_YET in said:
        return Answered.NOT_YET
    return Answered.DENIED if _DENIED in said else Answered.RULE


def _conflict(reply: Reply, said: str) -> Answered:
    if _HEAD_MOVED in said:
        return Answered.HEAD_MOVED
    if _SCHEDULED in said:
        return Answered.TAKEN
    body = _body(reply)
    if "Style" in body:  # git's own words, of a merge that it could not do
        return Answered.CONFLICT
    if "HeadBranch" in body:  # somebody merged it meanwhile
        return Answered.TAKEN
    return Answered.RULE


def _body(reply: Reply) -> dict[str, Json]:
    try:
        return dict(mapping_at(reply.json()))
    except WebError:
        return {}
