"""The one HTTP client against real servers on loopback, most of them hostile."""

from __future__ import annotations

import gzip
import itertools
import logging
import shutil
import socket
import ssl
import subprocess
import threading
import time
import tracemalloc
from collections.abc import Callable, Iterable, Iterator
from ipaddress import ip_network
from pathlib import Path

import pytest

from gitops.errors import WebError, WebUnavailableError
from gitops.web import Allowed, Answer, Web
from tests.support.servers import Request, ResetError, Server, reply, serve

LOOPBACK = Allowed(networks=(ip_network("127.0.0.0/8"),))
SECRET = "s3cret-value"  # noqa: S105  a marker that must never be seen again


@pytest.fixture
def web() -> Iterator[Web]:
    with Web() as client:
        yield client


def get(web: Web, server: Server, path: str = "/", **options: object) -> Answer:
    given = {"allowed": LOOPBACK, "deadline_s": 5.0, **options}
    return web.send("GET", f"{server.url}{path}", **given)  # type: ignore[arg-type]


def told(error: BaseException) -> str:
    chain = []
    seen: BaseException | None = error
    while seen is not None:
        chain.append(f"{seen!r}{seen}{getattr(seen, 'hint', '')}")
        seen = seen.__cause__
    return "".join(chain)


# --- what is sent, and what comes back ---


def test_an_answer_comes_back_whatever_its_status(web: Web) -> None:
    with serve(lambda _: reply(b"no", status=418, headers={"X-A": "b"})) as server:
        answer = get(web, server)
    assert (answer.status, answer.body, answer.headers["x-a"]) == (418, b"no", "b")


def test_what_was_asked_is_what_arrives(web: Web) -> None:
    with serve(lambda _: reply()) as server:
        web.send(
            "POST",
            f"{server.url}/a%2Fb?c=d%20e",
            allowed=LOOPBACK,
            headers={"Authorization": f"Bearer {SECRET}"},
            body=b"{}",
        )
    (request,) = server.requests
    assert (request.method, request.target) == ("POST", "/a%2Fb?c=d%20e")
    assert request.headers["authorization"] == f"Bearer {SECRET}"
    assert request.headers["host"] == f"127.0.0.1:{server.port}"
    assert request.body == b"{}"


def test_the_name_is_in_the_host_header_and_never_looked_up_again(web: Web) -> None:
    answers = itertools.chain([("127.0.0.1",)], itertools.repeat(("169.254.169.254",)))
    with (
        serve(lambda _: reply(b"ok")) as server,
        Web(resolve=lambda host, port: next(answers)) as client,
    ):
        url = f"http://fleet.example.com:{server.port}/"
        assert client.send("GET", url, allowed=LOOPBACK).body == b"ok"
        with pytest.raises(WebError, match="link-local"):
            client.send("GET", url, allowed=LOOPBACK)
    assert [r.headers["host"] for r in server.requests] == [
        f"fleet.example.com:{server.port}"
    ]


def test_a_connection_that_is_kept_is_not_used_for_another_address() -> None:
    answers = iter([("127.0.0.1",), ("127.0.0.2",)])
    with (
        serve(lambda _: reply(b"ok")) as server,
        Web(resolve=lambda host, port: next(answers)) as client,
    ):
        url = f"http://fleet.example.com:{server.port}/"
        assert client.send("GET", url, allowed=LOOPBACK).body == b"ok"
        with pytest.raises(WebUnavailableError, match="no connection"):
            client.send("GET", url, allowed=LOOPBACK)  # nobody listens there
    assert len(server.requests) == 1


def test_a_connection_is_kept_for_the_next_request(web: Web) -> None:
    with serve(lambda _: reply(b"ok")) as server:
        for _ in range(3):
            get(web, server)
    assert (server.connections, len(server.requests)) == (1, 3)


