"""The service's tables: what it observed, scheduled, pinned, promised and was asked."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0002"
down_revision = "0001"


def upgrade() -> None:
    """Make the tables."""
    op.add_column("tokens", sa.Column("last_used_at", sa.String(32)))
    _what_runs_where()
    _schedules()
    _people()
    _the_service_itself()
    if op.get_bind().dialect.name == "postgresql":
        _sort_by_bytes()


def _what_runs_where() -> None:
    op.create_table(
        "observations",
        *_target(),
        sa.Column("source", sa.String(63)),
        sa.Column("health", sa.String(16), nullable=False),
        sa.Column("version", sa.String(200), nullable=False),
        sa.Column("detail", sa.Text, nullable=False),
        sa.Column("since", sa.String(32), nullable=False),
        sa.Column("at", sa.String(32), nullable=False),
        sa.PrimaryKeyConstraint(
            "repository", "stack", "environment", "source", name="pk_observations"
        ),
    )
    op.create_table(
        "arrivals",
        sa.Column("sequence", sa.Integer, autoincrement=True),
        sa.Column("repository", sa.String(200), nullable=False),
        sa.Column("stack", sa.String(63), nullable=False),
        sa.Column("environment", sa.String(63), nullable=False),
        sa.Column("commit", sa.String(64), nullable=False),
        *_revision(),
        sa.Column("at", sa.String(32), nullable=False),
        sa.Column("left_at", sa.String(32)),
        sa.Column("healthy_since", sa.String(32)),
        sa.Column("first_healthy_at", sa.String(32)),
        sa.Column("unhealthy_at", sa.String(32)),
        sa.Column("unhealthy_since", sa.String(32)),
        sa.PrimaryKeyConstraint("sequence", name="pk_arrivals"),
    )
    op.create_index(
        "uq_arrivals_commit",
        "arrivals",
        ["repository", "stack", "environment", "commit"],
        unique=True,
    )
    op.create_table(
        "pins",
        *_target(),
        *_revision(),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("by", sa.String(200), nullable=False),
        sa.Column("at", sa.String(32), nullable=False),
        sa.PrimaryKeyConstraint("repository", "stack", "environment", name="pk_pins"),
    )


def _target() -> tuple[sa.Column[str], ...]:
    return (
        sa.Column("repository", sa.String(200)),
        sa.Column("stack", sa.String(63)),
        sa.Column("environment", sa.String(63)),
    )


def _revision() -> tuple[sa.Column[str], ...]:
    return (
        sa.Column("image", sa.Text, nullable=False),
        sa.Column("tag", sa.String(128), nullable=False),
        sa.Column("digest", sa.String(80)),
    )


def _schedules() -> None:
    op.create_table(
        "occurrences",
        sa.Column("repository", sa.String(200)),
        sa.Column("schedule", sa.String(200)),
        sa.Column("scheduled_for", sa.String(32)),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("handled_at", sa.String(32), nullable=False),
        sa.PrimaryKeyConstraint(
            "repository", "schedule", "scheduled_for", name="pk_occurrences"
        ),
    )
    op.create_table(
        "schedules",
        sa.Column("repository", sa.String(200)),
        sa.Column("schedule", sa.String(200)),
        sa.Column("expression", sa.String(200), nullable=False),
        sa.Column("seen_until", sa.String(32), nullable=False),
        sa.Column("missed", sa.Integer, nullable=False, server_default="0"),
        sa.PrimaryKeyConstraint("repository", "schedule", name="pk_schedules"),
    )


def _people() -> None:
    op.create_table(
        "votes",
        sa.Column("repository", sa.String(200)),
        sa.Column("number", sa.Integer, autoincrement=False),
        sa.Column("head", sa.String(64)),
        sa.Column("kind", sa.String(16)),
        sa.Column("by", sa.String(200)),
        sa.Column("at", sa.String(32), nullable=False),
        sa.PrimaryKeyConstraint(
            "repository", "number", "head", "kind", "by", name="pk_votes"
        ),
    )
    op.create_table(
        "answers",
        sa.Column("token", sa.String(16)),
        sa.Column("key", sa.String(200)),
        sa.Column("request", sa.String(64), nullable=False),
        sa.Column("status", sa.Integer, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
        sa.Column("at", sa.String(32), nullable=False),
        sa.PrimaryKeyConstraint("token", "key", name="pk_answers"),
    )
    op.create_index("ix_answers_at", "answers", ["at"])


def _the_service_itself() -> None:
    op.create_table(
        "writes",
        sa.Column("sequence", sa.Integer, autoincrement=True),
        sa.Column("repository", sa.String(200), nullable=False),
        sa.Column("at", sa.String(32), nullable=False),
        sa.PrimaryKeyConstraint("sequence", name="pk_writes"),
    )
    op.create_index("ix_writes_repository_at", "writes", ["repository", "at"])
    op.create_table(
        "passes",
        sa.Column("repository", sa.String(200)),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("problem", sa.Text, nullable=False),
        sa.Column("commit", sa.String(64)),
        sa.Column("failures", sa.Integer, nullable=False, server_default="0"),
        sa.Column("at", sa.String(32), nullable=False),
        sa.Column("worked_at", sa.String(32)),
        sa.PrimaryKeyConstraint("repository", name="pk_passes"),
    )
    op.create_table(
        "leases",
        sa.Column("name", sa.String(200)),
        sa.Column("holder", sa.String(64), nullable=False),
        sa.Column("epoch", sa.Integer, nullable=False),
        sa.Column("expires_at", sa.Double, nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_leases"),
    )
    op.create_table(
        "cursors",
        sa.Column("name", sa.String(200)),
        sa.Column("position", sa.Integer, nullable=False),
        sa.Column("failures", sa.Integer, nullable=False, server_default="0"),
        sa.Column("at", sa.String(32), nullable=False),
        sa.PrimaryKeyConstraint("name", name="pk_cursors"),
    )


_OURS = (
    *("intents", "pushes", "holds", "pauses", "tokens", "audit"),
    *("observations", "arrivals", "pins", "occurrences", "schedules"),
    *("votes", "answers", "writes", "passes", "leases", "cursors"),
)


def _sort_by_bytes() -> None:
    """Let text sort as it does in SQLite, whatever language the database speaks."""
    inspector = sa.inspect(op.get_bind())
    for table in _OURS:
        for column in inspector.get_columns(table):
            if isinstance(column["type"], sa.String):
                kind = type(column["type"])(column["type"].length, collation="C")
                op.alter_column(table, column["name"], type_=kind)
