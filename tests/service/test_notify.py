"""Telling sinks what happened: a real store, a real receiver on loopback."""

from __future__ import annotations

import hashlib
import hmac
import json
import logging
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from ipaddress import ip_network
from pathlib import Path

import pytest
from hypothesis import given, strategies as st

from gitops.intents import IntentDraft
from gitops.model import (
    BranchName,
    ChangeKey,
    EnvironmentName,
    Intent,
    IntentState,
    Plan,
    PlanKind,
    Provenance,
    Revision,
    SetRevision,
    StackName,
    Target,
    TargetScope,
)
from gitops.web import Allowed, Web
from service.clock import utc_now
from service.configuration import Credential, Sink, SinkKind, TextFile
from service.meter import Meter
from service.notify import Message, Notifier, Refused, Unanswered, message_of, post
from service.notify.following import wait_of
from service.notify.messages import escaped, line_of
from service.settings import Settings
from service.store import Store
from tests.support.forges.state import NOON
from tests.support.receivers import Received, Receiver, Reply, receiving

LOOPBACK = Allowed(networks=(ip_network("127.0.0.0/8"),))
POSTED_TO = "/services/T0/B0/s3cret-canary"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as found:
        yield found


@pytest.fixture
def web() -> Iterator[Web]:
    with Web() as found:
        yield found


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with closing(Store("", tmp_path / "data", lambda: NOON)) as opened:
        yield opened


def credential(folder: Path, name: str, text: str) -> Credential:
    path = folder / name
    path.write_text(text)
    return Credential(source=TextFile(path=path, place=f"service.toml: {name}"))


@pytest.fixture
def sink(tmp_path: Path, receiver: Receiver) -> Sink:
    return sink_at(tmp_path, receiver.address)


def sink_at(folder: Path, address: str, name: str = "hook") -> Sink:
    return Sink(
        name=name,
        kind=SinkKind.WEBHOOK,
        url=credential(folder, f"{name}.url", f"{address}{POSTED_TO}"),
        allowed=LOOPBACK,
    )


def happen(store: Store, *events: str, **details: str | int) -> None:
    for event in events:
        store.audit.append(by="sam", action=event, repository="fleet", details=details)


@contextmanager
def notifying(
    store: Store, *sinks: Sink, web: Web, deadline_s: float = 5
) -> Iterator[Notifier]:
    notifier = Notifier(
        store, sinks, web=web, meter=Meter(), poll_s=0.02, deadline_s=deadline_s
    )
    yield notifier
    assert notifier.stop(10)


def told(receiver: Receiver) -> list[str]:
    return [json.loads(request.body)["event"] for request in receiver.requests]


def always(reply: Reply) -> Callable[[Received, int], Reply]:
    return lambda _request, _number: reply


def eventually(holds: Callable[[], bool]) -> None:
    pause = threading.Event()
    for _ in range(1500):
        if holds():
            return
        pause.wait(0.02)
    raise AssertionError("it never came to that")


# --- what is told ---


def test_a_webhook_is_told_what_happened_and_signed(
    tmp_path: Path, store: Store, web: Web, receiver: Receiver
) -> None:
    sink = sink_at(tmp_path, receiver.address)
    signing = Sink(
        name="hook",
        kind=SinkKind.WEBHOOK,
        url=sink.url,
        secret=credential(tmp_path, "secret", "k3y\n"),
        allowed=LOOPBACK,
    )
    notifier = Notifier(
        store, (signing,), web=web, meter=Meter(), public_url="https://g.example.com"
    )
    notifier.tell(signing)
    happen(
        store,
        "pull request merged",
        stack="acme",
        environment="production",
        version="12.4.1",
        pull_request=7,
        title="acme/production",
    )
    notifier.tell(signing)
    (request,) = receiver.requests
    assert json.loads(request.body) == {
        "number": 1,
        "event": "pull request merged",
        "repository": "fleet",
        "stack": "acme",
        "environment": "production",
        "version": "12.4.1",
        "pull_request": 7,
        "url": "https://g.example.com/repositories/fleet/pull-requests/7",
        "by": "sam",
        "at": NOON.isoformat(),
        "details": {"title": "acme/production"},
    }
    assert request.path == POSTED_TO
    assert request.headers["content-type"] == "application/json"
    expected = hmac.new(b"k3y", request.body, hashlib.sha256).hexdigest()
    assert request.headers["x-directus-gitops-signature"] == f"sha256={expected}"


