"""Who is asking: a token, as bearer or as the password of HTTP Basic.

Basic is there for git and for browsers. Every route but the health checks and the
front page asks here first; the answer to a wrong token never says what was wrong.
"""

from __future__ import annotations

import base64
from typing import Annotated, Final

from fastapi import Depends, HTTPException, Request

from service.store import Role, Store, Token

_ORDER: Final = tuple(Role)
_CHALLENGE: Final = {"WWW-Authenticate": 'Basic realm="directus-gitops"'}


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
    """Return the valid token of a request.

    Raises:
        HTTPException: 401, whether it is missing, wrong, expired or revoked.
    """
    store: Store = request.app.state.store
    text = token_text(request.headers.get("authorization", ""))
    token = store.tokens.recognise(text) if text else None
    if token is None:
        raise HTTPException(401, "a valid token is needed", headers=_CHALLENGE)
    return token


def whole_repository(token: Annotated[Token, Depends(caller)]) -> Token:
    """Return a token that may see a whole repository.

    Raises:
        HTTPException: 403 for a token of one stack or environment: files of a
            repository cannot be shown in part.
    """
    if token.stack or token.environment:
        raise HTTPException(403, "this token is for one stack or environment only")
    return token


def may(token: Token, role: Role) -> bool:
    """Whether a token's role includes another."""
    return _ORDER.index(token.role) >= _ORDER.index(role)


Viewer = Annotated[Token, Depends(whole_repository)]
