"""The set of objects under check, as the rules ask about it.

Built once for a rendered overlay or a group of files: pods out of every kind that
makes them, containers with image and environment, objects by kind and name.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from gitops.model import Json
from gitops.schemas import Place, Schemas
from gitops.validate.environment import Environment, read_environment
from gitops.validate.images import Image, read_image
from gitops.validate.rule import Item
from gitops.validate.shapes import at, mapping, mappings, number, text, texts

TEMPLATES: Final[Mapping[str, Place]] = {
    "Pod": (),
    "Deployment": ("spec", "template"),
    "StatefulSet": ("spec", "template"),
    "DaemonSet": ("spec", "template"),
    "ReplicaSet": ("spec", "template"),
    "Job": ("spec", "template"),
    "CronJob": ("spec", "jobTemplate", "spec", "template"),
}
_ENDING: Final = frozenset({"Job", "CronJob"})


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Container:
    """One container of a pod template.

    Attributes:
        at: its place inside the object.
        body: as written.
        is_init: listed under initContainers.
        image: its image reference.
        environment: its variables.
    """

    at: Place
    body: Mapping[str, Json]
    is_init: bool
    image: Image
    environment: Environment

    @property
    def name(self) -> str:
        """The container's name; may be empty."""
        return text(self.body.get("name"))

    @property
    def ports(self) -> tuple[Mapping[str, Json], ...]:
        """The declared ports."""
        return tuple(port for _, port in mappings(self.body.get("ports")))

    @property
    def is_directus(self) -> bool:
        """Whether Directus runs in it: by image, else by its own name."""
        return self.image.is_directus or self.name == "directus"


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Pods:
    """The pods that one object makes.

    Attributes:
        item: the object.
        at: the place of the pod template; () for a Pod.
        labels: the labels its pods carry.
        spec: the pod's spec.
        containers: init containers first, as they run.
    """

    item: Item
    at: Place
    labels: Mapping[str, str]
    spec: Mapping[str, Json]
    containers: tuple[Container, ...]

    @property
    def namespace(self) -> str:
        """The namespace; empty when not set."""
        return self.item.manifest.namespace

    @property
    def is_serving(self) -> bool:
        """Whether they are meant to run for good, unlike those of a Job."""
        return self.item.manifest.kind not in _ENDING

    @property
    def main(self) -> tuple[Container, ...]:
        """The containers that are no init containers."""
        return tuple(c for c in self.containers if not c.is_init)

    @property
    def directus(self) -> tuple[Container, ...]:
        """The containers in which a Directus server runs."""
        if not self.is_serving:
            return ()
        return tuple(c for c in self.main if c.is_directus)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class View:
    """The whole set.

    Attributes:
        items: every object.
        pods: the pods that they make.
        schemas: what the API server would accept.
        index: (kind, namespace, name) -> the first such object.
    """

    items: tuple[Item, ...]
    pods: tuple[Pods, ...]
    schemas: Schemas
    index: Mapping[tuple[str, str, str], Item]

    def of_kind(self, *kinds: str) -> Iterator[Item]:
        """Yield the objects of some kinds."""
        return (item for item in self.items if item.manifest.kind in kinds)

    def named(self, kind: str, namespace: str, name: str) -> Item | None:
        """Find an object by kind, namespace and name."""
        return self.index.get((kind, namespace, name))

    def selected(self, namespace: str, selector: Mapping[str, str]) -> tuple[Pods, ...]:
        """Return the pods whose labels hold all of a flat selector."""
        return tuple(
            pods
            for pods in self.pods
            if pods.namespace == namespace and selector.items() <= pods.labels.items()
        )

    def replicas(self, pods: Pods) -> int:
        """Return how many pods there may be at once: the autoscaler's word counts."""
        own = number(at(pods.item.manifest.body, ("spec", "replicas")))
        scaler = self.scaler(pods)
        if scaler is None:
            return 1 if own is None else own
        return number(at(scaler.manifest.body, ("spec", "maxReplicas"))) or 1

    def scaler(self, pods: Pods) -> Item | None:
        """Return the HorizontalPodAutoscaler of the pods, or None."""
        target = pods.item.manifest
        for item in self.of_kind("HorizontalPodAutoscaler"):
            ref = mapping(at(item.manifest.body, ("spec", "scaleTargetRef")))
            if (
                item.manifest.namespace == target.namespace
                and ref.get("kind") == target.kind
                and ref.get("name") == target.name
            ):
                return item
        return None


def view_of(items: Sequence[Item], schemas: Schemas) -> View:
    """Read the set; objects of any shape are accepted."""
    configs = {
        (i.manifest.namespace, i.manifest.name): texts(i.manifest.body.get("data"))
        for i in items
        if i.manifest.kind == "ConfigMap"
    }
    return View(
        items=tuple(items),
        pods=tuple(
            _pods(item, TEMPLATES[item.manifest.kind], configs)
            for item in items
            if item.manifest.kind in TEMPLATES
        ),
        schemas=schemas,
        index={
            (i.manifest.kind, i.manifest.namespace, i.manifest.name): i
            for i in reversed(items)
        },
    )


def _pods(
    item: Item, place: Place, configs: Mapping[tuple[str, str], Mapping[str, str]]
) -> Pods:
    template = mapping(at(item.manifest.body, place))
    spec = mapping(template.get("spec"))
    return Pods(
        item=item,
        at=place,
        labels=texts(at(template, ("metadata", "labels"))),
        spec=spec,
        containers=tuple(
            _container(entry, (*place, "spec", key, index), item, configs)
            for key in ("initContainers", "containers")
            for index, entry in mappings(spec.get(key))
        ),
    )


def _container(
    body: Mapping[str, Json],
    place: Place,
    item: Item,
    configs: Mapping[tuple[str, str], Mapping[str, str]],
) -> Container:
    namespace = item.manifest.namespace
    return Container(
        at=place,
        body=body,
        is_init=place[-2] == "initContainers",
        image=read_image(text(body.get("image"))),
        environment=read_environment(body, lambda name: configs.get((namespace, name))),
    )
