"""Count what the service does, for Prometheus.

One Meter a process, with a registry of its own. It promises that counting never fails
the work that is counted, and that labels are our own words: names of repositories and
environments, route templates, subcommands of git, operations of the forge protocol.
Never a path, a version, a person or anything that a request brought.

Counts start at zero with the process. What must outlive it (last passes, missed
occurrences, delivery) is read from the store when it is asked for: service.metrics.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from prometheus_client import (
    CollectorRegistry,
    Counter,
    Histogram,
    disable_created_metrics,
)
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from gitops.errors import GitopsError
from gitops.model import EnvironmentName
from service.clock import monotonic_s

PREFIX: Final = "directus_gitops"
_OURS: Final = re.compile(r"[a-z][a-z-]{0,39}", re.ASCII)
_METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE"})
_PASS_S: Final = (0.1, 0.5, 1, 2.5, 5, 10, 30, 60, 120, 300, 600)
_CALL_S: Final = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 120)

# Else there is a second series beside each; nobody else counts in this process.
disable_created_metrics()  # type: ignore[no-untyped-call]


class Passed(StrEnum):
    """How a pass over a repository ended."""

    WORKED = "worked"
    DEGRADED = "degraded"
    ELSEWHERE = "elsewhere"


class Delivered(StrEnum):
    """What became of a webhook."""

    ACCEPTED = "accepted"
    REPEATED = "repeated"
    IGNORED = "ignored"
    REFUSED = "refused"
    UNREAD = "unread"
    FAILED = "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class View:
    """What a pass saw of a repository.

    Attributes:
        environments: the fleet's, in its order.
        open_pull_requests: how many of ours are open.
        closed_gates: the name of each closed gate, once for each promotion it stops.
    """

    environments: tuple[EnvironmentName, ...]
    open_pull_requests: int
    closed_gates: tuple[str, ...]


class Meter:
    """What this process has done so far."""

    def __init__(self) -> None:
        self.registry = CollectorRegistry(auto_describe=False)
        self._views: dict[str, View] = {}
        self._gates: set[str] = set()

        def counter(name: str, told: str, *labels: str) -> Counter:
            return Counter(f"{PREFIX}_{name}", told, labels, registry=self.registry)

        def histogram(
            name: str, told: str, *labels: str, buckets: Sequence[float]
        ) -> Histogram:
            return Histogram(
                f"{PREFIX}_{name}",
                told,
                labels,
                registry=self.registry,
                buckets=buckets,
            )

        self._passes = counter(
            "passes", "Passes over a repository.", "repository", "outcome"
        )
        self._pass_s = histogram(
            "pass_seconds", "How long they took.", "repository", buckets=_PASS_S
        )
        self._git = counter(
            "git_commands", "Runs of git, by how they ended.", "command", "outcome"
        )
        self._git_s = histogram(
            "git_command_seconds", "How long they took.", "command", buckets=_CALL_S
        )
        self._forge = counter(
            "forge_calls", "Calls of a forge.", "operation", "outcome"
        )
        self._forge_s = histogram(
            "forge_call_seconds", "How long they took.", "operation", buckets=_CALL_S
        )
        self._requests = counter(
            "http_requests", "Requests answered.", "method", "route", "status"
        )
        self._request_s = histogram(
            "http_request_seconds",
            "How long the answers took.",
            "route",
            buckets=_CALL_S,
        )
        self._notifications = counter(
            "notifications", "Tries to tell a sink.", "sink", "outcome"
        )
        self._webhooks = counter("webhooks", "Webhooks that came.", "forge", "outcome")
        self.registry.register(_Views(self._views, self._gates))

    @classmethod
    def silent(cls) -> Meter:
        """Return a meter that nobody reads."""
        return cls()

    def pass_ended(self, repository: str, outcome: Passed, *, seconds: float) -> None:
        """Count a pass.

        Args:
            repository: its name.
            outcome: how it ended.
            seconds: how long it took.
        """
        self._passes.labels(repository, outcome.value).inc()
        self._pass_s.labels(repository).observe(seconds)

    def looked(
        self,
        repository: str,
        *,
        environments: Iterable[EnvironmentName],
        open_pull_requests: int,
        closed_gates: Iterable[str] = (),
    ) -> None:
        """Remember what a pass saw; the last one counts.

        Args:
            repository: its name.
            environments: the fleet's, in its order.
            open_pull_requests: how many of ours are open.
            closed_gates: the name of each closed gate of each way (Gate.name).
        """
        gates = tuple(_ours(gate) for gate in closed_gates)
        self._gates.update(gates)  # a gate that opened shows as 0
        self._views[repository] = View(
            environments=tuple(environments),
            open_pull_requests=open_pull_requests,
            closed_gates=gates,
        )

    def keep_only(self, repositories: Iterable[str]) -> None:
        """Forget what was seen of all other repositories."""
        for name in set(self._views) - set(repositories):
            del self._views[name]

    def view(self, repository: str) -> View | None:
        """Return what the last pass of this process saw; None before the first."""
        return self._views.get(repository)

    def git_command(self, command: str) -> Callable[[int | None], None]:
        """Begin to count a git command; an attendant for gitops.git.attend_git.

        Args:
            command: the subcommand.

        Returns:
            What is told the exit code at the end; None when there was no answer. Many
            commands answer "no" with another code than 0: that is no failure.
        """
        began = monotonic_s()
        name = _ours(command)

        def ended(code: int | None) -> None:
            outcome = "lost" if code is None else "zero" if code == 0 else "other"
            self._git.labels(name, outcome).inc()
            self._git_s.labels(name).observe(monotonic_s() - began)

        return ended

    @contextmanager
    def forge_call(self, operation: str) -> Iterator[None]:
        """Count one call of a forge, however it ends."""
        began = monotonic_s()
        outcome = "bug"
        try:
            yield
            outcome = "ok"
        except GitopsError as error:
            outcome = "unavailable" if error.retryable else "refused"
            raise
        finally:
            self._forge.labels(_ours(operation), outcome).inc()
            self._forge_s.labels(_ours(operation)).observe(monotonic_s() - began)

    def answered(
        self, method: str, route: str | None, status: int, *, seconds: float
    ) -> None:
        """Count an answer.

        Args:
            method: of the request.
            route: the template of its path; None when no route took it.
            status: of the answer.
            seconds: how long it took.
        """
        place = route or "none"
        known = method if method in _METHODS else "other"
        self._requests.labels(known, place, str(status)).inc()
        self._request_s.labels(place).observe(seconds)

    def notified(self, sink: str, *, worked: bool) -> None:
        """Count a try to tell a sink."""
        self._notifications.labels(sink, "ok" if worked else "failed").inc()

    def delivered(self, forge: str, outcome: Delivered) -> None:
        """Count a webhook, by the kind of forge that its path names."""
        self._webhooks.labels(forge, outcome.value).inc()


class _Views(Collector):
    """What the last passes saw, as gauges."""

    def __init__(self, views: dict[str, View], gates: set[str]) -> None:
        self._views = views
        self._gates = gates

    def collect(self) -> Iterator[Metric]:
        """Yield the gauges of all repositories."""
        requests = GaugeMetricFamily(
            f"{PREFIX}_open_pull_requests",
            "Pull requests of ours that are open.",
            labels=["repository"],
        )
        gates = GaugeMetricFamily(
            f"{PREFIX}_gates_closed",
            "Promotions that a gate stops now.",
            labels=["repository", "gate"],
        )
        for name, view in sorted(self._views.copy().items()):
            requests.add_metric([name], view.open_pull_requests)
            for gate in sorted(self._gates.copy()):
                gates.add_metric([name, gate], view.closed_gates.count(gate))
        yield requests
        yield gates


def _ours(word: str) -> str:
    """Return a word as a label; what cannot be one of ours is "other"."""
    label = word.replace("_", "-").lower()
    return label if _OURS.fullmatch(label) else "other"
