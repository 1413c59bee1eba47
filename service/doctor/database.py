"""The store: does it answer, is its schema ours, may we write, is its clock right."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Final

from service.clock import Clock
from service.doctor.checks import Check
from service.origins import repository_names
from service.settings import Settings
from service.store.look import DatabaseFacts, look_at

_SKEW: Final = timedelta(seconds=5)
_LEASE: Final = timedelta(seconds=30)


def look(settings: Settings, clock: Clock) -> Iterator[Check]:
    """Look at the database without changing it."""
    found = look_at(settings.database, settings.data, clock)
    if found is None:
        yield Check.ok("database", "SQLite; it is made by the first command")
        return
    yield _schema(found)
    if found.refusal:
        yield Check.problem(
            "database-writes",
            f"it cannot be written: {found.refusal}",
            "is the disk full, another process in the way, or the user read-only?",
        )
    if found.kind == "postgresql":
        yield _clocks(found, clock)
        yield _replicas(settings)
    else:
        yield Check.ok("replicas", "one: SQLite is for one process on one machine")


def _schema(found: DatabaseFacts) -> Check:
    kind = {"sqlite": "SQLite", "postgresql": "PostgreSQL"}[found.kind]
    what = f"{kind} {found.version}"
    if found.schema is None:
        return Check.ok(
            "database", f"{what}, empty; the first command makes its tables"
        )
    if found.schema == found.wanted:
        return Check.ok("database", f"{what}, schema {found.schema}")
    if found.schema < found.wanted:
        return Check.warning(
            "database",
            f"{what}, schema {found.schema}; this release writes {found.wanted}",
            "back it up: the next command of this release upgrades it, and there is "
            "no way back",
        )
    return Check.problem(
        "database",
        f"{what}, schema {found.schema}, which this release does not know",
        "use the newer release that wrote it",
    )


def _clocks(found: DatabaseFacts, clock: Clock) -> Check:
    """Compare the clocks; leases go by the database's, schedules by ours (R13)."""
    apart = abs(clock() - found.now)
    words = f"this machine and the database are {apart.total_seconds():.0f} s apart"
    hint = "let both follow a time server"
    if apart >= _LEASE:
        return Check.problem("database-clock", words, hint)
    if apart >= _SKEW:
        return Check.warning("database-clock", words, hint)
    return Check.ok("database-clock", words)


def _replicas(settings: Settings) -> Check:
    """The embedded forge's repositories are files of one machine."""
    names = repository_names(settings)
    if not names:
        return Check.ok("replicas", "several may share this database")
    return Check.warning(
        "replicas",
        f"the embedded forge keeps {', '.join(names)} on this machine alone",
        "run one replica only, or move these repositories to a forge of their own",
    )
