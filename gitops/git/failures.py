"""Git's words about a remote -> our error, and what to do about it. Pure.

What is unavailable now may be there later, and is tried again; what was denied stays
denied until somebody changes something.
"""

from __future__ import annotations

import re
from typing import Final, TypeAlias

from gitops.errors import GitError, RemoteDeniedError, RemoteUnavailableError

_Kind: TypeAlias = type[GitError]

_ADD_HOST: Final = (
    "put a line of known_hosts for it into the file that `git.known_hosts` names; "
    "ssh-keyscan prints one: compare it with what the forge publishes"
)
_SIGNS: Final[tuple[tuple[str, _Kind, str], ...]] = (
    (
        "dubious ownership",
        GitError,
        "the folder belongs to another user; run as its owner",
    ),
    (
        "Authentication failed",
        RemoteDeniedError,
        "check the credential of the repository",
    ),
    (
        "could not read (?:Username|Password)",
        RemoteDeniedError,
        "the repository needs a credential, or another one than it has",
    ),
    (
        "has changed and you have requested",
        RemoteDeniedError,
        "the host shows another key than the one in known_hosts: find out why "
        "before you replace it",
    ),
    ("host key is known", RemoteDeniedError, _ADD_HOST),
    ("Host key verification failed", RemoteDeniedError, _ADD_HOST),
    (
        "REMOTE HOST IDENTIFICATION",
        RemoteDeniedError,
        "find out why the host has another key before you replace it",
    ),
    ("No user exists for uid", GitError, "ssh needs a user of this number: add one"),
    (
        "Permission denied|marked as read only|not allowed to push",
        RemoteDeniedError,
        "check the key or the rights of the repository",
    ),
    (
        "error: 40[13]|HTTP 40[13]",
        RemoteDeniedError,
        "check the credential of the repository, and its rights",
    ),
    (
        r"[Cc]ertificate|SSL peer|verification failed",
        RemoteDeniedError,
        "name the authority's PEM file as `ca` of the repository",
    ),
    ("hook declined", GitError, "a rule of the remote refuses this; ask its owner"),
    (
        "[Pp]rotected branch",
        GitError,
        "a rule of the remote refuses this; ask its owner",
    ),
    (
        "fsck error",
        GitError,
        "the repository holds an object that git itself finds unsafe",
    ),
    (
        # said before it hangs up, which is the end of it and not the cause
        r"object file .* is (?:corrupt|empty)|is corrupt|bad object|unable to read",
        GitError,
        "the repository itself is damaged: have it repaired or restored at its origin",
    ),
    (
        "redirect|error: 30[1278]",
        GitError,
        "use the address that the remote redirects to",
    ),
    (
        "Could not resolve host",
        RemoteUnavailableError,
        "check the address and the name service",
    ),
    (
        r"error: (?:429|5\d\d)|HTTP (?:429|5\d\d)|Failed to connect|"
        r"Couldn't connect|Connection (?:refused|reset|closed|timed out)|"
        r"Operation (?:timed out|too slow)|Network is unreachable|No route to host|"
        r"early EOF|unexpected disconnect|hung up unexpectedly|Broken pipe|"
        r"Recv failure|Send failure|Empty reply|transfer closed|"
        r"kex_exchange_identification|Connection to .* closed|"
        r"curl (?:5|6|7|16|18|28|35|52|55|56|92) |"
        r"not responding|gnutls_handshake|TLS connect|SSL_ERROR_SYSCALL",
        RemoteUnavailableError,
        "is the remote there? It is asked again",
    ),
)
_DEFAULT_HINT: Final = (
    "check that the address is right, and that the repository is there and whole"
)


def remote_failure(place: str, words: str) -> GitError:
    """Make the error of a remote that did not do what we asked.

    Args:
        place: the remote and the command, for people.
        words: git's last, fit for people.
    """
    kind, hint = _judged(words)
    return kind(f"{place}: {words}", hint=hint)


def hint_for(words: str) -> str:
    """Return what to do about a remote that did not do what we asked."""
    return _judged(words)[1]


def _judged(words: str) -> tuple[_Kind, str]:
    for sign, kind, hint in _SIGNS:
        if re.search(sign, words):
            return kind, hint
    return GitError, _DEFAULT_HINT
