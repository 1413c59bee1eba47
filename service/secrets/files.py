"""Where values may go in clear: a private file outside Git, or a pipe.

It must not decide that they should: that is the caller's question to a person.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path

from gitops.errors import InputError
from gitops.secretfile import SecretValue


def store_document(values: Mapping[str, SecretValue]) -> bytes:
    """Write the entry of an external store: one JSON object, one field a key."""
    texts = {name: values[name].reveal() for name in sorted(values)}
    return (json.dumps(texts, indent=2, ensure_ascii=False) + "\n").encode()


def write_private(path: Path, content: bytes) -> None:
    """Write a file in clear that only its owner can read; never over another one.

    Raises:
        InputError: its folder is missing or inside a Git work tree, or it is there.
    """
    try:
        folder = path.parent.resolve(strict=True)
    except OSError as error:
        raise InputError(f"{path.parent}: no such folder") from error
    if any((place / ".git").exists() for place in (folder, *folder.parents)):
        raise InputError(
            f"{path.name}: its folder is inside a Git work tree",
            hint="keys in clear are never written there; choose another folder, or "
            "pipe them to kubectl",
        )
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
    try:
        descriptor = os.open(folder / path.name, flags, 0o600)
    except FileExistsError as error:
        raise InputError(
            f"{path.name}: there is such a file already",
            hint="it is never overwritten; remove it or choose another name",
        ) from error
    except OSError as error:
        raise InputError(f"{path.name}: cannot be written: {error.strerror}") from error
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
