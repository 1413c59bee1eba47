"""Ask the outside how targets are: four kinds of sources, one form of answer.

It observes and decides nothing. A source that does not answer, or says what makes no
sense, gives UNKNOWN with the reason, never an exception: a sick source stops nobody.
"""

from __future__ import annotations

import logging
import secrets
from collections import Counter
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from threading import Lock
from typing import Final, assert_never

from gitops.errors import GitopsError, WebUnavailableError
from gitops.model import CommitId, Health, Overlay, Sighting, Target
from gitops.web import Web
from service.clock import monotonic_s
from service.configuration import HealthSource, SourceKind
from service.observe import argocd, directus, kubernetes
from service.observe.asking import Ask
from service.observe.words import sighting

_log = logging.getLogger(__name__)

_AT_ONCE: Final = 8
_ENOUGH: Final = 3
_UNKNOWN_COMMIT: Final = CommitId("")


def observe(
    sources: Sequence[HealthSource],
    overlays: Sequence[Overlay],
    *,
    web: Web,
    commit: CommitId,
    deadline_s: float = 60,
    probe_s: float = 10,
) -> Iterator[tuple[Target, str, Sighting]]:
    """Ask every source about every target, a few at a time.

    Where there is no time for all, another part is left out each time.

    Args:
        sources: of the repository.
        overlays: of the targets, as read at `commit`.
        web: the client.
        commit: the tip of the base branch.
        deadline_s: for all of it.
        probe_s: for one pair.

    Yields:
        Target, the source's name, and what it said; one for each pair.
    """
    pairs = [(source, overlay) for overlay in overlays for source in sources]
    if not pairs:
        return
    start = secrets.randbelow(len(pairs))
    round_ = _Round(
        web=web, commit=commit, ends_at=monotonic_s() + deadline_s, probe_s=probe_s
    )
    with ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="observe") as pool:
        asked: list[tuple[HealthSource, Overlay, Future[Sighting]]] = [
            (source, overlay, pool.submit(round_.ask, source, overlay))
            for source, overlay in pairs[start:] + pairs[:start]
        ]
        try:
            for source, overlay, answer in asked:
                yield overlay.target, source.name, answer.result()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


def probe(
    source: HealthSource,
    overlay: Overlay,
    web: Web,
    *,
    commit: CommitId = _UNKNOWN_COMMIT,
    deadline_s: float = 10,
) -> Sighting:
    """Ask one source about one target.

    Args:
        source: whom.
        overlay: about what.
        web: the client.
        commit: the tip of the base branch; without it, Flux's commit is not compared.
        deadline_s: for all that is asked.
    """
    try:
        return _look(
            Ask(
                source=source,
                overlay=overlay,
                commit=commit,
                web=web,
                ends_at=monotonic_s() + deadline_s,
            )
        )
    except GitopsError as error:
        return sighting(Health.UNKNOWN, error.message)


def _look(ask: Ask) -> Sighting:
    match ask.source.kind:
        case SourceKind.DIRECTUS:
            return directus.look(ask)
        case SourceKind.ARGOCD:
            return argocd.look(ask)
        case SourceKind.FLUX:
            return kubernetes.look_at_flux(ask)
        case SourceKind.DEPLOYMENT:
            return kubernetes.look_at_deployment(ask)
        case _:  # pragma: no cover
            assert_never(ask.source.kind)


@dataclass(slots=True, kw_only=True)
class _Round:
    """One time of asking everyone.

    A server that did not answer three times is not asked again in this round, so that
    it does not take the time of the others.
    """

    web: Web
    commit: CommitId
    ends_at: float
    probe_s: float
    _silent: Counter[tuple[str, str, int]] = field(default_factory=Counter)
    _lock: Lock = field(default_factory=Lock)

    def ask(self, source: HealthSource, overlay: Overlay) -> Sighting:
        """Ask, within what is left of the time; never raises."""
        now = monotonic_s()
        if now >= self.ends_at:
            return sighting(Health.UNKNOWN, "there was no time to ask")
        ask = Ask(
            source=source,
            overlay=overlay,
            commit=self.commit,
            web=self.web,
            ends_at=min(self.ends_at, now + self.probe_s),
        )
        try:
            return self._asked(ask)
        except GitopsError as error:
            return sighting(Health.UNKNOWN, error.message)
        except Exception:  # noqa: BLE001  a bug in one answer stops no other
            _log.exception("a bug in asking %s", source.name)
            return sighting(Health.UNKNOWN, "a bug; the log tells more")

    def _asked(self, ask: Ask) -> Sighting:
        origin = ask.origin
        if self._silent[origin] >= _ENOUGH:
            return sighting(Health.UNKNOWN, f"{origin[1]}: did not answer before")
        try:
            return _look(ask)
        except WebUnavailableError:
            with self._lock:
                self._silent[origin] += 1
            raise
