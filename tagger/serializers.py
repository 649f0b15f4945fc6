"""Ledger nouns to the JSON of docs/api.md; pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tagger.annotation import Annotation
from tagger.audit_entry import AuditEntry
from tagger.delivery import Attempt, DeadLetter, Delivery
from tagger.instants import format_instant
from tagger.job import Job
from tagger.site import Site


def instant(ms: int | None) -> str | None:
    return None if ms is None else format_instant(ms)


def receipt(job_id: str, status: str, asset_id: str, created_ms: int) -> dict[str, Any]:
    """The 202 of an accepted job."""
    return {"id": job_id, "status": status, "asset": {"id": asset_id}, "created_at": instant(created_ms)}


def job(job: Job, delivery: Delivery | None) -> dict[str, Any]:
    description = job.description
    asset: dict[str, Any] = {"id": job.asset_id, "revision": job.request.asset_revision}
    if description is not None:
        asset |= {"sha256": description.sha256, "width": description.width, "height": description.height}
    return {
        "id": job.id,
        "status": job.status,
        "site": job.site_id,
        "lane": job.lane,
        "profile": job.request.profile,
        "created_at": instant(job.created_ms),
        "updated_at": instant(job.updated_ms),
        "attempts": attempts_of(job),
        "crashes": job.crashes,
        "next_attempt_at": instant(job.next_attempt_ms),
        "asset": asset,
        "verdict": None
        if description is None
        else {"action": description.verdict.action, "reasons": list(description.verdict.reasons)},
        "annotations": [] if description is None else [annotation(a) for a in description.annotations],
        "warnings": [] if description is None else list(description.warnings),
        "delivery": None if delivery is None else delivery_summary(delivery),
        "error": None if job.error is None else job.error.to_dict(),
        "timings_ms": {} if description is None else dict(description.timings_ms),
        "metadata": dict(job.request.metadata),
        "backfill": job.request.backfill_id,
    }


def attempts_of(job: Job) -> int:
    """How many attempts were made: the failures, and the attempt that succeeded or is running."""
    return job.failures + (job.status in ("running", "described", "done"))


def annotation(annotation: Annotation) -> dict[str, Any]:
    return annotation.to_dict()


def delivery_summary(delivery: Delivery) -> dict[str, Any]:
    """`attempts` counts all that were made, also those that found the endpoint unreachable."""
    return {
        "id": delivery.id,
        "status": delivery.status,
        "attempts": delivery.attempts,
        "next_attempt_at": instant(delivery.next_attempt_ms),
    }


def delivery(delivery: Delivery) -> dict[str, Any]:
    return {
        **delivery_summary(delivery),
        "type": delivery.type,
        "job": delivery.job_id,
        "site": delivery.site_id,
        "asset": {"id": delivery.asset_id},
        "sequence": delivery.sequence,
        "created_at": instant(delivery.created_ms),
        "fields": dict(delivery.fields),
        "notice": dict(delivery.notice),
        "outcomes": [
            {"field": o.field, "locale": o.locale or None, "outcome": o.outcome, "reason": o.reason or None}
            for o in delivery.outcomes
        ],
        "previous": {name: dict(locales) for name, locales in delivery.previous.items()},
        "error": delivery.error,
    }


def attempt(attempt: Attempt) -> dict[str, Any]:
    return {
        "id": attempt.id,
        "number": attempt.number,
        "at": instant(attempt.at_ms),
        "result": attempt.result,
        "status": attempt.status,
        "duration_ms": attempt.duration_ms,
        "error": attempt.error,
    }


def dead_letter(letter: DeadLetter) -> dict[str, Any]:
    return {
        "id": letter.id,
        "kind": letter.kind,
        "site": letter.site_id,
        "asset": {"id": letter.asset_id},
        "job": letter.job_id,
        "at": instant(letter.at_ms),
        "attempts": letter.failures,
        "error": dict(letter.error),
    }


def audit_entry(entry: AuditEntry) -> dict[str, Any]:
    return {
        "id": entry.id,
        "at": instant(entry.at_ms),
        "actor": entry.actor,
        "action": entry.action,
        "site": entry.site_id,
        "detail": dict(entry.detail),
    }


def site(
    site: Site, endpoint: dict[str, Any] | None, capabilities: Mapping[str, Any] | None = None, probed_ms: int | None = None
) -> dict[str, Any]:
    """A site without its secrets. `capabilities`: what its CMS answered to `site.probe`."""
    return {
        "id": site.id,
        "name": site.name,
        "cms": site.cms,
        "profile": site.profile,
        "locales": list(site.locales),
        "vocabulary": site.vocabulary,
        "allowed_hosts": list(site.allowed_hosts),
        "writes_paused": site.writes_paused,
        "tell_unwritten": site.tell_unwritten,
        "tell_failed": site.tell_failed,
        "max_open_jobs": site.max_open_jobs,
        "max_bytes_a_day": site.max_bytes_a_day,
        "endpoint": endpoint,
        "capabilities": None if capabilities is None else dict(capabilities),
        "probed_at": instant(probed_ms),
    }
