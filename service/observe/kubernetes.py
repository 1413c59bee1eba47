"""Ask the Kubernetes API: a Kustomization of Flux, or a plain Deployment."""

from __future__ import annotations

import re
from typing import Final

from gitops.errors import WebError
from gitops.model import Health, Json, Sighting
from gitops.web.fields import (
    flag_at,
    items_at,
    mapping_at,
    number_at,
    text_at,
)
from service.observe.asking import Ask, document
from service.observe.conditions import condition
from service.observe.words import running, sighting, sighting_of

_FLUX: Final = "/apis/kustomize.toolkit.fluxcd.io/v1"
_APPS: Final = "/apis/apps/v1"
_COMMIT: Final = re.compile(r"(?:.*[:/])?([0-9a-f]{40}|[0-9a-f]{64})", re.ASCII)
_WAITING: Final = ("DependencyNotReady", "Progressing", "ProgressingWithRetry")
_SHORT: Final = 8


def look_at_flux(ask: Ask) -> Sighting:
    """See how a Kustomization is.

    It tells no version, but a commit; what the overlay says at that commit is what was
    applied.

    Raises:
        GitopsError: there is no answer, or one that makes no sense.
    """
    found = _object(ask, _FLUX, "Kustomization")
    ready = condition(found, "Ready")
    status, why = text_at(ready, "status"), text_at(ready, "message")
    seen = number_at(ready, "observedGeneration", default=_generation(found))
    if flag_at(found, "spec", "suspend"):
        return sighting(Health.PROGRESSING, "it is suspended")
    if seen < _generation(found):
        return sighting(Health.PROGRESSING, "Flux has not looked at it yet")
    match status:
        case "True":
            return _applied(found, ask)
        case "False" if text_at(ready, "reason") not in _WAITING:
            return _failed(found, ask, why)
        case "False" | "Unknown" | "":
            return sighting(Health.PROGRESSING, "it is not ready", why)
        case _:
            raise WebError("the answer makes no sense: Ready is neither true nor false")


def _applied(found: Json, ask: Ask) -> Sighting:
    applied = _commit(found, "lastAppliedOriginRevision", "lastAppliedRevision")
    if not applied:
        return sighting(Health.UNKNOWN, "it does not tell which commit it applied")
    if ask.commit and applied != ask.commit:
        return sighting(Health.PROGRESSING, _behind("it applied", applied, ask))
    version = ask.overlay.revision.tag if ask.commit else ""
    return sighting(Health.HEALTHY, version=version)


def _failed(found: Json, ask: Ask, why: str) -> Sighting:
    tried = _commit(found, "lastAttemptedRevision")
    if ask.commit and tried != ask.commit:
        return sighting(Health.PROGRESSING, _behind("it failed", tried, ask), why)
    version = ask.overlay.revision.tag if ask.commit else ""
    return sighting(Health.UNHEALTHY, why or "it failed", version=version)


def _behind(what: str, commit: str, ask: Ask) -> str:
    there = f" at {commit[:_SHORT]}" if commit else ""
    return f"{what}{there}; the base branch is at {ask.commit[:_SHORT]}"


def _commit(found: Json, *fields: str) -> str:
    """Read a commit: `main@sha1:<commit>`, and `main/<commit>` of older releases."""
    for name in fields:
        if match := _COMMIT.fullmatch(text_at(found, "status", name)):
            return match[1]
    return ""


def look_at_deployment(ask: Ask) -> Sighting:
    """See how a Deployment is, as `kubectl rollout status` does.

    Raises:
        GitopsError: there is no answer, or one that makes no sense.
    """
    found = _object(ask, _APPS, "Deployment")
    containers = items_at(found, "spec", "template", "spec", "containers")
    images = [text_at(container, "image") for container in containers]
    runs = running(images, ask.overlay.revision)
    if runs is None:
        return sighting(Health.UNKNOWN, "no container runs the stack's image")
    health, detail = _rollout(found)
    return sighting_of(runs, health, detail)


def _rollout(found: Json) -> tuple[Health, str]:
    if number_at(found, "status", "observedGeneration") < _generation(found):
        return Health.PROGRESSING, "its change was not seen yet"
    stuck = condition(found, "Progressing")
    if text_at(stuck, "status") == "False":
        return Health.UNHEALTHY, f"its rollout is stuck: {text_at(stuck, 'message')}"
    failing = condition(found, "ReplicaFailure")
    if text_at(failing, "status") == "True":
        return Health.UNHEALTHY, f"no pods: {text_at(failing, 'message')}"
    if flag_at(found, "spec", "paused"):
        return Health.PROGRESSING, "its rollout is paused"
    return _replicas(found)


def _replicas(found: Json) -> tuple[Health, str]:
    wanted = number_at(found, "spec", "replicas", default=1)
    pods = number_at(found, "status", "replicas")
    updated = number_at(found, "status", "updatedReplicas")
    available = number_at(found, "status", "availableReplicas")
    if not wanted:
        return Health.PROGRESSING, "it is scaled to nothing"
    if updated < wanted or pods > updated:
        return Health.PROGRESSING, f"{updated} of {wanted} pods are new"
    if available >= wanted:
        return Health.HEALTHY, ""
    told = f"{available} of {wanted} pods are available"
    done = text_at(condition(found, "Progressing"), "reason")
    if not available and done == "NewReplicaSetAvailable":
        return Health.UNHEALTHY, f"{told} after the rollout was done"
    return Health.PROGRESSING, told


def _object(ask: Ask, api: str, kind: str) -> Json:
    """Get an object, and make sure that it is the one that was asked for."""
    name, namespace = ask.name, ask.namespace
    path = f"{api}/namespaces/{namespace}/{kind.lower()}s/{name}"
    found = document(ask.get(path))
    metadata = mapping_at(found, "metadata")
    told = (text_at(found, "kind"), metadata.get("namespace"), metadata.get("name"))
    if told != (kind, namespace, name):
        raise WebError("the answer is about something else")
    return found


def _generation(found: Json) -> int:
    return number_at(found, "metadata", "generation")
