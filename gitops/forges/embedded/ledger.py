"""The rows of the embedded forge: pull requests, approvals, comments, in SQLite.

Promise: each transaction is whole or not at all, across threads and processes: every
call has a connection of its own, a writer takes its lock before it reads, and waits for
another for a stated time. It stores what it is told, and knows neither Git nor rules.
"""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager, suppress
from datetime import datetime
from pathlib import Path
from typing import Final

from gitops.errors import ForgeError, ForgeUnavailableError
from gitops.forges import PullRequestDraft, Status
from gitops.forges.embedded.rows import (
    Record,
    approval_of,
    check_of,
    comment_of,
    record_of,
)
from gitops.model import (
    Approval,
    BranchName,
    Check,
    Comment,
    CommitId,
    PullRequestState,
)

WAIT_S: Final = 30.0
_LARGEST: Final = 2**63 - 1  # of SQLite's integers

# One tuple of statements for each version; PRAGMA user_version says how many are done.
_MIGRATIONS: Final = (
    (
        """
        CREATE TABLE pull_request (
            number INTEGER PRIMARY KEY AUTOINCREMENT,
            branch TEXT NOT NULL,
            base TEXT NOT NULL,
            head TEXT NOT NULL,
            title TEXT NOT NULL,
            body TEXT NOT NULL,
            author TEXT NOT NULL,
            state TEXT NOT NULL CHECK (state IN ('open', 'merged', 'closed')),
            created_at TEXT NOT NULL,
            closed_by TEXT NOT NULL DEFAULT '',
            merge_commit TEXT CHECK ((merge_commit IS NULL) = (state <> 'merged')),
            unmerged_at TEXT -- the base's tip at which the head was last seen outside
        ) STRICT
        """,
        """
        CREATE UNIQUE INDEX one_open_per_branch_and_base
            ON pull_request (branch, base) WHERE state = 'open'
        """,
        "CREATE INDEX pull_requests_of_branch ON pull_request (branch)",
        """
        CREATE TABLE approval (
            number INTEGER NOT NULL REFERENCES pull_request,
            by TEXT NOT NULL,
            head TEXT NOT NULL,
            at TEXT NOT NULL,
            PRIMARY KEY (number, by, head)
        ) STRICT
        """,
        """
        CREATE TABLE comment (
            id INTEGER PRIMARY KEY AUTOINCREMENT,
            number INTEGER NOT NULL REFERENCES pull_request,
            by TEXT NOT NULL,
            at TEXT NOT NULL,
            text TEXT NOT NULL
        ) STRICT
        """,
        "CREATE INDEX comments_of_pull_request ON comment (number)",
    ),
    (
        "ALTER TABLE comment ADD COLUMN key TEXT",
        "CREATE UNIQUE INDEX one_comment_per_key ON comment (number, key)",
        """
        CREATE TABLE status (
            head TEXT NOT NULL,
            name TEXT NOT NULL,
            state TEXT NOT NULL CHECK (state IN ('pending', 'passed', 'failed')),
            description TEXT NOT NULL,
            url TEXT NOT NULL,
            PRIMARY KEY (head, name)
        ) STRICT
        """,
    ),
)

_WHICH: Final = """
    WHERE (:number IS NULL OR p.number = :number)
      AND (:branch IS NULL OR p.branch = :branch)
      AND (:state IS NULL OR p.state = :state)
"""
# Constants only: what a caller gives is always bound to a name.
_PULL_REQUESTS: Final = f"SELECT p.* FROM pull_request p {_WHICH} ORDER BY p.number"  # noqa: S608
_APPROVALS: Final = f"""
    SELECT a.* FROM approval a JOIN pull_request p ON p.number = a.number
    {_WHICH} ORDER BY a.rowid
"""  # noqa: S608
_COMMENTS: Final = f"""
    SELECT c.* FROM comment c JOIN pull_request p ON p.number = c.number
    {_WHICH} ORDER BY c.id
"""  # noqa: S608
_STATUSES: Final = f"""
    SELECT DISTINCT s.* FROM status s JOIN pull_request p ON p.head = s.head
    {_WHICH} ORDER BY s.name
"""  # noqa: S608


