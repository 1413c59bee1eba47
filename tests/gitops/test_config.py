from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from hypothesis import given, strategies as st

from gitops.errors import HeldError, InputError, UnknownNameError
from gitops.model import Plan, PlanKind, SetConfig, TargetScope, UnsetConfig
from gitops.promotion import plan_config
from tests.support.fleets import (
    BETA,
    PRODUCTION,
    at,
    fleet,
    hold,
    overlay_files,
    repository,
    rules_of,
)
from tests.support.trees import tree

TARGET = at(PRODUCTION)


def configure(
    wanted: Mapping[str, str] | None = None,
    unset: Sequence[str] = (),
    present: str = "",
    **options: Any,
) -> Plan:
    return plan_config(
        tree(overlay_files("production", "12.4.1", config=present)),
        fleet(),
        TARGET,
        set=wanted or {},
        unset=unset,
        requested_by="jane",
        **options,
    )


def test_keys_are_set_and_removed_in_the_order_asked() -> None:
    plan = configure({"LOG_LEVEL": "info", "A": "1"}, ["B", "B"], "B=2\n")
    assert plan.kind is PlanKind.SET
    assert plan.scope == TargetScope(target=TARGET)
    assert plan.changes == (
        SetConfig(target=TARGET, key="LOG_LEVEL", value="info"),
        SetConfig(target=TARGET, key="A", value="1"),
        UnsetConfig(target=TARGET, key="B"),
    )


def test_what_is_there_already_is_a_plan_without_changes() -> None:
    plan = configure({"A": "1"}, ["GONE"], "A=1\n")
    assert (plan.changes, plan.findings) == ((), ())


def test_when_one_value_differs_all_that_was_asked_is_wanted() -> None:
    plan = configure({"A": "1", "B": "3"}, (), "A=1\nB=2\n")
    assert [c.key for c in plan.changes if isinstance(c, SetConfig)] == ["A", "B"]


def test_an_empty_value_differs_from_no_value() -> None:
    assert configure({"A": ""}).changes
    assert not configure({"A": ""}, (), "A=\n").changes


def test_removing_what_is_not_there_is_told_with_the_likely_key() -> None:
    plan = configure({}, ["LOG_LEVEL", "LOG_STYL"], "LOG_LEVEL=info\nLOG_STYLE=raw\n")
    (finding,) = plan.findings
    assert (finding.rule, finding.hint) == ("config-absent", "did you mean LOG_STYLE?")
    assert rules_of(configure({"A": "1"}, ["ZZZ"])) == {"config-absent"}


@pytest.mark.parametrize(
    "key", ["", "1A", "A-B", "A B", "A=B", "A\n", "Ä", "a.b", "PATH\0", "--x"]
)
def test_what_is_no_name_of_a_variable_is_refused(key: str) -> None:
    with pytest.raises(InputError):
        configure({key: "1"})


@pytest.mark.parametrize(
    "value", ["a\nb", "a\rb", "a\0b", "\x1b[31m", "\x7f", "\ud800"]
)
def test_a_value_that_is_not_one_line_of_text_is_refused(value: str) -> None:
    with pytest.raises(InputError, match="the value of A"):
        configure({"A": value})


def test_a_tab_and_any_letter_may_stand_in_a_value() -> None:
    assert configure({"PROJECT_NAME": "Bürö\t1 # no comment = yes"}).changes


SECRETS = [
    "SECRET",
    "KEY",
    "DB_PASSWORD",
    "DB_CONNECTION_STRING",
    "ADMIN_TOKEN",
    "STORAGE_S3_KEY",
    "STORAGE_S3_SECRET",
    "STORAGE_GCS_CREDENTIALS",
    "STORAGE_X_SERVICE_ROLE",
    "EMAIL_MAILGUN_API_KEY",
    "LICENSE_KEY",
    "METRICS_TOKENS",
    "REDIS_PASSWORD",
    "db_password",
]

HARMLESS = {
    "ACCESS_TOKEN_TTL": "15m",
    "REFRESH_TOKEN_COOKIE_NAME": "x",
    "REFRESH_TOKEN_COOKIE_SECURE": "true",
    "GRAPHQL_QUERY_TOKEN_LIMIT": "5000",
    "AUTH_KEYCLOAK_IDENTIFIER_KEY": "email",
    "AUTH_KEYCLOAK_EMAIL_KEY": "email",
    "AUTH_KEYCLOAK_FIRST_NAME_KEY": "given_name",
    "LICENSE_KEY_MANAGEMENT_ENABLED": "false",
    "STORAGE_GCS_KEY_FILENAME": "/secrets/key.json",
    "STORAGE_S3_SERVER_SIDE_ENCRYPTION_KMS_KEY_ID": "alias/x",
    "LANGFUSE_PUBLIC_KEY": "pk-1",
    "CORS_CREDENTIALS": "true",
    "PASSWORD_RESET_URL_ALLOW_LIST": "https://example.com",
    "DB_PASSWORD_FILE": "/run/secrets/db",
    "REDIS": "redis://redis.example.com:6379",
    "PUBLIC_URL": "https://cms.example.com",
    "FEATURE_X": "on",
}


@pytest.mark.parametrize("key", SECRETS)
def test_the_name_of_a_secret_is_refused_without_its_value(key: str) -> None:
    with pytest.raises(InputError, match=f"{key} is the name of a secret") as caught:
        configure({key: "hunter2-hunter2"})
    assert "hunter2" not in caught.value.message + caught.value.hint


@pytest.mark.parametrize("key", HARMLESS)
def test_a_name_that_only_looks_secret_is_accepted(key: str) -> None:
    assert configure({key: HARMLESS[key]}).changes


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        ("redis://:hunter2@redis.example.com", "password"),
        ("https://user:hunter2@example.com/x", "password"),
        ("gh" + "p_" + "hunter2A" * 5, "GitHub token"),
        ("x AK" + "IA" + "HUNTER2A" * 2, "AWS access key"),
    ],
)
def test_a_value_that_looks_like_a_credential_is_refused_unseen(
    value: str, kind: str
) -> None:
    with pytest.raises(InputError, match=kind) as caught:
        configure({"HARMLESS": value})
    assert "hunter2" not in (caught.value.message + caught.value.hint).lower()


def test_a_secret_may_be_removed() -> None:
    assert configure({}, ["DB_PASSWORD"], "DB_PASSWORD=x\n").changes


def test_asking_for_nothing_or_for_both_is_refused() -> None:
    with pytest.raises(InputError, match="no key"):
        configure()
    with pytest.raises(InputError, match="A: both set and unset"):
        configure({"A": "1"}, ["A"])


def test_holds_the_pause_switch_and_unknown_names_refuse() -> None:
    with pytest.raises(HeldError, match="held by jane"):
        configure({"A": "1"}, holds=[hold(environment=PRODUCTION)])
    with pytest.raises(HeldError, match="paused"):
        configure({"A": "1"}, paused=True)
    with pytest.raises(UnknownNameError):
        plan_config(
            repository(),
            fleet(),
            at(PRODUCTION, BETA),
            set={"A": "1"},
            requested_by="x",
        )


@given(st.text(max_size=30), st.text(max_size=60))
def test_any_pair_is_one_line_of_the_file_or_refused(key: str, value: str) -> None:
    try:
        plan = configure({key: value})
    except InputError:
        return
    line = f"{key}={value}\n"
    assert plan.changes
    assert line.count("\n") == 1
    assert configure({key: value}, (), line).changes == ()
