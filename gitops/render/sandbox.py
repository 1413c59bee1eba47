"""One build of one folder: a copy of its files, walls around it, limits on it (R8).

The pre-scan of gitops.reach is the first wall; these hold without it. What each stops
was measured with kustomize v5.5.0 and v5.8.1:

    a PATH without git, GIT_ALLOW_PROTOCOL   a remote base whose `?ref=` runs a program
    no network (where the machine allows)    every field that takes a URL
    an address space of 1.5 GiB              500 bytes of YAML that take 14 GB
    a copy at a path that nobody knows       relative bases outside the repository
    an environment from scratch              plugins, proxies, credentials

Alone they do not stop a base with an absolute path: kustomize reads any folder that
has a kustomization file. Only the pre-scan does, so nothing is built without it.
No flag is ever given to kustomize.
"""

from __future__ import annotations

import os
import re
import signal
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from gitops import process
from gitops.errors import RenderError, ToolError
from gitops.process import Completed, Limits, ProcessError, ProcessStartError
from gitops.toolchain import Kustomize

LIMITS: Final = Limits(
    timeout_s=30,
    grace_s=2,
    output_bytes=16 << 20,
    memory_bytes=1536 << 20,  # kubectl 1.37 cannot even start below 1 GiB: measured
    cpu_s=60,
    file_bytes=0,
    network=False,
)
_SHOWN: Final = 500
_WARNING = re.compile(r"# Warning: ")
# Some builds of kubectl log their last words, with the time and the process's number.
_LOG_LINE = re.compile(
    r'[A-Z]\d{4} [\d:.]+ \d+ \S+\] "command failed" err=(?:"(.*)"|< (.*) >)'
)
_PREFIX = re.compile(r"error: ", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class MachineWalls:
    """The walls that depend on the machine; the others stand everywhere.

    Attributes:
        network: a build's network can be taken away.
        limits: its memory and time can be limited.
    """

    network: bool
    limits: bool


def walls_here() -> MachineWalls:
    """Return which walls this machine can put around a build."""
    return MachineWalls(
        network=bool(process.network_wall()), limits=process.limiter() is not None
    )


def build(
    tool: Kustomize,
    scratch: Path,
    files: Mapping[str, bytes],
    folder: str,
    *,
    limits: Limits = LIMITS,
) -> bytes:
    """Build a folder of the files given; they are all that kustomize can see of them.

    Args:
        tool: what builds.
        scratch: a folder of ours; the copy lives in a new folder in it, and goes.
        files: path -> bytes.
        folder: which of their folders to build; "" is the root.
        limits: what the build may use.

    Returns:
        What kustomize printed.

    Raises:
        RenderError: it failed, took too long or printed too much.
        ToolError: the program cannot be started.
    """
    place = folder or "the root"
    try:
        scratch.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=scratch, prefix="render-") as name:
            room = Path(name).resolve()
            _copy(files, room / "tree")
            done = _run(tool, room, folder, limits)
            return _output(done, room / "tree", place, folder, limits)
    except ProcessStartError as error:
        raise ToolError(
            str(error), hint="run `directus-gitops tools install`"
        ) from error
    except ProcessError as error:
        raise RenderError(f"{place}: {error}", path=folder) from error
    except OSError as error:
        raise RenderError(
            f"{place}: cannot be copied for the build: {error.strerror}",
            path=folder,
            hint="is the disk full?",
        ) from error


def _copy(files: Mapping[str, bytes], root: Path) -> None:
    """Write the files; names that one file system takes for the same are an error."""
    for folder in {(root / path).parent for path in files}:
        folder.mkdir(parents=True, exist_ok=True)
    for path, content in files.items():
        with (root / path).open("xb") as file:
            file.write(content)


def _run(tool: Kustomize, room: Path, folder: str, limits: Limits) -> Completed:
    nothing = room / "nothing"
    nothing.mkdir()
    return process.run(
        tool.build("."),
        env=_environment(str(nothing)),
        cwd=room / "tree" / folder,
        limits=limits,
    )


def _environment(nothing: str) -> dict[str, str]:
    """Return all that kustomize gets of an environment; `nothing` is an empty folder.

    GOGC=400 collects garbage less often: a tenth less time, 14 MB more memory.
    """
    homes = ("HOME", "TMPDIR", "KUSTOMIZE_PLUGIN_HOME")
    xdg = ("XDG_CONFIG_HOME", "XDG_CACHE_HOME", "XDG_DATA_HOME", "XDG_STATE_HOME")
    return {
        **dict.fromkeys(("PATH", *homes, *xdg), nothing),
        "KUBECONFIG": os.devnull,
        "GIT_ALLOW_PROTOCOL": "none",
        "GIT_TERMINAL_PROMPT": "0",
        "GOGC": "400",
        "LANG": "C",
    }


# --- what it said ---


def _output(
    done: Completed, root: Path, place: str, folder: str, limits: Limits
) -> bytes:
    if done.returncode == 0:
        return done.stdout
    words = _words(done.stderr, root)
    stopped = _why_stopped(done.returncode, words, limits)
    if stopped:
        raise RenderError(
            f"{place}: kustomize was stopped: {stopped}",
            path=folder,
            hint="a normal overlay needs a small part of that; look for YAML aliases",
        )
    code = "" if done.returncode == 1 else f" (exit code {done.returncode})"
    raise RenderError(
        f"{place}: kustomize failed{code}: {words or 'it does not say why'}",
        path=folder,
        hint="these are kustomize's own words; correct what they name",
    )


def _why_stopped(code: int, words: str, limits: Limits) -> str:
    """Name the limit that ended it; "" when none did.

    Its own words are left out: they hold numbers that are others each time.
    """
    if _NO_MEMORY.match(words):
        size = (limits.memory_bytes or 0) >> 20
        return f"it needed more memory than it may use ({size} MiB)"
    # a shell or a container turns signal N into exit code 128 + N
    return _STOPPED_BY.get(-code if code < 0 else code - 128, "")


_NO_MEMORY = re.compile(
    r"(?:fatal error|runtime): .*(?:out of memory|cannot allocate|failed to reserve)"
)
_STOPPED_BY: Final[Mapping[int, str]] = {
    signal.SIGKILL: "it was killed, perhaps for its use of processor time or memory",
    signal.SIGXCPU: "it used more processor time than it may",
    signal.SIGXFSZ: "it tried to write a file",
}


def _words(stderr: bytes, root: Path) -> str:
    """Return what kustomize said, for people: one bounded line, no path of ours."""
    text = stderr.decode("utf-8", "replace")
    text = text.replace(f"{root}/", "").replace(str(root), "the repository")
    lines = [line for line in text.splitlines() if not _WARNING.match(line)]
    if lines and lines[0].startswith(("fatal error:", "runtime:")):
        lines = lines[:1]  # the rest is a dump of every goroutine
    joined = " ".join(" ".join(lines).split())
    clean = "".join(char if char.isprintable() else "?" for char in joined)
    logged = _LOG_LINE.fullmatch(clean)
    if logged:
        clean = logged[2] or logged[1].replace('\\"', '"')
    clean = _PREFIX.sub("", clean, count=1)
    if len(clean) <= _SHOWN:
        return clean
    return f"{clean[: _SHOWN // 2]} ... {clean[-_SHOWN // 2 :]}"  # the cause comes last
