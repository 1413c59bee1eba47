"""git.signing: commits that others can verify, and that are the same when redone."""

from __future__ import annotations

import base64
import os
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from gitops.errors import CredentialError, GitopsError, StoreError, ToolError
from gitops.git import BareRepository, Identity, Signer, SigningFormat
from gitops.git.command import SEARCH_PATH, SafeGit
from gitops.git.objects import GitObject, signature_of, with_signature
from gitops.model import (
    CommitId,
    EnvironmentName,
    Plan,
    Proposed,
    StackName,
    Target,
    Unchanged,
)
from gitops.promotion import plan_bump
from gitops.workflow import Workplace, propose
from gitops.workflow.place import World
from service.store import Store
from tests.support.places import Ticking, fleet_files, open_place, workplace
from tests.support.repos import BOT, MAIN, NOON, git, wrote
from tests.support.sshd import make_key, program

LATER = 60  # seconds until something must have happened


class Kept:
    """Keeps signatures in a dictionary: the first one counts."""

    def __init__(self) -> None:
        self.signatures: dict[tuple[str, str], str] = {}

    def find(self, commit: CommitId, key: str) -> str | None:
        return self.signatures.get((commit, key))

    def keep(self, commit: CommitId, key: str, signature: str) -> str:
        return self.signatures.setdefault((commit, key), signature)


@pytest.fixture
def repository(tmp_path: Path) -> BareRepository:
    made = BareRepository.create(tmp_path / "fleet.git", MAIN)
    made.update_ref(MAIN, commit(made, None, "1"), expected=None)
    return made


def commit(
    repository: BareRepository,
    signer: Signer | None,
    value: str = "2",
    author: Identity = BOT,
) -> CommitId:
    tip = repository.tip(MAIN)
    return repository.commit(
        tree_of=tip,
        edits=[wrote("a/b.env", f"N={value}\n")],
        parents=(tip,) if tip else (),
        message="Bump\n\nWith a body: ü.\n\nTrailer: 1\n",
        author=author,
        at=NOON,
        signer=signer,
    )


def ssh_signer(key: Path, **more: object) -> Signer:
    made = Signer(format=SigningFormat.SSH, key=key.read_text)
    return replace(made, **more)  # type: ignore[arg-type]  # as the test says


# --- OpenPGP keys ---