def test_no_cookie_and_no_variable_of_this_machine_takes_part(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / ".netrc").write_text(f"machine 127.0.0.1 login u password {SECRET}\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("HTTP_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("ALL_PROXY", "http://127.0.0.1:9")
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "none"))
    with serve(lambda _: reply(headers={"Set-Cookie": "a=b"})) as server, Web() as web:
        get(web, server)
        get(web, server)
    for request in server.requests:
        assert "cookie" not in request.headers
        assert "authorization" not in request.headers


def test_many_threads_share_one_client(web: Web) -> None:
    found: list[bytes] = []

    def ask(server: Server, number: int) -> None:
        found.append(get(web, server, f"/{number}").body)

    with serve(lambda request: reply(request.target)) as server:
        threads = [
            threading.Thread(target=ask, args=(server, number)) for number in range(20)
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert sorted(found) == sorted(f"/{number}".encode() for number in range(20))


def test_more_places_than_connections_are_kept_for() -> None:
    numbers = itertools.count()
    with (
        serve(lambda _: reply(b"ok")) as server,
        Web(
            resolve=lambda host, port: (
                f"127.0.0.{1 + next(numbers) % 99}",
                "127.0.0.1",
            )
        ) as web,
    ):
        for number in range(150):
            url = f"http://x{number}.example.com:{server.port}/"
            assert web.send("GET", url, allowed=LOOPBACK).body == b"ok"


# --- what may not be reached ---


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "127.1",
        "2130706433",
        "0x7f.1",
        "0",
        "0.0.0.0",  # noqa: S104  nothing listens there
        "[::]",
        "[::1]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[64:ff9b::7f00:1]",
        "[2002:7f00:1::]",
        "localhost",
        "u:p@127.0.0.1",
        "169.254.169.254",
    ],
)
def test_a_way_around_the_list_reaches_nothing(web: Web, host: str) -> None:
    with serve(lambda _: reply()) as server:
        with pytest.raises(WebError) as caught:
            web.send("GET", f"http://{host}:{server.port}/", allowed=Allowed())
        assert not caught.value.retryable
        assert server.connections == 0


@pytest.mark.parametrize("url", ["file:///etc/passwd", "gopher://127.0.0.1/", "x"])
def test_another_scheme_is_refused(web: Web, url: str) -> None:
    with pytest.raises(WebError):
        web.send("GET", url, allowed=LOOPBACK)


@pytest.mark.parametrize(
    "addresses",
    [
        ("93.184.215.14", "127.0.0.1"),
        ("127.0.0.1", "93.184.215.14"),
        ("93.184.215.14", "10.0.0.1"),
        ("93.184.215.14", "169.254.169.254"),
        ("93.184.215.14", "::ffff:127.0.0.1"),
        ("fe80::1%eth0",),
        ("93.184.215.14", "nonsense"),
    ],
)
def test_one_address_that_may_not_be_reached_spoils_the_name(
    addresses: tuple[str, ...],
) -> None:
    allowed = Allowed(named=frozenset({"mixed.example.com"}))
    with (
        serve(lambda _: reply()) as server,
        Web(resolve=lambda host, port: addresses) as web,
    ):
        with pytest.raises(WebError, match="may not be reached") as caught:
            web.send("GET", f"http://mixed.example.com:{server.port}/", allowed=allowed)
        assert server.connections == 0
    assert "service.toml" in caught.value.hint


def test_what_one_request_may_reach_another_may_not(web: Web) -> None:
    with serve(lambda _: reply()) as server:
        get(web, server)
        with pytest.raises(WebError):  # although a connection to it is open
            get(web, server, allowed=Allowed())
    assert len(server.requests) == 1


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_an_answer_and_is_not_followed(web: Web, status: int) -> None:
    with serve(lambda _: reply()) as other:
        headers = {"Location": f"{other.url}/?a=b"}
        with serve(lambda _: reply(status=status, headers=headers)) as server:
            answer = get(web, server)
        assert other.connections == 0
    assert answer.status == status
    assert answer.location is None


def test_a_redirect_to_itself_is_told_but_not_followed(web: Web) -> None:
    with serve(lambda _: reply(status=302, headers={"Location": "/b?c=d"})) as server:
        answer = get(web, server, "/a")
    assert answer.location == f"{server.url}/b?c=d"
    assert len(server.requests) == 1


