"""git.transport: a remote is reached with its own secret, its own way, or not at all.

Against a real sshd, and a real `git http-backend` behind TLS.
"""

from __future__ import annotations

import shutil
import socket
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from ipaddress import ip_network
from pathlib import Path

import pytest

from gitops.errors import (
    CredentialError,
    GitError,
    GitopsError,
    PushRejectedError,
    RemoteDeniedError,
    RemoteUnavailableError,
    ToolError,
)
from gitops.git import Credential, Mirror, Remote, SshAccess, remote_tip
from gitops.git.command import SEARCH_PATH, SafeGit
from gitops.model import BranchName, CommitId
from gitops.process import Limits
from gitops.web import Allowed
from tests.support.githttp import (
    NAME,
    GitSite,
    Handler,
    make_certificate,
    served,
)
from tests.support.repos import (
    BOT,
    MAIN,
    NOON,
    copy_remote,
    git,
    make_remote,
    person_pushes,
    tip_of,
    wrote,
)
from tests.support.sshd import Sshd, make_key, program, running_sshd

pytestmark = pytest.mark.gate

BUMP = BranchName("directus-gitops/production/acme")
CANARY = "canary-4711"
LOOPBACK = (ip_network("127.0.0.0/8"),)
FILES = {"gitops.yaml": "branch: main\n", "a/b.env": "N=1\n"}


@pytest.fixture(scope="module")
def template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_remote(tmp_path_factory.mktemp("template") / "fleet.git", FILES)


@pytest.fixture
def origin(template: Path, tmp_path: Path) -> Path:
    (tmp_path / "site").mkdir()
    return copy_remote(template, tmp_path / "site" / "fleet.git")


@pytest.fixture(scope="module")
def sshd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    with running_sshd(tmp_path_factory.mktemp("sshd")) as started:
        yield started


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_certificate(tmp_path_factory.mktemp("tls"))


@pytest.fixture
def site(origin: Path, certificate: Path) -> Iterator[GitSite]:
    with served(GitSite(root=origin.parent, logins={"bot": CANARY}), certificate) as it:
        yield it


def over_https(
    site: GitSite, certificate: Path, *, secret: str = CANARY, name: str = "bot"
) -> Remote:
    return Remote(
        url=f"{site.url}/fleet.git",
        credential=Credential(username=name, secret=secret),
        allowed=Allowed(
            networks=LOOPBACK, authorities=(certificate / "cert.pem").read_text()
        ),
    )


def over_ssh(sshd: Sshd, origin: Path, scratch: Path) -> Remote:
    return Remote(
        url=sshd.url(origin),
        ssh=SshAccess(key=lambda: sshd.key, known_hosts=lambda: sshd.known_hosts),
        allowed=Allowed(networks=LOOPBACK),
        scratch=scratch,
    )


@pytest.fixture(params=["https", "ssh"])
def remote(
    request: pytest.FixtureRequest,
    origin: Path,
    tmp_path: Path,
) -> Remote:
    """Return a way to the origin: the same things hold for each."""
    certificate = request.getfixturevalue("certificate")
    if request.param == "https":
        return over_https(request.getfixturevalue("site"), certificate)
    sshd = request.getfixturevalue("sshd")
    return over_ssh(sshd, origin, tmp_path / "scratch")


def opened(folder: Path, remote: Remote) -> Mirror:
    return Mirror.open_or_clone(folder / "mirrors" / "fleet.git", remote=remote)


def bump(mirror: Mirror, value: str = "2") -> CommitId:
    tip = mirror.tip(MAIN)
    assert tip is not None
    return mirror.commit(
        tree_of=tip,
        edits=[wrote("a/b.env", f"N={value}\n")],
        parents=(tip,),
        message="Bump",
        author=BOT,
        at=NOON,
    )


def told(error: GitopsError) -> str:
    return f"{error.message} {error.hint} {error!r} {error.__cause__!r}"


