"""Log lines: one JSON object each, without secrets, whatever is logged."""

from __future__ import annotations

import json
import logging
import sys

import pytest

from service.logs import JsonLines, configure, redact

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


def test_configured_logging_writes_lines_to_standard_error(
    capsys: pytest.CaptureFixture[str],
) -> None:
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    try:
        configure("warning", ("hunter2",))
        logging.getLogger("a").warning("with hunter2")
        logging.getLogger("a").info("not shown")
        logging.getLogger("httpx").info("GET https://h/?token=x")
        shown = capsys.readouterr()
    finally:
        root.handlers[:] = handlers
        root.setLevel(level)
    assert shown.out == ""
    (only,) = shown.err.splitlines()
    assert json.loads(only)["message"] == "with ***"
