"""service.toml and its variables: what they say, and what is refused, and how."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import ip_network
from pathlib import Path

import pytest

from gitops.errors import InputError
from service.configuration import (
    Credential,
    ForgeKind,
    RepositorySettings,
    Sink,
    SinkKind,
    SourceKind,
    read_configuration,
    read_sinks,
)
from service.settings import load
from tests.support.reference import FILE_HEAD

FULL = """\
[[repository]]
name = "fleet"
url = "https://git.example.com/directus/fleet.git"
forge = "forgejo"
credential = "env:FORGE_TOKEN"

[repository.networks]
health = ["10.0.0.0/8", "127.0.0.1", "Directus.Internal", "*.svc.cluster.local"]
forge = ["fd00::/8"]

[[repository.health]]
name = "argocd"
kind = "argocd"
url = "https://argocd.example.com/"
credential = "file:token"
ca = "ca.pem"

[[repository.health]]
name = "http"
kind = "directus"
url = "https://{stack}-{environment}.example.com"

[[repository]]
name = "small"

[[repository.health]]
name = "flux"
kind = "flux"
url = "https://kubernetes.default.svc"

[[repository.health]]
name = "plain"
kind = "deployment"
url = "https://10.96.0.1:6443"
"""


def read(
    text: str | bytes,
    folder: Path = Path("/nowhere"),
    environment: Mapping[str, str] | None = None,
) -> tuple[RepositorySettings, ...]:
    content = text.encode() if isinstance(text, str) else text
    lookup = ({} if environment is None else environment).get
    return read_configuration(
        content, name="service.toml", folder=folder, lookup=lookup
    )


def refused(text: str | bytes) -> InputError:
    with pytest.raises(InputError) as caught:
        read(text)
    assert caught.value.message.isprintable()
    assert caught.value.hint
    assert caught.value.__cause__ is None
    return caught.value


def secret_of(credential: Credential | None) -> str:
    assert credential is not None
    return credential.reveal().get_secret_value()


# --- what it says ---


def test_a_file_says_repositories_with_their_sources_in_its_order() -> None:
    fleet, small = read(FULL)
    assert (fleet.name, fleet.forge, fleet.url) == (
        "fleet",
        ForgeKind.FORGEJO,
        "https://git.example.com/directus/fleet.git",
    )
    assert [source.name for source in fleet.health] == ["argocd", "http"]
    assert (small.name, small.forge, small.url) == ("small", ForgeKind.EMBEDDED, "")
    assert small.source("flux") is small.health[0]
    assert small.source("argocd") is None


def test_a_source_is_asked_for_what_the_generated_wiring_is_called() -> None:
    argocd, directus, flux, plain = [s for r in read(FULL) for s in r.health]
    assert (argocd.application, argocd.namespace) == ("{stack}-{environment}", "")
    assert directus.kind is SourceKind.DIRECTUS
    assert (flux.application, flux.namespace) == (
        "{stack}-{environment}",
        "flux-system",
    )
    assert (plain.application, plain.namespace) == ("directus", "{namespace}")
    assert argocd.url == "https://argocd.example.com"


def test_networks_are_kept_apart_by_purpose_and_given_to_each_source() -> None:
    fleet, small = read(FULL)
    assert fleet.networks.health.networks == (
        ip_network("10.0.0.0/8"),
        ip_network("127.0.0.1/32"),
    )
    assert fleet.networks.health.hosts == {"directus.internal", "*.svc.cluster.local"}
    assert fleet.networks.forge.networks == (ip_network("fd00::/8"),)
    assert fleet.networks.forge.named == {"git.example.com"}
    assert not fleet.networks.registry.networks
    assert not fleet.networks.registry.hosts
    assert {source.allowed for source in fleet.health} == {fleet.networks.health}
    assert not small.health[0].allowed.networks


def test_an_empty_file_describes_nothing() -> None:
    assert read("") == ()


def test_the_documented_example_is_read() -> None:
    example = FILE_HEAD.partition("```toml\n")[2].partition("```")[0]
    (fleet,) = read(example)
    assert fleet.source("argocd") is not None


# --- secrets ---


def test_a_credential_is_read_only_when_it_is_used(tmp_path: Path) -> None:
    environment: dict[str, str] = {}
    (fleet, _) = read(FULL, tmp_path, environment)
    environment |= {"FORGE_TOKEN": " s3cret\n"}
    (tmp_path / "token").write_text("from-a-file\n")
    assert secret_of(fleet.credential) == "s3cret"
    assert secret_of(fleet.health[0].credential) == "from-a-file"
    (tmp_path / "token").write_text("rotated")
    assert secret_of(fleet.health[0].credential) == "rotated"


def test_no_secret_and_no_path_is_in_what_a_repository_shows(tmp_path: Path) -> None:
    (fleet, _) = read(FULL, tmp_path, {"FORGE_TOKEN": "s3cret"})
    assert "s3cret" not in repr(fleet)
    assert str(tmp_path) not in repr(fleet)
    assert fleet.credential is not None
    assert "s3cret" not in repr(fleet.credential.reveal())


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (None, "No such file"),
        (b"", "empty"),
        (b" \n", "empty"),
        (b"\xff\xfe", "no text"),
        (b"two\nlines", "a character"),
        (b"x" * ((1 << 20) + 1), "too large"),
    ],
    ids=["missing", "empty", "blank", "binary", "two-lines", "huge"],
)
def test_a_secret_that_cannot_be_read_names_the_setting_alone(
    tmp_path: Path, content: bytes | None, told: str
) -> None:
    if content is not None:
        (tmp_path / "token").write_bytes(content)
    (fleet, _) = read(FULL, tmp_path)
    with pytest.raises(InputError, match=told) as caught:
        secret_of(fleet.health[0].credential)
    message = caught.value.message
    assert message.startswith("service.toml:15: repository[0].health[0].credential: ")
    assert str(tmp_path) not in message
    assert "lines" not in message


def test_a_variable_that_is_not_set_is_named() -> None:
    (fleet, _) = read(FULL)
    with pytest.raises(InputError, match=r"credential: .*FORGE_TOKEN is not set"):
        secret_of(fleet.credential)


# --- what is refused ---

NETWORKS = '[[repository]]\nname = "a"\n[repository.networks]\n'


def source(**keys: str) -> str:
    given = {"name": '"x"', "kind": '"directus"', "url": '"https://x.example.com"'}
    lines = [f"{key} = {value}" for key, value in (given | keys).items()]
    return '[[repository]]\nname = "a"\n[[repository.health]]\n' + "\n".join(lines)


@pytest.mark.parametrize(
    ("text", "place", "told"),
    [
        ("x = 1", "service.toml:1: x", "unknown key"),
        ("[[repository]]\n", "service.toml:1: repository[0].name", "missing"),
        (
            '[[repository]]\nname = "a"\nnmae = "b"\n',
            "service.toml:3: repository[0].nmae",
            "unknown key",
        ),
        ('[[repository]]\nname = "a b"', "service.toml:2: repository[0].name", "name"),
        ('[[repository]]\nname = "../a"', "service.toml:2: repository[0].name", "name"),
        ("[[repository]]\nname = 7", "service.toml:2: repository[0].name", "a text"),
        ("repository = 3", "service.toml:1: repository", "a list"),
        (
            '[[repository]]\nname = "a"\n\n[[repository]]\nname = "a"\n',
            "service.toml:5: repository[1].name",
            "twice",
        ),
        (
            '[[repository]]\nname = "a"\nforge = "github"\n',
            "service.toml:1: repository[0].url",
            "forge",
        ),
        (
            '[[repository]]\nname = "a"\nurl = "https://git.example.com/a"\n',
            "service.toml:3: repository[0].url",
            "forge",
        ),
        (source(kind='"vibes"'), "service.toml:5: repository[0].health[0].kind", "one"),
        (source(name='"none"'), "service.toml:4: repository[0].health[0].name", "rule"),
        (source(name='"A b"'), "service.toml:4: repository[0].health[0].name", "name"),
        (
            source(application='"{pod}"'),
            "service.toml:7: repository[0].health[0].application",
            "braces",
        ),
        (
            source(namespace='"a/b"'),
            "service.toml:7: repository[0].health[0].namespace",
            "Kubernetes",
        ),
        (
            NETWORKS + 'health = ["10.0.0.1/8"]',
            "service.toml:4: repository[0].networks.health[0]",
            "first address",
        ),
        (
            NETWORKS + 'health = ["10.0.0/8"]',
            "service.toml:4: repository[0].networks.health[0]",
            "no host name",
        ),
        (
            NETWORKS + 'forge = ["*.com"]',
            "service.toml:4: repository[0].networks.forge[0]",
            "too many",
        ),
        (
            NETWORKS + "peers = []",
            "service.toml:4: repository[0].networks.peers",
            "unknown key",
        ),
    ],
)
def test_a_fault_has_its_place_and_a_hint(text: str, place: str, told: str) -> None:
    error = refused(text)
    assert error.message.startswith(f"{place}: ")
    assert told in error.message


@pytest.mark.parametrize(
    "url",
    [
        "git.example.com",
        "ftp://git.example.com",
        "file:///etc/passwd",
        "https://user:s3cret@git.example.com",
        "https://s3cret@git.example.com",
        "https://git.example.com/?token=s3cret",
        "https://git.example.com/#s3cret",
        "https://git.example.com:99999",
        "https://git.example.com:0",
        "https://127.1",
        "https://2130706433",
        "https://0x7f.1",
        "https://git example.com",
        "https://git.example.com\\\\@evil",
        "https://g\u00eft.example.com",
        "https://[fe80::1%25eth0]",
        "https://{stack}",
        "https://x.{namespace}",
        "https://{stack}:8055",
        "https://{pod}.example.com",
        "",
    ],
)
def test_an_address_that_will_not_do_is_not_shown(url: str) -> None:
    error = refused(source(url=f'"{url}"'))
    assert error.message.startswith("service.toml:6: repository[0].health[0].url: ")
    assert "s3cret" not in f"{error.message}{error.hint}"
    assert "evil" not in f"{error.message}{error.hint}"


@pytest.mark.parametrize(
    "reference",
    ["ghp_s3cret", "env:", "env:s3cret value", "file:", "file:a\\nb", "vault:s3cret"],
)
def test_a_secret_in_the_place_of_a_reference_is_not_shown(reference: str) -> None:
    error = refused(source(credential=f'"{reference}"'))
    assert "s3cret" not in f"{error.message}{error.hint}"
    assert "env:NAME" in error.hint


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ('x = "s3cret', "service.toml: "),
        ("[[repository]]\ns3cret s3cret\n", "service.toml:2:8: "),
        (b"x = '\xff s3cret'", "service.toml: "),
        ("x = " + "[" * 100_000, "service.toml: "),
        ('a = 1\na = "s3cret"', "service.toml"),
        ("#" * ((1 << 20) + 1), "service.toml: "),
    ],
    ids=["open", "words", "latin", "deep", "twice", "huge"],
)
def test_what_is_no_toml_is_told_without_its_text(
    text: str | bytes, place: str
) -> None:
    error = refused(text)
    assert error.message.startswith(place)
    assert "s3cret" not in error.message


def test_a_typing_mistake_gets_the_key_that_was_meant() -> None:
    assert refused(source(credentail='"env:X"')).hint == "did you mean credential?"


def test_lines_are_not_told_where_they_cannot_be_known() -> None:
    text = '[[repository]]\nname = """\na"""\nforge = "x"'
    assert refused(text).message.startswith("service.toml: repository[0]")


def test_a_secret_as_a_key_is_not_shown() -> None:
    error = refused(f"{'s3cret' * 10} = 1")
    assert "s3cret" not in error.message


# --- the settings ---


def test_the_file_is_in_the_data_folder_or_where_a_variable_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert load(data=tmp_path).repositories == ()
    (tmp_path / "service.toml").write_text('[[repository]]\nname = "here"')
    assert [r.name for r in load(data=tmp_path).repositories] == ["here"]
    (tmp_path / "other.toml").write_text('[[repository]]\nname = "there"')
    monkeypatch.setenv("DIRECTUS_GITOPS_CONFIG", str(tmp_path / "other.toml"))
    assert [r.name for r in load(data=tmp_path).repositories] == ["there"]


def test_a_file_that_is_named_has_to_be_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="DIRECTUS_GITOPS_CONFIG") as caught:
        _ = load(data=tmp_path, config=tmp_path / "none.toml").repositories
    assert str(tmp_path) not in caught.value.message


def test_a_file_that_cannot_be_read_is_told_without_its_folder(tmp_path: Path) -> None:
    (tmp_path / "service.toml").mkdir()
    with pytest.raises(InputError, match=r"'service\.toml': cannot be read") as caught:
        _ = load(data=tmp_path).repositories
    assert str(tmp_path) not in caught.value.message


def test_a_repository_that_is_not_described_is_of_the_embedded_forge(
    tmp_path: Path,
) -> None:
    (tmp_path / "service.toml").write_text('[[repository]]\nname = "here"')
    assert load(data=tmp_path).repository("other") == RepositorySettings(name="other")


def test_one_repository_is_described_by_variables_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for name, value in {
        "REPOSITORY_URL": "https://git.example.com/directus/fleet.git",
        "REPOSITORY_FORGE": "gitea",
        "REPOSITORY_CREDENTIAL": "env:FORGE_TOKEN",
        "HEALTH_KIND": "argocd",
        "HEALTH_URL": "https://argocd.example.com",
        "HEALTH_CA": "ca.pem",
        "NETWORKS_HEALTH": "10.0.0.0/8, argocd.internal",
    }.items():
        monkeypatch.setenv(f"DIRECTUS_GITOPS_{name}", value)
    monkeypatch.setenv("FORGE_TOKEN", "s3cret")
    (fleet,) = load().repositories
    assert (fleet.name, fleet.forge) == ("fleet", ForgeKind.GITEA)
    assert secret_of(fleet.credential) == "s3cret"
    assert [s.name for s in fleet.health] == ["argocd"]
    assert fleet.networks.health.hosts == {"argocd.internal"}
    (tmp_path / "ca.pem").write_text("PEM")
    assert fleet.health[0].ca is not None
    assert fleet.health[0].ca.read() == "PEM"


@pytest.mark.parametrize(
    ("variables", "named"),
    [
        ({"REPOSITORY_FORGE": "github"}, "DIRECTUS_GITOPS_REPOSITORY_NAME"),
        (
            {"REPOSITORY_NAME": "a", "REPOSITORY_CREDENTIAL": "s3cret"},
            "DIRECTUS_GITOPS_REPOSITORY_CREDENTIAL",
        ),
        (
            {"REPOSITORY_NAME": "a", "HEALTH_URL": "https://x.example.com"},
            "DIRECTUS_GITOPS_HEALTH_NAME",
        ),
        (
            {"REPOSITORY_NAME": "a", "HEALTH_KIND": "s3cret"},
            "DIRECTUS_GITOPS_HEALTH_",
        ),
        (
            {"REPOSITORY_NAME": "a", "NETWORKS_FORGE": "s3cret/8"},
            "DIRECTUS_GITOPS_NETWORKS_FORGE",
        ),
    ],
)
def test_a_variable_that_will_not_do_is_named_and_not_shown(
    monkeypatch: pytest.MonkeyPatch, variables: Mapping[str, str], named: str
) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(f"DIRECTUS_GITOPS_{name}", value)
    with pytest.raises(InputError) as caught:
        _ = load().repositories
    assert caught.value.message.startswith(named)
    assert "s3cret" not in f"{caught.value.message}{caught.value.hint}"


def test_a_repository_is_not_described_twice(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "service.toml").write_text('[[repository]]\nname = "here"')
    monkeypatch.setenv("DIRECTUS_GITOPS_REPOSITORY_NAME", "here")
    with pytest.raises(InputError, match="in variables"):
        _ = load(data=tmp_path).repositories


# --- who is told ---

SINK = """\
[[notify]]
name = "chat"
kind = "slack"
url = "env:CHAT_URL"
events = ["pull request*", "hold placed"]

