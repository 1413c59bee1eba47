"""PLAN with proof: what a registry said of an image goes into the plan. Pure.

Promises: what does not exist is never planned; what nobody could check is planned and
said to be unchecked; the digest of what was proved is written where one belongs.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TypeAlias, assert_never

from gitops.cron import spell_time
from gitops.errors import InputError
from gitops.model import (
    IMAGE_EXISTS,
    IMAGE_UNCHECKED,
    Absent,
    Exists,
    Finding,
    Image,
    Proof,
    Revision,
    Severity,
    Unchecked,
)

Prove: TypeAlias = Callable[[Revision], Proof | None]
"""Tells what a registry says of a revision, by its digest where it has one; None where
no registry is configured for the image."""


def unproved(_wanted: Revision) -> None:
    """Tell nothing: no registry is configured."""


def with_proof(
    present: Revision, wanted: Revision, proof: Proof | None, *, path: str
) -> tuple[Revision, tuple[Finding, ...]]:
    """Return the revision to plan, and what a reviewer has to know of its image.

    Args:
        present: what the overlay says now.
        wanted: what was asked for.
        proof: what the registry said of `wanted`; None where none is configured.
        path: the overlay, for the findings.

    Raises:
        InputError: there is no such image.
    """
    match proof:
        case None:
            return wanted, ()
        case Absent(near=near):
            raise InputError(
                f"{wanted} does not exist in its registry", hint=_nearest(near)
            )
        case Unchecked(reason=reason):
            return wanted, (_unchecked(wanted, reason, path),)
        case Exists(image=image):
            is_pinned = proof.pin or present.digest is not None
            if is_pinned and wanted.digest is None:
                wanted = replace(wanted, digest=image.digest)
            told = _exists(wanted, image, path)
            if not proof.missing:
                return wanted, (told,)
            return wanted, (told, _without(wanted, proof.missing, path))
        case _:  # pragma: no cover
            assert_never(proof)


def _nearest(near: tuple[str, ...]) -> str:
    return f"it has {', '.join(near)}" if near else "it has nothing like it"


def _unchecked(wanted: Revision, reason: str, path: str) -> Finding:
    return Finding(
        rule=IMAGE_UNCHECKED,
        severity=Severity.WARNING,
        path=path,
        message=f"{wanted}: existence not checked: {reason}",
        hint="look whether the image is there before this is merged",
    )


def _exists(wanted: Revision, image: Image, path: str) -> Finding:
    built = f", built {spell_time(image.created_at)}" if image.created_at else ""
    platforms = f", for {', '.join(image.platforms)}" if image.platforms else ""
    return Finding(
        rule=IMAGE_EXISTS,
        severity=Severity.INFO,
        path=path,
        message=f"{wanted.image}:{wanted.tag} exists as {image.digest}"
        f"{built}{platforms}",
    )


def _without(wanted: Revision, missing: tuple[str, ...], path: str) -> Finding:
    return Finding(
        rule="image-platform",
        severity=Severity.WARNING,
        path=path,
        message=f"{wanted.image}:{wanted.tag} is not there for {', '.join(missing)}",
        hint="nodes of that kind cannot run it",
    )
