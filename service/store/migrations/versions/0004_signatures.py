"""Signatures of commits."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Make the table."""
    # Text sorts by its bytes, as it does in SQLite.
    collation = "C" if op.get_bind().dialect.name == "postgresql" else None
    op.create_table(
        "signatures",
        sa.Column("commit", sa.String(64, collation=collation)),
        sa.Column("key", sa.String(80, collation=collation)),
        sa.Column("signature", sa.Text(collation=collation), nullable=False),
        sa.Column("at", sa.String(32, collation=collation), nullable=False),
        sa.PrimaryKeyConstraint("commit", "key", name="pk_signatures"),
    )
    op.create_index("ix_signatures_at", "signatures", ["at"])
