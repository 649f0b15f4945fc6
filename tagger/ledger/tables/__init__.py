"""The tables. Rows that change often (`jobs`, `deliveries`) are narrow. Large or rarely read values have tables of their own.

Times are milliseconds since 1970 UTC. Open states have partial indexes, so ten million ended rows do not slow down a claim.
"""

from tagger.ledger.tables.base import metadata, word_is
from tagger.ledger.tables.searching import described_assets, erased_assets, search_terms
from tagger.ledger.tables.sites import api_keys, endpoints, sites
from tagger.ledger.tables.upkeep import audit_log, counters, idempotency, prediction_cache, ticks, workers
from tagger.ledger.tables.work import (
    assets,
    backfill_items,
    backfills,
    embeddings,
    erased_jobs,
    job_errors,
    job_requests,
    job_results,
    jobs,
    offers,
)
from tagger.ledger.tables.writing import attempts, dead_letters, deliveries, delivery_bodies, operator_events, provenance, reviews

__all__ = [
    "api_keys",
    "assets",
    "attempts",
    "audit_log",
    "backfill_items",
    "backfills",
    "counters",
    "dead_letters",
    "deliveries",
    "delivery_bodies",
    "described_assets",
    "embeddings",
    "endpoints",
    "erased_assets",
    "erased_jobs",
    "idempotency",
    "job_errors",
    "job_requests",
    "job_results",
    "jobs",
    "metadata",
    "offers",
    "operator_events",
    "prediction_cache",
    "provenance",
    "reviews",
    "search_terms",
    "sites",
    "ticks",
    "word_is",
    "workers",
]
