"""The line to a forge: what goes out, what comes back, and when the next may go."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field

import pytest

from gitops.errors import (
    ForgeConflictError,
    ForgeDeniedError,
    ForgeError,
    ForgeNotFoundError,
    ForgeUnavailableError,
    GitopsError,
)
from gitops.forges.http import (
    Call,
    Line,
    RateGate,
    Reply,
    Talk,
    by_link,
    collect,
    get,
    moment,
)
from gitops.model import Json
from gitops.web import Allowed, Answer, Web, place_of
from gitops.web.fields import items_at, text_at
from tests.support.servers import Request, ResetError, Script, Server, reply, serve

SECRET = "c4nary-0123456789"  # noqa: S105 - of a test
HERE = Allowed(hosts=frozenset({"127.0.0.1"}))
JSON = {"Content-Type": "application/json"}
PAGE = {"Content-Type": "text/html; charset=utf-8"}


@dataclass
class Proof:
    """A credential that can be renewed a few times."""

    renewals: int = 0
    shown: list[str] = field(default_factory=list)

    def headers(self) -> Mapping[str, str]:
        self.shown.append(SECRET)
        return {"Authorization": f"Bearer {SECRET}"}

    def renew(self) -> bool:
        self.renewals -= 1
        return self.renewals >= 0


class Time:
    """A clock that goes on only where somebody waits."""

    def __init__(self) -> None:
        self.now_s = 1000.0
        self.waited: list[float] = []

    def __call__(self) -> float:
        return self.now_s

    def wait(self, seconds: float) -> None:
        self.waited.append(seconds)
        self.now_s += seconds


def gate_of(time: Time, **more: float) -> RateGate:
    return RateGate(monotonic_s=time, wait=time.wait, **more)


@contextmanager
def line_to(
    script: Script, *, proof: Proof | None = None, gate: RateGate | None = None
) -> Iterator[tuple[Line, Server]]:
    with serve(script) as server, Web() as web:
        yield (
            Line(
                roots={"": f"{server.url}/api"},
                web=web,
                allowed=HERE,
                authority=proof or Proof(),
                gate=gate or gate_of(Time()),
                words=words,
                base_headers={"Accept": "application/json"},
            ),
            server,
        )


def words(answer: Reply) -> str:
    try:
        return text_at(answer.json(), "message")
    except GitopsError:
        return ""


def ask(call: Call) -> Talk[Json]:
    return (yield call).json()


def name(call: Call) -> Talk[str]:
    return text_at((yield call).json(), "name")


# --- what goes out ---


def test_each_segment_of_a_path_is_quoted_whole() -> None:
    with line_to(lambda _: reply({"name": "x"}, headers=JSON)) as (line, server):
        line.hold(name(get("repos", "a/../b", "ü?#%", q="a b&c=d")))
    assert server.requests[0].target == (
        "/api/repos/a%2F..%2Fb/%C3%BC%3F%23%25?q=a%20b%26c%3Dd"
    )


def test_a_body_is_json_and_the_credential_is_put_on() -> None:
    with line_to(lambda _: reply({}, headers=JSON)) as (line, server):
        line.hold(ask(Call(method="POST", path=("x",), body={"title": "ü"})))
    (seen,) = server.requests
    assert (seen.method, seen.body) == ("POST", b'{"title": "\\u00fc"}')
    assert seen.headers["content-type"] == "application/json"
    assert seen.headers["authorization"] == f"Bearer {SECRET}"


def test_another_server_never_sees_the_credential() -> None:
    proof = Proof()
    with line_to(lambda _: reply({}), proof=proof) as (line, _):
        with serve(lambda _: reply({})) as other, pytest.raises(ForgeDeniedError):
            line.hold(ask(Call(method="GET", page=f"{other.url}/api/x")))
        assert (other.requests, proof.shown) == ([], [])


# --- what comes back ---


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (reply({"message": "Bad credentials"}, status=401), ForgeDeniedError),
        (reply({"message": "Forbidden"}, status=403), ForgeDeniedError),
        (reply({"message": "Not Found"}, status=404), ForgeDeniedError),
        (reply({}, status=405), ForgeConflictError),
        (reply({}, status=409), ForgeConflictError),
        (reply({}, status=422), ForgeConflictError),
        (reply({}, status=400), ForgeError),
        (reply({}, status=301), ForgeError),
        (reply({}, status=408), ForgeUnavailableError),
        (reply({}, status=429), ForgeUnavailableError),
        (reply({"message": "API rate limit exceeded"}, status=403), ForgeError),
        (reply("<html>", status=500, headers=PAGE), ForgeUnavailableError),
        (reply("<html>Sign in", status=203, headers=PAGE), ForgeDeniedError),
        (reply("<html>Sign in", status=302, headers=PAGE), ForgeDeniedError),
        (reply("<html>hello", headers=PAGE), ForgeDeniedError),
        (reply('{"name": "x"', headers=JSON), ForgeUnavailableError),
        (reply({"name": 7}, headers=JSON), ForgeUnavailableError),
        (reply(["name"], headers=JSON), ForgeUnavailableError),
        (b"", ForgeUnavailableError),
    ],
    ids=[str(number) for number in range(19)],
)
def test_a_bad_answer_is_one_error_of_ours(
    answer: bytes, error: type[ForgeError]
) -> None:
    with line_to(lambda _: answer) as (line, _), pytest.raises(error) as caught:
        line.hold(name(get("x")))
    assert SECRET not in str(caught.value) + caught.value.hint


def test_a_number_that_is_missing_is_not_found_and_a_repository_is_denied() -> None:
    with line_to(lambda _: reply({}, status=404)) as (line, _):
        with pytest.raises(ForgeNotFoundError, match="pull request #7"):
            line.hold(ask(get("pulls", "7", missing="pull request #7")))
        with pytest.raises(ForgeDeniedError, match="may not see"):
            line.hold(ask(get("pulls")))


def test_a_limit_is_no_lack_of_rights_and_says_how_long() -> None:
    headers = {"Retry-After": "7"}
    with (
        line_to(lambda _: reply({}, status=403, headers=headers)) as (line, _),
        pytest.raises(ForgeUnavailableError) as caught,
    ):
        line.hold(ask(get("x")))
    assert caught.value.retry_after == 7


@pytest.mark.parametrize("method", ["POST", "GET"])
@pytest.mark.parametrize("kind", ["reset", "500", "garbage"])
def test_a_write_whose_outcome_is_not_known_says_so(method: str, kind: str) -> None:
    def script(_: Request) -> bytes:
        if kind == "reset":
            raise ResetError
        return reply({}, status=500) if kind == "500" else reply("{", headers=JSON)

    with (
        line_to(script) as (line, server),
        pytest.raises(ForgeUnavailableError) as caught,
    ):
        line.hold(ask(Call(method=method, path=("x",))))
    assert caught.value.sent is (method == "POST" or kind == "reset")
    assert len(server.requests) == 1, "nothing is sent twice from here"


def test_a_refused_credential_is_renewed_once_and_the_call_made_again() -> None:
    answers = iter([reply({}, status=401), reply({"name": "x"}, headers=JSON)])
    with line_to(lambda _: next(answers), proof=Proof(renewals=1)) as (line, _):
        assert line.hold(name(get("x"))) == "x"
    with (
        line_to(lambda _: reply({}, status=401), proof=Proof(renewals=9)) as (line, at),
        pytest.raises(ForgeDeniedError),
    ):
        line.hold(name(get("x")))
    assert len(at.requests) == 2


def test_a_talk_may_read_a_refusal_itself_or_catch_it() -> None:
    def talk() -> Talk[tuple[int, str]]:
        told = yield Call(method="GET", path=("x",), accepts=frozenset({404}))
        try:
            yield get("y")
        except ForgeDeniedError as error:
            return told.status, type(error).__name__
        return told.status, ""

    with line_to(lambda _: reply({}, status=404)) as (line, _):
        assert line.hold(talk()) == (404, "ForgeDeniedError")


# --- pages ---


def test_every_page_of_a_list_is_read() -> None:
    def script(request: Request) -> bytes:
        page = int(request.target.rpartition("=")[2])
        more = f'<{server.url}/api/x?page={page + 1}>; rel="next"'
        headers = {**JSON, **({"Link": more} if page < 3 else {})}
        return reply([{"name": str(page)}], headers=headers)

    with line_to(script) as (line, server):
        found = line.hold(collect(get("x", page=1), rows, by_link))
    assert [text_at(item, "name") for item in found] == ["1", "2", "3"]


def test_a_list_that_goes_on_elsewhere_is_no_short_list() -> None:
    headers = {**JSON, "Link": '<https://evil.example/x>; rel="next"'}
    with (
        line_to(lambda _: reply([], headers=headers)) as (line, _),
        pytest.raises(ForgeUnavailableError, match="another address"),
    ):
        line.hold(collect(get("x"), rows, by_link))


def test_a_list_without_end_is_given_up() -> None:
    with (
        line_to(lambda _: reply([], headers=JSON)) as (line, _),
        pytest.raises(ForgeUnavailableError, match="more than 5 pages"),
    ):
        line.hold(collect(get("x"), rows, lambda call, _: call, max_pages=5))


def rows(answer: Reply) -> tuple[Json, ...]:
    return items_at({"items": answer.json()}, "items")


# --- when the next may go ---


def answered(status: int = 200, **headers: str) -> Answer:
    named = {key.replace("_", "-"): value for key, value in headers.items()}
    place = place_of("https://git.example.com/x")
    return Answer(status=status, headers=named, body=b"", place=place)


READ, WRITE = get("x"), Call(method="POST", path=("x",))


def test_writes_are_apart_and_reads_are_not() -> None:
    time = Time()
    gate = gate_of(time, write_gap_s=1.0)
    for call in (READ, READ, WRITE, READ, WRITE, WRITE):
        gate.enter(call)
    assert time.waited == [1.0, 1.0]


def test_a_query_that_is_posted_is_no_write() -> None:
    time = Time()
    gate = gate_of(time, write_gap_s=1.0)
    for _ in range(3):
        gate.enter(Call(method="POST", path=("graphql",), is_read=True))
    assert time.waited == []


def test_a_short_silence_is_waited_for_and_a_long_one_is_refused() -> None:
    time = Time()
    gate = gate_of(time, patience_s=5.0)
    gate.heard(answered(429, retry_after="3"), "")
    gate.enter(READ)
    assert time.waited == [3.0]
    gate.heard(answered(200, retry_after="30"), "")
    with pytest.raises(ForgeUnavailableError) as caught:
        gate.enter(READ)
    assert caught.value.retry_after == 30.0
    time.now_s += 30
    gate.enter(READ)


def test_a_limit_that_names_no_time_means_a_minute_and_then_two() -> None:
    time = Time()
    gate = gate_of(time, patience_s=1e9)
    for _ in range(3):
        gate.heard(answered(403), "You have exceeded a secondary rate limit")
        gate.enter(READ)
    gate.heard(answered(), "")
    gate.heard(answered(429), "")
    gate.enter(READ)
    assert time.waited == [60.0, 120.0, 240.0, 60.0]


def test_the_last_request_of_a_budget_shuts_the_gate_until_its_reset() -> None:
    time = Time()
    gate = gate_of(time, patience_s=1e9)
    gate.heard(answered(ratelimit_remaining="0", ratelimit_reset="9"), "")
    gate.enter(READ)
    assert time.waited == [9.0]


# --- times ---


@pytest.mark.parametrize(
    "text", ["", "yesterday", "2026-11-23", "2026-11-23T10:00:00", "9" * 99]
)
def test_a_time_that_is_none_is_told(text: str) -> None:
    with pytest.raises(ForgeUnavailableError):
        moment(text)


def test_a_time_before_all_times_is_told() -> None:
    with pytest.raises(ForgeUnavailableError):
        moment("0001-01-01T00:00:00+14:00")
