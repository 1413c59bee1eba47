"""Tell Prometheus: what this process counted, and what the store says.

Counts are the process's own (service.meter). Gauges of the last passes, the missed
occurrences, the notifications and the delivery are read from the store when they are
asked for, so that every replica tells the same.
"""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from datetime import datetime, timedelta
from threading import Lock
from typing import Final, TypeAlias

from fastapi import APIRouter, Request, Response
from prometheus_client import CONTENT_TYPE_LATEST, CollectorRegistry, generate_latest
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gitops.errors import GitopsError
from service.auth import caller, whole_repository
from service.clock import Clock, monotonic_s
from service.delivery import EnvironmentFigures, Figures, Period, figures
from service.meter import PREFIX, Meter
from service.notify import CURSOR
from service.origins import repository_names
from service.settings import Settings
from service.store import Store

logger = logging.getLogger(__name__)
router = APIRouter()

WINDOW: Final = timedelta(days=30)
_R: Final = "repository"
_API: Final = "/api/v1"
_Figure: TypeAlias = Callable[[EnvironmentFigures], float | None]
_AT_ONCE: Final = 1000
_KEPT_S: Final = 60  # whoever asks more often gets the same delivery figures again


@router.get(
    "/metrics",
    summary="What the service did, for Prometheus",
    response_class=Response,
    responses={200: {"content": {"text/plain": {"schema": {"type": "string"}}}}},
)
def metrics(request: Request) -> Response:
    """Return the metrics in Prometheus's text format; they hold no secrets."""
    settings: Settings = request.app.state.settings
    if not settings.metrics_public:
        whole_repository(caller(request))
    meter: Meter = request.app.state.meter
    told: Standing = request.app.state.standing
    names = repository_names(settings)
    meter.keep_only(names)
    return Response(
        generate_latest(meter.registry) + told.text(names),
        media_type=CONTENT_TYPE_LATEST,
    )


