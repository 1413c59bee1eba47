"""The HTTP API: what programs ask for, and get as JSON.

    guard       who may call a route, how often, once only        (before everything)
    body once   what a request's body may be; one answer a key
    words asks  the parts of requests                shapes   the answers
    stacks proposals stops watching keys health      the routes
    document    the OpenAPI document

Every route is under /api/v1, and all that is about one repository once more under
/api/v1/repositories/{repository}. Routes know HTTP; what they ask for, the desk knows.
"""

from __future__ import annotations

from typing import Final, Protocol

from fastapi import Depends, FastAPI

from service.api import health, keys, proposals, stacks, stops, watching
from service.api.document import describe, name_operation
from service.api.words import RepositoryPath

__all__ = ["PREFIX", "Alarm", "include"]

PREFIX: Final = "/api/v1"
_OF_A_REPOSITORY: Final = (
    stacks.router,
    proposals.router,
    stops.router,
    watching.router,
)


class Alarm(Protocol):
    """Somebody who makes passes, and can be told that there is something to do."""

    def wake(self, name: str) -> None:
        """Look at a repository soon."""
        ...


def include(app: FastAPI) -> None:
    """Give an application the routes of the API, and its document."""
    app.include_router(health.router, generate_unique_id_function=name_operation)
    app.include_router(
        keys.router, prefix=PREFIX, generate_unique_id_function=name_operation
    )
    for router in _OF_A_REPOSITORY:
        app.include_router(
            router, prefix=PREFIX, generate_unique_id_function=name_operation
        )
    for router in _OF_A_REPOSITORY:
        app.include_router(
            router,
            prefix=f"{PREFIX}/repositories/{{repository}}",
            dependencies=[Depends(_named)],
            generate_unique_id_function=name_operation,
        )
    describe(app)


def _named(repository: RepositoryPath) -> None:
    """Declare the repository in the path; guard.repository_of reads it."""
    del repository
