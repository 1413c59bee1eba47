"""Deliveries at a real server: foreign payloads, foreign signers, and hostile bytes."""

from __future__ import annotations

import asyncio
import base64
import hmac
import json
import logging
import socket
import time
import uuid
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from pathlib import Path

import pytest
from gidgethub.sansio import Event
from standardwebhooks.webhooks import Webhook

from gitops.errors import StoreError
from service.reconcile import Reconciler
from service.scheduler import Clockwork
from service.store import Role
from service.webhooks.reading import LIMIT
from tests.support.api import refused
from tests.support.databases import execute
from tests.support.hooks import (
    OLD,
    SECRETS,
    SIGNING,
    Hooks,
    described,
    of_every_forge,
    taking,
)
from tests.support.octokit import signed

FORGES = sorted(SECRETS)


@pytest.fixture(scope="module")
def shared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hooks]:
    data = tmp_path_factory.mktemp("data")
    of_every_forge(data)
    with taking(data) as made:
        yield made


@pytest.fixture
def hooks(shared: Hooks) -> Hooks:
    """A service with a repository of each forge; nobody has been woken yet."""
    shared.woken()
    return shared


def fresh(text: str = "") -> bytes:
    """Return a payload that nobody has sent before."""
    return json.dumps({"zen": text, "at": uuid.uuid4().hex}).encode()


def proof(forge: str, body: bytes, secret: str = "") -> dict[str, str]:
    """Return the headers that a forge proves a body with."""
    secret = secret or SECRETS[forge]
    digest = hmac.new(secret.encode(), body, "sha256").hexdigest()
    return {
        "github": {"X-Hub-Signature-256": f"sha256={digest}"},
        "bitbucket": {"X-Hub-Signature": f"sha256={digest}"},
        "gitea": {"X-Gitea-Signature": digest},
        "forgejo": {"X-Forgejo-Signature": digest, "X-Gitea-Signature": digest},
        "gitlab": {"X-Gitlab-Token": secret},
        "azure": {
            "Authorization": f"Basic {base64.b64encode(secret.encode()).decode()}"
        },
    }[forge]


# --- foreign payloads, foreign signers ---


def test_every_example_of_github_is_taken_as_githubs_own_package_signs_it(
    hooks: Hooks,
) -> None:
    examples = signed(SECRETS["github"])
    assert len(examples) > 300
    assert len({example.event for example in examples}) > 50
    outcomes = []
    for example in examples:
        headers = {
            "Content-Type": "application/json",
            "User-Agent": "GitHub-Hookshot/044aadd",
            "X-GitHub-Event": example.event,
            "X-GitHub-Delivery": str(uuid.uuid4()),
            "X-Hub-Signature-256": example.signature,
        }
        # Somebody else's receiver takes it too.
        event = Event.from_http(
            {name.lower(): value for name, value in headers.items()},
            example.body,
            secret=SECRETS["github"],
        )
        assert event.event == example.event
        outcomes.append(hooks.sent("github", example.body, headers))
    different = len({example.body for example in examples})
    assert outcomes.count("accepted") == different
    assert outcomes.count("repeated") == len(examples) - different
    assert hooks.woken() == ["github"] * different


def test_the_other_forges_hmac_is_taken_as_githubs_package_signs_it(
    hooks: Hooks,
) -> None:
    for forge, header in (
        ("gitea", "X-Gitea-Signature"),
        ("forgejo", "X-Forgejo-Signature"),
        ("bitbucket", "X-Hub-Signature"),
    ):
        (one,) = signed(SECRETS[forge], [fresh("schlüssel ☃").decode()])
        bare = one.signature.removeprefix("sha256=")
        value = one.signature if forge == "bitbucket" else bare
        assert hooks.sent(forge, one.body, {header: value}) == "accepted"
        assert hooks.woken() == [forge]


