"""Which registries the operator names, what is asked of them, and how often."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from gitops.errors import InputError
from gitops.model import Absent, Exists, Revision, Unchecked, UpdateSource
from gitops.registries import Login
from gitops.web import Web
from service.configuration import (
    RegistryKind,
    RegistrySettings,
    read_configuration,
)
from service.registries import Registries
from service.settings import Settings, load
from tests.support.places import Ticking
from tests.support.registry import index, single
from tests.support.registry_double import Double, double, package
from tests.support.servers import Request, reply

CANARY = "canary-of-the-operator"


def described(
    text: str, variables: Mapping[str, str] | None = None
) -> tuple[RegistrySettings, ...]:
    """Read the registries of the one repository that a text describes."""
    (repository,) = read_configuration(
        f'[[repository]]\nname = "fleet"\n{text}'.encode(),
        name="service.toml",
        folder=Path("/nowhere"),
        lookup=(variables or {}).get,
    )
    return repository.registries


def tables(*lines: str) -> str:
    return "".join(f"[[repository.registry]]\n{text}\n" for text in lines)


# --- what service.toml says ---


def test_a_host_alone_is_enough_for_a_registry_of_images() -> None:
    hub, other = described(tables('host = "docker.io"', 'host = "R.example.com:5000"'))
    assert (hub.kind, hub.host) == (RegistryKind.IMAGES, "docker.io")
    assert hub.url == "https://registry-1.docker.io"
    assert hub.realms == {"auth.docker.io"}
    assert hub.platforms == ("linux/amd64",)
    assert not hub.pin
    assert (other.host, other.url) == (
        "r.example.com:5000",
        "https://r.example.com:5000",
    )
    assert other.realms == frozenset()


def test_npm_and_github_have_their_public_addresses() -> None:
    npm, github = described(tables('kind = "npm"', 'kind = "github"'))
    assert (npm.url, github.url) == (
        "https://registry.npmjs.org",
        "https://api.github.com",
    )


def test_a_login_is_read_when_it_is_used_and_shown_nowhere() -> None:
    variables = {"HUB": CANARY}
    text = 'host = "docker.io"\nusername = "acme"\ncredential = "env:HUB"'
    (found,) = described(tables(text), variables)
    access = found.access()
    assert access.login() == Login(username="acme", secret=CANARY)
    assert CANARY not in f"{found} {access} {access.login()}"
    variables["HUB"] = replaced = "another"
    assert access.login() == Login(username="acme", secret=replaced)
    del variables["HUB"]
    with pytest.raises(InputError, match="the environment variable HUB is not set"):
        access.login()


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "host: does not go with the kind"),
        ('kind = "npm"\nhost = "docker.io"', "host: does not go with the kind"),
        ('host = "directus"', "host: is not the host of images"),
        ('host = "https://ghcr.io"', "host: is not the host of images"),
        ('host = "ghcr.io/directus"', "host: is not the host of images"),
        ('host = "a/docker.io"', "host: is not the host of images"),
        ('host = "ghcr.io"\nurl = "ghcr.io"', "url: is not an address"),
        ('host = "ghcr.io"\nurl = "https://u:p@x.io"', "url: holds a user"),
        ('host = "ghcr.io"\nusername = "a:b"', "username: is not the name"),
        ('host = "ghcr.io"\ncredential = "hunter2"', "does not say where the secret"),
        ('host = "ghcr.io"\nplatforms = ["linux"]', "is not a platform"),
        ('host = "ghcr.io"\nrealms = ["https://x"]', "is no host name"),
        ('host = "ghcr.io"\npin = "yes"', "pin: must be true or false"),
        ('host = "ghcr.io"\ntoken = "x"', "unknown key"),
        ('kind = "helm"', "is not one that we know"),
    ],
)
def test_what_cannot_be_meant_is_refused_without_its_value(
    text: str, problem: str
) -> None:
    with pytest.raises(InputError) as caught:
        described(tables(text))
    assert problem in caught.value.message
    assert "hunter2" not in f"{caught.value.message} {caught.value.hint}"


def test_a_host_that_is_there_twice_is_refused() -> None:
    with pytest.raises(InputError, match=r"registry\[1\]\.host: is there twice"):
        described(tables('host = "docker.io"', 'host = "index.docker.io"'))


def test_one_registry_can_be_described_by_variables_alone(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("DIRECTUS_GITOPS_REPOSITORY_NAME", "fleet")
    monkeypatch.setenv("DIRECTUS_GITOPS_REGISTRY_HOST", "ghcr.io")
    monkeypatch.setenv("DIRECTUS_GITOPS_REGISTRY_CREDENTIAL", "env:PACKAGES")
    monkeypatch.setenv("PACKAGES", CANARY)
    (found,) = load(data=tmp_path).repository("fleet").registries
    assert found.host == "ghcr.io"
    assert found.access().login() == Login(username="", secret=CANARY)


# --- what is asked ---


@contextmanager
def asking(
    folder: Path, *, toml: str = "", **state: Any
) -> Iterator[tuple[Double, Registries, Ticking]]:
    with double(**state) as found, Web() as web:
        (folder / "service.toml").write_text(
            '[[repository]]\nname = "fleet"\n'
            '[repository.networks]\nregistry = ["127.0.0.1"]\n'
            f'[[repository.registry]]\nhost = "{found.host}"\n'
            f'url = "{found.url}"\n{toml.format(url=found.url)}\n'
        )
        clock = Ticking()
        yield found, Registries(Settings(data=folder), web, clock), clock


def test_an_image_is_proved_by_its_tag_and_by_its_digest(tmp_path: Path) -> None:
    toml = 'platforms = ["linux/arm64", "linux/s390x"]\npin = true'
    with asking(tmp_path, toml=toml) as (there, registries, _):
        image = f"{there.host}/acme/directus"
        made = index(single(), single(architecture="arm64"))
        pushed = there.push("acme/directus", "12.5.0", made)
        proof = registries.prove("fleet", Revision(image=image, tag="12.5.0"))
        assert isinstance(proof, Exists)
        assert proof.image.digest == pushed
        assert proof.missing == ("linux/s390x",)
        assert proof.pin
        by_digest = Revision(image=image, tag="9.9.9", digest=pushed)
        assert isinstance(registries.prove("fleet", by_digest), Exists)
        gone = Revision(image=image, tag="12.4.0")
        assert registries.prove("fleet", gone) == Absent(near=("12.5.0",))


def test_what_nobody_is_set_up_for_is_not_asked(tmp_path: Path) -> None:
    with asking(tmp_path) as (there, registries, _):
        revision = Revision(image="directus/directus", tag="12.5.0")
        assert registries.prove("fleet", revision) is None
        own = Revision(image=f"{there.host}/a/b", tag="12.5.0")
        assert registries.prove("another", own) is None
        listed = registries.listed("fleet", "directus/directus", UpdateSource.NPM)
        assert listed.problem == "no npm registry is set up in service.toml"
        assert registries.notes("fleet", "12.5.0") is None
        assert there.requests == []


def test_a_registry_that_fails_leaves_it_unchecked(tmp_path: Path) -> None:
    with asking(tmp_path) as (there, registries, _):
        there.instead = lambda _request: reply("", status=500)
        revision = Revision(image=f"{there.host}/a/b", tag="12.5.0")
        assert registries.prove("fleet", revision) == Unchecked(
            reason="127.0.0.1: answers 500"
        )


def test_a_list_is_asked_for_once_in_an_interval(tmp_path: Path) -> None:
    with asking(tmp_path) as (there, registries, clock):
        there.push("a/b", "12.5.0", single())
        image = f"{there.host}/a/b"

        def tags() -> list[str]:
            listed = registries.listed("fleet", image, UpdateSource.REGISTRY)
            assert listed.problem == ""
            return [one.version for one in listed.releases]

        assert tags() == ["12.5.0"]
        there.push("a/b", "12.6.0", single())
        assert tags() == ["12.5.0"]
        clock.later(minutes=59)
        assert tags() == ["12.5.0"]
        clock.later(minutes=1)
        assert tags() == ["12.5.0", "12.6.0"]


def test_one_that_failed_is_left_alone_for_a_while(tmp_path: Path) -> None:
    with asking(tmp_path) as (there, registries, clock):
        there.push("a/b", "12.5.0", single())
        image = f"{there.host}/a/b"
        there.instead = lambda _request: reply("", status=500)
        for _ in range(3):
            listed = registries.listed("fleet", image, UpdateSource.REGISTRY)
            assert listed.problem == "127.0.0.1: answers 500"
        assert len(there.requests) == 1
        there.instead = lambda _request: None
        clock.later(minutes=5)
        assert not registries.listed("fleet", image, UpdateSource.REGISTRY).problem


def test_a_credential_goes_to_its_own_registry_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("NPM_TOKEN", CANARY)
    toml = '[[repository.registry]]\nkind = "npm"\nurl = "{url}/npm"\n'
    toml += 'credential = "env:NPM_TOKEN"\n'
    seen: dict[str, str] = {}

    def instead(request: Request) -> bytes | None:
        seen[request.target.split("/")[1]] = str(request.headers)
        is_npm = request.target == "/npm/directus"
        return package({"12.5.0": ("2026-02-20T08:00:00Z", None)}) if is_npm else None

    with asking(tmp_path, toml=toml, instead=instead) as (there, registries, _):
        there.push("a/b", "12.5.0", single())
        image = f"{there.host}/a/b"
        assert not registries.listed("fleet", image, UpdateSource.NPM).problem
        registries.prove("fleet", Revision(image=image, tag="12.5.0"))
        assert CANARY in seen["npm"]
        assert CANARY not in seen["v2"]


def test_a_credential_that_is_not_there_is_told_as_a_value(tmp_path: Path) -> None:
    toml = 'credential = "env:NO_SUCH_VARIABLE"'
    with asking(tmp_path, toml=toml, wants_token=True) as (there, registries, _):
        there.push("a/b", "12.5.0", single())
        proof = registries.prove(
            "fleet", Revision(image=f"{there.host}/a/b", tag="12.5.0")
        )
        assert isinstance(proof, Unchecked)
        assert "NO_SUCH_VARIABLE is not set" in proof.reason
