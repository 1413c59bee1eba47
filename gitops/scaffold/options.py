"""What a generated repository is made from: the choices of `init`, checked. Pure.

Promise: whatever passes here gives overlays that build. The choices are kept in the
repository, so that a stack or an environment added later is like the first one.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from enum import StrEnum
from typing import Final, TypeVar

from gitops.catalogue import newest_version
from gitops.errors import InputError
from gitops.layout import (
    branch_name,
    environment_name,
    namespace_of,
    stack_name,
    target as checked_target,
)
from gitops.model import EnvironmentName, StackName, Target
from gitops.scaffold.agents import UNKNOWN_URL, Agent
from gitops.scaffold.secrets import SecretsChoice
from gitops.versions import parse_reference

DEFAULT_STACK: Final = "example"
DEFAULT_ENVIRONMENTS: Final = ("development", "staging", "production")
DEFAULT_HOST: Final = "{stack}.{environment}.example.com"

# RFC 1123: a host of an Ingress, and the name of a cluster-scoped class.
_LABEL = r"[a-z0-9](?:[a-z0-9-]{0,61}[a-z0-9])?"
_SUBDOMAIN = re.compile(rf"{_LABEL}(?:\.{_LABEL})*", re.ASCII)
_MAX_SUBDOMAIN: Final = 253

_Choice = TypeVar("_Choice", bound=StrEnum)


class Database(StrEnum):
    """Where the content is; one engine in all environments of a repository."""

    MARIADB = "mariadb"
    POSTGRES = "postgres"
    EXTERNAL = "external"


class Cache(StrEnum):
    """Whether Redis runs beside Directus."""

    REDIS = "redis"
    NONE = "none"


class Storage(StrEnum):
    """Where uploaded files are."""

    VOLUME = "volume"
    VOLUME_SHARED = "volume-shared"
    S3 = "s3"


class Platform(StrEnum):
    """Whose cluster it is: its classes of volumes and of Ingress."""

    GENERIC = "generic"
    KIND = "kind"
    EKS = "eks"
    GKE = "gke"
    AKS = "aks"


@dataclass(frozen=True, slots=True, kw_only=True)
class Choices:
    """What every overlay of a repository has in common.

    Attributes:
        host: public host; {stack} and {environment} are filled in.
        database: see Database.
        cache: see Cache.
        storage: see Storage.
        agent: see Agent.
        secrets: see SecretsChoice.
        platform: see Platform.
        storage_class: StorageClass of every claim; None for the platform's.
        ingress_class: IngressClass; None for the platform's.
        repository_url: where the agents find the repository.
        branch: the base branch.

    Raises:
        InputError: a host or a class that Kubernetes would refuse, or a class for
            volumes where there are none.
    """

    host: str = DEFAULT_HOST
    database: Database = Database.POSTGRES
    cache: Cache = Cache.NONE
    storage: Storage = Storage.VOLUME
    agent: Agent = Agent.BOTH
    secrets: SecretsChoice = SecretsChoice.EXISTING
    platform: Platform = Platform.GENERIC
    storage_class: str | None = None
    ingress_class: str | None = None
    repository_url: str = UNKNOWN_URL
    branch: str = "main"

    def __post_init__(self) -> None:
        """Check what no type says."""
        branch_name(self.branch)
        self.host_of(checked_target("s", "e"))
        for name in ("storage_class", "ingress_class"):
            _check_class(name.replace("_", " "), getattr(self, name))
        if self.storage_class and not self.has_volumes:
            raise InputError(
                f"storage class {self.storage_class}: with an external database and "
                "storage s3 there is no volume that could have it",
                hint="leave it out",
            )

    @property
    def has_volumes(self) -> bool:
        """Whether any component claims a volume."""
        return self.database is not Database.EXTERNAL or self.storage is not Storage.S3

    def host_of(self, target: Target) -> str:
        """Return the public host of a target.

        Raises:
            InputError: it is no DNS name, or the pattern has another placeholder.
        """
        host = self.host.replace("{stack}", target.stack).replace(
            "{environment}", target.environment
        )
        if not _SUBDOMAIN.fullmatch(host) or len(host) > _MAX_SUBDOMAIN:
            raise InputError(
                f"host {host[:100]!a} is not a DNS name",
                hint="use a-z, 0-9, '-' and '.', with {stack} and {environment} as "
                f"placeholders, such as {DEFAULT_HOST}",
            )
        return host


@dataclass(frozen=True, slots=True, kw_only=True)
class Options(Choices):
    """Everything that `init` needs to know.

    Attributes:
        stack: the first stack.
        environments: in the order of promotion; each follows the one before it.
        directus_version: a full version, perhaps with a digest: x.y.z[@sha256:...].

    Raises:
        InputError: a version that names no release, an environment given twice, or
            two environments with the same host.
    """

    stack: StackName
    environments: tuple[EnvironmentName, ...]
    directus_version: str

    def __post_init__(self) -> None:
        """Check what no type says."""
        # Not super(): a class with slots is made anew, and the name is the old one's.
        Choices.__post_init__(self)
        parse_reference(self.directus_version)
        if not self.environments:
            raise InputError("there is no environment", hint="name at least one")
        check_places(self, self.targets)

    @property
    def targets(self) -> tuple[Target, ...]:
        """The overlays to write."""
        return tuple(
            Target(stack=self.stack, environment=environment)
            for environment in self.environments
        )

    @property
    def choices(self) -> Choices:
        """What of it later stacks and environments share."""
        return Choices(**{f.name: getattr(self, f.name) for f in fields(Choices)})


def check_places(choices: Choices, targets: Sequence[Target]) -> None:
    """Refuse overlays that would share a namespace or a host.

    Raises:
        InputError: see above; or a namespace is longer than Kubernetes allows.
    """
    taken: dict[str, Target] = {}
    for target in targets:
        for what, name in (
            ("namespace", namespace_of(target)),
            ("host", choices.host_of(target)),
        ):
            other = taken.setdefault(f"{what} {name}", target)
            if other is not target:
                raise InputError(
                    f"{other} and {target} would share the {what} {name}",
                    hint="give one of them another name"
                    if what == "namespace"
                    else "put {stack} and {environment} into the host pattern",
                )


def read_options(
    *,
    stack: str = DEFAULT_STACK,
    environments: Sequence[str] = (),
    directus_version: str = "",
    choices: Mapping[str, str] | None = None,
) -> Options:
    """Accept options as text, and fill in the defaults.

    Args:
        stack: its name.
        environments: in the order of promotion; empty for the usual three.
        directus_version: empty for the newest one of the catalogue.
        choices: any of the fields of Choices, by name.

    Raises:
        InputError: something is not acceptable; the message says what.
    """
    shared = read_choices(choices or {})
    return Options(
        stack=stack_name(stack),
        environments=tuple(
            environment_name(name) for name in environments or DEFAULT_ENVIRONMENTS
        ),
        directus_version=directus_version or newest_version(),
        **{f.name: getattr(shared, f.name) for f in fields(Choices)},
    )


def read_choices(choices: Mapping[str, str]) -> Choices:
    """Accept the fields of Choices as text; those left out have their defaults.

    Raises:
        InputError: an unknown field, or a value that is not acceptable.
    """
    known = [f.name for f in fields(Choices)]
    unknown = sorted(set(choices) - set(known))
    if unknown:
        raise InputError(
            f"unknown option {unknown[0][:40]!a}", hint=f"known: {', '.join(known)}"
        )
    return Choices(
        host=choices.get("host", DEFAULT_HOST),
        database=_member(Database, choices, Database.POSTGRES),
        cache=_member(Cache, choices, Cache.NONE),
        storage=_member(Storage, choices, Storage.VOLUME),
        agent=_member(Agent, choices, Agent.BOTH),
        secrets=_member(SecretsChoice, choices, SecretsChoice.EXISTING),
        platform=_member(Platform, choices, Platform.GENERIC),
        storage_class=choices.get("storage_class"),
        ingress_class=choices.get("ingress_class"),
        repository_url=choices.get("repository_url", UNKNOWN_URL),
        branch=choices.get("branch", "main"),
    )


def write_choices(choices: Choices) -> dict[str, str]:
    """Write choices as text, for read_choices; None is left out."""
    values = {f.name: getattr(choices, f.name) for f in fields(Choices)}
    return {name: str(value) for name, value in values.items() if value is not None}


def _member(
    choice: type[_Choice], choices: Mapping[str, str], default: _Choice
) -> _Choice:
    """Read one enumeration, which is named after its option."""
    name = choice.__name__.removesuffix("Choice").lower()
    value = choices.get(name, default)
    try:
        return choice(value)
    except ValueError as error:
        raise InputError(
            f"{name} {value[:40]!a} is not one of the choices",
            hint=f"use one of: {', '.join(choice)}",
        ) from error


def _check_class(what: str, value: str | None) -> None:
    if value is None:
        return
    if not _SUBDOMAIN.fullmatch(value) or len(value) > _MAX_SUBDOMAIN:
        raise InputError(
            f"{what} {value[:60]!a} is not the name of a class",
            hint="see `kubectl get storageclass` and `kubectl get ingressclass`",
        )
