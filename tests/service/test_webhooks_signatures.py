"""What proves a delivery, and what never does: against the packages of others."""

from __future__ import annotations

import base64
import hashlib
import hmac
import string
from datetime import UTC, datetime, timedelta

import pytest
from gidgethub import ValidationFailure
from gidgethub.sansio import validate_event
from hypothesis import example, given, strategies as st
from standardwebhooks.webhooks import Webhook

from service.configuration import WEBHOOK_FORGES, ForgeKind
from service.webhooks.identity import keys_of
from service.webhooks.payload import is_of, notification_of, repository_name
from service.webhooks.signatures import Headers, Keys, claim_of, is_proved
from tests.support.hooks import SIGNING

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
BODY = b'{"zen": "Speak like a human."}'
SECRET = b"s3cret-0123456789"
KEYS = Keys(plain=(b"another", SECRET))
SIGNED = Keys(signing=(base64.b64decode(SIGNING.removeprefix("whsec_")),))
HEX = hmac.new(SECRET, BODY, "sha256").hexdigest().encode()
HEADERS: dict[ForgeKind, tuple[bytes, bytes]] = {
    ForgeKind.GITHUB: (b"x-hub-signature-256", b"sha256=" + HEX),
    ForgeKind.BITBUCKET: (b"x-hub-signature", b"sha256=" + HEX),
    ForgeKind.GITEA: (b"x-gitea-signature", HEX),
    ForgeKind.FORGEJO: (b"x-forgejo-signature", HEX),
    ForgeKind.GITLAB: (b"x-gitlab-token", SECRET),
    ForgeKind.AZURE: (b"authorization", b"Basic " + base64.b64encode(SECRET)),
}
OWN = b"x-directus-gitops-secret"


def proves(
    forge: ForgeKind,
    *headers: tuple[bytes, bytes],
    body: bytes = BODY,
    keys: Keys = KEYS,
) -> bool:
    claim = claim_of(forge, headers)
    return claim is not None and is_proved(claim, body, keys, now=NOW)


@pytest.mark.parametrize("forge", HEADERS)
def test_what_a_forge_sends_proves_it_with_any_of_its_secrets(forge: ForgeKind) -> None:
    assert proves(forge, HEADERS[forge])
    assert proves(forge, HEADERS[forge], keys=Keys(plain=(SECRET, b"another")))
    assert not proves(forge, HEADERS[forge], keys=Keys(plain=(b"another",)))
    assert not proves(forge, HEADERS[forge], keys=Keys())


@pytest.mark.parametrize("forge", HEADERS)
@pytest.mark.parametrize("other", HEADERS)
def test_the_header_of_another_forge_proves_nothing(
    forge: ForgeKind, other: ForgeKind
) -> None:
    shared = {(ForgeKind.FORGEJO, ForgeKind.GITEA)}  # older Forgejos sign as Gitea
    assert proves(forge, HEADERS[other]) == (forge is other or (forge, other) in shared)


def broken(value: bytes) -> dict[str, bytes]:
    """Return a header as it must not be."""
    return {
        "empty": b"",
        "blank": b" ",
        "cut": value[:-1],
        "longer": value + b"0",
        "blank before": b" " + value,
        "blank after": value + b" ",
        "line after": value + b"\n",
        "capitals": value.upper(),
        "not ASCII": value[:-1] + "é".encode(),
        "not UTF-8": value[:-1] + b"\xff",
        "NUL": value + b"\0",
        "twice in one": value + b"," + value,
    }


@pytest.mark.parametrize("kind", broken(b""))
@pytest.mark.parametrize("forge", HEADERS)
def test_a_header_that_is_not_exactly_in_form_proves_nothing(
    forge: ForgeKind, kind: str
) -> None:
    name, value = HEADERS[forge]
    assert not proves(forge, (name, broken(value)[kind]))


