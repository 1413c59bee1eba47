"""Registries: one contract for docker-registry and for a double that can misbehave.

What overlaps is asked of both, so the double is no wishful picture of a registry.
"""

from __future__ import annotations

import logging
import shutil
import ssl
import subprocess
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime
from ipaddress import ip_network
from pathlib import Path
from typing import Any, Protocol

import pytest

from gitops.errors import (
    GitopsError,
    InputError,
    RegistryDeniedError,
    RegistryError,
    RegistryUnavailableError,
)
from gitops.registries import Access, ImageRegistry, Login, image_name, near_tags
from gitops.registries.challenges import (
    BasicChallenge,
    BearerChallenge,
    challenge_of,
    trusted_realm,
)
from gitops.web import Allowed, Web, place_of
from tests.support.registry import Made, digest, encoded, index, registry, single
from tests.support.registry_double import basic, double, unknown
from tests.support.registry_tokens import ISSUER, SERVICE, certificate, realm
from tests.support.servers import Request, reply, serve

LOOPBACK = Allowed(networks=(ip_network("127.0.0.0/8"),))
LOGIN = ("acme", "canary-secret-of-the-registry")
APP = "team/app"
BUILT = datetime(2026, 2, 20, 8, tzinfo=UTC)


class Pushed(Protocol):
    """Something that images can be put into."""

    url: str

    def push(self, repository: str, tag: str, image: Made) -> str: ...


@pytest.fixture(scope="module")
def web() -> Iterator[Web]:
    with Web() as found:
        yield found


@pytest.fixture(params=["docker-registry", "double"], scope="module")
def there(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Pushed]:
    if request.param == "double":
        with double() as found:
            yield found
    else:
        with registry(tmp_path_factory.mktemp("registry")) as real:
            yield real


def reader(
    web: Web, url: str, *, login: tuple[str, str] | None = None
) -> ImageRegistry:
    shown = None if login is None else Login(username=login[0], secret=login[1])
    access = Access(url=url, allowed=LOOPBACK, login=lambda: shown)
    return ImageRegistry(web, access, deadline_s=20)


# --- the contract ---


def test_every_tag_is_listed(web: Web, there: Pushed) -> None:
    wanted = {f"1.{number}.0" for number in range(12)} | {"latest", "1.0.0-rc.1"}
    for tag in wanted:
        there.push("lists/app", tag, single())
    assert set(reader(web, there.url).tags("lists/app")) == wanted


@pytest.mark.parametrize("docker", [False, True], ids=["oci", "docker"])
def test_an_image_is_its_digest_its_platform_and_its_age(
    web: Web, there: Pushed, docker: bool
) -> None:
    tag = "1.0.0" if docker else "2.0.0"
    pushed = there.push(APP, tag, single(docker=docker, architecture="arm64"))
    found = reader(web, there.url).resolve(APP, tag)
    assert found is not None
    assert found.digest == pushed
    assert found.platforms == ("linux/arm64",)
    assert found.created_at == BUILT


@pytest.mark.parametrize("docker", [False, True], ids=["oci", "docker"])
def test_an_index_is_all_its_platforms(web: Web, there: Pushed, docker: bool) -> None:
    tag = "3.0.0" if docker else "4.0.0"
    made = index(
        single(architecture="arm64", docker=docker),
        single(architecture="amd64", docker=docker, created="2026-02-01T00:00:00Z"),
        docker=docker,
    )
    pushed = there.push(APP, tag, made)
    found = reader(web, there.url).resolve(APP, tag)
    assert found is not None
    assert found.digest == pushed
    assert found.platforms == ("linux/amd64", "linux/arm64"), "no attestation is one"
    assert found.created_at == datetime(2026, 2, 1, tzinfo=UTC)


def test_an_image_is_found_by_its_digest(web: Web, there: Pushed) -> None:
    pushed = there.push(APP, "5.0.0", single(label="by digest"))
    asked = reader(web, there.url)
    found = asked.resolve(APP, pushed)
    assert found is not None
    assert found.digest == pushed
    assert asked.resolve(APP, pushed) == found
    assert asked.resolve(APP, digest(b"nothing")) is None


