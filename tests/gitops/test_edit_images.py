"""Bumping one images: entry: its own bytes and no others, in any kustomization."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import example, given, settings, strategies as st

from gitops.edit import set_image_tag
from gitops.errors import InputError, PlanError, YamlError
from gitops.model import Difference
from gitops.overlay import image_entries
from gitops.yamltext import Source, Style, compose, is_plain_safe, parse, scalar_text
from tests.support.overlays import IMAGE, NEW_DIGEST, OLD_DIGEST

CORPUS_SIZE = 70
NEW_TAGS = ["12.4.0", "11.10", "12.4.0-rc.1"]


def bumped(text: str, tag: str = "12.4.0", digest: str | None = None) -> str:
    return set_image_tag(text.encode(), "k.yaml", 0, tag, digest)[0].decode()


# --- every kustomization of the corpus ---


def corpus(shared: Path) -> list[Path]:
    listed = (shared / "corpus" / "INDEX.tsv").read_text().splitlines()
    files = [shared / "corpus" / f"{line.split()[0]}.yaml" for line in listed]
    assert len(files) == CORPUS_SIZE
    return files


def changed_lines(before: bytes, after: bytes) -> list[tuple[bytes, bytes]]:
    pairs = zip(
        before.splitlines(keepends=True), after.splitlines(keepends=True), strict=True
    )
    return [(old, new) for old, new in pairs if old != new]


@pytest.mark.parametrize("tag", NEW_TAGS)
@pytest.mark.parametrize(
    "disguise",
    [
        lambda raw: raw,
        lambda raw: raw.replace(b"\n", b"\r\n"),
        lambda raw: b"\xef\xbb\xbf" + raw.rstrip(b"\n"),
    ],
    ids=["as it is", "CRLF", "mark and no last line break"],
)
def test_every_new_tag_of_the_corpus_is_bumped_in_its_own_bytes(
    shared: Path, tag: str, disguise: object
) -> None:
    assert callable(disguise)
    bumps = 0
    for file in corpus(shared):
        before = disguise(file.read_bytes())
        for entry in image_entries(compose(before, file.name), file.name):
            assert entry.tag is not None, file.name
            after, differences = set_image_tag(before, file.name, entry.index, tag)
            start, end = entry.tag.start, entry.tag.end
            written = scalar_text(tag, like=entry.tag.style).encode()

            assert after == before[:start] + written + before[end:], file.name
            assert [(d.before, d.after) for d in differences] == [
                (entry.tag.value, tag)
            ]
            ((old, new),) = changed_lines(before, after)
            assert (
                re.sub(rb".*newTag: ", b"", old).split()[1:]
                == (re.sub(rb".*newTag: ", b"", new).split()[1:])
            )
            bumps += 1
    assert bumps == 114


def test_every_new_tag_of_the_corpus_gets_and_loses_a_digest(shared: Path) -> None:
    for file in corpus(shared):
        before = file.read_bytes()
        comments = Source.read(before, file.name).comments()
        for entry in image_entries(compose(before, file.name), file.name):
            assert entry.tag is not None
            tag = entry.tag.value
            pinned, added = set_image_tag(
                before, file.name, entry.index, tag, NEW_DIGEST
            )
            loose, removed = set_image_tag(pinned, file.name, entry.index, tag)

            assert [d.after for d in added] == [NEW_DIGEST]
            assert [d.after for d in removed] == [None]
            assert loose == before, file.name
            assert Source.read(pinned, file.name).comments() == comments
            assert len(pinned.splitlines()) == len(before.splitlines()) + 1


def test_the_corpus_is_found_by_name_or_the_name_is_refused(shared: Path) -> None:
    found = refused = 0
    for file in corpus(shared):
        before = file.read_bytes()
        for entry in image_entries(compose(before, file.name), file.name):
            try:
                after, _ = set_image_tag(before, file.name, entry.image, "12.4.0")
            except YamlError as error:
                refused += 1
                assert re.search(r"\d+ images: entries for", error.problem)  # noqa: PT017
            else:
                found += 1
                assert (
                    after
                    == (set_image_tag(before, file.name, entry.index, "12.4.0")[0])
                )
    assert (found, refused) == (114, 0)


# --- tag ---


@pytest.mark.parametrize(
    ("tag", "written"),
    [("11.10", '"11.10"'), ("1e3", '"1e3"'), ("on", '"on"'), ("11.1.0", "11.1.0")],
)
def test_a_tag_that_would_be_a_number_is_quoted(tag: str, written: str) -> None:
    text = "images:\n- name: a\n  newTag: 10.0.0 # c\n"

    assert bumped(text, tag) == text.replace("10.0.0", written)


@pytest.mark.parametrize("quote", ["'", '"'])
def test_a_quoted_tag_keeps_its_quotes(quote: str) -> None:
    text = f"images:\n- name: a\n  newTag: {quote}10.0.0{quote}   # c\n"

    assert bumped(text, "11.10") == text.replace("10.0.0", "11.10")
    assert bumped(text, "11.1.0") == text.replace("10.0.0", "11.1.0")


@pytest.mark.parametrize("old", ["11.10", "1e3", "null", "", "~", "on"])
def test_an_unquoted_tag_that_is_no_text_is_repaired(old: str) -> None:
    text = f"images:\n- name: a\n  newTag: {old}\n  digest: {OLD_DIGEST}\n"

    assert yaml.safe_load(bumped(text, "11.10", OLD_DIGEST)) == {
        "images": [{"name": "a", "newTag": "11.10", "digest": OLD_DIGEST}]
    }


def test_the_same_tag_changes_nothing() -> None:
    for text in ("newTag: 11.1.0", "newTag: '11.10'", 'newTag: "on"'):
        raw = f"images:\n- name: a\n  {text} # c".encode()
        tag = str(parse(raw, "f")["images"][0]["newTag"])  # type: ignore[call-overload,index]

        assert set_image_tag(raw, "f", "a", tag) == (raw, ())


def test_differences_name_the_image_and_both_values() -> None:
    text = (
        f"images:\n- name: a\n  newName: b/c\n  newTag: '1'\n  digest: {OLD_DIGEST}\n"
    )

    _, differences = set_image_tag(text.encode(), "k.yaml", "b/c", "2")

    assert differences == (
        Difference(path="k.yaml", field="images[b/c].newTag", before="1", after="2"),
        Difference(
            path="k.yaml", field="images[b/c].digest", before=OLD_DIGEST, after=None
        ),
    )


# --- digest ---

# Where a digest D stands, once it is known; without it, the other bytes are the same.
PINNED = {
    "after the tag": "- name: a\n  newTag: 1.0.0 # t\n<  digest: D\n>",
    "at the end": "- name: a\n  newTag: 1.0.0<\n  digest: D>",
    "CRLF": "- name: a\r\n  newTag: 1.0.0<\r\n  digest: D>",
    "tag first": "-   newTag: 1.0.0\n<    digest: D\n>    name: a\n",
    "braces": '- {name: a, newTag: 1.0.0<, digest: "D">}\n',
    "braces, tag first": '- {newTag: 1.0.0<, digest: "D">, name: a}\n',
    "JSON": '- {"name":"a","newTag":"1.0.0"<, "digest": "D">}\n',
    "quotes": "- 'name': a\n  'newTag': '1.0.0'\n<  'digest': 'D'\n>",
}


@pytest.mark.parametrize("layout", PINNED)
def test_a_known_digest_is_inserted_and_an_unknown_one_removed(layout: str) -> None:
    lead = "images:\r\n" if layout == "CRLF" else "images:\n"
    without = lead + re.sub("<.*>", "", PINNED[layout], flags=re.DOTALL)
    pinned = lead + re.sub("[<>]", "", PINNED[layout]).replace("D", NEW_DIGEST)

    assert bumped(without, "1.0.0", NEW_DIGEST) == pinned
    assert bumped(pinned, "1.0.0") == without
    assert bumped(pinned, "1.0.0", NEW_DIGEST) == pinned
    assert bumped(pinned, "2.0.0", OLD_DIGEST) == (
        pinned.replace("1.0.0", "2.0.0").replace(NEW_DIGEST, OLD_DIGEST)
    )


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("- digest: D\n  newTag: 1.0.0\n  name: a\n", "- newTag: 2.0.0\n  name: a\n"),
        ("- {digest: D, newTag: 1.0.0, name: a}\n", "- {newTag: 2.0.0, name: a}\n"),
        ("- {name: a, digest: D, newTag: 1.0.0}\n", "- {name: a, newTag: 2.0.0}\n"),
        (
            "- name: a\n  newTag: 1.0.0\n  digest: D # pinned by hand\n",
            "- name: a\n  newTag: 2.0.0\n  # pinned by hand\n",
        ),
    ],
    ids=["first key", "first in braces", "middle in braces", "with a comment"],
)
def test_an_unknown_digest_removes_the_old_one_wherever_it_is(
    text: str, expected: str
) -> None:
    before = "images:\n" + text.replace("D", OLD_DIGEST)

    assert bumped(before, "2.0.0") == "images:\n" + expected


@pytest.mark.parametrize(
    "text",
    [
        "- digest: D # why\n  newTag: 1.0.0\n  name: a\n",
        "- {name: a, # why\n   digest: D,\n   newTag: 1.0.0}\n",
    ],
)
def test_a_digest_that_would_take_a_comment_along_is_refused(text: str) -> None:
    before = "images:\n" + text.replace("D", OLD_DIGEST)

    if "{" in text:
        assert "# why" in bumped(before, "2.0.0")
    else:
        with pytest.raises(YamlError, match="a comment would go with it"):
            bumped(before, "2.0.0")


# --- refusing ---


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("images:\n- name: a\n", "has no newTag"),
        ("images:\n- {name: a, newTag: '1', tagSuffix: b}\n", "has a tagSuffix"),
        ("images: []\n", "images: has 0 entries, none 0"),
        ("x: &x '1'\nimages:\n- {name: a, newTag: &t '1'}\ny: *t\n", "an alias uses"),
        ("x: &x {name: a, newTag: '1'}\nimages: [*x]\n", "it is part of an alias"),
        ("images: &i\n- {name: a, newTag: '1'}\nx: *i\n", "an alias uses"),
        ("images:\n- {name: a, newTag: !!int 1}\n", "it has the tag !!int"),
        ("images:\n- name: a\n  newTag: |- # why\n    1\n", "a comment would go"),
    ],
)
def test_an_entry_that_cannot_be_bumped_exactly_is_refused(
    text: str, problem: str
) -> None:
    with pytest.raises(YamlError) as caught:
        bumped(text)

    assert problem in caught.value.problem
    assert caught.value.path == "k.yaml"


def test_a_tag_that_uses_an_anchor_elsewhere_is_cut_loose() -> None:
    text = "x: &x 1.0.0 # kept\nimages:\n- {name: a, newTag: *x }\n"

    assert bumped(text) == text.replace("*x", "12.4.0")


@pytest.mark.parametrize("image", ["b", 1, -1])
def test_an_unknown_entry_is_refused(image: str | int) -> None:
    with pytest.raises(YamlError, match=r"no images: entry for b|none -?1"):
        set_image_tag(b"images: [{name: a, newTag: '1'}]", "f", image, "2")


@pytest.mark.parametrize("tag", ["", "a b", "-1", "a\n", "é", "x" * 129, 'a"', "a:b"])
def test_a_tag_that_no_registry_holds_is_refused(tag: str) -> None:
    with pytest.raises(InputError, match="is not an image tag"):
        bumped("images: [{name: a, newTag: '1'}]", tag)


@pytest.mark.parametrize("digest", ["", "sha256:abc", "sha512:" + "0" * 64, "D" * 71])
def test_a_digest_that_no_registry_holds_is_refused(digest: str) -> None:
    with pytest.raises(InputError, match="is not a digest"):
        bumped("images: [{name: a, newTag: '1'}]", "2", digest)


def test_a_place_where_a_digest_would_say_something_else_is_refused() -> None:
    text = "images:\n- ? newTag\n  :\n  ? name\n  : a\n"

    with pytest.raises(PlanError, match="would not be exact"):
        bumped(text, "2", NEW_DIGEST)


# --- any layout ---


@dataclass(frozen=True)
class Layout:
    """A kustomization with a hole for the tag's scalar."""

    head: str
    tail: str
    style: Style
    flow: bool

    def text(self, scalar: str) -> bytes:
        return (self.head + scalar + self.tail).encode()


