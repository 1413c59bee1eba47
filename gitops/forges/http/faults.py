"""An answer that is no success -> one error of our taxonomy. Pure.

Promises: a rate limit is never taken for missing rights, nor missing rights for a pull
request that is not there; a page for people is never taken for data; what is shown of
an answer is one line of the forge's own words, without controls.
"""

from __future__ import annotations

import re
from typing import Final

from gitops.errors import (
    ForgeConflictError,
    ForgeDeniedError,
    ForgeError,
    ForgeNotFoundError,
    ForgeUnavailableError,
)
from gitops.forges.http.calls import Call, Reply

_LIMIT_WORDS: Final = re.compile(
    r"rate limit|abuse detection|secondary limit|too many requests|TF400733", re.I
)
_DENIED: Final = frozenset({401, 403, 407, 511})
_CONFLICT: Final = frozenset({405, 409, 412, 422, 423})
_LATER: Final = frozenset({408, 425, 429})
_WORDS_MAX: Final = 200
_DEFAULT_WAIT_S: Final = 60.0  # GitHub's advice for a limit that names no time

_CREDENTIAL: Final = "check the repository's credential, its rights and that it lives"
_LATER_HINT: Final = "it is tried again by itself"


def one_line(text: str) -> str:
    """Make a forge's words fit for a message."""
    plain = "".join(char if char.isprintable() else " " for char in text)
    return " ".join(plain.split())[:_WORDS_MAX]


def is_limited(reply: Reply, words: str) -> bool:
    """Whether an answer says that we ask too much.

    Source: GitHub's rules (403 or 429, with no requests left, `Retry-After`, or words
    about a secondary limit); the others answer 429.
    """
    if reply.status == 429:  # the code is its own name
        return True
    return reply.status == 403 and (
        reply.retry_after_s is not None
        or reply.headers.get("x-ratelimit-remaining", "").strip() == "0"
        or _LIMIT_WORDS.search(words) is not None
    )


def fault_of(call: Call, reply: Reply, words: str) -> ForgeError:
    """Return the error that an answer means.

    Args:
        call: what was asked.
        reply: with a status that the asker does not read itself.
        words: the forge's own, from outside.
    """
    said = one_line(words)
    told = f"{reply.place.host}: {_asked(call)}: {reply.status}"
    told = f"{told}: {said}" if said else told
    status = reply.status
    if is_limited(reply, words):
        wait_s = reply.retry_after_s
        return ForgeUnavailableError(
            f"{told}: it asks us to wait",
            retry_after=_DEFAULT_WAIT_S if wait_s is None else wait_s,
            hint=_LATER_HINT,
        )
    if status in _DENIED or _is_sign_in(reply):
        return ForgeDeniedError(told, hint=_CREDENTIAL)
    if status in (404, 410):
        return _not_there(call, told)
    if status in _CONFLICT:
        return ForgeConflictError(told)
    if status in _LATER or status >= 500:
        return ForgeUnavailableError(
            told,
            retry_after=reply.retry_after_s,
            hint=_LATER_HINT,
            sent=call.changes_something and status >= 500,
        )
    if 300 <= status < 400:
        return ForgeError(
            f"{told}: it has moved",
            hint="write its new address into service.toml; redirects are not followed",
        )
    return ForgeError(told)


def unreadable(call: Call, reply: Reply, why: str) -> ForgeError:
    """Return the error of a success whose body is not what its API promises."""
    told = f"{reply.place.host}: {_asked(call)}: {reply.status}: {one_line(why)}"
    if _is_sign_in(reply):
        return ForgeDeniedError(
            f"{told}: a page to sign in, it seems", hint=_CREDENTIAL
        )
    return ForgeUnavailableError(
        told, hint="is a proxy in between, or is this another server?"
    )


def _not_there(call: Call, told: str) -> ForgeError:
    """A forge says 404 also of what we may not see; only a number can be missing."""
    if call.missing:
        return ForgeNotFoundError(
            f"{told}: {call.missing} is not there, or we may not see it",
            hint=_CREDENTIAL,
        )
    return ForgeDeniedError(
        f"{told}: the repository is not there, or we may not see it", hint=_CREDENTIAL
    )


def _is_sign_in(reply: Reply) -> bool:
    """Azure DevOps answers 203, or a redirect to a page, to a credential it refuses."""
    kind = reply.headers.get("content-type", "").partition(";")[0].strip().lower()
    is_page = kind in ("text/html", "application/xhtml+xml")
    return is_page and reply.status in (200, 203, 302)


def _asked(call: Call) -> str:
    """Name what was asked without its values: a path may hold a hostile name."""
    last = next((part for part in reversed(call.path) if part.isalpha()), "api")
    return f"{call.method} {last[:40]}"
