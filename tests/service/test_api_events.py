"""Events over HTTP: as they happen, from where one was, and never at others' cost."""

from __future__ import annotations

import asyncio
import json
import threading
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from service.app import create_app
from service.clock import utc_now
from service.events import Broadcaster, EventStream, Reader, TooManyReadersError, told
from service.settings import load
from service.store import Role, Store
from tests.support.api import Service, refused, service_over
from tests.support.lab import copy_of, make_template
from tests.support.server import serving

pytestmark = pytest.mark.kustomize

PATIENCE_S = 30.0


@pytest.fixture(scope="module")
def fleet_template(tmp_path_factory: pytest.TempPathFactory, kustomize: Path) -> Path:
    return make_template(tmp_path_factory.mktemp("template"), kustomize)


@pytest.fixture
def service(fleet_template: Path, tmp_path: Path, kustomize: Path) -> Iterator[Service]:
    lab = copy_of(fleet_template, tmp_path / "lab", kustomize)
    with service_over(lab, kustomize, event_streams=2) as made:
        yield made


@contextmanager
def following(
    service: Service, last: str = "", **options: Any
) -> Iterator[Iterator[str]]:
    """Follow the events; yield their lines."""
    headers = {"Authorization": f"Bearer {service.token()}"}
    if last:
        headers["Last-Event-ID"] = last
    with service.client.stream("GET", "/events", headers=headers) as answer:
        assert answer.status_code == 200
        assert answer.headers["content-type"].startswith("text/event-stream")
        lines = answer.iter_lines()
        assert next(lines) == "retry: 3000"
        assert next(lines) == ""
        yield lines


def event(lines: Iterator[str]) -> tuple[int, dict[str, Any]]:
    """Return the next event's number and entry."""
    found: dict[str, str] = {}
    for line in lines:
        if not line and found:
            return int(found["id"]), json.loads(found["data"])
        name, _, value = line.partition(": ")
        if name:
            found[name] = value
    raise AssertionError("the stream has ended")


def test_an_effect_is_told_as_it_happens(service: Service) -> None:
    with following(service) as lines:
        service.ask("PUT", "/hold", {"reason": "freeze"})
        number, entry = event(lines)
    assert number == service.store.audit.last()
    assert (entry["action"], entry["by"]) == ("hold placed", "ada")
    assert entry["details"]["reason"] == "freeze"


def test_a_reader_goes_on_where_he_was(service: Service) -> None:
    before = service.store.audit.last()
    for stack in range(150):
        service.store.audit.append(
            by="x", action="test", repository="fleet", details={"n": stack}
        )
    with following(service, last=str(before)) as lines:
        seen = [event(lines)[0] for _ in range(150)]
        assert seen == list(range(before + 1, before + 151))
        service.ask("PUT", "/hold", {})
        assert event(lines)[0] == before + 151


def test_nothing_of_another_repository_is_told(service: Service) -> None:
    with following(service) as lines:
        service.store.audit.append(
            by="x", action="secret", repository="other", details={}
        )
        service.ask("PUT", "/hold", {})
        assert event(lines)[1]["action"] == "hold placed"


def test_there_is_room_for_so_many_and_it_is_given_back(service: Service) -> None:
    header = {"Authorization": f"Bearer {service.token()}"}
    with following(service), following(service):
        answer = service.client.get("/events", headers=header)
        refused(answer, 503, "unavailable")
        assert answer.headers["retry-after"]
    for _ in range(300):
        if service.app.state.events.readers == 0:
            break
        threading.Event().wait(0.1)
    with following(service) as lines:
        service.ask("PUT", "/hold", {})
        assert event(lines)[1]["action"] == "hold placed"


@pytest.mark.parametrize("last", ["x", "-1", "1" * 16])
def test_a_bad_last_event_is_422(service: Service, last: str) -> None:
    header = {"Authorization": f"Bearer {service.token()}", "Last-Event-ID": last}
    answer = service.client.get("/events", headers=header)
    refused(answer, 422, "input")


def test_an_unknown_repository_is_404(service: Service) -> None:
    answer = service.ask("GET", "/repositories/nope/events")
    refused(answer, 404, "unknown_name")


