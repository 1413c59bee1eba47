"""process: a program runs within its limits, and nothing of it outlives the call."""

from __future__ import annotations

import os
import signal
import socket
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from gitops import process
from gitops.process import (
    Limits,
    ProcessOutputError,
    ProcessStartError,
    ProcessTimeoutError,
    find_program,
    limiter,
    network_wall,
    run,
)

QUICK = Limits(timeout_s=0.5, grace_s=0.3)
GENEROUS = Limits(timeout_s=30, grace_s=0.3)
SH = "/bin/sh"


def python(code: str, *arguments: str) -> list[str]:
    return [sys.executable, "-I", "-c", code, *arguments]


def is_running(pid: int) -> bool:
    """Whether a process still works; a zombie that nobody reaps does not."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"


def eventually(claim: Callable[[], bool]) -> bool:
    """Wait for the kernel to catch up with a signal."""
    for _ in range(500):
        if claim():
            return True
        time.sleep(0.01)
    return False


# --- what a program gets and gives ---


def test_output_messages_and_exit_code_come_back() -> None:
    done = run([SH, "-c", "echo out; echo err >&2; exit 3"], env={})
    assert (done.stdout, done.stderr, done.returncode) == (b"out\n", b"err\n", 3)


def test_a_signal_is_a_negative_exit_code() -> None:
    assert run([SH, "-c", "kill -KILL $$"], env={}).returncode == -signal.SIGKILL


def test_the_child_sees_the_given_environment_and_nothing_else(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("GIT_DIR", "/hostile")
    env = Path("/usr/bin/env")
    assert run([str(env)], env={"A": "1"}).stdout == b"A=1\n"


def test_arguments_are_never_read_by_a_shell() -> None:
    hostile = "$(id) `id` ; id | id > /dev/null '\" *"
    done = run(python("import sys; print(sys.argv[1])", hostile), env={})
    assert done.stdout.decode() == hostile + "\n"


def test_the_result_names_the_command_without_its_walls() -> None:
    done = run([SH, "-c", ":"], env={}, limits=Limits(cpu_s=5, network=False))
    assert done.argv == (SH, "-c", ":")


def test_the_working_directory_is_the_given_one(tmp_path: Path) -> None:
    assert run([SH, "-c", "pwd -P"], env={}, cwd=tmp_path).stdout.decode() == (
        f"{tmp_path.resolve()}\n"
    )


def test_input_and_output_larger_than_any_pipe_pass_at_the_same_time() -> None:
    content = os.urandom(3 << 20)
    assert run(["/bin/cat"], env={}, stdin=content).stdout == content


def test_both_pipes_are_drained_while_the_other_is_full() -> None:
    code = "import os; [os.write(n, b'x' * 300_000) for n in (2, 1, 2, 1)]"
    done = run(python(code), env={})
    assert (len(done.stdout), len(done.stderr)) == (600_000, 600_000)


def test_a_program_that_reads_no_input_is_no_error() -> None:
    done = run([SH, "-c", "exec <&-; echo fine"], env={}, stdin=b"x" * (1 << 20))
    assert (done.returncode, done.stdout) == (0, b"fine\n")


def test_without_input_a_program_reads_the_end_at_once() -> None:
    assert run(["/bin/cat"], env={}).stdout == b""


def test_many_threads_run_programs_side_by_side() -> None:
    results: list[bytes] = []
    threads = [
        threading.Thread(
            target=lambda n=n: results.append(
                run([SH, "-c", f"echo {n}"], env={}).stdout
            )
        )
        for n in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(results) == [f"{n}\n".encode() for n in range(8)]


# --- programs that cannot start ---


@pytest.mark.parametrize(
    "argv",
    [
        ["/nowhere/at-all"],
        ["sh", "-c", "echo found by a search path"],
        ["./sh"],
        ["/etc/passwd"],
        ["/usr"],
        [SH, "a\0b"],
    ],
)
def test_a_program_that_cannot_start_is_a_typed_error(argv: list[str]) -> None:
    with pytest.raises(ProcessStartError):
        run(argv, env={"PATH": "/bin:/usr/bin"})


def test_a_file_that_is_no_program_is_a_typed_error(tmp_path: Path) -> None:
    broken = tmp_path / "broken"
    broken.write_bytes(b"\x7fELF garbage")
    broken.chmod(0o755)
    with pytest.raises(ProcessStartError) as caught:
        run([str(broken)], env={})
    assert str(tmp_path) not in str(caught.value)


def test_a_missing_working_directory_is_a_typed_error(tmp_path: Path) -> None:
    with pytest.raises(ProcessStartError) as caught:
        run([SH, "-c", ":"], env={}, cwd=tmp_path / "gone")
    assert str(tmp_path) not in str(caught.value)


# --- programs that do not end ---


def test_at_the_deadline_a_program_may_still_clean_up(tmp_path: Path) -> None:
    note = tmp_path / "cleaned"
    script = f"trap 'touch {note}; exit 0' TERM; echo before >&2; sleep 60 & wait"
    with pytest.raises(ProcessTimeoutError, match=r"sh: .* 0\.5 s") as caught:
        run([SH, "-c", script], env={"PATH": process.SYSTEM_PATH}, limits=QUICK)
    assert note.exists()
    assert caught.value.stderr == b"before\n"


STUBBORN = """
import os, signal, sys, time
signal.signal(signal.SIGTERM, signal.SIG_IGN)
child = os.fork()
if child == 0:
    open(sys.argv[1] + ".child", "w").write(str(os.getpid()))
