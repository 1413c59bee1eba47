"""How a revision fares where it came to: what one more observation makes of it. Pure.

The soak clock starts at the first healthy sighting of that very revision, goes on
while nobody sees it unhealthy, and starts anew after that. What is progressing, or not
known, neither starts nor stops it: a rollout of the same revision is no failure, and a
source that does not answer says nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from gitops.model import Arrival, Health, Observation, Revision
from gitops.versions import Version, version_of


def fared(arrival: Arrival, observation: Observation) -> Arrival:
    """Return the arrival as an observation of its target leaves it.

    Args:
        arrival: the present one of a target; one that has left stays as it was.
        observation: of the same target, not older than the arrival.
    """
    at = observation.at
    is_about_it = arrival.left_at is None and at >= arrival.at
    if not is_about_it or runs_another(observation.version, arrival.revision):
        return arrival
    match observation.health:
        case Health.HEALTHY:
            return replace(
                arrival,
                healthy_since=arrival.healthy_since or at,
                first_healthy_at=arrival.first_healthy_at or at,
            )
        case Health.UNHEALTHY:
            lasts = arrival.healthy_since is None and arrival.unhealthy_since
            return replace(
                arrival,
                healthy_since=None,
                unhealthy_at=at,
                unhealthy_since=lasts or at,
            )
        case Health.PROGRESSING | Health.UNKNOWN:
            return arrival


def is_way_back(arrivals: Sequence[Arrival]) -> bool:
    """Whether the newest arrival brought back what a target had before the last one.

    Args:
        arrivals: of one target, newest first.
    """
    if len(arrivals) < 3:
        return False
    return any(older.revision == arrivals[0].revision for older in arrivals[2:])


def last_healthy(arrivals: Sequence[Arrival]) -> tuple[Revision, ...]:
    """Return the revisions that were seen healthy in a target, newest first.

    Args:
        arrivals: of one target, newest first.
    """
    return tuple(
        dict.fromkeys(a.revision for a in arrivals if a.first_healthy_at is not None)
    )


def runs_another(version: str, revision: Revision) -> bool:
    """Whether what was seen to run is surely not the revision.

    A source may tell nothing, or only the release of Directus inside of an image that
    has a build or a variant of its own: neither contradicts. Another release does,
    and so does another build or variant where the source tells one.
    """
    if not version or version == revision.tag:
        return False
    seen, wanted = version_of(version), version_of(revision.tag)
    if seen is None or wanted is None:
        return False
    return (
        _release(seen) != _release(wanted)
        or seen.build not in ("", wanted.build)
        or seen.variant not in ("", wanted.variant)
    )


def _release(version: Version) -> str:
    """Return the release of Directus that a version is, or is built on."""
    return version.release + (f"-{version.suffix}" if version.is_prerelease else "")
