"""Values of keys: in by a prompt or standard input, out by standard output or a file.

Promise: a value is never an argument, and in no remark, error or audit entry. Encrypted
ones do not come through here.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from getpass import getpass
from pathlib import Path

from gitops.model import Json
from gitops.scaffold import SecretsChoice
from gitops.secretfile import SECRET_NAME, SecretValue, secret_json, secret_manifest
from service.cli.output import Output, remark
from service.sealing import Ground
from service.secrets import (
    MOST_BYTES,
    RequiredKey,
    complete_keys,
    read_given,
    store_document,
    write_private,
)

# --- values in ---


def values_for(keys: Sequence[RequiredKey]) -> dict[str, SecretValue]:
    """Make what can be made; take the rest from a person.

    Raises:
        InputError: a value is missing, or cannot be used.
    """
    if sys.stdin is not None and sys.stdin.isatty():
        given = _prompted(keys)
    else:
        content = sys.stdin.buffer.read(MOST_BYTES + 1) if sys.stdin else b""
        given = read_given(content, [key.spec.name for key in keys])
    return complete_keys(keys, given)


def _prompted(keys: Sequence[RequiredKey]) -> dict[str, str]:
    """Ask for the values that cannot be made, on the terminal, unseen, twice each."""
    given: dict[str, str] = {}
    for key in keys:
        spec = key.spec
        if key.is_optional or key.is_made:
            continue
        while spec.name not in given:
            first = getpass(f"{spec.name} ({spec.purpose}): ")
            if first and first == getpass(f"{spec.name} again: "):
                given[spec.name] = first
            else:
                remark("Empty, or not the same; once more.")
    return given


# --- values out, in clear ---


def hand_out(
    out: Output,
    ground: Ground,
    keys: Sequence[RequiredKey],
    *,
    path: Path | None,
    is_new: bool,
    record: Callable[[Sequence[str]], None],
) -> None:
    """Print the Secret or the store's entry, or write it to a private file.

    With --json the Secret is JSON, so that standard output holds one document.

    Args:
        out: for what is no value.
        ground: what the overlay says.
        keys: which ones, and whether each is made.
        path: of the private file; None for standard output.
        is_new: all keys are made for the first time.
        record: told the names, before a value is printed.

    Raises:
        InputError: a value is missing or cannot be used, or the file cannot be written.
    """
    values = values_for(keys)
    names = sorted(values)
    if path is not None:
        write_private(path, _clear(ground, values, as_json=False))
        record(names)
        told: dict[str, Json] = {"namespace": ground.namespace, "keys": names}
        out.document({"outcome": "written", "path": str(path), **told})
        out.line(f"Wrote {path}: {', '.join(names)}.")
    else:
        record(names)
        sys.stdout.buffer.write(_clear(ground, values, as_json=out.as_json))
        sys.stdout.buffer.flush()
        remark(f"For namespace {ground.namespace}: {', '.join(names)}.")
    for line in _next_steps(ground, keys, is_new=is_new):
        remark(line)


def _clear(
    ground: Ground, values: Mapping[str, SecretValue], *, as_json: bool
) -> bytes:

    if ground.choice is SecretsChoice.EXTERNAL_SECRETS:
        return store_document(values)
    write = secret_json if as_json else secret_manifest
    return write(values, namespace=ground.namespace)


def tell_keys(out: Output, ground: Ground, keys: Sequence[RequiredKey]) -> None:
    """Name the keys and who brings each; values are neither made nor asked for."""
    rows = [
        (key.spec.name, _bringer(key), key.spec.purpose)
        for key in keys
        if not key.is_optional
    ]
    out.document(
        {
            "dry_run": True,
            "secrets": ground.choice.value,
            "namespace": ground.namespace,
            "keys": [
                {"name": name, "value": bringer, "purpose": purpose}
                for name, bringer, purpose in rows
            ],
        }
    )
    out.table(["key", "value", "what it is"], rows)


def _bringer(key: RequiredKey) -> str:
    return "made" if key.is_made else "yours"


def _next_steps(
    ground: Ground, keys: Sequence[RequiredKey], *, is_new: bool
) -> Iterator[str]:

    if ground.choice is SecretsChoice.EXTERNAL_SECRETS:
        entry = f"{ground.target.stack}/{ground.target.environment}"
        verb = "store it as" if is_new else "set these fields of"
        yield f"Next: {verb} the entry that the overlay names, by default {entry}."
    elif is_new:
        yield "Next: kubectl create -f -"
    else:
        yield (
            f"Next: kubectl -n {ground.namespace} patch secret {SECRET_NAME} "
            "--patch-file /dev/stdin"
        )
    if not is_new:
        for key in keys:
            rotation = key.spec.rotation
            yield f"{key.spec.name}: {rotation.effect}; {'; '.join(rotation.steps)}"
        yield restart_hint(ground)


def restart_hint(ground: Ground) -> str:
    """Say how the pods come to know new values."""
    return (
        "Pods read the Secret when they start: "
        f"kubectl -n {ground.namespace} rollout restart deployment/directus"
    )
