"""The tables. Times are UTC text (ISO 8601), so that both databases sort them alike."""

from __future__ import annotations

from sqlalchemy import (
    Boolean,
    Column,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    text,
)

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

_LIVE = "state IN ('planned', 'committed', 'pushed', 'pr_open')"

intents = Table(
    "intents",
    metadata,
    Column("sequence", Integer, primary_key=True, autoincrement=True),
    Column("id", String(32), nullable=False, unique=True),
    Column("key", String(64), nullable=False),
    Column("repository", String(200), nullable=False),
    Column("plan", Text, nullable=False),
    Column("branch", String(300), nullable=False),
    Column("created_at", String(32), nullable=False),
    Column("state", String(16), nullable=False),
    Column("commit", String(64)),
    Column("pull_request", Integer),
    Column("error", Text, nullable=False, server_default=""),
    Column("updated_at", String(32), nullable=False),
    # Two requests for the same change are one while the first is live.
    Index(
        "uq_intents_live_key",
        "repository",
        "key",
        unique=True,
        sqlite_where=text(_LIVE),
        postgresql_where=text(_LIVE),
    ),
    Index("ix_intents_repository_state", "repository", "state"),
)

pushes = Table(
    "pushes",
    metadata,
    Column("repository", String(200), primary_key=True),
    Column("branch", String(300), primary_key=True),
    Column("commit", String(64), primary_key=True),
    Column("at", String(32), nullable=False),
)

holds = Table(
    "holds",
    metadata,
    Column("repository", String(200), primary_key=True),
    # Empty text stands for "every": NULL cannot be part of a primary key.
    Column("stack", String(63), primary_key=True),
    Column("environment", String(63), primary_key=True),
    Column("reason", Text, nullable=False),
    Column("by", String(200), nullable=False),
    Column("at", String(32), nullable=False),
)

pauses = Table(
    "pauses",
    metadata,
    Column("repository", String(200), primary_key=True),
    Column("by", String(200), nullable=False),
    Column("at", String(32), nullable=False),
)

tokens = Table(
    "tokens",
    metadata,
    Column("id", String(16), primary_key=True),
    Column("name", String(200), nullable=False),
    Column("role", String(16), nullable=False),
    Column("stack", String(63), nullable=False),
    Column("environment", String(63), nullable=False),
    Column("hash", String(64), nullable=False, unique=True),
    Column("created_at", String(32), nullable=False),
    Column("expires_at", String(32)),
    Column("revoked", Boolean, nullable=False),
)

audit = Table(
    "audit",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("at", String(32), nullable=False),
    Column("by", String(200), nullable=False),
    Column("action", String(64), nullable=False),
    Column("repository", String(200), nullable=False),
    Column("details", Text, nullable=False),
    Column("previous", String(64), nullable=False),
    Column("hash", String(64), nullable=False),
)