def test_a_service_ends_although_somebody_follows(tmp_path: Path) -> None:
    with trail(tmp_path) as store:
        app = create_app(load(data=tmp_path), store)
        text, _ = store.tokens.create(role=Role.VIEWER, name="ada")
        (tmp_path / "forge" / "fleet.git").mkdir(parents=True)
        header = {"Authorization": f"Bearer {text}"}
        with (
            serving(app) as address,
            httpx.Client(trust_env=False, timeout=PATIENCE_S) as client,
        ):
            answer = client.send(
                client.build_request("GET", f"{address}/api/v1/events", headers=header),
                stream=True,
            )
            assert answer.status_code == 200
            assert app.state.events.readers == 1
        # The server has ended while the stream was open, or this line is not reached.
        assert app.state.events.readers == 0
        answer.close()


# --- the broadcaster by itself ---


@contextmanager
def trail(folder: Path) -> Iterator[Store]:
    with closing(Store("", folder, utc_now)) as store:
        yield store


def add(store: Store, count: int = 1) -> None:
    for number in range(count):
        store.audit.append(by="x", action="test", repository="", details={"n": number})


def test_who_reads_too_slowly_is_let_go(tmp_path: Path) -> None:
    async def scene(store: Store) -> list[int]:
        events = Broadcaster(store, most=5, poll_s=0.01)
        slow, quick = await events.join(), await events.join()
        entries = events.entries(quick, None)
        add(store, 600)
        async with asyncio.timeout(PATIENCE_S):
            seen = [entry.number async for entry in take(entries, 600)]
        assert events.readers == 1
        ended = [entry async for entry in events.entries(slow, None)]
        assert len(ended) < 600
        events.close()
        return seen

    with trail(tmp_path) as store:
        assert asyncio.run(scene(store)) == list(range(1, 601))


async def take(entries: Any, count: int) -> Any:
    async for entry in entries:
        if entry is not None:
            yield entry
            count -= 1
        if count == 0:
            return


def test_close_ends_every_stream_and_lets_none_begin(tmp_path: Path) -> None:
    async def scene(store: Store) -> None:
        events = Broadcaster(store, most=5, poll_s=0.01)
        reader = await events.join()
        waiting = asyncio.create_task(drain(events, reader))
        await asyncio.sleep(0.05)
        events.close()
        async with asyncio.timeout(PATIENCE_S):
            assert await waiting == []
        with pytest.raises(TooManyReadersError):
            await events.join()

    async def drain(events: Broadcaster, reader: Reader) -> list[object]:
        return [entry async for entry in events.entries(reader, None)]

    with trail(tmp_path) as store:
        asyncio.run(scene(store))


def test_a_stream_beats_and_ends_when_its_token_does(tmp_path: Path) -> None:
    async def scene(store: Store) -> tuple[list[bytes], list[str]]:
        events = Broadcaster(store, most=5, poll_s=0.01, heartbeat_s=0.05)
        reader = await events.join()
        good = iter([True, True, False])
        left: list[str] = []
        stream = EventStream(
            events.entries(reader, None),
            wanted=lambda entry: True,
            may_go_on=lambda: next(good),
            leave=lambda: left.append("left"),
        )
        sent: list[bytes] = []

        async def send(message: Any) -> None:
            sent.append(message.get("body", b""))

        async def receive() -> Any:
            await asyncio.sleep(PATIENCE_S * 10)

        async with asyncio.timeout(PATIENCE_S):
            await stream({"type": "http"}, receive, send)
        return sent, left

    with trail(tmp_path) as store:
        sent, left = asyncio.run(scene(store))
    assert sent == [
        b"",
        b"retry: 3000\n\n",
        b": still here\n\n",
        b": still here\n\n",
        b"",
    ]
    assert left == ["left"]


def test_a_reader_who_goes_leaves(tmp_path: Path) -> None:
    async def scene(store: Store) -> int:
        events = Broadcaster(store, most=5, poll_s=0.01)
        reader = await events.join()
        stream = EventStream(
            events.entries(reader, None),
            wanted=lambda entry: True,
            may_go_on=lambda: True,
            leave=lambda: events.leave(reader),
        )

        async def send(message: Any) -> None:
            pass

        async def receive() -> Any:
            return {"type": "http.disconnect"}

        async with asyncio.timeout(PATIENCE_S):
            await stream({"type": "http"}, receive, send)
        return events.readers

    with trail(tmp_path) as store:
        assert asyncio.run(scene(store)) == 0


def test_no_text_of_an_entry_can_make_an_event_of_its_own(tmp_path: Path) -> None:
    with trail(tmp_path) as store:
        entry = store.audit.append(
            by="a\n\nid: 7\r", action="x", repository="\u2028", details={"d": "\n\n"}
        )
    assert told(entry).count("\n") == 4
    assert "\r" not in told(entry)
