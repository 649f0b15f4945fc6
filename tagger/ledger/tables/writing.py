"""Deliveries with their bodies, attempts and outcomes; operator events."""

from sqlalchemy import JSON, BigInteger, Boolean, Column, ForeignKey, Index, Integer, String, Table, Text

from tagger.ledger.tables.base import job_id, metadata, partial

deliveries = Table(
    "deliveries",
    metadata,
    Column("id", String(40), primary_key=True),
    job_id(nullable=False, index=True),
    Column("site_id", String(63), nullable=False),
    Column("asset_id", Text, nullable=False),
    Column("status", String(10), nullable=False),
    Column("sequence", BigInteger, nullable=False),
    Column("attempts", Integer, nullable=False),  # the failed ones: `failures` outside the ledger
    Column("tries", Integer, nullable=False),  # all that were made: `attempts` outside the ledger
    Column("due_ms", BigInteger, nullable=False),
    Column("created_ms", BigInteger, nullable=False),
    Column("updated_ms", BigInteger, nullable=False),
    Column("replayed_ms", BigInteger),  # when it last began anew
    Column("token", String(32)),
    Column("worker_id", String(64)),
    Column("undo_id", String(40)),  # the backfill of kind `undo` that made this `asset.reverted`
    partial("deliveries_sending", "site_id", "asset_id", where="status = 'sending'", unique=True),
    partial("deliveries_pending", "site_id", "due_ms", "id", where="status = 'pending'"),
    partial("deliveries_parked", "site_id", "tries", "id", where="status = 'parked'"),
    partial("deliveries_of_worker", "worker_id", where="status = 'sending'"),
    partial("deliveries_unusual", "status", "id", where="status <> 'delivered'"),
    partial("deliveries_of_undo", "undo_id", "id", where="undo_id IS NOT NULL"),
    Index("deliveries_of_asset", "site_id", "asset_id", "sequence", unique=True),
    Index("deliveries_of_site", "site_id", "id"),
)

delivery_bodies = Table(
    "delivery_bodies",
    metadata,
    Column("delivery_id", String(40), ForeignKey("deliveries.id", ondelete="CASCADE"), primary_key=True),
    Column("fields", JSON, nullable=False),
    Column("metadata", JSON, nullable=False),
    Column("outcomes", JSON, nullable=False),
    Column("error", JSON),
    Column("type", String(32), nullable=False, server_default="asset.described"),
    Column("notice", JSON, nullable=False, server_default="{}"),  # the rest of the message's data: tagger/message.py
    Column("trace", String(55)),  # W3C traceparent of the job's trace
    Column("previous", JSON),  # field → locale → the text that this delivery replaced, as the CMS answered; to undo it
)

attempts = Table(
    "attempts",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("delivery_id", String(40), nullable=False, index=True),
    Column("number", Integer, nullable=False),
    Column("at_ms", BigInteger, nullable=False, index=True),  # retention goes by it
    Column("result", String(10), nullable=False),
    Column("status", Integer),
    Column("duration_ms", Integer, nullable=False),
    Column("error", JSON),
)

provenance = Table(  # the values that tagger wrote, as the CMS returned them
    "provenance",
    metadata,
    Column("site_id", String(63), primary_key=True),
    Column("asset_id", Text, primary_key=True),
    Column("field", String(16), primary_key=True),
    Column("locale", String(35), primary_key=True),
    Column("hashes", JSON, nullable=False),  # newest first
    Column("tags", JSON, nullable=False),  # field tags: term ids that we added and did not remove
    Column("not_ours", JSON, nullable=False, server_default="[]"),  # field tags: `editor_tags` outside the ledger
    Column("edited_ms", BigInteger),  # a text: when a person last changed it; null: nobody told of an edit
)

reviews = Table(
    "reviews",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("site_id", String(63), nullable=False),
    Column("asset_id", Text, nullable=False),
    job_id(nullable=False, index=True),
    Column("delivery_id", String(40), nullable=False),
    Column("field", String(16), nullable=False),
    Column("locale", String(35), nullable=False),
    Column("reason", Text, nullable=False),
    Column("status", String(10), nullable=False),  # open
    Column("created_ms", BigInteger, nullable=False),
    partial("reviews_open", "site_id", "id", where="status = 'open'"),
)

dead_letters = Table(
    "dead_letters",
    metadata,
    Column("id", String(40), primary_key=True),  # the job's or the delivery's
    Column("kind", String(8), nullable=False),
    Column("site_id", String(63), nullable=False),
    Column("asset_id", Text, nullable=False),
    Column("job_id", String(40), nullable=False),
    Column("at_ms", BigInteger, nullable=False, index=True),
    Column("attempts", Integer, nullable=False),
    Column("code", String(63), nullable=False),
    Column("error", JSON, nullable=False),
    Index("dead_letters_of_site", "site_id", "id"),
)

operator_events = Table(  # the outbox of operator events; a row is deleted after it was reported
    "operator_events",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("type", String(32), nullable=False),
    Column("at_ms", BigInteger, nullable=False),
    Column("data", JSON, nullable=False),
    Column("due_ms", BigInteger, nullable=False, index=True),
    Column("attempts", Integer, nullable=False),  # of its webhook, failed
    Column("told", Boolean, nullable=False),  # it is in the log and in the metrics
)