def test_slack_is_told_one_line(
    tmp_path: Path, store: Store, web: Web, receiver: Receiver
) -> None:
    url = sink_at(tmp_path, receiver.address).url
    slack = Sink(name="chat", kind=SinkKind.SLACK, url=url, allowed=LOOPBACK)
    with notifying(store, slack, web=web) as notifier:
        notifier.tell(slack)
        happen(store, "hold placed", stack="acme", reason="<!channel> & @here\nnow")
        notifier.tell(slack)
    (request,) = receiver.requests
    body = json.loads(request.body)
    assert body["text"] == (
        "fleet: hold placed acme: &lt;!channel&gt; &amp; @\u200bhere now, by sam"
    )
    assert body["link_names"] is False
    assert "x-directus-gitops-signature" not in request.headers


@given(st.text(max_size=400))
def test_no_text_of_the_outside_is_markup_in_slack(text: str) -> None:
    shown = escaped(text)
    assert not set(shown) & set("<>\n\r\t\0\u202e\u2066")
    assert all(
        shown.startswith(("amp;", "lt;", "gt;"), at + 1)
        for at, char in enumerate(shown)
        if char == "&"
    )
    assert all(shown[at + 1] == "\u200b" for at, c in enumerate(shown) if c == "@")
    assert len(escaped(text * 3)) < 2000


def test_a_link_is_only_ever_our_own(store: Store) -> None:
    happen(store, "hold placed", reason="see https://evil.example <https://x|here>")
    (entry,) = store.audit.entries()
    line = line_of(message_of(entry, public_url="https://g.example.com"))
    assert line.count("<") == 1
    assert line.endswith("(<https://g.example.com/repositories/fleet|open>)")


def test_an_entry_of_the_service_itself_has_no_repository(store: Store) -> None:
    store.audit.append(by="sam", action="token created", repository="", details={})
    (entry,) = store.audit.entries()
    message = message_of(entry, public_url="https://g.example.com")
    assert (message.repository, message.url) == ("", None)
    assert line_of(message) == "token created, by sam"


def wish(store: Store, tag: str, stack: str = "acme") -> Intent:
    """Store a bump that pull request 7 carries."""
    target = Target(environment=EnvironmentName("production"), stack=StackName(stack))
    revision = Revision(image="directus/directus", tag=tag)
    intent = store.intents.record(
        IntentDraft(
            key=ChangeKey(f"{stack} {tag}"),
            repository="fleet",
            plan=Plan(
                kind=PlanKind.BUMP,
                scope=TargetScope(target=target),
                changes=(SetRevision(target=target, revision=revision),),
                provenance=Provenance(requested_by="sam"),
            ),
            branch=BranchName(f"directus-gitops/production/{stack}"),
            created_at=NOON,
        )
    )
    return store.intents.advance(intent.id, IntentState.PR_OPEN, pull_request=7)


def test_what_an_entry_does_not_say_is_read_from_its_change(
    store: Store, web: Web, sink: Sink, receiver: Receiver
) -> None:
    with notifying(store, sink, web=web) as notifier:
        notifier.tell(sink)
        happen(store, "change requested", change=wish(store, "12.4.1").id)
        happen(store, "pull request opened", pull_request=7)
        notifier.tell(sink)
        wish(store, "12.4.1", stack="shop")
        happen(store, "pull request updated", pull_request=7)
        happen(store, "change requested", change="none")
        notifier.tell(sink)
    said = [
        tuple(json.loads(r.body)[k] for k in ("stack", "environment", "version"))
        for r in receiver.requests
    ]
    whole = ("acme", "production", "12.4.1")
    group = (None, "production", "12.4.1")
    assert said == [whole, whole, group, (None, None, None)]


# --- once, in order, from now on ---


def test_everything_is_told_once_and_in_order(
    store: Store, web: Web, sink: Sink, receiver: Receiver
) -> None:
    with notifying(store, sink, web=web) as notifier:
        notifier.tell(sink)
        events = [f"event {letter}" for letter in "abcdefgh"]
        happen(store, *events)
        for _ in range(4):
            notifier.tell(sink)
    assert told(receiver) == events


def test_a_new_sink_is_not_told_the_past(
    store: Store, web: Web, sink: Sink, receiver: Receiver
) -> None:
    happen(store, "long ago")
    with notifying(store, sink, web=web) as notifier:
        notifier.tell(sink)
        happen(store, "news")
        notifier.tell(sink)
    assert told(receiver) == ["news"]


def test_what_a_sink_does_not_want_is_passed_over(
    tmp_path: Path, store: Store, web: Web, receiver: Receiver
) -> None:
    some = Sink(
        name="some",
        kind=SinkKind.WEBHOOK,
        url=sink_at(tmp_path, receiver.address).url,
        events=("pull request*",),
        allowed=LOOPBACK,
    )
    with notifying(store, some, web=web) as notifier:
        notifier.tell(some)
        happen(store, "hold placed", "pull request merged", "hold released")
        notifier.tell(some)
    assert told(receiver) == ["pull request merged"]
    assert store.cursors.position("notify some") == 3


