"""Which settings are secret, judged by name and by form of value.

One answer for every step that must keep secrets out of Git: the plan that refuses to
write one, the rule that finds one. Pure text; it never looks at a real credential.
"""

from __future__ import annotations

import re
from typing import Final

_SECRET: Final = re.compile(
    r"PASSWORD|PASSWD|PASSPHRASE|SECRET|TOKEN|KEY$|CREDENTIALS|CONNECTION_STRING"
    r"|SERVICE_ROLE|AUTHORIZATION$|_(PASS|PWD)$",
    re.IGNORECASE | re.ASCII,
)
# Names that hold such a word but carry a duration, a switch, a file name or a name.
_HARMLESS: Final = re.compile(
    r".*(_TTL|_COOKIE_.*|_TOKENS?_LIMIT|MAX_TOKENS|_ENABLED|_FILE|_FILENAME"
    r"|_IDENTIFIER_KEY|_EMAIL_KEY|_NAME_KEY|_KMS_KEY_ID|PUBLIC_?KEY"
    r"|_URL_ALLOW_LIST)",
    re.IGNORECASE | re.ASCII,
)
_SWITCH: Final = frozenset({"", "true", "false", "null", "yes", "no", "1", "0"})
_USERINFO: Final = re.compile(
    r"[a-z][a-z0-9+.-]{0,30}://[^/\s:@]*:([^/\s@]+)@[^\s/@]", re.IGNORECASE | re.ASCII
)
_PLACEHOLDER: Final = re.compile(r"[$<{*%]")


def is_secret_name(name: str) -> bool:
    """Whether a setting of this name holds a secret, whatever its value.

    Source: the variables of Directus (@directus/env) and the words people use.
    """
    return bool(_SECRET.search(name)) and not _HARMLESS.fullmatch(name)


def holds_password(value: str) -> bool:
    """Whether a value is an address with a password in it (``redis://:pw@host``)."""
    if "://" not in value or "@" not in value:  # by far the most, and far cheaper
        return False
    found = (match[1] for match in _USERINFO.finditer(value))
    return any(not _PLACEHOLDER.match(password) for password in found)


def is_secret(name: str, value: str) -> bool:
    """Whether this setting with this value must not be written to Git.

    An empty value and a mere switch are no secret, even under a secret name.
    """
    if holds_password(value):
        return True
    return value.strip().lower() not in _SWITCH and is_secret_name(name)
