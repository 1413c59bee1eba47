"""The texts below agents/flux: source, rights, two steps for each overlay. Pure.

Promise: both steps build the same overlay, each of its objects is applied by exactly
one of them, and the order is that of the sync waves in base/, which Argo CD reads too.
The first step applies what carries a wave and waits for it, the migration included;
the second, which depends on it at the same revision, applies the rest: the new pods.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Final

from gitops.scaffold.wiring import FLEET_NAME, Kind, Place, Wiring, scalar

_NAME_MAX: Final = 63  # Flux writes the name into a label of every object
_PREPARE: Final = "-prepare"
_WAVE: Final = "argocd.argoproj.io/sync-wave"
# Read, never written: how Flux tells that a Deployment is up.
_WATCHED: Final = (
    Kind(group="", kind="Pod"),
    Kind(group="apps", kind="ReplicaSet"),
)
# What holds data is made and changed, but never deleted.
_KEPT: Final = frozenset({Kind(group="", kind="PersistentVolumeClaim")})


def flux_files(wiring: Wiring) -> dict[str, str]:
    """Write the files, name -> text."""
    environments = wiring.environments()
    files = {
        "kustomization.yaml": _list(
            _ALL, ["source", *(f"environments/{name}" for name in environments)]
        ),
        "source/kustomization.yaml": _list(
            _SOURCE, ["repository.yaml", "service-account.yaml"]
        ),
        "source/repository.yaml": _repository(wiring),
        "source/service-account.yaml": _service_account(wiring),
    }
    for environment in environments:
        places = [p for p in wiring.places if p.target.environment == environment]
        folder = f"environments/{environment}"
        header = _ENVIRONMENT.format(environment=environment)
        files[f"{folder}/kustomization.yaml"] = _list(
            header, [f"{place.name}.yaml" for place in places]
        )
        for place in places:
            files[f"{folder}/{place.name}.yaml"] = _overlay(place, sops=wiring.sops)
    return files


def prepare_name(name: str) -> str:
    """Name the first step of an overlay; a long name is cut, and told apart by hash."""
    if len(name) + len(_PREPARE) <= _NAME_MAX:
        return name + _PREPARE
    mark = f"-{hashlib.sha256(name.encode()).hexdigest()[:8]}{_PREPARE}"
    return name[: _NAME_MAX - len(mark)].rstrip("-") + mark


def _list(header: str, resources: Sequence[str]) -> str:
    return header + "".join(f"  - {name}\n" for name in resources)


_ALL: Final = """\
# Flux's side of this repository, for one cluster that runs every environment. Where
# each has a cluster of its own, apply source/ and that one environment's folder there.
#   kubectl apply -k agents/flux
apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization

resources:
"""

_SOURCE: Final = """\
# What every cluster needs, whichever environments it runs.
apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization

resources:
"""

_ENVIRONMENT: Final = """\
# The stacks of {environment}.
apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization

resources:
"""


# --- the source and its rights ---


def _repository(wiring: Wiring) -> str:
    folders = dict.fromkeys(["base*", *(p.path.split("/")[0] for p in wiring.places)])
    return _REPOSITORY.format(
        fleet=FLEET_NAME,
        url=scalar(_flux_url(wiring.url)),
        branch=scalar(wiring.branch),
        kept="".join(f"    !/{folder}/\n" for folder in folders),
    )


def _flux_url(url: str) -> str:
    """Write git@host:path as the URL that it stands for; Flux knows no other form."""
    if "://" in url:
        return url
    host, _, path = url.partition(":")
    return f"ssh://{host}/{path.lstrip('/')}"


_REPOSITORY: Final = """\
# The repository as Flux sees it. A private one needs a Secret with the credentials in
# flux-system, named below spec: secretRef: {{name: ...}}
apiVersion: source.toolkit.fluxcd.io/v1
kind: GitRepository
metadata:
  name: {fleet}
  namespace: flux-system
