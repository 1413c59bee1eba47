"""Slices of forges' own descriptions: kept as files, and compared with the whole.

A slice is what `sliced` cuts of a whole description, byte for byte; a whole one is no
part of this repository, so the comparison is only where it lies beside the checkout.

    python -m tests.contract.slices     writes them anew
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from tests.conftest import SHARED
from tests.contract.openapi import sliced

_SLICES: Final = Path(__file__).with_name("specs")
_AZURE: Final = "/{organization}/{project}/_apis/git/repositories/{repositoryId}"
_AZURE_PULL: Final = f"{_AZURE}/pullRequests/{{pullRequestId}}"
_FORGEJO: Final = "/repos/{owner}/{repo}"


@dataclass(frozen=True, kw_only=True)
class Slice:
    """Some operations of a description.

    Attributes:
        name: of the file that is kept.
        whole: file of the whole description.
        operations: methods by path.
    """

    name: str
    whole: str
    operations: Mapping[str, Collection[str]]

    @property
    def path(self) -> Path:
        """Where it is kept."""
        return _SLICES / f"{self.name}.json"

    @property
    def whole_path(self) -> Path:
        """Where the whole one is, if it is."""
        return SHARED / "specs" / self.whole

    def read(self) -> dict[str, Any]:
        """Return what is kept."""
        found: dict[str, Any] = json.loads(self.path.read_text("utf-8"))
        return found

    def cut(self) -> dict[str, Any]:
        """Cut it anew.

        Raises:
            OSError: the whole description is not there.
        """
        return sliced(json.loads(self.whole_path.read_text("utf-8")), self.operations)


FORGEJO: Final = Slice(
    name="forgejo",
    whole="forgejo.swagger.oas3.json",
    operations={
        "/user": ["get"],
        _FORGEJO: ["get"],
        f"{_FORGEJO}/branches/{{branch}}": ["get", "delete"],
        f"{_FORGEJO}/compare/{{basehead}}": ["get"],
        f"{_FORGEJO}/commits/{{ref}}/status": ["get"],
        f"{_FORGEJO}/statuses/{{sha}}": ["post"],
        f"{_FORGEJO}/labels": ["get", "post"],
        f"{_FORGEJO}/pulls": ["get", "post"],
        f"{_FORGEJO}/pulls/{{index}}": ["get", "patch"],
        f"{_FORGEJO}/pulls/{{index}}/reviews": ["get"],
        f"{_FORGEJO}/pulls/{{index}}/requested_reviewers": ["post"],
        f"{_FORGEJO}/pulls/{{index}}/merge": ["post"],
        f"{_FORGEJO}/issues/{{index}}/comments": ["get", "post"],
        f"{_FORGEJO}/issues/comments/{{id}}": ["patch"],
        f"{_FORGEJO}/issues/{{index}}/labels": ["post"],
        f"{_FORGEJO}/issues/{{index}}/timeline": ["get"],
    },
)
_CLOUD: Final = "/repositories/{workspace}/{repo_slug}"
_CLOUD_PULL: Final = f"{_CLOUD}/pullrequests/{{pull_request_id}}"
BITBUCKET_CLOUD: Final = Slice(
    name="bitbucket-cloud",
    whole="bb-cloud.json",
    operations={
        "/user": ["get"],
        _CLOUD: ["get"],
        f"{_CLOUD}/refs/branches": ["get"],
        f"{_CLOUD}/refs/branches/{{name}}": ["get", "delete"],
        f"{_CLOUD}/commit/{{commit}}": ["get"],
        f"{_CLOUD}/commit/{{commit}}/statuses": ["get"],
        f"{_CLOUD}/commit/{{commit}}/statuses/build": ["post"],
        f"{_CLOUD}/pullrequests": ["get", "post"],
        _CLOUD_PULL: ["get", "put"],
        f"{_CLOUD_PULL}/activity": ["get"],
        f"{_CLOUD_PULL}/comments": ["get", "post"],
        f"{_CLOUD_PULL}/comments/{{comment_id}}": ["put"],
        f"{_CLOUD_PULL}/decline": ["post"],
        f"{_CLOUD_PULL}/merge": ["post"],
        f"{_CLOUD_PULL}/merge/task-status/{{task_id}}": ["get"],
    },
)
AZURE: Final = Slice(
    name="azure",
    whole="ado-git-basic.oas3.json",
    operations={
        f"{_AZURE}/refs": ["get", "post"],
        f"{_AZURE}/commits/{{commitId}}/statuses": ["get", "post"],
        _AZURE.replace("repositoryId", "repositoryNameOrId")
        + "/commits/{commitId}/mergebases": ["get"],
        f"{_AZURE}/pullrequests": ["get", "post"],
        f"{_AZURE}/pullrequests/{{pullRequestId}}": ["get", "patch"],
        f"{_AZURE_PULL}/iterations": ["get"],
        f"{_AZURE_PULL}/labels": ["get", "post"],
        f"{_AZURE_PULL}/reviewers/{{reviewerId}}": ["put"],
        f"{_AZURE_PULL}/threads": ["get", "post"],
        f"{_AZURE_PULL}/threads/{{threadId}}/comments/{{commentId}}": ["patch"],
    },
)
_INSIDE: Final = "projects/{projectKey}/repos/{repositorySlug}"
_CENTER: Final = f"/api/latest/{_INSIDE}"
_CENTER_PULL: Final = f"{_CENTER}/pull-requests/{{pullRequestId}}"
BITBUCKET_DATACENTER: Final = Slice(
    name="bitbucket-datacenter",
    whole="bb-dc.json",
    operations={
        _CENTER: ["get"],
        f"{_CENTER}/branches": ["get"],
        f"/branch-utils/latest/{_INSIDE}/branches": ["delete"],
        "/build-status/latest/commits/{commitId}": ["get"],
        f"{_CENTER}/commits/{{commitId}}/builds": ["post"],
        f"{_CENTER}/pull-requests": ["get", "post"],
        _CENTER_PULL: ["get", "put"],
        f"{_CENTER_PULL}/activities": ["get"],
        f"{_CENTER_PULL}/participants": ["post"],
        f"{_CENTER_PULL}/comments": ["post"],
        f"{_CENTER_PULL}/comments/{{commentId}}": ["get", "put"],
        f"{_CENTER_PULL}/decline": ["post"],
        f"{_CENTER_PULL}/merge": ["get", "post"],
        f"{_CENTER_PULL}/auto-merge": ["get"],
    },
)
SLICES: Final = (AZURE, FORGEJO, BITBUCKET_CLOUD, BITBUCKET_DATACENTER)


def main() -> None:
    """Write every slice whose whole description is there."""
    for one in SLICES:
        if one.whole_path.exists():
            text = json.dumps(one.cut(), indent=1, ensure_ascii=False)
            one.path.write_text(text + "\n", "utf-8")


if __name__ == "__main__":
    main()
