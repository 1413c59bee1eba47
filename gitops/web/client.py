"""Ask a server: look up, check, connect, read, within one deadline; and once more.

Promises (R11): nothing is reached that the operator did not allow; no redirect is
followed; no variable, no cookie and no credential of this machine takes part; it ends.
It is the one layer that asks again, and only for what is safe to ask twice.
"""

from __future__ import annotations

import logging
import re
import secrets
import socket
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from http.cookiejar import CookieJar, DefaultCookiePolicy
from types import MappingProxyType, TracebackType
from typing import Final, Self, TypeAlias

import httpx

from gitops.errors import InputError, WebError, WebUnavailableError
from gitops.web.addresses import Allowed, is_address, refusal
from gitops.web.answers import Answer, collect, too_large
from gitops.web.faults import FOREIGN, told
from gitops.web.places import Place, place_of
from gitops.web.wire import ROUTE, Route, Transport, ending, left_s

Resolve: TypeAlias = Callable[[str, int], tuple[str, ...]]
"""Looks a name up; raises OSError when it has no address."""

_log = logging.getLogger(__name__)

_HEADERS: Final = {
    "User-Agent": "directus-gitops",
    "Accept": "application/json",
    "Accept-Encoding": "gzip",
}
_NONE: Final[Mapping[str, str]] = MappingProxyType({})
_SAFE: Final = frozenset({"GET", "HEAD"})
_AGAIN: Final = frozenset({429, 502, 503, 504})
_FORBIDDEN: Final = 403
_METHOD: Final = re.compile(r"[A-Z]{1,16}", re.ASCII)
_HEADER_NAME: Final = re.compile(r"[A-Za-z0-9-]{1,64}", re.ASCII)
_HEADER_VALUE: Final = re.compile(r"[\x20-\x7e]{0,16384}", re.ASCII)
_OURS: Final = frozenset({"host", "content-length", "transfer-encoding", "connection"})
_BACKOFF_S: Final = 0.5
_LOOKUPS: Final = 8
_NETWORKS: Final = (
    "if it may be reached, list its network or its name in the repository's "
    "networks of service.toml"
)


def look_up(host: str, port: int) -> tuple[str, ...]:
    """Ask the system for the addresses of a name.

    Raises:
        OSError: it has none.
    """
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except UnicodeError as error:
        raise OSError from error
    return tuple(dict.fromkeys(str(entry[4][0]) for entry in found))


