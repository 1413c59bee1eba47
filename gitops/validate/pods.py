"""Rules about pods in general: probes, resources, rights, images."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Final

from gitops.errors import InputError
from gitops.model import Severity
from gitops.validate.rule import Problem, Rule, shown
from gitops.validate.security import security_gaps
from gitops.validate.shapes import at, items, mapping, mappings, text
from gitops.validate.view import Container, Pods, View
from gitops.versions import check_digest, check_image, check_tag, version_of

BARE_POD: Final = Rule(
    name="bare-pod",
    severity=Severity.WARNING,
    why="A Pod without a workload above it is not made again when its node goes; its "
    "containers restart, the Pod does not move.",
    fix="use a Deployment, or a Job for something that ends",
)
PROBE_MISSING: Final = Rule(
    name="probe-missing",
    severity=Severity.WARNING,
    why="Without a readiness probe a pod gets traffic before it can answer; without a "
    "liveness probe a hanging one stays.",
    fix="add a readinessProbe, and for Directus all three probes",
)
STARTUP_PROBE: Final = Rule(
    name="startup-probe-missing",
    severity=Severity.WARNING,
    why="A liveness probe without a startup probe kills Directus or a database that is "
    "slow to start, again and again: a migration may take minutes.",
    fix="add a startupProbe that allows minutes",
)
RESOURCES: Final = Rule(
    name="resources-missing",
    severity=Severity.WARNING,
    why="Without requests the scheduler packs nodes blindly; without a memory limit "
    "one leaking pod takes its neighbours down.",
    fix="set requests for cpu and memory and a limit for memory",
)
SECURITY: Final = Rule(
    name="security-context",
    severity=Severity.WARNING,
    why="The pod does not fit the Pod Security Standard `restricted`: whoever breaks "
    "into the container gets more than the container.",
    fix="set runAsNonRoot, seccompProfile RuntimeDefault, allowPrivilegeEscalation "
    "false and capabilities drop [ALL]",
)
SECURITY_REFUSED: Final = Rule(
    name="pod-security-refused",
    severity=Severity.ERROR,
    why="The pod does not fit the standard that its own namespace enforces, so the API "
    "server creates none.",
    fix="change the pod's securityContext, or what the namespace enforces",
)
IMAGE: Final = Rule(
    name="image-syntax",
    severity=Severity.ERROR,
    why="No registry can have an image of this name: the pod stays in "
    "InvalidImageName. Without any image the API server refuses it.",
    fix="write it as registry/repository:tag",
)
FLOATING_TAG: Final = Rule(
    name="floating-tag",
    severity=Severity.WARNING,
    why="The tag may name another image tomorrow: two pods of one Deployment run "
    "different versions, and a roll-back rolls nothing back.",
    fix="name a full version, and its digest where you know it",
)
DUPLICATE_VARIABLE: Final = Rule(
    name="duplicate-variable",
    severity=Severity.WARNING,
    why="Of two variables with one name the last wins; a patch may remove both.",
    fix="keep one of them",
)
SECRET_ARGUMENT: Final = Rule(
    name="secret-in-arguments",
    severity=Severity.WARNING,
    why="The arguments of a process can be read by everybody on the node, and by "
    "whatever lists processes.",
    fix="let the program read it from its environment, a file or standard input",
)

RULES: Final = (
    BARE_POD,
    PROBE_MISSING,
    STARTUP_PROBE,
    RESOURCES,
    SECURITY,
    SECURITY_REFUSED,
    IMAGE,
    FLOATING_TAG,
    DUPLICATE_VARIABLE,
    SECRET_ARGUMENT,
)

_FLOATING: Final = frozenset(
    {"latest", "main", "master", "edge", "nightly", "stable", "lts", "next", "develop"}
)
_PROBES: Final = ("startupProbe", "livenessProbe", "readinessProbe")
_ENFORCE: Final = "pod-security.kubernetes.io/enforce"


def problems(view: View) -> Iterator[Problem]:
    """Check every pod template."""
    for pods in view.pods:
        if pods.item.manifest.kind == "Pod" and not _ends(pods):
            yield Problem(
                rule=BARE_POD, item=pods.item, at=("kind",), message="is a bare Pod"
            )
        yield from _security(view, pods)
        for container in pods.containers:
            yield from _resources(pods, container)
            yield from _image(pods, container)
            yield from _variables(pods, container)
            yield from _arguments(pods, container)
        if pods.is_serving:
            for container in pods.main:
                yield from _probes(pods, container)


def _ends(pods: Pods) -> bool:
    return pods.spec.get("restartPolicy") == "Never"


def _probes(pods: Pods, container: Container) -> Iterator[Problem]:
    """Ask for probes where something listens: a worker without ports needs none."""
    if not container.ports and not container.is_directus:
        return
    missing = [name for name in _PROBES if not mapping(container.body.get(name))]
    needed = _PROBES if container.is_directus else ("readinessProbe",)
    lacking = [name for name in missing if name in needed]
    if lacking:
        yield Problem(
            rule=PROBE_MISSING,
            item=pods.item,
            at=container.at,
            message=f"container {shown(container.name)} has no {', '.join(lacking)}",
        )
    is_slow = container.is_directus or container.image.database
    if is_slow and "startupProbe" in missing and "livenessProbe" not in missing:
        yield Problem(
            rule=STARTUP_PROBE,
            item=pods.item,
            at=(*container.at, "livenessProbe"),
            message=f"container {shown(container.name)} has a liveness probe and no "
            "startup probe",
        )


def _resources(pods: Pods, container: Container) -> Iterator[Problem]:
    resources = container.body.get("resources")
    lacking = [
        f"{kind}.{what}"
        for kind, what in (
            ("requests", "cpu"),
            ("requests", "memory"),
            ("limits", "memory"),
        )
        if at(resources, (kind, what)) is None
        and not (kind == "requests" and at(resources, ("limits", what)) is not None)
    ]
    if lacking:
        yield Problem(
            rule=RESOURCES,
            item=pods.item,
            at=(*container.at, "resources"),
            message=f"container {shown(container.name)} sets no {', '.join(lacking)}",
        )


def _security(view: View, pods: Pods) -> Iterator[Problem]:
    gaps = list(security_gaps(pods))
    if not gaps:
        return
    namespace = view.named("Namespace", "", pods.namespace)
    labels = mapping(
        at(namespace.manifest.body, ("metadata", "labels")) if namespace else None
    )
    rule = SECURITY_REFUSED if labels.get(_ENFORCE) == "restricted" else SECURITY
    for place, message in gaps:
        yield Problem(rule=rule, item=pods.item, at=place, message=message)


def _image(pods: Pods, container: Container) -> Iterator[Problem]:
    reference, image = text(container.body.get("image")), container.image
    place = (*container.at, "image")
    if not reference:
        yield Problem(rule=IMAGE, item=pods.item, at=place, message="names no image")
        return
    try:
        check_image(image.repository)
        if image.tag:
            check_tag(image.tag)
        if image.digest:
            check_digest(image.digest)
    except InputError as error:
        yield Problem(rule=IMAGE, item=pods.item, at=place, message=error.message)
        return
    if image.digest:
        return
    is_floating = not image.tag or image.tag in _FLOATING
    if container.image.is_directus_release and version_of(image.tag) is None:
        is_floating = is_floating or image.tag.replace(".", "").isdigit()
    if is_floating:
        yield Problem(
            rule=FLOATING_TAG,
            item=pods.item,
            at=place,
            message=f"{shown(reference)} names no version for good",
        )


def _variables(pods: Pods, container: Container) -> Iterator[Problem]:
    entries = list(mappings(container.body.get("env")))
    counted = Counter(text(entry.get("name")) for _, entry in entries)
    told: set[str] = set()
    for index, entry in reversed(entries):
        name = text(entry.get("name"))
        if counted[name] > 1 and name not in told:
            told.add(name)
            yield Problem(
                rule=DUPLICATE_VARIABLE,
                item=pods.item,
                at=(*container.at, "env", index, "name"),
                message=f"sets {shown(name)} more than once",
            )


def _arguments(pods: Pods, container: Container) -> Iterator[Problem]:
    """Find `$(NAME)` in an argument, which Kubernetes replaces by the value."""
    secret = [
        text(entry.get("name"))
        for _, entry in mappings(container.body.get("env"))
        if at(entry, ("valueFrom", "secretKeyRef")) is not None
    ]
    for field in ("command", "args"):
        for index, word in enumerate(items(container.body.get(field))):
            for name in secret:
                if f"$({name})" in text(word).replace("$$", ""):
                    yield Problem(
                        rule=SECRET_ARGUMENT,
                        item=pods.item,
                        at=(*container.at, field, index),
                        message=f"{shown(name)} becomes an argument",
                    )
