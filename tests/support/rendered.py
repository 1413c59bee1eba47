"""Rendered overlays from YAML text, as kustomize would have written them."""

from __future__ import annotations

import yaml

from gitops.model import Manifest, Manifests


def rendered(path: str, text: str) -> Manifests:
    """Parse documents into the value that the renderer returns."""
    objects = []
    for body in yaml.safe_load_all(text):
        metadata = body.get("metadata", {})
        objects.append(
            Manifest(
                api_version=body["apiVersion"],
                kind=body["kind"],
                namespace=metadata.get("namespace", ""),
                name=metadata["name"],
                body=body,
            )
        )
    return Manifests(path=path, text=text.encode(), objects=tuple(objects))
