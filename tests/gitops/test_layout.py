"""Names, paths and branches: what is let in, and what is not."""

from __future__ import annotations

import pytest

from gitops.errors import InputError, TreeError
from gitops.layout import (
    branch_name,
    branch_of,
    check_pattern,
    checked_path,
    environment_name,
    joined,
    kustomization_in,
    namespace_of,
    overlay_folders,
    overlay_path,
    shipped_tree,
    stack_name,
    target,
    target_at,
)
from gitops.model import (
    BaseScope,
    EnvironmentName,
    EnvironmentScope,
    GroupScope,
    Scope,
    StackName,
    StackScope,
    TargetScope,
)
from tests.support.trees import tree

PATTERN = "overlays/{environment}/{stack}"
BAD_NAMES = [
    "../../etc",
    "..",
    ".",
    "a/../b",
    "/abs",
    "a\\b",
    "a\0b",
    "%2e%2e",
    "..%2f",
    "",
    "a" * 64,
    "prod\n",
    "-a",
    "a-",
    "A",
    "\u0440rod",  # Cyrillic er
    "a\u202eb",
    "a\u200bb",
    "\uff11",  # full-width digit
]


@pytest.mark.parametrize("name", BAD_NAMES, ids=ascii)
def test_a_hostile_name_is_refused_without_being_echoed_raw(name: str) -> None:
    for accept in (stack_name, environment_name):
        with pytest.raises(InputError) as caught:
            accept(name)
        assert caught.value.message.isascii()
        assert caught.value.message.isprintable()


@pytest.mark.parametrize("name", ["a", "9", "a-b", "a" * 63, "shop-eu-1"])
def test_an_rfc_1123_label_is_a_name(name: str) -> None:
    assert stack_name(name) == name


def test_a_namespace_that_kubernetes_would_refuse_is_refused() -> None:
    assert namespace_of(target("shop", "staging")) == "shop-staging"
    with pytest.raises(InputError, match="at most 63"):
        namespace_of(target("s" * 40, "e" * 40))


@pytest.mark.parametrize(
    "path",
    [
        "",
        "/etc/passwd",
        "a//b",
        "./a",
        "a/..",
        "../a",
        "a\\b",
        "a\nb",
        "a\x7fb",
        ".git/config",
        "x/.GIT/config",
        "x/git~1/config",
        "x/.git./config",
        "x/.git ",
        "x/.git:y",
        ".gitmodules",
        ".github/workflows/x.yaml",
        ".gitattributes",
        "e\u0301",
        "a" * 256,
        "/".join(["abcdefgh"] * 500),
    ],
    ids=lambda path: ascii(path)[:40],
)
def test_a_path_that_leaves_or_rules_the_repository_is_refused(path: str) -> None:
    with pytest.raises(TreeError):
        checked_path(path)


@pytest.mark.parametrize("path", ["a", "base/x.yaml", ".directus-gitops/g.json"])
def test_an_ordinary_path_is_accepted(path: str) -> None:
    assert checked_path(path) == path


def test_joining_resolves_dots_inside_the_repository() -> None:
    assert joined("overlays/dev/shop", "../../../base") == "base"
    assert joined("", "./a//b/") == "a/b"
    assert joined("a", "..") == ""


@pytest.mark.parametrize("relative", ["/base", "../../..", "a\\b", "../../../x"])
def test_joining_never_leaves_the_repository(relative: str) -> None:
    with pytest.raises(TreeError):
        joined("a/b", relative)


def test_an_overlay_path_and_its_target_are_inverse() -> None:
    place = target("shop", "staging")
    folder = overlay_path(PATTERN, place)
    assert folder == "overlays/staging/shop"
    assert target_at(PATTERN, folder) == place
    assert target_at("o/{stack}-x/{environment}", "o/shop-x/staging") == place


@pytest.mark.parametrize(
    "folder",
    ["overlays/staging", "overlays/staging/shop/x", "overlays/Staging/shop", "base"],
)
def test_another_folder_is_nobodys_overlay(folder: str) -> None:
    assert target_at(PATTERN, folder) is None


@pytest.mark.parametrize(
    "pattern",
    [
        "overlays/{environment}",
        "overlays/{stack}",
        "{environment}/{stack}/{stack}",
        "/{environment}/{stack}",
        "../{environment}/{stack}",
        ".git/{environment}/{stack}",
    ],
)
def test_a_pattern_without_both_names_or_outside_is_refused(pattern: str) -> None:
    with pytest.raises(InputError):
        check_pattern(pattern)


def test_overlays_are_found_by_their_path() -> None:
    files = tree(
        {
            "overlays/dev/shop/kustomization.yaml": "",
            "overlays/dev/blog/Kustomization": "",
            "overlays/dev/empty/config.env": "",
            "overlays/dev/kustomization.yaml": "",
            "base/kustomization.yaml": "",
        }
    )
    assert overlay_folders(files, PATTERN) == ("overlays/dev/blog", "overlays/dev/shop")
    assert check_pattern(PATTERN) == PATTERN


def test_a_folder_has_at_most_one_kustomization() -> None:
    files = tree({"a/kustomization.yaml": "", "a/kustomization.yml": "", "b/x": ""})
    with pytest.raises(TreeError, match="more than one"):
        kustomization_in(files, "a")
    assert kustomization_in(files, "b") is None
    assert kustomization_in(tree({"Kustomization": ""}), "") == "Kustomization"


@pytest.mark.parametrize(
    "name",
    [
        "-x",
        "--orphan=x",
        ":refs/heads/main",
        "+main",
        "a:b",
        "HEAD",
        "@",
        "@{-1}",
        "refs/heads/x",
        "a..b",
        "x.lock",
        "a.lock/b",
        "$(id)",
        "`id`",
        "x|y",
        "a\n",
        "a\u202eb",
        "a" * 300,
        "main ",
        "",
        "a//b",
        "a/",
        ".a",
        "a/.b",
        "a.",
    ],
    ids=lambda name: ascii(name)[:30],
)
def test_a_branch_name_that_git_could_misread_is_refused(name: str) -> None:
    with pytest.raises(InputError):
        branch_name(name)


@pytest.mark.parametrize(
    ("scope", "branch"),
    [
        (TargetScope(target=target("shop", "dev")), "p/dev/shop"),
        (GroupScope(environment=EnvironmentName("dev"), group="all"), "p/dev/_all"),
        (StackScope(stack=StackName("shop")), "p/_stacks/shop"),
        (
            EnvironmentScope(environment=EnvironmentName("qa")),
            "p/_environments/qa",
        ),
        (BaseScope(), "p/_base/upgrade"),
    ],
    ids=["target", "group", "stack", "environment", "base"],
)
def test_each_scope_has_a_branch_of_its_own(scope: Scope, branch: str) -> None:
    assert branch_of("p", scope) == branch


def test_this_release_ships_base_overlays_and_agents() -> None:
    folders = {path.split("/")[0] for path in shipped_tree().entries}
    assert folders == {"base", "overlays", "agents"}