else:
    open(sys.argv[1] + ".leader", "w").write(str(os.getpid()))
while True:
    time.sleep(60)
"""


def test_a_program_that_ignores_sigterm_goes_with_all_its_children(
    tmp_path: Path,
) -> None:
    note = tmp_path / "pid"
    limits = Limits(timeout_s=1.5, grace_s=0.2)
    with pytest.raises(ProcessTimeoutError):
        run(python(STUBBORN, str(note)), env={}, limits=limits)
    pids = [int(Path(f"{note}.{who}").read_text()) for who in ("leader", "child")]
    assert eventually(lambda: not any(is_running(pid) for pid in pids))


def test_a_child_that_holds_the_pipe_does_not_hold_the_caller(tmp_path: Path) -> None:
    note = tmp_path / "pid"
    script = f"echo done; sleep 600 & echo $! > {note}"
    done = run([SH, "-c", script], env={"PATH": process.SYSTEM_PATH}, limits=GENEROUS)
    assert done.stdout == b"done\n"
    assert eventually(lambda: not is_running(int(note.read_text())))


def test_a_child_that_left_the_session_and_holds_the_pipe_is_not_waited_for(
    tmp_path: Path,
) -> None:
    note = tmp_path / "pid"
    script = f"setsid sleep 600 & echo $! > {note}; sleep 0.2"
    done = run([SH, "-c", script], env={"PATH": process.SYSTEM_PATH}, limits=GENEROUS)
    os.kill(int(note.read_text()), signal.SIGKILL)  # we started it; we end it
    assert done.returncode == 0


def test_an_escaped_child_that_prints_for_ever_is_cut_off(tmp_path: Path) -> None:
    note = tmp_path / "pid"
    script = f"setsid yes & echo $! > {note}; sleep 0.2"
    limits = Limits(timeout_s=30, grace_s=0.1, output_bytes=1 << 16)
    with pytest.raises(ProcessOutputError):
        run([SH, "-c", script], env={"PATH": process.SYSTEM_PATH}, limits=limits)
    assert eventually(lambda: not is_running(int(note.read_text())))  # SIGPIPE


def test_a_background_child_without_pipes_does_not_outlive_the_call(
    tmp_path: Path,
) -> None:
    note = tmp_path / "pid"
    script = f"sleep 600 <&- >/dev/null 2>&1 & echo $! > {note}"
    run([SH, "-c", script], env={"PATH": process.SYSTEM_PATH}, limits=GENEROUS)
    assert eventually(lambda: not is_running(int(note.read_text())))


def test_a_program_that_closes_its_pipes_still_meets_its_deadline() -> None:
    with pytest.raises(ProcessTimeoutError):
        run(
            [SH, "-c", "exec >&- 2>&-; sleep 600"],
            env={"PATH": process.SYSTEM_PATH},
            limits=QUICK,
        )


def test_endless_output_ends_at_the_cap() -> None:
    limits = Limits(timeout_s=60, grace_s=0.2, output_bytes=100_000)
    with pytest.raises(ProcessOutputError, match=r"yes: .* 100000 bytes"):
        run(["/usr/bin/yes"], env={}, limits=limits)


def test_endless_messages_of_a_program_that_ignores_sigterm_end_too() -> None:
    code = (
        "import os, signal\n"
        "signal.signal(signal.SIGTERM, signal.SIG_IGN)\n"
        "while True: os.write(2, b'x' * 65536)"
    )
    limits = Limits(timeout_s=60, grace_s=0.2, output_bytes=100_000)
    with pytest.raises(ProcessOutputError):
        run(python(code), env={}, limits=limits)


def test_output_exactly_at_the_cap_passes() -> None:
    limits = Limits(output_bytes=1000)
    code = "import os; os.write(1, b'x' * 600); os.write(2, b'x' * 400)"
    assert len(run(python(code), env={}, limits=limits).stdout) == 600


def test_an_interrupted_caller_leaves_no_process(tmp_path: Path) -> None:
    note = tmp_path / "pid"
    caller = (
        "import sys; from pathlib import Path; from gitops.process import run\n"
        "run(['/bin/sh', '-c', 'echo $$ > ' + sys.argv[1] + '; exec sleep 600'],"
        " env={'PATH': '/bin:/usr/bin'})"
    )
    started = threading.Event()
    outcome: list[int] = []
    argv = [sys.executable, "-c", caller, str(note)]

    def call() -> None:
        started.set()
        outcome.append(run(argv, env={}).returncode)

    thread = threading.Thread(target=call)
    thread.start()
    started.wait()
    assert eventually(lambda: note.exists() and note.read_text().strip() != "")
    inner = int(note.read_text())
    parent = int(Path(f"/proc/{inner}/stat").read_text().rpartition(")")[2].split()[1])
    os.kill(parent, signal.SIGINT)  # the caller's KeyboardInterrupt
    thread.join()
    assert outcome != [0]
    assert eventually(lambda: not is_running(inner))


def test_an_interrupt_while_a_program_starts_leaves_no_process(tmp_path: Path) -> None:
    note = tmp_path / "pid"
    caller = """
