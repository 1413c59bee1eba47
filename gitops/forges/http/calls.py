"""A call of a forge's API, and what was answered: values, no I/O.

A path is a list of segments, each quoted whole, so no name of a branch or a repository
can lead elsewhere. A talk asks for calls one after another and ends with what they
said; who holds it sends them, so every rule of the wire is in one place.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Mapping
from dataclasses import dataclass, field
from typing import Final, TypeAlias, TypeVar
from urllib.parse import quote, urlencode

from gitops.errors import ForgeUnavailableError
from gitops.model import Json
from gitops.web import Answer

T = TypeVar("T")

FINE: Final = frozenset({200, 201, 202, 204})
_READS: Final = frozenset({"GET", "HEAD"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One request.

    Attributes:
        method: in capitals.
        path: segments below the API's root, not quoted yet.
        query: pairs, in order.
        body: sent as JSON; None for no body.
        accepts: statuses that the asker reads itself; others become an error.
        api: which of the forge's roots it goes to; "" for the first.
        page: a whole address that an earlier answer gave, instead of path and query.
        is_read: it changes nothing, whatever its method (a GraphQL query).
        headers: more of them, without credentials.
        missing: what is not there when the answer is 404, for the error.
    """

    method: str
    path: tuple[str, ...] = ()
    query: tuple[tuple[str, str], ...] = ()
    body: Json = None
    accepts: frozenset[int] = FINE
    api: str = ""
    page: str = ""
    is_read: bool = False
    headers: Mapping[str, str] = field(default_factory=dict)
    missing: str = ""

    @property
    def changes_something(self) -> bool:
        """Whether the forge may be another one afterwards."""
        return self.method not in _READS and not self.is_read

    def url(self, root: str) -> str:
        """Return the whole address.

        Args:
            root: of the API, without a slash at its end.
        """
        if self.page:
            return self.page
        path = "".join(f"/{quote(segment, safe='')}" for segment in self.path)
        query = f"?{urlencode(self.query, quote_via=quote)}" if self.query else ""
        return f"{root}{path}{query}"


Reply: TypeAlias = Answer
Talk: TypeAlias = Generator[Call, Reply, T]
"""Asks for calls and is given their answers; returns what it wanted to know."""


def get(*path: str, missing: str = "", **query: str | int) -> Call:
    """Make a call that reads."""
    pairs = tuple((name, str(value)) for name, value in query.items())
    return Call(method="GET", path=path, query=pairs, missing=missing)


def collect(
    call: Call,
    items: Callable[[Reply], tuple[Json, ...]],
    following: Callable[[Call, Reply], Call | None],
    *,
    max_pages: int = 200,
) -> Talk[tuple[Json, ...]]:
    """Read every page of a list.

    Args:
        call: of the first page.
        items: what one page holds.
        following: the call of the next page; None after the last.
        max_pages: more are taken for an endless list.

    Raises:
        ForgeUnavailableError: the list does not end.
    """
    found: list[Json] = []
    for _ in range(max_pages):
        reply = yield call
        found += items(reply)
        more = following(call, reply)
        if more is None:
            return tuple(found)
        call = more
    raise ForgeUnavailableError(f"the list has more than {max_pages} pages")


def by_link(call: Call, reply: Reply) -> Call | None:
    """Return the page that a `Link` names; one of another origin is none (R11).

    Raises:
        ForgeUnavailableError: there is a next page, and it is somebody else's.
    """
    following = reply.link("next")
    if following is None:
        if reply.names_relation("next"):
            raise ForgeUnavailableError(
                f"{reply.place.host}: its list goes on at another address",
                hint="is a proxy in between that does not rewrite links?",
            )
        return None
    return Call(
        method=call.method,
        accepts=call.accepts,
        api=call.api,
        page=following,
        headers=call.headers,
        missing=call.missing,
    )