class Ledger:
    """The database beside one repository.

    Args:
        path: of the file; made with its tables when it is not there.
        wait_s: seconds to wait for another writer.
    """

    def __init__(self, path: Path, *, wait_s: float = WAIT_S) -> None:
        self._path = path
        self._wait_s = wait_s

    @contextmanager
    def reading(self) -> Iterator[Pages]:
        """Give one consistent look; what is written meanwhile is not in it.

        Raises:
            ForgeUnavailableError: another writer took longer than the wait.
            ForgeError: the database is damaged, or of a newer release.
        """
        with self._transaction("BEGIN") as pages:
            yield pages

    @contextmanager
    def writing(self) -> Iterator[Pages]:
        """Give the one writer's turn: nobody else writes until it ends.

        Raises:
            ForgeUnavailableError: another writer took longer than the wait.
            ForgeError: the database is damaged, or of a newer release.
        """
        with self._transaction("BEGIN IMMEDIATE") as pages:
            yield pages

    @contextmanager
    def _transaction(self, begin: str) -> Iterator[Pages]:
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with closing(self._connect()) as connection:
                _prepare(connection)
                _migrate(connection, self._path.name)
                connection.execute(begin)
                with connection:  # commits, or rolls back on any exception
                    yield Pages(connection)
        except sqlite3.Error as exc:
            raise _wrapped(exc, self._path.name) from exc

    def _connect(self) -> sqlite3.Connection:
        connection = sqlite3.connect(
            self._path, timeout=self._wait_s, isolation_level=None
        )
        connection.row_factory = sqlite3.Row
        return connection


def _prepare(connection: sqlite3.Connection) -> None:
    connection.execute("PRAGMA foreign_keys = ON")
    # A commit is on the disk before the forge says that it happened.
    connection.execute("PRAGMA synchronous = FULL")


def _migrate(connection: sqlite3.Connection, name: str) -> None:
    """Bring the tables up to date, once, whoever comes first.

    Raises:
        ForgeError: a newer release has made them.
    """
    if _version(connection) < len(_MIGRATIONS):
        # Only speed hangs on it, and a second process may be doing it right now.
        with suppress(sqlite3.OperationalError):
            connection.execute("PRAGMA journal_mode = WAL")
        connection.execute("BEGIN IMMEDIATE")
        with connection:
            for statements in _MIGRATIONS[_version(connection) :]:
                for statement in statements:
                    connection.execute(statement)
            connection.execute(f"PRAGMA user_version = {len(_MIGRATIONS)}")
    if _version(connection) > len(_MIGRATIONS):
        raise ForgeError(
            f"{name} was written by a newer release of directus-gitops",
            hint="upgrade directus-gitops",
        )


def _version(connection: sqlite3.Connection) -> int:
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


def _wrapped(exc: sqlite3.Error, name: str) -> ForgeError:
    kind = getattr(exc, "sqlite_errorname", "") or type(exc).__name__
    if kind.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        return ForgeUnavailableError(
            f"{name} is in use by another process", retry_after=1.0
        )
    return ForgeError(
        f"{name}: {exc} ({kind})",
        hint="is the disk full, or the file damaged? Branches are safe in Git",
    )


