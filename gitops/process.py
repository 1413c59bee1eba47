"""Run a program: argv, deadline, limits, a small environment, its own process group.

The only user of subprocess. It promises that a call always comes back, that no process
of the program's group outlives it, and that no byte of the caller's environment reaches
the child. It never uses a shell or a preexec_fn, never looks at the environment, and
judges nothing: a non-zero exit is a value. Whoever calls it wraps ProcessError.

A program that leaves its session (setsid) escapes the kill; only a container holds it.
"""

from __future__ import annotations

import contextlib
import functools
import os
import selectors
import signal
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Final

SYSTEM_PATH: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
_TICK_S: Final = 0.05  # how soon we see that a program ended while its pipes stay open
_REAP_S: Final = 5.0  # a killed process that is stuck in the kernel is left to init
_CHUNK: Final = 1 << 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What a program may use.

    Attributes:
        timeout_s: seconds until SIGTERM goes to its process group.
        grace_s: seconds from there until SIGKILL.
        output_bytes: standard output and standard error together.
        memory_bytes: address space of each process (RLIMIT_AS); None for no limit.
        cpu_s: CPU seconds of each process (RLIMIT_CPU).
        file_bytes: the largest file that it may write (RLIMIT_FSIZE).
        network: False takes the network away where the machine allows it.
    """

    timeout_s: float = 60
    grace_s: float = 10
    output_bytes: int = 16 << 20
    memory_bytes: int | None = None
    cpu_s: int | None = None
    file_bytes: int | None = None
    network: bool = True


_DEFAULT_LIMITS: Final = Limits()


@dataclass(frozen=True, slots=True, kw_only=True)
class Completed:
    """A program that ended by itself.

    Attributes:
        argv: as the caller gave it, without the programs that set limits.
        returncode: its exit code; -N when signal N ended it.
        stdout: all of its output.
        stderr: all of its messages.
    """

    argv: tuple[str, ...]
    returncode: int
    stdout: bytes
    stderr: bytes


class ProcessError(Exception):
    """A program that gave no result. The message names it without its folder."""


class ProcessStartError(ProcessError):
    """The program could not be started."""


class ProcessTimeoutError(ProcessError):
    """The program was killed at its deadline.

    Args:
        message: which program, and how long it had.
        stderr: what it had said until then.
    """

    def __init__(self, message: str, *, stderr: bytes) -> None:
        super().__init__(message)
        self.stderr = stderr


class ProcessOutputError(ProcessError):
    """The program was killed because it printed more than it may."""


def run(
    argv: Sequence[str],
    *,
    env: Mapping[str, str],
    cwd: Path | None = None,
    stdin: bytes = b"",
    limits: Limits = _DEFAULT_LIMITS,
) -> Completed:
    """Run a program to its end.

    Args:
        argv: the program's absolute path, and its arguments.
        env: the whole environment of the child; nothing is added.
        cwd: its working directory; None for that of this process.
        stdin: what it reads from standard input.
        limits: what it may use.

    Raises:
        ProcessStartError: no such program, or an argument that no program can take.
        ProcessTimeoutError: it did not end in time; its whole group is gone.
        ProcessOutputError: it printed too much; its whole group is gone.
    """
    with contextlib.ExitStack() as starting:
        starting.enter_context(_interrupts_held())
        process = _start(argv, env, cwd, has_input=bool(stdin), limits=limits)
        try:
            starting.close()  # an interrupt finds a process that we can end
            stdout, stderr = _hold(process, stdin, limits, Path(argv[0]).name)
        finally:
            _end(process)
    return Completed(
        argv=tuple(argv), returncode=process.returncode, stdout=stdout, stderr=stderr
    )


def find_program(name: str, search_path: str) -> Path | None:
    """Find a program in a search path.

    Args:
        name: a plain file name.
        search_path: folders separated by ":"; relative and empty ones are skipped,
            because they mean the working directory.
    """
    if not name or "/" in name:
        return None
    for folder in search_path.split(":"):
        candidate = Path(folder) / name
        if folder.startswith("/") and _is_program(candidate):
            return candidate
    return None


def _is_program(path: Path) -> bool:
    return path.is_file() and os.access(path, os.X_OK)


# --- walls: programs that limit themselves, then become the one that we want ---


@functools.cache
def network_wall(search_path: str = SYSTEM_PATH) -> tuple[str, ...]:
    """Return the words before a command that take its network away; empty if none do.

    `unshare -n` works for root, `-rn` where ordinary users may make user namespaces.
    Each is tried once; many container engines forbid both.
    """
    tool = find_program("unshare", search_path)
    probe = find_program("true", SYSTEM_PATH)
    if tool is None or probe is None:
        return ()
    for flags in ("-n", "-rn"):
        words = (str(tool), flags)
        if run([*words, str(probe)], env={}).returncode == 0:
            return words
    return ()


@functools.cache
def limiter(search_path: str = SYSTEM_PATH) -> Path | None:
    """Return `prlimit`, or None where the system has none (macOS)."""
    return find_program("prlimit", search_path)


def _walls(limits: Limits) -> list[str]:
    wanted = {
        "--as": limits.memory_bytes,
        "--cpu": limits.cpu_s,
        "--fsize": limits.file_bytes,
    }
    flags = [f"{flag}={value}" for flag, value in wanted.items() if value is not None]
    tool = limiter()
    words = [str(tool), *flags] if flags and tool else []
    return words if limits.network else [*words, *network_wall()]


# --- one program's life ---


@contextlib.contextmanager
def _interrupts_held() -> Iterator[None]:
    """Keep an interrupt (Ctrl-C) for the end of the body, where it is raised.

    In between, a process could be born that nobody holds. Only the main thread is
    ever interrupted, and only a handler of Python's raises anything.
    """
    handler = signal.getsignal(signal.SIGINT)
    is_main = threading.current_thread() is threading.main_thread()
    if not is_main or not callable(handler):
        yield
        return
    kept: list[int] = []
    signal.signal(signal.SIGINT, lambda number, _frame: kept.append(number))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, handler)
        if kept:
            signal.raise_signal(signal.SIGINT)


def _start(
    argv: Sequence[str],
    env: Mapping[str, str],
    cwd: Path | None,
    *,
    has_input: bool,
    limits: Limits,
) -> subprocess.Popen[bytes]:
    program = Path(argv[0])
    if not program.is_absolute() or not _is_program(program):
        raise ProcessStartError(f"{program.name}: no such program")
    try:
        return subprocess.Popen(
            [*_walls(limits), *argv],
            stdin=subprocess.PIPE if has_input else subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd=cwd,
            env=dict(env),
            start_new_session=True,
        )
    except (OSError, ValueError) as exc:
        # the error's text may hold an absolute path; its class and number do not
        reason = exc.strerror if isinstance(exc, OSError) else str(exc)
        raise ProcessStartError(f"{program.name}: cannot start: {reason}") from exc


def _hold(
    process: subprocess.Popen[bytes], stdin: bytes, limits: Limits, name: str
) -> tuple[bytes, bytes]:
    with contextlib.closing(_Conversation(process, stdin, limits)) as conversation:
        return conversation.hold(name)


def _end(process: subprocess.Popen[bytes]) -> None:
    """Kill what is left of the group, close the pipes, reap."""
    _signal(process, signal.SIGKILL)
    for pipe in (process.stdin, process.stdout, process.stderr):
        if pipe is not None:
            with contextlib.suppress(OSError):
                pipe.close()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(_REAP_S)


def _signal(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    """Send a signal to the whole group; the leader's pid is the group's number."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        os.killpg(process.pid, number)