@pytest.mark.parametrize("forge", HEADERS)
def test_a_header_that_is_there_twice_proves_nothing(forge: ForgeKind) -> None:
    header = HEADERS[forge]
    assert not proves(forge, header, header)
    assert not proves(forge, header, (header[0], b""))
    assert not proves(forge, (header[0], b""), header)


@pytest.mark.parametrize(
    "value",
    [
        b"sha1=" + hmac.new(SECRET, BODY, "sha1").hexdigest().encode(),
        b"sha512=" + hmac.new(SECRET, BODY, "sha512").hexdigest().encode(),
        b"sha512=" + HEX,
        b"SHA256=" + HEX,
        b"sha256=" + HEX.upper(),
        b"sha256 =" + HEX,
        b"sha256:" + HEX,
        b"sha256==" + HEX,
        b"sha256=" + base64.b64encode(bytes.fromhex(HEX.decode())),
        b"sha256=" + hashlib.sha256(BODY).hexdigest().encode(),
        HEX,
    ],
    ids=range(11),
)
@pytest.mark.parametrize("forge", [ForgeKind.GITHUB, ForgeKind.BITBUCKET])
def test_another_algorithm_or_spelling_proves_nothing(
    forge: ForgeKind, value: bytes
) -> None:
    assert not proves(forge, (HEADERS[forge][0], value))


def test_gitea_wants_bare_hex() -> None:
    assert not proves(ForgeKind.GITEA, (b"x-gitea-signature", b"sha256=" + HEX))


def test_forgejo_sends_two_signatures_and_both_must_be_right() -> None:
    own, gitea = HEADERS[ForgeKind.FORGEJO], HEADERS[ForgeKind.GITEA]
    assert proves(ForgeKind.FORGEJO, own, gitea)
    for wrong in (b"", b"0" * 64):
        assert not proves(ForgeKind.FORGEJO, own, (gitea[0], wrong))
        assert not proves(ForgeKind.FORGEJO, (own[0], wrong), gitea)


def test_azure_takes_basic_or_a_header_of_its_own_and_both_must_be_right() -> None:
    basic = HEADERS[ForgeKind.AZURE]
    assert proves(ForgeKind.AZURE, (OWN, SECRET))
    assert proves(ForgeKind.AZURE, (OWN, SECRET), basic)
    assert not proves(ForgeKind.AZURE, (OWN, b"wrong"), basic)
    assert not proves(ForgeKind.AZURE, (OWN, b""), basic)
    assert not proves(ForgeKind.AZURE, (b"authorization", b"Bearer " + SECRET))
    # Halves of two secrets are none.
    assert not proves(ForgeKind.AZURE, (OWN, b"another"), basic)


@pytest.mark.parametrize("forge", HEADERS)
def test_another_body_is_not_proved_where_it_is_signed(forge: ForgeKind) -> None:
    signs = forge not in (ForgeKind.GITLAB, ForgeKind.AZURE)
    for body in (BODY + b" ", BODY.replace(b" ", b""), b""):
        assert proves(forge, HEADERS[forge], body=body) is not signs


def test_the_embedded_forge_sends_nothing() -> None:
    assert ForgeKind.EMBEDDED not in WEBHOOK_FORGES
    assert claim_of(ForgeKind.EMBEDDED, list(HEADERS.values())) is None


# --- GitHub's, beside gidgethub ---


def gidgethub_takes(body: bytes, signature: str, secret: str) -> bool:
    try:
        validate_event(body, signature=signature, secret=secret)
    except (ValidationFailure, TypeError):
        return False
    return True


@given(st.binary(), st.text(string.printable.strip(), min_size=1, max_size=80))
def test_whatever_is_signed_for_github_is_proved_and_gidgethub_agrees(
    body: bytes, secret: str
) -> None:
    signature = "sha256=" + hmac.new(secret.encode(), body, "sha256").hexdigest()
    header = (b"x-hub-signature-256", signature.encode())
    keys = Keys(plain=(secret.encode(),))
    assert proves(ForgeKind.GITHUB, header, body=body, keys=keys)
    assert gidgethub_takes(body, signature, secret)


