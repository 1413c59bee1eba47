"""When a pass runs: every so often, and at once when somebody asks.

APScheduler is only an alarm clock (R14): it keeps no job anywhere, and knows nothing of
the schedules in gitops.yaml, whose runs the pass itself counts. One pass at a time over
a repository; repositories run side by side, so a sick one holds up no other. Of several
replicas one makes the pass of an interval, and the others see that it has been made;
when that one dies, the next alarm of another finds it missing.
"""

from __future__ import annotations

import logging
import threading
from datetime import UTC, datetime, timedelta
from typing import Final

from apscheduler.executors.pool import ThreadPoolExecutor
from apscheduler.schedulers.background import BackgroundScheduler

from service.clock import utc_now
from service.reconcile import PassReport, Reconciler

logger = logging.getLogger(__name__)

_SIDE_BY_SIDE: Final = 8
_PATIENT_PASSES: Final = 5  # equal failures, after which passes become rarer
_RAREST_S: Final = 1800
_FRESH: Final = 0.9  # of an interval: our own alarm may ring a little early
_DISCOVER: Final = "-discover"  # no name of a repository begins so


class Clockwork:
    """The alarm clock over a Reconciler.

    Args:
        reconciler: makes the passes.
        interval_s: seconds from the end of a pass to the next one.
    """

    def __init__(self, reconciler: Reconciler, *, interval_s: float) -> None:
        self._reconciler = reconciler
        self._interval_s = interval_s
        self._alarm = BackgroundScheduler(
            timezone=UTC,
            executors={"default": ThreadPoolExecutor(_SIDE_BY_SIDE)},
            # A late alarm rings all the same. More than one instance only because
            # APScheduler counts a pass as running until after its end.
            job_defaults={
                "misfire_grace_time": None,
                "coalesce": True,
                "max_instances": 3,
            },
        )
        self._state = threading.Condition()
        self._running: set[str] = set()
        self._asked: set[str] = set()
        self._known: set[str] = set()
        self._is_stopping = False
        logging.getLogger("apscheduler").setLevel(logging.WARNING)

    def start(self) -> None:
        """Begin: a first pass over every repository at once."""
        self._alarm.start()
        self._discover()

    def wake(self, name: str) -> None:
        """Ask for a pass over a repository soon; many wishes at once are one."""
        with self._state:
            if self._is_stopping:
                return
            self._asked.add(name)
            self._known.add(name)
            if name not in self._running:
                self._ring(name, after_s=0)

    def stop(self, timeout_s: float) -> bool:
        """Begin no more passes, and wait for those that run.

        What is not finished by then is left as it is: the next start goes on with it.

        Returns:
            Whether every pass has ended.
        """
        with self._state:
            self._is_stopping = True
        if not self._alarm.running:
            return True
        self._alarm.pause()
        with self._state:
            has_ended = self._state.wait_for(lambda: not self._running, timeout_s)
        if has_ended:
            # Only now: its executor would refuse a job that is on its way.
            self._alarm.shutdown(wait=True)
        return has_ended

    def wait_idle(self, timeout_s: float) -> bool:
        """Wait until no pass runs or is asked for; False when that took longer."""
        with self._state:
            return self._state.wait_for(
                lambda: not self._running and not self._asked, timeout_s
            )

    def _discover(self) -> None:
        """Take up the repositories that are new."""
        try:
            names = self._reconciler.repositories()
        except OSError as error:
            logger.warning("no list of repositories", extra={"error": error.strerror})
            names = ()
        with self._state:
            if self._is_stopping:
                return
            for name in names:
                if name not in self._known:
                    self._known.add(name)
                    self._ring(name, after_s=0)
            self._ring(_DISCOVER, after_s=self._interval_s)

    def _ring(self, name: str, *, after_s: float) -> None:
        at: datetime = utc_now() + timedelta(seconds=after_s)
        call = self._discover if name == _DISCOVER else self._pass_over
        arguments = () if name == _DISCOVER else (name,)
        self._alarm.add_job(
            call, "date", run_date=at, args=arguments, id=name, replace_existing=True
        )

    def _pass_over(self, name: str) -> None:
        with self._state:
            if self._is_stopping or name in self._running:
                return
            self._running.add(name)
            is_asked = name in self._asked
            self._asked.discard(name)
        report, fresh_s = None, 0.0
        try:
            if not is_asked:
                fresh_s = self._freshness_s(name)
            if not fresh_s and name in self._reconciler.repositories():
                report = self._reconciler.pass_over(name)
        except Exception:
            # The store itself has failed; nothing is lost, and later it may be back.
            logger.exception("a pass could not be recorded", extra={"repository": name})
        finally:
            self._ended(name, report, fresh_s)

    def _freshness_s(self, name: str) -> float:
        """Return for how long what another replica has just done is enough; else 0."""
        age_s = self._reconciler.age_s(name)
        if age_s is None or not 0 <= age_s < _FRESH * self._interval_s:
            return 0.0
        return self._interval_s - age_s

    def _ended(self, name: str, report: PassReport | None, fresh_s: float) -> None:
        with self._state:
            self._running.discard(name)
            if not self._is_stopping:
                if report is not None and report.again:
                    self._asked.add(name)  # else its own pass would be fresh enough
                pause_s = fresh_s or self._pause_s(report)
                self._ring(name, after_s=0 if name in self._asked else pause_s)
            self._state.notify_all()

    def _pause_s(self, report: PassReport | None) -> float:
        """Return the seconds to the next pass: more where it fails again and again."""
        extra = (report.failures if report is not None else 0) - _PATIENT_PASSES
        if extra < 0:
            return self._interval_s
        longer: float = self._interval_s * 2 ** min(extra + 1, 16)
        return max(self._interval_s, min(longer, _RAREST_S))
