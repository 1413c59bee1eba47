"""Post one message to a sink, and say what came of it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final, TypeAlias

from gitops.errors import InputError, WebError
from gitops.web import Web, place_of
from service.configuration import Sink
from service.notify.messages import Message, body_of, signed

DEADLINE_S: Final = 10.0
_CAP: Final = 64 << 10
_OK: Final = range(200, 300)
_BODY_REFUSED: Final = frozenset({400, 413, 415, 422})


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """The sink has it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """The sink answered that it does not want this very message."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Unanswered:
    """The sink may want it later.

    Attributes:
        reason: for the log; holds no part of the address but its host.
        retry_after_s: as it said; None when it said nothing.
    """

    reason: str
    retry_after_s: float | None = None


Posted: TypeAlias = Taken | Refused | Unanswered


def post(
    web: Web, sink: Sink, message: Message, *, deadline_s: float = DEADLINE_S
) -> Posted:
    """Post a message once. Never raises for what a sink or its settings do."""
    body = body_of(message, sink.kind)
    headers = {
        "Content-Type": "application/json",
        "X-Directus-Gitops-Event": str(message.number),
    }
    try:
        url = sink.url.reveal().get_secret_value()
        place = place_of(url)
        if sink.secret is not None:
            secret = sink.secret.reveal().get_secret_value()
            headers["X-Directus-Gitops-Signature"] = signed(body, secret)
        answer = web.send(
            "POST",
            url,
            allowed=replace(sink.allowed, named=sink.allowed.named | {place.host}),
            headers=headers,
            body=body,
            deadline_s=deadline_s,
            cap_bytes=_CAP,
            hide_path=True,
        )
    except InputError as error:  # the setting; its place and problem, no value
        return Unanswered(reason=error.message)
    except WebError as error:
        return Unanswered(reason=error.message)
    if answer.status in _OK:
        return Taken()
    reason = f"{place.host}: status {answer.status}"
    if answer.status in _BODY_REFUSED:
        return Refused(reason=reason)
    return Unanswered(reason=reason, retry_after_s=answer.retry_after_s)
