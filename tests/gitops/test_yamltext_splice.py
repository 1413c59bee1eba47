"""Editing YAML by splice: exactly the planned bytes, proved, or a typed refusal."""

from __future__ import annotations

from typing import Any

import pytest
import yaml
from hypothesis import assume, given, settings, strategies as st

from gitops.errors import PlanError, YamlError
from gitops.yamltext import (
    DeleteLine,
    InsertLine,
    Path,
    Replace,
    Source,
    YamlEdit,
    parse,
    prove,
    splice,
)


def spliced(text: str, *edits: YamlEdit) -> str:
    return splice(Source.read(text.encode(), "f.yaml"), edits).decode()


def refusal(text: str, *edits: YamlEdit) -> str:
    with pytest.raises(YamlError) as caught:
        spliced(text, *edits)
    assert caught.value.line > 0
    assert caught.value.hint == "edit this place by hand"
    return caught.value.problem


# --- replace ---


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a: old # c\n", "a: new # c\n"),
        ("a:   'old'\t# c\n", "a:   'new'\t# c\n"),
        ('"a" : "old"', '"a" : "new"'),
        ("a:\n  old\nb: 1\n", "a:\n  new\nb: 1\n"),
        ('a: "o\n  ld"\n', 'a: "new"\n'),
        ("a: &x old\n", "a: &x new\n"),
        ("a: !!str &x 'old'\n", "a: !!str &x 'new'\n"),
        ("b: &x old\na: *x\n", "b: &x old\na: new\n"),
        ("a:\n", "a: new\n"),
        ("a:   # c\n", "a: new   # c\n"),
        ("a: # c", "a: new # c"),
        ("a : \nb: 1\n", "a : new \nb: 1\n"),
        ("{a: , b: 1}", "{a: new, b: 1}"),
        ('{"a":, "b": 1}', '{"a": new, "b": 1}'),
        ("a: ''\n", "a: 'new'\n"),
        ("a: |-\n  old\n\n# c\nb: 1\n", 'a: "new"\n\n# c\nb: 1\n'),
        ("a: >\r\n  old\r\nb: 1\r\n", 'a: "new"\r\nb: 1\r\n'),
        ("a: |-\n  old\xa0\n", 'a: "new"\n'),
        ("\ufeffä: 1\r\na: old", "\ufeffä: 1\r\na: new"),
        ("? a\n: old\n", "? a\n: new\n"),
        (
            "%YAML 1.2\n---\na: old\n...\n# end\n",
            "%YAML 1.2\n---\na: new\n...\n# end\n",
        ),
    ],
)
def test_replacing_a_value_touches_only_its_bytes(text: str, expected: str) -> None:
    assert spliced(text, Replace(path=("a",), value="new")) == expected


def test_items_of_sequences_and_of_flow_are_replaced_too() -> None:
    text = "a:\n- x\n- [y, {b: 'z'}]\n"

    assert spliced(
        text,
        Replace(path=("a", 1, 1, "b"), value="q"),
        Replace(path=("a", 0), value="11.10"),
        Replace(path=("a", 1, 0), value="a:b"),
    ) == ('a:\n- "11.10"\n- ["a:b", {b: \'q\'}]\n')


def test_the_document_itself_may_be_the_value() -> None:
    assert spliced("old # c\n", Replace(path=(), value="new")) == "new # c\n"


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("b: 1\n", "it is not there"),
        ("a: [1]\n", "it is not a single text"),
        ("a: {b: 1}\n", "it is not a single text"),
        ("b: &x [1]\na: *x\n", "it is not a single text"),
        ("a: &x old\nb: *x\n", "an alias uses the same value elsewhere"),
        ("a: !!int 5\n", "it has the tag !!int"),
        ("a: |- # c\n  old\n", "a comment would go with it"),
        ("{a, b: 1}", "it has no value"),
        ("? a\n? b\n", "it has no value"),
        ("a: &x\nb: 1\n", "it has no value"),
        ("[1]", "it is not there"),
    ],
)
def test_a_place_without_an_exact_edit_is_refused(text: str, problem: str) -> None:
    assert refusal(text, Replace(path=("a",), value="new")).endswith(problem)


