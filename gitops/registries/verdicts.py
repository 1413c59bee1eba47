"""An answer -> that it is good, that something is not there, or an error. Pure.

Promise: "not there" is only what the distribution specification calls so: a 404 whose
body says MANIFEST_UNKNOWN or NAME_UNKNOWN and nothing else. A bare 404, a 401, a page
of HTML and an empty answer are errors: a proxy or a wrong address would look the same.
"""

from __future__ import annotations

from typing import Final

from gitops.errors import (
    RegistryDeniedError,
    RegistryError,
    RegistryUnavailableError,
    WebError,
)
from gitops.web import Answer
from gitops.web.fields import items_at, text_at

_OK: Final = 200
_UNAUTHORIZED: Final = 401
_FORBIDDEN: Final = 403
_NOT_FOUND: Final = 404
_TOO_MANY: Final = 429
_BROKEN: Final = 500
_UNKNOWN: Final = frozenset({"MANIFEST_UNKNOWN", "NAME_UNKNOWN"})
_HINT: Final = "is this the address of a registry?"


def is_absent(answer: Answer) -> bool:
    """Whether a registry says, beyond doubt, that there is no such thing."""
    if answer.status != _NOT_FOUND:
        return False
    try:
        codes = [text_at(error, "code") for error in items_at(answer.json(), "errors")]
    except WebError:
        return False
    return bool(codes) and _UNKNOWN.issuperset(codes)


def check_ok(answer: Answer, what: str) -> None:
    """Let a 200 pass.

    Args:
        answer: of the server.
        what: was asked for, for people.

    Raises:
        RegistryDeniedError: 401 or 403.
        RegistryUnavailableError: 429 or 5xx.
        RegistryError: anything else.
    """
    host, status = answer.place.host, answer.status
    if status == _OK:
        return
    if status == _TOO_MANY or (
        status == _FORBIDDEN and answer.retry_after_s is not None
    ):
        raise RegistryUnavailableError(
            f"{host}: it is asked too often",
            retry_after=answer.retry_after_s,
            hint="a login has a higher limit at most registries",
        )
    if status in (_UNAUTHORIZED, _FORBIDDEN):
        raise RegistryDeniedError(
            f"{host}: no right to read {what}",
            hint="name a credential of the registry in service.toml; some say the "
            "same of what does not exist",
        )
    if status >= _BROKEN:
        raise RegistryUnavailableError(
            f"{host}: answers {status}", retry_after=answer.retry_after_s
        )
    if status == _NOT_FOUND:
        raise RegistryError(
            f"{host}: answers 404 for {what}, and not in the words of a registry",
            hint=_HINT,
        )
    raise RegistryError(f"{host}: answers {status} for {what}", hint=_HINT)
