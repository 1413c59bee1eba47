"""Rules about one overlay's files, and about what its build reads; nothing is built."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from gitops.errors import RenderError, TreeError, YamlError
from gitops.layout import CONFIG_FILE, KUSTOMIZATION_FILES, target_at
from gitops.model import Finding, Fleet, Severity, Tree
from gitops.overlay import find_image, image_entries, revision_of
from gitops.reach import Memory, reached
from gitops.validate.placing import finding
from gitops.validate.rule import Rule, shown
from gitops.validate.secrets import (
    SECRET_IN_CLEAR,
    kind_of_secret,
    kustomization_secrets,
)
from gitops.yamltext import Mapping, Scalar, compose, env_problems, parse, positions

SEVERAL: Final = Rule(
    name="several-kustomizations",
    severity=Severity.ERROR,
    why="kustomize refuses a folder with more than one kustomization file.",
    fix="keep one of them",
)
DOES_NOT_BUILD: Final = Rule(
    name="does-not-build",
    severity=Severity.ERROR,
    why="kustomize cannot build the overlay, or must not: it would read something "
    "that is not in the repository, such as an address.",
    fix="correct the reference; copy foreign files into the repository",
)
IMAGE_ENTRY: Final = Rule(
    name="image-entry",
    severity=Severity.ERROR,
    why="An overlay has exactly one images: entry for its stack's image, with a newTag "
    "that is text: anything else is misread, or read as another version.",
    fix="keep one entry with name and newTag; put a tag that looks like a number "
    "into quotes",
)
CONFIG_LINE: Final = Rule(
    name="config-line",
    severity=Severity.ERROR,
    why="kustomize reads a line without = as an empty value, fails on a repeated key, "
    "and drops everything after a line that is too long.",
    fix="write KEY=VALUE, once for each key",
)
CONFIG_VALUE: Final = Rule(
    name="config-value",
    severity=Severity.WARNING,
    why="kustomize takes everything after the first = as the value, as it stands: "
    "quotes, blanks and a remark at the end become part of it.",
    fix="write the bare value; a remark has a line of its own",
)
CONFIG_UNUSED: Final = Rule(
    name="config-unused",
    severity=Severity.WARNING,
    why="config.env lies beside a kustomization that does not read it: what it says "
    "never reaches Directus.",
    fix="name it under configMapGenerator, envs",
)

RULES: Final = (
    SEVERAL,
    DOES_NOT_BUILD,
    IMAGE_ENTRY,
    CONFIG_LINE,
    CONFIG_VALUE,
    CONFIG_UNUSED,
)


def overlay_findings(
    tree: Tree, fleet: Fleet, folder: str, memory: Memory
) -> tuple[list[Finding], frozenset[str]]:
    """Check one overlay.

    Returns:
        Its findings, and the files that its build reads.
    """
    paths = [f"{folder}/{name}" for name in KUSTOMIZATION_FILES]
    own = [path for path in paths if path in tree]
    if len(own) > 1:
        names = ", ".join(path.rpartition("/")[2] for path in own)
        return [finding(SEVERAL, own[1], 0, f"the folder has {names}")], frozenset()
    try:
        read = frozenset(reached(tree, folder, memory=memory))
    except RenderError as error:
        return [_does_not_build(error, folder)], frozenset()
    found = _image(tree, fleet, folder, own[0])
    config = f"{folder}/{CONFIG_FILE}"
    if config in tree and config not in read:
        found.append(
            finding(CONFIG_UNUSED, config, 0, "no generator of the overlay reads it")
        )
        read |= {config}
    return found, read


def _does_not_build(error: RenderError, folder: str) -> Finding:
    """Word for word what rendering says, so that nobody is told twice."""
    told = finding(DOES_NOT_BUILD, error.path or folder, error.line, error.message)
    return replace(told, hint=error.hint)


def _image(tree: Tree, fleet: Fleet, folder: str, path: str) -> list[Finding]:
    target = target_at(fleet.overlay_pattern, folder)
    image = fleet.image_of(target.stack) if target else fleet.image
    try:
        root = compose(tree.read(path), path)
        revision_of(find_image(image_entries(root, path), image, path), path)
    except YamlError as error:
        return [finding(IMAGE_ENTRY, path, error.line, error.problem, error.hint)]
    return []


def namespace_of(tree: Tree, folder: str) -> tuple[str, str, int]:
    """Return the namespace that an overlay sets, and the file and line that set it.

    The namespace is "" when there is none, or none that can be read.
    """
    for name in KUSTOMIZATION_FILES:
        path = f"{folder}/{name}"
        try:
            root = compose(tree.read(path), path)
        except TreeError:
            continue
        found = root.get("namespace") if isinstance(root, Mapping) else None
        if isinstance(found, Scalar):
            return found.value, path, found.line
    return "", "", 0


# --- one file, whoever reads it ---


def kustomization_findings(tree: Tree, path: str) -> Iterator[Finding]:
    """Find secrets in generators; a file that cannot be read was told already."""
    content = tree.read(path)
    try:
        problems = list(kustomization_secrets(parse(content, path)))
        lines = positions(content, path) if problems else {}
    except YamlError:
        return
    for rule, place, message in problems:
        yield finding(rule, path, lines.get(place, (0, 0))[0], message)


def settings_findings(tree: Tree, path: str) -> Iterator[Finding]:
    """Check an env file: its lines, and that it holds no secret."""
    content = tree.read(path)
    for error in env_problems(content, path):
        yield finding(CONFIG_LINE, path, error.line, error.problem, error.hint)
    for number, line in enumerate(content.split(b"\n"), start=1):
        name, equals, value = line.decode("utf-8", "replace").partition("=")
        if not equals or name.lstrip().startswith("#"):
            continue
        kind = kind_of_secret(name.strip(), value.strip())
        if kind:
            yield finding(
                SECRET_IN_CLEAR, path, number, f"{shown(name.strip())} {kind}"
            )
        surplus = _surplus(name, value.rstrip("\r"))
        if surplus:
            yield finding(
                CONFIG_VALUE, path, number, f"{shown(name.strip())} {surplus}"
            )


def _surplus(name: str, value: str) -> str:
    """Say what is around a value that was hardly meant; "" for a bare one."""
    is_quoted = len(value) > 1 and value[0] == value[-1] and value[0] in "'\""
    if is_quoted and "CONTENT_SECURITY_POLICY" not in name:  # where 'self' is a word
        return "is in quotes"
    if " # " in value:
        return "ends with a remark"
    return "has blanks around it" if value != value.strip() else ""