# --- what holds for each way ---


def test_the_life_of_a_branch(remote: Remote, origin: Path, tmp_path: Path) -> None:
    mirror = opened(tmp_path, remote)
    newer = person_pushes(origin, {"new": "1"})
    assert mirror.remote_tip(MAIN) == newer
    mirror.fetch()
    assert mirror.tip(MAIN) == newer
    first, second = bump(mirror), bump(mirror, "3")
    mirror.push(first, BUMP, expected=None)
    assert tip_of(origin, f"refs/heads/{BUMP}") == first
    with pytest.raises(PushRejectedError):
        mirror.push(second, BUMP, expected=None)
    mirror.push(second, BUMP, expected=first)
    assert mirror.remote_tip(BUMP) == second
    assert not mirror.delete_remote_branch(BUMP, expected=first)
    assert mirror.delete_remote_branch(BUMP, expected=second)
    assert tip_of(origin, f"refs/heads/{BUMP}") is None


def test_an_address_that_nobody_allowed_is_not_reached(
    remote: Remote, tmp_path: Path
) -> None:
    host, _ = remote.host
    for allowed in (Allowed(), Allowed(named=frozenset({host}))):
        with pytest.raises(GitError, match="may not be reached: loopback") as caught:
            opened(tmp_path, replace(remote, allowed=allowed))
        assert "networks.forge" in caught.value.hint


def test_a_repository_that_is_not_there_is_told_without_a_secret(
    remote: Remote, tmp_path: Path
) -> None:
    gone = replace(remote, url=remote.url.replace("fleet.git", "gone.git"))
    with pytest.raises(GitError, match=r"gone\.git") as caught:
        opened(tmp_path, gone)
    assert not caught.value.retryable
    assert CANARY not in told(caught.value)