spec:
  url: {url}
  ref:
    branch: {branch}
  interval: 1m0s
  timeout: 1m0s
  ignore: |                       # only what overlays are built from
    /*
{kept}"""


def _service_account(wiring: Wiring) -> str:
    changed = [kind for kind in wiring.kinds if kind not in _KEPT]
    kept = [kind for kind in wiring.kinds if kind in _KEPT]
    writing = "get, list, watch, create, update, patch"
    rules = [
        _rule([Kind(group="", kind="Namespace"), *kept], writing),
        *(_rule(group, f"{writing}, delete") for group in _by_group(changed)),
        *(_rule(group, "get, list, watch") for group in _by_group(_WATCHED)),
    ]
    return _SERVICE_ACCOUNT.format(fleet=FLEET_NAME, rules="".join(rules))


def _by_group(kinds: Sequence[Kind]) -> list[list[Kind]]:
    groups: dict[str, list[Kind]] = {}
    for kind in kinds:
        groups.setdefault(kind.group, []).append(kind)
    return list(groups.values())


def _rule(kinds: Sequence[Kind], verbs: str) -> str:
    resources = ", ".join(kind.resource for kind in kinds)
    return (
        f"  - apiGroups: [{scalar(kinds[0].group)}]\n"
        f"    resources: [{resources}]\n"
        f"    verbs: [{verbs}]\n"
    )


_SERVICE_ACCOUNT: Final = """\
# As whom Flux applies the overlays: what base/ makes; no roles, no webhooks, no pods.
# Without it, Flux would apply whatever the repository says with the rights of its
# controller. Namespaces and volume claims hold data: they are never deleted from here.
apiVersion: v1
kind: ServiceAccount
metadata:
  name: {fleet}
  namespace: flux-system
---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata:
  name: {fleet}
rules:
{rules}---
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRoleBinding
metadata:
  name: {fleet}
roleRef:
  apiGroup: rbac.authorization.k8s.io
  kind: ClusterRole
  name: {fleet}
subjects:
  - kind: ServiceAccount
    name: {fleet}
    namespace: flux-system
"""


# --- one overlay ---


def _overlay(place: Place, *, sops: bool) -> str:
    return _OVERLAY.format(
        fleet=FLEET_NAME,
        shown=str(place.target),
        name=scalar(place.name),
        prepare=scalar(prepare_name(place.name)),
        path=scalar(f"./{place.path}"),
        environment=scalar(place.target.environment),
        stack=scalar(place.target.stack),
        wave=_WAVE,
        decryption=_DECRYPTION if sops else "",
    )


_DECRYPTION: Final = """\
  decryption:
    provider: sops
    secretRef:
      name: sops-age                # holds the private key; made by hand, once
"""

_OVERLAY: Final = """\
# {shown}: two steps over one overlay. What carries a sync wave comes
# first: configuration, database, migration. Only when that is done come the new pods.
apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata:
  name: {prepare}
  namespace: flux-system
  labels:
    app.kubernetes.io/part-of: directus
    directus-gitops/environment: {environment}
    directus-gitops/stack: {stack}
spec:
  serviceAccountName: {fleet}
  sourceRef:
    kind: GitRepository
    name: {fleet}
  path: {path}
  interval: 10m0s
  retryInterval: 1m0s
  timeout: 30m0s                  # a longer migration goes on, and Flux looks again
  wait: true                      # for everything, the migration's Job included
  prune: true
  deletionPolicy: Orphan          # removing this object leaves the database behind
{decryption}\
  patches:
    - target:
        annotationSelector: "!{wave}"
      patch: |
        apiVersion: v1
        kind: NotInThisStep
        metadata:
          name: any
          annotations:
            config.kubernetes.io/local-config: "true"
    - target:
        kind: ConfigMap
      # Flux prunes before new pods are ready; old ones that restart need theirs.
      patch: |
        apiVersion: v1
        kind: ConfigMap
        metadata:
          name: any
          annotations:
            kustomize.toolkit.fluxcd.io/prune: disabled
---
apiVersion: kustomize.toolkit.fluxcd.io/v1
kind: Kustomization
metadata:
  name: {name}
  namespace: flux-system
  labels:
    app.kubernetes.io/part-of: directus
    directus-gitops/environment: {environment}
    directus-gitops/stack: {stack}
spec:
  dependsOn:
    - name: {prepare}
  serviceAccountName: {fleet}
  sourceRef:
    kind: GitRepository
    name: {fleet}
  path: {path}
  interval: 10m0s
  retryInterval: 1m0s
  timeout: 30m0s
  healthChecks:
    - apiVersion: apps/v1
      kind: Deployment
      name: directus
      namespace: {name}
  prune: true
  deletionPolicy: Orphan
{decryption}\
  patches:
    - target:
        annotationSelector: {wave}
      patch: |
        apiVersion: v1
        kind: NotInThisStep
        metadata:
          name: any
          annotations:
            config.kubernetes.io/local-config: "true"
"""
