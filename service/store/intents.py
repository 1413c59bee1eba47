"""Intents in the database: the store's side of gitops.intents.IntentLog."""

from __future__ import annotations

import json
import secrets
from collections.abc import Collection
from datetime import datetime

from sqlalchemy import Connection, Engine, Row, insert, select, update

from gitops.errors import StoreError
from gitops.intents import IntentDraft, plan_from_json, plan_to_json
from gitops.model import (
    BranchName,
    ChangeKey,
    CommitId,
    Intent,
    IntentId,
    IntentState,
)
from service.clock import Clock
from service.store.database import read_rows, reading
from service.store.tables import intents, pushes

_LIVE = tuple(state.value for state in IntentState if state.is_live)


class Intents:
    """An IntentLog whose every call is one durable transaction."""

    def __init__(self, engine: Engine, clock: Clock) -> None:
        self._engine = engine
        self._clock = clock

    def record(
        self, draft: IntentDraft, *, supersedes: Collection[IntentId] = ()
    ) -> Intent:
        """Store a draft as PLANNED, or return the live intent of the same key.

        The intents that it supersedes are ended in the same transaction.
        """
        ended = (
            update(intents)
            .where(intents.c.id.in_(supersedes))
            .where(intents.c.state.in_(_LIVE))
        )
        same = (
            select(intents)
            .where(intents.c.repository == draft.repository)
            .where(intents.c.key == draft.key)
            .where(intents.c.state.in_(_LIVE))
        )
        now = self._clock().isoformat()
        with self._engine.begin() as connection:
            connection.execute(
                ended.values(state=IntentState.SUPERSEDED.value, updated_at=now)
            )
            found = connection.execute(same).one_or_none()
            if found is None:
                connection.execute(
                    insert(intents).values(
                        id=secrets.token_hex(8),
                        key=draft.key,
                        repository=draft.repository,
                        plan=json.dumps(plan_to_json(draft.plan)),
                        branch=draft.branch,
                        created_at=draft.created_at.isoformat(),
                        state=IntentState.PLANNED.value,
                        error="",
                        updated_at=now,
                    )
                )
                found = connection.execute(same).one()
            return _intent(found)

    def advance(
        self,
        intent: IntentId,
        state: IntentState,
        *,
        commit: CommitId | None = None,
        pull_request: int | None = None,
        error: str = "",
    ) -> Intent:
        """Move an intent on; None keeps what is stored.

        Raises:
            StoreError: no such intent.
        """
        values: dict[str, object] = {
            "state": state.value,
            "error": error,
            "updated_at": self._clock().isoformat(),
        }
        if commit is not None:
            values["commit"] = commit
        if pull_request is not None:
            values["pull_request"] = pull_request
        with self._engine.begin() as connection:
            connection.execute(
                update(intents).where(intents.c.id == intent).values(values)
            )
            row = connection.execute(
                select(intents).where(intents.c.id == intent)
            ).one_or_none()
        if row is None:
            raise StoreError(f"there is no intent {intent}")
        return _intent(row)

    def live(self, repository: str) -> tuple[Intent, ...]:
        """Return the live intents of a repository, oldest first."""
        return self._select(repository, _LIVE)

    def all(self, repository: str) -> tuple[Intent, ...]:
        """Return every intent of a repository, oldest first."""
        return self._select(repository, tuple(state.value for state in IntentState))

    def _select(self, repository: str, states: tuple[str, ...]) -> tuple[Intent, ...]:
        query = (
            select(intents)
            .where(intents.c.repository == repository)
            .where(intents.c.state.in_(states))
            .order_by(intents.c.sequence)
        )
        with reading(self._engine) as connection:
            return tuple(_intent(row) for row in connection.execute(query))

    def record_push(
        self, repository: str, branch: BranchName, commit: CommitId
    ) -> None:
        """Remember, before the push, that we may put this commit on the branch."""
        row = {"repository": repository, "branch": branch, "commit": commit}
        at = self._clock().isoformat()
        with self._engine.begin() as connection:
            if commit not in _pushed(connection, repository, branch):
                connection.execute(insert(pushes).values(**row, at=at))

    def pushed(self, repository: str, branch: BranchName) -> frozenset[CommitId]:
        """Return every commit that we ever may have put on the branch (R4)."""
        with reading(self._engine) as connection:
            return _pushed(connection, repository, branch)


def _pushed(
    connection: Connection, repository: str, branch: BranchName
) -> frozenset[CommitId]:
    query = (
        select(pushes.c.commit)
        .where(pushes.c.repository == repository)
        .where(pushes.c.branch == branch)
    )
    return frozenset(CommitId(commit) for (commit,) in connection.execute(query))


def _intent(row: Row[tuple[object, ...]]) -> Intent:
    with read_rows():
        return Intent(
            id=IntentId(row.id),
            key=ChangeKey(row.key),
            repository=row.repository,
            plan=plan_from_json(json.loads(row.plan)),
            branch=BranchName(row.branch),
            created_at=datetime.fromisoformat(row.created_at),
            state=IntentState(row.state),
            commit=None if row.commit is None else CommitId(row.commit),
            pull_request=row.pull_request,
            error=row.error,
        )