def test_what_gitlab_signs_is_taken_as_standardwebhooks_signs_it(hooks: Hooks) -> None:
    body, at = fresh(), hooks.clock()
    headers = {
        "X-Gitlab-Event": "Merge Request Hook",
        "webhook-id": str(uuid.uuid4()),
        "webhook-timestamp": str(int(at.timestamp())),
    }
    headers["webhook-signature"] = Webhook(SIGNING).sign(
        headers["webhook-id"], at, body.decode()
    )
    assert hooks.sent("gitlab", body, headers) == "accepted"
    # GitLab sends it again with the time of then.
    later = at + timedelta(minutes=3)
    again = headers | {
        "webhook-timestamp": str(int(later.timestamp())),
        "webhook-signature": Webhook(SIGNING).sign(
            headers["webhook-id"], later, body.decode()
        ),
    }
    assert hooks.sent("gitlab", body, again) == "repeated"
    assert hooks.woken() == ["gitlab"]
    for apart in (timedelta(minutes=-6), timedelta(minutes=6)):
        when = at + apart
        other = headers | {
            "webhook-id": str(uuid.uuid4()),
            "webhook-timestamp": str(int(when.timestamp())),
        }
        other["webhook-signature"] = Webhook(SIGNING).sign(
            other["webhook-id"], when, body.decode()
        )
        refused(hooks.post("gitlab", body, other), 401, "unauthorized")
    assert hooks.woken() == []


@pytest.mark.parametrize("forge", FORGES)
def test_each_forge_is_taken_with_its_secret_and_with_the_one_before(
    hooks: Hooks, forge: str
) -> None:
    for secret in (SECRETS[forge], OLD):
        body = fresh()
        assert hooks.sent(forge, body, proof(forge, body, secret)) == "accepted"
    assert hooks.woken() == [forge, forge]


# --- what proves nothing ---


@pytest.mark.parametrize("forge", FORGES)
def test_nothing_is_told_to_who_proves_nothing(hooks: Hooks, forge: str) -> None:
    body = fresh("do not quote me")
    good = proof(forge, body)
    answers = [
        hooks.post(forge, body, headers)
        for headers in (
            {},
            dict.fromkeys(good, ""),
            proof(forge, body, "another-secret-of-somebody"),
            {"Authorization": "Bearer dgo_00000000_wrong"},
            {"X-Hub-Signature": "sha1=" + hmac.new(b"x", body, "sha1").hexdigest()},
        )
    ]
    texts = {answer.text for answer in answers}
    assert len(texts) == 1, "the answers tell what was wrong"
    for answer in answers:
        told = refused(answer, 401, "unauthorized")
        assert "quote" not in json.dumps(told)
        assert answer.headers["www-authenticate"]
    assert hooks.woken() == []


def test_a_forge_that_nobody_described_answers_as_one_with_another_secret(
    tmp_path: Path, hooks: Hooks
) -> None:
    body = fresh()
    with taking(tmp_path) as empty:
        for forge in FORGES:
            nobody = empty.post(forge, body, proof(forge, body, "wrong-secret"))
            wrong = hooks.post(forge, body, proof(forge, body, "wrong-secret"))
            assert (nobody.status_code, nobody.text) == (wrong.status_code, wrong.text)


@pytest.mark.parametrize(
    "forge",
    ["embedded", "GitHub", "sourceforge", "github%00", "..", "github%2f", "%ff"],
)
def test_a_forge_that_there_is_not_is_404(hooks: Hooks, forge: str) -> None:
    body = fresh()
    answer = hooks.post(forge, body, proof("github", body))
    refused(answer, 404, "not_found")


def test_a_body_that_was_written_anew_is_not_what_was_signed(hooks: Hooks) -> None:
    body = json.dumps({"a": 1, "b": uuid.uuid4().hex}, indent=2).encode()
    written = json.dumps(json.loads(body)).encode()
    assert hooks.post("github", written, proof("github", body)).status_code == 401
    assert hooks.sent("github", body, proof("github", body)) == "accepted"


def test_the_path_says_the_forge_and_the_headers_never_do(hooks: Hooks) -> None:
    body = fresh()
    # As Forgejo sends it: its own headers, Gitea's, and GitHub's.
    headers = {
        "X-Forgejo-Event": "push",
        "X-Gitea-Event": "push",
        "X-GitHub-Event": "push",
        "X-Forgejo-Delivery": str(uuid.uuid4()),
        "X-GitHub-Delivery": str(uuid.uuid4()),
        "X-Hub-Signature-256": "sha256=" + "0" * 64,
        **proof("forgejo", body),
    }
    assert hooks.post("github", body, headers).status_code == 401
    assert hooks.post("gitea", body, headers).status_code == 401
    assert hooks.woken() == []
    assert hooks.sent("forgejo", body, headers) == "accepted"
    assert hooks.woken() == ["forgejo"]


