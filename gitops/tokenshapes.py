"""Credentials recognised by their own form, whatever the setting is called. Pure.

Promises few false alarms: only forms whose issuer gave them a prefix or a frame of
their own. What is secret by name or as part of an address is gitops.secretnames'.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Final

# Prefixes and lengths as the issuers document them; where only a prefix is promised,
# sixteen characters of the token's alphabet must follow.
_SHAPES: Final = tuple(
    (name, re.compile(pattern, re.ASCII))
    for name, pattern in (
        ("a GitHub token", r"\bgh[pousr]_[A-Za-z0-9]{30,}"),
        ("a GitHub fine-grained token", r"\bgithub_pat_[A-Za-z0-9_]{30,}"),
        ("a GitLab token", r"\bgl(?:pat|dt|rt|ptt|oas|cbt)-[A-Za-z0-9_-]{16,}"),
        ("an AWS access key", r"\b(?:AKIA|ASIA)[A-Z0-9]{16}\b"),
        ("a Google API key", r"\bAIza[A-Za-z0-9_-]{35}"),
        ("a Slack token", r"\bxox[abeoprs]-[A-Za-z0-9-]{10,}"),
        ("a Stripe key", r"\b[rs]k_(?:live|test)_[A-Za-z0-9]{16,}"),
        ("a SendGrid key", r"\bSG\.[A-Za-z0-9_-]{16,}\.[A-Za-z0-9_-]{16,}"),
        ("an OpenAI key", r"\bsk-(?:proj-)?[A-Za-z0-9_-]{32,}"),
        ("an npm token", r"\bnpm_[A-Za-z0-9]{36}"),
        ("a Vault token", r"\bhv[sbr]\.[A-Za-z0-9_-]{16,}"),
        ("an age secret key", r"\bAGE-SECRET-KEY-1[A-Z0-9]{16,}"),
        ("a JSON Web Token", r"(?<![\w-])eyJ[\w-]{8,}\.eyJ[\w-]{8,}\.[\w-]{8,}"),
        ("a private key", r"-----BEGIN [A-Z ]{0,30}PRIVATE KEY-----"),
    )
)


def token_shape(text: str) -> str | None:
    """Say what kind of credential a text holds; None when it shows none."""
    return next((name for name, form in _SHAPES if form.search(text)), None)


def with_tokens_hidden(text: str, hide: Callable[[str], str]) -> str:
    """Return the text with every credential replaced by what `hide` makes of it."""
    for _, form in _SHAPES:
        text = form.sub(lambda found: hide(found[0]), text)
    return text
