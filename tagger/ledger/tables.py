"""The tables. Hot rows (`jobs`, `deliveries`) are narrow; what is large or rarely read stands apart.

Times are milliseconds since 1970 UTC. Open states have partial indexes, so that ten million ended rows cost a claim nothing.
"""

from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    Boolean,
    Column,
    ColumnElement,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    String,
    Table,
    Text,
    literal_column,
    text,
)

metadata = MetaData()


def word_is(column: Column[Any], *words: str) -> ColumnElement[bool]:
    """`column = 'word'` with the word in the text: a bound parameter would hide the partial index from the planner."""
    if not all(word.replace("_", "").isalpha() for word in words):
        raise ValueError(words)  # the words go into the SQL as they are
    if len(words) == 1:
        return column == literal_column(f"'{words[0]}'")
    return column.in_([literal_column(f"'{w}'") for w in words])


def partial(name: str, *columns: str, where: str, unique: bool = False) -> Index:
    return Index(name, *columns, unique=unique, sqlite_where=text(where), postgresql_where=text(where))


def _job_id(**kwargs: Any) -> Column[str]:
    return Column("job_id", String(40), ForeignKey("jobs.id", ondelete="CASCADE"), **kwargs)


sites = Table(
    "sites",
    metadata,
    Column("id", String(63), primary_key=True),
    Column("body", JSON, nullable=False),  # the rest of Site
    Column("writes_paused", Boolean, nullable=False),
)

api_keys = Table(
    "api_keys",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("site_id", String(63), ForeignKey("sites.id", ondelete="CASCADE"), nullable=False, index=True),
    Column("name", Text, nullable=False),
    Column("key_sha256", String(64), nullable=False, unique=True),
    Column("created_ms", BigInteger, nullable=False),
    Column("revoked_ms", BigInteger),
)

endpoints = Table(  # one per site
    "endpoints",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("site_id", String(63), nullable=False, unique=True),
    Column("url", Text, nullable=False),
    Column("secrets", JSON, nullable=False),
    Column("enabled", Boolean, nullable=False),
    Column("allow_private", Boolean, nullable=False),
    Column("circuit", String(9), nullable=False),  # closed | open | half_open
    Column("window", JSON, nullable=False, server_default="[]"),  # tries of the last minute: [slot, good, bad, away] each
    Column("pause_ms", BigInteger, nullable=False),  # the pause before the next probe; grows
    Column("probe_ms", BigInteger, nullable=False),  # when the next probe may go
    Column("probe_id", String(40)),  # the delivery that probes now
    Column("not_before_ms", BigInteger, nullable=False),  # Retry-After: the endpoint slows, others do not notice
    Column("unsettled", Boolean, nullable=False),  # some deliveries must still be parked or unparked
    Column("told_ms", BigInteger, nullable=False, server_default="0"),  # when `endpoint.failing` was last told of it
)