def test_only_links_to_the_same_origin_are_told(web: Web) -> None:
    link = '</a?page=2>; rel="next", <http://evil.example.com/a>; rel="last"'
    with serve(lambda _: reply(headers={"Link": link})) as server:
        answer = get(web, server)
    assert answer.link("next") == f"{server.url}/a?page=2"
    assert answer.link("last") is None
    assert answer.link("prev") is None


# --- what breaks a limit ---


def endless(chunk: bytes) -> Iterator[bytes]:
    yield b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    while True:
        yield b"%x\r\n%s\r\n" % (len(chunk), chunk)


def slowly(head: bytes, *, piece: bytes = b"x") -> Iterator[bytes]:
    yield head
    while True:
        time.sleep(0.02)
        yield piece


def test_a_body_that_never_ends_is_cut_off(web: Web) -> None:
    with (
        serve(lambda _: endless(b"x" * 65536)) as server,
        pytest.raises(WebError, match="more than 1000000 bytes"),
    ):
        get(web, server, cap_bytes=1_000_000)


def test_a_length_over_the_cap_is_not_read(web: Web) -> None:
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999999999999\r\n\r\n"
    with serve(lambda _: [head]) as server, pytest.raises(WebError):
        get(web, server)


def test_a_bomb_is_unpacked_no_further_than_the_cap(web: Web) -> None:
    bomb = gzip.compress(b"\0" * (64 << 20))
    packed = {"Content-Encoding": "gzip"}
    tracemalloc.start()
    with (
        serve(lambda _: reply(bomb, headers=packed)) as server,
        pytest.raises(WebError, match="more than 100000 bytes"),
    ):
        get(web, server, cap_bytes=100_000)
    _, peak_bytes = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak_bytes < 8 << 20


def test_a_packed_answer_is_unpacked(web: Web) -> None:
    packed = reply(
        gzip.compress(b"hello", mtime=0), headers={"Content-Encoding": "gzip"}
    )
    with serve(lambda _: packed) as server:
        assert get(web, server).body == b"hello"
    assert server.requests[0].headers["accept-encoding"] == "gzip"


@pytest.mark.parametrize(
    ("body", "encoding"),
    [
        (b"hello", "gzip"),
        (gzip.compress(b"hello", mtime=0)[:-3], "gzip"),
        (gzip.compress(b"hello", mtime=0) * 2, "gzip"),
        (b"hello", "br"),
        (b"hello", "gzip, gzip"),
    ],
)
def test_a_packing_that_is_wrong_is_an_error(
    web: Web, body: bytes, encoding: str
) -> None:
    packed = reply(body, headers={"Content-Encoding": encoding})
    with serve(lambda _: packed) as server, pytest.raises(WebError):
        get(web, server)


@pytest.mark.parametrize(
    "answer",
    [
        lambda: slowly(b""),
        lambda: slowly(b"HTTP/1.1 200 OK\r\nX-A: "),
        lambda: slowly(b"HTTP/1.1 200 OK\r\nContent-Length: 90000\r\n\r\n"),
        lambda: slowly(
            b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
            piece=b"1\r\nx\r\n",
        ),
        lambda: slowly(b"", piece=b"HTTP/1.1 100 Continue\r\n\r\n"),
    ],
    ids=["status", "header", "body", "chunks", "continue"],
)
def test_an_answer_that_drips_ends_at_the_deadline(
    web: Web, answer: Callable[[], Iterable[bytes]]
) -> None:
    # Each piece comes in time; only the sum does not. It would never end.
    with (
        serve(lambda _: answer()) as server,
        pytest.raises(WebUnavailableError) as caught,
    ):
        get(web, server, deadline_s=0.3)
    assert caught.value.sent


def test_a_flood_ends_at_the_deadline_too(web: Web) -> None:
    # Nothing is ever waited for, so no timeout of a socket helps.
    with (
        serve(lambda _: endless(b"x")) as server,
        pytest.raises(WebUnavailableError, match="in time"),
    ):
        get(web, server, deadline_s=0.3, cap_bytes=1 << 40)


