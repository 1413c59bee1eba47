"""A registry that a test holds in its hands: state, pages, tokens, and bad answers.

It keeps to the distribution specification and passes the contract tests that
docker-registry passes; beyond that it lists in pages, asks for tokens as Docker Hub
does, and answers whatever a test wants instead.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from ssl import SSLContext
from urllib.parse import parse_qs, unquote, urlsplit

from tests.support.registry import Made, digest
from tests.support.servers import Request, Server, reply, serve

_PATH = re.compile(r"/v2/(?P<name>.+)/(?P<kind>tags|manifests|blobs)/(?P<rest>[^/]+)")

Answer = Callable[[Request], "bytes | Iterator[bytes] | None"]
"""Answers a request instead of the registry; None leaves it to the registry."""


def unknown(code: str, *, status: int = 404) -> bytes:
    """Write an error in the words of the specification."""
    return reply({"errors": [{"code": code, "message": "told"}]}, status=status)


@dataclass
class Double:
    """The state of a registry.

    Attributes:
        page: tags of one page; None lists them all at once.
        login: user and password that tokens are given for; None for anybody.
        is_basic: ask for the login itself instead of a token.
        instead: answers before the registry does.
        realm: of tokens; empty for its own.
        remaining: pulls left, as Docker Hub tells them; None to tell nothing.
    """

    images: dict[str, dict[str, Made]] = field(default_factory=dict)
    page: int | None = None
    login: tuple[str, str] | None = None
    wants_token: bool = False
    is_basic: bool = False
    instead: Answer = lambda _request: None
    realm: str = ""
    remaining: int | None = None
    requests: list[Request] = field(default_factory=list)
    url: str = ""
    server: Server | None = None

    @property
    def host(self) -> str:
        """Its host and port, as the names of images have it."""
        return self.url.partition("://")[2]

    def push(self, repository: str, tag: str, image: Made) -> str:
        """Have an image under a tag; return its digest."""
        found = self.images.setdefault(repository, {})
        for one in (image, *image.children):
            found[one.digest] = one
        found[tag] = image
        return image.digest

    def tags(self, repository: str) -> list[str]:
        """Return the tags of a repository, sorted as registries do."""
        return sorted(t for t in self.images[repository] if ":" not in t)

    def asked(self, part: str) -> list[Request]:
        """Return the requests whose target has a part."""
        return [one for one in self.requests if part in one.target]

    # --- answering ---

    def __call__(self, request: Request) -> bytes | Iterator[bytes]:
        self.requests.append(request)
        odd = self.instead(request)
        if odd is not None:
            return odd
        parts = urlsplit(request.target)
        if parts.path == "/token":
            return self._token(request, parse_qs(parts.query))
        found = _PATH.fullmatch(unquote(parts.path))
        if found is None:
            return unknown("UNSUPPORTED")
        if not self._is_let_in(request, found["name"]):
            return self._challenge(found["name"])
        answer = self._answer(request, found, parse_qs(parts.query))
        return _without_body(answer) if request.method == "HEAD" else answer

    def _answer(
        self, request: Request, found: re.Match[str], query: Mapping[str, list[str]]
    ) -> bytes:
        name, kind, rest = found["name"], found["kind"], found["rest"]
        known = self.images.get(name)
        if known is None:
            return unknown("NAME_UNKNOWN" if kind == "tags" else "MANIFEST_UNKNOWN")
        if kind == "tags":
            return self._tags(name, query)
        if kind == "blobs":
            configs = {digest(one.config): one.config for one in known.values()}
            return reply(configs[rest]) if rest in configs else unknown("BLOB_UNKNOWN")
        image = known.get(rest)
        if image is None or image.kind not in request.headers.get("accept", ""):
            return unknown("MANIFEST_UNKNOWN")
        left = (
            {}
            if self.remaining is None
            else {"RateLimit-Remaining": f"{self.remaining};w=21600"}
        )
        told = {"Content-Type": image.kind, "Docker-Content-Digest": image.digest}
        return reply(image.manifest, headers=told | left)

    def _tags(self, name: str, query: Mapping[str, list[str]]) -> bytes:
        tags = self.tags(name)
        last = query.get("last", [""])[0]
        rest = [tag for tag in tags if tag > last]
        most = min(int(query.get("n", ["1000"])[0]), self.page or len(tags) + 1)
        shown, more = rest[:most], len(rest) > most
        link = f'</v2/{name}/tags/list?last={shown[-1]}&n={most}>; rel="next"'
        headers = {"Link": link} if more else {}
        return reply({"name": name, "tags": shown}, headers=headers)

    # --- letting in ---

    def _is_let_in(self, request: Request, name: str) -> bool:
        shown = request.headers.get("authorization", "")
        if self.is_basic:
            return self.login is not None and shown == basic(*self.login)
        return not self.wants_token or shown == f"Bearer token-of-{name}"

    def _challenge(self, name: str) -> bytes:
        realm = self.realm or f"{self.url}/token"
        told = (
            'Basic realm="test"'
            if self.is_basic
            else f'Bearer realm="{realm}",service="test.registry",'
            f'scope="repository:{name}:pull,push,delete"'
        )
        body = {"errors": [{"code": "UNAUTHORIZED", "message": "told"}]}
        return reply(body, status=401, headers={"WWW-Authenticate": told})

    def _token(self, request: Request, query: Mapping[str, list[str]]) -> bytes:
        shown = request.headers.get("authorization")
        if self.login is not None and shown != basic(*self.login):
            return reply({"details": "incorrect username or password"}, status=401)
        _, name, rights = query["scope"][0].split(":")
        assert rights == "pull", "no more is asked for than is needed"
        assert query["service"] == ["test.registry"]
        return reply({"token": f"token-of-{name}", "expires_in": 300})


def basic(user: str, password: str) -> str:
    """Write a login as RFC 7617 has it."""
    return f"Basic {base64.b64encode(f'{user}:{password}'.encode()).decode()}"


def _without_body(answer: bytes) -> bytes:
    return answer.partition(b"\r\n\r\n")[0] + b"\r\n\r\n"


@contextmanager
def double(*, tls: SSLContext | None = None, **state: object) -> Iterator[Double]:
    """Run a registry of a test's own."""
    found = Double(**state)  # type: ignore[arg-type]  # fields of Double
    with serve(found, tls=tls) as server:
        scheme = "https" if tls else "http"
        found.url, found.server = f"{scheme}://127.0.0.1:{server.port}", server
        yield found


def package(versions: Mapping[str, tuple[str, str | None]], **more: object) -> bytes:
    """Write a package as the npm registry does: version -> (time, deprecation)."""
    times = {version: at for version, (at, _) in versions.items()}
    bodies = {
        version: {
            "name": "directus",
            "version": version,
            "dist": {"tarball": "https://registry.example/directus.tgz"},
            **({} if reason is None else {"deprecated": reason}),
        }
        for version, (_, reason) in versions.items()
    }
    body = {
        "_id": "directus",
        "name": "directus",
        "dist-tags": {"latest": max(versions, default="")},
        "versions": bodies,
        "time": {
            "created": "2021-01-01T00:00:00.000Z",
            "modified": "2026-02-28T00:00:00.000Z",
            **times,
        },
        **more,
    }
    return reply(json.dumps(body))
