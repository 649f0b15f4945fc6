"""Sites, their keys and their endpoints."""

from sqlalchemy import JSON, BigInteger, Boolean, Column, ForeignKey, Integer, String, Table, Text

from tagger.ledger.tables.base import metadata

sites = Table(
    "sites",
    metadata,
    Column("id", String(63), primary_key=True),
    Column("body", JSON, nullable=False),  # the rest of Site
    Column("writes_paused", Boolean, nullable=False),
    Column("capabilities", JSON),  # the CMS's answer to `site.probe`: tagger/cms/generic/probe.py
    Column("probed_ms", BigInteger),
    Column("swept_ms", BigInteger),  # when the last complete sweep of its library began
    Column("sweep_token", String(40)),  # of the sweep that runs
    Column("sweep_lease_ms", BigInteger),  # until then that sweep is taken for alive
    Column("sweep_state", JSON),  # how far an unended sweep has come: tagger/services/sweep.py
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
    Column("unconfirmed", Integer, nullable=False, server_default="0"),  # answers in a row that confirmed nothing
    Column("unconfirmed_since_ms", BigInteger, nullable=False, server_default="0"),  # when the first of them came
)
