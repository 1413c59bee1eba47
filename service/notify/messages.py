"""An entry of the audit trail as a message. Pure.

What stands in an entry came from outside: names, titles, reasons. In a text for people
it is one line, without markup, mentions or links of its own (R17).
"""

from __future__ import annotations

import hashlib
import hmac
import json
import unicodedata
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final, assert_never

from gitops.model import Intent, Json, SetConfig, SetRevision, UnsetConfig
from service.configuration import SinkKind
from service.store.audit import Entry

_LONGEST: Final = 300
_BREAK: Final = "\u200b"  # zero width: "@channel" is a word, and calls nobody
_SHOWN: Final = ("title", "reason", "problem", "override")


@dataclass(frozen=True, slots=True, kw_only=True)
class Message:
    """One entry, with what everybody wants to know.

    Attributes:
        number: of the entry; the same entry has the same one.
        event: the action.
        repository: empty for the service as a whole.
        stack: empty where there is none.
        environment: empty where there is none.
        version: empty where there is none.
        pull_request: its number; None where there is none.
        url: a page about it; None without a public address.
        by: who.
        at: UTC, ISO 8601.
        details: everything else that the entry says.
    """

    number: int
    event: str
    repository: str
    stack: str
    environment: str
    version: str
    pull_request: int | None
    url: str | None
    by: str
    at: str
    details: dict[str, Json]


def message_of(
    entry: Entry, *, changes: Iterable[Intent] = (), public_url: str = ""
) -> Message:
    """Return the message of an entry.

    Args:
        entry: of the trail.
        changes: those that it is about, for what the entry itself does not say; what
            they do not agree on is left out.
        public_url: the service's own; empty for no links.
    """
    known = _agreed(changes)
    details = {**known, **details_of(entry)}
    pull_request = pull_request_of(details)
    details.pop("pull_request", None)
    page = f"{public_url}/repositories/{entry.repository}"
    has_page = public_url and entry.repository
    return Message(
        number=entry.number,
        event=entry.action,
        repository=entry.repository,
        stack=_text(details.pop("stack", None)),
        environment=_text(details.pop("environment", None)),
        version=_text(details.pop("version", None)),
        pull_request=pull_request,
        url=(f"{page}/pull-requests/{pull_request}" if pull_request else page)
        if has_page
        else None,
        by=entry.by,
        at=entry.at,
        details=details,
    )


def _agreed(changes: Iterable[Intent]) -> dict[str, Json]:
    """Return stack, environment and version, each where there is one only."""
    found: dict[str, set[str]] = {
        "stack": set(),
        "environment": set(),
        "version": set(),
    }
    for intent in changes:
        for change in intent.plan.changes:
            if isinstance(change, SetRevision | SetConfig | UnsetConfig):
                found["stack"].add(change.target.stack)
                found["environment"].add(change.target.environment)
            if isinstance(change, SetRevision):
                found["version"].add(change.revision.tag)
    return {name: next(iter(said)) for name, said in found.items() if len(said) == 1}


def pull_request_of(details: Mapping[str, Json]) -> int | None:
    """Return the number of the pull request that an entry is about."""
    number = details.get("pull_request")
    return number if isinstance(number, int) else None


def details_of(entry: Entry) -> dict[str, Json]:
    """Read what an entry says beside who, what, when and where."""
    found = json.loads(entry.details)
    return dict(found) if isinstance(found, dict) else {}


def _text(value: Json) -> str:
    return value if isinstance(value, str) else ""


def body_of(message: Message, kind: SinkKind) -> bytes:
    """Return what is posted, as JSON in UTF-8."""
    match kind:
        case SinkKind.WEBHOOK:
            told: dict[str, Json] = {
                "number": message.number,
                "event": message.event,
                "repository": message.repository or None,
                "stack": message.stack or None,
                "environment": message.environment or None,
                "version": message.version or None,
                "pull_request": message.pull_request,
                "url": message.url,
                "by": message.by,
                "at": message.at,
                "details": message.details,
            }
        case SinkKind.SLACK:
            told = {
                "text": line_of(message),
                "link_names": False,
                "unfurl_links": False,
                "unfurl_media": False,
            }
        case _:
            assert_never(kind)
    return json.dumps(told, sort_keys=True).encode()


def line_of(message: Message) -> str:
    """Return one line of Slack's markup: what happened, to what, by whom."""
    where = " in ".join(filter(None, (message.stack, message.environment)))
    number = f"#{message.pull_request}" if message.pull_request else ""
    told = " ".join(
        escaped(part)
        for part in (message.event, number, where, message.version)
        if part
    )
    more = [
        escaped(value)
        for name in _SHOWN
        if isinstance(value := message.details.get(name), str) and value
    ]
    line = f"{escaped(message.repository)}: {told}" if message.repository else told
    link = f" (<{message.url}|open>)" if message.url else ""
    return f"{': '.join([line, *more])}, by {escaped(message.by)}{link}"


def escaped(text: str) -> str:
    """Return text as Slack shows it literally, in one line of bounded length."""
    plain = "".join(
        " " if char.isspace() or _is_control(char) else char for char in text
    )
    if len(plain) > _LONGEST:
        plain = plain[: _LONGEST - 1] + "…"
    for char, entity in (("&", "&amp;"), ("<", "&lt;"), (">", "&gt;")):
        plain = plain.replace(char, entity)
    # Markup works at the edge of a word only; a mention needs its first letter.
    for char in "@*_~`":
        plain = plain.replace(char, f"{char}{_BREAK}")
    return plain


def _is_control(char: str) -> bool:
    """Whether it moves, hides or turns text around (R17)."""
    return unicodedata.category(char) in ("Cc", "Cf", "Cs", "Co", "Cn", "Zl", "Zp")


def signed(body: bytes, secret: str) -> str:
    """Return the signature of a body: HMAC-SHA256 over its bytes, in hex."""
    found = hmac.new(secret.encode(), body, hashlib.sha256)
    return f"sha256={found.hexdigest()}"