@pytest.mark.parametrize(
    ("text", "path", "problem"),
    [
        ("x: &x {a: 1}\ny: *x\n", ("y", "a"), "it is part of an alias"),
        ("x: &x {a: 1}\ny: *x\n", ("x", "a"), "an alias uses the same value elsewhere"),
        ("a: [1]\n", ("a", 1), "it is not there"),
        ("a: [1]\n", ("a", -1), "it is not there"),
        ("a: [1]\n", ("a", "0"), "it is not there"),
    ],
)
def test_shared_and_missing_places_are_refused(
    text: str, path: Path, problem: str
) -> None:
    assert refusal(text, Replace(path=path, value="new")).endswith(problem)


def test_two_edits_of_one_value_are_refused() -> None:
    edits = Replace(path=("a",), value="x"), Replace(path=("a",), value="y")

    with pytest.raises(YamlError, match="two edits at one place"):
        spliced("a: old\n", *edits)


def test_no_edit_gives_the_same_bytes() -> None:
    assert spliced("a: old # c\n") == "a: old # c\n"


# --- insert and delete ---

WITHOUT_AND_WITH = [
    ("- a: 1.2.3 # c\n  z: 1\n", "- a: 1.2.3 # c\n  new: x.y\n  z: 1\n"),
    ("- a: 1.2.3", "- a: 1.2.3\n  new: x.y"),
    ("- z: 1\r\n  a: 1.2.3", "- z: 1\r\n  a: 1.2.3\r\n  new: x.y"),
    ("-   z: 1\n    a: 'b' # c", "-   z: 1\n    a: 'b' # c\n    new: 'x.y'"),
    ('- "a": "b"\n', '- "a": "b"\n  "new": "x.y"\n'),
    ("- {a: 1.2.3}\n", "- {a: 1.2.3, new: x.y}\n"),
    ("- {a: 1.2.3, z: 1}\n", "- {a: 1.2.3, new: x.y, z: 1}\n"),
    ("- {z: 1,\n   a: 1.2.3,\n  }", "- {z: 1,\n   a: 1.2.3, new: x.y,\n  }"),
    ('[{"a":"b"}]', '[{"a":"b", "new": "x.y"}]'),
    ("- a: |-\n    b\n\n  z: 1\n", '- a: |-\n    b\n  new: "x.y"\n\n  z: 1\n'),
    ("- a:\n  z: 1\n", "- a:\n  new: x.y\n  z: 1\n"),
    ("- - a: b\n    z: ü\n", None),
]


@pytest.mark.parametrize(
    ("without", "with_it"), [pair for pair in WITHOUT_AND_WITH if pair[1]]
)
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_a_key_is_inserted_after_another_and_deleted_again_without_a_trace(
    without: str, with_it: str, mark: str
) -> None:
    insert = InsertLine(after=(0, "a"), key="new", value="x.y")

    assert spliced(mark + without, insert) == mark + with_it
    assert spliced(mark + with_it, DeleteLine(path=(0, "new"))) == mark + without


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("- a: 1\n  b: 2 # why\n", "- a: 1\n  # why\n"),
        ("- a: 1\n  b: 2 # why", "- a: 1\n  # why"),
        ("- b: 2\n  a: 1 # c\n", "- a: 1 # c\n"),
        ("- - b: 2\n    a: 1\n", None),
        ("- a: 1\n  b: |-\n    x\n    y\n", "- a: 1\n"),
        ("- a: 1\n  b:\n    x\n", "- a: 1\n"),
        ("- a: 1\n  b:\n", "- a: 1\n"),
        ("- {b: 2, a: 1}\n", "- {a: 1}\n"),
        ("- {a: 1 , b: 2 }\n", "- {a: 1 }\n"),
        ("- {a: 1,\n   b: 2,\n   c: 3}\n", "- {a: 1,\n   c: 3}\n"),
        ("- a: &x 1\n  b: *x\n", "- a: &x 1\n"),
        ("- a: 1\n  b: !!str 2\n", "- a: 1\n"),
        ("- a: 1\r\n  b: 2", "- a: 1"),
    ],
)
def test_deleting_a_key_takes_its_line_but_never_a_comment(
    text: str, expected: str | None
) -> None:
    if expected is None:
        assert spliced(text, DeleteLine(path=(0, 0, "b"))) == "- - a: 1\n"
    else:
        assert spliced(text, DeleteLine(path=(0, "b"))) == expected


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("- b: 2\n", "it is the only key there"),
        ("- b: 2 # why\n  a: 1\n", "a comment would go with it"),
        ("- b: 2\n  # why\n  a: 1\n", "a comment would go with it"),
        ("- a: 1\n  b: # why\n    x\n", "a comment would go with it"),
        ("- {a: 1, # why\n   b: 2}\n", "a comment would go with it"),
        ("- {b: 2, # why\n   a: 1}\n", "a comment would go with it"),
        ("- ? b\n  : 2\n  ? a\n  : 1\n", "something else is in its line"),
        ("- a: 1\n  b: [2]\n", "it is not a single text"),
        ("- a: 1\n  b: &x 2\n- *x\n", "an alias uses the same value elsewhere"),
    ],
)
def test_a_line_that_cannot_go_alone_stays(text: str, problem: str) -> None:
    assert refusal(text, DeleteLine(path=(0, "b"))).endswith(problem)


