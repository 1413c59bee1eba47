"""PLAN a change of configuration: keys of one overlay's config.env. Pure.

Promises that no secret gets into Git this way: neither by its name nor by its form.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches

from gitops.errors import InputError
from gitops.model import (
    Change,
    Finding,
    Fleet,
    Hold,
    Overlay,
    Plan,
    PlanKind,
    Provenance,
    SetConfig,
    Severity,
    Target,
    TargetScope,
    Tree,
    UnsetConfig,
)
from gitops.overlay import read_overlay
from gitops.promotion.guards import refuse_held, refuse_paused
from gitops.secretnames import holds_password, is_secret
from gitops.tokenshapes import token_shape
from gitops.yamltext import check_env_entry

_KEY = re.compile(r"[A-Za-z_][A-Za-z0-9_]*", re.ASCII)


def plan_config(
    tree: Tree,
    fleet: Fleet,
    target: Target,
    *,
    set: Mapping[str, str],  # noqa: A002  the word of the command line and of the API
    unset: Sequence[str] = (),
    requested_by: str,
    reason: str = "",
    holds: Sequence[Hold] = (),
    paused: bool = False,
) -> Plan:
    """Plan other values for keys of config.env, or their removal.

    Args:
        tree: the base branch.
        fleet: its rules.
        target: what changes.
        set: key -> value wanted.
        unset: keys to remove.
        requested_by: who asked.
        reason: their words.
        holds: of the repository.
        paused: whether the pause switch is on.

    Returns:
        A plan; without changes when config.env says all of it already.

    Raises:
        InputError: no key at all, one both set and unset, one that is no name of an
            environment variable, a secret, or a value that an env file cannot hold.
        UnknownNameError: no such environment, or no such stack there.
        HeldError: a hold or the pause switch forbids it.
        TreeError: the overlay cannot be read.
    """
    _check_request(set, unset)
    refuse_paused(paused=paused)
    refuse_held(target, holds)
    overlay = read_overlay(tree, fleet, target)
    wanted = _changes(overlay, set, unset)
    return Plan(
        kind=PlanKind.SET,
        scope=TargetScope(target=target),
        changes=wanted,
        provenance=Provenance(
            requested_by=requested_by, source_commit=tree.commit, reason=reason
        ),
        findings=tuple(_absent(overlay, unset)) if wanted else (),
    )


def _check_request(wanted: Mapping[str, str], unset: Sequence[str]) -> None:
    if not wanted and not unset:
        raise InputError("no key is named", hint="give KEY=VALUE or --unset KEY")
    both = sorted(wanted.keys() & set(unset))
    if both:
        raise InputError(
            f"{', '.join(both)}: both set and unset", hint="ask for one of the two"
        )
    for key in unset:
        check_env_entry(key, "")
    for key, value in wanted.items():
        _check_key(key)
        _check_value(key, value)


def _check_key(key: str) -> None:
    if not _KEY.fullmatch(key):
        raise InputError(
            f"{key[:80]!a} is not the name of an environment variable",
            hint="use A-Z, a-z, 0-9 and _, not beginning with a digit",
        )


def _check_value(key: str, value: str) -> None:
    """Accept a value; refusals never show it."""
    check_env_entry(key, value)
    if any(unicodedata.category(c) == "Cc" and c != "\t" for c in value):
        raise InputError(
            f"the value of {key} holds a control character",
            hint="configuration is one line of text",
        )
    shape = token_shape(value)
    if shape is None and holds_password(value):
        shape = "an address with a password in it"
    if shape is not None:
        raise InputError(
            f"the value of {key} looks like {shape}",
            hint="keep credentials in the stack's Secret, never in Git",
        )
    if is_secret(key, value):
        raise InputError(
            f"{key} is the name of a secret, and would be readable in Git",
            hint="put it into the stack's Secret; `directus-gitops secrets generate` "
            "makes the ones that Directus needs",
        )


def _changes(
    overlay: Overlay, wanted: Mapping[str, str], unset: Sequence[str]
) -> tuple[Change, ...]:
    """Return all that is wanted, or nothing where config.env says it already."""
    satisfied = all(
        overlay.config.get(key) == value for key, value in wanted.items()
    ) and not any(key in overlay.config for key in unset)
    if satisfied:
        return ()
    return (
        *(
            SetConfig(target=overlay.target, key=key, value=value)
            for key, value in wanted.items()
        ),
        *(UnsetConfig(target=overlay.target, key=key) for key in dict.fromkeys(unset)),
    )


def _absent(overlay: Overlay, unset: Sequence[str]) -> Iterator[Finding]:
    for key in dict.fromkeys(unset):
        if key not in overlay.config:
            near = get_close_matches(key, overlay.config, n=1)
            yield Finding(
                rule="config-absent",
                severity=Severity.INFO,
                path=overlay.path,
                message=f"{key} is not set in {overlay.target}; nothing to remove",
                hint=f"did you mean {near[0]}?" if near else "",
            )