def test_what_is_not_there_is_none(web: Web, there: Pushed) -> None:
    there.push(APP, "6.0.0", single())
    asked = reader(web, there.url)
    assert asked.resolve(APP, "6.0.1") is None
    assert asked.resolve("no/such", "6.0.0") is None
    with pytest.raises(RegistryError, match="has no no/such"):
        asked.tags("no/such")


def test_a_tag_that_moves_is_seen_to_move(web: Web, there: Pushed) -> None:
    asked = reader(web, there.url)
    first = there.push(APP, "7.0.0", single(label="first"))
    seen = [asked.resolve(APP, "7.0.0"), asked.resolve(APP, "7.0.0")]
    second = there.push(APP, "7.0.0", single(label="second"))
    seen.append(asked.resolve(APP, "7.0.0"))
    assert [one.digest if one else "" for one in seen] == [first, first, second]


@pytest.mark.parametrize("name", ["", "Team/app", "a//b", "../x", "a/b:c", "a b"])
def test_a_name_that_is_none_is_refused_before_anybody_is_asked(
    web: Web, name: str
) -> None:
    asked = reader(web, "http://127.0.0.1:1")
    with pytest.raises(InputError):
        asked.tags(name)
    with pytest.raises(InputError):
        asked.resolve(name, "1.0.0")
    with pytest.raises(InputError):
        asked.resolve(APP, name or "../..")


# --- docker-registry asks who we are ---


def test_docker_registry_lets_a_basic_login_in(web: Web, tmp_path: Path) -> None:
    passwords = tmp_path / "htpasswd"
    with passwords.open("wb") as out:
        subprocess.run([_htpasswd(), "-Bbn", *LOGIN], check=True, stdout=out, env={})
    auth = {"htpasswd": {"realm": "test", "path": str(passwords)}}
    with registry(tmp_path, **auth) as real:
        real.login = LOGIN
        pushed = real.push(APP, "1.0.0", single())
        found = reader(web, real.url, login=LOGIN).resolve(APP, "1.0.0")
        assert found is not None
        assert found.digest == pushed
        assert reader(web, real.url, login=LOGIN).tags(APP) == ("1.0.0",)
        with pytest.raises(RegistryDeniedError, match="wants a login"):
            reader(web, real.url).resolve(APP, "1.0.0")
        wrong = (LOGIN[0], "another")
        with pytest.raises(RegistryDeniedError, match="no right") as caught:
            reader(web, real.url, login=wrong).resolve(APP, "1.0.0")
        assert wrong[1] not in f"{caught.value.message} {caught.value.hint}"


def _htpasswd() -> str:
    found = shutil.which("htpasswd")
    if found is None:
        pytest.skip("no htpasswd: apt-get install apache2-utils")
    return found


def test_docker_registry_accepts_the_token_that_its_realm_signs(
    web: Web, tmp_path: Path
) -> None:
    key, cert = certificate(tmp_path)
    with realm(key, cert, LOGIN) as tokens:
        auth = {
            "token": {
                "realm": tokens.url,
                "service": SERVICE,
                "issuer": ISSUER,
                "rootcertbundle": str(cert),
            }
        }
        with registry(tmp_path, **auth) as real:
            signed = tokens.token("repository", APP, ["pull", "push"])
            real.headers = {"Authorization": f"Bearer {signed}"}
            pushed = real.push(APP, "1.0.0", index(single()))
            asked = reader(web, real.url, login=LOGIN)
            found = asked.resolve(APP, "1.0.0")
            assert found is not None
            assert found.digest == pushed
            assert asked.tags(APP) == ("1.0.0",)
            assert len(tokens.requests) == 1, "a token is kept"
            assert "scope=repository%3Ateam%2Fapp%3Apull" in tokens.requests[0].target
            with pytest.raises(RegistryDeniedError, match="does not accept the login"):
                reader(web, real.url, login=("acme", "wrong")).tags(APP)


# --- pages, tokens and limits of the double ---


