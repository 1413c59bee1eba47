"""Rules about who selects whom: workloads, Services, StatefulSets, autoscalers."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from gitops.model import Json, Severity
from gitops.schemas import Place
from gitops.validate.rule import Item, Problem, Rule, shown
from gitops.validate.shapes import at, mapping, mappings, number, text, texts
from gitops.validate.view import Pods, View

SELECTOR_MISMATCH: Final = Rule(
    name="selector-mismatch",
    severity=Severity.ERROR,
    why="The API server refuses a workload whose selector does not match the labels of "
    "its own pod template.",
    fix="use the same labels in spec.selector.matchLabels and in the template",
)
SERVICE_BROAD: Final = Rule(
    name="service-selector-broad",
    severity=Severity.WARNING,
    why="A Service sends traffic to every pod that carries its labels: with a selector "
    "that several workloads share, requests reach migration Jobs and bare pods.",
    fix="select app.kubernetes.io/name together with app.kubernetes.io/component",
)
SERVICE_EMPTY: Final = Rule(
    name="service-without-pods",
    severity=Severity.WARNING,
    why="No pod in the set carries the labels that the Service selects, so it has no "
    "endpoints.",
    fix="use the labels of the pod template in spec.selector",
)
SERVICE_PORT_NAME: Final = Rule(
    name="service-port-name",
    severity=Severity.ERROR,
    why="A Service whose targetPort names a port that its pods do not have gets no "
    "endpoints: connections are refused.",
    fix="use the name of the container's port",
)
SERVICE_PORT_NUMBER: Final = Rule(
    name="service-port-number",
    severity=Severity.WARNING,
    why="The pods declare other ports than the one the Service sends to; one of the "
    "two is wrong, or the declaration is misleading.",
    fix="let targetPort name the container's port, then the numbers cannot differ",
)
STATEFULSET_SERVICE: Final = Rule(
    name="statefulset-service",
    severity=Severity.WARNING,
    why="A StatefulSet's serviceName must be a headless Service (clusterIP: None): "
    "only then do its pods have DNS names of their own.",
    fix="set clusterIP: None in that Service",
)

RULES: Final = (
    SELECTOR_MISMATCH,
    SERVICE_BROAD,
    SERVICE_EMPTY,
    SERVICE_PORT_NAME,
    SERVICE_PORT_NUMBER,
    STATEFULSET_SERVICE,
)

_SELECTING: Final = frozenset({"Deployment", "StatefulSet", "DaemonSet", "ReplicaSet"})
_COMPONENT: Final = "app.kubernetes.io/component"


def problems(view: View) -> Iterator[Problem]:
    """Check every selector against the pods of the set."""
    for pods in view.pods:
        yield from _own_selector(pods)
    for service in view.of_kind("Service"):
        yield from _service(view, service)
    for stateful in view.of_kind("StatefulSet"):
        yield from _headless(view, stateful)


def _own_selector(pods: Pods) -> Iterator[Problem]:
    item = pods.item
    if item.manifest.kind not in _SELECTING:
        return
    place = ("spec", "selector", "matchLabels")
    wanted = texts(at(item.manifest.body, place))
    for key, value in wanted.items():
        if pods.labels.get(key) != value:
            have = ", ".join(f"{k}={v}" for k, v in sorted(pods.labels.items()))
            yield Problem(
                rule=SELECTOR_MISMATCH,
                item=item,
                at=(*place, key),
                message=f"selects {shown(f'{key}={value}')}, but its pods carry "
                f"{shown(have) or 'no labels'}",
            )


# --- services ---


def service_selector(service: Item) -> dict[str, str]:
    """Return the labels that a Service selects; a wrongly nested map counts too."""
    selector = mapping(at(service.manifest.body, ("spec", "selector")))
    flat: dict[str, str] = {}
    for key, value in selector.items():
        flat |= texts(value) if isinstance(value, Mapping) else texts({key: value})
    return flat


def service_pods(view: View, service: Item) -> tuple[Pods, ...]:
    """Return the pods that a Service selects; none when it has no selector."""
    selector = service_selector(service)
    return view.selected(service.manifest.namespace, selector) if selector else ()


def _service(view: View, service: Item) -> Iterator[Problem]:
    selector = service_selector(service)
    place: Place = ("spec", "selector")
    chosen = service_pods(view, service)
    if selector and not chosen and any(pods.is_serving for pods in view.pods):
        wanted = ", ".join(f"{k}={v}" for k, v in sorted(selector.items()))
        yield Problem(
            rule=SERVICE_EMPTY,
            item=service,
            at=place,
            message=f"no pod carries {shown(wanted)}",
        )
    if len(chosen) > 1:
        titles = ", ".join(sorted(pods.item.title for pods in chosen))
        yield Problem(
            rule=SERVICE_BROAD,
            item=service,
            at=place,
            message=f"selects the pods of several objects: {titles}",
        )
    elif _is_directus(service, chosen) and selector and _COMPONENT not in selector:
        yield Problem(
            rule=SERVICE_BROAD,
            item=service,
            at=place,
            message=f"selects without {_COMPONENT}, so pods of Jobs would match too",
        )
    for index, port in mappings(at(service.manifest.body, ("spec", "ports"))):
        for pods in chosen:
            if pods.is_serving:
                yield from _target(service, pods, index, port)


def _is_directus(service: Item, chosen: tuple[Pods, ...]) -> bool:
    if chosen:
        return any(pods.directus for pods in chosen)
    return "directus" in service_selector(service).values()


def _target(
    service: Item, pods: Pods, index: int, port: Mapping[str, Json]
) -> Iterator[Problem]:
    target = port.get("targetPort", port.get("port"))
    declared = [port for container in pods.containers for port in container.ports]
    names = sorted(text(known.get("name")) for known in declared if known.get("name"))
    numbers = sorted(n for d in declared if (n := number(d.get("containerPort"))))
    place = ("spec", "ports", index, "targetPort")
    if isinstance(target, str) and target not in names:
        yield Problem(
            rule=SERVICE_PORT_NAME,
            item=service,
            at=place,
            message=f"{pods.item.title} has no port named {shown(target)!r}; its ports "
            f"are named {shown(', '.join(names)) or 'not at all'}",
        )
    elif isinstance(target, int) and numbers and target not in numbers:
        yield Problem(
            rule=SERVICE_PORT_NUMBER,
            item=service,
            at=place,
            message=f"sends to {target}, but {pods.item.title} declares "
            f"{', '.join(map(str, numbers))}",
        )


def _headless(view: View, stateful: Item) -> Iterator[Problem]:
    name = text(at(stateful.manifest.body, ("spec", "serviceName")))
    service = view.named("Service", stateful.manifest.namespace, name)
    if service and at(service.manifest.body, ("spec", "clusterIP")) != "None":
        yield Problem(
            rule=STATEFULSET_SERVICE,
            item=stateful,
            at=("spec", "serviceName"),
            message=f"Service {shown(name)} is not headless",
        )
