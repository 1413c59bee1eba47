"""kustomize's output as objects. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from gitops.errors import RenderError, YamlError
from gitops.model import Json, Manifest, Manifests
from gitops.yamltext import Document, parse_documents

_HINT: Final = "no real kustomize prints that; `directus-gitops tools install` has one"


def manifests_of(text: bytes, folder: str) -> Manifests:
    """Parse what kustomize printed for a folder.

    Raises:
        RenderError: it is empty, not YAML, or holds something that is no object.
    """
    try:
        documents = parse_documents(text, folder)
    except YamlError as error:
        raise RenderError(
            f"{folder}: kustomize's output cannot be read: {error.problem} "
            f"(line {error.line})",
            path=folder,
            hint=_HINT,
        ) from error
    if not documents:
        raise RenderError(
            f"{folder}: renders no object at all",
            path=folder,
            hint="list a base or manifests under resources",
        )
    objects = tuple(_manifest(document, folder) for document in documents)
    return Manifests(path=folder, text=text, objects=objects)


def _manifest(document: Document, folder: str) -> Manifest:
    body = document.data
    if isinstance(body, Mapping):
        metadata = body.get("metadata")
        found = metadata if isinstance(metadata, Mapping) else {}
        api_version, kind = _text(body, "apiVersion"), _text(body, "kind")
        name = _text(found, "name")
        if api_version and kind and name:
            return Manifest(
                api_version=api_version,
                kind=kind,
                namespace=_text(found, "namespace"),
                name=name,
                body=body,
                line=document.line,
            )
    raise RenderError(
        f"{folder}: line {document.line} of kustomize's output begins no object "
        "with apiVersion, kind and metadata.name",
        path=folder,
        hint=_HINT,
    )


def _text(mapping: Mapping[str, Json], key: str) -> str:
    found = mapping.get(key)
    return found if isinstance(found, str) else ""