def test_a_server_that_is_not_there_is_asked_again_later(
    remote: Remote, tmp_path: Path
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    _, there = remote.host
    with pytest.raises(RemoteUnavailableError) as caught:
        opened(
            tmp_path, replace(remote, url=remote.url.replace(f":{there}", f":{port}"))
        )
    assert caught.value.retryable


@contextmanager
def silent() -> Iterator[int]:
    """Listen on a port, let everybody in, and say nothing."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        yield listener.getsockname()[1]


def test_a_server_that_says_nothing_ends_at_the_deadline(
    remote: Remote, tmp_path: Path
) -> None:
    _, there = remote.host
    with silent() as port:
        slow = replace(
            remote,
            url=remote.url.replace(f":{there}", f":{port}"),
            limits=Limits(timeout_s=1, grace_s=1),
        )
        with pytest.raises(RemoteUnavailableError, match="not done after 1 s"):
            opened(tmp_path, slow)


def test_a_name_is_asked_for_once_and_git_goes_where_the_check_has_looked(
    remote: Remote, tmp_path: Path
) -> None:
    """A name server that gives the checker one address and git another one."""
    asked: list[str] = []

    def resolve(host: str, port: int) -> tuple[str, ...]:
        asked.append(host)
        return ("127.0.0.1",)

    host, port = remote.host
    named = replace(
        remote, url=remote.url.replace(f"127.0.0.1:{port}", f"{NAME}:{port}")
    )
    if remote.ssh is not None:
        known = remote.ssh.known_hosts().replace(host, NAME)
        ssh = replace(remote.ssh, known_hosts=lambda: known)
        named = replace(named, ssh=ssh)
    mirror = opened(tmp_path, replace(named, resolve=resolve))
    assert mirror.tip(MAIN) is not None
    assert set(asked) == {NAME}


@pytest.mark.parametrize(
    "addresses",
    [("169.254.169.254",), ("127.0.0.1", "10.0.0.1"), ("::ffff:127.0.0.1",)],
)
def test_one_address_that_is_not_allowed_is_enough_to_refuse(
    remote: Remote, tmp_path: Path, addresses: tuple[str, ...]
) -> None:
    host, port = remote.host
    url = remote.url.replace(f"{host}:{port}", f"{NAME}:{port}")
    with pytest.raises(GitError, match="may not be reached"):
        opened(tmp_path, replace(remote, url=url, resolve=lambda _h, _p: addresses))


def test_a_name_without_an_address_is_asked_again_later(
    remote: Remote, tmp_path: Path
) -> None:
    def resolve(host: str, port: int) -> tuple[str, ...]:
        raise OSError("no such name")

    host, port = remote.host
    url = remote.url.replace(f"{host}:{port}", f"{NAME}:{port}")
    with pytest.raises(RemoteUnavailableError, match="no address"):
        opened(tmp_path, replace(remote, url=url, resolve=resolve))


def test_a_branch_is_gone_only_where_something_else_is_there(
    remote: Remote, origin: Path, tmp_path: Path
) -> None:
    mirror = opened(tmp_path, remote)
    assert mirror.remote_tip(BUMP) is None
    git(origin, "symbolic-ref", "HEAD", "refs/heads/no-such-branch")
    assert mirror.remote_tip(BUMP) is None
    assert remote_tip(remote, MAIN) == mirror.tip(MAIN)
    git(origin, "update-ref", "-d", "refs/heads/main")
    with pytest.raises(GitError, match="no commits"):
        mirror.remote_tip(BUMP)


# --- where the secret is ---


class Watch:
    """Reads the command lines of all programs while the body runs (Linux).

    Args:
        seen: a file that is made when a push has been seen under way.
    """

    def __init__(self, seen: Path) -> None:
        self.lines: set[bytes] = set()
        self._seen = seen
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._look)

    def __enter__(self) -> Watch:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        self._thread.join()

    def _look(self) -> None:
        while not self._is_over.is_set():
            for place in Path("/proc").glob("[0-9]*/cmdline"):
                try:
                    self.lines.add(place.read_bytes())
                except OSError:
                    continue
            if any(b"receive-pack" in line for line in self.lines):
                self._seen.touch()


@pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="no /proc here")
def test_a_secret_is_on_no_command_line_and_in_no_file_that_stays(
    remote: Remote, origin: Path, tmp_path: Path
) -> None:
    hook = origin / "hooks" / "pre-receive"
    hook.parent.mkdir(exist_ok=True)
    seen_it = tmp_path / "seen"
    hook.write_text(f"#!/bin/sh\nuntil test -e '{seen_it}'; do sleep 0.05; done\n")
    hook.chmod(0o755)
    with Watch(seen_it) as watch:
        mirror = opened(tmp_path, remote)
        mirror.push(bump(mirror), BUMP, expected=None)
    seen = b"\n".join(watch.lines)
    assert b"receive-pack" in seen  # it has looked at the right moment
    secrets = [CANARY.encode()]
    if isinstance(remote.credential, Credential):
        secrets.append(remote.credential.encoded.encode())
    if remote.ssh is not None:
        secrets += remote.ssh.key().encode().splitlines()[1:-1]
    kept = b"".join(
        path.read_bytes()
        for folder in ("mirrors", "scratch")
        for path in (tmp_path / folder).rglob("*")
        if path.is_file()
    )
    for secret in secrets:
        assert secret not in seen
        assert secret not in kept
    assert list((tmp_path / "scratch").glob("*")) == []


# --- HTTPS ---


def test_the_credential_reaches_the_server(
    site: GitSite, certificate: Path, tmp_path: Path
) -> None:
    remote = over_https(site, certificate)
    opened(tmp_path, remote)
    assert isinstance(remote.credential, Credential)
    assert {login for *_, login in site.seen} == {f"Basic {remote.credential.encoded}"}


def test_a_credential_that_changes_is_read_for_each_call(
    site: GitSite, certificate: Path, tmp_path: Path
) -> None:
    """As with tokens that live an hour."""

    def read() -> Credential:
        return Credential(username="bot", secret=current[-1])

    current = [CANARY]
    mirror = opened(tmp_path, replace(over_https(site, certificate), credential=read))
    current.append("another-one")
    site.logins["bot"] = current[-1]
    mirror.fetch()
    site.logins["bot"] = "a third one"
    with pytest.raises(RemoteDeniedError):
        mirror.fetch()


@pytest.mark.parametrize("given", [None, "wrong"])
def test_a_credential_that_is_missing_or_wrong_is_told_as_such(
    site: GitSite, certificate: Path, tmp_path: Path, given: str | None
) -> None:
    remote = over_https(site, certificate, secret=given or "")
    if given is None:
        remote = replace(remote, credential=None)
    with pytest.raises(RemoteDeniedError) as caught:
        opened(tmp_path, remote)
    assert "credential" in caught.value.hint
    assert not caught.value.retryable


def answering(status: int, *headers: tuple[str, str]) -> Callable[[Handler], bool]:
    def before(handler: Handler) -> bool:
        handler.answer(status, b"<html>no</html>", *headers)
        return True

    return before


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (401, RemoteDeniedError),
        (403, RemoteDeniedError),
        (404, GitError),
        (429, RemoteUnavailableError),
        (500, RemoteUnavailableError),
        (502, RemoteUnavailableError),
        (503, RemoteUnavailableError),
        (200, GitError),
        (203, GitError),
    ],
)
def test_an_answer_of_the_server_is_told_apart(
    site: GitSite,
    certificate: Path,
    tmp_path: Path,
    status: int,
    kind: type[GitError],
) -> None:
    mirror = opened(tmp_path, over_https(site, certificate))
    kept, commit = mirror.tip(MAIN), bump(mirror)
    site.before = answering(status, ("Content-Type", "text/html"))
    calls: list[Callable[[], object]] = [
        mirror.fetch,
        lambda: mirror.push(commit, BUMP, expected=None),
        lambda: mirror.remote_tip(
            BUMP
        ),  # not None: that would be a branch that is gone
        lambda: mirror.delete_remote_branch(BUMP, expected=commit),
    ]
    for call in calls:
        with pytest.raises(GitError) as caught:
            call()
        assert type(caught.value) is kind
        assert caught.value.hint
        assert CANARY not in told(caught.value)
    assert mirror.tip(MAIN) == kept


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_a_redirect_gets_no_credential(
    site: GitSite, certificate: Path, origin: Path, tmp_path: Path, status: int
) -> None:
    with served(GitSite(root=origin.parent), certificate) as elsewhere:
        place = f"{elsewhere.url}/fleet.git/info/refs?service=git-upload-pack"
        site.before = answering(status, ("Location", place))
        with pytest.raises(GitError, match=str(status)) as caught:
            opened(tmp_path, over_https(site, certificate))
    assert elsewhere.seen == []
    assert "redirects" in caught.value.hint


def test_an_authority_that_nobody_named_is_not_believed(
    site: GitSite, certificate: Path, tmp_path: Path
) -> None:
    remote = over_https(site, certificate)
    remote = replace(remote, allowed=replace(remote.allowed, authorities=""))
    with pytest.raises(RemoteDeniedError) as caught:
        opened(tmp_path, remote)
    assert "`ca`" in caught.value.hint
    assert site.seen == []


def test_a_certificate_of_another_name_is_not_believed(
    site: GitSite, certificate: Path, tmp_path: Path
) -> None:
    remote = over_https(site, certificate)
    url = remote.url.replace("127.0.0.1", "other.example.com")
    other = replace(remote, url=url, resolve=lambda _h, _p: ("127.0.0.1",))
    with pytest.raises(RemoteDeniedError):
        opened(tmp_path, other)
    assert site.seen == []


def test_an_answer_that_breaks_off_leaves_the_copy_as_it_was(
    site: GitSite, certificate: Path, origin: Path, tmp_path: Path
) -> None:
    mirror = opened(tmp_path, over_https(site, certificate))
    kept = mirror.tip(MAIN)
    person_pushes(origin, {"new": "1"})

    def cut(handler: Handler) -> bool:
        handler.send_response(200)
        content = "application/x-git-upload-pack-advertisement"
        handler.send_header("Content-Type", content)
        handler.send_header("Content-Length", "4000")
        handler.end_headers()
        handler.wfile.write(b"001e# service=git-upload-pack\n")
        handler.close_connection = True
        return True

    site.before = cut
    with pytest.raises(GitError):
        mirror.fetch()
    assert mirror.tip(MAIN) == kept


@pytest.mark.parametrize("value", ["a\nX-Evil: 1", "a\r", "a\0"])
def test_a_secret_that_is_no_line_is_refused(
    site: GitSite, certificate: Path, tmp_path: Path, value: str
) -> None:
    remote = over_https(site, certificate, secret=value)
    with pytest.raises(CredentialError, match="character"):
        opened(tmp_path, remote)
    assert site.seen == []


# --- SSH ---


def changed(remote: Remote, *, known: str | None = None, key: str = "") -> Remote:
    assert remote.ssh is not None
    ssh = remote.ssh
    if known is not None:
        ssh = replace(ssh, known_hosts=lambda: known)
    if key:
        ssh = replace(ssh, key=lambda: key)
    return replace(remote, ssh=ssh)


def refusal(tmp_path: Path, remote: Remote, kind: type[GitopsError]) -> GitopsError:
    with pytest.raises(kind) as caught:
        opened(tmp_path, remote)
    assert type(caught.value) is kind
    assert "PRIVATE KEY" not in told(caught.value)
    return caught.value


def test_a_host_that_nobody_named_is_refused_with_what_to_do(
    sshd: Sshd, origin: Path, tmp_path: Path
) -> None:
    remote = over_ssh(sshd, origin, tmp_path / "scratch")
    other = sshd.known_hosts.replace("127.0.0.1", "127.0.0.2")
    for known in ("", other, "# nothing\n"):
        error = refusal(tmp_path, changed(remote, known=known), RemoteDeniedError)
        assert "ssh-keyscan" in error.hint


def test_a_host_with_another_key_is_refused(
    sshd: Sshd, origin: Path, tmp_path: Path
) -> None:
    make_key(tmp_path / "other")
    kind, key, _ = (tmp_path / "other.pub").read_text().split()
    known = f"[127.0.0.1]:{sshd.port} {kind} {key}\n"
    remote = changed(over_ssh(sshd, origin, tmp_path / "scratch"), known=known)
    error = refusal(tmp_path, remote, RemoteDeniedError)
    assert "another key" in error.hint


def test_known_hosts_may_be_hashed(sshd: Sshd, origin: Path, tmp_path: Path) -> None:
    place = tmp_path / "hashed"
    place.write_text(sshd.known_hosts)
    subprocess.run(
        [program("ssh-keygen"), "-q", "-H", "-f", place],
        check=True,
        capture_output=True,
    )
    known = place.read_text()
    assert "127.0.0.1" not in known
    remote = changed(over_ssh(sshd, origin, tmp_path / "scratch"), known=known)
    assert opened(tmp_path, remote).tip(MAIN) is not None


@pytest.mark.parametrize("kind", ["ed25519", "rsa", "ecdsa"])
def test_a_key_that_the_host_does_not_know_is_refused(
    sshd: Sshd, origin: Path, tmp_path: Path, kind: str
) -> None:
    key = make_key(tmp_path / "other", kind=kind).read_text()
    remote = changed(over_ssh(sshd, origin, tmp_path / "scratch"), key=key)
    error = refusal(tmp_path, remote, RemoteDeniedError)
    assert "key" in error.hint


def test_a_key_with_a_passphrase_is_refused_at_once(
    sshd: Sshd, origin: Path, tmp_path: Path
) -> None:
    key = make_key(tmp_path / "other", passphrase="sesame").read_text()  # noqa: S106
    remote = changed(over_ssh(sshd, origin, tmp_path / "scratch"), key=key)
    error = refusal(tmp_path, remote, CredentialError)
    assert "passphrase" in error.message


@pytest.mark.parametrize(
    "edit",
    [
        str.strip,
        lambda text: text.replace("\n", "\r\n"),
        lambda text: f"# made for the bot\n{text}\n\n",
    ],
    ids=["no last line end", "line ends of Windows", "words around"],
)
def test_a_key_works_however_it_was_pasted(
    sshd: Sshd, origin: Path, tmp_path: Path, edit: Callable[[str], str]
) -> None:
    remote = over_ssh(sshd, origin, tmp_path / "scratch")
    assert opened(tmp_path, changed(remote, key=edit(sshd.key))).tip(MAIN) is not None


def test_the_users_own_keys_agent_and_configuration_have_no_part(
    sshd: Sshd,
    origin: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sentinel = tmp_path / "sentinel"
    for name in ("SSH_AUTH_SOCK", "SSH_ASKPASS", "GIT_SSH", "GIT_SSH_COMMAND"):
        monkeypatch.setenv(name, f"touch {sentinel}")
    other = make_key(tmp_path / "other").read_text()
    remote = changed(over_ssh(sshd, origin, tmp_path / "scratch"), key=other)
    refusal(tmp_path, remote, RemoteDeniedError)
    assert not sentinel.exists()


def test_without_a_key_or_an_ssh_nothing_is_tried(
    sshd: Sshd, origin: Path, tmp_path: Path
) -> None:
    remote = over_ssh(sshd, origin, tmp_path / "scratch")
    error = refusal(tmp_path, replace(remote, ssh=None), CredentialError)
    assert "git.key" in error.hint
    (tmp_path / "bin").mkdir()
    found = shutil.which("git")
    assert found is not None
    (tmp_path / "bin" / "git").symlink_to(found)
    try:
        SafeGit.search_path = str(tmp_path / "bin")
        error = refusal(tmp_path, remote, ToolError)
    finally:
        SafeGit.search_path = SEARCH_PATH
    assert "openssh-client" in error.hint


# --- hostile remotes ---


def test_a_talkative_remote_is_cut_and_cleaned(
    remote: Remote, origin: Path, tmp_path: Path
) -> None:
    hook = origin / "hooks" / "pre-receive"
    hook.parent.mkdir(exist_ok=True)
    hook.write_text(
        "#!/bin/sh\nyes \"$(printf '\\033[31mspam\\033[0m\\007')\" | head -c 10000000\n"
        "exit 1\n"
    )
    hook.chmod(0o755)
    mirror = opened(tmp_path, remote)
    with pytest.raises(GitError) as caught:
        mirror.push(bump(mirror), BUMP, expected=None)
    assert len(caught.value.message) < 1000
    assert caught.value.message.isprintable()
    assert tip_of(origin, f"refs/heads/{BUMP}") is None


def test_a_pack_larger_than_may_be_written_is_refused(
    remote: Remote, origin: Path, tmp_path: Path
) -> None:
    mirror = opened(tmp_path, remote)
    kept = mirror.tip(MAIN)
    noise = b"".join(bytes([n * n % 251, n % 256]) for n in range(1 << 20))
    person_pushes(origin, {"huge": noise * 2})
    small = replace(remote, limits=Limits(timeout_s=60, file_bytes=1000))
    with pytest.raises(GitError):
        opened(tmp_path, small).fetch()
    assert mirror.tip(MAIN) == kept
    mirror.fetch()
    assert mirror.tip(MAIN) == git(origin, "rev-parse", "main")
