"""What builds and policies say of a pull request.

Statuses are of a commit. Builds of a pull request are none: what they say, only the
policies that ask for them know. Policies about people are no checks; but one that
blocks is what keeps a pull request from being merged.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Final

from gitops.forges.azure import reading
from gitops.forges.azure.calls import PAGE, PREVIEW, by_plain_count, read
from gitops.forges.http import Call, Talk, collect
from gitops.model import Check, CheckState, Json, Mergeability, PullRequest
from gitops.web.fields import flag_at, mapping_at, text_at

_STATUSES: Final = {
    "succeeded": CheckState.PASSED,
    "notApplicable": CheckState.PASSED,
    "failed": CheckState.FAILED,
    "error": CheckState.FAILED,
}
_EVALUATIONS: Final = {
    "approved": CheckState.PASSED,
    "notApplicable": CheckState.PASSED,
    "rejected": CheckState.FAILED,
    "broken": CheckState.FAILED,
}
_MANY: Final = 1000  # policies; nobody has as many
_BUILD_POLICIES: Final = frozenset(
    {
        "0609b952-1397-4640-95ec-e00a01b2c241",  # a build
        "cbdc66da-9728-4af8-aada-9a5a32e4a226",  # a status of somebody else
    }
)


def checked(git: tuple[str, ...], shown: PullRequest, item: Json) -> Talk[PullRequest]:
    """Add checks to an open pull request, and what blocks it.

    Args:
        git: path of the repository.
        shown: without them.
        item: as answered.
    """
    path = (*git, "commits", shown.head, "statuses")
    call = read(*path, latestOnly="true", top=str(PAGE))
    statuses = yield from collect(call, reading.rows, by_plain_count)
    evaluations = yield from _evaluations(git[0], shown.number, item)
    judged = (_judged(one) for one in evaluations)
    found = [_said(one) for one in statuses]
    found += [one for one in judged if one is not None]
    newest = {one.name: one for one in found}
    mergeability = shown.mergeability
    if mergeability is Mergeability.READY and any(map(_is_blocking, evaluations)):
        mergeability = Mergeability.BLOCKED
    return replace(
        shown,
        checks=tuple(newest[name] for name in sorted(newest)),
        mergeability=mergeability,
    )


def _evaluations(project: str, number: int, item: Json) -> Talk[tuple[Json, ...]]:
    of = text_at(item, "repository", "project", "id")
    artifact = f"vstfs:///CodeReview/CodeReviewId/{of}/{number}"
    reply = yield Call(
        method="GET",
        path=(project, "_apis", "policy", "evaluations"),
        query=(
            ("artifactId", artifact),
            ("$top", str(_MANY)),
            ("api-version", PREVIEW),
        ),
    )
    return reading.rows(reply)


def _said(status: Json) -> Check:
    """Read a status of a commit or a pull request."""
    genre, name = (
        text_at(status, "context", "genre"),
        text_at(status, "context", "name"),
    )
    return Check(
        name=f"{genre}/{name}" if genre else name,
        state=_STATUSES.get(text_at(status, "state"), CheckState.PENDING),
        url=text_at(status, "targetUrl"),
    )


def _judged(evaluation: Json) -> Check | None:
    """Read what a policy says, where it is about a build or somebody's status."""
    policy = mapping_at(evaluation, "configuration")
    if text_at(policy, "type", "id") not in _BUILD_POLICIES:
        return None
    name = text_at(policy, "settings", "displayName")
    name = name or text_at(policy, "settings", "statusName")
    said = text_at(evaluation, "status")
    return Check(
        name=name or text_at(policy, "type", "displayName"),
        state=_EVALUATIONS.get(said, CheckState.PENDING),
    )


def _is_blocking(evaluation: Json) -> bool:
    """Whether a policy keeps a pull request from being completed now."""
    policy = mapping_at(evaluation, "configuration")
    is_on = flag_at(policy, "isBlocking") and flag_at(policy, "isEnabled")
    return is_on and text_at(evaluation, "status") not in ("approved", "notApplicable")
