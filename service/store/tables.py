"""The tables. Times are UTC text (ISO 8601), so that both databases sort them alike.

Leases are the exception: they count seconds on the clock of the database itself.
"""

from __future__ import annotations

from typing import Final

from sqlalchemy import (
    Boolean,
    Column,
    Double,
    Index,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    text,
)

HEAD: Final = "0005"

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
    Column("last_used_at", String(32)),
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

observations = Table(
    "observations",
    metadata,
    Column("repository", String(200), primary_key=True),
    Column("stack", String(63), primary_key=True),
    Column("environment", String(63), primary_key=True),
    Column("source", String(63), primary_key=True),
    Column("health", String(16), nullable=False),
    Column("version", String(200), nullable=False),
    Column("detail", Text, nullable=False),
    Column("since", String(32), nullable=False),
    Column("at", String(32), nullable=False),
)

arrivals = Table(
    "arrivals",
    metadata,
    Column("sequence", Integer, primary_key=True, autoincrement=True),
    Column("repository", String(200), nullable=False),
    Column("stack", String(63), nullable=False),
    Column("environment", String(63), nullable=False),
    Column("commit", String(64), nullable=False),
    Column("image", Text, nullable=False),
    Column("tag", String(128), nullable=False),
    Column("digest", String(80)),
    Column("at", String(32), nullable=False),
    Column("left_at", String(32)),
    Column("healthy_since", String(32)),
    Column("first_healthy_at", String(32)),
    Column("unhealthy_at", String(32)),
    Column("unhealthy_since", String(32)),
    Index(
        "uq_arrivals_commit",
        "repository",
        "stack",
        "environment",
        "commit",
        unique=True,
    ),
)

pins = Table(
    "pins",
    metadata,
    Column("repository", String(200), primary_key=True),
    Column("stack", String(63), primary_key=True),
    Column("environment", String(63), primary_key=True),
    Column("image", Text, nullable=False),
    Column("tag", String(128), nullable=False),
    Column("digest", String(80)),
    Column("reason", Text, nullable=False),
    Column("by", String(200), nullable=False),
    Column("at", String(32), nullable=False),
)

# One row an occurrence of a schedule: what has a row has been dealt with (R14).
occurrences = Table(
    "occurrences",
    metadata,
    Column("repository", String(200), primary_key=True),
    Column("schedule", String(200), primary_key=True),
    Column("scheduled_for", String(32), primary_key=True),
    Column("state", String(16), nullable=False),
    Column("handled_at", String(32), nullable=False),
)

# Up to when the occurrences of a schedule have been dealt with.
schedules = Table(
    "schedules",
    metadata,
    Column("repository", String(200), primary_key=True),
    Column("schedule", String(200), primary_key=True),
    Column("expression", String(200), nullable=False),
    Column("seen_until", String(32), nullable=False),
    Column("missed", Integer, nullable=False, server_default="0"),
)

# Approvals and releases given through the API, for one head commit.
votes = Table(
    "votes",
    metadata,
    Column("repository", String(200), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("head", String(64), primary_key=True),
    Column("kind", String(16), primary_key=True),
    Column("by", String(200), primary_key=True),
    Column("at", String(32), nullable=False),
)

# Effects on the world outside, for the cap on writes an hour (R19).
writes = Table(
    "writes",
    metadata,
    Column("sequence", Integer, primary_key=True, autoincrement=True),
    Column("repository", String(200), nullable=False),
    Column("at", String(32), nullable=False),
    Index("ix_writes_repository_at", "repository", "at"),
)

# How the last pass over a repository ended.
passes = Table(
    "passes",
    metadata,
    Column("repository", String(200), primary_key=True),
    Column("state", String(16), nullable=False),
    Column("problem", Text, nullable=False),
    Column("commit", String(64)),
    Column("failures", Integer, nullable=False, server_default="0"),
    Column("at", String(32), nullable=False),
    Column("worked_at", String(32)),
)

# One writer a repository; `expires_at` is in seconds of the database's clock (R13).
leases = Table(
    "leases",
    metadata,
    Column("name", String(200), primary_key=True),
    Column("holder", String(64), nullable=False),
    Column("epoch", Integer, nullable=False),
    Column("expires_at", Double, nullable=False),
)

# What was answered to a request with an Idempotency-Key.
answers = Table(
    "answers",
    metadata,
    Column("token", String(16), primary_key=True),
    Column("key", String(200), primary_key=True),
    Column("request", String(64), nullable=False),
    Column("status", Integer, nullable=False),
    Column("body", Text, nullable=False),
    Column("at", String(32), nullable=False),
    Index("ix_answers_at", "at"),
)

# Webhooks that were taken, by hashes of what tells them apart (R12).
deliveries = Table(
    "deliveries",
    metadata,
    Column("repository", String(200), primary_key=True),
    Column("key", String(64), primary_key=True),
    Column("at", String(32), nullable=False),
    Index("ix_deliveries_at", "at"),
)

# What was signed, by the commit before it was signed, so that redoing changes nothing.
signatures = Table(
    "signatures",
    metadata,
    Column("commit", String(64), primary_key=True),
    Column("key", String(80), primary_key=True),
    Column("signature", Text, nullable=False),
    Column("at", String(32), nullable=False),
    Index("ix_signatures_at", "at"),
)

# How far along the audit trail each notification sink has been told.
cursors = Table(
    "cursors",
    metadata,
    Column("name", String(200), primary_key=True),
    Column("position", Integer, nullable=False),
    Column("failures", Integer, nullable=False, server_default="0"),
    Column("at", String(32), nullable=False),
)

# What was seen of pull requests that people opened themselves.
reviews = Table(
    "reviews",
    metadata,
    Column("repository", String(200), primary_key=True),
    Column("number", Integer, primary_key=True, autoincrement=False),
    Column("head", String(64), nullable=False),
    Column("base", String(64), nullable=False),
    Column("digest", String(64), nullable=False),
    Column("outcome", String(16), nullable=False),
    Column("findings", Integer, nullable=False),
    Column("verdict", Text, nullable=False),
    Column("has_told", Boolean, nullable=False),
    Column("tries", Integer, nullable=False),
    Column("at", String(32), nullable=False),
)
