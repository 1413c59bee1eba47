"""What service.toml says, as values: repositories, health sources, networks."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Final

from pydantic import SecretStr

from gitops.errors import InputError
from gitops.git import Identity, Signatures, Signer, SigningFormat, SshAccess
from gitops.web import Allowed

if TYPE_CHECKING:
    from service.configuration.registries import RegistrySettings

NOTHING: Final = Allowed()
_MAX_FILE: Final = 1 << 20
_ENV: Final = "env:"
_FILE: Final = "file:"

Lookup = Callable[[str], str | None]
"""Reads one environment variable; the settings hand it in."""


class SourceKind(StrEnum):
    """Who is asked how a target is."""

    DIRECTUS = "directus"
    ARGOCD = "argocd"
    FLUX = "flux"
    DEPLOYMENT = "deployment"


class ForgeKind(StrEnum):
    """Who keeps the pull requests."""

    EMBEDDED = "embedded"
    GITHUB = "github"
    GITLAB = "gitlab"
    GITEA = "gitea"
    FORGEJO = "forgejo"
    BITBUCKET = "bitbucket"
    BITBUCKET_DATACENTER = "bitbucket-datacenter"
    AZURE = "azure"


@dataclass(frozen=True, slots=True, kw_only=True)
class TextFile:
    """A file of the operator's, read each time it is needed: such files are rotated.

    Attributes:
        path: where it is.
        place: the setting that names it, for errors; they never show the path.
    """

    path: Path = field(repr=False)
    place: str

    def read(self) -> str:
        """Return its text without blanks around it.

        Raises:
            InputError: it cannot be read, is empty, not UTF-8, or has over 1 MiB.
        """
        try:
            with self.path.open("rb") as file:
                text = file.read(_MAX_FILE + 1)
            if len(text) <= _MAX_FILE and (found := text.decode().strip()):
                return found
        except OSError as error:
            raise self._unreadable(error.strerror or "an error") from None
        except (UnicodeDecodeError, ValueError):
            raise self._unreadable("it is no text") from None
        raise self._unreadable("it is empty" if not text.strip() else "it is too large")

    def _unreadable(self, why: str) -> InputError:
        return InputError(
            f"{self.place}: the file cannot be used: {why}",
            hint="is it there, and may this user read it?",
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Variable:
    """An environment variable that holds a secret.

    Attributes:
        name: of the variable.
        place: the setting that names it.
        lookup: reads the environment.
    """

    name: str
    place: str
    lookup: Lookup = field(repr=False, compare=False)

    def read(self) -> str:
        """Return its value without blanks around it.

        Raises:
            InputError: it is not set, or empty.
        """
        value = (self.lookup(self.name) or "").strip()
        if not value:
            raise InputError(
                f"{self.place}: the environment variable {self.name} is not set",
                hint="set it where the service is started",
            )
        return value


@dataclass(frozen=True, slots=True, kw_only=True)
class Credential:
    """Where a secret is; it is read when it is used, and shown nowhere."""

    source: Variable | TextFile

    def reveal(self) -> SecretStr:
        """Read the secret.

        Raises:
            InputError: it is not where the setting says, or has a line break or
                another character that no HTTP header can hold.
        """
        value = self.source.read()
        if not (value.isascii() and value.isprintable()):
            raise InputError(
                f"{self.source.place}: the secret has a character that it cannot have",
                hint="it must be one line of printable ASCII",
            )
        return SecretStr(value)


def credential_of(
    reference: str, *, place: str, folder: Path, lookup: Lookup
) -> Credential | None:
    """Make a credential of `env:NAME` or `file:PATH`; None of an empty text.

    Args:
        reference: checked already.
        place: the setting that holds it.
        folder: what a relative path starts from.
        lookup: reads the environment.
    """
    if reference.startswith(_ENV):
        name = reference.removeprefix(_ENV)
        return Credential(source=Variable(name=name, place=place, lookup=lookup))
    if reference.startswith(_FILE):
        path = folder / reference.removeprefix(_FILE)
        return Credential(source=TextFile(path=path, place=place))
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookSecrets:
    """Where the secrets are that prove a webhook; several while one is replaced.

    Attributes:
        plain: the secret of the hook, as the forge was told it; at Azure DevOps
            user:password.
        signing: GitLab's signing tokens, `whsec_...`.
    """

    plain: tuple[Credential, ...] = ()
    signing: tuple[Credential, ...] = ()

    @property
    def are_given(self) -> bool:
        """Whether webhooks of the repository are taken at all."""
        return bool(self.plain or self.signing)


NO_WEBHOOKS: Final = WebhookSecrets()


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewSettings:
    """How pull requests are served that people open themselves.

    Attributes:
        enabled: whether they are looked at.
        forks: whether those from forks are looked at too.
        per_pass: how many are looked at in one pass.
    """

    enabled: bool = True
    forks: bool = False
    per_pass: int = 10


REVIEWED: Final = ReviewSettings()


@dataclass(frozen=True, slots=True, kw_only=True)
class GitSettings:
    """How git reaches a repository, and whose the commits are.

    Attributes:
        url: for git, where it differs from the forge's; empty for that.
        user: goes with the credential over HTTPS; empty for the forge's usual one.
        key: private key for SSH.
        known_hosts: of SSH.
        signing: what commits are signed with; None leaves them unsigned.
        signing_key: the private key that signs.
        name: of the committer; empty for the service's own.
        email: of the committer.
    """

    url: str = ""
    user: str = ""
    key: Credential | None = None
    known_hosts: TextFile | None = None
    signing: SigningFormat | None = None
    signing_key: Credential | None = None
    name: str = ""
    email: str = ""

    @property
    def ssh(self) -> SshAccess | None:
        """How SSH gets in; None over HTTPS. The files are read when they are used."""
        if self.key is None or self.known_hosts is None:
            return None
        return SshAccess(key=self.key.source.read, known_hosts=self.known_hosts.read)

    def signer(self, kept: Signatures | None, scratch: Path) -> Signer | None:
        """Return what signs commits; None where they are not signed.

        Args:
            kept: keeps signatures.
            scratch: where the key is during a call, in the data folder.
        """
        if self.signing is None or self.signing_key is None:
            return None
        return Signer(
            format=self.signing,
            key=self.signing_key.source.read,
            kept=kept,
            scratch=scratch,
        )

    def identity(self, usual: Identity) -> Identity:
        """Return author and committer: those of the settings, else the usual one."""
        return Identity(name=self.name, email=self.email) if self.name else usual


PLAIN_GIT: Final = GitSettings()


@dataclass(frozen=True, slots=True, kw_only=True)
class Networks:
    """Whom one repository's work may reach, for each purpose."""

    health: Allowed = NOTHING
    forge: Allowed = NOTHING
    registry: Allowed = NOTHING