def test_silence_ends_at_the_deadline(web: Web) -> None:
    never = threading.Event()

    def silent(_: Request) -> bytes:
        never.wait(20)
        return b""

    with serve(silent) as server:
        with pytest.raises(WebUnavailableError, match="in time"):
            get(web, server, deadline_s=0.2)
        never.set()


def test_a_name_server_that_is_silent_ends_at_the_deadline() -> None:
    never = threading.Event()

    def resolve(host: str, port: int) -> tuple[str, ...]:
        never.wait(20)
        return ("127.0.0.1",)

    with Web(resolve=resolve) as web:
        with pytest.raises(WebUnavailableError, match="no address") as caught:
            web.send("GET", "http://x.example.com/", allowed=LOOPBACK, deadline_s=0.1)
        never.set()
    assert not caught.value.sent


@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc",
        b"SSH-2.0-OpenSSH_9.6\r\n",
        b"HTTP/1.1 abc\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX-A: " + b"x" * 300_000,
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
    ],
    ids=["nothing", "short", "ssh", "status", "header", "lengths", "chunks"],
)
def test_an_answer_that_is_no_http_is_an_error(web: Web, answer: bytes) -> None:
    with (
        serve(lambda _: [answer, b""]) as server,
        pytest.raises(WebUnavailableError) as caught,
    ):
        get(web, server)
    assert caught.value.sent


def test_a_reset_leaves_open_whether_it_was_done(web: Web) -> None:
    def script(_: Request) -> bytes:
        raise ResetError

    with serve(script) as server, pytest.raises(WebUnavailableError) as caught:
        get(web, server)
    assert caught.value.sent


def test_nobody_there_means_that_nothing_was_sent(web: Web) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with pytest.raises(WebUnavailableError, match="no connection") as caught:
        web.send("GET", f"http://127.0.0.1:{port}/", allowed=LOOPBACK)
    assert not caught.value.sent


def test_an_unknown_name_is_an_error_of_ours() -> None:
    def resolve(host: str, port: int) -> tuple[str, ...]:
        raise socket.gaierror

    with Web(resolve=resolve) as web, pytest.raises(WebUnavailableError):
        web.send("GET", "http://x.example.com/", allowed=LOOPBACK)


def test_the_next_address_is_tried_when_one_is_dead() -> None:
    with (
        serve(lambda _: reply(b"ok")) as server,
        Web(resolve=lambda host, port: ("127.0.0.2", "127.0.0.1")) as web,
    ):
        url = f"http://x.example.com:{server.port}/"
        assert web.send("GET", url, allowed=LOOPBACK).body == b"ok"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("X-A", f"{SECRET}\r\nX-B: c"),
        ("X-A", f"{SECRET}\x00"),
        ("X-A", f"{SECRET}ü"),
        ("X A", SECRET),
        ("Host", SECRET),
        ("Content-Length", "7"),
        ("Transfer-Encoding", "chunked"),
    ],
)
def test_a_header_that_would_be_two_is_not_sent(
    web: Web, name: str, value: str
) -> None:
    with serve(lambda _: reply()) as server:
        with pytest.raises(WebError) as caught:
            get(web, server, headers={name: value})
        assert server.connections == 0
    assert SECRET not in told(caught.value)


# --- asking again ---


def flaky(answers: list[bytes]) -> Callable[[Request], bytes]:
    left = iter(answers)
    return lambda _: next(left)


def test_nothing_is_asked_again_without_a_way_to_wait(web: Web) -> None:
    with serve(lambda _: reply(status=503)) as server:
        assert get(web, server).status == 503
    assert len(server.requests) == 1


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_a_safe_request_is_asked_again_a_few_times(status: int) -> None:
    waited: list[float] = []
    with (
        serve(lambda _: reply(status=status)) as server,
        Web(wait=waited.append) as web,
    ):
        assert get(web, server).status == status
    assert len(server.requests) == 3
    assert len(waited) == 2
    assert 0 < waited[0] <= 0.5 < waited[1] <= 1


