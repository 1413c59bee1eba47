"""Folders for keys: for their owner only, and only while somebody needs them.

Programs such as ssh take a key from a file, and refuse one that others may read, as
mounted secrets often are. So a key is written for the time of one call. Whatever a
killed process leaves behind is removed by the next one that looks.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Final

from gitops.errors import CredentialError

_PREFIX: Final = "directus-gitops-"


@contextlib.contextmanager
def private_folder(
    root: Path | None, files: Mapping[str, str] | None = None
) -> Iterator[Path]:
    """Give a folder that is gone after the body, with files that its owner may read.

    Args:
        root: where it is made; None for the system's folder for temporary files.
        files: plain name -> text.

    Raises:
        CredentialError: the disk refuses.
    """
    try:
        folder, lock = _made(root or Path(tempfile.gettempdir()))
    except OSError as error:
        raise _refused(error) from error
    try:
        try:
            for name, text in (files or {}).items():
                _write(folder / name, text)
        except OSError as error:
            raise _refused(error) from error
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)


def _made(root: Path) -> tuple[Path, int]:
    """Make a folder that holds a lock on itself, which ends with its process."""
    root.mkdir(mode=0o700, parents=True, exist_ok=True)
    _sweep(root)
    while True:
        folder = Path(tempfile.mkdtemp(prefix=_PREFIX, dir=root))
        lock = _locked(folder)
        if lock is not None:
            return folder, lock


def _locked(folder: Path) -> int | None:
    """Lock a folder; None when it is somebody's, or gone by now."""
    try:
        found = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    except OSError:
        return None
    try:
        fcntl.flock(found, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if folder.stat().st_ino == os.fstat(found).st_ino:
            return found
    except OSError:
        pass
    os.close(found)
    return None


def _sweep(root: Path) -> None:
    """Remove the folders of processes that are no more."""
    for left in root.glob(f"{_PREFIX}*"):
        with contextlib.suppress(OSError):
            if left.lstat().st_uid != os.geteuid():
                continue
            lock = _locked(left)
            if lock is not None:
                shutil.rmtree(left, ignore_errors=True)
                os.close(lock)


def _write(place: Path, text: str) -> None:
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW
    with os.fdopen(
        os.open(place, flags, 0o600), "w", encoding="utf-8", errors="surrogateescape"
    ) as file:
        file.write(text)


def _refused(error: OSError) -> CredentialError:
    return CredentialError(
        f"there is no private folder for keys: {error.strerror}",
        hint="is the disk full, and may this user write to the data folder?",
    )
