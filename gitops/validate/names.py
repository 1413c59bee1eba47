"""Rules about names and labels: what may be written, and what is left over."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Final

from gitops.model import Json, Severity
from gitops.schemas import Place
from gitops.validate.rule import Item, Problem, Rule, shown
from gitops.validate.shapes import at, leaves, mapping, mappings, text
from gitops.validate.view import TEMPLATES, Pods, View

OBJECT_NAME: Final = Rule(
    name="object-name",
    severity=Severity.ERROR,
    why="The API server refuses a name outside RFC 1123, upper case included.",
    fix="use a-z, 0-9 and '-', beginning and ending with a letter or digit",
)
LABEL: Final = Rule(
    name="label-syntax",
    severity=Severity.ERROR,
    why="The API server refuses a label whose value is no text of at most 63 of "
    "A-Z, a-z, 0-9, '.', '_' and '-'.",
    fix="shorten the value, or keep it in an annotation",
)
DUPLICATE_OBJECT: Final = Rule(
    name="duplicate-object",
    severity=Severity.ERROR,
    why="Of two objects with one name only one exists in the cluster; which one "
    "depends on the order in which they are applied.",
    fix="keep one of them, or give the second another name",
)
LEFTOVER_NAME: Final = Rule(
    name="leftover-name",
    severity=Severity.WARNING,
    why="`release-name` is what `helm template` writes when nobody names the release; "
    "copied output refers to objects under two names and finds none.",
    fix="give the object a name of its own, and use it in every reference",
)
NULL_VALUE: Final = Rule(
    name="null-value",
    severity=Severity.WARNING,
    why="A key without a value is null. Kubernetes drops it in silence, and in a patch "
    "it deletes the field below it.",
    fix="remove the key, or write the value",
)
MIXED_LABELS: Final = Rule(
    name="mixed-labels",
    severity=Severity.WARNING,
    why="With two label schemes side by side (`app` and `app.kubernetes.io/name`) a "
    "selector sooner or later uses the one that the pods do not carry.",
    fix="use app.kubernetes.io/name, /component and /part-of everywhere",
)

RULES: Final = (
    OBJECT_NAME,
    LABEL,
    DUPLICATE_OBJECT,
    LEFTOVER_NAME,
    NULL_VALUE,
    MIXED_LABELS,
)

_LABEL_FORM = re.compile(r"[a-z0-9]([-a-z0-9]*[a-z0-9])?", re.ASCII)
_DOMAIN_FORM = re.compile(rf"{_LABEL_FORM.pattern}(\.{_LABEL_FORM.pattern})*", re.ASCII)
_LABEL_VALUE = re.compile(r"([A-Za-z0-9]([-A-Za-z0-9_.]*[A-Za-z0-9])?)?", re.ASCII)
_LEFTOVER = re.compile(r"release-name(-|$)", re.IGNORECASE | re.ASCII)
# These may be any text without '/' and '%', such as `system:node`.
_FREE_NAMES: Final = frozenset(
    {"Role", "ClusterRole", "RoleBinding", "ClusterRoleBinding", "APIService"}
)
_SHORT_NAMES: Final = frozenset({"Service", "Namespace"})


def problems(view: View) -> Iterator[Problem]:
    """Check names and labels."""
    for item in view.items:
        yield from _object_name(item)
        yield from _labels(item)
        yield from _values(item)
        yield from _mixed(item)
    for pods in view.pods:
        yield from _inner_names(pods)
    yield from _duplicates(view)


def _object_name(item: Item) -> Iterator[Problem]:
    manifest = item.manifest
    if not manifest.name:
        if not text(at(manifest.body, ("metadata", "generateName"))):
            yield Problem(
                rule=OBJECT_NAME,
                item=item,
                at=("metadata", "name"),
                message="the object has no name",
                hint="give it one",
            )
        return
    if manifest.kind in _FREE_NAMES:
        return
    longest = 63 if manifest.kind in _SHORT_NAMES else 253
    form = _LABEL_FORM if manifest.kind in _SHORT_NAMES else _DOMAIN_FORM
    if not form.fullmatch(manifest.name) or len(manifest.name) > longest:
        yield Problem(
            rule=OBJECT_NAME,
            item=item,
            at=("metadata", "name"),
            message=f"{shown(manifest.name)!r} is not a name that the API server takes",
        )


def _inner_names(pods: Pods) -> Iterator[Problem]:
    """Names of containers and volumes are labels too."""
    named: list[tuple[Place, Mapping[str, Json]]] = [
        (container.at, container.body) for container in pods.containers
    ]
    named += [
        ((*pods.at, "spec", "volumes", index), volume)
        for index, volume in mappings(pods.spec.get("volumes"))
    ]
    for place, body in named:
        name = text(body.get("name"))
        if name and (not _LABEL_FORM.fullmatch(name) or len(name) > 63):
            yield Problem(
                rule=OBJECT_NAME,
                item=pods.item,
                at=(*place, "name"),
                message=f"{shown(name)!r} is not a name that the API server takes",
            )


def _label_maps(item: Item) -> Iterator[tuple[Place, Mapping[str, Json]]]:
    """Yield the object's own labels, those of its pods, and those it selects."""
    body = item.manifest.body
    places: list[Place] = [("metadata", "labels")]
    if item.manifest.kind in TEMPLATES:
        template = TEMPLATES[item.manifest.kind]
        places += [("spec", "selector", "matchLabels")]
        places += [(*template, "metadata", "labels")] if template else []
    elif item.manifest.kind == "Service":
        places += [("spec", "selector")]
    return ((place, mapping(at(body, place))) for place in places)


