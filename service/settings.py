"""The service's settings, and the only reader of the process environment.

Every field is also an environment variable: DIRECTUS_GITOPS_<NAME>. What belongs to
the fleet's rules is in gitops.yaml; what belongs to this machine is here.
"""

from __future__ import annotations

import os
import pwd
import re
from functools import cached_property
from pathlib import Path
from typing import Final, Protocol, TypeVar

from pydantic import Field, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from gitops import branch_name
from gitops.errors import InputError
from service.configuration import (
    GROUPS,
    Lookup,
    RepositorySettings,
    Sink,
    read_configuration,
    read_sinks,
    read_variables,
)

_LEVELS: Final = ("debug", "info", "warning", "error")
_ADDRESS: Final = re.compile(r"https?://[A-Za-z0-9.:\[\]-]+(?:/[\w.~/-]*)?", re.ASCII)
_FILE: Final = "service.toml"
_IN_FILE: Final = "file:"
_Described = TypeVar("_Described", covariant=True)
_KEY_SERVICES: Final = ("AWS_", "AZURE_", "GOOGLE_", "VAULT_")


class _Reader(Protocol[_Described]):
    """Reads a part of service.toml."""

    def __call__(
        self, text: bytes, *, name: str, folder: Path, lookup: Lookup
    ) -> tuple[_Described, ...]:
        """See service.configuration."""
        ...


def _default_data() -> Path:
    base = os.environ.get("XDG_DATA_HOME")
    try:
        return Path(base or Path.home() / ".local" / "share") / "directus-gitops"
    except RuntimeError:
        raise InputError(
            "there is no home folder to keep data in",
            hint="name a data folder: --data, or DIRECTUS_GITOPS_DATA",
        ) from None


def package_index_environment() -> dict[str, str]:
    """Return the variables that say how a package index is reached."""
    names = ("HOME", "SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE")
    return {
        name: value
        for name, value in os.environ.items()
        if name in names
        or name.startswith("PIP_")
        or name.lower() in ("http_proxy", "https_proxy", "no_proxy")
    }


