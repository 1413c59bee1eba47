"""Decide about a delivery: whose it is, whether it is new. It wakes nobody itself.

What it promises: of repositories nothing is told to who has no secret of theirs; every
secret of the forge's kind is tried, in the same way, whether one has fitted or not; and
what is new has been stored when it says so.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final, TypeAlias

from gitops.errors import InputError
from service.clock import Clock
from service.configuration import (
    Credential,
    ForgeKind,
    RepositorySettings,
    plain_key,
    signing_key,
)
from service.limits import Limit
from service.meter import Delivered
from service.settings import Settings
from service.store import Store
from service.webhooks.identity import keys_of
from service.webhooks.payload import is_of, repository_name
from service.webhooks.reading import Reader
from service.webhooks.signatures import Claim, Headers, Keys, is_proved

logger = logging.getLogger(__name__)

_CHECKED_AT_ONCE: Final = 4  # of the threads that answer everybody
_Proved: TypeAlias = tuple[RepositorySettings, tuple[str, ...]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Delivery:
    """One delivery whose body has been read.

    Attributes:
        forge: that the path names.
        headers: as they came.
        claim: what they say to prove it.
        body: its bytes.
    """

    forge: ForgeKind
    headers: Headers
    claim: Claim
    body: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Taken:
    """What became of a delivery.

    Attributes:
        outcome: see Delivered.
        repositories: those to look at now.
    """

    outcome: Delivered
    repositories: tuple[str, ...] = ()


class Receiver:
    """Takes the deliveries of all forges.

    Args:
        settings: for the repositories and their secrets.
        store: knows what came before.
        clock: the source of `now`.
        reader: reads bodies; None for one of its own.

    Attributes:
        reader: see Reader.
        turns: bounds how many deliveries are checked at one time.
        wrong: how often an address may show what proves nothing.
    """

    def __init__(
        self,
        settings: Settings,
        store: Store,
        clock: Clock,
        *,
        reader: Reader | None = None,
    ) -> None:
        self._settings = settings
        self._store = store
        self._clock = clock
        self._complaints = Limit(1)
        self.reader = reader or Reader()
        self.turns = asyncio.Semaphore(_CHECKED_AT_ONCE)
        self.wrong = Limit(settings.wrong_tokens_per_min)

    def take(self, delivery: Delivery) -> Taken:
        """Prove a delivery, and note it where it is new.

        Raises:
            StoreError: it could not be noted; nobody is to be woken.
        """
        proved = self._proved(delivery)
        if not proved:
            return Taken(outcome=Delivered.REFUSED)
        meant = _narrowed(delivery, [repository for repository, _ in proved])
        if not meant:
            return Taken(outcome=Delivered.IGNORED)
        new = self._store.deliveries.take(
            {one.name: keys for one, keys in proved if one in meant}
        )
        if not new:
            return Taken(outcome=Delivered.REPEATED)
        return Taken(outcome=Delivered.ACCEPTED, repositories=new)

    def _proved(self, delivery: Delivery) -> list[_Proved]:
        """Return the repositories whose secret fits, and what it is known by there."""
        now = self._clock()
        found: list[_Proved] = []
        for repository in self._settings.repositories:
            if repository.forge is not delivery.forge:
                continue
            keys = self._keys(repository)
            if is_proved(delivery.claim, delivery.body, keys, now=now):
                known_by = keys_of(
                    delivery.forge,
                    delivery.headers,
                    delivery.body,
                    signed=delivery.claim.standard if keys.signing else None,
                )
                found.append((repository, known_by))
        return found

    def _keys(self, repository: RepositorySettings) -> Keys:
        secrets = repository.webhooks
        return Keys(
            plain=tuple(self._read(secrets.plain, plain_key)),
            signing=tuple(self._read(secrets.signing, signing_key)),
        )

    def _read(
        self, credentials: tuple[Credential, ...], read: Callable[[Credential], bytes]
    ) -> Iterator[bytes]:
        """Yield the keys that can be read; one that cannot takes no other with it."""
        for credential in credentials:
            try:
                yield read(credential)
            except InputError as error:
                if self._complaints.take(credential.source.place) == 0:
                    logger.warning(
                        "a webhook secret cannot be used",
                        extra={"error": error.message},
                    )


def _narrowed(
    delivery: Delivery, proved: list[RepositorySettings]
) -> list[RepositorySettings]:
    """Choose by the payload among repositories that share a secret."""
    if len(proved) == 1:
        return proved
    name = repository_name(delivery.forge, delivery.body)
    if not name:
        return proved
    return [one for one in proved if is_of(one.url, name)]
