"""Log lines: one JSON object each, without secrets, whatever is logged."""

from __future__ import annotations

import json
import logging
import os
import sys
from collections.abc import Iterator
from threading import Thread

import pytest

from service.logs import JsonLines, configured, redact

TOKENS = (
    "dgo_1a2b3c4d_" + "x" * 43,
    "ghp_" + "a" * 36,
    "github_pat_" + "a" * 40,
    "glpat-" + "a" * 20,
)


def line(message: object, *arguments: object, **extra: object) -> dict[str, object]:
    """Format one record, as a handler does."""
    record = logging.makeLogRecord(
        {"name": "gitops.test", "levelname": "WARNING", "msg": message, **extra}
    )
    record.args = arguments or None
    text = JsonLines(("hunter2",)).format(record)
    assert "\n" not in text
    parsed = json.loads(text)
    assert isinstance(parsed, dict)
    return parsed


def test_a_record_is_one_json_object_with_its_extras() -> None:
    fields = line("pull request %s", 7, pull_request=7, branch="a\nb\x1b[31m")
    assert fields["level"] == "warning"
    assert fields["logger"] == "gitops.test"
    assert fields["message"] == "pull request 7"
    assert fields["pull_request"] == 7
    assert fields["branch"] == "a\nb\x1b[31m"
    assert str(fields["time"]).startswith("20")


@pytest.mark.parametrize(
    "value", [{"a": {1, 2}}, b"\xff", object(), float("nan"), [1, None], "\udcff"]
)
def test_a_value_that_json_does_not_know_is_no_failure(value: object) -> None:
    assert "extra" in line("m", extra=value)


@pytest.mark.parametrize("token", TOKENS)
def test_tokens_are_struck_out_wherever_they_are(token: str) -> None:
    try:
        raise ValueError(f"cannot use {token}")
    except ValueError:
        failed = sys.exc_info()
    fields = line(
        "in words %s",
        token,
        url=f"https://x:{token}@h/a",
        exc_info=failed,
        deep=[token],
    )
    assert token not in json.dumps(fields)
    assert "ValueError" in str(fields["exception"])


def test_the_user_part_of_an_address_and_known_secrets_are_struck_out() -> None:
    text = redact("https://ada:hunter2@h/a and hunter2", ("hunter2", ""))
    assert text == "https://***h/a and ***"
    fields = line("postgresql://ada:s3cret@db/x failed with hunter2")
    assert "s3cret" not in json.dumps(fields)
    assert "hunter2" not in json.dumps(fields)


def test_a_secret_that_json_would_escape_is_struck_out_all_the_same() -> None:
    awkward = 'pass"wörd\\'
    record = logging.makeLogRecord({"msg": f"it is {awkward}", "levelname": "INFO"})
    text = JsonLines((awkward,)).format(record)
    assert json.loads(text)["message"] == "it is ***"


@pytest.fixture
def root() -> Iterator[None]:
    """Give the root logger back as it was."""
    logger = logging.getLogger()
    handlers, level = list(logger.handlers), logger.level
    yield
    logger.handlers[:] = handlers
    logger.setLevel(level)


@pytest.mark.usefixtures("root")
def test_configured_logging_writes_lines_to_standard_error(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with configured("warning", ("hunter2",)):
        logging.getLogger("a").warning("with hunter2")
        logging.getLogger("a").info("not shown")
        logging.getLogger("httpx").info("GET https://h/?token=x")
    shown = capsys.readouterr()
    assert shown.out == ""
    (only,) = shown.err.splitlines()
    assert json.loads(only)["message"] == "with ***"


@pytest.mark.usefixtures("root")
def test_a_reader_who_does_not_read_holds_nobody_up(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    reader, writer = os.pipe()
    with (
        os.fdopen(reader) as stuck,
        os.fdopen(writer, "w") as pipe,
        monkeypatch.context() as patched,
    ):
        patched.setattr(sys, "stderr", pipe)
        with configured("info"):
            logger = logging.getLogger("a")
            for number in range(20_000):  # more than pipe and queue hold
                logger.info("line %d", number)
            read = Thread(target=lambda: seen.extend(map(json.loads, stuck)))
            seen: list[dict[str, object]] = []
            read.start()
            while len(seen) < 10_000:  # then the queue has room again
                read.join(0.01)
            logger.info("the last")
        pipe.close()
        read.join()
    dropped = [int(str(line.get("dropped_before", 0))) for line in seen]
    assert sum(dropped) + len(seen) == 20_001
    assert seen[-1]["message"] == "the last"
