"""Rules about manifest files: do they hold objects at all?

Turns files into the objects that all other rules check. A file that cannot be read is
a finding here, not an error.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from gitops.errors import TreeError, YamlError
from gitops.layout import KUSTOMIZATION_FILES
from gitops.model import Finding, Json, Manifest, Severity, Tree
from gitops.schemas import Place
from gitops.validate.directus import DATABASE_CLIENT
from gitops.validate.environment import read_environment
from gitops.validate.placing import finding
from gitops.validate.rule import Item, Problem, Rule
from gitops.validate.shapes import mapping, mappings, text
from gitops.yamltext import Document, parse_documents

UNPARSABLE: Final = Rule(
    name="unparsable",
    severity=Severity.ERROR,
    why="The file is not YAML, or breaks the limits within which files are read; "
    "kubectl and kustomize refuse it too, or read something else.",
    fix="correct the file at this line",
)
NOT_A_FILE: Final = Rule(
    name="not-a-plain-file",
    severity=Severity.ERROR,
    why="A symlink or submodule leads out of what was reviewed; it is never followed.",
    fix="replace it by the file itself",
)
NOT_AN_OBJECT: Final = Rule(
    name="not-an-object",
    severity=Severity.ERROR,
    why="A document without apiVersion, kind and metadata is no Kubernetes object: "
    "kubectl refuses it.",
    fix="write the whole object, or keep the fragment out of the manifests",
)

RULES: Final = (UNPARSABLE, NOT_A_FILE, NOT_AN_OBJECT)

_KUSTOMIZE_GROUP: Final = "kustomize.config.k8s.io/"


@dataclass(frozen=True, slots=True, kw_only=True)
class Files:
    """What some files hold.

    Attributes:
        items: the objects.
        problems: documents that are no objects.
        findings: files that cannot be read.
    """

    items: tuple[Item, ...]
    problems: tuple[Problem, ...]
    findings: tuple[Finding, ...]


def read_files(tree: Tree, paths: Sequence[str]) -> Files:
    """Read manifests; kustomization files among them are left out."""
    items: list[Item] = []
    problems: list[Problem] = []
    findings: list[Finding] = []
    for path in paths:
        if path.rpartition("/")[2] in KUSTOMIZATION_FILES:
            continue
        try:
            content = tree.read(path)
            documents = parse_documents(content, path)
        except YamlError as error:
            findings.append(unreadable(error))
            continue
        except TreeError as error:
            findings.append(no_file(path, error))
            continue
        for document in documents:
            for found in _items(document, path, content):
                if isinstance(found, Item):
                    items.append(found)
                else:
                    problems.append(found)
    return Files(items=tuple(items), problems=tuple(problems), findings=tuple(findings))


def unreadable(error: YamlError) -> Finding:
    """Tell that a file cannot be read."""
    return finding(UNPARSABLE, error.path, error.line, error.problem, error.hint)


def no_file(path: str, error: TreeError) -> Finding:
    """Tell that a path is no plain file."""
    return finding(NOT_A_FILE, path, 0, error.message, error.hint)


def _items(document: Document, path: str, content: bytes) -> Iterator[Item | Problem]:
    body = document.data
    if isinstance(body, Mapping) and _is_list(body):
        for index, entry in mappings(body.get("items")):
            yield from _item(entry, document, path, content, ("items", index))
    elif isinstance(body, Mapping):
        if not text(body.get("apiVersion")).startswith(_KUSTOMIZE_GROUP):
            yield from _item(body, document, path, content, ())
    else:
        item = _as_item({}, document, path, content, ())
        kind = "a list" if isinstance(body, list | tuple) else "plain text"
        yield Problem(
            rule=NOT_AN_OBJECT, item=item, at=(), message=f"the document is {kind}"
        )


def _is_list(body: Mapping[str, Json]) -> bool:
    return text(body.get("kind")).endswith("List") and "items" in body


def _item(
    body: Mapping[str, Json],
    document: Document,
    path: str,
    content: bytes,
    prefix: Place,
) -> Iterator[Item | Problem]:
    item = _as_item(body, document, path, content, prefix)
    missing = [name for name in ("apiVersion", "kind") if not text(body.get(name))]
    if not missing:
        yield item
        return
    yield Problem(
        rule=NOT_AN_OBJECT,
        item=item,
        at=(),
        message=f"has no {' and no '.join(missing)}",
    )
    yield from _fragment(item)


def _as_item(
    body: Mapping[str, Json],
    document: Document,
    path: str,
    content: bytes,
    prefix: Place,
) -> Item:
    metadata = mapping(body.get("metadata"))
    return Item(
        manifest=Manifest(
            api_version=text(body.get("apiVersion")),
            kind=text(body.get("kind")),
            namespace=text(metadata.get("namespace")),
            name=text(metadata.get("name")),
            body=body,
            line=document.line,
        ),
        path=path,
        text=content,
        document=document.line,
        prefix=prefix,
    )


def _fragment(item: Item) -> Iterator[Problem]:
    """A piece of a container may still show how Directus would be set up."""
    env = read_environment(item.manifest.body, lambda _: None)
    if env.has("DB_HOST") and env.lacks("DB_CLIENT"):
        yield Problem(
            rule=DATABASE_CLIENT,
            item=item,
            at=("env",),
            message="DB_HOST is set, DB_CLIENT is not",
        )
