"""Rules about the form of objects: would the API server take them at all?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Final

from gitops.model import Manifest, Severity
from gitops.schemas import NoSchema, Place
from gitops.secretfile import is_sops, without_sops
from gitops.validate.rule import Item, Problem, Rule, shown
from gitops.validate.shapes import at, mapping, mappings
from gitops.validate.view import View

SCHEMA: Final = Rule(
    name="schema",
    severity=Severity.ERROR,
    why="The object does not have the form that the API server's own schema demands: "
    "an unknown field, a wrong type, a required field that is missing.",
    fix="compare the field with `kubectl explain`",
)
API_GROUP_CASE: Final = Rule(
    name="api-group-case",
    severity=Severity.ERROR,
    why="API groups are case sensitive: there is no `networking.K8s.io`.",
    fix="write the group in lower case",
)
UNKNOWN_API: Final = Rule(
    name="unknown-api",
    severity=Severity.ERROR,
    why="The cluster has no such kind in that apiVersion; it was removed, or never "
    "existed.",
    fix="use an apiVersion that the cluster has",
)
NO_SCHEMA: Final = Rule(
    name="no-schema",
    severity=Severity.INFO,
    why="The kind comes from a custom resource definition whose schema is not known "
    "here, so nothing inside the object was checked.",
    fix="check the object with the tool that brings the definition",
)
CUSTOM_OBJECT: Final = Rule(
    name="custom-object",
    severity=Severity.ERROR,
    why="The controller of this kind does nothing, or refuses the object, when these "
    "fields are missing.",
    fix="add the field; see the documentation of the controller",
)

RULES: Final = (SCHEMA, API_GROUP_CASE, UNKNOWN_API, NO_SCHEMA, CUSTOM_OBJECT)

# What each controller needs, as its own reference says. A place that ends in a number
# asks for a list with at least one entry.
_NEEDED: Final[Mapping[tuple[str, str], tuple[Place, ...]]] = {
    ("external-secrets.io", "ExternalSecret"): (("spec", "secretStoreRef", "name"),),
    ("external-secrets.io", "SecretStore"): (("spec", "provider"),),
    ("external-secrets.io", "ClusterSecretStore"): (("spec", "provider"),),
    ("external-secrets.io", "ClusterExternalSecret"): (
        ("spec", "externalSecretSpec", "secretStoreRef", "name"),
    ),
    ("bitnami.com", "SealedSecret"): (("spec", "encryptedData"),),
    ("argoproj.io", "Application"): (
        ("spec", "project"),
        ("spec", "destination"),
    ),
    ("argoproj.io", "ApplicationSet"): (
        ("spec", "generators", 0),
        ("spec", "template", "spec", "destination"),
    ),
    ("argoproj.io", "AppProject"): (("spec", "destinations", 0),),
    ("kustomize.toolkit.fluxcd.io", "Kustomization"): (
        ("spec", "interval"),
        ("spec", "sourceRef", "kind"),
        ("spec", "sourceRef", "name"),
        ("spec", "prune"),
    ),
    ("source.toolkit.fluxcd.io", "GitRepository"): (
        ("spec", "interval"),
        ("spec", "url"),
    ),
    ("notification.toolkit.fluxcd.io", "Provider"): (("spec", "type"),),
    ("notification.toolkit.fluxcd.io", "Alert"): (
        ("spec", "providerRef", "name"),
        ("spec", "eventSources", 0),
    ),
    ("notification.toolkit.fluxcd.io", "Receiver"): (
        ("spec", "type"),
        ("spec", "resources", 0),
    ),
    ("monitoring.coreos.com", "ServiceMonitor"): (
        ("spec", "selector"),
        ("spec", "endpoints", 0),
    ),
    ("monitoring.coreos.com", "PodMonitor"): (
        ("spec", "selector"),
        ("spec", "podMetricsEndpoints", 0),
    ),
    ("monitoring.coreos.com", "PrometheusRule"): (("spec", "groups", 0),),
    ("cert-manager.io", "Certificate"): (
        ("spec", "secretName"),
        ("spec", "issuerRef", "name"),
    ),
    ("gateway.networking.k8s.io", "HTTPRoute"): (("spec", "parentRefs", 0),),
    ("cloud.google.com", "BackendConfig"): (("spec",),),
    ("networking.gke.io", "FrontendConfig"): (("spec",),),
    ("networking.gke.io", "ManagedCertificate"): (("spec", "domains", 0),),
}


def problems(view: View) -> Iterator[Problem]:
    """Compare every object with its schema, or with what its controller needs."""
    told: set[tuple[str, str, str]] = set()
    for item in view.items:
        match view.schemas.problems(_applied(item.manifest)):
            case NoSchema() as unknown:
                yield from _without_schema(item, unknown, told, view.schemas.version)
            case broken:
                for problem in broken:
                    yield Problem(
                        rule=SCHEMA, item=item, at=problem.at, message=problem.message
                    )


def _applied(manifest: Manifest) -> Manifest:
    """Return the object as the cluster sees it: SOPS's own block never arrives."""
    if not is_sops(manifest.body):
        return manifest
    return replace(manifest, body=without_sops(manifest.body))


def _without_schema(
    item: Item, unknown: NoSchema, told: set[tuple[str, str, str]], version: str
) -> Iterator[Problem]:
    manifest = item.manifest
    api, kind = shown(manifest.api_version), shown(manifest.kind)
    group = manifest.api_version.rpartition("/")[0]
    if unknown.group_as_written:
        yield Problem(
            rule=API_GROUP_CASE,
            item=item,
            at=("apiVersion",),
            message=f"{api} is not {unknown.group_as_written}",
        )
    elif unknown.is_builtin_group or "." not in group:
        known = ", ".join(unknown.known_as)
        yield Problem(
            rule=UNKNOWN_API,
            item=item,
            at=("apiVersion",),
            message=f"Kubernetes {version} has no {kind} in {api}",
            hint=f"it is in {known}" if known else "",
        )
    elif (group, manifest.kind) in _NEEDED:
        yield from _custom(item, _NEEDED[(group, manifest.kind)])
    elif (item.path, manifest.api_version, manifest.kind) not in told:
        told.add((item.path, manifest.api_version, manifest.kind))
        yield Problem(
            rule=NO_SCHEMA,
            item=item,
            at=("kind",),
            message=f"no schema for {kind} in {api}; it was not checked",
        )


def _custom(item: Item, needed: tuple[Place, ...]) -> Iterator[Problem]:
    if _names_its_sources(item):
        return
    for place in needed:
        if at(item.manifest.body, place) in (None, "", {}, []):
            field = place[:-1] if isinstance(place[-1], int) else place
            yield Problem(
                rule=CUSTOM_OBJECT,
                item=item,
                at=field,
                message=f"a {shown(item.manifest.kind)} needs this field",
            )


def _names_its_sources(item: Item) -> bool:
    """Whether each entry of an ExternalSecret names a store or generator of its own."""
    body = item.manifest.body
    entries = [
        entry
        for field in ("data", "dataFrom")
        for _, entry in mappings(at(body, ("spec", field)))
    ]
    return bool(entries) and all(mapping(e.get("sourceRef")) for e in entries)
