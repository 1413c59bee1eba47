"""Ranges of versions, such as `~11.3 || 12.*`: grammar, and what is in them. Pure.

A range is about releases, so it looks at the three numbers only: `12.0.0-rc.1` and
`12.0.0-acme.3` are where 12.0.0 is. Whether a pre-release may be taken at all is never
a range's business (in npm's ranges it is, and people are surprised by it). Only a full
version with a suffix means that one tag.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final, TypeAlias

from gitops.errors import InputError
from gitops.versions import Version, version_of

_Numbers: TypeAlias = tuple[int, int, int]

_NUMBER: Final = r"0|[1-9][0-9]{0,8}"
_ANY: Final = r"[xX*]"
_PARTIAL: Final = re.compile(
    rf"(?P<sign>~|\^|>=|<=|>|<|=)?(?P<numbers>(?:{_NUMBER})(?:\.(?:{_NUMBER})){{0,2}})"
    rf"(?P<any>(?:\.{_ANY}){{1,2}})?",
    re.ASCII,
)
_MAX_LENGTH: Final = 200
_PARTS: Final = 3
_END: Final = (1 << 31, 0, 0)
_START: Final = (0, 0, 0)
_HINT: Final = "write ~11.3, ^11.3.2, >=11.1 <12, 11.*, 11.3.2 or 12.0.0-rc.1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """From a release, included, to another one, excluded."""

    first: _Numbers
    end: _Numbers


@dataclass(frozen=True, slots=True, kw_only=True)
class Range:
    """Alternatives; each is spans that all have to hold, or one tag.

    Attributes:
        text: as written; two ranges with one meaning may differ in it.
        alternatives: one of them is enough.
        tags: full versions with a suffix that are meant themselves.
    """

    text: str
    alternatives: tuple[tuple[Span, ...], ...] = ()
    tags: frozenset[str] = frozenset()

    def holds(self, version: Version) -> bool:
        """Whether a version is in the range."""
        if version.tag in self.tags:
            return True
        return any(
            all(span.first <= version.core < span.end for span in spans)
            for spans in self.alternatives
        )


EVERY: Final = Range(text="*", alternatives=((),))
"""The range of all versions."""


def range_of(text: str) -> Range:
    """Read a range.

    Alternatives are parted by `||`, what must hold together by blanks. `~11` and `11.*`
    are every 11; `~11.3` and `11.3.*` every 11.3; `~11.3.2` is 11.3 from 11.3.2 on;
    `^11.3.2` is 11 from 11.3.2 on; `11.3` with no sign is `11.3.*`.

    Raises:
        InputError: it is none.
    """
    if len(text) > _MAX_LENGTH:
        raise InputError("the range is too long", hint=f"at most {_MAX_LENGTH}")
    alternatives: list[tuple[Span, ...]] = []
    tags: set[str] = set()
    for part in text.split("||"):
        words = part.split()
        if not words:
            raise _no_range(text)
        if len(words) == 1 and _is_one_tag(words[0]):
            tags.add(words[0])
        else:
            alternatives.append(tuple(_span(word, text) for word in words))
    return Range(text=text, alternatives=tuple(alternatives), tags=frozenset(tags))


def _is_one_tag(word: str) -> bool:
    version = version_of(word)
    return version is not None and word != version.release


def _span(word: str, text: str) -> Span:
    if word in ("*", "x", "X"):
        return Span(first=_START, end=_END)
    found = _PARTIAL.fullmatch(word)
    if found is None:
        raise _no_range(text)
    given = tuple(int(number) for number in found["numbers"].split("."))
    stars = len(found["any"] or "") // 2
    if len(given) + stars > _PARTS or (stars and found["sign"]):
        raise _no_range(text)
    return _bounded(found["sign"], given)


def _bounded(sign: str | None, given: tuple[int, ...]) -> Span:
    first = _filled(given)
    match sign:
        case "~":
            return Span(first=first, end=_after(given[:2]))
        case "^":
            return Span(first=first, end=_after(_significant(given)))
        case ">=":
            return Span(first=first, end=_END)
        case ">":
            return Span(first=_after(given), end=_END)
        case "<":
            return Span(first=_START, end=first)
        case "<=":
            return Span(first=_START, end=_after(given))
        case _:
            return Span(first=first, end=_after(given))


def _filled(given: tuple[int, ...]) -> _Numbers:
    major, minor, patch = (*given, 0, 0)[:_PARTS]
    return (major, minor, patch)


def _after(given: tuple[int, ...]) -> _Numbers:
    """Return the first release after all that begin with these numbers."""
    return _filled((*given[:-1], given[-1] + 1))


def _significant(given: tuple[int, ...]) -> tuple[int, ...]:
    """Return the numbers up to the first that is not zero: what `^` keeps."""
    for place, number in enumerate(given, start=1):
        if number:
            return given[:place]
    return given


def _no_range(text: str) -> InputError:
    return InputError(f"{text[:80]!a} is not a range of versions", hint=_HINT)
