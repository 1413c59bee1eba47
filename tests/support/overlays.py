"""Overlays small enough to read in a test, and a fleet that names their places."""

from __future__ import annotations

from collections.abc import Mapping

from gitops.model import (
    BranchName,
    Environment,
    EnvironmentName,
    Fleet,
    StackName,
    StackRule,
)

IMAGE = "directus/directus"
OLD_DIGEST = "sha256:" + "0d" * 32
NEW_DIGEST = "sha256:" + "e1" * 32


def fleet(
    *environments: str,
    pattern: str = "overlays/{environment}/{stack}",
    images: Mapping[str, str] | None = None,
) -> Fleet:
    """Make a fleet of environments in a row, development and production by default."""
    names = environments or ("development", "production")
    return Fleet(
        branch=BranchName("main"),
        overlay_pattern=pattern,
        image=IMAGE,
        environments=tuple(Environment(name=EnvironmentName(name)) for name in names),
        stacks={
            StackName(stack): StackRule(image=image)
            for stack, image in (images or {}).items()
        },
    )


def kustomization(tag: str = "11.1.0", *, image: str = IMAGE, more: str = "") -> str:
    """Write an overlay's kustomization; `more` is appended to the images: entry."""
    return (
        "# an overlay\n"
        "namespace: acme-production   # one each\n"
        "resources:\n- ../../../base\n\n"
        f"images:\n- name: {image}\n  newTag: {tag} # the version\n{more}"
    )
