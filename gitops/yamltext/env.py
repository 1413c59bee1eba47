r"""Env files (``config.env``) as text with positions; edited by splice.

Kustomize's reading, measured with v5.5.0 and v5.8.1, is not a shell's:

* One entry a line, ``KEY=VALUE``, split at the first ``=``. White space before the key
  is dropped; white space before and after ``=`` and at the end is kept.
* A line that begins with ``#`` (after white space) and a blank line are skipped. A
  ``#`` later is part of the value, and so are quotes and ``\n``; there is no escape.
* The line break is LF or CRLF; a byte order mark at the beginning is dropped.
* A repeated key fails the build. A line without ``=`` silently becomes a key with an
  empty value, ``=x`` silently vanishes, and at a line of 65,536 bytes the rest of the
  file silently vanishes. We refuse all of these, and keys that a ConfigMap refuses.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

from gitops.errors import InputError, PlanError, YamlError
from gitops.yamltext.characters import BOM
from gitops.yamltext.nodes import FILE_LIMITS

LINE_MAX: Final = 65_535  # bytes of a line; Go's bufio.Scanner stops at one more
_KEY = re.compile(r"[-._a-zA-Z0-9]{1,253}", re.ASCII)  # Kubernetes: ConfigMap keys
_GO_SPACE: Final = (
    "\t\n\v\f\r \x85\xa0\u1680\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008"
    "\u2009\u200a\u2028\u2029\u202f\u205f\u3000"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class EnvLine:
    """One entry.

    Attributes:
        key: the name.
        value: everything after the first ``=``, literally.
        line: 1-based.
        start: first byte of the value.
        end: first byte after it, before the line break.
        line_start: first byte of the line.
        line_end: first byte after its line break.
    """

    key: str
    value: str
    line: int
    start: int
    end: int
    line_start: int
    line_end: int


def parse_env(text: bytes, path: str) -> tuple[EnvLine, ...]:
    """Read the entries in file order.

    Raises:
        YamlError: the first problem; see env_problems.
    """
    entries: list[EnvLine] = []
    for found in _scan(text, path):
        if isinstance(found, YamlError):
            raise found
        entries.append(found)
    return tuple(entries)


def env_problems(text: bytes, path: str) -> tuple[YamlError, ...]:
    """Return every problem in file order.

    No ``=``, a bad or repeated key, a line too long, bytes that are not UTF-8, a stray
    carriage return or NUL, a file too large.
    """
    return tuple(p for p in _scan(text, path) if isinstance(p, YamlError))


def set_env(text: bytes, path: str, key: str, value: str) -> bytes:
    """Give a key a value: only the value's bytes change, or a last line is added.

    The new line has the line break of the line before it; a file without a last line
    break stays without.

    Raises:
        YamlError: see parse_env.
        InputError: a key or value that an env file cannot hold.
        PlanError: the result is not what was planned. That would be a bug of ours.
    """
    check_env_entry(key, value)
    entries = {entry.key: entry for entry in parse_env(text, path)}
    added = f"{key}={value}".encode()
    newline = b"\r\n" if text.endswith(b"\r", 0, text.rfind(b"\n")) else b"\n"
    if key in entries:
        old = entries[key]
        after = text[: old.start] + value.encode() + text[old.end :]
    elif text.removeprefix(BOM) and not text.endswith(b"\n"):
        after = text + newline + added
    else:
        after = text + added + newline
    prove_env(text, after, path, key=key, value=value)
    return after


def unset_env(text: bytes, path: str, key: str) -> bytes:
    """Remove a key's line; a missing key changes nothing.

    Raises:
        YamlError: see parse_env.
        PlanError: the result is not what was planned. That would be a bug of ours.
    """
    for entry in parse_env(text, path):
        if entry.key == key:
            start, end = _line_span(text, entry)
            after = text[:start] + text[end:]
            prove_env(text, after, path, key=key, value=None)
            return after
    return text


def prove_env(
    before: bytes, after: bytes, path: str, *, key: str, value: str | None
) -> None:
    """Refuse a result that differs in more, or in less, than one key.

    Args:
        before: the file as it was.
        after: the file as it shall be.
        path: its name, for errors.
        key: the key that was set or (value None) removed.
        value: its new value.

    Raises:
        PlanError: another entry changed, or another byte moved.
        YamlError: one of the texts cannot be read.
    """
    old = {entry.key: entry for entry in parse_env(before, path)}
    new = {entry.key: entry for entry in parse_env(after, path)}
    planned = {name: entry.value for name, entry in old.items()}
    if value is None:
        planned.pop(key, None)
    else:
        planned[key] = value
    is_planned = [(n, e.value) for n, e in new.items()] == list(planned.items())
    if not is_planned or _kept(before, old, new, key) != _kept(after, new, old, key):
        raise PlanError(
            f"{path}: the edit of {key} would not be exact",
            hint="nothing was changed; edit it by hand, and report this as a bug",
        )


def _kept(
    text: bytes, entries: dict[str, EnvLine], others: dict[str, EnvLine], key: str
) -> bytes:
    """Return the text without the planned value, or line where the other has none."""
    if key not in entries:
        return text
    entry = entries[key]
    start, end = entry.start, entry.end
    if key not in others:
        start, end = _line_span(text, entry)
    return text[:start] + text[end:]


def _line_span(text: bytes, entry: EnvLine) -> tuple[int, int]:
    """Return the bytes of a line with one line break, the one before in a last line."""
    start, end = entry.line_start, entry.line_end
    if not text.endswith(b"\n", start, end):
        for line_break in (b"\n", b"\r"):
            if text.endswith(line_break, 0, start):
                start -= 1
    return start, end


def check_env_entry(key: str, value: str) -> None:
    """Accept what an env file can hold.

    Raises:
        InputError: the key is no ConfigMap key; the value has a line break or NUL, is
            not Unicode, or makes the line too long.
    """
    if not _KEY.fullmatch(key):
        raise InputError(
            f"{key[:80]!a} is not a configuration key",
            hint="use 1 to 253 letters, digits, '.', '_' and '-'",
        )
    if any(char in value for char in "\n\r\0"):
        raise InputError(
            f"the value of {key} holds a line break or NUL",
            hint="an env file has one line a key; put such a value into a file",
        )
    try:
        size = len(f"{key}={value}".encode())
    except UnicodeEncodeError as error:
        raise InputError(f"the value of {key} is not valid Unicode") from error
    if size > LINE_MAX:
        raise InputError(
            f"the value of {key} makes a line of {size} bytes; at most {LINE_MAX}",
            hint="put it into a file of its own",
        )


def _scan(text: bytes, path: str) -> Iterator[EnvLine | YamlError]:
    """Yield entries and problems in file order."""
    if len(text) > FILE_LIMITS.size:
        yield YamlError(
            f"{len(text)} bytes; at most {FILE_LIMITS.size} are read",
            path=path,
            hint="put large values into files of their own",
        )
        return
    seen: dict[str, int] = {}
    start = len(BOM) if text.startswith(BOM) else 0
    line = 0
    while start < len(text):
        line += 1
        cut = text.find(b"\n", start)
        line_end = len(text) if cut < 0 else cut + 1
        found = _entry(text, path, line, start, line_end)
        if isinstance(found, EnvLine) and found.key in seen:
            found = YamlError(
                f"key {found.key} appears twice; first in line {seen[found.key]}",
                path=path,
                line=line,
                hint="keep one of them",
            )
        if isinstance(found, EnvLine):
            seen[found.key] = line
        if found is not None:
            yield found
        start = line_end


def _entry(
    text: bytes, path: str, line: int, start: int, line_end: int
) -> EnvLine | YamlError | None:
    """Read one line; None for a comment or a blank line."""
    end = line_end
    for line_break in (b"\n", b"\r"):
        if text.endswith(line_break, start, end):
            end -= 1
    raw = text[start:end]
    problem, hint = _line_problem(raw)
    if problem:
        return YamlError(problem, path=path, line=line, hint=hint)
    content = raw.decode().lstrip(_GO_SPACE)
    if not content or content.startswith("#"):
        return None
    key, _, value = content.partition("=")
    return EnvLine(
        key=key,
        value=value,
        line=line,
        start=end - len(value.encode()),
        end=end,
        line_start=start,
        line_end=line_end,
    )


def _line_problem(raw: bytes) -> tuple[str, str]:
    """Return problem and hint of one line, without its content: it may be secret."""
    if len(raw) > LINE_MAX:
        return (
            f"a line of {len(raw)} bytes; kustomize drops the rest of the file "
            f"after {LINE_MAX}",
            "move the value to a file of its own",
        )
    try:
        content = raw.decode().lstrip(_GO_SPACE)
    except UnicodeDecodeError as error:
        return f"byte 0x{raw[error.start]:02x} is not UTF-8", "save the file as UTF-8"
    if b"\r" in raw or b"\0" in raw:
        return "a carriage return or NUL inside a line", "remove it"
    if not content or content.startswith("#"):
        return "", ""
    key, equals, _ = content.partition("=")
    if not equals:
        return (
            "no '=' in the line; kustomize would make it a key with an empty value",
            "write KEY=VALUE, or begin the line with '#'",
        )
    if not _KEY.fullmatch(key):
        return (
            f"{key[:80]!a} is not a configuration key",
            "use letters, digits, '.', '_' and '-', and no space before '='",
        )
    return "", ""
