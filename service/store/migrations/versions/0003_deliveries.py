"""Webhooks that were taken."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Make the table."""
    # Text sorts by its bytes, as it does in SQLite.
    collation = "C" if op.get_bind().dialect.name == "postgresql" else None
    op.create_table(
        "deliveries",
        sa.Column("repository", sa.String(200, collation=collation)),
        sa.Column("key", sa.String(64, collation=collation)),
        sa.Column("at", sa.String(32, collation=collation), nullable=False),
        sa.PrimaryKeyConstraint("repository", "key", name="pk_deliveries"),
    )
    op.create_index("ix_deliveries_at", "deliveries", ["at"])
