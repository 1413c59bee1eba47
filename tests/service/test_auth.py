"""Tokens in the Authorization header, and what a role may."""

from __future__ import annotations

import base64
from datetime import UTC, datetime
from itertools import product

import pytest

from service.auth import may, token_text
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


def token(role: Role) -> Token:
    now = datetime(2026, 3, 1, tzinfo=UTC)
    return Token(
        id="1",
        name="",
        role=role,
        stack="",
        environment="",
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
