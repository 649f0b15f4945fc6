"""Processes, what operators did, stored counters, recurring chores, idempotency keys and the cache of predictions."""

from sqlalchemy import JSON, BigInteger, Boolean, Column, Integer, LargeBinary, String, Table, Text

from tagger.ledger.tables.base import metadata, partial

workers = Table(
    "workers",
    metadata,
    Column("id", String(64), primary_key=True),  # one per boot of a process
    Column("role", String(16), nullable=False),
    Column("lane", String(8)),
    Column("host", Text, nullable=False),
    Column("pid", Integer, nullable=False),
    Column("started_ms", BigInteger, nullable=False),
    Column("beat_ms", BigInteger, nullable=False),
    Column("ended_ms", BigInteger, index=True),  # set once, by death or by a clean exit; never cleared
    Column("checks", Boolean),  # whether it can say if a text describes an image; null: it did not say, as before 0.2
    partial("workers_alive", "beat_ms", where="ended_ms IS NULL"),
)

audit_log = Table(
    "audit_log",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("at_ms", BigInteger, nullable=False, index=True),
    Column("actor", Text, nullable=False),
    Column("action", String(32), nullable=False),
    Column("site_id", String(63)),
    Column("detail", JSON, nullable=False),
)

counters = Table(  # stored, so that no query counts ten million rows; several shards, so that writers rarely wait for each other
    "counters",
    metadata,
    Column("scope", String(16), primary_key=True),
    Column("owner", String(64), primary_key=True),
    Column("word", String(16), primary_key=True),
    Column("shard", Integer, primary_key=True),
    Column("value", BigInteger, nullable=False),
)

ticks = Table(
    "ticks",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("at_ms", BigInteger, nullable=False),
    Column("count", Integer, nullable=False),
)

idempotency = Table(
    "idempotency",
    metadata,
    Column("site_id", String(63), primary_key=True),
    Column("key", String(255), primary_key=True),
    Column("body_sha256", String(64), nullable=False),
    Column("status", Integer),  # None: in flight
    Column("body", LargeBinary),
    Column("at_ms", BigInteger, nullable=False, index=True),
)

prediction_cache = Table(
    "prediction_cache",
    metadata,
    Column("key", String(128), primary_key=True),
    Column("value", LargeBinary, nullable=False),
    Column("at_ms", BigInteger, nullable=False, index=True),
)