class Web:
    """The one HTTP client; may be used by many threads at once.

    Args:
        wait: waits some seconds; without it nothing is asked twice.
        resolve: looks names up.
    """

    def __init__(
        self,
        *,
        wait: Callable[[float], None] | None = None,
        resolve: Resolve = look_up,
    ) -> None:
        self._wait = wait
        self._resolve = resolve
        self._lookups = ThreadPoolExecutor(_LOOKUPS, thread_name_prefix="look-up")
        self._client = httpx.Client(
            transport=Transport(),
            headers=_HEADERS,
            cookies=CookieJar(DefaultCookiePolicy(allowed_domains=())),
            timeout=httpx.Timeout(None),  # the deadline is ours: see wire
            follow_redirects=False,
            trust_env=False,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close every connection."""
        self._client.close()
        self._lookups.shutdown(wait=False, cancel_futures=True)

    def send(
        self,
        method: str,
        url: str,
        *,
        allowed: Allowed,
        headers: Mapping[str, str] = _NONE,
        body: bytes = b"",
        deadline_s: float = 10,
        cap_bytes: int = 1 << 20,
        tries: int = 3,
        hide_path: bool = False,
    ) -> Answer:
        """Send a request and read the whole answer.

        Args:
            method: in capitals.
            url: http or https; the host must be allowed.
            allowed: by the operator.
            headers: more of them; a value may be a credential.
            body: of the request.
            deadline_s: for everything, tries and waiting included.
            cap_bytes: that the body may have, as sent and unpacked.
            tries: of a GET or HEAD, where this client may wait.
            hide_path: the path is a secret, as of an incoming webhook.

        Returns:
            The answer, whatever its status; a redirect is not followed.

        Raises:
            WebUnavailableError: no answer, or it broke off.
            WebError: the address is not allowed, the server's certificate is not
                believed, or the answer breaks a limit.
        """
        place = _checked(method, url, headers)
        more = tries if self._wait is not None and method in _SAFE else 1
        with ending(time.monotonic() + deadline_s):
            for attempt in range(1, more):
                request = self._request(method, place, headers, body, hide_path)
                try:
                    answer = self._once(request, place, allowed, cap_bytes)
                except WebUnavailableError:
                    if not self._waited(attempt, None):
                        raise
                else:
                    again = _is_worth_more(answer)
                    if not again or not self._waited(attempt, answer.retry_after_s):
                        return answer
            request = self._request(method, place, headers, body, hide_path)
            return self._once(request, place, allowed, cap_bytes)

    def _waited(self, attempt: int, wanted_s: float | None) -> bool:
        """Wait before the next try; not if the deadline would be over then."""
        spread = 0.5 + secrets.randbelow(1000) / 2000
        delay_s = wanted_s or _BACKOFF_S * 2 ** (attempt - 1) * spread
        if self._wait is None or delay_s >= left_s():
            return False
        self._wait(delay_s)
        return True

    def _request(
        self,
        method: str,
        place: Place,
        headers: Mapping[str, str],
        body: bytes,
        hide_path: bool,
    ) -> httpx.Request:
        # httpx logs its URL, so that holds no query; what is asked for is the target.
        shown = "/" if hide_path else place.path
        return self._client.build_request(
            method,
            f"{place.scheme}://{place.authority}{shown}",
            headers=dict(headers),
            content=body or None,
            extensions={"target": f"{place.path}{place.query}".encode("ascii")},
        )

    def _once(
        self, request: httpx.Request, place: Place, allowed: Allowed, cap: int
    ) -> Answer:
        route = Route(
            addresses=self._addresses(place, allowed), authorities=allowed.authorities
        )
        request.extensions[ROUTE] = route
        try:
            response = self._client.send(request, stream=True)
            try:
                answer = _read(response, place, cap)
            finally:
                response.close()
        except FOREIGN as error:
            raise told(error, place.host) from None
        shown = request.url.path  # a slash, where the path is a secret
        _log.debug("%s %s%s: %d", request.method, place.host, shown, answer.status)
        return answer

    def _addresses(self, place: Place, allowed: Allowed) -> tuple[str, ...]:
        """Look the host up, and check every address that it has.

        Raises:
            WebUnavailableError: it has none, or that takes too long.
            WebError: one of them may not be reached.
        """
        found = (place.host,) if is_address(place.host) else self._looked_up(place)
        for address in found:
            if why := refusal(place.host, address, allowed):
                raise WebError(
                    f"{place.host}: may not be reached: {why}", hint=_NETWORKS
                )
        return found

    def _looked_up(self, place: Place) -> tuple[str, ...]:
        looking = self._lookups.submit(self._resolve, place.host, place.port)
        try:
            found = looking.result(left_s())
        except TimeoutError:
            looking.cancel()
            found = ()
        except OSError:
            found = ()
        if not found:
            raise WebUnavailableError(
                f"{place.host}: the name has no address",
                sent=False,
                hint="is it spelt right, and does the name server answer?",
            )
        return found


def _checked(method: str, url: str, headers: Mapping[str, str]) -> Place:
    """Read the address, and refuse what could not be sent as it is."""
    good = _METHOD.fullmatch(method) and all(
        _HEADER_NAME.fullmatch(name)
        and name.lower() not in _OURS
        and _HEADER_VALUE.fullmatch(value)
        for name, value in headers.items()
    )
    if not good:
        raise WebError("the request has a method or header that cannot be sent")
    try:
        return place_of(url)
    except InputError as error:
        raise WebError(f"the address {error.message}", hint=error.hint) from None


def _is_worth_more(answer: Answer) -> bool:
    limited = answer.status == _FORBIDDEN and answer.retry_after_s is not None
    return limited or answer.status in _AGAIN


def _read(response: httpx.Response, place: Place, cap: int) -> Answer:
    length = response.headers.get("content-length", "")
    if length.isdecimal() and int(length[:20]) > cap:
        raise too_large(place.host, cap)
    return Answer(
        status=response.status_code,
        headers=_headers(response),
        body=collect(
            response.iter_raw(),
            encoding=response.headers.get("content-encoding", ""),
            cap=cap,
            host=place.host,
        ),
        place=place,
    )


def _headers(response: httpx.Response) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, value in response.headers.multi_items():
        found[name] = f"{found[name]}, {value}" if name in found else value
    return found