NEAR = st.one_of(
    st.text(max_size=80),
    st.from_regex(r"sha(1|256|512)=[0-9a-fA-F]{62,66}", fullmatch=True),
    st.just(f"sha256={HEX.decode()}"),
    st.tuples(st.integers(0, 70), st.characters(max_codepoint=255)).map(
        lambda t: f"sha256={HEX.decode()}"[: t[0]] + t[1] + HEX.decode()[t[0] - 6 :]
    ),
)


@given(NEAR)
@example("sha256=" + HEX.decode())
def test_what_is_proved_for_github_gidgethub_takes_too(signature: str) -> None:
    header = (b"x-hub-signature-256", signature.encode("utf-8", "surrogatepass"))
    ours = proves(ForgeKind.GITHUB, header)
    theirs = gidgethub_takes(BODY, signature, SECRET.decode())
    assert theirs or not ours
    if theirs and signature.startswith("sha256="):
        assert ours


# --- GitLab's, by standardwebhooks ---


def standard(
    *,
    id: str = "a1b2-c3",  # noqa: A002  # the header's name
    at: datetime = NOW,
    body: bytes = BODY,
    token: str = SIGNING,
) -> dict[bytes, bytes]:
    signature = Webhook(token).sign(id, at, body.decode())
    return {
        b"webhook-id": id.encode(),
        b"webhook-timestamp": str(int(at.timestamp())).encode(),
        b"webhook-signature": signature.encode(),
    }


def gitlab(
    headers: dict[bytes, bytes], *, body: bytes = BODY, keys: Keys = SIGNED
) -> bool:
    return proves(ForgeKind.GITLAB, *headers.items(), body=body, keys=keys)


def test_what_standardwebhooks_signs_is_proved() -> None:
    assert gitlab(standard())
    assert not gitlab(standard(), body=BODY + b" ")
    assert not gitlab(standard(token="whsec_" + "A" * 44))
    assert not gitlab(standard(), keys=KEYS)


@given(st.text(st.characters(exclude_categories=["Cs"])), st.integers(-300, 300))
def test_whatever_standardwebhooks_signs_is_proved(text: str, apart_s: int) -> None:
    at = NOW + timedelta(seconds=apart_s)
    body = text.encode()
    assert gitlab(standard(at=at, body=body), body=body)


@pytest.mark.parametrize("apart", [timedelta(seconds=301), timedelta(days=300)])
def test_an_old_or_a_future_time_proves_nothing(apart: timedelta) -> None:
    assert not gitlab(standard(at=NOW - apart))
    assert not gitlab(standard(at=NOW + apart))


def test_the_time_and_the_id_are_signed_too() -> None:
    later = str(int(NOW.timestamp()) + 1).encode()
    assert not gitlab({**standard(), b"webhook-timestamp": later})
    assert not gitlab({**standard(), b"webhook-id": b"another"})


def test_one_right_signature_of_several_is_enough() -> None:
    right = standard()[b"webhook-signature"]
    wrong = Webhook("whsec_" + "A" * 44).sign("a1b2-c3", NOW, "x").encode()
    for several in (
        b" ".join((wrong, right)),
        b" ".join((right, wrong)),
        b" ".join((b"v1a," + b"A" * 88, right)),
    ):
        assert gitlab({**standard(), b"webhook-signature": several})
    assert not gitlab({**standard(), b"webhook-signature": wrong + b" " + wrong})
    many = b" ".join([wrong] * 8 + [right])
    assert not gitlab({**standard(), b"webhook-signature": many})


