"""What is read from a payload, once it is proved: which repository, which notification.

Pure. A payload is a hint, so nothing in it is an error: what cannot be read says
nothing. No address in it is ever asked, and no text of it is shown or stored.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Final
from urllib.parse import unquote, urlsplit

from gitops.model import Json
from service.configuration import ForgeKind

_ADDRESS_ONLY: Final = frozenset({"scm", "_git"})
_LONGEST: Final = 500


def repository_name(forge: ForgeKind, body: bytes) -> tuple[str, ...]:
    """Return which repository an event is of: its path's parts in lower case.

    Returns:
        The last parts of the address of the repository, such as `acme` and `fleet`;
        empty where the payload does not say.
    """
    payload = _parsed(body)
    match forge:
        case ForgeKind.GITHUB | ForgeKind.GITEA | ForgeKind.FORGEJO:
            return _split(_text(payload, "repository", "full_name"))
        case ForgeKind.GITLAB:
            return _split(_text(payload, "project", "path_with_namespace"))
        case ForgeKind.BITBUCKET | ForgeKind.BITBUCKET_DATACENTER:
            return _split(_bitbucket(payload))
        case ForgeKind.AZURE:
            return _split(_azure(payload))
        case ForgeKind.EMBEDDED:
            return ()


def is_of(url: str, name: tuple[str, ...]) -> bool:
    """Whether the address of a repository ends with the parts of a name.

    Args:
        url: as the operator wrote it.
        name: see repository_name.
    """
    parts = tuple(
        part
        for part in _split(unquote(urlsplit(url).path).removesuffix(".git"))
        if part not in _ADDRESS_ONLY
    )
    return bool(name) and parts[-len(name) :] == name


def notification_of(body: bytes) -> str:
    """Return what Azure DevOps tells its notifications apart by; empty without it."""
    payload = _parsed(body)
    event = _text(payload, "id")
    number = _at(payload, "notificationId")
    if not event or isinstance(number, bool) or not isinstance(number, int):
        return ""
    return f"{event} {number}" if abs(number) < 1 << 63 else ""


def _parsed(body: bytes) -> Json:
    try:
        found: Json = json.loads(body)
    except (ValueError, RecursionError):
        return None
    return found


def _at(payload: Json, *keys: str) -> Json:
    for key in keys:
        payload = payload.get(key) if isinstance(payload, dict) else None
    return payload


def _text(payload: Json, *keys: str) -> str:
    found = _at(payload, *keys)
    return found if isinstance(found, str) and len(found) <= _LONGEST else ""


def _bitbucket(payload: Json) -> str:
    """Return the name; Data Center says project and repository, on pulls elsewhere."""
    if cloud := _text(payload, "repository", "full_name"):
        return cloud
    for place in (("repository",), ("pullRequest", "toRef", "repository")):
        project = _text(payload, *place, "project", "key")
        slug = _text(payload, *place, "slug")
        if project and slug:
            return f"{project}/{slug}"
    return ""


def _azure(payload: Json) -> str:
    place = ("resource", "repository")
    name = _text(payload, *place, "name")
    project = _text(payload, *place, "project", "name")
    # A repository that is called as its project may be addressed without it.
    is_main = project.lower() == name.lower()
    return name if is_main or not name else f"{project}/{name}"


def _split(path: str) -> tuple[str, ...]:
    return tuple(_parts(path))


def _parts(path: str) -> Iterator[str]:
    for part in path.lower().split("/"):
        if part:
            yield part
