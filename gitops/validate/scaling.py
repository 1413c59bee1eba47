"""Rules about more than one replica: what all of them must share, and how they go."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Final

from gitops.model import Severity
from gitops.validate.rule import Item, Problem, Rule, shown
from gitops.validate.shapes import at, items, mapping, mappings, number, text, texts
from gitops.validate.view import Container, Pods, View

WITHOUT_REDIS: Final = Rule(
    name="replicas-without-redis",
    severity=Severity.ERROR,
    why="Several Directus processes need Redis for their messages, locks and caches: "
    "without it one answers from what another has changed long ago.",
    fix="add the redis component, or run one replica",
)
WITHOUT_STORAGE: Final = Rule(
    name="replicas-without-shared-storage",
    severity=Severity.ERROR,
    why="With local uploads a file exists on one replica only; the others answer 404.",
    fix="use S3 or a ReadWriteMany volume, or run one replica",
)
WITHOUT_DATABASE: Final = Rule(
    name="replicas-without-database",
    severity=Severity.ERROR,
    why="With SQLite each replica has a database of its own.",
    fix="use PostgreSQL or MariaDB, or run one replica",
)
MEMORY_STORE: Final = Rule(
    name="replicas-memory-store",
    severity=Severity.WARNING,
    why="A cache, rate limit or synchronisation kept in each process's memory differs "
    "between replicas.",
    fix="set the store to redis",
)
RWO_ROLLING: Final = Rule(
    name="volume-blocks-rollout",
    severity=Severity.WARNING,
    why="A ReadWriteOnce volume is on one node: a rolling update starts the new pod "
    "first, on another node it waits for the volume for ever.",
    fix="use strategy Recreate, or a ReadWriteMany volume",
)
SCALER_FIGHT: Final = Rule(
    name="replicas-and-autoscaler",
    severity=Severity.WARNING,
    why="With replicas in Git and an autoscaler each sync sets the number back.",
    fix="remove spec.replicas from the workload",
)
MIGRATE_TOGETHER: Final = Rule(
    name="replicas-migrate-together",
    severity=Severity.WARNING,
    why="Every Directus migrates when it starts, and takes no lock: of several that "
    "start on a new or an older database, all but one end, and may leave it half done.",
    fix="let one Job migrate before the pods start, as base/ does, or begin with one "
    "replica",
)
BLOCKED_DRAIN: Final = Rule(
    name="budget-blocks-drain",
    severity=Severity.WARNING,
    why="The PodDisruptionBudget never lets a pod go: no node that runs one can be "
    "drained, and upgrades of the cluster stand still.",
    fix="use maxUnavailable: 1",
)
NO_BUDGET: Final = Rule(
    name="no-disruption-budget",
    severity=Severity.INFO,
    why="Without a PodDisruptionBudget a node drain may take all replicas at once.",
    fix="add a PodDisruptionBudget with maxUnavailable: 1",
)
NO_POLICY: Final = Rule(
    name="no-network-policy",
    severity=Severity.INFO,
    why="Without a NetworkPolicy every pod of the cluster can reach Directus, its "
    "database and its Redis.",
    fix="add the network-policy component",
)

RULES: Final = (
    WITHOUT_REDIS,
    WITHOUT_STORAGE,
    WITHOUT_DATABASE,
    MEMORY_STORE,
    RWO_ROLLING,
    SCALER_FIGHT,
    MIGRATE_TOGETHER,
    BLOCKED_DRAIN,
    NO_BUDGET,
    NO_POLICY,
)

_UPLOADS: Final = "/directus/uploads"
_WORKDIR: Final = PurePosixPath("/directus")
_STORES: Final = (
    ("CACHE_STORE", "CACHE_ENABLED"),
    ("RATE_LIMITER_STORE", "RATE_LIMITER_ENABLED"),
)


def problems(view: View) -> Iterator[Problem]:
    """Check what Directus needs for several replicas, and how volumes move."""
    for budget in view.of_kind("PodDisruptionBudget"):
        yield from _blocked(view, budget)
    for pods in view.pods:
        yield from _rollout(view, pods)
        yield from _fight(view, pods)
        if view.replicas(pods) < 2:
            continue
        for container in pods.directus:
            yield from _redis(view, pods, container)
            yield from _storage(view, pods, container)
            yield from _database(view, pods, container)
        if pods.directus:
            yield from _together(view, pods)
            yield from _protection(view, pods)


def _count(view: View, pods: Pods) -> str:
    many = view.replicas(pods)
    return f"up to {many} replicas" if view.scaler(pods) else f"{many} replicas"


def _redis(view: View, pods: Pods, container: Container) -> Iterator[Problem]:
    env = container.environment
    is_off = env.value("REDIS_ENABLED", "true") == "false"
    if env.lacks("REDIS", "REDIS_HOST") or is_off:
        yield Problem(
            rule=WITHOUT_REDIS,
            item=pods.item,
            at=("spec", "replicas"),
            message=f"{_count(view, pods)}, but REDIS_HOST is not set",
        )
        return
    memory = [
        store
        for store, switch in _STORES
        if env.value(switch, "false") == "true"
        and env.value(store, "memory") == "memory"
    ]
    if env.value("SYNCHRONIZATION_STORE", "memory") == "memory":
        memory.append("SYNCHRONIZATION_STORE")
    if memory:
        yield Problem(
            rule=MEMORY_STORE,
            item=pods.item,
            at=container.at,
            message=f"{_count(view, pods)}, but {', '.join(memory)} is memory",
        )


def _database(view: View, pods: Pods, container: Container) -> Iterator[Problem]:
    if container.environment.value("DB_CLIENT", "sqlite3") == "sqlite3":
        yield Problem(
            rule=WITHOUT_DATABASE,
            item=pods.item,
            at=("spec", "replicas"),
            message=f"{_count(view, pods)} on SQLite",
        )


def _together(view: View, pods: Pods) -> Iterator[Problem]:
    """Ask for a Job of Directus beside several servers."""
    jobs = [
        other
        for other in view.pods
        if other.item.manifest.kind == "Job" and other.namespace == pods.namespace
    ]
    if not any(c.is_directus for job in jobs for c in job.containers):
        yield Problem(
            rule=MIGRATE_TOGETHER,
            item=pods.item,
            at=("spec", "replicas"),
            message=f"{_count(view, pods)}, and no Job that migrates before them",
        )


# --- storage ---


def _storage(view: View, pods: Pods, container: Container) -> Iterator[Problem]:
    env = container.environment
    locations = env.value("STORAGE_LOCATIONS", "local")
    for location in (locations or "").split(","):
        prefix = f"STORAGE_{location.strip().upper()}"
        driver = env.value(f"{prefix}_DRIVER", "local")
        root = env.value(f"{prefix}_ROOT", _UPLOADS)
        if not location.strip() or driver != "local" or root is None:
            continue
        folder = _WORKDIR / root
        if not _is_shared(view, pods, container, folder):
            yield Problem(
                rule=WITHOUT_STORAGE,
                item=pods.item,
                at=("spec", "replicas"),
                message=f"{_count(view, pods)}, but the uploads of storage "
                f"{shown(location.strip())} are on the pod ({shown(str(folder))})",
            )


def _is_shared(
    view: View, pods: Pods, container: Container, folder: PurePosixPath
) -> bool:
    """Whether a folder lies on a volume that several nodes can write.

    A claim that is not in the set is believed: another rule tells that it is missing.
    """
    volumes = {text(v.get("name")): v for _, v in mappings(pods.spec.get("volumes"))}
    for _, mount in mappings(container.body.get("volumeMounts")):
        if not folder.is_relative_to(text(mount.get("mountPath")) or "/nowhere"):
            continue
        volume = volumes.get(text(mount.get("name")), {})
        if mapping(volume.get("nfs")) or mapping(volume.get("csi")):
            return True
        claim = text(at(volume, ("persistentVolumeClaim", "claimName")))
        if claim:
            found = view.named("PersistentVolumeClaim", pods.namespace, claim)
            return found is None or "ReadWriteMany" in _modes(found)
    return False


def _modes(claim: Item) -> list[str]:
    return [text(m) for m in items(at(claim.manifest.body, ("spec", "accessModes")))]


def _rollout(view: View, pods: Pods) -> Iterator[Problem]:
    if pods.item.manifest.kind != "Deployment":
        return
    body = pods.item.manifest.body
    if text(at(body, ("spec", "strategy", "type"))) == "Recreate":
        return
    for index, volume in mappings(pods.spec.get("volumes")):
        claim = text(at(volume, ("persistentVolumeClaim", "claimName")))
        found = view.named("PersistentVolumeClaim", pods.namespace, claim)
        modes = _modes(found) if found else []
        if modes and not {"ReadWriteMany", "ReadOnlyMany"} & set(modes):
            yield Problem(
                rule=RWO_ROLLING,
                item=pods.item,
                at=(*pods.at, "spec", "volumes", index),
                message=f"PersistentVolumeClaim {shown(claim)} is "
                f"{', '.join(map(shown, modes))}, and the strategy is RollingUpdate",
            )


def _fight(view: View, pods: Pods) -> Iterator[Problem]:
    scaler = view.scaler(pods)
    place = ("spec", "replicas")
    if scaler is not None and at(pods.item.manifest.body, place) is not None:
        yield Problem(
            rule=SCALER_FIGHT,
            item=pods.item,
            at=place,
            message=f"{scaler.title} sets the number of replicas too",
        )


# --- protection ---


def _blocked(view: View, budget: Item) -> Iterator[Problem]:
    """Compare a budget with the pods that there are at least."""
    spec = mapping(budget.manifest.body.get("spec"))
    selector = texts(at(spec, ("selector", "matchLabels")))
    covered = view.selected(budget.manifest.namespace, selector) if selector else ()
    fewest = sum(_fewest(view, pods) for pods in covered if pods.is_serving)
    least, most = spec.get("minAvailable"), spec.get("maxUnavailable")
    stands_still = least == "100%" or most in (0, "0", "0%")
    if stands_still or (fewest and (number(least) or 0) >= fewest):
        field = "minAvailable" if most is None else "maxUnavailable"
        yield Problem(
            rule=BLOCKED_DRAIN,
            item=budget,
            at=("spec", field),
            message=f"is {least if most is None else most}, of {fewest or 'all'} pods",
        )


def _fewest(view: View, pods: Pods) -> int:
    """Return how many pods there are at least."""
    scaler = view.scaler(pods)
    if scaler is None:
        return view.replicas(pods)
    return number(at(scaler.manifest.body, ("spec", "minReplicas"))) or 1


def _protection(view: View, pods: Pods) -> Iterator[Problem]:
    budgets = [
        texts(at(item.manifest.body, ("spec", "selector", "matchLabels")))
        for item in view.of_kind("PodDisruptionBudget")
        if item.manifest.namespace == pods.namespace
    ]
    if not any(labels.items() <= pods.labels.items() for labels in budgets):
        yield Problem(
            rule=NO_BUDGET,
            item=pods.item,
            at=("spec",),
            message="no PodDisruptionBudget covers its pods",
        )
    policies = [
        item
        for item in view.of_kind("NetworkPolicy")
        if item.manifest.namespace == pods.namespace
    ]
    if not policies:
        yield Problem(
            rule=NO_POLICY,
            item=pods.item,
            at=("spec",),
            message="no NetworkPolicy guards its pods",
        )