import signal, subprocess, sys
from pathlib import Path
from gitops.process import run

class Interrupted(subprocess.Popen):
    def __init__(self, *words, **more):
        super().__init__(*words, **more)
        Path(sys.argv[1]).write_text(str(self.pid))
        signal.raise_signal(signal.SIGINT)

subprocess.Popen = Interrupted
run(["/bin/sleep", "600"], env={})
"""
    done = run([sys.executable, "-c", caller, str(note)], env={})
    assert b"KeyboardInterrupt" in done.stderr
    assert eventually(lambda: not is_running(int(note.read_text())))


def test_an_interrupt_while_a_program_starts_in_vain_is_not_lost() -> None:
    caller = """
import signal, subprocess
from gitops.process import run

class Failing(subprocess.Popen):
    def __init__(self, *words, **more):
        signal.raise_signal(signal.SIGINT)
        raise FileNotFoundError

subprocess.Popen = Failing
run(["/bin/sleep", "600"], env={})
"""
    done = run([sys.executable, "-c", caller], env={})
    assert done.returncode != 0
    assert done.stderr.strip().endswith(b"KeyboardInterrupt")


# --- walls ---


def test_memory_is_limited() -> None:
    if limiter() is None:
        pytest.skip("this system has no prlimit")
    limits = Limits(memory_bytes=256 << 20)
    code = "x = bytearray(1 << 30); print('got it')"
    done = run(python(code), env={}, limits=limits)
    assert b"MemoryError" in done.stderr


def test_cpu_time_is_limited() -> None:
    if limiter() is None:
        pytest.skip("this system has no prlimit")
    done = run([SH, "-c", "while :; do :; done"], env={}, limits=Limits(cpu_s=1))
    assert done.returncode == -signal.SIGKILL


def test_the_size_of_a_written_file_is_limited(tmp_path: Path) -> None:
    if limiter() is None:
        pytest.skip("this system has no prlimit")
    target = tmp_path / "big"
    code = "import sys; open(sys.argv[1], 'wb').write(b'x' * 100_000)"
    done = run(python(code, str(target)), env={}, limits=Limits(file_bytes=1000))
    assert done.returncode != 0
    assert target.stat().st_size <= 1000


CONNECT = """
import socket, sys
with socket.socket() as s:
    s.settimeout(5)
    print("reached" if s.connect_ex(("127.0.0.1", int(sys.argv[1]))) == 0 else "none")
