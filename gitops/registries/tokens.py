"""A challenge -> the Authorization header that answers it.

Rule: token authentication of the distribution project. Promise: what is shown goes to
the registry itself, or to the realm that `trusted_realm` accepts, and to no other; no
more is asked for than to read one repository, whatever the challenge suggests.
"""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Final, assert_never
from urllib.parse import urlencode

from gitops.errors import (
    RegistryDeniedError,
    RegistryError,
    RegistryUnavailableError,
    WebError,
)
from gitops.registries.access import Login, Talk
from gitops.registries.challenges import (
    BasicChallenge,
    BearerChallenge,
    challenge_of,
    trusted_realm,
)
from gitops.web import Answer, Place
from gitops.web.fields import text_at

_GIVEN: Final = re.compile(r"[\x21-\x7e]{1,16000}", re.ASCII)
_SERVICE: Final = re.compile(r"[\x20-\x7e]{0,255}", re.ASCII)
_CAP_BYTES: Final = 1 << 16
_OK: Final = 200
_TOO_MANY: Final = 429
_BROKEN: Final = 500
_REFUSED: Final = frozenset({400, 401, 403})


def authorization(talk: Talk, answer: Answer, scope: str) -> str:
    """Make the header that the registry asks for.

    Args:
        talk: with the registry.
        answer: its 401.
        scope: what is to be read, and no more.

    Raises:
        RegistryDeniedError: it asks for what we do not have, or must not show.
        RegistryUnavailableError: its realm does not answer.
        RegistryError: the realm's answer makes no sense.
        InputError: the login cannot be read.
    """
    host = answer.place.host
    match challenge_of(answer.headers.get("www-authenticate", "")):
        case None:
            raise RegistryDeniedError(
                f"{host}: answers 401, and does not say what it wants to see",
                hint="is this the address of a registry?",
            )
        case BasicChallenge():
            login = talk.access.login()
            if login is None:
                raise RegistryDeniedError(
                    f"{host}: wants a login", hint="name a credential in service.toml"
                )
            return login.basic
        case BearerChallenge() as challenge:
            return f"Bearer {_token(talk, answer.place, challenge, scope)}"
        case unknown:  # pragma: no cover
            assert_never(unknown)


def _token(talk: Talk, registry: Place, challenge: BearerChallenge, scope: str) -> str:
    realm = trusted_realm(challenge.realm, registry, talk.access.realms)
    answer = talk.send(
        "GET",
        _request(realm, challenge, scope),
        headers=_shown(talk.access.login()),
        allowed=replace(
            talk.access.allowed, named=talk.access.allowed.named | {realm.host}
        ),
        cap_bytes=_CAP_BYTES,
    )
    _check(answer)
    try:
        data = answer.json()
        token = text_at(data, "token") or text_at(data, "access_token")
    except WebError:
        token = ""
    if not _GIVEN.fullmatch(token):
        raise RegistryError(
            f"{realm.host}: its answer holds no token", hint="is this its realm?"
        )
    return token


def _request(realm: Place, challenge: BearerChallenge, scope: str) -> str:
    asked = {"scope": scope}
    if challenge.service and _SERVICE.fullmatch(challenge.service):
        asked = {"service": challenge.service, **asked}
    return f"{realm.url}{'&' if realm.query else '?'}{urlencode(asked)}"


def _shown(login: Login | None) -> dict[str, str]:
    return {} if login is None else {"Authorization": login.basic}


def _check(answer: Answer) -> None:
    host, status = answer.place.host, answer.status
    if status == _OK:
        return
    if status in _REFUSED:
        raise RegistryDeniedError(
            f"{host}: does not accept the login",
            hint="is the credential of the registry right, and not expired?",
        )
    if status == _TOO_MANY or status >= _BROKEN:
        raise RegistryUnavailableError(
            f"{host}: answers {status}", retry_after=answer.retry_after_s
        )
    raise RegistryError(f"{host}: answers {status} where tokens are handed out")
