"""A PostgreSQL of our own: made in a temporary folder, on the loopback, thrown away.

It runs as an ordinary user, for the server refuses root; it sorts as a dictionary
does, as many real ones do, so that what depends on the order of bytes shows.
"""

from __future__ import annotations

import os
import pwd
import secrets
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from typing import IO

import psycopg

_STARTS_S = 60
_NUMBERS = count(1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """A running server.

    Attributes:
        port: on 127.0.0.1.
        password: of its only user, "gitops"; local users cannot connect without it.
        pid: of its first process.
    """

    port: int
    password: str
    pid: int

    def address(self, database: str, *, port: int | None = None) -> str:
        """Return the address for the service; `port` when something is in between."""
        host = f"127.0.0.1:{port or self.port}"
        return f"postgresql://gitops:{self.password}@{host}/{database}"

    def run(
        self, statement: str, *, database: str = "postgres"
    ) -> list[tuple[str, ...]]:
        """Run one statement as an administrator; return its rows as text."""
        with psycopg.connect(self.address(database), autocommit=True) as connection:
            cursor = connection.execute(statement.encode())
            if cursor.description is None:
                return []
            return [tuple(str(value) for value in row) for row in cursor]

    def create(self, template: str = "template1") -> str:
        """Make a database; return its name."""
        name = f"t{os.getpid()}_{next(_NUMBERS)}"
        self.run(f"CREATE DATABASE {name} TEMPLATE {template}")
        return name

    def drop(self, database: str) -> None:
        """Remove a database, whoever uses it."""
        self.run(f"DROP DATABASE {database} WITH (FORCE)")


def programs() -> Path | None:
    """Return the folder of the newest server that is installed."""
    found = shutil.which("postgres")
    if found:
        return Path(found).resolve().parent
    folders = Path("/usr/lib/postgresql").glob("*/bin/postgres")
    return max((path.parent for path in folders), key=_version, default=None)


def _version(folder: Path) -> int:
    return int(folder.parent.name)


@contextmanager
def running(folder: Path) -> Iterator[Server]:
    """Run a new server with the programs of a folder."""
    home = Path(tempfile.mkdtemp(prefix="pg-"))
    user = _ordinary_user()
    if user is not None:
        os.chown(home, user.pw_uid, user.pw_gid)
    try:
        password = secrets.token_hex(16)
        _initialise(folder, home, user, password)
        with _started(folder, home, user, password) as server:
            yield server
    finally:
        shutil.rmtree(home)


def _ordinary_user() -> pwd.struct_passwd | None:
    if os.geteuid() != 0:
        return None
    try:
        return pwd.getpwnam("postgres")
    except KeyError:
        return pwd.getpwnam("nobody")


def _initialise(
    folder: Path, home: Path, user: pwd.struct_passwd | None, password: str
) -> None:
    secret = home / "password"
    secret.write_text(password)
    secret.chmod(0o644)  # below a folder that only its owner may enter
    command = [
        str(folder / "initdb"),
        f"--pgdata={home / 'data'}",
        "--username=gitops",
        f"--pwfile={secret}",
        "--auth=scram-sha-256",
        "--encoding=UTF8",
        "--locale=C.UTF-8",
        "--locale-provider=icu",
        "--icu-locale=en",
        "--no-sync",
    ]
    log = home / "initdb.log"
    with log.open("wb") as output:
        done = _spawn(command, home, user, output).wait()
    assert done == 0, log.read_text()


@contextmanager
def _started(
    folder: Path, home: Path, user: pwd.struct_passwd | None, password: str
) -> Iterator[Server]:
    port = _free_port()
    settings = {
        "listen_addresses": "127.0.0.1",
        "port": port,
        "unix_socket_directories": home,
        "fsync": "off",
        "shared_buffers": "32MB",
        "max_connections": 60,
        "logging_collector": "off",
    }
    options = [f"--{name}={value}" for name, value in settings.items()]
    command = [str(folder / "postgres"), "-D", str(home / "data"), *options]
    with (home / "log").open("wb") as log:
        server = _spawn(command, home, user, log)
    try:
        running = Server(port=port, password=password, pid=server.pid)
        _wait_for(running, server, home / "log")
        yield running
    finally:
        server.send_signal(signal.SIGINT)  # end every connection, then end
        try:
            server.wait(30)
        except subprocess.TimeoutExpired:
            server.send_signal(signal.SIGQUIT)
            server.wait()


def _spawn(
    command: list[str], home: Path, user: pwd.struct_passwd | None, output: IO[bytes]
) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        command,
        user=None if user is None else user.pw_uid,
        group=None if user is None else user.pw_gid,
        extra_groups=None if user is None else [],
        env={"PATH": os.environ["PATH"], "LC_ALL": "C.UTF-8"},
        cwd=home,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=subprocess.STDOUT,
    )


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


def _wait_for(server: Server, process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + _STARTS_S
    while time.monotonic() < deadline:
        try:
            server.run("SELECT 1")
        except psycopg.OperationalError:
            assert process.poll() is None, log.read_text()
            time.sleep(0.05)
        else:
            return
    raise AssertionError(f"PostgreSQL did not start: {log.read_text()}")