def test_every_page_is_read(web: Web) -> None:
    with double(page=7) as found:
        for number in range(50):
            found.push(APP, f"1.{number}.0", single())
        assert len(reader(web, found.url).tags(APP)) == 50
        assert len(found.asked("tags/list")) == 8


def test_a_list_that_goes_on_elsewhere_is_an_error_and_is_not_followed(
    web: Web,
) -> None:
    with serve(lambda _request: reply({"tags": ["9.9.9"]})) as other:
        link = {"Link": f'<{other.url}/v2/{APP}/tags/list?n=1>; rel="next"'}
        odd = reply({"tags": ["1.0.0"]}, headers=link)
        with double(login=LOGIN, is_basic=True) as found:
            found.push(APP, "1.0.0", single())
            found.instead = lambda request: (
                odd if "authorization" in request.headers else None
            )
            with pytest.raises(RegistryError, match="goes on elsewhere"):
                reader(web, found.url, login=LOGIN).tags(APP)
        assert other.requests == []


def test_a_list_without_end_is_an_error(web: Web) -> None:
    link = {"Link": f'</v2/{APP}/tags/list?n=1>; rel="next"'}
    with (
        serve(lambda _request: reply({"tags": ["1.0.0"]}, headers=link)) as found,
        pytest.raises(RegistryError, match="no end"),
    ):
        reader(web, found.url).tags(APP)


def test_names_that_no_tag_can_have_are_left_out_of_a_list(web: Web) -> None:
    tags = ["1.0.0", "../../etc", "a b", "", "x" * 129, "ok"]
    with serve(lambda _request: reply({"name": APP, "tags": tags})) as found:
        assert reader(web, found.url).tags(APP) == ("1.0.0", "ok")
    with serve(lambda _request: reply({"name": APP, "tags": None})) as found:
        assert reader(web, found.url).tags(APP) == ()


def test_a_token_is_asked_for_without_a_login_too(web: Web) -> None:
    with double(wants_token=True) as found:
        found.push(APP, "1.0.0", single())
        assert reader(web, found.url).tags(APP) == ("1.0.0",)
        (asked,) = found.asked("/token")
        assert "authorization" not in asked.headers


def test_a_token_that_has_run_out_is_asked_for_again(web: Web) -> None:
    with double(wants_token=True, login=LOGIN) as found:
        found.push(APP, "1.0.0", single())
        asked = reader(web, found.url, login=LOGIN)
        asked.tags(APP)
        stale = iter([True])
        found.instead = lambda request: (
            found._challenge(APP)
            if "/tags/" in request.target and next(stale, False)
            else None
        )
        assert asked.tags(APP) == ("1.0.0",)
        assert len(found.asked("/token")) == 2


def test_a_login_is_read_when_it_is_shown_so_it_can_be_replaced(web: Web) -> None:
    now = ["old"]

    def login() -> Login:
        return Login(username=LOGIN[0], secret=now[0])

    with double(wants_token=True, login=LOGIN) as found:
        found.push(APP, "1.0.0", single())
        access = Access(url=found.url, allowed=LOOPBACK, login=login)
        asked = ImageRegistry(web, access)
        with pytest.raises(RegistryDeniedError):
            asked.tags(APP)
        now[0] = LOGIN[1]
        assert asked.tags(APP) == ("1.0.0",)


def test_what_is_known_is_asked_for_by_head_which_costs_no_pull(web: Web) -> None:
    with double(remaining=42) as found:
        found.push(APP, "1.0.0", index(single()))
        asked = reader(web, found.url)
        assert asked.remaining is None
        first = asked.resolve(APP, "1.0.0")
        before = len(found.requests)
        assert asked.resolve(APP, "1.0.0") == first
        assert [one.method for one in found.requests[before:]] == ["HEAD"]
        assert asked.remaining == 42