def _labels(item: Item) -> Iterator[Problem]:
    for place, labels in _label_maps(item):
        for key, value in labels.items():
            if isinstance(value, str) and (
                len(value) > 63 or not _LABEL_VALUE.fullmatch(value)
            ):
                yield Problem(
                    rule=LABEL,
                    item=item,
                    at=(*place, key),
                    message=f"{shown(value)!r} is not a label value",
                )


def _values(item: Item) -> Iterator[Problem]:
    """Check every scalar; a left-over name is told once, because names repeat."""
    is_told = False
    for place, value in leaves(item.manifest.body):
        if isinstance(value, str):
            if not is_told and _LEFTOVER.match(value):
                is_told = True
                message = f"{shown(value)!r} is left over from `helm template`"
                yield Problem(rule=LEFTOVER_NAME, item=item, at=place, message=message)
        elif value is None and place and not _is_written_null(place):
            message = "has no value (null)"
            yield Problem(rule=NULL_VALUE, item=item, at=place, message=message)


def _is_written_null(place: Place) -> bool:
    """Whether tools write this null themselves, as `kubectl create -o yaml` does."""
    return place[0] == "status" or place[-1] == "creationTimestamp"


def _mixed(item: Item) -> Iterator[Problem]:
    keys = {key for _, labels in _label_maps(item) for key in labels}
    nested = mapping(at(item.manifest.body, ("spec", "selector", "labels")))
    keys |= nested.keys()
    new = sorted(key for key in keys if key.startswith("app.kubernetes.io/"))
    if "app" in keys and new:
        yield Problem(
            rule=MIXED_LABELS,
            item=item,
            at=("metadata", "labels"),
            message=f"uses the labels app and {shown(new[0])} side by side",
        )


def _duplicates(view: View) -> Iterator[Problem]:
    seen: dict[tuple[str, str, str, str], list[Item]] = defaultdict(list)
    for item in view.items:
        manifest = item.manifest
        group = manifest.api_version.rpartition("/")[0]
        if manifest.name:
            seen[(group, manifest.kind, manifest.namespace, manifest.name)].append(item)
    for same in seen.values():
        for item in same[1:]:
            yield Problem(
                rule=DUPLICATE_OBJECT,
                item=item,
                at=("metadata", "name"),
                message=f"{item.title} is there twice; first in {same[0].path}",
            )
