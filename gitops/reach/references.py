"""What one kustomization file points to.

Pure. It knows kustomize's fields; it does not know whether what they name exists.

kustomize reads a kustomization with Go's JSON decoder, which matches names without
regard to case, and takes U+017F for an s: ``Resources:`` is ``resources:`` to it, and
what it names is fetched (measured, v5.5.0 and v5.8.1). So a field counts only in its
one right spelling, and every other is refused.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from gitops.errors import RenderError, YamlError
from gitops.reach.paths import shown
from gitops.yamltext import (
    Mapping,
    Node,
    Scalar,
    Sequence,
    Style,
    compose,
    compose_stream,
    resolved,
)


class Kind(StrEnum):
    """What a reference may lead to."""

    FILE_OR_FOLDER = "a manifest or a folder with a kustomization file"
    FOLDER = "a folder with a kustomization file"
    YAML = "a YAML file"
    BYTES = "a file"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reference:
    """One path-valued entry.

    Attributes:
        field: as a reader finds it: ``patches[].path``.
        value: as written, after YAML's unquoting.
        line: 1-based.
        kind: what it may lead to.
    """

    field: str
    value: str
    line: int
    kind: Kind


_LISTS: Final = {
    "resources": Kind.FILE_OR_FOLDER,
    "bases": Kind.FILE_OR_FOLDER,  # kustomize appends them to resources
    "components": Kind.FOLDER,
    "crds": Kind.YAML,
    "configurations": Kind.YAML,
}
_WITH_PATH: Final = ("patches", "patchesJson6902", "replacements")
_GENERATORS: Final = ("configMapGenerator", "secretGenerator")
_INLINE_OR_PATH: Final = "patchesStrategicMerge"
_OPENAPI: Final = "openapi"
_PATHLESS: Final = frozenset(
    {
        "apiVersion",
        "buildMetadata",
        "commonAnnotations",
        "commonLabels",
        "generatorOptions",
        "imageTags",
        "images",
        "inventory",
        "kind",
        "labels",
        "metadata",
        "namePrefix",
        "nameSuffix",
        "namespace",
        "replicas",
        "sortOptions",
        "vars",
    }
)
_RUNS_PROGRAMS: Final = frozenset(
    {
        "generators",
        "transformers",
        "validators",
        "helmCharts",
        "helmGlobals",
        "helmChartInflationGenerator",
    }
)
_KEY = re.compile(r"[-._a-zA-Z0-9]+", re.ASCII)
_NULLS: Final = frozenset({"", "~", "null", "Null", "NULL"})


def references(text: bytes, path: str) -> tuple[Reference, ...]:
    """List what a kustomization file points to, in the order of its fields.

    Args:
        text: the file.
        path: its name, for errors.

    Raises:
        YamlError: see gitops.yamltext.compose.
        RenderError: a field that kustomize does not have, that runs programs, or that
            does not have the shape it must have.
    """
    root = compose(text, path)
    if not isinstance(root, Mapping):
        raise _refused(path, root.line, "a kustomization file is a mapping")
    return tuple(
        reference
        for key, value in root.items
        for reference in _of_field(key, value, path)
    )


def _of_field(key: Scalar, value: Node, path: str) -> Iterator[Reference]:
    field = key.value
    if field in _PATHLESS:
        return iter(())
    if field in _LISTS:
        return _listed(field, value, _LISTS[field], path)
    if field in _WITH_PATH:
        return (
            found
            for entry in _entries(field, value, path)
            for found in _at_path(f"{field}[].path", entry, path)
        )
    if field in _GENERATORS:
        return (
            found
            for entry in _entries(field, value, path)
            for found in _of_generator(field, entry, path)
        )
    if field == _INLINE_OR_PATH:
        return _of_strategic_merge(value, path)
    if field == _OPENAPI:
        return _at_path("openapi.path", value, path)
    raise _unknown(key, path)


def _unknown(key: Scalar, path: str) -> RenderError:
    field = key.value
    if field in _RUNS_PROGRAMS:
        return _refused(
            path,
            key.line,
            f"{field} is not allowed: it can run programs or fetch charts",
            hint="use patches, components or replacements; render charts to files",
        )
    return _refused(
        path,
        key.line,
        f"{field[:80]!a} is no field of a kustomization",
        hint="names are taken exactly as documented, upper and lower case too",
    )


_HINT: Final = "write it as kustomize documents it, in full"


def _refused(path: str, line: int, problem: str, *, hint: str = _HINT) -> RenderError:
    return RenderError(f"{path}:{line}: {problem}", path=path, line=line, hint=hint)


# --- shapes ---


def _is_nothing(node: Node) -> bool:
    """Whether a field is there without a value, which kustomize takes as absent."""
    return (
        isinstance(node, Scalar)
        and node.style is Style.PLAIN
        and not node.tag
        and node.value in _NULLS
    )


def _items(field: str, node: Node, path: str) -> tuple[Node, ...]:
    found = resolved(node)
    if _is_nothing(found):
        return ()
    if not isinstance(found, Sequence):
        raise _refused(path, node.line, f"{field} must be a list")
    return tuple(resolved(item) for item in found.items)


def _entries(field: str, node: Node, path: str) -> Iterator[Mapping]:
    for item in _items(field, node, path):
        if not isinstance(item, Mapping):
            raise _refused(path, item.line, f"each of {field} must be a mapping")
        yield item


def _texts(field: str, node: Node, path: str) -> Iterator[Scalar]:
    for item in _items(field, node, path):
        if not isinstance(item, Scalar):
            raise _refused(path, item.line, f"each of {field} must be a text")
        yield item


def _value(entry: Mapping, name: str, field: str, path: str) -> Node | None:
    """Return the value of a name in its right spelling, if it has one.

    Raises:
        RenderError: the name is there in a spelling that Go's decoder also takes.
    """
    for key, _ in entry.items:
        if key.value != name and key.value.casefold() == name.casefold():
            raise _refused(
                path,
                key.line,
                f"{field}: {key.value[:80]!a} must be written {name!a}",
            )
    found = entry.get(name)
    if found is None or _is_nothing(resolved(found)):
        return None
    return resolved(found)


# --- fields ---


def _listed(field: str, node: Node, kind: Kind, path: str) -> Iterator[Reference]:
    for item in _texts(field, node, path):
        yield Reference(field=field, value=item.value, line=item.line, kind=kind)


def _text_at(
    entry: Mapping, name: str, field: str, kind: Kind, path: str
) -> Iterator[Reference]:
    found = _value(entry, name, field, path)
    if found is None:
        return
    if not isinstance(found, Scalar):
        raise _refused(path, found.line, f"{field} must be a text")
    yield Reference(field=field, value=found.value, line=found.line, kind=kind)


def _at_path(field: str, node: Node, path: str) -> Iterator[Reference]:
    entry = resolved(node)
    if _is_nothing(entry):
        return
    if not isinstance(entry, Mapping):
        raise _refused(path, node.line, f"{field.split('.')[0]} must be a mapping")
    yield from _text_at(entry, "path", field, Kind.YAML, path)


def _of_generator(generator: str, entry: Mapping, path: str) -> Iterator[Reference]:
    """Yield what a generator reads; literals are values, whatever they look like."""
    yield from _text_at(entry, "env", f"{generator}[].env", Kind.BYTES, path)
    for name in ("envs", "files"):
        field = f"{generator}[].{name}"
        found = _value(entry, name, field, path)
        if found is None:
            continue
        for item in _texts(field, found, path):
            value = item.value if name == "envs" else _file_of(item, field, path)
            yield Reference(field=field, value=value, line=item.line, kind=Kind.BYTES)


def _file_of(item: Scalar, field: str, path: str) -> str:
    """Return the file of `[key=]file`; keys are those that a ConfigMap may have."""
    key, equals, file = item.value.partition("=")
    if equals and not (_KEY.fullmatch(key) and file and "=" not in file):
        raise _refused(
            path,
            item.line,
            f"{field} {shown(item.value)} must be a file, or one key=file",
        )
    return file if equals else key


def _of_strategic_merge(node: Node, path: str) -> Iterator[Reference]:
    """Yield the entries that are paths; the others are patches written in place.

    kustomize tries an entry as a patch first and as a path (or URL) after that, so an
    entry passes as a patch only if it is one beyond doubt.
    """
    for item in _texts(_INLINE_OR_PATH, node, path):
        if not _is_patch(item.value, path):
            yield Reference(
                field=_INLINE_OR_PATH,
                value=item.value,
                line=item.line,
                kind=Kind.YAML,
            )


def _is_patch(value: str, path: str) -> bool:
    if "\n" not in value and not value.startswith("{"):
        return False
    try:
        documents = compose_stream(value.encode(), path)
    except YamlError:
        return False
    return bool(documents) and all(
        isinstance(document, Mapping)
        and document.get("apiVersion") is not None
        and document.get("kind") is not None
        and document.get("metadata") is not None
        for document in documents
    )
