"""Secrets never reach a page, and a changed one is told as changed."""

from __future__ import annotations

import json

import pytest

from gitops.model import Json
from gitops.review import rendered_diff, summary
from gitops.review.masking import CHANGED_MASK, MASK, Masker, redacted, shown_value
from tests.support.rendered import rendered

CANARY = "c4n4ry-Zk93hQ"


def shown(body: dict[str, Json]) -> str:
    return json.dumps(Masker().body(body))


@pytest.mark.parametrize(
    "body",
    [
        {"kind": "Secret", "data": {"A": CANARY}, "stringData": {"b": [CANARY]}},
        {"kind": "Secret", "stringData": {"n": {"deep": CANARY}}},
        {"kind": "List", "items": [{"kind": "Secret", "data": {"A": CANARY}}]},
        {"kind": "ConfigMap", "data": {"DB_PASSWORD": CANARY}},
        {"kind": "ConfigMap", "data": {"adminToken": CANARY}},
        {"kind": "ConfigMap", "data": {"app.env": f"A=b\nexport API_KEY={CANARY}\n"}},
        {"kind": "ConfigMap", "data": {"app.yaml": f'x: 1\n"password": {CANARY}\n'}},
        {"kind": "ConfigMap", "data": {"REDIS": f"redis://:{CANARY}@redis:6379"}},
        {"env": [{"name": "ADMIN_PASSWORD", "value": CANARY}]},
        {"env": [{"value": CANARY, "name": "dbPassword"}]},
        {"spec": {"password": CANARY, "clientSecret": CANARY, "access-key": CANARY}},
        {"spec": {"DB_CONNECTION_STRING": CANARY}},
        {"args": ["--token", CANARY]},
        {"args": ["--admin-password", {"x": CANARY}]},
        {"args": [f"--db-password={CANARY}"]},
        {"command": ["sh", "-c", f"curl -H 'Authorization: Bearer {CANARY}'"]},
        {"url": f"postgres://user:{CANARY}@db/directus"},
        {"key": f"-----BEGIN PRIVATE KEY-----\n{CANARY}\n-----END PRIVATE KEY-----"},
        {"key": f"-----BEGIN RSA PRIVATE KEY-----\n{CANARY}"},
        {"x": f"ghp_{CANARY.replace('-', '')}{'a' * 30}"},
        {"kind": "ConfigMap", "data": {"c.json": f'{{"db": {{"password": "{CANARY}"'}},
        {"c": f'{{\\"password\\":\\"{CANARY}\\"}}'},
        {"c": f'{{"password": "a\\"{CANARY}"}}'},
        {"c": f"- password: {CANARY}\n"},
        {"c": f"<password>{CANARY}</password>"},
        {"c": f'<db dbPassword="{CANARY}"/>'},
        {"c": f"host=a password={CANARY} user=b"},
        {"c": f"https://h/?a=b&access_token={CANARY}&c=d"},
        {"c": f"https://{CANARY}@h/"},
        {"c": f"admin:$apr1${CANARY}"},
        {"command": ["sh", "-c", f"redis-cli --pass {CANARY} ping"]},
        {"args": ["--pass", CANARY]},
        {"metadata": {"annotations": {"example.com/token": CANARY}}},
        {"spec": {"dbPassword": CANARY, "redis_passphrase": CANARY}},
        {"kind": "SecretTemplate", "stringData": {"a": CANARY}},
        {"kind": "SealedSecret", "spec": {"template": {"data": {"a": CANARY}}}},
        {"kind": "ConfigMap", "data": {".dockerconfigjson": CANARY}},
        {
            "metadata": {
                "annotations": {
                    "kubectl.kubernetes.io/last-applied-configuration": CANARY
                }
            }
        },
    ],
)
def test_no_form_of_a_secret_is_shown(body: dict[str, Json]) -> None:
    text = shown(body)
    assert CANARY not in text
    assert CANARY.replace("-", "") not in text
    assert MASK in text