def test_bytes_that_no_header_should_have_are_refused(hooks: Hooks) -> None:
    body = fresh()
    digest = hmac.new(SECRETS["github"].encode(), body, "sha256").hexdigest().encode()
    for value in (
        b"sha256=" + digest[:-1] + b"\xe9",
        b"sha256=" + digest[:-2] + "é".encode(),
        b"\xff" * 71,
        b"sha256=" + digest.upper(),
    ):
        headers = [(b"X-Hub-Signature-256", value)]
        assert hooks.post("github", body, headers).status_code == 401
    twice = [(b"X-Hub-Signature-256", b"sha256=" + digest)] * 2
    assert hooks.post("github", body, twice).status_code == 401
    assert hooks.post("github", body, twice[:1]).status_code == 202


@pytest.mark.parametrize("token_first", [True, False])
def test_a_token_of_ours_opens_nothing_here(hooks: Hooks, token_first: bool) -> None:
    text, _ = hooks.store.tokens.create(role=Role.ADMIN, name="ada")
    pair = base64.b64encode(
        (f"{text}:x" if token_first else f"x:{text}").encode()
    ).decode()
    for value in (f"Bearer {text}", f"Basic {pair}"):
        for forge in FORGES:
            answer = hooks.post(forge, fresh(), {"Authorization": value})
            assert answer.status_code == 401
    assert hooks.woken() == []


# --- a hint and nothing else ---


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"not json at all",
        b"\xff\xfe\x00",
        b"[" * 200_000,
        b'{"a":' * 100_000,
        b'{"id": "$(id)", "ref": "refs/heads/$(id)", "after": "not a sha"}',
        b'{"repository": {"full_name": "somebody/else"}}',
        b"9" * 100_000,
        b"payload=%7B%7D",
    ],
    ids=range(10),
)
@pytest.mark.parametrize("forge", FORGES)
def test_a_payload_is_not_parsed_to_be_believed(
    hooks: Hooks, forge: str, body: bytes
) -> None:
    headers = proof(forge, body) | {"Content-Type": "text/html"}
    assert hooks.sent(forge, body, headers) == "accepted"
    assert hooks.woken() == [forge]


def test_an_event_that_is_not_known_and_a_ping_are_taken(hooks: Hooks) -> None:
    for event in ("ping", "an_event_of_next_year", "", "x" * 4000):
        body = fresh()
        headers = {"X-GitHub-Event": event, **proof("github", body)}
        assert hooks.sent("github", body, headers) == "accepted"


def test_nothing_of_a_delivery_is_logged_stored_or_audited(
    hooks: Hooks, caplog: pytest.LogCaptureFixture
) -> None:
    body = fresh("canary-in-the-payload")
    headers = {"X-GitHub-Delivery": "canary-in-the-id", **proof("github", body)}
    before = hooks.store.audit.last()
    with caplog.at_level(logging.DEBUG):
        assert hooks.sent("github", body, headers) == "accepted"
        hooks.post("github", body, {"X-Hub-Signature-256": "canary-in-the-signature"})
    told = "\n".join(str(vars(record)) for record in caplog.records)
    assert "webhook" in told
    assert "canary" not in told
    assert SECRETS["github"] not in told
    assert hooks.store.audit.last() == before
    dumped = (hooks.app.state.settings.data / "service.db").read_bytes()
    assert b"canary" not in dumped


# --- the same delivery again ---


@pytest.mark.parametrize("forge", FORGES)
def test_a_delivery_that_comes_again_wakes_nobody(hooks: Hooks, forge: str) -> None:
    name = {
        "github": "X-GitHub-Delivery",
        "gitlab": "Idempotency-Key",
        "gitea": "X-Gitea-Delivery",
        "forgejo": "X-Forgejo-Delivery",
        "bitbucket": "X-Request-UUID",
        "azure": "X-Nothing",
    }[forge]
    body = fresh()
    given = {**proof(forge, body), name: str(uuid.uuid4())}
    assert hooks.sent(forge, body, given) == "accepted"
    assert hooks.sent(forge, body, given) == "repeated"
    # The id of a delivery is not signed: whoever replays may write another.
    forged = {**given, name: str(uuid.uuid4())}
    assert hooks.sent(forge, body, forged) == "repeated"
    del given[name]
    assert hooks.sent(forge, body, given) == "repeated"
    assert hooks.woken() == [forge]


