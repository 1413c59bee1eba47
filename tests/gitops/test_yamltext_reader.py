"""Reading YAML: positions are exact, and a hostile text ends in a typed error."""

from __future__ import annotations

import resource
import time
from contextlib import suppress
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings, strategies as st

from gitops.errors import YamlError
from gitops.yamltext import (
    Alias,
    Mapping,
    Node,
    Scalar,
    Sequence,
    Style,
    check,
    compose,
    parse,
    parse_documents,
    parse_typed,
)
from gitops.yamltext.nodes import FILE_LIMITS, STREAM_LIMITS, walk
from gitops.yamltext.reader import read_documents

CPU_BUDGET_S = 1.0


def refused(text: str | bytes) -> YamlError:
    """Return the error of every way to read a file; they must agree."""
    raw = text.encode() if isinstance(text, str) else text
    errors = []
    for read in (check, compose, parse, parse_typed):
        started = time.process_time()
        with pytest.raises(YamlError) as caught:
            read(raw, "f.yaml")
        assert time.process_time() - started < CPU_BUDGET_S
        errors.append(caught.value)
    assert len({str(error) for error in errors}) == 1
    return errors[0]


def laughs(levels: int, width: int) -> str:
    """A document that grows by `width` at each level once aliases are written out."""
    lines = ["a0: &a0 [" + ",".join("x" * width) + "]"]
    for level in range(1, levels):
        uses = ",".join([f"*a{level - 1}"] * width)
        lines.append(f"a{level}: &a{level} [{uses}]")
    return "\n".join(lines)


# --- threats ---


@pytest.mark.parametrize("unit", ["[", "{", "- ", "? ", "{a: ", "[[{b: "])
@pytest.mark.parametrize("count", [100, 1_000, 25_000, 100_000])
def test_deep_nesting_is_refused_where_it_gets_too_deep(unit: str, count: int) -> None:
    error = refused(unit * count)

    assert "nested deeper than 64 levels" in error.problem
    assert error.line == 1


def test_nesting_up_to_the_limit_is_read() -> None:
    assert parse(b"[" * 64 + b"]" * 64, "f.yaml") is not None
    assert "nested" in refused("[" * 65 + "]" * 65).problem


@pytest.mark.parametrize(("levels", "width"), [(9, 10), (30, 2), (9, 7)])
def test_billion_laughs_are_refused_before_they_grow(levels: int, width: int) -> None:
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

    error = refused(laughs(levels, width))

    assert "values, aliases written out" in error.problem or "aliases" in error.problem
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert after - before < 100 * 1024  # kilobytes


def test_billion_laughs_are_refused_in_a_stream_too() -> None:
    with pytest.raises(YamlError, match="more than"):
        parse_documents(laughs(9, 7).encode(), "f.yaml")


@pytest.mark.parametrize(
    "text",
    [
        "a: &a {x: 1}\nb:\n  <<: *a\n",
        "a: &a {x: 1}\nb: {<<: [*a, *a]}\n",
        "b: {<<: {c: 1}}\n",
    ],
    ids=["one", "list", "inline"],
)
def test_a_merge_key_is_refused_with_its_line(text: str) -> None:
    error = refused(text)

    assert "merge keys (<<) are not read" in error.problem
    assert error.line == text[: text.index("<<")].count("\n") + 1
    assert error.hint == "write the keys out"


def test_a_quoted_merge_key_is_a_key_like_any_other() -> None:
    assert parse(b'{"<<": x}', "f.yaml") == {"<<": "x"}


@pytest.mark.parametrize(
    "tag",
    [
        "!!python/object/apply:os.system",
        "!!python/name:os.system",
        "!foo",
        "!",
        "!!binary",
        "!!set",
        "!!timestamp",
        "!!omap",
        "!<tag:example.com,2000:x>",
    ],
)
@pytest.mark.parametrize("value", ["x", "[touch]", "{a: b}"])
def test_a_tag_outside_the_core_is_refused(tag: str, value: str) -> None:
    error = refused(f"a: 1\nb: {tag} {value}\n")

    assert "is not allowed" in error.problem
    assert (error.line, error.column) == (2, 4)


def test_a_dangerous_tag_does_nothing(tmp_path: Path) -> None:
    sentinel = tmp_path / "sentinel"

    refused(f'!!python/object/apply:os.system ["touch {sentinel}"]')

    assert not sentinel.exists()


def test_core_tags_are_read() -> None:
    text = b"{a: !!str 1, b: !!int 1, c: !!seq [1], d: !!map {x: z}, e: !!null ~}"

    assert parse_typed(text, "f.yaml") == {
        "a": "1",
        "b": 1,
        "c": [1],
        "d": {"x": "z"},
        "e": None,
    }


