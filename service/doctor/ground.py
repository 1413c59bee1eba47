"""The machine: the data folder, the disk, the clock, the time zones."""

from __future__ import annotations

import os
import stat
import tempfile
from collections.abc import Iterator
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from service.clock import Clock, monotonic_s
from service.doctor.checks import Check
from service.folders import OURS
from service.settings import Settings

_LITTLE: Final = 1 << 30
_TOO_LITTLE: Final = 100 << 20
_OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO
_ELSEWHERE: Final = ("nfs", "cifs", "smb", "9p", "afs", "ceph", "gluster", "fuse.")
_BUILT_AFTER: Final = datetime(2026, 1, 1, tzinfo=UTC)
_OLD_ZONES_YEARS: Final = 2


def data_folder(settings: Settings, _clock: Clock) -> Iterator[Check]:
    """Look at the rights of the data folder, and at the file system below it."""
    name, data = "data-folder", settings.data
    if not data.is_dir():
        yield Check.warning(
            name,
            "there is no data folder yet",
            "the first command makes it; is --data (DIRECTUS_GITOPS_DATA) right?",
        )
        return
    foreign = [p.name for p in _ours(data) if p.stat().st_uid != os.geteuid()]
    open_ones = [p.name for p in _ours(data) if p.stat().st_mode & _OTHERS]
    if foreign:
        yield Check.problem(
            name,
            f"belongs to another user: {', '.join(foreign)}",
            "run as its owner, or name another folder: --data",
        )
    elif open_ones:
        yield Check.warning(
            name,
            f"open to other users of this machine: {', '.join(open_ones)}",
            "take their rights: chmod go= in the data folder",
        )
    else:
        with tempfile.TemporaryFile(dir=data) as file:  # an OSError is told
            file.write(b"doctor")
        yield Check.ok(name, "ours alone, and it can be written")
    kind = file_system(data, _mounts())
    if kind.startswith(_ELSEWHERE):
        yield Check.warning(
            "file-system",
            f"the data folder is on {kind}, a file system of another machine",
            "SQLite and Git need locks that work: use a local disk; keep the store in "
            "PostgreSQL where several machines share it",
        )


def _ours(data: Path) -> Iterator[Path]:
    yield from (data / name for name in (*OURS, "service.db") if (data / name).exists())


def _mounts() -> str:
    try:
        return Path("/proc/self/mounts").read_text("utf-8", "replace")
    except OSError:  # another kind of system
        return ""


def file_system(place: Path, mounts: str) -> str:
    """Return the kind of file system that a place is on; empty when not known.

    Args:
        place: absolute.
        mounts: the text of /proc/self/mounts.
    """
    found, depth = "", -1
    for line in mounts.splitlines():
        _, point, kind, *_ = [*line.split(" "), "", "", ""]
        root = Path(point.replace("\\040", " "))
        if place.is_relative_to(root) and len(root.parts) > depth:
            found, depth = kind, len(root.parts)
    return found


def disk(settings: Settings, _clock: Clock) -> Iterator[Check]:
    """Look how much room the data folder has."""
    place = next(p for p in (settings.data, *settings.data.parents) if p.exists())
    about = os.statvfs(place)
    yield room(
        about.f_bavail * about.f_frsize,
        has_files=about.f_files == 0 or about.f_favail > 0,
    )


def room(free_bytes: int, *, has_files: bool) -> Check:
    """Judge what is left of a disk.

    Args:
        free_bytes: that this user may write.
        has_files: whether another file can be made.
    """
    shown = f"{free_bytes / (1 << 30):.1f} GiB free"
    hint = "make room: mirrors/ and cache/ may be deleted while nothing runs"
    if not has_files:
        return Check.problem("disk", "no other file can be made", hint)
    if free_bytes < _TOO_LITTLE:
        return Check.problem("disk", shown, hint)
    if free_bytes < _LITTLE:
        return Check.warning("disk", shown, hint)
    return Check.ok("disk", shown)


def clock(_settings: Settings, now: Clock) -> Iterator[Check]:
    """Look whether the clock can be right, and goes forward."""
    before, at, after = monotonic_s(), now(), monotonic_s()
    if after < before:
        yield Check.problem(
            "clock", "the monotonic clock goes backwards", "restart this machine"
        )
    elif at < _BUILT_AFTER:
        yield Check.problem(
            "clock",
            f"it is {at:%Y-%m-%d %H:%M} UTC here, before this release was made",
            "set the clock: schedules and commits carry its time",
        )
    else:
        yield Check.ok("clock", f"{at:%Y-%m-%d %H:%M} UTC")


def time_zones(_settings: Settings, now: Clock) -> Iterator[Check]:
    """Look whether the time zones are there, and not from long ago."""
    release = version("tzdata")
    try:
        ZoneInfo("Europe/Berlin")
    except ZoneInfoNotFoundError:
        yield Check.problem(
            "time-zones", "they are missing", "install the Python package tzdata"
        )
        return
    made = int(release.split(".")[0])
    if now().year - made >= _OLD_ZONES_YEARS:
        yield Check.warning(
            "time-zones",
            f"tzdata {release}: summer time may have changed since",
            "update the Python package tzdata",
        )
        return
    yield Check.ok("time-zones", f"tzdata {release}")
