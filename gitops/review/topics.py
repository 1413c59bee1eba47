"""TELL, the fields of an object gathered under the names that people use for them.

Promise: every changed field belongs to exactly one topic; what no rule knows is a
topic of its own, so that nothing changes untold. Pure data and matching, no wording.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from gitops.review.fields import FieldPath, path_text
from gitops.review.text import Phrase, Quote

_WORKLOAD_PODS: Final = (
    ("spec", "template"),
    ("spec", "jobTemplate", "spec", "template"),
    (),
)
_CONTAINERS: Final = {
    "containers": "container ",
    "initContainers": "init container ",
    "ephemeralContainers": "ephemeral container ",
}
_PROBES: Final = {
    "livenessProbe": "liveness probe",
    "readinessProbe": "readiness probe",
    "startupProbe": "startup probe",
}
_AMOUNTS: Final = {"requests": " request", "limits": " limit"}
_SPEC: Final = {
    "replicas": "replicas",
    "minReplicas": "least replicas",
    "maxReplicas": "most replicas",
    "schedule": "schedule",
    "storageClassName": "storage class",
    "ingressClassName": "ingress class",
    "type": "type",
    "tls": "TLS",
    "ports": "ports",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Topic:
    """What a changed field belongs to.

    Attributes:
        prefix: the path that all its fields have in common.
        label: what people call it; empty when only the path can say it.
    """

    prefix: FieldPath
    label: Phrase


def bare(part: str) -> str:
    """Return the name inside ``[name]``."""
    return part[1:-1] if part.startswith("[") else part


def image_container(path: FieldPath) -> str | None:
    """Return whose image a field is, or None when it is no container's image."""
    inner = _in_container(path)
    if inner is None or path[inner + 2 :] != ("image",):
        return None
    return bare(path[inner + 1])


def host_rule(path: FieldPath) -> FieldPath | None:
    """Return the path of the rule by host that a field of an ingress is in."""
    is_rule = path[:2] == ("spec", "rules") and len(path) > 2
    return path[:3] if is_rule else None


def topic_of(kind: str, path: FieldPath) -> Topic:
    """Return the topic of a field of an object of this kind."""
    inner = _in_container(path)
    if inner is not None:
        return _in_one_container(path, inner)
    if kind == "ConfigMap" and path[0] in ("data", "binaryData"):
        return Topic(prefix=path[:2], label=("configuration ", Quote(path[-1])))
    if kind == "Secret" and path[0] in ("data", "stringData"):
        return Topic(prefix=path[:2], label=("secret key ", Quote(path[-1])))
    return _storage(path) or _metadata(path) or _spec(path) or _by_itself(path)


def _in_container(path: FieldPath) -> int | None:
    """Return where in a path a container's list begins."""
    for pods in _WORKLOAD_PODS:
        start = len(pods)
        head = (*pods, "spec")
        if path[: start + 1] != head:
            continue
        rest = path[start + 1 :]
        if len(rest) > 2 and rest[0] in _CONTAINERS and rest[1].startswith("["):
            return start + 1
    return None


def _in_one_container(path: FieldPath, inner: int) -> Topic:
    kind, name = path[inner], bare(path[inner + 1])
    head, rest = path[: inner + 2], path[inner + 2 :]
    of: Phrase = (" of ", _CONTAINERS[kind], Quote(name))
    if rest[0] == "env" and len(rest) > 1:
        label: Phrase = ("environment variable ", Quote(bare(rest[1])), *of)
        return Topic(prefix=(*head, *rest[:2]), label=label)
    if rest[0] == "resources" and len(rest) > 2 and rest[1] in _AMOUNTS:
        label = (Quote(rest[2]), _AMOUNTS[rest[1]], *of)
        return Topic(prefix=(*head, *rest[:3]), label=label)
    if rest[0] in _PROBES:
        return Topic(prefix=(*head, rest[0]), label=(_PROBES[rest[0]], *of))
    return Topic(prefix=(*head, rest[0]), label=(Quote(rest[0]), *of))


def _storage(path: FieldPath) -> Topic | None:
    if path[-4:] != ("spec", "resources", "requests", "storage"):
        return None
    if len(path) > 4 and path[:2] == ("spec", "volumeClaimTemplates"):
        return Topic(prefix=path, label=("storage size of ", Quote(bare(path[2]))))
    return Topic(prefix=path, label=("storage size",))


def _metadata(path: FieldPath) -> Topic | None:
    for pods in _WORKLOAD_PODS:
        head = (*pods, "metadata")
        start = len(head)
        if path[:start] != head or len(path) != start + 2:
            continue
        kind = {"annotations": "annotation ", "labels": "label "}.get(path[start])
        if kind is not None:
            owner = "pod " if pods else ""
            return Topic(prefix=path, label=(owner + kind, Quote(path[-1])))
    return None


def _spec(path: FieldPath) -> Topic | None:
    if path[:1] == ("apiVersion",):
        return Topic(prefix=path, label=("API version",))
    if path[:1] == ("spec",) and len(path) > 1 and path[1] in _SPEC:
        return Topic(prefix=path[:2], label=(_SPEC[path[1]],))
    return None


def _by_itself(path: FieldPath) -> Topic:
    return Topic(prefix=path, label=(Quote(path_text(path)),))
