"""Forges of their own: one line to each account, made once and used by everybody here.

The embedded forge needs none of this. A credential is read when a call needs it, and
reaches the forge's own addresses only; the gate that spaces calls is shared by all
repositories of one account.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, replace
from types import TracebackType
from typing import Final, Protocol, Self, TypeAlias, TypedDict, assert_never

from gitops.errors import InputError
from gitops.forges import Forge
from gitops.forges.http import RateGate
from gitops.git import Credential
from gitops.web import Allowed, Web, place_of
from service.clock import Clock, monotonic_s, utc_now, wait_s
from service.configuration import Credential as Secret, ForgeKind, RepositorySettings

_WRITE_GAP_S: Final = 1.0
"""GitHub asks for a second between writes; the others are no worse off for it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """One repository's forge, and how git gets in there.

    Attributes:
        forge: of the repository.
        credential: for git over HTTPS, as it is now.
    """

    forge: Forge
    credential: Callable[[], Credential]


class Forges:
    """The forges of service.toml; may be used by many threads.

    Args:
        clock: the source of `now`.
        web: the one HTTP client; None for one of its own, made when it is needed.
        wait: waits some seconds.
    """

    def __init__(
        self,
        *,
        clock: Clock = utc_now,
        web: Web | None = None,
        wait: Callable[[float], None] = wait_s,
    ) -> None:
        self._clock = clock
        self._wait = wait
        self._web = web
        self._own_web: Web | None = None
        self._gates: dict[tuple[str, str], RateGate] = {}
        self._known: dict[str, tuple[RepositorySettings, Access]] = {}
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close every connection of its own."""
        if self._own_web is not None:
            self._own_web.close()

    def of(self, described: RepositorySettings) -> Access:
        """Return the forge of a repository.

        Raises:
            InputError: its address is none of that forge, or its credential is not
                where the settings say.
        """
        with self._lock:
            known = self._known.get(described.name)
            if known is None or known[0] != described:
                known = described, self._made(described)
                self._known[described.name] = known
            return known[1]

    def _made(self, described: RepositorySettings) -> Access:
        if described.credential is None:
            raise InputError(
                f"{described.name}: there is no credential for its forge",
                hint="name one as `credential` of the repository in service.toml",
            )
        if described.app_id:
            return self._app(described, described.credential)
        token = described.credential

        def read() -> str:
            return token.reveal().get_secret_value()

        make, login_of = _adapter(described)
        forge = make(described.url, credential=read, **self._means(described))

        def login() -> Credential:
            username, secret = login_of(read())
            return Credential(username=described.git.user or username, secret=secret)

        return Access(forge=forge, credential=login)

    def _app(self, described: RepositorySettings, key: Secret) -> Access:
        from gitops.forges import github

        means = self._means(described)
        app = github.github_app(
            described.url,
            app=described.app_id,
            key=key.source.read,
            now=self._clock,
            **means,
        )
        return Access(
            forge=github.github_forge(described.url, credential=app, **means),
            credential=lambda: Credential(
                username=github.git_username, secret=app.token()
            ),
        )

    def _means(self, described: RepositorySettings) -> _Means:
        return _Means(
            web=self._client(),
            allowed=allowed_of(described),
            gate=self._gate(described),
            api=described.api,
        )

    def _client(self) -> Web:
        if self._web is not None:
            return self._web
        if self._own_web is None:
            self._own_web = Web(wait=self._wait)
        return self._own_web

    def _gate(self, described: RepositorySettings) -> RateGate:
        secret = described.credential
        account = place_of(described.url).host, secret.source.place if secret else ""
        if account not in self._gates:
            self._gates[account] = RateGate(
                monotonic_s=monotonic_s, wait=self._wait, write_gap_s=_WRITE_GAP_S
            )
        return self._gates[account]


def allowed_of(described: RepositorySettings) -> Allowed:
    """Return what may be reached for a repository's forge: the hosts it names."""
    ca = described.ca
    return replace(described.networks.forge, authorities=ca.read() if ca else "")


class _Means(TypedDict):
    """What every adapter is given beside address and credential."""

    web: Web
    allowed: Allowed
    gate: RateGate
    api: str


class _Make(Protocol):
    """How every adapter makes the forge of a repository."""

    def __call__(
        self,
        address: str,
        *,
        web: Web,
        allowed: Allowed,
        credential: Callable[[], str],
        gate: RateGate,
        api: str = "",
    ) -> Forge: ...


_Login: TypeAlias = Callable[[str], tuple[str, str]]
"""Makes the name and password of git over HTTPS from what the credential holds."""


def _adapter(described: RepositorySettings) -> tuple[_Make, _Login]:
    """Return how a forge is made, and how git logs in there; read when it is needed."""
    match described.forge:
        case ForgeKind.GITHUB:
            from gitops.forges import github

            return github.github_forge, _named(github.git_username)
        case ForgeKind.GITLAB:
            from gitops.forges import gitlab

            return gitlab.gitlab_forge, _named(gitlab.git_username)
        case ForgeKind.GITEA | ForgeKind.FORGEJO as kind:
            return _gitea(kind)
        case ForgeKind.BITBUCKET | ForgeKind.BITBUCKET_DATACENTER as kind:
            return _bitbucket(kind)
        case ForgeKind.AZURE:
            from gitops.forges import azure

            return azure.azure_forge, _named(azure.git_username)
        case ForgeKind.EMBEDDED:
            raise InputError(f"{described.name}: the embedded forge is no server")
        case _:
            assert_never(described.forge)


def _gitea(kind: ForgeKind) -> tuple[_Make, _Login]:
    from gitops.forges import gitea

    is_gitea = kind is ForgeKind.GITEA
    make = gitea.gitea_forge if is_gitea else gitea.forgejo_forge
    return make, _named(gitea.git_username)


def _bitbucket(kind: ForgeKind) -> tuple[_Make, _Login]:
    from gitops.forges import bitbucket

    if kind is ForgeKind.BITBUCKET:
        return bitbucket.bitbucket_forge, bitbucket.git_credential
    login = _named(bitbucket.datacenter_git_username)
    return bitbucket.bitbucket_datacenter_forge, login


def _named(username: str) -> _Login:
    return lambda secret: (username, secret)