@pytest.mark.parametrize(
    ("answer", "expected"),
    [
        (reply("<html>sign in</html>"), RegistryError),
        (reply({"expires_in": 300}), RegistryError),
        (reply({"token": "a b\u0000"}), RegistryError),
        (reply({"token": 7}), RegistryError),
        (
            reply("", status=302, headers={"Location": "https://x.example/"}),
            RegistryError,
        ),
        (reply("", status=403), RegistryDeniedError),
        (reply("", status=429, headers={"Retry-After": "9"}), RegistryUnavailableError),
        (reply("", status=500), RegistryUnavailableError),
        (b"", RegistryUnavailableError),
    ],
    ids=["html", "none", "odd", "number", "302", "403", "429", "500", "broken"],
)
def test_a_realm_that_hands_out_no_token_is_an_error(
    web: Web, answer: bytes, expected: type[RegistryError]
) -> None:
    with double(wants_token=True, login=LOGIN) as found:
        found.push(APP, "1.0.0", single())
        found.instead = lambda one: answer if "/token" in one.target else None
        with pytest.raises(RegistryError) as caught:
            reader(web, found.url, login=LOGIN).resolve(APP, "1.0.0")
        assert isinstance(caught.value, expected)
        assert LOGIN[1] not in f"{caught.value.message}{caught.value.hint}"


def test_a_token_by_its_other_name_is_one_too(web: Web) -> None:
    with double(wants_token=True) as found:
        found.push(APP, "1.0.0", single())
        found.realm = f"{found.url}/token?account=acme"
        given = reply({"access_token": f"token-of-{APP}"})
        found.instead = lambda one: given if "/token" in one.target else None
        assert reader(web, found.url).tags(APP) == ("1.0.0",)
        (asked,) = found.asked("/token")
        assert asked.target.startswith("/token?account=acme&service=")


# --- who may see the login ---


@pytest.mark.parametrize("kind", ["foreign", "named", "plain"])
def test_a_login_goes_to_no_realm_but_the_registrys_own(web: Web, kind: str) -> None:
    with serve(lambda _request: reply({"token": "x"})) as thief:
        foreign = thief.url.replace("127.0.0.1", "localhost") + "/token"
        wanted = {
            "foreign": foreign,
            "named": "https://127.0.0.1.evil.example/token",
            "plain": "http://[::1]:1/token",
        }[kind]
        with double(wants_token=True, login=LOGIN, realm=wanted) as found:
            found.push(APP, "1.0.0", single())
            with pytest.raises(RegistryDeniedError, match="credentials") as caught:
                reader(web, found.url, login=LOGIN).tags(APP)
        assert LOGIN[1] not in f"{caught.value.message}{caught.value.hint}"
        assert thief.connections == 0


def test_a_realm_that_the_operator_names_may_see_it(web: Web) -> None:
    with double(wants_token=True, login=LOGIN) as found:
        found.push(APP, "1.0.0", single())
        found.realm = f"{found.url.replace('127.0.0.1', 'localhost')}/token"
        access = Access(
            url=found.url,
            allowed=Allowed(hosts=frozenset({"127.0.0.1", "localhost"})),
            login=lambda: Login(username=LOGIN[0], secret=LOGIN[1]),
            realms=frozenset({"localhost"}),
        )
        assert ImageRegistry(web, access).tags(APP) == ("1.0.0",)