class Keyring:
    """A person's gpg."""

    def __init__(self, home: Path) -> None:
        self.home = home
        home.mkdir(mode=0o700)

    def gpg(self, *words: str, stdin: bytes = b"") -> str:
        env = {"PATH": os.environ["PATH"], "GNUPGHOME": str(self.home), "LC_ALL": "C"}
        done = subprocess.run(
            [gpg_program(), "--batch", "--quiet", *words],
            env=env,
            input=stdin,
            capture_output=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr.decode()
        return done.stdout.decode()

    def make(self, kind: str, *, passphrase: str = "", expires: str = "0") -> str:
        """Make a key; returns it as it is exported."""
        name = f"{kind}-{passphrase}-{expires}"
        words = ["--pinentry-mode", "loopback", "--passphrase", passphrase]
        self.gpg(*words, "--quick-gen-key", name, kind, "sign", expires)
        return self.gpg(*words, "--armor", "--export-secret-keys", f"={name}")

    def close(self) -> None:
        env = {"PATH": os.environ["PATH"], "GNUPGHOME": str(self.home)}
        subprocess.run(["gpgconf", "--kill", "all"], env=env, check=False)


def gpg_program() -> str:
    found = shutil.which("gpg")
    if found is None:
        pytest.skip("no gpg: install gnupg")
    return found


@pytest.fixture(scope="module")
def keyring() -> Iterator[Keyring]:
    gpg_program()
    # not among pytest's folders: the address of a socket has 108 bytes
    folder = Path(subprocess.check_output(["mktemp", "-d"]).decode().strip())
    ring = Keyring(folder / "gpg")
    try:
        yield ring
    finally:
        ring.close()
        shutil.rmtree(folder)


def pgp_signer(key: str, **more: object) -> Signer:
    made = Signer(format=SigningFormat.OPENPGP, key=lambda: key, kept=Kept())
    return replace(made, **more)  # type: ignore[arg-type]  # as the test says


@pytest.fixture(scope="module")
def pgp_key(keyring: Keyring) -> str:
    return keyring.make("ed25519")


# --- signatures that others verify ---


@pytest.mark.parametrize("kind", ["ed25519", "rsa"])
def test_a_commit_signed_with_ssh_is_verified_and_is_the_same_when_redone(
    repository: BareRepository, tmp_path: Path, kind: str
) -> None:
    key = make_key(tmp_path / "key", kind=kind)
    first = commit(repository, ssh_signer(key))
    assert commit(repository, ssh_signer(key)) == first
    assert commit(repository, ssh_signer(key, kept=Kept())) == first
    assert first != commit(repository, None)
    allowed = tmp_path / "allowed"
    allowed.write_text(f"{BOT.email} {(tmp_path / 'key.pub').read_text()}")
    setting = f"gpg.ssh.allowedSignersFile={allowed}"
    git(repository._path, "-c", setting, "verify-commit", first)


def test_a_commit_signed_with_openpgp_is_verified(
    repository: BareRepository, keyring: Keyring, pgp_key: str
) -> None:
    made = commit(repository, pgp_signer(pgp_key))
    env = {"GNUPGHOME": str(keyring.home)}
    git(repository._path, "verify-commit", made, env=env)


def test_a_signed_commit_is_else_the_one_without_a_signature(
    repository: BareRepository, tmp_path: Path, pgp_key: str
) -> None:
    plain = shown(repository, commit(repository, None))
    key = make_key(tmp_path / "key")
    for signer in (ssh_signer(key), pgp_signer(pgp_key)):
        signed = shown(repository, commit(repository, signer))
        head, _, rest = signed.partition("gpgsig ")
        lines = iter(rest.split("\n"))
        assert "SIGNATURE" in next(lines)
        kept = next(line for line in lines if not line.startswith(" "))
        assert head + "\n".join([kept, *lines]) == plain
    git(repository._path, "fsck", "--strict")


def test_a_signature_goes_in_and_comes_out_unchanged() -> None:
    plain = GitObject(b"commit", b"tree 1\nauthor a\n\nSubject\n\ngpgsig none\n")
    signature = (
        "-----BEGIN PGP SIGNATURE-----\n\niQ==\n =x\n-----END PGP SIGNATURE-----\n"
    )
    signed = with_signature(plain, signature)
    assert signature_of(signed) == signature
    assert signed.content.endswith(b"\n\nSubject\n\ngpgsig none\n")
    assert signature_of(plain) == ""


def shown(repository: BareRepository, made: CommitId) -> str:
    return git(repository._path, "cat-file", "commit", made)


# --- redoing ---


def test_a_signature_that_differs_each_time_is_made_once(
    repository: BareRepository, tmp_path: Path, pgp_key: str
) -> None:
    ecdsa = make_key(tmp_path / "key", kind="ecdsa")
    makers: list[Callable[[Kept], Signer]] = [
        lambda kept: pgp_signer(pgp_key, kept=kept),
        lambda kept: ssh_signer(ecdsa, kept=kept),
    ]
    for maker in makers:
        kept = Kept()
        first = commit(repository, maker(kept))
        assert commit(repository, maker(kept)) == first
        assert len(kept.signatures) == 1
        assert commit(repository, maker(kept), "3") != first
        assert len(kept.signatures) == 2


def test_a_copy_that_is_lost_gets_the_very_commit_again(
    repository: BareRepository, tmp_path: Path, pgp_key: str
) -> None:
    signer = pgp_signer(pgp_key)
    first = commit(repository, signer)
    other = BareRepository.create(tmp_path / "other.git", MAIN)
    other.update_ref(MAIN, commit(other, None, "1"), expected=None)
    assert commit(other, signer) == first
    git(other._path, "fsck", "--strict")


def test_of_two_who_sign_at_once_the_first_to_be_kept_counts(
    repository: BareRepository, tmp_path: Path
) -> None:
    """As two replicas may, when the lease of one has run out."""
    ecdsa = make_key(tmp_path / "key", kind="ecdsa")
    kept = Kept()
    first = commit(repository, ssh_signer(ecdsa, kept=kept))

    class Late(Kept):
        def find(self, commit: CommitId, key: str) -> str | None:
            return None  # it has looked before the other one kept his

        def keep(self, commit: CommitId, key: str, signature: str) -> str:
            return kept.keep(commit, key, signature)

    assert commit(repository, ssh_signer(ecdsa, kept=Late())) == first


def test_another_key_signs_anew(repository: BareRepository, tmp_path: Path) -> None:
    kept = Kept()
    made = {
        commit(repository, ssh_signer(make_key(tmp_path / name), kept=kept))
        for name in ("one", "two")
    }
    assert len(made) == 2


def test_a_key_whose_signatures_differ_needs_somebody_who_keeps_them(
    repository: BareRepository, tmp_path: Path, pgp_key: str
) -> None:
    ecdsa = make_key(tmp_path / "key", kind="ecdsa")
    for signer in (ssh_signer(ecdsa), pgp_signer(pgp_key, kept=None)):
        with pytest.raises(CredentialError, match="each signature"):
            commit(repository, signer)


def test_a_kept_signature_that_is_none_is_refused(
    repository: BareRepository, tmp_path: Path
) -> None:
    class Broken(Kept):
        def find(self, commit: CommitId, key: str) -> str | None:
            return "x\n\nnot a signature, but another message"

    with pytest.raises(StoreError, match="kept signature"):
        commit(repository, ssh_signer(make_key(tmp_path / "key"), kept=Broken()))


# --- keys that cannot be used ---


def refused(
    repository: BareRepository, signer: Signer, kind: type[GitopsError], match: str
) -> GitopsError:
    with pytest.raises(kind, match=match) as caught:
        commit(repository, signer)
    assert caught.value.hint
    assert "PRIVATE" not in caught.value.message
    return caught.value


def test_keys_with_a_passphrase_are_refused(
    repository: BareRepository, tmp_path: Path, keyring: Keyring
) -> None:
    for kind in ("ed25519", "rsa"):
        key = make_key(tmp_path / kind, kind=kind, passphrase="sesame")  # noqa: S106
        refused(repository, ssh_signer(key), CredentialError, "passphrase")
    protected = keyring.make("ed25519", passphrase="sesame")  # noqa: S106
    refused(repository, pgp_signer(protected), CredentialError, "passphrase")


@pytest.mark.parametrize("form", ["PEM", "PKCS8"])
@pytest.mark.parametrize("passphrase", ["", "sesame"])
def test_older_forms_of_keys_are_understood(
    repository: BareRepository, tmp_path: Path, form: str, passphrase: str
) -> None:
    key = make_key(tmp_path / "key", kind="rsa")
    words = [program("ssh-keygen"), "-qpm", form, "-P", "", "-f", str(key)]
    subprocess.run([*words, "-N", passphrase], check=True, capture_output=True)
    assert "OPENSSH" not in key.read_text()
    if passphrase:
        refused(repository, ssh_signer(key), CredentialError, "passphrase")
    else:
        assert "SSH SIGNATURE" in shown(repository, commit(repository, ssh_signer(key)))


@pytest.mark.parametrize(
    "text",
    [
        "",
        "nonsense",
        "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5 public@key",
        "-----BEGIN OPENSSH PRIVATE KEY-----\n!!!\n-----END OPENSSH PRIVATE KEY-----",
        "-----BEGIN OPENSSH PRIVATE KEY-----\nAAAA\n-----END OPENSSH PRIVATE KEY-----",
        "-----BEGIN OPENSSH PRIVATE KEY-----\nAAAAA\n-----END OPENSSH PRIVATE KEY-----",
        "-----BEGIN PGP PRIVATE KEY BLOCK-----\n\nAAAA\n"
        "-----END PGP PRIVATE KEY BLOCK-----",
        "-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nAAAA\n"
        "-----END PGP PUBLIC KEY BLOCK-----",
    ],
)
@pytest.mark.parametrize("form", list(SigningFormat))
def test_what_is_no_key_is_refused(
    repository: BareRepository, text: str, form: SigningFormat
) -> None:
    if form is SigningFormat.OPENPGP:
        gpg_program()
    signer = Signer(format=form, key=lambda: text, kept=Kept())
    refused(repository, signer, CredentialError, "key")


def test_a_key_in_a_security_token_is_refused(
    repository: BareRepository, tmp_path: Path
) -> None:
    body = b"openssh-key-v1\0\0\0\0\4none\0\0\0\4none\0\0\0\0\0\0\0\1"
    body += b"\0\0\0\x4asshsk-ssh-ed25519@openssh.com" + b"\0" * 60
    text = base64.b64encode(body.replace(b"sshsk-", b"sk-")).decode()
    armour = "OPENSSH PRIVATE KEY"
    key = f"-----BEGIN {armour}-----\n{text}\n-----END {armour}-----\n"
    signer = Signer(format=SigningFormat.SSH, key=lambda: key)
    refused(repository, signer, CredentialError, "token")


def test_two_keys_in_one_export_are_refused(
    repository: BareRepository, keyring: Keyring
) -> None:
    keyring.make("rsa2048")
    keyring.make("ed25519", expires="2y")
    both = keyring.gpg("--armor", "--export-secret-keys", "rsa2048--0", "ed25519--2y")
    refused(repository, pgp_signer(both), CredentialError, "2 secret keys")


def test_a_key_that_may_not_sign_is_told(
    repository: BareRepository, keyring: Keyring
) -> None:
    words = ["--pinentry-mode", "loopback", "--passphrase", ""]
    keyring.gpg(*words, "--quick-gen-key", "certifies", "ed25519", "cert", "0")
    key = keyring.gpg("--armor", "--export-secret-keys", "certifies")
    refused(repository, pgp_signer(key), CredentialError, "could not be signed")


def test_a_name_that_git_would_change_is_refused_when_signing(
    repository: BareRepository, tmp_path: Path
) -> None:
    author = Identity(name="Acme, Inc.,", email="bot@example.com")
    signer = ssh_signer(make_key(tmp_path / "key"))
    with pytest.raises(CredentialError, match="another commit") as caught:
        commit(repository, signer, author=author)
    assert "both ends" in caught.value.hint


def test_without_the_program_that_signs_the_error_says_what_to_install(
    repository: BareRepository, tmp_path: Path, pgp_key: str
) -> None:
    key = make_key(tmp_path / "key")
    found = shutil.which("git")
    assert found is not None
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "git").symlink_to(found)
    try:
        SafeGit.search_path = str(tmp_path / "bin")
        error = refused(repository, ssh_signer(key), ToolError, "ssh-keygen")
        assert "openssh-client" in error.hint
        error = refused(repository, pgp_signer(pgp_key), ToolError, "gpg")
        assert "gnupg" in error.hint
    finally:
        SafeGit.search_path = SEARCH_PATH