NOISE = st.sampled_from(
    [
        "# newTag: not this\n",
        "# ünïcödé 😀 comment: 'quote\n",
        "\n",
        "   \n",
        "nameSuffix: -é # '\n",
        "labels: [{pairs: {a: 'b # no', \"c\": d}}]\n",
        "patches:\n- patch: |-\n    # no comment\n    newTag: 9.9\n  target: {a: b}\n",
        "commonAnnotations: &notes\n  a: >\n    folded\n\n    text\n",
        "x-list: &list [a, &b 'b', *b]\n",
        '"x-\\u00fc": "tab\\t# no"\n',
        "configurations: []   \n",
    ]
)
REST = st.sampled_from(["", "   # a comment: 'x'", "\t# é", " #"])


@st.composite
def layouts(draw: st.DrawFn) -> Layout:
    noise = draw(st.lists(NOISE, max_size=4, unique=True))
    cut = draw(st.integers(0, len(noise)))
    style = draw(st.sampled_from([Style.PLAIN, Style.SINGLE, Style.DOUBLE]))
    flow = draw(st.booleans())
    anchor = draw(st.sampled_from(["", "&tag ", "!!str ", "!!str &tag "]))
    quote = draw(st.sampled_from(["", "'", '"']))
    key = f"{quote}newTag{quote}:{' ' * draw(st.integers(1, 3))}{anchor}"
    rest = draw(REST)
    if flow:
        before, after = draw(
            st.sampled_from(
                [
                    ("images: [{name: a, ", "}]\n"),
                    ("images:\n- {name: a,\n   ", ", newName: é}\n"),
                    ("images:\n  - { ", " ,name: 'a' } # end\n"),
                ]
            )
        )
    else:
        indent = " " * draw(st.integers(0, 3))
        gap = " " * draw(st.integers(1, 3))
        inner = indent + " " + gap
        other = draw(st.sampled_from(["", f"{indent}-{gap}name: other\n"]))
        before = f"images:{rest}\n{other}{indent}-{gap}name: a{rest}\n{inner}"
        after = f"{rest}\n" + draw(st.sampled_from(["", f"{inner}newName: a\n"]))
    head, tail = "".join(noise[:cut]) + before + key, after + "".join(noise[cut:])
    if draw(st.booleans()):
        tail = tail.rstrip()
    if draw(st.booleans()):
        head, tail = head.replace("\n", "\r\n"), tail.replace("\n", "\r\n")
    return Layout("\ufeff" * draw(st.booleans()) + head, tail, style, flow)