def test_over_tls_only_the_authorities_that_are_named_are_believed(
    tmp_path: Path,
) -> None:
    key, cert = certificate(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(cert, key)
    # A client of its own: its connections end before the server does.
    with double(tls=context, wants_token=True, login=LOGIN) as found, Web() as web:
        found.push(APP, "1.0.0", single())

        def asked(authorities: str) -> ImageRegistry:
            access = Access(
                url=found.url,
                allowed=replace(LOOPBACK, authorities=authorities),
                login=lambda: Login(username=LOGIN[0], secret=LOGIN[1]),
            )
            return ImageRegistry(web, access)

        assert asked(cert.read_text()).tags(APP) == ("1.0.0",)
        with pytest.raises(RegistryError, match="certificate is not believed"):
            asked("").tags(APP)
        found.realm = found.url.replace("https", "http") + "/token"
        with pytest.raises(RegistryDeniedError, match="without TLS"):
            asked(cert.read_text()).tags(APP)


@pytest.mark.parametrize(
    ("realm_url", "registry_url", "is_trusted"),
    [
        ("https://auth.example.com/token", "https://auth.example.com", True),
        ("https://gitlab.com/jwt/auth", "https://registry.gitlab.com", True),
        ("https://auth.r.example.com/t", "https://r.example.com", True),
        ("https://auth.example.com/t", "https://registry.example.com", False),
        ("https://evil.com/t", "https://registry.example.com", False),
        ("https://com/t", "https://example.com", False),
        ("https://xexample.com/t", "https://example.com", False),
        ("http://example.com/t", "https://example.com", False),
        ("https://10.0.0.2/t", "https://10.0.0.1", False),
        ("https://user:pw@example.com/t", "https://example.com", False),
        ("javascript:alert(1)", "https://example.com", False),
        ("", "https://example.com", False),
        ("http://10.0.0.1:81/t", "http://10.0.0.1:80", True),
    ],
)
def test_a_realm_is_of_the_registrys_own_domain_and_as_well_protected(
    realm_url: str, registry_url: str, is_trusted: bool
) -> None:
    here = place_of(registry_url)
    if is_trusted:
        assert trusted_realm(realm_url, here, ()).host == place_of(realm_url).host
        return
    with pytest.raises(RegistryDeniedError):
        trusted_realm(realm_url, here, ())


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ('Basic realm="x"', BasicChallenge()),
        ("basic", BasicChallenge()),
        (
            'Bearer realm="https://a/t",service="s"',
            BearerChallenge(realm="https://a/t", service="s"),
        ),
        (
            'Basic realm="x", Bearer realm="https://a/t" , service="a\\"b"',
            BearerChallenge(realm="https://a/t", service='a"b'),
        ),
        ("Bearer", None),
        ('Bearer service="s"', None),
        ("Negotiate", None),
        ("", None),
        ('Bearer realm="https://a', None),
        ("," * 5000, None),
    ],
)
def test_a_challenge_is_read_as_the_rfc_writes_it(
    header: str, expected: object
) -> None:
    assert challenge_of(header) == expected


def test_a_blob_kept_elsewhere_is_fetched_without_a_credential_and_by_its_digest(
    web: Web,
) -> None:
    image = single()
    with double(is_basic=True, login=LOGIN) as found:
        found.push(APP, "1.0.0", image)
        with serve(lambda _request: reply(image.config)) as store:
            moved = reply("", status=307, headers={"Location": f"{store.url}/x?sig=1"})
            found.instead = lambda one: moved if "/blobs/" in one.target else None
            resolved = reader(web, found.url, login=LOGIN).resolve(APP, "1.0.0")
            assert resolved is not None
            assert resolved.created_at == BUILT
            (fetched,) = store.requests
            assert "authorization" not in fetched.headers
        with serve(
            lambda _request: reply(b'{"created":"2020-01-01T00:00:00Z"}')
        ) as liar:
            moved = reply("", status=307, headers={"Location": f"{liar.url}/x"})
            with pytest.raises(RegistryError, match="not what was asked for"):
                reader(web, found.url, login=LOGIN).resolve(APP, "1.0.0")


@pytest.mark.parametrize("place", ["https://169.254.169.254/x", "ftp://x/y", "a b"])
def test_a_blob_at_a_place_that_nobody_allowed_leaves_the_age_untold(
    web: Web, place: str
) -> None:
    with double() as found:
        pushed = found.push(APP, "1.0.0", single())
        moved = reply("", status=307, headers={"Location": place})
        found.instead = lambda one: moved if "/blobs/" in one.target else None
        resolved = reader(web, found.url).resolve(APP, "1.0.0")
        assert resolved is not None
        assert (resolved.digest, resolved.created_at) == (pushed, None)


# --- answers that mean nothing, or the worst ---


def endless(_request: Request) -> Iterator[bytes]:
    yield b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    while True:
        yield b"10000\r\n" + b"x" * 0x10000 + b"\r\n"


def _said(body: Any, status: int = 200, **headers: str) -> Callable[[Request], bytes]:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return lambda _request: reply(body, status=status, headers=named)


