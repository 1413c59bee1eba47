"""git.http: people fetch over HTTP with the real git, and can do nothing else."""

from __future__ import annotations

import contextlib
import gzip
import subprocess
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import TypeVar
from urllib.parse import urlsplit

import pytest

from gitops.errors import GitError
from gitops.git import BareRepository, CgiRequest, Credential, Mirror, serve_fetch
from gitops.git.remote import Remote
from gitops.web import Allowed
from tests.support.repos import (
    MAIN,
    commit_files,
    git,
    make_remote,
    person_pushes,
    tip_of,
)

Running = TypeVar("Running", bound=ThreadingHTTPServer)
FILES = {"a": "a\n", **{f"folder/{n}": f"{n}\n" * 200 for n in range(300)}}
WANT_NOTHING = b"0000"
LOOPBACK = Allowed(hosts=frozenset({"127.0.0.1"}))
REQUEST_TYPE = "application/x-git-upload-pack-request"


@pytest.fixture
def origin(tmp_path: Path) -> Path:
    return make_remote(tmp_path / "x.git", FILES)


class Handler(BaseHTTPRequestHandler):
    """Hands every request below /x.git to serve_fetch, as the service does."""

    server: Server

    def do_GET(self) -> None:
        self.answer()

    def do_POST(self) -> None:
        self.answer()

    def answer(self) -> None:
        seen = urlsplit(self.path)
        length = int(self.headers.get("Content-Length", 0))
        request = CgiRequest(
            method=self.command,
            path=seen.path.removeprefix("/x.git"),
            query=seen.query,
            content_type=self.headers.get("Content-Type", ""),
            content_encoding=self.headers.get("Content-Encoding", ""),
            protocol=self.headers.get("Git-Protocol", ""),
            body=self.rfile.read(length),
        )
        self.server.requests.append((request, self.headers.get("Authorization", "")))
        response = serve_fetch(self.server.repository, request=request)
        self.send_response(response.status)
        for name, value in response.headers:
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(response.body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, repository: Path) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.repository = repository
        self.requests: list[tuple[CgiRequest, str]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/x.git"


@contextlib.contextmanager
def running(server: Running) -> Iterator[Running]:
    with server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


@pytest.fixture
def server(origin: Path) -> Iterator[Server]:
    with running(Server(origin)) as started:
        yield started


# --- with the real git ---


@pytest.mark.parametrize("protocol", ["0", "1", "2"])
def test_the_real_git_clones(server: Server, tmp_path: Path, protocol: str) -> None:
    words = ("-c", f"protocol.version={protocol}", "clone", "-q", server.url, "clone")
    git(tmp_path, *words)
    assert (tmp_path / "clone/folder/299").read_text() == FILES["folder/299"]
    git(tmp_path / "clone", "fsck", "--strict")


@pytest.mark.parametrize("protocol", ["0", "2"])
def test_who_clones_is_told_nothing_about_our_walls(
    server: Server, tmp_path: Path, protocol: str
) -> None:
    words = ["-c", f"protocol.version={protocol}", "clone", "--progress", server.url]
    done = subprocess.run(
        ["git", *words], cwd=tmp_path, check=True, capture_output=True, text=True
    )
    assert "remote: Counting objects" in done.stderr
    for word in ("hint", "warning", "grafts"):
        assert word not in done.stderr


def test_the_real_git_fetches_what_is_new(
    server: Server, origin: Path, tmp_path: Path
) -> None:
    git(tmp_path, "clone", "-q", server.url, "clone")
    newer = person_pushes(origin, {"new": "n"})
    git(tmp_path / "clone", "pull", "-q")
    assert git(tmp_path / "clone", "rev-parse", "HEAD") == newer


def test_a_shallow_clone_works(server: Server, origin: Path, tmp_path: Path) -> None:
    newer = person_pushes(origin, {"new": "n"})
    git(tmp_path, "clone", "-q", "--depth=1", server.url, "clone")
    assert git(tmp_path / "clone", "rev-list", "HEAD") == newer


def wanting(commit: str) -> bytes:
    """Write the request for a whole clone, as git does before protocol 2."""
    want = f"want {commit} no-progress\n"
    return f"{len(want) + 4:04x}{want}00000009done\n".encode()


@pytest.mark.parametrize("encoding", ["", "gzip", "x-gzip"])
def test_compressed_requests_are_understood(origin: Path, encoding: str) -> None:
    body = wanting(git(origin, "rev-parse", "main"))
    request = CgiRequest(
        method="POST",
        path="/git-upload-pack",
        content_type=REQUEST_TYPE,
        content_encoding=encoding,
        body=gzip.compress(body) if encoding else body,
    )
    response = serve_fetch(origin, request=request)
    assert response.status == 200
    assert response.body.startswith(b"0008NAK\nPACK")


@pytest.mark.parametrize("is_allowed_by_the_repository", [False, True])
def test_a_push_is_refused(
    server: Server, origin: Path, tmp_path: Path, is_allowed_by_the_repository: bool
) -> None:
    if is_allowed_by_the_repository:
        git(origin, "config", "http.receivepack", "true")
    git(tmp_path, "clone", "-q", server.url, "clone")
    before = tip_of(origin, "refs/heads/main")
    commit_files(tmp_path / "clone", {"mine": "1"}, "Mine")
    with pytest.raises(AssertionError, match="403"):
        git(tmp_path / "clone", "push", "origin", "HEAD:main")
    assert tip_of(origin, "refs/heads/main") == before


def test_an_empty_repository_can_be_cloned(tmp_path: Path) -> None:
    BareRepository.create(tmp_path / "x.git", MAIN)
    request = CgiRequest(
        method="GET", path="/info/refs", query="service=git-upload-pack"
    )
    assert serve_fetch(tmp_path / "x.git", request=request).status == 200


def test_the_callers_environment_and_the_repositorys_hooks_have_no_part(
    origin: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sentinel = tmp_path / "sentinel"
    other = make_remote(tmp_path / "other.git", {"other": "1"})
    monkeypatch.setenv("GIT_DIR", str(other))
    monkeypatch.setenv("GIT_PROJECT_ROOT", str(tmp_path))
    monkeypatch.setenv("GIT_HTTP_EXPORT_ALL", "")
    git(origin, "config", "uploadpack.packObjectsHook", f"touch {sentinel}; exec")
    with running(Server(origin)) as started:
        git(tmp_path, "clone", "-q", started.url, "clone")
    assert (tmp_path / "clone/a").exists()
    assert not sentinel.exists()


# --- single requests ---


@pytest.mark.parametrize(
    ("method", "path", "query", "status"),
    [
        ("GET", "/info/refs", "service=git-receive-pack", 403),
        ("POST", "/git-receive-pack", "", 403),
        ("GET", "/info/refs", "", 404),
        ("GET", "/info/refs", "service=git-upload-archive", 404),
        ("GET", "/info/refs", "service=git-upload-pack&service=x", 404),
        ("GET", "/HEAD", "", 404),
        ("GET", "/config", "", 404),
        ("GET", "/objects/info/packs", "", 404),
        ("GET", "/../other.git/info/refs", "service=git-upload-pack", 404),
        ("GET", "/../../../../etc/passwd", "", 404),
        ("GET", "/info/refs/../../config", "service=git-upload-pack", 404),
        ("GET", "//info/refs", "service=git-upload-pack", 404),
        ("GET", "/info/refs\n", "service=git-upload-pack", 404),
        ("GET", "", "service=git-upload-pack", 404),
        ("DELETE", "/info/refs", "service=git-upload-pack", 404),
        ("PUT", "/git-upload-pack", "", 404),
        ("GET", "/git-upload-pack", "", 404),
        ("POST", "/git-upload-pack", "", 415),
    ],
)
def test_nothing_but_fetching_is_served(
    origin: Path, method: str, path: str, query: str, status: int
) -> None:
    request = CgiRequest(method=method, path=path, query=query)
    response = serve_fetch(origin, request=request)
    assert response.status == status
    assert b"root:" not in response.body


@pytest.mark.parametrize(
    "protocol", ["version=2\nX: y", "$(id)", "version=2:x", "version=99", ""]
)
def test_a_strange_protocol_header_is_ignored(origin: Path, protocol: str) -> None:
    request = CgiRequest(
        method="GET",
        path="/info/refs",
        query="service=git-upload-pack",
        protocol=protocol,
    )
    response = serve_fetch(origin, request=request)
    assert response.status == 200
    assert response.body.startswith(b"001e# service=git-upload-pack\n")
    assert b"version 2" not in response.body


@pytest.mark.parametrize(
    ("body", "encoding"),
    [
        (b"garbage", ""),
        (b"garbage", "gzip"),
        (gzip.compress(b"0000", mtime=0)[:8], "gzip"),
        (b"ffff", ""),
    ],
    ids=["plain", "no gzip", "cut", "length"],
)
def test_a_garbled_request_gets_an_answer(
    origin: Path, body: bytes, encoding: str
) -> None:
    request = CgiRequest(
        method="POST",
        path="/git-upload-pack",
        content_type=REQUEST_TYPE,
        content_encoding=encoding,
        body=body,
    )
    response = serve_fetch(origin, request=request)
    assert response.status in (200, 400, 500)
    assert str(origin.parent).encode() not in response.body


def test_a_request_that_unpacks_to_far_more_is_not_handed_to_git(origin: Path) -> None:
    have = b"0032have " + b"1" * 40 + b"\n"
    request = CgiRequest(
        method="POST",
        path="/git-upload-pack",
        content_type=REQUEST_TYPE,
        content_encoding="gzip",
        protocol="version=2",
        body=gzip.compress(have * 400_000),
    )
    assert len(request.body) < 100_000
    response = serve_fetch(origin, request=request)
    assert response.status == 413


@pytest.mark.parametrize(
    ("body", "encoding", "status"),
    [
        (b"garbage", "gzip", 400),
        (gzip.compress(b"0000", mtime=0)[:8], "gzip", 400),
        (
            gzip.compress(b"0000", mtime=0) + gzip.compress(b"0000", mtime=0),
            "gzip",
            400,
        ),
        (b"", "gzip", 400),
        (b"0000", "br", 415),
        (b"0000", "gzip, gzip", 415),
        (b"0000", "identity", 200),
    ],
    ids=["no gzip", "cut", "two", "empty", "brotli", "twice", "plain"],
)
def test_only_whole_gzip_is_unpacked(
    origin: Path, body: bytes, encoding: str, status: int
) -> None:
    request = CgiRequest(
        method="POST",
        path="/git-upload-pack",
        content_type=REQUEST_TYPE,
        content_encoding=encoding,
        body=body,
    )
    assert serve_fetch(origin, request=request).status == status


def test_an_empty_request_gets_an_empty_answer(origin: Path) -> None:
    request = CgiRequest(
        method="POST",
        path="/git-upload-pack",
        content_type=REQUEST_TYPE,
        body=WANT_NOTHING,
    )
    response = serve_fetch(origin, request=request)
    assert (response.status, response.body) == (200, b"")
    assert ("Content-Type", "application/x-git-upload-pack-result") in response.headers


@pytest.mark.parametrize("name", ["nothing.git", "plain"])
def test_a_folder_without_a_repository_is_not_served(tmp_path: Path, name: str) -> None:
    (tmp_path / "plain").mkdir()
    request = CgiRequest(
        method="GET", path="/info/refs", query="service=git-upload-pack"
    )
    response = serve_fetch(tmp_path / name, request=request)
    assert response.status in (404, 500)
    assert str(tmp_path).encode() not in response.body


# --- a credential on its way ---


def test_a_credential_reaches_the_server_and_no_command_line(
    server: Server, tmp_path: Path
) -> None:
    credential = Credential(username="bot", secret="canary-4711")  # noqa: S106
    remote = Remote(url=server.url, credential=credential, allowed=LOOPBACK)
    mirror = Mirror(tmp_path / "mirror.git", remote)
    mirror.fetch()
    assert mirror.tip(MAIN) is not None
    sent = {authorization for _, authorization in server.requests}
    assert sent == {"Basic Ym90OmNhbmFyeS00NzEx"}
    seen = b"".join(
        path.read_bytes() for path in tmp_path.rglob("*.git/**/*") if path.is_file()
    )
    assert b"canary" not in seen


def test_a_redirect_is_not_followed(tmp_path: Path, origin: Path) -> None:
    class Redirecting(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(302)
            self.send_header("Location", f"http://127.0.0.1:1{self.path}")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Say nothing."""

    with running(ThreadingHTTPServer(("127.0.0.1", 0), Redirecting)) as started:
        url = f"http://127.0.0.1:{started.server_port}/x.git"
        remote = Remote(url=url, allowed=LOOPBACK)
        with pytest.raises(GitError, match="302") as caught:
            Mirror(tmp_path / "mirror.git", remote).fetch()
    assert caught.value.hint
