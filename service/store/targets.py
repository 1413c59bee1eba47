"""Rows about one stack in one environment of one repository."""

from __future__ import annotations

from datetime import datetime

from sqlalchemy import ColumnElement, Row, Table, and_

from gitops.model import EnvironmentName, Revision, StackName, Target


def of(table: Table, repository: str, target: Target) -> ColumnElement[bool]:
    """Return the condition that a row is about this target."""
    return and_(
        table.c.repository == repository,
        table.c.stack == target.stack,
        table.c.environment == target.environment,
    )


def key(repository: str, target: Target) -> dict[str, object]:
    """Return the columns that say what a row is about."""
    return {
        "repository": repository,
        "stack": target.stack,
        "environment": target.environment,
    }


def target_of(row: Row[tuple[object, ...]]) -> Target:
    """Read them back."""
    return Target(
        environment=EnvironmentName(row.environment), stack=StackName(row.stack)
    )


def revision_columns(revision: Revision) -> dict[str, object]:
    """Return the columns of a revision."""
    return {"image": revision.image, "tag": revision.tag, "digest": revision.digest}


def revision_of(row: Row[tuple[object, ...]]) -> Revision:
    """Read them back."""
    return Revision(image=row.image, tag=row.tag, digest=row.digest)


def moment(text: str | None) -> datetime | None:
    """Read a time that may be missing."""
    return None if text is None else datetime.fromisoformat(text)


def written(at: datetime | None) -> str | None:
    """Write a time that may be missing."""
    return None if at is None else at.isoformat()


def told(text: str, limit: int | None = None) -> str:
    """Make text from outside storable: no NUL, no half characters, not too long."""
    whole = text.encode(errors="replace").decode()
    return whole.replace("\0", "\N{REPLACEMENT CHARACTER}")[:limit]
