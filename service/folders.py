"""The data folder: what is in it is nobody's business but the service's.

Whoever may list the machine's folders must not read a repository, a request or the
database; whoever may write to a shared folder must not put his own in place of ours.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path
from typing import Final

from gitops.errors import StoreError

OURS: Final = ("cache", "forge", "locks", "mirrors")
_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO


def prepare(data: Path) -> None:
    """Make the data folder and those in it, for their owner only.

    The data folder itself may be there before us, as a mounted volume is; its mode is
    its owner's matter then.

    Raises:
        StoreError: one of them belongs to another user.
        OSError: one of them cannot be made.
    """
    data.mkdir(parents=True, exist_ok=True, mode=stat.S_IRWXU)
    for name in OURS:
        folder = data / name
        folder.mkdir(exist_ok=True, mode=stat.S_IRWXU)
        _close(folder)


def private_file(path: Path) -> None:
    """Make an empty file for its owner only, or close one that is there.

    Raises:
        StoreError: it belongs to another user.
        OSError: it cannot be made.
    """
    flags = os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW
    os.close(os.open(path, flags, stat.S_IRUSR | stat.S_IWUSR))
    _close(path)


def _close(path: Path) -> None:
    """Take every right of other users to a file or folder of ours.

    Raises:
        StoreError: it is not ours.
    """
    about = path.stat()
    if about.st_uid != os.geteuid():
        raise StoreError(
            f"{path.name} in the data folder belongs to another user",
            hint="run as its owner, or name another folder: --data",
        )
    if about.st_mode & _OTHERS:
        path.chmod(stat.S_IMODE(about.st_mode) & ~_OTHERS)
