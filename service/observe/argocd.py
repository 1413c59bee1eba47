"""Ask Argo CD's API for an Application.

Its health is of what runs, its sync of what should run, and its last operation of the
way there. A failed operation counts only when it was about the commit that is asked
for: the failure of an older commit says nothing about a newer one.
"""

from __future__ import annotations

from typing import Final

from gitops.errors import WebError
from gitops.model import Health, Json, Sighting
from gitops.web.fields import items_at, text_at, texts_at
from service.observe.asking import Ask, document
from service.observe.words import Running, running, sighting, sighting_of

_UNDER_WAY: Final = ("Running", "Terminating")
_FAILED: Final = ("Failed", "Error")


def look(ask: Ask) -> Sighting:
    """See how an Application is.

    Raises:
        GitopsError: there is no answer, or one that makes no sense.
    """
    name = ask.name
    query = {"appNamespace": ask.namespace} if ask.namespace else None
    app = document(ask.get(f"/api/v1/applications/{name}", query))
    if text_at(app, "metadata", "name") != name:
        raise WebError("the answer is about something else")
    images = texts_at(app, "status", "summary", "images")
    found = running(images, ask.overlay.revision)
    if text_at(app, "metadata", "deletionTimestamp"):
        return sighting_of(found, Health.PROGRESSING, "it is being deleted")
    return _of_health(app, ask, found)


def _of_health(app: Json, ask: Ask, found: Running | None) -> Sighting:
    word = text_at(app, "status", "health", "status")
    why = text_at(app, "status", "health", "message")
    operation = text_at(app, "status", "operationState", "phase")
    is_new = word == "Missing" and operation in _UNDER_WAY
    match word:
        case "Healthy":
            return _of_sync(app, ask, found)
        case "Progressing" | "Suspended":
            return sighting_of(found, Health.PROGRESSING, f"it is {word}", why)
        case "Degraded" | "Missing" if not is_new:
            return sighting_of(found, Health.UNHEALTHY, f"it is {word}", why)
        case "Missing":
            return sighting(Health.PROGRESSING, "its first sync is running")
        case _:
            why = f"its health is {word or 'not known yet'}"
            return sighting(Health.UNKNOWN, why, _complaint(app))


def _of_sync(app: Json, ask: Ask, found: Running | None) -> Sighting:
    """Judge one whose parts are all healthy."""
    status = text_at(app, "status", "sync", "status")
    operation = text_at(app, "status", "operationState", "phase")
    why = text_at(app, "status", "operationState", "message")
    if operation in _UNDER_WAY:
        return sighting_of(found, Health.PROGRESSING, "a sync is running")
    match status:
        case "Synced":
            return sighting_of(found, Health.HEALTHY)
        case "OutOfSync" if operation in _FAILED and _was_tried(app, ask):
            # What runs is the old version; which one failed, the images do not tell.
            return sighting(Health.UNHEALTHY, "its sync failed", why)
        case "OutOfSync":
            return sighting_of(found, Health.PROGRESSING, "it is out of sync")
        case _:
            told = f"its sync is {status or 'not known yet'}"
            return sighting(Health.UNKNOWN, told, _complaint(app))


def _was_tried(app: Json, ask: Ask) -> bool:
    state = ("status", "operationState", "syncResult", "revision")
    return not ask.commit or text_at(app, *state) == ask.commit


def _complaint(app: Json) -> str:
    """Return what Argo CD complains of, such as a repository that it cannot read."""
    for item in items_at(app, "status", "conditions"):
        if text_at(item, "type").endswith("Error"):
            return text_at(item, "message")
    return ""
