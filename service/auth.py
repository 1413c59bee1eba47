"""Who is asking, and what a token is good for.

A token comes as a bearer, or where git and browsers ask as the password of HTTP Basic.
The answer to a wrong token never says what was wrong. A right one is never refused for
what others did: only wrong tokens count against an address.
"""

from __future__ import annotations

import base64
import math
from ipaddress import IPv6Address, ip_address
from typing import Annotated, Final

from fastapi import Depends, HTTPException, Request

from service.limits import Limit
from service.problems import Refused
from service.settings import Settings
from service.store import Role, Store, Token

_ORDER: Final = tuple(Role)
_REALM: Final = 'realm="directus-gitops"'


class Limits:
    """How often may be asked: by one token, and with wrong ones by one address."""

    def __init__(self, settings: Settings) -> None:
        self.requests = Limit(settings.requests_per_min)
        self.wrong = Limit(settings.wrong_tokens_per_min)


def token_text(header: str) -> str:
    """Return the token of an Authorization header; empty when there is none."""
    scheme, _, value = header.partition(" ")
    if scheme.lower() == "bearer":
        return value.strip()
    if scheme.lower() != "basic":
        return ""
    try:
        pair = base64.b64decode(value, validate=True).decode()
    except ValueError:  # no base64, no ASCII, no UTF-8
        return ""
    return pair.partition(":")[2]


def caller(request: Request) -> Token:
    """Return the valid token of a request, as bearer or as password.

    Raises:
        Refused: 401, whether it is missing, wrong, expired or revoked; 429.
    """
    return _admit(request, token_text(_header(request)), f"Basic {_REALM}")


def bearer(request: Request) -> Token:
    """Return the valid token of a request to the API: as bearer only.

    A browser sends a password of Basic by itself, whoever made the page; a bearer it
    never does.

    Raises:
        Refused: 401, whether it is missing, wrong, expired or revoked; 429.
    """
    header = _header(request)
    text = token_text(header) if header.lower().startswith("bearer ") else ""
    return _admit(request, text, f"Bearer {_REALM}")


def _header(request: Request) -> str:
    return request.headers.get("authorization", "")


def _admit(request: Request, text: str, challenge: str) -> Token:
    store: Store = request.app.state.store
    limits: Limits = request.app.state.limits
    token = store.tokens.recognise(text) if text else None
    if token is not None:
        _refuse_often(limits.requests.take(token.id))
        return token
    if text:
        _refuse_often(limits.wrong.take(peer_of(request)))
    raise Refused(
        401, "a valid token is needed", headers={"WWW-Authenticate": challenge}
    )


def _refuse_often(wait_s: float) -> None:
    if wait_s > 0:
        raise Refused(
            429,
            "too many requests in a minute",
            hint="wait as long as Retry-After says",
            headers={"Retry-After": str(math.ceil(wait_s))},
        )


def peer_of(request: Request) -> str:
    """Return where a request comes from; of IPv6 the network, which is one's own."""
    host = request.client.host if request.client else ""
    try:
        address = ip_address(host)
    except ValueError:
        return host
    if isinstance(address, IPv6Address):
        return str(IPv6Address(int(address) >> 64 << 64))
    return str(address)


def whole_repository(token: Annotated[Token, Depends(caller)]) -> Token:
    """Return a token that may see a whole repository.

    Raises:
        HTTPException: 403 for a token of one stack or environment: files of a
            repository cannot be shown in part.
    """
    if is_scoped(token):
        raise HTTPException(403, "this token is for one stack or environment only")
    return token


def may(token: Token, role: Role) -> bool:
    """Whether a token's role includes another."""
    return _ORDER.index(token.role) >= _ORDER.index(role)


def is_scoped(token: Token) -> bool:
    """Whether a token is for one stack or environment only."""
    return bool(token.stack or token.environment)


def covers(token: Token, stack: str | None, environment: str | None) -> bool:
    """Whether a token is good for all of this; None means every one.

    A token of one stack covers that stack, in one environment or in all of them; it
    never covers an environment with all its stacks.
    """
    return token.stack in ("", stack) and token.environment in ("", environment)


def touches(token: Token, stack: str | None, environment: str | None) -> bool:
    """Whether a token is good for some of this; None means every one."""
    by_stack = not token.stack or stack in (None, token.stack)
    by_environment = not token.environment or environment in (None, token.environment)
    return by_stack and by_environment


Viewer = Annotated[Token, Depends(whole_repository)]