@pytest.mark.parametrize(
    "header",
    [
        {b"webhook-signature": b""},
        {b"webhook-signature": b"v1,"},
        {b"webhook-signature": b"v1"},
        {b"webhook-signature": b"v1,\xc3\xa9"},
        {b"webhook-id": b""},
        {b"webhook-id": b"a.b"},
        {b"webhook-id": b"x" * 201},
        {b"webhook-timestamp": b""},
        {b"webhook-timestamp": b"-1"},
        {b"webhook-timestamp": b"1e9"},
        {b"webhook-timestamp": b"nan"},
        {b"webhook-timestamp": b"9" * 5000},
        {b"webhook-timestamp": b"\xd9\xa1"},
    ],
    ids=range(13),
)
def test_headers_that_are_not_in_form_prove_nothing(header: dict[bytes, bytes]) -> None:
    assert not gitlab({**standard(), **header})
    # Nor does the token beside them.
    token = {b"x-gitlab-token": SECRET}
    assert not gitlab({**standard(), **header, **token}, keys=KEYS)


@pytest.mark.parametrize("missing", [b"webhook-id", b"webhook-timestamp"])
def test_a_signature_without_what_it_signs_proves_nothing(missing: bytes) -> None:
    headers = standard()
    del headers[missing]
    assert not gitlab(headers)


def test_another_version_of_the_signature_is_not_taken_for_this_one() -> None:
    right = standard()[b"webhook-signature"]
    for version in (b"v2", b"v1a", b"v11", b"v0"):
        value = right.replace(b"v1", version, 1)
        assert not gitlab({**standard(), b"webhook-signature": value})
    tail = right.replace(b"v1,", b"v1,v1,", 1)
    assert not gitlab({**standard(), b"webhook-signature": tail})


def test_where_both_are_known_a_wrong_signature_is_not_made_good_by_the_token() -> None:
    both = Keys(plain=KEYS.plain, signing=SIGNED.signing)
    token = {b"x-gitlab-token": SECRET}
    assert gitlab(token, keys=both)
    assert gitlab({**standard(), **token}, keys=both)
    wrong = standard(token="whsec_" + "A" * 44)
    assert not gitlab({**wrong, **token}, keys=both)
    assert not gitlab({**standard(at=NOW - timedelta(days=1)), **token}, keys=both)
    # Where no signing token is known, the secret decides.
    assert gitlab({**standard(), **token}, keys=KEYS)


# --- any header at all ---


NAMES = st.sampled_from(
    sorted({name for name, _ in HEADERS.values()} | {OWN, *standard()})
)


@given(st.sampled_from(WEBHOOK_FORGES), st.lists(st.tuples(NAMES, st.binary())))
def test_no_header_breaks_the_reading_and_none_that_is_made_up_proves(
    forge: ForgeKind, headers: Headers
) -> None:
    assert not proves(forge, *headers)
    assert not proves(forge, *headers, keys=SIGNED)


# --- what a delivery is known by ---


def known_by(
    forge: ForgeKind, *headers: tuple[bytes, bytes], body: bytes = BODY
) -> set[str]:
    return set(keys_of(forge, headers, body, signed=None))


@pytest.mark.parametrize(
    ("forge", "name"),
    [
        (ForgeKind.GITHUB, b"x-github-delivery"),
        (ForgeKind.GITLAB, b"idempotency-key"),
        (ForgeKind.GITLAB, b"webhook-id"),
        (ForgeKind.GITEA, b"x-gitea-delivery"),
        (ForgeKind.FORGEJO, b"x-forgejo-delivery"),
        (ForgeKind.FORGEJO, b"x-gitea-delivery"),
        (ForgeKind.BITBUCKET, b"x-request-uuid"),
        (ForgeKind.BITBUCKET, b"x-request-id"),
    ],
)
def test_the_same_id_or_the_same_body_is_the_same_delivery(
    forge: ForgeKind, name: bytes
) -> None:
    first = known_by(forge, (name, b"{5d3f-1}"))
    assert first & known_by(forge, (name, b"{5d3f-1}"), body=b"other")
    assert first & known_by(forge, (name, b"forged"))
    assert first & known_by(forge)
    assert not first & known_by(forge, (name, b"{5d3f-2}"), body=b"other")
    assert all(len(key) == 64 for key in first)


