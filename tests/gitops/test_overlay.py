"""Reading overlays: what runs where, or a clear word about the file."""

from __future__ import annotations

from collections.abc import Iterable

import pytest

from gitops.errors import GitopsError, TreeError, UnknownNameError, YamlError
from gitops.layout import target
from gitops.model import BlobId, Entry, EnvironmentName, Mode, Revision, Tree, blob_id
from gitops.overlay import (
    image_entries,
    list_overlays,
    list_targets,
    read_overlay,
)
from gitops.yamltext import compose
from tests.support.overlays import IMAGE, OLD_DIGEST, fleet, kustomization
from tests.support.trees import tree

HERE = "overlays/production/acme"
ACME = target("acme", "production")


def revision_in(text: str) -> Revision:
    files = {f"{HERE}/kustomization.yaml": text}
    return read_overlay(tree(files), fleet(), ACME).revision


def refusal(text: str) -> YamlError:
    with pytest.raises(YamlError) as caught:
        revision_in(text)
    assert caught.value.path == f"{HERE}/kustomization.yaml"
    return caught.value


def images(entry: str) -> str:
    return f"images:\n- name: {IMAGE}\n{entry}"


# --- reading ---


def test_an_overlay_says_revision_namespace_and_configuration() -> None:
    files = {
        f"{HERE}/kustomization.yaml": kustomization(more=f"  digest: {OLD_DIGEST}\n"),
        f"{HERE}/config.env": "# c\nB=2\nA=1\n",
    }

    overlay = read_overlay(tree(files), fleet(), ACME)

    assert overlay.target == ACME
    assert overlay.path == HERE
    assert overlay.revision == Revision(image=IMAGE, tag="11.1.0", digest=OLD_DIGEST)
    assert overlay.namespace == "acme-production"
    assert list(overlay.config.items()) == [("B", "2"), ("A", "1")]


def test_without_config_and_namespace_both_are_empty() -> None:
    files = {f"{HERE}/kustomization.yml": images("  newTag: 11.1.0\n")}

    overlay = read_overlay(tree(files), fleet(), ACME)

    assert (overlay.config, overlay.namespace) == ({}, "")
    assert revision_in("namespace:\n" + images("  newTag: 1.0.0\n")).tag == "1.0.0"


def test_the_new_name_decides_which_entry_is_the_stacks() -> None:
    text = (
        "images:\n"
        f"- {{name: {IMAGE}, newName: registry.example.com/acme, newTag: 2.0.0}}\n"
        f"- {{name: other, newName: {IMAGE}, newTag: 3.0.0}}\n"
    )
    rules = fleet(images={"acme": "registry.example.com/acme"})
    files = {f"{HERE}/kustomization.yaml": text}

    assert read_overlay(tree(files), rules, ACME).revision.tag == "2.0.0"
    assert read_overlay(tree(files), fleet(), ACME).revision.tag == "3.0.0"


@pytest.mark.parametrize(
    ("tag", "read"),
    [
        ('"11.10"', "11.10"),
        ("'on'", "on"),
        ("!!str 1e3", "1e3"),
        ("2024-01-01", "2024-01-01"),
        ("|-\n    11.2", "11.2"),
        ("&v 11.1.0", "11.1.0"),
    ],
)
def test_a_tag_is_read_as_the_text_that_kustomize_renders(tag: str, read: str) -> None:
    assert revision_in(images(f"  newTag: {tag}\n")).tag == read


def test_a_shared_anchor_may_be_read() -> None:
    text = f"x-tag: &v 11.1.0\n{images('  newTag: *v')}\n"

    assert revision_in(text).tag == "11.1.0"


# --- refusing ---


@pytest.mark.parametrize("tag", ["11.10", "1e3", "on", "0x1F", "1_000", ".inf", "y"])
def test_an_unquoted_tag_that_is_no_text_is_refused_with_the_cure(tag: str) -> None:
    error = refusal(images(f"  newTag: {tag}   # c\n"))

    assert (error.line, error.column) == (3, 11)
    assert "not read as text" in error.problem
    assert error.hint == f'quote it: newTag: "{tag}"'


