"""Tokens in the Authorization header, and what a role may."""

from __future__ import annotations

import base64
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from itertools import product

import pytest

from service.auth import covers, is_scoped, may, token_text, touches
from service.limits import WINDOW_S, Limit
from service.store import Role, Token


def basic(pair: bytes) -> str:
    return "Basic " + base64.b64encode(pair).decode()


@pytest.mark.parametrize(
    ("header", "text"),
    [
        ("Bearer dgo_x", "dgo_x"),
        ("bearer  dgo_x ", "dgo_x"),
        (basic(b"anybody:dgo_x"), "dgo_x"),
        (basic(b":dgo_x"), "dgo_x"),
        (basic(b"a:dgo:x"), "dgo:x"),
        ("BASIC " + base64.b64encode(b"a:dgo_x").decode(), "dgo_x"),
        ("", ""),
        ("dgo_x", ""),
        ("Bearer", ""),
        ("Digest dgo_x", ""),
        ("Basic", ""),
        ("Basic !!!", ""),
        ("Basic YTpi\u00e9", ""),
        (basic(b"\xff\xfe:x"), ""),
        (basic(b"no colon"), ""),
    ],
)
def test_a_token_is_read_from_bearer_and_from_the_password_of_basic(
    header: str, text: str
) -> None:
    assert token_text(header) == text


def token(role: Role, *, stack: str = "", environment: str = "") -> Token:
    now = datetime(2026, 3, 1, tzinfo=UTC)
    return Token(
        id="1",
        name="",
        role=role,
        stack=stack,
        environment=environment,
        created_at=now,
        expires_at=None,
        revoked=False,
    )


def test_each_role_may_what_the_ones_before_it_may() -> None:
    order = [
        Role.VIEWER,
        Role.OPERATOR,
        Role.APPROVER,
        Role.RELEASER,
        Role.ADMIN,
    ]
    assert order == list(Role)
    for (has, role), (needed, wanted) in product(enumerate(order), repeat=2):
        assert may(token(role), wanted) is (has >= needed)


SHOP, STAGING = {"stack": "shop"}, {"environment": "staging"}


@pytest.mark.parametrize(
    ("scope", "stack", "environment", "is_covered", "is_touched"),
    [
        ({}, None, None, True, True),
        ({}, "shop", "staging", True, True),
        (SHOP, None, None, False, True),
        (SHOP, "shop", None, True, True),
        (SHOP, "shop", "staging", True, True),
        (SHOP, None, "staging", False, True),
        (SHOP, "blog", "staging", False, False),
        (STAGING, None, "staging", True, True),
        (STAGING, "shop", None, False, True),
        (STAGING, "shop", "production", False, False),
        (SHOP | STAGING, "shop", "staging", True, True),
        (SHOP | STAGING, "shop", None, False, True),
        (SHOP | STAGING, None, "staging", False, True),
        (SHOP | STAGING, "blog", "staging", False, False),
    ],
)
def test_a_scope_covers_what_is_all_within_and_touches_what_is_partly(
    scope: dict[str, str],
    stack: str | None,
    environment: str | None,
    is_covered: bool,
    is_touched: bool,
) -> None:
    asking = token(Role.ADMIN, **scope)
    assert covers(asking, stack, environment) is is_covered
    assert touches(asking, stack, environment) is is_touched
    assert is_scoped(asking) is bool(scope)


# --- how often ---


def test_a_limit_holds_for_many_at_once() -> None:
    limit = Limit(100)
    with ThreadPoolExecutor(50) as pool:
        waits = list(pool.map(lambda _: limit.take("ada"), range(500)))
    assert waits.count(0.0) == 100
    assert all(0 < wait <= WINDOW_S for wait in waits if wait)


def test_nobodys_requests_count_against_another() -> None:
    limit = Limit(1)
    assert [limit.take("ada"), limit.take("grace")] == [0.0, 0.0]
    assert limit.take("ada") > 0


def test_a_flood_of_keys_takes_no_more_memory_than_an_office() -> None:
    limit = Limit(1)
    for number in range(50_000):
        limit.take(str(number))
    assert len(limit._windows) <= 20_000