@pytest.mark.parametrize("status", [200, 301, 400, 401, 403, 404, 500])
def test_what_will_not_change_is_not_asked_again(status: int) -> None:
    with (
        serve(lambda _: reply(status=status)) as server,
        Web(wait=lambda _: None) as web,
    ):
        assert get(web, server).status == status
    assert len(server.requests) == 1


def test_an_unsafe_request_is_never_asked_again() -> None:
    def script(_: Request) -> bytes:
        raise ResetError

    with (
        serve(script) as server,
        Web(wait=lambda _: None) as web,
        pytest.raises(WebUnavailableError),
    ):
        web.send("POST", server.url, allowed=LOOPBACK, body=b"{}")
    assert len(server.requests) == 1


def test_an_answer_that_broke_off_is_asked_for_again() -> None:
    with serve(flaky([b"", reply(b"ok")])) as server, Web(wait=lambda _: None) as web:
        assert get(web, server).body == b"ok"


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({"Retry-After": "2"}, 2.0),
        (
            {
                "Date": "Mon, 02 Feb 2026 10:00:00 GMT",
                "Retry-After": "Mon, 02 Feb 2026 10:00:03 GMT",
            },
            3.0,
        ),
        (
            {
                "Date": "Mon, 02 Feb 2026 10:00:00 GMT",
                "X-RateLimit-Remaining": "0",
                "X-RateLimit-Reset": "1770026404",
            },
            4.0,
        ),
        ({"RateLimit-Remaining": "0", "RateLimit-Reset": "6"}, 6.0),
    ],
    ids=["seconds", "moment", "rate-limit", "rate-limit-duration"],
)
def test_a_server_says_how_long_to_wait(
    headers: dict[str, str], seconds: float
) -> None:
    waited: list[float] = []
    script = flaky([reply(status=403, headers=headers), reply(b"ok")])
    with serve(script) as server, Web(wait=waited.append) as web:
        assert get(web, server, deadline_s=30).body == b"ok"
    assert waited == [seconds]


@pytest.mark.parametrize(
    "value", ["", "soon", "-1", "1e9", "²", "Mon, 99 Foo 2026", "9" * 50]
)
def test_a_wait_that_makes_no_sense_is_none(web: Web, value: str) -> None:
    headers = {"Retry-After": value.encode().decode("latin-1")}
    with serve(lambda _: reply(headers=headers)) as server:
        assert get(web, server).retry_after_s is None


def test_a_wait_beyond_the_deadline_is_left_to_the_caller() -> None:
    waited: list[float] = []
    answer = reply(status=429, headers={"Retry-After": "3600"})
    with serve(lambda _: answer) as server, Web(wait=waited.append) as web:
        found = get(web, server)
    assert (found.status, found.retry_after_s, waited) == (429, 3600, [])


# --- JSON ---


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"<html>",
        b"{",
        b"\xff",
        b'{"a": NaN}',
        b"[" * 100_000,
        b"[" * 100 + b"]" * 100,
        b'{"a":' * 100 + b"1" + b"}" * 100,
        b"9" * 10_000,
    ],
    ids=["none", "html", "half", "latin", "nan", "open", "deep", "nested", "long"],
)
def test_a_body_that_is_no_json_is_an_error(web: Web, body: bytes) -> None:
    with serve(lambda _: reply(body)) as server:
        answer = get(web, server)
    with pytest.raises(WebError):
        answer.json()


def test_json_is_read(web: Web) -> None:
    with serve(lambda _: reply({"a": [1, None, "ü"]})) as server:
        assert get(web, server).json() == {"a": [1, None, "ü"]}


# --- what is shown ---


def test_logs_have_host_and_path_and_nothing_else(
    web: Web, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="httpx")
    caplog.set_level(logging.DEBUG, logger="gitops")
    with serve(lambda _: reply()) as server:
        get(
            web,
            server,
            f"/seen?token={SECRET}",
            headers={"Authorization": f"Bearer {SECRET}"},
        )
    assert "127.0.0.1/seen" in caplog.text
    assert SECRET not in caplog.text