def test_more_than_one_look_can_take_is_told_at_once(
    store: Store, web: Web, sink: Sink, receiver: Receiver
) -> None:
    with notifying(store, sink, web=web) as notifier:
        notifier.tell(sink)
        happen(store, *["event"] * 130)
        assert notifier.tell(sink) == 0
        assert notifier.tell(sink) > 0
    assert len(receiver.requests) == 130


# --- when it does not work ---


def test_what_fails_is_told_again_before_anything_else(
    store: Store, web: Web, sink: Sink, receiver: Receiver
) -> None:
    receiver.answering = lambda _request, number: Reply(
        status=500 if number < 3 else 204
    )
    with notifying(store, sink, web=web) as notifier:
        notifier.tell(sink)
        happen(store, "first", "second")
        waits = [notifier.tell(sink) for _ in range(3)]
        assert [cursor.failures for cursor in store.cursors.all()] == [3]
        notifier.tell(sink)
    assert told(receiver) == ["first", "first", "first", "first", "second"]
    assert waits == sorted(waits)
    assert 0.7 < waits[0] < waits[2] < 6
    assert [cursor.failures for cursor in store.cursors.all()] == [0]


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_is_a_failure_and_is_not_followed(
    store: Store, web: Web, sink: Sink, receiver: Receiver, status: int
) -> None:
    with receiving() as other:
        receiver.answering = always(
            Reply(status=status, headers={"Location": f"{other.address}/x"})
        )
        with notifying(store, sink, web=web) as notifier:
            notifier.tell(sink)
            happen(store, "first")
            assert notifier.tell(sink) > 0.5
        assert other.requests == []
    assert store.cursors.position("notify hook") == 0


def test_a_sink_that_is_slow_has_a_deadline(
    store: Store, web: Web, sink: Sink, receiver: Receiver
) -> None:
    released = threading.Event()
    receiver.answering = always(Reply(wait=released))
    with notifying(store, sink, web=web, deadline_s=0.2) as notifier:
        notifier.tell(sink)
        happen(store, "first")
        assert notifier.tell(sink) > 0.5
        released.set()
        receiver.answering = always(Reply())
        notifier.tell(sink)
    assert told(receiver) == ["first", "first"]
    assert store.cursors.position("notify hook") == 1


def test_one_message_that_is_never_wanted_gives_way(
    store: Store, web: Web, sink: Sink, receiver: Receiver
) -> None:
    def picky(request: Received, _number: int) -> Reply:
        return Reply(status=400 if b'"bad"' in request.body else 200)

    receiver.answering = picky
    with notifying(store, sink, web=web) as notifier:
        notifier.tell(sink)
        happen(store, "bad", "good")
        for _ in range(8):
            notifier.tell(sink)
    assert told(receiver) == [*["bad"] * 8, "good"]


def test_a_sink_that_is_gone_is_asked_for_ever_and_ever_more_rarely() -> None:
    gone = Unanswered(reason="status 404")
    waits = [wait_of(gone, failures) for failures in (1, 4, 8, 100)]
    assert None not in waits
    assert [w for w in waits if w] == sorted(w for w in waits if w)
    assert 200 < (waits[-1] or 0) < 400
    assert wait_of(Refused(reason="status 400"), 8) is None


def test_a_sink_says_when_to_come_back(
    store: Store, web: Web, sink: Sink, receiver: Receiver
) -> None:
    receiver.answering = always(Reply(status=429, headers={"Retry-After": "77"}))
    with notifying(store, sink, web=web) as notifier:
        notifier.tell(sink)
        happen(store, "first")
        assert notifier.tell(sink) == 77


def test_an_address_that_is_not_there_is_told_by_its_setting(
    tmp_path: Path, web: Web
) -> None:
    sink = sink_at(tmp_path, "http://127.0.0.1:1")
    (tmp_path / "hook.url").unlink()
    message = Message(
        number=1,
        event="e",
        repository="",
        stack="",
        environment="",
        version="",
        pull_request=None,
        url=None,
        by="sam",
        at="",
        details={},
    )
    found = post(web, sink, message)
    assert isinstance(found, Unanswered)
    assert "service.toml: hook.url" in found.reason
    assert str(tmp_path) not in found.reason


def test_private_places_need_the_operators_word(
    tmp_path: Path, store: Store, web: Web, receiver: Receiver
) -> None:
    open_sink = sink_at(tmp_path, receiver.address)
    sink = Sink(name="hook", kind=SinkKind.WEBHOOK, url=open_sink.url)
    with notifying(store, sink, web=web) as notifier:
        notifier.tell(sink)
        happen(store, "first")
        notifier.tell(sink)
    assert receiver.requests == []


