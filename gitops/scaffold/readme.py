"""The README of a generated repository: where what is, and what to do first. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from gitops.layout import namespace_of
from gitops.scaffold.agents import UNKNOWN_URL, Agent
from gitops.scaffold.options import Database, Options, Platform, Storage
from gitops.scaffold.secrets import SecretsChoice

README_FILE: Final = "README.md"

_DOCS: Final = "https://github.com/directus-gitops/directus-gitops/tree/main/docs"
_TEXT: Final = """\
# Directus

What our Directus stacks are meant to be, as plain Kustomize. Nothing here is a
template: every overlay builds with `kustomize build` as it stands. Changes come as
pull requests, made by hand or by `directus-gitops`
([documentation]({docs})).

| path | what it is |
|---|---|
| `gitops.yaml` | the environments, and how a version travels between them |
| `base/` | what every Directus has |
| `base/components/` | what a Directus may have |
| `overlays/<environment>/<stack>/` | what differs |
| `overlays/.../kustomization.yaml` | the version, and the components |
| `overlays/.../config.env` | the configuration |
{agents}| `.directus-gitops/generated.json` | how the files were made; for `upgrade` |

Each overlay has a namespace of its own, `<stack>-<environment>`.

## Before the first deployment

Commands are for the stack `{stack}` in `{first}`; the other environments need the same.

{steps}
## The first deployment

A Job installs the database and makes the administrator; the pods wait for it.

    kubectl -n {namespace} logs job/directus-migrate --all-containers
    kubectl -n {namespace} rollout status deployment/directus

Log in with `ADMIN_EMAIL`. The password, which you should change then:

    kubectl -n {namespace} get secret directus-secrets \\
      -o jsonpath='{.data.ADMIN_PASSWORD}' | base64 -d

## Every day

    directus-gitops status
    directus-gitops bump {stack} {first} VERSION
    directus-gitops promote {stack} --to ENVIRONMENT
    directus-gitops set {stack} {first} KEY=VALUE
    directus-gitops pr show NUMBER
    directus-gitops pr merge NUMBER
    directus-gitops validate
"""
_AGENTS: Final = "| `agents/` | what Argo CD and Flux must know |\n"

# --- steps ---

_CONTROLLERS: Final = {
    Platform.EKS: "the AWS Load Balancer Controller",
    Platform.GKE: "GKE's own Ingress controller",
    Platform.AKS: "the application routing add-on",
}
_CLASSES: Final = {
    Platform.GENERIC: (
        "a default StorageClass",
        "another one that serves ReadWriteMany, named by a patch, for the uploads",
    ),
    Platform.KIND: (
        "kind's own StorageClass",
        "another one that serves ReadWriteMany, named by a patch: kind's own does not",
    ),
    Platform.EKS: (
        "the EBS driver with a StorageClass `gp3`",
        "the EFS driver with a StorageClass `efs-sc`, which serves ReadWriteMany",
    ),
    Platform.GKE: (
        "the StorageClass `standard-rwo`",
        "the Filestore driver with `standard-rwx`, which serves ReadWriteMany",
    ),
    Platform.AKS: (
        "the StorageClass `managed-csi`",
        "the StorageClass `azurefile-csi`, which serves ReadWriteMany",
    ),
}

_ADDRESS: Final = """\
Address: `PUBLIC_URL` in each `config.env`. A licence key binds to it, so settle it
before the first start.
"""
_DATABASE: Final = """\
Database: its address in each `config.env`, its password as `DB_PASSWORD` in the Secret.
Its backups are yours: have one before every version change.
"""
_BUCKET: Final = """\
Bucket: its name in each `config.env`, `STORAGE_S3_KEY` and `STORAGE_S3_SECRET` in the
Secret.
"""
_CLUSTER: Final = """\
Cluster: Kubernetes 1.30 or newer, with
{needs}\
- a network plugin that knows NetworkPolicy; with another one the policies do nothing
"""
_SECRETS: Final = {
    SecretsChoice.EXISTING: """\
Secrets: a Secret `directus-secrets` in the namespace. The command asks for what it
cannot make, and leaves no copy:

    kubectl create -f overlays/{first}/{stack}/namespace.yaml
    directus-gitops secrets generate {stack} {first} | kubectl create -f -
""",
    SecretsChoice.EXTERNAL_SECRETS: """\
