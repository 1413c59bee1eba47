"""git.remote: an address is data, never an option, a program or a secret."""

from __future__ import annotations

from pathlib import Path

import pytest

from gitops.errors import GitError, InputError, RemoteUnavailableError
from gitops.git import check_url, path_of
from gitops.git.failures import hint_for, remote_failure
from gitops.git.remote import Remote

REFUSED = [
    "",
    "ext::sh -c touch% /tmp/sentinel",
    "ext://host/x",
    "fd::17",
    "git://host/x.git",
    "http://host/x.git",
    "ftp://host/x",
    "rsync://host/x",
    "HTTPS://host/x.git",
    "-uprog",
    "--upload-pack=x",
    "--upload-pack=x@host:y",
    "ssh://-oProxyCommand=x/y",
    "ssh://user@-oProxyCommand=x/y",
    "-oProxyCommand=x@host:y",
    "git@-oProxyCommand=x:y",
    "git@host:-x",
    "git@host:/absolute/../up",
    "https://-host/x",
    "https://host",
    "https://host/",
    "https://host/-x",
    "https://user:secret@host/x.git",
    "https://token@host/x.git",
    "ssh://user:secret@host/x.git",
    "https://host/x.git\n",
    "https://host/x\r\ny",
    "https://host/%0d%0ax",
    "https://host/a/%2e%2e/b",
    "https://host/a/../b",
    "https://host/a//b",
    "https://host/$HOME",
    "https://host/`id`",
    "https://host/x.git?private_token=secret",
    "https://host/x.git#part",
    "https://host:port/x",
    "https://host:999999/x",
    "https://hóst/x",
    "https://host/ﬁ",
    "host:path",
    "relative/path",
    "./x",
    "../x",
    "~/x",
    "C:\\x",
    "javascript:alert(1)",
    "https://" + "a" * 300 + "/x",
    "https://host/" + "a" * 2000,
]


@pytest.mark.parametrize("allow_file", [False, True])
@pytest.mark.parametrize("url", REFUSED)
def test_hostile_addresses_are_refused(url: str, allow_file: bool) -> None:
    with pytest.raises(InputError) as caught:
        check_url(url, allow_file=allow_file)
    assert "secret" not in caught.value.message


@pytest.mark.parametrize(
    "url",
    [
        "https://user:secret@host/x.git",
        "ssh://user:secret@host/x",
        "secret@host/x",
        "https://secret@host/x",
        "https://user:sec/secret@host/x",
        "https://host/x?token=secret",
        "https://host/x#secret",
    ],
)
def test_a_refused_address_is_shown_without_its_password(url: str) -> None:
    with pytest.raises(InputError) as caught:
        check_url(url, allow_file=True)
    assert "secret" not in caught.value.message


@pytest.mark.parametrize(
    ("url", "protocol", "name"),
    [
        ("https://github.com/acme/fleet.git", "https", "fleet.git"),
        ("https://git.example.com:8443/a/b/c", "https", "c"),
        ("https://dev.azure.com/o/My%20Project/_git/fleet", "https", "fleet"),
        ("ssh://git@host.example:22/acme/fleet.git", "ssh", "fleet.git"),
        ("ssh://host/acme/fleet.git", "ssh", "fleet.git"),
        ("git@github.com:acme/fleet.git", "ssh", "fleet.git"),
        ("git@host:fleet.git", "ssh", "fleet.git"),
    ],
)
def test_usual_addresses_pass_unchanged(url: str, protocol: str, name: str) -> None:
    remote = Remote(url=check_url(url, allow_file=False))
    assert (remote.url, remote.protocol, remote.name) == (url, protocol, name)


@pytest.mark.parametrize(
    "url",
    [
        "/etc",
        "file:///etc",
        "/srv/fleet.git",
    ],
)
def test_folders_of_this_machine_need_permission(url: str) -> None:
    with pytest.raises(InputError):
        check_url(url, allow_file=False)
    assert check_url(url, allow_file=True).startswith("file:///")


@pytest.mark.parametrize(
    "url",
    [
        "/srv/../etc",
        "file:///srv/%2e%2e/etc",
        "/srv/a\nb",
        "//host/share",
        "file:////host",
        "file://host/x",
        "file:/x",
        "/srv/\x00",
    ],
)
def test_hostile_folders_are_refused_even_with_permission(url: str) -> None:
    with pytest.raises(InputError):
        check_url(url, allow_file=True)


@pytest.mark.parametrize("path", ["/srv/a b/ü%20x.git", "/srv/$HOME/-x", "/srv/a:b"])
def test_a_folder_with_odd_characters_survives_the_way_to_git_and_back(
    path: str,
) -> None:
    url = check_url(path, allow_file=True)
    assert path_of(url) == Path(path)
    assert check_url(url, allow_file=True) == url


def test_only_file_addresses_have_a_folder() -> None:
    assert path_of("https://host/x.git") is None


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        ("fatal: detected dubious ownership in repository", "another user"),
        ("fatal: Authentication failed for 'https://x/'", "credential"),
        ("pre-receive hook declined", "rule of the remote"),
        ("something new", "address is right"),
    ],
)
def test_a_failure_of_a_remote_has_a_hint(words: str, hint: str) -> None:
    assert hint in hint_for(words)


def test_a_remote_that_is_damaged_is_not_just_away_for_a_while() -> None:
    hung_up = "fatal: the remote end hung up unexpectedly"
    damaged = f"error: object file ./objects/16/3ace is empty; {hung_up}"
    assert type(remote_failure("fleet.git: git fetch", damaged)) is GitError
    assert isinstance(
        remote_failure("fleet.git: git fetch", hung_up), RemoteUnavailableError
    )