class _Conversation:
    """Feeds a program and listens to it, until it ends or must end."""

    def __init__(
        self, process: subprocess.Popen[bytes], stdin: bytes, limits: Limits
    ) -> None:
        self._process = process
        self._limits = limits
        self._unsent = memoryview(stdin)
        self._heard: dict[IO[bytes], bytearray] = {}
        self._selector = selectors.DefaultSelector()
        if process.stdin is not None:
            os.set_blocking(process.stdin.fileno(), False)
            self._selector.register(process.stdin, selectors.EVENT_WRITE)
        for pipe in (process.stdout, process.stderr):
            if pipe is not None:
                self._heard[pipe] = bytearray()
                self._selector.register(pipe, selectors.EVENT_READ)

    def close(self) -> None:
        self._selector.close()

    def hold(self, name: str) -> tuple[bytes, bytes]:
        """Return all output and all messages of a program that ended by itself."""
        limits = self._limits
        over = self._listen(time.monotonic() + limits.timeout_s)
        stdout, stderr = (bytes(heard) for heard in self._heard.values())
        if self._heard_too_much():
            self._stop()
            raise ProcessOutputError(
                f"{name}: stopped: printed more than {limits.output_bytes} bytes"
            )
        if not over:
            self._stop()
            raise ProcessTimeoutError(
                f"{name}: stopped: not done after {limits.timeout_s:g} s",
                stderr=stderr,
            )
        return stdout, stderr

    def _stop(self) -> None:
        """Ask the group to end, and listen without keeping until it does."""
        _signal(self._process, signal.SIGTERM)
        deadline = time.monotonic() + self._limits.grace_s
        while not self._listen(deadline) and time.monotonic() < deadline:
            self._forget()

    def _listen(self, deadline: float) -> bool:
        """Pump until the program ended; False when it must end before that."""
        while self._selector.get_map():
            if self._process.poll() is not None:
                return self._drain(deadline)
            if not self._pump(deadline):
                return False
        try:
            self._process.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            return False
        return True

    def _drain(self, deadline: float) -> bool:
        """Read what the pipes still hold after the leader has ended.

        Children that it left behind would keep the pipes open, so they go first.
        """
        _signal(self._process, signal.SIGKILL)
        while self._selector.get_map():
            if not self._selector.select(_TICK_S):
                break
            if not self._pump(deadline):
                return False
        return True

    def _pump(self, deadline: float) -> bool:
        """Serve the pipes that are ready; False at the deadline or over the cap."""
        left = deadline - time.monotonic()
        if left <= 0 or self._heard_too_much():
            return False
        for key, _ in self._selector.select(min(left, _TICK_S)):
            pipe = key.fileobj
            if pipe is self._process.stdin:
                self._write(pipe)
            else:
                self._read(pipe)  # type: ignore[arg-type]  # one of our two pipes
        return True

    def _write(self, pipe: IO[bytes]) -> None:
        try:
            sent = os.write(pipe.fileno(), self._unsent[:_CHUNK])
        except BlockingIOError:
            return
        except OSError:  # it reads no more; what it says about that is in its output
            sent = len(self._unsent)
        self._unsent = self._unsent[sent:]
        if not self._unsent:
            self._selector.unregister(pipe)
            pipe.close()

    def _read(self, pipe: IO[bytes]) -> None:
        chunk = os.read(pipe.fileno(), _CHUNK)
        self._heard[pipe] += chunk
        if not chunk:
            self._selector.unregister(pipe)

    def _heard_too_much(self) -> bool:
        heard = sum(len(text) for text in self._heard.values())
        return heard > self._limits.output_bytes

    def _forget(self) -> None:
        for text in self._heard.values():
            text.clear()