Secrets: the External Secrets Operator, with a ClusterSecretStore called `directus`
(another name goes into the overlay's patch), and in that store an entry
`{stack}/{first}`, one JSON object. To make it:

    directus-gitops secrets generate {stack} {first}
""",
    SecretsChoice.SEALED_SECRETS: """\
Secrets: the Sealed Secrets controller, and the keys, sealed for it into the overlay's
`sealed-secret.yaml` by a pull request. Until then the pods wait.

    kubeseal --fetch-cert > {first}.pem
    directus-gitops secrets generate {stack} {first} --certificate {first}.pem
""",
    SecretsChoice.SOPS: """\
Secrets: an age key, whose private half only the agent and you have, and the keys,
encrypted into the overlay's `secrets.enc.yaml` by a pull request. Until then the pods
wait.

    directus-gitops secrets generate {stack} {first} --age age1...
""",
}
_LICENCE: Final = """\

A licence of Directus 12 and newer is one key more: `--ask LICENSE_KEY`.
"""
_TLS: Final = """\
TLS: a certificate in the Secret `directus-tls` of the namespace, by hand or by
cert-manager (an annotation on the Ingress).
"""
_TLS_OF: Final = {
    Platform.KIND: """\
TLS: nothing to do; nginx has a certificate of its own, which browsers do not trust.
""",
    Platform.EKS: """\
TLS: a certificate in ACM for the host; the load balancer finds it by the name.
""",
    Platform.GKE: """\
TLS: a certificate in the Secret `directus-tls` of the namespace, or one that Google
manages, by an annotation on the Ingress.
""",
}
_AGENT: Final = """\
Agent: {address}

{commands}"""
_KNOWN_ADDRESS: Final = "whoever administers it applies its files:"
_UNKNOWN_ADDRESS: Final = """\
put the address at which the cluster finds this repository into
{files}
Then whoever administers the agent applies its files:"""
_NO_AGENT: Final = """\
Then, as no agent does it, by hand. A Job cannot be changed, so it goes first:

    kubectl -n {namespace} delete job directus-migrate --ignore-not-found
    kubectl apply -k overlays/{first}/{stack}
"""
_URL_FILES: Final = {
    Agent.ARGOCD: (
        "agents/argocd/project.yaml",
        "agents/argocd/applicationset.yaml",
    ),
    Agent.FLUX: ("agents/flux/source/repository.yaml",),
}
_APPLY: Final = "    kubectl apply -k agents/{agent}\n"
_ARGOCD_SOPS: Final = """\

Argo CD decrypts by a plugin, which [agents.md]({docs}/agents.md) describes.
"""
_FLUX_SOPS: Final = """\

Flux decrypts with the private key in a Secret of its own:

    kubectl -n flux-system create secret generic sops-age \\
      --from-file=age.agekey=keys.txt
"""


def readme_text(options: Options) -> bytes:
    """Write the README of a new repository."""
    steps = "\n".join(
        f"{number}. {_hanging(step)}"
        for number, step in enumerate(_steps(options), start=1)
    )
    return (
        _TEXT.replace("{steps}", steps)
        .replace("{agents}", "" if options.agent is Agent.NONE else _AGENTS)
        .replace("{docs}", _DOCS)
        .replace("{stack}", options.stack)
        .replace("{first}", options.environments[0])
        .replace("{namespace}", namespace_of(options.targets[0]))
        .encode()
    )


def _steps(options: Options) -> Iterator[str]:
    yield _ADDRESS
    if options.database is Database.EXTERNAL:
        yield _DATABASE
    if options.storage is Storage.S3:
        yield _BUCKET
    yield _CLUSTER.replace("{needs}", "".join(f"- {n}\n" for n in _needs(options)))
    yield _SECRETS[options.secrets] + _LICENCE
    yield _TLS if options.ingress_class else _TLS_OF.get(options.platform, _TLS)
    yield _NO_AGENT if options.agent is Agent.NONE else _agent_step(options)


def _needs(options: Options) -> Iterator[str]:
    """Name what the cluster must bring."""
    controller = _CONTROLLERS.get(options.platform)
    if options.ingress_class or controller is None:
        name = options.ingress_class or "nginx"
        controller = f"an Ingress controller of the class `{name}`"
    yield controller
    is_shared = options.storage is Storage.VOLUME_SHARED
    if options.storage_class:
        modes = ", which serves ReadWriteMany" if is_shared else ""
        yield f"the StorageClass `{options.storage_class}`{modes}"
        return
    own, shared = _CLASSES[options.platform]
    if options.has_volumes and (
        options.database is not Database.EXTERNAL or not is_shared
    ):
        yield own
    if is_shared:
        yield shared


def _agent_step(options: Options) -> str:
    chosen = [a for a in _URL_FILES if options.agent in (a, Agent.BOTH)]
    files = [name for agent in chosen for name in _URL_FILES[agent]]
    listed = "\n".join(f"- `{name}`" for name in files)
    is_known = options.repository_url != UNKNOWN_URL
    address = _KNOWN_ADDRESS if is_known else _UNKNOWN_ADDRESS
    text = (
        _AGENT.replace("{address}", address)
        .replace("{files}", f"\n{listed}\n")
        .replace("{commands}", "".join(_APPLY.replace("{agent}", a) for a in chosen))
    )
    if options.agent is Agent.BOTH:
        text += "\nOne of the two for a cluster, never both.\n"
    if options.secrets is SecretsChoice.SOPS:
        text += _ARGOCD_SOPS if Agent.ARGOCD in chosen else ""
        text += _FLUX_SOPS if Agent.FLUX in chosen else ""
    return text


def _hanging(step: str) -> str:
    """Indent the lines of a list item but its first."""
    lines = step.rstrip().splitlines()
    return "\n".join([lines[0], *(f"   {line}".rstrip() for line in lines[1:])]) + "\n"
