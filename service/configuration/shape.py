"""The shape of service.toml: its keys and their meaning.

One description for the reader, the checker and the documentation.
"""

from __future__ import annotations

from typing import Annotated, Final

from pydantic import BaseModel, ConfigDict, Field

from gitops.git import SigningFormat
from service.configuration.nouns import ForgeKind, SourceKind
from service.configuration.registries import RegistryKind
from service.configuration.sinks import SinkKind
from service.configuration.values import (
    AddressPattern,
    BranchText,
    EventText,
    GitAddress,
    HostName,
    NeededReference,
    NumberText,
    ObjectPattern,
    OptionalAddress,
    OptionalRegistryHost,
    PathText,
    PersonText,
    PlatformText,
    Reachable,
    Reference,
    References,
    RepositoryName,
    SinkName,
    SourceName,
    Username,
)

_Kind: Final = Field(strict=False)


class _Shape(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, hide_input_in_errors=True)


class NetworksShape(_Shape):
    """`[repository.networks]`: who may be reached, for each purpose."""

    health: list[Reachable] = Field(
        default=[],
        description="Addresses (`10.0.0.7`), networks (`10.0.0.0/8`) and host names "
        "(`directus.internal`, `*.svc.cluster.local`) that health sources may be at, "
        "private and loopback ones included. A public host needs no entry: the `url` "
        "names it.",
    )
    forge: list[Reachable] = Field(default=[], description="The same for the forge.")
    registry: list[Reachable] = Field(
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

    name: SourceName = Field(
        description="What promotion rules call it (`health: NAME`)."
    )
    kind: Annotated[SourceKind, _Kind] = Field(
        description="`directus`, `argocd`, `flux` or `deployment`."
    )
    url: AddressPattern = Field(
        description="Address of the Directus, of Argo CD, or of the Kubernetes API. "
        "May hold `{stack}`, `{environment}` and `{namespace}`."
    )
    credential: Reference = Field(
        default="", description="Where the token is: `env:NAME` or `file:PATH`."
    )
    ca: PathText = Field(
        default="",
        description="PEM file of the only certificate authorities that are believed. "
        "Empty: the public ones.",
    )
    application: ObjectPattern = Field(
        default="",
        description="Name of the Application, Kustomization or Deployment, with the "
        "same placeholders. Empty: `{stack}-{environment}`; a Deployment: `directus`.",
    )
    namespace: ObjectPattern = Field(
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
    host: OptionalRegistryHost = Field(
        default="",
        description="Of images: their host as their names have it; `docker.io` for "
        "Docker Hub.",
    )
    url: OptionalAddress = Field(
        default="",
        description="Its address. Empty: `https://` and the host, or the public one.",
    )
    username: Username = Field(
        default="", description="The user that the credential belongs to."
    )
    credential: Reference = Field(
        default="",
        description="Where its password or token is: `env:NAME` or `file:PATH`.",
    )
    ca: PathText = Field(
        default="",
        description="PEM file of the only certificate authorities that are believed. "
        "Empty: the public ones.",
    )
    realms: list[HostName] = Field(
        default=[],
        description="Hosts that may be shown the credential because they hand out its "
        "tokens. The host itself, those above and below it, and Docker Hub's own need "
        "no entry.",
    )
    platforms: list[PlatformText] = Field(
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

    url: GitAddress = Field(
        default="",
        description="Address for git, where it is not the repository's `url`: "
        "`https://HOST/PATH`, `ssh://USER@HOST[:PORT]/PATH` or `USER@HOST:PATH`.",
    )
    user: Username = Field(
        default="",
        description="User name that goes with the credential over HTTPS. Empty: the "
        "one that the forge takes beside a token.",
    )
    key: Reference = Field(
        default="",
        description="Where the private key for SSH is, without a passphrase: "
        "`env:NAME` or `file:PATH`.",
    )
    known_hosts: PathText = Field(
        default="",
        description="File in the form of ssh's known_hosts, with the keys of the host; "
        "another host is not believed.",
    )
    signing: Annotated[SigningFormat | None, _Kind] = Field(
        default=None,
        description="What commits are signed with: `ssh` or `openpgp`. Empty: they are "
        "not signed.",
    )
    signing_key: Reference = Field(
        default="",
        description="Where the private key that signs is, without a passphrase: "
        "`env:NAME` or `file:PATH`; for OpenPGP as `gpg --armor --export-secret-keys` "
        "writes it.",
    )
    name: PersonText = Field(
        default="",
        description="Name of the committer, with `email`. Empty: `directus-gitops`.",
    )
    email: PersonText = Field(
        default="",
        description="E-mail address of the committer: the one that the forge knows "
        "the signing key under.",
    )


class RepositoryShape(_Shape):
    """`[[repository]]`: one repository."""

    name: RepositoryName = Field(description="Its name in the store and in addresses.")
    url: OptionalAddress = Field(
        default="", description="Address of its origin. Empty: the embedded forge's."
    )
    forge: Annotated[ForgeKind, _Kind] = Field(
        default=ForgeKind.EMBEDDED,
        description="`embedded`, `github`, `gitlab`, `gitea`, `forgejo`, `bitbucket`, "
        "`bitbucket-datacenter` or `azure`.",
    )
    api: OptionalAddress = Field(
        default="",
        description="Root of the forge's API. Empty: where that forge has it, at the "
        "host of `url`.",
    )
    branch: BranchText = Field(
        default="main",
        description="Branch that pull requests go to. The embedded forge knows its "
        "own.",
    )
    app_id: NumberText = Field(
        default="",
        description="GitHub: number of the App that acts; `credential` is then where "
        "its private key (PEM) is. Empty: `credential` is a token.",
    )
    credential: Reference = Field(
        default="",
        description="Where the forge's token is: `env:NAME` or `file:PATH`.",
    )
    ca: PathText = Field(
        default="",
        description="PEM file of the only certificate authorities that are believed "
        "of the forge. Empty: the public ones.",
    )
    webhook_secret: References = Field(
        default=[],
        description="Where the secret of the forge's webhook is: `env:NAME` or "
        "`file:PATH`, or a list of them while one is replaced. At Azure DevOps the "
        "secret is `user:password`. Empty: no webhooks are taken; "
        "[Webhooks](webhooks.md).",
    )
    webhook_signing_token: References = Field(
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

    name: SinkName = Field(
        description="Its name in metrics, and of the place up to which it was told: "
        "under another name it begins anew."
    )
    kind: Annotated[SinkKind, _Kind] = Field(description="`webhook` or `slack`.")
    url: NeededReference = Field(
        description="Where its address is: `env:NAME` or `file:PATH`. Whoever knows "
        "the address may post, so it is a secret."
    )
    secret: Reference = Field(
        default="",
        description="Where the secret is that signs what a webhook is told: "
        "`env:NAME` or `file:PATH`. Empty: no signature.",
    )
    events: list[EventText] = Field(
        default=[],
        description="Actions of the audit trail (`pull request merged`), or their "
        "beginnings with a star (`pull request*`). Empty: all.",
    )
    repositories: list[RepositoryName] = Field(
        default=[], description="Names of repositories. Empty: all."
    )
    networks: list[Reachable] = Field(
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
