"""The shape of service.toml: its keys, their meaning, what a value may be.

One description for the reader, the checker and the documentation. A check never shows
a value: it may be a secret in the wrong place.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Annotated, Final

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field
from pydantic_core import PydanticCustomError

from gitops import branch_name, environment_name
from gitops.errors import InputError
from gitops.git import SigningFormat, check_url
from gitops.web import host_name, host_pattern, network, place_of
from service.configuration.nouns import ForgeKind, SourceKind
from service.configuration.registries import RegistryKind, registry_host
from service.configuration.sinks import SinkKind

REFUSED: Final = "refused"
"""The kind of every error that is raised here; its context has problem and hint."""

NO_SOURCE: Final = "none"
"""What a promotion rule says that asks for no health."""

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,62}", re.ASCII)
_VARIABLE: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,127}", re.ASCII)
_PLACEHOLDER: Final = re.compile(r"\{(stack|environment|namespace)\}")
_OBJECT: Final = re.compile(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?", re.ASCII)
_EVENT: Final = re.compile(r"[a-z][a-z ]{0,62}\*?|\*", re.ASCII)
_USERNAME: Final = re.compile(r"[\x21-\x39\x3b-\x7e]{0,256}", re.ASCII)
_PLATFORM: Final = re.compile(r"[a-z0-9]{1,16}(?:/[a-z0-9]{1,16}){1,2}", re.ASCII)
_DIGITS: Final = re.compile(r"[0-9]{1,12}", re.ASCII)
_MAX_PATH: Final = 1024
_CRUD: Final = " .,:;\"\\'"
_MAX_KEYS: Final = 4  # each costs work at every delivery, and two rotate


def refused(problem: str, hint: str) -> PydanticCustomError:
    """Make the error of one value."""
    return PydanticCustomError(REFUSED, "{problem}", {"problem": problem, "hint": hint})


def _checked(check: Callable[[str], object]) -> AfterValidator:
    """Keep a text that a checker of the library accepts."""

    def validate(value: str) -> str:
        try:
            check(value)
        except InputError as error:
            raise refused(error.message, error.hint) from None
        return value

    return AfterValidator(validate)


def _repository_name(value: str) -> None:
    if not _NAME.fullmatch(value) or ".." in value:
        raise InputError(
            "is not a name", hint="use 1 to 63 of A-Z, a-z, 0-9, ., _ and -"
        )


def _source_name(value: str) -> None:
    try:
        environment_name(value)
    except InputError as error:
        raise InputError("is not a name", hint=error.hint) from None
    if value == NO_SOURCE:
        raise InputError(
            "means that a rule asks for no health", hint="call the source otherwise"
        )


def _address(value: str) -> None:
    if "?" in value:
        raise InputError("has a query", hint="leave out what begins with ?")
    place_of(value)


def _optional_address(value: str) -> None:
    if value:
        _address(value)


def _address_pattern(value: str) -> None:
    _address(_without_placeholders(value))
    host = re.sub(r"^[^:]*://", "", value).partition("/")[0]
    fixed = host.rpartition(".")[2] if "." in host else host
    if _PLACEHOLDER.search(fixed):
        raise InputError(
            "lets the names of stacks decide which host is asked",
            hint="end the host with a domain: https://{stack}.example.com",
        )


def _object_pattern(value: str) -> None:
    if value and not _OBJECT.fullmatch(_without_placeholders(value)):
        raise InputError(
            "is not the name of a Kubernetes object",
            hint="use a-z, 0-9, -, {stack}, {environment} and {namespace}",
        )


def _without_placeholders(value: str) -> str:
    bare = _PLACEHOLDER.sub("x", value)
    if "{" in bare or "}" in bare:
        raise InputError(
            "has braces around something unknown",
            hint="known: {stack}, {environment}, {namespace}",
        )
    return bare


def _reference(value: str) -> None:
    kind, _, rest = value.partition(":")
    good = (kind == "env" and _VARIABLE.fullmatch(rest)) or (
        kind == "file" and rest and _is_path(rest)
    )
    if value and not good:
        raise InputError(
            "does not say where the secret is",
            hint="write env:NAME of a variable or file:PATH; never the secret itself",
        )


def _needed_reference(value: str) -> None:
    if not value:
        raise InputError("is empty", hint="write env:NAME or file:PATH")
    _reference(value)


def _one_or_many(value: object) -> object:
    if isinstance(value, str):
        return [value] if value else []
    return value


def _not_too_many(value: list[str]) -> list[str]:
    if len(value) > _MAX_KEYS:
        raise refused(
            f"has more than {_MAX_KEYS} secrets", "keep the new one and the old one"
        )
    return value


def _sink_name(value: str) -> None:
    if not _NAME.fullmatch(value):
        raise InputError(
            "is not a name", hint="use 1 to 63 of A-Z, a-z, 0-9, ., _ and -"
        )


def _event(value: str) -> None:
    if not _EVENT.fullmatch(value):
        raise InputError(
            "is not the name of an event",
            hint="write an action of the audit trail, such as pull request merged",
        )


def _optional_registry_host(value: str) -> None:
    if value:
        registry_host(value)


def _username(value: str) -> None:
    if not _USERNAME.fullmatch(value):
        raise InputError("is not the name of a user", hint="a colon cannot be in it")


def _platform(value: str) -> None:
    if not _PLATFORM.fullmatch(value):
        raise InputError("is not a platform", hint="write linux/amd64 or linux/arm64")


def _branch(value: str) -> None:
    try:
        branch_name(value)
    except InputError as error:
        raise InputError("is not a branch name", hint=error.hint) from None


def _number(value: str) -> None:
    if value and not _DIGITS.fullmatch(value):
        raise InputError("is not a number", hint="GitHub shows it as the App ID")


def _path(value: str) -> None:
    if not _is_path(value):
        raise InputError("is not a path", hint="name a PEM file")


def _is_path(value: str) -> bool:
    return len(value) <= _MAX_PATH and (value.isprintable() or not value)


def _git_address(value: str) -> None:
    try:
        if value:
            check_url(value, allow_file=False)
    except InputError as error:
        raise InputError("is not an address for git", hint=error.hint) from None


def _person(value: str) -> None:
    if not value.isprintable() or set(value) & set("<>") or len(value) > _MAX_PATH:
        raise InputError("git cannot write it", hint="leave out < and > and line ends")
    if value != value.strip(_CRUD):
        raise InputError(
            "begins or ends with a mark that git takes away",
            hint="write it without dots, commas, colons, quotes and blanks at its ends",
        )


def _reachable(value: str) -> None:
    if network(value) is None:
        host_pattern(value)


_Kind: Final = Field(strict=False)


class _Shape(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, hide_input_in_errors=True)


_References: Final = (
    BeforeValidator(_one_or_many),
    AfterValidator(_not_too_many),
)


class NetworksShape(_Shape):
    """`[repository.networks]`: who may be reached, for each purpose."""

    health: list[Annotated[str, _checked(_reachable)]] = Field(
        default=[],
        description="Addresses (`10.0.0.7`), networks (`10.0.0.0/8`) and host names "
        "(`directus.internal`, `*.svc.cluster.local`) that health sources may be at, "
        "private and loopback ones included. A public host needs no entry: the `url` "
        "names it.",
    )
    forge: list[Annotated[str, _checked(_reachable)]] = Field(
        default=[], description="The same for the forge."
    )
    registry: list[Annotated[str, _checked(_reachable)]] = Field(
        default=[],
        description="The same for registries. One that has a table needs no entry "
        "when it is public; a host to which it redirects for its blobs does.",
    )


class ReviewsShape(_Shape):
    """`[repository.reviews]`: pull requests that people open themselves."""

    enabled: bool = Field(
        default=True,
        description="Whether they get a comment with what they change, and a status; "
        "[Reviews](reviews.md).",
    )
    forks: bool = Field(
        default=False,
        description="Whether those from forks do too. False: nothing of them is "
        "fetched.",
    )
    per_pass: int = Field(
        default=10, ge=1, le=1000, description="How many are looked at in one pass."
    )


class HealthShape(_Shape):
    """`[[repository.health]]`: a health source; docs/health.md shows each kind."""

    name: Annotated[str, _checked(_source_name)] = Field(
        description="What promotion rules call it (`health: NAME`)."
    )
    kind: Annotated[SourceKind, _Kind] = Field(
        description="`directus`, `argocd`, `flux` or `deployment`."
    )
    url: Annotated[str, _checked(_address_pattern)] = Field(
        description="Address of the Directus, of Argo CD, or of the Kubernetes API. "
        "May hold `{stack}`, `{environment}` and `{namespace}`."
    )
    credential: Annotated[str, _checked(_reference)] = Field(
        default="", description="Where the token is: `env:NAME` or `file:PATH`."
    )
    ca: Annotated[str, _checked(_path)] = Field(
        default="",
        description="PEM file of the only certificate authorities that are believed. "
        "Empty: the public ones.",
    )
    application: Annotated[str, _checked(_object_pattern)] = Field(
        default="",
        description="Name of the Application, Kustomization or Deployment, with the "
        "same placeholders. Empty: `{stack}-{environment}`; a Deployment: `directus`.",
    )
    namespace: Annotated[str, _checked(_object_pattern)] = Field(
        default="",
        description="Namespace of that object. Empty: Argo CD's own, `flux-system`, "
        "or for a Deployment `{namespace}`, the overlay's.",
    )


class RegistryShape(_Shape):
    """`[[repository.registry]]`: a registry; docs/registries.md tells more."""

    kind: Annotated[RegistryKind, _Kind] = Field(
        default=RegistryKind.IMAGES,
        description="`images` (any registry of the OCI distribution API), `npm` "
        "(which versions of Directus there are) or `github` (release notes).",
    )
    host: Annotated[str, _checked(_optional_registry_host)] = Field(
        default="",
        description="Of images: their host as their names have it; `docker.io` for "
        "Docker Hub.",
    )
    url: Annotated[str, _checked(_optional_address)] = Field(
        default="",
        description="Its address. Empty: `https://` and the host, or the public one.",
    )
    username: Annotated[str, _checked(_username)] = Field(
        default="", description="The user that the credential belongs to."
    )
    credential: Annotated[str, _checked(_reference)] = Field(
        default="",
        description="Where its password or token is: `env:NAME` or `file:PATH`.",
    )
    ca: Annotated[str, _checked(_path)] = Field(
        default="",
        description="PEM file of the only certificate authorities that are believed. "
        "Empty: the public ones.",
    )
    realms: list[Annotated[str, _checked(host_name)]] = Field(
        default=[],
        description="Hosts that may be shown the credential because they hand out its "
        "tokens. The host itself, those above and below it, and Docker Hub's own need "
        "no entry.",
    )
    platforms: list[Annotated[str, _checked(_platform)]] = Field(
        default=["linux/amd64"],
        description="Platforms that an image has to be there for; the pull request "
        "says when it is not.",
    )
    pin: bool = Field(
        default=False,
        description="Whether a bump writes the digest too. One that an overlay has "
        "is kept up in any case.",
    )


class GitShape(_Shape):
    """`[repository.git]`: how git reaches it, whose the commits are; docs/git.md."""

    url: Annotated[str, _checked(_git_address)] = Field(
        default="",
        description="Address for git, where it is not the repository's `url`: "
        "`https://HOST/PATH`, `ssh://USER@HOST[:PORT]/PATH` or `USER@HOST:PATH`.",
    )
    user: Annotated[str, _checked(_username)] = Field(
        default="",
        description="User name that goes with the credential over HTTPS. Empty: the "
        "one that the forge takes beside a token.",
    )
    key: Annotated[str, _checked(_reference)] = Field(
        default="",
        description="Where the private key for SSH is, without a passphrase: "
        "`env:NAME` or `file:PATH`.",
    )
    known_hosts: Annotated[str, _checked(_path)] = Field(
        default="",
        description="File in the form of ssh's known_hosts, with the keys of the host; "
        "another host is not believed.",
    )
    signing: Annotated[SigningFormat | None, _Kind] = Field(
        default=None,
        description="What commits are signed with: `ssh` or `openpgp`. Empty: they are "
        "not signed.",
    )
    signing_key: Annotated[str, _checked(_reference)] = Field(
        default="",
        description="Where the private key that signs is, without a passphrase: "
        "`env:NAME` or `file:PATH`; for OpenPGP as `gpg --armor --export-secret-keys` "
        "writes it.",
    )
    name: Annotated[str, _checked(_person)] = Field(
        default="",
        description="Name of the committer, with `email`. Empty: `directus-gitops`.",
    )
    email: Annotated[str, _checked(_person)] = Field(
        default="",
        description="E-mail address of the committer: the one that the forge knows "
        "the signing key under.",
    )


class RepositoryShape(_Shape):
    """`[[repository]]`: one repository."""

    name: Annotated[str, _checked(_repository_name)] = Field(
        description="Its name in the store and in addresses."
    )
    url: Annotated[str, _checked(_optional_address)] = Field(
        default="", description="Address of its origin. Empty: the embedded forge's."
    )
    forge: Annotated[ForgeKind, _Kind] = Field(
        default=ForgeKind.EMBEDDED,
        description="`embedded`, `github`, `gitlab`, `gitea`, `forgejo`, `bitbucket`, "
        "`bitbucket-datacenter` or `azure`.",
    )
    api: Annotated[str, _checked(_optional_address)] = Field(
        default="",
        description="Root of the forge's API. Empty: where that forge has it, at the "
        "host of `url`.",
    )
    branch: Annotated[str, _checked(_branch)] = Field(
        default="main",
        description="Branch that pull requests go to. The embedded forge knows its "
        "own.",
    )
    app_id: Annotated[str, _checked(_number)] = Field(
        default="",
        description="GitHub: number of the App that acts; `credential` is then where "
        "its private key (PEM) is. Empty: `credential` is a token.",
    )
    credential: Annotated[str, _checked(_reference)] = Field(
        default="",
        description="Where the forge's token is: `env:NAME` or `file:PATH`.",
    )
    ca: Annotated[str, _checked(_path)] = Field(
        default="",
        description="PEM file of the only certificate authorities that are believed "
        "of the forge. Empty: the public ones.",
    )
    webhook_secret: Annotated[
        list[Annotated[str, _checked(_needed_reference)]], *_References
    ] = Field(
        default=[],
        description="Where the secret of the forge's webhook is: `env:NAME` or "
        "`file:PATH`, or a list of them while one is replaced. At Azure DevOps the "
        "secret is `user:password`. Empty: no webhooks are taken; "
        "[Webhooks](webhooks.md).",
    )
    webhook_signing_token: Annotated[
        list[Annotated[str, _checked(_needed_reference)]], *_References
    ] = Field(
        default=[],
        description="GitLab: where the hook's signing token (`whsec_...`) is, in the "
        "same form.",
    )
    git: GitShape = Field(
        default=GitShape(),
        description="Table: how git reaches it, and whose the commits are; "
        "[Git](git.md).",
    )
    networks: NetworksShape = Field(
        default=NetworksShape(), description="Table: who may be reached."
    )
    reviews: ReviewsShape = Field(
        default=ReviewsShape(),
        description="Table: pull requests that people open themselves.",
    )
    health: list[HealthShape] = Field(
        default=[], description="Tables: its health sources."
    )
    registry: list[RegistryShape] = Field(
        default=[], description="Tables: registries of images and versions."
    )


class NotifyShape(_Shape):
    """`[[notify]]`: someone who is told what happened; see docs/notifications.md."""

    name: Annotated[str, _checked(_sink_name)] = Field(
        description="Its name in metrics, and of the place up to which it was told: "
        "under another name it begins anew."
    )
    kind: Annotated[SinkKind, _Kind] = Field(description="`webhook` or `slack`.")
    url: Annotated[str, _checked(_needed_reference)] = Field(
        description="Where its address is: `env:NAME` or `file:PATH`. Whoever knows "
        "the address may post, so it is a secret."
    )
    secret: Annotated[str, _checked(_reference)] = Field(
        default="",
        description="Where the secret is that signs what a webhook is told: "
        "`env:NAME` or `file:PATH`. Empty: no signature.",
    )
    events: list[Annotated[str, _checked(_event)]] = Field(
        default=[],
        description="Actions of the audit trail (`pull request merged`), or their "
        "beginnings with a star (`pull request*`). Empty: all.",
    )
    repositories: list[Annotated[str, _checked(_repository_name)]] = Field(
        default=[], description="Names of repositories. Empty: all."
    )
    networks: list[Annotated[str, _checked(_reachable)]] = Field(
        default=[],
        description="Addresses, networks and host names that it may be at, private "
        "and loopback ones included. A public host needs no entry.",
    )


class FileShape(_Shape):
    """All of service.toml."""

    repository: list[RepositoryShape] = Field(
        default=[], description="Tables: the repositories."
    )
    notify: list[NotifyShape] = Field(
        default=[], description="Tables: who is told what happened."
    )
