"""Ask Directus itself, over HTTP.

`/server/info` with `no-store` reads the database, so a 200 means alive, database
included; `/server/ping` does not, and is never asked. With a token it tells the version
too, and an administrator's sees the checks of `/server/health`, which since 12.0
answers nobody else. They write to every storage; Directus keeps them for five minutes.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from gitops.errors import WebError
from gitops.model import Health, Json, Sighting
from gitops.web.fields import items_at, mapping_at, text_at
from service.observe.asking import Ask, document
from service.observe.words import sighting

_BROKEN: Final = 500
_HEALTH_STATUSES: Final = (200, 503)
_SHOWN: Final = 3


def look(ask: Ask) -> Sighting:
    """See how a Directus is.

    Raises:
        GitopsError: there is no answer, or one that makes no sense.
    """
    answer = ask.get("/server/info")
    if answer.status >= _BROKEN:
        return sighting(
            Health.UNHEALTHY,
            f"/server/info answers {answer.status}: Directus or its database is down",
        )
    data = mapping_at(document(answer), "data")
    if "project" not in data:  # every Directus tells it to everyone
        raise WebError("the answer is not that of a Directus")
    version = text_at(data, "version")
    if data.get("setup") or data.get("setupCompleted") is False:
        return sighting(
            Health.PROGRESSING, "it waits for its first administrator", version=version
        )
    seen = sighting(Health.HEALTHY, version=version)
    return _with_checks(ask, seen) if ask.source.credential else seen


def _with_checks(ask: Ask, seen: Sighting) -> Sighting:
    """Add what the checks say, to whoever may see them."""
    answer = ask.get("/server/health")
    if answer.status not in _HEALTH_STATUSES:
        return seen
    checks = answer.json()
    match text_at(checks, "status"):
        case "error":
            return sighting(
                Health.UNHEALTHY, _named(checks, "error"), version=seen.version
            )
        case "warn":
            return sighting(
                Health.HEALTHY, _named(checks, "warn"), version=seen.version
            )
        case _:
            return seen


def _named(checks: Json, status: str) -> str:
    names = sorted(_with_status(checks, status))
    shown = ", ".join(names[:_SHOWN]) + (", ..." if len(names) > _SHOWN else "")
    return f"/server/health says {status}" + (f" of {shown}" if shown else "")


def _with_status(checks: Json, status: str) -> Iterator[str]:
    for name in mapping_at(checks, "checks"):
        found = items_at(checks, "checks", name)
        if any(text_at(one, "status") == status for one in found):
            yield name
