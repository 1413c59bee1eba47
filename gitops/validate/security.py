"""What keeps a pod from the Pod Security Standard `restricted`.

Source: kubernetes.io, "Pod Security Standards"; the checks that the API server's own
admission makes.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Final

from gitops.model import Json
from gitops.schemas import Place
from gitops.validate.rule import shown
from gitops.validate.shapes import at, items, mapping, mappings, number, text
from gitops.validate.view import Container, Pods

_HOST: Final = ("hostNetwork", "hostPID", "hostIPC")
_SECCOMP: Final = frozenset({"RuntimeDefault", "Localhost"})
_ADDABLE: Final = frozenset({"NET_BIND_SERVICE"})
_VOLUMES: Final = frozenset(
    {
        "configMap",
        "csi",
        "downwardAPI",
        "emptyDir",
        "ephemeral",
        "image",
        "persistentVolumeClaim",
        "projected",
        "secret",
    }
)


def security_gaps(pods: Pods) -> Iterator[tuple[Place, str]]:
    """Yield place and message of everything that `restricted` refuses."""
    spec_at = (*pods.at, "spec")
    whole = mapping(pods.spec.get("securityContext"))
    for name in _HOST:
        if pods.spec.get(name) is True:
            yield (*spec_at, name), "shares the node's own name space"
    for index, volume in mappings(pods.spec.get("volumes")):
        for kind in sorted(volume.keys() - _VOLUMES - {"name"}):
            yield (
                (*spec_at, "volumes", index, kind),
                f"a {shown(kind)} volume is refused",
            )
    for container in pods.containers:
        lacking = list(_lacking(container, whole))
        if lacking:
            yield (
                (*container.at, "securityContext"),
                f"container {shown(container.name)}: {'; '.join(lacking)}",
            )


def _lacking(container: Container, whole: Mapping[str, Json]) -> Iterator[str]:
    own = mapping(container.body.get("securityContext"))
    yield from _identity(own, whole)
    yield from _rights(own)
    if any(port.get("hostPort") for port in container.ports):
        yield "binds a port of the node"


def _identity(own: Mapping[str, Json], whole: Mapping[str, Json]) -> Iterator[str]:
    """The container's own word wins over the pod's."""
    if own.get("runAsNonRoot", whole.get("runAsNonRoot")) is not True:
        yield "runAsNonRoot is not true"
    if number(own.get("runAsUser", whole.get("runAsUser"))) == 0:
        yield "runAsUser is 0"
    profile = at(own, ("seccompProfile", "type")) or at(
        whole, ("seccompProfile", "type")
    )
    if text(profile) not in _SECCOMP:
        yield "seccompProfile is not RuntimeDefault"


def _rights(own: Mapping[str, Json]) -> Iterator[str]:
    if own.get("privileged") is True:
        yield "is privileged"
    if own.get("allowPrivilegeEscalation") is not False:
        yield "allowPrivilegeEscalation is not false"
    if "ALL" not in items(at(own, ("capabilities", "drop"))):
        yield "capabilities.drop lacks ALL"
    if {text(a) for a in items(at(own, ("capabilities", "add")))} - _ADDABLE:
        yield "adds capabilities"
