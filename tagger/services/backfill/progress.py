"""The progress of a backfill as one JSON object, for the API and the command line. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tagger import serializers
from tagger.annotation import Outcome
from tagger.backfill import UNDO, Backfill
from tagger.job import ENDED

OUTCOMES: tuple[Outcome, ...] = ("written", "kept", "unchanged", "unverified", "rejected", "gone")
VERDICTS = ("publish", "review", "suppress")


def progress(backfill: Backfill, now_ms: int) -> dict[str, Any]:
    """`waiting`: jobs that no worker claimed yet. `ended`: images that need no more work, with the `known` ones. `rate`: images
    per second that ended since the start, without the known ones, while the backfill runs. So `seconds_left` is rather too high.
    """
    counts = backfill.counts
    worked = sum(counts.get(word, 0) for word in ((*OUTCOMES, "dead") if backfill.kind == UNDO else ENDED))
    skipped = sum(backfill.skipped.values())
    ended = counts.get("known", 0) + worked
    fed = counts.get("fed", 0)
    seconds = max(0.001, (now_ms - backfill.started_ms) / 1000)
    listed = fed + skipped
    total = max(_total(backfill), listed)
    rate = worked / seconds if backfill.status == "running" else None
    left = total - ended - skipped
    pace = backfill.pace
    return {
        "id": backfill.id,
        "site": backfill.site_id,
        "kind": backfill.kind,
        "status": backfill.status,
        "dry_run": backfill.rehearses,
        "undoes": backfill.undoes,
        "folder": backfill.spec.get("folder"),
        "source": source_of(backfill.spec, backfill.kind),
        "total": total,
        "fed": fed,
        "open": max(0, fed - ended),
        "waiting": counts.get("accepted", 0) + counts.get("reverting", 0),
        "known": counts.get("known", 0),
        "ended": ended,
        "dead": counts.get("dead", 0),
        "counts": outcome_counts(backfill),
        "rate": None if rate is None else round(rate, 2),
        "seconds_left": round(left / rate) if rate else None,
        "pace": {
            "most": pace.most,
            "rate": None if pace.rate is None else round(pace.rate, 2),
            "not_before": serializers.instant(pace.not_before_ms) if pace.not_before_ms > now_ms else None,
            "trouble": pace.trouble or None,
        },
        "started_at": serializers.instant(backfill.started_ms),
    }


def outcome_counts(backfill: Backfill) -> dict[str, Any]:
    """How many images ended how. `described` holds those of `review` and `nothing` and, when the CMS has answered, those of the
    outcomes. An image counts once among the outcomes: as written if any field was written."""
    count = backfill.counts.get
    described = sum(count(verdict, 0) for verdict in VERDICTS)
    ends: dict[str, Any] = {outcome: count(outcome, 0) for outcome in OUTCOMES}
    if backfill.kind == UNDO:
        return {"reverted": ends.pop("written"), **ends, "dead": count("dead", 0)}
    more = {"review": count("review", 0), "nothing": count("suppress", 0), "dead": count("dead", 0)}
    stopped = {"cancelled": count("cancelled", 0), "replaced": count("superseded", 0)}
    return {"described": described, **ends, **more, **stopped, "skipped": backfill.skipped}


def source_of(spec: Mapping[str, Any], kind: str) -> str:
    """Where the images come from, in a few words."""
    if kind == UNDO:
        return f"undoes {spec['of']}"
    return str(spec.get("folder") or spec.get("csv") or "the library of the CMS")


def _total(backfill: Backfill) -> int:
    total = int(backfill.spec["total"])
    if size := backfill.spec.get("sample"):
        total = min(total, int(size))
    return 0 if backfill.exhausted and (backfill.kind == UNDO or size) else total
