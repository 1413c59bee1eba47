"""Rules about references: does what an object names exist in the set?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from gitops.model import Json, Severity
from gitops.schemas import Place
from gitops.validate.rule import Item, Problem, Rule, shown
from gitops.validate.shapes import at, mapping, mappings, number, text, texts
from gitops.validate.view import Pods, View

MISSING_CONFIGMAP: Final = Rule(
    name="missing-configmap",
    severity=Severity.ERROR,
    why="A pod that names a ConfigMap which is not there never starts: it stays in "
    "ContainerCreating or CreateContainerConfigError.",
    fix="add the ConfigMap, or correct the name; mark the reference optional when it "
    "may be absent",
)
MISSING_CONFIGMAP_KEY: Final = Rule(
    name="missing-configmap-key",
    severity=Severity.ERROR,
    why="A pod that asks for a key which the ConfigMap does not have never starts.",
    fix="add the key, or correct it",
)
MISSING_SECRET: Final = Rule(
    name="missing-secret",
    severity=Severity.WARNING,
    why="Nothing in the set makes this Secret. If nobody made it by hand, the pod "
    "never starts. `directus-secrets` is expected from outside: it is not reported.",
    fix="let an ExternalSecret, a SealedSecret or an encrypted Secret make it, or use "
    "directus-secrets",
)
MISSING_CLAIM: Final = Rule(
    name="missing-volume-claim",
    severity=Severity.ERROR,
    why="A pod that names a PersistentVolumeClaim which is not there stays Pending.",
    fix="add the PersistentVolumeClaim, or correct the name",
)
MISSING_VOLUME: Final = Rule(
    name="missing-volume",
    severity=Severity.ERROR,
    why="The API server refuses a container that mounts a volume which its pod does "
    "not define.",
    fix="define the volume in the pod, or in volumeClaimTemplates",
)
MISSING_SERVICE: Final = Rule(
    name="missing-service",
    severity=Severity.WARNING,
    why="An Ingress whose Service is not there answers 503; a StatefulSet without its "
    "Service gives its pods no DNS names.",
    fix="add the Service, or correct the name",
)
MISSING_SERVICE_PORT: Final = Rule(
    name="missing-service-port",
    severity=Severity.ERROR,
    why="An Ingress that names a port which its Service does not have answers 503.",
    fix="use a port of the Service, by name or number",
)
MISSING_ACCOUNT: Final = Rule(
    name="missing-service-account",
    severity=Severity.WARNING,
    why="A pod whose ServiceAccount is not there is not created.",
    fix="add the ServiceAccount, or correct the name",
)
MISSING_SCALED: Final = Rule(
    name="missing-scale-target",
    severity=Severity.ERROR,
    why="An autoscaler whose target is not there does nothing.",
    fix="name the workload that is to be scaled",
)

RULES: Final = (
    MISSING_CONFIGMAP,
    MISSING_CONFIGMAP_KEY,
    MISSING_SECRET,
    MISSING_CLAIM,
    MISSING_VOLUME,
    MISSING_SERVICE,
    MISSING_SERVICE_PORT,
    MISSING_ACCOUNT,
    MISSING_SCALED,
)

EXTERNAL_SECRET: Final = "directus-secrets"  # noqa: S105  # the name of an object
_MADE_BY_CLUSTER: Final = frozenset({"kube-root-ca.crt"})


def problems(view: View) -> Iterator[Problem]:
    """Follow every reference inside the set."""
    secrets = _secrets(view)
    for pods in view.pods:
        for place, kind, reference in _references(pods):
            yield from _follow(view, pods, place, kind, reference, secrets)
        yield from _volumes(view, pods)
        yield from _account(view, pods)
    for ingress in view.of_kind("Ingress"):
        yield from _backends(view, ingress)
    for stateful in view.of_kind("StatefulSet"):
        yield from _governing(view, stateful)
    for scaler in view.of_kind("HorizontalPodAutoscaler"):
        yield from _scaled(view, scaler)


# --- what pods refer to ---


def _references(pods: Pods) -> Iterator[tuple[Place, str, Mapping[str, Json]]]:
    """Yield place, kind and reference of every ConfigMap and Secret that is used."""
    for container in pods.containers:
        for index, source in mappings(container.body.get("envFrom")):
            place = (*container.at, "envFrom", index)
            yield from _either(place, source, "configMapRef", "secretRef")
        for index, entry in mappings(container.body.get("env")):
            place = (*container.at, "env", index, "valueFrom")
            origin = mapping(entry.get("valueFrom"))
            yield from _either(place, origin, "configMapKeyRef", "secretKeyRef")
    for index, volume in mappings(pods.spec.get("volumes")):
        place = (*pods.at, "spec", "volumes", index)
        yield from _either(place, volume, "configMap", "secret")
        sources = at(volume, ("projected", "sources"))
        for number_, source in mappings(sources):
            inner = (*place, "projected", "sources", number_)
            yield from _either(inner, source, "configMap", "secret")


def _either(
    place: Place, holder: Mapping[str, Json], config: str, secret: str
) -> Iterator[tuple[Place, str, Mapping[str, Json]]]:
    for field, kind in ((config, "ConfigMap"), (secret, "Secret")):
        reference = mapping(holder.get(field))
        if reference and reference.get("optional") is not True:
            yield (*place, field), kind, reference


def _follow(
    view: View,
    pods: Pods,
    place: Place,
    kind: str,
    reference: Mapping[str, Json],
    secrets: frozenset[tuple[str, str]],
) -> Iterator[Problem]:
    field = "secretName" if "secretName" in reference else "name"
    name = text(reference.get(field))
    if kind == "Secret":
        if name and (pods.namespace, name) not in secrets and name != EXTERNAL_SECRET:
            yield Problem(
                rule=MISSING_SECRET,
                item=pods.item,
                at=(*place, field),
                message=f"nothing here makes a Secret {shown(name)}",
            )
        return
    config = view.named("ConfigMap", pods.namespace, name)
    if config is None:
        if name and name not in _MADE_BY_CLUSTER:
            yield Problem(
                rule=MISSING_CONFIGMAP,
                item=pods.item,
                at=(*place, field),
                message=f"there is no ConfigMap {shown(name)}",
            )
        return
    yield from _keys(pods.item, config, place, reference)


def _keys(
    item: Item, config: Item, place: Place, reference: Mapping[str, Json]
) -> Iterator[Problem]:
    body = config.manifest.body
    known = mapping(body.get("data")).keys() | mapping(body.get("binaryData")).keys()
    asked: list[tuple[Place, str]] = []
    if "key" in reference:
        asked.append(((*place, "key"), text(reference["key"])))
    for index, entry in mappings(reference.get("items")):
        asked.append(((*place, "items", index, "key"), text(entry.get("key"))))
    for where, key in asked:
        if key and key not in known:
            yield Problem(
                rule=MISSING_CONFIGMAP_KEY,
                item=item,
                at=where,
                message=f"ConfigMap {shown(config.manifest.name)} has no key "
                f"{shown(key)}",
            )


def _secrets(view: View) -> frozenset[tuple[str, str]]:
    """Every Secret that an object of the set is, or makes."""
    made: set[tuple[str, str]] = set()
    for item in view.items:
        manifest, body = item.manifest, item.manifest.body
        match manifest.kind:
            case "Secret" | "SealedSecret":
                name = manifest.name
            case "ExternalSecret":
                name = text(at(body, ("spec", "target", "name"))) or manifest.name
            case "Certificate":
                name = text(at(body, ("spec", "secretName")))
            case _:
                continue
        made.add((manifest.namespace, name))
    return frozenset(made)


def _volumes(view: View, pods: Pods) -> Iterator[Problem]:
    defined: set[str] = set()
    for index, volume in mappings(pods.spec.get("volumes")):
        defined.add(text(volume.get("name")))
        claim = text(at(volume, ("persistentVolumeClaim", "claimName")))
        if claim and not view.named("PersistentVolumeClaim", pods.namespace, claim):
            place = ("spec", "volumes", index, "persistentVolumeClaim", "claimName")
            yield Problem(
                rule=MISSING_CLAIM,
                item=pods.item,
                at=(*pods.at, *place),
                message=f"there is no PersistentVolumeClaim {shown(claim)}",
            )
    templates = at(pods.item.manifest.body, ("spec", "volumeClaimTemplates"))
    defined |= {text(at(t, ("metadata", "name"))) for _, t in mappings(templates)}
    for container in pods.containers:
        for index, mount in mappings(container.body.get("volumeMounts")):
            name = text(mount.get("name"))
            if name and name not in defined:
                yield Problem(
                    rule=MISSING_VOLUME,
                    item=pods.item,
                    at=(*container.at, "volumeMounts", index, "name"),
                    message=f"the pod defines no volume {shown(name)}",
                )


def _account(view: View, pods: Pods) -> Iterator[Problem]:
    name = text(pods.spec.get("serviceAccountName"))
    if name in ("", "default"):
        return
    if view.named("ServiceAccount", pods.namespace, name) is None:
        yield Problem(
            rule=MISSING_ACCOUNT,
            item=pods.item,
            at=(*pods.at, "spec", "serviceAccountName"),
            message=f"there is no ServiceAccount {shown(name)}",
        )


# --- what other objects refer to ---


def _backends(view: View, ingress: Item) -> Iterator[Problem]:
    body = ingress.manifest.body
    found: list[Place] = [("spec", "defaultBackend")]
    for rule, entry in mappings(at(body, ("spec", "rules"))):
        for path, _ in mappings(at(entry, ("http", "paths"))):
            found.append(("spec", "rules", rule, "http", "paths", path, "backend"))
    for place in found:
        backend = mapping(at(body, (*place, "service")))
        if backend:
            yield from _backend(view, ingress, (*place, "service"), backend)


def _backend(
    view: View, ingress: Item, place: Place, backend: Mapping[str, Json]
) -> Iterator[Problem]:
    name = text(backend.get("name"))
    service = view.named("Service", ingress.manifest.namespace, name)
    if service is None:
        yield _no_service(ingress, (*place, "name"), name)
        return
    ports = [port for _, port in mappings(at(service.manifest.body, ("spec", "ports")))]
    wanted = mapping(backend.get("port"))
    by_name, by_number = text(wanted.get("name")), number(wanted.get("number"))
    fits = [
        port
        for port in ports
        if (by_name and port.get("name") == by_name)
        or (by_number is not None and port.get("port") == by_number)
    ]
    if wanted and not fits:
        yield Problem(
            rule=MISSING_SERVICE_PORT,
            item=ingress,
            at=(*place, "port"),
            message=f"Service {shown(name)} has no port {shown(by_name) or by_number}",
        )


def _governing(view: View, stateful: Item) -> Iterator[Problem]:
    place = ("spec", "serviceName")
    name = text(at(stateful.manifest.body, place))
    if name and not view.named("Service", stateful.manifest.namespace, name):
        yield _no_service(stateful, place, name)


def _no_service(item: Item, place: Place, name: str) -> Problem:
    return Problem(
        rule=MISSING_SERVICE,
        item=item,
        at=place,
        message=f"there is no Service {shown(name)}",
    )


def _scaled(view: View, scaler: Item) -> Iterator[Problem]:
    place = ("spec", "scaleTargetRef")
    target = texts(at(scaler.manifest.body, place))
    kind, name = target.get("kind", ""), target.get("name", "")
    if kind in ("Deployment", "StatefulSet") and not view.named(
        kind, scaler.manifest.namespace, name
    ):
        yield Problem(
            rule=MISSING_SCALED,
            item=scaler,
            at=(*place, "name"),
            message=f"there is no {kind} {shown(name)}",
        )
