"""Packages of others that tests read: fetched once at a pinned hash, never committed.

By the ordinary clients, npm and pip, so whatever mirror a machine has is used; the hash
is ours, so every machine reads the same bytes. Who cannot fetch skips, with a reason.
"""

from __future__ import annotations

import base64
import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
import tempfile
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pytest

CACHE: Final = Path(__file__).resolve().parents[2] / ".cache"
_ENVIRONMENT: Final = dict(os.environ)  # before a test takes HOME and its settings away
_WAIT_S: Final = 300


@dataclass(frozen=True, kw_only=True)
class Package:
    """One release of somebody else's package.

    Attributes:
        name: in its registry.
        version: exactly.
        sha: SHA-512 in base64 as npm writes it, or SHA-256 in hex as pip does.
        only: beginnings of the paths that are unpacked; none for all.
    """

    name: str
    version: str
    sha: str
    only: tuple[str, ...] = ()

    @property
    def _folder(self) -> Path:
        told = hashlib.sha256(repr(self).encode()).hexdigest()[:12]
        return CACHE / f"{self.name.strip('@').replace('/', '-')}-{told}"


class UnavailableError(Exception):
    """A package could not be fetched here."""


def npm(package: Package) -> Path:
    """Return the folder of an npm package, without what it depends on.

    Raises:
        UnavailableError: there is no npm, or it could not fetch it.
    """
    return _kept(package, _npm_pack)


def python_source(package: Package) -> Path:
    """Return the folder of a Python source distribution; nothing of it is run.

    Raises:
        UnavailableError: pip could not fetch it.
    """
    return _kept(package, lambda p, to: _pip(p, to, f"--no-binary={p.name}"))


def python_wheel(package: Package) -> Path:
    """Return the folder of an unpacked wheel.

    Raises:
        UnavailableError: pip could not fetch it, or it has none for this machine.
    """
    return _kept(package, lambda p, to: _pip(p, to, "--only-binary=:all:"))


def or_skip(fetch: Callable[[Package], Path], package: Package) -> Path:
    """Fetch, or skip the test with a reason."""
    try:
        return fetch(package)
    except UnavailableError as error:
        pytest.skip(str(error))


def _kept(package: Package, fetch: Callable[[Package, Path], Path]) -> Path:
    CACHE.mkdir(exist_ok=True)
    folder = package._folder
    with (CACHE / f"{folder.name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not folder.is_dir():
            with tempfile.TemporaryDirectory(dir=CACHE) as scratch:
                archive = fetch(package, Path(scratch))
                made = Path(scratch) / "unpacked"
                _unpack(archive, made, package.only)
                made.rename(folder)
    inside = list(folder.iterdir())
    return inside[0] if len(inside) == 1 and inside[0].is_dir() else folder


def _run(package: Package, command: list[str], folder: Path) -> None:
    try:
        done = subprocess.run(
            command,
            cwd=folder,
            env=_ENVIRONMENT,
            check=False,
            capture_output=True,
            text=True,
            timeout=_WAIT_S,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise UnavailableError(f"{package.name}: {type(error).__name__}") from None
    if done.returncode != 0:
        last = done.stderr.strip().splitlines()[-1:]
        raise UnavailableError(f"{package.name} {package.version}: {last}")


def _npm_pack(package: Package, folder: Path) -> Path:
    program = shutil.which("npm", path=_ENVIRONMENT.get("PATH"))
    if program is None:
        raise UnavailableError(f"{package.name}: npm is missing")
    wanted = f"{package.name}@{package.version}"
    _run(package, [program, "pack", "--ignore-scripts", wanted], folder)
    (archive,) = folder.glob("*.tgz")
    digest = hashlib.sha512(archive.read_bytes()).digest()
    assert base64.b64encode(digest).decode() == package.sha, f"{wanted}: another one"
    return archive


def _pip(package: Package, folder: Path, kind: str) -> Path:
    # The hash is checked by pip, before it looks into the archive.
    pins = folder / "pins.txt"
    pins.write_text(f"{package.name}=={package.version} --hash=sha256:{package.sha}\n")
    out = folder / "out"
    command = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps"]
    command += ["--require-hashes", kind, "-r", str(pins), "-d", str(out)]
    _run(package, command, folder)
    (archive,) = out.iterdir()
    return archive


def _unpack(archive: Path, folder: Path, only: tuple[str, ...]) -> None:
    """Unpack plain files, by names that stay below the folder."""
    if archive.suffix == ".whl":
        with zipfile.ZipFile(archive) as wheel:
            for entry in wheel.infolist():
                if not entry.is_dir() and _is_wanted(entry.filename, only):
                    target = _target(folder, entry.filename)
                    target.write_bytes(wheel.read(entry))
                    target.chmod((entry.external_attr >> 16) & 0o755 or 0o644)
        return
    with tarfile.open(archive) as tar:
        for member in tar:
            if not member.isfile() or not _is_wanted(member.name, only):
                continue
            content = tar.extractfile(member)
            assert content is not None
            _target(folder, member.name).write_bytes(content.read())


def _is_wanted(name: str, only: tuple[str, ...]) -> bool:
    return not only or name.partition("/")[2].startswith(only)


def _target(folder: Path, name: str) -> Path:
    target = folder / name
    assert target.resolve().is_relative_to(folder.resolve()), name
    target.parent.mkdir(parents=True, exist_ok=True)
    return target
