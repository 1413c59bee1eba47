from __future__ import annotations

import itertools

import pytest
from hypothesis import given, strategies as st

from gitops.errors import InputError
from gitops.versions import (
    Step,
    check_digest,
    check_image,
    check_tag,
    parse_reference,
    parse_tag,
    step,
    version_of,
)

DIGEST = "sha256:" + "0a" * 32

ASCENDING = [
    "9.0.0-rc.9",
    "9.0.0-rc.32",
    "9.0.0-rc.100",
    "9.0.0",
    "11.9.2",
    "11.11.0",
    "12.0.0-alpha",
    "12.0.0-alpha.1",
    "12.0.0-alpha.beta",
    "12.0.0-beta.2",
    "12.0.0-beta.11",
    "12.0.0-rc.1",
    "12.0.0",
    "12.4.0",
    "12.4.1",
    "12.4.1-acme.2",
    "12.4.1-acme.10",
    "12.4.2-dev.1",
    "12.4.2",
]


# --- order ---


@given(st.permutations(ASCENDING))
def test_versions_are_ordered_as_semantic_versioning_says(shuffled: list[str]) -> None:
    assert sorted(shuffled, key=parse_tag) == ASCENDING


def test_precedence_falls_strictly_between_neighbours() -> None:
    for older, newer in itertools.pairwise(ASCENDING):
        assert parse_tag(older).precedence < parse_tag(newer).precedence


def test_the_three_numbers_compare_without_their_suffix() -> None:
    assert parse_tag("12.4.1-acme.3").core == parse_tag("12.4.1").core == (12, 4, 1)


def test_the_hardened_image_is_the_same_version() -> None:
    plain, hardened = parse_tag("12.4.1"), parse_tag("12.4.1-dhi")
    assert plain.precedence == hardened.precedence
    assert plain != hardened
    assert hardened.variant == "dhi"
    assert step("12.4.1", "12.4.1-dhi") is Step.SAME


def test_a_variant_of_a_build_or_pre_release_keeps_its_suffix() -> None:
    assert parse_tag("12.4.1-acme.3-dhi").build == "acme.3"
    assert parse_tag("12.5.0-rc.1-dhi").is_prerelease
    assert parse_tag("12.5.0-rc.1-dhi").variant == "dhi"


def test_a_build_of_ones_own_image_follows_its_release() -> None:
    built = parse_tag("12.4.1-acme.3")
    assert built > parse_tag("12.4.1")
    assert built < parse_tag("12.4.2")
    assert parse_tag("12.4.1-acme.10") > parse_tag("12.4.1-acme.9")
    assert (built.build, built.release, built.is_prerelease) == (
        "acme.3",
        "12.4.1",
        False,
    )


@pytest.mark.parametrize("suffix", ["rc.1", "RC1", "beta", "alpha.2", "next-3"])
def test_a_suffix_that_says_not_yet_comes_before_the_release(suffix: str) -> None:
    assert parse_tag(f"12.4.1-{suffix}") < parse_tag("12.4.1")


@pytest.mark.parametrize("suffix", ["prerender.1", "developers", "rcx", "3"])
def test_a_suffix_that_only_begins_so_is_a_build(suffix: str) -> None:
    assert parse_tag(f"12.4.1-{suffix}") > parse_tag("12.4.1")


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ("12.4.1", "12.4.1", Step.SAME),
        ("12.4.0", "12.4.1", Step.PATCH),
        ("12.4.1-rc.1", "12.4.1", Step.PATCH),
        ("12.4.1", "12.4.1-acme.1", Step.PATCH),
        ("12.3.1", "12.4.0", Step.MINOR),
        ("11.17.4", "12.0.0-rc.1", Step.MAJOR),
        ("10.13.4", "12.4.1", Step.MAJOR),
        ("12.4.1", "12.4.0", Step.DOWNGRADE),
        ("12.4.1", "12.4.1-rc.1", Step.DOWNGRADE),
        ("12.4.1-acme.1", "12.4.1", Step.DOWNGRADE),
        ("latest", "12.4.1", Step.UNKNOWN),
        ("12.4.1", "12.4", Step.UNKNOWN),
    ],
)
def test_a_step_is_named_by_the_first_number_that_differs(
    before: str, after: str, expected: Step
) -> None:
    assert step(before, after) is expected


def test_only_steps_to_a_newer_version_go_up() -> None:
    assert {s for s in Step if s.is_up} == {Step.PATCH, Step.MINOR, Step.MAJOR}


_NUMBERS = st.integers(min_value=0, max_value=99_999)
_SUFFIXES = st.sampled_from(
    ["", "-rc.1", "-dhi", "-acme.3", "-acme.3-dhi", "-0", "-a_b"]
)
_TAGS = st.builds(
    lambda x, y, z, s: f"{x}.{y}.{z}{s}", _NUMBERS, _NUMBERS, _NUMBERS, _SUFFIXES
)


