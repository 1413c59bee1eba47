"""What comes out: rendered objects, and what a reviewer reads of them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from gitops.model.names import Json


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    """One rendered Kubernetes object.

    Attributes:
        api_version: group and version, as written.
        kind: as written.
        namespace: empty for cluster-scoped objects or when not set.
        name: metadata.name.
        body: the whole object as plain data.
        line: 1-based line at which it starts in the text it came from.
    """

    api_version: str
    kind: str
    namespace: str
    name: str
    body: Mapping[str, Json]
    line: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifests:
    """What kustomize makes of one overlay.

    Attributes:
        path: the overlay's folder.
        text: kustomize's output, byte for byte.
        objects: the same, parsed, in output order.
    """

    path: str
    text: bytes
    objects: tuple[Manifest, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Review:
    """What a reviewer reads.

    Attributes:
        title: fixed form, one line.
        body: Markdown within the forge's limit.
        summary: the plain words of the body, one line a change.
        rendered_diff: unified difference of the rendered manifests, secrets masked.
        commit_message: subject, body and trailers of the commit.
    """

    title: str
    body: str
    summary: tuple[str, ...]
    rendered_diff: str
    commit_message: str
