"""What one overlay holds when it is new. Pure text.

Promise: it builds as it stands, it holds no secret, and it has exactly one ``images:``
entry. Names from outside are quoted where YAML would take them for something else.
"""

from __future__ import annotations

from textwrap import indent
from typing import Final

from gitops.layout import BASE_FOLDER, CONFIG_FILE, namespace_of
from gitops.model import Revision, Target
from gitops.scaffold.options import Cache, Choices, Database, Platform, Storage
from gitops.scaffold.secrets import SecretParts, secret_parts
from gitops.yamltext import Style, scalar_text

BASE_IMAGE: Final = "directus/directus"
"""The name in base/, which an overlay's entry looks for."""

_DATABASES: Final = {
    Database.POSTGRES: ("postgres", "backup-postgres"),
    Database.MARIADB: ("mariadb", "backup-mariadb"),
    Database.EXTERNAL: ("external-database",),
}
_KUSTOMIZATION: Final = """\
# The stack {stack} in the environment {environment}: what differs from base/.
# Plain Kustomize, and yours to edit.
apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
namespace: {namespace}

resources:
{resources}

components:
{components}

# config.env wins over every default of base/ and of the components.
configMapGenerator:
  - name: directus-env
    behavior: merge
    envs: [{config}]

# What runs here. A bump or a promotion changes this entry and nothing else.
images:
{images}
"""
_CONFIG: Final = """\
# Configuration of {stack} in {environment}.
# Never a secret: those are in the Secret directus-secrets.

# The address, absolute, without a slash at its end. The Ingress takes its host from it.
PUBLIC_URL=https://{host}
"""
_CONFIG_EXTERNAL: Final = """
# The database. Add what differs from: DB_CLIENT=pg, DB_PORT=5432, DB_DATABASE=directus,
# DB_USER=directus. Over TLS: DB_SSL__REJECT_UNAUTHORIZED=true.
DB_HOST=db.{host}
"""
_CONFIG_S3: Final = """
# The bucket. With another provider than AWS add STORAGE_S3_ENDPOINT, and often
# STORAGE_S3_FORCE_PATH_STYLE=true.
STORAGE_S3_BUCKET={namespace}
STORAGE_S3_REGION=us-east-1
"""
_NAMESPACE: Final = """\
# No agent removes it: deleting this file leaves the database in the cluster.
apiVersion: v1
kind: Namespace
metadata:
  name: {namespace}
  labels:
    pod-security.kubernetes.io/enforce: restricted
    pod-security.kubernetes.io/warn: restricted
  annotations:
    argocd.argoproj.io/sync-wave: "-10"
    argocd.argoproj.io/sync-options: Prune=false,Delete=false
    kustomize.toolkit.fluxcd.io/prune: disabled
"""
_INGRESS_CLASS: Final = """\
- target: {{kind: Ingress, name: directus}}
  patch: |-
    - op: add
      path: /spec/ingressClassName
      value: {name}
"""
# GKE's component asks for its own Ingress by an annotation, which excludes a class.
_NO_GCE_INGRESS: Final = """\
    - op: remove
      path: /metadata/annotations/kubernetes.io~1ingress.class
"""
_CLAIM_CLASS: Final = """\
- target: {{kind: PersistentVolumeClaim}}
  patch: |-
    - op: add
      path: /spec/storageClassName
      value: {name}
"""
_DATABASE_CLASS: Final = """\
- target: {{kind: StatefulSet}}
  patch: |-
    - op: add
      path: /spec/volumeClaimTemplates/0/spec/storageClassName
      value: {name}
"""


def overlay_files(
    choices: Choices, target: Target, *, folder: str, revision: Revision
) -> dict[str, bytes]:
    """Write the files of a new overlay.

    Args:
        choices: what all overlays of the repository share.
        target: stack and environment.
        folder: where the overlay is.
        revision: what runs there first.

    Returns:
        path -> content, sorted.

    Raises:
        InputError: a namespace or a host longer than Kubernetes allows.
    """
    secrets = secret_parts(choices.secrets, target)
    files = {
        "kustomization.yaml": _kustomization(
            choices, target, secrets, folder=folder, revision=revision
        ).encode(),
        CONFIG_FILE: _config(choices, target).encode(),
        "namespace.yaml": _NAMESPACE.format(
            namespace=_plain(namespace_of(target))
        ).encode(),
        **secrets.files,
    }
    return {f"{folder}/{name}": files[name] for name in sorted(files)}


def components_of(choices: Choices) -> tuple[str, ...]:
    """Name the components of an overlay, without that of its secrets, in order.

    The platform comes last: it changes what the others brought.
    """
    platform = choices.platform
    return (
        *_DATABASES[choices.database],
        *(("redis",) if choices.cache is Cache.REDIS else ()),
        f"storage-{choices.storage}",
        "ingress",
        "network-policy",
        *(() if platform is Platform.GENERIC else (f"platform-{platform}",)),
    )


def _kustomization(
    choices: Choices,
    target: Target,
    secrets: SecretParts,
    *,
    folder: str,
    revision: Revision,
) -> str:
    base = "/".join([".."] * len(folder.split("/")) + [BASE_FOLDER])
    components = (*components_of(choices), *secrets.components)
    text = _KUSTOMIZATION.format(
        stack=target.stack,
        environment=target.environment,
        namespace=_plain(namespace_of(target)),
        resources=_items("namespace.yaml", base, *secrets.resources),
        components=_items(*(f"{base}/components/{name}" for name in components)),
        config=CONFIG_FILE,
        images=_image_entry(revision),
    )
    patches = _patches(choices) + secrets.patches
    return text + f"\npatches:\n{indent(patches, '  ')}" if patches else text


def _items(*values: str) -> str:
    return "\n".join(f"  - {value}" for value in values)


def _image_entry(revision: Revision) -> str:
    lines = [f"  - name: {BASE_IMAGE}"]
    if revision.image != BASE_IMAGE:
        lines.append(f"    newName: {_plain(revision.image)}")
    lines.append(f"    newTag: {scalar_text(revision.tag, like=Style.DOUBLE)}")
    if revision.digest:
        lines.append(f"    digest: {revision.digest}")
    return "\n".join(lines)


def _config(choices: Choices, target: Target) -> str:
    text = _CONFIG
    if choices.database is Database.EXTERNAL:
        text += _CONFIG_EXTERNAL
    if choices.storage is Storage.S3:
        text += _CONFIG_S3
    return text.format(
        stack=target.stack,
        environment=target.environment,
        host=choices.host_of(target),
        namespace=namespace_of(target),
    )


def _patches(choices: Choices) -> str:
    """Write the list items for the classes that were asked for by name."""
    text = ""
    if choices.ingress_class:
        text += _INGRESS_CLASS.format(name=_plain(choices.ingress_class))
        if choices.platform is Platform.GKE:
            text += _NO_GCE_INGRESS
    if choices.storage_class:
        name = _plain(choices.storage_class)
        text += _CLAIM_CLASS.format(name=name)
        if choices.database is not Database.EXTERNAL:
            text += _DATABASE_CLASS.format(name=name)
    return text


def _plain(value: str) -> str:
    """Write a scalar, quoted where a reader might take it for something else."""
    return scalar_text(value, like=Style.PLAIN)