"""


def test_without_network_not_even_loopback_is_reached() -> None:
    if not network_wall():
        pytest.skip("this machine lets nobody take the network away")
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = str(server.getsockname()[1])
        open_wall = run(python(CONNECT, port), env={})
        closed_wall = run(python(CONNECT, port), env={}, limits=Limits(network=False))
    assert (open_wall.stdout, closed_wall.stdout) == (b"reached\n", b"none\n")


def fake(folder: Path, name: str, script: str) -> Path:
    folder.mkdir(exist_ok=True)
    program = folder / name
    program.write_text(f"#!/bin/sh\n{script}\n")
    program.chmod(0o755)
    return program


def test_an_ordinary_user_gets_a_wall_by_a_user_namespace(tmp_path: Path) -> None:
    tool = fake(tmp_path, "unshare", '[ "$1" = -rn ]')
    assert network_wall(str(tmp_path)) == (str(tool), "-rn")


@pytest.mark.parametrize("script", [None, "exit 1"])
def test_a_machine_without_walls_is_no_error(
    tmp_path: Path, script: str | None
) -> None:
    if script is not None:
        fake(tmp_path, "unshare", script)
    assert network_wall(str(tmp_path)) == ()
    assert limiter(str(tmp_path)) is None


# --- finding programs ---


def test_programs_are_found_in_the_order_of_the_path(tmp_path: Path) -> None:
    first = fake(tmp_path / "a", "tool", ":")
    fake(tmp_path / "b", "tool", ":")
    assert find_program("tool", f"{tmp_path / 'a'}:{tmp_path / 'b'}") == first


def test_a_file_without_the_right_to_run_is_passed_over(tmp_path: Path) -> None:
    fake(tmp_path / "a", "tool", ":").chmod(0o644)
    (tmp_path / "c" / "tool").mkdir(parents=True)
    second = fake(tmp_path / "b", "tool", ":")
    path = ":".join(str(tmp_path / name) for name in "acb")
    assert find_program("tool", path) == second


@pytest.mark.parametrize("search_path", ["", ".", ":", "./bin", "bin:.:"])
def test_the_working_directory_is_never_searched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, search_path: str
) -> None:
    fake(tmp_path, "tool", ":")
    fake(tmp_path / "bin", "tool", ":")
    monkeypatch.chdir(tmp_path)
    assert find_program("tool", search_path) is None


@pytest.mark.parametrize("name", ["", "./tool", "bin/tool", "../tool"])
def test_only_plain_names_are_looked_for(tmp_path: Path, name: str) -> None:
    fake(tmp_path / "bin", "tool", ":")
    assert find_program(name, f"{tmp_path}:{tmp_path / 'bin'}") is None
