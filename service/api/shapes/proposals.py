"""Pull requests as documents."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from pydantic import Field

from gitops import model
from service.api.shapes.changes import Finding
from service.api.shapes.common import Listed, Shape


class Approval(Shape):
    """One person's yes to one head commit."""

    by: str
    head: str
    at: datetime


class PullRequest(Shape):
    """A proposal on the forge."""

    number: int = Field(examples=[7])
    url: str | None
    title: str
    body: str
    branch: str
    base: str
    head: str
    state: model.PullRequestState
    author: str
    created_at: datetime
    approvals: list[Approval]

    @classmethod
    def of(cls, shown: model.PullRequest) -> PullRequest:
        """Shape a pull request."""
        return cls(**pull_request_fields(shown))


def pull_request_fields(shown: model.PullRequest) -> dict[str, Any]:
    """Return the fields of a pull request, for a shape."""
    return {
        "number": shown.number,
        "url": shown.url,
        "title": shown.title,
        "body": shown.body,
        "branch": shown.branch,
        "base": shown.base,
        "head": shown.head,
        "state": shown.state,
        "author": shown.author,
        "created_at": shown.created_at,
        "approvals": [Approval(by=a.by, head=a.head, at=a.at) for a in shown.approvals],
    }


class Inspected(PullRequest):
    """A pull request with what it changes in the end."""

    files: list[str]
    rendered_diff: str = Field(description="Of the manifests; secrets are masked.")
    findings: list[Finding]


class PullRequests(Listed):
    """Pull requests, newest first."""

    pull_requests: list[PullRequest]


class Decided(Shape):
    """What became of a pull request."""

    outcome: str = Field(
        examples=["merged"], description="approved, go, merged or closed"
    )
    pull_request: PullRequest
