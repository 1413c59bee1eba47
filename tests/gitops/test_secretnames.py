"""Which settings are secret: by name, and by form of value."""

from __future__ import annotations

import pytest

from gitops.secretnames import holds_password, is_secret, is_secret_name


@pytest.mark.parametrize(
    "name",
    [
        "SECRET",
        "KEY",
        "DB_PASSWORD",
        "db_password",
        "DB_CONNECTION_STRING",
        "ADMIN_TOKEN",
        "STORAGE_S3_KEY",
        "STORAGE_GCS_CREDENTIALS",
        "STORAGE_SUPABASE_SERVICE_ROLE",
        "EMAIL_SES_CREDENTIALS__SECRET_ACCESS_KEY",
        "AUTH_GITHUB_CLIENT_SECRET",
        "METRICS_TOKENS",
        "LICENSE_KEY",
        "TELEMETRY_AUTHORIZATION",
        "SMTP_PASS",
        "MYSQL_PWD",
        "BRAINTRUST_API_KEY",
    ],
)
def test_names_of_secrets(name: str) -> None:
    assert is_secret_name(name)


@pytest.mark.parametrize(
    "name",
    [
        "PUBLIC_URL",
        "DB_HOST",
        "DB_USER",
        "ACCESS_TOKEN_TTL",
        "REFRESH_TOKEN_COOKIE_SECURE",
        "REFRESH_TOKEN_COOKIE_NAME",
        "GRAPHQL_QUERY_TOKEN_LIMIT",
        "AI_MAX_TOKENS",
        "AUTH_OKTA_IDENTIFIER_KEY",
        "AUTH_LDAP_EMAIL_KEY",
        "AUTH_SAML_NAME_KEY",
        "LICENSE_KEY_MANAGEMENT_ENABLED",
        "STORAGE_GCS_KEY_FILENAME",
        "STORAGE_S3_SERVER_SIDE_ENCRYPTION_KMS_KEY_ID",
        "LANGFUSE_PUBLIC_KEY",
        "DB_PASSWORD_FILE",
        "PASSWORD_RESET_URL_ALLOW_LIST",
        "KEYBOARD",
        "MONKEYS",
    ],
)
def test_names_that_only_sound_like_secrets(name: str) -> None:
    assert not is_secret_name(name)


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("redis://:pw@redis:6379", True),
        ("postgres://u:pw@h/db", True),
        ("a postgres://u:$PW@h then mysql://u:pw@h", True),
        ("redis://redis:6379", False),
        ("https://user@example.com", False),
        ("https://example.com/a:b@c", False),
        ("postgres://u:$(DB_PASSWORD)@h", False),
        ("postgres://u:${PW}@h", False),
        ("postgres://u:<password>@h", False),
        ("postgres://u:***@h", False),
        ("a@b and c://d", False),
        ("", False),
    ],
)
def test_an_address_with_a_password(value: str, expected: bool) -> None:
    assert holds_password(value) is expected


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("DB_PASSWORD", "hunter2", True),
        ("DB_PASSWORD", "", False),
        ("DB_PASSWORD", " ", False),
        ("DB_PASSWORD", "true", False),
        ("MARIADB_RANDOM_ROOT_PASSWORD", "1", False),
        ("CACHE_REDIS", "redis://:pw@h", True),
        ("LOG_LEVEL", "debug", False),
    ],
)
def test_name_and_value_decide_together(name: str, value: str, expected: bool) -> None:
    assert is_secret(name, value) is expected