# --- nothing stays ---


def homes_in_use() -> set[bytes]:
    """Return the command lines of agents whose keyring was made by us."""
    found = set()
    for place in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            line = place.read_bytes()
        except OSError:
            continue
        if b"gpg-agent" in line and b"directus-gitops-" in line:
            found.add(line)
    return found


def eventually(is_so: Callable[[], bool]) -> bool:
    deadline = time.monotonic() + LATER
    while not is_so() and time.monotonic() < deadline:
        time.sleep(0.05)
    return is_so()


@pytest.mark.parametrize("is_long", [False, True])
def test_no_key_and_no_agent_is_left(
    repository: BareRepository, tmp_path: Path, pgp_key: str, is_long: bool
) -> None:
    scratch = tmp_path / ("long" * 20 if is_long else "s")
    commit(repository, pgp_signer(pgp_key, scratch=scratch))
    key = make_key(tmp_path / "key")
    commit(repository, ssh_signer(key, scratch=scratch))
    with pytest.raises(CredentialError):
        commit(repository, pgp_signer("", scratch=scratch))
    assert list(scratch.glob("*")) == []
    assert eventually(lambda: not homes_in_use())


def test_a_key_that_a_killed_process_left_is_removed(
    repository: BareRepository, tmp_path: Path
) -> None:
    scratch = tmp_path / "scratch"
    left = scratch / "directus-gitops-left"
    left.mkdir(parents=True)
    (left / "key").write_text("a key")
    (scratch / "mine").write_text("something else")
    commit(repository, ssh_signer(make_key(tmp_path / "key"), scratch=scratch))
    assert [place.name for place in scratch.iterdir()] == ["mine"]


