"""Ledger nouns to API.md's JSON; pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tagger.annotation import Annotation
from tagger.delivery import Attempt, DeadLetter, Delivery
from tagger.instants import format_instant
from tagger.job import Job
from tagger.site import Site


def instant(ms: int | None) -> str | None:
    return None if ms is None else format_instant(ms)


def receipt(job_id: str, status: str, asset_id: str, created_ms: int) -> dict[str, Any]:
    """The 202 of an accepted job."""
    return {"id": job_id, "status": status, "asset": {"id": asset_id}, "created_at": instant(created_ms)}


def job(found: Job, delivery: Delivery | None) -> dict[str, Any]:
    description = found.description
    asset: dict[str, Any] = {"id": found.asset_id, "revision": found.request.asset_revision}
    if description is not None:
        asset |= {"sha256": description.sha256, "width": description.width, "height": description.height}
    return {
        "id": found.id,
        "status": found.status,
        "site": found.site_id,
        "lane": found.lane,
        "profile": found.request.profile,
        "created_at": instant(found.created_ms),
        "updated_at": instant(found.updated_ms),
        "attempts": attempts_of(found),
        "crashes": found.crashes,
        "next_attempt_at": instant(found.next_attempt_ms),
        "asset": asset,
        "verdict": None
        if description is None
        else {"action": description.verdict.action, "reasons": list(description.verdict.reasons)},
        "annotations": [] if description is None else [annotation(a) for a in description.annotations],
        "warnings": [] if description is None else list(description.warnings),
        "delivery": None if delivery is None else delivery_summary(delivery),
        "error": None if found.error is None else found.error.to_dict(),
        "timings_ms": {} if description is None else dict(description.timings_ms),
        "metadata": dict(found.request.metadata),
        "backfill": found.request.backfill_id,
    }


def attempts_of(found: Job) -> int:
    """How many attempts were made: the failures, and the attempt that succeeded or is running."""
    return found.failures + (found.status in ("running", "described", "done"))


def annotation(found: Annotation) -> dict[str, Any]:
    return found.to_dict()


def delivery_summary(found: Delivery) -> dict[str, Any]:
    """`attempts` counts all that were made, also those that found the endpoint unreachable."""
    return {
        "id": found.id,
        "status": found.status,
        "attempts": found.attempts,
        "next_attempt_at": instant(found.next_attempt_ms),
    }


def delivery(found: Delivery) -> dict[str, Any]:
    return {
        **delivery_summary(found),
        "type": found.type,
        "job": found.job_id,
        "site": found.site_id,
        "asset": {"id": found.asset_id},
        "sequence": found.sequence,
        "created_at": instant(found.created_ms),
        "fields": dict(found.fields),
        "notice": dict(found.notice),
        "outcomes": [
            {"field": o.field, "locale": o.locale or None, "outcome": o.outcome, "reason": o.reason or None}
            for o in found.outcomes
        ],
        "previous": {name: dict(locales) for name, locales in found.previous.items()},
        "error": found.error,
    }


def attempt(found: Attempt) -> dict[str, Any]:
    return {
        "id": found.id,
        "number": found.number,
        "at": instant(found.at_ms),
        "result": found.result,
        "status": found.status,
        "duration_ms": found.duration_ms,
        "error": found.error,
    }


def dead_letter(found: DeadLetter) -> dict[str, Any]:
    return {
        "id": found.id,
        "kind": found.kind,
        "site": found.site_id,
        "asset": {"id": found.asset_id},
        "job": found.job_id,
        "at": instant(found.at_ms),
        "attempts": found.failures,
        "error": dict(found.error),
    }


def site(
    found: Site, endpoint: dict[str, Any] | None, capabilities: Mapping[str, Any] | None = None, probed_ms: int | None = None
) -> dict[str, Any]:
    """A site without its secrets. `capabilities`: what its CMS answered to `site.probe`."""
    return {
        "id": found.id,
        "name": found.name,
        "cms": found.cms,
        "profile": found.profile,
        "locales": list(found.locales),
        "vocabulary": found.vocabulary,
        "allowed_hosts": list(found.allowed_hosts),
        "writes_paused": found.writes_paused,
        "tell_unwritten": found.tell_unwritten,
        "tell_failed": found.tell_failed,
        "endpoint": endpoint,
        "capabilities": None if capabilities is None else dict(capabilities),
        "probed_at": instant(probed_ms),
    }
