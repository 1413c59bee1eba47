"""Env files: read as kustomize reads them, edited by splice, or refused with a line."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings, strategies as st

from gitops.errors import InputError, PlanError, YamlError
from gitops.yamltext import env_problems, parse_env, prove_env, set_env, unset_env
from gitops.yamltext.env import LINE_MAX
from tests.support.building import build

TRICKY = (
    "\ufeff  FIRST=1\n"
    "\tTABBED=2\r\n"
    "\n"
    "# comment=no\r\n"
    "   # indented=no\n"
    "HASH=#x # y\n"
    "DOUBLE=\"quoted\"\nSINGLE='quoted'\n"
    "EMPTY=\n"
    "SPACES= a \n"
    "EQUALS=a=b=c\n"
    "ESCAPE=\\n$HOME\n"
    "dotted.and-dashed_1=ü😀\n"
    "\u00a0WIDE=\u3000x\u00a0\n"
    "LAST=end"
)
TRICKY_READ = {
    "FIRST": "1",
    "TABBED": "2",
    "HASH": "#x # y",
    "DOUBLE": '"quoted"',
    "SINGLE": "'quoted'",
    "EMPTY": "",
    "SPACES": " a ",
    "EQUALS": "a=b=c",
    "ESCAPE": "\\n$HOME",
    "dotted.and-dashed_1": "ü😀",
    "WIDE": "\u3000x\u00a0",
    "LAST": "end",
}


def read(text: str | bytes) -> dict[str, str]:
    raw = text.encode() if isinstance(text, str) else text
    return {line.key: line.value for line in parse_env(raw, "config.env")}


def config_map(kustomize: Path, folder: Path, text: str | bytes) -> dict[str, str]:
    """What the real kustomize makes of an env file; {} when the build fails."""
    rendered = build(
        kustomize,
        folder,
        {
            "config.env": text,
            "kustomization.yaml": "configMapGenerator: [{name: c, envs: [config.env]}]",
        },
    )
    found = yaml.safe_load(rendered) if rendered else {}
    return dict(found.get("data", {}))


# --- reading ---


def test_only_comments_and_blank_lines_are_no_entries() -> None:
    assert read(TRICKY) == TRICKY_READ
    assert list(read(TRICKY)) == list(TRICKY_READ)
    assert read("") == read("\ufeff") == read("\n \t\n#\n") == {}


@pytest.mark.kustomize
def test_kustomize_reads_the_same(kustomize: Path, tmp_path: Path) -> None:
    assert config_map(kustomize, tmp_path, TRICKY) == TRICKY_READ


def test_lines_and_spans_lead_to_the_value() -> None:
    raw = TRICKY.encode()

    for entry in parse_env(raw, "config.env"):
        assert raw[entry.start : entry.end].decode() == entry.value
        line = raw[entry.line_start : entry.line_end].decode()
        assert line.strip("\r\n").lstrip() == f"{entry.key}={entry.value}".lstrip()
        assert line in TRICKY.splitlines(keepends=True)[entry.line - 1]


# What kustomize makes of it in silence, and what we say instead.
SILENT = [
    ("A=1\nNAME\nB=2\n", 2, "no '=' in the line", {"A": "1", "NAME": "", "B": "2"}),
    ("A=1\n=x\n", 2, "'' is not a configuration key", {"A": "1"}),
    ("A =1\n", 1, "'A ' is not a configuration key", {"A ": "1"}),
    ("export A=1\n", 1, "'export A' is not a configuration key", {"export A": "1"}),
    ("Ä=1\n", 1, r"'\xc4' is not a configuration key", {"Ä": "1"}),
    ("A=1\nB=" + "x" * 65_534 + "\nC=1\n", 2, "a line of 65536 bytes", {"A": "1"}),
    ("A=1\rB=2\n", 1, "a carriage return or NUL", {"A": "1\rB=2"}),
]
SILENT_IDS = ["no =", "no key", "space", "export", "umlaut", "long line", "lone CR"]


@pytest.mark.parametrize(
    ("text", "line", "problem"), [case[:3] for case in SILENT], ids=SILENT_IDS
)
def test_what_kustomize_misreads_is_an_error_with_its_line(
    text: str, line: int, problem: str
) -> None:
    with pytest.raises(YamlError) as caught:
        parse_env(text.encode(), "config.env")

    assert caught.value.line == line
    assert problem in caught.value.problem
    assert caught.value.hint
    assert str(caught.value).startswith(f"config.env:{line}: ")


@pytest.mark.kustomize
@pytest.mark.parametrize(
    ("text", "made"), [(case[0], case[3]) for case in SILENT], ids=SILENT_IDS
)
def test_kustomize_does_misread_it(
    kustomize: Path, tmp_path: Path, text: str, made: dict[str, str]
) -> None:
    assert config_map(kustomize, tmp_path, text) == made


@pytest.mark.parametrize(
    ("raw", "line", "problem"),
    [
        (b"A=1\nA=2\n", 2, "key A appears twice; first in line 1"),
        (b"A=1\nB=\xff\n", 2, "byte 0xff is not UTF-8"),
        (b"# \xff\n", 1, "byte 0xff is not UTF-8"),
        ("A=1\n".encode("utf-16"), 1, "byte 0xff is not UTF-8"),
        (b"A=\0\n", 1, "a carriage return or NUL"),
        (b"A=1\n\xef\xbb\xbfB=1\n", 2, "is not a configuration key"),
        (b"#" * (2**20 + 1), 0, "at most 1048576 are read"),
    ],
    ids=["twice", "latin-1", "comment", "utf-16", "nul", "mark inside", "huge"],
)
def test_what_kustomize_or_kubernetes_refuses_is_an_error(
    raw: bytes, line: int, problem: str
) -> None:
    with pytest.raises(YamlError) as caught:
        parse_env(raw, "config.env")

    assert caught.value.line == line
    assert problem in caught.value.problem


def test_every_problem_is_found_in_one_go() -> None:
    text = b"A\nB=1\nB=2\n=x\nC=1\n"

    assert [p.line for p in env_problems(text, "config.env")] == [1, 3, 4]
    assert env_problems(TRICKY.encode(), "config.env") == ()
    assert [p.line for p in env_problems(b"#" * 2**21, "config.env")] == [0]


def test_an_error_does_not_show_the_value() -> None:
    with pytest.raises(YamlError) as caught:
        parse_env(b"KEY =s3cr3t-value\n", "config.env")

    assert "s3cr3t" not in str(caught.value) + caught.value.hint


# --- editing ---


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("A=1\n# c\nB=2\n", "A=new\n# c\nB=2\n"),
        ("\ufeff  A=\r\n\r\nB=2", "\ufeff  A=new\r\n\r\nB=2"),
        ("B=2\nA=1", "B=2\nA=new"),
        ("B=2\r\nA= x # y \r\n", "B=2\r\nA=new\r\n"),
        ("# A=0\nA=1=2\n", "# A=0\nA=new\n"),
    ],
)
def test_setting_a_key_touches_only_its_value(text: str, expected: str) -> None:
    assert set_env(text.encode(), "config.env", "A", "new").decode() == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("B=2\n", "B=2\nA=new\n"),
        ("B=2", "B=2\nA=new"),
        ("B=2\r\n", "B=2\r\nA=new\r\n"),
        ("B=2\r\nC=3", "B=2\r\nC=3\r\nA=new"),
        ("", "A=new\n"),
        ("\ufeff", "\ufeffA=new\n"),
        ("# only\n\n", "# only\n\nA=new\n"),
        ("B=1\r\nC=2\n", "B=1\r\nC=2\nA=new\n"),
    ],
)
def test_a_new_key_is_a_last_line_that_can_be_removed_without_a_trace(
    text: str, expected: str
) -> None:
    after = set_env(text.encode(), "config.env", "A", "new")

    assert after.decode() == expected
    assert unset_env(after, "config.env", "A").decode() == text


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("# c\nA=1\n\nB=2\n", "# c\n\nB=2\n"),
        ("B=2\r\nA=1", "B=2"),
        ("A=1", ""),
        ("\ufeffA=1\nB=2\n", "\ufeffB=2\n"),
        ("B=2\n", "B=2\n"),
    ],
)
def test_unsetting_a_key_takes_its_line(text: str, expected: str) -> None:
    assert unset_env(text.encode(), "config.env", "A").decode() == expected


@pytest.mark.parametrize(
    ("key", "value", "problem"),
    [
        ("A", "1\nB=2", "holds a line break or NUL"),
        ("A", "1\r", "holds a line break or NUL"),
        ("A", "\0", "holds a line break or NUL"),
        ("A", "\ud800", "is not valid Unicode"),
        ("A", "x" * (LINE_MAX - 1), "makes a line of 65536 bytes"),
        ("", "1", "is not a configuration key"),
        ("A B", "1", "is not a configuration key"),
        ("A=B", "1", "is not a configuration key"),
        ("#A", "1", "is not a configuration key"),
        ("A\n", "1", "is not a configuration key"),
        ("\uff21", "1", "is not a configuration key"),
        ("A" * 254, "1", "is not a configuration key"),
    ],
)
def test_what_an_env_file_cannot_hold_is_refused(
    key: str, value: str, problem: str
) -> None:
    with pytest.raises(InputError, match=problem):
        set_env(b"A=1\n", "config.env", key, value)


def test_the_longest_line_is_written_and_read_back() -> None:
    value = "x" * (LINE_MAX - 2)

    assert read(set_env(b"", "config.env", "A", value)) == {"A": value}


def test_a_broken_file_is_not_edited() -> None:
    with pytest.raises(YamlError, match="no '='"):
        set_env(b"A\n", "config.env", "B", "1")
    with pytest.raises(YamlError, match="no '='"):
        unset_env(b"A\n", "config.env", "B")


@pytest.mark.parametrize(
    ("after", "value"),
    [
        (b"# c\nA=1\nB=2\n", "3"),
        (b"# c\nA=3\nB=9\n", "3"),
        (b"# d\nA=3\nB=2\n", "3"),
        (b"# c\nA=3\nB=2", "3"),
        (b"# c\n A=3\nB=2\n", "3"),
        (b"# c\nB=2\nA=3\n", "3"),
        (b"A=3\nB=2\n", "3"),
        (b"# c\nA=3\nB=2\nC=1\n", "3"),
        (b"B=2\n", None),
        (b"# c\nA=1\nB=2\n", None),
    ],
)
def test_a_wrong_splice_does_not_pass_the_proof(
    after: bytes, value: str | None
) -> None:
    with pytest.raises(PlanError, match="the edit of A would not be exact"):
        prove_env(b"# c\nA=1\nB=2\n", after, "config.env", key="A", value=value)


LINES = st.one_of(
    st.just(""),
    st.from_regex(r"[ \t]*#[^\r\n\0]{0,8}", fullmatch=True),
    st.from_regex(r"[ \t]*[A-C][-._a-z0-9]{0,3}=[^\r\n\0]{0,8}", fullmatch=True),
)
VALUES = st.text(
    st.characters(exclude_categories=["Cs"], exclude_characters="\r\n\0"), max_size=9
)


@given(
    st.lists(LINES, max_size=6, unique_by=lambda line: line.partition("=")[0].strip()),
    st.sampled_from(["\n", "\r\n"]),
    st.tuples(st.booleans(), st.booleans()),
    st.sampled_from(["A", "B", "Ca", "D"]),
    VALUES,
)
@settings(deadline=None, max_examples=300)
def test_set_and_unset_change_one_entry_and_no_other_line(
    lines: list[str], newline: str, ends: tuple[bool, bool], key: str, value: str
) -> None:
    text = ("\ufeff" * ends[0] + newline.join(lines) + newline * ends[1]).encode()
    before = read(text)

    after = set_env(text, "config.env", key, value)
    without = unset_env(after, "config.env", key)

    assert read(after) == {**before, key: value}
    assert read(without) == {k: v for k, v in before.items() if k != key}
    assert set_env(after, "config.env", key, value) == after
    if key in before:
        assert set_env(after, "config.env", key, before[key]) == text
    elif lines:
        assert without == text