def test_a_disk_that_refuses_is_told(
    repository: BareRepository, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("no folder")
    signer = ssh_signer(make_key(tmp_path / "key"), scratch=tmp_path / "file")
    with pytest.raises(CredentialError, match="private folder"):
        commit(repository, signer)


# --- a whole proposal ---


def test_a_proposal_signed_with_openpgp_is_made_once_and_stays(
    tmp_path: Path, kustomize: Path, pgp_key: str
) -> None:
    """Also where the copy of the repository is lost: it is no place to keep them."""

    def opened() -> Workplace:
        signer = pgp_signer(pgp_key, kept=store.signatures)
        return replace(open_place(tmp_path, kustomize, store), signer=signer)

    clock = Ticking()
    with workplace(tmp_path, kustomize, fleet_files(), clock) as (_, origin, store):
        target = Target(
            stack=StackName("shop"), environment=EnvironmentName("development")
        )

        def planner(world: World) -> Plan:
            return plan_bump(
                world.tree, world.fleet, target, "12.4.1", requested_by="ada"
            )

        made = propose(opened(), planner, now=clock())
        assert isinstance(made, Proposed)
        assert "PGP SIGNATURE" in shown(origin, made.commit)
        shutil.rmtree(tmp_path / "mirrors")
        for _ in range(2):
            again = propose(opened(), planner, now=clock.later(hours=1))
            assert isinstance(again, Unchanged)
        assert origin.tip(made.pull_request.branch) == made.commit


def test_the_store_keeps_the_first_signature_and_forgets_old_ones(
    tmp_path: Path,
) -> None:
    clock = Ticking()
    store = Store("", tmp_path, clock)
    try:
        kept, one = store.signatures, CommitId("1" * 40)
        assert kept.find(one, "key") is None
        assert kept.keep(one, "key", "first") == "first"
        assert kept.keep(one, "key", "second") == "first"
        assert kept.keep(one, "other key", "third") == "third"
        assert (kept.find(one, "key"), kept.find(CommitId("2" * 40), "key")) == (
            "first",
            None,
        )
        clock.later(days=200)
        kept.keep(CommitId("2" * 40), "key", "new")
        assert kept.find(one, "key") is None
    finally:
        store.close()