def quoted(tag: str, style: Style) -> str:
    """The oracle: the scalar's own quoting, double quotes where plain is no text."""
    if style is Style.PLAIN:
        return tag if is_plain_safe(tag) else f'"{tag}"'
    return f"{style}{tag}{style}"


def read_by_libyaml(text: bytes) -> Any:
    """Another reader than ours: YAML 1.1 types, from libyaml's own loader."""
    return yaml.load(text, Loader=yaml.CSafeLoader)


@given(layouts(), st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,15}", fullmatch=True))
@example(Layout("images: [{name: a, newTag: ", "}]", Style.PLAIN, flow=True), "11.10")
@settings(deadline=None, max_examples=300)
def test_in_any_layout_the_tag_alone_changes(layout: Layout, tag: str) -> None:
    before = layout.text(quoted("10.0.0", layout.style))
    index = len(image_entries(compose(before, "f"), "f")) - 1

    after, _ = set_image_tag(before, "f", index, tag)

    assert after == layout.text(quoted(tag, layout.style))
    assert read_by_libyaml(after)["images"][index]["newTag"] == tag
    assert set_image_tag(after, "f", index, tag) == (after, ())
    assert set_image_tag(after, "f", index, "10.0.0")[0] in (
        before,
        layout.text('"10.0.0"'),
    )


@given(layouts())
@settings(deadline=None, max_examples=200)
def test_in_any_layout_a_digest_comes_and_goes_without_a_trace(layout: Layout) -> None:
    before = layout.text(quoted("10.0.0", layout.style))
    index = len(image_entries(compose(before, "f"), "f")) - 1

    pinned, _ = set_image_tag(before, "f", index, "10.0.0", NEW_DIGEST)
    loose, _ = set_image_tag(pinned, "f", index, "10.0.0")

    assert loose == before
    entry = read_by_libyaml(pinned)["images"][index]
    assert (entry["newTag"], entry["digest"]) == ("10.0.0", NEW_DIGEST)
    comments = Source.read(before, "f").comments()
    assert Source.read(pinned, "f").comments() == comments


def test_the_image_of_a_stack_is_found_by_its_name() -> None:
    text = f"images: [{{name: {IMAGE}, newTag: '1'}}, {{name: b, newTag: '1'}}]\n"

    after, _ = set_image_tag(text.encode(), "f", IMAGE, "2")

    assert after.decode() == text.replace("'1'", "'2'", 1)