[[notify]]
name = "program"
kind = "webhook"
url = "file:hook"
secret = "env:HOOK_SECRET"
repositories = ["fleet"]
networks = ["10.0.0.0/8"]
"""


def sinks(text: str, folder: Path = Path("/etc")) -> tuple[Sink, ...]:
    return read_sinks(
        text.encode(), name="service.toml", folder=folder, lookup=lambda _: None
    )


def test_sinks_are_read_without_their_secrets(tmp_path: Path) -> None:
    chat, program = sinks(SINK, tmp_path)
    assert (chat.name, chat.kind, chat.secret) == ("chat", SinkKind.SLACK, None)
    assert program.repositories == ("fleet",)
    assert program.allowed.networks == (ip_network("10.0.0.0/8"),)
    (tmp_path / "hook").write_text("https://hooks.example.com/T0/s3cret\n")
    assert program.url.reveal().get_secret_value().endswith("s3cret")
    assert "s3cret" not in repr(program)


def test_a_sink_wants_what_its_filters_say() -> None:
    chat, program = sinks(SINK)
    assert chat.wants("pull request merged", "any")
    assert chat.wants("hold placed", "")
    assert not chat.wants("hold released", "any")
    assert program.wants("anything", "fleet")
    assert not program.wants("anything", "other")


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ('url = "https://hooks.slack.com/services/T0/B0/s3cret"', "where the secret"),
        ('url = ""', "is empty"),
        ('name = "a b"', "not a name"),
        ('kind = "mail"', "not one that we know"),
        ('events = ["DROP"]', "not the name of an event"),
        ('secret = "env:X"', "does not go with the kind"),
        ('colour = "red"', "unknown key"),
    ],
)
def test_a_sink_that_breaks_a_rule_is_refused_without_its_value(
    change: str, told: str
) -> None:
    key = change.partition(" ")[0]
    chat = SINK.partition("\n\n")[0].splitlines()
    lines = [*(line for line in chat if not line.startswith(f"{key} ")), change]
    with pytest.raises(InputError) as caught:
        sinks("\n".join(lines))
    assert told in caught.value.message
    assert "s3cret" not in caught.value.message + caught.value.hint


def test_two_sinks_of_one_name_are_refused() -> None:
    with pytest.raises(InputError, match="twice"):
        sinks(SINK.replace('"program"', '"chat"'))


def test_settings_tell_the_sinks_of_the_file(tmp_path: Path) -> None:
    (tmp_path / "service.toml").write_text(SINK)
    assert [sink.name for sink in load(data=tmp_path).sinks] == ["chat", "program"]
    assert load(data=tmp_path / "none").sinks == ()