def test_of_the_same_delivery_many_times_at_once_one_is_new(hooks: Hooks) -> None:
    body = fresh()
    headers = proof("github", body)
    with ThreadPoolExecutor(16) as pool:
        outcomes = list(
            pool.map(lambda _: hooks.sent("github", body, headers), range(32))
        )
    assert sorted(outcomes) == ["accepted"] + ["repeated"] * 31
    assert hooks.woken() == ["github"]


def test_a_forged_id_does_not_use_up_the_id_of_a_delivery_to_come(hooks: Hooks) -> None:
    old, new = fresh(), fresh()
    guessed = {"X-GitHub-Delivery": "the-id-of-tomorrow"}
    assert hooks.sent("github", old, proof("github", old)) == "accepted"
    assert hooks.sent("github", old, guessed | proof("github", old)) == "repeated"
    assert hooks.sent("github", new, guessed | proof("github", new)) == "accepted"


def test_a_delivery_that_comes_again_at_another_replica_wakes_nobody(
    tmp_path: Path, postgresql: str
) -> None:
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        of_every_forge(tmp_path / name)
    with (
        taking(tmp_path / "one", address=postgresql) as one,
        taking(tmp_path / "two", address=postgresql) as two,
    ):
        first, second = fresh(), fresh()
        assert one.sent("github", first, proof("github", first)) == "accepted"
        assert two.sent("github", first, proof("github", first)) == "repeated"
        assert two.sent("github", second, proof("github", second)) == "accepted"
        assert (one.woken(), two.woken()) == (["github"], ["github"])


# --- what comes of it ---


def test_a_delivery_makes_a_pass_at_once_and_a_repeated_one_does_not(
    tmp_path: Path,
) -> None:
    of_every_forge(tmp_path)
    with taking(tmp_path) as hooks:
        reconciler = Reconciler(hooks.app.state.settings, hooks.store, hooks.clock)
        # Nothing but a delivery makes another pass within this test.
        clockwork = Clockwork(reconciler, interval_s=3600)
        hooks.app.state.clockwork = clockwork
        clockwork.start()
        try:
            eventually(lambda: passes(hooks) == dict.fromkeys(FORGES, 1))
            for count in (2, 3):
                body = fresh()
                assert hooks.sent("gitea", body, proof("gitea", body)) == "accepted"
                assert clockwork.wait_idle(60)
                assert hooks.sent("gitea", body, proof("gitea", body)) == "repeated"
                assert clockwork.wait_idle(60)
                assert passes(hooks) == {**dict.fromkeys(FORGES, 1), "gitea": count}
        finally:
            assert clockwork.stop(60)


def eventually(holds: Callable[[], bool]) -> None:
    until = time.monotonic() + 60
    while not holds():
        assert time.monotonic() < until
        time.sleep(0.02)


def passes(hooks: Hooks) -> dict[str, int]:
    """Return how many passes there were; none of them reaches its forge."""
    lasts = {forge: hooks.store.passes.last(forge) for forge in FORGES}
    return {forge: last.failures for forge, last in lasts.items() if last}


# --- several repositories ---


@pytest.fixture
def several(tmp_path: Path) -> Iterator[Hooks]:
    """Three repositories of one GitHub; two share a secret."""
    for name in ("ours", "theirs"):
        (tmp_path / name).write_text(f"secret-of-{name}-0123456789")
    described(
        tmp_path,
        one={"forge": "github", "webhook_secret": "file:ours"},
        two={"forge": "github", "webhook_secret": "file:ours"},
        three={"forge": "github", "webhook_secret": "file:theirs"},
        four={"forge": "gitea", "webhook_secret": "file:ours"},
        silent={"forge": "github"},
    )
    with taking(tmp_path) as made:
        yield made


