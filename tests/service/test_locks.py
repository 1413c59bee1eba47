"""One writer at a time, and nobody waits for the dead."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from gitops.errors import StoreError
from service.locks import exclusive

HOLDER = """
import sys, time
from pathlib import Path
from service.locks import exclusive
with exclusive(Path(sys.argv[1]), wait=0, what="x"):
    print("held", flush=True)
    time.sleep(60)
"""


def test_a_second_writer_is_told_who_is_in_the_way(tmp_path: Path) -> None:
    lock = tmp_path / "locks" / "shop"
    with (
        exclusive(lock, wait=0, what="repository shop"),
        pytest.raises(StoreError, match="repository shop is being written"),
        exclusive(lock, wait=0.1, what="repository shop"),
    ):
        pytest.fail("two writers held one lock")


def test_the_lock_is_free_after_the_body_even_if_it_failed(tmp_path: Path) -> None:
    lock = tmp_path / "shop"
    with pytest.raises(ZeroDivisionError), exclusive(lock, wait=0, what="x"):
        _ = 1 / 0
    with exclusive(lock, wait=0, what="x"):
        assert lock.exists()


def test_a_killed_holder_leaves_no_stale_lock(tmp_path: Path) -> None:
    lock = tmp_path / "shop"
    child = subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(HOLDER), str(lock)],
        stdout=subprocess.PIPE,
        env={"PATH": os.environ["PATH"]},
    )
    assert child.stdout is not None
    try:
        assert child.stdout.readline() == b"held\n"
        with (
            pytest.raises(StoreError),
            exclusive(lock, wait=0, what="x"),
        ):
            pytest.fail("two processes held one lock")
    finally:
        child.send_signal(signal.SIGKILL)
        child.wait()
        child.stdout.close()
    with exclusive(lock, wait=5, what="x"):
        assert lock.exists()
