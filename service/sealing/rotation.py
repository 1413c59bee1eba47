"""Which keys may get a new value, who brings it, and what reviewers are told.

Pure. What the cluster alone cannot change is refused until somebody says that the
rest is done, because Directus would stop working.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from gitops.errors import InputError, PlanError
from gitops.model import Finding, Severity
from service.sealing.ground import Ground, Standing
from service.secrets import RequiredKey


def keys_to_generate(ground: Ground, asked: Sequence[str]) -> tuple[RequiredKey, ...]:
    """Return the overlay's keys; those that a person wants to bring are not made.

    Args:
        ground: what the overlay says.
        asked: names of keys whose values a person brings.

    Raises:
        PlanError: the file on the base branch has keys already.
        UnknownNameError: the overlay refers to no such key.
    """
    file = ground.file
    if file is not None and file.kept:
        names = [k.spec.name for k in ground.required if not k.is_optional]
        missing = [name for name in names if name not in file.kept]
        told = f"; without {', '.join(missing)}" if missing else ""
        raise PlanError(
            f"{file.path}: has keys already{told}",
            hint="`directus-gitops secrets rotate` changes one, or adds one",
        )
    wanted = {ground.key(name).spec.name for name in asked}
    return tuple(
        replace(key, is_optional=False, is_made=False)
        if key.spec.name in wanted
        else key
        for key in ground.required
    )


def keys_to_rotate(
    ground: Ground, names: Sequence[str], *, done_elsewhere: bool
) -> tuple[RequiredKey, ...]:
    """Return the keys that get a new value; is_made says which ones are made.

    A key that something outside the cluster keeps too is never made: that value has
    been chosen there. One that is not on the base branch yet is like one to generate.

    Args:
        ground: what the overlay says.
        names: of the keys.
        done_elsewhere: somebody says that the other places know the new value.

    Raises:
        UnknownNameError: the overlay refers to no such key.
        PlanError: the file has no keys yet.
        InputError: a key that the cluster alone cannot change.
    """
    file = ground.file
    if file is not None and file.body is None:
        raise PlanError(
            f"{file.path}: has no keys yet",
            hint="`directus-gitops secrets generate` makes them",
        )
    keys = [ground.key(name) for name in dict.fromkeys(names)]
    new = frozenset[str]()
    if file is not None:
        new = frozenset(k.spec.name for k in keys) - file.kept
    bound = [k for k in keys if not k.spec.rotation.is_free and k.spec.name not in new]
    if bound and not done_elsewhere:
        raise InputError(
            "the cluster alone cannot change "
            + "; ".join(f"{k.spec.name} ({k.spec.rotation.effect})" for k in bound),
            hint="first: "
            + "; ".join(dict.fromkeys(s for k in bound for s in k.spec.rotation.steps))
            + "; then say so with --done-elsewhere",
        )
    return tuple(
        replace(key, is_optional=False, is_made=key.is_made and key not in bound)
        for key in keys
    )


def rotation_findings(
    file: Standing, keys: Sequence[RequiredKey]
) -> tuple[Finding, ...]:
    """Tell what new values mean, with what an open pull request tells already."""
    new = tuple(_told(file, key) for key in keys)
    return tuple(dict.fromkeys((*file.findings, *new)))


def _told(file: Standing, key: RequiredKey) -> Finding:
    spec = key.spec
    if spec.name not in file.kept:
        return Finding(
            rule="key-added",
            severity=Severity.INFO,
            path=file.path,
            message=f"{spec.name} is new: {spec.purpose}",
        )
    rotation = spec.rotation
    return Finding(
        rule="key-rotated",
        severity=Severity.INFO if rotation.is_free else Severity.WARNING,
        path=file.path,
        message=f"{spec.name} gets a new value; effect: {rotation.effect}",
        hint="; ".join(rotation.steps),
    )
