"""Ask one health source about one target: its address, its token, what may be reached.

The names that are put into an address come from a repository, so each must be a plain
label: nothing in Git decides which host is asked beyond what the operator left open.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Final
from urllib.parse import urlencode

from gitops.errors import InputError, WebError
from gitops.model import CommitId, Json, Overlay
from gitops.web import Allowed, Answer, Web, place_of
from service.clock import monotonic_s
from service.configuration import HealthSource

_LABEL: Final = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", re.ASCII)
_CAP_BYTES: Final = 8 << 20  # an Application with a thousand objects has some 2 MB
_NO_STORE: Final = {"Cache-Control": "no-store"}
_OK: Final = 200
_REFUSED: Final = {
    401: "the token is not accepted",
    403: "no right to read it, or it is not there",
    404: "it is not there",
    429: "it is asked too often",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    """One source, ready to be asked about one target.

    Attributes:
        source: whom.
        overlay: about what.
        commit: the base branch, where `overlay` was read; empty when not known.
        web: by what.
        ends_at: monotonic; when all has to be answered.
    """

    source: HealthSource
    overlay: Overlay
    commit: CommitId
    web: Web
    ends_at: float

    @property
    def name(self) -> str:
        """The name of the object that is asked for."""
        return self._filled(self.source.application)

    @property
    def namespace(self) -> str:
        """The namespace of that object; may be empty."""
        return self._filled(self.source.namespace)

    @property
    def origin(self) -> tuple[str, str, int]:
        """Who is asked: scheme, host and port."""
        return place_of(self._filled(self.source.url)).origin

    def get(self, path: str, query: Mapping[str, str] | None = None) -> Answer:
        """Send a GET, with the token where there is one.

        Raises:
            InputError: the token or the authorities cannot be read.
            WebError: no answer that can be read.
        """
        base = self._filled(self.source.url)
        place = place_of(base)
        credential = self.source.credential
        token = credential.reveal().get_secret_value() if credential else ""
        return self.web.send(
            "GET",
            f"{base}{path}{f'?{urlencode(query)}' if query else ''}",
            allowed=self._allowed(place.host),
            headers=_NO_STORE | ({"Authorization": f"Bearer {token}"} if token else {}),
            deadline_s=max(self.ends_at - monotonic_s(), 0.001),
            cap_bytes=_CAP_BYTES,
            tries=1,  # the next pass asks again
        )

    def _allowed(self, host: str) -> Allowed:
        allowed, ca = self.source.allowed, self.source.ca
        return replace(
            allowed,
            named=allowed.named | {host},
            authorities=ca.read() if ca else "",
        )

    def _filled(self, pattern: str) -> str:
        names = {
            "stack": self.overlay.target.stack,
            "environment": self.overlay.target.environment,
            "namespace": self.overlay.namespace,
        }
        for name, value in names.items():
            if f"{{{name}}}" not in pattern:
                continue
            if not value:
                raise InputError(f"the overlay sets no {name}")
            if not _LABEL.fullmatch(value):
                raise InputError(f"the overlay's {name} is no plain name")
            pattern = pattern.replace(f"{{{name}}}", value)
        return pattern


def document(answer: Answer) -> Json:
    """Return what a 200 says.

    Raises:
        WebError: another status, or no JSON.
    """
    if answer.status != _OK:
        why = _REFUSED.get(answer.status, f"it answers {answer.status}")
        raise WebError(f"{answer.place.host}: {why}")
    return answer.json()
