"""Files of manifests: any bytes end in findings, never in an exception."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given, settings, strategies as st

from gitops.model import Entry, Mode, Tree, blob_id
from gitops.schemas import load_schemas
from gitops.validate import check_files, check_manifests
from tests.support.objects import CLEAN, clean_objects, manifests
from tests.support.trees import tree

OBJECT = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n"


def found(text: str | bytes, path: str = "a.yaml") -> list[tuple[str, int]]:
    findings = check_files(tree({path: text}), [path], load_schemas())
    return [(finding.rule, finding.line) for finding in findings]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "# only a comment\n",
        "---\n---\n",
        OBJECT,
        f"---\n{OBJECT}---\n# nothing\n---\n{OBJECT.replace('a}', 'b}')}",
        '{"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "a"}}',
        "\N{BYTE ORDER MARK}" + OBJECT,
        OBJECT.replace("\n", "\r\n"),
    ],
)
def test_sound_files_have_no_finding(text: str) -> None:
    assert found(text) == []


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b"\xff\xfe", ("unparsable", 1)),
        (b"a: \x00", ("unparsable", 1)),
        ("a: [\n", ("unparsable", 2)),
        ("a: 1\na: 2\n", ("unparsable", 2)),
        ("a: &x [1]\nb: {<<: *x}\n", ("unparsable", 2)),
        ("a: !!python/object/apply:os.system [x]\n", ("unparsable", 1)),
        ("a: *nowhere\n", ("unparsable", 1)),
        ("&a [*a]\n", ("unparsable", 1)),
        ("[" * 30_000, ("unparsable", 1)),
        ("[...]\n", ("not-an-object", 1)),
        ("plain text\n", ("not-an-object", 1)),
        ("42\n", ("not-an-object", 1)),
        ("- a\n- b\n", ("not-an-object", 1)),
        ("kind: Service\n", ("not-an-object", 1)),
        ("apiVersion: 1\nkind: [Pod]\n", ("not-an-object", 1)),
        (f"{OBJECT}---\nspec: {{}}\n", ("not-an-object", 5)),
    ],
)
def test_what_is_no_object_is_a_finding(
    text: str | bytes, expected: tuple[str, int]
) -> None:
    assert expected in found(text)


def test_a_billion_laughs_is_one_finding() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 10)]
    assert [rule for rule, _ in found("\n".join(lines))] == ["unparsable"]


def test_an_unreadable_file_hides_no_other() -> None:
    files = tree({"a.yaml": "a: [", "b.yaml": OBJECT.replace("a}", "B}")})
    findings = check_files(files, ["a.yaml", "b.yaml"], load_schemas())
    assert [(f.path, f.rule) for f in findings] == [
        ("a.yaml", "unparsable"),
        ("b.yaml", "object-name"),
    ]


def test_a_link_is_not_followed() -> None:
    target = b"b.yaml"
    entries = {"a.yaml": Entry(Mode.SYMLINK, blob_id(target))}
    linked = Tree(commit=None, entries=entries, blobs={blob_id(target): target})
    (finding,) = check_files(linked, ["a.yaml"], load_schemas())
    assert (finding.rule, finding.path) == ("not-a-plain-file", "a.yaml")


def test_objects_of_several_files_know_each_other() -> None:
    parts = CLEAN.split(b"---\n")
    files = {f"{number}.yaml": part for number, part in enumerate(parts)}
    assert check_files(tree(files), sorted(files), load_schemas()) == ()


def test_kustomizations_are_no_manifests() -> None:
    files = {
        "kustomization.yaml": "resources: [a.yaml]\n",
        "part.yaml": "apiVersion: kustomize.config.k8s.io/v1alpha1\nkind: Component\n",
    }
    assert check_files(tree(files), sorted(files), load_schemas()) == ()


def test_the_items_of_a_list_are_objects_with_lines_of_their_own() -> None:
    text = (
        "apiVersion: v1\nkind: List\nitems:\n"
        "  - apiVersion: v1\n    kind: ConfigMap\n    metadata: {name: A}\n"
        "  - apiVersion: v1\n    kind: ConfigMap\n    metadata:\n      name: B\n"
        "  - kind: ConfigMap\n  - text\n"
    )
    assert found(text) == [
        ("object-name", 6),
        ("object-name", 10),
        ("not-an-object", 11),
    ]


def test_lines_count_in_the_whole_file() -> None:
    second = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: b\n  labels:\n"
    text = f"# head\n\n{OBJECT}---\n# more\n{second}    team: a b\n...\n---\n{OBJECT}"
    assert ("label-syntax", 13) in found(text)


def test_a_document_too_large_for_places_has_the_line_of_its_object() -> None:
    label = "apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: B\ndata:\n"
    large = f"{OBJECT}---\n{label}  x: {'y' * 2**20}\n"
    assert found(large) == [("object-name", 5)]
    assert found(large.replace("y" * 9, "")) == [("object-name", 8)]


def test_a_piece_of_a_container_shows_its_database() -> None:
    piece = "env:\n  - {name: DB_HOST, value: db}\n"
    assert [rule for rule, _ in found(piece)] == [
        "directus-database-client",
        "not-an-object",
    ]
    more = piece + "  - {name: DB_CLIENT, value: pg}\n"
    assert [rule for rule, _ in found(more)] == ["not-an-object"]


def test_a_hostile_name_is_shown_as_one_line_of_ascii() -> None:
    name = "x\\n\\u202e" + "y" * 300
    text = f'apiVersion: v1\nkind: ConfigMap\nmetadata: {{name: "{name}"}}\n'
    (finding,) = check_files(tree({"a.yaml": text}), ["a.yaml"], load_schemas())
    assert finding.message.isascii()
    assert finding.message.isprintable()
    assert len(finding.message) < 400


# --- any shape ---

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=6,
)


def places(value: Any, at: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    below: list[tuple[Any, ...]] = [at] if at else []
    if isinstance(value, dict):
        for key, inner in value.items():
            below += places(inner, (*at, key))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            below += places(inner, (*at, index))
    return below


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_no_shape_of_an_object_ends_in_an_exception(data: st.DataObject) -> None:
    objects = copy.deepcopy(clean_objects())
    for _ in range(data.draw(st.integers(1, 3))):
        key = data.draw(st.sampled_from(sorted(objects)))
        place = data.draw(st.sampled_from(places(objects[key])))
        if place[0] in ("apiVersion", "kind", "metadata"):
            continue
        holder = objects[key]
        for part in place[:-1]:
            holder = holder[part]
        holder[place[-1]] = data.draw(JSON)
    for finding in check_manifests(manifests([*objects.values()]), load_schemas()):
        assert finding.message


@settings(max_examples=150, deadline=None)
@given(st.binary(max_size=200) | st.text(max_size=200))
def test_no_bytes_end_in_an_exception(content: str | bytes) -> None:
    if isinstance(content, str):
        content = content.encode("utf-8", "replace")
    for finding in check_files(tree({"a.yaml": content}), ["a.yaml"], load_schemas()):
        assert finding.path == "a.yaml"
