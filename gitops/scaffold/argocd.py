"""The texts below agents/argocd: project, application set, plugin for SOPS. Pure.

Promise: one Application for each folder of the overlay pattern and no other, which may
touch its own namespaces and the kinds of base/, and deletes no data by itself.
"""

from __future__ import annotations

from typing import Final

from gitops.scaffold.wiring import FLEET_NAME, Wiring, scalar

_PLUGIN: Final = f"{FLEET_NAME}-sops"


def argocd_files(wiring: Wiring) -> dict[str, str]:
    """Write the files, name -> text."""
    files = {
        "project.yaml": _project(wiring),
        "applicationset.yaml": _application_set(wiring),
    }
    if wiring.sops:
        files["sops-plugin.yaml"] = _SOPS_PLUGIN
    listed = "".join(f"  - {name}\n" for name in files)
    files["kustomization.yaml"] = _KUSTOMIZATION.format(listed=listed)
    return files


_KUSTOMIZATION: Final = """\
# Argo CD's side of this repository. Whoever administers Argo CD applies it:
#   kubectl apply -k agents/argocd
apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization

resources:
{listed}"""


# --- what it may do ---


def _project(wiring: Wiring) -> str:
    destinations = "".join(
        f"    - server: https://kubernetes.default.svc\n"
        f"      namespace: {scalar(place.name)}\n"
        for place in wiring.places
    )
    kinds = "".join(
        f"    - group: {scalar(kind.group)}\n      kind: {kind.kind}\n"
        for kind in wiring.kinds
    )
    return _PROJECT.format(
        name=FLEET_NAME,
        url=scalar(wiring.url),
        destinations=destinations or "    []\n",
        kinds=kinds,
    )


_PROJECT: Final = """\
# What Argo CD may do for this repository, and nothing else. A fence that the fenced
# repository could move would be none: apply it by hand, or from a repository that the
# committers of this one cannot change.
apiVersion: argoproj.io/v1alpha1
kind: AppProject
metadata:
  name: {name}
  namespace: argocd
spec:
  description: Directus stacks
  sourceRepos:
    - {url}
  destinations:                   # one for each overlay
{destinations}\
  clusterResourceWhitelist:
    - group: ""
      kind: Namespace
  namespaceResourceWhitelist:     # what base/ makes: no roles, no webhooks, no pods
{kinds}"""


# --- what it does ---


def _application_set(wiring: Wiring) -> str:
    return _APPLICATION_SET.format(
        fleet=FLEET_NAME,
        url=scalar(wiring.url),
        branch=scalar(wiring.branch),
        glob=wiring.pattern.format(environment="*", stack="*"),
        environment=_segment(wiring.pattern, "{environment}"),
        stack=_segment(wiring.pattern, "{stack}"),
        plugin=f"        plugin:\n          name: {_PLUGIN}\n" if wiring.sops else "",
    )


def _segment(pattern: str, field: str) -> str:
    """Write the Go template that takes a field of the pattern out of a path."""
    parts = pattern.split("/")
    index = next(number for number, part in enumerate(parts) if field in part)
    before, after = parts[index].split(field)
    text = f"index .path.segments {index}"
    if before:
        text += f' | trimPrefix "{before}"'
    if after:
        text += f' | trimSuffix "{after}"'
    return "{{ " + text + " }}"


_APPLICATION_SET: Final = """\
# One Application for each overlay of the repository: a new folder becomes one, a folder
# that goes takes only its Application with it.
apiVersion: argoproj.io/v1alpha1
kind: ApplicationSet
metadata:
  name: {fleet}
  namespace: argocd
spec:
  goTemplate: true
  goTemplateOptions: [missingkey=error]
  generators:
    - git:
        repoURL: {url}
        revision: {branch}
        directories:
          - path: {glob}
        values:
          environment: '{environment}'
          stack: '{stack}'
  syncPolicy:
    preserveResourcesOnDeletion: true   # an Application that goes leaves the data
  template:
    metadata:
      name: '{{{{ .values.stack }}}}-{{{{ .values.environment }}}}'
      labels:
        app.kubernetes.io/part-of: directus
        directus-gitops/environment: '{{{{ .values.environment }}}}'
        directus-gitops/stack: '{{{{ .values.stack }}}}'
      annotations:
        # The API server says what would change, so its defaults are no difference.
        argocd.argoproj.io/compare-options: ServerSideDiff=true
    spec:
      project: {fleet}
      source:
        repoURL: {url}
        targetRevision: {branch}
        path: '{{{{ .path.path }}}}'
{plugin}\
      destination:
        server: https://kubernetes.default.svc
        namespace: '{{{{ .values.stack }}}}-{{{{ .values.environment }}}}'
      revisionHistoryLimit: 10
      syncPolicy:
        syncOptions:
          - CreateNamespace=false       # the overlay has its own, with its labels
          - ServerSideApply=true        # what an autoscaler owns stays the autoscaler's
          - RespectIgnoreDifferences=true
          - PruneLast=true              # old pods need their ConfigMap until then
          - FailOnSharedResource=true
        retry:                          # some 35 minutes: databases come up slowly
          limit: 8
          backoff:
            duration: 15s
            factor: 2
            maxDuration: 10m
      ignoreDifferences:
        # By owner, not by field: where no autoscaler set the replicas, Git still does.
        - group: apps
          kind: Deployment
          managedFieldsManagers: [kube-controller-manager]
  # A merged change is a decision: it is applied by itself, everywhere but in the
  # environments named in $manual, where a person starts each sync: list "production".
  templatePatch: |
    {{{{- $manual := list }}}}
    spec:
      syncPolicy:
        {{{{- if has .values.environment $manual }}}}
        automated: null
        {{{{- else }}}}
        automated:
          prune: true
          selfHeal: true
        {{{{- end }}}}
"""


# --- SOPS ---

_SOPS_PLUGIN: Final = f"""\
# What the plugin container beside Argo CD's repository server runs: decrypt, build. It
# works on a copy of the repository that is thrown away. The documentation of
# directus-gitops (agents.md) says how the container is added.
apiVersion: v1
kind: ConfigMap
metadata:
  name: {_PLUGIN}
  namespace: argocd
data:
  plugin.yaml: |
    apiVersion: argoproj.io/v1alpha1
    kind: ConfigManagementPlugin
    metadata:
      name: {_PLUGIN}
    spec:
      generate:
        command: [sh, -c]
        args:
          - |
            set -eu
            for file in ./*.enc.yaml; do
              if [ -f "$file" ] && [ ! -L "$file" ] && grep -q '^sops:' "$file"; then
                sops decrypt --in-place "$file"
              fi
            done
            # A remote base could name any program or address: no Git for the build.
            export GIT_ALLOW_PROTOCOL=none
            exec kustomize build .
"""
