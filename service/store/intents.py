"""Intents in the database: the store's side of gitops.intents.IntentLog."""

from __future__ import annotations

import json
import secrets
from collections.abc import Collection, Iterator
from datetime import datetime
from itertools import islice

from sqlalchemy import Connection, Engine, Row, insert, select, update

from gitops.errors import StoreError, UnknownNameError
from gitops.intents import IntentDraft, plan_from_json, plan_to_json
from gitops.model import (
    BaseScope,
    BranchName,
    ChangeKey,
    CommitId,
    EnvironmentName,
    EnvironmentScope,
    GroupScope,
    Intent,
    IntentId,
    IntentState,
    Plan,
    SetConfig,
    SetImage,
    SetRevision,
    StackName,
    StackScope,
    TargetScope,
    UnsetConfig,
)
from service.clock import Clock
from service.store.database import read_rows
from service.store.tables import intents, pushes
from service.store.targets import told
from service.store.transactions import changing, reading, retried

_LIVE = tuple(state.value for state in IntentState if state.is_live)


class Intents:
    """An IntentLog whose every call is one durable transaction."""

    def __init__(self, engine: Engine, clock: Clock) -> None:
        self._engine = engine
        self._clock = clock

    @retried
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
        with changing(self._engine) as connection:
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

    @retried
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
            "error": told(error),
            "updated_at": self._clock().isoformat(),
        }
        if commit is not None:
            values["commit"] = commit
        if pull_request is not None:
            values["pull_request"] = pull_request
        with changing(self._engine) as connection:
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

    def get(self, intent: IntentId) -> Intent:
        """Return one intent.

        Raises:
            UnknownNameError: there is none of this id.
        """
        query = select(intents).where(intents.c.id == intent)
        with reading(self._engine) as connection:
            row = connection.execute(query).one_or_none()
        if row is None:
            raise UnknownNameError(f"there is no change {intent[:40]!a}")
        return _intent(row)

    def of_pull_request(self, repository: str, number: int) -> tuple[Intent, ...]:
        """Return the intents that one pull request carries, oldest first."""
        query = (
            select(intents)
            .where(intents.c.repository == repository)
            .where(intents.c.pull_request == number)
            .order_by(intents.c.sequence)
        )
        with reading(self._engine) as connection:
            return tuple(_intent(row) for row in connection.execute(query))

    def page(
        self,
        repository: str,
        *,
        state: IntentState | None = None,
        stack: StackName | None = None,
        environment: EnvironmentName | None = None,
        after: IntentId | None = None,
        limit: int,
    ) -> tuple[Intent, ...]:
        """Return intents of a repository, newest first.

        Args:
            repository: its name.
            state: only these; None for every state.
            stack: only those that name this stack; None for all.
            environment: only those that name this environment; None for all. With
                `stack`, only those that name the two together.
            after: the last intent of the page before; None for the first page.
            limit: how many at most.

        Raises:
            UnknownNameError: there is no intent `after`.
        """
        query = select(intents).where(intents.c.repository == repository)
        if state is not None:
            query = query.where(intents.c.state == state.value)
        if after is not None:
            query = query.where(intents.c.sequence < self._sequence(after))
        # Plans are text here: this finds too many, never too few.
        for name in (stack, environment):
            if name is not None:
                said = intents.c.plan.contains(f': "{name}"', autoescape=True)
                query = query.where(said)
        query = query.order_by(intents.c.sequence.desc())
        query = query.execution_options(yield_per=limit)
        with reading(self._engine) as connection, connection.execute(query) as rows:
            found = (_intent(row) for row in rows)
            wanted = (i for i in found if _names(i.plan, stack, environment))
            return tuple(islice(wanted, limit))

    def _sequence(self, intent: IntentId) -> int:
        query = select(intents.c.sequence).where(intents.c.id == intent)
        with reading(self._engine) as connection:
            row = connection.execute(query).one_or_none()
        if row is None:
            raise UnknownNameError(f"there is no change {intent[:40]!a}")
        return int(row.sequence)

    def _select(self, repository: str, states: tuple[str, ...]) -> tuple[Intent, ...]:
        query = (
            select(intents)
            .where(intents.c.repository == repository)
            .where(intents.c.state.in_(states))
            .order_by(intents.c.sequence)
        )
        with reading(self._engine) as connection:
            return tuple(_intent(row) for row in connection.execute(query))

    @retried
    def record_push(
        self, repository: str, branch: BranchName, commit: CommitId
    ) -> None:
        """Remember, before the push, that we may put this commit on the branch."""
        row = {"repository": repository, "branch": branch, "commit": commit}
        at = self._clock().isoformat()
        with changing(self._engine) as connection:
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


def _names(
    plan: Plan, stack: StackName | None, environment: EnvironmentName | None
) -> bool:
    return any(
        stack in (None, here) and environment in (None, there)
        for here, there in _places(plan)
    )


def _places(plan: Plan) -> Iterator[tuple[str | None, str | None]]:
    """Give the stacks and environments that a plan is about."""
    match plan.scope:
        case TargetScope(target=target):
            yield target.stack, target.environment
        case GroupScope(environment=there) | EnvironmentScope(environment=there):
            yield None, there
        case StackScope(stack=here):
            yield here, None
        case BaseScope():
            yield None, None
    for change in plan.changes:
        if isinstance(change, SetRevision | SetImage | SetConfig | UnsetConfig):
            yield change.target.stack, change.target.environment


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
