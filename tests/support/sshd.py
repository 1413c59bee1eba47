"""A real sshd on loopback, for one key and for git alone; or a skip with the reason."""

from __future__ import annotations

import os
import pwd
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

_PLACES = os.pathsep.join((os.environ.get("PATH", ""), "/usr/sbin", "/usr/local/sbin"))
_WAIT_S = 60


@dataclass(frozen=True, kw_only=True)
class Sshd:
    """A running server.

    Attributes:
        port: on 127.0.0.1.
        folder: of its keys.
        process: its number.
    """

    port: int
    folder: Path
    process: int

    @property
    def user(self) -> str:
        """Who may come in: whoever runs the tests."""
        return pwd.getpwuid(os.getuid()).pw_name

    @property
    def key(self) -> str:
        """The private key that opens it."""
        return (self.folder / "client").read_text()

    @property
    def known_hosts(self) -> str:
        """What ssh-keyscan would print of it."""
        kind, key, _ = (self.folder / "host.pub").read_text().split(maxsplit=2)
        return f"[127.0.0.1]:{self.port} {kind} {key}\n"

    def url(self, repository: Path) -> str:
        """Return the address of a repository by way of this server."""
        return f"ssh://{self.user}@127.0.0.1:{self.port}{repository}"


def program(name: str) -> str:
    """Find a program, or skip the test."""
    found = shutil.which(name, path=_PLACES)
    if found is None:
        pytest.skip(f"no {name}: install openssh-server and openssh-client")
    return found


def make_key(place: Path, *, kind: str = "ed25519", passphrase: str = "") -> Path:
    """Make a key pair; returns the place of the private one."""
    words = [program("ssh-keygen"), "-q", "-t", kind, "-N", passphrase, "-C", "test"]
    subprocess.run([*words, "-f", place], check=True, capture_output=True)
    return place


@contextmanager
def running_sshd(folder: Path) -> Iterator[Sshd]:
    """Run a server with keys of its own while the body runs."""
    sshd = program("sshd")
    folder.mkdir(parents=True, exist_ok=True)
    make_key(folder / "host")
    make_key(folder / "client")
    shutil.copy(folder / "client.pub", folder / "authorized")
    port = _free_port()
    config = _configured(sshd, folder, port)
    if os.getuid() == 0:  # compiled into Debian's: it puts itself into prison there
        Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            [sshd, "-D", "-e", "-f", config],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env={"PATH": _PLACES},
        )
        try:
            _await(process, port, folder / "log")
            yield Sshd(port=port, folder=folder, process=process.pid)
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(_WAIT_S)


def _configured(sshd: str, folder: Path, port: int) -> Path:
    """Write a configuration that this release of sshd understands."""
    lines = [
        f"ListenAddress 127.0.0.1:{port}",
        f"HostKey {folder}/host",
        f"AuthorizedKeysFile {folder}/authorized",
        "PasswordAuthentication no",
        "KbdInteractiveAuthentication no",
        "PermitRootLogin yes",
        "AcceptEnv GIT_PROTOCOL",
        "StrictModes no",
        "PidFile none",
        "UsePAM no",
    ]
    config = folder / "config"
    # newer ones shut out an address after some refused keys; older do not know it
    for more in (["PerSourcePenalties no"], []):
        config.write_text("\n".join([*lines, *more, ""]))
        words = [sshd, "-t", "-f", str(config)]
        if subprocess.run(words, check=False, capture_output=True).returncode == 0:
            break
    return config


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


def _await(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + _WAIT_S
    while time.monotonic() < deadline:
        if process.poll() is not None:
            pytest.skip(f"sshd does not run here: {log.read_text().strip()[-200:]}")
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise AssertionError("sshd does not listen")
