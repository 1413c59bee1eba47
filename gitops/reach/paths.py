"""From a value of a path-valued field to a path of this repository, or a refusal.

Pure. kustomize itself decides by the look of a value whether it is an address; this
module refuses everything that could look like one to it, also where a folder of that
name exists (it clones ``github.com/a/b`` although the folder is there: measured).
"""

from __future__ import annotations

import re
from typing import Final

from gitops.errors import TreeError
from gitops.layout import checked_path, joined

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:", re.ASCII)
_HOST = re.compile(r"(?:[A-Za-z0-9-]+\.)+[A-Za-z]{2,}", re.ASCII)
_USERINFO = re.compile(r"//[^/]*@")
_SHOWN: Final = 80


class UnsafePathError(Exception):
    """The value is not a path of this repository; the text says what it is instead."""


def local_path(folder: str, value: str) -> str:
    """Resolve a value against the folder of its kustomization.

    Args:
        folder: of the kustomization file; "" is the repository's root.
        value: as written.

    Returns:
        A path of the repository; "" is its root.

    Raises:
        UnsafePathError: it is an address, absolute, or leaves the repository.
    """
    reason = _why_not(value)
    if reason:
        raise UnsafePathError(reason)
    try:
        path = joined(folder, value)
    except TreeError as error:
        raise UnsafePathError("leaves the repository") from error
    try:
        return checked_path(path) if path else ""
    except TreeError as error:
        raise UnsafePathError("is not a path that may be used") from error


def shown(value: str) -> str:
    """Quote a hostile value for people: ASCII, bounded, without what may be secret."""
    address, query, _ = value.partition("?")
    return ascii(_USERINFO.sub("//", address)[:_SHOWN] + ("?..." if query else ""))


def _why_not(value: str) -> str:
    first, slash, _ = value.partition("/")
    rules = (
        (not value.strip(), "is empty"),
        (_has_controls(value), "holds a line break or another control character"),
        ("://" in value or _SCHEME.match(value), "is a URL"),
        ("::" in value, "is a URL"),
        ("git@" in value or "?" in value, "is the address of a remote repository"),
        (slash and "@" in first, "is the address of a remote repository"),
        (":" in value, "holds a colon, as addresses do"),
        (value.startswith("/"), "is an absolute path"),
        ("\\" in value, "holds a backslash"),
        (slash and _HOST.fullmatch(first), "begins like the address of a host"),
    )
    return next((reason for broken, reason in rules if broken), "")


def _has_controls(value: str) -> bool:
    return any(ord(char) < 32 or 127 <= ord(char) < 160 for char in value)
