"""Transactions: what only reads waits for nobody, and one writer changes at a time.

A transaction that may write takes the one write lock at its start, SQLite's own or an
advisory lock of PostgreSQL; what it then looks at stays so until it ends. It checks
that the schema is still this release's, and that the leases that are held around it
are (R13). A failure is one of ours; what has surely not happened is tried again, and a
commit that nobody confirmed is looked up.
"""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Final, ParamSpec, TypeVar

from sqlalchemy import Connection, Engine, ExceptionContext, Executable, text
from sqlalchemy.exc import TimeoutError as NoConnectionError

from gitops.errors import InputError, StoreError
from service.clock import wait_s

ACCESS: Final = "store_access"
READS: Final = "reads"
UNLOCKED: Final = "unlocked"
AT_LEISURE: Final = "at leisure"
UPGRADES: Final = "upgrades"

_PAUSES_S: Final = (0.05, 0.2, 0.8)
_DONE, _NOT_DONE = "committed", "aborted"
_COMMITTING: Final = "store_committing"
_XID: Final = "store_xid"
_SERIALIZATION, _DEADLOCK = "40001", "40P01"
_DATA_CLASS: Final = "22"
_SQLITE_BUSY: Final = 5
_SOCKET: Final = re.compile(r'"/[^"]*/([^"/]*)"')
_LOST_HINT: Final = "is the database running, and can it be reached? Try again"
_HINT: Final = "is the disk full, the file damaged, or another process in the way?"

P = ParamSpec("P")
T = TypeVar("T")


class TryAgainError(StoreError):
    """The transaction has surely not happened, and may work the next time."""


class InTheWayError(StoreError):
    """Another writer is in the way."""


class UnknownCommitError(StoreError):
    """Nobody confirmed the commit.

    Args:
        message: the driver's words.
        xid: PostgreSQL's name of the transaction.
    """

    def __init__(self, message: str, *, xid: str) -> None:
        super().__init__(message)
        self.xid = xid


@contextmanager
def reading(engine: Engine) -> Iterator[Connection]:
    """Give a connection that only reads: it waits for no writer, and none for it."""
    with connected(engine) as connection:
        yield connection.execution_options(**{ACCESS: READS})


@contextmanager
def changing(engine: Engine, access: str = "") -> Iterator[Connection]:
    """Give a connection in a transaction that is committed at the end.

    Raises:
        StoreError: it failed, or nobody knows whether it was committed.
        LeaseLostError: it belongs under a lease that was lost.
    """
    try:
        with (
            connected(engine) as connection,
            connection.execution_options(**{ACCESS: access}).begin(),
        ):
            yield connection
    except UnknownCommitError as error:
        _look_up(engine, error)


@contextmanager
def connected(engine: Engine) -> Iterator[Connection]:
    """Give a connection of the pool.

    Raises:
        StoreError: there is none, or there are too many already.
    """
    try:
        connection = engine.connect()
    except NoConnectionError:
        raise StoreError(
            "the database is busy: every connection is in use",
            hint="too much is asked at once; try again",
        ) from None
    with connection:
        yield connection


def retried(method: Callable[P, T]) -> Callable[P, T]:
    """Let a method that is one whole transaction try again what has not happened."""

    @wraps(method)
    def persistent(*args: P.args, **kwargs: P.kwargs) -> T:
        for pause in _PAUSES_S:
            try:
                return method(*args, **kwargs)
            except TryAgainError:
                # Those who met once must not meet again.
                wait_s(pause * random.uniform(0.5, 1.5))  # noqa: S311
        return method(*args, **kwargs)

    return persistent


def at_leisure(engine: Engine, statement: Executable) -> None:
    """Execute one statement, unless that would wait for a writer.

    For what is good to know and not worth waiting for.
    """
    try:
        with changing(engine, AT_LEISURE) as connection:
            connection.execute(statement)
    except InTheWayError:
        return


def began(connection: Connection, *, xid: str) -> None:
    """Note that a transaction began; PostgreSQL can be asked about it by its name."""
    connection.info[_XID] = xid
    connection.info[_COMMITTING] = False


def on_commit(connection: Connection) -> None:
    """Note that whatever fails now may have happened."""
    connection.info[_COMMITTING] = True


def on_error(context: ExceptionContext) -> None:
    """Tell a failure of the database as one of ours.

    Raises:
        InputError: a value cannot be stored.
        StoreError: all else.
    """
    if context.is_pre_ping or context.sqlalchemy_exception is None:
        return  # SQLAlchemy opens another connection; or it is no matter of a database
    cause = context.original_exception
    message = f"the database failed: {reason(cause)}"
    raise _kind(context, cause, message) from cause


def _kind(
    context: ExceptionContext, cause: BaseException, message: str
) -> InputError | StoreError:
    state = getattr(cause, "sqlstate", None) or ""
    if _is_data(cause, state):
        return InputError(f"a value cannot be stored: {reason(cause)}")
    if getattr(cause, "sqlite_errorcode", 0) & 0xFF == _SQLITE_BUSY:
        return InTheWayError(message, hint=_HINT)
    if context.is_disconnect or context.connection is None:
        xid = _uncertain(context.connection)
        return (
            UnknownCommitError(message, xid=xid)
            if xid
            else TryAgainError(message, hint=_LOST_HINT)
        )
    if state in (_SERIALIZATION, _DEADLOCK):
        return TryAgainError(message, hint="try again")
    return StoreError(message, hint=_HINT)


def _is_data(cause: BaseException, state: str) -> bool:
    # psycopg finds some before the server does, and those have no state.
    return state.startswith(_DATA_CLASS) or type(cause).__name__ == "DataError"


def _uncertain(connection: Connection | None) -> str:
    """Return the transaction that was being committed; empty when none was."""
    if connection is None or connection.invalidated or connection.closed:
        return ""
    info = connection.info
    return str(info.get(_XID, "")) if info.get(_COMMITTING) else ""


def reason(error: BaseException) -> str:
    """Return one line of the driver's words: no statement, password or path."""
    cause = getattr(error, "orig", None) or error
    line = str(cause).strip().partition("\n")[0]
    shown = "".join(char for char in line if char.isprintable())
    return _SOCKET.sub(r'"\1"', shown)


def _look_up(engine: Engine, error: UnknownCommitError) -> None:
    """Ask what became of a transaction; return if it was committed."""
    for pause in _PAUSES_S:
        try:
            became = _status(engine, error.xid)
        except StoreError:
            became = ""
        if became == _DONE:
            return
        if became == _NOT_DONE:
            raise TryAgainError(error.message, hint="try again") from error
        wait_s(pause)
    raise StoreError(
        f"{error.message}; whether the last change was stored is not known",
        hint="look at what is there before you ask again",
    ) from error


def _status(engine: Engine, xid: str) -> str:
    with reading(engine) as connection:
        query = text("SELECT pg_xact_status(CAST(:xid AS xid8))")
        return connection.execute(query, {"xid": xid}).scalar_one() or ""
