"""The service's settings, and the only reader of the process environment.

Every field is also an environment variable: DIRECTUS_GITOPS_<NAME>. What belongs to
the fleet's rules is in gitops.yaml; what belongs to this machine is here.
"""

from __future__ import annotations

import os
import pwd
import re
from pathlib import Path
from typing import Final

from pydantic import Field, ValidationError, field_validator
from pydantic_settings import BaseSettings, SettingsConfigDict

from gitops import branch_name
from gitops.errors import InputError

_LEVELS: Final = ("debug", "info", "warning", "error")
_ADDRESS: Final = re.compile(r"https?://[A-Za-z0-9.:\[\]-]+(?:/[\w.~/-]*)?", re.ASCII)
_KEY_SERVICES: Final = ("AWS_", "AZURE_", "GOOGLE_", "VAULT_")


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
    database: str = Field(
        default="",
        repr=False,  # it may hold a password
        description="Address of a PostgreSQL database that several replicas share, "
        "`postgresql+psycopg://USER:PASSWORD@HOST/NAME`. "
        "Empty: SQLite in the data folder.",
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
        description="Wrong tokens that one address may show in a minute, "
        "before it hears 429 instead of 401.",
    )
    event_streams: int = Field(
        default=100, ge=1, description="Readers of `/api/v1/events` at one time."
    )

    metrics_public: bool = Field(
        default=False,
        description="Whether /metrics answers without a token. False: a token of the "
        "role viewer is needed.",
    )

    @field_validator("data", mode="after")
    @classmethod
    def _without_detours(cls, value: Path) -> Path:
        try:
            return Path(os.path.normpath(value.expanduser().absolute()))
        except RuntimeError:
            raise ValueError("there is no such user's home") from None

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
