"""What was seen of pull requests that people opened themselves."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Make the table."""
    # Text sorts by its bytes, as it does in SQLite.
    collation = "C" if op.get_bind().dialect.name == "postgresql" else None

    def text(size: int) -> sa.String:
        return sa.String(size, collation=collation)

    op.create_table(
        "reviews",
        sa.Column("repository", text(200)),
        sa.Column("number", sa.Integer, autoincrement=False),
        sa.Column("head", text(64), nullable=False),
        sa.Column("base", text(64), nullable=False),
        sa.Column("digest", text(64), nullable=False),
        sa.Column("outcome", text(16), nullable=False),
        sa.Column("findings", sa.Integer, nullable=False),
        sa.Column("verdict", sa.Text(collation=collation), nullable=False),
        sa.Column("has_told", sa.Boolean, nullable=False),
        sa.Column("tries", sa.Integer, nullable=False),
        sa.Column("at", text(32), nullable=False),
        sa.PrimaryKeyConstraint("repository", "number", name="pk_reviews"),
    )