def test_a_sequence_item_is_no_line_of_a_mapping() -> None:
    assert refusal("- a\n- b\n", DeleteLine(path=(0,))).endswith("no key's value")
    assert refusal("a\n", DeleteLine(path=())).endswith("no key's value")


@pytest.mark.parametrize(
    "text",
    ["? a\n:\n? b\n: 1\n", "a: 1\nnew: x\n", "a: |+\n  x\n\n\nb: 1\n"],
    ids=["question marks", "twice", "kept blank lines"],
)
def test_an_insertion_that_would_say_something_else_is_refused(text: str) -> None:
    with pytest.raises(PlanError, match="would not be exact"):
        spliced(text, InsertLine(after=("a",), key="new", value="x"))


def test_several_edits_are_made_at_once() -> None:
    text = "{name: a, newTag: '1', digest: d}\n"

    assert (
        spliced(
            text,
            DeleteLine(path=("digest",)),
            Replace(path=("newTag",), value="2"),
            InsertLine(after=("newTag",), key="x", value="y"),
        )
        == "{name: a, newTag: '2', x: 'y'}\n"
    )


# --- the proof ---

BEFORE = "a: 1.0.0 # one\nb: 'two'\nc: [x]\n# end\n"
PLAN = (Replace(path=("a",), value="2.0.0"),)


@pytest.mark.parametrize(
    ("after", "problem"),
    [
        ("a: 2.0.1 # one\nb: 'two'\nc: [x]\n# end\n", "not the planned data"),
        (BEFORE, "not the planned data"),
        ("a: 2.0.0 # one\nb: 'other'\nc: [x]\n# end\n", "not the planned data"),
        ("a: 2.0.0 # one\nb: 'two'\nc: [x, y]\n# end\n", "not the planned data"),
        ("a: 2.0.0 # one\nb: 'two'\nc: [x]\nd: new\n# end\n", "not the planned data"),
        ("a: 2.0.0\nb: 'two'\nc: [x]\n# end\n", "a comment would change"),
        ("a: 2.0.0 # two\nb: 'two'\nc: [x]\n# end\n", "a comment would change"),
        ("a: 2.0.0 # one\nb: 'two'\nc: [x]\n", "a comment would change"),
        ("a: 2.0.0  # one\nb: 'two'\nc: [x]\n# end\n", "bytes outside"),
        ("a:  2.0.0 # one\nb: 'two'\nc: [x]\n# end\n", "bytes outside"),
        ('a: 2.0.0 # one\nb: "two"\nc: [x]\n# end\n', "bytes outside"),
        ("a: 2.0.0 # one\nb: 'two'\nc:\n- x\n# end\n", "bytes outside"),
        ("a: 2.0.0 # one\nb: 'two'\nc: [x]\n# end", "bytes outside"),
        ("b: 'two'\na: 2.0.0 # one\nc: [x]\n# end\n", "bytes outside"),
        ("a: 2.0.0 # one\r\nb: 'two'\nc: [x]\n# end\n", "bytes outside"),
        ("\ufeffa: 2.0.0 # one\nb: 'two'\nc: [x]\n# end\n", "bytes outside"),
    ],
)
def test_a_wrong_splice_does_not_pass_the_proof(after: str, problem: str) -> None:
    before, wrong = (Source.read(t.encode(), "f.yaml") for t in (BEFORE, after))

    with pytest.raises(PlanError, match=problem) as caught:
        prove(before, wrong, PLAN)

    assert caught.value.message.startswith("f.yaml: the edit would not be exact")
    assert "nothing was changed" in caught.value.hint


