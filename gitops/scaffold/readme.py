"""The README of a generated repository: where what is, and what to do first. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from gitops.scaffold.agents import Agent
from gitops.scaffold.options import Database, Options, Storage
from gitops.scaffold.secrets import SecretsChoice

README_FILE: Final = "README.md"

_TEXT: Final = """\
# Directus

What our Directus stacks are meant to be, as plain Kustomize. Nothing here is a
template: every overlay builds with `kustomize build` as it stands. Changes come as
pull requests, made by hand or by `directus-gitops`.

| path | what it is |
|---|---|
| `gitops.yaml` | the environments, and how a version travels between them |
| `base/` | what every Directus has |
| `base/components/` | what a Directus may have |
| `overlays/<environment>/<stack>/` | what differs |
| `overlays/.../kustomization.yaml` | the version, and the components |
| `overlays/.../config.env` | the configuration |
{agents}| `.directus-gitops/generated.json` | how the files were made; for `upgrade` |

## Before the first deployment

{steps}
## Every day

    directus-gitops status
    directus-gitops bump {stack} {first} VERSION
    directus-gitops promote {stack} --to ENVIRONMENT
    directus-gitops set {stack} {first} KEY=VALUE
    directus-gitops validate
"""
_AGENTS: Final = "| `agents/` | what Argo CD and Flux must know |\n"
_ADDRESS: Final = """\
Address: `PUBLIC_URL` in each `config.env`. A licence key binds to it, so settle it
before the first start.
"""
_TLS: Final = """\
TLS: a certificate in the Secret `directus-tls` of each namespace, by hand or by
cert-manager (an annotation on the Ingress), unless your platform brings its own.
"""
_SECRETS: Final = {
    SecretsChoice.EXISTING: """\
Secrets: a Secret `directus-secrets` in each namespace. To make one:
`directus-gitops secrets generate {stack} {first} | kubectl create -f -`
""",
    SecretsChoice.EXTERNAL_SECRETS: """\
Secrets: each overlay has an ExternalSecret, which names a store and an entry such as
`{stack}/{first}`. To make its keys: `directus-gitops secrets generate {stack} {first}`
""",
    SecretsChoice.SEALED_SECRETS: """\
Secrets: `directus-gitops secrets generate {stack} {first}` makes the keys and seals
them into the overlay's `sealed-secret.yaml`. Until then the pods wait.
""",
    SecretsChoice.SOPS: """\
Secrets: `directus-gitops secrets generate {stack} {first}` makes the keys and encrypts
them into the overlay's `secrets.enc.yaml`. Until then the pods wait.
""",
}
_DATABASE: Final = """\
Database: its address in each `config.env`, its password as `DB_PASSWORD` in the Secret.
Its backups are yours: have one before every version change.
"""
_BUCKET: Final = """\
Bucket: its name in each `config.env`, `STORAGE_S3_KEY` and `STORAGE_S3_SECRET` in the
Secret.
"""
_SHARED: Final = """\
Volumes: the uploads need a StorageClass that serves ReadWriteMany.
"""
_AGENT: Final = """\
Agents: the address of this repository in the files below `agents/`. Then apply them.
"""


def readme_text(options: Options) -> bytes:
    """Write the README of a new repository."""
    steps = "".join(
        f"{number}. {_hanging(step)}"
        for number, step in enumerate(_steps(options), start=1)
    )
    return (
        _TEXT.replace("{steps}", steps)
        .replace("{agents}", "" if options.agent is Agent.NONE else _AGENTS)
        .replace("{stack}", options.stack)
        .replace("{first}", options.environments[0])
        .encode()
    )


def _steps(options: Options) -> Iterator[str]:
    yield _ADDRESS
    yield _SECRETS[options.secrets]
    yield _TLS
    if options.database is Database.EXTERNAL:
        yield _DATABASE
    if options.storage is Storage.S3:
        yield _BUCKET
    if options.storage is Storage.VOLUME_SHARED:
        yield _SHARED
    if options.agent is not Agent.NONE:
        yield _AGENT


def _hanging(step: str) -> str:
    """Indent the lines of a list item but its first."""
    return "\n   ".join(step.rstrip().splitlines()) + "\n"