def about(name: object) -> bytes:
    return json.dumps(
        {"at": uuid.uuid4().hex, "repository": {"full_name": name}}
    ).encode()


@pytest.mark.parametrize(
    ("secret", "name", "outcome", "woken"),
    [
        ("ours", "acme/one", "accepted", ["one"]),
        ("ours", "ACME/Two", "accepted", ["two"]),
        ("ours", "acme/three", "ignored", []),
        ("ours", "acme/unknown", "ignored", []),
        ("ours", None, "accepted", ["one", "two"]),
        ("ours", 7, "accepted", ["one", "two"]),
        ("ours", "", "accepted", ["one", "two"]),
        ("theirs", "acme/one", "accepted", ["three"]),
    ],
)
def test_a_payload_chooses_among_those_that_its_secret_is_for(
    several: Hooks, secret: str, name: object, outcome: str, woken: list[str]
) -> None:
    body = about(name)
    headers = proof("github", body, f"secret-of-{secret}-0123456789")
    assert several.sent("github", body, headers) == outcome
    assert several.woken() == woken


def test_a_secret_that_cannot_be_read_takes_no_other_with_it(
    several: Hooks, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    (tmp_path / "theirs").unlink()
    for _ in range(3):
        body = about("acme/one")
        headers = proof("github", body, "secret-of-ours-0123456789")
        assert several.sent("github", body, headers) == "accepted"
    told = [r for r in caplog.records if r.message == "a webhook secret cannot be used"]
    assert len(told) == 1
    assert str(tmp_path) not in str(vars(told[0])["error"])
    (tmp_path / "theirs").write_text("")
    for secret in ("", "secret-of-theirs-0123456789"):
        digest = hmac.new(secret.encode(), b"{}", "sha256").hexdigest()
        header = {"X-Hub-Signature-256": f"sha256={digest}"}
        assert several.post("github", b"{}", header).status_code == 401


# --- bytes without end ---


def head(**headers: str) -> bytes:
    lines = ["POST /api/v1/webhooks/github HTTP/1.1", "Host: x"]
    lines += [f"{name.replace('_', '-')}: {value}" for name, value in headers.items()]
    return "\r\n".join([*lines, "", ""]).encode()


PROVED = {"X_Hub_Signature_256": "sha256=" + "0" * 64}


def status(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1])


def test_a_body_of_the_limit_is_taken_and_one_byte_more_is_not(hooks: Hooks) -> None:
    body = fresh().ljust(LIMIT)
    assert hooks.sent("github", body, proof("github", body)) == "accepted"
    more = body + b" "
    refused(hooks.post("github", more, proof("github", more)), 413, "too_large")

    def chunks() -> Iterator[bytes]:
        for start in range(0, len(more), 65536):
            yield more[start : start + 65536]

    # Without Content-Length.
    refused(hooks.post("github", chunks(), proof("github", more)), 413, "too_large")
    assert hooks.woken() == ["github"]


@pytest.mark.parametrize("length", [LIMIT + 1, 25 * LIMIT, 10**18])
def test_what_says_that_it_is_too_large_is_not_read(hooks: Hooks, length: int) -> None:
    answer = hooks.raw(head(Content_Length=str(length), **PROVED))
    assert status(answer) == 413


@pytest.mark.parametrize("proved", [True, False])
def test_a_body_without_an_end_is_cut(hooks: Hooks, proved: bool) -> None:
    chunk = b"10000\r\n" + b"x" * 0x10000 + b"\r\n"
    begin = head(Transfer_Encoding="chunked", **(PROVED if proved else {}))
    most = 128 * LIMIT
    assert hooks.sent_until_cut(begin, chunk, most=most) < most


def test_who_proves_nothing_is_answered_before_the_body_comes(hooks: Hooks) -> None:
    assert status(hooks.raw(head(Content_Length="1000"))) == 401


def test_a_slow_body_is_given_up_and_holds_up_nobody(tmp_path: Path) -> None:
    of_every_forge(tmp_path)
    with taking(tmp_path, deadline_s=1.0) as hooks:
        began = head(Content_Length="1000", **PROVED) + b"{"
        with ThreadPoolExecutor(40) as pool:
            slow = [pool.submit(hooks.raw, began) for _ in range(40)]
            body = fresh()
            assert hooks.sent("github", body, proof("github", body)) == "accepted"
            answers = [status(one.result()) for one in slow]
        assert answers == [408] * 40
        assert hooks.counted()[("github", "unread")] == 40