class Pages:
    """The rows, inside one transaction.

    Args:
        connection: in a transaction.
    """

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    # --- reading ---

    def find(
        self,
        *,
        number: int | None = None,
        branch: BranchName | None = None,
        state: PullRequestState | None = None,
    ) -> tuple[Record, ...]:
        """Return the records that meet every condition given, oldest first.

        Raises:
            ForgeError: one of them makes no sense.
        """
        if number is not None and number > _LARGEST:
            return ()
        which = {"number": number, "branch": branch, "state": state and state.value}
        try:
            return self._records(which)
        except (ValueError, TypeError) as exc:
            raise ForgeError(
                f"the record of a pull request cannot be read: {exc!r:.200}",
                hint="was it changed by hand? Branches are safe in Git",
            ) from exc

    def _records(self, which: Mapping[str, int | str | None]) -> tuple[Record, ...]:
        ask = self._connection.execute
        approvals: defaultdict[int, list[Approval]] = defaultdict(list)
        for row in ask(_APPROVALS, which):
            approvals[row["number"]].append(approval_of(row))
        comments: defaultdict[int, list[Comment]] = defaultdict(list)
        for row in ask(_COMMENTS, which):
            comments[row["number"]].append(comment_of(row))
        checks: defaultdict[str, list[Check]] = defaultdict(list)
        for row in ask(_STATUSES, which):
            checks[row["head"]].append(check_of(row))
        return tuple(
            record_of(
                row,
                approvals[row["number"]],
                comments[row["number"]],
                checks[row["head"]],
            )
            for row in ask(_PULL_REQUESTS, which)
        )

    # --- writing ---

    def add(
        self, draft: PullRequestDraft, *, at: datetime, unmerged_at: CommitId
    ) -> int:
        """Record a new pull request; return its number."""
        cursor = self._connection.execute(
            "INSERT INTO pull_request"
            " (branch, base, head, title, body, author, state, created_at,"
            " unmerged_at) VALUES (?, ?, ?, ?, ?, ?, 'open', ?, ?)",
            (
                draft.branch,
                draft.base,
                draft.head,
                draft.title,
                draft.body,
                draft.author,
                at.isoformat(),
                unmerged_at,
            ),
        )
        number = cursor.lastrowid
        assert number is not None  # noqa: S101 - an INSERT into a rowid table has one
        return number

    def set_texts(self, number: int, *, title: str, body: str) -> None:
        """Replace what a pull request says."""
        self._connection.execute(
            "UPDATE pull_request SET title = ?, body = ? WHERE number = ?",
            (title, body, number),
        )

    def set_head(
        self, number: int, head: CommitId, *, unmerged_at: CommitId | None
    ) -> None:
        """Take note of the head, and of the base's tip that does not hold it."""
        self._connection.execute(
            "UPDATE pull_request SET head = ?, unmerged_at = ? WHERE number = ?",
            (head, unmerged_at, number),
        )

    def close(self, number: int, *, by: str) -> None:
        """End a pull request without a merge."""
        self._connection.execute(
            "UPDATE pull_request SET state = 'closed', closed_by = ? WHERE number = ?",
            (by, number),
        )

    def merged(
        self, number: int, *, head: CommitId, merge_commit: CommitId, by: str
    ) -> None:
        """End a pull request whose head is in the base branch."""
        self._connection.execute(
            "UPDATE pull_request SET state = 'merged', head = ?, merge_commit = ?,"
            " closed_by = ? WHERE number = ?",
            (head, merge_commit, by, number),
        )

    def approve(self, number: int, *, head: CommitId, by: str, at: datetime) -> None:
        """Record a yes; the first one of a person for a head stays."""
        self._connection.execute(
            "INSERT OR IGNORE INTO approval (number, by, head, at) VALUES (?, ?, ?, ?)",
            (number, by, head, at.isoformat()),
        )

    def comment(self, number: int, text: str, *, by: str, at: datetime) -> None:
        """Record a remark."""
        self._connection.execute(
            "INSERT INTO comment (number, by, at, text) VALUES (?, ?, ?, ?)",
            (number, by, at.isoformat(), text),
        )

    def remark(
        self, number: int, text: str, *, key: str, by: str, at: datetime
    ) -> None:
        """Record the one remark of a key, or replace its text."""
        self._connection.execute(
            "INSERT INTO comment (number, by, at, text, key) VALUES (?, ?, ?, ?, ?)"
            " ON CONFLICT (number, key) DO UPDATE SET text = excluded.text",
            (number, by, at.isoformat(), text, key),
        )

    def report(self, head: CommitId, status: Status) -> None:
        """Record the status of a name, or replace it."""
        self._connection.execute(
            "INSERT INTO status (head, name, state, description, url)"
            " VALUES (?, ?, ?, ?, ?)"
            " ON CONFLICT (head, name) DO UPDATE SET state = excluded.state,"
            " description = excluded.description, url = excluded.url",
            (head, status.name, status.state.value, status.description, status.url),
        )
