from __future__ import annotations

import pytest

from gitops.tokenshapes import token_shape, with_tokens_hidden

# Made up; each is put together here so that no scanner takes this file for a leak.
SHAPED = {
    "a GitHub token": "gh" + "p_" + "a1B2" * 9,
    "a GitHub fine-grained token": "github" + "_pat_" + "a1B2" * 12,
    "a GitLab token": "gl" + "pat-" + "a1B2" * 5,
    "an AWS access key": "AK" + "IA" + "ABCD" * 4,
    "a Google API key": "AI" + "za" + "a1B2c" * 7,
    "a Slack token": "xo" + "xb-" + "1234-" * 5,
    "a Stripe key": "sk" + "_live_" + "a1B2" * 6,
    "a SendGrid key": "S" + "G." + "a1B2" * 5 + "." + "a1B2" * 10,
    "an OpenAI key": "sk" + "-proj-" + "a1B2" * 10,
    "an npm token": "np" + "m_" + "a1B2" * 9,
    "a Vault token": "hv" + "s." + "a1B2" * 6,
    "an age secret key": "AGE-SECRET" + "-KEY-1" + "A1B2" * 10,
    "a JSON Web Token": "ey"
    + "JhbGciOiJIUzI1NiJ9."
    + "eyJzdWIiOiIxMjMifQ"
    + ".c2lnbmF0dXJl",
    "a private key": "-----BEGIN RSA " + "PRIVATE KEY-----",
}


@pytest.mark.parametrize("kind", SHAPED)
def test_a_credential_is_known_by_its_form_wherever_it_stands(kind: str) -> None:
    assert token_shape(SHAPED[kind]) == kind
    assert token_shape(f"a text, {SHAPED[kind]} and more") == kind


@pytest.mark.parametrize(
    "text",
    [
        "",
        "https://example.com",
        "true",
        "smtp.example.com",
        "sk-learn",
        "my-ghp_-project",
        "AKIA",
        "sha256:" + "0" * 64,
        "eyJhbGciOi",
        "-----BEGIN CERTIFICATE-----",
    ],
)
def test_ordinary_configuration_has_no_such_form(text: str) -> None:
    assert token_shape(text) is None


@pytest.mark.parametrize("kind", SHAPED)
def test_hiding_leaves_the_rest_of_the_text(kind: str) -> None:
    text = f"a text, {SHAPED[kind]} and more"
    assert with_tokens_hidden(text, lambda _: "***") == "a text, *** and more"
