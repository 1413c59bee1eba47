"""What runs where since when: what the base branch says, and what the outside says."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from gitops.model.names import CommitId
from gitops.model.targets import Revision, Target


class Health(StrEnum):
    """How a target is, in the words that all sources share."""

    HEALTHY = "healthy"
    PROGRESSING = "progressing"
    UNHEALTHY = "unhealthy"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sighting:
    """What one source said of one target when it was asked.

    Attributes:
        health: in the shared words.
        version: the tag or version that it says runs; empty when it does not tell.
        detail: why, in its own words or ours; one line, no secrets.
    """

    health: Health
    version: str = ""
    detail: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Observation:
    """A sighting that has lasted.

    Attributes:
        target: of what.
        source: the health source's name, as in a promotion rule.
        health: see Health.
        version: see Sighting.
        detail: of the last sighting.
        since: aware UTC; health and version have been so since then.
        at: aware UTC; the last time that they were seen so.
    """

    target: Target
    source: str
    health: Health
    version: str
    detail: str
    since: datetime
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """A revision that came to a target on the base branch, and how it fared there.

    Attributes:
        target: where.
        revision: what.
        commit: the base branch commit that brought it.
        at: aware UTC; when that commit was made.
        left_at: aware UTC; when another revision came; None while it is the present.
        healthy_since: aware UTC; since when it has been healthy without a break. What
            was healthy when it left keeps it; None when it is not, or not yet.
        first_healthy_at: aware UTC; the first time it was seen healthy; None for never.
        unhealthy_at: aware UTC; the last time it was seen unhealthy; None for never.
        unhealthy_since: aware UTC; when it last turned unhealthy: kept when it is
            healthy again; None for never.
    """

    target: Target
    revision: Revision
    commit: CommitId
    at: datetime
    left_at: datetime | None = None
    healthy_since: datetime | None = None
    first_healthy_at: datetime | None = None
    unhealthy_at: datetime | None = None
    unhealthy_since: datetime | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Pin:
    """A target that stays at a revision, whatever a schedule says.

    Attributes:
        target: what stays.
        revision: the one that stays.
        reason: why: a rollback, a revert on the base branch, a person's words.
        by: who, or what.
        at: aware UTC.
    """

    target: Target
    revision: Revision
    reason: str
    by: str
    at: datetime