@pytest.mark.parametrize("tag", ["null", "~", "", '""', "Null"])
def test_an_empty_tag_is_refused_because_the_base_would_win(tag: str) -> None:
    error = refusal(images(f"  newTag: {tag}\n"))

    assert error.line == 3
    assert (
        error.problem == "newTag is empty; kustomize would keep the base's in silence"
    )
    assert "in quotes" in error.hint


@pytest.mark.parametrize("tag", ["'latest; rm -rf /'", '"11.1\\n x"', "a:b", "'-1'"])
def test_a_tag_outside_the_registrys_grammar_is_refused(tag: str) -> None:
    error = refusal(images(f"  newTag: {tag}\n"))

    assert "is not an image tag" in error.problem
    assert error.line == 3


@pytest.mark.parametrize("digest", ["sha256:abc", "'; rm'", '"11"'])
def test_a_digest_outside_the_registrys_grammar_is_refused(digest: str) -> None:
    error = refusal(images(f"  newTag: 11.1.0\n  digest: {digest}\n"))

    assert "is not a digest" in error.problem
    assert error.line == 4


@pytest.mark.parametrize(
    ("text", "problem", "line"),
    [
        ("resources: []\n", f"no images: entry for {IMAGE}", 0),
        ("images:\n", f"no images: entry for {IMAGE}", 0),
        ("images: []\n", f"no images: entry for {IMAGE}", 0),
        (images("  digest: x\n"), f"the images: entry for {IMAGE} has no newTag", 2),
        (images("  newTag: a\n  tagSuffix: b\n"), "has a tagSuffix", 2),
        (
            images("  newTag: a\n") + f"- name: {IMAGE}\n",
            f"2 images: entries for {IMAGE}, in lines 2, 4",
            4,
        ),
        ("[]\n", "a kustomization must be keys and values", 1),
        ("text\n", "a kustomization must be keys and values", 1),
        ("images: {a: b}\n", "images must be a list", 1),
        ("images: text\n", "images must be a list", 1),
        ("images:\n- text\n", "images[0] must be keys and values", 2),
        ("images:\n- newTag: a\n", "images[0] has no name", 2),
        ("images:\n- name:\n", "images[0] has no name", 2),
        (images("  newTag: [a]\n"), "newTag must be one text", 3),
        ("namespace: [a]\n" + images("  newTag: a\n"), "namespace must be one text", 1),
        ("a: 1\n---\nb: 2\n", "one more document begins here", 2),
    ],
)
def test_a_kustomization_of_another_shape_is_refused(
    text: str, problem: str, line: int
) -> None:
    error = refusal(text)

    assert problem in error.problem
    assert error.line == line


def test_a_broken_config_is_refused_with_its_own_path() -> None:
    files = {f"{HERE}/kustomization.yaml": kustomization(), f"{HERE}/config.env": "A\n"}

    with pytest.raises(YamlError, match=f"^{HERE}/config.env:1: no '='"):
        read_overlay(tree(files), fleet(), ACME)


# --- names and places ---

FLEET_FILES = {
    f"overlays/{environment}/{stack}/kustomization.yaml": kustomization()
    for environment, stack in [
        ("production", "acme"),
        ("development", "umbrella"),
        ("development", "acme"),
        ("sandbox", "acme"),
        ("production", "acme/nested"),
        ("production", "Capital"),
    ]
} | {"overlays/production/empty/config.env": "A=1\n", "kustomization.yaml": "a: 1\n"}


def test_overlays_are_listed_by_environment_and_stack() -> None:
    found = list_targets(tree(FLEET_FILES), fleet())

    assert found == (
        target("acme", "development"),
        target("umbrella", "development"),
        target("acme", "production"),
    )
    overlays = list_overlays(tree(FLEET_FILES), fleet())
    assert [overlay.target for overlay in overlays] == list(found)
    assert list_targets(tree({}), fleet()) == ()


def test_overlays_of_one_environment_are_listed_without_reading_the_others() -> None:
    files = FLEET_FILES | {"overlays/development/acme/kustomization.yaml": "["}

    found = list_overlays(
        tree(files), fleet(), environment=EnvironmentName("production")
    )

    assert [overlay.target for overlay in found] == [ACME]
    with pytest.raises(YamlError):
        list_overlays(tree(files), fleet())