OCI_INDEX = "application/vnd.oci.image.index.v1+json"
BAD: dict[str, tuple[Any, type[RegistryError]]] = {
    "a bare 404": (_said("", 404), RegistryError),
    "a 404 of HTML": (_said("<h1>Not Found</h1>", 404), RegistryError),
    "a 404 with another word": (
        lambda _request: unknown("TOOMANYREQUESTS"),
        RegistryError,
    ),
    "a 404 with no word": (_said({"errors": []}, 404), RegistryError),
    "a 404 that says two things": (
        _said({"errors": [{"code": "MANIFEST_UNKNOWN"}, {"code": "DENIED"}]}, 404),
        RegistryError,
    ),
    "a 401 that wants nothing": (_said("", 401), RegistryDeniedError),
    "a 401 in the words of absence": (
        lambda _request: unknown("MANIFEST_UNKNOWN", status=401),
        RegistryDeniedError,
    ),
    "a 403": (_said("", 403), RegistryDeniedError),
    "a 429": (_said("", 429, Retry_After="17"), RegistryUnavailableError),
    "a 500": (_said("", 500), RegistryUnavailableError),
    "a 503": (_said("", 503), RegistryUnavailableError),
    "a sign-in page": (_said("<html>sign in</html>"), RegistryError),
    "a 203": (_said("<html>sign in</html>", 203), RegistryError),
    "a redirect": (_said("", 302, Location="https://x.example/"), RegistryError),
    "truncated JSON": (_said('{"tags": ["1.0'), RegistryError),
    "no body": (_said(""), RegistryError),
    "a list": (_said([1, 2]), RegistryError),
    "numbers for names": (
        _said({"tags": [1, 2], "mediaType": OCI_INDEX, "manifests": [7]}),
        RegistryError,
    ),
    "depth": (_said("[" * 2000 + "]" * 2000), RegistryError),
    "no end": (endless, RegistryError),
    "a broken connection": (lambda _request: b"", RegistryUnavailableError),
    "a length that is not kept": (
        _said("{}", Content_Length="9000"),
        RegistryUnavailableError,
    ),
    "another digest": (
        _said(
            {"schemaVersion": 2, "mediaType": OCI_INDEX, "manifests": []},
            Docker_Content_Digest=f"sha256:{'0' * 64}",
        ),
        RegistryError,
    ),
}


