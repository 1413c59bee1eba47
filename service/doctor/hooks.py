"""Webhooks: can the secrets be used, and do deliveries come (R12)."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from datetime import datetime, timedelta
from typing import Final

from gitops.errors import InputError
from service.clock import Clock
from service.configuration import RepositorySettings, plain_key, signing_key
from service.doctor.checks import Check
from service.settings import Settings
from service.store import Store
from service.store.look import look_at

_QUIET: Final = timedelta(hours=24)
_SHORT: Final = 16
_HINT: Final = (
    "passes look all the same, every interval; is the hook there, enabled, and does it "
    "reach us? see docs/webhooks.md"
)


def look(settings: Settings, clock: Clock) -> Iterator[Check]:
    """Look at each repository that has a secret for webhooks, and at no other."""
    try:
        expected = [one for one in settings.repositories if one.webhooks.are_given]
    except InputError:
        return  # told elsewhere
    for repository in expected:
        yield from _secrets(repository)
    yield from _deliveries(settings, clock, expected)


def _secrets(repository: RepositorySettings) -> Iterator[Check]:
    name = f"{repository.name}/webhook-secret"
    try:
        keys = [plain_key(one) for one in repository.webhooks.plain]
        for token in repository.webhooks.signing:
            signing_key(token)
    except InputError as error:
        yield Check.problem(name, error.message, error.hint)
        return
    if any(len(key) < _SHORT for key in keys):
        yield Check.warning(
            name,
            f"a secret has fewer than {_SHORT} characters, and can be guessed",
            "make one with `openssl rand -hex 32`, and tell it to the forge too",
        )
        return
    yield Check.ok(name, "it can be read")


def _deliveries(
    settings: Settings, clock: Clock, expected: list[RepositorySettings]
) -> Iterator[Check]:
    found = look_at(settings.database, settings.data, clock) if expected else None
    if found is None or found.schema != found.wanted or found.refusal:
        return
    with closing(Store(settings.database, settings.data, clock)) as store:
        for repository in expected:
            yield _last(
                f"{repository.name}/webhooks",
                store.deliveries.last(repository.name),
                clock(),
            )


def _last(name: str, last: datetime | None, now: datetime) -> Check:
    if last is None:
        return Check.warning(name, "no webhook has come in the last 30 days", _HINT)
    told = f"the last one came {last:%Y-%m-%d %H:%M} UTC"
    if now - last > _QUIET:
        return Check.warning(name, f"no webhook for 24 h: {told}", _HINT)
    return Check.ok(name, told)