@given(_TAGS)
def test_an_accepted_version_is_written_as_it_was_read(tag: str) -> None:
    assert str(parse_tag(tag)) == tag


@given(_TAGS, _TAGS)
def test_going_up_one_way_is_a_downgrade_the_other_way(one: str, other: str) -> None:
    there, back = step(one, other), step(other, one)
    assert there.is_up == (back is Step.DOWNGRADE)
    assert (there is Step.SAME) == (back is Step.SAME)


# --- what is refused ---

NO_TAGS = [
    "",
    "latest; rm -rf",
    "$(id)",
    "11.1\n",
    "12.4.1\n",
    '11.1"',
    "11.1 # x",
    "\uff11\uff11.0",
    "../11",
    "a" * 129,
    ".5",
    "-5",
    "12.4.1+build",
    "12.4.1/x",
    "12.4.1\0",
]


@pytest.mark.parametrize("text", NO_TAGS)
def test_what_no_registry_can_hold_is_no_tag(text: str) -> None:
    with pytest.raises(InputError, match="is not an image tag"):
        check_tag(text)
    with pytest.raises(InputError):
        parse_tag(text)
    assert version_of(text) is None


@pytest.mark.parametrize("text", ["latest", "main", "12", "12.4", "12-dhi", "a" * 128])
def test_a_tag_that_names_no_release_is_a_tag_but_no_version(text: str) -> None:
    assert check_tag(text) == text
    with pytest.raises(InputError, match="not a full version") as caught:
        parse_tag(text)
    assert "full version" in caught.value.hint


@pytest.mark.parametrize(
    "text", ["12.4.01", "12.4.1.", "12.4.1-", "12.4.1-a..b", "1.2.3.4"]
)
def test_a_misspelt_version_is_refused(text: str) -> None:
    with pytest.raises(InputError):
        parse_tag(text)


def test_a_leading_v_is_refused_with_the_right_spelling() -> None:
    with pytest.raises(InputError) as caught:
        parse_tag("v12.4.1")
    assert "12.4.1" in caught.value.hint
    assert "v12.4.1" not in caught.value.hint


def test_a_hostile_text_is_quoted_in_ascii_and_cut() -> None:
    with pytest.raises(InputError) as caught:
        check_tag("\x1b[31m" + "é" * 500)
    assert caught.value.message.isascii()
    assert caught.value.message.isprintable()
    assert len(caught.value.message) < 500


@given(st.text())
def test_any_text_is_read_or_refused_with_an_input_error(text: str) -> None:
    try:
        parse_tag(text)
    except InputError:
        assert version_of(text) is None
    else:
        assert text.isascii()


# --- digests and references ---


def test_a_reference_may_carry_a_digest() -> None:
    version, digest = parse_reference(f"12.4.1@{DIGEST}")
    assert (version.tag, digest) == ("12.4.1", DIGEST)
    assert parse_reference("12.4.1")[1] is None


@pytest.mark.parametrize(
    "text", ["12.4.1@", "12.4.1@sha256:zz", f"@{DIGEST}", f"12.4.1@{DIGEST}\n", "x@y@z"]
)
def test_half_a_reference_is_refused(text: str) -> None:
    with pytest.raises(InputError):
        parse_reference(text)


@pytest.mark.parametrize(
    "text", ["", "sha256:" + "0" * 63, DIGEST.upper(), f"{DIGEST} "]
)
def test_only_a_whole_sha256_is_a_digest(text: str) -> None:
    with pytest.raises(InputError, match="is not a digest"):
        check_digest(text)


# --- images ---


@pytest.mark.parametrize(
    "text",
    [
        "directus/directus",
        "directus",
        "ghcr.io/directus/directus",
        "registry.example.com/acme/directus",
        "registry.example.com:5000/a/b/c",
        "localhost/x",
        "localhost:5000/a__b/c-d.e--f",
    ],
)
def test_a_repository_is_accepted_with_or_without_its_registry(text: str) -> None:
    assert check_image(text) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "directus/directus:12.4.1",
        f"directus/directus@{DIGEST}",
        "https://ghcr.io/directus/directus",
        "Directus/directus",
        "directus/Directus",
        "directus//directus",
        "/directus",
        "directus/",
        "directus/directus\n",
        "a b",
        "-x/y",
        "registry.example.com:port/x",
        "bad..host/x",
        "a" * 256,
        "a___b",
        "registry.example.com/",
    ],
)
def test_what_is_no_repository_is_refused(text: str) -> None:
    with pytest.raises(InputError, match="is not an image repository"):
        check_image(text)
