"""What a pass did: one entry in the audit trail and one line in the log an effect."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from datetime import timedelta
from typing import Final

from gitops.errors import GitopsError
from gitops.forges import Merged
from gitops.model import Json, Pin, Proposed, PullRequest, PullRequestState, Unchanged
from gitops.promotion.updates import provenance_name
from gitops.workflow import Attempt, Tended
from service.reconcile.ground import Ground
from service.reconcile.releases import Found
from service.reconcile.restoring import Restored
from service.reconcile.scheduling import Scheduled
from service.reconcile.updating import Updated
from service.store import LastPass, PassState, Store

logger = logging.getLogger(__name__)

_TOLD_AGAIN: Final = timedelta(days=1)


def _tell(ground: Ground, by: str, action: str, **details: Json) -> str:
    ground.store.audit.append(
        by=by, action=action, repository=ground.name, details=details
    )
    logger.info(action, extra={"repository": ground.name, **details})
    return action


def turned(store: Store, last: LastPass) -> None:
    """Tell that a repository has become sick, or well again."""
    is_ok = last.state is PassState.OK
    store.audit.append(
        by="directus-gitops",
        action="repository recovered" if is_ok else "repository degraded",
        repository=last.repository,
        details={} if is_ok else {"problem": last.problem},
    )
    logger.log(
        logging.INFO if is_ok else logging.WARNING,
        "repository recovered" if is_ok else "repository degraded",
        extra={"repository": last.repository, "problem": last.problem},
    )


def ended(ground: Ground, shown: Iterable[PullRequest]) -> Iterator[str]:
    """Tell of pull requests that people merged or closed elsewhere."""
    for one in shown:
        is_merged = one.state is PullRequestState.MERGED
        yield _tell(
            ground,
            one.closed_by or "somebody",
            "pull request merged" if is_merged else "pull request closed",
            pull_request=one.number,
            title=one.title,
            commit=one.merge_commit if is_merged else one.head,
        )


def pinned(ground: Ground, pins: Iterable[Pin]) -> Iterator[str]:
    """Tell of targets that were pinned."""
    for pin in pins:
        yield _tell(
            ground,
            pin.by,
            "target pinned",
            stack=pin.target.stack,
            environment=pin.target.environment,
            version=pin.revision.tag,
            reason=pin.reason,
        )


def restored(ground: Ground, done: Iterable[Restored]) -> Iterator[str]:
    """Tell of rollbacks by failed health; one that is refused is told once."""
    for one in done:
        details: dict[str, Json] = {
            "stack": one.target.stack,
            "environment": one.target.environment,
            "version": one.failed,
        }
        by = ground.place.identity.name
        if one.back_to:
            yield _tell(
                ground, by, "rollback requested", **details, back_to=one.back_to
            )
            continue
        details["problem"] = one.problem
        if not _was_told(ground, "rollback needs a person", details):
            yield _tell(ground, by, "rollback needs a person", **details)


def scheduled(ground: Ground, done: Iterable[Scheduled]) -> Iterator[str]:
    """Tell of promotions that a schedule asked for."""
    for one in done:
        yield _tell(
            ground,
            f"schedule {one.schedule}",
            "promotion refused" if one.problem else "promotion requested",
            stack=one.target.stack,
            environment=one.target.environment,
            version=one.tag,
            scheduled_for=one.scheduled_for.isoformat(),
            **({"problem": one.problem} if one.problem else {}),
        )


def updated(
    ground: Ground, found: Iterable[Found], done: Iterable[Updated]
) -> Iterator[str]:
    """Tell of new releases that were asked for, and of registries that are down."""
    for problem in sorted({one.problem for one in found if one.problem}):
        details: dict[str, Json] = {"problem": problem}
        if not _was_told(ground, "registry not read", details):
            by = ground.place.identity.name
            yield _tell(ground, by, "registry not read", **details)
    for one in done:
        asked: dict[str, Json] = {
            "stack": one.target.stack,
            "environment": one.target.environment,
            "version": one.tag,
            **({"problem": one.problem} if one.problem else {}),
        }
        action = "update refused" if one.problem else "update requested"
        if not one.problem or not _was_told(ground, action, asked):
            yield _tell(ground, provenance_name(one.source), action, **asked)


def tended(ground: Ground, done: Iterable[Tended]) -> Iterator[str]:
    """Tell of pull requests that were opened, updated, or given up."""
    by = ground.place.identity.name
    for one in done:
        match one.result:
            case Proposed(pull_request=shown, commit=commit, is_new=is_new):
                yield _tell(
                    ground,
                    by,
                    "pull request opened" if is_new else "pull request updated",
                    pull_request=shown.number,
                    title=shown.title,
                    commit=commit,
                )
            case Unchanged(reason=reason, pull_request=PullRequest() as shown) if (
                shown.state is PullRequestState.CLOSED
            ):
                yield _tell(
                    ground,
                    by,
                    "pull request closed",
                    pull_request=shown.number,
                    title=shown.title,
                    reason=reason,
                )
            case Unchanged(reason=reason):
                logger.info(
                    "branch left", extra={"branch": one.branch, "reason": reason}
                )
            case GitopsError() as error:
                details: dict[str, Json] = {
                    "branch": one.branch,
                    "problem": error.message,
                }
                if not _was_told(ground, "change not published", details):
                    yield _tell(ground, by, "change not published", **details)


def merged(ground: Ground, attempts: Iterable[Attempt]) -> tuple[str, ...]:
    """Tell of pull requests that merged by themselves."""
    return tuple(
        _tell(
            ground,
            ground.place.identity.name,
            "pull request merged",
            pull_request=result.pull_request.number,
            title=result.pull_request.title,
            commit=result.pull_request.merge_commit,
        )
        for attempt in attempts
        if isinstance(result := attempt.result, Merged)
    )


def _was_told(ground: Ground, action: str, details: dict[str, Json]) -> bool:
    """Whether the trail holds it already: what lasts is told once a day."""
    return ground.store.audit.has(
        action=action,
        repository=ground.name,
        details=details,
        since=ground.now - _TOLD_AGAIN,
    )