def test_the_path_pattern_decides_where_overlays_are() -> None:
    files = {"apps/acme/envs/production/kustomization.yaml": kustomization()}
    rules = fleet(pattern="apps/{stack}/envs/{environment}")

    assert list_targets(tree(files), rules) == (ACME,)
    overlay = read_overlay(tree(files), rules, ACME)
    assert overlay.path == "apps/acme/envs/production"


def unknown(stack: str, environment: str) -> GitopsError:
    with pytest.raises(UnknownNameError) as caught:
        read_overlay(tree(FLEET_FILES), fleet(), target(stack, environment))
    return caught.value


def test_an_unknown_environment_is_told_with_the_known_ones() -> None:
    error = unknown("acme", "prodction")

    assert error.message == "environment prodction is not in gitops.yaml"
    assert error.hint == "did you mean production? known: development, production"


def test_a_stack_that_lives_elsewhere_is_told_where() -> None:
    error = unknown("umbrella", "production")

    assert error.message == "stack umbrella has no overlay in production"
    assert error.hint == "it has one in: development"


def test_an_unknown_stack_is_told_with_the_known_ones() -> None:
    error = unknown("acmee", "development")

    assert "or any other environment" in error.message
    assert error.hint == "did you mean acme? known: acme, umbrella"
    assert unknown("zzz", "development").hint == "known: acme, umbrella"


def test_a_long_list_of_names_is_cut() -> None:
    files = {
        f"overlays/production/stack-{n:02}/kustomization.yaml": "" for n in range(15)
    }

    with pytest.raises(UnknownNameError) as caught:
        read_overlay(tree(files), fleet(), ACME)

    assert caught.value.hint.endswith("stack-11 and 3 more")


def test_an_empty_repository_says_how_to_begin() -> None:
    with pytest.raises(UnknownNameError) as caught:
        read_overlay(tree({}), fleet(), ACME)

    assert "directus-gitops init" in caught.value.hint


def with_entry(path: str, mode: Mode) -> Tree:
    """The fleet's tree with one entry that is no plain file."""
    plain = tree(FLEET_FILES)
    blob = blob_id(b"/etc/passwd")
    kept = {p: e for p, e in plain.entries.items() if not p.startswith(f"{path}/")}
    return Tree(
        commit=None, entries={**kept, path: Entry(mode, blob)}, blobs=plain.blobs
    )


@pytest.mark.parametrize("mode", [Mode.SYMLINK, Mode.SUBMODULE])
@pytest.mark.parametrize(
    "path",
    [
        "overlays",
        "overlays/production",
        HERE,
        f"{HERE}/kustomization.yaml",
        f"{HERE}/config.env",
    ],
)
def test_a_symlink_or_submodule_on_the_way_is_refused_unread(
    path: str, mode: Mode
) -> None:
    with pytest.raises(TreeError) as caught:
        read_overlay(with_entry(path, mode), fleet(), ACME)

    assert caught.value.message.startswith(f"{path}: is ")
    assert caught.value.hint


def test_two_kustomization_files_are_refused() -> None:
    files = FLEET_FILES | {f"{HERE}/Kustomization": ""}

    with pytest.raises(TreeError, match="more than one kustomization file"):
        read_overlay(tree(files), fleet(), ACME)


class LazyBlobs(dict[BlobId, bytes]):
    """Blobs that must be asked for in one go before they are read one by one."""

    def __init__(self, known: dict[BlobId, bytes]) -> None:
        super().__init__()
        self.known = known
        self.calls = 0

    def load(self, blobs: Iterable[BlobId]) -> None:
        self.calls += 1
        self.update({blob: self.known[blob] for blob in blobs})


def test_a_lazy_tree_is_read_with_one_call() -> None:
    plain = tree(FLEET_FILES)
    lazy = LazyBlobs(dict(plain.blobs))

    found = list_overlays(Tree(commit=None, entries=plain.entries, blobs=lazy), fleet())

    assert len(found) == 3
    assert lazy.calls == 1


def test_entries_of_any_kustomization_are_read_in_order() -> None:
    text = b"images:\n- {name: a, newTag: '1'}\n- {name: b, newName: c, digest: d}\n"

    first, second = image_entries(compose(text, "f"), "f")

    assert (first.index, first.image, first.line) == (0, "a", 2)
    assert first.tag is not None
    assert first.tag.value == "1"
    assert (second.index, second.image, second.name) == (1, "c", "b")
    assert second.tag is None
    assert second.digest is not None
