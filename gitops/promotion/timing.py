"""Which run of a schedule is due, and how many were missed. Pure (R14).

A schedule is followed: each occurrence is looked at once. What is seen soon after its
time is due; what is seen later was missed, unless the rule says `run once`. However
long nobody looked, at most one is due: a service that was down does not catch up with
a row of runs at once.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from gitops.cron import Cron, count_occurrences, last_occurrence
from gitops.model import Missed

GRACE_S: Final = 600
"""Seconds after its time in which an occurrence is still in time."""

CATCH_UP_S: Final = 86_400
"""Seconds after its time in which a missed occurrence may still be run once."""

_INSTANT: Final = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Due:
    """What became of the occurrences since a schedule was last looked at.

    Attributes:
        due: the one to be dealt with now; None for none.
        missed: how many passed without being dealt with.
        last_missed: the newest one of these; None for none.
        seen_until: all occurrences until then have been looked at; ask from there on.
    """

    due: datetime | None
    missed: int
    last_missed: datetime | None
    seen_until: datetime


def due(
    cron: Cron,
    *,
    seen_until: datetime,
    now: datetime,
    missed_policy: Missed,
    grace_s: int = GRACE_S,
    catch_up_s: int = CATCH_UP_S,
) -> Due:
    """Look at the occurrences after `seen_until` and not after `now`.

    The newest one is due if it is not older than the grace time, or, with `run once`,
    than the catch-up time. All others were missed. A clock that runs backwards brings
    nothing new. Its cost grows with the days looked at, not with the occurrences.

    Args:
        cron: a schedule that parse_cron accepted.
        seen_until: aware; as the last answer said.
        now: aware.
        missed_policy: of the rule.
        grace_s: seconds, 0 or more.
        catch_up_s: seconds, 0 or more.
    """
    newest = last_occurrence(cron, seen_until, now) if now > seen_until else None
    if newest is None:
        return Due(
            due=None, missed=0, last_missed=None, seen_until=max(seen_until, now)
        )
    patience_s = grace_s
    if missed_policy is Missed.RUN_ONCE:
        patience_s = max(grace_s, catch_up_s)
    total = count_occurrences(cron, seen_until, now)
    if now - newest > timedelta(seconds=patience_s):
        return Due(due=None, missed=total, last_missed=newest, seen_until=now)
    return Due(
        due=newest,
        missed=total - 1,
        last_missed=last_occurrence(cron, seen_until, newest - _INSTANT),
        seen_until=now,
    )
