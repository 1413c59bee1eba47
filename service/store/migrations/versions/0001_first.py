"""The first schema: intents, pushes, holds, pauses, tokens, audit trail."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None

_LIVE = "state IN ('planned', 'committed', 'pushed', 'pr_open')"


def upgrade() -> None:
    """Make the tables."""
    op.create_table(
        "intents",
        sa.Column("sequence", sa.Integer, autoincrement=True),
        sa.Column("id", sa.String(32), nullable=False),
        sa.Column("key", sa.String(64), nullable=False),
        sa.Column("repository", sa.String(200), nullable=False),
        sa.Column("plan", sa.Text, nullable=False),
        sa.Column("branch", sa.String(300), nullable=False),
        sa.Column("created_at", sa.String(32), nullable=False),
        sa.Column("state", sa.String(16), nullable=False),
        sa.Column("commit", sa.String(64)),
        sa.Column("pull_request", sa.Integer),
        sa.Column("error", sa.Text, nullable=False, server_default=""),
        sa.Column("updated_at", sa.String(32), nullable=False),
        sa.PrimaryKeyConstraint("sequence", name="pk_intents"),
        sa.UniqueConstraint("id", name="uq_intents_id"),
    )
    op.create_index(
        "uq_intents_live_key",
        "intents",
        ["repository", "key"],
        unique=True,
        sqlite_where=sa.text(_LIVE),
        postgresql_where=sa.text(_LIVE),
    )
    op.create_index("ix_intents_repository_state", "intents", ["repository", "state"])
    op.create_table(
        "pushes",
        sa.Column("repository", sa.String(200)),
        sa.Column("branch", sa.String(300)),
        sa.Column("commit", sa.String(64)),
        sa.Column("at", sa.String(32), nullable=False),
        sa.PrimaryKeyConstraint("repository", "branch", "commit", name="pk_pushes"),
    )
    op.create_table(
        "holds",
        sa.Column("repository", sa.String(200)),
        sa.Column("stack", sa.String(63)),
        sa.Column("environment", sa.String(63)),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("by", sa.String(200), nullable=False),
        sa.Column("at", sa.String(32), nullable=False),
        sa.PrimaryKeyConstraint("repository", "stack", "environment", name="pk_holds"),
    )
    op.create_table(
        "pauses",
        sa.Column("repository", sa.String(200)),
        sa.Column("by", sa.String(200), nullable=False),
        sa.Column("at", sa.String(32), nullable=False),
        sa.PrimaryKeyConstraint("repository", name="pk_pauses"),
    )
    op.create_table(
        "tokens",
        sa.Column("id", sa.String(16)),
        sa.Column("name", sa.String(200), nullable=False),
        sa.Column("role", sa.String(16), nullable=False),
        sa.Column("stack", sa.String(63), nullable=False),
        sa.Column("environment", sa.String(63), nullable=False),
        sa.Column("hash", sa.String(64), nullable=False),
        sa.Column("created_at", sa.String(32), nullable=False),
        sa.Column("expires_at", sa.String(32)),
        sa.Column("revoked", sa.Boolean, nullable=False),
        sa.PrimaryKeyConstraint("id", name="pk_tokens"),
        sa.UniqueConstraint("hash", name="uq_tokens_hash"),
    )
    op.create_table(
        "audit",
        sa.Column("number", sa.Integer, autoincrement=False),
        sa.Column("at", sa.String(32), nullable=False),
        sa.Column("by", sa.String(200), nullable=False),
        sa.Column("action", sa.String(64), nullable=False),
        sa.Column("repository", sa.String(200), nullable=False),
        sa.Column("details", sa.Text, nullable=False),
        sa.Column("previous", sa.String(64), nullable=False),
        sa.Column("hash", sa.String(64), nullable=False),
        sa.PrimaryKeyConstraint("number", name="pk_audit"),
    )
