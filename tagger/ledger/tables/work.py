"""Jobs with their request and their result; assets, vectors, backfills."""

from sqlalchemy import JSON, BigInteger, Boolean, Column, Index, Integer, LargeBinary, String, Table, Text

from tagger.ledger.tables.base import job_id, metadata, partial

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
    Column("attempts", Integer, nullable=False),  # the failed ones: `failures` outside the ledger
    Column("crashes", Integer, nullable=False),
    Column("solo_crashes", Integer, nullable=False),
    Column("token", String(32)),  # of the latest claim; it stays after success, to decide after an ambiguous commit
    Column("worker_id", String(64)),
    Column("claimed_ms", BigInteger),
    Column("deadline_ms", BigInteger),
    Column("hinted_ms", BigInteger),
    Column("backfill_id", String(40)),
    Column("delivery_id", String(40)),
    Column("delivers", Boolean, nullable=False),
    Column("verdict", String(8)),  # publish | review | suppress; null: not described, or not filled yet
    partial("jobs_claimable", "lane", "due_ms", "id", where="status = 'accepted'"),
    partial("jobs_of_worker", "worker_id", where="status = 'running'"),
    partial("jobs_deadline", "deadline_ms", where="status = 'running'"),
    partial("jobs_backfill_open", "backfill_id", where="status = 'accepted' AND backfill_id IS NOT NULL"),
    partial("jobs_unusual", "status", "id", where="status <> 'done'"),
    partial("jobs_of_backfill", "backfill_id", "id", where="backfill_id IS NOT NULL"),
    partial("jobs_for_review", "id", where="verdict = 'review'"),
    partial("jobs_without_verdict", "id", where="verdict IS NULL AND status IN ('described', 'done')"),
    Index("jobs_of_asset", "site_id", "asset_id", "id"),
    Index("jobs_of_site", "site_id", "id"),
)

job_requests = Table("job_requests", metadata, job_id(primary_key=True), Column("body", JSON, nullable=False))

job_results = Table(
    "job_results",
    metadata,
    job_id(primary_key=True),
    Column("sha256", String(64), nullable=False),
    Column("width", Integer, nullable=False),
    Column("height", Integer, nullable=False),
    Column("verdict", JSON, nullable=False),
    Column("timings_ms", JSON, nullable=False),
    Column("warnings", JSON, nullable=False),
    Column("checks", JSON),  # texts held against the image; null: none were
)

job_errors = Table(  # the last error of a job that failed or waits for a retry
    "job_errors",
    metadata,
    job_id(primary_key=True),
    Column("error", JSON, nullable=False),
    Column("timings_ms", JSON, nullable=False),
    Column("at_ms", BigInteger, nullable=False),
)

offers = Table(  # annotations, one row per field and locale
    "annotations",
    metadata,
    job_id(primary_key=True),
    Column("field", String(16), primary_key=True),
    Column("locale", String(35), primary_key=True),
    Column("position", Integer, nullable=False),
    Column("body", JSON, nullable=False),
    Column("outcome", String(10)),
)

assets = Table(  # one row per asset that was ever delivered or edited
    "assets",
    metadata,
    Column("site_id", String(63), primary_key=True),
    Column("asset_id", Text, primary_key=True),
    Column("sequence", BigInteger, nullable=False),  # of the newest delivery; 0: there was none
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
    Column("pace", JSON, nullable=False, server_default="{}"),  # tagger/pace.py
)

backfill_items = Table(  # one row per asset that a backfill met; it makes sure that none is fed twice
    "backfill_items",
    metadata,
    Column("backfill_id", String(40), primary_key=True),
    Column("asset_id", Text, primary_key=True),
    Column("job_id", String(40)),  # null: skipped
    Column("skipped", String(11), nullable=False),  # why; "": it was not
    Column("present", JSON),  # dry run: what stood in the CMS, and the address of the image
)

erased_jobs = Table(  # of assets that were deleted in their CMS: a hook that comes again must not bring them back
    "erased_jobs",
    metadata,
    Column("identity", LargeBinary(32), primary_key=True),
    Column("job_id", String(40), nullable=False),
    Column("at_ms", BigInteger, nullable=False, index=True),
)