@pytest.mark.parametrize("what", BAD)
def test_a_bad_answer_is_an_error_and_never_means_that_there_is_no_image(
    web: Web, what: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    script, expected = BAD[what]

    def told(request: Request) -> Any:
        if "length" in what:
            return [script(request), b""]
        return script(request)

    with serve(told) as server:
        asked = ImageRegistry(
            web,
            Access(
                url=server.url,
                allowed=LOOPBACK,
                login=lambda: Login(username=LOGIN[0], secret=LOGIN[1]),
            ),
            deadline_s=5,
        )
        questions: list[Callable[[], object]] = [
            lambda: asked.resolve(APP, "1.0.0"),
            lambda: asked.tags(APP),
        ]
        if what == "another digest":
            questions.pop()  # a list of tags has none
        for question in questions:
            with pytest.raises(GitopsError) as caught:
                question()
            assert isinstance(caught.value, expected), caught.value
            shown = f"{caught.value.message} {caught.value.hint} {caplog.text}"
            assert LOGIN[1] not in shown
            assert basic(*LOGIN) not in shown
            if what == "a 429":
                assert isinstance(caught.value, RegistryUnavailableError)
                assert caught.value.retry_after == 17


def test_a_manifest_of_a_kind_that_is_not_read_is_an_error(web: Web) -> None:
    old = "application/vnd.docker.distribution.manifest.v1+prettyjws"
    odd = reply({"schemaVersion": 1}, headers={"Content-Type": old})
    with (
        serve(lambda _request: odd) as server,
        pytest.raises(RegistryError, match="no manifest that we read"),
    ):
        reader(web, server.url).resolve(APP, "1.0.0")


def test_an_image_of_an_index_must_be_the_one_that_the_index_names(web: Web) -> None:
    inner, other = single(), single(label="other")
    with double() as found:
        found.push(APP, "1.0.0", index(inner))
        odd = reply(other.manifest, headers={"Content-Type": other.kind})
        found.instead = lambda one: odd if inner.digest in one.target else None
        with pytest.raises(RegistryError, match="is another one"):
            reader(web, found.url).resolve(APP, "1.0.0")


def test_an_answer_for_a_digest_must_have_that_digest(web: Web) -> None:
    inner, other = single(), single(label="other")
    with double() as found:
        found.push(APP, "1.0.0", inner)
        odd = reply(other.manifest, headers={"Content-Type": other.kind})
        found.instead = lambda one: odd if "/manifests/" in one.target else None
        found.push(APP, "2.0.0", other)
        with pytest.raises(RegistryError, match="not what was asked for"):
            reader(web, found.url).resolve(APP, inner.digest)


@pytest.mark.parametrize(
    ("created", "expected"),
    [
        ("2026-02-20T10:00:00+02:00", BUILT),
        ("2026-02-20T08:00:00.1Z", BUILT),
        ("1970-01-01T00:00:00Z", None),
        ("1980-01-01T00:00:00Z", None),
        ("0001-01-01T00:00:00Z", None),
        ("9999-12-31T23:59:59-23:59", None),
        ("2026-13-01T00:00:00Z", None),
        ("yesterday", None),
        ("", None),
    ],
)
def test_an_age_that_makes_no_sense_is_none(
    web: Web, created: str, expected: datetime | None
) -> None:
    with double() as found:
        found.push(APP, "1.0.0", single(created=created))
        resolved = reader(web, found.url).resolve(APP, "1.0.0")
        assert resolved is not None
        assert resolved.created_at == expected


def test_an_annotation_tells_the_age_without_another_question(web: Web) -> None:
    created = {"org.opencontainers.image.created": "2026-02-20T08:00:00Z"}
    made = index(single(created=""), annotations=created)
    with double() as found:
        found.push(APP, "1.0.0", made)
        resolved = reader(web, found.url).resolve(APP, "1.0.0")
        assert resolved is not None
        assert resolved.created_at == BUILT
        assert len(found.requests) == 1


def test_an_index_of_nothing_has_no_platform(web: Web) -> None:
    with double() as found:
        found.push(APP, "1.0.0", index())
        resolved = reader(web, found.url).resolve(APP, "1.0.0")
        assert resolved is not None
        assert (resolved.platforms, resolved.created_at) == ((), None)


def test_what_may_not_be_reached_is_not_asked(web: Web) -> None:
    with double() as found:
        access = Access(url=found.url)
        with pytest.raises(RegistryError, match="may not be reached"):
            ImageRegistry(web, access).tags(APP)
        assert found.server is not None
        assert found.server.connections == 0


# --- names ---


@pytest.mark.parametrize(
    ("image", "host", "path"),
    [
        ("directus/directus", "docker.io", "directus/directus"),
        ("postgres", "docker.io", "library/postgres"),
        ("docker.io/postgres", "docker.io", "library/postgres"),
        ("index.docker.io/a/b", "docker.io", "a/b"),
        ("ghcr.io/directus/directus", "ghcr.io", "directus/directus"),
        ("localhost/a", "localhost", "a"),
        ("R.Example.com:5000/a/b/c", "r.example.com:5000", "a/b/c"),
    ],
)
def test_the_name_of_an_image_says_which_registry_has_it(
    image: str, host: str, path: str
) -> None:
    found = image_name(image)
    assert (found.host, found.path) == (host, path)


def test_the_nearest_tags_are_the_neighbours_in_the_order() -> None:
    tags = ["12.4.0", "12.4.2", "12.10.0", "13.0.0", "latest", "12.4.1-dhi", "11.0.0"]
    assert near_tags("12.4.1", tags) == ("11.0.0", "12.4.0", "12.4.2", "13.0.0")
    assert near_tags("12.5.0-dhi", tags) == ("12.4.1-dhi",)
    assert near_tags("latst", tags) == ("latest",)
    assert near_tags("12.4.1", []) == ()


def test_a_digest_is_that_of_the_bytes() -> None:
    assert digest(encoded({})).startswith("sha256:44136fa355b3678a1146ad16f7e8649e")
