"""The only file that knows which path holds what.

Names, path patterns, branch names, and the tree that ships with this release. Pure
except for reading the shipped tree. It checks names and paths; it opens no user file.
"""

from __future__ import annotations

import re
import unicodedata
from functools import cache
from importlib import resources
from pathlib import Path, PurePosixPath
from typing import Final, assert_never

from gitops.errors import InputError, TreeError
from gitops.model import (
    BaseScope,
    BranchName,
    EnvironmentName,
    EnvironmentScope,
    GroupScope,
    Scope,
    StackName,
    StackScope,
    Target,
    TargetScope,
    Tree,
    tree_of,
)

FLEET_FILE: Final = "gitops.yaml"
GENERATED_FILE: Final = ".directus-gitops/generated.json"
PRISTINE_FOLDER: Final = ".directus-gitops/pristine"
STAGED_FILE: Final = ".directus-gitops/staged.json"
BASE_FOLDER: Final = "base"
COMPONENTS_FOLDER: Final = "base/components"
OVERLAYS_FOLDER: Final = "overlays"
AGENTS_FOLDER: Final = "agents"
CONFIG_FILE: Final = "config.env"
KUSTOMIZATION_FILES: Final = (
    "kustomization.yaml",
    "kustomization.yml",
    "Kustomization",
)
DEFAULT_OVERLAY_PATTERN: Final = "overlays/{environment}/{stack}"
DEFAULT_BRANCH_PREFIX: Final = "directus-gitops"

MAX_NAMESPACE: Final = 63  # RFC 1123 label, Kubernetes namespace names
_NAME = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", re.ASCII)
_BRANCH = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._/-]{0,199}", re.ASCII)
_FORBIDDEN_PARTS = frozenset({"", ".", ".."})
_FORBIDDEN_ROOTS = frozenset({".git", ".gitmodules", ".github", ".gitattributes"})


def _shown(value: str) -> str:
    """Quote a hostile value for people: ASCII only, no controls, bounded."""
    return ascii(value[:80])


def _checked_name(value: str, what: str) -> str:
    if not _NAME.fullmatch(value):
        raise InputError(
            f"{what} {_shown(value)} is not a name",
            hint="use 1 to 63 of a-z, 0-9 and -, beginning and ending with a-z or 0-9",
        )
    return value


def stack_name(value: str) -> StackName:
    """Accept a stack's name.

    Raises:
        InputError: not an RFC 1123 label.
    """
    return StackName(_checked_name(value, "stack"))


def environment_name(value: str) -> EnvironmentName:
    """Accept an environment's name.

    Raises:
        InputError: not an RFC 1123 label.
    """
    return EnvironmentName(_checked_name(value, "environment"))


def target(stack: str, environment: str) -> Target:
    """Accept both names of a target.

    Raises:
        InputError: one of them is not an RFC 1123 label.
    """
    return Target(stack=stack_name(stack), environment=environment_name(environment))


def namespace_of(place: Target) -> str:
    """Name the namespace of a target: `<stack>-<environment>`.

    Raises:
        InputError: longer than Kubernetes allows.
    """
    name = f"{place.stack}-{place.environment}"
    if len(name) > MAX_NAMESPACE:
        raise InputError(
            f"namespace {name} has {len(name)} characters; at most {MAX_NAMESPACE}",
            hint="choose a shorter stack or environment name",
        )
    return name


def checked_path(path: str) -> str:
    """Accept a path inside the repository that we may read or write.

    Raises:
        TreeError: absolute, leaving the repository, or inside Git's own files.
    """
    parts = path.split("/")
    bad = (
        path != unicodedata.normalize("NFC", path)
        or "\\" in path
        or any(ord(char) < 32 or ord(char) == 127 for char in path)
        or any(part in _FORBIDDEN_PARTS or len(part) > 255 for part in parts)
        or any(_is_git_alias(part) for part in parts)
        or parts[0].lower() in _FORBIDDEN_ROOTS
        or len(path) > 4096
    )
    if bad:
        raise TreeError(
            f"{_shown(path)}: not a path that may be used in the repository",
            hint="use a relative path without '..' that stays out of .git",
        )
    return path


def _is_git_alias(part: str) -> bool:
    """Whether some file system takes the name for `.git` (T-P3: git~1, .git.)."""
    folded = part.lower().rstrip(". ").split(":")[0]
    return folded in (".git", "git~1")


def joined(folder: str, relative: str) -> str:
    """Resolve a relative path against a folder, staying inside the repository.

    Args:
        folder: a folder of the repository; "" is its root.
        relative: may hold "." and ".." parts, as kustomizations do.

    Raises:
        TreeError: the result is absolute or leaves the repository.
    """
    if relative.startswith("/") or "\\" in relative:
        raise TreeError(f"{_shown(relative)}: an absolute path in {folder or '/'}")
    parts: list[str] = list(PurePosixPath(folder).parts)
    for part in relative.split("/"):
        if part in ("", "."):
            continue
        if part == "..":
            if not parts:
                raise TreeError(
                    f"{_shown(relative)} in {folder or '/'} leaves the repository"
                )
            parts.pop()
        else:
            parts.append(part)
    return "/".join(parts)