NOWHERE: Final = Networks()


@dataclass(frozen=True, slots=True, kw_only=True)
class HealthSource:
    """Someone who says how the targets of a repository are.

    Attributes:
        name: as promotion rules call it.
        kind: see SourceKind.
        url: its address; may hold {stack}, {environment} and {namespace}.
        credential: a token; None to ask without one.
        ca: PEM file of the only authorities that are believed; None for public ones.
        application: the name of what is asked for, with the same placeholders.
        namespace: where that is kept, with the same placeholders; may be empty.
        allowed: what may be reached; the host of `url` is added when it is asked.
    """

    name: str
    kind: SourceKind
    url: str
    credential: Credential | None = None
    ca: TextFile | None = None
    application: str = ""
    namespace: str = ""
    allowed: Allowed = NOTHING


@dataclass(frozen=True, slots=True, kw_only=True)
class RepositorySettings:
    """What the operator says of one repository.

    Attributes:
        name: in the store and in addresses.
        url: of its page on the forge, or its clone; empty with the embedded forge.
        forge: see ForgeKind.
        api: root of the forge's API, where it is not where that forge has it.
        branch: that pull requests go to; the embedded forge knows its own.
        app_id: of the GitHub App whose private key the credential is; empty for a
            token.
        credential: for the forge; None when it needs none.
        ca: PEM file of the authorities that are believed of the forge.
        git: how git reaches it, and whose the commits are.
        networks: whom its work may reach.
        health: its health sources, in the order of the file.
        webhooks: what proves a webhook of its forge.
        registries: that its work may ask for versions and images.
        reviews: how pull requests are served that people open themselves.
    """

    name: str
    url: str = ""
    forge: ForgeKind = ForgeKind.EMBEDDED
    api: str = ""
    branch: str = "main"
    app_id: str = ""
    credential: Credential | None = None
    ca: TextFile | None = None
    git: GitSettings = PLAIN_GIT
    networks: Networks = NOWHERE
    health: tuple[HealthSource, ...] = ()
    webhooks: WebhookSecrets = NO_WEBHOOKS
    registries: tuple[RegistrySettings, ...] = ()
    reviews: ReviewSettings = REVIEWED

    def source(self, name: str) -> HealthSource | None:
        """Find a health source; None when there is none of that name."""
        return next((source for source in self.health if source.name == name), None)
