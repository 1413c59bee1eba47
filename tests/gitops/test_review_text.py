"""Text from outside, made harmless for Markdown, titles and commit messages."""

from __future__ import annotations

import sys
import unicodedata

import pytest
import yaml

from gitops.model import Json
from gitops.review.line_diff import unified
from gitops.review.manifest_text import manifest_lines, scalar
from gitops.review.text import (
    Quote,
    cell,
    code,
    cut,
    element,
    fenced,
    is_visible,
    kind_word,
    markdown,
    plain,
    sentence,
    title_part,
    visible,
)

ZERO = "\u200b"


def test_every_control_format_and_line_character_is_spelled_out() -> None:
    hidden = [
        char
        for char in map(chr, range(sys.maxunicode + 1))
        if unicodedata.category(char) in ("Cc", "Cf", "Zl", "Zp", "Cs")
    ]
    assert len(hidden) > 2000
    assert [char for char in hidden if visible(char) == char] == []
    assert all(visible(char).isascii() for char in hidden)


def test_letters_of_other_scripts_stay() -> None:
    assert visible("Größe 日本語 привет 🚀") == "Größe 日本語 привет 🚀"
    assert is_visible("Größe")
    assert not is_visible("a\u202eb")


def test_a_line_break_becomes_two_characters() -> None:
    assert visible("a\nb\r\tc\u202e\U000e0041") == r"a\nb\r\tc\u202e\U000e0041"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("12.4.1", "`12.4.1`"),
        ("a`b", "``a`b``"),
        ("`", "`` ` ``"),
        ("``` x", "```` ``` x ````"),
        ("", "(empty)"),
        ("   ", "(empty, 3 spaces)"),
        (" a", "`  a `"),
        ("@org/team", f"`@{ZERO}org/team`"),
        ("Fixes #1", f"`Fixes #{ZERO}1`"),
        ("closes GH-12", f"`closes GH-{ZERO}12`"),
        ("!1 $2 ~3", f"`!{ZERO}1 ${ZERO}2 ~{ZERO}3`"),
        ("%4 &5 ^6", f"`%{ZERO}4 &{ZERO}5 ^{ZERO}6`"),
        ("<script>", f"`<{ZERO}script>`"),
        ("<!-- directus-gitops: -->", f"`<{ZERO}!-- directus-gitops: -->`"),
        ("a < b", "`a < b`"),
        ("</details>\n/approve", f"`<{ZERO}/details>\\n/approve`"),
    ],
)
def test_a_code_span_holds_its_value_and_nothing_live(text: str, shown: str) -> None:
    assert code(text) == shown


def test_a_long_value_is_cut() -> None:
    assert len(code("x" * 10_000)) < 210
    assert cut("abcdef", 4) == "abc…"
    assert cut("abcdef", 0) == ""


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a | b", r"a \| b"),
        ("[x](javascript:y)", r"\[x\](javascript:y)"),
        ("![](http://x)", rf"!\[\](http:{ZERO}//x)"),
        ("see www.example.com", f"see www{ZERO}.example.com"),
        ("<b>&lt; R&D -> x", "&lt;b>&amp;lt; R&D -> x"),
        ("*a* _b_ FOO_BAR `c` ~d~", r"\*a\* \_b\_ FOO_BAR \`c\` \~d\~"),
        ("@all !1 #2 &3", f"@{ZERO}all !{ZERO}1 #{ZERO}2 &{ZERO}3"),
        ("two\nlines", r"two\\nlines"),
    ],
)
def test_a_table_cell_is_text_only(text: str, shown: str) -> None:
    assert cell(text) == shown


def test_an_element_knows_no_markup() -> None:
    assert element("</summary>@me") == f"&lt;/summary>@{ZERO}me"


def test_a_title_part_refers_to_nothing_and_opens_no_tag() -> None:
    assert title_part("<a> `b` @c #1\u202e") == f"(a) 'b' @{ZERO}c #{ZERO}1\\u202e"


def test_a_sentence_closes_no_issue_by_its_address() -> None:
    said = sentence("Fixes https://github.com/o/r/issues/1, see https://example.com/x")
    assert said == (
        f"Fixes https:{ZERO}//github.com/o/r/issues/1, see https://example.com/x"
    )


@pytest.mark.parametrize("inside", ["", "x", "```", "a\n````\nb", "~~~", "`" * 50])
def test_a_fence_is_longer_than_any_run_inside(inside: str) -> None:
    lines = fenced(inside, "diff").splitlines()
    mark = lines[-1]
    assert set(mark) == {"`"}
    assert lines[0] == f"{mark}diff"
    assert all(mark not in line for line in lines[1:-1])


def test_a_fence_holds_no_marker_of_ours() -> None:
    assert "<!--" not in fenced(" <!-- directus-gitops: x -->", "diff")


def test_phrases_are_written_plainly_or_in_markdown() -> None:
    phrase = ("set ", Quote("A\nB"), " to ", Quote(""))
    assert plain(phrase) == 'set A\\nB to ""'
    assert markdown(phrase) == "set `A\\nB` to (empty)"


def test_a_kind_is_a_plain_word_only_where_it_is_one() -> None:
    assert kind_word("StatefulSet") == "StatefulSet"
    assert kind_word("<b>") == Quote("<b>")
    assert kind_word("Thing\n") == Quote("Thing\n")


# --- objects as lines ---


@pytest.mark.parametrize(
    "value",
    [
        {"a": {"b": [1, 2.5, True, None, "x"]}, "c": [], "d": {}},
        {"list": [{"a": 1, "b": [{"c": "d"}]}, ["x", ["y"]], "z"]},
        {"text": "a\nb\n", "kept": "a\nb", "more": "a\n\n\n", "one": "a\n"},
        {"text": "a\n  indented\n\nlast", "odd": " a\nb", "tab": "\ta\nb"},
        {"yes": "yes", "n": "null", "one": "1", "date": "2024-01-01", "e": "1e3"},
        {"colon": "a: b", "hash": "a #b", "star": "*a", "dash": "- a", "empty": ""},
        {"url": "https://a.example.com:8055/x?y=z", "img": "a/b:1.2@sha256:ff"},
        {"bidi": "a\u202eb", "null": "a\x00b", "tag": "\U000e0041", "quote": '"'},
        {"250m": "512Mi", "0777": "0o17", "12:30": "12:30:45", "~": "~", "=": "="},
    ],
)
def test_an_objects_lines_read_back_as_the_object(value: dict[str, Json]) -> None:
    text = "".join(f"{line}\n" for line in manifest_lines(value))
    assert yaml.safe_load(text) == value


def test_long_values_are_shortened_and_still_differ() -> None:
    one, other = "x" * 5000, "x" * 4999 + "y"
    assert len(scalar(one)) < 250
    assert scalar(one) != scalar(other)
    assert "5000 characters" in scalar(one)


def test_one_values_on_one_line() -> None:
    assert scalar(["a", 1, {}, {"b": "c"}]) == '[a, 1, {}, {"b": "c"}]'


def test_equal_lines_have_no_difference() -> None:
    assert unified(["a"], ["a"], old="x", new="y") == ()