@pytest.mark.parametrize(
    "body",
    [
        {"env": [{"name": "DB_PASSWORD", "valueFrom": {"secretKeyRef": {"key": "K"}}}]},
        {"kind": "ConfigMap", "data": {"ACCESS_TOKEN_TTL": "15m", "KEYS": "x"}},
        {"kind": "ConfigMap", "data": {"DB_PASSWORD_FILE": "/run/secrets/db"}},
        {"kind": "ConfigMap", "data": {"DB_PASSWORD": ""}},
        {"spec": {"tls": [{"secretName": "tls"}], "secretRef": {"name": "a"}}},
        {"spec": {"data": [{"secretKey": "A", "remoteRef": {"key": "b"}}]}},
        {"spec": {"automountServiceAccountToken": False, "token": None}},
        {"image": "directus/directus:12.4.1", "n": 5, "host": "https://a.example.com"},
        {"text": "basic authentication is off, bearer tokens are not"},
        {"spec": {"topologyKey": "a", "passwordKey": "b", "tokenExpirationSeconds": 9}},
        {"c": '{"secretKeyRef": {"key": "K"}, "tokens": ["a"], "password": "$(PW)"}'},
        {"c": "ssh://git@host/path, https://h/?page=2&sort=name"},
        {"args": ["--password-file", "/run/secrets/pw", "--pass-through", "x"]},
        {"kind": "ConfigMap", "data": ["not", "a", "mapping"]},
    ],
)
def test_what_only_speaks_of_secrets_is_shown(body: dict[str, Json]) -> None:
    assert json.loads(shown(body)) == body


def test_a_changed_secret_is_told_without_its_value() -> None:
    text = (
        "apiVersion: v1\nkind: Secret\nmetadata: {name: s}\ndata: {A: b2xk, B: eA==}\n"
    )
    before = {"o": rendered("o", text)}
    after = {"o": rendered("o", text.replace("b2xk", "bmV3"))}
    assert summary(before, after, ()) == (
        f"Secret s: secret key A {MASK} -> {CHANGED_MASK}",
    )
    diff = rendered_diff(before, after)
    assert f'-  A: "{MASK}"\n+  A: "{CHANGED_MASK}"\n   B: "{MASK}"\n' in diff
    assert "b2xk" not in diff
    assert "bmV3" not in diff


def test_numbers_below_a_secret_name_are_hidden_too() -> None:
    body: dict[str, Json] = {
        "kind": "Secret",
        "data": {"pin": 482913, "on": True, "e": ""},
    }
    assert json.loads(shown(body))["data"] == {"pin": MASK, "on": True, "e": ""}


def test_a_field_with_a_secret_name_hides_its_value() -> None:
    assert shown_value("config.env: DB_PASSWORD", "x") == MASK
    assert shown_value("images[directus/directus].newTag", "12.4.1") == "12.4.1"
    assert shown_value("PUBLIC_URL", "https://u:pw@h/") == f"https://u:{MASK}@h/"


def test_free_text_keeps_what_is_no_secret() -> None:
    assert redacted("because SECRET_X=abc\nAPI_KEY: abc\nNAME=x") == (
        f"because SECRET_X={MASK}\nAPI_KEY: {MASK}\nNAME=x"
    )
    command = 'exec env PGPASSWORD="$DB_PASSWORD" pg_dump'
    assert redacted(command) == command


@pytest.mark.parametrize(
    "text",
    [
        "-" * 300_000,
        "--" + "password" * 50_000,
        "://a:" * 60_000,
        "eyJaaaaaaaa-" * 30_000,
        "-----BEGIN PRIVATE KEY-----" * 10_000,
        "bearer " * 40_000,
        '"' * 300_000,
        "a" * 300_000,
        "$1$" * 100_000,
        'password="' * 30_000,
        "password=\\" * 30_000,
        '"password\\":\\"' * 20_000,
        "<password>" * 30_000,
        "a.key-" * 50_000,
        "--pass " * 40_000,
        "password:        " * 20_000,
        "://aaaaaaaaa" * 30_000,
    ],
)
def test_hostile_text_costs_linear_time(text: str) -> None:
    # A quadratic pattern would need minutes here; the result is what is compared.
    assert isinstance(redacted(text), str)