@pytest.mark.parametrize(
    ("text", "key", "line", "first"),
    [
        ("images: []\nother: 1\nimages: []\n", "images", 3, 1),
        ("images:\n- name: a\n  newTag: x\n  newTag: y\n", "newTag", 4, 3),
        ('{a: 1,\n "a": 2}', "a", 2, 1),
    ],
)
def test_a_duplicate_key_is_refused_with_both_lines(
    text: str, key: str, line: int, first: int
) -> None:
    error = refused(text)

    assert error.problem == f"key '{key}' appears twice; first in line {first}"
    assert error.line == line


@pytest.mark.parametrize(
    "text",
    ["&a [*a]", "a: *b", "*a", "a: &x 1\nb: &x [*x]", "a: *b\nb: &b 1"],
    ids=["recursive", "undefined", "root", "redefined", "later"],
)
def test_an_alias_without_a_finished_anchor_is_refused(text: str) -> None:
    assert "stands for nothing" in refused(text).problem


def test_more_aliases_than_the_limit_are_refused() -> None:
    text = "a: &a x\nb: [" + ",".join(["*a"] * 65) + "]"

    assert refused(text).problem == "more than 64 aliases"
    assert parse(text.replace("*a,", "", 1).encode(), "f.yaml") is not None


@pytest.mark.parametrize(
    ("text", "line"),
    [("a: 1\n---\nb: 2\n", 2), ("---\na: 1\n---\n", 3), ("---\n" * 100_000, 2)],
    ids=["two", "empty second", "very many"],
)
def test_a_second_document_is_refused_with_its_line(text: str, line: int) -> None:
    error = refused(text)

    assert "one more document begins here" in error.problem
    assert error.line == line


@pytest.mark.parametrize("text", ["a: 1\n...\nb: 2\n", "%YAML 9.9\n---\na: 1\n"])
def test_text_after_the_end_and_unknown_versions_are_refused(text: str) -> None:
    assert "not YAML" in refused(text).problem


@pytest.mark.parametrize("text", ["---\na: 1\n", "a: 1\n...\n", "%YAML 1.2\n---\na: 1"])
def test_one_document_may_be_marked_as_one(text: str) -> None:
    assert parse(text.encode(), "f.yaml") == {"a": "1"}


@pytest.mark.parametrize("text", ["", "\n\n", "# only a comment\n", "\ufeff"])
def test_an_empty_file_is_refused(text: str) -> None:
    assert refused(text).problem == "the file is empty"


@pytest.mark.parametrize(
    ("raw", "problem", "line"),
    [
        (b"a: 1\nb: \xe4\n", "byte 0xe4 is not UTF-8", 2),
        (b"\xef\xbb\xbfa: \xff", "byte 0xff is not UTF-8", 1),
        ("a: 1".encode("utf-16"), "byte 0xff is not UTF-8", 1),
        ("a: 1".encode("utf-16-le"), "character U+0000 is not allowed", 1),
        (b"a: 1\nb: \0", "character U+0000 is not allowed", 2),
        ("a: 1\nb: x\u0085y".encode(), "character U+0085 is not allowed", 2),
        ("a: x\u2028y".encode(), "character U+2028 is not allowed", 1),
        ("a: x\u2029y".encode(), "character U+2029 is not allowed", 1),
        (b"a: \x07", "not YAML: control characters are not allowed", 0),
        ("a: \uffff".encode(), "not YAML: control characters are not allowed", 0),
    ],
    ids=[
        "latin-1",
        "after a mark",
        "utf-16",
        "utf-16 without mark",
        "nul",
        "next line",
        "line separator",
        "paragraph separator",
        "bell",
        "no character",
    ],
)
def test_characters_that_readers_disagree_on_are_refused(
    raw: bytes, problem: str, line: int
) -> None:
    error = refused(raw)

    assert (error.problem, error.line) == (problem, line)


@pytest.mark.parametrize("escape", [r"\ud800", r"\ud83d\ude00", r"\UFFFFFFFF"])
@pytest.mark.parametrize("loader", [yaml.CLoader, yaml.Loader], ids=["c", "python"])
def test_escapes_that_are_no_characters_are_refused(escape: str, loader: type) -> None:
    with pytest.raises(YamlError):
        list(read_documents(f'a: "{escape}"'.encode(), "f", FILE_LIMITS, loader=loader))


def test_a_tab_as_indentation_is_refused_with_a_hint() -> None:
    error = refused("a:\n\tb: 1\n")

    assert error.line == 2
    assert "indent with spaces" in error.hint


@pytest.mark.parametrize("filler", ["a: " + "x" * 10_000_000, "#" * 10_000_000])
def test_a_huge_file_is_refused_by_its_size(filler: str) -> None:
    assert refused(filler).problem == "10000003 bytes; at most 1048576 are read" or (
        refused(filler).problem == "10000000 bytes; at most 1048576 are read"
    )


def test_a_file_of_many_values_is_refused() -> None:
    text = ("- \n" * 200_001).encode()

    with pytest.raises(YamlError, match="more than 200000 values"):
        check(text, "f.yaml")


def test_a_stream_of_many_documents_is_refused() -> None:
    with pytest.raises(YamlError, match="at most 20000"):
        parse_documents(b"---\n" * 20_001, "f.yaml")


