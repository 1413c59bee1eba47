"""PLAN other keys of a stack: its one file of encrypted values. Pure.

Promises that the file is encrypted value by value, that the change is made from the
file that is there, and that it touches no other. It never sees a value.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from gitops.errors import InputError
from gitops.model import (
    Finding,
    Fleet,
    Hold,
    Plan,
    PlanKind,
    Provenance,
    Target,
    TargetScope,
    Tree,
    WriteFile,
    blob_id,
)
from gitops.overlay import read_overlay
from gitops.promotion.guards import refuse_held, refuse_paused
from gitops.secretfile import (
    SEALED_FILE,
    SOPS_FILE,
    read_secret_file,
    sealed_check,
    sops_check,
)

_CHECKS: Final = {SOPS_FILE: sops_check, SEALED_FILE: sealed_check}


def plan_secrets(
    tree: Tree,
    fleet: Fleet,
    target: Target,
    *,
    name: str,
    content: bytes,
    findings: Sequence[Finding] = (),
    requested_by: str,
    reason: str = "",
    holds: Sequence[Hold] = (),
    paused: bool = False,
) -> Plan:
    """Plan another content for a target's file of encrypted keys.

    Args:
        tree: the base branch.
        fleet: its rules.
        target: whose keys.
        name: the file in the overlay: SOPS_FILE or SEALED_FILE.
        content: the whole file, encrypted.
        findings: what the reviewer must know of the new values.
        requested_by: who asked.
        reason: their words.
        holds: of the repository.
        paused: whether the pause switch is on.

    Raises:
        InputError: no such file, or a value in it is not encrypted.
        UnknownNameError: no such environment, or no such stack there.
        HeldError: a hold or the pause switch forbids it.
        TreeError: the overlay, or the file in it, cannot be read.
    """
    refuse_paused(paused=paused)
    refuse_held(target, holds)
    path = f"{read_overlay(tree, fleet, target).path}/{name}"
    _check_encrypted(name, content, path)
    return Plan(
        kind=PlanKind.SECRETS,
        scope=TargetScope(target=target),
        changes=(
            WriteFile(path=path, content=content, replaces=blob_id(tree.read(path))),
        ),
        provenance=Provenance(
            requested_by=requested_by, source_commit=tree.commit, reason=reason
        ),
        findings=tuple(findings),
    )


def _check_encrypted(name: str, content: bytes, path: str) -> None:
    check = _CHECKS.get(name)
    if check is None:
        raise InputError(f"{path}: not a file of encrypted keys")
    body = read_secret_file(content, path)
    problems = ("it holds no values",) if body is None else check(body)
    if problems:
        raise InputError(f"{path}: {'; '.join(problems)}", hint="nothing was proposed")