# --- overlays ---


def overlay_path(pattern: str, place: Target) -> str:
    """Return the folder of a target's overlay."""
    return checked_path(
        pattern.replace("{environment}", place.environment).replace(
            "{stack}", place.stack
        )
    )


def target_at(pattern: str, folder: str) -> Target | None:
    """Return whose overlay a folder is, or None when it is nobody's."""
    found = _pattern_regex(pattern).fullmatch(folder)
    if found is None:
        return None
    return Target(
        stack=StackName(found["stack"]),
        environment=EnvironmentName(found["environment"]),
    )


def overlay_folders(tree: Tree, pattern: str) -> tuple[str, ...]:
    """Return the folders that are overlays by their path, sorted."""
    folders = {
        folder
        for path in tree.entries
        for folder, _, name in [path.rpartition("/")]
        if name in KUSTOMIZATION_FILES and target_at(pattern, folder)
    }
    return tuple(sorted(folders))


def check_pattern(pattern: str) -> str:
    """Accept an overlay path pattern.

    Raises:
        InputError: it does not hold {environment} and {stack} exactly once each,
            or another part of it is no safe path.
    """
    if pattern.count("{environment}") != 1 or pattern.count("{stack}") != 1:
        raise InputError(
            f"path pattern {_shown(pattern)} must hold {{environment}} and {{stack}} "
            "once each",
            hint=f"the default is {DEFAULT_OVERLAY_PATTERN}",
        )
    try:
        checked_path(pattern.replace("{environment}", "e").replace("{stack}", "s"))
    except TreeError as error:
        raise InputError(error.message, hint=error.hint) from error
    return pattern


@cache
def _pattern_regex(pattern: str) -> re.Pattern[str]:
    name = _NAME.pattern.replace("(", "(?:")
    text = re.escape(pattern)
    for field in ("environment", "stack"):
        text = text.replace(re.escape(f"{{{field}}}"), f"(?P<{field}>{name})")
    return re.compile(text, re.ASCII)


def kustomization_in(tree: Tree, folder: str) -> str | None:
    """Return the path of a folder's kustomization file, or None.

    Raises:
        TreeError: the folder has more than one, which kustomize refuses too.
    """
    prefix = f"{folder}/" if folder else ""
    found = [f"{prefix}{name}" for name in KUSTOMIZATION_FILES if prefix + name in tree]
    if len(found) > 1:
        raise TreeError(
            f"{folder}: more than one kustomization file: {', '.join(found)}",
            hint="keep one of them",
        )
    return found[0] if found else None


def staged_base(release: str) -> str:
    """Return the folder of a newer base beside base/, while an upgrade is staged."""
    return f"{BASE_FOLDER}-{release.replace('+', '-')}"


# --- branches ---


def branch_name(value: str) -> BranchName:
    """Accept a branch name given by a person or a file (T-G2).

    Raises:
        InputError: outside the allow-list, or a form that git gives a meaning.
    """
    parts = value.split("/")
    bad = (
        not _BRANCH.fullmatch(value)
        or value in ("HEAD", "@")
        or value.startswith("refs/")
        or ".." in value
        or any(not p or p.startswith(".") or p.endswith((".lock", ".")) for p in parts)
    )
    if bad:
        raise InputError(
            f"{_shown(value)} is not a branch name that is safe to use",
            hint="use letters, digits, '.', '_', '/' and '-'; no '..', no '.lock'",
        )
    return BranchName(value)


def branch_of(prefix: str, scope: Scope) -> BranchName:
    """Name the branch of a scope's living pull request.

    Names with a leading underscore cannot collide with an environment or a stack,
    because those begin with a letter or digit.
    """
    match scope:
        case TargetScope(target=place):
            rest = f"{place.environment}/{place.stack}"
        case GroupScope(environment=environment, group=group):
            rest = f"{environment}/_{_checked_name(group, 'group')}"
        case StackScope(stack=stack):
            rest = f"_stacks/{stack}"
        case EnvironmentScope(environment=environment):
            rest = f"_environments/{environment}"
        case BaseScope():
            rest = "_base/upgrade"
        case _:
            assert_never(scope)
    return branch_name(f"{prefix}/{rest}")


# --- the tree that ships with this release ---

_SHIPPED = (BASE_FOLDER, OVERLAYS_FOLDER, AGENTS_FOLDER)


@cache
def shipped_tree() -> Tree:
    """Return base/, overlays/ and agents/ of this release as a tree.

    A wheel carries them as gitops/_shipped; an editable install reads the
    project's own top-level folders.

    Raises:
        TreeError: neither is there: the installation is broken.
    """
    package = Path(str(resources.files("gitops")))
    for root in (package / "_shipped", package.parent):
        if (root / BASE_FOLDER / "kustomization.yaml").is_file():
            return tree_of(
                {
                    path.relative_to(root).as_posix(): path.read_bytes()
                    for folder in _SHIPPED
                    for path in sorted((root / folder).rglob("*"))
                    if path.is_file()
                }
            )
    raise TreeError(
        "the base that ships with directus-gitops is missing",
        hint="install the package again",
    )