def test_a_signed_id_is_enough() -> None:
    claim = claim_of(ForgeKind.GITLAB, tuple(standard().items()))
    assert claim is not None
    keys = [
        keys_of(ForgeKind.GITLAB, (), body, signed=claim.standard)
        for body in (b"1", b"2")
    ]
    assert keys[0] == keys[1]
    assert len(keys[0]) == 1


def test_azure_tells_its_notifications_apart_in_the_body() -> None:
    one = b'{"id": "e", "notificationId": 3, "attempt": 1}'
    again = b'{"id": "e", "notificationId": 3, "attempt": 2}'
    other = b'{"id": "e", "notificationId": 4}'
    assert known_by(ForgeKind.AZURE, body=one) & known_by(ForgeKind.AZURE, body=again)
    assert not known_by(ForgeKind.AZURE, body=one) & known_by(
        ForgeKind.AZURE, body=other
    )


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"null",
        b"[]",
        b'{"id": 1, "notificationId": 1}',
        b'{"id": "e", "notificationId": true}',
        b'{"id": "e", "notificationId": "1"}',
        b'{"id": "e", "notificationId": 1' + b"0" * 40 + b"}",
        b'{"id": "e", "notificationId": 1' + b"0" * 9000 + b"}",
        b'{"id": "' + b"x" * 1000 + b'", "notificationId": 1}',
        b"[" * 100_000,
        b"\xff\xfe",
    ],
    ids=range(12),
)
def test_a_payload_that_says_nothing_is_no_error(body: bytes) -> None:
    assert notification_of(body) == ""
    assert len(known_by(ForgeKind.AZURE, body=body)) == 1
    for forge in WEBHOOK_FORGES:
        assert repository_name(forge, body) == ()


# --- which repository ---


@pytest.mark.parametrize(
    ("forge", "body", "url"),
    [
        (
            ForgeKind.GITHUB,
            b'{"repository": {"full_name": "Acme/Fleet"}}',
            "https://github.com/acme/fleet.git",
        ),
        (
            ForgeKind.FORGEJO,
            b'{"repository": {"full_name": "acme/fleet"}}',
            "https://git.example.com/sub/acme/fleet",
        ),
        (
            ForgeKind.GITLAB,
            b'{"project": {"path_with_namespace": "grp/sub/fleet"}}',
            "https://gitlab.com/grp/sub/fleet.git",
        ),
        (
            ForgeKind.BITBUCKET,
            b'{"repository": {"full_name": "acme/fleet"}}',
            "https://bitbucket.org/acme/fleet",
        ),
        (
            ForgeKind.BITBUCKET,
            b'{"repository": {"slug": "fleet", "project": {"key": "OPS"}}}',
            "https://git.example.com/scm/ops/fleet.git",
        ),
        (
            ForgeKind.BITBUCKET,
            b'{"pullRequest": {"toRef": {"repository": {"slug": "fleet",'
            b' "project": {"key": "OPS"}}}}}',
            "https://git.example.com/scm/ops/fleet.git",
        ),
        (
            ForgeKind.AZURE,
            b'{"resource": {"repository": {"name": "fleet", "project":'
            b' {"name": "Web Team"}}}}',
            "https://dev.azure.com/acme/Web%20Team/_git/fleet",
        ),
        (
            ForgeKind.AZURE,
            b'{"resource": {"repository": {"name": "fleet", "project":'
            b' {"name": "fleet"}}}}',
            "https://dev.azure.com/acme/_git/fleet",
        ),
    ],
    ids=range(8),
)
def test_a_payload_names_the_repository_of_an_address(
    forge: ForgeKind, body: bytes, url: str
) -> None:
    name = repository_name(forge, body)
    assert is_of(url, name)
    assert not is_of(url.replace("fleet", "fleets"), name)
    assert not is_of(url, ("x", *name))
    assert not is_of(url, ())


@given(st.sampled_from(WEBHOOK_FORGES), st.binary())
def test_no_payload_breaks_the_reading(forge: ForgeKind, body: bytes) -> None:
    assert not is_of("https://git.example.com/acme/fleet", repository_name(forge, body))
    keys_of(forge, (), body, signed=None)
