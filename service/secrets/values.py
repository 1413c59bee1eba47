"""Values for keys: random ones, and what people bring, safe for whoever reads them.

Promise: Directus, YAML and a shell read each value as the very text it is. It must not
write a value anywhere, or show one in an error.
"""

from __future__ import annotations

import re
import secrets
import string
from collections.abc import Mapping, Sequence
from typing import Final

from gitops.errors import InputError
from gitops.secretfile import SecretValue
from service.secrets.keys import KeySpec, RequiredKey

_LETTERS: Final = string.ascii_letters
_CHARACTERS: Final = string.ascii_letters + string.digits


def generate_keys(required: Sequence[KeySpec]) -> dict[str, SecretValue]:
    """Make a random value for each key that is made; the others are left out.

    Letters and digits, a letter first: Directus turns `123e5` into a number, YAML turns
    `0123` into one, and commas make a list.
    """
    return {spec.name: _random(spec.length) for spec in required if spec.is_made}


def _random(length: int) -> SecretValue:
    rest = (secrets.choice(_CHARACTERS) for _ in range(length - 1))
    return SecretValue(secrets.choice(_LETTERS) + "".join(rest))


def complete_keys(
    required: Sequence[RequiredKey], given: Mapping[str, str]
) -> dict[str, SecretValue]:
    """Return a value for each key: the given ones, and made ones for the rest.

    Args:
        required: what the overlay refers to; optional keys are only taken if given.
        given: what a person brings, name -> value.

    Raises:
        InputError: a value that only a person can bring is missing, nothing refers to
            a given one, or it cannot be used.
    """
    names = {key.spec.name for key in required}
    if unused := sorted(set(given) - names):
        raise InputError(
            f"nothing in the overlay refers to {', '.join(unused)}",
            hint=f"it refers to {', '.join(sorted(names)) or 'no key'}",
        )
    wanted = [
        key for key in required if not key.is_optional and key.spec.name not in given
    ]
    missing = [key.spec.name for key in wanted if not key.is_made]
    if missing:
        raise InputError(
            f"values that cannot be made are missing: {', '.join(sorted(missing))}",
            hint="give them on standard input; see docs/secrets.md",
        )
    made = generate_keys([key.spec for key in wanted])
    return made | {name: accepted_value(name, given[name]) for name in given}


# --- values that people bring ---

# Directus takes these for text, whatever they look like (12.4, @directus/env).
_ALWAYS_TEXT = re.compile(
    r"SECRET|DB_(?:USER|PASSWORD|DATABASE)|REDIS_PASSWORD|ADMIN_(?:PASSWORD|TOKEN)"
    r"|EMAIL_SMTP_PASSWORD|STORAGE_[A-Z0-9_]+_SECRET|AUTH_[A-Z0-9_]+_BIND_PASSWORD",
    re.ASCII,
)
_NOT_GUESSED: Final = frozenset({"DB_ROOT_PASSWORD", "METRICS_TOKENS"})
_NUMBER = re.compile(
    r"\s*(?:[-+]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:e[-+]?[0-9]+)?|[-+]?infinity"
    r"|0x[0-9a-f]+|0o[0-7]+|0b[01]+)\s*",
    re.ASCII | re.IGNORECASE,
)
_WORDS: Final = frozenset({"true", "false", "null"})
_PREFIXES: Final = ("string:", "number:", "regex:", "array:", "json:", "boolean:")
_SECRET_BYTES_MIN: Final = 32


def accepted_value(name: str, value: str) -> SecretValue:
    """Accept a value that a person brings, written so that Directus reads that text.

    Raises:
        InputError: empty, with a line end at its end or a NUL, no Unicode text, or a
            SECRET too short.
    """
    if any("\ud800" <= char <= "\udfff" for char in value):
        raise InputError(f"{name}: the value is no Unicode text")
    if not value or value != value.rstrip("\r\n") or "\0" in value:
        raise InputError(
            f"{name}: the value is empty, or ends with a line end",
            hint="a line end would become part of the password: printf, not echo",
        )
    if name == "SECRET" and len(value.encode()) < _SECRET_BYTES_MIN:
        raise InputError(
            f"{name}: {len(value.encode())} bytes; at least {_SECRET_BYTES_MIN}",
            hint="leave it out, and a good one is made",
        )
    if _is_guessed(name) and _looks_cast(value):
        return SecretValue(f"string:{value}")
    return SecretValue(value)


def _is_guessed(name: str) -> bool:
    return not _ALWAYS_TEXT.fullmatch(name) and name not in _NOT_GUESSED


def _looks_cast(value: str) -> bool:
    """Whether Directus might take the text for a number, a list or something else."""
    if value.startswith("string:"):
        return False
    return (
        value.strip().lower() in _WORDS
        or _NUMBER.fullmatch(value) is not None
        or "," in value
        or value.startswith(("{", "[", *_PREFIXES))
    )