def test_a_path_that_is_a_secret_is_in_no_log_and_still_arrives(
    web: Web, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO, logger="httpx")
    caplog.set_level(logging.DEBUG, logger="gitops")
    with serve(lambda _: reply()) as server:
        get(web, server, f"/services/{SECRET}", hide_path=True)
    assert SECRET not in caplog.text
    assert server.requests[0].target == f"/services/{SECRET}"


@pytest.mark.parametrize("answer", [b"", b"nonsense\r\n\r\n", b"HTTP/1.1 200 \r\n"])
def test_errors_show_neither_path_nor_query_nor_header(web: Web, answer: bytes) -> None:
    with serve(lambda _: [answer, b""]) as server, pytest.raises(WebError) as caught:
        get(
            web,
            server,
            f"/{SECRET}?token={SECRET}",
            headers={"Authorization": f"Bearer {SECRET}"},
        )
    assert SECRET not in told(caught.value)
    assert caught.value.message.startswith("127.0.0.1: ")


def test_an_answer_shows_no_body_and_no_header(web: Web) -> None:
    with serve(lambda _: reply(SECRET, headers={"X-A": SECRET})) as server:
        assert SECRET not in repr(get(web, server, f"/{SECRET}?{SECRET}"))


# --- TLS ---


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Make a certificate for fleet.example.com that nobody else believes."""
    openssl = shutil.which("openssl")
    if openssl is None:
        pytest.skip("no openssl to make a certificate with")
    folder = tmp_path_factory.mktemp("tls")
    wanted = (
        "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2 "
        "-subj /CN=fleet.example.com -addext subjectAltName=DNS:fleet.example.com "
        "-keyout key.pem -out cert.pem"
    )
    subprocess.run(
        [openssl, *wanted.split()], cwd=folder, check=True, capture_output=True
    )
    return folder


def over_tls(folder: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    return context


def to(name: str, server: Server, *, authorities: str = "") -> Answer:
    allowed = Allowed(networks=LOOPBACK.networks, authorities=authorities)
    with Web(resolve=lambda host, port: ("127.0.0.1",)) as web:
        url = f"https://{name}:{server.port}/"
        return web.send("GET", url, allowed=allowed, deadline_s=1)


def test_the_name_and_not_the_address_is_what_tls_checks(certificate: Path) -> None:
    pem = (certificate / "cert.pem").read_text()
    with serve(lambda _: reply(b"ok"), tls=over_tls(certificate)) as server:
        assert to("fleet.example.com", server, authorities=pem).body == b"ok"
        with pytest.raises(WebError, match="not believed") as caught:
            to("other.example.com", server, authorities=pem)
        assert not caught.value.retryable
    assert len(server.requests) == 1


def test_an_authority_that_nobody_named_is_not_believed(certificate: Path) -> None:
    with (
        serve(lambda _: reply(b"ok"), tls=over_tls(certificate)) as server,
        pytest.raises(WebError, match="not believed") as caught,
    ):
        to("fleet.example.com", server)
    assert "`ca`" in caught.value.hint
    assert server.requests == []


def test_a_server_without_tls_is_not_spoken_to(certificate: Path) -> None:
    with serve(lambda _: reply(b"ok")) as server, pytest.raises(WebUnavailableError):
        to("fleet.example.com", server)


def test_an_answer_that_drips_over_tls_ends_at_the_deadline(certificate: Path) -> None:
    pem = (certificate / "cert.pem").read_text()
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 90000\r\n\r\n"
    with (
        serve(lambda _: slowly(head), tls=over_tls(certificate)) as server,
        pytest.raises(WebUnavailableError, match="in time"),
    ):
        to("fleet.example.com", server, authorities=pem)


def test_authorities_that_are_no_pem_are_told() -> None:
    with serve(lambda _: reply(b"ok")) as server, pytest.raises(WebError, match="PEM"):
        to("fleet.example.com", server, authorities="nonsense")
