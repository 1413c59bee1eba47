"""TELL, what must not be shown: values that are, or look like, secrets.

Promise: no value of a Secret, of a secret-looking name, or of a known token's shape
leaves this module; a changed one is told as changed. It hides too much rather than
too little, and never says what the value was, not even as a plain hash (a short
password can be found from its hash).
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from gitops.model import Json
from gitops.secretnames import is_secret, is_secret_name
from gitops.tokenshapes import with_tokens_hidden

MASK: Final = "***"
CHANGED_MASK: Final = "*** (new value)"

_VARIABLE: Final = re.compile(r"[A-Z][A-Z0-9_]*")
_FIELDS: Final = frozenset(
    {
        "password",
        "passwd",
        "passphrase",
        "token",
        "apikey",
        "clientsecret",
        "privatekey",
        "accesstoken",
        "accesskey",
        "bearertoken",
    }
)
_FIELD_ENDS: Final = ("password", "passwd", "passphrase")
_WHOLE_FILES: Final = frozenset({".dockerconfigjson", ".dockercfg", ".htpasswd"})
# A part that is an object of another kind: what is sealed has a Secret in clear in it.
_KINDS_BELOW: Final = {
    ("SealedSecret", "spec"): "SealedSecret.spec",
    ("SealedSecret.spec", "template"): "Secret",
}
_HIDDEN_ANNOTATIONS: Final = frozenset(
    {"kubectl.kubernetes.io/last-applied-configuration"}
)

# What is hidden wherever it stands: the named group is the secret part. Each pattern
# begins where a word begins and has bounds, so that a hostile text costs linear time.
_SHAPES: Final = tuple(
    re.compile(pattern)
    for pattern in (
        r"(?P<hidden>-----BEGIN [A-Z ]*PRIVATE KEY-----[\s\S]*?"
        r"(?:-----END [A-Z ]*PRIVATE KEY-----|\Z))",
        r"://[^\s/@:]*:(?P<hidden>[^\s/]+)@",
        r"(?i)\b(?:bearer|basic)\s+(?=\S*\d)(?P<hidden>[\w+/=.~-]{12,})",
        r"(?i)(?<![\w-])--?[\w-]{0,40}(?:password|passwd|passphrase|secret|token"
        r"|api-?key)[\w-]{0,40}=(?P<hidden>\S+)",
        r"(?P<hidden>\$(?:argon2\w*|2[aby]|apr1|[1567y])\$\S{8,})",
        r"://(?P<hidden>[^\s/@:]{8,})@",  # a token in place of user and password
        r"(?i)(?<![\w-])--?[\w-]{0,40}(?:password|passwd|passphrase|pass|secret|token"
        r"|api-?key)[ \t]{1,8}[\"']?(?P<hidden>[^\s\"'$-][^\s\"']*)",
    )
)
# A word before a sign of assignment that may say secret: looked at more closely then.
_NAME: Final = (
    r"(?<![\w.-])(?=[\w.-]{0,60}(?i:pass|secret|token|cred|pwd|service|connect)"
    r"|[\w.-]{1,60}(?i:key))"
    r"(?P<bare>[\w.-]{1,60})"
)
# A line of an env, YAML or ini file; a variable set in front of a shell command; and
# inside of a line: JSON, the same as text in JSON, an attribute, a part of a query or
# of a list of settings, an element of XML.
_ASSIGNMENTS: Final = (
    re.compile(
        r"(?m)^(?P<name>[ \t\"']*(?:export[ ]+)?(?P<bare>[\w.-]+)[\"']?"
        r"[ \t]*(?:=[ \t]*|:[ \t]+))(?P<hidden>\S.*)$"
    ),
    re.compile(
        r"(?<![\w-])(?P<name>(?P<bare>[A-Z][A-Z0-9_]{2,60})=[\"']?)"
        r"(?P<hidden>[^\s\"'$]\S*)"
    ),
    re.compile(
        rf"(?P<name>{_NAME}[\"']?[ \t]{{0,8}}[:=][ \t]{{0,8}}\")"
        r"(?P<hidden>(?![$<{*%])(?:\\.|[^\"\\\n])+)"
    ),
    re.compile(
        rf"(?P<name>{_NAME}[\"']?[ \t]{{0,8}}[:=][ \t]{{0,8}}')"
        r"(?P<hidden>(?![$<{*%])[^'\n]+)"
    ),
    re.compile(
        rf"(?P<name>{_NAME}\\{{1,3}}\"[ \t]{{0,8}}:[ \t]{{0,8}}\\{{1,3}}\")"
        r"(?P<hidden>(?![$<{*%])[^\\\n]+)"
    ),
    re.compile(
        rf"(?P<name>{_NAME}(?:=|:[ \t]{{1,8}}))"
        r"(?P<hidden>[^\s\"'`$<{\[*%/&,;>}\\][^\s\"'`,;&<>}\\]*)"
    ),
    re.compile(rf"(?P<name><{_NAME}>)(?P<hidden>(?![$<{{*%])[^<\n]+)"),
)
_FLAG: Final = re.compile(
    r"(?i)--?[\w-]{0,40}(?:password|passwd|passphrase|pass|secret|token|api-?key)"
)


def shown_value(name: str, value: str) -> str:
    """Return a value as it may be shown next to a name or the path of a field."""
    if any(_is_hidden(part, value) for part in re.findall(r"[\w.-]+", name)):
        return MASK
    return redacted(value)


def redacted(text: str) -> str:
    """Hide the secret parts of free text."""
    return Masker().text(text)


@dataclass(slots=True)
class Masker:
    """Hides the secrets of one object, and remembers them to tell a changed one.

    Attributes:
        known: hidden values of the object as it was; None while reading that one.
        seen: the values hidden so far.
    """

    known: frozenset[str] | None = None
    seen: set[str] = field(default_factory=set)

    def after(self) -> Masker:
        """Return the masker for the object as it will be."""
        return Masker(known=frozenset(self.seen))

    def hide(self, value: str) -> str:
        """Return what stands for a hidden value."""
        if not value:
            return value
        self.seen.add(value)
        is_new = self.known is not None and value not in self.known
        return CHANGED_MASK if is_new else MASK

    def text(self, text: str) -> str:
        """Hide the parts of a text that look like secrets."""
        for shape in _SHAPES:
            text = shape.sub(self._without, text)
        text = with_tokens_hidden(text, self.hide)
        for assignment in _ASSIGNMENTS:
            text = assignment.sub(self._without_assigned, text)
        return text

    def _without(self, found: re.Match[str]) -> str:
        start, end = found.span("hidden")
        offset = found.start()
        whole = found[0]
        shown = self.hide(found["hidden"])
        return whole[: start - offset] + shown + whole[end - offset :]

    def _without_assigned(self, found: re.Match[str]) -> str:
        is_shown = found["hidden"].startswith(MASK)
        if is_shown or not _is_hidden(found["bare"], found["hidden"]):
            return found[0]
        return found["name"] + self.hide(found["hidden"])

    def body(self, body: Mapping[str, Json]) -> dict[str, Json]:
        """Return an object with every secret hidden; the shape stays."""
        return self._mapping(body)

    def _value(self, value: Json) -> Json:
        match value:
            case str():
                return self.text(value)
            case Mapping():
                return self._mapping(value)
            case Sequence():
                return self._sequence(value)
            case _:
                return value

    def _mapping(self, value: Mapping[str, Json], kind: str = "") -> dict[str, Json]:
        kind = kind or str(value.get("kind", ""))
        name = str(value.get("name", ""))
        return {key: self._item(kind, name, key, item) for key, item in value.items()}

    def _item(self, kind: str, name: str, key: str, item: Json) -> Json:
        below = _KINDS_BELOW.get((kind, key))
        if below is not None and isinstance(item, Mapping):
            return self._mapping(item, below)
        if kind == "ConfigMap" and key in ("data", "binaryData"):
            return self._config(item)
        is_hidden = (
            _is_hidden(name, item) if key == "value" else _is_secret_field(key, item)
        )
        if is_hidden or (kind == "Secret" and key == "data") or key == "stringData":
            return self._all(item)
        return self._value(item)

    def _config(self, data: Json) -> Json:
        if not isinstance(data, Mapping):
            return self._value(data)
        return {
            key: self._all(item) if _is_hidden(key, item) else self._value(item)
            for key, item in data.items()
        }

    def _sequence(self, items: Sequence[Json]) -> Json:
        result: list[Json] = []
        previous: Json = None
        for item in items:
            follows_flag = isinstance(previous, str) and _FLAG.fullmatch(previous)
            result.append(self._all(item) if follows_flag else self._value(item))
            previous = item
        return result

    def _all(self, value: Json) -> Json:
        """Hide every scalar below a value."""
        match value:
            case Mapping():
                return {key: self._all(item) for key, item in value.items()}
            case str():
                return self.hide(value)
            case Sequence():
                return [self._all(item) for item in value]
            case None | bool():
                return value
            case _:
                return self.hide(str(value))


def _is_hidden(name: str, value: Json) -> bool:
    """Whether the name says secret; what the value says alone is `text`'s to hide."""
    text = value if isinstance(value, str) else str(value).lower()
    if name in _WHOLE_FILES:
        return True
    return is_secret_name(name) and is_secret(name, text)


def _is_secret_field(key: str, value: Json) -> bool:
    if isinstance(value, Mapping | bool) or value is None:
        return False
    if key in _HIDDEN_ANNOTATIONS:
        return True
    if _VARIABLE.fullmatch(key):
        return _is_hidden(key, value)
    word = key.rpartition("/")[2].replace("-", "").replace("_", "").lower()
    return word in _FIELDS or word.endswith(_FIELD_ENDS)