class CountRequests:
    """Count each answer by the route that gave it, once it has been sent."""

    def __init__(self, app: ASGIApp, meter: Meter) -> None:
        self._app = app
        self._meter = meter

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand a request on."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        began = monotonic_s()
        status = 500  # what a client sees when nothing was sent

        async def counted(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
            await send(message)

        try:
            await self._app(scope, receive, counted)
        finally:
            self._meter.answered(
                scope["method"],
                _template(scope),
                status,
                seconds=monotonic_s() - began,
            )


def _template(scope: Scope) -> str | None:
    """Return the template of the path that a request took; None when none did.

    A route of an included router does not know what it was included under.
    """
    path: str | None = getattr(scope.get("route"), "path", None)
    if path is None or not scope["path"].startswith(f"{_API}/"):
        return path
    named = f"{_API}/repositories/{{repository}}"
    is_named = "repository" in scope["path_params"] and "{repository}" not in path
    return f"{named if is_named else _API}{path.removeprefix(_API)}"


class Standing:
    """How the repositories stand, from the store.

    Args:
        store: what is read.
        meter: knows the order of each fleet's environments, from the last pass.
        clock: for the age of passes, and the end of the delivery's window.
    """

    def __init__(self, store: Store, meter: Meter, clock: Clock) -> None:
        self._store = store
        self._meter = meter
        self._clock = clock
        self._figures: dict[str, tuple[int, Figures]] = {}
        self._effects: Counter[tuple[str, str]] = Counter()
        self._counted = 0
        self._lock = Lock()

    def text(self, repositories: Iterable[str]) -> bytes:
        """Return the metrics of some repositories in Prometheus's text format.

        A store that does not answer leaves them out: counts are told all the same.
        """
        registry = CollectorRegistry(auto_describe=False)
        try:
            found = tuple(self._families(tuple(repositories)))
        except GitopsError as error:
            logger.warning("metrics without the store", extra={"error": error.message})
            return b""
        registry.register(_Given(found))
        return generate_latest(registry)

    def _families(self, repositories: tuple[str, ...]) -> Iterator[Metric]:
        now = self._clock()
        yield from self._last_passes(repositories, now)
        yield from self._stops(repositories)
        yield from self._sinks()
        yield self._effects_of(repositories)
        known = {name: self._delivery(name, now) for name in repositories}
        yield from _delivery_families({n: f for n, f in known.items() if f})

    def _last_passes(
        self, repositories: tuple[str, ...], now: datetime
    ) -> Iterator[Metric]:
        age = _gauge(
            "last_good_pass_age_seconds",
            "Seconds since a pass last did its work.",
            "repository",
        )
        failures = _gauge(
            "pass_failures", "Passes in a row with the same problem.", "repository"
        )
        for name in repositories:
            last = self._store.passes.last(name)
            if last is None:
                continue
            failures.add_metric([name], last.failures)
            if last.worked_at is not None:
                age.add_metric([name], (now - last.worked_at).total_seconds())
        yield age
        yield failures

    def _stops(self, repositories: tuple[str, ...]) -> Iterator[Metric]:
        paused = _gauge("paused", "1 while the pause switch is on.", "repository")
        missed = CounterMetricFamily(
            f"{PREFIX}_missed_occurrences",
            "Occurrences of schedules that nobody was there for.",
            labels=["repository"],
        )
        for name in repositories:
            paused.add_metric([name], self._store.holds.is_paused(name))
            watches = self._store.schedules.watches(name)
            missed.add_metric([name], sum(watch.missed for watch in watches))
        yield paused
        yield missed

    def _sinks(self) -> Iterator[Metric]:
        failures = _gauge(
            "notification_failures", "Tries in a row that failed.", "sink"
        )
        for cursor in self._store.cursors.all():
            if cursor.name.startswith(CURSOR):
                sink = cursor.name.removeprefix(CURSOR)
                failures.add_metric([sink], cursor.failures)
        yield failures

    def _effects_of(self, repositories: tuple[str, ...]) -> Metric:
        """Count the audit trail; what was counted once is not read again."""
        with self._lock:
            while entries := self._store.audit.after(self._counted, _AT_ONCE):
                self._effects.update((e.repository, e.action) for e in entries)
                self._counted = entries[-1].number
            found = sorted(self._effects.items())
        family = CounterMetricFamily(
            f"{PREFIX}_effects",
            "Entries of the audit trail, by what happened.",
            labels=[_R, "event"],
        )
        for (name, event), count in found:
            if name in repositories:
                family.add_metric([name, event], count)
        return family

    def _delivery(self, repository: str, now: datetime) -> Figures | None:
        """Return figures that are at most a minute old; None before the first pass."""
        view = self._meter.view(repository)
        if view is None:
            return None
        minute = int(monotonic_s() / _KEPT_S)
        kept = self._figures.get(repository)
        if kept is not None and kept[0] == minute:
            return kept[1]
        found = figures(
            self._store.arrivals.all(repository),
            self._store.intents.all(repository),
            view.environments,
            Period(since=now - WINDOW, until=now),
        )
        self._figures[repository] = (minute, found)
        return found


class _Given(Collector):
    """Metrics that are there already."""

    def __init__(self, families: tuple[Metric, ...]) -> None:
        self._families = families

    def collect(self) -> Iterator[Metric]:
        """Yield them."""
        yield from self._families


def _delivery_families(known: dict[str, Figures]) -> Iterator[Metric]:
    """Yield what happened in the last 30 days; what cannot be told is left out."""
    lead = _gauge("lead_time_seconds", "Median, first environment to last.", _R)
    for name, found in known.items():
        if found.lead_s is not None:
            lead.add_metric([name], found.lead_s)
    yield lead
    told: tuple[tuple[str, str, _Figure], ...] = (
        ("deployments_per_day", "Revisions that came.", lambda e: e.per_day),
        ("failed_changes_ratio", "Share that failed.", lambda e: e.failed_share),
        ("restore_seconds", "Median, unhealthy to healthy.", lambda e: e.restore_s),
        ("targets_unhealthy", "Targets that are unhealthy now.", lambda e: e.down),
    )
    for metric, words, figure in told:
        family = _gauge(metric, words, _R, "environment")
        for name, found in known.items():
            for environment in found.environments:
                value = figure(environment)
                if value is not None:
                    family.add_metric([name, environment.environment], value)
        yield family


def _gauge(name: str, told: str, *labels: str) -> GaugeMetricFamily:
    return GaugeMetricFamily(f"{PREFIX}_{name}", told, labels=labels)
