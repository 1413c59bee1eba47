"""Scalars as values: read as Kubernetes reads, written so that no reader errs."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from hypothesis import example, given, settings, strategies as st

from gitops.errors import YamlError
from gitops.yamltext import (
    Document,
    Scalar,
    Style,
    compose,
    is_plain_safe,
    parse,
    parse_documents,
    parse_typed,
    positions,
    reads_as_text,
    scalar_text,
)
from tests.support.building import build

TAGS = st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,20}", fullmatch=True)
STYLES = st.sampled_from(Style)

# Unquoted, and what kustomize v5.5.0 and v5.8.1 make of them as a newTag.
TEXT_TO_KUSTOMIZE = [
    "11.1.0",
    "v1",
    "latest",
    "2024-01-01",
    "22:30",
    "1:2:3",
    "oN",
    "NaN",
    "nUll",
    "0o8",
    "0b2",
    "_1",
    "1e1000",
    "=",
    "a1e3",
    "2024-01-01T00:00:00Z",
    "1.2.3-rc.1",
    "1-2",
    "tRue",
]
NOT_TEXT_TO_KUSTOMIZE = [
    "11.10",
    "1e3",
    "0123",
    "1_000",
    "0x1F",
    ".5",
    ".inf",
    ".nan",
    "-.Inf",
    "+1",
    "-1",
    "1.",
    "08",
    "1.e3",
    "685_230.15",
    "1__0",
    "on",
    "y",
    "Y",
    "yes",
    "Yes",
    "n",
    "N",
    "no",
    "off",
    "True",
    "FALSE",
    "null",
    "Null",
    "NULL",
    "~",
]


# --- reading ---


@pytest.mark.parametrize(
    ("plain", "value"),
    [
        ("11.10", 11.1),
        ("11.1.0", "11.1.0"),
        ("1e3", 1000.0),
        ("12e03", 12000.0),
        (".5", 0.5),
        ("1.", 1.0),
        ("08", 8.0),
        ("0123", 83),
        ("0o17", 15),
        ("0b11", 3),
        ("0x1F", 31),
        ("1_000", 1000),
        ("685_230.15", 685230.15),
        ("+1", 1),
        ("-12", -12),
        ("0", 0),
        ("on", True),
        ("Off", False),
        ("y", True),
        ("N", False),
        ("oN", "oN"),
        ("~", None),
        ("null", None),
        ("", None),
        ("22:30", "22:30"),
        ("2024-01-01", "2024-01-01"),
        ("2024-13-45", "2024-13-45"),
        ("1e1000", "1e1000"),
        ("-", "-"),
        ("9" * 5_000, "9" * 5_000),
        ("text", "text"),
    ],
)
def test_a_plain_scalar_has_the_type_that_kubernetes_sees(
    plain: str, value: object
) -> None:
    text = f"a: {plain}\n" if plain != "-" else "a: '-'\n"

    found = parse_typed(text.encode(), "f")

    assert found == {"a": value}
    assert isinstance(found, dict)
    assert type(found["a"]) is type(value)


@pytest.mark.kustomize
@pytest.mark.parametrize("plain", [*TEXT_TO_KUSTOMIZE, *NOT_TEXT_TO_KUSTOMIZE])
def test_what_kustomize_does_not_read_as_text_we_do_not_either(
    kustomize: Path, tmp_path: Path, plain: str
) -> None:
    rendered = build(
        kustomize,
        tmp_path,
        {
            "pod.yaml": "apiVersion: v1\nkind: Pod\nmetadata: {name: p}\n"
            "spec: {containers: [{name: c, image: 'app:old'}]}\n",
            "kustomization.yaml": "resources: [pod.yaml]\nimages:\n"
            f"- name: app\n  newTag: {plain}\n",
        },
    )

    read_by_kustomize = f"image: app:{plain}\n".encode() in rendered
    assert reads_as_text(only_scalar(plain)) is read_by_kustomize
    assert read_by_kustomize is (plain in TEXT_TO_KUSTOMIZE)


def test_quoted_scalars_are_text_whatever_they_show() -> None:
    text = b"[\"11.10\", 'on', \"\", '~']"

    assert parse_typed(text, "f") == ["11.10", "on", "", "~"]


@pytest.mark.parametrize("plain", [".inf", "-.Inf", ".nan", ".NaN"])
def test_a_number_that_json_lacks_is_refused(plain: str) -> None:
    with pytest.raises(YamlError, match="no number that JSON has") as caught:
        parse_typed(f"a: 1\nb: {plain}".encode(), "f")

    assert caught.value.line == 2
    assert parse(f"b: {plain}".encode(), "f") == {"b": plain}
    assert not reads_as_text(only_scalar(plain))


def only_scalar(text: str) -> Scalar:
    root = compose(text.encode(), "f")
    assert isinstance(root, Scalar)
    return root


@pytest.mark.parametrize(
    ("text", "expected"),
    [("!!str 1", True), ("'1'", True), ("!!int '1'", False), ("1", False)],
)
def test_a_scalar_reads_as_text_by_its_tag_first(text: str, expected: bool) -> None:
    assert reads_as_text(only_scalar(text)) is expected


@pytest.mark.parametrize("text", ["a: !!int x", "a: !!bool 1", "a: !!null 1"])
def test_a_tag_that_does_not_fit_is_refused(text: str) -> None:
    with pytest.raises(YamlError, match="does not fit its tag"):
        parse_typed(text.encode(), "f")


def test_tags_decide_the_type_even_of_quoted_scalars() -> None:
    text = b'{a: !!int "7", b: !!str 7, c: !!float 7, d: !!bool "true"}'

    assert parse_typed(text, "f") == {"a": 7, "b": "7", "c": 7.0, "d": True}


def test_parse_keeps_every_scalar_as_text() -> None:
    text = b"a: 11.10\nb: [on, ~, 0123]\nc: &c {d: 1}\ne: *c\nf:\n"

    assert parse(text, "f") == {
        "a": "11.10",
        "b": ["on", "~", "0123"],
        "c": {"d": "1"},
        "e": {"d": "1"},
        "f": "",
    }


def test_aliases_are_read_as_what_they_stand_for() -> None:
    assert parse_typed(b"a: &a [1]\nb: *a\n", "f") == {"a": [1], "b": [1]}


def test_documents_come_with_their_lines_and_without_the_empty_ones() -> None:
    text = b"# nothing\n---\na: 1\n---\n---\n# c\n\nb: [true]\n---\n~\n"

    assert parse_documents(text, "f") == (
        Document(data={"a": 1}, line=3),
        Document(data={"b": [True]}, line=8),
    )
    assert parse_documents(b"", "f") == ()


def test_an_anchor_ends_with_its_document() -> None:
    with pytest.raises(YamlError, match="stands for nothing"):
        parse_documents(b"a: &a 1\n---\nb: *a\n", "f")


def test_positions_lead_to_keys_and_items() -> None:
    text = "\ufeff# ü\na: 1\nüb:\n  - x\n  - c: &d {e: 2}\nf: *d\n".encode()

    assert positions(text, "f") == {
        (): (2, 1),
        ("a",): (2, 1),
        ("üb",): (3, 1),
        ("üb", 0): (4, 5),
        ("üb", 1): (5, 5),
        ("üb", 1, "c"): (5, 5),
        ("üb", 1, "c", "e"): (5, 12),
        ("f",): (6, 1),
        ("f", "e"): (5, 12),
    }


# --- writing ---


@pytest.mark.parametrize(
    "value",
    [
        "11.1.0",
        "v11.10",
        "latest",
        "12.4.0-rc.1",
        "12.4.0-dhi",
        "16-alpine",
        "_x",
        "81c0813fffc8a65f",
    ],
)
def test_a_tag_that_every_reader_takes_for_text_keeps_its_quoting(value: str) -> None:
    assert scalar_text(value, like=Style.PLAIN) == value
    assert scalar_text(value, like=Style.SINGLE) == f"'{value}'"
    assert scalar_text(value, like=Style.DOUBLE) == f'"{value}"'


@pytest.mark.parametrize(
    "value",
    [
        "11.10",
        "1e3",
        "1E5",
        "5e_",
        "on",
        "Off",
        "y",
        "N",
        "YES",
        "null",
        "NULL",
        "nan",
        "inf",
        "Infinity",
        "true",
        "0x1F",
        "0x1p4",
        "0o17",
        "0o8",
        "017",
        "0b1",
        "0b_",
        "12",
        "1_000",
        "1.",
        "_",
        "__",
        "2024-01-01",
        "2024-1-1",
        "2024-01-01T00",
        "12e03",
        "1e1000",
        "NaN",
    ],
)
def test_a_tag_that_some_reader_takes_for_something_else_is_quoted(value: str) -> None:
    assert not is_plain_safe(value)
    assert scalar_text(value, like=Style.PLAIN) == f'"{value}"'
    assert scalar_text(value, like=Style.SINGLE) == f"'{value}'"


def test_a_block_style_becomes_double_quotes() -> None:
    assert scalar_text("11.1.0", like=Style.LITERAL) == '"11.1.0"'
    assert scalar_text("11.1.0", like=Style.FOLDED) == '"11.1.0"'


def test_a_colon_between_braces_is_quoted() -> None:
    assert scalar_text("sha256:0a", like=Style.PLAIN) == "sha256:0a"
    assert scalar_text("sha256:0a", like=Style.PLAIN, flow=True) == '"sha256:0a"'


@given(TAGS, STYLES)
@example("0" * 20, Style.PLAIN)
@settings(deadline=None, max_examples=400)
def test_a_written_tag_is_the_same_string_to_yaml_1_1_and_to_kubernetes(
    tag: str, style: Style
) -> None:
    written = f"newTag: {scalar_text(tag, like=style)} # note\n"

    assert yaml.safe_load(written) == {"newTag": tag}
    assert parse_typed(written.encode(), "f") == {"newTag": tag}


@given(
    st.text(st.characters(exclude_categories=["Cs"]), max_size=40),
    STYLES,
    st.booleans(),
)
@settings(deadline=None, max_examples=400)
def test_any_text_comes_back_as_it_was(value: str, style: Style, flow: bool) -> None:
    written = scalar_text(value, like=style, flow=flow)
    line = f"[{written}, x]" if flow else f"- {written} # note\n- x\n"

    assert parse_typed(line.encode(), "f") == [value, "x"]
    assert yaml.safe_load(line) == [value, "x"]
