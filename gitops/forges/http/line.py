"""The line to one forge: it holds a talk, sends its calls, and keeps the wire's rules.

Promises: a call goes to the forge's own roots and to nowhere else; the credential is
put on last and shown nowhere; the gate is asked before each call and told after; what
the talk does not read itself comes to it as one error of our taxonomy, raised where it
asked. Reads are sent again by the web client, its only retries; a write is never sent
twice from here: whoever asked for it looks first (`ForgeUnavailableError.sent`).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol, TypeVar

from gitops.errors import (
    ForgeDeniedError,
    ForgeError,
    ForgeUnavailableError,
    WebError,
    WebUnavailableError,
)
from gitops.forges.http.calls import Call, Reply, Talk
from gitops.forges.http.faults import fault_of, unreadable
from gitops.forges.http.rates import RateGate
from gitops.web import Allowed, Web, place_of

T = TypeVar("T")

_CAP_BYTES = 16 << 20  # a page of a hundred pull requests with long texts
_DEADLINE_S = 30.0
_UNAUTHORIZED = 401


class Authority(Protocol):
    """Where the credential of a call comes from."""

    def headers(self) -> Mapping[str, str]:
        """Return the headers that prove who asks; read each time, for they rotate."""
        ...

    def renew(self) -> bool:
        """Forget what was refused; whether another one can be had now."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Token:
    """A token that the operator rotates; nothing here can renew it."""

    read: Callable[[], Mapping[str, str]]

    def headers(self) -> Mapping[str, str]:
        """Return the headers of the token as it is now."""
        return self.read()

    def renew(self) -> bool:
        """Return False."""
        return False


class Line:
    """Sends the calls of talks.

    Args:
        roots: addresses of the forge's APIs, by the name that calls use; all are of
            hosts that the operator wrote down.
        web: the one HTTP client.
        allowed: what may be reached.
        authority: who we are.
        gate: shared by all lines of one account.
        words: reads an error answer; see Dialect.words.
        base_headers: of every call, such as the version of the API.
    """

    def __init__(
        self,
        *,
        roots: Mapping[str, str],
        web: Web,
        allowed: Allowed,
        authority: Authority,
        gate: RateGate,
        words: Callable[[Reply], str],
        base_headers: Mapping[str, str],
    ) -> None:
        self._roots = {name: root.rstrip("/") for name, root in roots.items()}
        self._origins = {place_of(root).origin for root in roots.values()}
        self._web = web
        self._allowed = allowed
        self._authority = authority
        self._gate = gate
        self._words = words
        self._base_headers = dict(base_headers)

    def hold(self, talk: Talk[T]) -> T:
        """Send the calls of a talk, one after another, and return what it found.

        Raises:
            ForgeError: what the forge refused, or could not do, and the talk let pass.
        """
        send = talk.send
        given: Reply | None = None
        failed: ForgeError | None = None
        while True:
            try:
                call = talk.throw(failed) if failed else send(given)  # type: ignore[arg-type]  # None begins it
            except StopIteration as ended:
                return ended.value  # type: ignore[no-any-return]
            except WebError as error:  # a field of another type than promised
                raise self._nonsense(given, error) from None
            given, failed = None, None
            try:
                given = self._answer(call)
            except ForgeError as error:
                failed = error

    def _answer(self, call: Call) -> Reply:
        reply = self._send(call)
        if reply.status == _UNAUTHORIZED and self._authority.renew():
            reply = self._send(call)  # a refused call has done nothing
        if reply.status not in call.accepts:
            raise fault_of(call, reply, self._words(reply))
        if reply.body.strip():
            try:
                reply.json()
            except WebError as error:
                raise _as_write(unreadable(call, reply, error.message), call) from None
        return reply

    def _send(self, call: Call) -> Reply:
        url = call.url(self._roots[call.api])
        if place_of(url).origin not in self._origins:
            raise ForgeDeniedError("an address of another server is not asked")
        self._gate.enter(call)
        try:
            reply = self._web.send(
                call.method,
                url,
                allowed=self._allowed,
                headers=self._headers(call),
                body=b"" if call.body is None else json.dumps(call.body).encode(),
                deadline_s=_DEADLINE_S,
                cap_bytes=_CAP_BYTES,
            )
        except WebUnavailableError as error:
            raise ForgeUnavailableError(
                error.message, hint=error.hint, sent=error.sent
            ) from None
        except WebError as error:
            raise _as_write(ForgeError(error.message, hint=error.hint), call) from None
        self._gate.heard(reply, self._words(reply) if reply.status >= 400 else "")
        return reply

    def _headers(self, call: Call) -> dict[str, str]:
        kind = {} if call.body is None else {"Content-Type": "application/json"}
        return {
            **self._base_headers,
            **kind,
            **call.headers,
            **self._authority.headers(),
        }

    def _nonsense(self, reply: Reply | None, error: WebError) -> ForgeUnavailableError:
        host = f"{reply.place.host}: " if reply else ""
        return ForgeUnavailableError(
            f"{host}{error.message}", hint="is this the server that was meant?"
        )


def _as_write(error: ForgeError, call: Call) -> ForgeError:
    """Say of a write that was answered unreadably that it may have been done."""
    if call.changes_something and not isinstance(error, ForgeDeniedError):
        return ForgeUnavailableError(error.message, hint=error.hint, sent=True)
    return error