def test_many_tag_directives_are_refused_before_they_are_compared() -> None:
    text = "".join(f"%TAG !a{n}! b\n" for n in range(50_000)) + "---\na"

    assert "%TAG" in refused(text).problem


@pytest.mark.parametrize("text", ["? [a]\n: b", "&a x: 1\n*a : 2", "{[a]: b}"])
def test_a_key_that_is_no_plain_text_is_refused(text: str) -> None:
    assert refused(text).problem == "a key must be plain text"


def test_an_error_names_the_file_line_and_column() -> None:
    error = refused("a: 1\nb: [\n")

    assert str(error).startswith("f.yaml:3:1: not YAML")


@given(st.binary(max_size=200))
@settings(deadline=None)
def test_any_bytes_are_read_or_refused_with_a_typed_error(raw: bytes) -> None:
    for read in (check, parse, parse_typed, parse_documents):
        with suppress(YamlError):
            read(raw, "f.yaml")


@given(st.text("[]{}:,-?&*!|>'\"%#@` \n\tab\\0~<", max_size=80))
@settings(deadline=None, max_examples=300)
def test_any_indicators_are_read_or_refused_with_a_typed_error(text: str) -> None:
    for loader in (yaml.CLoader, yaml.Loader):
        with suppress(YamlError):
            tuple(read_documents(text.encode(), "f", STREAM_LIMITS, loader=loader))


# --- positions ---

LAYOUT = """\
# vor üüü
plain: 11.1.0   # comment
'single': 'it''s'
"double": "a\\n\\u00fc 😀"
anchored: &x  value
alias: *x
tagged: !!str  7
both: !!str &y "z"
late: &z # why
  far
empty:
literal: |-
  one
  two # no comment

folded: >
  three
flow: {a: [1, 'ü'], "b": }
"""


@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
@pytest.mark.parametrize("loader", [yaml.CLoader, yaml.Loader], ids=["c", "python"])
def test_a_span_holds_exactly_the_bytes_of_the_value(
    newline: str, mark: str, loader: type
) -> None:
    raw = (mark + LAYOUT.replace("\n", newline)).encode()

    (root,) = read_documents(raw, "f", FILE_LIMITS, loader=loader)

    assert isinstance(root, Mapping)
    spans = {
        key.value: raw[value.start : value.end].decode() for key, value in root.items
    }
    assert spans == {
        "plain": "11.1.0",
        "single": "'it''s'",
        "double": '"a\\n\\u00fc 😀"',
        "anchored": "value",
        "alias": "*x",
        "tagged": "7",
        "both": '"z"',
        "late": "far",
        "empty": "",
        "literal": newline.join(["|-", "  one", "  two # no comment"]),
        "folded": newline.join([">", "  three"]),
        "flow": "{a: [1, 'ü'], \"b\": }",
    }
    keys = [raw[key.start : key.end].decode() for key, _ in root.items]
    assert keys[:3] == ["plain", "'single'", '"double"']
    assert [key.line for key, _ in root.items][:5] == [2, 3, 4, 5, 6]


def test_values_keep_style_tag_and_anchor() -> None:
    root = compose(LAYOUT.encode(), "f")
    assert isinstance(root, Mapping)
    both, literal, alias = root.get("both"), root.get("literal"), root.get("alias")

    assert isinstance(both, Scalar)
    assert (both.tag, both.anchor, both.style) == ("str", "y", Style.DOUBLE)
    assert isinstance(literal, Scalar)
    assert literal.style is Style.LITERAL
    assert literal.style.is_block
    assert isinstance(alias, Alias)
    assert alias.target is root.get("anchored")
    assert root.get("missing") is None


def outline(node: Node) -> object:
    """A node as plain data with every span, to compare two loaders."""
    match node:
        case Scalar():
            return (node.value, node.style, node.tag, node.start, node.end, node.line)
        case Alias():
            return ("alias", node.start, node.end)
        case Mapping():
            items = [(outline(key), outline(value)) for key, value in node.items]
            return ("map", node.flow, node.start, items)
        case Sequence():
            return ("seq", node.flow, node.start, [outline(n) for n in node.items])


def test_the_pure_loader_finds_the_same_nodes_as_the_c_one(shared: Path) -> None:
    files = sorted((shared / "corpus").glob("*.yaml"))
    assert len(files) == 70

    for file in files:
        raw = file.read_bytes()
        ours, pure = (
            tuple(read_documents(raw, file.name, FILE_LIMITS, loader=loader))
            for loader in (yaml.CLoader, yaml.Loader)
        )
        assert [outline(node) for node in ours] == [outline(node) for node in pure]


def test_spans_of_a_real_file_never_overlap(shared: Path) -> None:
    for file in sorted((shared / "corpus").glob("*.yaml")):
        at = 0
        for leaf in walk(compose(file.read_bytes(), file.name)):
            assert at <= leaf.start <= leaf.end, file.name
            at = leaf.end
