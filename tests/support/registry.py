"""Debian's docker-registry on loopback, and images to put into it.

It runs until its block ends and keeps everything in memory. Pushing is done by httpx
with the sequence of the distribution specification, none of it our own code.
"""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pytest

OCI = "application/vnd.oci.image"
DOCKER = "application/vnd.docker.distribution"
_STARTS_S = 30
_LISTENING = re.compile(r"listening on (127\.0\.0\.1:[0-9]+)")


def program() -> str:
    """Return docker-registry, or skip with a reason."""
    found = shutil.which("docker-registry")
    if found is None:
        pytest.skip("no docker-registry: apt-get install docker-registry")
    return found


def digest(content: bytes) -> str:
    """Return the digest as the specification has it."""
    return f"sha256:{hashlib.sha256(content).hexdigest()}"


def encoded(data: Any) -> bytes:
    """Write a document as a registry keeps it."""
    return json.dumps(data, sort_keys=True).encode()


@dataclass(frozen=True, slots=True)
class Made:
    """An image in the form in which it is pushed.

    Attributes:
        manifest: its bytes.
        kind: its media type.
        config: the bytes of its configuration; empty for an index.
        children: of an index.
    """

    manifest: bytes
    kind: str
    config: bytes = b""
    children: tuple[Made, ...] = ()

    @property
    def digest(self) -> str:
        return digest(self.manifest)


def single(
    *,
    created: str = "2026-02-20T08:00:00.123456789Z",
    architecture: str = "amd64",
    docker: bool = False,
    label: str = "",
    **config: Any,
) -> Made:
    """Make an image of one platform, without layers."""
    about = {"os": "linux", "architecture": architecture, "created": created, **config}
    content = encoded({**about, "config": {"Labels": {"test": label}}})
    prefix = f"{DOCKER}.manifest.v2+json" if docker else f"{OCI}.manifest.v1+json"
    kind = "application/vnd.docker.container.image.v1+json" if docker else None
    manifest = {
        "schemaVersion": 2,
        "mediaType": prefix,
        "config": {
            "mediaType": kind or f"{OCI}.config.v1+json",
            "digest": digest(content),
            "size": len(content),
        },
        "layers": [],
    }
    return Made(encoded(manifest), prefix, content)


def index(*children: Made, docker: bool = False, **more: Any) -> Made:
    """Make an index over images, and an attestation beside them as buildx does."""
    kind = f"{DOCKER}.manifest.list.v2+json" if docker else f"{OCI}.index.v1+json"
    entries = [
        {
            "mediaType": child.kind,
            "digest": child.digest,
            "size": len(child.manifest),
            "platform": {
                "os": "linux",
                "architecture": json.loads(child.config)["architecture"],
            },
        }
        for child in children
    ]
    if children:
        unknown = {"os": "unknown", "architecture": "unknown"}
        entries.append({**entries[0], "platform": unknown})
    about = {"schemaVersion": 2, "mediaType": kind, "manifests": entries, **more}
    return Made(encoded(about), kind, children=children)


@dataclass
class Registry:
    """A running docker-registry."""

    url: str
    login: tuple[str, str] | None = None
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def host(self) -> str:
        """Its host and port, as the names of images have it."""
        return self.url.partition("://")[2]

    def push(self, repository: str, tag: str, image: Made) -> str:
        """Push an image under a tag; return its digest."""
        with httpx.Client(
            base_url=self.url, auth=self.login, headers=dict(self.headers)
        ) as client:
            for child in image.children:
                self._put(client, repository, child.digest, child)
            self._put(client, repository, tag, image)
        return image.digest

    def _put(
        self, client: httpx.Client, repository: str, reference: str, image: Made
    ) -> None:
        if image.config:
            place = client.post(f"/v2/{repository}/blobs/uploads/")
            assert place.status_code == 202, place.text
            where = httpx.URL(place.headers["location"]).copy_add_param(
                "digest", digest(image.config)
            )
            assert client.put(where, content=image.config).status_code == 201
        put = client.put(
            f"/v2/{repository}/manifests/{reference}",
            content=image.manifest,
            headers={"Content-Type": image.kind},
        )
        assert put.status_code == 201, put.text


@contextmanager
def registry(folder: Path, **auth: Any) -> Iterator[Registry]:
    """Run a registry.

    Args:
        folder: for its configuration and its log.
        auth: the `auth` section of its configuration; none without.
    """
    config: dict[str, Any] = {
        "version": "0.1",
        "log": {"level": "info", "accesslog": {"disabled": True}},
        "storage": {"inmemory": {}, "delete": {"enabled": True}},
        "http": {"addr": "127.0.0.1:0"},
    }
    if auth:
        config["auth"] = auth
    written = folder / "registry.yml"
    written.write_text(json.dumps(config))  # JSON is YAML
    log = folder / "registry.log"
    with log.open("w") as out:
        process = subprocess.Popen(
            [program(), "serve", str(written)],
            stdout=out,
            stderr=subprocess.STDOUT,
            cwd=folder,
            env={},
        )
    try:
        yield Registry(f"http://{_address(log, process)}")
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(10)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _address(log: Path, process: subprocess.Popen[bytes]) -> str:
    ends = time.monotonic() + _STARTS_S
    while time.monotonic() < ends and process.poll() is None:
        found = _LISTENING.search(log.read_text())
        if found is not None:
            return found[1]
        time.sleep(0.01)
    raise AssertionError(f"docker-registry did not start: {log.read_text()[-2000:]}")
