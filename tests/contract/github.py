"""GitHub's own descriptions: of its REST API by OpenAPI, of its GraphQL by a schema.

Both come from npm at a pinned hash. They are too large to keep; only what we use of the
first is cut out.
"""

from __future__ import annotations

import json
from functools import cache
from typing import Final

from tests.contract.openapi import Checked, Spec, sliced
from tests.support.packages import Package, UnavailableError, npm

OPENAPI: Final = Package(
    name="@octokit/openapi",
    version="23.0.2",
    sha=(
        "pV8M7L9GY23AybNvTmo2nyjmpmnt6+2sRE/tqr0ZLQcPS4lnw7u5eZGNmwRNkBC3"
        "D7gZXbFx5AHzLUVRBXGDhg=="
    ),
    only=("generated/api.github.com.json",),
)
GRAPHQL: Final = Package(
    name="@octokit/graphql-schema",
    version="15.26.1",
    sha=(
        "RFDC2MpRBd4AxSRvUeBIVeBU7ojN/SxDfALUd7iVYOSeEK3gZaqR2MGOysj4Zh2x"
        "j2RY5fQAUT+Oqq7hWTraMA=="
    ),
    only=("schema.graphql",),
)
_REPOSITORY: Final = "/repos/{owner}/{repo}"
_PULL: Final = f"{_REPOSITORY}/pulls/{{pull_number}}"
_ISSUE: Final = f"{_REPOSITORY}/issues/{{issue_number}}"
OPERATIONS: Final = {
    "/user": ["get"],
    "/app/installations/{installation_id}/access_tokens": ["post"],
    _REPOSITORY: ["get"],
    f"{_REPOSITORY}/installation": ["get"],
    f"{_REPOSITORY}/git/ref/{{ref}}": ["get"],
    f"{_REPOSITORY}/git/refs/{{ref}}": ["delete"],
    f"{_REPOSITORY}/commits/{{ref}}/status": ["get"],
    f"{_REPOSITORY}/commits/{{ref}}/check-runs": ["get"],
    f"{_REPOSITORY}/statuses/{{sha}}": ["post"],
    f"{_REPOSITORY}/pulls": ["get", "post"],
    _PULL: ["get", "patch"],
    f"{_PULL}/merge": ["put"],
    f"{_PULL}/reviews": ["get"],
    f"{_PULL}/requested_reviewers": ["post"],
    _ISSUE: ["get"],
    f"{_ISSUE}/comments": ["get", "post"],
    f"{_ISSUE}/labels": ["post"],
    f"{_REPOSITORY}/issues/comments/{{comment_id}}": ["patch"],
}


@cache
def description() -> Spec:
    """Return what we use of GitHub's description of its REST API.

    Raises:
        UnavailableError: npm cannot fetch it.
    """
    path = npm(OPENAPI) / "generated" / "api.github.com.json"
    return sliced(json.loads(path.read_text("utf-8")), OPERATIONS)


def judges() -> list[Checked]:
    """Return who judges a fake GitHub: nobody, where its description is out of reach.

    `test_github.py` says so then, loudly: it skips the test that needs it.
    """
    try:
        spec = description()
    except UnavailableError:
        return []
    # Any call may be refused so; the description says it of some only.
    return [Checked(spec, also={401, 403, 404}, ignored=("/graphql",))]
