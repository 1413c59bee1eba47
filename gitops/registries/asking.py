"""The requests that a registry is asked with: tags, manifests, blobs; with its login.

Rule: OCI distribution specification 1.1. Promises: what authorises us is shown to the
registry alone; pages are followed at the registry itself; a blob that it keeps
elsewhere is fetched without any credential, and only from where the operator allows.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Final
from urllib.parse import urljoin

from gitops.errors import InputError, RegistryError, RegistryUnavailableError
from gitops.registries.access import Access, Talk, talk
from gitops.registries.manifests import ACCEPT
from gitops.registries.references import scope_of
from gitops.registries.tokens import authorization
from gitops.web import Allowed, Answer, Place, Web, place_of

MAX_PAGES: Final = 100

_PAGE: Final = 1000
_MANIFEST_BYTES: Final = 4 << 20
_CONFIG_BYTES: Final = 4 << 20
_LIST_BYTES: Final = 8 << 20
_UNAUTHORIZED: Final = 401
_REDIRECTS: Final = frozenset({301, 302, 303, 307, 308})
_REMAINING: Final = re.compile(r"\s*([0-9]{1,9})\s*(?:;|$)", re.ASCII)


class Line:
    """A line to one registry; may be used by many threads at once.

    Attributes:
        remaining: pulls that are left, as the registry last said; None if it does not.
    """

    def __init__(self, web: Web, access: Access) -> None:
        self.remaining: int | None = None
        self._web = web
        self._access = access
        self._shown: dict[str, str] = {}

    def talk(self, deadline_s: float) -> Talk:
        """Begin a question that may take so many seconds."""
        return talk(self._web, self._access, deadline_s)

    def pages(self, talking: Talk, repository: str) -> Iterator[Answer]:
        """Yield the answers that list a repository's tags, whatever their status.

        Raises:
            RegistryError: the list goes on at another server, or without end.
        """
        url = f"{self._access.url}/v2/{repository}/tags/list?n={_PAGE}"
        for _ in range(MAX_PAGES):
            answer = self._sent(
                talking, "GET", url, repository, "application/json", _LIST_BYTES
            )
            yield answer
            following = answer.link("next")
            if following is None:
                if answer.names_relation("next"):
                    raise RegistryError(
                        f"{answer.place.host}: its list of tags goes on elsewhere"
                    )
                return
            url = following
        raise RegistryError(
            f"{self._access.place.host}: its list of tags has no end",
            hint=f"up to {MAX_PAGES} pages are read",
        )

    def manifest(
        self, talking: Talk, repository: str, reference: str, *, method: str = "GET"
    ) -> Answer:
        """Ask what a tag or digest stands for."""
        url = f"{self._access.url}/v2/{repository}/manifests/{reference}"
        return self._sent(talking, method, url, repository, ACCEPT, _MANIFEST_BYTES)

    def blob(self, talking: Talk, repository: str, digest: str) -> Answer | None:
        """Fetch a small blob; None where it is kept at a place that we must not ask.

        The caller compares the digest, so nothing is believed of that place.

        Raises:
            RegistryUnavailableError: no answer.
        """
        url = f"{self._access.url}/v2/{repository}/blobs/{digest}"
        answer = self._sent(talking, "GET", url, repository, "*/*", _CONFIG_BYTES)
        if answer.status not in _REDIRECTS:
            return answer
        there = _elsewhere(answer)
        return None if there is None else self._moved(talking, answer, there)

    def _moved(self, talking: Talk, answer: Answer, there: Place) -> Answer | None:
        is_here = there.origin == answer.place.origin
        try:
            return talking.send(
                "GET",
                there.url,
                headers={"Accept": "*/*"},
                allowed=self._allowed if is_here else self._access.allowed,
                cap_bytes=_CONFIG_BYTES,
                hide_path=True,  # it may be signed
            )
        except RegistryUnavailableError:
            raise
        except RegistryError:
            return None

    def _sent(
        self,
        talking: Talk,
        method: str,
        url: str,
        repository: str,
        accept: str,
        cap_bytes: int,
    ) -> Answer:
        """Send a request; where a login or a token is wanted, once more with it."""
        scope = scope_of(repository)

        def send(shown: str) -> Answer:
            more = {"Authorization": shown} if shown else {}
            return talking.send(
                method,
                url,
                headers={"Accept": accept} | more,
                allowed=self._allowed,
                cap_bytes=cap_bytes,
            )

        answer = send(self._shown.get(scope, ""))
        if answer.status == _UNAUTHORIZED:
            self._shown.pop(scope, None)
            shown = authorization(talking, answer, scope)
            answer = send(shown)
            if answer.status != _UNAUTHORIZED:
                self._shown[scope] = shown
        self._note_limit(answer)
        return answer

    @property
    def _allowed(self) -> Allowed:
        allowed = self._access.allowed
        return replace(allowed, named=allowed.named | {self._access.place.host})

    def _note_limit(self, answer: Answer) -> None:
        found = _REMAINING.match(answer.headers.get("ratelimit-remaining", ""))
        if found is not None:
            self.remaining = int(found[1])


def _elsewhere(answer: Answer) -> Place | None:
    """Return where a redirect leads, unless that is less protected."""
    try:
        there = place_of(urljoin(answer.place.url, answer.headers.get("location", "")))
    except (InputError, ValueError):
        return None
    is_lower = there.scheme != "https" and answer.place.scheme == "https"
    return None if is_lower else there