class Settings(BaseSettings):
    """What this installation is told by its operator."""

    model_config = SettingsConfigDict(
        env_prefix="DIRECTUS_GITOPS_",
        env_ignore_empty=True,
        frozen=True,
        extra="ignore",
    )

    data: Path = Field(
        default_factory=_default_data,
        validate_default=True,
        description="Folder of the database, the mirrors and the embedded forge. "
        "Default: $XDG_DATA_HOME/directus-gitops.",
    )
    config: Path | None = Field(
        default=None,
        description="The file that describes the repositories, below. "
        "Empty: service.toml in the data folder, where there is one.",
    )
    database: str = Field(
        default="",
        repr=False,  # it may hold a password
        description="Address of a PostgreSQL database that several replicas share, "
        "`postgresql+psycopg://USER:PASSWORD@HOST/NAME`, or `file:PATH` of a file "
        "that holds it. Empty: SQLite in the data folder.",
    )
    kustomize: Path | None = Field(
        default=None,
        description="The kustomize or kubectl program. Empty: searched on PATH, "
        "then in the cache of `tools install`.",
    )
    kubernetes: str = Field(
        default="1.33",
        description="Kubernetes version whose schemas manifests are checked against.",
    )
    host: str = Field(
        default="127.0.0.1", description="Address that `serve` listens on."
    )
    port: int = Field(
        default=8080, ge=0, le=65535, description="Port that `serve` listens on."
    )
    public_url: str = Field(
        default="",
        description="Address under which people reach the service, for links in "
        "pull requests. Empty: no links.",
    )
    branch_prefix: str = Field(
        default="directus-gitops",
        description="First part of the branches that the service makes.",
    )
    log_level: str = Field(default="info", description="debug, info, warning or error.")
    lock_wait_s: float = Field(
        default=30,
        ge=0,
        allow_inf_nan=False,
        description="Seconds to wait for another writer of the same repository.",
    )
    interval_s: float = Field(
        default=60,
        gt=0,
        le=3600,
        allow_inf_nan=False,
        description="Seconds between two passes over a repository.",
    )
    update_interval_s: float = Field(
        default=3600,
        ge=60,
        le=604_800,
        allow_inf_nan=False,
        description="Seconds for which what a registry said of its versions is "
        "believed before it is asked again.",
    )
    max_open_pull_requests: int = Field(
        default=200,
        ge=1,
        description="Pull requests of the service that may be open at once, "
        "by repository.",
    )
    max_writes_an_hour: int = Field(
        default=1000,
        ge=1,
        description="Pushes and calls that change something on a forge, "
        "by repository and hour.",
    )
    default_repository: str = Field(
        default="",
        description="The repository that requests mean which name none. "
        "Empty: the only one.",
    )
    requests_per_min: int = Field(
        default=600,
        ge=1,
        description="API requests that one token may make in a minute.",
    )
    wrong_tokens_per_min: int = Field(
        default=120,
        ge=1,
        description="Wrong tokens that one address may show in a minute, and webhooks "
        "that nothing proves, before it hears 429 instead of 401.",
    )
    event_streams: int = Field(
        default=100, ge=1, description="Readers of `/api/v1/events` at one time."
    )

    metrics_public: bool = Field(
        default=False,
        description="Whether /metrics answers without a token. False: a token of the "
        "role viewer is needed.",
    )

    repository_name: str = Field(
        default="",
        description="One repository by variables alone; they mean what the keys of "
        "the file mean. Its name. Empty: the last part of its address.",
    )
    repository_url: str = Field(default="", description="`repository.url`.")
    repository_forge: str = Field(default="", description="`repository.forge`.")
    repository_api: str = Field(default="", description="`repository.api`.")
    repository_branch: str = Field(default="", description="`repository.branch`.")
    repository_app_id: str = Field(default="", description="`repository.app_id`.")
    repository_credential: str = Field(
        default="", description="`repository.credential`: `env:NAME` or `file:PATH`."
    )
    repository_ca: str = Field(default="", description="`repository.ca`.")
    repository_webhook_secret: str = Field(
        default="", description="`repository.webhook_secret`, separated by commas."
    )
    repository_webhook_signing_token: str = Field(
        default="", description="`repository.webhook_signing_token`, by commas too."
    )
    reviews_enabled: str = Field(
        default="", description="`repository.reviews.enabled`: true or false."
    )
    reviews_forks: str = Field(
        default="", description="`repository.reviews.forks`: true or false."
    )
    reviews_per_pass: str = Field(
        default="", description="`repository.reviews.per_pass`."
    )
    health_name: str = Field(
        default="", description="`repository.health.name`. Empty: as its kind."
    )
    health_kind: str = Field(default="", description="`repository.health.kind`.")
    health_url: str = Field(default="", description="`repository.health.url`.")
    health_credential: str = Field(
        default="",
        description="`repository.health.credential`: `env:NAME` or `file:PATH`.",
    )
    health_ca: str = Field(default="", description="`repository.health.ca`.")
    health_application: str = Field(
        default="", description="`repository.health.application`."
    )
    health_namespace: str = Field(
        default="", description="`repository.health.namespace`."
    )
    git_url: str = Field(default="", description="`repository.git.url`.")
    git_user: str = Field(default="", description="`repository.git.user`.")
    git_key: str = Field(
        default="", description="`repository.git.key`: `env:NAME` or `file:PATH`."
    )
    git_known_hosts: str = Field(
        default="", description="`repository.git.known_hosts`."
    )
    git_signing: str = Field(default="", description="`repository.git.signing`.")
    git_signing_key: str = Field(
        default="",
        description="`repository.git.signing_key`: `env:NAME` or `file:PATH`.",
    )
    git_name: str = Field(default="", description="`repository.git.name`.")
    git_email: str = Field(default="", description="`repository.git.email`.")
    networks_health: str = Field(
        default="", description="`repository.networks.health`, separated by commas."
    )
    networks_forge: str = Field(
        default="", description="`repository.networks.forge`, separated by commas."
    )
    networks_registry: str = Field(
        default="", description="`repository.networks.registry`, separated by commas."
    )

    registry_kind: str = Field(
        default="",
        description="`repository.registry.kind`; one registry by variables alone.",
    )
    registry_host: str = Field(default="", description="`repository.registry.host`.")
    registry_url: str = Field(default="", description="`repository.registry.url`.")
    registry_username: str = Field(
        default="", description="`repository.registry.username`."
    )
    registry_credential: str = Field(
        default="",
        description="`repository.registry.credential`: `env:NAME` or `file:PATH`.",
    )
    registry_ca: str = Field(default="", description="`repository.registry.ca`.")

    @field_validator("data", mode="after")
    @classmethod
    def _without_detours(cls, value: Path) -> Path:
        try:
            return Path(os.path.normpath(value.expanduser().absolute()))
        except RuntimeError:
            raise ValueError("there is no such user's home") from None

    @field_validator("database", mode="after")
    @classmethod
    def _from_a_file(cls, value: str) -> str:
        if not value.startswith(_IN_FILE):
            return value
        try:
            return Path(value.removeprefix(_IN_FILE)).read_text().strip()
        except (OSError, ValueError) as error:
            why = error.strerror if isinstance(error, OSError) else "it is no text"
            raise ValueError(f"the file cannot be read: {why}") from None

    @field_validator("public_url", mode="after")
    @classmethod
    def _address(cls, value: str) -> str:
        if value and not _ADDRESS.fullmatch(value):
            raise ValueError("is not an address such as https://gitops.example.com")
        return value.rstrip("/")

    @field_validator("branch_prefix", mode="after")
    @classmethod
    def _prefix(cls, value: str) -> str:
        try:
            return branch_name(value)
        except InputError as error:
            raise ValueError(error.message) from None

    @field_validator("log_level", mode="after")
    @classmethod
    def _level(cls, value: str) -> str:
        if value.lower() not in _LEVELS:
            raise ValueError(f"is not one of {', '.join(_LEVELS)}")
        return value.lower()

    @property
    def search_path(self) -> str:
        """PATH, for finding programs; children never inherit it."""
        return os.environ.get("PATH", os.defpath)

    @property
    def key_service_environment(self) -> dict[str, str]:
        """What sops needs to reach a key service; nothing that chooses recipients."""
        return {
            name: value
            for name, value in os.environ.items()
            if name.startswith(_KEY_SERVICES) or name == "GNUPGHOME"
        }

    @property
    def decryption_environment(self) -> dict[str, str]:
        """The same, and where the private age key is: never the key itself."""
        path = os.environ.get("SOPS_AGE_KEY_FILE")
        place = {"SOPS_AGE_KEY_FILE": str(Path(path).absolute())} if path else {}
        return self.key_service_environment | place

    @property
    def index_environment(self) -> dict[str, str]:
        """What pip may see when it fetches a program: its settings, proxies, HOME."""
        return package_index_environment()

    @property
    def login(self) -> str:
        """The operating system's user: who asks, on the command line."""
        number = os.getuid()
        try:
            return pwd.getpwuid(number).pw_name
        except KeyError:  # a container under a number of its own
            return f"uid-{number}"

    @cached_property
    def repositories(self) -> tuple[RepositorySettings, ...]:
        """The repositories that the operator describes, by file and by variables.

        Read once, when they are first asked for.

        Raises:
            InputError: the file or a variable breaks a rule, or the file that is
                named is not there.
        """
        described = (*self._from_file(), *self._from_variables())
        names = [repository.name for repository in described]
        for name in names:
            if names.count(name) > 1:
                raise InputError(
                    f"the repository {name} is in {_FILE} and in variables",
                    hint="describe it in one place",
                )
        return described

    def check(self) -> None:
        """Read everything that is read only when it is needed.

        Raises:
            InputError: see repositories and sinks.
        """
        _ = self.repositories, self.sinks

    def repository(self, name: str) -> RepositorySettings:
        """Return what the operator says of a repository.

        One that is not described is of the embedded forge, and nothing may be reached
        for it.

        Raises:
            InputError: see repositories.
        """
        return next(
            (found for found in self.repositories if found.name == name),
            RepositorySettings(name=name),
        )

    @cached_property
    def sinks(self) -> tuple[Sink, ...]:
        """Who is told what happened; read once, as the repositories are.

        Raises:
            InputError: see repositories.
        """
        return self._read_file(read_sinks)

    def _from_file(self) -> tuple[RepositorySettings, ...]:
        return self._read_file(read_configuration)

    def _read_file(self, read: _Reader[_Described]) -> tuple[_Described, ...]:
        path = self.config or self.data / _FILE
        try:
            text = path.read_bytes()
        except FileNotFoundError:
            if self.config is None:
                return ()
            raise InputError(
                "DIRECTUS_GITOPS_CONFIG: there is no such file",
                hint="name a file, or leave it empty",
            ) from None
        except (OSError, ValueError) as error:
            why = error.strerror if isinstance(error, OSError) else "not a path"
            raise InputError(
                f"{path.name!a}: cannot be read: {why}",
                hint="may this user read it?",
            ) from None
        return read(
            text, name=path.name, folder=path.parent.absolute(), lookup=os.environ.get
        )

    def _from_variables(self) -> tuple[RepositorySettings, ...]:
        given = {
            name: str(getattr(self, name))
            for name in type(self).model_fields
            if name.startswith(GROUPS)
        }
        return read_variables(given, folder=Path.cwd(), lookup=os.environ.get)

    @property
    def cache(self) -> Path:
        """Where `tools install` puts programs; safe to delete."""
        return self.data / "cache"


def load(**overrides: object) -> Settings:
    """Read the settings; an override that is None does not override.

    Raises:
        InputError: a variable has a value that is not acceptable.
    """
    given = {name: value for name, value in overrides.items() if value is not None}
    try:
        return Settings(**given)  # type: ignore[arg-type]  # checked by pydantic
    except ValidationError as error:
        # The value is not shown: it may be a secret in the wrong variable.
        first = error.errors(include_input=False, include_url=False)[0]
        name = "_".join(str(part) for part in first["loc"])
        place = f"--{name}" if name in given else f"DIRECTUS_GITOPS_{name.upper()}"
        raise InputError(
            f"{place}: {first['msg'].removeprefix('Value error, ')}",
            hint="see docs/settings.md",
        ) from None
