"""A difference of lines: right for any lines, as difflib's for few, quick for many."""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence

import pytest
from hypothesis import given, settings, strategies as st

from gitops.review.line_diff import unified

lines = st.lists(st.sampled_from(list("abcdef")), max_size=40)


def diff(before: Sequence[str], after: Sequence[str]) -> tuple[str, ...]:
    return unified(before, after, old="a/x", new="b/x")


def applied(before: Sequence[str], difference: Sequence[str]) -> list[str]:
    """Apply a unified difference, as `patch` does, and check what it says of itself."""
    result: list[str] = []
    at = 0
    for line in difference[2:]:
        if line.startswith("@@"):
            found = re.fullmatch(r"@@ -(\d+)(?:,(\d+))? \+(\d+)(?:,(\d+))? @@", line)
            assert found is not None
            start = int(found[1]) - (0 if found[2] == "0" else 1)
            result += before[at:start]
            at = start
            assert len(result) == int(found[3]) - (0 if found[4] == "0" else 1)
            continue
        if line[0] in " -":
            assert before[at] == line[1:]
            at += 1
        if line[0] in " +":
            result.append(line[1:])
    return [*result, *before[at:]]


@given(lines, lines)
@settings(max_examples=300, deadline=None)
def test_it_leads_from_the_one_to_the_other(
    before: list[str], after: list[str]
) -> None:
    assert applied(before, diff(before, after)) == after


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("", ""),
        ("a", "a"),
        ("", "a"),
        ("a", ""),
        ("abc", "abd"),
        ("abcdefghijklmnop", "abcdefgXijklmnop"),
        ("abcdefghijklmnop", "aXcdefghijklmnYp"),
        ("abcdefghijklmnop", "aXcdefghYjklmnop"),
        ("abcdefghijklmnop", "abcdefghijklmnopq"),
        ("abcdefghijklmnop", "bcdefghijklmno"),
    ],
)
def test_few_lines_are_shown_as_everybody_knows_it(before: str, after: str) -> None:
    wanted = difflib.unified_diff(before, after, "a/x", "b/x", lineterm="")
    assert diff(list(before), list(after)) == tuple(wanted)


def numbered(count: int, *, changed: int, step: int = 2) -> list[str]:
    """Return many lines, of which every few hold a number."""
    return [f"{n}" if n % step else f"{n}: {changed}" for n in range(count)]


@pytest.mark.parametrize(
    ("before", "after", "size"),
    [
        (numbered(100_000, changed=1), numbered(100_000, changed=2), 150_005),
        (numbered(100_000, changed=1), numbered(100_001, changed=2), 200_007),
        (numbered(100_000, changed=1), [], 100_003),
        (
            numbered(100_000, changed=1, step=99_999),
            numbered(100_000, changed=2, step=99_999),
            200_003,
        ),
    ],
    ids=["each second", "and one more", "gone", "first and last"],
)
def test_many_lines_take_seconds(
    before: list[str], after: list[str], size: int
) -> None:
    # difflib would need an hour for some of these.
    found = diff(before, after)
    assert len(found) <= size
    assert applied(before, found) == after
