"""Bytes to characters, and the way back from a character's index to its byte."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Callable
from itertools import accumulate
from typing import Final

from gitops.errors import YamlError
from gitops.yamltext.nodes import Limits

BOM: Final = b"\xef\xbb\xbf"
_NON_ASCII = re.compile(r"[^\x00-\x7f]")
_ODD_BREAK = re.compile("[\x85\u2028\u2029]")
_TAG_DIRECTIVE = re.compile(r"^%TAG", re.MULTILINE)
_TAG_DIRECTIVES_MAX: Final = 8  # libyaml compares each with all: 50,000 take 3 s


def decode(text: bytes, path: str, limits: Limits) -> str:
    """Return the text without a byte order mark.

    Raises:
        YamlError: too large, not UTF-8, or with characters that no reader agrees on.
    """
    if len(text) > limits.size:
        raise YamlError(
            f"{len(text)} bytes; at most {limits.size} are read",
            path=path,
            hint="split the file",
        )
    try:
        decoded = text.removeprefix(BOM).decode("utf-8")
    except UnicodeDecodeError as error:
        raise YamlError(
            f"byte 0x{text.removeprefix(BOM)[error.start]:02x} is not UTF-8",
            path=path,
            line=text.count(b"\n", 0, error.start) + 1,
            hint="save the file as UTF-8",
        ) from error
    odd = "\0" if "\0" in decoded else None
    if odd is None and not limits.odd_breaks and not decoded.isascii():
        found = _ODD_BREAK.search(decoded)
        odd = found[0] if found else None
    if odd is not None:
        raise YamlError(
            f"character U+{ord(odd):04X} is not allowed",
            path=path,
            line=decoded.count("\n", 0, decoded.index(odd)) + 1,
            hint="save the file as UTF-8, without this character",
        )
    if len(_TAG_DIRECTIVE.findall(decoded)) > _TAG_DIRECTIVES_MAX:
        raise YamlError(f"more than {_TAG_DIRECTIVES_MAX} %TAG lines", path=path)
    return decoded


def byte_offsets(text: str, skipped: int) -> Callable[[int], int]:
    """Return the function from PyYAML's character index to our byte offset."""
    if text.isascii():
        return lambda index: index + skipped
    wide = [found.start() for found in _NON_ASCII.finditer(text)]
    extra = [0, *accumulate(len(text[at].encode()) - 1 for at in wide)]
    return lambda index: index + skipped + extra[bisect_left(wide, index)]