def test_a_value_that_reads_as_a_number_does_not_pass_the_proof() -> None:
    before, after = (Source.read(t, "f") for t in (b"a: '1'\n", b"a: 11.10\n"))

    with pytest.raises(PlanError, match="not read as text"):
        prove(before, after, [Replace(path=("a",), value="11.10")])


def test_a_right_splice_passes_the_proof() -> None:
    after = BEFORE.replace("1.0.0", "2.0.0")

    prove(Source.read(BEFORE.encode(), "f"), Source.read(after.encode(), "f"), PLAN)


@pytest.mark.parametrize(
    ("before", "after", "edit"),
    [
        ("a: 1\n", "a: 1\n\nb: x\n", InsertLine(after=("a",), key="b", value="x")),
        ("a: 1\nb: x\n", "a: 1\n\n", DeleteLine(path=("b",))),
        ("a: 1\nb: x # c\n", "a: 1\n", DeleteLine(path=("b",))),
    ],
)
def test_a_wrong_line_does_not_pass_the_proof(
    before: str, after: str, edit: YamlEdit
) -> None:
    sources = [Source.read(t.encode(), "f") for t in (before, after)]

    with pytest.raises(PlanError):
        prove(sources[0], sources[1], [edit])


def test_comments_are_what_follows_a_hash_outside_of_scalars() -> None:
    text = "# a\nb: 'x # no' # c\nd: x#no\ne: |  # f\n  # no\n\n  g\n#h\n"

    found = Source.read(text.encode(), "f").comments()

    assert found == (b"# a", b"# c", b"# f", b"#h")


# --- any document, written by another program ---

LEAVES = st.text(
    st.characters(
        exclude_categories=["Cs", "Cc"], exclude_characters="\x85\u2028\u2029\ufeff"
    ),
    max_size=12,
)
DATA = st.recursive(
    LEAVES,
    lambda inner: st.one_of(
        st.lists(inner, max_size=4), st.dictionaries(LEAVES, inner, max_size=4)
    ),
    max_leaves=12,
)
DUMPS = st.fixed_dictionaries(
    {
        "default_style": st.sampled_from([None, "'", '"', "|", ">"]),
        "default_flow_style": st.sampled_from([None, True, False]),
        "allow_unicode": st.booleans(),
        "line_break": st.sampled_from(["\n", "\r\n"]),
        "indent": st.sampled_from([2, 4]),
        "width": st.sampled_from([10, 80]),
        "explicit_start": st.booleans(),
        "explicit_end": st.booleans(),
    }
)


def leaf_paths(data: object, at: Path = ()) -> list[Path]:
    if isinstance(data, dict):
        return [p for key, v in data.items() for p in leaf_paths(v, (*at, key))]
    if isinstance(data, list):
        return [p for i, v in enumerate(data) for p in leaf_paths(v, (*at, i))]
    return [at]


def changed(data: object, path: Path, value: str) -> object:
    if not path:
        return value
    head, rest = path[0], path[1:]
    if isinstance(data, dict):
        return {k: changed(v, rest, value) if k == head else v for k, v in data.items()}
    assert isinstance(data, list)
    return [changed(v, rest, value) if i == head else v for i, v in enumerate(data)]


@given(DATA, DUMPS, LEAVES, st.booleans(), st.data())
@settings(deadline=None, max_examples=400)
def test_any_replacement_changes_one_value_and_one_stretch_of_bytes(
    data: object, options: dict[str, Any], value: str, mark: bool, draw: st.DataObject
) -> None:
    dumped = yaml.safe_dump(data, **options).removesuffix(options["line_break"])
    text = ("\ufeff" * mark + dumped).encode()
    assume(leaf_paths(data))
    path = draw.draw(st.sampled_from(leaf_paths(data)))
    assume(parse(text, "f") == data)

    after = splice(Source.read(text, "f"), [Replace(path=path, value=value)])

    assert parse(after, "f") == changed(data, path, value)
    assert yaml.safe_load(after) == changed(yaml.safe_load(text), path, value)
    assert text.startswith(b"\xef\xbb\xbf") is after.startswith(b"\xef\xbb\xbf")