jobs = Table(
    "jobs",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("site_id", String(63), nullable=False),
    Column("asset_id", Text, nullable=False),
    Column("profile", String(63), nullable=False),
    Column("identity", LargeBinary(32), nullable=False, unique=True),
    Column("status", String(10), nullable=False),
    Column("lane", String(8), nullable=False),
    Column("due_ms", BigInteger, nullable=False),  # claimable from then on
    Column("created_ms", BigInteger, nullable=False),
    Column("updated_ms", BigInteger, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("crashes", Integer, nullable=False),
    Column("solo_crashes", Integer, nullable=False),
    Column("token", String(32)),  # of the latest claim; stays after success, to settle an ambiguous commit
    Column("worker_id", String(64)),
    Column("claimed_ms", BigInteger),
    Column("deadline_ms", BigInteger),
    Column("hinted_ms", BigInteger),
    Column("backfill_id", String(40)),
    Column("delivery_id", String(40)),
    Column("delivers", Boolean, nullable=False),
    partial("jobs_claimable", "lane", "due_ms", "id", where="status = 'accepted'"),
    partial("jobs_of_worker", "worker_id", where="status = 'running'"),
    partial("jobs_deadline", "deadline_ms", where="status = 'running'"),
    partial("jobs_backfill_open", "backfill_id", where="status = 'accepted' AND backfill_id IS NOT NULL"),
    partial("jobs_unusual", "status", "id", where="status <> 'done'"),
    partial("jobs_of_backfill", "backfill_id", "id", where="backfill_id IS NOT NULL"),
    Index("jobs_of_asset", "site_id", "asset_id", "id"),
    Index("jobs_of_site", "site_id", "id"),
)

job_requests = Table("job_requests", metadata, _job_id(primary_key=True), Column("body", JSON, nullable=False))

job_results = Table(
    "job_results",
    metadata,
    _job_id(primary_key=True),
    Column("sha256", String(64), nullable=False),
    Column("width", Integer, nullable=False),
    Column("height", Integer, nullable=False),
    Column("verdict", JSON, nullable=False),
    Column("timings_ms", JSON, nullable=False),
    Column("warnings", JSON, nullable=False),
    Column("checks", JSON),  # texts held against the image; null: none were
)

job_errors = Table(  # the last error of a job that is not well
    "job_errors",
    metadata,
    _job_id(primary_key=True),
    Column("error", JSON, nullable=False),
    Column("timings_ms", JSON, nullable=False),
    Column("at_ms", BigInteger, nullable=False),
)

offers = Table(  # annotations, one row per field and locale
    "annotations",
    metadata,
    _job_id(primary_key=True),
    Column("field", String(16), primary_key=True),
    Column("locale", String(35), primary_key=True),
    Column("position", Integer, nullable=False),
    Column("body", JSON, nullable=False),
    Column("outcome", String(10)),
)

assets = Table(  # one row per asset that was ever delivered
    "assets",
    metadata,
    Column("site_id", String(63), primary_key=True),
    Column("asset_id", Text, primary_key=True),
    Column("sequence", BigInteger, nullable=False),  # of the newest delivery
)

embeddings = Table(  # the latest revision of each model only
    "embeddings",
    metadata,
    Column("site_id", String(63), primary_key=True),
    Column("name", String(63), primary_key=True),  # the model's, without revision
    Column("asset_id", Text, primary_key=True),
    Column("model", String(127), nullable=False),  # name@revision
    Column("vector", LargeBinary, nullable=False),  # float16, little-endian
    Column("job_id", String(40), nullable=False),
)

deliveries = Table(
    "deliveries",
    metadata,
    Column("id", String(40), primary_key=True),
    _job_id(nullable=False, index=True),
    Column("site_id", String(63), nullable=False),
    Column("asset_id", Text, nullable=False),
    Column("status", String(10), nullable=False),
    Column("sequence", BigInteger, nullable=False),
    Column("attempts", Integer, nullable=False),  # spent
    Column("tries", Integer, nullable=False),  # times that a deliverer held it, whatever came of it
    Column("due_ms", BigInteger, nullable=False),
    Column("created_ms", BigInteger, nullable=False),
    Column("updated_ms", BigInteger, nullable=False),
    Column("token", String(32)),
    Column("worker_id", String(64)),
    partial("deliveries_sending", "site_id", "asset_id", where="status = 'sending'", unique=True),
    partial("deliveries_pending", "site_id", "due_ms", "id", where="status = 'pending'"),
    partial("deliveries_parked", "site_id", "tries", "id", where="status = 'parked'"),
    partial("deliveries_of_worker", "worker_id", where="status = 'sending'"),
    partial("deliveries_unusual", "status", "id", where="status <> 'delivered'"),
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

provenance = Table(  # what we wrote, as the CMS gave it back
    "provenance",
    metadata,
    Column("site_id", String(63), primary_key=True),
    Column("asset_id", Text, primary_key=True),
    Column("field", String(16), primary_key=True),
    Column("locale", String(35), primary_key=True),
    Column("hashes", JSON, nullable=False),  # newest first
    Column("tags", JSON, nullable=False),  # field tags: term ids that we added and did not remove
)

reviews = Table(
    "reviews",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("site_id", String(63), nullable=False),
    Column("asset_id", Text, nullable=False),
    _job_id(nullable=False, index=True),
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
    Column("ended_ms", BigInteger),  # set once, by death or by a clean exit; never cleared
    partial("workers_alive", "beat_ms", where="ended_ms IS NULL"),
)

backfills = Table(
    "backfills",
    metadata,
    Column("id", String(40), primary_key=True),
    Column("site_id", String(63), nullable=False),
    Column("kind", String(32), nullable=False),
    Column("spec", JSON, nullable=False),
    Column("cursor", Text),
    Column("exhausted", Boolean, nullable=False),
    Column("status", String(10), nullable=False),
    Column("window", Integer, nullable=False),
    Column("started_ms", BigInteger, nullable=False),
)

counters = Table(  # kept, so that nobody counts ten million rows; several shards, so that writers seldom meet
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
    Column("at_ms", BigInteger, nullable=False),
)

prediction_cache = Table(
    "prediction_cache",
    metadata,
    Column("key", String(128), primary_key=True),
    Column("value", LargeBinary, nullable=False),
    Column("at_ms", BigInteger, nullable=False, index=True),
)

operator_events = Table(  # the outbox of what an operator should know of; a row goes when it was told
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
