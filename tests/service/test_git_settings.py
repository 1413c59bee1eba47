"""`[repository.git]`: how git reaches a repository, and whose the commits are."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from gitops.errors import InputError
from gitops.git import Identity, SigningFormat
from gitops.model import BranchName, CommitId
from service.configuration import GitSettings, RepositorySettings, read_configuration
from service.doctor import Check, State, remotes
from service.forges import Forges
from service.origins import locate
from service.repository import open_workplace
from service.settings import load
from service.store import Store
from tests.support.deaths import Mortal
from tests.support.passes import DEVELOPMENT, Served, served
from tests.support.places import DEPLOYMENT, Ticking
from tests.support.repos import MAIN, NOON, git, make_remote, tip_of, wrote
from tests.support.sshd import make_key, program, running_sshd

USUAL = Identity(name="usual", email="usual@example.com")
CANARY = "canary-4711"
SHOP = BranchName("directus-gitops/development/shop")
HOURLY = """\
  - from: development
    to: staging
    schedule: "0 * * * *"
"""
HEAD = """\
[[repository]]
name = "fleet"
url = "https://git.example.com/directus/fleet"
forge = "forgejo"
credential = "env:TOKEN"
"""


def read(table: str, folder: Path = Path("/nowhere"), head: str = HEAD) -> GitSettings:
    return repository(table, folder, head).git


def repository(table: str, folder: Path, head: str = HEAD) -> RepositorySettings:
    text = f"{head}[repository.git]\n{table}"
    lookup = {"TOKEN": CANARY, "KEY": "a\nkey\n"}.get
    (found,) = read_configuration(
        text.encode(), name="service.toml", folder=folder, lookup=lookup
    )
    return found


# --- what it says ---


def test_without_a_table_git_goes_where_the_forge_is_and_signs_nothing() -> None:
    plain = read("")
    assert plain == GitSettings()
    assert plain.ssh is None
    assert plain.identity(USUAL) == USUAL


def test_keys_and_known_hosts_are_read_when_they_are_used(tmp_path: Path) -> None:
    made = read(
        'url = "ssh://git@ssh.example.com:2222/directus/fleet.git"\n'
        'key = "env:KEY"\n'
        'known_hosts = "hosts"\n',
        tmp_path,
    )
    assert made.ssh is not None
    with pytest.raises(InputError, match=r"service\.toml:9: .*known_hosts"):
        made.ssh.known_hosts()
    (tmp_path / "hosts").write_text("ssh.example.com ssh-ed25519 AAAA\n")
    assert made.ssh.known_hosts().startswith("ssh.example.com")
    assert made.ssh.key() == "a\nkey"
    assert "a\nkey" not in repr(made)
    assert str(tmp_path) not in repr(made)


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("ssh://git@Altssh.Example.com:443/directus/fleet.git", "altssh.example.com"),
        ("git@ssh.example.com:directus/fleet.git", "ssh.example.com"),
    ],
)
def test_the_host_that_git_goes_to_needs_no_entry_when_it_is_public(
    url: str, host: str
) -> None:
    table = f'url = "{url}"\nkey = "env:KEY"\nknown_hosts = "hosts"\n'
    named = repository(table, Path("/nowhere")).networks.forge.named
    assert named == {"git.example.com", host}


def test_a_committer_and_a_signing_key_may_be_given(tmp_path: Path) -> None:
    made = read(
        'signing = "openpgp"\nsigning_key = "file:key.asc"\n'
        'name = "Acme Bot"\nemail = "bot@example.com"\n',
        tmp_path,
    )
    assert made.signing is SigningFormat.OPENPGP
    assert made.identity(USUAL) == Identity(name="Acme Bot", email="bot@example.com")
    (tmp_path / "key.asc").write_text("the key\n")
    store = Store("", tmp_path, Ticking())
    try:
        signer = made.signer(store.signatures, tmp_path)
    finally:
        store.close()
    assert signer is not None
    assert signer.key() == "the key"
    assert "the key" not in repr(signer)


def test_variables_say_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = {
        "REPOSITORY_URL": "https://git.example.com/directus/fleet",
        "REPOSITORY_FORGE": "forgejo",
        "GIT_URL": "git@git.example.com:directus/fleet.git",
        "GIT_KEY": "env:KEY",
        "GIT_KNOWN_HOSTS": str(tmp_path / "hosts"),
        "GIT_SIGNING": "ssh",
        "GIT_SIGNING_KEY": "env:KEY",
        "GIT_NAME": "Acme Bot",
        "GIT_EMAIL": "bot@example.com",
    }
    for name, value in given.items():
        monkeypatch.setenv(f"DIRECTUS_GITOPS_{name}", value)
    found = load(data=tmp_path).repository("fleet").git
    assert found.ssh is not None
    assert (found.signing, found.name) == (SigningFormat.SSH, "Acme Bot")
    monkeypatch.setenv("DIRECTUS_GITOPS_GIT_SIGNING", "x509")
    with pytest.raises(InputError, match="DIRECTUS_GITOPS_GIT_SIGNING: is not one"):
        load(data=tmp_path).check()


# --- what is refused ---

EMBEDDED = '[[repository]]\nname = "small"\n'
SSH = 'url = "ssh://git@git.example.com/x"\n'


@pytest.mark.parametrize(
    ("table", "head", "told"),
    [
        ('url = "http://git.example.com/x"', HEAD, "git.url: is not an address"),
        ('url = "https://me:canary-4711@host/x"', HEAD, "git.url: is not an address"),
        ('url = "ext::sh -c touch% x"', HEAD, "git.url: is not an address"),
        ('url = "/srv/x.git"', HEAD, "git.url: is not an address"),
        ('key = "canary-4711"', HEAD, "git.key: does not say where"),
        ('key = "env:KEY"', HEAD, "git.key: is for SSH"),
        ('known_hosts = "hosts"', HEAD, "git.known_hosts: is for SSH"),
        (SSH + 'key = "env:KEY"', HEAD, "git.known_hosts: is missing"),
        (SSH + 'known_hosts = "hosts"', HEAD, "git.key: is missing"),
        ('user = "me:canary-4711"', HEAD, "git.user: is not the name"),
        ('signing = "ssh"', HEAD, "git.signing_key: goes with"),
        ('signing_key = "env:KEY"', HEAD, "git.signing_key: goes with"),
        ('signing = "x509"', HEAD, "git.signing: is not one that we know"),
        ('name = "Bot"', HEAD, "git.name: goes with `email`"),
        ('name = "Bot <x>"\nemail = "b@example.com"', HEAD, "git.name: git cannot"),
        ('name = "Acme, Inc."\nemail = "b@example.com"', HEAD, "git takes away"),
        ('sining = "ssh"', HEAD, "unknown key"),
        (SSH, EMBEDDED, "git.url: does not go with the forge"),
        ('user = "me"', EMBEDDED, "git.user: does not go with the forge"),
    ],
)
def test_what_does_not_go_together_is_refused_with_its_place(
    table: str, head: str, told: str
) -> None:
    with pytest.raises(InputError) as caught:
        read(table, head=head)
    assert told in caught.value.message
    assert caught.value.hint
    assert CANARY not in caught.value.message + caught.value.hint


def test_the_embedded_forges_commits_may_be_signed_too() -> None:
    table = 'signing = "ssh"\nsigning_key = "env:KEY"'
    assert read(table, head=EMBEDDED).signing is SigningFormat.SSH


# --- all together ---


def test_a_repository_is_reached_over_ssh_and_committed_to_as_the_settings_say(
    tmp_path: Path, kustomize: Path
) -> None:
    origin = make_remote(tmp_path / "fleet.git", {"gitops.yaml": "branch: main\n"})
    with running_sshd(tmp_path / "sshd") as sshd:
        (tmp_path / "hosts").write_text(sshd.known_hosts)
        (tmp_path / "key").write_text(sshd.key)
        make_key(tmp_path / "signing")
        (tmp_path / "service.toml").write_text(
            f"{HEAD}[repository.networks]\n"
            'forge = ["127.0.0.0/8"]\n'
            "[repository.git]\n"
            f'url = "{sshd.url(origin)}"\n'
            'key = "file:key"\n'
            'known_hosts = "hosts"\n'
            'signing = "ssh"\n'
            'signing_key = "file:signing"\n'
            'name = "Acme Bot"\n'
            'email = "bot@example.com"\n'
        )
        settings = load(data=tmp_path, kustomize=kustomize)
        store = Store("", settings.data, Ticking())
        try:
            with Forges() as forges:
                located = locate(settings, "fleet")
                place = open_workplace(settings, store, located, forges=forges)
                tip = place.mirror.tip(MAIN)
                assert tip is not None
                commit = place.mirror.commit(
                    tree_of=tip,
                    edits=[wrote("a", "b\n")],
                    parents=(tip,),
                    message="Change\n",
                    author=place.identity,
                    at=NOON,
                    signer=place.signer,
                )
                branch = BranchName("directus-gitops/x")
                place.mirror.push(commit, branch, expected=None)
        finally:
            store.close()
    assert tip_of(origin, f"refs/heads/{branch}") == commit
    allowed = tmp_path / "allowed"
    allowed.write_text(f"bot@example.com {(tmp_path / 'signing.pub').read_text()}")
    setting = f"gpg.ssh.allowedSignersFile={allowed}"
    git(origin, "-c", setting, "verify-commit", commit)
    assert git(origin, "log", "-1", "--format=%an <%ce>", commit) == (
        "Acme Bot <bot@example.com>"
    )
    assert list((settings.data / "private").iterdir()) == []


def test_the_doctor_tells_whether_git_gets_in_and_which_key_signs(
    tmp_path: Path, kustomize: Path
) -> None:
    origin = make_remote(tmp_path / "fleet.git", {"gitops.yaml": "branch: main\n"})
    tip = tip_of(origin, "refs/heads/main")
    assert tip is not None
    make_key(tmp_path / "signing")
    with running_sshd(tmp_path / "sshd") as sshd:
        (tmp_path / "key").write_text(sshd.key)
        (tmp_path / "hosts").write_text("")
        (tmp_path / "service.toml").write_text(
            f'{HEAD}[repository.networks]\nforge = ["127.0.0.0/8"]\n'
            f'[repository.git]\nurl = "{sshd.url(origin)}"\n'
            'key = "file:key"\nknown_hosts = "hosts"\n'
            'signing = "ssh"\nsigning_key = "file:signing"\n'
        )

        def checked() -> dict[str, Check]:
            settings = load(data=tmp_path, kustomize=kustomize)
            return {check.name: check for check in remotes.look(settings, Ticking())}

        refused = checked()["fleet/git"]
        assert refused.state is State.PROBLEM
        assert "known_hosts" in refused.message  # it is empty
        (tmp_path / "hosts").write_text(sshd.known_hosts)
        found = checked()
        assert found["fleet/git"].state is State.OK
        assert tip[:12] in found["fleet/git"].message
        public = (tmp_path / "signing.pub").read_text()
        assert fingerprint(public) in found["fleet/signing"].message
        git(origin, "branch", "-m", "main", "trunk")
        assert "no branch main" in checked()["fleet/git"].message
        (tmp_path / "signing").write_text("not a key")
        assert checked()["fleet/signing"].state is State.PROBLEM
    gone = checked()["fleet/git"]
    assert gone.state is State.PROBLEM
    assert gone.hint


def fingerprint(public: str) -> str:
    words = [program("ssh-keygen"), "-l", "-f", "-"]
    done = subprocess.run(
        words, input=public, capture_output=True, text=True, check=True
    )
    return done.stdout.split()[1]


# --- keys whose signatures differ each time ---


@contextmanager
def signing(folder: Path, kustomize: Path) -> Iterator[Served]:
    """Serve a repository whose commits are signed by such a key."""
    with served(folder, kustomize, HOURLY) as here:
        make_key(folder / "data" / "signing", kind="ecdsa")
        (folder / "data" / "service.toml").write_text(
            '[[repository]]\nname = "fleet"\n[repository.git]\n'
            'signing = "ssh"\nsigning_key = "file:signing"\n'
        )
        yield here


def pushed(here: Served) -> tuple[CommitId, ...]:
    """Return every commit that was ever to be pushed for the bump."""
    return tuple(here.store.intents.pushed("fleet", SHOP))


def test_passes_over_a_signed_pull_request_change_nothing(
    tmp_path: Path, kustomize: Path
) -> None:
    with signing(tmp_path, kustomize) as here:
        here.bump(DEVELOPMENT, "12.4.1")
        here.pass_()
        (first,) = pushed(here)
        assert "SSH SIGNATURE" in git(here.origin._path, "cat-file", "commit", first)
        shutil.rmtree(here.settings.data / "mirrors")
        here.pass_(minutes=5)
        here.pass_(days=2)
        assert pushed(here) == (first,)
        changed = DEPLOYMENT.replace("replicas: 1", "replicas: 2")
        here.commit({"base/deployment.yaml": changed})
        here.pass_()
        here.pass_()
        assert len(pushed(here)) == 2
        assert here.origin.tip(SHOP) in pushed(here)


def test_a_wish_outlives_a_key_that_is_not_there_for_a_while(
    tmp_path: Path, kustomize: Path
) -> None:
    with signing(tmp_path, kustomize) as here:
        key = here.settings.data / "signing"
        key.rename(key.with_name("away"))
        here.bump(DEVELOPMENT, "12.4.1")
        here.pass_()
        (wish,) = here.store.intents.live("fleet")
        assert "signing_key" in wish.error
        assert pushed(here) == ()
        key.with_name("away").rename(key)
        here.pass_()
        assert len(pushed(here)) == 1
        assert [one.branch for one in here.pull_requests()] == [SHOP]


@pytest.mark.gate
def test_a_signed_commit_is_pushed_once_however_often_its_maker_dies(
    tmp_path: Path, kustomize: Path
) -> None:
    with signing(tmp_path, kustomize) as here:
        here.bump(DEVELOPMENT, "12.4.1")
        mortal = Mortal(here)
        mortal.save()
        effects = []
        for number in range(1, 100):
            mortal.restore()
            effect = mortal.dies(lambda life: life.pass_(), before=number)
            if not effect:
                break
            effects.append(effect)
            with mortal.started() as again:
                again.pass_(minutes=1)
                again.pass_(minutes=1)
                assert len(pushed(again)) == 1, effect
                assert (again.origin.tip(SHOP),) == pushed(again), effect
                assert len(again.pull_requests()) == 1, effect
        assert "Mirror.push" in effects
        assert len(effects) > 5