@pytest.mark.parametrize("status", [200, 404, 500])
def test_the_address_of_a_sink_is_in_no_log(
    store: Store,
    web: Web,
    sink: Sink,
    receiver: Receiver,
    caplog: pytest.LogCaptureFixture,
    status: int,
) -> None:
    receiver.answering = always(Reply(status=status))
    with caplog.at_level(logging.DEBUG), notifying(store, sink, web=web) as notifier:
        notifier.tell(sink)
        happen(store, "first")
        notifier.tell(sink)
    logged = " ".join(str(vars(record)) for record in caplog.records)
    assert len(receiver.requests) == 1
    assert caplog.records
    assert "s3cret-canary" not in logged


# --- the service around it ---


def test_a_restart_loses_nothing_and_repeats_nothing(
    tmp_path: Path, web: Web, sink: Sink, receiver: Receiver
) -> None:
    for event in ("first", "second", "third"):
        with closing(Store("", tmp_path / "data", utc_now)) as store:
            with notifying(store, sink, web=web) as notifier:
                notifier.tell(sink)
            happen(store, event)
    with (
        closing(Store("", tmp_path / "data", utc_now)) as store,
        notifying(store, sink, web=web) as notifier,
    ):
        notifier.tell(sink)
    assert told(receiver) == ["first", "second", "third"]


def test_a_crash_after_the_telling_repeats_that_one_alone(
    store: Store, web: Web, sink: Sink, receiver: Receiver
) -> None:
    with notifying(store, sink, web=web) as notifier:
        notifier.tell(sink)
        happen(store, "first", "second")
        # What a process did that died before it noted it.
        post(web, sink, message_of(store.audit.entries()[0]))
        notifier.tell(sink)
    numbers = [json.loads(request.body)["number"] for request in receiver.requests]
    assert numbers == [1, 1, 2]


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as found:
        return int(found.getsockname()[1])


def test_a_dead_sink_stops_nobody(
    tmp_path: Path, store: Store, web: Web, sink: Sink, receiver: Receiver
) -> None:
    dead = sink_at(tmp_path, f"http://127.0.0.1:{free_port()}", name="dead")
    with notifying(store, dead, sink, web=web) as notifier:
        notifier.start()
        eventually(lambda: len(store.cursors.all()) == 2)
        happen(store, "first", "second")
        eventually(lambda: len(receiver.requests) == 2)
        eventually(lambda: any(c.failures for c in store.cursors.all()))
    assert told(receiver) == ["first", "second"]
    assert store.cursors.position("notify dead") == 0


def test_a_sink_that_hangs_does_not_hold_up_the_end(
    store: Store, sink: Sink, receiver: Receiver
) -> None:
    released = threading.Event()
    receiver.answering = always(Reply(wait=released))
    with Web() as web:
        notifier = Notifier(
            store, (sink,), web=web, meter=Meter(), poll_s=0.02, deadline_s=20
        )
        notifier.tell(sink)
        happen(store, "first")
        notifier.start()
        eventually(lambda: len(receiver.requests) == 1)
        assert notifier.stop(0.05) is False
        released.set()
        eventually(lambda: notifier.stop(0.05))


def test_several_replicas_tell_each_entry_once(
    tmp_path: Path, postgresql: str, web: Web, sink: Sink, receiver: Receiver
) -> None:
    with (
        closing(Store(postgresql, tmp_path / "a", utc_now)) as one,
        closing(Store(postgresql, tmp_path / "b", utc_now)) as other,
        notifying(one, sink, web=web) as first,
        notifying(other, sink, web=web) as second,
    ):
        first.tell(sink)
        first.start()
        second.start()
        events = [f"event {letter}" for letter in "abcdefghij"]
        happen(one, *events)
        eventually(lambda: one.cursors.position("notify hook") == len(events))
    assert told(receiver) == events


def test_settings_without_sinks_start_nothing(tmp_path: Path, store: Store) -> None:
    from service.notify import notifying as whole

    before = threading.active_count()
    with whole(Settings(data=tmp_path), store, Meter()):
        assert threading.active_count() == before


def test_the_sinks_of_the_settings_are_told(
    tmp_path: Path, store: Store, receiver: Receiver
) -> None:
    from service.notify import notifying as whole

    (tmp_path / "url").write_text(receiver.address)
    (tmp_path / "service.toml").write_text(
        '[[notify]]\nname = "hook"\nkind = "webhook"\nurl = "file:url"\n'
        'networks = ["127.0.0.1"]\n'
    )
    meter = Meter()
    with whole(Settings(data=tmp_path), store, meter):
        eventually(lambda: len(store.cursors.all()) == 1)
        happen(store, "first")
        eventually(lambda: len(receiver.requests) == 1)
        counted = "directus_gitops_notifications_total"
        labels = {"sink": "hook", "outcome": "ok"}
        eventually(lambda: meter.registry.get_sample_value(counted, labels) == 1)
