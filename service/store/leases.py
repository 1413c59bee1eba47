"""Leases: one writer a repository among several machines (R13).

A row says who holds a lease, in which epoch, and until when on the database's clock.
A thread renews it while it is held; a process that dies or stops loses it when its
time is over, and the fence keeps out whatever it still wants to write.
"""

from __future__ import annotations

import logging
import random
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event, Thread
from typing import Final

from sqlalchemy import Engine, text

from gitops.errors import BusyError, StoreError
from service.clock import monotonic_s, wait_s
from service.store.fence import HELD, NOW, Lease
from service.store.transactions import UNLOCKED, changing, retried

TTL_S: Final = 30.0
_RENEWALS: Final = 3
_POLL_S: Final = 0.1
_LOG: Final = logging.getLogger(__name__)

_TAKE: Final = text(
    "INSERT INTO leases (name, holder, epoch, expires_at)"  # noqa: S608
    f" VALUES (:name, :holder, 1, {NOW} + :ttl_s)"
    " ON CONFLICT (name) DO UPDATE SET holder = excluded.holder,"
    " epoch = leases.epoch + 1, expires_at = excluded.expires_at"
    f" WHERE leases.expires_at <= {NOW} RETURNING epoch"
)
_MINE: Final = " WHERE name = :name AND holder = :holder AND epoch = :epoch"
_RENEW: Final = text(
    f"UPDATE leases SET expires_at = {NOW} + :ttl_s{_MINE}"  # noqa: S608
    f" AND expires_at > {NOW}"
)
_RELEASE: Final = text(f"UPDATE leases SET expires_at = 0{_MINE}")  # noqa: S608


class Leases:
    """Leases by name.

    Args:
        engine: of the database that all writers share.
        ttl_s: seconds until a lease ends that nobody renews.
        renew_s: seconds between renewals; a third of that time when None.
    """

    def __init__(
        self, engine: Engine, *, ttl_s: float = TTL_S, renew_s: float | None = None
    ) -> None:
        self._engine = engine
        self._ttl_s = ttl_s
        self._renew_s = ttl_s / _RENEWALS if renew_s is None else renew_s

    @contextmanager
    def held(self, name: str, *, wait: float) -> Iterator[Lease]:
        """Hold a lease while the body runs; the body's writes are fenced.

        Args:
            name: what is leased, named in the error.
            wait: seconds to wait for another holder.

        Raises:
            BusyError: somebody else held it for the whole time.
            LeaseLostError: in the body, by whatever wants to write too late.
        """
        lease = self._wait_for(name, wait)
        ended = Event()
        renewal = Thread(
            target=self._keep, args=(lease, ended), name=f"lease {name}", daemon=True
        )
        before = HELD.set((*HELD.get(), lease))
        try:
            renewal.start()
            yield lease
        finally:
            HELD.reset(before)
            ended.set()
            renewal.join()
            self._release(lease)

    def _wait_for(self, name: str, wait: float) -> Lease:
        deadline = monotonic_s() + wait
        while (lease := self._take(name)) is None:
            left = deadline - monotonic_s()
            if left <= 0:
                raise BusyError(
                    f"{name} is being written by another process",
                    hint=f"it was still so after {wait:g} s; try again",
                )
            # Those who wait for the same one must not all ask at once.
            wait_s(min(left, _POLL_S * random.uniform(0.5, 1.5)))  # noqa: S311
        return lease

    @retried
    def _take(self, name: str) -> Lease | None:
        holder = secrets.token_hex(16)
        wanted = {"name": name, "holder": holder, "ttl_s": self._ttl_s}
        with changing(self._engine) as connection:
            epoch = connection.execute(_TAKE, wanted).scalar_one_or_none()
        if epoch is None:
            return None
        return Lease(engine=self._engine, name=name, holder=holder, epoch=epoch)

    def _keep(self, lease: Lease, ended: Event) -> None:
        """Renew a lease until it ends, or is lost; a failure is tried again."""
        while not ended.wait(self._renew_s):
            try:
                if not self._renew(lease):
                    _LOG.warning("lease lost: %s, epoch %d", lease.name, lease.epoch)
                    return
            except StoreError as error:
                _LOG.warning("lease not renewed: %s: %s", lease.name, error.message)

    def _renew(self, lease: Lease) -> bool:
        # Without the write lock: a renewal must not wait for anybody's work.
        with changing(self._engine, UNLOCKED) as connection:
            wanted = {**lease.key(), "ttl_s": self._ttl_s}
            return connection.execute(_RENEW, wanted).rowcount == 1

    def _release(self, lease: Lease) -> None:
        try:
            with changing(self._engine, UNLOCKED) as connection:
                connection.execute(_RELEASE, lease.key())
        except StoreError as error:
            # It ends by itself, and what the body did is done.
            _LOG.warning("lease not released: %s: %s", lease.name, error.message)