def test_bodies_that_are_held_at_one_time_are_bounded(tmp_path: Path) -> None:
    of_every_forge(tmp_path)
    with taking(tmp_path, deadline_s=30, at_once=5000) as hooks:
        began = head(Content_Length="4001", **PROVED) + b"x" * 4000
        host, _, port = hooks.address.removeprefix("http://").partition(":")

        async def crowd() -> tuple[bytes, bytes]:
            first_reader, first = await asyncio.open_connection(host, int(port))
            first.write(began)
            await first.drain()
            reader = hooks.app.state.receiver.reader
            for _ in range(3000):
                if reader._held >= 4000:
                    break
                await asyncio.sleep(0.01)
            second_reader, second = await asyncio.open_connection(host, int(port))
            second.write(began)
            await second.drain()
            too_much = await second_reader.read()
            first.write(b"x")
            await first.drain()
            done = await first_reader.readuntil(b"\r\n\r\n")
            for writer in (first, second):
                writer.close()
                await writer.wait_closed()
            return done, too_much

        done, too_much = asyncio.run(crowd())
        assert status(done) == 401
        assert status(too_much) == 503
        assert b"retry-after: 5" in too_much.lower()
        # All is given back.
        body = fresh()
        assert hooks.sent("github", body, proof("github", body)) == "accepted"


def test_who_goes_away_in_the_middle_is_no_bug(
    hooks: Hooks, caplog: pytest.LogCaptureFixture
) -> None:
    host, _, port = hooks.address.removeprefix("http://").partition(":")
    before = hooks.counted().get(("github", "unread"), 0)
    with socket.create_connection((host, int(port)), timeout=30) as connection:
        connection.sendall(head(Content_Length="1000", **PROVED) + b"{")
    eventually(lambda: hooks.counted().get(("github", "unread"), 0) > before)
    assert not [r for r in caplog.records if r.levelno >= logging.ERROR]


# --- too often; and when the store does not answer ---


def test_who_fails_again_and_again_is_told_to_wait_and_the_forge_is_not(
    tmp_path: Path,
) -> None:
    of_every_forge(tmp_path)
    with taking(tmp_path, wrong_tokens_per_min=5) as hooks:
        answers = [
            hooks.post("github", b"{}", proof("github", b"{}", f"guess-{number}"))
            for number in range(9)
        ]
        assert [a.status_code for a in answers] == [401] * 5 + [429] * 4
        refused(answers[-1], 429, "too_many_requests")
        assert 1 <= int(answers[-1].headers["retry-after"]) <= 60
        body = fresh()
        assert hooks.sent("github", body, proof("github", body)) == "accepted"
        assert hooks.counted()[("github", "refused")] == 9


def test_what_cannot_be_noted_is_not_taken_and_wakes_nobody(
    tmp_path: Path,
) -> None:
    of_every_forge(tmp_path)
    with taking(tmp_path) as hooks:
        execute(f"sqlite:///{tmp_path}/service.db", "DROP TABLE deliveries")
        body = fresh()
        answer = hooks.post("github", body, proof("github", body))
        refused(answer, 503, StoreError.code)
        assert answer.headers["retry-after"]
        assert hooks.woken() == []
        assert hooks.counted() == {("github", "failed"): 1}


def test_every_end_is_counted(tmp_path: Path) -> None:
    of_every_forge(tmp_path)
    with taking(tmp_path) as hooks:
        body = fresh()
        for _ in range(2):
            hooks.sent("gitea", body, proof("gitea", body))
        hooks.post("gitea", body, {})
        hooks.post("gitea", b"x" * (LIMIT + 1), proof("gitea", body))
        hooks.post("elsewhere", body, {})
        text = hooks.metrics()
        assert 'route="/api/v1/webhooks/{forge}",status="202"' in text
        assert "elsewhere" not in text
        assert hooks.counted() == {
            ("gitea", "accepted"): 1,
            ("gitea", "repeated"): 1,
            ("gitea", "refused"): 1,
            ("gitea", "unread"): 1,
        }
